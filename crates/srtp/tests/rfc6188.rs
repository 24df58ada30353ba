//! RFC 6188: whole packets of the AES-192 and AES-256 profiles, with the session keys that the RFC derives.
//!
//! The key streams and key derivations of §7 are tested beside the code that makes them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics to fail, and so do its helpers"
)]

use aes::{Aes192, Aes256};
use ctr::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use srtp::{Context, MasterKey, Profile};
use testkit::vectors::hex;

const PLAIN: &str = "800f1234 decafbad 00000000 abababab abababab abababab abababab";

/// With SSRC 0 the IV is the session salt and the index, here 0x1234.
fn iv(salt: &str) -> Vec<u8> {
    let mut iv = [hex(salt), vec![0, 0]].concat();
    iv[12] ^= 0x12;
    iv[13] ^= 0x34;
    iv
}

fn tagged(mut packet: Vec<u8>, key: &str, length: usize) -> Vec<u8> {
    let mut mac = Hmac::<Sha1>::new_from_slice(&hex(key)).unwrap();
    mac.update(&packet);
    mac.update(&[0; 4]);
    packet.extend_from_slice(&mac.finalize().into_bytes()[..length]);
    packet
}

fn protected(profile: Profile, master: &str) -> Vec<u8> {
    let key = MasterKey::new(profile, &hex(master)).unwrap();
    let mut packet = hex(PLAIN);
    Context::new(profile, &key).unwrap().protect_rtp(&mut packet).unwrap();
    packet
}

// rfc: 6188 §4 — AES_192_CM_HMAC_SHA1_80 and _32
#[test]
fn packets_with_192_bits_have_the_session_keys_of_section_7_4() {
    let master = "73edc66c4fa15776fb57f9505c17136550ffda71f3e8e5f1 c8522f3acd4ce86d5add78edbb11";
    let key = hex("31874736a8f1143870c26e4857d8a5b2 c4a354407faadabb");
    let mut packet = hex(PLAIN);
    let iv = iv("2372b82d639b6d8503a47adc0a6c");
    ctr::Ctr128BE::<Aes192>::new_from_slices(&key, &iv).unwrap().apply_keystream(&mut packet[12..]);
    let auth = "355b10973cd95b9eacf4061c7e1a7151e7cfbfcb";
    assert_eq!(protected(Profile::AesCm192HmacSha1_80, master), tagged(packet.clone(), auth, 10));
    assert_eq!(protected(Profile::AesCm192HmacSha1_32, master), tagged(packet, auth, 4));
}

// rfc: 6188 §4 — AES_256_CM_HMAC_SHA1_80 and _32
#[test]
fn packets_with_256_bits_have_the_session_keys_of_section_7_2() {
    let master = "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6 \
        3b04803de51ee7c96423ab5b78d2";
    let key = hex("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4");
    let mut packet = hex(PLAIN);
    let iv = iv("fa31791685ca444a9e07c6c64e93");
    ctr::Ctr128BE::<Aes256>::new_from_slices(&key, &iv).unwrap().apply_keystream(&mut packet[12..]);
    let auth = "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05";
    assert_eq!(protected(Profile::AesCm256HmacSha1_80, master), tagged(packet.clone(), auth, 10));
    assert_eq!(protected(Profile::AesCm256HmacSha1_32, master), tagged(packet, auth, 4));
}

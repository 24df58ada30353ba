//! RFC 7714: how a context lays out packets of the authenticated ciphers.
//!
//! The RFC's own packets begin with session keys; they are tested beside the cipher.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics to fail, and so do its helpers"
)]

use aes::Aes128;
use aes_gcm::Aes128Gcm;
use aes_gcm::aead::{AeadInOut, KeyInit};
use ctr::cipher::{KeyIvInit, StreamCipher};
use srtp::{Context, MasterKey, Profile, UnprotectError};
use testkit::vectors::hex;

const MASTER_KEY: &str = "000102030405060708090a0b0c0d0e0f";
const MASTER_SALT: &str = "a0a1a2a3a4a5a6a7a8a9aaab";
const RTCP: &str = "81c8000b cafebabe abababab abababab abababab";

fn context() -> Context {
    let profile = Profile::AeadAes128Gcm;
    let key = MasterKey::new(profile, &hex(&format!("{MASTER_KEY}{MASTER_SALT}"))).unwrap();
    Context::new(profile, &key).unwrap()
}

/// §11: the AES-CM function of RFC 3711, the salt padded on the right.
fn session_key(label: u8, length: usize) -> Vec<u8> {
    let mut iv = [hex(MASTER_SALT), vec![0; 4]].concat();
    iv[7] ^= label;
    let mut out = vec![0; length];
    ctr::Ctr128BE::<Aes128>::new_from_slices(&hex(MASTER_KEY), &iv).unwrap().apply_keystream(&mut out);
    out
}

/// An SRTCP packet that was not encrypted, of SSRC cafebabe and with the index 5.
fn clear_rtcp() -> Vec<u8> {
    let mut iv: [u8; 12] = session_key(5, 12).try_into().unwrap();
    let other = hex("0000 cafebabe 0000 00000005");
    iv.iter_mut().zip(other).for_each(|(octet, other)| *octet ^= other);
    let associated = [hex(RTCP), hex("00000005")].concat();
    let aead = Aes128Gcm::new_from_slice(&session_key(3, 16)).unwrap();
    let tag = aead.encrypt_inout_detached(&iv.into(), &associated, (&mut [][..]).into()).unwrap();
    [hex(RTCP), tag.to_vec(), hex("00000005")].concat()
}

// rfc: 7714 §9.3 — an unencrypted SRTCP packet is all associated data, the tag before the E flag
#[test]
fn an_rtcp_packet_that_was_not_encrypted_is_taken_when_authentic() {
    let mut receiver = context();
    let authentic = clear_rtcp();
    for bit in 0..authentic.len() * 8 {
        let mut forged = authentic.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        let altered = forged.clone();
        assert!(receiver.unprotect_rtcp(&mut forged).is_err(), "bit {bit}");
        assert_eq!(forged, altered, "a refused packet is as it was");
    }
    let mut packet = authentic;
    receiver.unprotect_rtcp(&mut packet).unwrap();
    assert_eq!(packet, hex(RTCP));
}

// rfc: 7714 §8.2 — an empty payload gives a tag alone
#[test]
fn a_packet_without_payload_becomes_header_and_tag() {
    let (mut sender, mut receiver) = (context(), context());
    let mut packet = hex("800f1234 decafbad cafebabe");
    sender.protect_rtp(&mut packet).unwrap();
    assert_eq!(packet.len(), 12 + 16);
    receiver.unprotect_rtp(&mut packet).unwrap();
    assert_eq!(packet, hex("800f1234 decafbad cafebabe"));
}

// rfc: 7714 §9.2 — the tag stands before the E flag and the index, the MKI after them
#[test]
fn the_identifier_is_the_last_of_an_rtcp_packet() {
    let profile = Profile::AeadAes128Gcm;
    let key = MasterKey::new(profile, &[9; 28]).unwrap().with_mki(&[0xaa, 0xbb]).unwrap();
    let mut packet = hex(RTCP);
    Context::new(profile, &key).unwrap().protect_rtcp(&mut packet).unwrap();
    assert!(packet.ends_with(&hex("80000000 aabb")));
    assert_eq!(packet.len(), hex(RTCP).len() + 16 + 4 + 2);
    let mut receiver = Context::new(profile, &key).unwrap();
    receiver.unprotect_rtcp(&mut packet).unwrap();
    assert_eq!(receiver.unprotect_rtcp(&mut packet), Err(UnprotectError::Malformed));
}

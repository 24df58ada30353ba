//! RFC 3711 packet by packet, against a second implementation of the packet format in this file.
//!
//! The key streams and session keys of App. B are tested beside the code that makes them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics to fail, and so do its helpers"
)]

use aes::Aes128;
use ctr::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use srtp::{Config, Context, KeyError, MasterKey, Profile, ProtectError, UnprotectError};
use testkit::vectors::hex;

const PROFILE: Profile = Profile::AesCm128HmacSha1_80;
const MASTER: &str = "E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6";
const SSRC: u32 = 0xcafe_babe;

fn key() -> MasterKey {
    MasterKey::new(PROFILE, &hex(MASTER)).unwrap()
}

fn context() -> Context {
    Context::new(PROFILE, &key()).unwrap()
}

fn rtp(sequence: u16) -> Vec<u8> {
    let [high, low] = sequence.to_be_bytes();
    [&[0x80, 0x0f, high, low][..], &hex("decafbad cafebabe"), &[0xab; 40]].concat()
}

fn rtcp() -> Vec<u8> {
    hex("81c8000b cafebabe abababab abababab abababab abababab")
}

fn aes_cm(key: &[u8], iv: &[u8], body: &mut [u8]) {
    ctr::Ctr128BE::<Aes128>::new_from_slices(key, iv).unwrap().apply_keystream(body);
}

/// §4.1.1: (k_s · 2^16) XOR (SSRC · 2^64) XOR (i · 2^16).
fn iv(salt: &str, index: u64) -> Vec<u8> {
    let mut iv = [hex(salt), vec![0, 0]].concat();
    let other = [&[0; 4], &SSRC.to_be_bytes()[..], &index.to_be_bytes()[2..], &[0; 2]].concat();
    iv.iter_mut().zip(other).for_each(|(octet, other)| *octet ^= other);
    iv
}

fn tag(key: &[u8], covered: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).unwrap();
    mac.update(covered);
    mac.finalize().into_bytes()[..10].to_vec()
}

// rfc: 3711 §3.1 — header | encrypted payload | tag over both and the rollover counter
#[test]
fn an_rtp_packet_has_the_session_keys_of_app_b_3_the_iv_and_the_tag_of_section_4() {
    let mut sender = context();
    for (sequence, rollover) in [(0xffff, 0_u32), (0, 1)] {
        let plain = rtp(sequence);
        let mut expected = plain.clone();
        let index = u64::from(rollover) << 16 | u64::from(sequence);
        let iv = iv("30CBBC08863D8C85D49DB34A9AE1", index);
        aes_cm(&hex("C61E7A93744F39EE10734AFE3FF7A087"), &iv, &mut expected[12..]);
        let covered = [&expected[..], &rollover.to_be_bytes()].concat();
        expected.extend(tag(&hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"), &covered));

        let mut packet = plain;
        sender.protect_rtp(&mut packet).unwrap();
        assert_eq!(packet, expected);
    }
}

/// The SRTCP packet with this index, with the session keys for labels 3, 4 and 5 made here.
fn srtcp(index: u32, encrypt: bool) -> Vec<u8> {
    let session_key = |label: u8, length: usize| {
        let mut iv = [hex("0EC675AD498AFEEBB6960B3AABE6"), vec![0, 0]].concat();
        iv[7] ^= label;
        let mut out = vec![0; length];
        aes_cm(&hex("E1F97A0D3E018BE0D64FA32C06DE4139"), &iv, &mut out);
        out
    };
    let salt: String = session_key(5, 14).iter().map(|octet| format!("{octet:02x}")).collect();
    let mut packet = rtcp();
    if encrypt {
        aes_cm(&session_key(3, 16), &iv(&salt, index.into()), &mut packet[8..]);
    }
    packet.extend((index | u32::from(encrypt) << 31).to_be_bytes());
    packet.extend(tag(&session_key(4, 20), &packet));
    packet
}

// rfc: 3711 §3.4 — SRTCP counts from zero by one and sets the E flag
#[test]
fn rtcp_packets_carry_an_index_of_their_own() {
    let mut sender = context();
    for index in 0..3 {
        let mut packet = rtcp();
        sender.protect_rtcp(&mut packet).unwrap();
        assert_eq!(packet, srtcp(index, true));
        sender.protect_rtp(&mut rtp(u16::try_from(index).unwrap())).unwrap();
    }
}

// rfc: 3711 §3.4 — with the E flag at zero the payload is left unmodified, but authenticated
#[test]
fn an_rtcp_packet_that_was_not_encrypted_is_taken_when_authentic() {
    let mut receiver = context();
    let mut clear = srtcp(7, false);
    let mut forged = clear.clone();
    forged[24] |= 0x80;
    assert_eq!(receiver.unprotect_rtcp(&mut forged), Err(UnprotectError::Forged));
    receiver.unprotect_rtcp(&mut clear).unwrap();
    assert_eq!(clear, rtcp());
}

// rfc: 3711 §3.4 — SRTCP has a replay list of its own
#[test]
fn rtp_and_rtcp_are_remembered_apart() {
    let (mut sender, mut receiver) = (context(), context());
    let (mut first, mut second) = (rtp(0), rtcp());
    sender.protect_rtp(&mut first).unwrap();
    sender.protect_rtcp(&mut second).unwrap();
    receiver.unprotect_rtp(&mut first.clone()).unwrap();
    receiver.unprotect_rtcp(&mut second.clone()).unwrap();
    assert_eq!(receiver.unprotect_rtp(&mut first), Err(UnprotectError::Replayed));
    assert_eq!(receiver.unprotect_rtcp(&mut second), Err(UnprotectError::Replayed));
}

// rfc: 3711 §3.1 — the MKI stands before the tag, which does not cover it
#[test]
fn the_master_key_identifier_stands_before_the_tag() {
    let key = key().with_mki(&[0, 0, 4, 42]).unwrap();
    let (mut plain, mut marked) = (context(), Context::new(PROFILE, &key).unwrap());
    let (mut without, mut with) = (rtp(1), rtp(1));
    plain.protect_rtp(&mut without).unwrap();
    marked.protect_rtp(&mut with).unwrap();
    let (body, tag) = without.split_at(without.len() - 10);
    assert_eq!(with, [body, &[0, 0, 4, 42], tag].concat());
    assert_eq!(marked.rtp_overhead(), 14);

    let (mut without, mut with) = (rtcp(), rtcp());
    plain.protect_rtcp(&mut without).unwrap();
    marked.protect_rtcp(&mut with).unwrap();
    let (body, tag) = without.split_at(without.len() - 10);
    assert_eq!(with, [body, &[0, 0, 4, 42], tag].concat());
    assert_eq!(marked.rtcp_overhead(), 18);

    let mut receiver = Context::new(PROFILE, &key).unwrap();
    let mut other = with.clone();
    other[with.len() - 11] ^= 1;
    assert_eq!(receiver.unprotect_rtcp(&mut other), Err(UnprotectError::UnknownMki));
    receiver.unprotect_rtcp(&mut with).unwrap();
    assert_eq!(with, rtcp());
}

// rfc: 3711 §9.1 — the same index is never protected twice: no two-time pad
#[test]
fn a_sequence_number_is_not_protected_twice() {
    let mut sender = context();
    sender.protect_rtp(&mut rtp(9)).unwrap();
    sender.protect_rtp(&mut rtp(8)).unwrap();
    let mut again = rtp(9);
    assert_eq!(sender.protect_rtp(&mut again), Err(ProtectError::IndexReused));
    assert_eq!(again, rtp(9), "an error leaves the packet as it was");
    sender.protect_rtp(&mut rtp(500)).unwrap();
    assert_eq!(sender.protect_rtp(&mut rtp(7)), Err(ProtectError::IndexReused));
}

// rfc: 3711 §3.2.3 — each SSRC has a rollover counter and a replay list of its own
#[test]
fn streams_are_apart_and_their_number_is_limited() {
    let config = Config::default().max_streams(2);
    let of = |ssrc: u8, sequence: u16| {
        let mut packet = rtp(sequence);
        packet[11] = ssrc;
        packet
    };
    let (mut sender, mut receiver) = (context(), Context::with_config(PROFILE, &key(), config).unwrap());
    for (ssrc, sequence) in [(1, 0xffff), (2, 0xffff), (1, 0), (2, 0xfffe)] {
        let mut packet = of(ssrc, sequence);
        sender.protect_rtp(&mut packet).unwrap();
        receiver.unprotect_rtp(&mut packet).unwrap();
        assert_eq!(packet, of(ssrc, sequence));
    }
    assert_eq!(receiver.rollover_counter(0xcafe_ba01), Some(1));
    assert_eq!(receiver.rollover_counter(0xcafe_ba02), Some(0));
    assert_eq!(receiver.rollover_counter(0xcafe_ba03), None);
    let mut third = of(3, 1);
    sender.protect_rtp(&mut third).unwrap();
    assert_eq!(receiver.unprotect_rtp(&mut third), Err(UnprotectError::TooManyStreams));
    let mut full = Context::with_config(PROFILE, &key(), config.max_streams(0)).unwrap();
    assert_eq!(full.protect_rtp(&mut rtp(1)), Err(ProtectError::TooManyStreams));
    assert_eq!(full.protect_rtcp(&mut rtcp()), Err(ProtectError::TooManyStreams));
}

// rfc: 3711 §3.3.2 — the replay window has 64 packets at least
#[test]
fn keys_of_another_profile_and_small_windows_are_refused() {
    let error = Context::new(Profile::AesCm128HmacSha1_32, &key()).unwrap_err();
    assert_eq!(error, KeyError::Profile);
    let config = Config::default().replay_window(63);
    assert_eq!(Context::with_config(PROFILE, &key(), config).unwrap_err(), KeyError::Window(63));
}

#[test]
fn what_is_no_packet_and_what_fits_no_datagram_is_refused() {
    let mut context = context();
    for length in 0..12 {
        assert_eq!(context.protect_rtp(&mut rtp(1)[..length].to_vec()), Err(ProtectError::Malformed));
    }
    for length in 0..22 {
        assert_eq!(context.unprotect_rtp(&mut rtp(1)[..length].to_vec()), Err(UnprotectError::Malformed));
        assert_eq!(context.unprotect_rtcp(&mut rtcp()[..length].to_vec()), Err(UnprotectError::Malformed));
    }
    let mut long = [rtp(1), vec![0; 65_535 - 52 - 9]].concat();
    assert_eq!(context.protect_rtp(&mut long), Err(ProtectError::TooLong));
    long.pop();
    assert_eq!(context.protect_rtp(&mut long), Ok(()));
    assert_eq!(long.len(), 65_535);
    let mut long = [rtcp(), vec![0; 65_535 - 24 - 13]].concat();
    assert_eq!(context.protect_rtcp(&mut long), Err(ProtectError::TooLong));
}

#[test]
fn debug_shows_no_key() {
    let shown = format!("{:?}", context());
    assert_eq!(shown, "Context { profile: AesCm128HmacSha1_80, streams: 0, .. }");
}

//! Packets that other implementations protected, read where the corpus lies.

use std::collections::BTreeMap;

use srtp::{Context, MasterKey, Profile, sdes};
use testkit::vectors::{Stanza, corpus, hex, octets, stanzas, text};

fn context(stanza: &Stanza) -> Context {
    let suite = stanza.get("suite").expect("each stanza names its suite");
    let profile = Profile::from_suite_name(suite).expect(suite);
    let key = MasterKey::new(profile, &stanza.octets("master_key_and_salt")).expect(suite);
    Context::new(profile, &key).expect(suite)
}

/// Protects and unprotects the packets of a stanza with the contexts of its key.
fn check(stanza: &Stanza, sender: &mut Context, receiver: &mut Context) {
    if stanza.get("rtp").is_some() {
        let (plain, sealed) = (stanza.octets("rtp"), stanza.octets("srtp"));
        let mut packet = plain.clone();
        sender.protect_rtp(&mut packet).expect("protect");
        assert_eq!(packet, sealed, "{stanza:?}");
        receiver.unprotect_rtp(&mut packet).expect("unprotect");
        assert_eq!(packet, plain, "{stanza:?}");
    }
    if stanza.get("rtcp").is_some() {
        let (plain, sealed) = (stanza.octets("rtcp"), stanza.octets("srtcp"));
        // Others count SRTCP packets from 1, the RFC and we from 0: what comes before is sent in vain.
        let mut packet = plain.clone();
        sender.protect_rtcp(&mut packet).expect("protect");
        if packet != sealed {
            packet.clone_from(&plain);
            sender.protect_rtcp(&mut packet).expect("protect");
        }
        assert_eq!(packet, sealed, "{stanza:?}");
        receiver.unprotect_rtcp(&mut packet).expect("unprotect");
        assert_eq!(packet, plain, "{stanza:?}");
    }
}

#[test]
fn sessions_of_another_implementation_are_reproduced_and_read() {
    let Some(folder) = corpus(env!("CARGO_MANIFEST_DIR"), "srtp") else { return };
    let mut contexts = BTreeMap::new();
    let stanzas = stanzas(&folder.join("sessions.kat"));
    assert_eq!(stanzas.len(), 64);
    for stanza in &stanzas {
        let key = (stanza.get("master_key_and_salt"), stanza.get("suite"));
        let (sender, receiver) = contexts.entry(key).or_insert_with(|| (context(stanza), context(stanza)));
        check(stanza, sender, receiver);
    }
}

#[test]
fn packets_of_another_implementations_tests_are_reproduced_and_read() {
    let Some(folder) = corpus(env!("CARGO_MANIFEST_DIR"), "srtp") else { return };
    let stanzas = stanzas(&folder.join("libsrtp-packets.kat"));
    // Header extension encryption (RFC 6904) is not supported.
    let plain = stanzas.iter().filter(|stanza| stanza.get("encrypted_header_extension_ids").is_none());
    let checked = plain.map(|stanza| check(stanza, &mut context(stanza), &mut context(stanza)));
    assert_eq!(checked.count(), 4);
}

#[test]
fn a_captured_call_is_decrypted_with_the_key_of_its_crypto_line() {
    let Some(folder) = corpus(env!("CARGO_MANIFEST_DIR"), "rtp") else { return };
    let inline = "inline:aSBrbm93IGFsbCB5b3VyIGxpdHRsZSBzZWNyZXRz";
    let profile = Profile::from_suite_name("AES_CM_128_HMAC_SHA1_80").expect("it is in the table");
    let key = sdes::parse(profile, inline).expect("the key of the capture");
    let mut receiver = Context::new(profile, &key).expect("its own profile");
    let expected = text(&folder.join("srtp-known-key.rtp.hex"));
    let capture = testkit::pcap::udp(&octets(&folder.join("srtp-known-key.pcap")));
    assert_eq!(capture.len(), expected.lines().count());
    for ((_, datagram), plain) in capture.iter().zip(expected.lines()) {
        let mut packet = datagram.bytes.clone();
        receiver.unprotect_rtp(&mut packet).expect("unprotect");
        assert_eq!(packet, hex(plain));
    }
}

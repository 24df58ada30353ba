//! The test vectors of RFC 5769, and that of RFC 8489 App. B.1, read where the corpus lies.

use std::path::PathBuf;

use stun::auth::{Integrity, Key, PasswordAlgorithm, verify};
use stun::message::{Class, Message, MessageBuilder, Method, ParseError};
use testkit::vectors::{corpus, octets, parse_stanzas, text};

fn folder() -> Option<PathBuf> {
    corpus(env!("CARGO_MANIFEST_DIR"), "stun/rfc")
}

fn short_term() -> Key {
    Key::short_term("VOkJxbRl1RmTxUk/WvJxBt").expect("a plain password")
}

fn long_term(algorithm: PasswordAlgorithm) -> Key {
    let username = "\u{30de}\u{30c8}\u{30ea}\u{30c3}\u{30af}\u{30b9}";
    Key::long_term(username, "example.org", "TheMatrIX", algorithm).expect("plain texts")
}

// rfc: 5769 §2.1 — sample request with short-term integrity and fingerprint
#[test]
fn the_sample_request_is_read_and_checked() {
    let Some(folder) = folder() else { return };
    let datagram = octets(&folder.join("rfc5769-2.1-request.bin"));
    let request = Message::parse(&datagram).unwrap();
    assert_eq!((request.class(), request.method()), (Class::Request, Method::BINDING));
    assert_eq!(request.software(), Some("STUN test client"));
    assert_eq!(request.username(), Some("evtj:h6vY"));
    assert!(request.has_fingerprint());
    assert!(request.unknown_required().is_empty(), "the attributes of ICE are known");
    assert_eq!(verify(&datagram, &short_term()), Some(Integrity::Sha1));
    assert_eq!(verify(&datagram, &Key::short_term("other").unwrap()), None);
}

// rfc: 5769 §2.2 — sample IPv4 response
#[test]
fn the_sample_ipv4_response_is_read_and_checked() {
    let Some(folder) = folder() else { return };
    let datagram = octets(&folder.join("rfc5769-2.2-ipv4-response.bin"));
    let response = Message::parse(&datagram).unwrap();
    assert_eq!(response.class(), Class::Success);
    assert_eq!(response.mapped_address(), Some("192.0.2.1:32853".parse().unwrap()));
    assert_eq!(verify(&datagram, &short_term()), Some(Integrity::Sha1));
}

// rfc: 5769 §2.3 — sample IPv6 response
#[test]
fn the_sample_ipv6_response_is_read_and_checked() {
    let Some(folder) = folder() else { return };
    let datagram = octets(&folder.join("rfc5769-2.3-ipv6-response.bin"));
    let mapped = Message::parse(&datagram).unwrap().mapped_address();
    assert_eq!(mapped, Some("[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap()));
    assert_eq!(verify(&datagram, &short_term()), Some(Integrity::Sha1));
}

// rfc: 5769 §2.4 — sample request with long-term authentication, written octet for octet
#[test]
fn the_sample_request_with_a_long_term_key_is_read_and_written() {
    let Some(folder) = folder() else { return };
    let datagram = octets(&folder.join("rfc5769-2.4-long-term-request.bin"));
    let request = Message::parse(&datagram).unwrap();
    assert_eq!(request.realm(), Some("example.org"));
    assert_eq!(request.nonce(), Some("f//499k954d6OL34oL9FSTvy64sA"));
    let key = long_term(PasswordAlgorithm::Md5);
    assert_eq!(verify(&datagram, &key), Some(Integrity::Sha1));
    let builder = MessageBuilder::new(Class::Request, Method::BINDING, request.transaction_id())
        .username(request.username().unwrap())
        .nonce(request.nonce().unwrap())
        .realm(request.realm().unwrap())
        .integrity(Integrity::Sha1, &key);
    assert_eq!(builder.build().unwrap(), datagram);
}

// rfc: 8489 §B.1 — sample request with MESSAGE-INTEGRITY-SHA256 and USERHASH (with erratum 6268)
#[test]
fn the_sample_request_with_sha256_is_checked_and_its_misprint_refused() {
    let Some(folder) = folder() else { return };
    let datagram = octets(&folder.join("rfc8489-b.1-erratum-6268.bin"));
    let request = Message::parse(&datagram).unwrap();
    assert_eq!(request.realm(), Some("example.org"));
    assert_eq!(verify(&datagram, &long_term(PasswordAlgorithm::Sha256)), Some(Integrity::Sha256));
    assert_eq!(verify(&datagram, &long_term(PasswordAlgorithm::Md5)), None);
    let misprint = octets(&folder.join("rfc8489-b.1-as-printed.bin"));
    assert!(matches!(Message::parse(&misprint), Err(ParseError::Length | ParseError::Malformed)));
}

#[test]
fn a_flipped_bit_breaks_fingerprint_or_signature() {
    let Some(folder) = folder() else { return };
    for name in ["rfc5769-2.1-request.bin", "rfc5769-2.2-ipv4-response.bin", "rfc5769-2.3-ipv6-response.bin"]
    {
        let datagram = octets(&folder.join(name));
        for bit in 0..datagram.len() * 8 {
            let mut altered = datagram.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let accepted = Message::parse(&altered).is_ok_and(|message| message.has_fingerprint());
            assert!(!accepted || verify(&altered, &short_term()).is_none(), "{name}, bit {bit}");
        }
    }
}

#[test]
fn every_vector_of_the_folder_is_tested_here() {
    let Some(folder) = folder() else { return };
    let keys = parse_stanzas(&text(&folder.join("keys.txt")));
    let files: Vec<_> = keys.iter().filter_map(|stanza| stanza.get("file")).collect();
    assert_eq!(files.len(), 5, "{files:?}");
}

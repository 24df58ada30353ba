//! What RFC 8760 adds to digest in SIP: sizes, order, the empty body.

use std::time::{Duration, Instant};

use sip_msg::{Challenge, Limits, Message, WwwAuthenticate};
use sip_ua::auth::digest::{Algorithm, HexHash, Inputs, Protection};
use sip_ua::auth::{Verdict, Verifier};

fn now() -> Instant {
    testkit::Clock::new().now() + Duration::from_secs(1)
}

// rfc: 8760 §2.2 — a digest of SHA-256 or SHA-512/256 has 64 digits of 0123456789abcdef
#[test]
fn digests_have_their_sizes() {
    for (algorithm, digits) in [
        (Algorithm::Md5, 32),
        (Algorithm::Sha256, 64),
        (Algorithm::Sha512_256, 64),
        (Algorithm::Sha256Sess, 64),
    ] {
        let hash = algorithm.secret("alice", "example.com", "secret");
        assert_eq!(hash.len(), digits);
        assert!(hash.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')));
    }
    assert_eq!(&*HexHash::new(&[0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]), "0123456789abcdef");
}

// rfc: 8760 §2.6 — H(entity-body) of an empty body is the hash of nothing
#[test]
fn an_empty_body_is_hashed_as_nothing() {
    // With A1 and A2 written out by hand, auth-int over an empty body comes to the same.
    let algorithm = Algorithm::Sha256;
    let secret = algorithm.secret("alice", "r", "secret");
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let protection = Protection::AuthInt { nc: 1, cnonce: "c", body: b"" };
    let (method, uri) = ("REGISTER", "sip:example.com");
    let whole =
        Inputs { algorithm, secret: &secret, method, uri, nonce: "n", protection, session_cnonce: "" };
    // `secret` is the hash of three texts with colons between them.
    let a2 = algorithm.secret(method, uri, empty);
    let expected = algorithm.secret(&format!("{}:n", &*secret), "00000001:c:auth-int", &a2);
    assert_eq!(&*whole.response(), &*expected);
}

// rfc: 8760 §2.3 — one challenge for each algorithm of a realm, the most preferred at the top
// rfc: 8760 §2.6 — a qop in each
#[test]
fn challenges_are_in_order_and_have_what_they_must() {
    let order = [Algorithm::Sha512_256, Algorithm::Sha256, Algorithm::Md5];
    let mut verifier = Verifier::new(now(), "example.com", [1; 32]).algorithms(&order);
    let lines = verifier.challenge(now(), false);
    let lines: String = lines.iter().map(|(name, line)| format!("{name}: {line}\r\n")).collect();
    let text = format!("SIP/2.0 401 Unauthorized\r\n{lines}Content-Length: 0\r\n\r\n");
    let message = Message::parse(text.into_bytes(), &Limits::default()).unwrap();
    let challenges: Vec<Challenge> =
        message.headers().all::<WwwAuthenticate>().map(|challenge| challenge.unwrap().0).collect();
    let names: Vec<_> =
        challenges.iter().map(|challenge| challenge.params.value("algorithm").unwrap()).collect();
    assert_eq!(names, ["SHA-512-256", "SHA-256", "MD5"]);
    assert!(challenges.iter().all(|challenge| challenge.params.value("qop") == Some("auth")));
}

// rfc: 8760 §2.4 — credentials with an algorithm that was not offered are not taken
#[test]
fn another_algorithm_than_those_offered_is_refused() {
    let mut verifier =
        Verifier::new(now(), "r", [1; 32]).algorithms(&[Algorithm::Sha256]).user("alice", "secret");
    let lines = verifier.challenge(now(), false);
    let nonce =
        lines[0].1.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
    for (algorithm, granted) in [(Algorithm::Md5, false), (Algorithm::Sha256, true)] {
        let secret = algorithm.secret("alice", "r", "secret");
        let protection = Protection::Auth { nc: 1, cnonce: "c" };
        let (method, uri) = ("REGISTER", "sip:example.com");
        let inputs =
            Inputs { algorithm, secret: &secret, method, uri, nonce: &nonce, protection, session_cnonce: "" };
        let text = format!(
            "REGISTER sip:example.com SIP/2.0\r\nAuthorization: Digest username=\"alice\", realm=\"r\", nonce=\"{nonce}\", \
             uri=\"{uri}\", response=\"{}\", algorithm={}, cnonce=\"c\", qop=auth, nc=00000001\r\nContent-Length: 0\r\n\r\n",
            &*inputs.response(),
            algorithm.name(),
        );
        let message = Message::parse(text.into_bytes(), &Limits::default()).unwrap();
        let verdict = verifier.verify(now(), message.as_request().unwrap());
        assert_eq!(matches!(verdict, Verdict::Granted { .. }), granted, "{verdict:?}");
    }
}

//! SRTP keys in offers and answers (RFC 4568), under each policy.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{IpAddr, Ipv4Addr};

use sdp::{
    Capabilities, Crypto, MediaKind, Negotiation, NegotiationError, Protocol, Refused, Security,
    SessionDescription, SrtpPolicy, Stream, Why,
};

const SUITE_80: &str = "AES_CM_128_HMAC_SHA1_80";
const SUITE_32: &str = "AES_CM_128_HMAC_SHA1_32";
const ALICE: &str = "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
const BOB: &str = "inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";

fn able(policy: SrtpPolicy, crypto: &[(&str, &str)]) -> Capabilities {
    let lines = crypto.iter().map(|(suite, key)| Crypto::new(1, suite, key).unwrap());
    Capabilities::new(IpAddr::V4(Ipv4Addr::LOCALHOST)).stream(Stream::audio(5_000).srtp(policy, lines))
}

fn description(protocol: &str, lines: &str) -> SessionDescription {
    let text = format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 {protocol} 0\r\n{lines}"
    );
    SessionDescription::parse(&text).unwrap()
}

fn answer(policy: SrtpPolicy, protocol: &str, lines: &str) -> Result<sdp::Answer, Vec<Refused>> {
    let able = able(policy, &[(SUITE_80, BOB), (SUITE_32, BOB)]);
    Negotiation::new(1).answer(&description(protocol, lines), &able).map_err(|error| {
        let NegotiationError::NothingInCommon(reasons) = error else { panic!("{error}") };
        let refused =
            |reason: &sdp::Reason| if let Why::Refused(refused) = reason.why { Some(refused) } else { None };
        reasons.iter().filter_map(refused).collect()
    })
}

// rfc: 4568 §5.1.2 — the first line that is valid and supported is accepted, with its tag, its suite and our own key
#[test]
fn the_first_usable_line_is_answered_with_its_tag() {
    let lines = format!(
        "a=crypto:1 F8_128_HMAC_SHA1_80 {ALICE}\r\na=crypto:x\r\na=crypto:2 {SUITE_80} inline:short\r\n\
         a=crypto:7 {SUITE_32} {ALICE}|2^31\r\na=crypto:8 {SUITE_80} {ALICE}\r\n"
    );
    for policy in [SrtpPolicy::Optional, SrtpPolicy::Required] {
        for protocol in ["RTP/SAVP", "RTP/SAVPF"] {
            let answer = answer(policy, protocol, &lines).unwrap();
            let media = &answer.description.media[0];
            assert_eq!(media.protocol().as_str(), protocol);
            let keys: Vec<Crypto> = media.attributes.all().collect::<Result<_, _>>().unwrap();
            assert_eq!(keys, [Crypto::new(7, SUITE_32, BOB).unwrap()]);
            let Security::Sdes { local, remote } =
                &answer.agreement.first(MediaKind::Audio).unwrap().security
            else {
                panic!("no SDES")
            };
            assert_eq!((local.key_text(), remote.key_text()), (BOB, format!("{ALICE}|2^31").as_str()));
            assert_eq!((local.tag, remote.tag), (7, 7));
        }
    }
}

// rfc: 4568 §5.1.2 — when no line is valid and supported the stream is refused
#[test]
fn no_usable_line_refuses_the_stream() {
    for lines in [
        String::new(),
        format!("a=crypto:1 F8_128_HMAC_SHA1_80 {ALICE}\r\n"),
        format!("a=crypto:1 {SUITE_80} {ALICE} UNENCRYPTED_SRTP\r\n"),
        format!("a=crypto:1 {SUITE_80} {ALICE}|1:4\r\n"),
    ] {
        assert_eq!(
            answer(SrtpPolicy::Optional, "RTP/SAVP", &lines).unwrap_err(),
            [Refused::NoUsableCrypto],
            "{lines}"
        );
    }
}

// rfc: 4568 §7.1.2 — the answer's key is another than the offer's
#[test]
fn a_key_of_our_own_is_not_accepted_from_the_peer() {
    let lines = format!("a=crypto:1 {SUITE_80} {BOB}\r\n");
    assert_eq!(answer(SrtpPolicy::Required, "RTP/SAVP", &lines).unwrap_err(), [Refused::NoUsableCrypto]);
}

// rfc: 4568 §6 — a=crypto on a transport without SRTP means nothing
#[test]
fn each_policy_takes_what_it_should() {
    let lines = format!("a=crypto:1 {SUITE_80} {ALICE}\r\n");
    let clear = |policy| {
        answer(policy, "RTP/AVP", &lines).map(|answer| answer.description.media[0].protocol().clone())
    };
    assert_eq!(clear(SrtpPolicy::Off), Ok(Protocol::RTP_AVP));
    assert_eq!(clear(SrtpPolicy::Optional), Ok(Protocol::RTP_AVP));
    assert_eq!(clear(SrtpPolicy::Required), Err(vec![Refused::NotEncrypted]));
    assert_eq!(answer(SrtpPolicy::Off, "RTP/SAVP", &lines).unwrap_err(), [Refused::Encrypted]);
    let optional = answer(SrtpPolicy::Optional, "RTP/AVP", &lines).unwrap();
    assert_eq!(optional.agreement.first(MediaKind::Audio).unwrap().security, Security::None);
    assert!(!optional.description.to_string().contains("a=crypto"));
    assert!(optional.reasons.iter().any(|reason| reason.why == Why::CryptoIgnored));
}

// rfc: 4568 §5.1.1 — each line of the offer has its own tag, the best first
#[test]
fn each_policy_offers_what_it_should() {
    let offer = |policy| {
        let offer = Negotiation::new(1).offer(&able(policy, &[(SUITE_80, BOB), (SUITE_32, BOB)])).unwrap();
        let media = offer.description.media[0].clone();
        let tags: Vec<u32> = media.attributes.all::<Crypto>().map(|crypto| crypto.unwrap().tag).collect();
        (media.protocol().clone(), tags)
    };
    assert_eq!(offer(SrtpPolicy::Off), (Protocol::RTP_AVP, vec![]));
    assert_eq!(offer(SrtpPolicy::Optional), (Protocol::RTP_AVP, vec![]));
    assert_eq!(offer(SrtpPolicy::Required), (Protocol::RTP_SAVP, vec![1, 2]));
}

// rfc: 4568 §5.1.3 — the answer must name one of our lines by tag and suite, once, with a key of its own
#[test]
fn an_answer_that_does_not_name_our_line_fails() {
    let settle = |protocol: &str, lines: &str| {
        let mut alice = Negotiation::new(1);
        alice.offer(&able(SrtpPolicy::Required, &[(SUITE_80, ALICE), (SUITE_32, ALICE)])).unwrap();
        alice.accept(&description(protocol, lines))
    };
    let good = settle("RTP/SAVP", &format!("a=crypto:2 {SUITE_32} {BOB}\r\n")).unwrap();
    let Security::Sdes { local, remote } = &good.agreement.first(MediaKind::Audio).unwrap().security else {
        panic!("no SDES")
    };
    assert_eq!((local.key_text(), local.tag, remote.key_text()), (ALICE, 2, BOB));
    for (protocol, lines) in [
        ("RTP/SAVP", String::new()),
        ("RTP/SAVP", format!("a=crypto:1 {SUITE_32} {BOB}\r\n")),
        ("RTP/SAVP", format!("a=crypto:3 {SUITE_80} {BOB}\r\n")),
        ("RTP/SAVP", format!("a=crypto:1 {SUITE_80} {ALICE}\r\n")),
        ("RTP/SAVP", format!("a=crypto:1 {SUITE_80} {BOB}\r\na=crypto:2 {SUITE_32} {BOB}\r\n")),
        ("RTP/AVP", format!("a=crypto:1 {SUITE_80} {BOB}\r\n")),
        ("RTP/AVP", String::new()),
    ] {
        let error = settle(protocol, &lines).unwrap_err();
        assert!(matches!(error, NegotiationError::UnusableAnswer(_)), "{protocol} {lines}: {error}");
    }
}

// rfc: 4568 §7.1.4 — an encrypted stream stays so in later offers, with the same key
#[test]
fn an_encrypted_call_stays_encrypted_when_the_answerer_offers() {
    let bobs = able(SrtpPolicy::Optional, &[(SUITE_80, BOB)]);
    let mut bob = Negotiation::new(1);
    bob.answer(&description("RTP/SAVPF", &format!("a=crypto:4 {SUITE_80} {ALICE}\r\n")), &bobs).unwrap();
    let later = bob.offer(&bobs).unwrap().description;
    let media = &later.media[0];
    assert_eq!(media.protocol(), &Protocol::RTP_SAVPF);
    assert_eq!(media.attributes.get::<Crypto>().unwrap().unwrap().key_text(), BOB);
}

// rfc: 4568 §5.1.1 — an offer of SRTP without a key is not made, and no clear one in its place
#[test]
fn encryption_without_keys_is_not_offered() {
    let mut alice = Negotiation::new(1);
    let error = alice.offer(&able(SrtpPolicy::Required, &[])).unwrap_err();
    assert_eq!(error, NegotiationError::Unofferable { stream: 0, lacks: "a key for SRTP" });
    let mut bob = Negotiation::new(1);
    let lines = format!("a=crypto:4 {SUITE_80} {ALICE}\r\n");
    bob.answer(&description("RTP/SAVP", &lines), &able(SrtpPolicy::Optional, &[(SUITE_80, BOB)])).unwrap();
    let error = bob.offer(&able(SrtpPolicy::Optional, &[])).unwrap_err();
    assert!(
        matches!(error, NegotiationError::Unofferable { .. }),
        "an encrypted call does not become a clear one"
    );
    assert!(bob.refresh().is_ok(), "the failed offer left nothing behind");
}

// rfc: 4568 §5.1.2 — who has no key for an offered suite refuses the stream
#[test]
fn encryption_without_keys_is_not_answered() {
    let lines = format!("a=crypto:1 {SUITE_80} {ALICE}\r\n");
    let able = able(SrtpPolicy::Optional, &[(SUITE_32, BOB)]);
    let error = Negotiation::new(1).answer(&description("RTP/SAVP", &lines), &able).unwrap_err();
    assert!(error.to_string().ends_with(&Refused::NoUsableCrypto.to_string()), "{error}");
    assert!(error.to_string().contains("crypto tag 1 passed over"), "{error}");
}

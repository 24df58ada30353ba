//! DTLS-SRTP (RFC 5763) and ICE (RFC 8839) as offers and answers carry them.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use sdp::attribute::{Fingerprint, IceCredentials, Setup};
use sdp::{
    Capabilities, Codec, Direction, DtlsRole, Ice, MediaKind, Negotiation, Protocol, Refused, Security,
    SessionDescription, Stream, Text,
};

/// An offer as a browser makes it: no address yet, ICE, DTLS.
fn browser(lines: &str) -> SessionDescription {
    let text = format!(
        "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:8hhY\r\n\
         a=ice-pwd:asd88fgpdd777uzjYhagZg\r\n{lines}a=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n\
         a=candidate:1 1 UDP 2130706431 192.0.2.9 5000 typ host\r\n"
    );
    SessionDescription::parse(&text).unwrap()
}

const PRINT: &str = "a=fingerprint:sha-256 AA:BB:CC\r\n";

fn print(octet: u8) -> Fingerprint {
    Fingerprint::new("sha-256", &[octet; 32]).unwrap()
}

fn able() -> Capabilities {
    let mut ice = Ice::new(IceCredentials::new("ourU", "0123456789abcdefghijkl").unwrap());
    ice.candidates.push(Text::from("1 1 UDP 2130706431 192.0.2.1 4000 typ host"));
    ice.lite = true;
    let stream = Stream::audio(4_000).codecs([Codec::opus()]).rtcp_mux(true).dtls([print(1)]).ice(Some(ice));
    Capabilities::new([192, 0, 2, 1].into()).stream(stream).bundle(true)
}

fn role(security: &Security) -> DtlsRole {
    let Security::Dtls { role, .. } = security else { panic!("{security:?}") };
    *role
}

// rfc: 5763 §5 — an answerer that may choose is active; an active offer is answered passive
#[test]
fn the_answerer_takes_the_other_role() {
    for (offered, answered, ours) in [
        ("a=setup:actpass\r\n", Setup::Active, DtlsRole::Client),
        ("a=setup:passive\r\n", Setup::Active, DtlsRole::Client),
        ("a=setup:active\r\n", Setup::Passive, DtlsRole::Server),
        ("", Setup::Passive, DtlsRole::Server),
    ] {
        let answer = Negotiation::new(1).answer(&browser(&format!("{PRINT}{offered}")), &able()).unwrap();
        let media = &answer.description.media[0];
        assert_eq!(media.attributes.get::<Setup>(), Ok(Some(answered)));
        assert_eq!(media.attributes.get::<Fingerprint>(), Ok(Some(print(1))));
        let agreed = answer.agreement.first(MediaKind::Audio).unwrap();
        let fingerprints = vec![Fingerprint::new("sha-256", &[0xaa, 0xbb, 0xcc]).unwrap()];
        assert_eq!(agreed.security, Security::Dtls { role: ours, fingerprints });
    }
}

// rfc: 5763 §5 — without a fingerprint there is no DTLS
#[test]
fn an_offer_without_a_usable_fingerprint_is_refused() {
    for lines in [
        "a=setup:actpass\r\n",
        "a=setup:actpass\r\na=fingerprint:sha-256 XX\r\n",
        "a=setup:x\r\n",
        "a=setup:holdconn\r\n",
    ] {
        let lines = if lines.contains("finger") || !lines.contains("hold") {
            lines.to_owned()
        } else {
            format!("{PRINT}{lines}")
        };
        let error = Negotiation::new(1).answer(&browser(&lines), &able()).unwrap_err();
        assert!(error.to_string().ends_with(&Refused::NoUsableFingerprint.to_string()), "{lines}: {error}");
    }
}

// rfc: 8842 §5.3 — the roles stay while the association stands, and are chosen anew with a new fingerprint
#[test]
fn roles_stay_with_the_association() {
    let mut bob = Negotiation::new(1);
    let answer = |bob: &mut Negotiation, lines: &str| {
        let answer = bob.answer(&browser(lines), &able()).unwrap();
        role(&answer.agreement.first(MediaKind::Audio).unwrap().security)
    };
    assert_eq!(answer(&mut bob, &format!("{PRINT}a=setup:active\r\n")), DtlsRole::Server);
    assert_eq!(answer(&mut bob, &format!("{PRINT}a=setup:actpass\r\n")), DtlsRole::Server);
    assert_eq!(answer(&mut bob, "a=fingerprint:sha-256 DD:EE\r\na=setup:actpass\r\n"), DtlsRole::Client);
}

// rfc: 5763 §5 — an offer says actpass, and the answer decides; one that does not is refused
#[test]
fn the_offerer_leaves_the_choice_to_the_answer() {
    let settle = |setup: &str| {
        let mut alice = Negotiation::new(1);
        let offer = alice.offer(&able()).unwrap().description;
        assert_eq!(offer.media[0].attributes.get::<Setup>(), Ok(Some(Setup::ActPass)));
        assert_eq!(offer.media[0].protocol(), &Protocol::UDP_TLS_RTP_SAVPF);
        alice.accept(&browser(&format!("{PRINT}{setup}")))
    };
    let decided = |setup| role(&settle(setup).unwrap().agreement.first(MediaKind::Audio).unwrap().security);
    assert_eq!(decided("a=setup:active\r\n"), DtlsRole::Server);
    assert_eq!(decided("a=setup:passive\r\n"), DtlsRole::Client);
    assert!(settle("a=setup:actpass\r\n").is_err() && settle("").is_err());
}

// rfc: 5763 §5 — fingerprint and setup may stand at session level
#[test]
fn the_sessions_fingerprint_holds_for_its_streams() {
    let text = browser("").to_text().replace("a=group", &format!("{PRINT}a=setup:actpass\r\na=group"));
    let answer = Negotiation::new(1).answer(&SessionDescription::parse(&text).unwrap(), &able()).unwrap();
    assert_eq!(role(&answer.agreement.first(MediaKind::Audio).unwrap().security), DtlsRole::Client);
}

// rfc: 8839 §4.2.2 — credentials and candidates are carried both ways; 0.0.0.0 with ICE is no hold
#[test]
fn ice_is_carried_and_no_address_is_no_hold() {
    let answer =
        Negotiation::new(1).answer(&browser(&format!("{PRINT}a=setup:actpass\r\n")), &able()).unwrap();
    let agreed = answer.agreement.first(MediaKind::Audio).unwrap();
    let ice = agreed.ice.as_ref().unwrap();
    assert_eq!((ice.credentials.ufrag().as_str(), ice.candidates.len(), ice.lite), ("8hhY", 1, false));
    assert_eq!((agreed.direction, agreed.remote_rtp_address()), (Direction::SendRecv, None));
    let text = answer.description.to_text();
    assert!(text.contains("a=ice-lite\r\nm=") && text.contains("a=ice-ufrag:ourU\r\n"), "{text}");
    assert!(text.contains("a=candidate:1 1 UDP 2130706431 192.0.2.1 4000 typ host\r\n"));
}

// rfc: 8839 §4.2.2 — who is offered no ICE answers none
#[test]
fn no_ice_is_answered_with_none() {
    let text = browser(&format!("{PRINT}a=setup:actpass\r\n")).to_text();
    let offer: String =
        text.split_inclusive('\n').filter(|line| !line.contains("ice-") && !line.contains("cand")).collect();
    let offer = SessionDescription::parse(&offer.replace("c=IN IP4 0.0.0.0", "c=IN IP4 192.0.2.9")).unwrap();
    let answer = Negotiation::new(1).answer(&offer, &able()).unwrap();
    assert!(answer.agreement.first(MediaKind::Audio).unwrap().ice.is_none());
    assert!(
        !answer.description.to_text().contains("ice-") && !answer.description.to_text().contains("candidate")
    );
}

// rfc: 8122 §5 — MD2 and MD5 verify nothing; another fingerprint beside them does
#[test]
fn broken_hashes_are_passed_over() {
    let answer =
        |lines: &str| Negotiation::new(1).answer(&browser(&format!("{lines}a=setup:actpass\r\n")), &able());
    assert!(answer("a=fingerprint:MD5 AA:BB\r\n").is_err() && answer("a=fingerprint:md2 AA:BB\r\n").is_err());
    let good = answer(&format!("a=fingerprint:md5 AA:BB\r\na=fingerprint:sha-256 XX\r\n{PRINT}")).unwrap();
    let Security::Dtls { fingerprints, .. } = &good.agreement.first(MediaKind::Audio).unwrap().security
    else {
        panic!("no DTLS")
    };
    assert_eq!(fingerprints.len(), 1);
    let said: Vec<String> = good.reasons.iter().map(|reason| reason.why.to_string()).collect();
    assert!(said.contains(&"fingerprint passed over: md5 is broken".to_owned()), "{said:?}");
    assert!(said.contains(&"SRTP with keys from DTLS, which we begin".to_owned()), "{said:?}");
}

// rfc: 8840 §4.1.1 — without ICE of our own 0.0.0.0 is an address to which nothing can be sent
#[test]
fn who_does_no_ice_sends_nothing_to_nowhere() {
    let mut without = able();
    without.streams[0].ice = None;
    let offer = browser(&format!("{PRINT}a=setup:actpass\r\n"));
    let answer = Negotiation::new(1).answer(&offer, &without).unwrap();
    assert_eq!(answer.agreement.first(MediaKind::Audio).unwrap().direction, Direction::RecvOnly);
    let whys: Vec<_> = answer.reasons.iter().map(|reason| reason.why.clone()).collect();
    assert!(whys.contains(&sdp::Why::IceIgnored) && whys.contains(&sdp::Why::HeldByAddress));
}

// rfc: 5763 §5 — RTP/SAVPF with a fingerprint and without a=crypto is DTLS, and stays so when we offer
#[test]
fn a_fingerprint_without_crypto_is_dtls_whatever_the_protocol_says() {
    let text =
        browser(&format!("{PRINT}a=setup:actpass\r\n")).to_text().replace("UDP/TLS/RTP/SAVPF", "RTP/SAVPF");
    for policy in [sdp::SrtpPolicy::Dtls, sdp::SrtpPolicy::Optional, sdp::SrtpPolicy::Required] {
        let mut able = able();
        able.streams[0].srtp = policy;
        let mut bob = Negotiation::new(1);
        let answer = bob.answer(&SessionDescription::parse(&text).unwrap(), &able).unwrap();
        assert_eq!(role(&answer.agreement.first(MediaKind::Audio).unwrap().security), DtlsRole::Client);
        let later = bob.offer(&able).unwrap().description.to_text();
        assert!(
            later.contains("RTP/SAVPF 111")
                && later.contains("a=setup:actpass")
                && !later.contains("a=crypto")
        );
    }
    let mut without = able();
    without.streams[0].srtp = sdp::SrtpPolicy::Optional;
    without.streams[0].fingerprints.clear();
    assert!(Negotiation::new(1).answer(&SessionDescription::parse(&text).unwrap(), &without).is_err());
}

// rfc: 4145 §4.1 — a refresh says the part we have, and the answer may not take the same
#[test]
fn both_cannot_begin() {
    let mut bob = Negotiation::new(1);
    bob.answer(&browser(&format!("{PRINT}a=setup:actpass\r\n")), &able()).unwrap();
    let refresh = bob.refresh().unwrap().description;
    assert_eq!(refresh.media[0].attributes.get::<Setup>(), Ok(Some(Setup::Active)));
    assert!(bob.accept(&browser(&format!("{PRINT}a=setup:active\r\n"))).is_err());
    let agreement = bob.accept(&browser(&format!("{PRINT}a=setup:passive\r\n"))).unwrap().agreement;
    assert_eq!(role(&agreement.first(MediaKind::Audio).unwrap().security), DtlsRole::Client);
}

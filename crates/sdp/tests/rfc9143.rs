//! BUNDLE (RFC 9143): several m-lines behind one address.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use sdp::{
    Agreement, Capabilities, Codec, Direction, Media, Negotiation, Refused, SessionDescription, Stream,
};

/// The two offers of §7.2.2: the second m-line with a port of its own, and bundle-only.
const OFFER: &str = "v=0\r\no=alice 2890844526 2890844526 IN IP6 2001:db8::3\r\ns=-\r\nc=IN IP6 2001:db8::3\r\nt=0 0\r\n\
    a=group:BUNDLE foo bar\r\nm=audio 10000 RTP/AVP 0 8 97\r\nb=AS:200\r\na=mid:foo\r\na=rtcp-mux\r\na=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:8 PCMA/8000\r\na=rtpmap:97 iLBC/8000\r\na=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
    m=video 10002 RTP/AVP 31 32\r\nb=AS:1000\r\na=mid:bar\r\na=rtcp-mux\r\na=rtpmap:31 H261/90000\r\na=rtpmap:32 MPV/90000\r\n\
    a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n";

fn parse(text: &str) -> SessionDescription {
    SessionDescription::parse(text).unwrap()
}

fn bundle_only() -> SessionDescription {
    parse(
        &OFFER
            .replace("m=video 10002", "m=video 0")
            .replace("a=mid:bar\r\na=rtcp-mux", "a=mid:bar\r\na=bundle-only"),
    )
}

fn able(ports: (u16, u16)) -> Capabilities {
    let audio = Stream::audio(ports.0).codecs([Codec::pcmu()]).telephone_event(false).rtcp_mux(true);
    let video = Stream::video(ports.1).codecs([Codec::new("MPV", 90_000).unwrap()]).rtcp_mux(true);
    Capabilities::new("2001:db8::1".parse().unwrap()).stream(audio).stream(video).bundle(true)
}

fn ports(session: &SessionDescription) -> Vec<u16> {
    session.media.iter().map(|media| media.port).collect()
}

fn group(session: &SessionDescription) -> Option<&str> {
    session.attributes.find("group").and_then(|group| group.value())
}

fn remotes(agreement: &Agreement) -> Vec<(u16, Option<usize>)> {
    agreement.accepted().map(|agreed| (agreed.remote_port, agreed.bundled_with)).collect()
}

// rfc: 9143 §7.3 — the answer has the group, one address for all of it, and the transport in the tagged section alone
#[test]
fn an_offered_bundle_is_answered() {
    for offer in [parse(OFFER), bundle_only()] {
        let answer = Negotiation::new(1).answer(&offer, &able((20_000, 20_002))).unwrap();
        assert_eq!(ports(&answer.description), [20_000, 20_000]);
        assert_eq!(group(&answer.description), Some("BUNDLE foo bar"));
        let has_mux = |media: &Media| media.attributes.contains("rtcp-mux");
        assert_eq!(answer.description.media.iter().map(has_mux).collect::<Vec<_>>(), [true, false]);
        assert!(!answer.description.to_text().contains("bundle-only"));
        assert_eq!(remotes(&answer.agreement), [(10_000, None), (10_000, Some(0))]);
        assert!(
            answer.agreement.accepted().all(|agreed| agreed.rtcp_mux && agreed.remote_rtcp_port == 10_000)
        );
    }
}

// rfc: 9143 §7.3.2 — without bundles each m-line has an address of its own, and a bundle-only one is refused
#[test]
fn who_does_not_bundle_answers_m_line_by_m_line() {
    let alone = able((20_000, 20_002)).bundle(false);
    let answer = Negotiation::new(1).answer(&parse(OFFER), &alone).unwrap();
    assert_eq!((ports(&answer.description), group(&answer.description)), (vec![20_000, 20_002], None));
    assert_eq!(remotes(&answer.agreement), [(10_000, None), (10_002, None)]);
    let answer = Negotiation::new(1).answer(&bundle_only(), &alone).unwrap();
    assert_eq!(ports(&answer.description), [20_000, 0]);
}

// rfc: 9143 §7.3.1 — when the first section is refused the next one with a port of its own is the tagged one
#[test]
fn the_tagged_section_is_the_first_that_is_accepted() {
    let three =
        format!("{OFFER}m=audio 0 RTP/AVP 0\r\na=mid:x\r\na=bundle-only\r\n").replace("foo bar", "foo x bar");
    let video_only = able((20_000, 20_002)).streams.remove(1);
    let base = Capabilities::new("2001:db8::1".parse().unwrap()).bundle(true);
    let both = base.clone().stream(Stream::audio(20_004).codecs([Codec::g722()])).stream(video_only.clone());
    let answer = Negotiation::new(1).answer(&parse(&three), &both).unwrap();
    assert_eq!((ports(&answer.description), group(&answer.description)), (vec![0, 20_002, 0], None));
    let audio = Stream::audio(20_004).codecs([Codec::pcmu()]).rtcp_mux(true);
    let wants_second = three.replace("m=audio 10000 RTP/AVP 0 8 97", "m=audio 10000 RTP/AVP 18");
    let answer =
        Negotiation::new(1).answer(&parse(&wants_second), &base.stream(audio).stream(video_only)).unwrap();
    assert_eq!(
        (ports(&answer.description), group(&answer.description)),
        (vec![0, 20_002, 20_002], Some("BUNDLE bar x"))
    );
}

// rfc: 9143 §6 — a bundle-only m-line outside of a bundle is refused
#[test]
fn a_stranded_bundle_only_section_is_refused() {
    let first_refused =
        bundle_only().to_text().replace("m=audio 10000 RTP/AVP 0 8 97", "m=audio 10000 UDP/X 0");
    let error = Negotiation::new(1).answer(&parse(&first_refused), &able((20_000, 20_002)));
    assert!(error.is_err());
    let no_mux = parse(&bundle_only().to_text().replace("a=rtcp-mux\r\n", ""));
    let answer = Negotiation::new(1).answer(&no_mux, &able((20_000, 20_002))).unwrap();
    assert_eq!(ports(&answer.description), [20_000, 0]);
    assert_eq!(answer.agreement.media[1].outcome, Err(Refused::BundleOnly));
}

// rfc: 9143 §7.2 — a section without a port of its own is offered bundle-only
// rfc: 9143 §7.5 — in a group that stands every section has the address of the tagged one
#[test]
fn an_offered_bundle_stands_in_later_offers() {
    for video_port in [4_000, 4_002] {
        let (mut alice, mut bob) = (Negotiation::new(1), Negotiation::new(1));
        let alices = able((4_000, video_port));
        let offer = alice.offer(&alices).unwrap().description;
        let first = if video_port == 4_000 { [4_000, 0] } else { [4_000, 4_002] };
        assert_eq!((ports(&offer).as_slice(), group(&offer)), (first.as_slice(), Some("BUNDLE 0 1")));
        let answer = bob.answer(&offer, &able((5_000, 5_002))).unwrap();
        let agreement = alice.accept(&answer.description).unwrap().agreement;
        assert_eq!(remotes(&agreement), [(5_000, None), (5_000, Some(0))]);
        assert_eq!(remotes(&answer.agreement), [(4_000, None), (4_000, Some(0))]);
        let mut held = alices.clone();
        held.streams[0].direction = Direction::SendOnly;
        let later = alice.offer(&held).unwrap().description;
        assert_eq!((ports(&later), group(&later)), (vec![4_000, 4_000], Some("BUNDLE 0 1")));
        let answer = bob.answer(&later, &able((5_000, 5_002))).unwrap();
        assert_eq!(ports(&answer.description), [5_000, 5_000]);
        assert_eq!(
            remotes(&alice.accept(&answer.description).unwrap().agreement),
            [(5_000, None), (5_000, Some(0))]
        );
    }
}

// rfc: 9143 §7.4 — an answer without a group is an answer as any other
#[test]
fn an_answer_may_decline_the_bundle() {
    let mut alice = Negotiation::new(1);
    let offer = alice.offer(&able((4_000, 4_002))).unwrap().description;
    let answer = Negotiation::new(1).answer(&offer, &able((5_000, 5_002)).bundle(false)).unwrap();
    let agreement = alice.accept(&answer.description).unwrap().agreement;
    assert_eq!(remotes(&agreement), [(5_000, None), (5_002, None)]);
}

// rfc: 9143 §7.4.1 — an answer in the manner of RFC 8843, port 0 and bundle-only, is understood
#[test]
fn an_answer_of_rfc_8843_is_understood() {
    let mut alice = Negotiation::new(1);
    alice.offer(&able((4_000, 4_002))).unwrap();
    let answer = bundle_only()
        .to_text()
        .replace("foo", "0")
        .replace("bar", "1")
        .replace("RTP/AVP 31 32", "RTP/AVP 32");
    let agreement = alice.accept(&parse(&answer)).unwrap().agreement;
    assert_eq!(remotes(&agreement), [(10_000, None), (10_000, Some(0))]);
}

// rfc: 9143 §7.1.3 — a section with a port of its own in a first offer has a transport of its own, too
#[test]
fn the_tagged_transport_is_not_lent_to_who_has_a_port() {
    let no_mux = OFFER.replace("a=mid:bar\r\na=rtcp-mux\r\n", "a=mid:bar\r\n");
    let answer = Negotiation::new(1).answer(&parse(&no_mux), &able((20_000, 20_002))).unwrap();
    assert_eq!((ports(&answer.description), group(&answer.description)), (vec![20_000, 20_002], None));
    assert!(!answer.agreement.media[1].outcome.as_ref().unwrap().rtcp_mux);
    assert!(answer.reasons.iter().any(|reason| reason.media == 1 && reason.why == sdp::Why::NotBundled));
}

// rfc: 9143 §7.1.3 — in a later offer the tagged section's attributes hold for all, whatever else the others say
#[test]
fn the_tagged_transport_holds_for_the_group() {
    let later = OFFER
        .replace("m=video 10002", "m=video 10000")
        .replace("RTP/AVP", "UDP/TLS/RTP/SAVPF")
        .replace("a=mid:foo\r\n", "a=mid:foo\r\na=setup:actpass\r\na=fingerprint:sha-256 AA:BB\r\n");
    let mut able = able((20_000, 20_002));
    for stream in &mut able.streams {
        *stream = stream.clone().dtls([sdp::attribute::Fingerprint::new("sha-256", &[1; 32]).unwrap()]);
    }
    let answer = Negotiation::new(1).answer(&parse(&later), &able).unwrap();
    assert_eq!(
        (ports(&answer.description), group(&answer.description)),
        (vec![20_000, 20_000], Some("BUNDLE foo bar"))
    );
    let why = sdp::Why::Bundled { with: 0 };
    assert!(answer.reasons.iter().any(|reason| reason.media == 1 && reason.why == why));
}

// rfc: 9143 §7.3.2 — a section of a group that stands is not moved out of it by an answer
#[test]
fn no_section_leaves_a_standing_bundle_by_an_answer() {
    let later = OFFER.replace("m=video 10002", "m=video 10000");
    let mut able = able((20_000, 20_002));
    able.streams[1].rtcp_mux = false;
    let answer = Negotiation::new(1).answer(&parse(&later), &able).unwrap();
    assert_eq!(ports(&answer.description), [20_000, 0]);
    assert_eq!(answer.agreement.media[1].outcome, Err(Refused::BundleOnly));
}

// rfc: 9143 §6 — a bundle-only section that is accepted outside of the group has no port of ours: it is not used
#[test]
fn a_bundle_only_section_is_not_accepted_alone() {
    let mut alice = Negotiation::new(1);
    let offer = alice.offer(&able((4_000, 4_000))).unwrap().description;
    assert_eq!(ports(&offer), [4_000, 0]);
    let text = OFFER.replace("a=group:BUNDLE foo bar\r\n", "").replace("foo", "0").replace("bar", "1");
    let agreement = alice.accept(&parse(&text)).unwrap().agreement;
    assert_eq!(remotes(&agreement), [(10_000, None)]);
    assert_eq!(agreement.media[1].outcome, Err(Refused::BundleOnly));
}

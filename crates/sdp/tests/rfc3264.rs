//! RFC 3264: the exchanges of its §10, and the rules of its §5 to §8, one test each.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{IpAddr, Ipv4Addr};

use sdp::{
    Capabilities, Codec, Direction, MediaKind, Negotiation, NegotiationError, Refused, SessionDescription,
    Stream, Why,
};

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn able(streams: impl IntoIterator<Item = Stream>) -> Capabilities {
    streams.into_iter().fold(Capabilities::new(ADDRESS), Capabilities::stream)
}

fn audio(port: u16, codecs: impl IntoIterator<Item = Codec>) -> Stream {
    Stream::audio(port).codecs(codecs).telephone_event(false)
}

fn named(name: &str, clock_rate_hz: u32) -> Codec {
    Codec::new(name, clock_rate_hz).unwrap()
}

fn description(media: &str) -> SessionDescription {
    let head = "v=0\r\no=bob 2890844730 2890844730 IN IP4 host.example.com\r\ns= \r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n";
    let media: String = media.trim().lines().map(|line| format!("{}\r\n", line.trim())).collect();
    SessionDescription::parse(&(head.to_owned() + &media)).unwrap()
}

fn lines(session: &SessionDescription) -> Vec<String> {
    let line = |media: &sdp::Media| {
        let formats: Vec<&str> = media.formats().collect();
        format!("{} {} {} {}", media.kind(), media.port, formats.join(" "), session.direction(media))
    };
    session.media.iter().map(line).collect()
}

fn version(session: &SessionDescription) -> u64 {
    session.origin.version().parse().unwrap()
}

fn new() -> Negotiation {
    Negotiation::new(2_890_844_526)
}

// rfc: 3264 §10.1 — basic exchange: one of two video streams is refused, then a stream for events is added
#[test]
fn the_basic_exchange() {
    let mut alice = new();
    let video = |port, codec| Stream::video(port).codecs([codec]);
    let (h261, mpv) = (named("H261", 90_000), named("MPV", 90_000));
    let alices = able([audio(49_170, [Codec::pcmu()]), video(51_372, h261), video(53_000, mpv)]);
    let offer = alice.offer(&alices).unwrap().description;
    assert_eq!(
        lines(&offer),
        ["audio 49170 0 sendrecv", "video 51372 31 sendrecv", "video 53000 32 sendrecv"]
    );
    let answer = "m=audio 49920 RTP/AVP 0
        a=rtpmap:0 PCMU/8000
        m=video 0 RTP/AVP 31
        m=video 53000 RTP/AVP 32
        a=rtpmap:32 MPV/90000";
    let agreement = alice.accept(&description(answer)).unwrap().agreement;
    assert_eq!(agreement.media[1].outcome, Err(Refused::RefusedByAnswerer));
    assert_eq!(agreement.accepted().count(), 2);

    let offer = "m=audio 65422 RTP/AVP 0
        a=rtpmap:0 PCMU/8000
        m=video 0 RTP/AVP 31
        m=video 53000 RTP/AVP 32
        a=rtpmap:32 MPV/90000
        m=audio 51434 RTP/AVP 110
        a=rtpmap:110 telephone-event/8000
        a=recvonly";
    let events = audio(53_122, []).telephone_event(true);
    let answer = alice.answer(&description(offer), &alices.stream(events)).unwrap();
    assert_eq!(
        lines(&answer.description),
        [
            "audio 49170 0 sendrecv",
            "video 0 31 sendrecv",
            "video 53000 32 sendrecv",
            "audio 53122 110 sendonly"
        ]
    );
    let audio = answer.agreement.first(MediaKind::Audio).unwrap();
    assert_eq!(audio.remote_rtp_address().unwrap().to_string(), "192.0.2.9:65422");
}

// rfc: 3264 §10.2 — one of N codecs: inactive until one is locked down
#[test]
fn one_of_n_codecs() {
    let (mut alice, mut bob) = (new(), new());
    let (g723, g729) = (named("G723", 8_000), named("G729", 8_000));
    let offer = |codecs: &[Codec], direction| able([audio(62_986, codecs.to_vec()).direction(direction)]);
    let bobs = able([audio(54_344, [Codec::pcmu(), g723.clone()])]);
    let first =
        alice.offer(&offer(&[Codec::pcmu(), g723.clone(), g729], Direction::Inactive)).unwrap().description;
    assert_eq!(lines(&first), ["audio 62986 0 4 18 inactive"]);
    let answer = bob.answer(&first, &bobs).unwrap();
    assert_eq!(lines(&answer.description), ["audio 54344 0 4 inactive"]);
    alice.accept(&answer.description).unwrap();
    let second = alice.offer(&offer(&[g723], Direction::SendRecv)).unwrap().description;
    assert_eq!(
        (lines(&second)[0].as_str(), version(&second)),
        ("audio 62986 4 sendrecv", version(&first) + 1)
    );
    let answer = bob.answer(&second, &bobs).unwrap();
    assert_eq!(lines(&answer.description), ["audio 54344 4 sendrecv"]);
    let agreement = alice.accept(&answer.description).unwrap().agreement;
    assert_eq!(agreement.first(MediaKind::Audio).unwrap().codec().unwrap().name, "G723");
}

// rfc: 3264 §6.1 — the answer has the direction that both allow
#[test]
fn every_direction_meets_every_other() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    for offered in [SendRecv, SendOnly, RecvOnly, Inactive] {
        for wanted in [SendRecv, SendOnly, RecvOnly, Inactive] {
            let offer = description(&format!("m=audio 4000 RTP/AVP 0\na={offered}"));
            let answer =
                new().answer(&offer, &able([audio(5_000, [Codec::pcmu()]).direction(wanted)])).unwrap();
            let agreed = answer.agreement.first(MediaKind::Audio).unwrap().direction;
            assert_eq!(agreed.sends(), offered.receives() && wanted.sends());
            assert_eq!(agreed.receives(), offered.sends() && wanted.receives());
            assert_eq!(answer.description.media[0].attributes.direction(), Some(agreed));
        }
    }
}

// rfc: 3264 §5.1 — a direction at session level holds for streams without one
#[test]
fn the_sessions_direction_holds_for_its_streams() {
    let text = description("m=audio 4000 RTP/AVP 0\nm=audio 4002 RTP/AVP 0\na=recvonly").to_string();
    let offer =
        SessionDescription::parse(&text.replace("m=audio 4000", "a=sendonly\r\nm=audio 4000")).unwrap();
    let answer =
        new().answer(&offer, &able([audio(5_000, [Codec::pcmu()]), audio(5_002, [Codec::pcmu()])])).unwrap();
    assert_eq!(lines(&answer.description), ["audio 5000 0 recvonly", "audio 5002 0 sendonly"]);
}

// rfc: 3264 §6 — every m-line is answered in its place, a refused one with port 0 and its formats
// rfc: 3264 §6.2 — a multicast stream, which we do not do, is refused
#[test]
fn what_we_cannot_do_is_refused_in_place() {
    let offer = description(
        "m=image 4000 udptl t38
        m=audio 4002 RTP/AVP 18
        m=video 4004 RTP/AVP 31
        m=audio 4006 RTP/XYZ 0
        m=audio 4008 RTP/AVP 0
        c=IN IP4 233.252.0.1/127
        m=audio 0 RTP/AVP 0
        m=audio 4010 RTP/AVP 0",
    );
    let answer = new().answer(&offer, &able([audio(5_000, [Codec::pcmu()])])).unwrap();
    let got: Vec<_> = answer.agreement.media.iter().map(|media| media.outcome.clone().err()).collect();
    let want = [
        Some(Refused::NotWanted),
        Some(Refused::NoCommonCodec),
        Some(Refused::NotWanted),
        Some(Refused::UnknownTransport),
        Some(Refused::Multicast),
        Some(Refused::DisabledByOfferer),
        None,
    ];
    assert_eq!(got, want);
    assert_eq!(lines(&answer.description)[0], "image 0 t38 sendrecv");
    assert_eq!(lines(&answer.description)[1], "audio 0 18 sendrecv");
    assert_eq!(answer.description.media.iter().filter(|media| media.port != 0).count(), 1);
}

// rfc: 3264 §6.1 — nothing in common for any stream: the offer is refused as a whole
#[test]
fn an_offer_with_nothing_in_common_fails_and_says_why() {
    let offer = description("m=audio 4000 RTP/AVP 18\na=rtpmap:18 G729/8000");
    let mut negotiation = new();
    let error = negotiation.answer(&offer, &able([audio(5_000, [Codec::pcmu()])])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "nothing in common; audio m-line 1: G729 refused: not in our list; audio m-line 1: refused: no codec in common"
    );
    assert!(negotiation.local().is_none());
}

// rfc: 3264 §6.1 — the answer keeps the offer's order and its payload types
#[test]
fn the_offerers_order_and_numbers_are_kept() {
    let offer = description(
        "m=audio 4000 RTP/AVP 96 8 97 0
        a=rtpmap:96 opus/48000/2
        a=rtpmap:97 telephone-event/8000",
    );
    let answer = new()
        .answer(&offer, &able([Stream::audio(5_000).codecs([Codec::pcmu(), Codec::pcma(), Codec::opus()])]))
        .unwrap();
    assert_eq!(lines(&answer.description), ["audio 5000 96 8 97 0 sendrecv"]);
    let agreed = answer.agreement.first(MediaKind::Audio).unwrap();
    let names: Vec<_> =
        agreed.codecs.iter().map(|codec| (codec.name.as_str(), codec.send, codec.receive)).collect();
    assert_eq!(names, [("opus", 96, 96), ("PCMA", 8, 8), ("PCMU", 0, 0)]);
    assert_eq!(
        agreed.telephone_event(),
        None,
        "opus has another clock rate than the offered telephone-event"
    );
    assert_eq!(
        answer.reasons[0].to_string(),
        "audio m-line 1: opus chosen, the first of the peer's list that we have"
    );
}

// rfc: 3264 §5.1 — each side sends with the other's payload types
#[test]
fn numbers_may_differ_each_way() {
    let mut alice = new();
    let stream = Stream::audio(4_000).codecs([Codec::opus().payload_type(100), Codec::pcmu()]);
    let offer = alice.offer(&able([stream])).unwrap().description;
    assert_eq!(lines(&offer), ["audio 4000 100 0 96 101 sendrecv"]);
    let answer = description(
        "m=audio 5000 RTP/AVP 111 120
        a=rtpmap:111 OPUS/48000/2
        a=rtpmap:120 telephone-event/48000",
    );
    let agreement = alice.accept(&answer).unwrap().agreement;
    let agreed = agreement.first(MediaKind::Audio).unwrap();
    assert_eq!((agreed.codec().unwrap().send, agreed.codec().unwrap().receive), (111, 100));
    assert_eq!(
        (agreed.telephone_event().unwrap().send, agreed.telephone_event().unwrap().receive),
        (120, 96)
    );
}

// rfc: 3264 §8 — the version rises by one when something changes, and only then
#[test]
fn the_version_rises_by_one_on_change_only() {
    let (mut alice, mut bob) = (new(), new());
    let with = |direction| able([Stream::audio(4_000).direction(direction)]);
    let mut versions = Vec::new();
    for direction in [Direction::SendRecv, Direction::SendRecv, Direction::SendOnly, Direction::SendRecv] {
        let offer = alice.offer(&with(direction)).unwrap().description;
        let answer = bob.answer(&offer, &able([Stream::audio(5_000)])).unwrap().description;
        alice.accept(&answer).unwrap();
        versions.push((version(&offer) - 2_890_844_526, version(&answer) - 2_890_844_526));
        assert!(offer.origin.same_session(&alice.local().unwrap().origin));
    }
    assert_eq!(versions, [(0, 0), (0, 0), (1, 1), (2, 2)]);
    let refresh = alice.refresh().unwrap().description;
    assert_eq!((version(&refresh) - 2_890_844_526, &refresh), (2, &bob.remote().unwrap().clone()));
}

// rfc: 3264 §4 — a refused offer leaves the session as it was; the next one has another version
#[test]
fn a_refused_offer_changes_nothing() {
    let (mut alice, mut bob) = (new(), new());
    let first = alice.offer(&able([Stream::audio(4_000)])).unwrap().description;
    alice.accept(&bob.answer(&first, &able([Stream::audio(5_000)])).unwrap().description).unwrap();
    let before = alice.agreement().cloned();
    let held = alice.offer(&able([Stream::audio(4_000).direction(Direction::SendOnly)])).unwrap().description;
    assert_eq!(alice.offer(&able([])).unwrap_err(), NegotiationError::OfferPending);
    assert_eq!(alice.answer(&held, &able([])).unwrap_err(), NegotiationError::OfferPending);
    alice.rollback();
    assert_eq!((alice.agreement().cloned(), alice.local()), (before, Some(&first)));
    let again =
        alice.offer(&able([Stream::audio(4_000).direction(Direction::Inactive)])).unwrap().description;
    assert_eq!(version(&again), version(&first) + 2);
}

// rfc: 3264 §8 — the number of m-lines never decreases
#[test]
fn an_offer_with_fewer_streams_than_before_is_refused() {
    let mut bob = new();
    let bobs = able([Stream::audio(5_000)]);
    bob.answer(&description("m=audio 4000 RTP/AVP 0\nm=video 4002 RTP/AVP 31"), &bobs).unwrap();
    let error = bob.answer(&description("m=audio 4000 RTP/AVP 0"), &bobs).unwrap_err();
    assert_eq!(error, NegotiationError::MediaCount { expected: 2, found: 1 });
    assert!(bob.agreement().is_some());
}

// rfc: 3264 §6 — the answer has exactly as many m-lines as the offer
#[test]
fn an_answer_with_another_number_of_streams_is_refused() {
    let mut alice = new();
    alice.offer(&able([Stream::audio(4_000)])).unwrap();
    let error = alice.accept(&description("m=audio 5000 RTP/AVP 0\nm=audio 5002 RTP/AVP 0")).unwrap_err();
    assert_eq!(error, NegotiationError::MediaCount { expected: 1, found: 2 });
    let error = alice.accept(&description("m=video 5000 RTP/AVP 0")).unwrap_err();
    assert!(matches!(error, NegotiationError::UnusableAnswer(_)), "{error}");
    assert!(alice.is_pending());
    let answer = description("m=audio 5000 RTP/AVP 0");
    assert!(
        alice.accept(&answer).is_ok() && alice.accept(&answer).is_ok(),
        "the same answer again is the same"
    );
    assert_eq!(alice.accept(&description("m=audio 6000 RTP/AVP 0")).unwrap_err(), NegotiationError::NoOffer);
}

// rfc: 3264 §8.1 — a disabled slot is used again for a new stream
#[test]
fn a_disabled_slot_is_recycled() {
    let mut alice = new();
    let streams = [Stream::audio(4_000), Stream::video(4_002).codecs([named("VP8", 90_000)])];
    alice.offer(&able(streams.clone())).unwrap();
    alice.accept(&description("m=audio 5000 RTP/AVP 0\nm=video 0 RTP/AVP 96")).unwrap();
    let unchanged = alice.offer(&able(streams.clone())).unwrap().description;
    assert_eq!(lines(&unchanged)[1..], ["video 0 96 sendrecv"], "a refused stream is not offered again");
    alice.rollback();
    let second_audio = audio(4_004, [Codec::pcma()]);
    let recycled = alice.offer(&able(streams).stream(second_audio)).unwrap().description;
    assert_eq!(lines(&recycled), ["audio 4000 0 8 101 sendrecv", "audio 4004 8 sendrecv"]);
}

// rfc: 3264 §8.3.2 — a payload type keeps its codec, in later offers of either side
#[test]
fn the_answerer_offers_later_with_the_numbers_it_answered() {
    let mut bob = new();
    let bobs = able([Stream::audio(5_000).codecs([Codec::opus(), Codec::pcmu(), named("speex", 8_000)])]);
    let offer = "m=audio 4000 RTP/AVP 107 0 96\na=rtpmap:107 opus/48000/2\na=rtpmap:96 telephone-event/8000";
    bob.answer(&description(offer), &bobs).unwrap();
    let later = bob.offer(&bobs).unwrap().description;
    let media = &later.media[0];
    let name = |payload_type| media.rtpmap(payload_type).unwrap().encoding.to_string();
    assert_eq!((name(107), name(96)), ("opus".into(), "telephone-event".into()));
    let numbers: Vec<u8> = media.payload_types().collect();
    assert_eq!(numbers.len(), 5, "{numbers:?}: opus, PCMU, speex, telephone-event at two clock rates");
}

// rfc: 3264 §8.4 — hold by direction, each way for itself
#[test]
fn both_sides_may_hold() {
    let (mut alice, mut bob) = (new(), new());
    let with = |port, direction| able([Stream::audio(port).direction(direction)]);
    let exchange =
        |from: &mut Negotiation, ours: &Capabilities, to: &mut Negotiation, theirs: &Capabilities| {
            let answer = to.answer(&from.offer(ours).unwrap().description, theirs).unwrap();
            let agreement = from.accept(&answer.description).unwrap().agreement;
            let direction = |agreement: &sdp::Agreement| agreement.first(MediaKind::Audio).unwrap().direction;
            (direction(&agreement), direction(&answer.agreement))
        };
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    let (open, held) = (SendRecv, SendOnly);
    let mut step = |a, b, alice_offers: bool| {
        let (a, b) = (with(4_000, a), with(5_000, b));
        if alice_offers {
            exchange(&mut alice, &a, &mut bob, &b)
        } else {
            let (b, a) = exchange(&mut bob, &b, &mut alice, &a);
            (a, b)
        }
    };
    assert_eq!(step(open, open, true), (SendRecv, SendRecv));
    assert_eq!(step(held, open, true), (SendOnly, RecvOnly));
    assert_eq!(step(held, held, false), (Inactive, Inactive));
    assert_eq!(step(open, held, true), (RecvOnly, SendOnly));
    assert_eq!(step(open, open, false), (SendRecv, SendRecv));
}

// rfc: 3264 §6 — t= in the answer equals that of the offer
#[test]
fn the_time_is_the_offers() {
    let text = description("m=audio 4000 RTP/AVP 0").to_string().replace("t=0 0", "t=2873397496 2873404696");
    let offer = SessionDescription::parse(&text).unwrap();
    let answer = new().answer(&offer, &able([Stream::audio(5_000)])).unwrap().description;
    assert_eq!(answer.times, offer.times);
}

// rfc: 3264 §6.1 — ptime is each side's own wish
#[test]
fn each_side_states_its_own_packet_time() {
    let offer = description("m=audio 4000 RTP/AVP 0\na=ptime:30\na=maxptime:60");
    let answer = new().answer(&offer, &able([Stream::audio(5_000).ptime_ms(Some(20))])).unwrap();
    let agreed = answer.agreement.first(MediaKind::Audio).unwrap();
    assert_eq!((agreed.ptime_ms, agreed.maxptime_ms), (Some(30), Some(60)));
    assert!(answer.description.to_string().contains("a=ptime:20\r\n"));
}

// rfc: 3605 §2.1 — a=rtcp says where RTCP goes
// rfc: 5761 §5.1.1 — with a=rtcp-mux on both sides RTCP goes where RTP goes
#[test]
fn rtcp_goes_where_the_peer_says() {
    let rtcp = |attributes: &str, mux| {
        let offer = description(&format!("m=audio 4000 RTP/AVP 0\n{attributes}"));
        let answer = new().answer(&offer, &able([Stream::audio(5_000).rtcp_mux(mux)])).unwrap();
        let agreed = answer.agreement.first(MediaKind::Audio).unwrap();
        assert_eq!(answer.description.media[0].attributes.contains("rtcp-mux"), agreed.rtcp_mux);
        agreed.remote_rtcp_address().unwrap().to_string()
    };
    assert_eq!(rtcp("", true), "192.0.2.9:4001");
    assert_eq!(rtcp("a=rtcp:7000", true), "192.0.2.9:7000");
    assert_eq!(rtcp("a=rtcp:7000 IN IP4 192.0.2.7", true), "192.0.2.7:7000");
    assert_eq!(rtcp("a=rtcp:7000\na=rtcp-mux", true), "192.0.2.9:4000");
    assert_eq!(rtcp("a=rtcp:7000\na=rtcp-mux", false), "192.0.2.9:7000");
    assert_eq!(rtcp("a=rtcp:x", true), "192.0.2.9:4001");
}

// rfc: 3605 §2.1 — our RTCP port is written when it is not the next one
#[test]
fn our_rtcp_port_is_written_when_it_is_not_the_next() {
    let offer =
        |rtcp| new().offer(&able([Stream::audio(4_000).rtcp_port(rtcp)])).unwrap().description.to_string();
    assert!(!offer(None).contains("a=rtcp:") && !offer(Some(4_001)).contains("a=rtcp:"));
    assert!(offer(Some(4_000)).contains("a=rtcp:4000\r\n"));
}

// rfc: 3264 §5 — an attribute that cannot be read does not lose the stream
#[test]
fn an_unreadable_attribute_is_noted_and_left_out_of_account() {
    let offer = description("m=audio 4000 RTP/AVP 0\na=ptime:x\na=rtpmap:oops");
    let answer = new().answer(&offer, &able([Stream::audio(5_000)])).unwrap();
    let unreadable = |reason: &&sdp::Reason| matches!(reason.why, Why::AttributeUnreadable(_));
    let reason = answer.reasons.iter().find(unreadable).unwrap().to_string();
    assert_eq!(
        reason,
        "audio m-line 1: left out of account: a=ptime, column 1: expected milliseconds, more than 0"
    );
}

// rfc: 3389 §4 — comfort noise goes beside a codec, and is none
#[test]
fn comfort_noise_alone_is_no_codec() {
    let bobs = able([audio(5_000, [Codec::comfort_noise(), Codec::pcmu()])]);
    assert!(new().answer(&description("m=audio 4000 RTP/AVP 13"), &bobs).is_err());
    let answer = new().answer(&description("m=audio 4000 RTP/AVP 13 0"), &bobs).unwrap();
    let agreed = answer.agreement.first(MediaKind::Audio).unwrap();
    assert_eq!((agreed.codec().unwrap().name.as_str(), agreed.codecs.len()), ("PCMU", 2));
}

// rfc: 3264 §5 — session id and first version fit 63 bits, the first version is below 2^62 - 1; s= says nothing, t= is 0 0
#[test]
fn the_first_description_begins_as_it_should() {
    for id in [0, 7, (1 << 62) - 1, u64::MAX] {
        let offer = Negotiation::new(id).offer(&able([Stream::audio(4_000)])).unwrap().description;
        assert!(version(&offer) < (1 << 62) - 1, "{id}");
        let text = offer.to_string();
        assert!(
            text.starts_with("v=0\r\no=") && text.contains("\r\ns=-\r\n") && text.contains("\r\nt=0 0\r\n")
        );
    }
}

// rfc: 3264 §5 — an offer without streams is answered without streams
#[test]
fn no_streams_are_answered_with_none() {
    let answer = new().answer(&description(""), &able([Stream::audio(5_000)])).unwrap();
    assert!(answer.description.media.is_empty() && answer.agreement.media.is_empty());
}

// rfc: 3264 §5.1 — the direction is marked on every stream that is not sendrecv
#[test]
fn an_offer_marks_its_directions() {
    for direction in [Direction::SendOnly, Direction::RecvOnly, Direction::Inactive] {
        let offer = new().offer(&able([Stream::audio(4_000).direction(direction)])).unwrap().description;
        assert_eq!(offer.media[0].attributes.direction(), Some(direction));
    }
}

// rfc: 3264 §5.1 — every format has an rtpmap, static ones too, in the order of our preference
#[test]
fn an_offer_maps_every_payload_type() {
    let codecs = [Codec::g722(), Codec::pcma(), Codec::opus()];
    let offer = new().offer(&able([Stream::audio(4_000).codecs(codecs)])).unwrap().description;
    let maps: Vec<String> = offer.media[0]
        .attributes
        .all::<sdp::attribute::Rtpmap>()
        .map(|map| {
            map.map(|map| format!("{} {}/{}", map.payload_type, map.encoding, map.clock_rate_hz)).unwrap()
        })
        .collect();
    assert_eq!(
        maps,
        [
            "9 G722/8000",
            "8 PCMA/8000",
            "96 opus/48000",
            "101 telephone-event/8000",
            "97 telephone-event/48000"
        ]
    );
    assert_eq!(lines(&offer), ["audio 4000 9 8 96 101 97 sendrecv"]);
}

// rfc: 3264 §5.1 — ptime is greater than zero
#[test]
fn a_packet_time_of_zero_is_not_written() {
    let stream = Stream::audio(4_000).ptime_ms(Some(0)).maxptime_ms(Some(0)).rtcp_port(Some(0));
    let offer = new().offer(&able([stream])).unwrap().description.to_string();
    assert!(!offer.contains("ptime") && !offer.contains("a=rtcp:"), "{offer}");
}

// rfc: 3264 §5.1 — a stream that lacks what it needs is not offered as another one
#[test]
fn a_stream_that_lacks_something_is_not_offered() {
    let srtp = |policy| Stream::audio(4_000).srtp(policy, []);
    for (stream, lacks) in [
        (srtp(sdp::SrtpPolicy::Required), "a key for SRTP"),
        (srtp(sdp::SrtpPolicy::Dtls), "a certificate's fingerprint for DTLS"),
        (audio(4_000, []), "a codec"),
        (Stream::audio(0), "a port"),
    ] {
        let mut alice = new();
        let error = alice.offer(&able([Stream::audio(4_002), stream])).unwrap_err();
        assert_eq!(error, NegotiationError::Unofferable { stream: 1, lacks });
        assert_eq!(error.to_string(), format!("stream 2 cannot be offered: it lacks {lacks}"));
        assert!(!alice.is_pending());
    }
    assert!(new().offer(&able([srtp(sdp::SrtpPolicy::Optional)])).is_ok());
    let answer = new().answer(&description("m=audio 4000 RTP/AVP 0"), &able([Stream::audio(0)]));
    assert!(answer.is_err(), "our port 0 is no acceptance");
}

// rfc: 3264 §5.1 — a bandwidth of zero asks for no media
#[test]
fn nothing_is_sent_to_a_bandwidth_of_zero() {
    let agreed = |lines: &str| {
        let answer = new()
            .answer(&description(&format!("m=audio 4000 RTP/AVP 0\n{lines}")), &able([Stream::audio(5_000)]));
        let agreed = answer.unwrap().agreement.first(MediaKind::Audio).unwrap().clone();
        (agreed.direction, agreed.bandwidth_bps)
    };
    assert_eq!(agreed("b=AS:0"), (Direction::RecvOnly, Some(0)));
    assert_eq!(agreed("b=AS:64"), (Direction::SendRecv, Some(64_000)));
    assert_eq!(agreed("b=AS:64\nb=TIAS:50000"), (Direction::SendRecv, Some(50_000)));
    assert_eq!(agreed("b=X-mine:0\nb=RR:0"), (Direction::SendRecv, None));
}

// rfc: 3264 §6 — the o= line of the answer is the answerer's own
#[test]
fn the_answer_has_an_origin_of_its_own() {
    let offer = description("m=audio 4000 RTP/AVP 0");
    let answer = Negotiation::new(5).answer(&offer, &able([Stream::audio(5_000)])).unwrap().description;
    assert!(!answer.origin.same_session(&offer.origin));
    assert_eq!(version(&answer), 5);
}

// rfc: 3264 §6 — a rejected stream lists at least one format, and nothing of it is settled
#[test]
fn a_rejected_stream_keeps_its_name_and_formats() {
    let offer = description("m=audio 4000 RTP/AVP 0\nm=video 4002 RTP/AVP 31 32\na=mid:v\na=sendonly");
    let answer = new().answer(&offer, &able([Stream::audio(5_000)])).unwrap();
    assert_eq!(
        answer.description.to_string().split_once("m=video").unwrap().1,
        " 0 RTP/AVP 31 32\r\na=mid:v\r\n"
    );
    let reason = answer.reasons.iter().find(|reason| reason.media == 1).unwrap();
    assert_eq!(reason.to_string(), "video m-line 2: refused: video not wanted");
    assert_eq!((reason.kind.as_str(), &reason.why), ("video", &Why::Refused(Refused::NotWanted)));
}

// rfc: 3264 §6.1 — a codec that the offer lists twice is answered once
#[test]
fn a_codec_offered_twice_is_taken_once() {
    let offer = description("m=audio 4000 RTP/AVP 0 96 0 97\na=rtpmap:96 pcmu/8000");
    let answer = new().answer(&offer, &able([audio(5_000, [Codec::pcmu()])])).unwrap();
    assert_eq!(lines(&answer.description), ["audio 5000 0 sendrecv"]);
    let said: Vec<String> = answer.reasons.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "audio m-line 1: format 97 refused: nothing says what it is",
            "audio m-line 1: pcmu refused: it is in the list twice",
            "audio m-line 1: PCMU chosen, the first of the peer's list that we have",
            "audio m-line 1: sendrecv, since the peer says sendrecv and we want sendrecv",
        ]
    );
}

// rfc: 3264 §6.1 — telephone-event at a rate that no codec taken has is left out, and it is said
#[test]
fn events_without_their_codec_are_left_out() {
    let offer = "m=audio 4000 RTP/AVP 0 96 97 98\na=rtpmap:96 opus/48000/2\na=rtpmap:97 telephone-event/48000\n\
        a=rtpmap:98 telephone-event/8000";
    let bobs = able([Stream::audio(5_000).codecs([Codec::pcmu(), Codec::opus()])]);
    let answer = new().answer(&description(offer), &bobs).unwrap();
    assert_eq!(lines(&answer.description), ["audio 5000 0 96 97 98 sendrecv"], "one for each clock rate");
    let events: Vec<_> = answer.agreement.first(MediaKind::Audio).unwrap().telephone_events.clone();
    assert_eq!(
        events.iter().map(|event| (event.clock_rate_hz, event.send)).collect::<Vec<_>>(),
        [(48_000, 97), (8_000, 98)]
    );
    let offer = offer.replace("m=audio 4000 RTP/AVP 0", "m=audio 4000 RTP/AVP 3");
    let answer = new().answer(&description(&offer), &bobs).unwrap();
    assert_eq!(lines(&answer.description), ["audio 5000 96 97 sendrecv"]);
    let why = Why::NoCodecAtRate { codec: "telephone-event/8000".into() };
    assert!(answer.reasons.iter().any(|reason| reason.why == why));
}

// rfc: 3264 §7 — the offerer sends with the answer's first format, and what the answer leaves out is not used
#[test]
fn the_answers_first_format_is_sent() {
    let mut alice = new();
    alice.offer(&able([audio(4_000, [Codec::pcmu(), Codec::pcma(), Codec::g722()])])).unwrap();
    let accepted = alice.accept(&description("m=audio 5000 RTP/AVP 8 0 77\na=sendrecv")).unwrap();
    let agreed = accepted.agreement.first(MediaKind::Audio).unwrap();
    assert_eq!((agreed.codec().unwrap().name.as_str(), agreed.codecs.len()), ("PCMA", 2));
    let said: Vec<String> = accepted.reasons.iter().map(|reason| reason.why.to_string()).collect();
    assert!(said.contains(&"G722 not used: the answer leaves it out".to_owned()), "{said:?}");
}

// rfc: 3264 §7 — an answer whose direction the offer does not allow gives us no more than we offered
#[test]
fn a_wrong_direction_in_the_answer_does_not_lift_our_hold() {
    let mut alice = new();
    alice.offer(&able([Stream::audio(4_000).direction(Direction::SendOnly)])).unwrap();
    let accepted = alice.accept(&description("m=audio 5000 RTP/AVP 0\na=sendrecv")).unwrap();
    assert_eq!(accepted.agreement.first(MediaKind::Audio).unwrap().direction, Direction::SendOnly);
    assert!(accepted.reasons.iter().any(|reason| matches!(reason.why, Why::Tolerated(_))));
}

// rfc: 3264 §8 — o= stays but for its version, also when our address changes
#[test]
fn the_origin_stays_when_the_address_changes() {
    let (mut alice, mut bob) = (new(), new());
    let bobs = able([Stream::audio(5_000)]);
    let first = alice.offer(&able([Stream::audio(4_000)])).unwrap().description;
    alice.accept(&bob.answer(&first, &bobs).unwrap().description).unwrap();
    let moved = Capabilities::new([192, 0, 2, 77].into()).stream(Stream::audio(4_000));
    let second = alice.offer(&moved).unwrap().description;
    assert!(second.origin.same_session(&first.origin) && version(&second) == version(&first) + 1);
    let answer = bob.answer(&second, &bobs).unwrap();
    let agreed = answer.agreement.first(MediaKind::Audio).unwrap();
    assert_eq!(agreed.remote_rtp_address().unwrap().to_string(), "192.0.2.77:4000");
}

// rfc: 3264 §8.2 — a removed stream is port 0 in offer and answer, and its position stays
#[test]
fn a_removed_stream_keeps_its_position() {
    let (mut alice, mut bob) = (new(), new());
    let video = |port| Stream::video(port).codecs([named("VP8", 90_000)]);
    let bobs = able([Stream::audio(5_000), video(5_002)]);
    let both = able([Stream::audio(4_000), video(4_002)]);
    let offer = alice.offer(&both).unwrap().description;
    alice.accept(&bob.answer(&offer, &bobs).unwrap().description).unwrap();
    let offer = alice.offer(&able([Stream::audio(4_000)])).unwrap().description;
    assert_eq!(lines(&offer)[1], "video 0 96 sendrecv");
    let answer = bob.answer(&offer, &bobs).unwrap();
    assert_eq!(lines(&answer.description)[1], "video 0 96 sendrecv");
    assert_eq!(answer.agreement.media[1].outcome, Err(Refused::DisabledByOfferer));
    alice.accept(&answer.description).unwrap();
    assert_eq!(bob.offer(&bobs).unwrap().description.media[1].port, 0, "nor do we offer it again");
}

// rfc: 3264 §8.3.1 — address and port may change in a later offer
#[test]
fn a_stream_moves_to_another_port() {
    let mut bob = new();
    let bobs = able([Stream::audio(5_000)]);
    let first = bob.answer(&description("m=audio 4000 RTP/AVP 0"), &bobs).unwrap().description;
    let moved = bob.answer(&description("m=audio 4444 RTP/AVP 0\nc=IN IP4 192.0.2.44"), &bobs).unwrap();
    let agreed = moved.agreement.first(MediaKind::Audio).unwrap();
    assert_eq!(agreed.remote_rtp_address().unwrap().to_string(), "192.0.2.44:4444");
    assert_eq!(moved.description, first, "our side did not change");
}

// rfc: 3264 §8.3.2 — a number that either side gave a meaning is given no other one
#[test]
fn a_number_of_the_peer_is_not_used_for_another_codec() {
    let mut bob = new();
    let able = |codecs: &[Codec]| able([audio(5_000, codecs.to_vec())]);
    let offer = "m=audio 4000 RTP/AVP 96 97 0\na=rtpmap:96 SILK/16000\na=rtpmap:97 G7221/16000";
    bob.answer(&description(offer), &able(&[Codec::pcmu()])).unwrap();
    let later = bob.offer(&able(&[Codec::opus().payload_type(96), Codec::pcmu()])).unwrap().description;
    assert_eq!(lines(&later), ["audio 5000 98 0 sendrecv"], "96 and 97 have a meaning");

    let mut alice = new();
    alice.offer(&able(&[Codec::opus().payload_type(100)])).unwrap();
    alice.accept(&description("m=audio 5000 RTP/AVP 110\na=rtpmap:110 opus/48000/2")).unwrap();
    let codecs = [Codec::opus(), named("speex", 16_000).payload_type(110)];
    let later = alice.offer(&able(&codecs)).unwrap().description;
    assert_eq!(lines(&later), ["audio 5000 100 96 sendrecv"], "110 is the peer's opus");
}

// rfc: 3264 §8.3.2 — a peer that changes the meaning of a number is followed, and it is said
#[test]
fn a_changed_meaning_is_followed() {
    let mut bob = new();
    let bobs = able([audio(5_000, [Codec::opus(), named("speex", 16_000)])]);
    bob.answer(&description("m=audio 4000 RTP/AVP 96\na=rtpmap:96 opus/48000/2"), &bobs).unwrap();
    let answer = bob.answer(&description("m=audio 4000 RTP/AVP 96\na=rtpmap:96 speex/16000"), &bobs).unwrap();
    assert_eq!(answer.agreement.first(MediaKind::Audio).unwrap().codec().unwrap().name, "speex");
    assert!(answer.reasons.iter().any(|reason| matches!(reason.why, Why::Tolerated(_))));
}

// rfc: 3264 §8.3.3 — the media type of a stream may change
#[test]
fn a_stream_may_change_its_media_type() {
    let mut bob = new();
    let bobs = able([Stream::audio(5_000), Stream::video(5_002).codecs([named("H261", 90_000)])]);
    bob.answer(&description("m=audio 4000 RTP/AVP 0"), &bobs).unwrap();
    let answer = bob.answer(&description("m=video 4000 RTP/AVP 31"), &bobs).unwrap();
    assert_eq!(lines(&answer.description), ["video 5002 31 sendrecv"]);
    assert_eq!(answer.agreement.media[0].stream, Some(1));
}

// rfc: 3264 §8.4 — c=0.0.0.0, and what stands for it in IPv6, stops RTP and RTCP to the peer
#[test]
fn a_hold_by_address_stops_rtp_and_rtcp() {
    for nowhere in ["IN IP4 0.0.0.0", "IN IP6 ::", "IN IP6 host.invalid", "IN IP6 Nowhere.INVALID."] {
        let offer = format!("m=audio 4000 RTP/AVP 0\nc={nowhere}\na=rtcp:7000 IN IP4 192.0.2.7");
        let answer = new().answer(&description(&offer), &able([Stream::audio(5_000)])).unwrap();
        let agreed = answer.agreement.first(MediaKind::Audio).unwrap();
        assert_eq!(agreed.direction, Direction::RecvOnly, "{nowhere}");
        assert_eq!((agreed.remote_rtp_address(), agreed.remote_rtcp_address()), (None, None), "{nowhere}");
        assert_eq!(lines(&answer.description), ["audio 5000 0 sendrecv"], "we hold nobody");
        assert!(answer.reasons.iter().any(|reason| reason.why == Why::HeldByAddress));
    }
    let offer = description("m=audio 4000 RTP/AVP 0\nc=IN IP4 media.example");
    let answer = new().answer(&offer, &able([Stream::audio(5_000)])).unwrap();
    assert_eq!(answer.agreement.first(MediaKind::Audio).unwrap().direction, Direction::SendRecv);
}

// rfc: 3264 §8.4 — each stream is held for itself, and a recvonly one by inactive
#[test]
fn one_stream_is_held_and_the_other_not() {
    let offer = description(
        "m=audio 4000 RTP/AVP 0\na=sendonly\nm=audio 4002 RTP/AVP 0\nm=audio 4004 RTP/AVP 0\na=inactive",
    );
    let bobs = able([5_000, 5_002, 5_004].map(|port| audio(port, [Codec::pcmu()])));
    let answer = new().answer(&offer, &bobs).unwrap();
    assert_eq!(
        lines(&answer.description),
        ["audio 5000 0 recvonly", "audio 5002 0 sendrecv", "audio 5004 0 inactive"]
    );
}

// rfc: 5761 §4 — with payload types that RTCP would be taken for, RTCP keeps its own port
#[test]
fn payload_types_of_rtcp_are_not_multiplexed() {
    let mux = |number: u8| {
        let offer = format!("m=audio 4000 RTP/AVP {number}\na=rtpmap:{number} opus/48000/2\na=rtcp-mux");
        let bobs = able([audio(5_000, [Codec::opus()]).rtcp_mux(true)]);
        new().answer(&description(&offer), &bobs).unwrap().agreement.first(MediaKind::Audio).unwrap().rtcp_mux
    };
    assert_eq!([63, 64, 72, 95, 96].map(mux), [true, false, false, false, true]);
    let wishing = audio(4_000, [Codec::opus().payload_type(72)]).rtcp_mux(true);
    assert_eq!(lines(&new().offer(&able([wishing])).unwrap().description), ["audio 4000 96 sendrecv"]);
}

// rfc: 8858 §4.3 — rtcp-mux-only is answered with rtcp-mux, or the stream is refused
#[test]
fn exclusive_multiplexing_is_taken_or_refused() {
    let offer = description("m=audio 4000 RTP/AVP 0\na=rtcp-mux\na=rtcp-mux-only");
    let answer = new().answer(&offer, &able([Stream::audio(5_000).rtcp_mux(true)])).unwrap();
    let text = answer.description.to_string();
    assert!(text.contains("a=rtcp-mux\r\n") && !text.contains("mux-only"));
    let error = new().answer(&offer, &able([Stream::audio(5_000)])).unwrap_err();
    assert!(error.to_string().ends_with(&Refused::RtcpMuxOnly.to_string()), "{error}");
}

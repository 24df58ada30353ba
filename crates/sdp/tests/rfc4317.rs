//! The exchanges of RFC 4317, one test a section: from the RFC's offer we make the RFC's answer, and from like capabilities
//! its offer, and take its answer. What is compared of an m-line: type, port, protocol, formats, direction.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::net::{IpAddr, Ipv4Addr};

use sdp::{Agreement, Capabilities, Codec, Direction, MediaKind, Negotiation, SessionDescription, Stream};

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn ilbc() -> Codec {
    Codec::new("iLBC", 8_000).unwrap().payload_type(97)
}

fn events() -> Codec {
    Codec::new("telephone-event", 8_000).unwrap().payload_type(98)
}

fn h261() -> Codec {
    Codec::new("H261", 90_000).unwrap()
}

fn mpv() -> Codec {
    Codec::new("MPV", 90_000).unwrap()
}

fn audio(port: u16, codecs: impl IntoIterator<Item = Codec>) -> Stream {
    Stream::audio(port).codecs(codecs).telephone_event(false)
}

fn video(port: u16, codecs: impl IntoIterator<Item = Codec>) -> Stream {
    Stream::video(port).codecs(codecs)
}

fn able(streams: impl IntoIterator<Item = Stream>) -> Capabilities {
    streams.into_iter().fold(Capabilities::new(ADDRESS), Capabilities::stream)
}

/// A description of the RFC; only its m-lines and what follows them are given.
fn description(version: u64, media: &str) -> SessionDescription {
    let head = format!(
        "v=0\r\no=x 2890844526 {version} IN IP4 host.example.com\r\ns= \r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
    );
    let media: String = media.trim().lines().map(|line| format!("{}\r\n", line.trim())).collect();
    SessionDescription::parse(&(head + &media)).unwrap()
}

/// `audio 49170 RTP/AVP 0 8 sendrecv` for each m-line; a refused one ends after its port.
fn lines(session: &SessionDescription) -> Vec<String> {
    let line = |media: &sdp::Media| match media.port {
        0 => format!("{} 0", media.kind()),
        port => {
            let formats: Vec<&str> = media.formats().collect();
            let direction = session.direction(media);
            format!("{} {port} {} {} {direction}", media.kind(), media.protocol(), formats.join(" "))
        }
    };
    session.media.iter().map(line).collect()
}

fn version(session: &SessionDescription) -> u64 {
    session.origin.version().parse().unwrap()
}

/// Both ends of an exchange against the RFC's descriptions: `offerer` makes the offer and takes the answer, `answerer` takes the
/// offer and makes the answer.
fn exchange(
    (offerer, offering): (&mut Negotiation, &Capabilities),
    (answerer, answering): (&mut Negotiation, &Capabilities),
    offer: &str,
    answer: &str,
) -> (Agreement, Agreement) {
    let (offer, answer) = (description(1, offer), description(1, answer));
    let ours = offerer.offer(offering).unwrap().description;
    assert_eq!(lines(&ours), lines(&offer), "the offer");
    let made = answerer.answer(&offer, answering).unwrap();
    assert_eq!(lines(&made.description), lines(&answer), "the answer; {:?}", made.reasons);
    (offerer.accept(&answer).unwrap().agreement, made.agreement)
}

fn chosen(agreement: &Agreement, media: usize) -> String {
    let agreed = agreement.media[media].outcome.as_ref().unwrap();
    agreed
        .codec()
        .map_or_else(String::new, |codec| format!("{} {}/{}", codec.name, codec.send, codec.receive))
}

/// Alice and Bob, before they have spoken.
fn parties() -> (Negotiation, Negotiation) {
    (Negotiation::new(2_890_844_526), Negotiation::new(2_808_844_564))
}

const AUDIO_VIDEO: &str = "m=audio 49170 RTP/AVP 0 8 97
    a=rtpmap:0 PCMU/8000
    a=rtpmap:8 PCMA/8000
    a=rtpmap:97 iLBC/8000
    m=video 51372 RTP/AVP 31 32
    a=rtpmap:31 H261/90000
    a=rtpmap:32 MPV/90000";

fn alice_audio_video() -> Capabilities {
    able([audio(49_170, [Codec::pcmu(), Codec::pcma(), ilbc()]), video(51_372, [h261(), mpv()])])
}

// rfc: 4317 §2.1 — of several codecs one is accepted for audio, one for video
#[test]
fn one_codec_of_several_is_accepted() {
    let (mut alice, mut bob) = parties();
    let bobs = able([audio(49_174, [Codec::pcmu()]), video(49_170, [mpv()])]);
    let answer = "m=audio 49174 RTP/AVP 0
        a=rtpmap:0 PCMU/8000
        m=video 49170 RTP/AVP 32
        a=rtpmap:32 MPV/90000";
    let (a, b) = exchange((&mut alice, &alice_audio_video()), (&mut bob, &bobs), AUDIO_VIDEO, answer);
    for agreement in [&a, &b] {
        assert_eq!((chosen(agreement, 0), chosen(agreement, 1)), ("PCMU 0/0".into(), "MPV 32/32".into()));
    }
    assert_eq!(a.first(MediaKind::Audio).unwrap().remote_port, 49_174);
    assert_eq!(b.first(MediaKind::Audio).unwrap().remote_port, 49_170);
}

// rfc: 4317 §2.2 — a declined stream stays, at port 0, in the second exchange; versions rise by one
#[test]
fn a_declined_stream_stays_at_port_zero() {
    let (mut alice, mut bob) = parties();
    let bobs = able([audio(49_172, [Codec::pcmu(), Codec::pcma()])]);
    let answer = "m=audio 49172 RTP/AVP 0 8
        a=rtpmap:0 PCMU/8000
        a=rtpmap:8 PCMA/8000
        m=video 0 RTP/AVP 31
        a=rtpmap:31 H261/90000";
    exchange((&mut alice, &alice_audio_video()), (&mut bob, &bobs), AUDIO_VIDEO, answer);
    let before = (version(alice.local().unwrap()), version(bob.local().unwrap()));
    let only_pcmu = able([audio(51_372, [Codec::pcmu()]), video(51_372, [h261(), mpv()])]);
    let offer = "m=audio 51372 RTP/AVP 0
        a=rtpmap:0 PCMU/8000
        m=video 0 RTP/AVP 31
        a=rtpmap:31 H261/90000";
    let answer = "m=audio 49172 RTP/AVP 0
        a=rtpmap:0 PCMU/8000
        m=video 0 RTP/AVP 31
        a=rtpmap:31 H261/90000";
    exchange((&mut alice, &only_pcmu), (&mut bob, &bobs), offer, answer);
    let after = (version(alice.local().unwrap()), version(bob.local().unwrap()));
    assert_eq!(after, (before.0 + 1, before.1 + 1));
}

// rfc: 4317 §2.3 — the answer may use another dynamic payload type for the same codec
#[test]
fn the_answers_payload_type_is_sent_and_ours_received() {
    let (mut alice, _) = parties();
    alice.offer(&alice_audio_video()).unwrap();
    let answer = "m=audio 49172 RTP/AVP 99
        a=rtpmap:99 iLBC/8000
        m=video 51374 RTP/AVP 31
        a=rtpmap:31 H261/90000";
    let agreement = alice.accept(&description(1, answer)).unwrap().agreement;
    assert_eq!((chosen(&agreement, 0), chosen(&agreement, 1)), ("iLBC 99/97".into(), "H261 31/31".into()));
}

const TWO_STREAMS: &str = "m=audio 49170 RTP/AVP 0 97
    a=rtpmap:0 PCMU/8000
    a=rtpmap:97 iLBC/8000
    m=audio 49172 RTP/AVP 98
    a=rtpmap:98 telephone-event/8000
    a=sendonly";

const TWO_STREAMS_ANSWER: &str = "m=audio 49172 RTP/AVP 97
    a=rtpmap:97 iLBC/8000
    m=audio 49174 RTP/AVP 98
    a=rtpmap:98 telephone-event/8000
    a=recvonly";

fn alice_two_streams() -> Capabilities {
    let tones = audio(49_172, [events()]).direction(Direction::SendOnly);
    able([audio(49_170, [Codec::pcmu(), ilbc()]), tones])
}

fn bob_two_streams(voice: Direction) -> Capabilities {
    able([audio(49_172, [ilbc()]).direction(voice), audio(49_174, [events()]).direction(Direction::RecvOnly)])
}

// rfc: 4317 §2.4 — a stream of its own for telephone-event
#[test]
fn tones_may_have_a_stream_of_their_own() {
    let (mut alice, mut bob) = parties();
    let bobs = bob_two_streams(Direction::SendRecv);
    let (a, b) =
        exchange((&mut alice, &alice_two_streams()), (&mut bob, &bobs), TWO_STREAMS, TWO_STREAMS_ANSWER);
    for (agreement, direction) in [(&a, Direction::SendOnly), (&b, Direction::RecvOnly)] {
        let tones = agreement.media[1].outcome.as_ref().unwrap();
        assert_eq!(
            (tones.direction, tones.codecs.len(), tones.telephone_event().unwrap().send),
            (direction, 0, 98)
        );
    }
}

// rfc: 4317 §2.5 — an answer that says the same keeps its version
#[test]
fn an_unchanged_answer_keeps_its_version() {
    let (mut alice, mut bob) = parties();
    let alices = able([audio(49_170, [ilbc()]), video(51_372, [h261()])]);
    let bobs = able([audio(49_174, [ilbc()]), video(49_170, [h261()])]);
    let media = |audio, video| {
        format!(
            "m=audio {audio} RTP/AVP 97\na=rtpmap:97 iLBC/8000\nm=video {video} RTP/AVP 31\na=rtpmap:31 H261/90000"
        )
    };
    exchange((&mut alice, &alices), (&mut bob, &bobs), &media(49_170, 51_372), &media(49_174, 49_170));
    let before = (version(alice.local().unwrap()), version(bob.local().unwrap()));
    let moved = able([audio(49_178, [ilbc()]), video(49_188, [h261()])]);
    exchange((&mut bob, &moved), (&mut alice, &alices), &media(49_178, 49_188), &media(49_170, 51_372));
    assert_eq!((version(alice.local().unwrap()), version(bob.local().unwrap())), (before.0, before.1 + 1));
}

// rfc: 4317 §2.6 — the first of two audio streams is declined, the second accepted
#[test]
fn the_first_stream_is_declined_and_the_second_accepted() {
    let (mut alice, mut bob) = parties();
    let tones = events().payload_type(101);
    let alices = able([audio(49_170, [Codec::pcmu()]), audio(51_372, [ilbc(), tones])]);
    let bobs = able([audio(49_170, [ilbc()]).telephone_event(true)]);
    let offer = "m=audio 49170 RTP/AVP 0
        a=rtpmap:0 PCMU/8000
        m=audio 51372 RTP/AVP 97 101
        a=rtpmap:97 iLBC/8000
        a=rtpmap:101 telephone-event/8000";
    let answer = "m=audio 0 RTP/AVP 0
        a=rtpmap:0 PCMU/8000
        m=audio 49170 RTP/AVP 97 101
        a=rtpmap:97 iLBC/8000
        a=rtpmap:101 telephone-event/8000";
    let (a, b) = exchange((&mut alice, &alices), (&mut bob, &bobs), offer, answer);
    assert!(a.media[0].outcome.is_err() && b.media[0].outcome.is_err());
    assert_eq!(a.first(MediaKind::Audio).unwrap().telephone_event().unwrap().receive, 101);
}

// rfc: 4317 §2.7 — a second codec is added to a stream
#[test]
fn a_codec_is_added_to_a_stream() {
    let (mut alice, mut bob) = parties();
    let voice = |port| audio(port, [ilbc().payload_type(99)]);
    let one =
        "m=audio 49170 RTP/AVP 99\na=rtpmap:99 iLBC/8000\nm=video 51372 RTP/AVP 31\na=rtpmap:31 H261/90000";
    let one_answer =
        "m=audio 49172 RTP/AVP 99\na=rtpmap:99 iLBC/8000\nm=video 51374 RTP/AVP 31\na=rtpmap:31 H261/90000";
    let two = "m=audio 49170 RTP/AVP 99\na=rtpmap:99 iLBC/8000\nm=video 51372 RTP/AVP 31 32";
    let two_answer = "m=audio 49172 RTP/AVP 99\na=rtpmap:99 iLBC/8000\nm=video 51374 RTP/AVP 31 32";
    let bobs = able([voice(49_172), video(51_374, [h261(), mpv()])]);
    let first = able([voice(49_170), video(51_372, [h261()])]);
    exchange((&mut alice, &first), (&mut bob, &bobs), one, one_answer);
    let second = able([voice(49_170), video(51_372, [h261(), mpv()])]);
    let (a, _) = exchange((&mut alice, &second), (&mut bob, &bobs), two, two_answer);
    assert_eq!(a.first(MediaKind::Video).unwrap().codecs.len(), 2);
}

// rfc: 4317 §2.8 — a media section's own c= line counts for it
#[test]
fn video_goes_to_another_address_than_audio() {
    let (mut alice, _) = parties();
    alice.offer(&alice_audio_video()).unwrap();
    let answer = "m=audio 49174 RTP/AVP 0
        a=rtpmap:0 PCMU/8000
        m=video 49172 RTP/AVP 32
        c=IN IP4 192.0.2.77
        a=rtpmap:32 MPV/90000";
    let agreement = alice.accept(&description(1, answer)).unwrap().agreement;
    let rtp = |kind| agreement.first(kind).unwrap().remote_rtp_address().unwrap().to_string();
    assert_eq!(
        (rtp(MediaKind::Audio), rtp(MediaKind::Video)),
        ("192.0.2.9:49174".into(), "192.0.2.77:49172".into())
    );
}

// rfc: 4317 §3.1 — held by the answer, resumed by a second offer
#[test]
fn a_call_is_answered_on_hold_and_resumed() {
    let (mut alice, mut bob) = parties();
    let alices = able([audio(49_170, [Codec::pcmu(), ilbc()])]);
    let offer = "m=audio 49170 RTP/AVP 0 97\na=rtpmap:0 PCMU/8000\na=rtpmap:97 iLBC/8000";
    let answer = "m=audio 49172 RTP/AVP 97\na=rtpmap:97 iLBC/8000\na=sendonly";
    let holding = able([audio(49_172, [ilbc()]).direction(Direction::SendOnly)]);
    let (a, b) = exchange((&mut alice, &alices), (&mut bob, &holding), offer, answer);
    assert_eq!(a.first(MediaKind::Audio).unwrap().direction, Direction::RecvOnly);
    assert_eq!(b.first(MediaKind::Audio).unwrap().direction, Direction::SendOnly);
    let resumed = able([audio(49_170, [ilbc()])]);
    let moved = able([audio(49_178, [Codec::pcmu(), ilbc()])]);
    let (offer, answer) = (
        "m=audio 49170 RTP/AVP 97\na=rtpmap:97 iLBC/8000",
        "m=audio 49178 RTP/AVP 97\na=rtpmap:97 iLBC/8000",
    );
    let (b, a) = exchange((&mut bob, &resumed), (&mut alice, &moved), offer, answer);
    assert_eq!(a.first(MediaKind::Audio).unwrap().direction, Direction::SendRecv);
    assert_eq!(b.first(MediaKind::Audio).unwrap().direction, Direction::SendRecv);
}

// rfc: 4317 §3.2 — one of two streams is held. RFC 4317 lets Alice answer sendrecv; RFC 3264 §6.1 has recvonly, and so have we
#[test]
fn one_of_two_streams_is_held() {
    let (mut alice, mut bob) = parties();
    let bobs = bob_two_streams(Direction::SendRecv);
    exchange((&mut alice, &alice_two_streams()), (&mut bob, &bobs), TWO_STREAMS, TWO_STREAMS_ANSWER);
    let offer = "m=audio 49172 RTP/AVP 97
        a=rtpmap:97 iLBC/8000
        a=sendonly
        m=audio 49174 RTP/AVP 98
        a=rtpmap:98 telephone-event/8000
        a=recvonly";
    let answer = "m=audio 49170 RTP/AVP 97
        a=rtpmap:97 iLBC/8000
        a=recvonly
        m=audio 49172 RTP/AVP 98
        a=rtpmap:98 telephone-event/8000
        a=sendonly";
    let holding = bob_two_streams(Direction::SendOnly);
    let (b, a) = exchange((&mut bob, &holding), (&mut alice, &alice_two_streams()), offer, answer);
    let directions =
        |agreement: &Agreement| agreement.accepted().map(|agreed| agreed.direction).collect::<Vec<_>>();
    assert_eq!(directions(&a), [Direction::RecvOnly, Direction::SendOnly]);
    assert_eq!(directions(&b), [Direction::SendOnly, Direction::RecvOnly]);
}

// rfc: 4317 §4.1 — the answerer of the first exchange adds a stream in the second
#[test]
fn a_second_stream_is_added_by_the_other_side() {
    let (mut alice, mut bob) = parties();
    let tones = audio(49_172, [events()]).direction(Direction::SendOnly);
    let first = "m=audio 49170 RTP/AVP 0 97\na=rtpmap:0 PCMU/8000\na=rtpmap:97 iLBC/8000";
    let first_answer = "m=audio 49170 RTP/AVP 97\na=rtpmap:97 iLBC/8000";
    let alices = able([audio(49_170, [Codec::pcmu(), ilbc()])]);
    let bobs = able([audio(49_170, [ilbc()])]);
    exchange((&mut alice, &alices), (&mut bob, &bobs), first, first_answer);
    let bobs = bobs.stream(audio(48_282, [events()]).direction(Direction::RecvOnly));
    let second = "m=audio 49170 RTP/AVP 97
        a=rtpmap:97 iLBC/8000
        m=audio 48282 RTP/AVP 98
        a=rtpmap:98 telephone-event/8000
        a=recvonly";
    let second_answer = "m=audio 49170 RTP/AVP 97
        a=rtpmap:97 iLBC/8000
        m=audio 49172 RTP/AVP 98
        a=rtpmap:98 telephone-event/8000
        a=sendonly";
    let (b, a) = exchange((&mut bob, &bobs), (&mut alice, &alices.stream(tones)), second, second_answer);
    assert_eq!((a.accepted().count(), b.accepted().count()), (2, 2));
}

// rfc: 4317 §4.2 — video is added to a call
#[test]
fn video_is_added_to_a_call() {
    let (mut alice, mut bob) = parties();
    let alices = able([audio(49_170, [Codec::pcmu()])]);
    let bobs = able([audio(49_172, [Codec::pcmu()]), video(49_168, [h261()])]);
    exchange((&mut alice, &alices), (&mut bob, &bobs), "m=audio 49170 RTP/AVP 0", "m=audio 49172 RTP/AVP 0");
    let offer = "m=audio 49170 RTP/AVP 0\nm=video 49172 RTP/AVP 31";
    let answer = "m=audio 49172 RTP/AVP 0\nm=video 49168 RTP/AVP 31";
    let alices = alices.stream(video(49_172, [h261()]));
    let (a, _) = exchange((&mut alice, &alices), (&mut bob, &bobs), offer, answer);
    assert_eq!(chosen(&a, 1), "H261 31/31");
}

// rfc: 4317 §4.3 — video is removed with port 0, and answered with port 0
#[test]
fn video_is_removed_from_a_call() {
    let (mut alice, mut bob) = parties();
    let alices = able([audio(49_170, [ilbc()]), video(51_372, [h261()])]);
    let bobs = able([audio(49_174, [ilbc()]), video(49_170, [h261()])]);
    let offer = "m=audio 49170 RTP/AVP 97\na=rtpmap:97 iLBC/8000\nm=video 51372 RTP/AVP 31";
    let answer = "m=audio 49174 RTP/AVP 97\na=rtpmap:97 iLBC/8000\nm=video 49170 RTP/AVP 31";
    exchange((&mut alice, &alices), (&mut bob, &bobs), offer, answer);
    let offer = "m=audio 49174 RTP/AVP 97\na=rtpmap:97 iLBC/8000\nm=video 0 RTP/AVP 31";
    let answer = "m=audio 49170 RTP/AVP 97\na=rtpmap:97 iLBC/8000\nm=video 0 RTP/AVP 31";
    let (b, a) = exchange((&mut bob, &able([audio(49_174, [ilbc()])])), (&mut alice, &alices), offer, answer);
    assert_eq!((a.accepted().count(), b.accepted().count()), (1, 1));
}

// rfc: 4317 §5.1 — an offer without media is answered without media
#[test]
fn an_offer_may_have_no_media() {
    let (mut alice, mut bob) = parties();
    let bobs = able([audio(49_172, [ilbc()])]);
    exchange((&mut alice, &able([])), (&mut bob, &bobs), "", "");
    let alices = able([audio(49_170, [ilbc()])]);
    let (offer, answer) = (
        "m=audio 49170 RTP/AVP 97\na=rtpmap:97 iLBC/8000",
        "m=audio 49172 RTP/AVP 97\na=rtpmap:97 iLBC/8000",
    );
    let (a, _) = exchange((&mut alice, &alices), (&mut bob, &bobs), offer, answer);
    assert_eq!(a.accepted().count(), 1);
}

// rfc: 4317 §5.2 — an offer of c=0.0.0.0 is answered as usual, and nothing is sent; the second answer is the first
#[test]
fn nothing_is_sent_to_an_offered_black_hole() {
    let (_, mut bob) = parties();
    let bobs = able([audio(49_170, [ilbc()])]);
    let offer = "m=audio 23442 RTP/AVP 97\nc=IN IP4 0.0.0.0\na=rtpmap:97 iLBC/8000";
    let held = bob.answer(&description(1, offer), &bobs).unwrap();
    assert_eq!(lines(&held.description), ["audio 49170 RTP/AVP 97 sendrecv"]);
    let agreed = held.agreement.first(MediaKind::Audio).unwrap();
    assert_eq!((agreed.direction, agreed.remote_rtp_address()), (Direction::RecvOnly, None));
    let offer = "m=audio 49170 RTP/AVP 97\na=rtpmap:97 iLBC/8000";
    let resumed = bob.answer(&description(2, offer), &bobs).unwrap();
    assert_eq!(resumed.agreement.first(MediaKind::Audio).unwrap().direction, Direction::SendRecv);
    assert_eq!(resumed.description, held.description);
}

// rfc: 4317 §5.3 — an answer of c=0.0.0.0 is taken, and nothing is sent
#[test]
fn nothing_is_sent_to_an_answered_black_hole() {
    let (mut alice, _) = parties();
    let alices = able([audio(49_170, [ilbc()])]);
    let first = alice.offer(&alices).unwrap().description;
    let answer = "m=audio 9322 RTP/AVP 97\nc=IN IP4 0.0.0.0\na=rtpmap:97 iLBC/8000";
    let agreement = alice.accept(&description(1, answer)).unwrap().agreement;
    assert_eq!(agreement.first(MediaKind::Audio).unwrap().direction, Direction::RecvOnly);
    let offer = "m=audio 49172 RTP/AVP 97\na=rtpmap:97 iLBC/8000";
    let resumed = alice.answer(&description(2, offer), &alices).unwrap();
    assert_eq!(resumed.agreement.first(MediaKind::Audio).unwrap().direction, Direction::SendRecv);
    assert_eq!(resumed.description, first);
}

//! What holds for every description, every offer and all capabilities.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use sdp::{
    Capabilities, Codec, Crypto, Direction, Ice, MediaKind, Negotiation, Offer, Security, SessionDescription,
    SrtpPolicy, Stream,
};

#[path = "roundtrip/validator.rs"]
mod validator;

const SUITES: [&str; 3] = ["AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AES_256_CM_HMAC_SHA1_80"];

fn key(letter: char, suite: &str) -> String {
    let length = if suite.contains("256") { 62 } else { 40 };
    let padding = if suite.contains("256") { "==" } else { "" };
    format!("inline:{}{padding}", letter.to_string().repeat(length))
}

fn audio_codecs() -> Vec<Codec> {
    let named = |name, rate| Codec::new(name, rate).unwrap();
    vec![
        Codec::pcmu(),
        Codec::pcma(),
        Codec::g722(),
        Codec::opus(),
        Codec::comfort_noise(),
        Codec::l16(44_100, 2),
        named("iLBC", 8_000).payload_type(97),
        named("speex", 16_000),
        named("AMR", 8_000).fmtp("octet-align=1").unwrap(),
        named("AMR", 8_000),
        named("iLBC", 8_000).payload_type(72),
        Codec::pcmu().payload_type(111),
    ]
}

fn video_codecs() -> Vec<Codec> {
    let named = |name| Codec::new(name, 90_000).unwrap();
    vec![
        named("H264").fmtp("profile-level-id=42e01f;packetization-mode=1").unwrap(),
        named("H264").fmtp("profile-level-id=640c1f;packetization-mode=1").unwrap(),
        named("H264"),
        named("VP8"),
        named("VP9"),
        named("AV1"),
        named("H261"),
    ]
}

fn shuffled(codecs: Vec<Codec>) -> impl Strategy<Value = Vec<Codec>> {
    let length = codecs.len();
    subsequence(codecs, 0..=length).prop_shuffle()
}

fn direction() -> impl Strategy<Value = Direction> {
    select(vec![Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive])
}

/// A stream of the side whose keys are made of this letter.
fn stream(letter: char) -> impl Strategy<Value = Stream> {
    let policy = select(vec![SrtpPolicy::Off, SrtpPolicy::Optional, SrtpPolicy::Required, SrtpPolicy::Dtls]);
    let suites = subsequence(SUITES.to_vec(), 1..=3).prop_shuffle();
    let codecs = (shuffled(audio_codecs()), shuffled(video_codecs()));
    let rest = (
        any::<bool>(),
        any::<bool>(),
        prop::option::of(0_u16..200),
        prop::option::of(0_u16..),
        any::<bool>(),
    );
    (any::<bool>(), 1_u16..u16::MAX, codecs, policy, suites, direction(), rest).prop_map(
        move |(audio, port, (audios, videos), policy, suites, direction, (events, mux, ptime, rtcp, ice))| {
            let crypto = suites.iter().map(|suite| Crypto::new(1, suite, &key(letter, suite)).unwrap());
            let print =
                sdp::attribute::Fingerprint::new("sha-256", &[u8::try_from(letter).unwrap(); 32]).unwrap();
            let stream =
                if audio { Stream::audio(port).codecs(audios) } else { Stream::video(port).codecs(videos) };
            let stream =
                stream.telephone_event(audio && events).rtcp_mux(mux).ptime_ms(ptime).rtcp_port(rtcp);
            let stream = stream.direction(direction).srtp(policy, crypto);
            let mut own =
                Ice::new(sdp::attribute::IceCredentials::new("ourU", "0123456789abcdefghijkl").unwrap());
            own.candidates.push("1 1 UDP 2130706431 192.0.2.1 4000 typ host".into());
            let stream = stream.ice(ice.then_some(own));
            if policy == SrtpPolicy::Dtls { stream.dtls([print]) } else { stream }
        },
    )
}

fn capabilities(letter: char) -> impl Strategy<Value = Capabilities> {
    (prop::collection::vec(stream(letter), 0..4), any::<bool>(), any::<u8>()).prop_map(
        |(streams, bundle, last)| {
            let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
            streams.into_iter().fold(Capabilities::new(address).bundle(bundle), Capabilities::stream)
        },
    )
}

/// The lines of a media section that a stranger may write.
fn foreign_media() -> impl Strategy<Value = String> {
    let kind = select(vec!["audio", "audio", "video", "image", "application"]);
    let protocol =
        select(vec!["RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVPF", "udptl", "RTP/X"]);
    let port = prop_oneof![
        1 => Just("0".to_owned()),
        5 => (1_u16..).prop_map(|port| port.to_string()),
        2 => Just("4000".to_owned()),
        1 => (1_u16..60_000, 1_u8..4).prop_map(|(port, count)| format!("{port}/{count}")),
    ];
    let line = prop_oneof![
        (
            select(vec![0_u8, 8, 72, 96, 96, 97, 97, 98, 128]),
            select(vec![
                "PCMU/8000",
                "pcma/8000",
                "opus/48000/2",
                "telephone-event/8000",
                "telephone-event/48000",
                "CN/8000",
                "AMR/8000",
                "VP8/90000",
                "VP9/90000",
                "AV1/90000",
                "H264/90000",
                "?",
            ])
        )
            .prop_map(|(number, name)| format!("a=rtpmap:{number} {name}")),
        (
            select(vec![0_u8, 96, 96, 97, 98]),
            select(vec![
                "0-15",
                "packetization-mode=1",
                "octet-align=1",
                "profile-id=2",
                "profile=1;tier=0",
                "packetization-mode=1;profile-level-id=42e01f",
                "profile-level-id=640C1F; packetization-mode=1;sprop-parameter-sets=AA==",
            ])
        )
            .prop_map(|(number, value)| format!("a=fmtp:{number} {value}")),
        direction().prop_map(|direction| format!("a={direction}")),
        (1_u32..4, select(SUITES.to_vec()))
            .prop_map(|(tag, suite)| format!("a=crypto:{tag} {suite} {}", key('A', suite))),
        select(vec![
            "a=ptime:30",
            "a=ptime:0",
            "a=rtcp-mux",
            "a=rtcp:7 IN IP4 192.0.2.3",
            "a=rtcp:x",
            "a=mid:0",
            "a=mid:x",
            "a=mid:y",
            "a=rtcp-mux-only",
            "a=fingerprint:sha-256 00:11",
            "a=fingerprint:md5 00:11",
            "a=setup:passive",
            "a=setup:holdconn",
            "a=crypto:x",
            "a=setup:actpass",
            "a=setup:active",
            "a=fingerprint:sha-1 00:11",
            "a=fingerprint:x",
            "a=bundle-only",
            "a=unknown",
            "a=ice-ufrag:8hhY",
            "a=ice-pwd:asd88fgpdd777uzjYhagZg",
            "a=(broken",
        ])
        .prop_map(str::to_owned),
    ];
    let connection =
        select(vec!["", "", "c=IN IP4 192.0.2.5\r\n", "c=IN IP4 0.0.0.0\r\n", "c=IN IP4 233.252.0.1/9\r\n"]);
    // Few numbers, so that maps hit formats and formats come twice.
    let number = prop_oneof![
        4 => select(vec![0_u8, 8, 9, 13, 31, 72, 96, 97, 98]),
        1 => 0_u8..128,
    ];
    let formats = prop::collection::vec(number, 1..6);
    (kind, port, protocol, formats, connection, prop::collection::vec(line, 0..14)).prop_map(
        |(kind, port, protocol, formats, connection, lines)| {
            let formats: Vec<String> = formats.iter().map(u8::to_string).collect();
            let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            format!("m={kind} {port} {protocol} {}\r\n{connection}{lines}", formats.join(" "))
        },
    )
}

fn foreign_description() -> impl Strategy<Value = String> {
    let head = select(vec!["", "i=what\r\n", "u=http://x/\r\n", "e=a@b.example\r\np=+1 2\r\n"]);
    let address =
        select(vec!["c=IN IP4 192.0.2.4\r\n", "", "c=IN IP6 2001:db8::1\r\n", "c=IN IP4 host.example\r\n"]);
    let after = select(vec!["", "b=AS:64\r\n", "b=X-y:1\r\nb=TIAS:2\r\n"]);
    let time = select(vec![
        "t=0 0\r\n",
        "t=2873397496 2873404696\r\nr=604800 3600 0 90000\r\nz=2882844526 -1h\r\nt=0 0\r\n",
    ]);
    let attributes = select(vec![
        "",
        "a=group:BUNDLE 0 x\r\n",
        "a=group:BUNDLE y x 0\r\na=group:LS x y\r\n",
        "a=group:BUNDLE x x nobody 0\r\na=inactive\r\n",
        "a=setup:actpass\r\na=fingerprint:sha-256 22:33\r\na=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n",
        "a=recvonly\r\na=group:BUNDLE 0 y x\r\n",
        "a=sendonly\r\na=tool:x\r\n",
        "a=fingerprint:sha-1 22:33\r\n",
    ]);
    let media = prop::collection::vec(foreign_media(), 0..6);
    (head, address, after, time, attributes, media).prop_map(
        |(head, address, after, time, attributes, media)| {
            let start = "v=0\r\no=bob 123456789012345678901234567890 1 IN IP4 host.example\r\ns=a name\r\n";
            [start, head, address, after, time, attributes, &media.concat()].concat()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_octets_make_the_parser_panic(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = SessionDescription::parse_bytes(&octets);
    }

    #[test]
    fn no_damage_makes_the_parser_or_the_negotiator_panic(
        text in foreign_description(), at in any::<prop::sample::Index>(), with in ".{0,4}", able in capabilities('B')
    ) {
        let mut damaged: Vec<char> = text.chars().collect();
        let at = at.index(damaged.len());
        damaged.splice(at..at + 1, with.chars());
        if let Ok(session) = SessionDescription::parse(&damaged.iter().collect::<String>()) {
            let written = session.to_string();
            prop_assert_eq!(&SessionDescription::parse(&written).unwrap(), &session);
            let _ = Negotiation::new(1).answer(&session, &able);
            let mut offerer = Negotiation::new(1);
            if offerer.offer(&able).is_ok() {
                let _ = offerer.accept(&session);
            }
        }
    }

    // rfc: 8866 §9 — what follows the grammar is read, and written as it was
    #[test]
    fn a_description_is_written_as_it_was_read(text in foreign_description()) {
        let text = text.replace("a=(broken\r\n", "");
        let session = SessionDescription::parse(&text).unwrap();
        prop_assert_eq!(session.to_string(), session.to_text());
        prop_assert_eq!(session.to_text(), text);
    }

    // rfc: 8866 §5 — LF alone, or a last line without an end, makes no difference
    #[test]
    fn line_ends_make_no_difference(text in foreign_description()) {
        let session = SessionDescription::parse(&text).unwrap();
        prop_assert_eq!(&SessionDescription::parse(&text.replace("\r\n", "\n")).unwrap(), &session);
        prop_assert_eq!(&SessionDescription::parse(text.trim_end()).unwrap(), &session);
    }

    #[test]
    fn an_error_points_into_the_text(text in foreign_description(), at in any::<prop::sample::Index>(), with in ".{0,3}") {
        let mut damaged: Vec<char> = text.chars().collect();
        let at = at.index(damaged.len());
        damaged.splice(at..at + 1, with.chars());
        let damaged: String = damaged.iter().collect();
        let error = match SessionDescription::parse(&damaged) {
            Ok(session) => session.media.iter().find_map(|media| media.problem().copied()),
            Err(error) => Some(error),
        };
        if let Some(sdp::ParseError::Malformed { line, letter, column, .. }) = error {
            let said = damaged.split('\n').nth(line - 1).unwrap();
            prop_assert!(column <= said.len() + 1, "{said:?}: {error:?}");
            prop_assert!(letter == '?' || said.starts_with(letter), "{said:?}: {error:?}");
        }
    }

    // rfc: 3264 §6 — the answer is valid for the offer, whatever was offered and whatever we can do
    #[test]
    fn every_answer_is_valid_for_its_offer(text in foreign_description(), able in capabilities('B')) {
        let offer = SessionDescription::parse(&text).unwrap();
        if let Ok(answer) = Negotiation::new(1).answer(&offer, &able) {
            prop_assert_eq!(validator::check(&text, &answer.description.to_string()), Ok(()), "{}\n{}", text, answer.description);
            prop_assert_eq!(answer.agreement.media.len(), offer.media.len());
        }
    }

    // rfc: 3264 §7 — both sides reach the same view of the session, each from its own side
    #[test]
    fn both_sides_agree(ours in capabilities('A'), theirs in capabilities('B'), again in capabilities('A')) {
        let (mut alice, mut bob) = (Negotiation::new(1), Negotiation::new(1_000));
        for (round, offering) in [&ours, &again].into_iter().enumerate() {
            let Ok(Offer { description: offer, .. }) = alice.offer(offering) else {
                // A call that is encrypted stays so, and the new capabilities may have no keys of that kind.
                let bare = |stream: &Stream| stream.codecs.is_empty() && !stream.telephone_event;
                prop_assert!(round > 0 || offering.streams.iter().any(bare));
                continue;
            };
            prop_assert_eq!(&SessionDescription::parse(&offer.to_string()).unwrap(), &offer);
            let Ok(answer) = bob.answer(&offer, &theirs) else {
                alice.rollback();
                continue;
            };
            let text = answer.description.to_string();
            prop_assert_eq!(validator::check(&offer.to_string(), &text), Ok(()), "{}\n{}", offer, text);
            let accepted = alice.accept(&SessionDescription::parse(&text).unwrap());
            let mirrored = accepted.map(|accepted| accepted.agreement);
            prop_assert!(mirrored.is_ok(), "round {round}: {mirrored:?}\n{offer}\n{text}");
            mirrors(&mirrored.unwrap(), &answer.agreement);
        }
    }

    // rfc: 3264 §8 — the same again is the same, with the same version
    #[test]
    fn the_same_offer_again_changes_nothing(ours in capabilities('A'), theirs in capabilities('B')) {
        let (mut alice, mut bob) = (Negotiation::new(1), Negotiation::new(1_000));
        prop_assume!(ours.streams.iter().all(|stream| !stream.codecs.is_empty()));
        let first = alice.offer(&ours).unwrap().description;
        if let Ok(answer) = bob.answer(&first, &theirs) {
            alice.accept(&answer.description).unwrap();
            let second = alice.refresh().unwrap().description;
            prop_assert_eq!(&second, &first);
            let again = bob.answer(&second, &theirs).unwrap();
            prop_assert_eq!(&again.description, &answer.description);
            let accepted = |agreement: &sdp::Agreement| agreement.accepted().cloned().collect::<Vec<_>>();
            prop_assert_eq!(accepted(&again.agreement), accepted(&answer.agreement));
        }
    }
}

/// Each side's view is the other's with the ends swapped.
fn mirrors(offerer: &sdp::Agreement, answerer: &sdp::Agreement) {
    assert_eq!(offerer.media.len(), answerer.media.len());
    for (a, b) in offerer.media.iter().zip(&answerer.media) {
        assert_eq!(a.outcome.is_ok(), b.outcome.is_ok(), "{a:?}\n{b:?}");
        let (Ok(a), Ok(b)) = (&a.outcome, &b.outcome) else { continue };
        assert_eq!((a.media, a.kind, &a.protocol, a.rtcp_mux), (b.media, b.kind, &b.protocol, b.rtcp_mux));
        assert_eq!((a.direction, a.bundled_with), (b.direction.reversed(), b.bundled_with));
        let codecs = |agreed: &sdp::Agreed, swap: bool| -> Vec<_> {
            let numbers = |send, receive| if swap { (receive, send) } else { (send, receive) };
            let codecs = agreed
                .codecs
                .iter()
                .map(|c| (c.name.to_lowercase(), c.clock_rate_hz, numbers(c.send, c.receive)));
            let events = agreed
                .telephone_events
                .iter()
                .map(|e| ("event".into(), e.clock_rate_hz, numbers(e.send, e.receive)));
            codecs.chain(events).collect()
        };
        assert_eq!(codecs(a, false), codecs(b, true));
        for (ours, theirs) in a.codecs.iter().zip(&b.codecs) {
            assert_eq!((&ours.local_fmtp, &ours.remote_fmtp), (&theirs.remote_fmtp, &theirs.local_fmtp));
        }
        assert_eq!(a.ice.is_some(), b.ice.is_some(), "{a:?}\n{b:?}");
        match (&a.security, &b.security) {
            (Security::Sdes { local, remote }, Security::Sdes { local: theirs, remote: ours }) => {
                assert_eq!((local, remote), (ours, theirs));
            }
            (Security::Dtls { role, .. }, Security::Dtls { role: other, .. }) => assert_ne!(role, other),
            (a, b) => assert_eq!(a, b),
        }
        assert!(a.remote_port != 0 && b.remote_port != 0, "{a:?}\n{b:?}");
        assert!(a.kind == MediaKind::Video || a.codec().is_some() || !a.telephone_events.is_empty());
    }
}

/// Everything we can, so that much of an offer is accepted.
fn able_to_all(policy: SrtpPolicy, mux: bool) -> Capabilities {
    let keys = |suite: &&str| Crypto::new(1, suite, &key('B', suite)).unwrap();
    let secure = |stream: Stream| {
        let mut stream = stream.rtcp_mux(mux).srtp(policy, SUITES.iter().map(keys));
        stream.fingerprints = vec![sdp::attribute::Fingerprint::new("sha-256", &[7; 32]).unwrap()];
        stream
    };
    let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let streams = (0..8_u16).flat_map(|n| {
        let audio = Stream::audio(20_000 + 4 * n).codecs(audio_codecs());
        [audio, Stream::video(20_002 + 4 * n).codecs(video_codecs())]
    });
    streams.fold(Capabilities::new(address).bundle(mux), |able, stream| able.stream(secure(stream)))
}

// rfc: 3264 §6 — real offers of many stacks, each answered as each policy wants
#[test]
fn real_offers_are_answered_validly() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let Ok(manifest) = std::fs::read_to_string(corpus.join("MANIFEST.tsv")) else {
        println!("skipped: no corpus at {}", corpus.display());
        return;
    };
    let rows = manifest.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let mut accepted = 0;
    for row in rows.filter(|row| row.get(1) == Some(&"sdp")) {
        let octets = std::fs::read(corpus.join(row[0])).unwrap();
        let Ok(offer) = SessionDescription::parse_bytes(&octets) else { continue };
        for (policy, mux) in
            [(SrtpPolicy::Off, false), (SrtpPolicy::Optional, true), (SrtpPolicy::Required, true)]
        {
            let mut negotiation = Negotiation::new(1);
            let able = able_to_all(policy, mux);
            if let Ok(answer) = negotiation.answer(&offer, &able) {
                accepted += 1;
                let (offered, answered) = (offer.to_string(), answer.description.to_string());
                assert_eq!(
                    validator::check(&offered, &answered),
                    Ok(()),
                    "{}\n{offered}\n{answered}",
                    row[0]
                );
                let again = negotiation.answer(&offer, &able).unwrap();
                assert_eq!(again.description, answer.description, "{}: the same offer again", row[0]);
            }
        }
    }
    assert!(accepted > 500, "{accepted} of the corpus' offers were accepted");
}

//! The lines of RFC 8866 §5, one test each, on one description that has them all.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use sdp::attribute::{Fmtp, FrameRate, Lang, MaxPtime, Ptime, SdpLang, Tool};
use sdp::{
    Address, Bandwidth, Capabilities, Direction, Limits, Media, Negotiation, Origin, ParseError, Protocol,
    Refused, Repeat, SessionDescription, Stream, Time, adjustments,
};

const ALL: &str = "v=0\r\n\
    o=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r\n\
    s=Call to John Smith\r\n\
    i=SDP Offer #1\r\n\
    u=http://www.jdoe.example.com/home.html\r\n\
    e=Jane Doe <jane@jdoe.example.com>\r\n\
    p=+1 617 555-6011\r\n\
    c=IN IP4 198.51.100.1\r\n\
    b=X-YZ:128\r\n\
    b=AS:64\r\n\
    t=3724394400 3724398000\r\n\
    r=604800 3600 0 90000\r\n\
    t=3730536000 3730539600\r\n\
    r=7d 1h 0 25h\r\n\
    z=3724394400 -1h 3730536000 0\r\n\
    k=prompt\r\n\
    a=recvonly\r\n\
    a=x-unknown:kept (as it came)\r\n\
    m=audio 49170 RTP/AVP 0\r\n\
    m=audio 49180 RTP/AVP 0\r\n\
    i=second\r\n\
    c=IN IP6 2001:db8::2\r\n\
    b=TIAS:50780\r\n\
    k=prompt\r\n\
    a=ptime:20\r\n\
    a=maxptime:40\r\n\
    a=sendrecv\r\n\
    m=video 51372/2 RTP/AVP 99\r\n\
    c=IN IP6 ff00::db8:0:101/3\r\n\
    a=rtpmap:99 h263-1998/90000\r\n";

fn all() -> SessionDescription {
    SessionDescription::parse(ALL).unwrap()
}

// rfc: 8866 §5 — the lines come in this order, and are written in it
#[test]
fn every_line_is_kept() {
    assert_eq!(all().to_text(), ALL);
    assert_eq!(all().to_string(), ALL);
}

// rfc: 8866 §5 — a description with a type letter that is not understood is rejected
#[test]
fn an_unknown_letter_is_rejected_unless_it_is_asked_to_be_kept() {
    for at in ["a=recvonly\r\n", "a=ptime:20\r\n"] {
        let text = ALL.replace(at, &format!("f=1\r\n{at}"));
        let error = SessionDescription::parse(&text).unwrap_err();
        assert!(error.to_string().contains("(f=), column 1: expected a letter of RFC 8866"), "{error}");

        let limits = Limits::default().unknown_lines(1);
        let kept = SessionDescription::parse_within(&text, &limits).unwrap();
        assert_eq!(kept.to_text(), text);
        let lines = kept.unknown_lines().chain(kept.media.iter().flat_map(Media::unread_lines));
        assert_eq!(lines.collect::<Vec<_>>(), ["f=1"]);
        assert!(kept.media.iter().all(|media| media.problem().is_none()));
        assert!(SessionDescription::parse_within(&text.replace("f=1", "f=1\r\ng=2"), &limits).is_err());
    }
}

// rfc: 8866 §5 — CRLF ends a line, a single newline is tolerated
#[test]
fn line_ends_are_crlf_or_lf() {
    let lf = SessionDescription::parse(&ALL.replace("\r\n", "\n")).unwrap();
    assert_eq!(lf.to_text(), ALL);
    assert!(SessionDescription::parse(&ALL.replace("\r\n", "\r")).is_err());
}

// rfc: 3264 §6 — each stream is accepted or refused for itself, so a broken section does not hide the others
#[test]
fn a_broken_section_is_refused_alone() {
    let able =
        Capabilities::new([192, 0, 2, 9].into()).stream(Stream::audio(4_000)).stream(Stream::audio(4_002));
    for (broken, expected) in [
        ("c=IN IP6 2001:db8::2::1", "line 22 (c=), column 10: expected an IPv6 address or a host name"),
        ("b=TIAS", "line 22 (b=), column 7: expected a number after the colon"),
        ("i=again", "line 22 (i=), column 1: only one such line may be there"),
        ("a=(x", "line 22 (a=), column 3: expected an attribute's name"),
        ("a=:x", "line 22 (a=), column 3: expected an attribute's name"),
        ("k=", "line 22 (k=), column 3: expected text"),
    ] {
        let text = ALL.replace("i=second\r\n", &format!("i=second\r\n{broken}\r\n"));
        let offer = SessionDescription::parse(&text).unwrap();
        let problem = *offer.media[1].problem().unwrap();
        assert_eq!(problem.to_string(), expected);
        assert_eq!(offer.media[1].unread_lines().collect::<Vec<_>>(), [broken]);
        assert!(offer.media[0].problem().is_none() && offer.media[2].problem().is_none());
        assert_eq!(SessionDescription::parse(&offer.to_text()).unwrap(), offer, "kept when written");

        let answer = Negotiation::new(1).answer(&offer, &able).unwrap();
        assert_eq!(answer.agreement.media[1].outcome, Err(Refused::Unreadable(problem)));
        assert_eq!(
            answer.description.media.iter().map(|media| media.port != 0).collect::<Vec<_>>(),
            [true, false, false]
        );
        assert!(answer.reasons.iter().any(|reason| reason.to_string().contains(expected)));
    }
}

// rfc: 8866 §5 — what cannot be refused alone spoils the description: the session's lines, and an m= line
#[test]
fn a_broken_session_or_m_line_refuses_the_whole() {
    for (line, with) in [
        ("c=IN IP4 198.51.100.1", "c=IN IP4"),
        ("t=3724394400 3724398000", "t=now then"),
        ("b=AS:64", "b=AS:x"),
        ("a=x-unknown:kept (as it came)", "a= x"),
        ("m=audio 49180 RTP/AVP 0", "m=audio 49180/NaN RTP/AVP 0"),
        ("m=audio 49180 RTP/AVP 0", "m=audio 49180 RTP/AVP"),
        ("i=second", "u=http://example.com/"),
        ("i=second", "oops"),
    ] {
        let number = ALL.lines().position(|one| one == line).unwrap() + 1;
        let error = SessionDescription::parse(&ALL.replacen(line, with, 1)).unwrap_err();
        let ParseError::Malformed { line, .. } = error else { panic!("{error}") };
        assert_eq!(line, number, "{with}: {error}");
    }
}

// rfc: 8866 §5.1 — the first line is v=0
#[test]
fn another_version_is_refused() {
    let error = SessionDescription::parse(&ALL.replace("v=0", "v=1")).unwrap_err();
    assert_eq!(error.to_string(), "line 1 (v=), column 1: expected v=0 as the first line");
}

// rfc: 8866 §5.2 — username, session id, version, network type, address type, address
#[test]
fn the_origin_has_six_fields() {
    let origin = all().origin;
    assert_eq!((origin.username(), origin.session_id()), ("jdoe", "3724394400"));
    assert_eq!((origin.version(), origin.address()), ("3724394405", &Address::Ip([198, 51, 100, 1].into())));
    for bad in
        ["o=- 1 1 IN IP4", "o=- x 1 IN IP4 h", "o=- 1 -1 IN IP4 h", "o=1 1 IN IP4 h", "o=- 1 1 IN IP4 h h"]
    {
        assert!(SessionDescription::parse(&format!("v=0\r\n{bad}\r\ns=-\r\nt=0 0\r\n")).is_err(), "{bad}");
    }
}

// rfc: 8866 §5.3 — one s= line
// rfc: 8866 §5.4 — one i= line for the session, one for each media section
// rfc: 8866 §5.5 — one u= line
// rfc: 8866 §5.6 — e= and p= lines
#[test]
fn texts_are_read_as_they_are() {
    let session = all();
    assert_eq!(
        (session.name().as_str(), session.information().unwrap().as_str()),
        ("Call to John Smith", "SDP Offer #1")
    );
    assert_eq!(session.uri().unwrap(), &"http://www.jdoe.example.com/home.html");
    assert_eq!((session.emails().count(), session.phones().next().unwrap().as_str()), (1, "+1 617 555-6011"));
    assert_eq!(session.media[1].information().unwrap(), &"second");
    for twice in ["s=x", "i=x", "u=x", "k=prompt"] {
        let text = ALL.replace("a=recvonly", &format!("{twice}\r\na=recvonly"));
        assert!(
            SessionDescription::parse(&text).unwrap_err().to_string().contains("only one such line"),
            "{twice}"
        );
    }
}

// rfc: 8866 §5.4 — without an i= of its own a media section has the session's
#[test]
fn titles_are_inherited() {
    let session = all();
    let titles: Vec<_> = session.media.iter().map(|media| session.title(media).unwrap().as_str()).collect();
    assert_eq!(titles, ["SDP Offer #1", "second", "SDP Offer #1"]);
}

// rfc: 8866 §5.3 — an empty s= is not allowed, and is written as a dash
#[test]
fn a_name_is_never_empty() {
    let session = SessionDescription::parse(&ALL.replace("s=Call to John Smith", "s=")).unwrap();
    assert_eq!(session.name().as_str(), "-");
    assert_eq!(
        SessionDescription::parse(&ALL.replace("s=Call to John Smith", "s= ")).unwrap().name().as_str(),
        " "
    );
}

// rfc: 8866 §5.7 — a media section's c= line counts before the session's
#[test]
fn addresses_are_inherited() {
    let session = all();
    let address = |index: usize| session.address(&session.media[index]).unwrap().to_string();
    assert_eq!((address(0), address(1)), ("IN IP4 198.51.100.1".into(), "IN IP6 2001:db8::2".into()));
    assert_eq!(session.media[2].connections.first().unwrap().count(), 3);
}

// rfc: 8866 §5.8 — bandwidths by type, unknown ones too
#[test]
fn bandwidths_have_a_type() {
    let session = all();
    let read: Vec<_> = session.bandwidths.iter().map(|one| (one.kind().to_string(), one.value())).collect();
    assert_eq!(read, [("X-YZ".into(), 128), ("AS".into(), 64)]);
    assert!(SessionDescription::parse(&ALL.replace("AS:64", "AS 64")).is_err());
}

// rfc: 8866 §5.9 — start and stop time
// rfc: 8866 §5.10 — repetitions belong to the t= line before
// rfc: 8866 §5.11 — as do time zones
#[test]
fn times_have_repetitions() {
    let session = all();
    let times: Vec<_> = session.times.iter().collect();
    assert_eq!((times[0].start, times[1].stop), (3_724_394_400, 3_730_539_600));
    assert_eq!((times[0].repeats().len(), times[0].zones().len()), (1, 0));
    assert_eq!((times[1].repeats()[0].as_str(), times[1].zones().len()), ("7d 1h 0 25h", 1));
    assert_eq!(Repeat::parse(&times[0].repeats()[0]), Repeat::parse(&times[1].repeats()[0]));
    assert_eq!(adjustments(&times[1].zones()[0]).unwrap(), [(3_724_394_400, -3_600), (3_730_536_000, 0)]);
    let early = ALL.replace("t=3724394400 3724398000\r\n", "").replace("t=3730536000 3730539600\r\n", "");
    assert!(SessionDescription::parse(&early).unwrap_err().to_string().contains("(r=)"));
}

// rfc: 8866 §5.12 — a k= line is discarded: it is kept, and never in what we write of our own
#[test]
fn keys_are_not_repeated() {
    let session = all();
    assert_eq!(
        (session.key().unwrap().as_str(), session.media[1].key().unwrap().as_str()),
        ("prompt", "prompt")
    );
    let able = Capabilities::new([192, 0, 2, 9].into()).stream(Stream::audio(4_000));
    let answer = Negotiation::new(1).answer(&session, &able).unwrap().description;
    assert!(!answer.to_text().contains("k="));
}

// rfc: 8866 §5.13 — unknown attributes are ignored, and kept
#[test]
fn unknown_attributes_are_kept() {
    let session = all();
    assert_eq!(session.attributes.find("x-unknown").unwrap().value(), Some("kept (as it came)"));
    assert!(SessionDescription::parse(&ALL.replace("a=x-unknown", "a=x(unknown")).is_err());
    let odd = ALL.replace("kept (as it came)", "  kept\t\u{1}\u{e9} \u{2028} ");
    assert_eq!(SessionDescription::parse(&odd).unwrap().to_text(), odd, "any octet but NUL, CR and LF");
}

// rfc: 8866 §5.14 — media, port and number of ports, protocol, formats
// rfc: 8866 §6.7 — a direction of the session holds for sections without one
#[test]
fn media_sections_inherit_the_direction() {
    let session = all();
    let directions: Vec<_> = session.media.iter().map(|media| session.direction(media)).collect();
    assert_eq!(directions, [Direction::RecvOnly, Direction::SendRecv, Direction::RecvOnly]);
    let video = &session.media[2];
    assert_eq!((video.port, video.port_count(), video.protocol().as_str()), (51_372, 2, "RTP/AVP"));
    assert_eq!(video.rtpmap(99).unwrap().encoding, "h263-1998");
}

// rfc: 8866 §6.4 — ptime
// rfc: 8866 §6.5 — maxptime
#[test]
fn packet_times_are_read() {
    let attributes = &all().media[1].attributes;
    assert_eq!((attributes.get(), attributes.get()), (Ok(Some(Ptime(20))), Ok(Some(MaxPtime(40)))));
}

// rfc: 8866 §6.1 — cat is obsolete: kept, and ignored
// rfc: 8866 §6.2 — keywds is obsolete: kept, and ignored
// rfc: 8866 §6.3 — tool
// rfc: 8866 §6.11 — several sdplang, at session or media level
// rfc: 8866 §6.12 — several lang, the most preferred first
// rfc: 8866 §6.13 — framerate
// rfc: 8866 §6.15 — fmtp, one for each format, handed on unchanged
#[test]
fn attributes_are_read_when_asked() {
    let lines = "a=cat:foo.bar\r\na=keywds:SDP protocol\r\na=tool:foobar V3.2\r\na=lang:de\r\na=lang:fr\r\na=sdplang:en\r\na=recvonly";
    let media = "a=rtpmap:99 h263-1998/90000\r\na=fmtp:99 CIF=1 ; x = \"y\"\r\na=framerate:29.97";
    let text = ALL.replace("a=recvonly", lines).replace("a=rtpmap:99 h263-1998/90000", media);
    let session = SessionDescription::parse(&text).unwrap();
    assert_eq!(session.to_text(), text);
    let said = &session.attributes;
    assert_eq!(said.find("cat").and_then(|cat| cat.value()), Some("foo.bar"));
    assert_eq!(said.find("keywds").and_then(|words| words.value()), Some("SDP protocol"));
    assert_eq!(said.get::<Tool>().unwrap().unwrap().to_string(), "foobar V3.2");
    assert_eq!(said.all::<Lang>().map(|lang| lang.unwrap().to_string()).collect::<Vec<_>>(), ["de", "fr"]);
    assert_eq!(said.all::<SdpLang>().count(), 1);
    let video = &session.media[2];
    assert_eq!(video.attributes.get::<FrameRate>().unwrap().unwrap().to_string(), "29.97");
    assert_eq!(video.attributes.get::<Fmtp>().unwrap().unwrap().parameters, "CIF=1 ; x = \"y\"");
    assert_eq!(video.fmtp("98"), None);
}

// rfc: 8866 §6.6 — payload types of 0 to 127, an encoding name, a clock rate, and channels for audio
// rfc: 8866 §6.7 — sendrecv when nothing is said at either level
#[test]
fn formats_and_direction_have_defaults() {
    let text = ALL
        .replace("a=recvonly\r\n", "")
        .replace("a=sendrecv", "a=rtpmap:128 L8/8000\r\na=rtpmap:98 L16/16000/2");
    let session = SessionDescription::parse(&text).unwrap();
    assert!(session.media.iter().all(|media| session.direction(media) == Direction::SendRecv));
    let map = session.media[1].rtpmap(98).unwrap();
    assert_eq!((map.encoding.as_str(), map.clock_rate_hz, map.channels), ("L16", 16_000, 2));
    assert_eq!(session.media[1].rtpmap(99), None);
    for (line, direction) in [
        ("sendonly", Direction::SendOnly),
        ("recvonly", Direction::RecvOnly),
        ("inactive", Direction::Inactive),
        ("sendrecv", Direction::SendRecv),
    ] {
        let session = SessionDescription::parse(&ALL.replace("a=recvonly", &format!("a={line}"))).unwrap();
        assert_eq!(session.direction(&session.media[0]), direction);
    }
}

// rfc: 8866 §9 — what the building helpers make follows the grammar, whatever text they are given
#[test]
fn nothing_invalid_can_be_built() {
    let address = std::net::Ipv4Addr::new(192, 0, 2, 1);
    for bad in ["", "a\r\nm=audio 1 RTP/AVP 0", "a\nb", "a\rb", "a\0b"] {
        let mut session = SessionDescription::new(Origin::anonymous(1, 1, address));
        let mut media = Media::new("audio", 4_000, Protocol::RTP_AVP, ["0"]).unwrap();
        assert!(Origin::new(bad, 1, 1, address).is_err());
        assert!(
            session.set_name(bad).is_err()
                && session.set_information(bad).is_err()
                && session.set_uri(bad).is_err()
        );
        assert!(
            session.add_email(bad).is_err()
                && session.add_phone(bad).is_err()
                && media.set_information(bad).is_err()
        );
        assert!(Bandwidth::new(bad, 1).is_err() && Protocol::new(bad).is_err());
        assert!(Media::new(bad, 1, Protocol::RTP_AVP, ["0"]).is_err());
        assert!(Media::new("audio", 1, Protocol::RTP_AVP, [bad]).is_err());
        assert!(sdp::Attribute::new(bad, "x").is_err() && sdp::Attribute::new("x", bad).is_err());
        assert!(sdp::Attribute::flag(bad).is_err());
        session.attributes.push_typed(&Tool(sdp::Text::from(bad)));
        session.media.push(media);
        let text = session.to_text();
        let again = SessionDescription::parse(&text).unwrap();
        assert_eq!((again.to_text(), again.media.len()), (text, 1));
    }
    let mut session = SessionDescription::new(Origin::new("jdoe", 1, 1, address).unwrap());
    session.set_uri("http://www.example.com/").unwrap();
    session.add_email("j.doe@example.com (Jane Doe)").unwrap();
    session.add_phone("+1 617 555-6011").unwrap();
    session.times.push(Time::new(3_724_394_400, 0).repeat(&Repeat::new(604_800, 3_600, &[0]).unwrap()));
    let written = session.to_text();
    assert!(written.ends_with(
        "u=http://www.example.com/\r\ne=j.doe@example.com (Jane Doe)\r\np=+1 617 555-6011\r\nt=3724394400 0\r\nr=604800 3600 0\r\n"
    ));
    assert_eq!(SessionDescription::parse(&written).unwrap(), session);
}

//! The lines of RFC 8866 §5, one test each, on one description that has them all.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use sdp::attribute::{MaxPtime, Ptime};
use sdp::{Address, Direction, SessionDescription};

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
    let early = ALL.replace("t=3724394400 3724398000\r\n", "").replace("t=3730536000 3730539600\r\n", "");
    assert!(SessionDescription::parse(&early).unwrap_err().to_string().contains("(r=)"));
}

// rfc: 8866 §5.13 — unknown attributes are ignored, and kept
#[test]
fn unknown_attributes_are_kept() {
    let session = all();
    assert_eq!(session.attributes.find("x-unknown").unwrap().value(), Some("kept (as it came)"));
    assert!(SessionDescription::parse(&ALL.replace("a=x-unknown", "a=x(unknown")).is_err());
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

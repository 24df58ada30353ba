//! What a peer can make us spend.

use sdp::{Limits, ParseError, SessionDescription};

const LEAST: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n";

const OCTETS: usize = 500_000;

/// Descriptions of half a megabyte: with any step that looks at the whole for each line this takes minutes, so it would be seen
/// without a clock.
#[test]
fn the_work_grows_with_the_octets_alone() {
    let limits = Limits::default()
        .bytes(OCTETS * 2)
        .lines(OCTETS)
        .media(OCTETS)
        .attributes(OCTETS)
        .unknown_lines(OCTETS);
    let section = "m=a 1 b c\r\n";
    for unit in [
        section,
        "a=x\n",
        "a=x:y\r\n",
        "b=a:1\n",
        "e=x\n",
        "t=0 0\n",
        "r=1\n",
        "x=\n",
        "m=a 1 b c\na=(\n",
        "m=a 1 b c\na=x\nk=\n",
    ] {
        let text = format!("{LEAST}{}", unit.repeat(OCTETS / unit.len()));
        let session = SessionDescription::parse_within(&text, &limits).unwrap();
        assert!(session.to_text().len() >= text.len(), "{unit:?}");
    }
    for unit in ["\n", "\r", "\r\n", "a=x\n\n", "a=\t", "a=x\0", "m=a 1 b", "a", " "] {
        let text = format!("{LEAST}{}", unit.repeat(OCTETS / unit.len()));
        let _ = SessionDescription::parse_within(&text, &limits);
        let _ = SessionDescription::parse_within(&format!("{LEAST}m=a 1 b {text}"), &limits);
    }
    let long = format!("{LEAST}m=audio 1 RTP/AVP{}\r\n", " 0".repeat(OCTETS / 2));
    assert_eq!(SessionDescription::parse_within(&long, &limits).unwrap().to_text(), long);
}

#[test]
fn each_limit_is_told_by_its_error() {
    let limits = Limits::default();
    let parse = |text: String| SessionDescription::parse(&text).unwrap_err();
    let too_large = |what, limit| ParseError::TooLarge { what, limit };
    assert_eq!(parse(format!("{LEAST}{}", "a".repeat(limits.bytes))), too_large("octets", limits.bytes));
    assert_eq!(parse(format!("{LEAST}{}", "b=a:1\n".repeat(limits.lines))), too_large("lines", limits.lines));
    assert_eq!(
        parse(format!("{LEAST}{}", "m=a 1 b c\n".repeat(limits.media + 1))),
        too_large("media sections", limits.media)
    );
    let attributes = "a=x\n".repeat(limits.attributes + 1);
    for before in ["", "m=a 1 b c\n"] {
        let error = parse(format!("{LEAST}{before}{attributes}"));
        assert_eq!(error, too_large("attributes in a section", limits.attributes));
    }
}

//! Text to values ([RFC 8866 §9]).
//!
//! [RFC 8866 §9]: https://www.rfc-editor.org/rfc/rfc8866#section-9

use std::sync::Arc;

use crate::attribute::{Attribute, Attributes};
use crate::connection::Connection;
use crate::few::Few;
use crate::grammar::{Fields, is_text, is_token_byte};
use crate::session::{Bandwidth, Origin, Secret, SessionDescription, Time};
use crate::{Limits, Media, ParseError, Text};

impl SessionDescription {
    /// Reads a description with the default [`Limits`].
    ///
    /// Accepted beside the grammar of [RFC 8866 §9]: lines that end in LF alone or in a mix, an unterminated last line, blank
    /// lines at the end, lines out of order inside their section, a missing or empty `s=`, an empty `i=`, several blanks between
    /// fields, blanks at the end of typed lines, several session-level `c=` lines. Refused: an unknown letter
    /// ([RFC 8866 §5]), a missing `o=` or `t=`, a typed line that cannot be read. Attributes are read on demand.
    ///
    /// [RFC 8866 §5]: https://www.rfc-editor.org/rfc/rfc8866#section-5
    /// [RFC 8866 §9]: https://www.rfc-editor.org/rfc/rfc8866#section-9
    ///
    /// # Errors
    /// When it is no session description; the error names line, letter and column.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Self::parse_within(text, &Limits::default())
    }

    /// Reads a description from octets with the default [`Limits`]. What is no UTF-8 is read as ISO 8859-1, so that a
    /// name in an old character set does not lose the call.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_bytes(octets: &[u8]) -> Result<Self, ParseError> {
        let limits = Limits::default();
        check_size(octets.len(), &limits)?;
        match std::str::from_utf8(octets) {
            Ok(text) => Self::parse_within(text, &limits),
            Err(_) => {
                Self::parse_within(&octets.iter().copied().map(char::from).collect::<String>(), &limits)
            }
        }
    }

    /// Reads a description within these limits.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), and [`ParseError::TooLarge`] when a limit is passed.
    pub fn parse_within(text: &str, limits: &Limits) -> Result<Self, ParseError> {
        check_size(text.len(), limits)?;
        Parser { text: Text::from(Arc::<str>::from(text)), limits }.run()
    }
}

impl std::str::FromStr for SessionDescription {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

fn check_size(octets: usize, limits: &Limits) -> Result<(), ParseError> {
    let limit = limits.bytes.min(u32::MAX as usize);
    if octets > limit { Err(ParseError::TooLarge { what: "octets", limit }) } else { Ok(()) }
}

struct Parser<'a> {
    text: Text,
    limits: &'a Limits,
}

/// A line without its end.
#[derive(Clone, Copy)]
struct Line<'a> {
    number: usize,
    letter: char,
    value: &'a str,
}

impl Line<'_> {
    /// An error at a column of the value, both from 1; the value begins at column 3 of the line.
    const fn error(&self, column: usize, expected: &'static str) -> ParseError {
        ParseError::Malformed { line: self.number, letter: self.letter, column: column + 2, expected }
    }

    fn once<T>(&self, slot: &mut Option<T>, value: T) -> Result<(), ParseError> {
        match slot.replace(value) {
            None => Ok(()),
            Some(_) => Err(ParseError::Repeated { line: self.number, letter: self.letter }),
        }
    }

    /// Reads the whole value with `read`; only blanks may be left.
    fn typed<T>(
        &self,
        read: impl FnOnce(&mut Fields<'_>) -> Result<T, &'static str>,
    ) -> Result<T, ParseError> {
        let mut fields = Fields::new(self.value);
        let value = read(&mut fields).map_err(|expected| self.error(fields.column(), expected))?;
        if fields.rest().trim_end_matches(' ').is_empty() {
            Ok(value)
        } else {
            Err(self.error(fields.column(), "the end of the line"))
        }
    }

    fn text(&self, owner: &Text) -> Result<Text, ParseError> {
        if is_text(self.value) { Ok(owner.share(self.value)) } else { Err(self.error(1, "text")) }
    }
}

/// Splits off the next line: up to CRLF, LF or the end. `None` at the end, or when only line ends are left.
fn next_line<'a>(rest: &mut &'a str, number: usize) -> Option<Result<Line<'a>, ParseError>> {
    if rest.bytes().all(|byte| matches!(byte, b'\r' | b'\n')) {
        return None;
    }
    // One pass for the end and for what may not be in a line: SDP lines are too short for anything cleverer.
    let bytes = rest.as_bytes();
    let (mut end, mut stray) = (bytes.len(), None);
    for (at, &byte) in bytes.iter().enumerate() {
        if byte > b'\r' {
            continue;
        }
        if byte == b'\n' {
            end = at;
            break;
        }
        if byte == 0 || (byte == b'\r' && !matches!(bytes.get(at + 1), None | Some(b'\n'))) {
            stray = stray.or(Some(at));
        }
    }
    let line = rest.get(..end).unwrap_or_default();
    *rest = rest.get(end + 1..).unwrap_or_default();
    let line = line.strip_suffix('\r').unwrap_or(line);
    let malformed =
        |letter, column, expected| ParseError::Malformed { line: number, letter, column, expected };
    let letter = line.bytes().next().filter(u8::is_ascii_lowercase).map(char::from);
    Some(match (letter, line.get(1..).and_then(|rest| rest.strip_prefix('=')), stray) {
        (Some(letter), Some(_), Some(at)) => Err(malformed(letter, at + 1, "no NUL and no CR inside a line")),
        (Some(letter), Some(value), None) => Ok(Line { number, letter, value }),
        _ => Err(malformed('?', 1, "a letter and =")),
    })
}

/// Counts the lines that begin so, up to one that begins with the other; so much memory is set aside at once.
fn lines_ahead(mut rest: &str, counted: &str, end: Option<&str>) -> usize {
    let mut count = 0;
    while end.is_none_or(|end| !rest.starts_with(end)) {
        count += usize::from(rest.starts_with(counted));
        let Some((_, after)) = rest.split_once('\n') else { break };
        rest = after;
    }
    count
}

impl Parser<'_> {
    fn run(&self) -> Result<SessionDescription, ParseError> {
        let whole = self.text.clone();
        let mut rest = whole.as_str();
        let mut number = 1;
        let first = next_line(&mut rest, number).ok_or(ParseError::Missing('v'))??;
        if (first.letter, first.value.trim_end()) != ('v', "0") {
            let letter = first.letter;
            return Err(ParseError::Malformed {
                line: 1,
                letter,
                column: 1,
                expected: "v=0 as the first line",
            });
        }
        let mut head = Head::default();
        let mut media: Vec<Media> = Vec::new();
        loop {
            number += 1;
            let Some(line) = next_line(&mut rest, number) else { break };
            if number > self.limits.lines {
                return Err(ParseError::TooLarge { what: "lines", limit: self.limits.lines });
            }
            let line = line?;
            match (line.letter, media.last_mut()) {
                ('m', _) => {
                    if media.len() >= self.limits.media {
                        return Err(ParseError::TooLarge {
                            what: "media sections",
                            limit: self.limits.media,
                        });
                    }
                    let mut section = line.typed(|fields| Media::parse(fields, &self.text))?;
                    section.attributes.reserve(self.attributes_ahead(rest));
                    if media.is_empty() {
                        media.reserve_exact(1 + self.sections_ahead(rest));
                    }
                    media.push(section);
                }
                (_, Some(section)) => self.media_line(line, section)?,
                (_, None) => self.session_line(line, &mut head, rest)?,
            }
        }
        head.finish(media)
    }

    fn attributes_ahead(&self, rest: &str) -> usize {
        lines_ahead(rest, "a=", Some("m=")).min(self.limits.attributes)
    }

    fn sections_ahead(&self, rest: &str) -> usize {
        lines_ahead(rest, "m=", None).min(self.limits.media)
    }

    fn session_line(&self, line: Line<'_>, head: &mut Head, rest: &str) -> Result<(), ParseError> {
        let owner = &self.text;
        match line.letter {
            'o' => line.once(&mut head.origin, line.typed(|fields| Origin::parse(fields, owner))?)?,
            's' => line.once(&mut head.name, owner.share(line.value))?,
            'i' => line.once(&mut head.information, owner.share(line.value))?,
            'u' => line.once(&mut head.uri, line.text(owner)?)?,
            'e' => head.emails.push(line.text(owner)?),
            'p' => head.phones.push(line.text(owner)?),
            'c' => head.connections.push(line.typed(|fields| Connection::parse(fields, owner))?),
            'b' => head.bandwidths.push(line.typed(|fields| Bandwidth::parse(fields, owner))?),
            't' => head.times.push(line.typed(Time::parse)?),
            'r' | 'z' => {
                let time = head.times.last_mut().ok_or_else(|| line.error(1, "a t= line before"))?;
                let list = if line.letter == 'r' { &mut time.repeats } else { &mut time.zones };
                list.push(line.text(owner)?);
            }
            'k' => line.once(&mut head.key, Secret(line.text(owner)?))?,
            'a' => {
                if head.attributes.is_empty() {
                    head.attributes.reserve(1 + self.attributes_ahead(rest));
                }
                self.attribute(line, &mut head.attributes)?;
            }
            _ => return Err(unknown(line, "a letter of RFC 8866")),
        }
        Ok(())
    }

    fn media_line(&self, line: Line<'_>, section: &mut Media) -> Result<(), ParseError> {
        let owner = &self.text;
        match line.letter {
            'i' => line.once(&mut section.information, owner.share(line.value))?,
            'c' => section.connections.push(line.typed(|fields| Connection::parse(fields, owner))?),
            'b' => section.bandwidths.push(line.typed(|fields| Bandwidth::parse(fields, owner))?),
            'k' => line.once(&mut section.key, Secret(line.text(owner)?))?,
            'a' => self.attribute(line, &mut section.attributes)?,
            _ => return Err(unknown(line, "i, c, b, k, a or m in a media section")),
        }
        Ok(())
    }

    fn attribute(&self, line: Line<'_>, attributes: &mut Attributes) -> Result<(), ParseError> {
        if attributes.len() >= self.limits.attributes {
            return Err(ParseError::TooLarge {
                what: "attributes in a section",
                limit: self.limits.attributes,
            });
        }
        let value = line.value.trim_end_matches(' ');
        let name_length = value.bytes().position(|byte| !is_token_byte(byte)).unwrap_or(value.len());
        if name_length == 0 || !matches!(value.as_bytes().get(name_length), None | Some(b':')) {
            return Err(line.error(1, "an attribute's name"));
        }
        let attribute = Attribute::from_parts(self.text.share(value), name_length);
        attributes.push(attribute);
        Ok(())
    }
}

fn unknown(line: Line<'_>, expected: &'static str) -> ParseError {
    ParseError::Malformed { line: line.number, letter: line.letter, column: 1, expected }
}

/// The session level while it is read.
#[derive(Default)]
struct Head {
    origin: Option<Origin>,
    name: Option<Text>,
    information: Option<Text>,
    uri: Option<Text>,
    emails: Few<Text>,
    phones: Few<Text>,
    connections: Few<Connection>,
    bandwidths: Few<Bandwidth>,
    times: Few<Time>,
    key: Option<Secret>,
    attributes: Attributes,
}

impl Head {
    fn finish(self, mut media: Vec<Media>) -> Result<SessionDescription, ParseError> {
        if self.times.is_empty() {
            return Err(ParseError::Missing('t'));
        }
        for section in &mut media {
            section.information.take_if(|text| text.is_empty());
        }
        let mut session = SessionDescription::new(self.origin.ok_or(ParseError::Missing('o'))?);
        session.name = self.name.filter(|name| !name.is_empty()).unwrap_or(Text::from_static("-"));
        session.information = self.information.filter(|text| !text.is_empty());
        session.uri = self.uri;
        session.emails = self.emails;
        session.phones = self.phones;
        session.connections = self.connections;
        session.bandwidths = self.bandwidths;
        session.times = self.times;
        session.key = self.key;
        session.attributes = self.attributes;
        session.media = media;
        Ok(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n";

    fn error(more: &str) -> String {
        SessionDescription::parse(&format!("{LEAST}{more}")).unwrap_err().to_string()
    }

    // rfc: 8866 §5 — a description with an unknown type letter is rejected
    #[test]
    fn an_error_names_line_letter_and_column() {
        assert_eq!(error("x=1\r\n"), "line 5 (x=), column 1: expected a letter of RFC 8866");
        assert_eq!(
            error("c=IN IP4 1.2.3\r\n"),
            "line 5 (c=), column 10: expected an IPv4 address or a host name"
        );
        assert_eq!(
            error("m=audio 65536 RTP/AVP 0\r\n"),
            "line 5 (m=), column 9: expected a port of 0 to 65535"
        );
        assert_eq!(error("m=audio 1 RTP/AVP\r\n"), "line 5 (m=), column 18: expected a format");
        assert_eq!(error("m=audio 1 RTP/AVP 0 (\r\n"), "line 5 (m=), column 21: expected a format");
        assert_eq!(error("oops\r\n"), "line 5 (?=), column 1: expected a letter and =");
        assert_eq!(
            error("o=- 1 1 IN IP4 192.0.2.1\r\n"),
            "line 5 (o=), column 1: only one such line may be there"
        );
        assert_eq!(error("c=IN IP4 192.0.2.1 x\r\n"), "line 5 (c=), column 20: expected the end of the line");
        assert_eq!(error("a=x\0\r\n"), "line 5 (a=), column 4: expected no NUL and no CR inside a line");
    }

    // rfc: 8866 §5.2 — an o= line is needed
    // rfc: 8866 §5.9 — a t= line is needed
    #[test]
    fn missing_lines_are_named() {
        assert_eq!(SessionDescription::parse(""), Err(ParseError::Missing('v')));
        assert_eq!(SessionDescription::parse("v=0\r\ns=-\r\nt=0 0\r\n"), Err(ParseError::Missing('o')));
        assert_eq!(
            SessionDescription::parse("v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\ns=-\r\n"),
            Err(ParseError::Missing('t'))
        );
    }

    // rfc: 8866 §5 — LF alone ends a line too
    #[test]
    fn line_ends_may_be_lf_or_lack_at_the_end() {
        let lf = SessionDescription::parse(&LEAST.replace("\r\n", "\n")).unwrap();
        assert_eq!(lf, SessionDescription::parse(LEAST).unwrap());
        assert_eq!(lf, SessionDescription::parse(LEAST.trim_end()).unwrap());
        assert_eq!(lf, SessionDescription::parse(&format!("{LEAST}\r\n\r\n")).unwrap());
        assert!(error("\r\na=x\r\n").contains("line 5"));
    }

    #[test]
    fn latin_1_does_not_lose_the_call() {
        let octets =
            [b"v=0\r\no=J\xf6rg 1 1 IN IP4 192.0.2.1\r\ns=" as &[u8], b"Caf\xe9\r\nt=0 0\r\n"].concat();
        let session = SessionDescription::parse_bytes(&octets).unwrap();
        assert_eq!((session.origin.username(), session.name()), (&Text::from("Jörg"), &Text::from("Café")));
    }

    #[test]
    fn limits_are_kept() {
        let limits = Limits::default().bytes(200).lines(8).media(2).attributes(2);
        let parse = |more: &str| SessionDescription::parse_within(&format!("{LEAST}{more}"), &limits);
        let too_large = |what, limit| Err(ParseError::TooLarge { what, limit });
        assert!(parse("a=a\na=b\n").is_ok());
        assert_eq!(parse("a=a\na=b\na=c\n"), too_large("attributes in a section", 2));
        assert_eq!(parse("m=a 1 b c\nm=a 1 b c\nm=a 1 b c\n"), too_large("media sections", 2));
        assert_eq!(parse("b=a:1\nb=a:1\nb=a:1\nb=a:1\nb=a:1\n"), too_large("lines", 8));
        assert_eq!(parse(&"\n".repeat(200)), too_large("octets", 200));
    }

    #[test]
    fn a_section_keeps_its_lines() {
        let text = format!(
            "{LEAST}a=tool:x\r\nm=audio 49170/2 RTP/AVP 0 96\r\ni=title\r\nc=IN IP4 192.0.2.2\r\nb=AS:64\r\na=rtpmap:96 x/8000\r\na=y\r\n"
        );
        let session = SessionDescription::parse(&text).unwrap();
        assert_eq!(session.to_string(), text);
        let media = &session.media[0];
        assert_eq!((media.port, media.port_count(), media.kind().as_str()), (49_170, 2, "audio"));
        assert_eq!(media.payload_types().collect::<Vec<_>>(), [0, 96]);
        assert_eq!(media.rtpmap(96).unwrap().encoding, "x");
        assert_eq!(media.rtpmap(0).unwrap().encoding, "PCMU");
    }
}

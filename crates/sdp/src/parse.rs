//! Text to values ([RFC 8866 §9]).
//!
//! [RFC 8866 §9]: https://www.rfc-editor.org/rfc/rfc8866#section-9

use std::sync::Arc;

use crate::attribute::{Attribute, Attributes};
use crate::connection::Connection;
use crate::few::Few;
use crate::grammar::{Fields, token_length};
use crate::session::{Secret, SessionDescription};
use crate::{Bandwidth, Limits, Media, Origin, ParseError, Text, Time};

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
        Parser { text: Text::from(Arc::<str>::from(text)), limits, unknown_lines: 0 }.run()
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

/// A line without its end.
#[derive(Clone, Copy)]
struct Line<'a> {
    number: usize,
    letter: char,
    value: &'a str,
    whole: &'a str,
}

impl Line<'_> {
    /// An error at a column of the value, both from 1; the value begins at column 3 of the line.
    const fn error(&self, column: usize, expected: &'static str) -> ParseError {
        ParseError::Malformed { line: self.number, letter: self.letter, column: column + 2, expected }
    }

    /// An error for a letter that may not be here.
    const fn misplaced(&self, expected: &'static str) -> ParseError {
        ParseError::Malformed { line: self.number, letter: self.letter, column: 1, expected }
    }

    fn once<T>(&self, slot: &mut Option<T>, value: T) -> Result<(), ParseError> {
        if slot.is_some() {
            return Err(ParseError::Repeated { line: self.number, letter: self.letter });
        }
        *slot = Some(value);
        Ok(())
    }

    /// Reads the whole value with `read`; only blanks may be left.
    fn typed<T>(
        &self,
        read: impl FnOnce(&mut Fields<'_>) -> Result<T, &'static str>,
    ) -> Result<T, ParseError> {
        let mut fields = Fields::new(self.value);
        let value = read(&mut fields).map_err(|expected| self.error(fields.column(), expected))?;
        if fields.rest().bytes().all(|byte| byte == b' ') {
            Ok(value)
        } else {
            Err(self.error(fields.column(), "the end of the line"))
        }
    }

    /// A value that may not be empty; [`Lines`] has seen that it has no NUL and no line end.
    fn text(&self, owner: &Text) -> Result<Text, ParseError> {
        if self.value.is_empty() { Err(self.error(1, "text")) } else { Ok(owner.share(self.value)) }
    }
}

/// The lines of a text: each ends with CRLF, LF or the end.
struct Lines<'a> {
    rest: &'a str,
    number: usize,
    /// How many octets are left from the first NUL on; 0 without one.
    from_nul: usize,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let from_nul = memchr::memchr(0, text.as_bytes()).map_or(0, |at| text.len() - at);
        Self { rest: text, number: 0, from_nul }
    }

    /// The next line; `None` at the end, or when only line ends are left.
    fn next(&mut self) -> Option<Result<Line<'a>, ParseError>> {
        let bytes = self.rest.as_bytes();
        let end = memchr::memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len());
        if end == 0 && bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            return None;
        }
        self.number += 1;
        let whole = self.rest.get(..end).unwrap_or_default();
        let nul = bytes.len().checked_sub(self.from_nul).filter(|nul| *nul < end);
        let after = match bytes.get(end..) {
            Some([b'\r', b'\n', ..]) => end + 2,
            Some([b'\r', _, ..]) => return Some(Err(self.malformed(whole, end))),
            _ => end + 1,
        };
        self.rest = self.rest.get(after..).unwrap_or_default();
        if let Some(at) = nul {
            return Some(Err(self.malformed(whole, at)));
        }
        Some(match (letter(whole), whole.get(2..)) {
            (Some(letter), Some(value)) => Ok(Line { number: self.number, letter, value, whole }),
            _ => Err(ParseError::Malformed {
                line: self.number,
                letter: '?',
                column: 1,
                expected: "a letter and =",
            }),
        })
    }

    /// The error of a NUL or a CR inside a line.
    fn malformed(&self, line: &str, at: usize) -> ParseError {
        let letter = letter(line).unwrap_or('?');
        let expected = "no NUL and no CR inside a line";
        ParseError::Malformed { line: self.number, letter, column: at + 1, expected }
    }
}

/// The letter before the `=`.
fn letter(line: &str) -> Option<char> {
    match line.as_bytes() {
        [letter, b'=', ..] if letter.is_ascii_lowercase() => Some(char::from(*letter)),
        _ => None,
    }
}

struct Parser<'a> {
    text: Text,
    limits: &'a Limits,
    unknown_lines: usize,
}

impl Parser<'_> {
    fn run(mut self) -> Result<SessionDescription, ParseError> {
        let whole = self.text.clone();
        let mut lines = Lines::new(&whole);
        let first = lines.next().ok_or(ParseError::Missing('v'))??;
        if (first.letter, first.value.trim_end()) != ('v', "0") {
            return Err(first.misplaced("v=0 as the first line"));
        }
        let mut head = Head::default();
        let mut media: Vec<Media> = Vec::new();
        while let Some(line) = lines.next() {
            if lines.number > self.limits.lines {
                return Err(ParseError::TooLarge { what: "lines", limit: self.limits.lines });
            }
            let line = line?;
            match (line.letter, media.last_mut()) {
                ('m', last) => {
                    last.map_or(&mut head.attributes, |last| &mut last.attributes).settle();
                    if media.len() >= self.limits.media {
                        return Err(ParseError::TooLarge {
                            what: "media sections",
                            limit: self.limits.media,
                        });
                    }
                    // Most have one section, and a second one is followed by more.
                    if media.is_empty() {
                        media.reserve_exact(1);
                    }
                    media.push(line.typed(|fields| Media::parse(fields, &self.text))?);
                }
                ('a', Some(section)) => {
                    if let Err(error) = self.attribute(line, &mut section.attributes, lines.rest) {
                        self.set_aside(line, section, error)?;
                    }
                }
                (_, Some(section)) => {
                    if let Err(error) = self.media_line(line, section) {
                        self.set_aside(line, section, error)?;
                    }
                }
                ('a', None) => self.attribute(line, &mut head.attributes, lines.rest)?,
                (_, None) => self.session_line(line, &mut head)?,
            }
        }
        media.last_mut().map_or(&mut head.attributes, |last| &mut last.attributes).settle();
        head.finish(media)
    }

    fn session_line(&mut self, line: Line<'_>, head: &mut Head) -> Result<(), ParseError> {
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
            'v' => return Err(ParseError::Repeated { line: line.number, letter: 'v' }),
            _ => head.unknown.push(self.unknown(line)?),
        }
        Ok(())
    }

    fn media_line(&mut self, line: Line<'_>, section: &mut Media) -> Result<(), ParseError> {
        let owner = &self.text;
        match line.letter {
            'i' => line.once(&mut section.information, owner.share(line.value))?,
            'c' => section.connections.push(line.typed(|fields| Connection::parse(fields, owner))?),
            'b' => section.bandwidths.push(line.typed(|fields| Bandwidth::parse(fields, owner))?),
            'k' => line.once(&mut section.key, Secret(line.text(owner)?))?,
            _ if is_session_letter(line.letter) => {
                return Err(line.misplaced("i, c, b, k, a or m in a media section"));
            }
            _ => section.odd.get_or_insert_default().lines.push(self.unknown(line)?),
        }
        Ok(())
    }

    /// Keeps a line that its section alone has to suffer for; passes on what spoils the whole description: a limit, or a letter
    /// that may not be there.
    fn set_aside(&self, line: Line<'_>, section: &mut Media, error: ParseError) -> Result<(), ParseError> {
        if !matches!(line.letter, 'i' | 'c' | 'b' | 'k' | 'a') || matches!(error, ParseError::TooLarge { .. })
        {
            return Err(error);
        }
        let odd = section.odd.get_or_insert_default();
        odd.lines.push(self.text.share(line.whole));
        odd.problem.get_or_insert(error);
        Ok(())
    }

    fn unknown(&mut self, line: Line<'_>) -> Result<Text, ParseError> {
        if self.unknown_lines >= self.limits.unknown_lines {
            return Err(line.misplaced("a letter of RFC 8866"));
        }
        self.unknown_lines += 1;
        Ok(self.text.share(line.whole))
    }

    /// `rest` is what follows: from its length comes a guess at how many attributes there are.
    fn attribute(&self, line: Line<'_>, attributes: &mut Attributes, rest: &str) -> Result<(), ParseError> {
        let limit = self.limits.attributes;
        if attributes.len() >= limit {
            return Err(ParseError::TooLarge { what: "attributes in a section", limit });
        }
        let length = token_length(line.value);
        let text = match line.value.as_bytes().get(length) {
            Some(b':') => line.value,
            // Blanks behind a flag occur, and mean nothing.
            _ => line.value.trim_end_matches(' '),
        };
        if length == 0 || !matches!(text.as_bytes().get(length), None | Some(b':')) {
            return Err(line.error(1, "an attribute's name"));
        }
        if attributes.is_empty() {
            attributes.reserve((1 + rest.len() / SHORT_LINE).min(limit));
        }
        attributes.push(Attribute::from_parts(self.text.share(text), length));
        Ok(())
    }
}

/// Octets of an attribute line that is not long.
const SHORT_LINE: usize = 20;

const fn is_session_letter(letter: char) -> bool {
    matches!(letter, 'v' | 'o' | 's' | 'u' | 'e' | 'p' | 't' | 'r' | 'z')
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
    unknown: Vec<Text>,
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
        session.unknown = self.unknown;
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
        assert_eq!((session.origin.username(), session.name()), ("Jörg", &Text::from("Café")));
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

//! Text to values ([RFC 8866 §9]).
//!
//! [RFC 8866 §9]: https://www.rfc-editor.org/rfc/rfc8866#section-9

use std::sync::Arc;

use crate::attribute::{Attribute, Attributes};
use crate::connection::Connection;
use crate::grammar::{Fields, token_length};
use crate::session::{Secret, SessionDescription};
use crate::{Bandwidth, Limits, Media, Origin, ParseError, Text, Time};

impl SessionDescription {
    /// Reads a description with the default [`Limits`].
    ///
    /// Accepted beside the grammar of [RFC 8866 §9]: lines that end in LF alone or in a mix, an unterminated last line, blank
    /// lines at the end, lines out of order inside their section, a missing or empty `s=`, an empty `i=`, several blanks between
    /// fields, blanks at the end of typed lines and flags, several session-level `c=` lines, `r=` and `z=` of any text. Refused: an
    /// unknown letter ([RFC 8866 §5]; [`Limits::unknown_lines`] can allow some), a missing `o=` or `t=`, a line of the session or an
    /// `m=` line that cannot be read. Another line of a media section that cannot be read is that section's
    /// [`problem`](Media::problem). Attributes are read on demand.
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
        let mut parser = Parser::new(text, limits);
        parser.run()?;
        Ok(parser.session)
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

    const fn repeated(&self) -> ParseError {
        ParseError::Repeated { line: self.number, letter: self.letter }
    }

    fn first(&self, seen: &mut bool) -> Result<(), ParseError> {
        if std::mem::replace(seen, true) { Err(self.repeated()) } else { Ok(()) }
    }

    fn once<T>(&self, slot: &mut Option<T>, value: T) -> Result<(), ParseError> {
        if slot.is_some() {
            return Err(self.repeated());
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

    /// The line with its letter.
    fn whole(&self) -> Text {
        Text::from(format!("{}={}", self.letter, self.value))
    }

    /// A value that may not be empty; [`Lines`] has seen that it has no NUL and no line end.
    fn text(&self, owner: &Text) -> Result<Text, ParseError> {
        if self.value.is_empty() { Err(self.error(1, "text")) } else { Ok(owner.share(self.value)) }
    }
}

/// The lines of a text: each ends with CRLF, LF or the end.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    number: usize,
}

impl<'a> Lines<'a> {
    /// The next line; `None` at the end, or when only line ends are left.
    fn next(&mut self) -> Result<Option<Line<'a>>, ParseError> {
        let start = self.at;
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        let mut length = position_below_14(rest);
        let end = match rest.get(length..) {
            Some([b'\r', b'\n', ..]) => 2,
            Some([b'\n', ..]) => 1,
            _ => self.unusual_end(rest, &mut length)?,
        };
        self.at = start + length + end;
        self.number += 1;
        if let [letter @ b'a'..=b'z', b'=', ..] = rest
            && let Some(value) = self.text.get(start + 2..start + length)
        {
            return Ok(Some(Line { number: self.number, letter: char::from(*letter), value }));
        }
        if rest.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            self.number -= 1;
            return Ok(None);
        }
        Err(ParseError::Malformed { line: self.number, letter: '?', column: 1, expected: "a letter and =" })
    }

    /// The length of a line with other control characters in it, or of the last line, and of its end.
    #[cold]
    fn unusual_end(&self, rest: &[u8], length: &mut usize) -> Result<usize, ParseError> {
        loop {
            match rest.get(*length..) {
                Some([b'\r', b'\n', ..]) => return Ok(2),
                Some([b'\n', ..] | [b'\r']) => return Ok(1),
                Some([0 | b'\r', ..]) => {
                    let letter = match rest {
                        [letter @ b'a'..=b'z', b'=', ..] => char::from(*letter),
                        _ => '?',
                    };
                    let (line, expected) = (self.number + 1, "no NUL and no CR inside a line");
                    return Err(ParseError::Malformed { line, letter, column: *length + 1, expected });
                }
                Some([_, after @ ..]) => *length += 1 + position_below_14(after),
                Some([]) | None => return Ok(0),
            }
        }
    }

    /// How many octets are left.
    const fn left(&self) -> usize {
        self.text.len().saturating_sub(self.at)
    }
}

/// Where the first octet below 14 is, among them NUL, LF and CR; the length when there is none. Eight octets at a time: SDP's
/// lines are too short for vectors.
fn position_below_14(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // A borrow sets the high bit of an octet below 14; only octets behind the first such one can be wrong.
        let below = word.wrapping_sub(14 * ONES) & !word & (128 * ONES);
        if below != 0 {
            return index * 8 + below.trailing_zeros() as usize / 8;
        }
    }
    words.len() * 8 + rest.iter().position(|&byte| byte < 14).unwrap_or(rest.len())
}

struct Parser<'a> {
    text: Text,
    limits: &'a Limits,
    session: SessionDescription,
    has_origin: bool,
    has_name: bool,
    unknown_lines: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &str, limits: &'a Limits) -> Self {
        Self {
            text: Text::from(Arc::<str>::from(text)),
            limits,
            session: SessionDescription::new(Origin::BLANK),
            has_origin: false,
            has_name: false,
            unknown_lines: 0,
        }
    }

    fn run(&mut self) -> Result<(), ParseError> {
        let whole = self.text.clone();
        let mut lines = Lines { text: &whole, at: 0, number: 0 };
        while let Some(line) = lines.next()? {
            if line.number == 1 {
                if (line.letter, line.value.trim_end()) != ('v', "0") {
                    return Err(line.misplaced("v=0 as the first line"));
                }
            } else if line.number > self.limits.lines {
                return Err(ParseError::TooLarge { what: "lines", limit: self.limits.lines });
            } else if let Err(error) = self.line(line, lines.left()) {
                self.set_aside(line, error)?;
            }
        }
        self.last_attributes().settle();
        let missing = match () {
            () if lines.number == 0 => 'v',
            () if !self.has_origin => 'o',
            () if self.session.times.is_empty() => 't',
            () => return Ok(()),
        };
        Err(ParseError::Missing(missing))
    }

    /// With how many octets are left behind it. Only attributes are read inline: they are many, and want the registers.
    fn line(&mut self, line: Line<'_>, left: usize) -> Result<(), ParseError> {
        let section = self.session.media.last_mut();
        match (line.letter, section) {
            ('a', section) => {
                let attributes =
                    section.map_or(&mut self.session.attributes, |section| &mut section.attributes);
                attribute(line, attributes, &self.text, left, self.limits)
            }
            ('m', _) => self.begin_section(line),
            (_, Some(_)) => self.media_line(line),
            (_, None) => self.session_line(line),
        }
    }

    #[inline(never)]
    fn begin_section(&mut self, line: Line<'_>) -> Result<(), ParseError> {
        self.last_attributes().settle();
        let (limit, media) = (self.limits.media, &mut self.session.media);
        if media.len() >= limit {
            return Err(ParseError::TooLarge { what: "media sections", limit });
        }
        // Most have one section, and a second one is followed by more.
        if media.is_empty() {
            *media = Vec::with_capacity(1);
        }
        line.typed(|fields| Media::parse(fields, &self.text, media))
    }

    fn last_attributes(&mut self) -> &mut Attributes {
        match self.session.media.last_mut() {
            Some(section) => &mut section.attributes,
            None => &mut self.session.attributes,
        }
    }

    #[inline(never)]
    fn session_line(&mut self, line: Line<'_>) -> Result<(), ParseError> {
        let (owner, session) = (&self.text, &mut self.session);
        match line.letter {
            'o' => {
                line.first(&mut self.has_origin)?;
                session.origin = line.typed(|fields| Origin::parse(fields, owner))?;
            }
            's' => {
                line.first(&mut self.has_name)?;
                if !matches!(line.value, "" | "-") {
                    session.name = owner.share(line.value);
                }
            }
            'i' if line.value.is_empty() => {}
            'i' => line.once(&mut session.information, owner.share(line.value))?,
            'u' => line.once(&mut session.uri, line.text(owner)?)?,
            'e' => session.emails.push(line.text(owner)?),
            'p' => session.phones.push(line.text(owner)?),
            'c' => session.connections.push(line.typed(|fields| Connection::parse(fields, owner))?),
            'b' => session.bandwidths.push(line.typed(|fields| Bandwidth::parse(fields, owner))?),
            't' => session.times.push(line.typed(Time::parse)?),
            'r' | 'z' => {
                let time = session.times.last_mut().ok_or_else(|| line.error(1, "a t= line before"))?;
                let list = if line.letter == 'r' { &mut time.repeats } else { &mut time.zones };
                list.push(line.text(owner)?);
            }
            'k' => line.once(&mut session.key, Secret(line.text(owner)?))?,
            'v' => return Err(line.repeated()),
            _ => {
                let kept = self.unknown(line)?;
                self.session.unknown.push(kept);
            }
        }
        Ok(())
    }

    #[inline(never)]
    fn media_line(&mut self, line: Line<'_>) -> Result<(), ParseError> {
        let owner = &self.text;
        let Some(section) = self.session.media.last_mut() else { return Ok(()) };
        match line.letter {
            'i' if line.value.is_empty() => {}
            'i' => line.once(&mut section.information, owner.share(line.value))?,
            'c' => section.connections.push(line.typed(|fields| Connection::parse(fields, owner))?),
            'b' => section.bandwidths.push(line.typed(|fields| Bandwidth::parse(fields, owner))?),
            'k' => line.once(&mut section.key, Secret(line.text(owner)?))?,
            letter if is_session_letter(letter) => {
                return Err(line.misplaced("i, c, b, k, a or m in a media section"));
            }
            _ => {
                let kept = self.unknown(line)?;
                if let Some(section) = self.session.media.last_mut() {
                    section.odd.get_or_insert_default().lines.push(kept);
                }
            }
        }
        Ok(())
    }

    /// Keeps a line that its section alone has to suffer for; passes on what spoils the whole description: a limit, or a letter
    /// that may not be there.
    fn set_aside(&mut self, line: Line<'_>, error: ParseError) -> Result<(), ParseError> {
        if !matches!(line.letter, 'i' | 'c' | 'b' | 'k' | 'a') || matches!(error, ParseError::TooLarge { .. })
        {
            return Err(error);
        }
        let Some(section) = self.session.media.last_mut() else { return Err(error) };
        let odd = section.odd.get_or_insert_default();
        odd.lines.push(line.whole());
        odd.problem.get_or_insert(error);
        Ok(())
    }

    fn unknown(&mut self, line: Line<'_>) -> Result<Text, ParseError> {
        if self.unknown_lines >= self.limits.unknown_lines {
            return Err(line.misplaced("a letter of RFC 8866"));
        }
        self.unknown_lines += 1;
        Ok(line.whole())
    }
}

/// From the octets left comes a guess at how many attributes there are.
fn attribute(
    line: Line<'_>,
    attributes: &mut Attributes,
    owner: &Text,
    left: usize,
    limits: &Limits,
) -> Result<(), ParseError> {
    let limit = limits.attributes;
    if attributes.len() >= limit {
        return Err(ParseError::TooLarge { what: "attributes in a section", limit });
    }
    let length = token_length(line.value);
    let text = match line.value.as_bytes().get(length) {
        None | Some(b':') if length > 0 => line.value,
        // Blanks behind a flag occur, and mean nothing.
        _ => match line.value.trim_end_matches(' ') {
            flag if length > 0 && flag.len() == length => flag,
            _ => return Err(line.error(1, "an attribute's name")),
        },
    };
    if attributes.is_empty() {
        *attributes = Attributes::with_capacity((1 + left / SHORT_LINE).min(limit));
    }
    attributes.push(Attribute::from_parts(owner.share(text), length));
    Ok(())
}

/// Octets of an attribute line that is not long.
const SHORT_LINE: usize = 16;

const fn is_session_letter(letter: char) -> bool {
    matches!(letter, 'v' | 'o' | 's' | 'u' | 'e' | 'p' | 't' | 'r' | 'z')
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

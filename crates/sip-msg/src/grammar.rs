//! Byte classes and the shared small parsers of [RFC 3261 §25.1].
//!
//! [RFC 3261 §25.1]: https://www.rfc-editor.org/rfc/rfc3261#section-25.1

use alloc::{string::String, vec::Vec};
use core::fmt;

use bytes::Bytes;

use crate::Text;

/// Bytes of a `token`.
pub(crate) const TOKEN: u16 = 1;
/// Bytes of a host name.
pub(crate) const HOST: u16 = 2;
/// Bytes of the user part of a SIP URI, but for percent escapes.
pub(crate) const USER: u16 = 4;
/// Bytes of the password of a SIP URI, but for percent escapes.
pub(crate) const PASSWORD: u16 = 8;
/// Bytes of a URI parameter, but for percent escapes.
pub(crate) const URI_PARAM: u16 = 16;
/// Bytes of a URI header, but for percent escapes.
pub(crate) const URI_HEADER: u16 = 32;
/// Bytes of a `word`, as in Call-ID, with `@`.
pub(crate) const WORD: u16 = 64;
/// Bytes of a header parameter's value without quotes: `token / host`, and `:` of a bare IPv6 address.
pub(crate) const VALUE: u16 = 128;

/// Bytes of base64 in either alphabet, with `.` and `=`.
pub(crate) const BASE64: u16 = 256;
/// Letters, digits and `-`, and `*`.
pub(crate) const LANGUAGE: u16 = 512;
/// Bytes of the scheme of a URI.
pub(crate) const SCHEME: u16 = 1024;

const ESCAPE: &str = "two hexadecimal digits after %";

const CLASSES: [u16; 256] = table();

const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0u8;
    loop {
        let alphanumeric = byte.is_ascii_alphanumeric();
        let mark = matches!(byte, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')');
        let token = alphanumeric
            || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        let word = token
            || matches!(
                byte,
                b'(' | b')'
                    | b'<'
                    | b'>'
                    | b':'
                    | b'\\'
                    | b'"'
                    | b'/'
                    | b'['
                    | b']'
                    | b'?'
                    | b'{'
                    | b'}'
                    | b'@'
            );
        let unreserved = alphanumeric || mark;
        let mut class = 0;
        if token {
            class |= TOKEN;
        }
        if alphanumeric || matches!(byte, b'-' | b'.' | b'_') {
            class |= HOST;
        }
        if unreserved || matches!(byte, b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/' | b'#') {
            class |= USER;
        }
        if unreserved || matches!(byte, b'&' | b'=' | b'+' | b'$' | b',') {
            class |= PASSWORD;
        }
        if unreserved || matches!(byte, b'[' | b']' | b'/' | b':' | b'&' | b'+' | b'$') {
            class |= URI_PARAM;
        }
        if unreserved || matches!(byte, b'[' | b']' | b'/' | b'?' | b':' | b'+' | b'$') {
            class |= URI_HEADER;
        }
        if word {
            class |= WORD;
        }
        if token || matches!(byte, b'[' | b']' | b':') {
            class |= VALUE;
        }
        if alphanumeric || matches!(byte, b'+' | b'/' | b'.' | b'=' | b'-' | b'_') {
            class |= BASE64;
        }
        if alphanumeric || matches!(byte, b'-' | b'*') {
            class |= LANGUAGE;
        }
        if alphanumeric || matches!(byte, b'+' | b'-' | b'.') {
            class |= SCHEME;
        }
        #[expect(
            clippy::indexing_slicing,
            reason = "a u8 cannot exceed 256 entries; evaluated at compile time"
        )]
        {
            table[byte as usize] = class;
        }
        if byte == u8::MAX {
            return table;
        }
        byte += 1;
    }
}

/// Whether `byte` belongs to `class`.
#[inline]
pub(crate) fn is(byte: u8, class: u16) -> bool {
    classes(byte) & class != 0
}

#[inline]
fn classes(byte: u8) -> u16 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or_default()
}

/// Whether every byte belongs to `class` and there is at least one.
pub(crate) fn all(text: &[u8], class: u16) -> bool {
    !text.is_empty() && run(text, class) == text.len()
}

/// How many of the first bytes belong to `class`.
#[inline]
pub(crate) fn run(text: &[u8], class: u16) -> usize {
    let mut rest = text;
    // Four at a time costs little more than half of one by one, and this is where the time goes.
    while let [a, b, c, d, after @ ..] = rest
        && classes(*a) & classes(*b) & classes(*c) & classes(*d) & class != 0
    {
        rest = after;
    }
    while let [byte, after @ ..] = rest
        && is(*byte, class)
    {
        rest = after;
    }
    text.len() - rest.len()
}

/// What a grammar wanted, and where.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected {expected} at byte {at}")]
pub struct Unexpected {
    /// Offset into the text that was read, in bytes.
    pub at: usize,
    /// What should have stood there.
    pub expected: &'static str,
}

/// Reads one header value from left to right, in linear time.
///
/// Line folds are one space by the time a value gets here. Every reader leaves the cursor where it stopped, so that
/// an error names the byte.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    source: &'a Bytes,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor on the first byte of `source`.
    #[must_use]
    pub fn new(source: &'a Bytes) -> Self {
        Self { source, bytes: source, at: 0 }
    }

    /// A cursor over the part of `source` from `at` to before `end`; offsets count from the start of `source`.
    #[inline]
    pub(crate) fn over(source: &'a Bytes, at: usize, end: usize) -> Self {
        Self { source, bytes: source.get(..end).unwrap_or(source), at }
    }

    /// Reads as if the source ended before offset `end`.
    pub(crate) fn within<T>(&mut self, end: usize, read: impl FnOnce(&mut Self) -> T) -> T {
        let whole = self.bytes;
        self.bytes = whole.get(..end).unwrap_or(whole);
        let value = read(self);
        self.bytes = whole;
        value
    }

    /// Offset of the next byte.
    #[must_use]
    #[inline]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Whether all bytes are read.
    #[must_use]
    #[inline]
    pub fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The bytes not yet read.
    #[must_use]
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The bytes before this place, those before the value among them.
    pub(crate) fn passed(&self) -> &'a [u8] {
        self.bytes.get(..self.at).unwrap_or_default()
    }

    /// The next byte.
    #[must_use]
    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Steps over `count` bytes, at most to the end.
    #[inline]
    pub fn advance(&mut self, count: usize) {
        self.at = self.at.saturating_add(count).min(self.bytes.len());
    }

    /// Goes back, or on, to offset `at`.
    #[inline]
    pub(crate) fn seek(&mut self, at: usize) {
        self.at = at.min(self.bytes.len());
    }

    /// Steps over spaces and tabs.
    #[inline]
    pub fn skip_space(&mut self) {
        while let Some(b' ' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Steps over `byte` if it is next.
    #[inline]
    pub fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Steps over `byte` and the white space around it, or over nothing.
    #[inline]
    pub fn eat_spaced(&mut self, byte: u8) -> bool {
        let start = self.at;
        self.skip_space();
        if self.eat(byte) {
            self.skip_space();
            return true;
        }
        self.at = start;
        false
    }

    /// Steps over `byte`.
    ///
    /// # Errors
    /// [`Unexpected`] when another byte, or none, is next.
    #[inline]
    pub fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), Unexpected> {
        if self.eat(byte) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// An error at this place.
    #[must_use]
    pub fn unexpected(&self, expected: &'static str) -> Unexpected {
        Unexpected { at: self.at, expected }
    }

    /// The bytes of `class` that are next; perhaps none.
    #[inline]
    pub(crate) fn take_while(&mut self, class: u16) -> &'a [u8] {
        let rest = self.rest();
        let (taken, _) = rest.split_at_checked(run(rest, class)).unwrap_or((rest, &[]));
        self.at += taken.len();
        taken
    }

    /// The text between two offsets, sharing the buffer.
    #[must_use]
    pub fn text(&self, start: usize, end: usize) -> Text {
        Text::of(self.source, start, end.min(self.bytes.len()))
    }

    /// As [`Cursor::text`], for what was read by a class of bytes; all classes are ASCII.
    #[inline]
    pub(crate) fn ascii(&self, start: usize) -> Text {
        Text::of_ascii(self.source.slice(start..self.at))
    }

    /// A `token` that is often one which `usual` knows, and then needs no share in the buffer.
    #[inline]
    pub(crate) fn usual_token(
        &mut self,
        usual: impl FnOnce(&[u8]) -> Option<&'static str>,
        expected: &'static str,
    ) -> Result<Text, Unexpected> {
        let start = self.at;
        match self.take_while(TOKEN) {
            [] => Err(self.unexpected(expected)),
            token => Ok(usual(token).map_or_else(|| self.ascii(start), Text::from_static)),
        }
    }

    /// Steps over bytes of `class` and percent escapes; perhaps none.
    #[inline]
    pub(crate) fn skip_escaped(&mut self, class: u16) -> Result<(), Unexpected> {
        loop {
            self.take_while(class);
            match self.rest() {
                [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => self.at += 3,
                [b'%', ..] => return Err(self.unexpected(ESCAPE)),
                _ => return Ok(()),
            }
        }
    }

    /// Steps over one or more bytes of `class` and percent escapes.
    pub(crate) fn expect_escaped(&mut self, class: u16, expected: &'static str) -> Result<(), Unexpected> {
        let start = self.at;
        self.skip_escaped(class)?;
        if self.at == start { Err(self.unexpected(expected)) } else { Ok(()) }
    }

    /// One or more bytes of `class`, as text.
    #[inline]
    pub(crate) fn text_of(&mut self, class: u16, expected: &'static str) -> Result<Text, Unexpected> {
        let start = self.at;
        if self.take_while(class).is_empty() {
            return Err(self.unexpected(expected));
        }
        Ok(self.ascii(start))
    }

    /// A `token`.
    ///
    /// # Errors
    /// [`Unexpected`] when no token byte is next.
    pub fn token(&mut self, expected: &'static str) -> Result<Text, Unexpected> {
        self.text_of(TOKEN, expected)
    }

    /// A decimal number.
    ///
    /// # Errors
    /// [`Unexpected`] when no digit is next or the number does not fit into 32 bits.
    pub fn number(&mut self, expected: &'static str) -> Result<u32, Unexpected> {
        let start = self.at;
        let mut value = 0u32;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            value = value
                .checked_mul(10)
                .and_then(|value| value.checked_add(u32::from(digit - b'0')))
                .ok_or(Unexpected { at: start, expected })?;
            self.at += 1;
        }
        if self.at == start { Err(self.unexpected(expected)) } else { Ok(value) }
    }

    /// The content of a `quoted-string` whose opening quote is next, escapes resolved.
    ///
    /// # Errors
    /// [`Unexpected`] when no quote is next or the closing one is missing.
    pub fn quoted(&mut self) -> Result<Text, Unexpected> {
        let open = self.at;
        self.expect(b'"', "a quoted string")?;
        let start = self.at;
        let mut escaped = false;
        loop {
            let found = memchr::memchr2(b'"', b'\\', self.rest());
            let Some(offset) = found else {
                return Err(Unexpected { at: open, expected: "a closing quote" });
            };
            self.at += offset;
            if self.eat(b'"') {
                break;
            }
            escaped = true;
            self.advance(2);
        }
        let end = self.at - 1;
        if !escaped {
            return Ok(self.text(start, end));
        }
        let raw = self.bytes.get(start..end).unwrap_or_default();
        let mut content = Vec::with_capacity(raw.len());
        let mut bytes = raw.iter();
        while let Some(&byte) = bytes.next() {
            content.extend(if byte == b'\\' { bytes.next() } else { Some(&byte) });
        }
        Ok(Text::from_bytes(content.into()))
    }

    /// Everything up to the end, without the white space around it.
    pub fn rest_text(&mut self) -> Text {
        self.skip_space();
        let rest = self.rest();
        let length = rest.trim_ascii_end().len();
        let text = self.text(self.at, self.at + length);
        self.at = self.bytes.len();
        text
    }
}

/// Writes `text` as a `quoted-string`, with `"` and `\` escaped.
pub(crate) fn write_quoted(f: &mut impl fmt::Write, text: &str) -> fmt::Result {
    f.write_char('"')?;
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest.as_bytes()) {
        let (plain, special) = rest.split_at(at);
        f.write_str(plain)?;
        f.write_char('\\')?;
        let (escaped, after) = special.split_at(1);
        f.write_str(escaped)?;
        rest = after;
    }
    f.write_str(rest)?;
    f.write_char('"')
}

/// Writes `text` with `%` and every byte outside `class` percent-escaped.
pub(crate) fn write_escaped(f: &mut impl fmt::Write, text: &str, class: u16) -> fmt::Result {
    for &byte in text.as_bytes() {
        if is(byte, class) {
            f.write_char(char::from(byte))?;
        } else {
            write!(f, "%{byte:02X}")?;
        }
    }
    Ok(())
}

/// Percent-escapes every byte of `text` outside `class`, and `%`.
pub(crate) fn escape(text: &str, class: u16) -> String {
    if text.bytes().all(|byte| is(byte, class)) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    match write_escaped(&mut escaped, text, class) {
        Ok(()) | Err(fmt::Error) => escaped,
    }
}

/// Refuses a `%` that is not followed by two hexadecimal digits; `start` is where `text` stands.
#[inline]
pub(crate) fn check_escapes(text: &[u8], start: usize) -> Result<(), Unexpected> {
    for at in memchr::memchr_iter(b'%', text) {
        match text.get(at + 1..at + 3) {
            Some([high, low]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {}
            _ => return Err(Unexpected { at: start + at, expected: ESCAPE }),
        }
    }
    Ok(())
}

fn hex(digit: u8) -> Option<u8> {
    u8::try_from(char::from(digit).to_digit(16)?).ok()
}

/// The bytes of `text` with percent escapes resolved; a broken escape stays as it is.
pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%'
            && let Some(([high, low], after)) =
                after.split_first_chunk::<2>().map(|(pair, after)| (*pair, after))
            && let (Some(high), Some(low)) = (hex(high), hex(low))
        {
            bytes.push(high << 4 | low);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    bytes
}

impl Cursor<'_> {
    /// The content of a `comment` whose opening parenthesis is next: as it stands, with inner comments and escapes.
    pub(crate) fn comment(&mut self) -> Result<Text, Unexpected> {
        let open = self.at;
        self.expect(b'(', "a comment")?;
        let mut depth = 1u32;
        while let Some(byte) = self.peek() {
            self.advance(if byte == b'\\' { 2 } else { 1 });
            match byte {
                b'(' => depth = depth.saturating_add(1),
                b')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(self.text(open + 1, self.at - 1));
            }
        }
        Err(Unexpected { at: open, expected: "a closing parenthesis" })
    }
}

/// Writes `text` as a `comment`; parentheses that do not pair are escaped.
pub(crate) fn write_comment(f: &mut impl fmt::Write, text: &str) -> fmt::Result {
    let mut depth = 0i64;
    let mut bytes = text.bytes();
    let mut paired = true;
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => paired &= bytes.next().is_some(),
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        paired &= depth >= 0;
    }
    if paired && depth == 0 {
        return write!(f, "({text})");
    }
    f.write_char('(')?;
    for letter in text.chars() {
        if matches!(letter, '(' | ')' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(letter)?;
    }
    f.write_char(')')
}

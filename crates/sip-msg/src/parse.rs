//! Message head → spans. Reads no header value but Content-Length.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::{
    HeaderName, Limits, Message, Method, ParseError, Request, Response, StatusCode, Text,
    grammar::{self, Cursor},
    headers::{Content, Field, Headers},
    span::Span,
};

/// A message head, and where the body begins.
pub(crate) struct Head {
    pub(crate) start: StartLine,
    pub(crate) headers: Headers,
    pub(crate) content_length: Option<usize>,
    pub(crate) body_at: usize,
}

impl Head {
    pub(crate) fn into_message(self, body: Bytes) -> Message {
        match self.start {
            StartLine::Request { method, uri } => {
                Message::Request(Request::received(method, uri, self.headers, body))
            }
            StartLine::Response { status, reason } => {
                Message::Response(Response::received(status, reason, self.headers, body))
            }
        }
    }
}

pub(crate) enum StartLine {
    Request { method: Method, uri: Text },
    Response { status: StatusCode, reason: Bytes },
}

/// One line of the head.
struct Line {
    end: usize,
    next: usize,
    folded: bool,
}

/// Where the line that starts at `at` ends, folds included.
fn line(bytes: &[u8], at: usize) -> Result<Line, ParseError> {
    let (mut from, mut folded) = (at, false);
    loop {
        let rest = bytes.get(from..).unwrap_or_default();
        let end =
            from + memchr::memchr2(b'\r', b'\n', rest).ok_or(ParseError::HeadEnd { at: bytes.len() })?;
        let next = match (bytes.get(end), bytes.get(end + 1)) {
            (Some(b'\r'), Some(b'\n')) => end + 2,
            (Some(b'\r'), None) => return Err(ParseError::HeadEnd { at: bytes.len() }),
            (Some(b'\r'), Some(_)) => {
                return Err(ParseError::HeaderLine { at: end + 1, expected: "LF after CR" });
            }
            _ => end + 1,
        };
        // The empty line cannot be folded: what follows it is the body.
        if end > at && matches!(bytes.get(next), Some(b' ' | b'\t')) {
            from = next;
            folded = true;
            continue;
        }
        return Ok(Line { end, next, folded });
    }
}

/// What a scan of the head puts up with.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Mode {
    /// Nothing.
    Strict,
    /// Any version, and lines that are no header field; but not a Content-Length that cannot be read.
    Framing,
    /// All of these, and a head that is cut off or over the limits: what comes too late is left out.
    Salvage,
}

/// Reads a head to frame a message in a stream: no error that leaves the place of the next message known.
pub(crate) fn frame(buffer: &Bytes, limits: &Limits) -> Result<Head, ParseError> {
    scan(buffer, limits, Mode::Framing)
}

/// Reads what can be read: any version, and lines that are no header field are left out.
pub(crate) fn salvage(buffer: &Bytes, limits: &Limits) -> Option<Head> {
    scan(buffer, limits, Mode::Salvage).ok()
}

fn scan(buffer: &Bytes, limits: &Limits, mode: Mode) -> Result<Head, ParseError> {
    let origin = leading_line_ends(buffer);
    let first = start_line_end(buffer, origin)?;
    let start = start_line(buffer, origin, first.end, mode != Mode::Strict)?;
    let Fields { fields, content_length, body_at } = fields(buffer, origin, first.next, limits, mode)?;
    Ok(Head { start, headers: Headers { buffer: buffer.clone(), fields }, content_length, body_at })
}

/// Start line of a fragment, which need not end in a line end, and where it ends.
pub(crate) fn start(buffer: &Bytes) -> Result<(StartLine, usize), ParseError> {
    let first =
        start_line_end(buffer, 0).unwrap_or(Line { end: buffer.len(), next: buffer.len(), folded: false });
    Ok((start_line(buffer, 0, first.end, false)?, first.next))
}

/// Header fields from `at`, as far as there are any, and where the body begins; the empty line may be missing when
/// there is no body.
pub(crate) fn fields_and_body(
    buffer: &Bytes,
    at: usize,
    limits: &Limits,
) -> Result<(Headers, usize), ParseError> {
    let mut buffer = buffer.clone();
    let mut found = fields(&buffer, at, at, limits, Mode::Strict);
    if let Err(ParseError::HeadEnd { .. }) = found {
        let line_end: &[u8] =
            if at == buffer.len() || buffer.ends_with(b"\n") { b"\r\n" } else { b"\r\n\r\n" };
        buffer = [&buffer, line_end].concat().into();
        found = fields(&buffer, at, at, limits, Mode::Strict);
    }
    let Fields { fields, body_at, .. } = found?;
    Ok((Headers { buffer, fields }, body_at))
}

struct Fields {
    fields: Vec<Field>,
    content_length: Option<usize>,
    body_at: usize,
}

/// Room for as many header fields as most messages have: 1 kB, which allocators keep ready. More cost one move.
const USUAL_FIELDS: usize = 16;

/// Reads header fields from `at` up to the empty line; `origin` is where the head began.
fn fields(
    buffer: &Bytes,
    origin: usize,
    at: usize,
    limits: &Limits,
    mode: Mode,
) -> Result<Fields, ParseError> {
    let bytes: &[u8] = buffer;
    let (lenient, salvaging) = (mode != Mode::Strict, mode == Mode::Salvage);
    let too_large = ParseError::HeadTooLarge { limit: limits.head_bytes };
    let mut at = at;
    let mut fields = Vec::with_capacity(USUAL_FIELDS.min(limits.header_count));
    let mut content_length = None;
    loop {
        if at - origin > limits.head_bytes {
            if salvaging {
                break;
            }
            return Err(too_large);
        }
        match bytes.get(at) {
            Some(b'\n') => {
                at += 1;
                break;
            }
            Some(b'\r') if bytes.get(at + 1) == Some(&b'\n') => {
                at += 2;
                break;
            }
            _ => {}
        }
        let line = match line(bytes, at) {
            Ok(line) => line,
            // On from the byte that is wrong, not from the line that began long before it: folds are read once.
            Err(ParseError::HeaderLine { at: wrong, .. }) if lenient => match next_line(bytes, wrong) {
                Some(next) => {
                    at = next;
                    continue;
                }
                None => break,
            },
            Err(_) if lenient => break,
            Err(_) if bytes.len() - origin > limits.head_bytes => return Err(too_large),
            Err(error) => return Err(error),
        };
        if fields.len() >= limits.header_count {
            if salvaging {
                break;
            }
            return Err(ParseError::TooManyHeaders { limit: limits.header_count });
        }
        match field(buffer, at, &line, &mut fields) {
            Ok(Some(length)) if !salvaging => {
                content_length = Some(read_content_length(bytes, length, content_length)?);
            }
            Err(error) if !lenient => return Err(error),
            Ok(_) | Err(_) => {}
        }
        at = line.next;
    }
    if at - origin > limits.head_bytes && !salvaging {
        return Err(too_large);
    }
    Ok(Fields { fields, content_length, body_at: at })
}

fn next_line(bytes: &[u8], at: usize) -> Option<usize> {
    Some(at + memchr::memchr(b'\n', bytes.get(at..)?)? + 1)
}

/// Line ends before the start line are ignored ([RFC 3261 §7.5]).
///
/// [RFC 3261 §7.5]: https://www.rfc-editor.org/rfc/rfc3261#section-7.5
pub(crate) fn leading_line_ends(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

fn start_line_end(bytes: &[u8], at: usize) -> Result<Line, ParseError> {
    let rest = bytes.get(at..).unwrap_or_default();
    let newline = memchr::memchr(b'\n', rest)
        .ok_or(ParseError::StartLine { at: bytes.len(), expected: "the end of the line" })?;
    let line = rest.get(..newline).unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Ok(Line { end: at + line.len(), next: at + newline + 1, folded: false })
}

fn start_line(buffer: &Bytes, at: usize, end: usize, lenient: bool) -> Result<StartLine, ParseError> {
    let bytes = buffer.get(at..end).unwrap_or_default();
    let text = |start: usize, end: usize| Text::from_bytes(buffer.slice(start..end));
    let wrong = |at: usize, expected: &'static str| Err(ParseError::StartLine { at, expected });
    if let Some(wrong_at) = memchr::memchr2(b'\r', 0, bytes) {
        return wrong(at + wrong_at, "no CR or NUL");
    }
    if bytes.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"SIP/")) {
        if !bytes.get(..8).is_some_and(|version| version.eq_ignore_ascii_case(b"SIP/2.0 ")) {
            return Err(ParseError::Version { at });
        }
        let status = match bytes.get(8..11) {
            Some(&[a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9']) => {
                StatusCode::new([a, b, c].iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0')))
            }
            _ => None,
        };
        let Some(status) = status else { return wrong(at + 8, "a status code of three digits, 100 to 699") };
        // Some servers leave out the space before an empty reason phrase.
        return match bytes.get(11) {
            None => Ok(StartLine::Response { status, reason: Bytes::new() }),
            Some(b' ') => Ok(StartLine::Response { status, reason: buffer.slice(at + 12..end) }),
            Some(_) => wrong(at + 11, "a space after the status code"),
        };
    }
    let method_length =
        bytes.iter().position(|&byte| !grammar::is(byte, grammar::TOKEN)).unwrap_or(bytes.len());
    if method_length == 0 {
        return wrong(at, "a method or SIP/2.0");
    }
    if bytes.get(method_length) != Some(&b' ') {
        return wrong(at + method_length, "a space after the method");
    }
    let source = buffer.slice(..at + method_length);
    let mut cursor = Cursor::new(&source);
    cursor.seek(at);
    let Ok(method) = Method::read(&mut cursor) else { return wrong(at, "a method") };
    let uri_at = method_length + 1;
    if lenient {
        let rest = bytes.get(uri_at..).unwrap_or_default();
        let uri = rest.split(|&byte| byte <= b' ').find(|part| !part.is_empty()).unwrap_or_default();
        let uri = Text::from_bytes(buffer.slice_ref(uri));
        return Ok(StartLine::Request { method, uri });
    }
    let Some(version_space) = memchr::memrchr(b' ', bytes).filter(|&space| space >= uri_at) else {
        return wrong(end, "a Request-URI and SIP/2.0");
    };
    let uri = bytes.get(uri_at..version_space).unwrap_or_default();
    if let Some(wrong_at) = uri.iter().position(|&byte| byte <= b' ' || byte == 0x7f) {
        return wrong(
            at + uri_at + wrong_at,
            "a Request-URI without white space, and SIP/2.0 after one space",
        );
    }
    if uri.is_empty() {
        return wrong(at + uri_at, "a Request-URI");
    }
    if !uri.is_ascii()
        && let Err(error) = core::str::from_utf8(uri)
    {
        return wrong(at + uri_at + error.valid_up_to(), "a Request-URI of UTF-8, with other bytes escaped");
    }
    let version = bytes.get(version_space + 1..).unwrap_or_default();
    if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        let is_version = version
            .split_at_checked(4)
            .filter(|(name, _)| name.eq_ignore_ascii_case(b"SIP/"))
            .and_then(|(_, number)| core::str::from_utf8(number).ok()?.split_once('.'))
            .is_some_and(|(major, minor)| is_number(major) && is_number(minor));
        let at = at + version_space + 1;
        return if is_version {
            Err(ParseError::Version { at })
        } else {
            wrong(at, "SIP/2.0 and the end of the line")
        };
    }
    Ok(StartLine::Request { method, uri: text(at + uri_at, at + version_space) })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads the header field on the line that starts at `at`; of a Content-Length it tells the value.
#[inline]
fn field(
    buffer: &Bytes,
    at: usize,
    line: &Line,
    fields: &mut Vec<Field>,
) -> Result<Option<Span>, ParseError> {
    let (end, folded) = (line.end, line.folded);
    let bytes = buffer.get(at..end).unwrap_or_default();
    let wrong = |offset: usize, expected| ParseError::HeaderLine { at: at + offset, expected };
    let (name, after) = bytes.split_at_checked(grammar::run(bytes, grammar::TOKEN)).unwrap_or((bytes, &[]));
    // Spaces and tabs only: a line break before the colon is none that HCOLON allows.
    let space = after.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let Some((b':', after)) = after.get(space..).and_then(<[u8]>::split_first) else {
        return Err(match name {
            [] => wrong(0, "a header name"),
            _ => wrong(name.len() + space, "a colon after the header name"),
        });
    };
    let name = match HeaderName::known(name) {
        Some(known) => known,
        None if name.is_empty() => return Err(wrong(0, "a header name")),
        None => HeaderName::other(Text::from_bytes(buffer.slice(at..at + name.len()))),
    };
    let trimmed = after.trim_ascii_start();
    let start = end - trimmed.len();
    let value_end = start + trimmed.trim_ascii_end().len();
    let too_large = wrong(0, "a message below 4 GiB");
    let line = Span::new(at, end).ok_or(too_large)?;
    let value = Span::new(start, value_end).ok_or(too_large)?;
    let length = (name == HeaderName::CONTENT_LENGTH).then_some(value);
    fields.push(Field { name, content: Content::Received { line, value, folded } });
    Ok(length)
}

fn read_content_length(bytes: &[u8], value: Span, known: Option<usize>) -> Result<usize, ParseError> {
    let at = value.start();
    let digits = value.of(bytes);
    let length = digits.iter().try_fold(0usize, |length, byte| match byte {
        b'0'..=b'9' => length.checked_mul(10)?.checked_add(usize::from(byte - b'0')),
        _ => None,
    });
    match (length, known) {
        (None, _) => Err(ParseError::ContentLength { at, expected: "a number of bytes" }),
        (Some(_), _) if digits.is_empty() => {
            Err(ParseError::ContentLength { at, expected: "a number of bytes" })
        }
        (Some(length), Some(known)) if length != known => {
            Err(ParseError::ContentLength { at, expected: "the same length in every Content-Length" })
        }
        (Some(length), _) => Ok(length),
    }
}

/// Reads one whole datagram.
pub(crate) fn message(buffer: &Bytes, limits: &Limits) -> Result<Message, ParseError> {
    let Head { start, headers, content_length, body_at } = scan(buffer, limits, Mode::Strict)?;
    let available = buffer.len() - body_at;
    let length = content_length.unwrap_or(available);
    if length > limits.body_bytes {
        return Err(ParseError::BodyTooLarge { limit: limits.body_bytes });
    }
    if length > available {
        return Err(ParseError::Truncated { expected: length, found: available });
    }
    let body = if length == 0 { Bytes::new() } else { buffer.slice(body_at..body_at + length) };
    Ok(Head { start, headers, content_length, body_at }.into_message(body))
}

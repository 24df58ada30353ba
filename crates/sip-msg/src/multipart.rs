//! [`Multipart`]: bodies of several parts (RFC 2046 §5.1, RFC 5621).

use alloc::{collections::BTreeSet, format, string::String, vec::Vec};

use bytes::Bytes;

use crate::{ContentType, HeaderName, Headers, Limits, ParseError, TypedHeader, parse};

/// A body of several parts ([RFC 5621 §3]).
///
/// [RFC 5621 §3]: https://www.rfc-editor.org/rfc/rfc5621#section-3
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Multipart {
    /// The parts, in order; for `multipart/alternative` the last one that is understood is the one meant.
    pub parts: Vec<Part>,
}

/// One part of a [`Multipart`]. A part that is multipart itself is read by another [`Multipart::parse`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Part {
    /// The part's header fields, Content-Type among them.
    pub headers: Headers,
    /// The part's content.
    pub body: Bytes,
}

/// Why a body is no multipart body.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MultipartError {
    /// The Content-Type is not `multipart/…` or names no boundary of 1 to 70 bytes.
    #[error("Content-Type is not multipart with a boundary")]
    Boundary,
    /// The boundary does not stand in the body, or the last one is missing.
    #[error("expected --boundary-- at byte {at}")]
    Unterminated {
        /// Offset into the body, in bytes.
        at: usize,
    },
    /// The head of a part is broken.
    #[error("part at byte {at}: {error}")]
    Head {
        /// Where the part begins in the body, in bytes.
        at: usize,
        /// What is wrong; its offsets count from the part's first byte.
        error: ParseError,
    },
    /// There are more parts than a message may have header lines.
    #[error("more than {limit} parts")]
    TooManyParts {
        /// The limit.
        limit: usize,
    },
}

impl Part {
    /// A part with a Content-Type.
    #[must_use]
    pub fn new(content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut headers = Headers::new();
        headers.replace_all(crate::headers::own(
            HeaderName::CONTENT_TYPE,
            crate::headers::clean(content_type.into()).into(),
        ));
        Self { headers, body: body.into() }
    }

    /// The same part with one more header.
    #[must_use]
    pub fn with<H: TypedHeader>(mut self, header: &H) -> Self {
        self.headers.push(header);
        self
    }
}

impl Multipart {
    /// Reads a body by its Content-Type, in linear time; at most [`Limits::header_count`] parts.
    ///
    /// What stands before the first boundary and behind the last is left out.
    ///
    /// # Errors
    /// [`MultipartError`] when the boundary is not given, not found or not closed, or a part's head is broken.
    pub fn parse(content_type: &ContentType, body: &Bytes, limits: &Limits) -> Result<Self, MultipartError> {
        let boundary = content_type
            .params
            .value("boundary")
            .filter(|boundary| {
                content_type.kind.eq_ignore_ascii_case("multipart") && (1..=70).contains(&boundary.len())
            })
            .ok_or(MultipartError::Boundary)?;
        let delimiter = format!("--{boundary}");
        let mut parts = Vec::new();
        let mut begin = None;
        for at in memchr::memmem::find_iter(body, delimiter.as_bytes()) {
            let before = body.get(..at).unwrap_or_default();
            if at > 0 && !before.ends_with(b"\n") {
                continue;
            }
            let after = body.get(at + delimiter.len()..).unwrap_or_default();
            let last = after.starts_with(b"--");
            let padding = after.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            let line_end = match after.get(padding..).unwrap_or_default() {
                [b'\r', b'\n', ..] => 2,
                [b'\n', ..] => 1,
                _ if last => 0,
                _ => continue,
            };
            if let Some(begin) = begin {
                if parts.len() >= limits.header_count {
                    return Err(MultipartError::TooManyParts { limit: limits.header_count });
                }
                let end = before
                    .strip_suffix(b"\r\n")
                    .or_else(|| before.strip_suffix(b"\n"))
                    .map_or(at, <[u8]>::len);
                let part = if end > begin { body.slice(begin..end) } else { Bytes::new() };
                parts.push(read_part(part, begin, limits)?);
            }
            if last {
                return Ok(Self { parts });
            }
            begin = Some(at + delimiter.len() + padding + line_end);
        }
        Err(MultipartError::Unterminated { at: body.len() })
    }

    /// The body and its Content-Type with `subtype`, as `mixed`, and a boundary that stands in no part.
    #[must_use]
    pub fn write(&self, subtype: &str) -> (String, Bytes) {
        let contents: Vec<Vec<u8>> = self.parts.iter().map(part_bytes).collect();
        let boundary = unused_boundary(&contents);
        let mut body = Vec::new();
        for content in &contents {
            body.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        (format!("multipart/{subtype};boundary={boundary}"), body.into())
    }

    /// The first part of a media type, as `application/sdp`.
    #[must_use]
    pub fn find(&self, media_type: &str) -> Option<&Part> {
        self.parts.iter().find(|part| {
            part.headers
                .get::<ContentType>()
                .is_ok_and(|found| found.is_some_and(|found| found.is(media_type)))
        })
    }
}

/// A boundary that stands in no part; found in one pass, since a peer may have written the parts.
fn unused_boundary(contents: &[Vec<u8>]) -> String {
    const WIDTH: usize = 8;
    let finder = memchr::memmem::Finder::new(b"part-");
    let taken: BTreeSet<&[u8]> = contents
        .iter()
        .flat_map(|content| finder.find_iter(content).filter_map(|at| content.get(at + 5..at + 5 + WIDTH)))
        .collect();
    let unused = (0u64..).map(|number| format!("{number:0WIDTH$}"));
    let number = unused.into_iter().find(|number| !taken.contains(number.as_bytes()));
    format!("part-{}", number.unwrap_or_default())
}

fn part_bytes(part: &Part) -> Vec<u8> {
    let mut bytes = Vec::new();
    crate::message::write_rest(&mut bytes, &part.headers, &part.body);
    bytes
}

/// A part begins with its header fields, or with an empty line when it has none.
fn read_part(part: Bytes, at: usize, limits: &Limits) -> Result<Part, MultipartError> {
    let (headers, body_at) =
        parse::fields_and_body(&part, 0, limits).map_err(|error| MultipartError::Head { at, error })?;
    let body = if body_at < part.len() { part.slice(body_at..) } else { Bytes::new() };
    Ok(Part { headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::whole;

    fn parse(content_type: &str, body: &'static [u8]) -> Result<Multipart, MultipartError> {
        let content_type = whole(content_type, ContentType::parse).unwrap();
        Multipart::parse(&content_type, &Bytes::from_static(body), &Limits::default())
    }

    // rfc: 2046 §5.1.1 — boundaries: preamble, epilogue, padding, the line end before them
    // rfc: 5621 §3.1 — multipart bodies
    #[test]
    fn parts_stand_between_boundaries() {
        let body = b"preamble --b\r\n--b  \r\nContent-Type: text/plain\r\n\r\none\r\n--bb\r\n\r\n--b\r\n\r\n\0\r\n--b--\r\nend";
        let multipart = parse("multipart/mixed;boundary=\"b\"", body).unwrap();
        assert_eq!(multipart.parts.len(), 2);
        assert_eq!(multipart.find("text/plain").unwrap().body, "one\r\n--bb\r\n");
        assert_eq!(multipart.parts[1].body, "\0");
        assert!(multipart.parts[1].headers.is_empty());
    }

    #[test]
    fn broken_bodies_are_refused() {
        assert_eq!(parse("text/plain;boundary=b", b"--b--"), Err(MultipartError::Boundary));
        assert_eq!(parse("multipart/mixed", b"--b--"), Err(MultipartError::Boundary));
        assert_eq!(
            parse("multipart/mixed;boundary=b", b"--b\r\n\r\n"),
            Err(MultipartError::Unterminated { at: 7 })
        );
        assert!(matches!(
            parse("multipart/mixed;boundary=b", b"--b\r\nno colon\r\n\r\n--b--"),
            Err(MultipartError::Head { at: 5, .. })
        ));
        assert_eq!(parse("multipart/mixed;boundary=b", b"--b--").unwrap().parts, []);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let parts = vec![
            Part::new("application/sdp", "v=0\r\n"),
            Part::new("text/plain", "--part-00000000\r\npart-00000001"),
        ];
        let multipart = Multipart { parts };
        let (content_type, body) = multipart.write("mixed");
        assert_eq!(content_type, "multipart/mixed;boundary=part-00000002");
        let content_type = whole(&content_type, ContentType::parse).unwrap();
        assert_eq!(Multipart::parse(&content_type, &body, &Limits::default()), Ok(multipart));
    }
}

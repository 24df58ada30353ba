//! Bodies of several parts ([RFC 2046 §5.1], [RFC 5621]): finds their parts, and reads nothing in them.
//!
//! [RFC 2046 §5.1]: https://www.rfc-editor.org/rfc/rfc2046#section-5.1
//! [RFC 5621]: https://www.rfc-editor.org/rfc/rfc5621

use bytes::Bytes;
use sip_msg::{HeaderName, Headers};

/// More parts than this in one body are an attack.
const MAX_PARTS: usize = 32;

/// The parts between the delimiters, each with its own headers; `None` when the body is not put together so.
pub(super) fn parts(boundary: &str, body: &Bytes) -> Option<Vec<(Headers, Bytes)>> {
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut start = None;
    let mut at = 0;
    for line in body.split_inclusive(|octet| *octet == b'\n') {
        let end = at + line.len();
        let rest = line.trim_ascii_end().strip_prefix(delimiter.as_bytes());
        if let Some(rest @ (b"" | b"--")) = rest {
            if let Some(start) = start {
                parts.push(part(&body.slice(start..at)));
            }
            if rest == b"--" {
                return Some(parts);
            }
            if parts.len() >= MAX_PARTS {
                return None;
            }
            start = Some(end);
        }
        at = end;
    }
    None
}

/// Headers up to the empty line, and what follows it without the line end that belongs to the delimiter.
fn part(octets: &Bytes) -> (Headers, Bytes) {
    let mut headers = Headers::new();
    let mut at = 0;
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        at += line.len();
        let line = line.trim_ascii_end();
        if line.is_empty() {
            break;
        }
        let Some((name, value)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once(':')) else {
            continue;
        };
        if let Ok(name) = name.trim().parse::<HeaderName>() {
            // A header that cannot be kept is as good as none.
            let _ = headers.push_raw(name, value.trim());
        }
    }
    let content = octets.slice(at..);
    let end = content
        .strip_suffix(b"\n")
        .map_or(content.len(), |rest| rest.strip_suffix(b"\r").unwrap_or(rest).len());
    (headers, content.slice(..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Option<Vec<(Option<String>, String)>> {
        let parts = parts("b1", &Bytes::from(body.replace('\n', "\r\n")))?;
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
        Some(parts.iter().map(|(h, b)| (h.raw(HeaderName::CONTENT_TYPE).map(text), text(b))).collect())
    }

    // rfc: 2046 §5.1.1 — preamble and epilogue are passed over; the line end before a delimiter belongs to it
    #[test]
    fn parts_stand_between_delimiters() {
        let body =
            "preamble\n--b1\nContent-Type: a/b\n\none\n\n--b1  \n\ntwo\n--b12\n--b1--\nepilogue\n--b1\n";
        let expected = vec![(Some("a/b".into()), "one\r\n".into()), (None, "two\r\n--b12".into())];
        assert_eq!(read(body), Some(expected));
    }

    #[test]
    fn a_body_without_its_end_is_none() {
        assert_eq!(read("--b1\n\none\n"), None);
        assert_eq!(read(""), None);
        assert_eq!(read(&format!("{}--b1--\n", "--b1\n\nx\n".repeat(100))), None);
        assert_eq!(read("--b1--\n"), Some(vec![]));
        assert_eq!(read("--b1\n--b1--\n"), Some(vec![(None, String::new())]));
    }
}

//! [`Framer`]: byte stream → whole messages, with keep-alives.

use bytes::{Buf, Bytes, BytesMut};

use crate::{Limits, ParseError, StatusCode, parse};

/// What came whole out of a stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Frame {
    /// The bytes of one message, for [`crate::Message::parse`].
    Message(Bytes),
    /// A second CRLF between messages: the peer asks whether we are there; answer with CRLF ([RFC 5626 §4.4.1]).
    ///
    /// [RFC 5626 §4.4.1]: https://www.rfc-editor.org/rfc/rfc5626#section-4.4.1
    Ping,
    /// A first CRLF between messages: the answer to our ping, or the first half of the peer's, for which
    /// [`Frame::Ping`] follows. Told at once, since a pong is followed by nothing.
    Pong,
}

/// Why a stream cannot be framed any further; answer what can be answered and close it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("stream: {error}")]
#[non_exhaustive]
pub struct FrameError {
    /// What is wrong.
    pub error: ParseError,
    /// The head of the message at fault, as far as it was read, for [`crate::Message::salvage`].
    pub head: Bytes,
}

impl FrameError {
    /// What to answer before closing.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.error.status()
    }
}

/// Cuts a byte stream into messages ([RFC 3261 §18.3]); however the bytes are split, the frames are the same.
///
/// A message without Content-Length has no body. A message whose head is bad but whose length is known comes out as a
/// frame all the same, for [`crate::Message::parse`] to refuse, and the stream goes on. Only when the place of the next
/// message is unknown (a bad start line or Content-Length, something over the limits) the framer fails: it gives the
/// error once, then nothing more, and the stream must be closed.
///
/// [RFC 3261 §18.3]: https://www.rfc-editor.org/rfc/rfc3261#section-18.3
#[derive(Debug)]
pub struct Framer {
    limits: Limits,
    buffer: BytesMut,
    /// How far `buffer` has been searched for the end of the head.
    searched: usize,
    /// Length of the message at the front, once its head is whole.
    whole: Option<usize>,
    /// Whether a first CRLF came since the last message or ping.
    after_crlf: bool,
    failed: bool,
}

impl Framer {
    /// A framer at the start of a stream.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, buffer: BytesMut::new(), searched: 0, whole: None, after_crlf: false, failed: false }
    }

    /// Takes the next bytes of the stream; then call [`Framer::next`] until `None`.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.failed {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Bytes held that belong to no whole frame yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// The next whole frame.
    ///
    /// # Errors
    /// In `Some(Err(_))`: [`FrameError`], once; the stream must be closed.
    #[expect(clippy::should_implement_trait, reason = "more may come after None, so it is no iterator")]
    pub fn next(&mut self) -> Option<Result<Frame, FrameError>> {
        if self.failed {
            return None;
        }
        if let Some(keep_alive) = self.keep_alive() {
            return Some(Ok(keep_alive));
        }
        let whole = match self.whole.map_or_else(|| self.measure(), |whole| Ok(Some(whole))) {
            Ok(Some(whole)) => whole,
            Ok(None) => return None,
            Err(error) => return Some(Err(self.fail(error))),
        };
        self.whole = Some(whole);
        if self.buffer.len() < whole {
            return None;
        }
        (self.whole, self.searched, self.after_crlf) = (None, 0, false);
        Some(Ok(Frame::Message(self.buffer.split_to(whole).freeze())))
    }

    /// A CRLF at the front.
    fn keep_alive(&mut self) -> Option<Frame> {
        if self.whole.is_some() || !self.buffer.starts_with(b"\r\n") {
            return None;
        }
        self.buffer.advance(2);
        self.searched = 0;
        self.after_crlf = !self.after_crlf;
        Some(if self.after_crlf { Frame::Pong } else { Frame::Ping })
    }

    /// Offset behind the empty line.
    fn head_end(&mut self) -> Option<usize> {
        let bytes: &[u8] = &self.buffer;
        let mut from = self.searched;
        loop {
            let Some(newline) = memchr::memchr(b'\n', bytes.get(from..)?).map(|at| from + at) else {
                self.searched = bytes.len();
                return None;
            };
            match (bytes.get(newline + 1), bytes.get(newline + 2)) {
                (Some(b'\n'), _) => return Some(newline + 2),
                (Some(b'\r'), Some(b'\n')) => return Some(newline + 3),
                (None, _) | (Some(b'\r'), None) => {
                    self.searched = newline;
                    return None;
                }
                _ => from = newline + 1,
            }
        }
    }

    /// Length of the message at the front; `None` while its head is not whole.
    fn measure(&mut self) -> Result<Option<usize>, ParseError> {
        let too_large = ParseError::HeadTooLarge { limit: self.limits.head_bytes };
        let Some(head_end) = self.head_end() else {
            return if self.buffer.len() > self.limits.head_bytes { Err(too_large) } else { Ok(None) };
        };
        if head_end > self.limits.head_bytes {
            return Err(too_large);
        }
        let head = Bytes::copy_from_slice(self.buffer.get(..head_end).unwrap_or_default());
        let body = parse::frame(&head, &self.limits)?.content_length.unwrap_or(0);
        if body > self.limits.body_bytes {
            return Err(ParseError::BodyTooLarge { limit: self.limits.body_bytes });
        }
        Ok(Some(head_end + body))
    }

    fn fail(&mut self, error: ParseError) -> FrameError {
        self.failed = true;
        let held = self.buffer.len().min(self.limits.head_bytes);
        let head = self.buffer.split_to(held).freeze();
        self.buffer = BytesMut::new();
        FrameError { error, head }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"OPTIONS sip:a SIP/2.0\r\nl: 4\r\n\r\nbody";

    fn frames(framer: &mut Framer, bytes: &[u8]) -> Vec<Result<Frame, FrameError>> {
        framer.push(bytes);
        core::iter::from_fn(|| framer.next()).collect()
    }

    fn message(bytes: &'static [u8]) -> Result<Frame, FrameError> {
        Ok(Frame::Message(Bytes::from_static(bytes)))
    }

    // rfc: 3261 §18.3 — on a stream Content-Length, also as l, ends the message
    // rfc: 5626 §4.4.1 — CRLF CRLF is a ping, CRLF a pong
    #[test]
    fn messages_and_keep_alives_come_out_whole_and_in_order() {
        let stream = [b"\r\n", MESSAGE, b"\r\n\r\n", MESSAGE, MESSAGE].concat();
        let mut framer = Framer::new(Limits::default());
        let expected = [
            Ok(Frame::Pong),
            message(MESSAGE),
            Ok(Frame::Pong),
            Ok(Frame::Ping),
            message(MESSAGE),
            message(MESSAGE),
        ];
        assert_eq!(frames(&mut framer, &stream), expected);
        assert_eq!(framer.pending(), 0);
        let mut framer = Framer::new(Limits::default());
        let byte_by_byte: Vec<_> = stream.chunks(1).flat_map(|byte| frames(&mut framer, byte)).collect();
        assert_eq!(byte_by_byte, expected);
    }

    #[test]
    fn a_bad_header_line_does_not_cost_the_connection() {
        let mut framer = Framer::new(Limits::default());
        let bad: &[u8] = b"OPTIONS sip:a SIP/3.0\r\nno colon\r\nContent-Length: 1\r\n\r\nx";
        assert_eq!(frames(&mut framer, &[bad, MESSAGE].concat()), [message(bad), message(MESSAGE)]);
    }

    #[test]
    fn what_hides_the_next_message_ends_the_stream_once() {
        let limits = Limits::default().head_bytes(100).body_bytes(10).header_count(2);
        for (bytes, status) in [
            ("OPTIONS sip:a SIP/2.0\r\nl: -1\r\n\r\n", 400),
            ("OPTIONS sip:a SIP/2.0\r\nl: 1\r\nl: 2\r\n\r\n", 400),
            ("GET\r\n\r\n", 400),
            ("OPTIONS sip:a SIP/2.0\r\nl: 11\r\n\r\n", 413),
            ("OPTIONS sip:a SIP/2.0\r\nl: 18446744073709551615\r\n\r\n", 413),
            ("OPTIONS sip:a SIP/2.0\r\na: 1\r\nb: 1\r\nd: 1\r\n\r\n", 513),
            (&"x".repeat(101), 513),
        ] {
            let mut framer = Framer::new(limits.clone());
            let found = frames(&mut framer, bytes.as_bytes());
            assert_eq!(found.len(), 1, "{bytes}");
            assert_eq!(found[0].as_ref().unwrap_err().status().code(), status, "{bytes}");
            assert_eq!(frames(&mut framer, MESSAGE), []);
        }
    }
}

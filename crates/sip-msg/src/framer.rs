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
/// A message without Content-Length has no body. After an error the place of the next message is unknown, so the
/// framer gives nothing more.
///
/// [RFC 3261 §18.3]: https://www.rfc-editor.org/rfc/rfc3261#section-18.3
#[derive(Debug)]
pub struct Framer {
    limits: Limits,
    buffer: BytesMut,
    /// How far `buffer` has been searched for the end of the head.
    searched: usize,
    /// Whether a first CRLF came since the last message or ping.
    after_crlf: bool,
    failed: bool,
}

impl Framer {
    /// A framer at the start of a stream.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, buffer: BytesMut::new(), searched: 0, after_crlf: false, failed: false }
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
        if let Some(keep_alive) = self.keep_alive() {
            return Some(Ok(keep_alive));
        }
        let head_end = match self.head_end() {
            Some(end) => end,
            None if self.buffer.len() > self.limits.head_bytes => {
                return Some(Err(self.fail(ParseError::HeadTooLarge { limit: self.limits.head_bytes })));
            }
            None => return None,
        };
        if head_end > self.limits.head_bytes {
            return Some(Err(self.fail(ParseError::HeadTooLarge { limit: self.limits.head_bytes })));
        }
        let body = match self.body_length(head_end) {
            Ok(length) => length,
            Err(error) => return Some(Err(self.fail(error))),
        };
        let whole = head_end.saturating_add(body);
        if self.buffer.len() < whole {
            return None;
        }
        self.searched = 0;
        self.after_crlf = false;
        Some(Ok(Frame::Message(self.buffer.split_to(whole).freeze())))
    }

    /// A CRLF at the front.
    fn keep_alive(&mut self) -> Option<Frame> {
        if !self.buffer.starts_with(b"\r\n") {
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

    fn body_length(&self, head_end: usize) -> Result<usize, ParseError> {
        let head = Bytes::copy_from_slice(self.buffer.get(..head_end).unwrap_or_default());
        let length = parse::head(&head, &self.limits)?.content_length.unwrap_or(0);
        if length > self.limits.body_bytes {
            return Err(ParseError::BodyTooLarge { limit: self.limits.body_bytes });
        }
        Ok(length)
    }

    fn fail(&mut self, error: ParseError) -> FrameError {
        self.failed = true;
        let held = self.buffer.len().min(self.limits.head_bytes);
        let head = self.buffer.split_to(held).freeze();
        self.buffer = BytesMut::new();
        self.searched = 0;
        FrameError { error, head }
    }
}

//! [`Text`]: a string that shares the buffer of the message it came in.

use alloc::{borrow::Cow, string::String};
use core::{borrow::Borrow, fmt, ops::Deref};

use bytes::Bytes;
use bytestring::ByteString;

/// UTF-8 text that shares the buffer it was read from; a clone copies no bytes.
///
/// A kept `Text` keeps the whole datagram alive. What lives as long as a call is stored through
/// [`Text::detach`], which copies just these bytes.
#[derive(Clone, Default, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Text(ByteString);

impl Text {
    /// The empty text.
    #[must_use]
    pub const fn new() -> Self {
        Self(ByteString::new())
    }

    /// Text of the program itself; nothing is copied.
    #[must_use]
    #[inline]
    pub const fn from_static(text: &'static str) -> Self {
        Self(ByteString::from_static(text))
    }

    /// Shares `bytes` when they are UTF-8; otherwise reads them as Latin-1 (a copy).
    ///
    /// Some devices send display names in Latin-1; that must not lose us the call.
    #[must_use]
    pub fn from_bytes(bytes: Bytes) -> Self {
        Self::of(&bytes, 0, bytes.len())
    }

    /// As [`Text::from_bytes`], of a part of `buffer`.
    pub(crate) fn of(buffer: &Bytes, start: usize, end: usize) -> Self {
        let end = end.min(buffer.len());
        let start = start.min(end);
        match ByteString::try_from(buffer.slice(start..end)) {
            Ok(text) => Self(text),
            Err(_) => Self::latin_1(buffer.get(start..end).unwrap_or_default()),
        }
    }

    #[cold]
    fn latin_1(bytes: &[u8]) -> Self {
        Self(bytes.iter().map(|&byte| char::from(byte)).collect::<String>().into())
    }

    /// Shares `bytes` that a grammar has found to be ASCII.
    #[inline]
    pub(crate) fn of_ascii(bytes: Bytes) -> Self {
        Self(ByteString::try_from(bytes).unwrap_or_default())
    }

    /// A part of this text, sharing the buffer.
    pub(crate) fn share(&self, part: &str) -> Self {
        Self(self.0.slice_ref(part))
    }

    /// The text as a string slice.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A copy with a buffer of its own, so that the datagram can be freed.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self(ByteString::from(self.as_str()))
    }

    /// The bytes, sharing the buffer.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0.into_bytes()
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Self(text.as_str().into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Cow<'_, str>> for Text {
    fn from(text: Cow<'_, str>) -> Self {
        match text {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        }
    }
}

impl From<&Self> for Text {
    fn from(text: &Self) -> Self {
        text.clone()
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<Text> for str {
    fn eq(&self, other: &Text) -> bool {
        self == other.as_str()
    }
}

impl PartialEq<Text> for &str {
    fn eq(&self, other: &Text) -> bool {
        *self == other.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_is_shared_and_a_detached_copy_is_not() {
        let buffer = Bytes::from(b"sip:alice@example.com".to_vec());
        let text = Text::from_bytes(buffer.slice(4..9));
        assert_eq!(text, "alice");
        assert!(buffer.as_ptr_range().contains(&text.as_ptr()));
        assert!(!buffer.as_ptr_range().contains(&text.detach().as_ptr()));
    }

    #[test]
    fn latin_1_is_read_rather_than_refused() {
        assert_eq!(Text::from_bytes(Bytes::from_static(b"J\xf6rg")), "Jörg");
    }
}

//! Text that shares the buffer it was read from.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// A piece of UTF-8 text, cheap to clone: a slice of the description it came from, or a constant.
///
/// A clone keeps the whole description in memory (at most [`Limits::bytes`](crate::Limits)), not a copy of it.
#[derive(Clone)]
pub struct Text(Repr);

#[derive(Clone)]
enum Repr {
    Static(&'static str),
    Shared { buffer: Arc<str>, start: u32, end: u32 },
}

impl Text {
    /// The empty text.
    pub const EMPTY: Self = Self::from_static("");

    /// Wraps a constant without copying it.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Repr::Static(text))
    }

    /// The text as `&str`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Static(text) => text,
            Repr::Shared { buffer, start, end } => {
                buffer.get(*start as usize..*end as usize).unwrap_or_default()
            }
        }
    }

    /// The same text in a buffer of its own, so that it does not keep a whole description.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self::from(self.as_str())
    }

    /// `part`, which lies inside this text, as a text that shares its buffer; a copy when it lies elsewhere.
    #[must_use]
    pub fn share(&self, part: &str) -> Self {
        if let Repr::Shared { buffer, .. } = &self.0 {
            let start = (part.as_ptr() as usize).wrapping_sub(buffer.as_ptr() as usize);
            let end = start.wrapping_add(part.len());
            if start <= end
                && end <= buffer.len()
                && let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(end))
            {
                return Self(Repr::Shared { buffer: Arc::clone(buffer), start, end });
            }
        }
        Self::from(part)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        if text.is_empty() { Self::EMPTY } else { Self::from(Arc::from(text)) }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

/// Longer texts than a `u32` can count are cut; [`Limits`](crate::Limits) keeps descriptions far below.
impl From<Arc<str>> for Text {
    fn from(buffer: Arc<str>) -> Self {
        let end = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        Self(Repr::Shared { buffer, start: 0, end })
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

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

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_shares_the_buffer_of_the_whole() {
        let whole = Text::from("rtpmap:0 PCMU/8000");
        let part = whole.share(whole.split_once(':').unwrap().1);
        assert_eq!(part, "0 PCMU/8000");
        assert_eq!(part.as_ptr() as usize, whole.as_ptr() as usize + 7);
    }

    #[test]
    fn a_part_from_elsewhere_is_copied() {
        let elsewhere = String::from("x");
        assert_eq!(Text::from("whole").share(&elsewhere), "x");
        assert_eq!(Text::from_static("whole").share("ho"), "ho");
    }
}

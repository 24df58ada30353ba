//! `a=extmap` ([RFC 8285 §8]).
//!
//! [RFC 8285 §8]: https://www.rfc-editor.org/rfc/rfc8285#section-8

use std::fmt;

use super::{Direction, TypedAttribute};
use crate::grammar::{Fields, is_word, number};
use crate::{AttributeError, Text};

/// What an RTP header extension's id stands for: `a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Extmap {
    /// The id, 1 to 255; 4096 to 4351 offers more than there are ids.
    pub id: u16,
    /// The direction, when said.
    pub direction: Option<Direction>,
    /// What it means.
    pub uri: Text,
    /// What follows; empty when nothing does.
    pub parameters: Text,
}

impl TypedAttribute for Extmap {
    const NAME: &'static str = "extmap";

    fn parse(value: &Text) -> Result<Self, AttributeError> {
        let mut fields = Fields::new(value);
        let head = fields.take(Fields::word, |word| {
            let (id, direction) =
                word.split_once('/').map_or((word, None), |(id, direction)| (id, Some(direction)));
            let id = number(id).filter(|id| matches!(id, 1..=255 | 4096..=4351))?;
            match direction {
                Some(name) => Direction::from_name(name).map(|direction| (id, Some(direction))),
                None => Some((id, None)),
            }
        });
        let (id, direction) =
            head.ok_or_else(|| fields.error(Self::NAME, "an id, and a direction after /"))?;
        let uri = fields.word_if(is_word).ok_or_else(|| fields.error(Self::NAME, "a URI"))?;
        Ok(Self { id, direction, uri: value.share(uri), parameters: value.share(fields.rest().trim_end()) })
    }
}

impl fmt::Display for Extmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)?;
        self.direction.iter().try_for_each(|direction| write!(f, "/{direction}"))?;
        write!(f, " {}", self.uri)?;
        if self.parameters.is_empty() { Ok(()) } else { write!(f, " {}", self.parameters) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 8285 §8 — extmap value, direction, URI, attributes
    #[test]
    fn extensions_are_read_and_written_alike() {
        for text in [
            "1 urn:ietf:params:rtp-hdrext:toffset",
            "2/sendrecv http://example.com/082005/ext.htm#ttime",
            "4096/recvonly urn:x short",
        ] {
            assert_eq!(Extmap::parse(&Text::from(text)).unwrap().to_string(), text);
        }
        for bad in ["0 urn:x", "256 urn:x", "1/both urn:x", "1"] {
            assert!(Extmap::parse(&Text::from(bad)).is_err(), "{bad}");
        }
    }
}

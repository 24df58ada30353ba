//! The `b=` line ([RFC 8866 §5.8]).
//!
//! [RFC 8866 §5.8]: https://www.rfc-editor.org/rfc/rfc8866#section-5.8

use std::fmt;

use crate::grammar::{Fields, check_token, is_token, long_number};
use crate::{BuildError, Text};

/// A bandwidth and what it limits ([RFC 8866 §5.8]).
///
/// [RFC 8866 §5.8]: https://www.rfc-editor.org/rfc/rfc8866#section-5.8
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bandwidth {
    kind: Text,
    value: u64,
}

impl Bandwidth {
    /// A bandwidth of a kind such as `AS` (kbit/s) or `TIAS` (bit/s).
    ///
    /// # Errors
    /// When the kind is no token.
    pub fn new(kind: &str, value: u64) -> Result<Self, BuildError> {
        check_token("a bandwidth's kind", kind)?;
        Ok(Self { kind: Text::from(kind), value })
    }

    /// The kind: `AS`, `CT`, `TIAS` … Others than one knows are to be ignored.
    #[must_use]
    pub const fn kind(&self) -> &Text {
        &self.kind
    }

    /// The number, in the unit of its kind: kbit/s for `AS` and `CT`, bit/s for `TIAS`. The grammar sets no limit; what a
    /// `u64` cannot count is its highest value.
    #[must_use]
    pub const fn value(&self) -> u64 {
        self.value
    }

    pub(crate) fn parse(fields: &mut Fields<'_>, owner: &Text) -> Result<Self, &'static str> {
        let kind = fields.take(|f| f.until(b':'), |kind| is_token(kind).then(|| owner.share(kind)));
        let kind = kind.ok_or("a bandwidth's kind and a colon")?;
        let value = fields.take(Fields::word, |word| long_number(word.trim_start()));
        Ok(Self { kind, value: value.ok_or("a number after the colon")? })
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 8866 §5.8 — a type that is a token, a colon, and a number of any length
    #[test]
    fn a_bandwidth_is_a_kind_and_a_number() {
        let parse = |text: &str| Bandwidth::parse(&mut Fields::new(text), &Text::from(text));
        assert_eq!(parse("AS:64"), Bandwidth::new("AS", 64).map_err(|_| ""));
        assert_eq!(parse(&format!("X-YZ:{}", "9".repeat(40))).unwrap().value(), u64::MAX);
        for bad in ["AS", "AS:", "AS:x", ":64", "A S:64", "AS:-1"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(Bandwidth::new("A:S", 1).is_err());
    }
}

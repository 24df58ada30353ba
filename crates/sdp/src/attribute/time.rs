//! `a=ptime` and `a=maxptime` ([RFC 8866 §6.4], [RFC 8866 §6.5]).
//!
//! [RFC 8866 §6.4]: https://www.rfc-editor.org/rfc/rfc8866#section-6.4
//! [RFC 8866 §6.5]: https://www.rfc-editor.org/rfc/rfc8866#section-6.5

use std::fmt;

use super::TypedAttribute;
use crate::grammar::number;
use crate::{AttributeError, Text};

/// The length of media in a packet that the writer would like to receive, in milliseconds.
///
/// The grammar allows fractions of a millisecond; they are rounded, and what lies beyond 65,535 ms is an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ptime(pub u16);

/// The longest media a packet may hold, in milliseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MaxPtime(pub u16);

/// [RFC 3264 §5.1]: it must be greater than zero.
///
/// [RFC 3264 §5.1]: https://www.rfc-editor.org/rfc/rfc3264#section-5.1
fn milliseconds(name: &'static str, value: &Text) -> Result<u16, AttributeError> {
    let (whole, fraction) = value.trim_end().split_once('.').unwrap_or((value.trim_end(), "0"));
    let digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
    let up = fraction.bytes().next().is_some_and(|byte| byte >= b'5');
    let rounded = number::<u16>(whole).filter(|_| digits).and_then(|whole| whole.checked_add(u16::from(up)));
    rounded.filter(|&ms| ms > 0).ok_or(AttributeError {
        name,
        column: 1,
        expected: "milliseconds, more than 0",
    })
}

impl TypedAttribute for Ptime {
    const NAME: &'static str = "ptime";

    fn parse(value: &Text) -> Result<Self, AttributeError> {
        milliseconds(Self::NAME, value).map(Self)
    }
}

impl TypedAttribute for MaxPtime {
    const NAME: &'static str = "maxptime";

    fn parse(value: &Text) -> Result<Self, AttributeError> {
        milliseconds(Self::NAME, value).map(Self)
    }
}

impl fmt::Display for Ptime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for MaxPtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 8866 §6.4 — non-zero-int-or-real milliseconds
    #[test]
    fn fractions_are_rounded_and_zero_is_refused() {
        assert_eq!(Ptime::parse(&Text::from("20")), Ok(Ptime(20)));
        assert_eq!(Ptime::parse(&Text::from("22.5")), Ok(Ptime(23)));
        assert!(Ptime::parse(&Text::from("0")).is_err());
        assert!(Ptime::parse(&Text::from("-20")).is_err());
        assert!(MaxPtime::parse(&Text::from("65535.5")).is_err());
    }
}

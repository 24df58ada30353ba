//! `a=fmtp` ([RFC 8866 §6.15]).
//!
//! [RFC 8866 §6.15]: https://www.rfc-editor.org/rfc/rfc8866#section-6.15

use std::fmt;

use super::TypedAttribute;
use crate::grammar::{Fields, is_token};
use crate::{AttributeError, Text};

/// Parameters of a format: `a=fmtp:101 0-15`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Fmtp {
    /// The format of the `m=` line, a payload type for RTP.
    pub format: Text,
    /// The parameters, as they came.
    pub parameters: Text,
}

impl Fmtp {
    /// The value of a `name=value` parameter, names compared without regard to case; `Some("")` for a bare name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        parameter(&self.parameters, name)
    }
}

/// Looks a parameter up in a `name=value;name=value` text.
pub(crate) fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    parameters.split(';').find_map(|one| {
        let (key, value) = one.split_once('=').unwrap_or((one, ""));
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

impl TypedAttribute for Fmtp {
    const NAME: &'static str = "fmtp";

    fn parse(value: &Text) -> Result<Self, AttributeError> {
        let mut fields = Fields::new(value);
        let format = fields.word_if(is_token).ok_or_else(|| fields.error(Self::NAME, "a format"))?;
        let parameters = fields.rest();
        if parameters.is_empty() {
            return Err(fields.error(Self::NAME, "parameters"));
        }
        Ok(Self { format: value.share(format), parameters: value.share(parameters) })
    }
}

impl fmt::Display for Fmtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.format, self.parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 8866 §6.15 — a format and its parameters
    #[test]
    fn parameters_are_found_by_name() {
        let fmtp = Fmtp::parse(&Text::from("111 minptime=10; UseInbandFec=1;stereo")).unwrap();
        assert_eq!(fmtp.parameter("minptime"), Some("10"));
        assert_eq!(fmtp.parameter("useinbandfec"), Some("1"));
        assert_eq!(fmtp.parameter("stereo"), Some(""));
        assert_eq!(fmtp.parameter("cbr"), None);
        assert!(Fmtp::parse(&Text::from("111")).is_err());
    }
}

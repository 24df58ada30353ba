//! `a=silenceSupp` ([RFC 3108 §5.6.3.2]).
//!
//! [RFC 3108 §5.6.3.2]: https://www.rfc-editor.org/rfc/rfc3108#section-5.6.3.2

use std::fmt;

use super::TypedAttribute;
use crate::grammar::{Fields, is_token};
use crate::{AttributeError, Text};

/// Whether silence may be left out: `a=silenceSupp:off - - - -`, as gateways write when they pass a fax.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SilenceSupp {
    /// True when silence may be left out; `None` for `-`, nothing said.
    pub on: Option<bool>,
    /// Timer, preference, use of silence descriptors, and noise level: four words, `-` where nothing is said.
    pub details: Text,
}

impl SilenceSupp {
    /// Without details.
    #[must_use]
    pub const fn new(on: bool) -> Self {
        Self { on: Some(on), details: Text::from_static("- - - -") }
    }
}

impl TypedAttribute for SilenceSupp {
    const NAME: &'static str = "silenceSupp";

    fn parse(value: &Text) -> Result<Self, AttributeError> {
        let mut fields = Fields::new(value);
        let on = match fields.word_if(|word| matches!(word, "on" | "off" | "-")) {
            Some("-") => None,
            Some(word) => Some(word == "on"),
            None => return Err(fields.error(Self::NAME, "on, off or -")),
        };
        let details = value.share(fields.rest().trim_end());
        // Some leave the details out.
        let words =
            if details.is_empty() { 4 } else { details.split(' ').filter(|word| is_token(word)).count() };
        if words != 4 || details.split(' ').count() > 4 {
            return Err(fields.error(Self::NAME, "four words"));
        }
        Ok(Self { on, details })
    }
}

impl fmt::Display for SilenceSupp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blank = if self.details.is_empty() { "" } else { " " };
        let on = self.on.map_or("-", |on| if on { "on" } else { "off" });
        write!(f, "{on}{blank}{}", self.details)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Text;
    use crate::attribute::TypedAttribute;

    // rfc: 3108 §5.6.3.2 — on or off, timer, preference, SID use, fixed noise level
    #[test]
    fn silence_suppression_has_five_fields() {
        for text in ["off - - - -", "on 11 standard Fixed 4", "- - - - -", "on"] {
            assert_eq!(SilenceSupp::parse(&Text::from(text)).unwrap().to_string(), text);
        }
        assert_eq!(SilenceSupp::parse(&Text::from("off - - - -")), Ok(SilenceSupp::new(false)));
        for bad in ["", "maybe - - - -", "off - - -", "off - - - - -"] {
            assert!(SilenceSupp::parse(&Text::from(bad)).is_err(), "{bad}");
        }
    }
}

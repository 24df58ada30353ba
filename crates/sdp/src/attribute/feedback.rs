//! `a=rtcp-fb` ([RFC 4585 §4.2]).
//!
//! [RFC 4585 §4.2]: https://www.rfc-editor.org/rfc/rfc4585#section-4.2

use std::fmt;

use super::TypedAttribute;
use crate::grammar::{Fields, is_token, number};
use crate::{AttributeError, Text};

/// RTCP feedback that the writer takes: `a=rtcp-fb:96 nack pli`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RtcpFeedback {
    /// The payload type it is for; `None` is `*`, all of them.
    pub payload_type: Option<u8>,
    /// `ack`, `nack`, `ccm`, `trr-int`, `transport-cc` …
    pub kind: Text,
    /// What follows, such as `pli`; empty when nothing does.
    pub parameters: Text,
}

impl TypedAttribute for RtcpFeedback {
    const NAME: &'static str = "rtcp-fb";

    fn parse(value: &Text) -> Result<Self, AttributeError> {
        let mut fields = Fields::new(value);
        let payload_type = fields.take(Fields::word, |word| match word {
            "*" => Some(None),
            word => number(word).filter(|&number| number < 128).map(Some),
        });
        let payload_type = payload_type.ok_or_else(|| fields.error(Self::NAME, "a payload type or *"))?;
        let kind = fields.word_if(is_token).ok_or_else(|| fields.error(Self::NAME, "a type of feedback"))?;
        Ok(Self { payload_type, kind: value.share(kind), parameters: value.share(fields.rest().trim_end()) })
    }
}

impl fmt::Display for RtcpFeedback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.payload_type {
            Some(number) => write!(f, "{number} {}", self.kind)?,
            None => write!(f, "* {}", self.kind)?,
        }
        if self.parameters.is_empty() { Ok(()) } else { write!(f, " {}", self.parameters) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 4585 §4.2 — payload type or *, feedback type, parameters
    #[test]
    fn feedback_is_read_and_written_alike() {
        for text in ["96 nack pli", "* ccm fir", "111 transport-cc", "98 trr-int 100"] {
            assert_eq!(RtcpFeedback::parse(&Text::from(text)).unwrap().to_string(), text);
        }
        assert!(RtcpFeedback::parse(&Text::from("128 nack")).is_err());
        assert!(RtcpFeedback::parse(&Text::from("96")).is_err());
    }
}

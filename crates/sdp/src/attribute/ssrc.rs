//! `a=ssrc` and `a=ssrc-group` ([RFC 5576]).
//!
//! [RFC 5576]: https://www.rfc-editor.org/rfc/rfc5576

use std::fmt;

use super::TypedAttribute;
use crate::grammar::{Fields, is_token, number};
use crate::{AttributeError, Text};

/// Something about one synchronization source: `a=ssrc:314159 cname:user@example.com`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Ssrc {
    /// The source.
    pub ssrc: u32,
    /// The attribute's name: `cname`, `msid`, `previous-ssrc` …
    pub attribute: Text,
    /// Its value, unless it is a flag.
    pub value: Option<Text>,
}

impl TypedAttribute for Ssrc {
    const NAME: &'static str = "ssrc";

    fn parse(value: &Text) -> Result<Self, AttributeError> {
        let mut fields = Fields::new(value);
        let ssrc = fields.number().ok_or_else(|| fields.error(Self::NAME, "an SSRC in decimal"))?;
        let rest = fields.rest();
        let (attribute, said) = rest.split_once(':').map_or((rest, None), |(name, said)| (name, Some(said)));
        if !is_token(attribute) {
            return Err(fields.error(Self::NAME, "an attribute of the source"));
        }
        Ok(Self { ssrc, attribute: value.share(attribute), value: said.map(|said| value.share(said)) })
    }
}

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.ssrc, self.attribute)?;
        self.value.iter().try_for_each(|value| write!(f, ":{value}"))
    }
}

/// Sources that belong together: `a=ssrc-group:FID 1 2`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SsrcGroup {
    /// What they are to each other: `FID`, `FEC`, `SIM` …
    pub semantics: Text,
    /// The sources.
    pub sources: Vec<u32>,
}

impl TypedAttribute for SsrcGroup {
    const NAME: &'static str = "ssrc-group";

    fn parse(value: &Text) -> Result<Self, AttributeError> {
        let mut fields = Fields::new(value);
        let semantics =
            fields.word_if(is_token).ok_or_else(|| fields.error(Self::NAME, "the group's semantics"))?;
        let sources = fields.rest().split_ascii_whitespace().map(number).collect::<Option<Vec<u32>>>();
        let sources = sources.ok_or_else(|| fields.error(Self::NAME, "SSRCs in decimal"))?;
        Ok(Self { semantics: value.share(semantics), sources })
    }
}

impl fmt::Display for SsrcGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.semantics.fmt(f)?;
        self.sources.iter().try_for_each(|source| write!(f, " {source}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 5576 §4.1 — ssrc-id, attribute, value
    // rfc: 5576 §4.2 — semantics, ssrc-ids
    #[test]
    fn sources_are_read_and_written_alike() {
        for text in ["314159 cname:user@example.com", "1 msid:a b", "2 flag"] {
            assert_eq!(Ssrc::parse(&Text::from(text)).unwrap().to_string(), text);
        }
        assert_eq!(
            SsrcGroup::parse(&Text::from("FID 1 4294967295")).unwrap().to_string(),
            "FID 1 4294967295"
        );
        assert!(Ssrc::parse(&Text::from("4294967296 cname:x")).is_err());
        assert!(Ssrc::parse(&Text::from("1")).is_err());
        assert!(SsrcGroup::parse(&Text::from("FID x")).is_err());
    }
}

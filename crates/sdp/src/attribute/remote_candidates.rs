//! `a=remote-candidates` ([RFC 8839 §5.2]).
//!
//! [RFC 8839 §5.2]: https://www.rfc-editor.org/rfc/rfc8839#section-5.2

use std::fmt;

use super::TypedAttribute;
use crate::grammar::{Fields, is_word, number};
use crate::{AttributeError, Text};

/// The candidates of the peer that were chosen: `a=remote-candidates:1 192.0.2.3 45664`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RemoteCandidates(
    /// Component, address and port of each, at least one.
    pub Vec<(u16, Text, u16)>,
);

impl TypedAttribute for RemoteCandidates {
    const NAME: &'static str = "remote-candidates";

    fn parse(value: &Text) -> Result<Self, AttributeError> {
        let mut fields = Fields::new(value);
        let mut all = Vec::new();
        loop {
            let component =
                fields.take(Fields::word, |word| number(word).filter(|id| (1..=256).contains(id)));
            let component = component.ok_or_else(|| fields.error(Self::NAME, "a component of 1 to 256"))?;
            let address = fields.word_if(is_word).ok_or_else(|| fields.error(Self::NAME, "an address"))?;
            let port = fields.number().ok_or_else(|| fields.error(Self::NAME, "a port"))?;
            all.push((component, value.share(address), port));
            if fields.rest().is_empty() {
                return Ok(Self(all));
            }
        }
    }
}

impl fmt::Display for RemoteCandidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(index, (component, address, port))| {
            write!(f, "{}{component} {address} {port}", if index == 0 { "" } else { " " })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Text;
    use crate::attribute::TypedAttribute;

    // rfc: 8839 §5.2 — component, address and port of each component
    #[test]
    fn each_component_has_an_address() {
        for text in ["1 192.0.2.3 45664", "1 2001:db8::1 45664 2 2001:db8::1 45665"] {
            assert_eq!(RemoteCandidates::parse(&Text::from(text)).unwrap().to_string(), text);
        }
        for bad in ["", "0 192.0.2.3 1", "1 192.0.2.3", "1 192.0.2.3 65536", "1 192.0.2.3 1 2"] {
            assert!(RemoteCandidates::parse(&Text::from(bad)).is_err(), "{bad}");
        }
    }
}

//! `a=rtcp`: where RTCP goes when not to the next port ([RFC 3605]).
//!
//! [RFC 3605]: https://www.rfc-editor.org/rfc/rfc3605

use std::fmt;

use super::TypedAttribute;
use crate::connection::Address;
use crate::grammar::{Fields, number};
use crate::{AttributeError, Text};

/// The port, and if it differs the address, for RTCP: `a=rtcp:53020 IN IP4 192.0.2.1`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Rtcp {
    /// The port.
    pub port: u16,
    /// The address, when it is another than that of the `c=` line.
    pub address: Option<Address>,
}

impl Rtcp {
    /// Another port at the same address.
    #[must_use]
    pub const fn new(port: u16) -> Self {
        Self { port, address: None }
    }
}

impl TypedAttribute for Rtcp {
    const NAME: &'static str = "rtcp";

    fn parse(value: &Text) -> Result<Self, AttributeError> {
        let mut fields = Fields::new(value);
        let port = fields.take(Fields::word, number);
        let port = port.ok_or_else(|| fields.error(Self::NAME, "a port"))?;
        let address = match fields.rest() {
            "" => None,
            _ => {
                let address = Address::parse(&mut fields, value);
                Some(address.map_err(|expected| fields.error(Self::NAME, expected))?.0)
            }
        };
        Ok(Self { port, address })
    }
}

impl fmt::Display for Rtcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.port.fmt(f)?;
        self.address.iter().try_for_each(|address| write!(f, " {address}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 3605 §2.1 — a port, and optionally a connection address
    #[test]
    fn the_address_is_optional() {
        assert_eq!(Rtcp::parse(&Text::from("53020")), Ok(Rtcp::new(53_020)));
        let full = Text::from("53020 IN IP6 2001:2345:6789:ABCD:EF01:2345:6789:ABCD");
        assert!(Rtcp::parse(&full).unwrap().address.unwrap().ip().unwrap().is_ipv6());
        assert_eq!(Rtcp::parse(&Text::from("53020 IN IP4 x")).unwrap().to_string(), "53020 IN IP4 x");
        assert_eq!(Rtcp::parse(&Text::from("1 IN")).unwrap_err().column, 5);
    }
}

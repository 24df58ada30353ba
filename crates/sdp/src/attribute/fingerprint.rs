//! `a=fingerprint` ([RFC 8122 §5]) and `a=setup` ([RFC 4145 §4]): whom DTLS may speak to, and who begins.
//!
//! [RFC 8122 §5]: https://www.rfc-editor.org/rfc/rfc8122#section-5
//! [RFC 4145 §4]: https://www.rfc-editor.org/rfc/rfc4145#section-4

use std::fmt;

use super::TypedAttribute;
use crate::grammar::{Fields, is_token};
use crate::{AttributeError, BuildError, Text};

/// The hash of a certificate: `a=fingerprint:sha-256 4A:AD:…`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Fingerprint {
    /// The hash function, in lower case: `sha-256`.
    pub hash: Text,
    /// The octets of the hash, 1 to 64.
    pub octets: Vec<u8>,
}

impl Fingerprint {
    /// A fingerprint of these octets.
    ///
    /// # Errors
    /// When the name of the hash is no token, or there are no octets or more than 64.
    pub fn new(hash: &str, octets: &[u8]) -> Result<Self, BuildError> {
        crate::grammar::check_token("a hash function", hash)?;
        if octets.is_empty() || octets.len() > MAX_OCTETS {
            return Err(BuildError { what: "a fingerprint", must_be: "1 to 64 octets" });
        }
        Ok(Self { hash: Text::from(hash.to_ascii_lowercase()), octets: octets.to_vec() })
    }
}

const MAX_OCTETS: usize = 64;

impl TypedAttribute for Fingerprint {
    const NAME: &'static str = "fingerprint";

    fn parse(value: &Text) -> Result<Self, AttributeError> {
        let mut fields = Fields::new(value);
        let hash = fields.word_if(is_token).ok_or_else(|| fields.error(Self::NAME, "a hash function"))?;
        let octets =
            fields.rest().trim_end().split(':').take(MAX_OCTETS + 1).map(octet).collect::<Option<Vec<_>>>();
        let octets = octets.filter(|octets| octets.len() <= MAX_OCTETS);
        let octets =
            octets.ok_or_else(|| fields.error(Self::NAME, "1 to 64 octets in hexadecimal, with colons"))?;
        let lower = !hash.bytes().any(|byte| byte.is_ascii_uppercase());
        let hash = if lower { value.share(hash) } else { Text::from(hash.to_ascii_lowercase()) };
        Ok(Self { hash, octets })
    }
}

/// Upper case is the rule; lower case occurs.
fn octet(text: &str) -> Option<u8> {
    let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u8::from_str_radix(text, 16).ok()).flatten()
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hash)?;
        let mut separator = ' ';
        self.octets
            .iter()
            .try_for_each(|octet| write!(f, "{}{octet:02X}", std::mem::replace(&mut separator, ':')))
    }
}

/// Who opens the connection: `a=setup:actpass`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Setup {
    /// The writer begins.
    Active,
    /// The writer waits.
    Passive,
    /// Either; what an offer says.
    ActPass,
    /// Not now.
    HoldConn,
}

impl Setup {
    const ALL: [Self; 4] = [Self::Active, Self::Passive, Self::ActPass, Self::HoldConn];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
            Self::HoldConn => "holdconn",
        }
    }
}

impl TypedAttribute for Setup {
    const NAME: &'static str = "setup";

    fn parse(value: &Text) -> Result<Self, AttributeError> {
        let role = Self::ALL.into_iter().find(|role| role.as_str().eq_ignore_ascii_case(value.trim_end()));
        role.ok_or(AttributeError {
            name: Self::NAME,
            column: 1,
            expected: "active, passive, actpass or holdconn",
        })
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 8122 §5 — hash-func SP fingerprint, octets in upper-case hexadecimal with colons
    #[test]
    fn octets_are_written_in_upper_case() {
        let fingerprint = Fingerprint::parse(&Text::from("SHA-1 4a:AD:b9")).unwrap();
        assert_eq!(fingerprint, Fingerprint::new("sha-1", &[0x4a, 0xad, 0xb9]).unwrap());
        assert_eq!(fingerprint.to_string(), "sha-1 4A:AD:B9");
        for bad in
            ["sha-1", "sha-1 4A:", "sha-1 4AA:00", "sha-1 +1", &format!("sha-1 00{}", ":00".repeat(64))]
        {
            assert!(Fingerprint::parse(&Text::from(bad)).is_err(), "{bad}");
        }
    }

    // rfc: 4145 §4 — the four values of setup
    #[test]
    fn setup_has_four_values() {
        for role in Setup::ALL {
            assert_eq!(Setup::parse(&Text::from(role.to_string())), Ok(role));
        }
        assert!(Setup::parse(&Text::from("either")).is_err());
    }
}

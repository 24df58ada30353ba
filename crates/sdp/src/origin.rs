//! The `o=` line ([RFC 8866 §5.2]).
//!
//! [RFC 8866 §5.2]: https://www.rfc-editor.org/rfc/rfc8866#section-5.2

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use crate::connection::Address;
use crate::grammar::{Fields, is_word};
use crate::{BuildError, Text};

/// Who made a description, which session it describes, and which version of it ([RFC 8866 §5.2]).
///
/// [RFC 8866 §5.2]: https://www.rfc-editor.org/rfc/rfc8866#section-5.2
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin {
    /// The whole line behind `o=`, with one blank between the fields.
    text: Text,
    address: Address,
}

impl Origin {
    /// What is there before the line is read.
    pub(crate) const BLANK: Self =
        Self { text: Text::EMPTY, address: Address::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) };

    /// An origin; the version rises with each change.
    ///
    /// # Errors
    /// When the user name is empty or holds blanks.
    pub fn new(
        username: &str,
        session_id: u64,
        version: u64,
        address: impl Into<Address>,
    ) -> Result<Self, BuildError> {
        if !is_word(username) {
            return Err(BuildError { what: "the user name", must_be: "a word without blanks" });
        }
        let address = address.into();
        Ok(Self { text: Text::from(format!("{username} {session_id} {version} {address}")), address })
    }

    /// An origin whose user name is `-`.
    #[must_use]
    pub fn anonymous(session_id: u64, version: u64, address: impl Into<Address>) -> Self {
        let address = address.into();
        Self { text: Text::from(format!("- {session_id} {version} {address}")), address }
    }

    fn field(&self, index: usize) -> &str {
        self.text.split(' ').nth(index).unwrap_or_default()
    }

    /// The user's login, or `-`.
    #[must_use]
    pub fn username(&self) -> &str {
        self.field(0)
    }

    /// The session's number, in digits; the grammar sets no limit.
    #[must_use]
    pub fn session_id(&self) -> &str {
        self.field(1)
    }

    /// The version's number, in digits; the grammar sets no limit.
    #[must_use]
    pub fn version(&self) -> &str {
        self.field(2)
    }

    /// The address of who made the description; not where media goes.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// The line behind `o=`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True when both name the same session, whatever its version.
    #[must_use]
    pub fn same_session(&self, other: &Self) -> bool {
        (self.username(), self.session_id(), &self.address)
            == (other.username(), other.session_id(), &other.address)
    }

    pub(crate) fn parse(fields: &mut Fields<'_>, owner: &Text) -> Result<Self, &'static str> {
        let before = *fields;
        fields.word_if(is_word).ok_or("a user name")?;
        fields.digits().ok_or("a session id in digits")?;
        fields.digits().ok_or("a session version in digits")?;
        let address = Address::parse_origin(fields, owner)?;
        Ok(Self { text: fields.text_since(&before, owner), address })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Origin {
        Origin::parse(&mut Fields::new(text), &Text::from(text)).unwrap()
    }

    // rfc: 8866 §5.2 — all but the version together identify the session
    #[test]
    fn a_session_is_known_by_all_but_its_version() {
        let one = parse("alice 1 1 IN IP6 2001:DB8::0:1");
        assert!(one.same_session(&parse("alice 1 2 IN IP6 2001:db8::1")));
        for other in
            ["bob 1 1 IN IP6 2001:db8::1", "alice 2 1 IN IP6 2001:db8::1", "alice 1 1 IN IP6 2001:db8::2"]
        {
            assert!(!one.same_session(&parse(other)), "{other}");
        }
        assert_eq!(one.to_string(), "alice 1 1 IN IP6 2001:DB8::0:1", "written as it came");
    }

    #[test]
    fn blanks_between_fields_are_counted_as_one() {
        let origin = parse("-  1 2  IN IP4  192.0.2.1 ");
        assert_eq!(origin.as_str(), "- 1 2 IN IP4 192.0.2.1");
        assert_eq!((origin.username(), origin.session_id(), origin.version()), ("-", "1", "2"));
        assert_eq!(origin, Origin::anonymous(1, 2, std::net::Ipv4Addr::new(192, 0, 2, 1)));
        for other in ["- 1 2 ATM  NSAP x", "- 1 2 IN  IP4 x\u{a0}y"].map(parse) {
            assert_eq!(other, parse(other.as_str()), "whatever the address");
        }
        let two_words = "- 1 2 IN  IP4\u{a0}h";
        assert!(Origin::parse(&mut Fields::new(two_words), &Text::from(two_words)).is_err());
    }

    #[test]
    fn a_user_name_is_a_word() {
        let new = |name| Origin::new(name, 1, 1, std::net::Ipv4Addr::LOCALHOST);
        assert_eq!(new("jdoe").unwrap().to_string(), "jdoe 1 1 IN IP4 127.0.0.1");
        assert!(new("").is_err() && new("a b").is_err() && new("a\r\nm=").is_err());
    }
}

//! `a=ice-ufrag` and `a=ice-pwd` ([RFC 8839 §5.4]), `a=ice-options` ([RFC 8839 §5.6]).
//!
//! [RFC 8839 §5.6]: https://www.rfc-editor.org/rfc/rfc8839#section-5.6
//! [RFC 8839 §5.4]: https://www.rfc-editor.org/rfc/rfc8839#section-5.4

use std::fmt;

use super::macros::text_attribute;
use super::{Attributes, TypedAttribute};
use crate::grammar::is_token;
use crate::{AttributeError, BuildError, Text};

/// The user fragment of an ICE agent, 4 to 256 characters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IceUfrag(Text);

/// The password of an ICE agent, 22 to 256 characters. `Debug` does not show it.
#[derive(Clone, Eq, PartialEq)]
pub struct IcePwd(Text);

fn is_ice(text: &str, shortest: usize) -> bool {
    let characters = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    characters && (shortest..=256).contains(&text.len())
}

impl TypedAttribute for IceUfrag {
    const NAME: &'static str = "ice-ufrag";

    fn parse(value: &Text) -> Result<Self, AttributeError> {
        let error =
            AttributeError { name: Self::NAME, column: 1, expected: "4 to 256 letters, digits, + and /" };
        if is_ice(value, 4) { Ok(Self(value.clone())) } else { Err(error) }
    }
}

impl TypedAttribute for IcePwd {
    const NAME: &'static str = "ice-pwd";

    fn parse(value: &Text) -> Result<Self, AttributeError> {
        let error =
            AttributeError { name: Self::NAME, column: 1, expected: "22 to 256 letters, digits, + and /" };
        if is_ice(value, 22) { Ok(Self(value.clone())) } else { Err(error) }
    }
}

impl fmt::Display for IceUfrag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for IcePwd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for IcePwd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IcePwd(…)")
    }
}

text_attribute! {
    /// What an ICE agent can do, words with blanks: `a=ice-options:ice2 trickle` ([RFC 8839 §5.6]).
    ///
    /// [RFC 8839 §5.6]: https://www.rfc-editor.org/rfc/rfc8839#section-5.6
    IceOptions, "ice-options", |text| text.split(' ').all(is_token), "tokens with blanks"
}

/// What an ICE agent signs its checks with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IceCredentials {
    ufrag: IceUfrag,
    pwd: IcePwd,
}

impl IceCredentials {
    /// A user fragment and a password.
    ///
    /// # Errors
    /// When one of them is too short, too long, or has a character that is no letter, digit, `+` or `/`.
    pub fn new(ufrag: &str, pwd: &str) -> Result<Self, BuildError> {
        if !is_ice(ufrag, 4) || !is_ice(pwd, 22) {
            return Err(BuildError {
                what: "ICE credentials",
                must_be: "at least 4 and 22 letters, digits, + and /",
            });
        }
        Ok(Self { ufrag: IceUfrag(Text::from(ufrag)), pwd: IcePwd(Text::from(pwd)) })
    }

    /// The user fragment.
    #[must_use]
    pub const fn ufrag(&self) -> &Text {
        &self.ufrag.0
    }

    /// The password. Secret.
    #[must_use]
    pub const fn pwd(&self) -> &Text {
        &self.pwd.0
    }

    /// Those of a media section, else those of the session; `None` when there are none that can be read.
    #[must_use]
    pub(crate) fn of(media: &Attributes, session: &Attributes) -> Option<Self> {
        let both = |attributes: &Attributes| {
            Some(Self { ufrag: attributes.get().ok()??, pwd: attributes.get().ok()?? })
        };
        both(media).or_else(|| both(session))
    }

    pub(crate) fn write(&self, attributes: &mut Attributes) {
        attributes.push_typed(&self.ufrag);
        attributes.push_typed(&self.pwd);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 8839 §5.4 — ice-ufrag has 4 to 256 and ice-pwd 22 to 256 ice-chars
    #[test]
    fn credentials_have_a_least_length() {
        assert!(IceCredentials::new("8hhY", "asd88fgpdd777uzjYhagZg").is_ok());
        assert!(IceCredentials::new("8hh", "asd88fgpdd777uzjYhagZg").is_err());
        assert!(IceCredentials::new("8hhY", "asd88fgpdd777uzjYhagZ").is_err());
        assert!(IceCredentials::new("8hh-", "asd88fgpdd777uzjYhagZg").is_err());
    }

    // rfc: 8839 §5.6 — ice-options are tokens
    #[test]
    fn options_are_words() {
        let parse = |text: &str| IceOptions::parse(&Text::from(text));
        assert_eq!(parse("ice2 trickle").unwrap().to_string(), "ice2 trickle");
        assert!(parse("").is_err() && parse("a  b").is_err());
    }

    #[test]
    fn debug_shows_no_password() {
        let credentials = IceCredentials::new("8hhY", "asd88fgpdd777uzjYhagZg").unwrap();
        assert!(!format!("{credentials:?}").contains("asd88"));
    }
}

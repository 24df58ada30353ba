//! Who we are, and what proves it.

use std::fmt;
use std::sync::Arc;

use sip_msg::Text;
use zeroize::Zeroizing;

/// A user name and password, or a token; for one realm or for whoever asks.
///
/// `Debug` shows neither.
#[derive(Clone)]
pub struct Credentials {
    pub(super) username: Text,
    pub(super) secret: Secret,
    realm: Option<Text>,
}

/// Shared, so that a thousand calls of one account hold the password once.
#[derive(Clone)]
pub(super) enum Secret {
    Password(Arc<Zeroizing<String>>),
    Token(Arc<Zeroizing<String>>),
}

impl Credentials {
    /// A user name and password for any realm.
    pub fn new(username: impl Into<Text>, password: impl Into<String>) -> Self {
        let secret = Secret::Password(Arc::new(Zeroizing::new(password.into())));
        Self { username: username.into().detach(), secret, realm: None }
    }

    /// An access token for any realm ([RFC 8898]).
    ///
    /// It is sent over TLS; over another transport only if it is encrypted itself, as a JWE is ([RFC 8898 §2.1.2]).
    ///
    /// [RFC 8898]: https://www.rfc-editor.org/rfc/rfc8898
    /// [RFC 8898 §2.1.2]: https://www.rfc-editor.org/rfc/rfc8898#section-2.1.2
    pub fn bearer(token: impl Into<String>) -> Self {
        let secret = Secret::Token(Arc::new(Zeroizing::new(token.into())));
        Self { username: Text::default(), secret, realm: None }
    }

    /// `anonymous` without a password, which some servers let in ([RFC 3261 §22.1]).
    ///
    /// [RFC 3261 §22.1]: https://www.rfc-editor.org/rfc/rfc3261#section-22.1
    #[must_use]
    pub fn anonymous() -> Self {
        Self::new("anonymous", "")
    }

    /// Only for this realm; other challenges go unanswered.
    #[must_use]
    pub fn realm(mut self, realm: impl Into<Text>) -> Self {
        self.realm = Some(realm.into().detach());
        self
    }

    /// The user name; empty with a token.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// Whether they are meant for a realm.
    pub(super) fn suit(&self, realm: &str) -> bool {
        self.realm.as_ref().is_none_or(|own| **own == *realm)
    }

    /// Whether they are for one realm only, and that is it.
    pub(super) fn are_for(&self, realm: &str) -> bool {
        self.realm.as_ref().is_some_and(|own| **own == *realm)
    }

    pub(super) fn password(&self) -> Option<&str> {
        match &self.secret {
            Secret::Password(password) => Some(password),
            Secret::Token(_) => None,
        }
    }

    pub(super) fn token(&self) -> Option<&str> {
        match &self.secret {
            Secret::Token(token) => Some(token),
            Secret::Password(_) => None,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("realm", &self.realm).finish_non_exhaustive()
    }
}

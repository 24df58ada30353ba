//! Who we are towards registrars and the people we call.

use std::time::Duration;

use sip_msg::{NameAddr, Text, Uri, UriError};
use sip_ua::auth::Credentials;

/// An address-of-record, where it registers, and the password it answers challenges with.
///
/// ```
/// use voip::Account;
///
/// let alice = Account::new("sip:alice@example.com")?.password("secret").display_name("Alice");
/// assert_eq!(alice.aor().to_string(), "sip:alice@example.com");
/// # Ok::<(), voip::UriError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Account {
    aor: Uri,
    display_name: Option<Text>,
    registrar: Option<Uri>,
    proxies: Vec<Uri>,
    auth_user: Option<Text>,
    password: Option<Secret>,
    expires: Duration,
}

/// A password; it shows itself to nobody.
#[derive(Clone)]
struct Secret(Text);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<hidden>")
    }
}

impl Account {
    /// An account for an address such as `sip:alice@example.com`.
    ///
    /// It registers at the domain of the address for an hour and knows no password, unless the URI has one
    /// (`sip:alice:secret@example.com`), which is taken out of it.
    ///
    /// # Errors
    /// [`UriError`] when the text is not a SIP URI.
    pub fn new(aor: &str) -> Result<Self, UriError> {
        let aor = Uri::parse(aor.to_owned())?;
        let password = aor.password().map(|password| Secret(password.as_ref().into()));
        Ok(Self {
            aor: aor.without_password(),
            display_name: None,
            registrar: None,
            proxies: Vec::new(),
            auth_user: None,
            password,
            expires: Duration::from_secs(3600),
        })
    }

    /// The password for digest authentication.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(Secret(password.into()));
        self
    }

    /// The user name for digest authentication, where it is not the user of the address.
    #[must_use]
    pub fn auth_user(mut self, user: &str) -> Self {
        self.auth_user = Some(user.into());
        self
    }

    /// The name shown to the people we call.
    #[must_use]
    pub fn display_name(mut self, name: &str) -> Self {
        self.display_name = Some(name.into());
        self
    }

    /// Where to register, if not at the domain of the address.
    #[must_use]
    pub fn registrar(mut self, registrar: Uri) -> Self {
        self.registrar = Some(registrar);
        self
    }

    /// One more outbound proxy that requests go through, after those given before: a pre-loaded route
    /// ([RFC 3261 §8.1.2]). Without an `lr` parameter one is added: a strict router in this place is never meant.
    ///
    /// [RFC 3261 §8.1.2]: https://www.rfc-editor.org/rfc/rfc3261#section-8.1.2
    #[must_use]
    pub fn proxy(mut self, proxy: Uri) -> Self {
        self.proxies.push(proxy.with_param("lr", None));
        self
    }

    /// How long a registration should last, in whole seconds; an hour when not said. The registrar may shorten it.
    #[must_use]
    pub fn expires(mut self, expires: Duration) -> Self {
        self.expires = expires;
        self
    }

    /// The address-of-record, without a password.
    #[must_use]
    pub fn aor(&self) -> &Uri {
        &self.aor
    }

    pub(crate) fn credentials(&self) -> Option<Credentials> {
        let password = self.password.as_ref()?;
        let user = self
            .auth_user
            .clone()
            .or_else(|| self.aor.user().map(|user| user.as_ref().into()))
            .unwrap_or_default();
        Some(Credentials::new(user, password.0.as_str()))
    }

    pub(crate) fn from(&self) -> NameAddr {
        NameAddr { display_name: self.display_name.clone(), uri: self.aor.clone() }
    }

    pub(crate) fn route(&self) -> Vec<Uri> {
        self.proxies.clone()
    }

    pub(crate) fn registration(&self) -> sip_ua::Account {
        let mut account =
            sip_ua::Account::new(self.aor.clone()).expires(self.expires).outbound_proxies(self.route());
        account.display_name.clone_from(&self.display_name);
        account.credentials = self.credentials();
        if let Some(registrar) = &self.registrar {
            account = account.registrar(registrar.clone());
        }
        account
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_uri_is_taken_out_and_never_shown() {
        let account = Account::new("sip:alice:secret@example.com").unwrap();
        assert_eq!(account.aor().to_string(), "sip:alice@example.com");
        assert!(account.credentials().is_some());
        assert!(!format!("{account:?}").contains("secret"), "{account:?}");
    }

    #[test]
    fn a_proxy_is_a_loose_router() {
        let account =
            Account::new("sip:alice@example.com").unwrap().proxy(Uri::parse("sip:proxy.example").unwrap());
        assert_eq!(account.route()[0].to_string(), "sip:proxy.example;lr");
    }
}

//! Who we are towards registrars and the people we call.

use std::time::Duration;

use sip_msg::{NameAddr, Text, Uri, UriError};
use sip_ua::auth::Credentials;
use sip_ua::{BackOff, GruuPolicy, Outbound, Push};

/// An address-of-record, where and how it registers, and the password it answers challenges with.
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
    settings: sip_ua::Account,
    auth_user: Option<Text>,
    password: Option<Secret>,
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
        let settings = sip_ua::Account::new(aor.without_password());
        Ok(Self { settings, auth_user: None, password })
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
    pub fn display_name(self, name: &str) -> Self {
        self.with(|settings| settings.display_name(name))
    }

    /// Where to register, if not at the domain of the address.
    #[must_use]
    pub fn registrar(self, registrar: Uri) -> Self {
        self.with(|settings| settings.registrar(registrar))
    }

    /// One more outbound proxy that requests go through, after those given before: a pre-loaded route
    /// ([RFC 3261 §8.1.2]). Without an `lr` parameter one is added: a strict router in this place is never meant.
    ///
    /// [RFC 3261 §8.1.2]: https://www.rfc-editor.org/rfc/rfc3261#section-8.1.2
    #[must_use]
    pub fn proxy(mut self, proxy: Uri) -> Self {
        self.settings.outbound_proxies.push(proxy.with_param("lr", None));
        self
    }

    /// Keeps a connection open and is reached over it, behind whatever NAT ([RFC 5626]); over several if
    /// [`Outbound::proxy`] names several.
    ///
    /// ```
    /// use voip::{Account, Outbound, Uri};
    ///
    /// let proxy = |uri: &str| Uri::parse(uri.to_owned());
    /// let outbound = Outbound::new().proxy(proxy("sip:a.example.com;lr")?).proxy(proxy("sip:b.example.com;lr")?);
    /// let alice = Account::new("sip:alice@example.com")?.outbound(outbound);
    /// # Ok::<(), voip::UriError>(())
    /// ```
    ///
    /// [RFC 5626]: https://www.rfc-editor.org/rfc/rfc5626
    #[must_use]
    pub fn outbound(self, outbound: Outbound) -> Self {
        self.with(|settings| settings.outbound(outbound))
    }

    /// Which device this is: a URN that stays the same when it restarts ([RFC 5626 §4.1]), as in
    /// `urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6`. A random one for each endpoint when not said.
    ///
    /// [RFC 5626 §4.1]: https://www.rfc-editor.org/rfc/rfc5626#section-4.1
    #[must_use]
    pub fn instance(self, urn: &str) -> Self {
        self.with(|settings| settings.instance(urn))
    }

    /// Asks for an address that reaches this very device, and calls with it ([RFC 5627]).
    ///
    /// [RFC 5627]: https://www.rfc-editor.org/rfc/rfc5627
    #[must_use]
    pub fn gruu(self, gruu: GruuPolicy) -> Self {
        self.with(|settings| settings.gruu(gruu))
    }

    /// How a push service wakes us ([RFC 8599]).
    ///
    /// [RFC 8599]: https://www.rfc-editor.org/rfc/rfc8599
    #[must_use]
    pub fn push(self, push: Push) -> Self {
        self.with(|settings| settings.push(push))
    }

    /// The user part of our Contact, where it is not that of the address.
    #[must_use]
    pub fn contact_user(self, user: &str) -> Self {
        self.with(|settings| settings.contact_user(user))
    }

    /// How long a registration should last, in whole seconds; an hour when not said. The registrar may shorten it.
    #[must_use]
    pub fn expires(self, expires: Duration) -> Self {
        self.with(|settings| settings.expires(expires))
    }

    /// How long to wait after a failure: 1 s, twice as long each time up to 60 s, when not said.
    #[must_use]
    pub fn back_off(self, back_off: BackOff) -> Self {
        self.with(|settings| settings.back_off(back_off))
    }

    /// After so many failures in a row the status is [`Failed`](crate::RegistrationStatus::Failed); three.
    #[must_use]
    pub fn failure_threshold(self, failures: u32) -> Self {
        self.with(|settings| settings.failure_threshold(failures))
    }

    /// How often to keep the way to the registrar open; zero: never. When not said, as the network wants it.
    #[must_use]
    pub fn keep_alive(self, interval: Duration) -> Self {
        self.with(|settings| settings.keep_alive(interval))
    }

    /// The same settings for another user of the same domain.
    #[must_use]
    pub fn as_user(self, user: &str) -> Self {
        self.with(|mut settings| {
            settings.aor = settings.aor.with_user(user);
            settings
        })
    }

    /// The address-of-record, without a password.
    #[must_use]
    pub fn aor(&self) -> &Uri {
        &self.settings.aor
    }

    fn with(mut self, change: impl FnOnce(sip_ua::Account) -> sip_ua::Account) -> Self {
        self.settings = change(self.settings);
        self
    }

    pub(crate) fn credentials(&self) -> Option<Credentials> {
        let password = self.password.as_ref()?;
        let user = self
            .auth_user
            .clone()
            .or_else(|| self.aor().user().map(|user| user.as_ref().into()))
            .unwrap_or_default();
        Some(Credentials::new(user, password.0.as_str()))
    }

    pub(crate) fn from(&self) -> NameAddr {
        NameAddr { display_name: self.settings.display_name.clone(), uri: self.aor().clone() }
    }

    pub(crate) fn route(&self) -> Vec<Uri> {
        self.settings.outbound_proxies.clone()
    }

    pub(crate) fn registration(&self) -> sip_ua::Account {
        let mut account = self.settings.clone();
        account.credentials = self.credentials();
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
    fn another_user_has_the_same_settings() {
        let account = Account::new("sip:alice:secret@example.com").unwrap().as_user("bob");
        assert_eq!(account.aor().to_string(), "sip:bob@example.com");
        assert_eq!(account.credentials().unwrap().username(), "bob");
    }

    #[test]
    fn a_proxy_is_a_loose_router() {
        let account =
            Account::new("sip:alice@example.com").unwrap().proxy(Uri::parse("sip:proxy.example").unwrap());
        assert_eq!(account.route()[0].to_string(), "sip:proxy.example;lr");
    }
}

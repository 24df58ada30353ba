//! Push notifications: what a network needs to wake us, and what it says it will do ([RFC 8599]).
//!
//! [RFC 8599]: https://www.rfc-editor.org/rfc/rfc8599

use std::fmt;
use std::time::Duration;

use sip_msg::{FeatureCaps, Headers, Text, Uri};

/// The parameters of a Contact that let a network wake us through a push service ([RFC 8599 §4.1]).
///
/// They go into REGISTER requests and nowhere else.
///
/// [RFC 8599 §4.1]: https://www.rfc-editor.org/rfc/rfc8599#section-4.1
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct Push {
    /// The service, `pn-provider`: `apns`, `fcm`, `webpush`. Empty, and without `prid`: ask which ones the network knows.
    pub provider: Text,
    /// What the service needs besides, `pn-param`.
    pub param: Option<Text>,
    /// Our own address at the service, `pn-prid`; without, the network is only asked whether it knows the service.
    pub prid: Option<Text>,
}

impl Push {
    /// Asks for notifications, by our address `prid` at a service.
    pub fn new(provider: impl Into<Text>, prid: impl Into<Text>) -> Self {
        Self { provider: provider.into(), param: None, prid: Some(prid.into()) }
    }

    /// Only asks what the network knows: this service, or with an empty name all of them ([RFC 8599 §4.1.5]).
    ///
    /// [RFC 8599 §4.1.5]: https://www.rfc-editor.org/rfc/rfc8599#section-4.1.5
    pub fn query(provider: impl Into<Text>) -> Self {
        Self { provider: provider.into(), param: None, prid: None }
    }

    /// What the service needs besides.
    #[must_use]
    pub fn param(mut self, param: impl Into<Text>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Writes the parameters into a Contact; a binding that is removed has no `pn-prid`.
    pub(super) fn write(&self, contact: &mut Uri, removes: bool) {
        contact.set_param("pn-provider", Some(&*self.provider).filter(|provider| !provider.is_empty()));
        if let Some(param) = &self.param {
            contact.set_param("pn-param", Some(param));
        }
        if let Some(prid) = self.prid.as_ref().filter(|_| !removes) {
            contact.set_param("pn-prid", Some(prid));
        }
    }
}

/// An address at a push service lets anybody who has it wake the device.
impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// A Contact without what only the registrar may see ([RFC 8599 §4.1]).
///
/// [RFC 8599 §4.1]: https://www.rfc-editor.org/rfc/rfc8599#section-4.1
pub(super) fn strip(contact: &mut Uri) {
    for param in ["pn-provider", "pn-param", "pn-prid"] {
        contact.remove_param(param);
    }
}

/// What the network said about push notifications, in Feature-Caps of a 2xx.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct PushSupport {
    /// The services it knows (`+sip.pns`).
    pub services: Vec<Text>,
    /// We must refresh by ourselves so long before the binding ends (`+sip.pnsreg`); otherwise a notification asks us to.
    pub refresh_before: Option<Duration>,
    /// The key that notifications will be signed with (`+sip.vapid`).
    pub vapid: Option<Text>,
}

impl PushSupport {
    /// Reads Feature-Caps; `None` when nothing there is about push.
    pub(super) fn read(headers: &Headers) -> Option<Self> {
        let mut support = Self::default();
        for caps in headers.all::<FeatureCaps>().flatten() {
            let value = |name| caps.params.value(name).map(|value| Text::from(value).detach());
            support.services.extend(value("+sip.pns"));
            // §8.4 of the RFC names it `sip.pnsreg`, the text of §4.1.4 `sip.pnsreq`.
            let seconds = value("+sip.pnsreg").or_else(|| value("+sip.pnsreq"));
            if let Some(seconds) = seconds.and_then(|seconds| seconds.parse().ok()) {
                support.refresh_before = Some(Duration::from_secs(seconds));
            }
            support.vapid = support.vapid.take().or_else(|| value("+sip.vapid"));
        }
        (!support.services.is_empty()).then_some(support)
    }

    /// Whether the network will send notifications through a service.
    #[must_use]
    pub fn knows(&self, provider: &str) -> bool {
        self.services.iter().any(|service| service.eq_ignore_ascii_case(provider))
    }
}

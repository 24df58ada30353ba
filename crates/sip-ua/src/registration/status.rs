//! [`RegistrationStatus`] and [`Grant`]: how a registration stands, as an application looks at it.

use std::time::{Duration, Instant};

use sip_msg::Uri;
use sip_txn::Flow;

use super::gruu::Gruus;
use super::push::PushSupport;

/// How an account stands.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum RegistrationStatus {
    /// Nothing is registered, nor being tried.
    #[default]
    Inactive,
    /// The first REGISTER waits for its turn or its answer, or what stood has been lost and is being restored.
    Registering,
    /// The registrar has our binding.
    Registered,
    /// The binding is being removed.
    Deregistering,
    /// As many failures in a row as the account's threshold, or a refusal that no further try will change.
    ///
    /// What may pass is being tried on: [`Event::RegistrationFailed`](crate::Event::RegistrationFailed) tells when.
    Failed,
}

/// What the registrar granted, as its latest 2xx says.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Grant {
    /// Our Contact as the registrar has it.
    pub contact: Uri,
    /// The time granted.
    pub expires: Duration,
    /// When the binding ends unless it is refreshed.
    pub until: Instant,
    /// What it came over.
    pub flow: Flow,
    /// Where requests of this account are to go first ([RFC 3608]).
    ///
    /// [RFC 3608]: https://www.rfc-editor.org/rfc/rfc3608
    pub service_route: Vec<Uri>,
    /// The proxies that requests to us will come through ([RFC 3327]).
    ///
    /// [RFC 3327]: https://www.rfc-editor.org/rfc/rfc3327
    pub path: Vec<Uri>,
    /// Addresses that reach this very device ([RFC 5627]).
    ///
    /// [RFC 5627]: https://www.rfc-editor.org/rfc/rfc5627
    pub gruus: Gruus,
    /// Whether we are reached over the flow itself ([RFC 5626]).
    ///
    /// [RFC 5626]: https://www.rfc-editor.org/rfc/rfc5626
    pub outbound: bool,
    /// What the network does about push notifications ([RFC 8599]); `None` when it said nothing.
    ///
    /// [RFC 8599]: https://www.rfc-editor.org/rfc/rfc8599
    pub push: Option<PushSupport>,
}

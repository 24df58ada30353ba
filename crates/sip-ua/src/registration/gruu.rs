//! GRUUs: addresses that reach this very device from anywhere ([RFC 5627]).
//!
//! [RFC 5627]: https://www.rfc-editor.org/rfc/rfc5627

use std::time::Duration;

use sip_msg::{ContactAddress, Uri};

/// The time a refresh may take before it has failed, which it must have before temporary GRUUs lapse (RFC 5627 §4.2).
const REFRESH_TAKES: Duration = Duration::from_secs(32);

/// Which GRUU an account asks for and its dialogs use as Contact ([RFC 5627 §4.4]).
///
/// [RFC 5627 §4.4]: https://www.rfc-editor.org/rfc/rfc5627#section-4.4
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum GruuPolicy {
    /// None is asked for.
    #[default]
    Off,
    /// The one that shows the address-of-record and stays the same.
    Public,
    /// The latest one that hides it; the public one if the registrar gives no other.
    Temporary,
}

/// The GRUUs of a registration.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Gruus {
    /// The one that shows the address-of-record.
    pub public: Option<Uri>,
    /// The latest one that hides it. Earlier ones stay valid while the registration stands.
    pub temporary: Option<Uri>,
}

impl Gruus {
    /// What our own Contact in a 2xx says ([RFC 5627 §4.2]).
    ///
    /// [RFC 5627 §4.2]: https://www.rfc-editor.org/rfc/rfc5627#section-4.2
    pub(super) fn read(own: &ContactAddress) -> Self {
        let uri = |name| Some(own.params.value(name)?.parse::<Uri>().ok()?.detach());
        Self { public: uri("pub-gruu"), temporary: uri("temp-gruu") }
    }

    /// The one that a policy wants.
    #[must_use]
    pub fn of(&self, policy: GruuPolicy) -> Option<&Uri> {
        match policy {
            GruuPolicy::Off => None,
            GruuPolicy::Public => self.public.as_ref(),
            GruuPolicy::Temporary => self.temporary.as_ref().or(self.public.as_ref()),
        }
    }
}

/// When to refresh at the latest, so that no GRUU lapses while the refresh is on its way ([RFC 5627 §4.2]).
///
/// [RFC 5627 §4.2]: https://www.rfc-editor.org/rfc/rfc5627#section-4.2
pub(super) fn latest_refresh(granted: Duration) -> Duration {
    if granted > 2 * REFRESH_TAKES { granted - REFRESH_TAKES } else { granted / 2 }
}

#[cfg(test)]
mod tests {
    use sip_msg::{Contact, HeaderName, Headers};

    use super::*;

    // rfc: 5627 §4.2 — a Contact may bring a public GRUU, a temporary one, both or neither
    #[test]
    fn each_gruu_may_be_missing() {
        for (params, public, temporary) in [
            ("", false, false),
            (";pub-gruu=\"sip:a@b;gr=x\"", true, false),
            (";temp-gruu=\"sip:t@b;gr\"", false, true),
            (";pub-gruu=\"sip:a@b;gr=x\";temp-gruu=\"sip:t@b;gr\"", true, true),
            (";pub-gruu=\"no URI\"", false, false),
        ] {
            let mut headers = Headers::default();
            headers.push_raw(HeaderName::CONTACT, format!("<sip:a@192.0.2.1>{params}")).unwrap();
            let contact = headers.require::<Contact>().unwrap();
            let gruus = Gruus::read(contact.address().unwrap());
            assert_eq!((gruus.public.is_some(), gruus.temporary.is_some()), (public, temporary));
            assert_eq!(gruus.of(GruuPolicy::Temporary).is_some(), public || temporary);
            assert_eq!(gruus.of(GruuPolicy::Public).is_some(), public);
            assert_eq!(gruus.of(GruuPolicy::Off), None);
        }
    }

    // rfc: 5627 §4.2 — refreshed 32 s before the end, below 64 s halfway
    #[test]
    fn a_refresh_ends_before_the_registration_does() {
        let secs = Duration::from_secs;
        assert_eq!(latest_refresh(secs(100)), secs(68));
        assert_eq!(latest_refresh(secs(65)), secs(33));
        assert_eq!(latest_refresh(secs(64)), secs(32));
        assert_eq!(latest_refresh(secs(20)), secs(10));
    }
}

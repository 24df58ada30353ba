//! Outbound: flows that we open, keep open, and are reached over ([RFC 5626]).
//!
//! [RFC 5626]: https://www.rfc-editor.org/rfc/rfc5626

use std::fmt::Write as _;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use sip_msg::{FlowTimer, Headers, Require, Text, Uri};
use sip_txn::Transport;

use super::keep_alive::{Plan, Probe};

/// The flows of one account: at most so many, whatever the set of proxies (RFC 5626 §4.2.1 asks for up to four).
pub(super) const FLOWS: usize = 8;

/// How an account is reached over flows of its own making ([RFC 5626 §4]).
///
/// [RFC 5626 §4]: https://www.rfc-editor.org/rfc/rfc5626#section-4
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outbound {
    /// The outbound proxy set: one flow through each, in an order that never changes, at most eight. Empty: one flow, through
    /// [`Account::outbound_proxies`](crate::Account::outbound_proxies) or to the registrar.
    pub proxies: Vec<Uri>,
    /// Whether to register without outbound when the first hop lacks it (439); true.
    pub fallback: bool,
}

impl Outbound {
    /// One flow, and without outbound where that does not work.
    #[must_use]
    pub fn new() -> Self {
        Self { proxies: Vec::new(), fallback: true }
    }

    /// One more proxy to keep a flow to.
    #[must_use]
    pub fn proxy(mut self, proxy: Uri) -> Self {
        self.proxies.push(proxy);
        self
    }

    /// Whether to register without outbound when the first hop lacks it.
    #[must_use]
    pub fn fallback(mut self, fallback: bool) -> Self {
        self.fallback = fallback;
        self
    }
}

impl Default for Outbound {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a 2xx says that outbound is in force ([RFC 5626 §4.2.1]).
///
/// [RFC 5626 §4.2.1]: https://www.rfc-editor.org/rfc/rfc5626#section-4.2.1
pub(super) fn is_in_force(headers: &Headers) -> bool {
    let required = headers.get::<Require>().ok().flatten();
    required.is_some_and(|required| required.0.iter().any(|tag| tag.eq_ignore_ascii_case("outbound")))
}

/// How often a flow is asked whether it stands ([RFC 5626 §4.4]): as Flow-Timer says, else as suits the transport.
///
/// [RFC 5626 §4.4]: https://www.rfc-editor.org/rfc/rfc5626#section-4.4
pub(super) fn keep_alive(transport: Transport, headers: &Headers) -> Plan {
    let secs = Duration::from_secs;
    let (probe, usual) = match transport {
        Transport::Udp => (Probe::Stun, (secs(24), secs(29))),
        Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
            (Probe::Ping, (secs(95), secs(120)))
        }
    };
    match headers.get::<FlowTimer>() {
        Ok(Some(FlowTimer(seconds))) if seconds > 0 => Plan::within(probe, secs(seconds.into())),
        _ => Plan { probe, least: usual.0, most: usual.1 },
    }
}

/// The instance id of an agent that was given none: a random UUID ([RFC 4122 §4.4]), the same for the same seed.
///
/// [RFC 4122 §4.4]: https://www.rfc-editor.org/rfc/rfc4122#section-4.4
pub(crate) fn instance(seed: [u8; 32]) -> Text {
    let mut random = ChaCha20Rng::from_seed(seed);
    random.set_stream(0x6964);
    let mut octets = [0; 16];
    random.fill_bytes(&mut octets);
    let [.., version, _, variant, _, _, _, _, _, _, _] = &mut octets;
    *version = *version & 0x0f | 0x40;
    *variant = *variant & 0x3f | 0x80;
    let mut urn = String::from("urn:uuid:");
    for (at, octet) in octets.iter().enumerate() {
        let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
        // Writing into a String cannot fail.
        let _ = write!(urn, "{dash}{octet:02x}");
    }
    urn.into()
}

#[cfg(test)]
mod tests {
    use sip_msg::HeaderName;

    use super::*;

    // rfc: 5626 §4.1 — the instance id is a UUID URN that stays the same
    #[test]
    fn the_instance_is_a_uuid_that_a_seed_gives_again() {
        let urn = instance([5; 32]);
        assert_eq!(urn, instance([5; 32]));
        assert_ne!(urn, instance([6; 32]));
        let parts: Vec<&str> = urn.strip_prefix("urn:uuid:").unwrap().split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']), "{urn}");
    }

    // rfc: 5626 §4.4 — keep-alives at 80 to 100 % of Flow-Timer
    // rfc: 5626 §4.4.1 — without it 95 to 120 s over a connection
    // rfc: 5626 §4.4.2 — and 24 to 29 s over UDP
    #[test]
    fn keep_alives_come_as_flow_timer_says_or_as_is_usual() {
        let mut headers = Headers::default();
        let secs = |plan: Plan| (plan.least.as_secs(), plan.most.as_secs());
        assert_eq!(secs(keep_alive(Transport::Tls, &headers)), (95, 120));
        assert_eq!(secs(keep_alive(Transport::Udp, &headers)), (24, 29));
        headers.push_raw(HeaderName::FLOW_TIMER, "100").unwrap();
        assert_eq!(secs(keep_alive(Transport::Tcp, &headers)), (80, 100));
    }
}

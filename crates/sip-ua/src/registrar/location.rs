//! Where users are: their bindings, with an end to each ([RFC 3261 §10.3]).
//!
//! [RFC 3261 §10.3]: https://www.rfc-editor.org/rfc/rfc3261#section-10.3

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sip_msg::{Text, Uri};
use sip_txn::Flow;

/// One place where a user can be reached.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The address it gave.
    pub contact: Uri,
    /// Its preference, in thousandths.
    pub q: u16,
    /// When it ends.
    pub expires_at: Instant,
    /// What its REGISTER came over: the only way back to a user agent behind a NAT or without a listener.
    pub flow: Flow,
    pub(crate) call_id: Text,
    pub(crate) cseq: u32,
}

/// The bindings of all users.
#[derive(Debug, Default)]
pub(crate) struct Location {
    users: BTreeMap<Text, Vec<Binding>>,
}

/// Why a REGISTER changed nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refused {
    /// An older REGISTER of the same user agent came late.
    OutOfOrder,
    /// The user has as many bindings as are allowed.
    TooMany,
}

impl Location {
    /// Adds and changes bindings, those whose time is zero removing them; all of them or none.
    pub(crate) fn update(
        &mut self,
        now: Instant,
        user: &Text,
        changes: Vec<(Binding, Duration)>,
        most: usize,
    ) -> Result<(), Refused> {
        let mut bindings = self.users.get(user).cloned().unwrap_or_default();
        bindings.retain(|binding| binding.expires_at > now);
        for (new, lifetime) in changes {
            let old = bindings.iter().position(|old| old.contact.equivalent(&new.contact));
            if let Some(old) = old {
                let old = bindings.remove(old);
                if old.call_id == new.call_id && old.cseq >= new.cseq {
                    return Err(Refused::OutOfOrder);
                }
            }
            if !lifetime.is_zero() {
                bindings.push(new);
            }
        }
        if bindings.len() > most {
            return Err(Refused::TooMany);
        }
        if bindings.is_empty() {
            self.users.remove(user);
        } else {
            self.users.insert(user.detach(), bindings);
        }
        Ok(())
    }

    /// Removes all bindings of a user (`Contact: *`).
    pub(crate) fn clear(&mut self, user: &str) {
        self.users.remove(user);
    }

    /// Where a user is, the best first.
    pub(crate) fn lookup(&self, now: Instant, user: &str) -> Vec<Binding> {
        let mut bindings: Vec<_> = self
            .users
            .get(user)
            .into_iter()
            .flatten()
            .filter(|binding| binding.expires_at > now)
            .cloned()
            .collect();
        bindings.sort_by_key(|binding| std::cmp::Reverse(binding.q));
        bindings
    }

    /// The flow behind a contact, for requests that are sent to it directly.
    pub(crate) fn flow_to(&self, now: Instant, contact: &Uri) -> Option<Flow> {
        let live = self.users.values().flatten().filter(|binding| binding.expires_at > now);
        live.into_iter().find(|binding| binding.contact.equivalent(contact)).map(|binding| binding.flow)
    }

    /// Forgets what has ended.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.users.retain(|_, bindings| {
            bindings.retain(|binding| binding.expires_at > now);
            !bindings.is_empty()
        });
    }

    /// When the next binding ends.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.users.values().flatten().map(|binding| binding.expires_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_txn::Transport;
    use testkit::Clock;

    fn binding(now: Instant, contact: &str, call_id: &str, cseq: u32, seconds: u64) -> (Binding, Duration) {
        let flow = Flow {
            transport: Transport::Udp,
            local: "127.0.0.1:5060".parse().unwrap(),
            remote: "127.0.0.1:5070".parse().unwrap(),
        };
        let lifetime = Duration::from_secs(seconds);
        let contact = Uri::parse(contact.to_owned()).unwrap();
        let expires_at = now + lifetime;
        (Binding { contact, q: 1000, expires_at, flow, call_id: call_id.into(), cseq }, lifetime)
    }

    // rfc: 3261 §10.3 — a binding ends with its time
    #[test]
    fn a_binding_ends_with_its_time() {
        let (mut clock, mut location) = (Clock::new(), Location::default());
        location
            .update(clock.now(), &"bob".into(), vec![binding(clock.now(), "sip:b@h:1", "c", 1, 60)], 5)
            .unwrap();
        assert_eq!(location.lookup(clock.now(), "bob").len(), 1);
        clock.advance(Duration::from_secs(60));
        assert!(location.lookup(clock.now(), "bob").is_empty());
        location.expire(clock.now());
        assert_eq!(location.next_expiry(), None);
    }

    // rfc: 3261 §10.3 — a REGISTER older than the last of its Call-ID changes nothing
    #[test]
    fn a_late_older_register_changes_nothing() {
        let (clock, mut location) = (Clock::new(), Location::default());
        let now = clock.now();
        location.update(now, &"bob".into(), vec![binding(now, "sip:b@h:1", "c", 2, 60)], 5).unwrap();
        let removal = vec![binding(now, "sip:b@h:1", "c", 1, 0)];
        assert_eq!(location.update(now, &"bob".into(), removal, 5), Err(Refused::OutOfOrder));
        assert_eq!(location.lookup(now, "bob").len(), 1);
        location.update(now, &"bob".into(), vec![binding(now, "sip:b@h:1", "c", 3, 0)], 5).unwrap();
        assert!(location.lookup(now, "bob").is_empty());
    }

    #[test]
    fn the_number_of_bindings_has_a_limit() {
        let (clock, mut location) = (Clock::new(), Location::default());
        let now = clock.now();
        let many = (0..4).map(|port| binding(now, &format!("sip:b@h:{}", port + 1), "c", 1, 60)).collect();
        assert_eq!(location.update(now, &"bob".into(), many, 3), Err(Refused::TooMany));
        assert!(location.lookup(now, "bob").is_empty());
    }
}

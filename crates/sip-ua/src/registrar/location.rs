//! Where users are: their bindings, with an end to each ([RFC 3261 §10.3]).
//!
//! [RFC 3261 §10.3]: https://www.rfc-editor.org/rfc/rfc3261#section-10.3

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use sip_msg::{Route, Text, Uri};
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
    /// The proxies on the way to it, the first to go to first ([RFC 3327]).
    ///
    /// [RFC 3327]: https://www.rfc-editor.org/rfc/rfc3327
    pub path: Vec<Route>,
    /// Its `+sip.instance` and `reg-id`, if it registers by [RFC 5626].
    ///
    /// [RFC 5626]: https://www.rfc-editor.org/rfc/rfc5626
    pub outbound: Option<(Text, u32)>,
    /// Whether the connection of `flow` is closed.
    pub(crate) cut_off: bool,
    pub(crate) call_id: Text,
    pub(crate) cseq: u32,
}

impl Binding {
    /// Whether a REGISTER with the other means this one: the same flow of the same instance, or the same address.
    fn is_replaced_by(&self, other: &Self) -> bool {
        match (&self.outbound, &other.outbound) {
            (Some(old), Some(new)) => old == new,
            (_, _) => self.contact.equivalent(&other.contact),
        }
    }
}

/// The bindings of all users.
#[derive(Debug, Default)]
pub(crate) struct Location {
    users: BTreeMap<Text, Vec<Binding>>,
    /// When the first binding of each user ends.
    ends: BTreeSet<(Instant, Text)>,
    /// Who has a binding at an address.
    addresses: HashMap<String, Vec<Text>>,
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
            while let Some(at) = bindings.iter().position(|old| old.is_replaced_by(&new)) {
                let old = bindings.remove(at);
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
        self.set(user, bindings);
        Ok(())
    }

    /// Removes all bindings of a user (`Contact: *`), unless one of them is from a later REGISTER of the same Call-ID.
    pub(crate) fn clear(&mut self, user: &Text, call_id: &Text, cseq: u32) -> Result<(), Refused> {
        let later = |old: &Binding| old.call_id == *call_id && old.cseq >= cseq;
        if self.users.get(user).is_some_and(|bindings| bindings.iter().any(later)) {
            return Err(Refused::OutOfOrder);
        }
        self.set(user, Vec::new());
        Ok(())
    }

    /// Where a user is, the best first.
    pub(crate) fn lookup(&self, now: Instant, user: &str) -> Vec<Binding> {
        let live = |binding: &&Binding| binding.expires_at > now;
        let mut bindings: Vec<_> = self.users.get(user).into_iter().flatten().filter(live).cloned().collect();
        bindings.sort_by_key(|binding| std::cmp::Reverse(binding.q));
        bindings
    }

    /// The binding behind a contact, for requests that are sent to it directly.
    pub(crate) fn binding_at(&self, now: Instant, contact: &Uri) -> Option<&Binding> {
        let users = self.addresses.get(&address(contact))?;
        let mut live = users.iter().filter_map(|user| self.users.get(user)).flatten();
        live.find(|binding| binding.expires_at > now && binding.contact.equivalent(contact))
    }

    /// Takes back what was registered over a connection that is closed: a binding by RFC 5626 is nothing without it, any
    /// other may have a listener at its address. Gives the users that lost a binding.
    pub(crate) fn flow_closed(&mut self, flow: &Flow) -> Vec<Text> {
        let mut lost = Vec::new();
        let holders: Vec<Text> = self
            .users
            .iter()
            .filter(|(_, bindings)| bindings.iter().any(|binding| binding.flow == *flow))
            .map(|(user, _)| user.clone())
            .collect();
        for user in holders {
            let mut bindings = self.users.get(&user).cloned().unwrap_or_default();
            let before = bindings.len();
            bindings.retain(|binding| binding.flow != *flow || binding.outbound.is_none());
            bindings
                .iter_mut()
                .filter(|binding| binding.flow == *flow)
                .for_each(|binding| binding.cut_off = true);
            let shorter = bindings.len() < before;
            self.set(&user, bindings);
            if shorter {
                lost.push(user);
            }
        }
        lost
    }

    /// Forgets what has ended, and gives the users who lost a binding.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Text> {
        let mut lost = Vec::new();
        while let Some((_, user)) = self.ends.first().filter(|(at, _)| *at <= now).cloned() {
            let mut bindings = self.users.get(&user).cloned().unwrap_or_default();
            bindings.retain(|binding| binding.expires_at > now);
            self.set(&user, bindings);
            lost.push(user);
        }
        lost
    }

    /// When the next binding ends.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.ends.first().map(|(at, _)| *at)
    }

    /// All bindings of a user, with what finds them.
    fn set(&mut self, user: &Text, bindings: Vec<Binding>) {
        for old in self.users.remove(user).iter().flatten() {
            self.ends.remove(&(old.expires_at, user.clone()));
            let key = address(&old.contact);
            if let Some(users) = self.addresses.get_mut(&key) {
                users.retain(|other| other != user);
                if users.is_empty() {
                    self.addresses.remove(&key);
                }
            }
        }
        let Some(first) = bindings.iter().map(|binding| binding.expires_at).min() else { return };
        let user = user.detach();
        for binding in &bindings {
            let users = self.addresses.entry(address(&binding.contact)).or_default();
            if !users.contains(&user) {
                users.push(user.clone());
            }
        }
        self.ends.insert((first, user.clone()));
        self.users.insert(user, bindings);
    }
}

/// What equivalent contacts have in common: user, host and port.
fn address(contact: &Uri) -> String {
    let host = contact.host_port().map(|place| place.to_string().to_ascii_lowercase()).unwrap_or_default();
    format!("{}@{host}", contact.user().unwrap_or_default())
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
        let (path, outbound, cut_off) = (Vec::new(), None, false);
        let call_id = call_id.into();
        (Binding { contact, q: 1000, expires_at, flow, path, outbound, cut_off, call_id, cseq }, lifetime)
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

    // rfc: 5626 §6 — a binding by instance and reg-id replaces that of the same flow, whatever its address
    #[test]
    fn a_flow_of_an_instance_has_one_binding() {
        let (clock, mut location) = (Clock::new(), Location::default());
        let now = clock.now();
        let flow = |contact: &str, cseq, instance: &str, reg_id| {
            let (mut binding, lifetime) = binding(now, contact, "c", cseq, 60);
            binding.outbound = Some((instance.into(), reg_id));
            vec![(binding, lifetime)]
        };
        let user = Text::from("bob");
        location.update(now, &user, flow("sip:b@h:1", 1, "urn:uuid:1", 1), 5).unwrap();
        location.update(now, &user, flow("sip:b@h:2", 2, "urn:uuid:1", 1), 5).unwrap();
        location.update(now, &user, flow("sip:b@h:3", 3, "urn:uuid:1", 2), 5).unwrap();
        location.update(now, &user, flow("sip:b@h:4", 1, "urn:uuid:2", 1), 5).unwrap();
        let mut contacts: Vec<_> =
            location.lookup(now, "bob").iter().map(|binding| binding.contact.to_string()).collect();
        contacts.sort();
        assert_eq!(contacts, ["sip:b@h:2", "sip:b@h:3", "sip:b@h:4"]);
    }

    #[test]
    fn a_closed_connection_takes_its_outbound_bindings_along() {
        let (clock, mut location) = (Clock::new(), Location::default());
        let now = clock.now();
        let (mut outbound, lifetime) = binding(now, "sip:b@h:1", "c", 1, 60);
        outbound.outbound = Some(("urn:uuid:1".into(), 1));
        let flow = outbound.flow;
        location
            .update(now, &"bob".into(), vec![(outbound, lifetime), binding(now, "sip:b@h:2", "c", 1, 60)], 5)
            .unwrap();
        assert_eq!(location.flow_closed(&flow), ["bob"]);
        let left = location.lookup(now, "bob");
        assert_eq!((left.len(), left[0].cut_off), (1, true));
        assert!(location.flow_closed(&flow).is_empty(), "it has no other");
    }

    #[test]
    fn what_finds_bindings_ends_with_them() {
        let (mut clock, mut location) = (Clock::new(), Location::default());
        let now = clock.now();
        for user in ["alice", "bob"] {
            let all = vec![
                binding(now, "sip:Shared@H.example:1", "c", 1, 60),
                binding(now, "sip:x@h:2", "c", 1, 30),
            ];
            location.update(now, &user.into(), all, 5).unwrap();
        }
        let contact: Uri = "sip:%53hared@h.EXAMPLE:1".parse().unwrap();
        assert!(location.binding_at(now, &contact).is_some());
        clock.advance(Duration::from_secs(30));
        assert_eq!(location.expire(clock.now()), ["alice", "bob"]);
        assert_eq!(location.next_expiry(), Some(now + Duration::from_secs(60)));
        clock.advance(Duration::from_secs(30));
        location.expire(clock.now());
        assert!(location.binding_at(clock.now(), &contact).is_none());
        assert!(location.users.is_empty() && location.addresses.is_empty() && location.ends.is_empty());
    }
}

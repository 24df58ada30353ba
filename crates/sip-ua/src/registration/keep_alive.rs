//! [`Flows`]: which registrations stand on which flow, and when each flow is kept alive. However many accounts share a flow,
//! it is asked once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use sip_txn::{Flow, TransactionLayer};

use crate::event::RegistrationId;
use crate::ids::Ids;

/// The shortest time between two keep-alives, whatever a server asks for.
const SHORTEST: Duration = Duration::from_secs(5);

/// How a flow is kept alive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Probe {
    /// A datagram that nobody answers: it keeps a NAT open.
    Datagram,
    /// STUN over UDP, which is answered.
    Stun,
    /// Line ends or a WebSocket ping over a connection, which is answered.
    Ping,
}

/// How, and in which random intervals.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Plan {
    pub(super) probe: Probe,
    pub(super) least: Duration,
    pub(super) most: Duration,
}

impl Plan {
    /// Intervals of 80 to 100 % of a time.
    pub(super) fn within(probe: Probe, most: Duration) -> Self {
        let most = most.max(SHORTEST);
        Self { probe, least: most * 4 / 5, most }
    }
}

/// Who stands on a flow: one binding of one account.
pub(super) type User = (RegistrationId, u32);

#[derive(Debug)]
struct Kept {
    flow: Flow,
    users: BTreeSet<User>,
    plan: Option<Plan>,
    next: Option<Instant>,
    /// A keep-alive has been answered.
    answered: bool,
}

/// The flows that registrations stand on.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    kept: BTreeMap<u64, Kept>,
    index: HashMap<Flow, u64>,
    times: BTreeSet<(Instant, u64)>,
    last_id: u64,
}

impl Flows {
    /// A binding stands on a flow now; where several want it kept alive, the shortest interval counts.
    pub(super) fn join(&mut self, now: Instant, ids: &mut Ids, flow: Flow, user: User, plan: Option<Plan>) {
        let id = *self.index.entry(flow).or_insert_with(|| {
            self.last_id += 1;
            self.last_id
        });
        let kept = self.kept.entry(id).or_insert_with(|| Kept {
            flow,
            users: BTreeSet::new(),
            plan: None,
            next: None,
            answered: false,
        });
        kept.users.insert(user);
        let Some(plan) = plan else { return };
        if kept.plan.is_none_or(|known| plan.most < known.most) {
            kept.plan = Some(plan);
            let next = now + ids.between(plan.least, plan.most);
            self.times.extend([(next, id)]);
            if let Some(old) = kept.next.replace(next) {
                self.times.remove(&(old, id));
            }
        }
    }

    /// A binding does not stand on it any more.
    pub(super) fn leave(&mut self, flow: &Flow, user: User) {
        let Some(id) = self.index.get(flow).copied() else { return };
        let Some(kept) = self.kept.get_mut(&id) else { return };
        kept.users.remove(&user);
        if kept.users.is_empty() {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: u64) -> Option<Kept> {
        let kept = self.kept.remove(&id)?;
        self.index.remove(&kept.flow);
        if let Some(next) = kept.next {
            self.times.remove(&(next, id));
        }
        Some(kept)
    }

    /// A flow is gone: who stood on it, and whether a keep-alive was answered there.
    pub(crate) fn closed(&mut self, flow: &Flow) -> (BTreeSet<RegistrationId>, bool) {
        let kept = self.index.get(flow).copied().and_then(|id| self.forget(id));
        kept.map_or_else(Default::default, |kept| {
            (kept.users.into_iter().map(|(registration, _)| registration).collect(), kept.answered)
        })
    }

    /// A keep-alive was answered.
    pub(crate) fn answered(&mut self, flow: &Flow) {
        let kept = self.index.get(flow).copied().and_then(|id| self.kept.get_mut(&id));
        if let Some(kept) = kept {
            kept.answered = true;
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.times.first().map(|(at, _)| *at)
    }

    /// Sends what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant, ids: &mut Ids, layer: &mut TransactionLayer) {
        while let Some((at, id)) = self.times.first().copied()
            && at <= now
        {
            self.times.pop_first();
            let Some(kept) = self.kept.get_mut(&id) else { continue };
            kept.next = None;
            let Some(plan) = kept.plan else { continue };
            // A flow that is being asked already, or that is closed, needs no second question: the layer tells what becomes of it.
            let _ = match plan.probe {
                Probe::Stun => layer.keep_alive_with_stun(now, kept.flow),
                Probe::Datagram | Probe::Ping => layer.keep_alive(now, kept.flow),
            };
            let next = now + ids.between(plan.least, plan.most);
            kept.next = Some(next);
            self.times.insert((next, id));
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.index.is_empty() && self.times.is_empty()
    }
}

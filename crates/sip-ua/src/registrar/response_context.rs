//! Which of the answers goes back ([RFC 3261 §16.7]).
//!
//! [RFC 3261 §16.7]: https://www.rfc-editor.org/rfc/rfc3261#section-16.7

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_msg::{Class, HeaderName, Method, Request, Response, StatusCode, Via};
use sip_txn::{ClientId, Ending, Flow, ServerId, TransactionLayer};

use super::Registrar;
use super::proxy::Target;

/// How long an INVITE may ring without a sign of life ([RFC 3261 §16.6], Timer C: more than three minutes).
///
/// [RFC 3261 §16.6]: https://www.rfc-editor.org/rfc/rfc3261#section-16.6
const TIMER_C: Duration = Duration::from_secs(185);
/// How many challenges of all branches together one answer carries.
const MAX_CHALLENGES: usize = 16;
/// What a 401 or 407 asks with.
const CHALLENGES: [HeaderName; 2] = [HeaderName::WWW_AUTHENTICATE, HeaderName::PROXY_AUTHENTICATE];

/// The requests on their way.
#[derive(Debug, Default)]
pub(super) struct Forwarding {
    contexts: BTreeMap<ServerId, ResponseContext>,
    servers: HashMap<ClientId, ServerId>,
}

/// One request and its branches.
#[derive(Debug)]
pub(super) struct ResponseContext {
    /// As it came.
    pub(super) request: Request,
    /// As it goes on, but for what differs from place to place.
    pub(super) onward: Request,
    /// Where it came from.
    pub(super) flow: Flow,
    pub(super) in_dialog: bool,
    /// Places of lower preference that have not been tried.
    waiting: VecDeque<Vec<Target>>,
    branches: Vec<Branch>,
    best: Option<Response>,
    challenges: Vec<(HeaderName, Bytes)>,
    /// A final answer went back.
    answered: bool,
    /// No further place is tried: the caller gave up, or somebody answered for all.
    cancelled: bool,
    timer_c: Instant,
    /// When the places that ring now have rung long enough, if there are others to try.
    ring_until: Option<Instant>,
}

#[derive(Debug)]
struct Branch {
    client: ClientId,
    /// It has given its final response, or will give none.
    done: bool,
    /// It rang too long; what it still says is as good as no answer.
    timed_out: bool,
}

impl ResponseContext {
    pub(super) fn new(
        now: Instant,
        request: Request,
        onward: Request,
        flow: Flow,
        in_dialog: bool,
        waiting: VecDeque<Vec<Target>>,
    ) -> Self {
        Self {
            request,
            onward,
            flow,
            in_dialog,
            waiting,
            branches: Vec::new(),
            best: None,
            challenges: Vec::new(),
            answered: false,
            cancelled: false,
            timer_c: now + TIMER_C,
            ring_until: None,
        }
    }

    fn is_invite(&self) -> bool {
        *self.request.method() == Method::INVITE
    }

    /// When something is to be done though nothing comes.
    fn deadline(&self) -> Option<Instant> {
        let rings = self.is_invite() && !self.answered && !self.cancelled;
        rings.then(|| self.ring_until.map_or(self.timer_c, |until| until.min(self.timer_c)))
    }

    /// Ends it for every place.
    fn cancel(&mut self, now: Instant, layer: &mut TransactionLayer) {
        self.cancelled = true;
        self.waiting.clear();
        self.cancel_branches(now, layer);
    }

    /// Cancels what rings now.
    fn cancel_branches(&mut self, now: Instant, layer: &mut TransactionLayer) {
        if self.is_invite() {
            for branch in self.branches.iter().filter(|branch| !branch.done) {
                layer.cancel(now, branch.client);
            }
        }
    }

    /// Marks a branch as answered, if it was not before.
    fn finish(&mut self, client: ClientId) -> Option<&Branch> {
        let open = self.branches.iter_mut().find(|branch| branch.client == client && !branch.done)?;
        open.done = true;
        Some(open)
    }

    /// Keeps the better one: 6xx over all, else the lowest class, and in 4xx those that the caller can act on
    /// ([RFC 3261 §16.7] step 6). All challenges are kept for step 7.
    ///
    /// [RFC 3261 §16.7]: https://www.rfc-editor.org/rfc/rfc3261#section-16.7
    fn consider(&mut self, response: Response) {
        if is_challenge(&response) {
            for name in CHALLENGES {
                for value in response.headers().raw_all(&name) {
                    if self.challenges.len() < MAX_CHALLENGES {
                        self.challenges.push((name.clone(), Bytes::copy_from_slice(value)));
                    }
                }
            }
        }
        let rank = |response: &Response| match response.status().code() {
            600.. => 0,
            401 | 407 | 415 | 420 | 484 => 7,
            code => code / 100 * 2,
        };
        if self.best.as_ref().is_none_or(|best| rank(&response) < rank(best)) {
            self.best = Some(response);
        }
    }

    /// The best answer, as it goes back.
    fn take_best(&mut self) -> Option<Response> {
        let mut best = self.best.take()?;
        if best.status() == StatusCode::SERVICE_UNAVAILABLE {
            // Ours are not the only servers; that this branch is overloaded must not make the caller avoid all of them.
            return Some(answer(&self.request, StatusCode::SERVER_INTERNAL_ERROR));
        }
        if is_challenge(&best) {
            for name in CHALLENGES {
                best.headers_mut().remove(name);
            }
            for (name, value) in self.challenges.drain(..) {
                // It was read off a message, so it can be written into one.
                let _ = best.headers_mut().push_raw(name, &value);
            }
        }
        Some(best)
    }
}

impl Forwarding {
    pub(super) fn is_full(&self, most: usize) -> bool {
        self.contexts.len() >= most
    }

    pub(super) fn insert(&mut self, server: ServerId, context: ResponseContext) {
        self.contexts.insert(server, context);
    }

    pub(super) fn remove(&mut self, server: ServerId) {
        self.contexts.remove(&server);
    }

    /// The next places to try, if it has come to that.
    pub(super) fn next_group(&mut self, server: ServerId) -> Option<(&ResponseContext, Vec<Target>)> {
        let context = self.contexts.get_mut(&server)?;
        let group = context.waiting.pop_front()?;
        Some((context, group))
    }

    /// Notes the branches that a group of places got; whether there are any.
    pub(super) fn started(
        &mut self,
        now: Instant,
        server: ServerId,
        clients: Vec<ClientId>,
        ring_time: Duration,
    ) -> bool {
        let Some(context) = self.contexts.get_mut(&server) else { return false };
        context.ring_until = (!context.waiting.is_empty()).then(|| now + ring_time);
        context.timer_c = now + TIMER_C;
        let any = !clients.is_empty();
        for client in clients {
            self.servers.insert(client, server);
            context.branches.push(Branch { client, done: false, timed_out: false });
        }
        any
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.contexts.values().filter_map(ResponseContext::deadline).min()
    }
}

impl Registrar {
    /// When the next request has been ringing long enough.
    pub(super) fn ringing_deadline(&self) -> Option<Instant> {
        self.forwarding.poll_timeout()
    }

    /// The caller gave up.
    pub(super) fn given_up(&mut self, now: Instant, server: ServerId) {
        if let Some(context) = self.forwarding.contexts.get_mut(&server) {
            context.cancel(now, &mut self.layer);
        }
    }

    pub(super) fn responded(&mut self, now: Instant, client: ClientId, mut response: Response) {
        let Some(&server) = self.forwarding.servers.get(&client) else { return };
        let Some(context) = self.forwarding.contexts.get_mut(&server) else { return };
        if response.headers_mut().pop_front::<Via>().is_err() || !response.headers().contains(HeaderName::VIA)
        {
            return;
        }
        match response.class() {
            Class::Provisional => {
                context.timer_c = now + TIMER_C;
                if response.status() != StatusCode::TRYING && !context.answered {
                    self.respond(now, server, response);
                }
            }
            Class::Success => {
                context.finish(client);
                // Each 2xx of a forked INVITE is a dialog of its own, and a repeated one asks for its ACK again.
                let wanted = context.is_invite() || !context.answered;
                context.answered = true;
                context.cancel(now, &mut self.layer);
                if wanted {
                    self.respond(now, server, response);
                }
            }
            Class::Failure => {
                let Some(branch) = context.finish(client) else { return };
                if branch.timed_out {
                    response = answer(&context.request, StatusCode::REQUEST_TIMEOUT);
                } else if response.status().code() >= 600 {
                    context.cancel(now, &mut self.layer);
                }
                context.consider(response);
                self.settle(now, server);
            }
        }
    }

    /// A client transaction is gone, with or without an answer.
    pub(super) fn branch_ended(&mut self, now: Instant, client: ClientId, ending: &Ending) {
        let Some(server) = self.forwarding.servers.remove(&client) else { return };
        let Some(context) = self.forwarding.contexts.get_mut(&server) else { return };
        if context.finish(client).is_some() {
            let status = match ending {
                // A late 408 to anything but an INVITE helps nobody (RFC 4320 §4.2).
                Ending::TimedOut if !context.is_invite() => None,
                Ending::TimedOut => Some(StatusCode::REQUEST_TIMEOUT),
                Ending::Normal | Ending::TransportFailed(_) | _ => Some(StatusCode::SERVER_INTERNAL_ERROR),
            };
            if let Some(status) = status {
                let response = answer(&context.request, status);
                context.consider(response);
            }
            self.settle(now, server);
        }
        let over = |branch: &Branch| !self.forwarding.servers.contains_key(&branch.client);
        if self.forwarding.contexts.get(&server).is_some_and(|context| context.branches.iter().all(over)) {
            self.forwarding.remove(server);
        }
    }

    /// Ends what has been ringing too long.
    pub(super) fn ringing_timeout(&mut self, now: Instant) {
        for context in self.forwarding.contexts.values_mut() {
            if context.deadline().is_none_or(|at| at > now) {
                continue;
            }
            if context.timer_c <= now {
                context.cancel(now, &mut self.layer);
            } else {
                context.ring_until = None;
                context
                    .branches
                    .iter_mut()
                    .filter(|branch| !branch.done)
                    .for_each(|branch| branch.timed_out = true);
                context.cancel_branches(now, &mut self.layer);
            }
        }
    }

    /// When every branch has answered: tries the next places, or sends the best answer.
    fn settle(&mut self, now: Instant, server: ServerId) {
        let Some(context) = self.forwarding.contexts.get(&server) else { return };
        if context.answered
            || context.branches.iter().any(|branch| !branch.done)
            || self.start_next(now, server)
        {
            return;
        }
        let Some(context) = self.forwarding.contexts.get_mut(&server) else { return };
        if let Some(best) = context.take_best() {
            context.answered = true;
            self.respond(now, server, best);
        }
    }
}

/// An answer of our own, where a branch gave none.
fn answer(request: &Request, status: StatusCode) -> Response {
    Response::answer(request, status).to_tag("proxy").build()
}

fn is_challenge(response: &Response) -> bool {
    matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED)
}

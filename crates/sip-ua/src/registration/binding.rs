//! [`Binding`]: one Contact kept at the registrar, over one flow ([RFC 3261 §10.2]).
//!
//! ```text
//!  Waiting --its turn--> Registering --2xx--> Registered --0.9 of the time, flow lost, told to--> Registering
//!     ^                    |     |                |
//!     |  failure that      |     | one that does  | unregister()
//!     +-- passes: back-off +     v  not           v
//!                             Stopped       Unregistering --any final response--> Gone
//! ```
//!
//! [RFC 3261 §10.2]: https://www.rfc-editor.org/rfc/rfc3261#section-10.2

use std::time::{Duration, Instant};

use sip_msg::{CSeq, CallId, Contact, Expires, From, MinExpires, Path, RetryAfter, ServiceRoute, To};
use sip_msg::{Method, NameAddr, Request, Response, StatusCode, Text, Uri};
use sip_txn::{ClientId, Ending, Flow, SendOptions, TransactionLayer, Transport};

use super::gruu::{self, GruuPolicy, Gruus};
use super::keep_alive::{Plan, Probe};
use super::own::{self, Own};
use super::push::{self, PushSupport};
use super::status::{Grant, RegistrationStatus};
use super::{Shared, Turn, outbound};
use crate::auth::{Attempt, Authenticator};
use crate::context::{self, Owner};
use crate::error::CommandError;
use crate::event::Event;
use crate::target;

/// The longest wait that a registrar's Retry-After may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// The shortest wait before another try, and between two refreshes.
const SHORTEST: Duration = Duration::from_secs(1);
/// A flow that stood so long has not failed by being set up: a new one is tried at once.
const STEADY: Duration = Duration::from_secs(60);
/// Contacts of ours that a registrar may still have from before; with more the oldest are left to expire.
const REMAINS: usize = 4;

/// One binding of an account.
#[derive(Debug)]
pub(super) struct Binding {
    /// Distinguishes the flows of one account, the same in each life of the device.
    pub(super) reg_id: u32,
    /// The proxy of the outbound set that it goes through.
    proxy: Option<Uri>,
    pub(super) auth: Authenticator,
    /// The same for life, with the From tag ([RFC 3261 §10.2], Call-ID and CSeq).
    call_id: Text,
    cseq: u32,
    /// The time to ask for, in seconds; a 423 raises it.
    expires: u32,
    /// As sent last; over a connection it may still have a stand-in for our end of it.
    contact: Uri,
    /// Contacts of ours that the registrar may have: the one that counts last.
    held: Vec<Uri>,
    /// Those that the REGISTER under way removes.
    removing: usize,
    /// A REGISTER has been sent only to tidy up since the last refresh.
    tidied: bool,
    /// What the registrar, or the proxy before it, was last heard on.
    heard_on: Option<Flow>,
    /// The flow that it stands on.
    stands_on: Option<Flow>,
    state: State,
    /// Failures in a row.
    failures: u32,
    /// Flows in a row that were lost soon after they had been set up.
    losses: u32,
    /// Since when it stands.
    since: Option<Instant>,
    /// Without outbound: it is not wanted, or the first hop lacks it (439).
    plain: bool,
    /// Told to refresh while a REGISTER was under way.
    again: bool,
    /// The network refused the push parameters (555).
    no_push: bool,
    pub(super) grant: Option<Box<Grant>>,
}

/// When something is to be sent, and whether it has been given its turn already.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: Instant,
    turn: bool,
}

#[derive(Debug)]
enum State {
    Waiting(Due),
    Registering { client: ClientId, attempt: Attempt, brief: bool },
    Registered(Due),
    Stopped,
    Unregistering { client: ClientId, attempt: Attempt, all: bool },
    Gone,
}

/// What a REGISTER asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ask {
    Bind,
    Unbind,
    UnbindAll,
}

impl Binding {
    pub(super) fn new(turn: &mut Turn<'_>, reg_id: u32, proxy: Option<Uri>) -> Self {
        let account = &turn.shared.account;
        let at = turn.context.pace.turn(turn.now);
        let mut binding = Self {
            reg_id,
            proxy,
            auth: Authenticator::new(account.credentials.clone()),
            call_id: turn.context.ids.call_id(),
            cseq: turn.context.ids.first_cseq(),
            expires: u32::try_from(account.expires.as_secs()).unwrap_or(u32::MAX).max(1),
            contact: account.aor.clone(),
            held: Vec::new(),
            removing: 0,
            tidied: false,
            heard_on: None,
            stands_on: None,
            state: State::Waiting(Due { at, turn: true }),
            failures: 0,
            losses: 0,
            since: None,
            plain: account.outbound.is_none(),
            again: false,
            no_push: false,
            grant: None,
        };
        binding.contact = binding.contact_now(turn);
        binding
    }

    /// Sends the first REGISTER, if it is its turn already.
    pub(super) fn start(&mut self, turn: &mut Turn<'_>) -> Result<(), CommandError> {
        if let State::Waiting(due) = self.state
            && due.at <= turn.now
        {
            let client = self.send(turn, Ask::Bind)?;
            self.state = State::Registering { client, attempt: Attempt::default(), brief: false };
        }
        Ok(())
    }

    pub(super) fn is_sent_as(&self, sent: ClientId) -> bool {
        match &self.state {
            State::Registering { client, .. } | State::Unregistering { client, .. } => *client == sent,
            State::Waiting(_) | State::Registered(_) | State::Stopped | State::Gone => false,
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    /// Whether the registrar has it, as far as we know.
    pub(super) fn stands(&self) -> bool {
        matches!(self.state, State::Registered(_))
    }

    pub(super) fn status(&self, now: Instant, threshold: u32) -> RegistrationStatus {
        match self.state {
            State::Registered(_) => RegistrationStatus::Registered,
            State::Stopped => RegistrationStatus::Failed,
            State::Unregistering { .. } => RegistrationStatus::Deregistering,
            State::Gone => RegistrationStatus::Inactive,
            State::Waiting(_) | State::Registering { .. } if self.failures >= threshold.max(1) => {
                RegistrationStatus::Failed
            }
            State::Waiting(_) | State::Registering { .. } if self.is_bound(now) => {
                RegistrationStatus::Registered
            }
            State::Waiting(_) | State::Registering { .. } => RegistrationStatus::Registering,
        }
    }

    /// Whether the time granted last is not over, and the flow not lost since.
    fn is_bound(&self, now: Instant) -> bool {
        self.stands_on.is_some() && self.grant.as_ref().is_some_and(|grant| grant.until > now)
    }

    /// Registers anew in its turn; a REGISTER under way goes on, and is followed by another when told to.
    pub(super) fn refresh(&mut self, turn: &mut Turn<'_>) {
        match self.state {
            State::Waiting(_) | State::Registered(_) | State::Stopped => self.try_now(turn),
            State::Registering { .. } => self.again = true,
            State::Unregistering { .. } | State::Gone => {}
        }
    }

    fn try_now(&mut self, turn: &mut Turn<'_>) {
        self.again = false;
        self.failures = 0;
        let at = turn.context.pace.turn(turn.now);
        self.state = State::Waiting(Due { at, turn: true });
        self.handle_timeout(turn);
    }

    /// Our address has changed: whatever flow there was leads nowhere, and a REGISTER under way most probably too.
    pub(super) fn readdress(&mut self, turn: &mut Turn<'_>) {
        if matches!(self.state, State::Unregistering { .. } | State::Gone) {
            return;
        }
        if let (State::Registering { .. }, Some(contact)) = (&self.state, self.expected_contact()) {
            self.hold(contact);
        }
        self.heard_on = None;
        self.losses = 0;
        self.stand_on(turn, None, None);
        self.try_now(turn);
    }

    /// Removes the binding; while a REGISTER is under way, right after it.
    pub(super) fn leave(&mut self, turn: &mut Turn<'_>, all: bool) {
        match self.state {
            State::Registering { .. } | State::Unregistering { .. } | State::Gone => {}
            State::Waiting(_) | State::Registered(_) | State::Stopped => {
                let ask = if all { Ask::UnbindAll } else { Ask::Unbind };
                let needed = all || !self.held.is_empty();
                let sent = if needed { self.send(turn, ask).ok() } else { None };
                match sent {
                    Some(client) => {
                        self.state = State::Unregistering { client, attempt: Attempt::default(), all };
                    }
                    None => self.gone(turn),
                }
            }
        }
    }

    fn gone(&mut self, turn: &mut Turn<'_>) {
        self.stand_on(turn, None, None);
        self.held.clear();
        self.grant = None;
        self.state = State::Gone;
    }

    /// Moves to another flow, or to none.
    fn stand_on(&mut self, turn: &mut Turn<'_>, flow: Option<Flow>, plan: Option<Plan>) {
        let user = (turn.shared.id, self.reg_id);
        if self.stands_on != flow
            && let Some(old) = std::mem::replace(&mut self.stands_on, flow)
        {
            turn.context.flows.leave(&old, user);
        }
        if let Some(flow) = flow {
            turn.context.flows.join(turn.now, &mut turn.context.ids, flow, user, plan);
        }
    }

    /// The flow it stands on is gone. What stood for a while, or has answered a keep-alive, is set up anew at once.
    pub(super) fn flow_closed(&mut self, turn: &mut Turn<'_>, flow: &Flow, answered: bool) {
        if self.stands_on != Some(*flow) {
            return;
        }
        self.stand_on(turn, None, None);
        if !matches!(self.state, State::Registered(_)) {
            return;
        }
        let steady = answered || self.since.is_some_and(|since| since + STEADY <= turn.now);
        self.losses = if steady { 0 } else { self.losses.saturating_add(1) };
        tracing::debug!(aor = %turn.shared.account.aor, %flow, "the flow of a registration is lost");
        if self.losses == 0 {
            self.refresh(turn);
        } else {
            let wait = self.wait(turn, self.losses);
            self.state = State::Waiting(Due { at: turn.now + wait, turn: false });
        }
    }

    fn wait(&self, turn: &mut Turn<'_>, failures: u32) -> Duration {
        turn.shared.back_off(self.plain).wait(&mut turn.context.ids, failures, turn.others_stand)
    }

    fn send(&mut self, turn: &mut Turn<'_>, ask: Ask) -> Result<ClientId, CommandError> {
        let shared = turn.shared;
        let account = &shared.account;
        if ask == Ask::Bind {
            self.contact = self.contact_now(turn);
        }
        let (uri, routes) = target::routed(&target::loose(self.proxies(shared)), &account.registrar);
        let aor =
            NameAddr { display_name: account.display_name.clone(), uri: target::as_address(&account.aor) };
        let mut builder = Request::builder(Method::REGISTER, &uri);
        for route in &routes {
            builder = builder.header(route);
        }
        let mut request = builder
            .header(&From::new(aor.clone()).with_tag(shared.from_tag.clone()))
            .header(&To::new(aor))
            .header(&CallId(self.call_id.clone()))
            .header(&CSeq { number: self.cseq, method: Method::REGISTER })
            .build();
        self.write_contacts(turn, ask, &mut request);
        turn.context.introduce(&mut request);
        let mut supported = context::supported();
        supported.0.push(Text::from_static("path"));
        if !self.plain && ask != Ask::UnbindAll {
            supported.0.push(Text::from_static("outbound"));
        }
        if account.gruu != GruuPolicy::Off {
            supported.0.push(Text::from_static("gruu"));
        }
        request.headers_mut().replace(&supported);
        self.auth.authorize(&mut turn.context.ids, &mut request);
        let client =
            turn.context.send_with(turn.now, request, Owner::Registration(shared.id), self.send_options())?;
        self.cseq = self.cseq.saturating_add(1);
        Ok(client)
    }

    /// The Contacts of a REGISTER: ours, and those that it removes.
    fn write_contacts(&mut self, turn: &Turn<'_>, ask: Ask, request: &mut Request) {
        self.removing = 0;
        let account = &turn.shared.account;
        let headers = request.headers_mut();
        if ask == Ask::UnbindAll {
            // RFC 5626 §4.2.3: without instance and flow.
            headers.push(&Contact::Star);
            headers.push(&Expires(0));
            return;
        }
        let expected = self.expected_contact();
        let replaced = self.is_outbound();
        let expires = if ask == Ask::Bind { self.expires } else { 0 };
        let removed = match ask {
            Ask::Bind => {
                headers.push(&self.own_contact(turn.shared, self.contact.clone(), expires));
                // Outbound replaces by instance and flow; there is nothing left to remove.
                let stays = |held: &Uri| {
                    replaced || expected.as_ref().is_some_and(|expected| held.equivalent(expected))
                };
                self.held.sort_by_key(stays);
                self.removing = self.held.iter().take_while(|held| !stays(held)).count();
                self.held.iter().take(self.removing).cloned().collect()
            }
            Ask::Unbind | Ask::UnbindAll => {
                let mut held = self.held.clone();
                if let Some(mut own) = held.pop() {
                    if let Some(push) = &account.push {
                        push::strip(&mut own);
                        push.write(&mut own, true);
                    }
                    headers.push(&self.own_contact(turn.shared, own, expires));
                }
                held
            }
        };
        for old in removed {
            headers.push(&Contact::new(old).with_expires(0));
        }
        headers.push(&Expires(expires));
    }

    fn own_contact(&self, shared: &Shared, uri: Uri, expires: u32) -> Contact {
        let mut contact = Contact::new(uri);
        if let Some(params) = contact.params_mut() {
            params.set_quoted("+sip.instance", format!("<{}>", shared.instance));
            if !self.plain {
                params.set("reg-id", self.reg_id.to_string());
            }
            if shared.account.push.is_some() && !self.no_push {
                params.set_flag("+sip.pnsreg");
            }
        }
        contact.with_expires(expires)
    }

    /// Our Contact as it goes out; `None` when it takes a connection that is not open yet.
    fn expected_contact(&self) -> Option<Uri> {
        match self.stands_on {
            Some(flow) => Some(TransactionLayer::settled(&self.contact, &flow)),
            None => Some(&self.contact).filter(|contact| TransactionLayer::is_settled(contact)).cloned(),
        }
    }

    /// A flow of outbound's is used as long as it stands; otherwise the way is looked for anew each time.
    fn send_options(&self) -> SendOptions {
        match self.stands_on {
            Some(flow) if self.is_outbound() => SendOptions::default().on(flow),
            Some(_) | None => SendOptions::default(),
        }
    }

    pub(super) fn is_outbound(&self) -> bool {
        self.grant.as_ref().is_some_and(|grant| grant.outbound)
    }

    /// The push parameters are new: what was said of the old ones does not count.
    pub(super) fn ask_for_push(&mut self) {
        self.no_push = false;
    }

    /// Takes the place of another flow of the account, and removes its Contact with the next REGISTER.
    pub(super) fn take_over(&mut self, turn: &mut Turn<'_>, other: &mut Self) {
        for contact in std::mem::take(&mut other.held) {
            self.hold(contact);
        }
        other.stand_on(turn, None, None);
        self.plain = true;
        self.held.sort_by_key(|held| self.grant.as_ref().is_some_and(|grant| grant.contact == *held));
        self.try_now(turn);
    }

    pub(super) fn proxies<'a>(&'a self, shared: &'a Shared) -> &'a [Uri] {
        self.proxy.as_ref().map_or(&shared.account.outbound_proxies, std::slice::from_ref)
    }

    /// Our Contact for the registrar, as whoever is there can reach us.
    fn contact_now(&self, turn: &Turn<'_>) -> Uri {
        let account = &turn.shared.account;
        let first = self.proxies(turn.shared).first();
        let transport = target::transport(first, &account.registrar);
        let heard_on = self.heard_on.filter(|flow| flow.transport == transport);
        let remote = heard_on.map(|flow| flow.remote).or_else(|| target::address(first, &account.registrar));
        let user = account.contact_user.as_deref().or_else(|| account.aor.raw_user());
        let layer = &turn.context.layer;
        let mut contact = target::contact(layer, transport, remote.as_ref(), user, account.aor.is_sips());
        if !self.plain {
            contact.set_param("ob", None);
        }
        if let Some(push) = account.push.as_ref().filter(|_| !self.no_push) {
            push.write(&mut contact, false);
        }
        contact
    }

    /// A response to the REGISTER under way.
    pub(super) fn handle_response(&mut self, turn: &mut Turn<'_>, flow: &Flow, response: &Response) {
        self.heard_on = Some(*flow);
        if response.status().is_provisional() {
            return;
        }
        match std::mem::replace(&mut self.state, State::Stopped) {
            State::Registering { attempt, brief, .. } => self.answered(turn, response, attempt, brief),
            State::Unregistering { mut attempt, all, .. } => {
                let again = is_challenge(response.status())
                    && self.auth.challenged(turn.context, response, &mut attempt).is_ok();
                let ask = if all { Ask::UnbindAll } else { Ask::Unbind };
                match again.then(|| self.send(turn, ask)) {
                    Some(Ok(client)) => self.state = State::Unregistering { client, attempt, all },
                    Some(Err(_)) | None => self.gone(turn),
                }
            }
            state @ (State::Waiting(_) | State::Registered(_) | State::Stopped | State::Gone) => {
                self.state = state;
            }
        }
    }

    /// The final response to a REGISTER that asks for a binding.
    fn answered(&mut self, turn: &mut Turn<'_>, response: &Response, mut attempt: Attempt, brief: bool) {
        let status = response.status();
        if status.is_success() {
            return self.granted(turn, response);
        }
        if let Some(contact) = self.expected_contact()
            && (status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT)
        {
            // A proxy says so, perhaps, of a registrar that has carried it out.
            self.hold(contact);
        }
        if turn.leaving {
            return;
        }
        if is_challenge(status) {
            return match self.auth.challenged(turn.context, response, &mut attempt) {
                Ok(()) => self.register(turn, attempt, brief),
                Err(reason) => self.stop(turn, Some(status), reason),
            };
        }
        if status == StatusCode::INTERVAL_TOO_BRIEF
            && !brief
            && let Ok(Some(MinExpires(least))) = response.headers().get::<MinExpires>()
            && least > self.expires
        {
            self.expires = least;
            return self.register(turn, attempt, true);
        }
        if status == StatusCode::FIRST_HOP_LACKS_OUTBOUND_SUPPORT && !self.plain && turn.shared.falls_back() {
            self.plain = true;
            return self.register(turn, attempt, brief);
        }
        if status == StatusCode::PUSH_NOTIFICATION_SERVICE_NOT_SUPPORTED
            && turn.shared.account.push.is_some()
            && !self.no_push
        {
            self.no_push = true;
            return self.register(turn, attempt, brief);
        }
        let reason = response.reason().detach();
        let asked = response.headers().get::<RetryAfter>().ok().flatten();
        let asked = asked.map(|retry| Duration::from_secs(retry.seconds.into()).min(MAX_RETRY_AFTER));
        if may_pass(status) || asked.is_some() {
            return self.failed(turn, Some(status), reason, asked);
        }
        // What was granted before is not refused for good by one answer: a registrar that restarts knows nobody for a while.
        let stood = self.grant.is_some();
        if stood && self.failures.saturating_add(1) < turn.shared.account.failure_threshold.max(1) {
            let longest = turn.shared.back_off(self.plain).longest;
            self.failed(turn, Some(status), reason, Some(longest));
        } else {
            self.stop(turn, Some(status), reason);
        }
    }

    fn register(&mut self, turn: &mut Turn<'_>, attempt: Attempt, brief: bool) {
        match self.send(turn, Ask::Bind) {
            Ok(client) => self.state = State::Registering { client, attempt, brief },
            Err(error) => self.failed(turn, None, error.to_string().into(), None),
        }
    }

    /// Remembers a Contact that the registrar may have.
    fn hold(&mut self, contact: Uri) {
        if self.held.iter().any(|held| held.equivalent(&contact)) {
            return;
        }
        if self.held.len() >= REMAINS {
            self.held.remove(0);
        }
        self.held.push(contact.detach());
    }

    fn granted(&mut self, turn: &mut Turn<'_>, response: &Response) {
        let (shared, now) = (turn.shared, turn.now);
        let headers = response.headers();
        self.auth.succeeded(turn.context, response);
        let Some(flow) = self.heard_on else { return };
        let sent = TransactionLayer::settled(&self.contact, &flow);
        let in_force = !self.plain && outbound::is_in_force(headers);
        self.held.drain(..self.removing.min(self.held.len()));
        self.held.retain(|held| !in_force && !held.equivalent(&sent));
        let contacts = own::listed(headers);
        let me = Own { contact: &sent, instance: &shared.instance, reg_id: self.reg_id };
        let own = me.find(&contacts);
        let remains: Vec<Uri> =
            own.into_iter().flat_map(|own| me.remains(&contacts, own)).take(REMAINS).cloned().collect();
        for old in remains {
            self.hold(old);
        }
        let seconds = own::granted(own, headers, self.expires);
        if seconds == 0 {
            let reason = "the registrar accepted the request but granted no time".into();
            return self.failed(turn, Some(response.status()), reason, None);
        }
        // The one that counts is the last.
        self.hold(sent.clone());
        let expires = Duration::from_secs(seconds.into());
        let push = PushSupport::read(headers);
        let refresh_at = now + self.refresh_after(turn, expires, push.as_ref());
        let plan = self.keep_alive(turn, &flow, in_force, response);
        if self.stands_on != Some(flow) || self.since.is_none() {
            self.since = Some(now);
        }
        self.stand_on(turn, Some(flow), plan);
        self.failures = 0;
        let uris = |uri: &Uri| uri.detach();
        self.grant = Some(Box::new(Grant {
            contact: sent.clone(),
            expires,
            until: now + expires,
            flow,
            service_route: headers.all::<ServiceRoute>().flatten().map(|route| uris(route.uri())).collect(),
            path: headers.all::<Path>().flatten().map(|path| uris(path.uri())).collect(),
            gruus: own.map(Gruus::read).unwrap_or_default(),
            outbound: in_force,
            push,
        }));
        self.state = State::Registered(Due { at: refresh_at, turn: false });
        if turn.leaving {
            return;
        }
        tracing::debug!(aor = %shared.account.aor, seconds, "registered");
        turn.context.tell(Event::Registered { id: shared.id, expires, contact: sent });
        if self.again {
            self.try_now(turn);
        } else {
            self.tidy(turn, in_force);
        }
    }

    /// Registers once more when the registrar has a Contact of ours that leads nowhere, or when the answer has shown that
    /// ours does not: once for each refresh, lest a NAT that changes its mind each time keeps us at it.
    fn tidy(&mut self, turn: &mut Turn<'_>, in_force: bool) {
        let moved = self.contact_now(turn) != self.contact;
        let untidy = self.held.len() > 1 || moved;
        if in_force || !untidy || std::mem::replace(&mut self.tidied, untidy) {
            self.tidied &= untidy;
            return;
        }
        self.register(turn, Attempt::default(), false);
    }

    /// When to refresh: at 0.8 to 0.9 of the time, so that many who began together drift apart.
    fn refresh_after(&self, turn: &mut Turn<'_>, granted: Duration, push: Option<&PushSupport>) -> Duration {
        let account = &turn.shared.account;
        let mut latest = granted * 9 / 10;
        if account.gruu != GruuPolicy::Off {
            latest = latest.min(gruu::latest_refresh(granted));
        }
        let wakes = |push: &&PushSupport| {
            account.push.as_ref().is_some_and(|ours| ours.prid.is_some() && push.knows(&ours.provider))
        };
        match push.filter(wakes).map(|push| push.refresh_before) {
            // A notification will ask for the refresh (RFC 8599 §4.1.4). Should none come, the binding has lapsed.
            Some(None) => return granted,
            Some(Some(before)) => latest = latest.min(granted.saturating_sub(before)),
            None => {}
        }
        let earliest = latest.saturating_sub(granted / 10);
        turn.context.ids.between(earliest, latest).max(SHORTEST)
    }

    fn keep_alive(&self, turn: &Turn<'_>, flow: &Flow, in_force: bool, response: &Response) -> Option<Plan> {
        if in_force {
            return Some(outbound::keep_alive(flow.transport, response.headers()));
        }
        let udp = flow.transport == Transport::Udp;
        let probe = if udp { Probe::Datagram } else { Probe::Ping };
        match turn.shared.account.keep_alive {
            Some(Duration::ZERO) => None,
            Some(interval) => Some(Plan::within(probe, interval)),
            None if udp && turn.context.layer.seen_at(flow).is_some() => {
                Some(Plan { probe, least: Duration::from_secs(24), most: Duration::from_secs(29) })
            }
            None => None,
        }
    }

    /// Tries again after a while: what the registrar asked for, or as the back-off says.
    fn failed(
        &mut self,
        turn: &mut Turn<'_>,
        status: Option<StatusCode>,
        reason: Text,
        asked: Option<Duration>,
    ) {
        if self.is_outbound() && matches!(status, Some(StatusCode::FLOW_FAILED)) {
            self.stand_on(turn, None, None);
        }
        self.failures = self.failures.saturating_add(1);
        let wait = match asked {
            Some(asked) => asked.max(SHORTEST),
            None if std::mem::take(&mut self.again) => SHORTEST,
            None => self.wait(turn, self.failures),
        };
        self.state = State::Waiting(Due { at: turn.now + wait, turn: false });
        turn.context.tell(Event::RegistrationFailed {
            id: turn.shared.id,
            status,
            reason,
            will_retry_in: Some(wait),
        });
    }

    /// No further try would change it.
    fn stop(&mut self, turn: &mut Turn<'_>, status: Option<StatusCode>, reason: Text) {
        self.stand_on(turn, None, None);
        self.grant = None;
        self.state = State::Stopped;
        tracing::warn!(aor = %turn.shared.account.aor, %reason, "registration failed for good");
        let id = turn.shared.id;
        turn.context.tell(Event::RegistrationFailed { id, status, reason, will_retry_in: None });
    }

    /// The REGISTER under way ended without a final response.
    pub(super) fn handle_client_ended(&mut self, turn: &mut Turn<'_>, ending: &Ending) {
        if matches!(self.state, State::Unregistering { .. }) {
            return self.gone(turn);
        }
        if let Some(contact) = self.expected_contact() {
            // It may have arrived all the same.
            self.hold(contact);
        }
        if turn.leaving {
            self.state = State::Stopped;
            return;
        }
        if self.is_outbound() && self.stands_on.is_some() {
            // It was the flow that failed: a new one is set up at once (RFC 5626 §4.5).
            self.stand_on(turn, None, None);
            return self.register(turn, Attempt::default(), false);
        }
        let hop = self.proxies(turn.shared).first().unwrap_or(&turn.shared.account.registrar);
        let reason = Text::from(format!("{hop}: {}", context::explain(ending)));
        self.failed(turn, None, reason, None);
    }

    pub(super) fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        let (State::Waiting(due) | State::Registered(due)) = self.state else { return self.lapse(turn) };
        if due.at > turn.now {
            return self.lapse(turn);
        }
        let at = if due.turn { turn.now } else { self.turn(turn) };
        if at > turn.now {
            let due = Due { at, turn: true };
            let stands = self.stands();
            self.state = if stands { State::Registered(due) } else { State::Waiting(due) };
        } else {
            self.tidied = false;
            self.register(turn, Attempt::default(), false);
        }
        self.lapse(turn);
    }

    /// Its turn among all accounts; a refresh waits for it no longer than a twentieth of the time granted.
    fn turn(&self, turn: &mut Turn<'_>) -> Instant {
        let at = turn.context.pace.turn(turn.now);
        match &self.grant {
            Some(grant) if self.stands() => at.min(turn.now + grant.expires / 20),
            Some(_) | None => at,
        }
    }

    /// What was granted ends with its time.
    fn lapse(&mut self, turn: &mut Turn<'_>) {
        if self.grant.as_ref().is_some_and(|grant| grant.until <= turn.now) && !self.stands() {
            self.stand_on(turn, None, None);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let lapses = self.stands_on.and(self.grant.as_ref()).map(|grant| grant.until);
        match &self.state {
            State::Registered(due) => Some(due.at),
            State::Waiting(due) => Some(lapses.map_or(due.at, |lapses| lapses.min(due.at))),
            State::Registering { .. } => lapses,
            State::Stopped | State::Unregistering { .. } | State::Gone => None,
        }
    }
}

fn is_challenge(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED)
}

/// Whether the same request may be answered otherwise in a while.
fn may_pass(status: StatusCode) -> bool {
    let for_good = [StatusCode::NOT_IMPLEMENTED, StatusCode::PUSH_NOTIFICATION_SERVICE_NOT_SUPPORTED];
    status.is_server_error() && !for_good.contains(&status)
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TEMPORARILY_UNAVAILABLE)
        || status.code() == 429
}

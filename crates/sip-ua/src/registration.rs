//! Keeping an address-of-record bound to us ([RFC 3261 §10.2]).
//!
//! ```text
//!  register() -> Registering --2xx--> Registered --0.9 of the time--> Registering ...
//!                  |    ^                  |
//!      failure     |    | back-off         | unregister()
//!      that passes v    |                  v
//!                 Waiting            Unregistering --any final response--> gone
//!                  | failure that does not
//!                  v
//!                Failed (until unregister())
//! ```
//!
//! [RFC 3261 §10.2]: https://www.rfc-editor.org/rfc/rfc3261#section-10.2

use std::time::{Duration, Instant};

use sip_msg::{CSeq, CallId, Contact, Expires, From, MinExpires, RetryAfter, To};
use sip_msg::{Method, NameAddr, Request, Response, StatusCode, Text, Uri};
use sip_txn::{ClientId, Ending, Flow, TransactionLayer};

use crate::auth::{Attempt, Authenticator};
use crate::command::Account;
use crate::context::{self, Context, Owner};
use crate::error::CommandError;
use crate::event::{Event, RegistrationId};
use crate::target;

/// The first wait after a failure; each further one is twice as long.
const FIRST_BACK_OFF: Duration = Duration::from_secs(1);
/// The longest wait that we choose ourselves.
const MAX_BACK_OFF: Duration = Duration::from_secs(60);
/// The longest wait that a registrar's Retry-After may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// The shortest time between two refreshes, whatever a registrar grants.
const MIN_REFRESH: Duration = Duration::from_secs(1);

/// One registration.
#[derive(Debug)]
pub(crate) struct Registration {
    id: RegistrationId,
    account: Account,
    auth: Authenticator,
    /// The same for life, with the From tag ([RFC 3261 §10.2], Call-ID and CSeq).
    call_id: Text,
    from_tag: Text,
    cseq: u32,
    /// The time to ask for, in seconds; a 423 raises it.
    expires: u32,
    contact: Uri,
    /// What the registrar, or the proxy before it, was last heard on.
    heard_on: Option<Flow>,
    state: State,
    failures: u32,
    /// The registrar may have a binding of ours.
    bound: bool,
    unregister: bool,
    pub(crate) scheduled: Option<Instant>,
}

#[derive(Debug)]
enum State {
    Registering { client: ClientId, attempt: Attempt, brief: bool },
    Registered { refresh_at: Instant },
    Waiting { until: Instant },
    Failed,
    Unregistering { client: ClientId, attempt: Attempt },
    Gone,
}

impl Registration {
    /// Sends the first REGISTER.
    pub(crate) fn start(
        context: &mut Context,
        now: Instant,
        id: RegistrationId,
        account: Account,
    ) -> Result<Self, CommandError> {
        let mut registration = Self {
            id,
            auth: Authenticator::new(account.credentials.clone()),
            call_id: context.ids.call_id(),
            from_tag: context.ids.tag(),
            cseq: context.ids.first_cseq(),
            expires: u32::try_from(account.expires.as_secs()).unwrap_or(u32::MAX).max(1),
            contact: contact(context, &account, None),
            heard_on: None,
            account,
            state: State::Gone,
            failures: 0,
            bound: false,
            unregister: false,
            scheduled: None,
        };
        let client = registration.send(context, now, registration.expires)?;
        registration.state = State::Registering { client, attempt: Attempt::default(), brief: false };
        Ok(registration)
    }

    /// Removes the binding; while a REGISTER is under way, right after it.
    pub(crate) fn unregister(&mut self, context: &mut Context, now: Instant) {
        self.unregister = true;
        match self.state {
            State::Registering { .. } | State::Unregistering { .. } => {}
            State::Registered { .. } | State::Waiting { .. } | State::Failed | State::Gone => {
                self.leave(context, now);
            }
        }
    }

    fn leave(&mut self, context: &mut Context, now: Instant) {
        let sent = if self.bound { self.send(context, now, 0).ok() } else { None };
        match sent {
            Some(client) => self.state = State::Unregistering { client, attempt: Attempt::default() },
            None => self.gone(context),
        }
    }

    fn gone(&mut self, context: &mut Context) {
        self.state = State::Gone;
        context.tell(Event::Unregistered { id: self.id });
    }

    pub(crate) fn is_finished(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    fn send(&mut self, context: &mut Context, now: Instant, expires: u32) -> Result<ClientId, CommandError> {
        if !self.bound {
            // A challenge has told us meanwhile as whom a NAT shows us; a binding that stands keeps its address.
            self.contact = contact(context, &self.account, self.heard_on);
        }
        let (uri, routes) =
            target::routed(&target::loose(&self.account.outbound_proxies), &self.account.registrar);
        let aor = NameAddr {
            display_name: self.account.display_name.clone(),
            uri: target::as_address(&self.account.aor),
        };
        let mut builder = Request::builder(Method::REGISTER, &uri);
        for route in &routes {
            builder = builder.header(route);
        }
        let mut request = builder
            .header(&From::new(aor.clone()).with_tag(self.from_tag.clone()))
            .header(&To::new(aor))
            .header(&CallId(self.call_id.clone()))
            .header(&CSeq { number: self.cseq, method: Method::REGISTER })
            .header(&Contact::new(self.contact.clone()).with_expires(expires))
            .header(&Expires(expires))
            .build();
        context.introduce(&mut request);
        self.auth.authorize(&mut context.ids, &mut request);
        let client = context.send(now, request, Owner::Registration(self.id))?;
        self.cseq = self.cseq.saturating_add(1);
        Ok(client)
    }

    pub(crate) fn handle_response(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientId,
        flow: &Flow,
        response: &Response,
    ) {
        self.heard_on = Some(*flow);
        if response.status().is_provisional() {
            return;
        }
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Registering { client: sent, attempt, brief } if sent == client => {
                self.registered(context, now, response, attempt, brief);
            }
            State::Unregistering { client: sent, mut attempt } if sent == client => {
                let again =
                    is_challenge(response.status()) && self.auth.challenged(context, response, &mut attempt).is_ok();
                match again.then(|| self.send(context, now, 0)) {
                    Some(Ok(client)) => self.state = State::Unregistering { client, attempt },
                    Some(Err(_)) | None => self.gone(context),
                }
            }
            state @ (State::Registering { .. }
            | State::Unregistering { .. }
            | State::Registered { .. }
            | State::Waiting { .. }
            | State::Failed
            | State::Gone) => self.state = state,
        }
    }

    /// The final response to a REGISTER that asks for a binding.
    fn registered(
        &mut self,
        context: &mut Context,
        now: Instant,
        response: &Response,
        mut attempt: Attempt,
        brief: bool,
    ) {
        let status = response.status();
        if status.is_success() {
            return self.granted(context, now, response);
        }
        if self.unregister {
            return self.leave(context, now);
        }
        if is_challenge(status) {
            return match self.auth.challenged(context, response, &mut attempt) {
                Ok(()) => self.register_again(context, now, attempt, brief),
                Err(reason) => self.failed_for_good(context, Some(status), reason),
            };
        }
        if status == StatusCode::INTERVAL_TOO_BRIEF
            && !brief
            && let Ok(Some(MinExpires(least))) = response.headers().get::<MinExpires>()
            && least > self.expires
        {
            self.expires = least;
            return self.register_again(context, now, attempt, true);
        }
        let reason = response.reason().detach();
        let asked = response.headers().get::<RetryAfter>().ok().flatten();
        let asked = asked.map(|retry| Duration::from_secs(retry.seconds.into()).min(MAX_RETRY_AFTER));
        if may_pass(status) || asked.is_some() {
            self.failed_for_now(context, now, Some(status), reason, asked);
        } else if self.bound {
            // What was granted before is not refused for good by one answer: a registrar that restarts knows nobody for a while.
            self.failed_for_now(context, now, Some(status), reason, Some(MAX_BACK_OFF));
        } else {
            self.failed_for_good(context, Some(status), reason);
        }
    }

    fn register_again(&mut self, context: &mut Context, now: Instant, attempt: Attempt, brief: bool) {
        match self.send(context, now, self.expires) {
            Ok(client) => self.state = State::Registering { client, attempt, brief },
            Err(error) => self.failed_for_now(context, now, None, error.to_string().into(), None),
        }
    }

    fn granted(&mut self, context: &mut Context, now: Instant, response: &Response) {
        self.auth.succeeded(context, response);
        self.bound = true;
        if self.unregister {
            return self.leave(context, now);
        }
        let own = self
            .heard_on
            .map_or_else(|| self.contact.clone(), |flow| TransactionLayer::settled(&self.contact, &flow));
        let granted = self.granted_seconds(&own, response);
        if granted == 0 {
            let reason = "the registrar accepted the request but granted no time".into();
            return self.failed_for_now(context, now, Some(response.status()), reason, None);
        }
        self.failures = 0;
        let expires = Duration::from_secs(granted.into());
        self.state = State::Registered { refresh_at: now + (expires * 9 / 10).max(MIN_REFRESH) };
        tracing::debug!(aor = %self.account.aor, granted, "registered");
        context.tell(Event::Registered { id: self.id, expires, contact: own });
    }

    /// The time granted to our own Contact, among however many there are ([RFC 3261 §10.2.4]).
    ///
    /// A registrar that rewrote our Contact beyond recognition and holds just one still means ours.
    ///
    /// [RFC 3261 §10.2.4]: https://www.rfc-editor.org/rfc/rfc3261#section-10.2.4
    fn granted_seconds(&self, own: &Uri, response: &Response) -> u32 {
        let contacts: Vec<Contact> = response.headers().all::<Contact>().flatten().collect();
        let ours = contacts.iter().find(|contact| contact.uri().is_some_and(|uri| uri.equivalent(own)));
        let only = || contacts.first().filter(|_| contacts.len() == 1);
        let general = response.headers().get::<Expires>().ok().flatten().map(|Expires(seconds)| seconds);
        ours.or_else(only).and_then(Contact::expires).or(general).unwrap_or(self.expires)
    }

    /// Tries again after a while: what the registrar asked for, or 1 s, 2 s, 4 s … 60 s.
    fn failed_for_now(
        &mut self,
        context: &mut Context,
        now: Instant,
        status: Option<StatusCode>,
        reason: Text,
        asked: Option<Duration>,
    ) {
        let back_off = FIRST_BACK_OFF.saturating_mul(1 << self.failures.min(6)).min(MAX_BACK_OFF);
        self.failures = self.failures.saturating_add(1);
        let wait = asked.unwrap_or(back_off).max(FIRST_BACK_OFF);
        self.state = State::Waiting { until: now + wait };
        context.tell(Event::RegistrationFailed { id: self.id, status, reason, will_retry_in: Some(wait) });
    }

    fn failed_for_good(&mut self, context: &mut Context, status: Option<StatusCode>, reason: Text) {
        self.state = State::Failed;
        tracing::warn!(aor = %self.account.aor, %reason, "registration failed for good");
        context.tell(Event::RegistrationFailed { id: self.id, status, reason, will_retry_in: None });
    }

    /// A REGISTER ended without a final response.
    pub(crate) fn handle_client_ended(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientId,
        ending: &Ending,
    ) {
        match &self.state {
            State::Registering { client: sent, .. } if *sent == client => {
                if self.unregister {
                    return self.leave(context, now);
                }
                let registrar = &self.account.registrar;
                let reason = Text::from(format!("{registrar}: {}", context::explain(ending)));
                self.failed_for_now(context, now, None, reason, None);
            }
            State::Unregistering { client: sent, .. } if *sent == client => self.gone(context),
            State::Registering { .. }
            | State::Unregistering { .. }
            | State::Registered { .. }
            | State::Waiting { .. }
            | State::Failed
            | State::Gone => {}
        }
    }

    pub(crate) fn handle_timeout(&mut self, context: &mut Context, now: Instant) {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.register_again(context, now, Attempt::default(), false);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Registered { refresh_at } => Some(*refresh_at),
            State::Waiting { until } => Some(*until),
            State::Registering { .. } | State::Failed | State::Unregistering { .. } | State::Gone => None,
        }
    }
}

/// Our Contact for a registrar, as whoever is there can reach us.
fn contact(context: &Context, account: &Account, heard_on: Option<Flow>) -> Uri {
    let routes = target::loose(&account.outbound_proxies);
    let first = routes.first().map(|route| route.uri());
    let transport = target::transport(first, &account.registrar);
    let remote = heard_on.map(|flow| flow.remote).or_else(|| target::address(first, &account.registrar));
    let user = account.contact_user.as_deref().or_else(|| account.aor.raw_user());
    target::contact(&context.layer, transport, remote.as_ref(), user, account.aor.is_sips())
}

fn is_challenge(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED)
}

/// Whether the same request may be answered otherwise in a while.
fn may_pass(status: StatusCode) -> bool {
    status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TEMPORARILY_UNAVAILABLE)
        || status.code() == 429
}

#[cfg(test)]
mod tests {
    use sip_msg::{Challenge, HeaderName, StatusCode, WwwAuthenticate};

    use super::*;
    use crate::auth::Credentials;
    use crate::scripted::{Scripted, answer, number};

    fn account() -> Account {
        let aor = "sip:alice@192.0.2.2:5060".parse().unwrap();
        Account::new(aor).credentials(Credentials::new("alice", "secret"))
    }

    fn register(lab: &mut Scripted) -> (RegistrationId, Request) {
        let id = lab.agent.register(lab.now, account()).unwrap();
        (id, lab.sent_request(&Method::REGISTER))
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// 200 with these Contact lines.
    fn bind(lab: &mut Scripted, sent: &Request, contacts: &[&str]) {
        let mut response = answer(sent, 200, "r");
        response.headers_mut().remove(HeaderName::CONTACT);
        for contact in contacts {
            response.headers_mut().push_raw(HeaderName::CONTACT, contact).unwrap();
        }
        lab.receive(response);
    }

    fn challenge(sent: &Request, nonce: &str) -> Response {
        let mut response = answer(sent, 401, "r");
        let challenge = Challenge::digest().with("realm", "r").with("nonce", nonce).with("qop", "auth");
        response.headers_mut().push(&WwwAuthenticate(challenge));
        response
    }

    #[track_caller]
    fn failed(lab: &mut Scripted) -> (Option<u16>, Option<Duration>, String) {
        match lab.event() {
            Some(Event::RegistrationFailed { status, will_retry_in, reason, .. }) => {
                (status.map(StatusCode::code), will_retry_in, reason.to_string())
            }
            other => panic!("{other:?} is a failure"),
        }
    }

    // rfc: 3261 §10.2 — the Request-URI is the registrar's domain without a user, To and From the address-of-record
    // rfc: 3261 §10.2 — Call-ID stays, CSeq goes up by one
    // rfc: 3261 §10.2.4 — our own Contact among many says when to refresh
    #[test]
    fn a_binding_is_refreshed_at_nine_tenths_of_what_our_own_contact_got() {
        let mut lab = Scripted::new();
        let (_, first) = register(&mut lab);
        assert_eq!(first.uri_text(), "sip:192.0.2.2:5060");
        assert_eq!(first.headers().require::<To>().unwrap().to_string(), "<sip:alice@192.0.2.2:5060>");
        let own = first.headers().require::<Contact>().unwrap().uri().unwrap().clone();
        assert_eq!(own.to_string(), "sip:alice@192.0.2.1:5060");
        let ours = "<sip:alice@192.0.2.1:5060>;expires=100;q=0.5, <sip:alice@192.0.2.8>;expires=7";
        bind(&mut lab, &first, &["<sip:alice@192.0.2.9>;expires=3", ours]);
        let Some(Event::Registered { expires, contact, .. }) = lab.event() else { panic!("registered") };
        assert_eq!((expires, contact), (secs(100), own));
        lab.advance(Duration::from_millis(89_900));
        lab.sent_nothing();
        lab.advance(Duration::from_millis(100));
        let second = lab.sent_request(&Method::REGISTER);
        assert_eq!(number(&second), number(&first) + 1);
        for name in [HeaderName::CALL_ID, HeaderName::FROM, HeaderName::CONTACT] {
            assert_eq!(second.headers().raw(&name), first.headers().raw(&name), "{name}");
        }
    }

    // rfc: 3261 §22.2 — REGISTER with credentials: same Call-ID, CSeq one higher
    #[test]
    fn a_challenge_is_answered_and_the_nonce_used_for_the_refresh() {
        let mut lab = Scripted::new();
        let (_, first) = register(&mut lab);
        lab.receive(challenge(&first, "n1"));
        let second = lab.sent_request(&Method::REGISTER);
        assert_eq!(number(&second), number(&first) + 1);
        assert!(second.headers().contains(HeaderName::AUTHORIZATION));
        bind(&mut lab, &second, &["<sip:alice@192.0.2.1:5060>;expires=60"]);
        assert!(matches!(lab.event(), Some(Event::Registered { .. })));
        lab.advance(secs(54));
        let third = lab.sent_request(&Method::REGISTER);
        let text =
            String::from_utf8(third.headers().raw(HeaderName::AUTHORIZATION).unwrap().to_vec()).unwrap();
        assert!(text.contains("nc=00000002"), "{text}");
        // The registrar has forgotten the nonce meanwhile, and says no more than that: not a wrong password.
        lab.receive(challenge(&third, "n2"));
        let fourth = lab.sent_request(&Method::REGISTER);
        bind(&mut lab, &fourth, &["<sip:alice@192.0.2.1:5060>;expires=60"]);
        assert!(matches!(lab.event(), Some(Event::Registered { .. })));
    }

    #[test]
    fn the_contact_is_the_address_that_the_registrar_sees() {
        let mut lab = Scripted::new();
        let (_, first) = register(&mut lab);
        let mut challenge = challenge(&first, "n1");
        let mut via = challenge.headers().require::<sip_msg::Via>().unwrap();
        via.set_received([203, 0, 113, 5].into());
        via.set_rport(Some(1024));
        challenge.headers_mut().replace(&via);
        lab.receive(challenge);
        let second = lab.sent_request(&Method::REGISTER);
        let contact = second.headers().require::<Contact>().unwrap();
        assert_eq!(contact.uri().unwrap().to_string(), "sip:alice@203.0.113.5:1024");
    }

    // rfc: 3261 §22.1 — a wrong password is not tried again
    #[test]
    fn a_wrong_password_fails_for_good() {
        let mut lab = Scripted::new();
        let (id, first) = register(&mut lab);
        lab.receive(challenge(&first, "n1"));
        let second = lab.sent_request(&Method::REGISTER);
        lab.receive(challenge(&second, "n2"));
        let (status, retry, reason) = failed(&mut lab);
        assert_eq!((status, retry), (Some(401), None));
        assert_eq!(reason, "wrong user name or password for the realm \"r\"");
        lab.advance(secs(10_000));
        lab.sent_nothing();
        lab.agent.unregister(lab.now, id).unwrap();
        assert!(matches!(lab.event(), Some(Event::Unregistered { .. })));
        lab.ends_idle();
    }

    // rfc: 3261 §10.2.8 — 423: again with what Min-Expires says
    #[test]
    fn an_interval_too_brief_is_raised_once() {
        let mut lab = Scripted::new();
        let id = lab.agent.register(lab.now, account().expires(secs(30))).unwrap();
        let first = lab.sent_request(&Method::REGISTER);
        let brief = |sent, least| {
            let mut response = answer(sent, 423, "r");
            response.headers_mut().push(&MinExpires(least));
            response
        };
        lab.receive(brief(&first, 120));
        let second = lab.sent_request(&Method::REGISTER);
        assert_eq!(second.headers().require::<Expires>().unwrap(), Expires(120));
        lab.receive(brief(&second, 500));
        assert_eq!(failed(&mut lab).0, Some(423));
        lab.sent_nothing();
        lab.agent.unregister(lab.now, id).unwrap();
    }

    // rfc: 3261 §10.2.7 — no immediate second try after a timeout
    #[test]
    fn failures_that_can_pass_are_tried_again_later_and_later() {
        let mut lab = Scripted::new();
        let (_, mut sent) = register(&mut lab);
        let mut waits = Vec::new();
        for _ in 0..9 {
            lab.answer(&sent, 500, "r");
            let (_, wait, _) = failed(&mut lab);
            waits.push(wait.unwrap().as_secs());
            lab.advance(wait.unwrap() - Duration::from_millis(1));
            lab.sent_nothing();
            lab.advance(Duration::from_millis(1));
            sent = lab.sent_request(&Method::REGISTER);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        bind(&mut lab, &sent, &["<sip:alice@192.0.2.1:5060>;expires=10"]);
        lab.event();
        lab.advance(secs(9));
        let sent = lab.sent_request(&Method::REGISTER);
        lab.answer(&sent, 500, "r");
        assert_eq!(failed(&mut lab).1, Some(secs(1)), "a success starts the count anew");
    }

    // rfc: 3261 §21.5.4 — 503 with Retry-After
    #[test]
    fn a_registrar_says_when_to_come_back_within_an_hour() {
        for (asked, waited) in [(17, 17), (u32::MAX, 3600), (0, 1)] {
            let mut lab = Scripted::new();
            let (_, sent) = register(&mut lab);
            let mut response = answer(&sent, 503, "r");
            response.headers_mut().push(&RetryAfter::new(asked));
            lab.receive(response);
            assert_eq!(failed(&mut lab).1, Some(secs(waited)));
        }
    }

    #[test]
    fn an_unreachable_registrar_is_reported_within_the_transaction_timeout() {
        let mut lab = Scripted::new();
        let (_, _) = register(&mut lab);
        lab.advance(secs(32));
        let (status, retry, reason) = failed(&mut lab);
        assert_eq!((status, retry), (None, Some(secs(1))));
        assert_eq!(reason, "sip:192.0.2.2:5060: no answer in time");
    }

    // rfc: 3261 §10.2.4 — a refresh that is refused once does not end a registration that stood
    #[test]
    fn a_registration_that_stood_outlives_a_refusal() {
        let mut lab = Scripted::new();
        let (_, first) = register(&mut lab);
        bind(&mut lab, &first, &["<sip:alice@192.0.2.1:5060>;expires=60"]);
        lab.event();
        lab.advance(secs(54));
        let refresh = lab.sent_request(&Method::REGISTER);
        lab.answer(&refresh, 404, "r");
        assert_eq!(failed(&mut lab).1, Some(secs(60)));
        lab.advance(secs(60));
        let again = lab.sent_request(&Method::REGISTER);
        bind(&mut lab, &again, &["<sip:alice@192.0.2.1:5060>;expires=60"]);
        assert!(matches!(lab.event(), Some(Event::Registered { .. })));
        let mut lab = Scripted::new();
        let (_, first) = register(&mut lab);
        lab.answer(&first, 404, "r");
        assert_eq!(failed(&mut lab).1, None, "one that never stood is refused for good");
    }

    // rfc: 3261 §10.2.2 — a binding is removed with an expiration of 0
    #[test]
    fn unregistering_removes_our_binding_alone() {
        let mut lab = Scripted::new();
        let (id, first) = register(&mut lab);
        bind(&mut lab, &first, &["<sip:alice@192.0.2.1:5060>;expires=60"]);
        lab.event();
        lab.agent.unregister(lab.now, id).unwrap();
        let second = lab.sent_request(&Method::REGISTER);
        assert_eq!(second.headers().require::<Contact>().unwrap().expires(), Some(0));
        lab.receive(challenge(&second, "n1"));
        let third = lab.sent_request(&Method::REGISTER);
        assert_eq!(third.headers().require::<Contact>().unwrap().expires(), Some(0));
        bind(&mut lab, &third, &[]);
        assert!(matches!(lab.event(), Some(Event::Unregistered { .. })));
        lab.ends_idle();
    }

    // rfc: 3261 §10.2 — no new REGISTER before the last one has its final response
    #[test]
    fn unregistering_waits_for_the_register_under_way() {
        let mut lab = Scripted::new();
        let (id, first) = register(&mut lab);
        lab.agent.unregister(lab.now, id).unwrap();
        lab.sent_nothing();
        bind(&mut lab, &first, &["<sip:alice@192.0.2.1:5060>;expires=60"]);
        let second = lab.sent_request(&Method::REGISTER);
        assert_eq!(second.headers().require::<Expires>().unwrap(), Expires(0));
        bind(&mut lab, &second, &[]);
        assert!(matches!(lab.event(), Some(Event::Unregistered { .. })));
        lab.ends_idle();
    }

    #[test]
    fn a_registrar_that_rewrites_our_contact_or_gives_no_expiry_is_understood() {
        for (contacts, granted) in [
            (&["<sip:alice@198.51.100.1:1024>;expires=50"][..], 50),
            (&["<sip:alice@192.0.2.1:5060>"][..], 3600),
            (&[][..], 3600),
        ] {
            let mut lab = Scripted::new();
            let (_, sent) = register(&mut lab);
            bind(&mut lab, &sent, contacts);
            let Some(Event::Registered { expires, .. }) = lab.event() else { panic!("registered") };
            assert_eq!(expires, secs(granted));
        }
    }

    #[test]
    fn a_registrar_that_grants_nothing_is_a_failure_and_no_busy_loop() {
        let mut lab = Scripted::new();
        let (_, sent) = register(&mut lab);
        bind(&mut lab, &sent, &["<sip:alice@192.0.2.1:5060>;expires=0"]);
        assert_eq!(failed(&mut lab).1, Some(secs(1)));
        lab.sent_nothing();
    }

    // rfc: 3261 §8.1.2 — an outbound proxy goes into Route
    // rfc: 3261 §10.2.1 — a SIPS address-of-record has a SIPS Contact
    #[test]
    fn an_outbound_proxy_is_a_loose_route_and_the_contact_suits_the_transport() {
        let proxy = || vec!["sip:192.0.2.2:5070;transport=tcp".parse().unwrap()];
        let mut lab = Scripted::over(sip_txn::Transport::Tcp);
        lab.agent.register(lab.now, account().outbound_proxies(proxy())).unwrap();
        let sent = lab.sent_request(&Method::REGISTER);
        assert_eq!(sent.headers().raw(HeaderName::ROUTE).unwrap(), b"<sip:192.0.2.2:5070;transport=tcp;lr>");
        let contact = sent.headers().require::<Contact>().unwrap();
        assert!(contact.uri().unwrap().transport_param() == Some("tcp"));
        let mut lab = Scripted::over(sip_txn::Transport::Tls);
        let account = Account::new("sips:alice@192.0.2.2".parse().unwrap());
        lab.agent.register(lab.now, account).unwrap();
        let sent = lab.sent_request(&Method::REGISTER);
        assert!(sent.headers().require::<Contact>().unwrap().uri().unwrap().is_sips());
    }
}

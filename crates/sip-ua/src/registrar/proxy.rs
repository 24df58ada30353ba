//! Forwarding ([RFC 3261 §16]): where a request goes, and which of the answers goes back.
//!
//! [RFC 3261 §16]: https://www.rfc-editor.org/rfc/rfc3261#section-16

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use sip_msg::{
    CSeq, Class, HeaderName, MaxForwards, Method, NameAddr, ProxyAuthorization, RecordRoute, Request,
    Response, Route, StatusCode, Text, To, Uri, Via,
};
use sip_txn::{ClientId, Ending, Flow, SendOptions, ServerId, TransactionLayer, Transport};

use super::{Event, Output, Registrar, Side};

/// How long an INVITE may ring without a sign of life ([RFC 3261 §16.6], Timer C: more than three minutes).
///
/// [RFC 3261 §16.6]: https://www.rfc-editor.org/rfc/rfc3261#section-16.6
const TIMER_C: Duration = Duration::from_secs(185);

/// A place to forward to.
struct Target {
    uri: Uri,
    /// The connection a user agent registered over, when only that leads to it.
    flow: Option<Flow>,
}

/// The URI parameter of our routes that says that we let the dialog's first request through.
const MARK: &str = "dialog";

/// Signs the mark.
pub(super) struct RouteKey(pub(super) [u8; 32]);

impl fmt::Debug for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RouteKey")
    }
}

/// The requests on their way.
#[derive(Debug, Default)]
pub(super) struct Forwarding {
    contexts: BTreeMap<ServerId, Context>,
    servers: HashMap<ClientId, ServerId>,
}

/// One request and its branches: the response context of [RFC 3261 §16.7].
///
/// [RFC 3261 §16.7]: https://www.rfc-editor.org/rfc/rfc3261#section-16.7
#[derive(Debug)]
struct Context {
    request: Request,
    branches: Vec<Branch>,
    best: Option<Response>,
    answered: bool,
    cancelled: bool,
    timer_c: Instant,
}

#[derive(Debug)]
struct Branch {
    client: ClientId,
    /// It has given its final response, or will give none.
    done: bool,
}

impl Registrar {
    /// Forwards a request; an `Err` is the answer to give at once.
    pub(super) fn forward(
        &mut self,
        now: Instant,
        server: ServerId,
        flow: Flow,
        request: &Request,
        uri: &Uri,
    ) -> Result<(), Box<Response>> {
        if self.forwarding.contexts.len() >= self.config.forwarded {
            return Err(self.answer(request, StatusCode::SERVICE_UNAVAILABLE));
        }
        let mut copy = request.clone();
        self.count_hop(&mut copy).map_err(|status| self.answer(request, status))?;
        let in_dialog = self.header::<To>(request)?.tag().is_some();
        // A To tag is easily made up; our mark in the route is not.
        if !(self.take_own_routes(&mut copy) && in_dialog) {
            self.authenticate(now, flow, request, Side::Call)?;
            drop_credentials(&mut copy, &self.config.domain);
        }
        let targets = self.targets(now, &copy, uri).map_err(|status| self.answer(request, status))?;
        let loop_hash = loop_hash(request);
        if self.has_looped(request, loop_hash) {
            return Err(self.answer(request, StatusCode::LOOP_DETECTED));
        }
        let mut branches = Vec::new();
        for target in &targets {
            let mut copy = copy.clone();
            copy.set_uri(&target.uri);
            if *request.method() == Method::INVITE && !in_dialog {
                self.record_route(&mut copy, flow, target);
            }
            let branch: Text = format!("{}.{loop_hash:016x}", self.ids.branch()).into();
            let options = options(target.flow).branch(branch);
            match self.layer.request(now, copy, options) {
                Ok(client) => branches.push(Branch { client, done: false }),
                Err(error) => tracing::debug!(%error, target = %target.uri, "cannot be forwarded"),
            }
        }
        if branches.is_empty() {
            return Err(self.answer(request, StatusCode::TEMPORARILY_UNAVAILABLE));
        }
        let event = Event::Forwarded {
            method: request.method().clone(),
            target: uri.clone(),
            branches: branches.len(),
        };
        self.output.push_back(Output::Event(event));
        for branch in &branches {
            self.forwarding.servers.insert(branch.client, server);
        }
        let context = Context {
            request: request.clone(),
            branches,
            best: None,
            answered: false,
            cancelled: false,
            timer_c: now + TIMER_C,
        };
        self.forwarding.contexts.insert(server, context);
        Ok(())
    }

    /// Sends the ACK of a 2xx on its way; nobody hears of it when that fails.
    pub(super) fn forward_ack(&mut self, now: Instant, _flow: Flow, mut ack: Request) {
        if self.count_hop(&mut ack).is_err() {
            return;
        }
        if !self.take_own_routes(&mut ack) {
            return;
        }
        let Ok(uri) = ack.uri() else { return };
        let Ok(targets) = self.targets(now, &ack, &uri) else { return };
        for target in targets {
            ack.set_uri(&target.uri);
            let options = options(target.flow);
            if let Err(error) = self.layer.ack(now, ack.clone(), options) {
                tracing::debug!(%error, "an ACK could not be forwarded");
            }
        }
    }

    /// Takes one from Max-Forwards ([RFC 3261 §16.3], §16.6).
    ///
    /// [RFC 3261 §16.3]: https://www.rfc-editor.org/rfc/rfc3261#section-16.3
    fn count_hop(&self, request: &mut Request) -> Result<(), StatusCode> {
        let left = match request.headers().get::<MaxForwards>() {
            Ok(Some(MaxForwards(0))) => return Err(StatusCode::TOO_MANY_HOPS),
            Ok(Some(MaxForwards(left))) => left - 1,
            Ok(None) => 70,
            Err(error) => return Err(error.status()),
        };
        request.headers_mut().replace(&MaxForwards(left));
        Ok(())
    }

    /// Takes the routes off that led here.
    ///
    /// Whether one of them has the mark of a dialog that was let through here.
    fn take_own_routes(&self, request: &mut Request) -> bool {
        let mark = self.mark(request);
        let mut marked = false;
        while let Ok(Some(route)) = request.headers().get::<Route>() {
            let uri = &route.name_addr.uri;
            if !self.is_ours(uri) || request.headers_mut().pop_front::<Route>().is_err() {
                break;
            }
            marked |= uri.params().value(MARK) == Some(mark.as_str());
        }
        marked
    }

    /// What nobody but us can write into a route: a digest of the Call-ID under our key.
    fn mark(&self, request: &Request) -> String {
        let call_id = request.headers().raw(HeaderName::CALL_ID).unwrap_or_default();
        let digest = Sha256::new().chain_update(self.route_key.0).chain_update(call_id).finalize();
        digest.iter().take(8).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }

    /// Where a request goes ([RFC 3261 §16.5]).
    ///
    /// [RFC 3261 §16.5]: https://www.rfc-editor.org/rfc/rfc3261#section-16.5
    fn targets(&self, now: Instant, request: &Request, uri: &Uri) -> Result<Vec<Target>, StatusCode> {
        let routed = request.headers().contains(HeaderName::ROUTE);
        if routed || !self.is_ours(uri) {
            let flow = if routed {
                None
            } else {
                self.location.flow_to(now, uri).filter(|flow| flow.transport != Transport::Udp)
            };
            return Ok(vec![Target { uri: uri.clone(), flow }]);
        }
        let user = uri.user().ok_or(StatusCode::ADDRESS_INCOMPLETE)?;
        let bindings = self.location.lookup(now, &user);
        if bindings.is_empty() {
            let known = self.config.users.contains_key(user.as_ref());
            return Err(if known { StatusCode::TEMPORARILY_UNAVAILABLE } else { StatusCode::NOT_FOUND });
        }
        let target = |binding: super::Binding| Target {
            flow: (binding.flow.transport != Transport::Udp).then_some(binding.flow),
            uri: binding.contact,
        };
        Ok(bindings.into_iter().map(target).collect())
    }

    /// Stays on the route of the dialog. Where the transport changes, a route for each side ([RFC 5658 §3]), so that each
    /// finds us by the transport it speaks.
    ///
    /// [RFC 5658 §3]: https://www.rfc-editor.org/rfc/rfc5658#section-3
    fn record_route(&self, request: &mut Request, from: Flow, target: &Target) {
        let to = target.flow.map_or_else(|| transport_of(&target.uri), |flow| flow.transport);
        let mark = self.mark(request);
        request.headers_mut().push_front(&self.own_route(from.transport, &mark));
        if to != from.transport {
            request.headers_mut().push_front(&self.own_route(to, &mark));
        }
    }

    fn own_route(&self, transport: Transport, mark: &str) -> RecordRoute {
        let uri = Uri::sip(self.layer.contact_address(transport, None))
            .with_param("lr", None)
            .with_param(MARK, Some(mark));
        if transport == Transport::Udp {
            return RecordRoute::new(NameAddr::new(uri));
        }
        let name = transport.name().to_ascii_lowercase();
        RecordRoute::new(NameAddr::new(uri.with_param("transport", Some(&name))))
    }

    /// Whether we have forwarded this very request before ([RFC 5393 §4.2]).
    ///
    /// [RFC 5393 §4.2]: https://www.rfc-editor.org/rfc/rfc5393#section-4.2
    fn has_looped(&self, request: &Request, hash: u64) -> bool {
        let ours = format!(".{hash:016x}");
        request
            .headers()
            .all::<Via>()
            .flatten()
            .any(|via| via.branch().is_some_and(|branch| branch.ends_with(&ours)))
    }
}

impl Forwarding {
    /// The caller gave up.
    pub(super) fn cancel(&mut self, now: Instant, server: ServerId, layer: &mut TransactionLayer) {
        if let Some(context) = self.contexts.get_mut(&server) {
            context.cancel(now, layer);
        }
    }

    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        client: ClientId,
        mut response: Response,
        layer: &mut TransactionLayer,
    ) {
        let Some(&server) = self.servers.get(&client) else { return };
        let Some(context) = self.contexts.get_mut(&server) else { return };
        if response.headers_mut().pop_front::<Via>().is_err() || !response.headers().contains(HeaderName::VIA)
        {
            return;
        }
        let invite = *context.request.method() == Method::INVITE;
        match response.class() {
            Class::Provisional => {
                context.timer_c = now + TIMER_C;
                if response.status() != StatusCode::TRYING && !context.answered {
                    forward_response(now, server, response, layer);
                }
            }
            Class::Success => {
                context.finish(client);
                // Each 2xx of a forked INVITE is a dialog of its own, and a repeated one asks for its ACK again.
                if invite || !context.answered {
                    forward_response(now, server, response, layer);
                }
                context.answered = true;
                context.cancel(now, layer);
            }
            Class::Failure => {
                context.finish(client);
                if response.status().code() >= 600 {
                    context.cancel(now, layer);
                }
                context.consider(response);
                context.settle(now, server, layer);
            }
        }
    }

    pub(super) fn handle_end(
        &mut self,
        now: Instant,
        client: ClientId,
        ending: &Ending,
        layer: &mut TransactionLayer,
    ) {
        let Some(server) = self.servers.remove(&client) else { return };
        let Some(context) = self.contexts.get_mut(&server) else { return };
        if context.finish(client) {
            let status = match ending {
                // A late 408 to anything but an INVITE helps nobody (RFC 4320 §4.2).
                Ending::TimedOut if *context.request.method() != Method::INVITE => None,
                Ending::TimedOut => Some(StatusCode::REQUEST_TIMEOUT),
                Ending::Normal | Ending::TransportFailed(_) | _ => Some(StatusCode::SERVER_INTERNAL_ERROR),
            };
            if let Some(status) = status {
                let response = Response::answer(&context.request, status).to_tag("proxy").build();
                context.consider(response);
            }
            context.settle(now, server, layer);
        }
        let over = |branch: &Branch| !self.servers.contains_key(&branch.client);
        if self.contexts.get(&server).is_some_and(|context| context.branches.iter().all(over)) {
            self.contexts.remove(&server);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.contexts
            .values()
            .filter(|context| context.waits_for_timer_c())
            .map(|context| context.timer_c)
            .min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, layer: &mut TransactionLayer) {
        for context in self.contexts.values_mut() {
            if context.waits_for_timer_c() && context.timer_c <= now {
                context.cancel(now, layer);
            }
        }
    }
}

impl Context {
    fn waits_for_timer_c(&self) -> bool {
        *self.request.method() == Method::INVITE && !self.answered && !self.cancelled
    }

    /// Cancels what still rings.
    fn cancel(&mut self, now: Instant, layer: &mut TransactionLayer) {
        if *self.request.method() != Method::INVITE || self.cancelled {
            return;
        }
        self.cancelled = true;
        for branch in self.branches.iter().filter(|branch| !branch.done) {
            layer.cancel(now, branch.client);
        }
    }

    /// Marks a branch as answered; whether it was not before.
    fn finish(&mut self, client: ClientId) -> bool {
        let open = self.branches.iter_mut().find(|branch| branch.client == client && !branch.done);
        open.map(|branch| branch.done = true).is_some()
    }

    /// Keeps the better one: 6xx over all, else the lowest class, and in 4xx those that the caller can act on
    /// ([RFC 3261 §16.7] step 6).
    ///
    /// [RFC 3261 §16.7]: https://www.rfc-editor.org/rfc/rfc3261#section-16.7
    fn consider(&mut self, response: Response) {
        let rank = |response: &Response| match response.status().code() {
            600.. => 0,
            401 | 407 | 415 | 420 | 484 => 4,
            code => code / 100 + if code < 500 { 2 } else { 1 },
        };
        if self.best.as_ref().is_none_or(|best| rank(&response) < rank(best)) {
            self.best = Some(response);
        }
    }

    /// Sends the best answer when every branch has given one.
    fn settle(&mut self, now: Instant, server: ServerId, layer: &mut TransactionLayer) {
        if self.answered || self.branches.iter().any(|branch| !branch.done) {
            return;
        }
        if let Some(best) = self.best.take() {
            self.answered = true;
            // Ours are not the only servers; that this branch is overloaded must not make the caller avoid all of them.
            let best = if best.status() == StatusCode::SERVICE_UNAVAILABLE {
                Response::answer(&self.request, StatusCode::SERVER_INTERNAL_ERROR).to_tag("proxy").build()
            } else {
                best
            };
            forward_response(now, server, best, layer);
        }
    }
}

fn forward_response(now: Instant, server: ServerId, response: Response, layer: &mut TransactionLayer) {
    if let Err(error) = layer.respond(now, server, response) {
        tracing::debug!(%error, "a response could not be forwarded");
    }
}

fn transport_of(uri: &Uri) -> Transport {
    match uri.transport_param() {
        Some(name) if name.eq_ignore_ascii_case("ws") => match uri.is_sips() {
            true => Transport::Wss,
            false => Transport::Ws,
        },
        _ if uri.is_sips() => Transport::Tls,
        Some(name) if name.eq_ignore_ascii_case("tcp") => Transport::Tcp,
        Some(name) if name.eq_ignore_ascii_case("tls") => Transport::Tls,
        _ => Transport::Udp,
    }
}

/// Over that connection, or wherever the Request-URI leads.
fn options(flow: Option<Flow>) -> SendOptions {
    flow.map_or_else(SendOptions::default, |flow| SendOptions::default().on(flow))
}

/// Takes credentials for our realm off: nobody behind us needs them.
fn drop_credentials(request: &mut Request, realm: &str) {
    let ours = |answer: &ProxyAuthorization| answer.0.params.value("realm") == Some(realm);
    let others: Vec<_> =
        request.headers().all::<ProxyAuthorization>().flatten().filter(|answer| !ours(answer)).collect();
    request.headers_mut().remove(HeaderName::PROXY_AUTHORIZATION);
    for other in others {
        request.headers_mut().push(&other);
    }
}

/// What makes two passes of a request through here the same: where it goes and which request it is.
fn loop_hash(request: &Request) -> u64 {
    let mut hasher = DefaultHasher::new();
    let headers = request.headers();
    request.uri_text().as_bytes().hash(&mut hasher);
    for name in [HeaderName::FROM, HeaderName::TO, HeaderName::CALL_ID, HeaderName::ROUTE] {
        headers.raw(name).hash(&mut hasher);
    }
    if let Ok(Some(cseq)) = headers.get::<CSeq>() {
        cseq.number.hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use sip_msg::{Limits, Message};
    use sip_txn::{Action, Input};

    use super::*;
    use crate::registrar::Config;

    // rfc: 3261 §26.3.2.2 — nobody relays through us with a To tag or a route that was made up
    #[test]
    fn a_request_in_a_dialog_that_we_never_let_through_is_challenged() {
        let now = testkit::Clock::new().now();
        let flow =
            Flow::new(Transport::Udp, "192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
        let transactions = sip_txn::Config::new([1; 32]).listen(Transport::Udp, flow.local);
        let mut registrar = Registrar::new(now, Config::new(transactions, "example.com"), [2; 32]);
        let send = |registrar: &mut Registrar, number: u32, call_id: &str, mark: &str| {
            let text = format!(
                "BYE sip:bob@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK{number}\r\n\
                 Route: <sip:192.0.2.1:5060;lr{mark}>\r\nFrom: <sip:a@example.com>;tag=1\r\n\
                 To: <sip:b@example.com>;tag=2\r\nCall-ID: {call_id}\r\nCSeq: {number} BYE\r\nMax-Forwards: 70\r\n\r\n"
            );
            let Ok(Message::Request(request)) = Message::parse(text.clone(), &Limits::default()) else {
                panic!("it parses")
            };
            registrar.handle_input(now, Input::Datagram { flow, bytes: text.into() });
            let sent = std::iter::from_fn(|| registrar.poll_output()).find_map(|output| match output {
                Output::Action(Action::Transmit(sent)) => Some(sent),
                Output::Action(_) | Output::Event(_) => None,
            });
            let sent = sent.unwrap();
            let line = String::from_utf8_lossy(&sent.bytes).lines().next().unwrap_or_default().to_owned();
            (registrar.mark(&request), line)
        };
        let (mark, refusal) = send(&mut registrar, 1, "x", "");
        assert_eq!(refusal, "SIP/2.0 407 Proxy Authentication Required");
        let mark = format!(";{MARK}={mark}");
        assert_eq!(send(&mut registrar, 2, "x", &mark).1, "BYE sip:bob@192.0.2.9 SIP/2.0");
        assert!(send(&mut registrar, 3, "y", &mark).1.starts_with("SIP/2.0 407 "), "of another call");
    }
}

//! Forwarding ([RFC 3261 §16]): where a request goes.
//!
//! [RFC 3261 §16]: https://www.rfc-editor.org/rfc/rfc3261#section-16

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;

use sha2::{Digest as _, Sha256};
use sip_msg::{
    CSeq, HeaderName, MaxForwards, Method, NameAddr, ProxyAuthorization, ProxyRequire, RecordRoute, Request,
    Response, Route, Scheme, StatusCode, Text, To, Unsupported, Uri, Via,
};
use sip_txn::{Flow, SendOptions, ServerId, Transport};

use super::location::Binding;
use super::response_context::ResponseContext;
use super::{Event, Output, Registrar, Side};

/// A place to forward to.
#[derive(Debug)]
pub(super) struct Target {
    uri: Uri,
    /// The connection a user agent registered over, when only that leads to it.
    flow: Option<Flow>,
    /// The proxies on the way.
    path: Vec<Route>,
}

impl Target {
    fn of(binding: &Binding) -> Self {
        let direct = binding.path.is_empty() && !binding.cut_off;
        let by_flow = direct && (binding.flow.transport != Transport::Udp || binding.outbound.is_some());
        Self {
            uri: binding.contact.clone(),
            flow: by_flow.then_some(binding.flow),
            path: binding.path.clone(),
        }
    }
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

impl Registrar {
    /// Forwards a request; an `Err` is the answer to give at once.
    pub(super) fn forward(
        &mut self,
        now: Instant,
        server: ServerId,
        flow: Flow,
        request: &Request,
    ) -> Result<(), Box<Response>> {
        if self.forwarding.is_full(self.config.forwarded) {
            return Err(self.answer(request, StatusCode::SERVICE_UNAVAILABLE));
        }
        let mut onward = request.clone();
        self.count_hop(&mut onward).map_err(|status| self.answer(request, status))?;
        self.refuse_extensions(request)?;
        let in_dialog = self.header::<To>(request)?.tag().is_some();
        // A To tag is easily made up; our mark in the route is not.
        if !(self.take_own_routes(&mut onward) && in_dialog) {
            self.authenticate(now, flow, request, Side::Call)?;
            drop_credentials(&mut onward, &self.config.domain);
        }
        let groups = self.targets(now, &onward).map_err(|status| self.answer(request, status))?;
        if self.has_looped(request, loop_hash(request)) {
            return Err(self.answer(request, StatusCode::LOOP_DETECTED));
        }
        let target = onward.uri().map_err(|error| self.answer(request, error.status()))?;
        let branches = groups.iter().map(Vec::len).sum();
        let event = Event::Forwarded { method: request.method().clone(), target, branches };
        let context = ResponseContext::new(now, request.clone(), onward, flow, in_dialog, groups);
        self.forwarding.insert(server, context);
        if !self.start_next(now, server) {
            self.forwarding.remove(server);
            return Err(self.answer(request, StatusCode::TEMPORARILY_UNAVAILABLE));
        }
        self.output.push_back(Output::Event(event));
        Ok(())
    }

    /// Sends a request to the places of the next lower preference; false when there are none (left) to send it to.
    pub(super) fn start_next(&mut self, now: Instant, server: ServerId) -> bool {
        while let Some((context, group)) = self.forwarding.next_group(server) {
            let (request, from, in_dialog) = (context.onward.clone(), context.flow, context.in_dialog);
            let hash = loop_hash(&context.request);
            let mut branches = Vec::new();
            for target in &group {
                let mut copy = request.clone();
                copy.set_uri(&target.uri);
                if makes_dialog(request.method(), in_dialog) {
                    self.record_route(&mut copy, from, target);
                }
                for route in target.path.iter().rev() {
                    copy.headers_mut().push_front(route);
                }
                let branch: Text = format!("{}.{hash:016x}", self.ids.branch()).into();
                match self.layer.request(now, copy, options(target.flow).branch(branch)) {
                    Ok(client) => branches.push(client),
                    Err(error) => tracing::debug!(%error, target = %target.uri, "cannot be forwarded"),
                }
            }
            if self.forwarding.started(now, server, branches, self.config.ring_time) {
                return true;
            }
        }
        false
    }

    /// Sends the ACK of a 2xx on its way; nobody hears of it when that fails.
    pub(super) fn forward_ack(&mut self, now: Instant, _flow: Flow, mut ack: Request) {
        if self.count_hop(&mut ack).is_err() {
            return;
        }
        if !self.take_own_routes(&mut ack) {
            return;
        }
        let Ok(groups) = self.targets(now, &ack) else { return };
        for target in groups.into_iter().flatten() {
            let mut ack = ack.clone();
            ack.set_uri(&target.uri);
            target.path.iter().rev().for_each(|route| ack.headers_mut().push_front(route));
            if let Err(error) = self.layer.ack(now, ack, options(target.flow)) {
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

    /// We know no extension that a proxy would have to ([RFC 3261 §16.3]).
    ///
    /// [RFC 3261 §16.3]: https://www.rfc-editor.org/rfc/rfc3261#section-16.3
    fn refuse_extensions(&mut self, request: &Request) -> Result<(), Box<Response>> {
        let Some(ProxyRequire(options)) = request.headers().get().ok().flatten() else { return Ok(()) };
        let mut response = self.answer(request, StatusCode::BAD_EXTENSION);
        response.headers_mut().push(&Unsupported(options));
        Err(response)
    }

    /// Takes the routes off that led here, also where a strict router put one into the Request-URI ([RFC 3261 §16.4]).
    ///
    /// Whether one of them has the mark of a dialog that was let through here.
    ///
    /// [RFC 3261 §16.4]: https://www.rfc-editor.org/rfc/rfc3261#section-16.4
    fn take_own_routes(&self, request: &mut Request) -> bool {
        let mark = self.mark(request);
        let is_marked = |uri: &Uri| uri.params().value(MARK) == Some(mark.as_str());
        let mut marked = false;
        if let Ok(uri) = request.uri()
            && self.is_ours(&uri)
            && is_marked(&uri)
        {
            let mut routes: Vec<Route> = request.headers().all().flatten().collect();
            if let Some(last) = routes.pop() {
                request.set_uri(last.uri());
                request.headers_mut().remove(HeaderName::ROUTE);
                routes.iter().for_each(|route| request.headers_mut().push(route));
                marked = true;
            }
        }
        while let Ok(Some(route)) = request.headers().get::<Route>() {
            let uri = &route.name_addr.uri;
            if !self.is_ours(uri) || request.headers_mut().pop_front::<Route>().is_err() {
                break;
            }
            marked |= is_marked(uri);
        }
        marked
    }

    /// What nobody but us can write into a route: a digest of the Call-ID under our key.
    fn mark(&self, request: &Request) -> String {
        let call_id = request.headers().raw(HeaderName::CALL_ID).unwrap_or_default();
        let digest = Sha256::new().chain_update(self.route_key.0).chain_update(call_id).finalize();
        digest.iter().take(8).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }

    /// Where a request goes ([RFC 3261 §16.5]): groups of places, those of the highest preference first.
    ///
    /// [RFC 3261 §16.5]: https://www.rfc-editor.org/rfc/rfc3261#section-16.5
    fn targets(&self, now: Instant, request: &Request) -> Result<VecDeque<Vec<Target>>, StatusCode> {
        let uri = request.uri().map_err(|error| error.status())?;
        if !matches!(uri.scheme(), Scheme::Sip | Scheme::Sips) {
            return Err(StatusCode::UNSUPPORTED_URI_SCHEME);
        }
        if request.headers().contains(HeaderName::ROUTE) {
            return Ok(VecDeque::from([vec![Target { uri, flow: None, path: Vec::new() }]]));
        }
        if !self.is_ours(&uri) {
            let target = match self.location.binding_at(now, &uri) {
                Some(binding) => Target { uri, ..Target::of(binding) },
                None => Target { uri, flow: None, path: Vec::new() },
            };
            return Ok(VecDeque::from([vec![target]]));
        }
        let user = uri.user().ok_or(StatusCode::ADDRESS_INCOMPLETE)?;
        let bindings = self.location.lookup(now, &user);
        if bindings.is_empty() {
            let known = self.config.users.contains_key(user.as_ref());
            return Err(if known { StatusCode::TEMPORARILY_UNAVAILABLE } else { StatusCode::NOT_FOUND });
        }
        // Several flows of one instance are one phone: the newest is tried, the others are spares (RFC 5626 §6).
        let mut instances = BTreeSet::new();
        let bindings: Vec<_> = bindings
            .into_iter()
            .rev()
            .filter(|binding| {
                binding.outbound.as_ref().is_none_or(|(instance, _)| instances.insert(instance.clone()))
            })
            .collect();
        let groups = bindings.chunk_by(|one, other| one.q == other.q);
        Ok(groups.map(|group| group.iter().map(Target::of).collect()).rev().collect())
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

/// Requests that make a dialog, and NOTIFY, which does so too ([RFC 6665 §4.3]).
///
/// [RFC 6665 §4.3]: https://www.rfc-editor.org/rfc/rfc6665#section-4.3
fn makes_dialog(method: &Method, in_dialog: bool) -> bool {
    match *method {
        Method::INVITE | Method::SUBSCRIBE | Method::REFER => !in_dialog,
        Method::NOTIFY => true,
        _ => false,
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

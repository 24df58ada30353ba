//! Dialogs: the relation between two user agents that requests travel in ([RFC 3261 §12]).
//!
//! [RFC 3261 §12]: https://www.rfc-editor.org/rfc/rfc3261#section-12

use sip_msg::{CSeq, CallId, Contact, From, RecordRoute, Route, To, Via};
use sip_msg::{HeaderError, HeaderName, Headers, Method, Request, Response, Text, Uri};

use sip_txn::{Flow, SendOptions};

use crate::target;

/// Which end of the dialog we are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// We sent the request that made it, and own its Call-ID.
    Uac,
    /// We received that request.
    Uas,
}

/// What finds a dialog: Call-ID, our tag, the peer's tag.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct DialogKey {
    pub(crate) call_id: Text,
    pub(crate) local_tag: Text,
    /// Empty for a peer of RFC 2543, which had no tags.
    pub(crate) remote_tag: Text,
}

impl DialogKey {
    /// The key that an incoming request names; `None` if it names no dialog.
    pub(crate) fn of_request(request: &Request) -> Option<Self> {
        let headers = request.headers();
        let to = headers.require::<To>().ok()?;
        let from = headers.require::<From>().ok()?;
        Some(Self {
            call_id: headers.require::<CallId>().ok()?.0,
            local_tag: to.params.text("tag")?,
            remote_tag: from.params.text("tag").unwrap_or_default(),
        })
    }
}

/// The state of one dialog ([RFC 3261 §12]). What lives here shares no buffer with a message.
///
/// [RFC 3261 §12]: https://www.rfc-editor.org/rfc/rfc3261#section-12
#[derive(Clone, Debug)]
pub struct Dialog {
    role: Role,
    call_id: Text,
    local: From,
    remote: To,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    route_set: Vec<Route>,
    remote_target: Uri,
    contact: Uri,
    /// The connection that the peer itself opened to us: its Contact may be an address that nobody can connect to.
    flow: Option<Box<Flow>>,
    /// The peer's Allow, as last seen, has UPDATE ([RFC 3311 §4]).
    ///
    /// [RFC 3311 §4]: https://www.rfc-editor.org/rfc/rfc3311#section-4
    takes_update: bool,
}

/// All that a dialog is made of, to be written down and read again.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) role: Role,
    pub(crate) call_id: Text,
    pub(crate) local: From,
    pub(crate) remote: To,
    pub(crate) local_cseq: u32,
    pub(crate) remote_cseq: Option<u32>,
    pub(crate) route_set: Vec<Route>,
    pub(crate) remote_target: Uri,
    pub(crate) contact: Uri,
    pub(crate) takes_update: bool,
}

impl core::convert::From<Parts> for Dialog {
    fn from(parts: Parts) -> Self {
        let Parts { role, call_id, local, remote, local_cseq, remote_cseq, .. } = parts;
        let Parts { route_set, remote_target, contact, takes_update, .. } = parts;
        Self {
            role,
            call_id,
            local,
            remote,
            local_cseq,
            remote_cseq,
            route_set,
            remote_target,
            contact,
            flow: None,
            takes_update,
        }
    }
}

impl Dialog {
    pub(crate) fn parts(&self) -> Parts {
        Parts {
            role: self.role,
            call_id: self.call_id.clone(),
            local: self.local.clone(),
            remote: self.remote.clone(),
            local_cseq: self.local_cseq,
            remote_cseq: self.remote_cseq,
            route_set: self.route_set.clone(),
            remote_target: self.remote_target.clone(),
            contact: self.contact.clone(),
            takes_update: self.takes_update,
        }
    }

    /// The dialog that a provisional or 2xx response to our INVITE makes ([RFC 3261 §12.1.2]).
    ///
    /// A response without a usable Contact breaks the rules; the Request-URI then serves as remote target.
    ///
    /// [RFC 3261 §12.1.2]: https://www.rfc-editor.org/rfc/rfc3261#section-12.1.2
    pub(crate) fn of_response(
        invite: &Request,
        contact: &Uri,
        response: &Response,
    ) -> Result<Self, HeaderError> {
        let sent = invite.headers();
        let local = sent.require::<From>()?;
        let remote = response.headers().require::<To>()?;
        let fallback = || invite.uri().unwrap_or_else(|_| remote.uri().clone());
        let mut dialog = Self {
            role: Role::Uac,
            call_id: sent.require::<CallId>()?.0.detach(),
            local_cseq: sent.require::<CSeq>()?.number,
            remote_cseq: None,
            route_set: Vec::new(),
            remote_target: target::first_contact(response.headers()).unwrap_or_else(fallback).detach(),
            contact: contact.clone(),
            flow: None,
            takes_update: false,
            local: local.detach(),
            remote: remote.detach(),
        };
        dialog.take_route_set(response);
        dialog.take_allow(response.headers());
        Ok(dialog)
    }

    /// The dialog that our answer to an INVITE makes ([RFC 3261 §12.1.1]).
    ///
    /// [RFC 3261 §12.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-12.1.1
    pub(crate) fn of_request(invite: &Request, local_tag: &Text, contact: Uri) -> Result<Self, HeaderError> {
        let headers = invite.headers();
        let from = headers.require::<From>()?;
        let to = headers.require::<To>()?.with_tag(local_tag.clone());
        let mut dialog = Self {
            role: Role::Uas,
            call_id: headers.require::<CallId>()?.0.detach(),
            local_cseq: 0,
            remote_cseq: Some(headers.require::<CSeq>()?.number),
            route_set: record_route(headers).collect(),
            remote_target: target::first_contact(headers).unwrap_or_else(|| from.uri().detach()),
            contact,
            flow: None,
            takes_update: false,
            local: From { name_addr: to.name_addr, params: to.params }.detach(),
            remote: To { name_addr: from.name_addr, params: from.params }.detach(),
        };
        dialog.take_allow(headers);
        Ok(dialog)
    }

    /// Sends what follows back over the connection that the request came on, while that is open: its sender opened it, and
    /// no proxy is between (one Via, no Record-Route).
    pub(crate) fn keep_to(&mut self, flow: &Flow, request: &Request) {
        let direct = self.route_set.is_empty() && request.headers().all::<Via>().count() == 1;
        self.flow = (direct && flow.transport.is_reliable()).then(|| Box::new(*flow));
    }

    /// The dialog that a NOTIFY makes of a subscription of ours ([RFC 6665 §4.4.1]); `number` is what our SUBSCRIBE had.
    ///
    /// [RFC 6665 §4.4.1]: https://www.rfc-editor.org/rfc/rfc6665#section-4.4.1
    pub(crate) fn of_notify(
        notify: &Request,
        local_tag: &Text,
        contact: Uri,
        number: u32,
    ) -> Result<Self, HeaderError> {
        let made = Self::of_request(notify, local_tag, contact)?;
        Ok(Self { role: Role::Uac, local_cseq: number, ..made })
    }

    /// The route set of a 2xx, which counts even where an early one had another ([RFC 3261 §13.2.2.4]).
    ///
    /// [RFC 3261 §13.2.2.4]: https://www.rfc-editor.org/rfc/rfc3261#section-13.2.2.4
    pub(crate) fn take_route_set(&mut self, response: &Response) {
        self.route_set = record_route(response.headers()).collect();
        self.route_set.reverse();
    }

    /// The peer's new Contact, out of a target refresh request or the 2xx to one.
    pub(crate) fn refresh_target(&mut self, headers: &Headers) {
        if let Some(contact) = target::first_contact(headers) {
            if contact != self.remote_target {
                self.flow = None;
            }
            self.remote_target = contact;
        }
        self.take_allow(headers);
    }

    /// Which methods the peer takes, where it says so.
    fn take_allow(&mut self, headers: &Headers) {
        if headers.contains(HeaderName::ALLOW) {
            self.takes_update = lists(headers, HeaderName::ALLOW, Method::UPDATE.as_str());
        }
    }

    /// Takes the CSeq of a request of the peer; false for one that is out of order ([RFC 3261 §12.2.2]).
    ///
    /// [RFC 3261 §12.2.2]: https://www.rfc-editor.org/rfc/rfc3261#section-12.2.2
    pub(crate) fn receive(&mut self, number: u32) -> bool {
        if self.remote_cseq.is_some_and(|last| number < last) {
            return false;
        }
        self.remote_cseq = Some(number);
        true
    }

    /// A request in this dialog, with the next CSeq ([RFC 3261 §12.2.1.1]).
    ///
    /// [RFC 3261 §12.2.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-12.2.1.1
    pub(crate) fn request(&mut self, method: Method) -> Request {
        self.local_cseq = self.local_cseq.saturating_add(1);
        self.numbered(method, self.local_cseq)
    }

    /// Gives a request that is sent anew, with credentials for instance, the next CSeq.
    pub(crate) fn renumber(&mut self, request: &mut Request) {
        self.local_cseq = self.local_cseq.saturating_add(1);
        let method = request.method().clone();
        request.headers_mut().replace(&CSeq { number: self.local_cseq, method });
    }

    /// Whether we have sent another request since the one that this answers.
    pub(crate) fn has_gone_on(&self, response: &Response) -> bool {
        response.headers().require::<CSeq>().is_ok_and(|answered| answered.number < self.local_cseq)
    }

    /// Goes on where a copy of the same dialog has got to.
    pub(crate) fn catch_up(&mut self, copy: Option<&Self>) {
        self.local_cseq = copy.map_or(self.local_cseq, |copy| self.local_cseq.max(copy.local_cseq));
    }

    /// The ACK to a 2xx: the number of the INVITE, and what the INVITE had of credentials ([RFC 3261 §13.2.2.4]).
    ///
    /// [RFC 3261 §13.2.2.4]: https://www.rfc-editor.org/rfc/rfc3261#section-13.2.2.4
    pub(crate) fn ack(&self, invite: &Request) -> Request {
        let number = invite.headers().require::<CSeq>().map_or(self.local_cseq, |cseq| cseq.number);
        let mut ack = self.numbered(Method::ACK, number);
        for credentials in invite.headers().all::<sip_msg::Authorization>().flatten() {
            ack.headers_mut().push(&credentials);
        }
        for credentials in invite.headers().all::<sip_msg::ProxyAuthorization>().flatten() {
            ack.headers_mut().push(&credentials);
        }
        ack
    }

    /// Loose and strict routing: the Request-URI and the Route lines.
    fn numbered(&self, method: Method, number: u32) -> Request {
        let (uri, routes) = target::routed(&self.route_set, &self.remote_target);
        let mut builder = Request::builder(method.clone(), &uri);
        for route in &routes {
            builder = builder.header(route);
        }
        builder
            .header(&self.local)
            .header(&self.remote)
            .header(&CallId(self.call_id.clone()))
            .header(&CSeq { number, method })
            .build()
    }

    /// How requests of this dialog are sent: a strict router stands in the Request-URI, not in Route, and is where they go
    /// ([RFC 3261 §8.1.2]).
    ///
    /// [RFC 3261 §8.1.2]: https://www.rfc-editor.org/rfc/rfc3261#section-8.1.2
    pub(crate) fn send_options(&self) -> SendOptions {
        let strict = self.route_set.first().filter(|first| !first.uri().is_loose_router());
        let options = SendOptions::default().rather_on(self.flow.as_deref().copied());
        strict.map_or_else(|| options.clone(), |first| options.clone().to(first.uri().clone()))
    }

    pub(crate) fn key(&self) -> DialogKey {
        DialogKey {
            call_id: self.call_id.clone(),
            local_tag: self.local_tag().into(),
            remote_tag: self.remote_tag().into(),
        }
    }

    /// Our address has changed.
    pub(crate) fn set_contact(&mut self, contact: Uri) {
        self.contact = contact.detach();
    }

    /// Our Contact header in this dialog.
    pub(crate) fn contact_header(&self) -> Contact {
        Contact::new(self.contact.clone())
    }

    /// Which end we are.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The Call-ID.
    #[must_use]
    pub fn call_id(&self) -> &Text {
        &self.call_id
    }

    /// Our tag.
    #[must_use]
    pub fn local_tag(&self) -> &str {
        self.local.tag().unwrap_or_default()
    }

    /// The peer's tag; empty if it has none.
    #[must_use]
    pub fn remote_tag(&self) -> &str {
        self.remote.tag().unwrap_or_default()
    }

    /// Who we are in it.
    #[must_use]
    pub fn local(&self) -> &From {
        &self.local
    }

    /// Who the peer is in it, by its own claim.
    #[must_use]
    pub fn remote(&self) -> &To {
        &self.remote
    }

    /// Where requests to the peer go in the end.
    #[must_use]
    pub fn remote_target(&self) -> &Uri {
        &self.remote_target
    }

    /// The proxies on the way, nearest first.
    #[must_use]
    pub fn route_set(&self) -> &[Route] {
        &self.route_set
    }

    /// Whether the peer has said that it takes UPDATE.
    #[must_use]
    pub fn takes_update(&self) -> bool {
        self.takes_update
    }

    /// Our Contact.
    #[must_use]
    pub fn contact(&self) -> &Uri {
        &self.contact
    }
}

/// Whether a header that is a list of words (Allow, Supported) has this one.
pub(crate) fn lists(headers: &Headers, name: HeaderName, word: &str) -> bool {
    let mut words = headers.raw_all(name).flat_map(|line| line.split(|byte| *byte == b','));
    words.any(|found| found.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

/// The Record-Route lines in message order, as routes.
fn record_route(headers: &Headers) -> impl Iterator<Item = Route> {
    headers.all::<RecordRoute>().flatten().map(|route| Route::from(route).detach())
}

#[cfg(test)]
mod tests {
    use sip_msg::{Host, Limits, Message};

    use super::*;

    fn request(text: &str) -> Request {
        let text = text.replace('\n', "\r\n");
        let message = Message::parse(text.into_bytes(), &Limits::default()).unwrap();
        message.as_request().unwrap().clone()
    }

    fn invite() -> Request {
        request(
            "INVITE sip:bob@example.com SIP/2.0\n\
             Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\n\
             Record-Route: <sip:p1.example;lr>, <sip:p2.example;lr>\n\
             Record-Route: <sip:p3.example;lr;x=1>\n\
             From: \"Alice\" <sip:alice@example.com>;tag=a\n\
             To: <sip:bob@example.com>\n\
             Call-ID: c1\nCSeq: 7 INVITE\n\
             Authorization: Digest username=\"alice\", realm=\"r\", nonce=\"n\", uri=\"sip:b\", response=\"1\"\n\
             Contact: <sip:alice@192.0.2.1>\nContent-Length: 0\n\n",
        )
    }

    fn contact() -> Uri {
        Uri::sip(Host::V4([192, 0, 2, 9].into()))
    }

    fn uac(contact_line: &str) -> Dialog {
        let text = format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
             Record-Route: <sip:p1.example;lr>, <sip:p2.example;lr>, <sip:p3.example;lr;x=1>\r\n\
             From: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>;tag=b\r\n\
             Call-ID: c1\r\nCSeq: 7 INVITE\r\n{contact_line}Content-Length: 0\r\n\r\n"
        );
        let message = Message::parse(text.into_bytes(), &Limits::default()).unwrap();
        Dialog::of_response(&invite(), &contact(), message.as_response().unwrap()).unwrap()
    }

    fn routes(request: &Request) -> Vec<String> {
        request.headers().all::<Route>().map(|route| route.unwrap().to_string()).collect()
    }

    // rfc: 3261 §12.1.2 — the UAC reverses Record-Route, the target is the Contact of the response
    // rfc: 3261 §12.2.1.1 — loose routing: the target in the Request-URI, the whole set in Route, CSeq one higher
    #[test]
    fn a_caller_routes_through_the_reversed_record_route() {
        let mut dialog = uac("Contact: <sip:bob@192.0.2.4>\r\n");
        let bye = dialog.request(Method::BYE);
        assert_eq!(bye.uri_text(), "sip:bob@192.0.2.4");
        assert_eq!(routes(&bye), ["<sip:p3.example;lr;x=1>", "<sip:p2.example;lr>", "<sip:p1.example;lr>"]);
        assert_eq!(bye.headers().require::<CSeq>().unwrap(), CSeq::new(8, Method::BYE));
        assert_eq!(bye.headers().require::<From>().unwrap().tag().unwrap(), "a");
        assert_eq!(bye.headers().require::<To>().unwrap().tag().unwrap(), "b");
        assert_eq!(dialog.request(Method::INFO).headers().require::<CSeq>().unwrap().number, 9);
    }

    #[test]
    fn a_caller_without_a_proxy_is_answered_over_the_connection_it_opened() {
        let [tcp, udp] = [sip_txn::Transport::Tcp, sip_txn::Transport::Udp].map(|transport| {
            Flow::new(transport, "192.0.2.9:5060".parse().unwrap(), "192.0.2.1:40000".parse().unwrap())
        });
        let mut direct = invite();
        direct.headers_mut().remove(HeaderName::RECORD_ROUTE);
        let mut proxied = direct.clone();
        proxied.headers_mut().push(&Via::new(
            "TCP",
            sip_msg::HostPort::new(Host::V4([192, 0, 2, 7].into()), None),
            "z9hG4bK2",
        ));
        for (request, flow, kept) in
            [(&direct, tcp, Some(tcp)), (&direct, udp, None), (&proxied, tcp, None), (&invite(), tcp, None)]
        {
            let mut dialog = Dialog::of_request(request, &"b".into(), contact()).unwrap();
            dialog.keep_to(&flow, request);
            assert_eq!(dialog.send_options().rather, kept, "{request:?}");
        }
    }

    // rfc: 3261 §12.1.1 — the UAS keeps the order of Record-Route, and the target is the Contact of the request
    #[test]
    fn a_callee_routes_through_the_record_route_in_order() {
        let mut dialog = Dialog::of_request(&invite(), &"b".into(), contact()).unwrap();
        let bye = dialog.request(Method::BYE);
        assert_eq!(bye.uri_text(), "sip:alice@192.0.2.1");
        assert_eq!(routes(&bye), ["<sip:p1.example;lr>", "<sip:p2.example;lr>", "<sip:p3.example;lr;x=1>"]);
        assert_eq!(bye.headers().require::<From>().unwrap().to_string(), "<sip:bob@example.com>;tag=b");
        assert_eq!(
            bye.headers().require::<To>().unwrap().to_string(),
            "\"Alice\" <sip:alice@example.com>;tag=a"
        );
    }

    // rfc: 3261 §12.2.1.1 — a strict router goes into the Request-URI, the target behind the last route
    #[test]
    fn a_strict_router_takes_the_place_of_the_target() {
        let mut request = invite();
        request.headers_mut().remove(sip_msg::HeaderName::RECORD_ROUTE);
        for uri in ["sip:proxy1;method=INVITE?Subject=x", "sip:proxy2", "sip:proxy3;lr", "sip:proxy4"] {
            request.headers_mut().push(&RecordRoute::new(uri.parse::<Uri>().unwrap()));
        }
        let mut dialog = Dialog::of_request(&request, &"b".into(), contact()).unwrap();
        let bye = dialog.request(Method::BYE);
        assert_eq!(bye.uri_text(), "sip:proxy1");
        assert_eq!(
            routes(&bye),
            ["<sip:proxy2>", "<sip:proxy3;lr>", "<sip:proxy4>", "<sip:alice@192.0.2.1>"]
        );
    }

    // rfc: 3261 §13.2.2.4 — the ACK to a 2xx has the number and the credentials of the INVITE
    #[test]
    fn an_ack_repeats_the_invites_number_and_credentials() {
        let mut dialog = uac("Contact: <sip:bob@192.0.2.4>\r\n");
        dialog.request(Method::INFO);
        let ack = dialog.ack(&invite());
        assert_eq!(ack.headers().require::<CSeq>().unwrap(), CSeq::new(7, Method::ACK));
        assert_eq!(
            ack.headers().raw(sip_msg::HeaderName::AUTHORIZATION),
            invite().headers().raw(sip_msg::HeaderName::AUTHORIZATION)
        );
    }

    // rfc: 3261 §12.2.2 — a lower CSeq is out of order, a gap is not
    #[test]
    fn numbers_go_up_and_may_leave_gaps() {
        let mut dialog = Dialog::of_request(&invite(), &"b".into(), contact()).unwrap();
        assert!(dialog.receive(9));
        assert!(!dialog.receive(8));
        assert!(dialog.receive(10));
        let mut fresh = uac("");
        assert!(fresh.receive(1));
    }

    // rfc: 3261 §12.2.1.2 — a target refresh replaces the remote target and nothing else
    #[test]
    fn a_target_refresh_changes_the_target_only() {
        let mut dialog = uac("Contact: <sip:bob@192.0.2.4>\r\n");
        let before = dialog.route_set().to_vec();
        dialog.refresh_target(invite().headers());
        assert_eq!(dialog.remote_target().to_string(), "sip:alice@192.0.2.1");
        assert_eq!(dialog.route_set(), before);
        let mut empty = sip_msg::Headers::new();
        empty.push(&Contact::Star);
        empty.push(&Contact::new("tel:+4930123".parse::<Uri>().unwrap()));
        dialog.refresh_target(&empty);
        assert_eq!(dialog.remote_target().to_string(), "sip:alice@192.0.2.1");
    }

    #[test]
    fn a_response_without_contact_leaves_the_request_uri_as_target() {
        assert_eq!(uac("").remote_target().to_string(), "sip:bob@example.com");
    }
}

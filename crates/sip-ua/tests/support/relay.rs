//! A stateless proxy by RFC 3261 §16.11 that may ask for a password, redirect, or say nothing at all.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use sip_msg::{
    CSeq, Contact, HeaderName, Headers, Limits, Message, Method, ProxyAuthenticate, RecordRoute, Request,
    Response, Route, StatusCode, Uri, Via,
};
use testkit::{Datagram, Node};

#[derive(Default)]
pub(crate) struct Relay {
    ip: String,
    /// Asks for a password of this realm, and believes any answer.
    pub(crate) realm: Option<&'static str>,
    /// Lets no INVITE pass, and says where the announcement is that tells why.
    pub(crate) screens: Option<String>,
    /// Answers every INVITE with these addresses.
    pub(crate) redirect: Option<String>,
    /// Where whoever is asked for under the proxy's own address is to be found.
    pub(crate) location: Option<&'static str>,
    /// Lets requests come and does nothing.
    pub(crate) silent: bool,
    outbox: VecDeque<Datagram>,
}

impl Relay {
    pub(crate) fn new(ip: &str) -> Self {
        Self { ip: ip.into(), ..Self::default() }
    }

    /// As a proxy in an application's list.
    pub(crate) fn uri(&self) -> Uri {
        format!("sip:{}", self.ip).parse().expect("a URI")
    }

    fn send(&mut self, to: SocketAddr, message: &Message) {
        let from = SocketAddr::new(self.ip.parse().expect("an IP address"), 5060);
        self.outbox.push_back(Datagram { from, to, bytes: message.to_bytes().to_vec() });
    }

    fn answer(&mut self, to: SocketAddr, request: &Request, status: StatusCode) {
        let mut response = Response::answer(request, status).to_tag(&format!("relay{}", self.ip)).build();
        if let Some(realm) = self.realm.filter(|_| status == StatusCode::PROXY_AUTHENTICATION_REQUIRED) {
            let challenge = format!("Digest realm=\"{realm}\", nonce=\"n-{realm}\", algorithm=MD5");
            response
                .headers_mut()
                .push_raw(<ProxyAuthenticate as sip_msg::TypedHeader>::NAME, challenge)
                .expect("a line");
        }
        if let Some(contacts) = self.redirect.as_deref().filter(|_| status.is_redirection()) {
            response
                .headers_mut()
                .push_raw(<Contact as sip_msg::TypedHeader>::NAME, contacts)
                .expect("a line");
        }
        if let Some(announcement) = self.screens.as_deref().filter(|_| status == StatusCode::FORBIDDEN) {
            response.headers_mut().push_raw(HeaderName::ERROR_INFO, announcement).expect("a line");
        }
        self.send(to, &response.into());
    }

    fn request(&mut self, from: SocketAddr, mut request: Request) {
        if self.silent {
            return;
        }
        let method = request.method().clone();
        let branch = top_branch(request.headers());
        let mine = |route: &Route| route.uri().host().is_some_and(|host| host.to_string() == self.ip);
        let routes: Vec<Route> = request.headers().all::<Route>().flatten().collect();
        if routes.first().is_some_and(mine) {
            request.headers_mut().pop_front::<Route>().expect("it can be read");
        }
        let known =
            |realm| String::from_utf8_lossy(&request.to_bytes()).contains(&format!("nonce=\"n-{realm}\""));
        let first = request.headers().require::<sip_msg::To>().is_ok_and(|to| to.tag().is_none());
        if let (Some(realm), true, true) = (self.realm, first, method == Method::INVITE)
            && !known(realm)
        {
            return self.answer(from, &request, StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        }
        if self.screens.is_some() && method == Method::INVITE {
            return self.answer(from, &request, StatusCode::FORBIDDEN);
        }
        if self.redirect.is_some() && method == Method::INVITE {
            return self.answer(from, &request, StatusCode::MOVED_TEMPORARILY);
        }
        // The ACK to what was answered here.
        let to = request.headers().require::<sip_msg::To>().ok().and_then(|to| to.params.text("tag"));
        if method == Method::ACK && to.is_some_and(|tag| *tag == *format!("relay{}", self.ip)) {
            return;
        }
        if method == Method::INVITE {
            request.headers_mut().push_front(&RecordRoute::new(self.uri().with_param("lr", None)));
        }
        let own =
            request.uri().ok().and_then(|uri| uri.host()).is_some_and(|host| host.to_string() == self.ip);
        if let Some(location) = self.location.filter(|_| own) {
            request.set_uri(&location.parse().expect("a URI"));
        }
        let via = Via::new(
            "UDP",
            self.ip.parse::<sip_msg::HostPort>().expect("a host"),
            format!("{branch}-{}", self.ip),
        );
        request.headers_mut().push_front(&via);
        let next = request.headers().all::<Route>().flatten().next().map(|route| route.uri().clone());
        let next = next.or_else(|| request.uri().ok()).and_then(|uri| address(&uri));
        self.send(next.expect("an address"), &request.into());
    }

    fn response(&mut self, mut response: Response) {
        let trying = response.status() == StatusCode::TRYING;
        let invite = response.headers().require::<CSeq>().is_ok_and(|cseq| cseq.method == Method::INVITE);
        response.headers_mut().pop_front::<Via>().expect("our own");
        let Ok(via) = response.headers().require::<Via>() else { return };
        let ip: Option<IpAddr> =
            via.received().and_then(|ip| ip.to_string().parse().ok()).or(via.sent_by.host.ip());
        if !(trying && invite) {
            let port = via.sent_by.port.unwrap_or(5060);
            self.send(SocketAddr::new(ip.expect("an address"), port), &response.into());
        }
    }
}

fn top_branch(headers: &Headers) -> String {
    let via = headers.require::<Via>().expect("it is checked");
    via.branch().expect("a branch").to_owned()
}

fn address(uri: &Uri) -> Option<SocketAddr> {
    Some(SocketAddr::new(uri.host()?.ip()?, uri.port().unwrap_or(5060)))
}

impl Node for Relay {
    fn handle_datagram(&mut self, _: Instant, datagram: Datagram) {
        match Message::parse(datagram.bytes, &Limits::default()).expect("agents send what parses") {
            Message::Request(request) => self.request(datagram.from, request),
            Message::Response(response) => self.response(response),
        }
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_timeout(&mut self) -> Option<Instant> {
        None
    }

    fn poll_transmit(&mut self) -> Option<Datagram> {
        self.outbox.pop_front()
    }
}

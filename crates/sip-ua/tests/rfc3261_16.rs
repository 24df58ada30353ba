//! The proxy of the registrar, message by message ([RFC 3261 §16], [RFC 3327], [RFC 5626]).
//!
//! [RFC 3261 §16]: https://www.rfc-editor.org/rfc/rfc3261#section-16
//! [RFC 3327]: https://www.rfc-editor.org/rfc/rfc3327
//! [RFC 5626]: https://www.rfc-editor.org/rfc/rfc5626

use std::net::SocketAddr;
use std::time::Duration;

use md5::{Digest as _, Md5};
use sip_msg::{
    HeaderName, Limits, Message, Method, Path, ProxyAuthenticate, RecordRoute, Request, Response, Route,
    StatusCode, Via, WwwAuthenticate,
};
use sip_txn::{Action, Flow, Input, Transport};
use sip_ua::registrar::{Config, Event, Output, Registrar};
use testkit::Clock;

const PROXY: &str = "192.0.2.1:5060";
const CALLER: &str = "192.0.2.10:5060";

/// The proxy, and everybody else by hand.
struct Lab {
    clock: Clock,
    proxy: Registrar,
    sent: Vec<(SocketAddr, Message)>,
    number: u32,
}

impl Lab {
    fn new() -> Self {
        let clock = Clock::new();
        let transactions =
            sip_txn::Config::new([7; 32]).listen(Transport::Udp, PROXY.parse().expect("an address"));
        let config = Config::new(transactions, "example.com").user("alice", "a").user("bob", "b");
        let proxy = Registrar::new(clock.now(), config.ring_time(Duration::from_secs(10)), [9; 32]);
        Self { clock, proxy, sent: Vec::new(), number: 0 }
    }

    fn receive(&mut self, from: &str, text: &str) {
        let flow =
            Flow::new(Transport::Udp, PROXY.parse().expect("an address"), from.parse().expect("an address"));
        let bytes = text.replace('\n', "\r\n").into_bytes();
        self.proxy.handle_input(self.clock.now(), Input::Datagram { flow, bytes: bytes.into() });
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(output) = self.proxy.poll_output() {
            if let Output::Action(Action::Transmit(transmit)) = output {
                let message = Message::parse(transmit.bytes, &Limits::default()).expect("it parses");
                self.sent.push((transmit.flow.remote, message));
            }
        }
    }

    /// Lets time pass, without what is repeated meanwhile.
    fn wait(&mut self, time: Duration) {
        let end = self.clock.now() + time;
        while let Some(at) = self.proxy.poll_timeout().filter(|at| *at <= end) {
            self.clock.advance_to(at);
            self.proxy.handle_timeout(at);
            self.collect();
        }
        self.clock.advance_to(end);
    }

    /// The requests with a method that were sent to somebody, each once; all else is dropped.
    fn requests(&mut self, method: &Method) -> Vec<(SocketAddr, Request)> {
        let mut found: Vec<(SocketAddr, Request)> = Vec::new();
        for (to, message) in self.sent.drain(..) {
            if let Message::Request(request) = message
                && request.method() == method
                && !found.iter().any(|(other, _)| *other == to)
            {
                found.push((to, request));
            }
        }
        found
    }

    /// The last response above 100 that went to the caller.
    fn response(&mut self) -> Response {
        let caller: SocketAddr = CALLER.parse().expect("an address");
        let responses = self.sent.drain(..).filter_map(|(to, message)| match message {
            Message::Response(response) if to == caller => Some(response),
            Message::Response(_) | Message::Request(_) => None,
        });
        responses.filter(|response| response.status() != StatusCode::TRYING).last().expect("a response")
    }

    /// A request of alice, or a REGISTER of bob, sent again with the password when asked for it.
    fn request(&mut self, from: &str, method: &str, uri: &str, lines: &str) {
        let user = if method == "REGISTER" { "bob" } else { "alice" };
        self.number += 1;
        let text = |number: u32, more: &str| {
            let to = if method == "REGISTER" { "sip:bob@example.com" } else { uri };
            format!(
                "{method} {uri} SIP/2.0\nVia: SIP/2.0/UDP {from};branch=z9hG4bK-{number}\nMax-Forwards: 70\n\
                 From: <sip:{user}@example.com>;tag=x\nTo: <{to}>\nCall-ID: call-{from}\nCSeq: {number} {method}\n\
                 {lines}{more}Content-Length: 0\n\n"
            )
        };
        self.receive(from, &text(self.number, ""));
        let challenge = self.sent.iter().find_map(|(_, message)| match message {
            Message::Response(response) => challenge_of(response),
            Message::Request(_) => None,
        });
        let Some((header, realm, nonce)) = challenge else { return };
        self.sent.clear();
        let hash =
            |text: String| Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let secret = hash(format!("{user}:{realm}:{}", user.get(..1).unwrap_or_default()));
        let wanted = hash(format!("{method}:{uri}"));
        let response = hash(format!("{secret}:{nonce}:00000001:c:auth:{wanted}"));
        self.number += 1;
        let credentials = format!(
            "{header}: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\", response=\"{response}\"\n"
        );
        self.receive(from, &text(self.number, &credentials));
    }

    /// Registers a phone of bob's; `params` are those of its Contact.
    fn register(&mut self, phone: &str, params: &str, lines: &str) {
        let lines = format!("Contact: <sip:bob@{phone}>{params}\n{lines}");
        self.request(phone, "REGISTER", "sip:example.com", &lines);
    }

    /// Alice calls bob.
    fn invite(&mut self, lines: &str) {
        let lines = format!("Contact: <sip:alice@{CALLER}>\n{lines}");
        self.request(CALLER, "INVITE", "sip:bob@example.com", &lines);
    }

    /// Answers what a phone got.
    fn answer(&mut self, (phone, request): &(SocketAddr, Request), status: u16, lines: &str) {
        let mut text = format!("SIP/2.0 {status} Because\n");
        for name in [HeaderName::VIA, HeaderName::FROM, HeaderName::TO, HeaderName::CALL_ID, HeaderName::CSEQ]
        {
            for value in request.headers().raw_all(&name) {
                let tag =
                    if name == HeaderName::TO { format!(";tag={}", phone.port()) } else { String::new() };
                text.push_str(&format!("{name}: {}{tag}\n", String::from_utf8_lossy(value)));
            }
        }
        text.push_str(&format!("Contact: <sip:bob@{phone}>\n{lines}Content-Length: 0\n\n"));
        self.receive(&phone.to_string(), &text);
    }
}

/// The MD5 challenge of a response: the header that answers it, its realm and nonce.
fn challenge_of(response: &Response) -> Option<(&'static str, String, String)> {
    let headers = response.headers();
    let server = headers.all::<WwwAuthenticate>().flatten().map(|challenge| ("Authorization", challenge.0));
    let proxy =
        headers.all::<ProxyAuthenticate>().flatten().map(|challenge| ("Proxy-Authorization", challenge.0));
    let (header, challenge) =
        server.chain(proxy).find(|(_, challenge)| challenge.params.value("algorithm") == Some("MD5"))?;
    let value = |name| challenge.params.value(name).unwrap_or_default().to_owned();
    Some((header, value("realm"), value("nonce")))
}

fn ports(requests: &[(SocketAddr, Request)]) -> Vec<u16> {
    let mut ports: Vec<_> = requests.iter().map(|(to, _)| to.port()).collect();
    ports.sort_unstable();
    ports
}

// rfc: 3261 §16.6 — places of the same q at once, those of a lower one when the higher have all refused
// rfc: 3261 §16.7 — the best final response is of the lowest class
#[test]
fn places_are_tried_by_their_preference() {
    let mut lab = Lab::new();
    for (phone, q) in [("192.0.2.2:5061", "0.9"), ("192.0.2.2:5062", "0.9"), ("192.0.2.2:5063", "0.4")] {
        lab.register(phone, &format!(";q={q}"), "");
    }
    lab.invite("");
    let first = lab.requests(&Method::INVITE);
    assert_eq!(ports(&first), [5061, 5062]);
    lab.answer(&first[0], 486, "");
    assert!(lab.requests(&Method::INVITE).is_empty(), "one still rings");
    lab.answer(&first[1], 404, "");
    let second = lab.requests(&Method::INVITE);
    assert_eq!(ports(&second), [5063]);
    lab.answer(&second[0], 503, "");
    assert_eq!(lab.response().status().code(), 486, "the first of the lowest class");
}

// rfc: 3261 §16.6 — who rings too long is cancelled before the next is tried, and its 487 is no answer to the caller
#[test]
fn a_place_that_rings_too_long_makes_room_for_the_next() {
    let mut lab = Lab::new();
    lab.register("192.0.2.2:5061", ";q=0.9", "");
    lab.register("192.0.2.2:5062", ";q=0.4", "");
    lab.invite("");
    let first = lab.requests(&Method::INVITE);
    assert_eq!(ports(&first), [5061]);
    lab.answer(&first[0], 180, "");
    assert_eq!(lab.response().status(), StatusCode::RINGING);
    lab.wait(Duration::from_secs(10));
    let cancels = lab.requests(&Method::CANCEL);
    assert_eq!(ports(&cancels), [5061]);
    lab.answer(&cancels[0], 200, "");
    lab.answer(&first[0], 487, "");
    let second = lab.requests(&Method::INVITE);
    assert_eq!(ports(&second), [5062]);
    lab.answer(&second[0], 180, "");
    lab.wait(Duration::from_secs(15));
    assert!(lab.requests(&Method::CANCEL).is_empty(), "nobody is left to try");
    lab.answer(&second[0], 486, "");
    assert_eq!(lab.response().status(), StatusCode::REQUEST_TIMEOUT, "the earlier of two 4xx");
}

// rfc: 3261 §16.7 — a 6xx ends it for every place, and goes back when all have answered
#[test]
fn a_decline_counts_for_all() {
    let mut lab = Lab::new();
    for (phone, q) in [("192.0.2.2:5061", "1"), ("192.0.2.2:5062", "1"), ("192.0.2.2:5063", "0.4")] {
        lab.register(phone, &format!(";q={q}"), "");
    }
    lab.invite("");
    let rings = lab.requests(&Method::INVITE);
    lab.answer(&rings[1], 180, "");
    lab.answer(&rings[0], 603, "");
    assert_eq!(ports(&lab.requests(&Method::CANCEL)), [rings[1].0.port()]);
    lab.answer(&rings[1], 487, "");
    assert_eq!(lab.response().status().code(), 603);
    assert!(lab.requests(&Method::INVITE).is_empty());
}

// rfc: 3261 §16.7 — step 7: a 401 or 407 brings the challenges of all branches
#[test]
fn challenges_of_all_places_go_back_together() {
    let mut lab = Lab::new();
    lab.register("192.0.2.2:5061", "", "");
    lab.register("192.0.2.2:5062", "", "");
    lab.invite("");
    let rings = lab.requests(&Method::INVITE);
    lab.answer(&rings[0], 401, "WWW-Authenticate: Digest realm=\"one\", nonce=\"1\"\n");
    lab.answer(&rings[1], 407, "Proxy-Authenticate: Digest realm=\"two\", nonce=\"2\"\n");
    let response = lab.response();
    assert_eq!(response.headers().all::<WwwAuthenticate>().count(), 1);
    assert_eq!(response.headers().all::<ProxyAuthenticate>().count(), 1);
}

// rfc: 3261 §16.7 — step 6: a redirection before a challenge, a 4xx before a 5xx, whichever came first
#[test]
fn the_lowest_class_goes_back() {
    for (first, second, best) in [(401, 302, 302), (302, 407, 302), (500, 404, 404), (404, 401, 401)] {
        let mut lab = Lab::new();
        lab.register("192.0.2.2:5061", "", "");
        lab.register("192.0.2.2:5062", "", "");
        lab.invite("");
        let rings = lab.requests(&Method::INVITE);
        lab.answer(&rings[0], first, "");
        lab.answer(&rings[1], second, "");
        assert_eq!(lab.response().status().code(), best, "{first}, {second}");
    }
}

// rfc: 3261 §10.3 — step 2: a REGISTER that requires what is not known here changes nothing: 420
#[test]
fn a_register_that_requires_the_unknown_is_refused() {
    let mut lab = Lab::new();
    lab.request(
        "192.0.2.2:5061",
        "REGISTER",
        "sip:example.com",
        "Require: path, x\nContact: <sip:b@192.0.2.2>\n",
    );
    let answered = lab.sent.iter().find_map(|(_, message)| message.as_response());
    let answered = answered.expect("a response");
    assert_eq!(answered.status(), StatusCode::BAD_EXTENSION);
    assert_eq!(answered.headers().raw(HeaderName::UNSUPPORTED), Some(&b"x"[..]));
    assert!(lab.proxy.bindings(lab.clock.now(), "bob").is_empty());
}

// rfc: 3261 §10.2.1.1 — a time that cannot be read is an hour
#[test]
fn a_malformed_time_is_an_hour() {
    let mut lab = Lab::new();
    lab.register("192.0.2.2:5061", "", "Expires: 99999999999\n");
    let [binding] = &lab.proxy.bindings(lab.clock.now(), "bob")[..] else { panic!("one binding") };
    assert_eq!(binding.expires_at, lab.clock.now() + Duration::from_secs(3600));
}

#[test]
fn more_contacts_than_a_user_can_remove_and_add_are_not_even_compared() {
    for (count, status) in [(20, StatusCode::OK), (21, StatusCode::FORBIDDEN), (2000, StatusCode::FORBIDDEN)]
    {
        let mut lab = Lab::new();
        let many: Vec<String> = (0..count).map(|number| format!("<sip:{number}>;expires=0")).collect();
        let line = format!("Contact: {}\n", many.join(","));
        lab.request("192.0.2.2:5061", "REGISTER", "sip:example.com", &line);
        let answered = lab.sent.iter().find_map(|(_, message)| message.as_response()).map(Response::status);
        assert_eq!(answered, Some(status), "{count}");
    }
}

// rfc: 3261 §16.4 — a route that leads here is at its end: OPTIONS through us to us is answered
#[test]
fn options_with_our_own_route_are_answered() {
    let mut lab = Lab::new();
    lab.request(CALLER, "OPTIONS", "sip:example.com", &format!("Route: <sip:{PROXY};lr>\n"));
    assert_eq!(lab.response().status(), StatusCode::OK);
    lab.request(CALLER, "OPTIONS", "sip:example.com", "Route: <sip:192.0.2.99;lr>\n");
    assert_eq!(lab.sent.iter().filter(|(to, _)| to.ip().to_string() == "192.0.2.99").count(), 1);
}

// rfc: 3261 §16.3 — an extension that proxies would have to know: 420; no hops left: 483
#[test]
fn what_cannot_be_forwarded_is_refused() {
    let mut lab = Lab::new();
    lab.register("192.0.2.2:5061", "", "");
    lab.invite("Proxy-Require: foo, bar\n");
    let response = lab.response();
    assert_eq!(response.status(), StatusCode::BAD_EXTENSION);
    assert_eq!(response.headers().raw(HeaderName::UNSUPPORTED), Some(&b"foo, bar"[..]));
    lab.request(CALLER, "INVITE", "tel:+15551234", "");
    assert_eq!(lab.response().status(), StatusCode::UNSUPPORTED_URI_SCHEME);
    let text = "OPTIONS sip:bob@example.com SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKm\n\
                Max-Forwards: 0\nFrom: <sip:a@example.com>;tag=1\nTo: <sip:bob@example.com>\nCall-ID: m\n\
                CSeq: 1 OPTIONS\nContent-Length: 0\n\n";
    lab.receive(CALLER, text);
    assert_eq!(lab.response().status(), StatusCode::TOO_MANY_HOPS);
}

// rfc: 3327 §5.3 — the registrar keeps the Path, and says in the 200 what it kept
// rfc: 3327 §5.4 — requests to the user agent take the Path as their Route
#[test]
fn a_path_becomes_the_route() {
    let mut lab = Lab::new();
    let path = "Path: <sip:192.0.2.50;lr>,<sip:192.0.2.51;lr>\nSupported: path\n";
    lab.register("192.0.2.2:5061", "", path);
    let answered = lab.sent.iter().find_map(|(_, message)| message.as_response());
    let answered = answered.filter(|response| response.status() == StatusCode::OK).expect("it is registered");
    assert_eq!(answered.headers().all::<Path>().count(), 2);
    lab.invite("");
    let [(to, request)] = &lab.requests(&Method::INVITE)[..] else { panic!("one INVITE") };
    assert_eq!(to.to_string(), "192.0.2.50:5060");
    assert_eq!(request.uri_text(), "sip:bob@192.0.2.2:5061");
    let routes: Vec<_> = request.headers().all::<Route>().map(|route| route.unwrap().to_string()).collect();
    assert_eq!(routes, ["<sip:192.0.2.50;lr>", "<sip:192.0.2.51;lr>"]);
}

// rfc: 5626 §6 — with outbound the 200 says so, and the requests go over the flow that was registered
#[test]
fn an_outbound_registration_is_answered_as_one() {
    let mut lab = Lab::new();
    let params = ";reg-id=1;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>\"";
    let text = "Supported: path, outbound\n";
    // The Contact is an address that leads nowhere; only the flow does.
    let lines = format!("Contact: <sip:bob@10.1.1.1:5060;ob>{params}\n{text}");
    lab.request("192.0.2.2:4000", "REGISTER", "sip:example.com", &lines);
    let answered = lab.sent.iter().find_map(|(_, message)| message.as_response()).expect("an answer");
    assert_eq!(answered.headers().raw(HeaderName::REQUIRE), Some(&b"outbound"[..]));
    let contact = String::from_utf8_lossy(answered.headers().raw(HeaderName::CONTACT).unwrap()).into_owned();
    assert!(contact.contains("reg-id=1") && contact.contains("AABBCCDDEEFF>\""), "{contact}");
    // The same flow from another port, as after a new mapping: one binding.
    lab.request("192.0.2.2:4001", "REGISTER", "sip:example.com", &lines);
    assert_eq!(lab.proxy.bindings(lab.clock.now(), "bob").len(), 1);
    lab.invite("");
    assert_eq!(ports(&lab.requests(&Method::INVITE)), [4001]);
}

// rfc: 3261 §16.4 — a strict router puts our route into the Request-URI: the last Route takes its place again
#[test]
fn our_own_route_in_the_request_uri_is_taken_off() {
    let mut lab = Lab::new();
    lab.register("192.0.2.2:5061", "", "");
    lab.invite("");
    let rings = lab.requests(&Method::INVITE);
    let route = rings[0].1.headers().require::<RecordRoute>().unwrap();
    assert_eq!(rings[0].1.headers().all::<Via>().count(), 2);
    let text = format!(
        "BYE {} SIP/2.0\nVia: SIP/2.0/UDP {CALLER};branch=z9hG4bKbye\nMax-Forwards: 70\n\
         Route: <sip:bob@192.0.2.2:5061>\nFrom: <sip:alice@example.com>;tag=x\nTo: <sip:bob@example.com>;tag=y\n\
         Call-ID: call-{CALLER}\nCSeq: 9 BYE\nContent-Length: 0\n\n",
        route.uri()
    );
    lab.receive(CALLER, &text);
    let [(to, bye)] = &lab.requests(&Method::BYE)[..] else { panic!("one BYE") };
    assert_eq!((to.port(), &**bye.uri_text()), (5061, "sip:bob@192.0.2.2:5061"));
    assert!(!bye.headers().contains(HeaderName::ROUTE));
}

// rfc: 3261 §16.3 — a request that comes back as it went: 482
#[test]
fn a_loop_is_detected() {
    let mut lab = Lab::new();
    lab.register("192.0.2.2:5061", "", "");
    lab.invite("");
    let [(_, request)] = &lab.requests(&Method::INVITE)[..] else { panic!("one INVITE") };
    let mut again = request.clone();
    again.set_uri(&"sip:bob@example.com".parse().unwrap());
    again.headers_mut().push_front(&Via::new(
        "UDP",
        "192.0.2.77:5060".parse::<SocketAddr>().unwrap(),
        "z9hG4bKelsewhere",
    ));
    let text = String::from_utf8_lossy(&again.to_bytes()).replace("\r\n", "\n");
    lab.receive("192.0.2.77:5060", &text);
    let answered = lab.sent.iter().find_map(|(to, message)| {
        message.as_response().filter(|_| to.ip().to_string() == "192.0.2.77").map(Response::status)
    });
    assert_eq!(answered, Some(StatusCode::LOOP_DETECTED));
}

#[test]
fn a_binding_that_ends_is_told() {
    let mut lab = Lab::new();
    lab.register("192.0.2.2:5061", ";expires=60", "");
    lab.clock.advance(Duration::from_secs(60));
    lab.proxy.handle_timeout(lab.clock.now());
    let told = std::iter::from_fn(|| lab.proxy.poll_output()).any(
        |output| matches!(output, Output::Event(Event::Registered { contacts, .. }) if contacts.is_empty()),
    );
    assert!(told);
    lab.invite("");
    assert_eq!(lab.response().status(), StatusCode::TEMPORARILY_UNAVAILABLE);
}

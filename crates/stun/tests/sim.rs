//! The client against servers over bad links and through NATs, in virtual time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use stun::auth::{Integrity, Key, PasswordAlgorithm, verify};
use stun::message::{Class, Message, MessageBuilder, Method};
use stun::{Config, Credentials, Event, Failure, Input, Output, StunClient, responder};
use testkit::{Behaviour, Datagram, Impairment, Nat, Node, World};

const CLIENT: &str = "192.168.0.2:5060";
const SERVER: &str = "198.51.100.1:3478";
const LIMIT: Duration = Duration::from_secs(100);

enum Host {
    Client { core: Box<StunClient>, events: Vec<Event> },
    Server { answer: Answer, requests: u32, out: VecDeque<Datagram> },
}

/// What a server makes of a request from an address: no, one or several responses.
type Answer = Box<dyn FnMut(&[u8], SocketAddr) -> Vec<(SocketAddr, Vec<u8>)>>;

impl Node for Host {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) {
        match self {
            Self::Client { core, .. } => {
                core.handle_input(now, Input::Datagram { from: datagram.from, bytes: &datagram.bytes });
            }
            Self::Server { answer, requests, out } => {
                *requests += 1;
                for (from, bytes) in answer(&datagram.bytes, datagram.from) {
                    out.push_back(Datagram { from, to: datagram.from, bytes });
                }
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Self::Client { core, .. } = self {
            core.handle_timeout(now);
        }
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        match self {
            Self::Client { core, .. } => core.poll_timeout(),
            Self::Server { .. } => None,
        }
    }

    fn poll_transmit(&mut self) -> Option<Datagram> {
        match self {
            Self::Server { out, .. } => out.pop_front(),
            Self::Client { core, events } => loop {
                match core.poll_output()? {
                    Output::Event(event) => events.push(event),
                    Output::Transmit(transmit) => {
                        let from = address(CLIENT);
                        return Some(Datagram { from, to: transmit.to, bytes: transmit.bytes });
                    }
                }
            },
        }
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn honest() -> Answer {
    Box::new(|request, from| {
        responder::respond(request, from).map(|bytes| (address(SERVER), bytes)).into_iter().collect()
    })
}

/// One request through a NAT; gives the events, how many requests the server saw, and when all was over.
fn ask(seed: u64, impairment: Impairment, config: Config, answer: Answer) -> (Vec<Event>, u32, Duration) {
    let mut world = World::new(seed, impairment);
    let outside = "203.0.113.1".parse().expect("an address");
    let behaviour = Behaviour::AddressAndPortDependent;
    let nat = world.add_nat(Nat::new(outside, behaviour, behaviour));
    let core = Box::new(StunClient::new(config, [7; 32]));
    let client = world.add_behind(nat, "192.168.0.2", Host::Client { core, events: Vec::new() });
    let server = world.add("198.51.100.1", Host::Server { answer, requests: 0, out: VecDeque::new() });
    let now = world.now();
    if let Host::Client { core, .. } = world.node(client) {
        core.binding(now, address(SERVER)).expect("the first request");
    }
    assert!(world.run_until_quiet(LIMIT), "seed {seed}: every request ends");
    let requests = match world.node(server) {
        Host::Server { requests, .. } => *requests,
        Host::Client { .. } => 0,
    };
    let events = match world.node(client) {
        Host::Client { events, .. } => std::mem::take(events),
        Host::Server { .. } => Vec::new(),
    };
    assert_eq!(events.len(), 1, "seed {seed}: one event for one request, {events:?}");
    (events, requests, world.elapsed())
}

fn failure(events: &[Event]) -> Option<&Failure> {
    match events {
        [Event::Failed { failure, .. }] => Some(failure),
        _ => None,
    }
}

fn is_mapped(events: &[Event]) -> bool {
    matches!(events, [Event::Mapped { address, .. }] if address.ip().to_string() == "203.0.113.1")
}

// rfc: 8489 §6.2.1 — requests are repeated until a response comes, or fail after 39.5 s
#[test]
fn over_bad_links_a_request_ends_with_the_address_outside_or_at_its_time() {
    let bad = Impairment::default().loss(0.4).double(0.2).reorder(0.3).jitter(Duration::from_millis(700));
    let mut mapped = 0;
    for seed in 0..300 {
        let (events, requests, elapsed) = ask(seed, bad, Config::default(), honest());
        match failure(&events) {
            None => {
                assert!(is_mapped(&events), "seed {seed}: {events:?}");
                mapped += 1;
            }
            Some(failure) => {
                assert_eq!(*failure, Failure::TimedOut, "seed {seed}");
                assert!(elapsed >= Duration::from_millis(39_500), "seed {seed}");
            }
        }
        assert!(requests <= 14, "seed {seed}: seven requests, each doubled at most");
    }
    assert!(mapped > 270, "{mapped} of 300");
}

#[test]
fn a_dead_link_is_given_up_after_seven_requests() {
    let (events, requests, elapsed) =
        ask(1, Impairment::default(), Config::default(), Box::new(|_, _| vec![]));
    assert_eq!(failure(&events), Some(&Failure::TimedOut));
    assert_eq!((requests, elapsed), (7, Duration::from_millis(39_500)));
}

// rfc: 8489 §6.3 — a response must carry the transaction id of a request, all 96 bits
#[test]
fn forged_responses_do_not_count() {
    let altered = |at: usize| -> Answer {
        Box::new(move |request, from| {
            let mut bytes = responder::respond(request, from).expect("a Binding request");
            bytes[at] ^= 1;
            vec![(address(SERVER), bytes)]
        })
    };
    for at in 8..20 {
        let (events, ..) = ask(1, Impairment::default(), Config::default(), altered(at));
        assert_eq!(failure(&events), Some(&Failure::TimedOut), "octet {at}");
    }
    let elsewhere: Answer = Box::new(|request, from| {
        let forged = responder::respond(request, address("192.0.2.66:6666")).expect("a Binding request");
        let honest = responder::respond(request, from).expect("a Binding request");
        // Another port of the server; the NAT lets neither it nor a stranger in, so the core is asked below.
        vec![(address("198.51.100.1:9999"), forged), (address(SERVER), honest)]
    });
    let (events, ..) = ask(1, Impairment::default(), Config::default(), elsewhere);
    assert!(is_mapped(&events));
}

#[test]
fn a_response_from_another_address_does_not_count() {
    let now = testkit::Clock::new().now();
    let mut core = StunClient::new(Config::default(), [7; 32]);
    core.binding(now, address(SERVER)).unwrap();
    let Some(Output::Transmit(request)) = core.poll_output() else { panic!("a request is due") };
    let response = responder::respond(&request.bytes, address("192.0.2.66:6666")).unwrap();
    for from in ["198.51.100.1:3479", "198.51.100.2:3478"] {
        core.handle_input(now, Input::Datagram { from: address(from), bytes: &response });
        assert_eq!(core.poll_output(), None);
    }
    core.handle_input(now, Input::Unreachable { server: address(SERVER) });
    assert!(matches!(
        core.poll_output(),
        Some(Output::Event(Event::Failed { failure: Failure::Unreachable, .. }))
    ));
}

/// A server with an account alice/secret; every third nonce is stale at once.
fn account(password: &'static str, algorithms: bool) -> Answer {
    let mut nonces = 0;
    Box::new(move |datagram, from| {
        let request = Message::parse(datagram).expect("the client writes messages");
        let answer = |class| MessageBuilder::new(class, Method::BINDING, request.transaction_id());
        let cookie = if algorithms { "obMatJos2gAAA" } else { "" };
        let nonce = format!("{cookie}nonce{nonces}");
        let (algorithm, integrity) = match algorithms {
            true => (PasswordAlgorithm::Sha256, Integrity::Sha256),
            false => (PasswordAlgorithm::Md5, Integrity::Sha1),
        };
        let key = Key::long_term("alice", "example.org", password, algorithm).expect("plain texts");
        let mut demand = |code, reason| {
            nonces += 1;
            let nonce = format!("{cookie}nonce{nonces}");
            let response = answer(Class::Error).error(code, reason).realm("example.org").nonce(&nonce);
            let mut octets = response.build().expect("plain texts");
            if algorithms {
                // PASSWORD-ALGORITHMS: one that nobody knows, SHA-256, MD5.
                octets.extend([0x80, 0x02, 0, 12, 0, 99, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0]);
                grow(&mut octets, 16);
            }
            octets
        };
        let response = match request.nonce() {
            None => demand(401, "Unauthenticated"),
            Some(_) if verify(datagram, &key) != Some(integrity) => demand(401, "Unauthenticated"),
            Some(sent) if sent != nonce || sent.ends_with('1') => demand(438, "Stale Nonce"),
            Some(_) => {
                let response = answer(Class::Success).mapped_address(from).integrity(integrity, &key);
                response.build().expect("plain texts")
            }
        };
        vec![(address(SERVER), response)]
    })
}

/// Counts octets behind a short message in its length field.
fn grow(message: &mut [u8], more: u8) {
    if let Some(length) = message.get_mut(3) {
        *length += more;
    }
}

fn alice() -> Config {
    Config::default().credentials(Credentials::long_term("alice", "secret"))
}

// rfc: 8489 §9.2.5 — 401 brings realm and nonce, 438 a new nonce, PASSWORD-ALGORITHMS the hash
#[test]
fn an_account_is_used_once_the_server_has_asked_for_it() {
    for algorithms in [false, true] {
        let (events, requests, _) = ask(1, Impairment::default(), alice(), account("secret", algorithms));
        assert!(is_mapped(&events), "{events:?}");
        assert_eq!(requests, 3, "without, with a stale nonce, with a fresh one");
    }
}

/// A server whose response to each request is made by `build`, from its number, the request and its source.
fn scripted(mut build: impl FnMut(u32, &Message, SocketAddr) -> MessageBuilder + 'static) -> Answer {
    let mut number = 0;
    Box::new(move |datagram, from| {
        number += 1;
        let request = Message::parse(datagram).expect("the client writes messages");
        vec![(address(SERVER), build(number, &request, from).build().expect("plain texts"))]
    })
}

fn response(class: Class, request: &Message) -> MessageBuilder {
    MessageBuilder::new(class, Method::BINDING, request.transaction_id())
}

fn demand(request: &Message, nonce: &str) -> MessageBuilder {
    response(Class::Error, request).error(401, "Unauthenticated").realm("example.org").nonce(nonce)
}

// rfc: 8489 §9.2.5 — a nonce that promises password algorithms which are not there: somebody bids down
#[test]
fn promised_password_algorithms_that_are_missing_end_the_try() {
    let bid_down = scripted(|_, request, _| demand(request, "obMatJos2gAAA1"));
    let (events, requests, _) = ask(1, Impairment::default(), alice(), bid_down);
    assert!(matches!(failure(&events), Some(Failure::Rejected { code: 401, .. })), "{events:?}");
    assert_eq!(requests, 1);
    let in_success = scripted(|_, request, from| {
        response(Class::Success, request).mapped_address(from).nonce("obMatJos2gAAA1")
    });
    let (events, ..) = ask(1, Impairment::default(), Config::default(), in_success);
    assert_eq!(failure(&events), Some(&Failure::TimedOut));
}

// rfc: 8489 §9.2.5 — with "username anonymity" in the nonce the name is sent as a hash
#[test]
fn a_name_is_hidden_when_the_nonce_asks_for_it() {
    let hidden = scripted(|number, request, from| match number {
        1 => demand(request, "obMatJos2QAAA1"),
        _ => {
            assert_eq!(request.username(), None);
            let algorithm = PasswordAlgorithm::Md5;
            let key = Key::long_term("alice", "example.org", "secret", algorithm).expect("plain texts");
            response(Class::Success, request).mapped_address(from).integrity(Integrity::Sha1, &key)
        }
    });
    let (events, requests, _) = ask(1, Impairment::default(), alice(), hidden);
    assert!(is_mapped(&events), "{events:?}");
    assert_eq!(requests, 2);
}

// rfc: 8489 §9.1.4 — the algorithm in the response has to match that of the request
#[test]
fn a_response_signed_by_the_other_attribute_does_not_count() {
    let other = scripted(|number, request, from| match number {
        1 => demand(request, "nonce1"),
        _ => {
            assert_eq!(request.username(), Some("alice"));
            let algorithm = PasswordAlgorithm::Md5;
            let key = Key::long_term("alice", "example.org", "secret", algorithm).expect("plain texts");
            response(Class::Success, request).mapped_address(from).integrity(Integrity::Sha256, &key)
        }
    });
    let (events, ..) = ask(1, Impairment::default(), alice(), other);
    assert_eq!(failure(&events), Some(&Failure::IntegrityViolated));
}

// rfc: 8489 §14.2 — XOR-MAPPED-ADDRESS survives NATs that rewrite addresses, MAPPED-ADDRESS may not
#[test]
fn the_address_that_no_nat_has_rewritten_is_preferred() {
    let both = scripted(|_, request, from| {
        let rewritten = address("192.168.0.2:5060");
        response(Class::Success, request).plain_mapped_address(rewritten).mapped_address(from)
    });
    assert!(is_mapped(&ask(1, Impairment::default(), Config::default(), both).0));
}

#[test]
fn a_wrong_password_is_tried_once() {
    let (events, requests, _) = ask(1, Impairment::default(), alice(), account("other", false));
    assert!(matches!(failure(&events), Some(Failure::Rejected { code: 401, .. })), "{events:?}");
    assert_eq!(requests, 2);
}

#[test]
fn nonces_that_are_always_stale_end_the_request() {
    let mut count = 0;
    let stale: Answer = Box::new(move |datagram, _| {
        count += 1;
        let request = Message::parse(datagram).expect("the client writes messages");
        let code = if request.nonce().is_none() { 401 } else { 438 };
        let response = MessageBuilder::new(Class::Error, Method::BINDING, request.transaction_id());
        let response = response.error(code, "no").realm("example.org").nonce(&format!("nonce{count}"));
        vec![(address(SERVER), response.build().expect("plain texts"))]
    });
    let (events, requests, _) = ask(1, Impairment::default(), alice(), stale);
    assert!(matches!(failure(&events), Some(Failure::Rejected { code: 438, .. })), "{events:?}");
    assert_eq!(requests, 4);
}

// rfc: 8489 §9.1.4 — responses without a right signature are discarded, and the violation reported in the end
#[test]
fn an_unsigned_response_to_a_signed_request_is_reported_as_a_violation() {
    let config = Config::default().credentials(Credentials::short_term("alice", "secret"));
    let (events, requests, elapsed) = ask(1, Impairment::default(), config.clone(), honest());
    assert_eq!(failure(&events), Some(&Failure::IntegrityViolated));
    assert_eq!((requests, elapsed.as_millis()), (7, 39_500));
    for integrity in [Integrity::Sha1, Integrity::Sha256] {
        let signed: Answer = Box::new(move |datagram, from| {
            let key = Key::short_term("secret").expect("a plain password");
            assert_eq!(verify(datagram, &key), Some(Integrity::Sha256));
            let id = Message::parse(datagram).expect("the client writes messages").transaction_id();
            let response = MessageBuilder::new(Class::Success, Method::BINDING, id).mapped_address(from);
            vec![(address(SERVER), response.integrity(integrity, &key).build().expect("plain texts"))]
        });
        assert!(is_mapped(&ask(1, Impairment::default(), config.clone(), signed).0));
    }
}

#[test]
fn refusals_redirections_and_nonsense_end_the_request() {
    let respond = |build: fn(MessageBuilder) -> MessageBuilder, class| -> Answer {
        Box::new(move |datagram, _| {
            let id = Message::parse(datagram).expect("the client writes messages").transaction_id();
            let response =
                build(MessageBuilder::new(class, Method::BINDING, id)).build().expect("plain texts");
            vec![(address(SERVER), response)]
        })
    };
    let ask = |answer| ask(1, Impairment::default(), Config::default(), answer).0;
    let refused = ask(respond(|builder| builder.error(500, "Server\r\nError"), Class::Error));
    let expected = Failure::Rejected { code: 500, reason: "ServerError".into() };
    assert_eq!(failure(&refused), Some(&expected));
    let other = "192.0.2.9:3478";
    let redirected = ask(respond(
        |builder| builder.error(300, "Try Alternate").alternate_server(address("192.0.2.9:3478")),
        Class::Error,
    ));
    assert_eq!(failure(&redirected), Some(&Failure::Redirected(address(other))));
    let empty = ask(respond(|builder| builder, Class::Success));
    assert_eq!(failure(&empty), Some(&Failure::BadResponse));
    let old = ask(respond(|builder| builder.plain_mapped_address(address("203.0.113.1:7")), Class::Success));
    assert!(is_mapped(&old), "a server of RFC 3489 is understood");
}

#[test]
fn with_fingerprint_a_response_without_one_does_not_count() {
    let config = Config::default().fingerprint();
    let (events, ..) = ask(1, Impairment::default(), config.clone(), honest());
    assert!(is_mapped(&events), "the responder answers in kind");
    let without: Answer = Box::new(|datagram, from| {
        let bytes = responder::respond(datagram, from).expect("a Binding request");
        let mut bytes = bytes[..bytes.len() - 8].to_vec();
        bytes[3] -= 8;
        vec![(address(SERVER), bytes)]
    });
    let (events, ..) = ask(1, Impairment::default(), config, without);
    assert_eq!(failure(&events), Some(&Failure::TimedOut));
}

#[test]
fn the_number_of_requests_at_once_is_limited() {
    let now = testkit::Clock::new().now();
    let mut core = StunClient::new(Config::default(), [7; 32]);
    let requests: Vec<_> = (0..64).map(|_| core.binding(now, address(SERVER)).unwrap()).collect();
    assert!(core.binding(now, address(SERVER)).is_err());
    core.cancel(requests[0]);
    assert!(core.binding(now, address(SERVER)).is_ok());
    let mut core = StunClient::new(Config::default().software(&"x".repeat(800)), [7; 32]);
    assert_eq!(core.binding(now, address(SERVER)), Err(stun::RequestError::Unwritable));
}

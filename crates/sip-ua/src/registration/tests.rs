//! Registrations against a registrar that the test plays by hand.

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

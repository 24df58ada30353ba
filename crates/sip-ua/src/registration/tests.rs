//! Registrations against a registrar that the test plays by hand.

use std::time::Duration;

use sip_msg::{
    CallId, Challenge, Contact, Expires, HeaderName, Method, MinExpires, Request, Require, RetryAfter, Route,
    StatusCode, Supported, WwwAuthenticate,
};
use sip_txn::{Input, Transport};

use super::*;
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

/// The next REGISTER, if one is sent in time.
fn next_register(lab: &mut Scripted, within: Duration) -> Option<Request> {
    let end = lab.now + within;
    while lab.now < end {
        while let Some(message) = lab.poll_sent() {
            if let Some(request) = message.as_request().filter(|sent| *sent.method() == Method::REGISTER) {
                return Some(request.clone());
            }
        }
        lab.advance(Duration::from_millis(100));
    }
    None
}

fn contacts(request: &Request) -> Vec<String> {
    request.headers().all::<Contact>().map(|contact| contact.unwrap().to_string()).collect()
}

fn supports(request: &Request, option: &str) -> bool {
    request.headers().require::<Supported>().unwrap().0.iter().any(|tag| *tag == *option)
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
    lab.advance(secs(80));
    lab.sent_nothing();
    lab.advance(secs(10));
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
    let third = next_register(&mut lab, secs(54)).unwrap();
    let text = String::from_utf8(third.headers().raw(HeaderName::AUTHORIZATION).unwrap().to_vec()).unwrap();
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
        let wait = wait.unwrap();
        waits.push(wait);
        lab.advance(wait - Duration::from_millis(1));
        lab.sent_nothing();
        lab.advance(Duration::from_millis(1));
        sent = lab.sent_request(&Method::REGISTER);
    }
    for (wait, bound) in waits.into_iter().zip([1, 2, 4, 8, 16, 32, 60, 60, 60]) {
        assert!((secs(bound) / 2..=secs(bound)).contains(&wait), "{wait:?} of {bound} s");
    }
    bind(&mut lab, &sent, &["<sip:alice@192.0.2.1:5060>;expires=10"]);
    lab.event();
    lab.advance(secs(9));
    let sent = lab.sent_request(&Method::REGISTER);
    lab.answer(&sent, 500, "r");
    assert!(failed(&mut lab).1.unwrap() <= secs(1), "a success starts the count anew");
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
    assert_eq!(status, None);
    assert!(retry.unwrap() <= secs(1));
    assert_eq!(reason, "sip:192.0.2.2:5060: no answer in time");
}

// rfc: 3261 §10.2.4 — a refresh that is refused once does not end a registration that stood
#[test]
fn a_registration_that_stood_outlives_a_refusal() {
    let mut lab = Scripted::new();
    let (_, first) = register(&mut lab);
    bind(&mut lab, &first, &["<sip:alice@192.0.2.1:5060>;expires=60"]);
    lab.event();
    let refresh = next_register(&mut lab, secs(54)).unwrap();
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
    assert!(failed(&mut lab).1.unwrap() >= secs(1) / 2);
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

#[test]
fn a_refusal_that_comes_again_and_again_ends_what_stood() {
    let mut lab = Scripted::new();
    let (id, first) = register(&mut lab);
    bind(&mut lab, &first, &["<sip:alice@192.0.2.1:5060>;expires=60"]);
    lab.event();
    let mut retries = Vec::new();
    for _ in 0..3 {
        let refresh = next_register(&mut lab, secs(61)).unwrap();
        lab.answer(&refresh, 403, "r");
        retries.push(failed(&mut lab).1.is_some());
    }
    assert_eq!(retries, [true, true, false]);
    assert_eq!(lab.agent.registration_status(id), Some(RegistrationStatus::Failed));
    lab.advance(secs(10_000));
    lab.sent_nothing();
}

#[test]
fn the_status_can_be_watched() {
    use RegistrationStatus::{Deregistering, Failed, Inactive, Registered, Registering};
    let mut lab = Scripted::new();
    let (id, mut sent) = register(&mut lab);
    assert_eq!(lab.agent.registration_status(id), Some(Registering));
    for _ in 0..4 {
        lab.answer(&sent, 503, "r");
        let wait = failed(&mut lab).1.unwrap();
        lab.advance(wait);
        sent = lab.sent_request(&Method::REGISTER);
    }
    assert_eq!(lab.statuses, [Registering, Failed], "failed after three failures, and tried on");
    bind(&mut lab, &sent, &["<sip:alice@192.0.2.1:5060>;expires=60"]);
    assert!(matches!(lab.event(), Some(Event::Registered { .. })));
    // A refresh that fails changes nothing while the granted time lasts.
    let refresh = next_register(&mut lab, secs(54)).unwrap();
    lab.answer(&refresh, 503, "r");
    assert_eq!(lab.agent.registration_status(id), Some(Registered));
    lab.agent.unregister(lab.now, id).unwrap();
    let last = lab.sent_request(&Method::REGISTER);
    bind(&mut lab, &last, &[]);
    lab.event();
    assert!(matches!(lab.event(), Some(Event::Unregistered { .. })));
    assert_eq!(lab.statuses, [Registering, Failed, Registered, Deregistering, Inactive]);
    assert_eq!(lab.agent.registration_status(id), None);
    lab.ends_idle();
    assert!(lab.agent.flows().is_empty());
}

#[test]
fn a_threshold_of_its_own_and_a_time_that_runs_out_show_in_the_status() {
    let mut lab = Scripted::new();
    let asked = account().failure_threshold(20).back_off(BackOff::new(secs(2), secs(4)));
    let id = lab.agent.register(lab.now, asked).unwrap();
    let sent = lab.sent_request(&Method::REGISTER);
    bind(&mut lab, &sent, &["<sip:alice@192.0.2.1:5060>;expires=60"]);
    lab.advance(secs(59));
    assert_eq!(lab.agent.registration_status(id), Some(RegistrationStatus::Registered));
    lab.advance(secs(2));
    assert_eq!(lab.agent.registration_status(id), Some(RegistrationStatus::Registering));
    assert!(lab.agent.granted(id).is_some_and(|grant| grant.until < lab.now));
}

// rfc: 3261 §10.2.7 — a registrar that is silent is asked again later, for ever
#[test]
fn a_silent_registrar_never_stops_being_tried() {
    let mut lab = Scripted::new();
    register(&mut lab);
    let mut failures = 0;
    for _ in 0..2000 {
        lab.advance(secs(5));
        lab.skip_sent();
        while let Some(event) = lab.event() {
            assert!(matches!(event, Event::RegistrationFailed { will_retry_in: Some(_), .. }));
            failures += 1;
        }
    }
    assert!((100..300).contains(&failures), "{failures} in 10,000 s");
}

// rfc: 3261 §10.2.2 — Contact: * with Expires: 0 removes all bindings
// rfc: 5626 §4.2.3 — and has neither instance-id nor reg-id
#[test]
fn all_bindings_are_removed_with_a_star() {
    let mut lab = Scripted::new();
    let id = lab.agent.register(lab.now, account().outbound(Outbound::new())).unwrap();
    let first = lab.sent_request(&Method::REGISTER);
    lab.agent.unregister_all(lab.now, id).unwrap();
    lab.sent_nothing();
    bind(&mut lab, &first, &["<sip:alice@192.0.2.1:5060>;expires=60"]);
    let star = lab.sent_request(&Method::REGISTER);
    assert_eq!(contacts(&star), ["*"]);
    assert_eq!(star.headers().require::<Expires>().unwrap(), Expires(0));
    bind(&mut lab, &star, &[]);
    assert!(matches!(lab.event(), Some(Event::Unregistered { .. })));
    lab.ends_idle();
}

// rfc: 3261 §10.2.3 — a REGISTER without Contact fetches the bindings
#[test]
fn bindings_are_fetched_without_changing_any() {
    let mut lab = Scripted::new();
    let (id, first) = register(&mut lab);
    bind(&mut lab, &first, &["<sip:alice@192.0.2.1:5060>;expires=60"]);
    lab.event();
    let asked = lab.agent.fetch_bindings(lab.now, id).unwrap();
    let query = lab.sent_request(&Method::REGISTER);
    assert!(!query.headers().contains(HeaderName::CONTACT) && !query.headers().contains(HeaderName::EXPIRES));
    lab.receive(challenge(&query, "n"));
    let query = lab.sent_request(&Method::REGISTER);
    bind(&mut lab, &query, &["<sip:alice@192.0.2.1:5060>;expires=60", "<sip:alice@192.0.2.7>;expires=9"]);
    let Some(Event::Response { id, result: Ok(response) }) = lab.event() else { panic!("an answer") };
    assert_eq!((id, response.headers().all::<Contact>().count()), (asked, 2));
}

// rfc: 3261 §10.2.1 — a Contact that has changed replaces the old one: never two bindings of ours
#[test]
fn a_contact_that_has_changed_takes_the_old_one_away() {
    let mut lab = Scripted::new();
    let (_, first) = register(&mut lab);
    // A registrar without passwords: only its 200 tells that a NAT shows us at another address.
    let mut response = answer(&first, 200, "r");
    let mut via = response.headers().require::<sip_msg::Via>().unwrap();
    via.set_received([203, 0, 113, 5].into());
    via.set_rport(Some(1024));
    response.headers_mut().replace(&via);
    response.headers_mut().replace(&Contact::new(contact_uri("sip:alice@192.0.2.1:5060")).with_expires(60));
    lab.receive(response);
    let second = lab.sent_request(&Method::REGISTER);
    let sent = contacts(&second);
    assert_eq!(sent.len(), 2);
    assert!(sent[0].starts_with("<sip:alice@203.0.113.5:1024>;+sip.instance="), "{sent:?}");
    assert_eq!(sent[1], "<sip:alice@192.0.2.1:5060>;expires=0");
    bind(&mut lab, &second, &["<sip:alice@203.0.113.5:1024>;expires=60"]);
    let third = next_register(&mut lab, secs(54)).unwrap();
    assert_eq!(contacts(&third).len(), 1);
    assert!(!lab.keep_alives.is_empty(), "the NAT is kept open");
}

fn contact_uri(text: &str) -> Uri {
    text.parse().unwrap()
}

#[test]
fn what_an_earlier_life_has_left_behind_is_removed() {
    let mut lab = Scripted::new();
    let (_, first) = register(&mut lab);
    let instance =
        first.headers().require::<Contact>().unwrap().address().unwrap().instance().unwrap().to_owned();
    let old = format!("<sip:alice@192.0.2.77>;expires=900;+sip.instance=\"<{instance}>\"");
    let own = "<sip:alice@192.0.2.1:5060>;expires=60";
    bind(&mut lab, &first, &[&old, own]);
    let second = lab.sent_request(&Method::REGISTER);
    assert_eq!(contacts(&second)[1..], ["<sip:alice@192.0.2.77>;expires=0"]);
    // A registrar that keeps it all the same is not asked over and over.
    bind(&mut lab, &second, &[&old, own]);
    lab.sent_nothing();
}

// rfc: 3261 §10.2.4 — what may have arrived is not forgotten when an answer is lost
#[test]
fn a_lost_answer_may_have_left_a_binding() {
    let mut lab = Scripted::new();
    let (id, _) = register(&mut lab);
    lab.advance(secs(32));
    failed(&mut lab);
    lab.skip_sent();
    lab.agent.unregister(lab.now, id).unwrap();
    let last = lab.sent_request(&Method::REGISTER);
    assert!(contacts(&last)[0].starts_with("<sip:alice@192.0.2.1:5060>"));
    assert_eq!(last.headers().require::<Expires>().unwrap(), Expires(0));
}

#[test]
fn many_accounts_begin_one_after_the_other_and_refresh_apart() {
    let mut lab = Scripted::new().configured(|config| config.registration_rate(10));
    for user in 0..100 {
        let aor = format!("sip:u{user}@192.0.2.2:5060").parse().unwrap();
        lab.agent.register(lab.now, Account::new(aor)).unwrap();
    }
    let mut times = Vec::new();
    for _ in 0..36_000 {
        let mut now = 0;
        while let Some(message) = lab.poll_sent() {
            let sent = message.as_request().unwrap().clone();
            let own = sent.headers().require::<Contact>().unwrap().with_expires(600);
            let mut response = answer(&sent, 200, "r");
            response.headers_mut().replace(&own);
            lab.receive(response);
            now += 1;
        }
        times.push(now);
        lab.advance(secs(1) / 10);
    }
    assert_eq!(times[0], 17, "a few at once");
    times[0] = 1;
    let times: Vec<u32> = times.chunks(10).map(|tenths| tenths.iter().sum()).collect();
    let (begun, after) = times.split_at(30);
    assert_eq!(begun.iter().sum::<u32>(), 84);
    assert!(begun.iter().all(|sent| *sent <= 11), "{begun:?}");
    assert!(after.iter().all(|sent| *sent <= 11), "no burst later: {:?}", after.iter().max());
    assert!((600..750).contains(&after.iter().sum::<u32>()), "each is refreshed in time");
}

// rfc: 3608 §6.1 — the service route goes, in its order, into requests of the account; a later 2xx replaces it
// rfc: 3327 §5.1 — the UA says Supported: path
// rfc: 5627 §4.4 — a GRUU is the Contact of what makes a dialog
#[test]
fn an_account_lends_its_route_its_gruu_and_its_password() {
    let mut lab = Scripted::new();
    let asked =
        account().gruu(GruuPolicy::Public).outbound_proxies(vec!["sip:192.0.2.2:5070;lr".parse().unwrap()]);
    let id = lab.agent.register(lab.now, asked).unwrap();
    let first = lab.sent_request(&Method::REGISTER);
    assert!(supports(&first, "path") && supports(&first, "gruu") && !supports(&first, "outbound"));
    let own = first.headers().require::<Contact>().unwrap();
    let instance = own.address().unwrap().instance().unwrap().to_owned();
    let mut response = answer(&first, 200, "r");
    response.headers_mut().remove(HeaderName::CONTACT);
    let lines = [
        (
            HeaderName::CONTACT,
            format!(
                "<sip:alice@192.0.2.1:5060>;expires=60;+sip.instance=\"<{instance}>\";pub-gruu=\"sip:alice@example.com;gr=x\""
            ),
        ),
        (HeaderName::SERVICE_ROUTE, "<sip:p1.example.com;lr>, <sip:p2.example.com;lr>".to_owned()),
        (HeaderName::PATH, "<sip:edge.example.com;lr;ob>".to_owned()),
    ];
    for (name, value) in lines {
        response.headers_mut().push_raw(name, value).unwrap();
    }
    lab.receive(response);
    lab.event();
    let grant = lab.agent.granted(id).unwrap();
    assert_eq!((grant.path.len(), grant.service_route.len()), (1, 2));
    let from = lab.agent.identity(id).unwrap();
    let call = crate::Invite::new(from, "sip:bob@192.0.2.2".parse().unwrap()).account(id);
    lab.agent.invite(lab.now, call, Box::new(crate::scripted::Plan::default())).unwrap();
    let invite = lab.sent_request(&Method::INVITE);
    let routes: Vec<String> =
        invite.headers().all::<Route>().map(|route| route.unwrap().uri().to_string()).collect();
    assert_eq!(routes, ["sip:192.0.2.2:5070;lr", "sip:p1.example.com;lr", "sip:p2.example.com;lr"]);
    assert_eq!(contacts(&invite), ["<sip:alice@example.com;gr=x>"]);
    lab.receive(challenge(&invite, "n"));
    lab.sent_request(&Method::ACK);
    assert!(lab.sent_request(&Method::INVITE).headers().contains(HeaderName::AUTHORIZATION));
    // A call to the account is answered with the GRUU, one to somebody else is not.
    for (to, contact) in
        [("192.0.2.2:5060", "sip:alice@example.com;gr=x"), ("example.org", "sip:alice@192.0.2.1:5060")]
    {
        let mut incoming = lab.peer_request(Method::INVITE, 1, None);
        incoming.headers_mut().replace(&To::new(contact_uri(&format!("sip:alice@{to}"))));
        incoming.headers_mut().replace(&CallId(to.into()));
        lab.receive(incoming);
        let Some(Event::Incoming { dialog, .. }) = lab.event() else { panic!("a call comes in") };
        assert_eq!(lab.agent.dialog(dialog).unwrap().contact().to_string(), contact);
    }
    // The refresh brings neither: from then on there is none.
    let refresh = next_register(&mut lab, secs(54)).unwrap();
    assert!(lab.now < lab.agent.granted(id).unwrap().until - secs(29), "halfway, for the GRUU's sake");
    bind(&mut lab, &refresh, &["<sip:alice@192.0.2.1:5060>;expires=60"]);
    let asked = crate::OutOfDialog::new(
        Method::OPTIONS,
        lab.agent.identity(id).unwrap(),
        "sip:bob@192.0.2.2".parse().unwrap(),
    );
    lab.skip_sent();
    lab.agent.request(lab.now, asked.account(id)).unwrap();
    let options = lab.sent_request(&Method::OPTIONS);
    assert_eq!(options.headers().all::<Route>().count(), 1);
    assert_eq!(contacts(&options), ["<sip:alice@192.0.2.1:5060>"]);
    let unknown = crate::Invite::new(NameAddr::new(contact_uri("sip:a@b")), contact_uri("sip:b@192.0.2.2"))
        .account(RegistrationId(99));
    let error = lab.agent.invite(lab.now, unknown, Box::new(crate::scripted::Plan::default())).unwrap_err();
    assert_eq!(error, CommandError::Unknown);
}

/// A 200 that has outbound in force.
fn outbound_ok(lab: &mut Scripted, sent: &Request, flow_timer: Option<u32>) {
    let own = sent.headers().require::<Contact>().unwrap().with_expires(600);
    let mut response = answer(sent, 200, "r");
    response.headers_mut().replace(&own);
    response.headers_mut().push(&Require(vec!["outbound".into()]));
    if let Some(seconds) = flow_timer {
        response.headers_mut().push(&sip_msg::FlowTimer(seconds));
    }
    lab.receive(response);
}

// rfc: 5626 §4.2.1 — Supported: outbound and path, +sip.instance in brackets and quotes, reg-id
// rfc: 5626 §4.4.1 — keep-alives once the 2xx requires outbound; a flow without a pong in 10 s has failed
// rfc: 5626 §4.5 — a new flow at once, with the same reg-id
// rfc: 5626 §4.2.2 — a refresh goes over the same flow
#[test]
fn a_flow_that_does_not_answer_is_replaced() {
    let mut lab = Scripted::dialling(Transport::Tcp, 40_001);
    let aor = "sip:alice@192.0.2.2:5060;transport=tcp".parse().unwrap();
    let id = lab.agent.register(lab.now, Account::new(aor).outbound(Outbound::new())).unwrap();
    let first = lab.sent_request(&Method::REGISTER);
    assert!(supports(&first, "outbound") && supports(&first, "path"));
    let own = contacts(&first);
    assert!(
        own[0].starts_with("<sip:alice@192.0.2.1:40001;transport=tcp;ob>;+sip.instance=\"<urn:uuid:"),
        "{own:?}"
    );
    assert!(own[0].contains(";reg-id=1;"), "{own:?}");
    outbound_ok(&mut lab, &first, Some(50));
    assert!(lab.agent.granted(id).unwrap().outbound);
    lab.advance(secs(50));
    assert_eq!(lab.keep_alives.drain(..).count(), 1);
    let flow = lab.flow();
    lab.happens(Input::Stream { flow, bytes: bytes::Bytes::from_static(b"\r\n") });
    lab.advance(secs(40));
    lab.set_port(40_002);
    let second = next_register(&mut lab, secs(30)).expect("no pong");
    let own = contacts(&second);
    assert!(own[0].starts_with("<sip:alice@192.0.2.1:40002;transport=tcp;ob>") && own.len() == 1, "{own:?}");
    assert!(own[0].contains(";reg-id=1;"));
    let call_id = |request: &Request| request.headers().require::<CallId>().unwrap();
    assert_eq!(call_id(&second), call_id(&first));
    assert_eq!(lab.statuses.last(), Some(&RegistrationStatus::Registering));
    outbound_ok(&mut lab, &second, None);
    // Lost again, and soon: this flow never worked, so the next one waits as the RFC has it.
    let flow = lab.flow();
    lab.happens(Input::Closed { flow, why: "reset".into() });
    lab.set_port(40_003);
    assert!(next_register(&mut lab, secs(29)).is_none());
    assert!(next_register(&mut lab, secs(31)).is_some());
}

// rfc: 5626 §4.4.2 — STUN each 24 to 29 s over UDP
#[test]
fn a_udp_flow_is_kept_alive_with_stun() {
    let mut lab = Scripted::new();
    lab.agent.register(lab.now, account().outbound(Outbound::new())).unwrap();
    let first = lab.sent_request(&Method::REGISTER);
    outbound_ok(&mut lab, &first, None);
    lab.advance(secs(24));
    assert!(lab.keep_alives.is_empty());
    lab.advance(secs(5));
    let probe = lab.keep_alives.pop_front().unwrap();
    assert_eq!(probe[..2], [0, 1], "a Binding request");
    // Nobody answers: 40 s later the flow has failed, and another is tried.
    assert!(next_register(&mut lab, secs(45)).is_some());
}

// rfc: 5626 §11.6 — after a 439 without outbound
#[test]
fn a_first_hop_without_outbound_is_used_without() {
    let mut lab = Scripted::new();
    let id = lab.agent.register(lab.now, account().outbound(Outbound::new())).unwrap();
    let first = lab.sent_request(&Method::REGISTER);
    lab.answer(&first, 439, "r");
    let second = lab.sent_request(&Method::REGISTER);
    assert!(!supports(&second, "outbound") && !contacts(&second)[0].contains("reg-id"));
    bind(&mut lab, &second, &["<sip:alice@192.0.2.1:5060>;expires=60"]);
    assert!(!lab.agent.granted(id).unwrap().outbound);
    let strict = account().outbound(Outbound::new().fallback(false));
    let id = lab.agent.register(lab.now, strict).unwrap();
    let first = lab.sent_request(&Method::REGISTER);
    lab.answer(&first, 439, "r");
    assert_eq!(lab.agent.registration_status(id), Some(RegistrationStatus::Failed));
}

// rfc: 5626 §4.2.1 — a flow through each proxy of the set, each with a Call-ID and a reg-id of its own
#[test]
fn each_proxy_of_the_set_gets_a_flow() {
    let both = || {
        let proxy = |port| format!("sip:192.0.2.2:{port}").parse().unwrap();
        Outbound::new().proxy(proxy(5071)).proxy(proxy(5072))
    };
    let mut lab = Scripted::new();
    let id = lab.agent.register(lab.now, account().outbound(both())).unwrap();
    let flows = [lab.sent_request(&Method::REGISTER), lab.sent_request(&Method::REGISTER)];
    let [one, two] = &flows;
    for (flow, number) in [(one, 1), (two, 2)] {
        let route = flow.headers().require::<Route>().unwrap();
        assert_eq!(route.uri().port(), Some(5070 + number));
        assert!(contacts(flow)[0].contains(&format!(";reg-id={number}")));
    }
    assert_ne!(one.headers().require::<CallId>().unwrap(), two.headers().require::<CallId>().unwrap());
    outbound_ok(&mut lab, one, None);
    outbound_ok(&mut lab, two, None);
    lab.agent.unregister(lab.now, id).unwrap();
    for _ in 0..2 {
        let last = lab.sent_request(&Method::REGISTER);
        assert!(contacts(&last)[0].contains(";reg-id=") && contacts(&last)[0].ends_with(";expires=0"));
        bind(&mut lab, &last, &[]);
    }
    lab.ends_idle();

    // A registrar that knows nothing of outbound would ring us twice: one flow stays.
    lab.agent.register(lab.now, account().outbound(both())).unwrap();
    let one = lab.sent_request(&Method::REGISTER);
    let two = lab.sent_request(&Method::REGISTER);
    bind(&mut lab, &one, &["<sip:alice@192.0.2.1:5060;ob>;expires=60"]);
    let again = lab.sent_request(&Method::REGISTER);
    assert!(!contacts(&again)[0].contains("reg-id"));
    bind(&mut lab, &two, &["<sip:alice@192.0.2.1:5060;ob>;expires=60"]);
    bind(&mut lab, &again, &["<sip:alice@192.0.2.1:5060>;expires=600"]);
    lab.advance(secs(400));
    lab.sent_nothing();
}

// rfc: 8599 §4.1.1 — pn-provider, pn-param and pn-prid are parameters of the Contact's URI
// rfc: 8599 §4.1.4 — +sip.pnsreg says that we can refresh by ourselves; the network says when
// rfc: 8599 §4.1.3 — a notification is answered with a REGISTER
// rfc: 8599 §4.1.2 — a binding that is removed has no pn-prid
// rfc: 8599 §4.1 — other requests have none of it
#[test]
fn a_push_service_wakes_us() {
    let mut lab = Scripted::new();
    let push = |prid: &str| Push::new("acme", prid).param("p");
    let id = lab.agent.register(lab.now, account().push(push("one"))).unwrap();
    let first = lab.sent_request(&Method::REGISTER);
    let own = contacts(&first);
    assert!(
        own[0].starts_with("<sip:alice@192.0.2.1:5060;pn-provider=acme;pn-param=p;pn-prid=one>"),
        "{own:?}"
    );
    assert!(own[0].contains(";+sip.pnsreg;"));
    let granted = |lab: &mut Scripted, sent: &Request, caps: &str| {
        let mut response = answer(sent, 200, "r");
        response.headers_mut().replace(&sent.headers().require::<Contact>().unwrap().with_expires(1000));
        response.headers_mut().push_raw(HeaderName::FEATURE_CAPS, caps).unwrap();
        lab.receive(response);
    };
    granted(&mut lab, &first, "*;+sip.pns=\"acme\";+sip.pnsreg=\"400\"");
    let support = lab.agent.granted(id).unwrap().push.clone().unwrap();
    assert!(support.knows("ACME") && support.refresh_before == Some(secs(400)));
    let second = next_register(&mut lab, secs(601)).expect("400 s before the end");
    granted(&mut lab, &second, "*;+sip.pns=\"acme\"");
    assert!(next_register(&mut lab, secs(990)).is_none(), "only a notification asks for it");
    lab.agent.refresh(lab.now, id).unwrap();
    let third = lab.sent_request(&Method::REGISTER);
    granted(&mut lab, &third, "*;+sip.pns=\"acme\"");
    lab.agent.set_push(lab.now, id, Some(push("two"))).unwrap();
    let fourth = lab.sent_request(&Method::REGISTER);
    let own = contacts(&fourth);
    assert!(
        own[0].contains("pn-prid=two") && own[1].contains("pn-prid=one") && own[1].ends_with("expires=0"),
        "{own:?}"
    );
    granted(&mut lab, &fourth, "*;+sip.pns=\"acme\"");
    let call = crate::Invite::new(lab.agent.identity(id).unwrap(), "sip:bob@192.0.2.2".parse().unwrap());
    lab.agent.invite(lab.now, call.account(id), Box::new(crate::scripted::Plan::default())).unwrap();
    assert_eq!(contacts(&lab.sent_request(&Method::INVITE)), ["<sip:alice@192.0.2.1:5060>"]);
    lab.skip_sent();
    lab.agent.unregister(lab.now, id).unwrap();
    let last = contacts(&lab.sent_request(&Method::REGISTER));
    assert!(last[0].contains("pn-provider=acme") && !last[0].contains("pn-prid"), "{last:?}");
}

// rfc: 8599 §4.1.5 — a 555: the network does not know the push service
#[test]
fn an_unknown_push_service_does_not_keep_us_from_registering() {
    let mut lab = Scripted::new();
    let id = lab.agent.register(lab.now, account().push(Push::new("acme", "x"))).unwrap();
    let first = lab.sent_request(&Method::REGISTER);
    lab.answer(&first, 555, "r");
    let second = lab.sent_request(&Method::REGISTER);
    assert!(!contacts(&second)[0].contains("pn-"), "{:?}", contacts(&second));
    bind(&mut lab, &second, &["<sip:alice@192.0.2.1:5060>;expires=60"]);
    assert!(lab.agent.granted(id).unwrap().push.is_none());
}

// rfc: 3261 §14.1 — a call whose end has moved is told by a re-INVITE with the new Contact
#[test]
fn accounts_and_calls_move_with_the_address() {
    let mut lab = Scripted::new();
    let (id, first) = register(&mut lab);
    bind(&mut lab, &first, &["<sip:alice@192.0.2.1:5060>;expires=60"]);
    lab.event();
    lab.call_up(crate::scripted::Plan::default());
    lab.moves("192.0.2.99:5060");
    let moved = lab.sent_request(&Method::REGISTER);
    let sent = contacts(&moved);
    assert!(sent[0].starts_with("<sip:alice@192.0.2.99:5060>"), "{sent:?}");
    assert_eq!(sent[1], "<sip:alice@192.0.2.1:5060>;expires=0");
    let reinvite = lab.sent_request(&Method::INVITE);
    assert_eq!(contacts(&reinvite), ["<sip:alice@192.0.2.99:5060>"]);
    assert!(!reinvite.body().is_empty(), "a new offer");
    assert_eq!(lab.agent.registration_status(id), Some(RegistrationStatus::Registering));
    bind(&mut lab, &moved, &["<sip:alice@192.0.2.99:5060>;expires=60"]);
    assert_eq!(lab.agent.registration_status(id), Some(RegistrationStatus::Registered));
}

#[test]
fn a_register_under_way_is_given_up_when_the_address_changes() {
    let mut lab = Scripted::new();
    let (_, first) = register(&mut lab);
    lab.moves("192.0.2.99:5060");
    let second = lab.sent_request(&Method::REGISTER);
    assert!(number(&second) > number(&first));
    let sent = contacts(&second);
    assert!(
        sent[0].starts_with("<sip:alice@192.0.2.99:5060>") && sent[1].contains("192.0.2.1:5060"),
        "{sent:?}"
    );
    // The answer to the old one comes late, and says nothing any more.
    bind(&mut lab, &first, &["<sip:alice@192.0.2.1:5060>;expires=60"]);
    assert!(lab.event().is_none());
}

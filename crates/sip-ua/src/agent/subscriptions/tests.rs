use std::time::Duration;

use sip_msg::{
    Accept, CallId, Challenge, Event as EventHeader, Expires, From, MinExpires, NameAddr, RetryAfter, To,
    Uri, WwwAuthenticate,
};

use super::*;
use crate::auth::Credentials;
use crate::event::Event;
use crate::refer::TransferError;
use crate::scripted::{Scripted, T1, answer, number};
use crate::subscription::{SubscriptionEnd, Termination};

const MINUTE: Duration = Duration::from_secs(60);
const TIMER_N: Duration = Duration::from_secs(32);

fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

fn alice() -> NameAddr {
    NameAddr::new(uri("sip:alice@example.com"))
}

fn asked() -> Subscribe {
    Subscribe::new(alice(), uri("sip:bob@192.0.2.2:5060"), "message-summary")
        .accept("application/simple-message-summary")
        .expires(10 * MINUTE)
}

fn subscribe(lab: &mut Scripted, asked: Subscribe) -> (SubscriptionId, Request) {
    let id = lab.agent.subscribe(lab.now, asked).unwrap();
    (id, lab.sent_request(&Method::SUBSCRIBE))
}

/// The notifier with this tag tells.
fn notify(lab: &mut Scripted, subscribe: &Request, tag: &str, number: u32, state: &str) {
    let notify = made(lab, subscribe, tag, number, state);
    lab.receive(notify);
}

fn made(lab: &mut Scripted, subscribe: &Request, tag: &str, number: u32, state: &str) -> Request {
    let mut notify = lab.peer_request(Method::NOTIFY, number, None);
    let sent = subscribe.headers();
    let (from, to) = (sent.require::<To>().unwrap(), sent.require::<From>().unwrap());
    let headers = notify.headers_mut();
    headers.replace(
        &From { name_addr: from.name_addr, params: sip_msg::Params::new() }.with_tag(tag.to_owned()),
    );
    headers.replace(&To { name_addr: to.name_addr, params: to.params });
    headers.replace(&sent.require::<CallId>().unwrap());
    if let Ok(Some(event)) = sent.get::<EventHeader>() {
        headers.push(&event);
    } else {
        headers.push_raw(HeaderName::EVENT, "refer").unwrap();
    }
    headers.push_raw(HeaderName::SUBSCRIPTION_STATE, state).unwrap();
    notify
}

/// A subscription that stands, with its first SUBSCRIBE.
fn standing() -> (Scripted, SubscriptionId, Request) {
    let mut lab = Scripted::new();
    let (id, sent) = subscribe(&mut lab, asked());
    lab.receive(granting(&sent, 600));
    notify(&mut lab, &sent, "n", 1, "active;expires=600");
    lab.sent_response(StatusCode::OK);
    told(&mut lab, "n");
    (lab, id, sent)
}

fn granting(sent: &Request, seconds: u32) -> Response {
    let mut response = answer(sent, 200, "n");
    response.headers_mut().push(&Expires(seconds));
    response
}

#[track_caller]
fn told(lab: &mut Scripted, by: &str) {
    match lab.event() {
        Some(Event::Notified { notifier, .. }) => assert_eq!(notifier, by),
        other => panic!("{other:?} is a NOTIFY"),
    }
}

#[track_caller]
fn ended(lab: &mut Scripted) -> (SubscriptionEnd, Option<u64>) {
    match lab.event() {
        Some(Event::SubscriptionEnded { why, will_retry_in, .. }) => {
            (why, will_retry_in.map(|wait| wait.as_secs()))
        }
        other => panic!("{other:?} is the end"),
    }
}

// rfc: 6665 §4.1.2.1 — a SUBSCRIBE has one Event, Expires, a Contact, and what it takes in Accept
// rfc: 6665 §4.1.2.2 — it is refreshed in its dialog before it expires, and each refresh brings a NOTIFY
// rfc: 6665 §4.1.2.3 — Expires 0 ends it, and a last NOTIFY comes
#[test]
fn a_subscription_is_refreshed_until_it_is_taken_back() {
    let mut lab = Scripted::new();
    let (id, sent) = subscribe(&mut lab, asked());
    let headers = sent.headers();
    assert_eq!(headers.require::<EventHeader>().unwrap().to_string(), "message-summary");
    assert_eq!(headers.require::<Expires>().unwrap(), Expires(600));
    assert!(headers.require::<Accept>().unwrap().accepts("application/simple-message-summary"));
    assert!(headers.contains(HeaderName::CONTACT));
    // The NOTIFY may overtake the answer (§4.1.2.4).
    notify(&mut lab, &sent, "n", 1, "active;expires=600");
    lab.sent_response(StatusCode::OK);
    told(&mut lab, "n");
    lab.receive(granting(&sent, 600));
    lab.advance(Duration::from_secs(539));
    lab.sent_nothing();
    lab.advance(Duration::from_secs(1));
    let refresh = lab.sent_request(&Method::SUBSCRIBE);
    assert_eq!(refresh.headers().require::<To>().unwrap().tag(), Some("n"));
    assert_eq!(refresh.uri_text(), "sip:bob@192.0.2.2:5060");
    assert_eq!(number(&refresh), number(&sent) + 1);
    assert_eq!(refresh.headers().require::<Expires>().unwrap(), Expires(600));
    lab.receive(granting(&refresh, 300));
    notify(&mut lab, &sent, "n", 2, "active;expires=300");
    lab.sent_response(StatusCode::OK);
    told(&mut lab, "n");
    lab.advance(Duration::from_secs(270));
    let refresh = lab.sent_request(&Method::SUBSCRIBE);
    lab.receive(granting(&refresh, 300));
    notify(&mut lab, &sent, "n", 3, "active;expires=300");
    lab.sent_response(StatusCode::OK);
    told(&mut lab, "n");
    lab.agent.unsubscribe(lab.now, id).unwrap();
    let last = lab.sent_request(&Method::SUBSCRIBE);
    assert_eq!(last.headers().require::<Expires>().unwrap(), Expires(0));
    lab.receive(granting(&last, 0));
    notify(&mut lab, &sent, "n", 4, "terminated;reason=timeout");
    lab.sent_response(StatusCode::OK);
    told(&mut lab, "n");
    assert_eq!(ended(&mut lab), (SubscriptionEnd::Terminated(Termination::TimedOut), None));
    assert_eq!(lab.agent.unsubscribe(lab.now, id), Err(CommandError::Unknown));
    lab.ends_idle();
}

// rfc: 6665 §4.1.2.4 — Timer N: without a NOTIFY in 64·T1 it has failed
#[test]
fn a_subscription_without_a_notify_has_failed() {
    let mut lab = Scripted::new();
    let (_, sent) = subscribe(&mut lab, asked().once());
    lab.receive(granting(&sent, 600));
    lab.advance(TIMER_N - Duration::from_millis(1));
    assert!(lab.event().is_none());
    lab.advance(Duration::from_millis(1));
    assert_eq!(ended(&mut lab), (SubscriptionEnd::Silent, None));
    notify(&mut lab, &sent, "n", 1, "active;expires=600");
    lab.sent_response(StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
    lab.ends_idle();
}

// rfc: 6665 §4.1.2.2 — after a refresh a NOTIFY must come by Timer N; without one it is asked for anew
#[test]
fn a_refresh_that_nobody_confirms_ends_it() {
    let (mut lab, _, sent) = standing();
    lab.advance(Duration::from_secs(540));
    let refresh = lab.sent_request(&Method::SUBSCRIBE);
    lab.receive(granting(&refresh, 600));
    lab.advance(TIMER_N);
    assert_eq!(ended(&mut lab), (SubscriptionEnd::Silent, Some(1)));
    lab.advance(Duration::from_secs(1));
    let anew = lab.sent_request(&Method::SUBSCRIBE);
    let call_id = |request: &Request| request.headers().require::<CallId>().unwrap().0;
    assert_ne!(call_id(&anew), call_id(&sent));
    assert!(anew.headers().require::<To>().unwrap().tag().is_none());
}

// rfc: 6665 §4.1.2.2 — 481 and its like end the subscription; another error leaves it until it expires
#[test]
fn a_refused_refresh_ends_it_or_is_tried_again() {
    let (mut lab, ..) = standing();
    lab.advance(Duration::from_secs(540));
    let refresh = lab.sent_request(&Method::SUBSCRIBE);
    lab.answer(&refresh, 503, "n");
    assert!(lab.event().is_none());
    lab.advance(Duration::from_secs(30));
    let again = lab.sent_request(&Method::SUBSCRIBE);
    lab.answer(&again, 481, "n");
    let (why, retry) = ended(&mut lab);
    assert!(matches!(why, SubscriptionEnd::Refused { status, .. } if status.code() == 481));
    assert_eq!(retry, Some(1));
}

#[test]
fn a_refresh_that_cannot_get_through_ends_it_when_its_time_is_over() {
    let (mut lab, ..) = standing();
    lab.advance(Duration::from_secs(540));
    for wait in [30, 15, 8, 4, 2] {
        let refresh = lab.sent_request(&Method::SUBSCRIBE);
        lab.answer(&refresh, 500, "n");
        lab.skip_sent();
        lab.advance(Duration::from_secs(wait));
    }
    lab.advance(Duration::from_secs(2));
    assert_eq!(ended(&mut lab).0, SubscriptionEnd::Silent);
}

// rfc: 6665 §4.1.3 — deactivated: at once anew; probation: after retry-after; rejected: never
#[test]
fn the_reason_says_whether_to_ask_anew() {
    for (state, retry) in [
        ("terminated;reason=deactivated", Some(0)),
        ("terminated;reason=timeout", Some(0)),
        ("terminated;reason=probation;retry-after=90", Some(90)),
        ("terminated;reason=giveup;retry-after=90", Some(90)),
        ("terminated;reason=rejected", None),
        ("terminated;reason=noresource", None),
        ("terminated;reason=invariant", None),
        ("terminated;retry-after=7", Some(7)),
    ] {
        let (mut lab, _, sent) = standing();
        notify(&mut lab, &sent, "n", 2, state);
        lab.sent_response(StatusCode::OK);
        told(&mut lab, "n");
        assert_eq!(ended(&mut lab).1, retry, "{state}");
        if let Some(seconds) = retry {
            lab.advance(Duration::from_secs(seconds));
            lab.sent_request(&Method::SUBSCRIBE);
        } else {
            lab.advance(100 * MINUTE);
            lab.sent_nothing();
            assert!(lab.agent.is_idle());
        }
    }
}

#[test]
fn a_notifier_that_ends_it_each_time_is_asked_more_and_more_seldom() {
    let mut lab = Scripted::new();
    let (_, mut sent) = subscribe(&mut lab, asked());
    for wait in [0, 2, 4, 8, 16, 32, 60, 60] {
        lab.receive(granting(&sent, 600));
        notify(&mut lab, &sent, "n", 1, "terminated;reason=deactivated");
        lab.sent_response(StatusCode::OK);
        told(&mut lab, "n");
        assert_eq!(ended(&mut lab).1, Some(wait));
        lab.advance(Duration::from_secs(wait));
        sent = lab.sent_request(&Method::SUBSCRIBE);
    }
}

// rfc: 6665 §4.1.2.1 — a refusal makes no subscription; 423 is met with a longer time, a challenge with credentials
#[test]
fn a_refusal_is_told_or_met() {
    let mut lab = Scripted::new();
    let (_, sent) = subscribe(&mut lab, asked());
    let mut brief = answer(&sent, 423, "n");
    brief.headers_mut().push(&MinExpires(1800));
    lab.receive(brief);
    let longer = lab.sent_request(&Method::SUBSCRIBE);
    assert_eq!(longer.headers().require::<Expires>().unwrap(), Expires(1800));
    assert_eq!(number(&longer), number(&sent) + 1);
    lab.answer(&longer, 489, "n");
    let (why, retry) = ended(&mut lab);
    assert!(matches!(why, SubscriptionEnd::Refused { status: StatusCode::BAD_EVENT, .. }));
    assert_eq!(retry, None);
    lab.ends_idle();

    let mut lab = Scripted::new();
    let secret = asked().request(|request| request.credentials(Credentials::new("alice", "secret")));
    let (_, sent) = subscribe(&mut lab, secret);
    let mut challenge = answer(&sent, 401, "n");
    let digest = Challenge::digest().with("realm", "r").with("nonce", "1").with("qop", "auth");
    challenge.headers_mut().push(&WwwAuthenticate(digest));
    lab.receive(challenge);
    let again = lab.sent_request(&Method::SUBSCRIBE);
    assert!(again.headers().contains(HeaderName::AUTHORIZATION));
    let mut later = answer(&again, 503, "n");
    later.headers_mut().push(&RetryAfter::new(20));
    lab.receive(later);
    assert_eq!(ended(&mut lab).1, Some(20));
    lab.advance(Duration::from_secs(20));
    let anew = lab.sent_request(&Method::SUBSCRIBE);
    lab.receive(granting(&anew, 600));
    notify(&mut lab, &anew, "n", 1, "active;expires=600");
    told(&mut lab, "n");
}

#[test]
fn without_any_answer_it_is_tried_again_with_a_back_off() {
    let mut lab = Scripted::new();
    subscribe(&mut lab, asked());
    lab.advance(64 * T1);
    let (_, retry) = ended(&mut lab);
    assert_eq!(retry, Some(1));
    lab.skip_sent();
    lab.advance(Duration::from_secs(1));
    lab.sent_request(&Method::SUBSCRIBE);
}

// rfc: 6665 §4.1.4 — several notifiers answer a forked SUBSCRIBE: each its own dialog, or 481 to all but the first
#[test]
fn forks_are_taken_or_refused() {
    for all in [true, false] {
        let mut lab = Scripted::new();
        let (id, sent) = subscribe(&mut lab, if all { asked().forks() } else { asked() });
        lab.receive(granting(&sent, 600));
        notify(&mut lab, &sent, "n1", 1, "active;expires=600");
        lab.sent_response(StatusCode::OK);
        told(&mut lab, "n1");
        notify(&mut lab, &sent, "n2", 1, "active;expires=300");
        if !all {
            lab.sent_response(StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
            continue;
        }
        lab.sent_response(StatusCode::OK);
        told(&mut lab, "n2");
        lab.advance(Duration::from_secs(270));
        let refresh = lab.sent_request(&Method::SUBSCRIBE);
        assert_eq!(refresh.headers().require::<To>().unwrap().tag(), Some("n2"));
        lab.receive(granting(&refresh, 300));
        notify(&mut lab, &sent, "n2", 2, "terminated;reason=noresource");
        lab.sent_response(StatusCode::OK);
        told(&mut lab, "n2");
        assert!(lab.event().is_none(), "the other one stands");
        // After Timer N nobody new is taken (§4.1.2.4).
        notify(&mut lab, &sent, "n3", 1, "active;expires=300");
        lab.sent_response(StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
        lab.agent.unsubscribe(lab.now, id).unwrap();
        let last = lab.sent_request(&Method::SUBSCRIBE);
        assert_eq!(last.headers().require::<To>().unwrap().tag(), Some("n1"));
        lab.answer(&last, 481, "n1");
        assert_eq!(ended(&mut lab).1, None);
        lab.ends_idle();
    }
}

// rfc: 6665 §4.1.3 — another package: 489; another id: 481; an old number: 500; no Subscription-State: 400
#[test]
fn notifies_that_do_not_belong_are_refused() {
    let (mut lab, _, sent) = standing();
    let mut other = made(&mut lab, &sent, "n", 2, "active");
    other.headers_mut().replace(&EventHeader::new("presence"));
    lab.receive(other);
    let refusal = lab.sent_response(StatusCode::BAD_EVENT);
    assert_eq!(refusal.headers().raw(HeaderName::ALLOW_EVENTS), Some(&b"message-summary"[..]));
    let mut named = made(&mut lab, &sent, "n", 3, "active");
    named.headers_mut().remove(HeaderName::EVENT);
    named.headers_mut().push_raw(HeaderName::EVENT, "message-summary;id=7").unwrap();
    lab.receive(named);
    lab.sent_response(StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
    notify(&mut lab, &sent, "n", 2, "active");
    lab.sent_response(StatusCode::SERVER_INTERNAL_ERROR);
    let mut stateless = made(&mut lab, &sent, "n", 4, "active");
    stateless.headers_mut().remove(HeaderName::SUBSCRIPTION_STATE);
    lab.receive(stateless);
    lab.sent_response(StatusCode::BAD_REQUEST);
    let inverse = lab.peer_request(Method::SUBSCRIBE, 1, None);
    lab.receive(inverse);
    lab.sent_response(StatusCode::BAD_EVENT);
    assert!(lab.event().is_none());
}

// rfc: 6665 §4.4.3 — Expires 0 in the first SUBSCRIBE asks for the state once
#[test]
fn the_state_of_now_can_be_asked_for_once() {
    let mut lab = Scripted::new();
    let (_, sent) = subscribe(&mut lab, asked().expires(Duration::ZERO));
    assert_eq!(sent.headers().require::<Expires>().unwrap(), Expires(0));
    lab.receive(granting(&sent, 0));
    notify(&mut lab, &sent, "n", 1, "terminated;reason=timeout");
    lab.sent_response(StatusCode::OK);
    told(&mut lab, "n");
    assert_eq!(ended(&mut lab).1, None);
    lab.ends_idle();
}

#[test]
fn a_subscription_taken_back_before_it_stands_ends_when_it_does() {
    let mut lab = Scripted::new();
    let (id, sent) = subscribe(&mut lab, asked());
    lab.agent.unsubscribe(lab.now, id).unwrap();
    lab.sent_nothing();
    lab.receive(granting(&sent, 600));
    notify(&mut lab, &sent, "n", 1, "active;expires=600");
    lab.sent_response(StatusCode::OK);
    told(&mut lab, "n");
    let last = lab.sent_request(&Method::SUBSCRIBE);
    assert_eq!(last.headers().require::<Expires>().unwrap(), Expires(0));
    lab.receive(granting(&last, 0));
    notify(&mut lab, &sent, "n", 2, "terminated;reason=timeout");
    told(&mut lab, "n");
    assert_eq!(ended(&mut lab).1, None);
    lab.ends_idle();
}

fn refers(lab: &mut Scripted, reports: bool) -> (SubscriptionId, Request) {
    let asked = Refer::new(alice(), uri("sip:bob@192.0.2.2:5060"), uri("sip:carol@192.0.2.3"));
    let asked = if reports { asked } else { asked.without_reports() };
    let id = lab.agent.refer(lab.now, asked).unwrap();
    (id, lab.sent_request(&Method::REFER))
}

fn report(lab: &mut Scripted, refer: &Request, tag: &str, number: u32, state: &str, status: &str) {
    let mut notify = made(lab, refer, tag, number, state);
    notify.set_body("message/sipfrag", format!("SIP/2.0 {status}\r\n"));
    lab.receive(notify);
}

// rfc: 3515 §4.1 — a REFER outside of calls, and what its receiver reports
// rfc: 3515 §3.9 — of several that a forked REFER reached the first that reports counts
#[test]
fn a_refer_of_ours_outside_of_calls_is_told_what_came_of_it() {
    let mut lab = Scripted::new();
    let (_, sent) = refers(&mut lab, true);
    assert_eq!(sent.headers().raw(HeaderName::REFER_TO), Some(&b"<sip:carol@192.0.2.3>"[..]));
    assert_eq!(sent.headers().raw(HeaderName::REFERRED_BY), Some(&b"<sip:alice@example.com>"[..]));
    assert!(!sent.headers().contains(HeaderName::EXPIRES));
    lab.answer(&sent, 202, "n1");
    report(&mut lab, &sent, "n1", 1, "active;expires=60", "100 Trying");
    lab.sent_response(StatusCode::OK);
    assert!(matches!(lab.event(), Some(Event::ReferProgress { status: StatusCode::TRYING, .. })));
    report(&mut lab, &sent, "n2", 1, "terminated;reason=noresource", "486 Busy Here");
    lab.sent_response(StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
    report(&mut lab, &sent, "n1", 2, "terminated;reason=noresource", "200 OK");
    lab.sent_response(StatusCode::OK);
    assert!(matches!(lab.event(), Some(Event::Referred { result: Ok(StatusCode::OK), .. })));
    assert!(lab.event().is_none());
    lab.ends_idle();
}

#[test]
fn a_refer_of_ours_may_be_refused_fail_or_never_be_reported_on() {
    #[track_caller]
    fn result(lab: &mut Scripted) -> Result<StatusCode, TransferError> {
        match lab.event() {
            Some(Event::Referred { result, .. }) => result,
            other => panic!("{other:?} is the outcome"),
        }
    }
    let mut lab = Scripted::new();
    let (_, sent) = refers(&mut lab, true);
    lab.answer(&sent, 603, "n");
    let reason = "Decline".into();
    assert_eq!(result(&mut lab), Err(TransferError::Refused { status: StatusCode::DECLINE, reason }));
    let (_, sent) = refers(&mut lab, true);
    lab.answer(&sent, 202, "n");
    report(&mut lab, &sent, "n", 1, "terminated;reason=noresource", "404 Not Found");
    lab.sent_response(StatusCode::OK);
    let reason = "Not Found".into();
    assert_eq!(result(&mut lab), Err(TransferError::Failed { status: StatusCode::NOT_FOUND, reason }));
    let (_, sent) = refers(&mut lab, true);
    lab.answer(&sent, 202, "n");
    lab.advance(TIMER_N);
    assert_eq!(result(&mut lab), Err(TransferError::NotReported));
    // rfc 4488: none are wanted, and the answer grants that.
    let (_, sent) = refers(&mut lab, false);
    assert_eq!(sent.headers().raw(HeaderName::REFER_SUB), Some(&b"false"[..]));
    let mut granted = answer(&sent, 200, "n");
    granted.headers_mut().push(&refer::no_reports());
    lab.receive(granted);
    assert_eq!(result(&mut lab), Ok(StatusCode::OK));
    lab.skip_sent();
    lab.ends_idle();
}

#[test]
fn subscriptions_beyond_the_limit_are_refused() {
    let limits = crate::Limits::default().subscriptions(1);
    let mut lab = Scripted::with(|config| config.limits(limits));
    subscribe(&mut lab, asked());
    assert_eq!(lab.agent.subscribe(lab.now, asked()), Err(CommandError::Limit("subscriptions")));
    let forged = asked().accept("x\r\nX-Forged: yes");
    let mut lab = Scripted::new();
    assert!(matches!(lab.agent.subscribe(lab.now, forged), Err(CommandError::Header(_))));
    lab.sent_nothing();
}

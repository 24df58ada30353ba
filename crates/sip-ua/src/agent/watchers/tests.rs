use std::time::Duration;

use sip_msg::{Contact, Expires, From, HeaderName, Message, Method, MinExpires, SubscriptionState, To};

use super::*;
use crate::scripted::{Scripted, T1, number};

const MWI: &str = "application/simple-message-summary";

fn package() -> Package {
    let seconds = Duration::from_secs;
    Package::new("message-summary").media_type(MWI).expires(seconds(60), seconds(600), seconds(1800))
}

fn lab() -> Scripted {
    Scripted::with(|config| config.notifies(package()))
}

fn state(text: &'static str) -> Option<(Text, Bytes)> {
    Some((MWI.into(), Bytes::from_static(text.as_bytes())))
}

fn subscribe(lab: &mut Scripted, number: u32, expires: Option<u32>, dialog: Option<&Message>) -> Request {
    let mut request = lab.peer_request(Method::SUBSCRIBE, number, dialog);
    request.headers_mut().push_raw(HeaderName::EVENT, "message-summary").unwrap();
    if let Some(seconds) = expires {
        request.headers_mut().push(&Expires(seconds));
    }
    request
}

/// Somebody subscribes, and the application hears of it.
fn asked(lab: &mut Scripted, expires: Option<u32>) -> SubscriptionId {
    let request = subscribe(lab, 1, expires, None);
    lab.receive(request);
    match lab.event() {
        Some(Event::Subscription { id, package, .. }) => {
            assert_eq!(package, "message-summary");
            id
        }
        other => panic!("{other:?} is a subscription; sent: {:?}", lab.poll_sent()),
    }
}

/// A subscription that stands with the state "one"; our 200.
fn standing() -> (Scripted, SubscriptionId, Message) {
    let mut lab = lab();
    let id = asked(&mut lab, Some(600));
    lab.agent.notify(lab.now, id, state("one")).unwrap();
    let accepted = lab.sent_response(StatusCode::OK);
    told(&mut lab, "active;expires=600", "one");
    (lab, id, accepted.into())
}

/// The NOTIFY sent next, which the peer answers.
#[track_caller]
fn told(lab: &mut Scripted, expected: &str, body: &str) -> Request {
    let notify = lab.sent_request(&Method::NOTIFY);
    let headers = notify.headers();
    assert_eq!(headers.require::<EventHeader>().unwrap().to_string(), "message-summary");
    assert_eq!(headers.require::<SubscriptionState>().unwrap().to_string(), expected);
    assert!(headers.require::<Contact>().is_ok());
    assert_eq!(notify.body(), body);
    lab.answer(&notify, 200, "");
    notify
}

// rfc: 6665 §4.2.1.1 — 200 at once, with the time granted: never more than was asked
// rfc: 6665 §4.2.1.2 — a NOTIFY follows at once, in the dialog of the SUBSCRIBE
// rfc: 6665 §4.2.2 — and one for each change of the state, the last one terminated
#[test]
fn a_subscriber_is_told_each_state() {
    let mut lab = lab();
    let id = asked(&mut lab, Some(86_400));
    lab.sent_nothing();
    lab.agent.notify(lab.now, id, state("one")).unwrap();
    let accepted = lab.sent_response(StatusCode::OK);
    assert_eq!(accepted.headers().require::<Expires>().unwrap(), Expires(1800));
    let tag = accepted.headers().require::<To>().unwrap().tag().unwrap().to_owned();
    let first = told(&mut lab, "active;expires=1800", "one");
    assert_eq!(first.headers().require::<From>().unwrap().tag(), Some(&*tag));
    assert_eq!(first.uri_text(), "sip:bob@192.0.2.2:5060");
    lab.advance(Duration::from_secs(10));
    lab.agent.notify(lab.now, id, state("two")).unwrap();
    let second = told(&mut lab, "active;expires=1790", "two");
    assert_eq!(number(&second), number(&first) + 1);
    lab.agent.end_subscription(lab.now, id, Termination::NoResource, state("three")).unwrap();
    told(&mut lab, "terminated;reason=noresource", "three");
    assert!(matches!(lab.event(), Some(Event::SubscriberGone { .. })));
    assert_eq!(lab.agent.notify(lab.now, id, state("four")), Err(CommandError::Unknown));
    lab.ends_idle();
}

// rfc: 6665 §4.2.1.1 — the answer waits for nobody: accepted as pending, granted or rejected later
#[test]
fn an_application_that_takes_its_time_leaves_the_subscription_pending() {
    for granted in [true, false] {
        let mut lab = lab();
        let id = asked(&mut lab, None);
        lab.advance(Duration::from_secs(1));
        let accepted = lab.sent_response(StatusCode::OK);
        assert_eq!(accepted.headers().require::<Expires>().unwrap(), Expires(600));
        told(&mut lab, "pending;expires=600", "");
        assert_eq!(
            lab.agent.refuse_subscription(lab.now, id, StatusCode::FORBIDDEN),
            Err(CommandError::Unknown)
        );
        if granted {
            lab.agent.notify(lab.now, id, state("one")).unwrap();
            told(&mut lab, "active;expires=600", "one");
        } else {
            lab.agent.end_subscription(lab.now, id, Termination::Rejected, None).unwrap();
            told(&mut lab, "terminated;reason=rejected", "");
            lab.event();
            lab.ends_idle();
        }
    }
}

#[test]
fn a_subscription_can_be_refused() {
    let mut lab = lab();
    let id = asked(&mut lab, None);
    let wrong = lab.agent.refuse_subscription(lab.now, id, StatusCode::OK);
    assert!(matches!(wrong, Err(CommandError::Misuse(_))));
    lab.agent.refuse_subscription(lab.now, id, StatusCode::FORBIDDEN).unwrap();
    lab.sent_response(StatusCode::FORBIDDEN);
    assert_eq!(lab.agent.notify(lab.now, id, None), Err(CommandError::Unknown));
    lab.ends_idle();
}

// rfc: 6665 §4.2.1.4 — a refresh sets the time anew and brings a NOTIFY with the whole state
// rfc: 6665 §4.2.1.4 — Expires 0 ends it, with a last NOTIFY
#[test]
fn a_refresh_is_answered_and_told_the_state_again() {
    let (mut lab, _, dialog) = standing();
    lab.advance(Duration::from_secs(500));
    let refresh = subscribe(&mut lab, 2, Some(300), Some(&dialog));
    lab.receive(refresh);
    let granted = lab.sent_response(StatusCode::OK);
    assert_eq!(granted.headers().require::<Expires>().unwrap(), Expires(300));
    told(&mut lab, "active;expires=300", "one");
    let stale = subscribe(&mut lab, 1, Some(300), Some(&dialog));
    lab.receive(stale);
    lab.sent_response(StatusCode::SERVER_INTERNAL_ERROR);
    let mut other = subscribe(&mut lab, 3, Some(300), Some(&dialog));
    other.headers_mut().replace(&EventHeader::new("presence"));
    lab.receive(other);
    lab.sent_response(StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
    let end = subscribe(&mut lab, 4, Some(0), Some(&dialog));
    lab.receive(end);
    lab.sent_response(StatusCode::OK);
    told(&mut lab, "terminated;reason=timeout", "one");
    assert!(matches!(lab.event(), Some(Event::SubscriberGone { .. })));
    lab.ends_idle();
    let late = subscribe(&mut lab, 5, Some(300), Some(&dialog));
    lab.receive(late);
    lab.sent_response(StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
}

// rfc: 6665 §4.2.1.4 — without a refresh it is removed, with terminated;reason=timeout
#[test]
fn a_subscription_that_is_not_refreshed_expires() {
    let (mut lab, ..) = standing();
    lab.advance(Duration::from_secs(600));
    told(&mut lab, "terminated;reason=timeout", "one");
    assert!(matches!(lab.event(), Some(Event::SubscriberGone { .. })));
    lab.ends_idle();
}

// rfc: 6665 §4.2.1.1 — too short a time: 423 with Min-Expires; an unknown package: 489 with Allow-Events
// rfc: 6665 §4.1.2.1 — no media type in common: 406
#[test]
fn what_cannot_be_subscribed_to_is_refused() {
    let mut lab = lab();
    let brief = subscribe(&mut lab, 1, Some(10), None);
    lab.receive(brief);
    let refusal = lab.sent_response(StatusCode::INTERVAL_TOO_BRIEF);
    assert_eq!(refusal.headers().require::<MinExpires>().unwrap(), MinExpires(60));
    assert!(refusal.headers().require::<To>().unwrap().tag().is_some());
    let mut foreign = subscribe(&mut lab, 2, Some(600), None);
    foreign.headers_mut().push_raw(HeaderName::ACCEPT, "text/html").unwrap();
    lab.receive(foreign);
    lab.sent_response(StatusCode::NOT_ACCEPTABLE);
    let mut unknown = subscribe(&mut lab, 3, Some(600), None);
    unknown.headers_mut().replace(&EventHeader::new("weather"));
    lab.receive(unknown);
    let refusal = lab.sent_response(StatusCode::BAD_EVENT);
    assert_eq!(refusal.headers().raw(HeaderName::ALLOW_EVENTS), Some(&b"message-summary, refer"[..]));
    let eventless = lab.peer_request(Method::SUBSCRIBE, 4, None);
    lab.receive(eventless);
    lab.sent_response(StatusCode::BAD_EVENT);
    assert!(lab.event().is_none());
    lab.ends_idle();
}

// rfc: 6665 §4.4.3 — Expires 0 outside of a dialog: the state once, in a NOTIFY that is the last
#[test]
fn the_state_can_be_fetched_once() {
    let mut lab = lab();
    let id = asked(&mut lab, Some(0));
    lab.agent.notify(lab.now, id, state("one")).unwrap();
    assert_eq!(lab.sent_response(StatusCode::OK).headers().require::<Expires>().unwrap(), Expires(0));
    told(&mut lab, "terminated;reason=timeout", "one");
    assert!(matches!(lab.event(), Some(Event::SubscriberGone { .. })));
    lab.ends_idle();
}

// rfc: 6665 §4.2.2 — a NOTIFY that times out, or is answered 481, removes the subscription
#[test]
fn a_subscriber_that_is_gone_is_forgotten() {
    for status in [481, 0] {
        let (mut lab, id, _) = standing();
        lab.agent.notify(lab.now, id, state("two")).unwrap();
        let notify = lab.sent_request(&Method::NOTIFY);
        if status == 0 {
            lab.advance(64 * T1);
            lab.skip_sent();
        } else {
            lab.answer(&notify, status, "");
        }
        assert!(matches!(lab.event(), Some(Event::SubscriberGone { .. })));
        lab.ends_idle();
    }
}

#[test]
fn subscribers_beyond_the_limit_are_turned_away() {
    let limits = crate::Limits::default().subscriptions(1);
    let mut lab = Scripted::with(|config| config.notifies(package()).limits(limits));
    asked(&mut lab, Some(600));
    let mut second = subscribe(&mut lab, 1, Some(600), None);
    second.headers_mut().replace(&sip_msg::CallId("another".into()));
    lab.receive(second);
    lab.sent_response(StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn a_notify_in_a_subscribers_dialog_finds_nobody() {
    let (mut lab, _, dialog) = standing();
    let notify = lab.peer_request(Method::NOTIFY, 2, Some(&dialog));
    lab.receive(notify);
    lab.sent_response(StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
}

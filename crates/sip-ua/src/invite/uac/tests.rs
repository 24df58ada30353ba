//! The caller's side, rule by rule.

use std::time::Duration;

use sdp::Direction;
use sip_msg::{
    Expires, From, HeaderName, Message, Method, RSeq, RecordRoute, Request, Require, Response, Route,
};
use sip_msg::{StatusCode, To, Uri};

use crate::scripted::{Plan, SDP, Scripted, answer, describe, invite, number};
use crate::{Event, MediaPlan, Side};

fn boxed(plan: &Plan) -> Box<dyn MediaPlan> {
    Box::new(plan.clone())
}

fn record_route(mut response: Response, proxy: &str) -> Response {
    response.headers_mut().push(&RecordRoute::new(proxy.parse::<Uri>().unwrap()));
    response
}

fn routes(request: &Request) -> Vec<String> {
    request.headers().all::<Route>().map(|route| route.unwrap().uri().to_string()).collect()
}

/// A request of the callee in a dialog that its response has made.
fn from_callee(lab: &mut Scripted, method: Method, number: u32, response: &Response) -> Request {
    let request = lab.peer_request(method, number, Some(&response.clone().into()));
    let text = String::from_utf8(request.to_bytes().to_vec()).unwrap();
    let text = text.replace("From: ", "X: ").replace("To: ", "From: ").replace("X: ", "To: ");
    Message::parse(text.into_bytes(), &sip_msg::Limits::default()).unwrap().as_request().unwrap().clone()
}

// rfc: 3261 §12.1.2 — a response without To tag: the tag is null, and requests of the dialog have none
#[test]
fn a_callee_of_rfc_2543_has_no_tag() {
    let mut lab = Scripted::new();
    let (id, sent) = lab.call(Plan::default());
    lab.answer(&sent, 180, "");
    assert!(matches!(lab.event(), Some(Event::Ringing { early_media: false, .. })));
    lab.answer_with(&sent, 200, "", Direction::SendRecv);
    let ack = lab.sent_request(&Method::ACK);
    assert!(ack.headers().require::<To>().unwrap().tag().is_none());
    assert!(matches!(lab.event(), Some(Event::Answered { .. })));
    let response = answer(&sent, 200, "");
    let mut bye = from_callee(&mut lab, Method::BYE, 1, &response);
    bye.headers_mut().replace(&From::new("sip:bob@192.0.2.2:5060".parse::<Uri>().unwrap()));
    lab.receive(bye);
    lab.sent_response(StatusCode::OK);
    assert!(matches!(lab.event(), Some(Event::Ended { dialog, by: Side::Remote, .. }) if dialog == id));
    lab.ends_idle();
}

// rfc: 3261 §13.2.1 — when the time in our Expires is over: CANCEL
#[test]
fn an_invite_that_expires_is_cancelled() {
    let mut lab = Scripted::new();
    let asked = invite().header(HeaderName::EXPIRES, "20").ring_timeout(Duration::from_secs(60));
    lab.agent.invite(lab.now, asked, boxed(&Plan::default())).unwrap();
    let sent = lab.sent_request(&Method::INVITE);
    assert_eq!(sent.headers().require::<Expires>().unwrap(), Expires(20));
    lab.answer(&sent, 180, "peer");
    lab.advance(Duration::from_millis(19_999));
    lab.sent_nothing();
    lab.advance(Duration::from_millis(1));
    lab.sent_request(&Method::CANCEL);
}

// rfc: 3261 §13.2.2.4 — the 2xx recomputes the route set of an early dialog, and no other part of it
#[test]
fn the_2xx_brings_the_route_set_and_keeps_the_numbers() {
    let mut lab = Scripted::new();
    let (id, sent) = lab.call(Plan::default());
    let mut ringing = record_route(answer(&sent, 183, "peer"), "sip:192.0.2.2:5061;lr");
    ringing.headers_mut().push(&Require(vec!["100rel".into()]));
    ringing.headers_mut().push(&RSeq(1));
    lab.receive(ringing);
    let prack = lab.sent_request(&Method::PRACK);
    assert_eq!(routes(&prack), ["sip:192.0.2.2:5061;lr"]);
    assert!(matches!(lab.event(), Some(Event::Ringing { .. })));
    let mut accepted = record_route(answer(&sent, 200, "peer"), "sip:192.0.2.2:5062;lr");
    accepted.set_body(SDP, describe(1, Direction::SendRecv));
    lab.receive(accepted);
    assert_eq!(routes(&lab.sent_request(&Method::ACK)), ["sip:192.0.2.2:5062;lr"]);
    assert!(matches!(lab.event(), Some(Event::Answered { .. })));
    lab.agent.hang_up(lab.now, id).unwrap();
    let bye = lab.sent_request(&Method::BYE);
    assert_eq!((routes(&bye), number(&bye)), (vec!["sip:192.0.2.2:5062;lr".to_owned()], number(&prack) + 1));
}

// rfc: 3261 §12.3 — a non-2xx final response ends all early dialogs
// rfc: 3261 §13.2.2.3 — later final responses are ignored
#[test]
fn a_refusal_ends_every_early_dialog() {
    let mut lab = Scripted::new();
    let (_, sent) = lab.call(Plan::default());
    for tag in ["one", "two"] {
        lab.answer_with(&sent, 183, tag, Direction::SendRecv);
        assert!(matches!(lab.event(), Some(Event::Ringing { early_media: true, .. })));
    }
    lab.answer(&sent, 486, "one");
    lab.sent_request(&Method::ACK);
    assert!(matches!(lab.event(), Some(Event::Ended { status: Some(StatusCode::BUSY_HERE), .. })));
    for tag in ["one", "two"] {
        let response = answer(&sent, 183, tag);
        let info = from_callee(&mut lab, Method::INFO, 1, &response);
        lab.receive(info);
        lab.sent_response(StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
    }
    lab.answer_with(&sent, 200, "two", Direction::SendRecv);
    lab.sent_nothing();
    assert!(lab.event().is_none());
    lab.ends_idle();
}

// rfc: 3261 §15 — a callee may send no BYE in an early dialog; one that does has ended that dialog and no other
#[test]
fn a_bye_in_an_early_dialog_ends_that_fork_alone() {
    let mut lab = Scripted::new();
    let plan = Plan::default();
    let (_, sent) = lab.call(plan.clone());
    for tag in ["one", "two"] {
        lab.answer_with(&sent, 183, tag, Direction::SendRecv);
        assert!(matches!(lab.event(), Some(Event::Ringing { early_media: true, .. })));
    }
    let two = answer(&sent, 183, "two");
    let bye = from_callee(&mut lab, Method::BYE, 1, &two);
    lab.receive(bye);
    lab.sent_response(StatusCode::OK);
    assert!(lab.event().is_none());
    assert_eq!(plan.chosen.lock().unwrap().len(), 3, "the first is heard again");
    lab.answer(&sent, 200, "one");
    lab.sent_request(&Method::ACK);
    assert!(matches!(lab.event(), Some(Event::Answered { .. })));
}

// rfc: 3261 §12.1.2 — a response without Contact breaks the rules; the Request-URI serves
// rfc: 3261 §12.2.1.1 — a From and To without tags in the early dialog of another call are not mixed up with it
#[test]
fn two_calls_to_the_same_place_are_two_calls() {
    let mut lab = Scripted::new();
    let (first, one) = lab.call(Plan::default());
    let (second, two) = lab.call(Plan::default());
    assert_ne!(
        one.headers().require::<From>().unwrap().tag(),
        two.headers().require::<From>().unwrap().tag()
    );
    lab.answer_with(&two, 200, "peer", Direction::SendRecv);
    lab.sent_request(&Method::ACK);
    assert!(matches!(lab.event(), Some(Event::Answered { dialog, .. }) if dialog == second));
    lab.answer_with(&one, 200, "peer", Direction::SendRecv);
    lab.sent_request(&Method::ACK);
    assert!(matches!(lab.event(), Some(Event::Answered { dialog, .. }) if dialog == first));
    let response = answer(&one, 200, "peer");
    let bye = from_callee(&mut lab, Method::BYE, 1, &response);
    lab.receive(bye);
    lab.sent_response(StatusCode::OK);
    assert!(matches!(lab.event(), Some(Event::Ended { dialog, .. }) if dialog == first));
    assert_eq!(lab.agent.direction(second), Some(Direction::SendRecv));
}

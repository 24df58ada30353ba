//! The callee's side, rule by rule.

use sdp::Direction;
use sip_msg::{From, HeaderName, Message, Method, RecordRoute, Request, Route, StatusCode, To, Uri};

use crate::scripted::{Plan, SDP, Scripted, T1, describe};
use crate::{Event, MediaPlan, Side};

fn boxed(plan: &Plan) -> Box<dyn MediaPlan> {
    Box::new(plan.clone())
}

fn reparse(request: &Request, change: impl FnOnce(String) -> String) -> Request {
    let text = change(String::from_utf8(request.to_bytes().to_vec()).unwrap());
    Message::parse(text.into_bytes(), &sip_msg::Limits::default()).unwrap().as_request().unwrap().clone()
}

// rfc: 3261 §12.1.1 — a request without From tag: the tag is null
#[test]
fn a_caller_of_rfc_2543_has_no_tag() {
    let mut lab = Scripted::new();
    let mut request = lab.peer_request(Method::INVITE, 10, None);
    request.set_body(SDP, describe(1, Direction::SendRecv));
    let untagged = |request: &Request| reparse(request, |text| text.replace(";tag=peer", ""));
    lab.receive(untagged(&request));
    let Some(Event::Incoming { dialog, .. }) = lab.event() else { panic!("a call comes in") };
    lab.agent.accept(lab.now, dialog, boxed(&Plan::default())).unwrap();
    let accepted = lab.sent_response(StatusCode::OK);
    let ack = lab.peer_request(Method::ACK, 10, Some(&accepted.clone().into()));
    lab.receive(ack);
    assert!(matches!(lab.event(), Some(Event::Confirmed { .. })));
    lab.agent.hang_up(lab.now, dialog).unwrap();
    let bye = lab.sent_request(&Method::BYE);
    assert!(bye.headers().require::<To>().unwrap().tag().is_none());
    assert!(bye.headers().require::<From>().unwrap().tag().is_some());
    lab.answer(&bye, 200, "");
    assert!(matches!(lab.event(), Some(Event::Ended { by: Side::Local, .. })));
    lab.ends_idle();
}

// rfc: 3261 §12.1.1 — Record-Route is copied whole and in order into 101-199 and 2xx, with a Contact
// rfc: 3261 §13.3.1.1 — all provisional responses name the same dialog
#[test]
fn responses_that_make_the_dialog_mirror_the_record_route() {
    let mut lab = Scripted::new();
    let mut request = lab.peer_request(Method::INVITE, 10, None);
    for proxy in ["sip:p1.example;lr;x=%41", "sip:192.0.2.2;lr"] {
        request.headers_mut().push(&RecordRoute::new(proxy.parse::<Uri>().unwrap()));
    }
    lab.receive(request.clone());
    let Some(Event::Incoming { dialog, .. }) = lab.event() else { panic!("a call comes in") };
    let mut tags = Vec::new();
    let mut check = |response: &sip_msg::Response| {
        let lines = |headers: &sip_msg::Headers| -> Vec<_> {
            headers.raw_all(HeaderName::RECORD_ROUTE).map(<[u8]>::to_vec).collect()
        };
        assert_eq!(lines(response.headers()), lines(request.headers()));
        assert!(response.headers().contains(HeaderName::CONTACT));
        tags.push(response.headers().require::<To>().unwrap().tag().unwrap().to_string());
    };
    for status in [StatusCode::RINGING, StatusCode::SESSION_PROGRESS] {
        lab.agent.ring(lab.now, dialog, status).unwrap();
        check(&lab.sent_response(status));
    }
    lab.agent.accept(lab.now, dialog, boxed(&Plan::default())).unwrap();
    check(&lab.sent_response(StatusCode::OK));
    tags.dedup();
    assert_eq!(tags.len(), 1);
    let dialog = lab.agent.dialog(dialog).unwrap();
    let routes: Vec<_> = dialog.route_set().iter().map(Route::uri).map(ToString::to_string).collect();
    assert_eq!(routes, ["sip:p1.example;lr;x=%41", "sip:192.0.2.2;lr"]);
}

// rfc: 3261 §15 — no BYE of a callee before the ACK, even when something has broken the call off; one end is told
#[test]
fn a_call_that_breaks_before_its_ack_says_bye_after_it() {
    for acknowledged in [true, false] {
        let mut lab = Scripted::new();
        let (id, _) = lab.called();
        lab.agent.accept(lab.now, id, boxed(&Plan::default())).unwrap();
        let accepted = lab.sent_response(StatusCode::OK);
        lab.agent.info(lab.now, id, "application/dtmf", "1").unwrap();
        let info = lab.sent_request(&Method::INFO);
        lab.answer(&info, 481, "");
        assert!(matches!(lab.event(), Some(Event::Response { .. })));
        assert!(matches!(lab.event(), Some(Event::Ended { by: Side::Error, .. })));
        lab.sent_nothing();
        let info = lab.peer_request(Method::INFO, 11, Some(&accepted.clone().into()));
        lab.receive(info);
        lab.sent_response(StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
        if acknowledged {
            let ack = lab.peer_request(Method::ACK, 10, Some(&accepted.into()));
            lab.receive(ack);
        } else {
            lab.advance(64 * T1);
            lab.skip_sent_responses();
        }
        let bye = lab.sent_request(&Method::BYE);
        lab.answer(&bye, 200, "");
        assert!(lab.event().is_none());
        lab.ends_idle();
    }
}

// rfc: 3261 §13.3.1.2 — a redirection names where to
// rfc: 3261 §15.1.2 — a BYE for no dialog of ours: 481
#[test]
fn a_redirected_caller_learns_where_to() {
    let mut lab = Scripted::new();
    let (id, _) = lab.called();
    let elsewhere =
        crate::Reply::new(StatusCode::MOVED_TEMPORARILY).contact("sip:carol@example.com".parse().unwrap());
    lab.agent.reject(lab.now, id, elsewhere).unwrap();
    let moved = lab.sent_response(StatusCode::MOVED_TEMPORARILY);
    assert_eq!(moved.headers().raw(HeaderName::CONTACT), Some(&b"<sip:carol@example.com>"[..]));
    assert!(matches!(lab.event(), Some(Event::Ended { by: Side::Local, .. })));
    let bye = lab.peer_request(Method::BYE, 11, None);
    lab.receive(bye);
    lab.sent_response(StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
}

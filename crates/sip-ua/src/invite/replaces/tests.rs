use sip_msg::{CallId, From, Message, Method, Supported, To};

use super::*;
use crate::event::Event;
use crate::media_plan::MediaPlan;
use crate::scripted::{Plan, SDP, Scripted, branch, describe};

/// An INVITE of another caller that names a dialog.
fn invite(lab: &mut Scripted, header: HeaderName, dialog: &str) -> Request {
    let mut request = lab.peer_request(Method::INVITE, 1, None);
    let call_id = branch(&request);
    request.headers_mut().replace(&CallId(call_id.into()));
    request.headers_mut().push_raw(header, dialog).unwrap();
    request.set_body(SDP, describe(1, sdp::Direction::SendRecv));
    request
}

/// The name of a dialog as we see it, and as whoever asks us to replace it has to write it.
fn name(message: &Message, ours: &str) -> String {
    let headers = message.headers();
    let (from, to) = (headers.require::<From>().unwrap(), headers.require::<To>().unwrap());
    let (from, to) = (from.tag().unwrap(), to.tag().unwrap());
    let call_id = headers.require::<CallId>().unwrap().0;
    let (local, remote) = if ours == "from" { (from, to) } else { (to, from) };
    format!("{call_id};to-tag={local};from-tag={remote}")
}

fn accept(lab: &mut Scripted, id: DialogId) {
    let plan: Box<dyn MediaPlan> = Box::new(Plan::default());
    lab.agent.accept(lab.now, id, plan).unwrap();
}

#[track_caller]
fn comes_in(lab: &mut Scripted) -> (DialogId, Option<DialogId>, Option<DialogId>) {
    match lab.event() {
        Some(Event::Incoming { dialog, replaces, joins, .. }) => (dialog, replaces, joins),
        other => panic!("{other:?} is a call; sent: {:?}", lab.poll_sent()),
    }
}

// rfc: 3891 §3 — to-tag is compared with the local tag, from-tag with the remote tag
// rfc: 3891 §3 — a confirmed dialog: 200 to the new INVITE, BYE in the old dialog
// rfc: 3891 §6.2 — who supports it says so in Supported
#[test]
fn an_answered_call_takes_the_place_of_the_one_it_names() {
    let mut lab = Scripted::new();
    let (old, accepted) = lab.called_up(Plan::default());
    assert!(accepted.headers().require::<Supported>().unwrap().contains("replaces"));
    assert!(!accepted.headers().require::<Supported>().unwrap().contains("join"));
    let mut request = invite(&mut lab, HeaderName::REPLACES, &name(&accepted.into(), "to"));
    request.headers_mut().push_raw(HeaderName::REQUIRE, "replaces").unwrap();
    lab.receive(request);
    let (new, replaces, joins) = comes_in(&mut lab);
    assert_eq!((replaces, joins), (Some(old), None));
    lab.sent_nothing();
    accept(&mut lab, new);
    lab.sent_response(StatusCode::OK);
    let bye = lab.sent_request(&Method::BYE);
    assert_eq!(bye.headers().require::<CallId>().unwrap().0, "peer-call");
    match lab.event() {
        Some(Event::Ended { dialog, by: Side::Remote, reason, .. }) => {
            assert_eq!((dialog, &*reason), (old, "replaced by sip:bob@example.com"));
        }
        other => panic!("{other:?} is the end of the old call"),
    }
    lab.answer(&bye, 200, "peer");
    assert!(lab.event().is_none(), "it ended once");
}

// rfc: 3891 §3 — an early dialog that we initiated: 200 to the new INVITE, CANCEL for the old one
// rfc: 5359 §2.16 — call pickup: Replaces with early-only
#[test]
fn a_call_of_ours_that_rings_is_picked_up_elsewhere() {
    let mut lab = Scripted::new();
    let (old, sent) = lab.call(Plan::default());
    let ringing = crate::scripted::answer(&sent, 180, "desk");
    lab.receive(ringing.clone());
    lab.event();
    let named = format!("{};early-only", name(&ringing.into(), "from"));
    let request = invite(&mut lab, HeaderName::REPLACES, &named);
    lab.receive(request);
    let (new, replaces, _) = comes_in(&mut lab);
    assert_eq!(replaces, Some(old));
    accept(&mut lab, new);
    lab.sent_response(StatusCode::OK);
    lab.sent_request(&Method::CANCEL);
    assert!(matches!(lab.event(), Some(Event::Ended { by: Side::Remote, .. })));
    // It is answered all the same: ACK, then BYE.
    lab.answer_with(&sent, 200, "desk", sdp::Direction::SendRecv);
    lab.sent_request(&Method::ACK);
    lab.sent_request(&Method::BYE);
    assert!(lab.event().is_none());
}

// rfc: 3891 §3 — early-only on a confirmed dialog: 486; an early dialog that we did not initiate: 481
// rfc: 3891 §3 — no match: 481; two Replaces, or Replaces and Join: 400; a dialog that is over: 603
#[test]
fn what_cannot_be_replaced_stays_as_it_is() {
    let mut lab = Scripted::new();
    let (_, accepted) = lab.called_up(Plan::default());
    let named = name(&accepted.clone().into(), "to");
    let swapped = name(&accepted.clone().into(), "from");
    for (header, status) in [
        (format!("{named};early-only"), StatusCode::BUSY_HERE),
        (swapped, StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST),
        ("nobody;to-tag=1;from-tag=2".into(), StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST),
        ("peer-call;to-tag=1".into(), StatusCode::BAD_REQUEST),
        ("".into(), StatusCode::BAD_REQUEST),
    ] {
        let request = invite(&mut lab, HeaderName::REPLACES, &header);
        lab.receive(request);
        lab.sent_response(status);
        lab.skip_sent();
    }
    let mut twice = invite(&mut lab, HeaderName::REPLACES, &named);
    twice.headers_mut().push_raw(HeaderName::REPLACES, &named).unwrap();
    lab.receive(twice);
    lab.sent_response(StatusCode::BAD_REQUEST);
    let mut other = lab.peer_request(Method::OPTIONS, 50, None);
    other.headers_mut().push_raw(HeaderName::REPLACES, &named).unwrap();
    lab.receive(other);
    lab.sent_response(StatusCode::BAD_REQUEST);
    let bye = lab.peer_request(Method::BYE, 11, Some(&accepted.into()));
    lab.receive(bye);
    lab.sent_response(StatusCode::OK);
    lab.event();
    let late = invite(&mut lab, HeaderName::REPLACES, &named);
    lab.receive(late);
    lab.sent_response(StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
    assert!(lab.event().is_none());
}

#[test]
fn a_call_that_is_about_to_be_over_is_declined_and_one_that_rings_here_is_not_found() {
    let mut lab = Scripted::new();
    let (old, accepted) = lab.called_up(Plan::default());
    let named = name(&accepted.into(), "to");
    // Until the BYE is answered we know the call.
    lab.agent.hang_up(lab.now, old).unwrap();
    lab.sent_request(&Method::BYE);
    let late = invite(&mut lab, HeaderName::REPLACES, &named);
    lab.receive(late);
    lab.sent_response(StatusCode::DECLINE);

    let mut lab = Scripted::new();
    let (ringing, _) = lab.called();
    lab.agent.ring(lab.now, ringing, StatusCode::RINGING).unwrap();
    let named = name(&lab.sent_response(StatusCode::RINGING).into(), "to");
    let request = invite(&mut lab, HeaderName::REPLACES, &named);
    lab.receive(request);
    lab.sent_response(StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
}

// rfc: 3891 §3 — a new call that cannot be accepted leaves the old one unchanged
#[test]
fn a_refused_replacement_leaves_the_call_standing() {
    let mut lab = Scripted::new();
    let (old, accepted) = lab.called_up(Plan::default());
    let named = name(&accepted.into(), "to");
    let request = invite(&mut lab, HeaderName::REPLACES, &named);
    lab.receive(request);
    let (new, ..) = comes_in(&mut lab);
    let refusing: Box<dyn MediaPlan> = Box::new(Plan::refusing());
    assert!(lab.agent.accept(lab.now, new, refusing).is_err());
    lab.sent_response(StatusCode::NOT_ACCEPTABLE_HERE);
    assert!(matches!(lab.event(), Some(Event::Ended { dialog, .. }) if dialog == new));
    lab.sent_nothing();
    lab.agent.hang_up(lab.now, old).unwrap();
    lab.sent_request(&Method::BYE);
}

// rfc: 3911 §4 — Join names a call to be mixed with; nothing ends
// rfc: 3911 §4 — Join and Replaces together: 400
#[test]
fn a_call_joins_another_where_the_application_mixes() {
    let mut lab = Scripted::new();
    let (_, accepted) = lab.called_up(Plan::default());
    let named = name(&accepted.into(), "to");
    let mut required = invite(&mut lab, HeaderName::JOIN, &named);
    required.headers_mut().push_raw(HeaderName::REQUIRE, "join").unwrap();
    lab.receive(required);
    lab.sent_response(StatusCode::BAD_EXTENSION);

    let mut lab = Scripted::with(|config| config.joins(true));
    let (old, accepted) = lab.called_up(Plan::default());
    let named = name(&accepted.into(), "to");
    let request = invite(&mut lab, HeaderName::JOIN, &named);
    lab.receive(request);
    let (new, replaces, joins) = comes_in(&mut lab);
    assert_eq!((replaces, joins), (None, Some(old)));
    accept(&mut lab, new);
    let accepted = lab.sent_response(StatusCode::OK);
    assert!(accepted.headers().require::<Supported>().unwrap().contains("join"));
    lab.sent_nothing();
    let mut both = invite(&mut lab, HeaderName::JOIN, &named);
    both.headers_mut().push_raw(HeaderName::REPLACES, &named).unwrap();
    lab.receive(both);
    lab.sent_response(StatusCode::BAD_REQUEST);
}

#[test]
fn an_application_may_let_nobody_replace_a_call() {
    let mut lab = Scripted::with(|config| config.replaces(false));
    let (_, accepted) = lab.called_up(Plan::default());
    assert!(!accepted.headers().require::<Supported>().unwrap().contains("replaces"));
    let named = name(&accepted.into(), "to");
    let mut required = invite(&mut lab, HeaderName::REPLACES, &named);
    required.headers_mut().push_raw(HeaderName::REQUIRE, "replaces").unwrap();
    lab.receive(required);
    lab.sent_response(StatusCode::BAD_EXTENSION);
    let request = invite(&mut lab, HeaderName::REPLACES, &named);
    lab.receive(request);
    let (_, replaces, _) = comes_in(&mut lab);
    assert_eq!(replaces, None);
}

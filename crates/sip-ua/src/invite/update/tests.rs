//! UPDATEs of ours, and those of the peer where they meet ours.

use std::time::Duration;

use sdp::Direction;
use sip_msg::{Allow, Message, Method, Request, StatusCode, To};

use crate::error::CommandError;
use crate::event::{DialogId, Event, Side};
use crate::scripted::{Plan, SDP, Scripted, answer, describe, number};

const SECOND: Duration = Duration::from_secs(1);

fn text(body: &[u8]) -> &str {
    std::str::from_utf8(body).unwrap()
}

/// A call that we placed to a peer that takes UPDATE.
fn up(plan: Plan) -> (Scripted, DialogId, Message) {
    let mut lab = Scripted::new();
    let (id, sent) = lab.call(plan);
    let mut response = answer(&sent, 200, "peer");
    response.headers_mut().push(&Allow(vec![Method::INVITE, Method::UPDATE]));
    response.set_body(SDP, describe(1, Direction::SendRecv));
    lab.receive(response);
    let ack = lab.sent_request(&Method::ACK);
    assert!(matches!(lab.event(), Some(Event::Answered { .. })));
    (lab, id, ack.into())
}

/// Holds the call by UPDATE.
fn hold(lab: &mut Scripted, id: DialogId) -> Request {
    lab.agent.update(lab.now, id, Some(Direction::SendOnly)).unwrap();
    let sent = lab.sent_request(&Method::UPDATE);
    assert!(text(sent.body()).contains("a=sendonly"));
    sent
}

#[track_caller]
fn changed(lab: &mut Scripted, side: Side, wanted: Direction) {
    let event = lab.event();
    let Some(Event::MediaChanged { by, direction, .. }) = event else { panic!("{event:?}") };
    assert_eq!((by, direction), (side, wanted));
}

#[track_caller]
fn failed(lab: &mut Scripted, wanted: StatusCode) {
    let event = lab.event();
    assert!(matches!(event, Some(Event::ChangeFailed { status, .. }) if status == wanted), "{event:?}");
}

/// The peer's UPDATE.
fn update(lab: &mut Scripted, cseq: u32, dialog: &Message, offer: Option<Direction>) {
    let mut request = lab.peer_request(Method::UPDATE, cseq, Some(dialog));
    if let Some(direction) = offer {
        request.set_body(SDP, describe(3, direction));
    }
    lab.receive(request);
}

// rfc: 3311 §5.1 — an UPDATE with an offer in a confirmed dialog; the answer is in its 2xx
// rfc: 3311 §7 — the UPDATE has Contact, Allow and Supported
#[test]
fn a_call_is_held_by_update() {
    let (mut lab, id, _) = up(Plan::default());
    let held = hold(&mut lab, id);
    for name in [sip_msg::HeaderName::CONTACT, sip_msg::HeaderName::ALLOW, sip_msg::HeaderName::SUPPORTED] {
        assert!(held.headers().contains(name));
    }
    lab.answer_with(&held, 200, "peer", Direction::RecvOnly);
    changed(&mut lab, Side::Local, Direction::SendOnly);
    lab.sent_nothing();
    lab.agent.reoffer(lab.now, id).unwrap();
    assert!(text(lab.sent_request(&Method::INVITE).body()).contains("a=sendonly"));
}

// rfc: 3311 §4 — no UPDATE to a peer that does not allow it
#[test]
fn a_peer_that_does_not_take_update_gets_none() {
    let mut lab = Scripted::new();
    let (id, _, _) = lab.call_up(Plan::default());
    let refused = lab.agent.update(lab.now, id, Some(Direction::SendOnly));
    assert!(matches!(refused, Err(CommandError::Misuse(_))));
    lab.sent_nothing();
}

// rfc: 3311 §5.3 — a failure leaves the session as it was
#[test]
fn a_refused_update_leaves_the_call_as_it_was() {
    let plan = Plan::default();
    let log = plan.log.clone();
    let (mut lab, id, _) = up(plan);
    let held = hold(&mut lab, id);
    lab.answer(&held, 488, "peer");
    failed(&mut lab, StatusCode::NOT_ACCEPTABLE_HERE);
    assert_eq!(log.lock().unwrap().last(), Some(&"rollback"));
    assert_eq!(lab.agent.direction(id), Some(Direction::SendRecv));
    lab.sent_nothing();
}

// rfc: 3311 §5.3 — 491: once more after 2.1 to 4 s for the owner of the Call-ID
#[test]
fn an_update_that_meets_another_comes_again() {
    let (mut lab, id, _) = up(Plan::default());
    let held = hold(&mut lab, id);
    lab.answer(&held, 491, "peer");
    lab.advance(Duration::from_millis(2090));
    lab.sent_nothing();
    lab.advance(Duration::from_millis(1910));
    let again = lab.sent_request(&Method::UPDATE);
    assert_eq!(number(&again), number(&held) + 1);
    lab.answer_with(&again, 200, "peer", Direction::RecvOnly);
    changed(&mut lab, Side::Local, Direction::SendOnly);
}

// rfc: 3311 §5.2 — 504: somebody has to be asked first, which a re-INVITE leaves time for
#[test]
fn a_change_that_needs_consent_becomes_a_reinvite() {
    for status in [405, 501, 504] {
        let (mut lab, id, _) = up(Plan::default());
        let held = hold(&mut lab, id);
        lab.answer(&held, status, "peer");
        let again = lab.sent_request(&Method::INVITE);
        assert!(text(again.body()).contains("a=sendonly"));
        lab.answer_with(&again, 200, "peer", Direction::RecvOnly);
        changed(&mut lab, Side::Local, Direction::SendOnly);
    }
}

// rfc: 3311 §5.3 — 481 and 408 to an UPDATE, or nothing at all, end the dialog
#[test]
fn an_update_that_the_peer_knows_nothing_of_ends_the_call() {
    for status in [Some(481), Some(408), None] {
        let (mut lab, id, _) = up(Plan::default());
        let held = hold(&mut lab, id);
        match status {
            Some(status) => lab.answer(&held, status, "peer"),
            None => lab.advance(32 * SECOND),
        }
        assert!(matches!(lab.event(), Some(Event::Ended { by: Side::Error, .. })));
        lab.ends_idle();
    }
}

// rfc: 3311 §5.2 — 491 to an offer while ours in an UPDATE has no answer; an UPDATE without one is answered
// rfc: 3311 §5.1 — without an offer of ours outstanding an offer of the peer is answered
#[test]
fn offers_do_not_cross() {
    let (mut lab, id, dialog) = up(Plan::default());
    let held = hold(&mut lab, id);
    update(&mut lab, 7, &dialog, Some(Direction::SendOnly));
    lab.sent_response(StatusCode::REQUEST_PENDING);
    let mut theirs = lab.peer_request(Method::INVITE, 8, Some(&dialog));
    theirs.set_body(SDP, describe(2, Direction::SendOnly));
    lab.receive(theirs);
    lab.sent_response(StatusCode::REQUEST_PENDING);
    update(&mut lab, 9, &dialog, None);
    lab.sent_response(StatusCode::OK);
    assert!(matches!(lab.event(), Some(Event::SessionRefreshed { by: Side::Remote, .. })));
    lab.answer_with(&held, 200, "peer", Direction::RecvOnly);
    changed(&mut lab, Side::Local, Direction::SendOnly);

    let (mut lab, id, dialog) = up(Plan::default());
    lab.agent.update(lab.now, id, None).unwrap();
    let bare = lab.sent_request(&Method::UPDATE);
    assert!(bare.body().is_empty());
    update(&mut lab, 7, &dialog, Some(Direction::SendOnly));
    lab.sent_response(StatusCode::OK);
    changed(&mut lab, Side::Remote, Direction::RecvOnly);
    lab.answer(&bare, 200, "peer");
    assert!(matches!(lab.event(), Some(Event::SessionRefreshed { by: Side::Local, .. })));
}

/// A call of ours that rings, with its first offer answered in a reliable response: the dialog as the peer sees it.
fn ringing() -> (Scripted, DialogId, Request, Message) {
    let mut lab = Scripted::new();
    let (id, sent) = lab.call(Plan::default());
    let mut progress = answer(&sent, 183, "peer");
    progress.headers_mut().push(&sip_msg::Require(vec!["100rel".into()]));
    progress.headers_mut().push(&sip_msg::RSeq(1));
    progress.headers_mut().push(&Allow(vec![Method::UPDATE, Method::PRACK]));
    progress.set_body(SDP, describe(1, Direction::SendRecv));
    lab.receive(progress);
    let prack = lab.sent_request(&Method::PRACK);
    lab.answer(&prack, 200, "peer");
    assert!(matches!(lab.event(), Some(Event::Ringing { early_media: true, .. })));
    let mut dialog = sent.clone();
    let to = dialog.headers().require::<To>().unwrap().with_tag("peer");
    dialog.headers_mut().replace(&to);
    (lab, id, sent, dialog.into())
}

// rfc: 3311 §5.1 — the caller may offer in an UPDATE before the call is answered, once the first offer has a reliable answer
// rfc: 6337 §3.1 — and the peer may not while it has not answered
#[test]
fn early_media_is_changed_by_update() {
    let (mut lab, id, sent, dialog) = ringing();
    let held = hold(&mut lab, id);
    update(&mut lab, 7, &dialog, Some(Direction::SendOnly));
    lab.sent_response(StatusCode::REQUEST_PENDING);
    assert!(lab.agent.update(lab.now, id, None).is_err(), "one at a time");
    lab.answer_with(&held, 200, "peer", Direction::RecvOnly);
    changed(&mut lab, Side::Local, Direction::SendOnly);
    update(&mut lab, 8, &dialog, Some(Direction::SendRecv));
    lab.sent_response(StatusCode::OK);
    assert!(matches!(lab.event(), Some(Event::MediaChanged { by: Side::Remote, .. })));
    lab.answer(&sent, 200, "peer");
    lab.sent_request(&Method::ACK);
    assert!(matches!(lab.event(), Some(Event::Answered { .. })));
    lab.agent.reoffer(lab.now, id).unwrap();
    assert!(text(lab.sent_request(&Method::INVITE).body()).contains("a=sendonly"), "the hold goes on");
}

// rfc: 3311 §5.3 — 491 in an early dialog: once more after a while; another failure leaves early media as it was
#[test]
fn an_early_update_that_meets_another_comes_again() {
    let (mut lab, id, _, _) = ringing();
    let held = hold(&mut lab, id);
    lab.answer(&held, 491, "peer");
    lab.advance(4 * SECOND);
    let again = lab.sent_request(&Method::UPDATE);
    lab.skip_sent();
    assert_eq!(again.body().len(), held.body().len());
    lab.answer(&again, 488, "peer");
    failed(&mut lab, StatusCode::NOT_ACCEPTABLE_HERE);
    lab.agent.update(lab.now, id, None).unwrap();
    let bare = lab.sent_request(&Method::UPDATE);
    lab.answer(&bare, 200, "peer");
    assert!(matches!(lab.event(), Some(Event::SessionRefreshed { by: Side::Local, .. })));
}

#[test]
fn an_update_under_way_when_the_call_is_answered_goes_on_in_it() {
    let (mut lab, id, sent, dialog) = ringing();
    let held = hold(&mut lab, id);
    lab.answer(&sent, 200, "peer");
    lab.sent_request(&Method::ACK);
    assert!(matches!(lab.event(), Some(Event::Answered { .. })));
    let mut theirs = lab.peer_request(Method::INVITE, 8, Some(&dialog));
    theirs.set_body(SDP, describe(2, Direction::SendOnly));
    lab.receive(theirs);
    lab.sent_response(StatusCode::REQUEST_PENDING);
    lab.answer_with(&held, 200, "peer", Direction::RecvOnly);
    changed(&mut lab, Side::Local, Direction::SendOnly);
    assert_eq!(lab.agent.direction(id), Some(Direction::SendOnly));
}

// rfc: 3311 §5.1 — no offer in an UPDATE while the first one has no answer that cannot get lost; a bare UPDATE may go
#[test]
fn an_unsettled_early_dialog_has_only_bare_updates() {
    let mut lab = Scripted::new();
    let (id, sent) = lab.call(Plan::default());
    assert!(matches!(lab.agent.update(lab.now, id, None), Err(CommandError::WrongState { .. })));
    let mut progress = answer(&sent, 183, "peer");
    progress.headers_mut().push(&Allow(vec![Method::UPDATE]));
    progress.set_body(SDP, describe(1, Direction::SendRecv));
    lab.receive(progress);
    lab.event();
    let refused = lab.agent.update(lab.now, id, Some(Direction::SendOnly));
    assert!(matches!(refused, Err(CommandError::WrongState { .. })));
    lab.sent_nothing();
    lab.agent.update(lab.now, id, None).unwrap();
    let bare = lab.sent_request(&Method::UPDATE);
    assert_eq!(number(&bare), number(&sent) + 1);
    lab.answer(&bare, 481, "peer");
    failed(&mut lab, StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
}

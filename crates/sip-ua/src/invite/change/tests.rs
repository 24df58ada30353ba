//! Changes of a call that stands, ours and the peer's, rule by rule.

use std::time::Duration;

use sdp::Direction;
use sip_msg::{Contact, Headers, Message, Method, Request, RetryAfter, StatusCode, Uri};

use crate::event::{DialogId, Event, Side};
use crate::scripted::{Plan, SDP, Scripted, T1, answer, describe, number};

const SECOND: Duration = Duration::from_secs(1);

fn text(body: &[u8]) -> &str {
    std::str::from_utf8(body).unwrap()
}

/// A call that we placed and that stands.
fn up(plan: Plan) -> (Scripted, DialogId, Message) {
    let mut lab = Scripted::new();
    let (id, _, ack) = lab.call_up(plan);
    (lab, id, ack.into())
}

/// Holds the call; the re-INVITE.
fn hold(lab: &mut Scripted, id: DialogId) -> Request {
    lab.agent.set_direction(lab.now, id, Direction::SendOnly).unwrap();
    lab.sent_request(&Method::INVITE)
}

/// The peer answers with another description than before.
fn agree(lab: &mut Scripted, request: &Request, version: u64, direction: Direction) {
    let mut response = answer(request, 200, "peer");
    response.set_body(SDP, describe(version, direction));
    lab.receive(response);
    lab.sent_request(&Method::ACK);
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

#[track_caller]
fn stands(lab: &mut Scripted, id: DialogId) {
    assert!(lab.event().is_none());
    assert!(lab.agent.direction(id).is_some());
}

// rfc: 3261 §14.1 — a new offer leaves a hold as it is
#[test]
fn an_offer_said_again_has_the_direction_of_before() {
    let (mut lab, id, _) = up(Plan::default());
    let held = hold(&mut lab, id);
    agree(&mut lab, &held, 2, Direction::RecvOnly);
    changed(&mut lab, Side::Local, Direction::SendOnly);
    lab.agent.reoffer(lab.now, id).unwrap();
    let again = lab.sent_request(&Method::INVITE);
    assert!(text(again.body()).contains("a=sendonly"));
    agree(&mut lab, &again, 3, Direction::RecvOnly);
    changed(&mut lab, Side::Local, Direction::SendOnly);
}

// rfc: 3261 §13.2.2.4 — each 2xx is acknowledged, however many changes there were a moment ago
#[test]
fn changes_in_quick_succession_are_acknowledged_one_and_all() {
    let (mut lab, id, _) = up(Plan::default());
    for version in 2..40 {
        let request = hold(&mut lab, id);
        agree(&mut lab, &request, version, Direction::RecvOnly);
        changed(&mut lab, Side::Local, Direction::SendOnly);
    }
}

// rfc: 3261 §14.1 — a re-INVITE without an offer: the 2xx has the peer's, the ACK our answer
#[test]
fn the_peer_is_asked_for_an_offer() {
    let plan = Plan::default();
    let log = plan.log.clone();
    let (mut lab, id, dialog) = up(plan);
    lab.agent.request_offer(lab.now, id).unwrap();
    let asked = lab.sent_request(&Method::INVITE);
    assert!(asked.body().is_empty());
    // Nobody else may make an offer meanwhile.
    let mut theirs = lab.peer_request(Method::UPDATE, 7, Some(&dialog));
    theirs.set_body(SDP, describe(2, Direction::SendRecv));
    lab.receive(theirs);
    lab.sent_response(StatusCode::REQUEST_PENDING);
    lab.answer_with(&asked, 200, "peer", Direction::SendOnly);
    let ack = lab.sent_request(&Method::ACK);
    assert!(text(ack.body()).contains("a=recvonly"));
    changed(&mut lab, Side::Local, Direction::RecvOnly);
    assert_eq!(log.lock().unwrap().last(), Some(&"answer"));
}

// rfc: 3261 §13.2.2.4 — an offer in the 2xx that is not acceptable: a valid answer in the ACK, then BYE
#[test]
fn an_offer_we_asked_for_and_cannot_take_ends_the_call() {
    let plan = Plan::default();
    let refuses = plan.refuses.clone();
    let (mut lab, id, _) = up(plan);
    refuses.store(true, std::sync::atomic::Ordering::Relaxed);
    lab.agent.request_offer(lab.now, id).unwrap();
    let asked = lab.sent_request(&Method::INVITE);
    lab.answer_with(&asked, 200, "peer", Direction::SendRecv);
    assert!(text(lab.sent_request(&Method::ACK).body()).contains("m=audio 0 "));
    lab.sent_request(&Method::BYE);
    assert!(matches!(lab.event(), Some(Event::Ended { by: Side::Error, .. })));
    lab.ends_idle();
}

#[test]
fn a_peer_that_makes_no_offer_when_asked_leaves_the_call_as_it_was() {
    let (mut lab, id, _) = up(Plan::default());
    lab.agent.request_offer(lab.now, id).unwrap();
    let asked = lab.sent_request(&Method::INVITE);
    lab.answer(&asked, 200, "peer");
    lab.sent_request(&Method::ACK);
    failed(&mut lab, StatusCode::OK);
    stands(&mut lab, id);
}

#[test]
fn a_peer_that_asks_for_our_offer_and_does_not_answer_it_leaves_the_call_as_it_was() {
    let plan = Plan::default();
    let log = plan.log.clone();
    let (mut lab, id, dialog) = up(plan);
    let asked = lab.peer_request(Method::INVITE, 7, Some(&dialog));
    lab.receive(asked);
    assert!(!lab.sent_response(StatusCode::OK).body().is_empty());
    let ack = lab.peer_request(Method::ACK, 7, Some(&dialog));
    lab.receive(ack);
    assert_eq!(log.lock().unwrap().last(), Some(&"rollback"));
    assert_eq!(lab.agent.direction(id), Some(Direction::SendRecv));
    assert!(matches!(lab.event(), Some(Event::SessionRefreshed { by: Side::Remote, .. })));
    stands(&mut lab, id);
    hold(&mut lab, id);
}

// rfc: 3261 §12.2.1.2 — the 2xx to a re-INVITE refreshes the target
// rfc: 6141 §4.3 — a failure response refreshes nothing
#[test]
fn only_a_success_moves_the_target() {
    let moved = |status| {
        let (mut lab, id, _) = up(Plan::default());
        let held = hold(&mut lab, id);
        let mut response = answer(&held, status, "peer");
        response.headers_mut().replace(&Contact::new("sip:moved@192.0.2.2".parse::<Uri>().unwrap()));
        response.set_body(SDP, describe(2, Direction::RecvOnly));
        lab.receive(response);
        lab.agent.dialog(id).unwrap().remote_target().to_string()
    };
    assert_eq!(moved(200), "sip:moved@192.0.2.2");
    assert_eq!(moved(488), "sip:bob@192.0.2.2:5060");
}

// rfc: 3261 §14.1 — a re-INVITE may ring before it is answered
#[test]
fn provisional_answers_to_a_reinvite_change_nothing() {
    let (mut lab, id, _) = up(Plan::default());
    let held = hold(&mut lab, id);
    lab.answer(&held, 100, "");
    lab.answer(&held, 180, "peer");
    stands(&mut lab, id);
    agree(&mut lab, &held, 2, Direction::RecvOnly);
    changed(&mut lab, Side::Local, Direction::SendOnly);
}

// rfc: 6141 §3.8 — a re-INVITE that is never answered is cancelled; the call stands as it was, or as a 2xx says that crosses
#[test]
fn a_reinvite_is_cancelled_when_it_takes_too_long() {
    for crosses in [false, true] {
        let (mut lab, id, _) = up(Plan::default());
        let held = hold(&mut lab, id);
        lab.answer(&held, 180, "peer");
        lab.advance(32 * SECOND);
        let cancel = lab.sent_request(&Method::CANCEL);
        if crosses {
            agree(&mut lab, &held, 2, Direction::RecvOnly);
            lab.answer(&cancel, 200, "peer");
            changed(&mut lab, Side::Local, Direction::SendOnly);
        } else {
            lab.answer(&cancel, 200, "peer");
            lab.answer(&held, 487, "peer");
            lab.sent_request(&Method::ACK);
            failed(&mut lab, StatusCode::REQUEST_TERMINATED);
        }
        stands(&mut lab, id);
        lab.agent.hang_up(lab.now, id).unwrap();
        let bye = lab.sent_request(&Method::BYE);
        lab.answer(&bye, 200, "peer");
        lab.ends_idle();
    }
}

// rfc: 3261 §14.1 — 408 or 481 to a re-INVITE ends the call, another failure leaves it as it was
// rfc: 6141 §3.4 — an error response leaves the session as it was before the re-INVITE
#[test]
fn failures_of_a_reinvite_end_the_call_or_leave_it() {
    for status in [400, 403, 415, 420, 480, 486, 488, 500, 503, 603] {
        let plan = Plan::default();
        let log = plan.log.clone();
        let (mut lab, id, _) = up(plan);
        let held = hold(&mut lab, id);
        lab.answer(&held, status, "peer");
        lab.sent_request(&Method::ACK);
        failed(&mut lab, StatusCode::new(status).unwrap());
        stands(&mut lab, id);
        assert_eq!(log.lock().unwrap().last(), Some(&"rollback"));
    }
    for status in [408, 481] {
        let (mut lab, id, _) = up(Plan::default());
        let held = hold(&mut lab, id);
        lab.answer(&held, status, "peer");
        lab.sent_request(&Method::ACK);
        lab.sent_request(&Method::BYE);
        assert!(matches!(lab.event(), Some(Event::Ended { by: Side::Error, .. })));
        lab.ends_idle();
    }
}

// rfc: 3261 §14.2 — a 500 with Retry-After: the change comes again when the peer says
#[test]
fn a_change_comes_back_when_the_peer_says() {
    let (mut lab, id, _) = up(Plan::default());
    let held = hold(&mut lab, id);
    let mut later = answer(&held, 500, "peer");
    later.headers_mut().push(&RetryAfter::new(3));
    lab.receive(later);
    lab.sent_request(&Method::ACK);
    lab.advance(3 * SECOND - Duration::from_millis(1));
    lab.sent_nothing();
    lab.advance(Duration::from_millis(1));
    assert!(text(lab.sent_request(&Method::INVITE).body()).contains("a=sendonly"));
    assert!(lab.event().is_none());
}

/// Something of ours that goes out while a change has no answer.
fn overtakes(lab: &mut Scripted, id: DialogId) {
    lab.agent.info(lab.now, id, "text/plain", "hello").unwrap();
    let info = lab.sent_request(&Method::INFO);
    lab.answer(&info, 200, "peer");
    assert!(matches!(lab.event(), Some(Event::Response { .. })));
}

// rfc: 3261 §12.2.2 — our re-INVITE or UPDATE is overtaken by a request of ours and refused as out of order: sent anew
#[test]
fn a_change_that_came_out_of_order_is_sent_with_a_new_number() {
    for method in [Method::INVITE, Method::UPDATE] {
        let (mut lab, id, dialog) = up(Plan::default());
        let mut says = lab.peer_request(Method::UPDATE, 7, Some(&dialog));
        says.headers_mut().push_raw(sip_msg::HeaderName::ALLOW, "INVITE, ACK, BYE, UPDATE").unwrap();
        lab.receive(says);
        lab.sent_response(StatusCode::OK);
        lab.event();
        if method == Method::INVITE {
            lab.agent.set_direction(lab.now, id, Direction::SendOnly).unwrap();
        } else {
            lab.agent.update(lab.now, id, Some(Direction::SendOnly)).unwrap();
        }
        for round in 0.. {
            let asked = lab.sent_request(&method);
            assert!(text(asked.body()).contains("a=sendonly"));
            overtakes(&mut lab, id);
            lab.answer(&asked, 500, "peer");
            if method == Method::INVITE {
                lab.sent_request(&Method::ACK);
            }
            if round + 1 == super::MAX_ROUNDS {
                break;
            }
            lab.advance(Duration::ZERO);
        }
        // A peer that never takes it in order means something else.
        failed(&mut lab, StatusCode::SERVER_INTERNAL_ERROR);
        stands(&mut lab, id);
        lab.advance(SECOND);
        lab.sent_nothing();
        let held = hold(&mut lab, id);
        overtakes(&mut lab, id);
        lab.answer(&held, 500, "peer");
        lab.sent_request(&Method::ACK);
        lab.advance(Duration::ZERO);
        let again = lab.sent_request(&Method::INVITE);
        assert_eq!(number(&again), number(&held) + 2);
        agree(&mut lab, &again, 2, Direction::RecvOnly);
        changed(&mut lab, Side::Local, Direction::SendOnly);
    }
}

// rfc: 3261 §14.1 — the retry after glare asks for what is wanted by then
#[test]
fn a_resume_during_the_wait_takes_the_place_of_the_hold() {
    let (mut lab, id, _) = up(Plan::default());
    let held = hold(&mut lab, id);
    lab.answer(&held, 491, "peer");
    lab.sent_request(&Method::ACK);
    lab.agent.set_direction(lab.now, id, Direction::SendRecv).unwrap();
    lab.sent_nothing();
    lab.advance(4 * SECOND);
    assert!(text(lab.sent_request(&Method::INVITE).body()).contains("a=sendrecv"));
}

// rfc: 3261 §14.1 — while the peer's re-INVITE has no ACK yet ours waits
#[test]
fn a_change_waits_for_the_ack_of_the_peers() {
    let (mut lab, id, dialog) = up(Plan::default());
    let mut theirs = lab.peer_request(Method::INVITE, 7, Some(&dialog));
    theirs.set_body(SDP, describe(2, Direction::SendRecv));
    lab.receive(theirs);
    lab.sent_response(StatusCode::OK);
    lab.agent.set_direction(lab.now, id, Direction::SendOnly).unwrap();
    lab.sent_nothing();
    let ack = lab.peer_request(Method::ACK, 7, Some(&dialog));
    lab.receive(ack);
    lab.sent_request(&Method::INVITE);
}

// rfc: 3261 §15.1.2 — a BYE during our re-INVITE ends both, and the 487 is acknowledged
#[test]
fn a_bye_of_the_peer_ends_our_reinvite_too() {
    for rings in [false, true] {
        let (mut lab, id, dialog) = up(Plan::default());
        let held = hold(&mut lab, id);
        if rings {
            lab.answer(&held, 180, "peer");
        }
        let bye = lab.peer_request(Method::BYE, 7, Some(&dialog));
        lab.receive(bye);
        lab.sent_response(StatusCode::OK);
        assert!(matches!(lab.event(), Some(Event::Ended { by: Side::Remote, .. })));
        if rings {
            // Should the peer forget what it owes, the CANCEL ends it.
            lab.sent_request(&Method::CANCEL);
        } else {
            lab.answer(&held, 487, "peer");
            lab.sent_request(&Method::ACK);
        }
        lab.ends_idle();
    }
}

#[test]
fn our_bye_ends_a_reinvite_that_rings() {
    let (mut lab, id, _) = up(Plan::default());
    let held = hold(&mut lab, id);
    lab.answer(&held, 180, "peer");
    lab.agent.hang_up(lab.now, id).unwrap();
    let cancel = lab.sent_request(&Method::CANCEL);
    let bye = lab.sent_request(&Method::BYE);
    lab.answer(&held, 487, "peer");
    assert_eq!(number(&lab.sent_request(&Method::ACK)), number(&held));
    lab.answer(&cancel, 481, "peer");
    lab.answer(&bye, 200, "peer");
    assert!(matches!(lab.event(), Some(Event::Ended { by: Side::Local, .. })));
    lab.ends_idle();
}

// rfc: 3264 §8 — an offer with the same o= line and direction as before is no change
#[test]
fn an_offer_that_says_nothing_new_is_a_refresh() {
    let (mut lab, _, dialog) = up(Plan::default());
    for (cseq, version, direction) in
        [(7, 1, Direction::SendRecv), (8, 2, Direction::SendRecv), (9, 2, Direction::SendOnly)]
    {
        let mut theirs = lab.peer_request(Method::INVITE, cseq, Some(&dialog));
        theirs.set_body(SDP, describe(version, direction));
        lab.receive(theirs);
        lab.sent_response(StatusCode::OK);
        let ack = lab.peer_request(Method::ACK, cseq, Some(&dialog));
        lab.receive(ack);
        if cseq == 7 {
            assert!(matches!(lab.event(), Some(Event::SessionRefreshed { by: Side::Remote, .. })));
        } else {
            changed(&mut lab, Side::Remote, direction.reversed());
        }
    }
}

// rfc: 3261 §14.1 — a challenged re-INVITE has the same offer, and no rollback in between
#[test]
fn a_challenged_change_is_sent_again_with_the_same_offer() {
    let mut lab = Scripted::new();
    let asked = crate::scripted::invite().credentials(crate::auth::Credentials::new("alice", "secret"));
    let id = lab.agent.invite(lab.now, asked, Box::new(Plan::default())).unwrap();
    let sent = lab.sent_request(&Method::INVITE);
    lab.answer_with(&sent, 200, "peer", Direction::SendRecv);
    lab.sent_request(&Method::ACK);
    lab.event();
    let held = hold(&mut lab, id);
    let mut challenge = answer(&held, 401, "peer");
    let headers: &mut Headers = challenge.headers_mut();
    headers.push_raw(sip_msg::HeaderName::WWW_AUTHENTICATE, "Digest realm=\"r\", nonce=\"n\"").unwrap();
    lab.receive(challenge);
    lab.sent_request(&Method::ACK);
    let again = lab.sent_request(&Method::INVITE);
    assert_eq!(again.body(), held.body());
    assert_eq!(number(&again), number(&held) + 1);
    agree(&mut lab, &again, 2, Direction::RecvOnly);
    changed(&mut lab, Side::Local, Direction::SendOnly);
}

// rfc: 3261 §14.1 — no answer to a re-INVITE at all ends the call as a 408 does
#[test]
fn a_reinvite_into_silence_ends_the_call() {
    let (mut lab, id, _) = up(Plan::default());
    hold(&mut lab, id);
    lab.advance(64 * T1);
    assert!(matches!(lab.event(), Some(Event::Ended { by: Side::Error, .. })));
    lab.ends_idle();
}

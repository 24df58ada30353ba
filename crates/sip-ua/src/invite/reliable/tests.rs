//! PRACK, message by message, in both roles.

use std::time::Duration;

use sdp::Direction;
use sip_msg::{CSeq, HeaderName, Message, Method, RAck, RSeq, Request, Require, Response};
use sip_msg::{StatusCode, Supported, To};

use crate::auth::Credentials;
use crate::scripted::{Plan, SDP, Scripted, T1, answer, describe, invite, number};
use crate::{CommandError, DialogId, EarlyMedia, Event, Forks, Invite, MediaPlan, Reliable, Ring, Side};

const SECOND: Duration = Duration::from_secs(1);

fn boxed(plan: &Plan) -> Box<dyn MediaPlan> {
    Box::new(plan.clone())
}

fn log(plan: &Plan) -> Vec<&'static str> {
    plan.log.lock().unwrap().clone()
}

fn call(lab: &mut Scripted, asked: Invite, plan: &Plan) -> (DialogId, Request) {
    let id = lab.agent.invite(lab.now, asked, boxed(plan)).unwrap();
    (id, lab.sent_request(&Method::INVITE))
}

/// A reliable provisional response of the peer.
fn reliably(invite: &Request, status: u16, tag: &str, rseq: u32, direction: Option<Direction>) -> Response {
    let mut response = answer(invite, status, tag);
    response.headers_mut().push(&Require(vec!["100rel".into()]));
    response.headers_mut().push(&RSeq(rseq));
    if let Some(direction) = direction {
        response.set_body(SDP, describe(1, direction));
    }
    response
}

#[track_caller]
fn rack(prack: &Request) -> (u32, u32) {
    let RAck { rseq, cseq, method } = prack.headers().require::<RAck>().unwrap();
    assert_eq!(method, Method::INVITE);
    (rseq, cseq)
}

#[track_caller]
fn rings(lab: &mut Scripted) -> bool {
    match lab.event() {
        Some(Event::Ringing { early_media, .. }) => early_media,
        other => panic!("{other:?} is ringing"),
    }
}

/// The peer calls, with these options in a header.
fn called(lab: &mut Scripted, name: HeaderName, offer: bool) -> (DialogId, Request) {
    let mut request = lab.peer_request(Method::INVITE, 10, None);
    request.headers_mut().push_raw(name, "100rel").unwrap();
    if offer {
        request.set_body(SDP, describe(1, Direction::SendRecv));
    }
    lab.receive(request.clone());
    let Some(Event::Incoming { dialog, .. }) = lab.event() else { panic!("a call comes in") };
    (dialog, request)
}

fn rseq(response: &Response) -> u32 {
    assert!(response.headers().require::<Require>().unwrap().contains("100rel"));
    response.headers().require::<RSeq>().unwrap().0
}

/// A PRACK of the peer for a response of ours.
fn prack(lab: &mut Scripted, response: &Response, cseq: u32) -> Request {
    let mut request = lab.peer_request(Method::PRACK, cseq, Some(&response.clone().into()));
    request.headers_mut().push(&RAck { rseq: rseq(response), cseq: 10, method: Method::INVITE });
    request
}

fn progress(plan: &Plan) -> Ring {
    Ring::new(StatusCode::SESSION_PROGRESS).plan(boxed(plan)).reliable()
}

#[track_caller]
fn ended(lab: &mut Scripted) -> (Side, Option<StatusCode>) {
    match lab.event() {
        Some(Event::Ended { by, status, .. }) => (by, status),
        other => panic!("{other:?} is the end"),
    }
}

// rfc: 3262 §4 — Supported: 100rel in every INVITE
// rfc: 3262 §4 — a PRACK in the early dialog, with the RSeq and the CSeq of the response, and a CSeq of its own
// rfc: 3262 §4 — retransmissions of the response are discarded, and the PRACK is not sent again
// rfc: 6337 §3.1.1 — the first description in a reliable response is the answer, the 2xx needs none
#[test]
fn a_reliable_answer_is_confirmed_once_and_holds() {
    let mut lab = Scripted::new();
    let plan = Plan::default();
    let (id, sent) = call(&mut lab, invite(), &plan);
    assert!(sent.headers().require::<Supported>().unwrap().contains("100rel"));
    assert!(!sent.headers().contains(HeaderName::REQUIRE));
    let response = reliably(&sent, 183, "peer", 7001, Some(Direction::SendRecv));
    lab.receive(response.clone());
    let confirms = lab.sent_request(&Method::PRACK);
    assert_eq!(rack(&confirms), (7001, number(&sent)));
    assert_eq!(number(&confirms), number(&sent) + 1);
    assert_eq!(confirms.uri_text(), "sip:bob@192.0.2.2:5060");
    assert_eq!(confirms.headers().require::<To>().unwrap().tag().unwrap(), "peer");
    assert!(confirms.body().is_empty() && !confirms.headers().contains(HeaderName::CONTACT));
    assert!(rings(&mut lab));
    lab.receive(response);
    lab.sent_nothing();
    assert!(lab.event().is_none());
    lab.answer(&confirms, 200, "peer");
    lab.answer(&sent, 200, "peer");
    lab.sent_request(&Method::ACK);
    assert!(matches!(lab.event(), Some(Event::Answered { .. })));
    assert_eq!(log(&plan), ["offer", "fork", "accept"]);
    assert_eq!(*plan.chosen.lock().unwrap(), ["select", "confirm"]);
    lab.agent.hang_up(lab.now, id).unwrap();
    let bye = lab.sent_request(&Method::BYE);
    assert_eq!(number(&bye), number(&sent) + 2);
    lab.answer(&bye, 200, "peer");
    assert_eq!(ended(&mut lab).0, Side::Local);
    lab.ends_idle();
}

// rfc: 3262 §4 — a response that is not the next one is neither confirmed nor looked at
// rfc: 3262 §4 — numbers go up by one from the first in each dialog
#[test]
fn a_gap_waits_for_the_response_that_is_missing() {
    let mut lab = Scripted::new();
    let (_, sent) = call(&mut lab, invite(), &Plan::default());
    lab.receive(reliably(&sent, 180, "peer", 5, None));
    let first = lab.sent_request(&Method::PRACK);
    lab.answer(&first, 200, "peer");
    assert!(!rings(&mut lab));
    lab.receive(reliably(&sent, 183, "peer", 7, Some(Direction::SendRecv)));
    lab.receive(reliably(&sent, 183, "peer", 4, None));
    lab.sent_nothing();
    assert!(lab.event().is_none());
    lab.receive(reliably(&sent, 181, "peer", 6, None));
    assert_eq!(rack(&lab.sent_request(&Method::PRACK)).0, 6);
    lab.receive(reliably(&sent, 183, "peer", 7, Some(Direction::SendRecv)));
    assert_eq!(rack(&lab.sent_request(&Method::PRACK)).0, 7);
    assert!(!rings(&mut lab));
    assert!(rings(&mut lab));
    // Another fork counts for itself.
    lab.receive(reliably(&sent, 180, "other", 4_000_000_000, None));
    let other = lab.sent_request(&Method::PRACK);
    assert_eq!(rack(&other).0, 4_000_000_000);
    assert_eq!(other.headers().require::<To>().unwrap().tag().unwrap(), "other");
    assert_eq!(number(&other), number(&sent) + 1);
}

// rfc: 3262 §4 — the option in a 100 is ignored
#[test]
fn a_100_is_never_confirmed() {
    let mut lab = Scripted::new();
    let (_, sent) = call(&mut lab, invite(), &Plan::default());
    lab.receive(reliably(&sent, 100, "peer", 1, None));
    lab.sent_nothing();
    assert!(matches!(lab.event(), Some(Event::Trying { .. })));
}

// rfc: 3262 §5 — an offer in a reliable response is answered in the PRACK
// rfc: 6337 §2.2 — pattern 4: neither the 2xx nor the ACK has a description then
#[test]
fn a_late_offer_in_a_reliable_response_is_answered_in_the_prack() {
    let mut lab = Scripted::new();
    let plan = Plan::default();
    let (id, sent) = call(&mut lab, invite().late_offer(), &plan);
    lab.receive(reliably(&sent, 183, "peer", 1, Some(Direction::SendOnly)));
    let confirms = lab.sent_request(&Method::PRACK);
    assert!(std::str::from_utf8(confirms.body()).unwrap().contains("a=recvonly"));
    assert!(rings(&mut lab));
    lab.answer(&confirms, 200, "peer");
    lab.answer_with(&sent, 200, "peer", Direction::Inactive);
    assert!(lab.sent_request(&Method::ACK).body().is_empty());
    assert!(matches!(lab.event(), Some(Event::Answered { .. })));
    assert_eq!(lab.agent.direction(id), Some(Direction::RecvOnly));
    assert_eq!(log(&plan), ["fork", "answer"]);
}

// rfc: 6337 §2.3 — an offer in a response cannot be refused: it is answered, and the call ended
#[test]
fn a_late_offer_that_media_refuses_gets_port_zero_in_the_prack() {
    let mut lab = Scripted::new();
    let (_, sent) = call(&mut lab, invite().late_offer(), &Plan::refusing());
    lab.receive(reliably(&sent, 183, "peer", 1, Some(Direction::SendRecv)));
    let confirms = lab.sent_request(&Method::PRACK);
    assert!(std::str::from_utf8(confirms.body()).unwrap().contains("m=audio 0 "));
    assert!(!rings(&mut lab));
    lab.answer(&sent, 200, "peer");
    assert!(lab.sent_request(&Method::ACK).body().is_empty());
    lab.sent_request(&Method::BYE);
    assert_eq!(ended(&mut lab), (Side::Error, Some(StatusCode::NOT_ACCEPTABLE_HERE)));
}

// rfc: 3261 §22.2 — a challenged PRACK is sent again with credentials and the next CSeq
#[test]
fn a_challenged_prack_is_sent_again_with_credentials() {
    let mut lab = Scripted::new();
    let asked = invite().credentials(Credentials::new("alice", "secret"));
    let (_, sent) = call(&mut lab, asked, &Plan::default());
    lab.receive(reliably(&sent, 180, "peer", 1, None));
    let first = lab.sent_request(&Method::PRACK);
    let mut challenge = answer(&first, 407, "peer");
    challenge
        .headers_mut()
        .push_raw("Proxy-Authenticate".parse::<HeaderName>().unwrap(), "Digest realm=\"r\", nonce=\"n\"")
        .unwrap();
    lab.receive(challenge);
    let second = lab.sent_request(&Method::PRACK);
    assert_eq!((rack(&second), number(&second)), (rack(&first), number(&first) + 1));
    assert!(second.headers().contains(HeaderName::PROXY_AUTHORIZATION));
}

// rfc: 3261 §12.2.1.2 — 481, 408 or no answer in a dialog ends it
#[test]
fn a_prack_that_nobody_answers_ends_the_attempt() {
    for known in [true, false] {
        let mut lab = Scripted::new();
        let (_, sent) = call(&mut lab, invite(), &Plan::default());
        lab.receive(reliably(&sent, 180, "peer", 1, None));
        let confirms = lab.sent_request(&Method::PRACK);
        assert!(!rings(&mut lab));
        if known {
            lab.advance(64 * T1);
            std::iter::from_fn(|| lab.poll_sent())
                .find(|message| {
                    message.as_request().is_some_and(|request| *request.method() == Method::CANCEL)
                })
                .expect("the call is given up");
        } else {
            lab.answer(&confirms, 481, "peer");
            lab.sent_request(&Method::CANCEL);
        }
        lab.answer(&sent, 487, "peer");
        let status =
            if known { StatusCode::REQUEST_TIMEOUT } else { StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST };
        assert_eq!(ended(&mut lab), (Side::Error, Some(status)));
        lab.ends_idle();
    }
}

// rfc: 3262 §3 — a final response may come before the PRACK has its answer
#[test]
fn a_call_answered_while_the_prack_is_under_way_stands() {
    for last in [200, 481] {
        let mut lab = Scripted::new();
        let (id, sent) = call(&mut lab, invite(), &Plan::default());
        lab.receive(reliably(&sent, 180, "peer", 1, None));
        let confirms = lab.sent_request(&Method::PRACK);
        assert!(!rings(&mut lab));
        lab.answer_with(&sent, 200, "peer", Direction::SendRecv);
        lab.sent_request(&Method::ACK);
        assert!(matches!(lab.event(), Some(Event::Answered { .. })));
        lab.answer(&confirms, last, "peer");
        lab.sent_nothing();
        assert!(lab.event().is_none(), "{last}");
        assert_eq!(lab.agent.direction(id), Some(Direction::SendRecv));
    }
}

// rfc: 3262 §4 — whoever insists says Require: 100rel
// rfc: 3262 §4 — whoever does not support them says nothing, and sends no PRACK
#[test]
fn a_call_may_insist_on_reliable_responses_or_do_without() {
    let mut lab = Scripted::new();
    let (_, sent) = call(&mut lab, invite().reliable(Reliable::Required), &Plan::default());
    assert!(sent.headers().require::<Require>().unwrap().contains("100rel"));
    let (_, sent) = call(&mut lab, invite().reliable(Reliable::Off), &Plan::default());
    assert!(!sent.headers().require::<Supported>().unwrap().contains("100rel"));
    lab.receive(reliably(&sent, 180, "peer", 1, None));
    lab.sent_nothing();
    assert!(!rings(&mut lab));
}

// rfc: 3262 §4 — reliable responses to a re-INVITE are confirmed too
// rfc: 3261 §14.1 — a refused re-INVITE leaves the call as it was, whatever a provisional response said
#[test]
fn a_reliable_answer_to_a_reinvite_counts_with_its_2xx() {
    for last in [200, 488] {
        let mut lab = Scripted::new();
        let plan = Plan::default();
        let (id, ..) = lab.call_up(plan.clone());
        lab.agent.set_direction(lab.now, id, Direction::SendOnly).unwrap();
        let hold = lab.sent_request(&Method::INVITE);
        let progress = reliably(&hold, 183, "peer", 9, Some(Direction::RecvOnly));
        lab.receive(progress.clone());
        let confirms = lab.sent_request(&Method::PRACK);
        assert_eq!(rack(&confirms), (9, number(&hold)));
        lab.receive(progress);
        lab.sent_nothing();
        lab.answer(&confirms, 200, "peer");
        lab.answer(&hold, last, "peer");
        lab.sent_request(&Method::ACK);
        let held = last == 200;
        assert_eq!(matches!(lab.event(), Some(Event::MediaChanged { .. })), held);
        let direction = if held { Direction::SendOnly } else { Direction::SendRecv };
        assert_eq!(lab.agent.direction(id), Some(direction));
    }
}

// rfc: 6228 §4 — a 199 ends its early dialog and no other; one that comes first is passed over, a reliable one confirmed
// rfc: 3960 §3.1 — one early media is heard at a time
#[test]
fn a_199_ends_one_early_dialog_and_the_other_is_heard() {
    for (policy, heard) in [(EarlyMedia::Latest, "two"), (EarlyMedia::First, "one")] {
        let mut lab = Scripted::new();
        let plan = Plan::default();
        let (_, sent) = call(&mut lab, invite().early_media(policy), &plan);
        lab.answer(&sent, 199, "zero");
        assert!(lab.event().is_none());
        for tag in ["one", "two"] {
            lab.receive(reliably(&sent, 183, tag, 1, Some(Direction::SendRecv)));
            let confirms = lab.sent_request(&Method::PRACK);
            lab.answer(&confirms, 200, tag);
            assert!(rings(&mut lab));
        }
        let selected = if policy == EarlyMedia::Latest { 2 } else { 1 };
        let count = |plan: &Plan| plan.chosen.lock().unwrap().len();
        assert_eq!(count(&plan), selected);
        lab.receive(reliably(&sent, 199, heard, 2, None));
        assert_eq!(rack(&lab.sent_request(&Method::PRACK)).0, 2);
        assert!(!rings(&mut lab));
        assert_eq!(count(&plan), selected + 1, "the other one is heard now");
        lab.receive(reliably(&sent, 199, "third", 1, None));
        lab.sent_request(&Method::PRACK);
    }
}

// rfc: 3311 §5.1 — after a reliable answer the callee may offer in an UPDATE while it rings, before it not
#[test]
fn an_update_in_an_early_dialog_needs_a_settled_answer() {
    let mut lab = Scripted::new();
    let (_, sent) = call(&mut lab, invite(), &Plan::default());
    let dialog = Message::from(reliably(&sent, 183, "peer", 1, None));
    let update = |lab: &mut Scripted, cseq| {
        let mut update = lab.peer_request(Method::UPDATE, cseq, Some(&dialog));
        // The peer is the callee: its From is our To.
        let text = String::from_utf8(update.to_bytes().to_vec()).unwrap();
        let text = text.replace("From: ", "X: ").replace("To: ", "From: ").replace("X: ", "To: ");
        update = Message::parse(text.into_bytes(), &sip_msg::Limits::default())
            .unwrap()
            .as_request()
            .unwrap()
            .clone();
        update.set_body(SDP, describe(2, Direction::SendOnly));
        update
    };
    lab.answer_with(&sent, 183, "peer", Direction::SendRecv);
    assert!(rings(&mut lab));
    let early = update(&mut lab, 1);
    lab.receive(early);
    lab.sent_response(StatusCode::REQUEST_PENDING);
    lab.receive(reliably(&sent, 183, "peer", 1, Some(Direction::SendRecv)));
    lab.sent_request(&Method::PRACK);
    assert!(rings(&mut lab));
    let settled = update(&mut lab, 2);
    lab.receive(settled);
    let answered = lab.sent_response(StatusCode::OK);
    assert!(std::str::from_utf8(answered.body()).unwrap().contains("a=recvonly"));
    assert!(matches!(lab.event(), Some(Event::MediaChanged { direction: Direction::RecvOnly, .. })));
}

// rfc: 3261 §13.2.2.4 — every 2xx is a dialog: with Forks::All each is a call
#[test]
fn every_answer_may_be_a_call_of_its_own() {
    let mut lab = Scripted::new();
    let (first, sent) = call(&mut lab, invite().forks(Forks::All), &Plan::default());
    lab.answer_with(&sent, 183, "two", Direction::SendRecv);
    assert!(rings(&mut lab));
    lab.answer_with(&sent, 200, "one", Direction::SendRecv);
    lab.sent_request(&Method::ACK);
    assert!(matches!(lab.event(), Some(Event::Answered { .. })));
    let mut forks = vec![first];
    for tag in ["two", "three"] {
        lab.answer_with(&sent, 200, tag, Direction::SendRecv);
        let ack = lab.sent_request(&Method::ACK);
        assert_eq!(ack.headers().require::<To>().unwrap().tag().unwrap(), tag);
        let Some(Event::Forked { dialog, fork, .. }) = lab.event() else { panic!("a fork") };
        assert_eq!(dialog, first);
        assert_eq!(lab.agent.dialog(fork).unwrap().remote_tag(), tag);
        lab.answer_with(&sent, 200, tag, Direction::SendRecv);
        assert_eq!(lab.sent_request(&Method::ACK).to_bytes(), ack.to_bytes());
        forks.push(fork);
    }
    lab.answer(&sent, 200, "four");
    lab.sent_request(&Method::ACK);
    let bye = lab.sent_request(&Method::BYE);
    lab.answer(&bye, 200, "four");
    for id in forks {
        assert_eq!(lab.agent.direction(id), Some(Direction::SendRecv));
        lab.agent.hang_up(lab.now, id).unwrap();
        let bye = lab.sent_request(&Method::BYE);
        lab.answer(&bye, 200, "");
        assert!(matches!(lab.event(), Some(Event::Ended { dialog, .. }) if dialog == id));
    }
    lab.answer_with(&sent, 200, "five", Direction::SendRecv);
    lab.sent_request(&Method::ACK);
    let bye = lab.sent_request(&Method::BYE);
    lab.answer(&bye, 200, "five");
    assert!(lab.event().is_none(), "after the end of the first one nothing new begins");
    lab.ends_idle();
}

// rfc: 3262 §3 — Require: 100rel and a first RSeq of 1 to 2^31 - 1, repeated after T1, 2·T1, 4·T1 … until the PRACK
// rfc: 3262 §3 — a PRACK that matches gets 2xx, another 481
// rfc: 3262 §5 — the answer in the reliable response counts; the 2xx repeats nothing
#[test]
fn early_media_is_repeated_until_its_prack() {
    let mut lab = Scripted::new();
    let plan = Plan::default();
    let (id, _) = called(&mut lab, HeaderName::SUPPORTED, true);
    assert!(lab.agent.takes_reliable(id));
    lab.agent.ring(lab.now, id, progress(&plan)).unwrap();
    let first = lab.sent_response(StatusCode::SESSION_PROGRESS);
    assert!((1..1 << 31).contains(&rseq(&first)));
    assert!(!first.body().is_empty());
    for exponent in 0..5 {
        lab.advance(T1 * (1 << exponent) - Duration::from_millis(1));
        lab.sent_nothing();
        lab.advance(Duration::from_millis(1));
        assert_eq!(lab.sent_response(StatusCode::SESSION_PROGRESS).to_bytes(), first.to_bytes());
    }
    let mut wrong = lab.peer_request(Method::PRACK, 11, Some(&first.clone().into()));
    wrong.headers_mut().push(&RAck { rseq: rseq(&first) + 1, cseq: 10, method: Method::INVITE });
    lab.receive(wrong);
    lab.sent_response(StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
    let right = prack(&mut lab, &first, 12);
    lab.receive(right);
    let ok = lab.sent_response(StatusCode::OK);
    assert_eq!(ok.headers().require::<CSeq>().unwrap().method, Method::PRACK);
    lab.advance(60 * SECOND);
    lab.sent_nothing();
    let again = prack(&mut lab, &first, 13);
    lab.receive(again);
    lab.sent_response(StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
    let bare = lab.peer_request(Method::PRACK, 14, Some(&first.clone().into()));
    lab.receive(bare);
    lab.sent_response(StatusCode::BAD_REQUEST);
    let backwards = prack(&mut lab, &first, 13);
    lab.receive(backwards);
    lab.sent_response(StatusCode::SERVER_INTERNAL_ERROR);
    lab.agent.accept(lab.now, id, None).unwrap();
    assert!(lab.sent_response(StatusCode::OK).body().is_empty());
    assert_eq!(log(&plan), ["answer"]);
}

// rfc: 3262 §3 — without a PRACK in 64·T1 the INVITE is refused with 5xx
#[test]
fn a_response_that_is_never_confirmed_ends_the_call() {
    let mut lab = Scripted::new();
    let (id, _) = called(&mut lab, HeaderName::REQUIRE, true);
    lab.agent.ring(lab.now, id, StatusCode::RINGING).unwrap();
    lab.sent_response(StatusCode::RINGING);
    lab.advance(64 * T1);
    let refusal = std::iter::from_fn(|| lab.poll_sent()).last().unwrap();
    assert_eq!(refusal.as_response().unwrap().status(), StatusCode::SERVER_TIME_OUT);
    match lab.event() {
        Some(Event::Ended { by: Side::Error, status, reason, .. }) => {
            assert_eq!(status, Some(StatusCode::SERVER_TIME_OUT));
            assert!(reason.contains("PRACK"));
        }
        other => panic!("{other:?} is the end"),
    }
    lab.skip_sent();
    lab.ends_idle();
}

// rfc: 3262 §3 — Require: 100rel makes every provisional response above 100 reliable
// rfc: 3262 §3 — a second one waits for the PRACK of the first, and its RSeq is greater by one
#[test]
fn the_next_response_waits_for_the_prack_of_the_one_before() {
    let mut lab = Scripted::new();
    let (id, _) = called(&mut lab, HeaderName::REQUIRE, true);
    lab.agent.ring(lab.now, id, StatusCode::RINGING).unwrap();
    let first = lab.sent_response(StatusCode::RINGING);
    lab.agent.ring(lab.now, id, StatusCode::CALL_IS_BEING_FORWARDED).unwrap();
    lab.agent
        .ring(lab.now, id, Ring::new(StatusCode::SESSION_PROGRESS).plan(boxed(&Plan::default())))
        .unwrap();
    lab.sent_nothing();
    let confirms = prack(&mut lab, &first, 11);
    lab.receive(confirms);
    lab.sent_response(StatusCode::OK);
    let second = lab.sent_response(StatusCode::CALL_IS_BEING_FORWARDED);
    assert_eq!(rseq(&second), rseq(&first) + 1);
    let confirms = prack(&mut lab, &second, 12);
    lab.receive(confirms);
    lab.sent_response(StatusCode::OK);
    let third = lab.sent_response(StatusCode::SESSION_PROGRESS);
    assert_eq!((rseq(&third), third.body().is_empty()), (rseq(&first) + 2, false));
    for _ in 0..8 {
        lab.agent.ring(lab.now, id, StatusCode::RINGING).unwrap();
    }
    let full = lab.agent.ring(lab.now, id, StatusCode::RINGING);
    assert!(matches!(full, Err(CommandError::Limit(_))));
}

// rfc: 3262 §5 — the 2xx waits for the PRACK of a session description, and for no other
#[test]
fn the_2xx_waits_for_the_prack_of_a_description() {
    let mut lab = Scripted::new();
    let (id, _) = called(&mut lab, HeaderName::SUPPORTED, true);
    lab.agent.ring(lab.now, id, progress(&Plan::default())).unwrap();
    let early = lab.sent_response(StatusCode::SESSION_PROGRESS);
    lab.agent.accept(lab.now, id, None).unwrap();
    lab.sent_nothing();
    assert!(matches!(lab.agent.accept(lab.now, id, None), Err(CommandError::WrongState { .. })));
    let confirms = prack(&mut lab, &early, 11);
    lab.receive(confirms);
    assert_eq!(lab.sent_response(StatusCode::OK).headers().require::<CSeq>().unwrap().method, Method::PRACK);
    let accepted = lab.sent_response(StatusCode::OK);
    assert_eq!(accepted.headers().require::<CSeq>().unwrap().method, Method::INVITE);
    let ack = lab.peer_request(Method::ACK, 10, Some(&accepted.into()));
    lab.receive(ack);
    assert!(matches!(lab.event(), Some(Event::Confirmed { .. })));
}

// rfc: 3262 §3 — a 2xx may overtake the PRACK of a response without description, which is confirmed all the same, once
#[test]
fn a_late_prack_is_answered_after_the_final_response() {
    for refused in [false, true] {
        let mut lab = Scripted::new();
        let (id, _) = called(&mut lab, HeaderName::SUPPORTED, true);
        lab.agent.ring(lab.now, id, Ring::new(StatusCode::RINGING).reliable()).unwrap();
        let early = lab.sent_response(StatusCode::RINGING);
        if refused {
            lab.agent.reject(lab.now, id, StatusCode::BUSY_HERE).unwrap();
            lab.sent_response(StatusCode::BUSY_HERE);
        } else {
            lab.agent.accept(lab.now, id, boxed(&Plan::default())).unwrap();
            assert!(!lab.sent_response(StatusCode::OK).body().is_empty());
        }
        for (cseq, status) in [(11, StatusCode::OK), (12, StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST)] {
            let confirms = prack(&mut lab, &early, cseq);
            lab.receive(confirms);
            lab.sent_response(status);
        }
        lab.advance(T1);
        lab.skip_sent_responses();
        lab.sent_nothing();
        if refused {
            lab.ends_idle();
        }
    }
}

// rfc: 3262 §5 — without an offer in the INVITE the first reliable response has one, and its PRACK the answer
#[test]
fn a_reliable_response_to_a_call_without_offer_makes_one() {
    let mut lab = Scripted::new();
    let plan = Plan::default();
    let (id, _) = called(&mut lab, HeaderName::REQUIRE, false);
    let bare = lab.agent.ring(lab.now, id, StatusCode::RINGING);
    assert!(matches!(bare, Err(CommandError::Misuse(_))));
    assert!(lab.agent.ring_needs_plan(id, false));
    lab.agent.ring(lab.now, id, progress(&plan)).unwrap();
    assert!(!lab.agent.ring_needs_plan(id, false));
    let offered = lab.sent_response(StatusCode::SESSION_PROGRESS);
    assert!(!offered.body().is_empty());
    let mut update = lab.peer_request(Method::UPDATE, 11, Some(&offered.clone().into()));
    update.set_body(SDP, describe(2, Direction::SendOnly));
    lab.receive(update);
    lab.sent_response(StatusCode::SERVER_INTERNAL_ERROR);
    let mut confirms = prack(&mut lab, &offered, 12);
    confirms.set_body(SDP, describe(1, Direction::RecvOnly));
    lab.receive(confirms);
    lab.sent_response(StatusCode::OK);
    assert!(matches!(lab.event(), Some(Event::MediaChanged { direction: Direction::SendOnly, .. })));
    let mut update = lab.peer_request(Method::UPDATE, 13, Some(&offered.into()));
    update.set_body(SDP, describe(2, Direction::SendRecv));
    lab.receive(update);
    assert!(!lab.sent_response(StatusCode::OK).body().is_empty());
    lab.event();
    lab.agent.accept(lab.now, id, None).unwrap();
    assert!(lab.sent_response(StatusCode::OK).body().is_empty());
    assert_eq!(log(&plan), ["offer", "accept", "answer"]);
}

// rfc: 6337 §2.2 — pattern 4 needs an answer in the PRACK
#[test]
fn a_prack_without_the_answer_it_owes_ends_the_call() {
    let mut lab = Scripted::new();
    let (id, _) = called(&mut lab, HeaderName::REQUIRE, false);
    lab.agent.ring(lab.now, id, progress(&Plan::default())).unwrap();
    let offered = lab.sent_response(StatusCode::SESSION_PROGRESS);
    let confirms = prack(&mut lab, &offered, 11);
    lab.receive(confirms);
    lab.sent_response(StatusCode::OK);
    lab.sent_response(StatusCode::NOT_ACCEPTABLE_HERE);
    assert_eq!(ended(&mut lab).0, Side::Error);
}

// rfc: 3262 §5 — an offer in a PRACK is answered in its 2xx
// rfc: 6337 §2.3 — one that is not acceptable gets 488; the PRACK may come again without it
#[test]
fn a_new_offer_in_the_prack_is_answered_or_refused() {
    for refuses in [false, true] {
        let mut lab = Scripted::new();
        let plan = Plan::default();
        let (id, _) = called(&mut lab, HeaderName::SUPPORTED, true);
        lab.agent.ring(lab.now, id, progress(&plan)).unwrap();
        let early = lab.sent_response(StatusCode::SESSION_PROGRESS);
        plan.refuses.store(refuses, std::sync::atomic::Ordering::Relaxed);
        let mut confirms = prack(&mut lab, &early, 11);
        confirms.set_body(SDP, describe(2, Direction::SendOnly));
        lab.receive(confirms);
        if refuses {
            lab.sent_response(StatusCode::NOT_ACCEPTABLE_HERE);
            assert!(lab.event().is_none());
            let confirms = prack(&mut lab, &early, 12);
            lab.receive(confirms);
            lab.sent_response(StatusCode::OK);
        } else {
            assert!(!lab.sent_response(StatusCode::OK).body().is_empty());
            assert!(matches!(lab.event(), Some(Event::MediaChanged { direction: Direction::RecvOnly, .. })));
        }
        lab.agent.accept(lab.now, id, None).unwrap();
        assert!(lab.sent_response(StatusCode::OK).body().is_empty());
    }
}

// rfc: 6337 §3.1.1 — while the INVITE's offer has no answer a PRACK makes no other one
#[test]
fn an_offer_in_a_prack_that_comes_too_early_is_put_off() {
    let mut lab = Scripted::new();
    let (id, _) = called(&mut lab, HeaderName::SUPPORTED, true);
    lab.agent.ring(lab.now, id, Ring::new(StatusCode::RINGING).reliable()).unwrap();
    let early = lab.sent_response(StatusCode::RINGING);
    let mut confirms = prack(&mut lab, &early, 11);
    confirms.set_body(SDP, describe(2, Direction::SendOnly));
    lab.receive(confirms);
    let later = lab.sent_response(StatusCode::SERVER_INTERNAL_ERROR);
    assert!(later.headers().contains(HeaderName::RETRY_AFTER));
}

// rfc: 3262 §3 — reliable responses only to callers that say 100rel
// rfc: 3261 §8.2.2.3 — 420 to a caller that requires them of us who know none; 421 where we insist and it does not
#[test]
fn what_the_caller_takes_and_what_we_want_decide() {
    let mut lab = Scripted::new();
    let (id, _) = lab.called();
    assert!(!lab.agent.takes_reliable(id));
    let asked = lab.agent.ring(lab.now, id, Ring::new(StatusCode::RINGING).reliable());
    assert!(matches!(asked, Err(CommandError::Misuse(_))));
    lab.agent.ring(lab.now, id, StatusCode::RINGING).unwrap();
    assert!(!lab.sent_response(StatusCode::RINGING).headers().contains(HeaderName::RSEQ));

    let mut lab = Scripted::new().configured(|config| config.reliable(Reliable::Off));
    let mut request = lab.peer_request(Method::INVITE, 10, None);
    request.headers_mut().push(&Require(vec!["100rel".into()]));
    lab.receive(request);
    lab.sent_response(StatusCode::BAD_EXTENSION);

    let mut lab = Scripted::new().configured(|config| config.reliable(Reliable::Required));
    let request = lab.peer_request(Method::INVITE, 10, None);
    lab.receive(request);
    let refusal = lab.sent_response(StatusCode::EXTENSION_REQUIRED);
    assert!(refusal.headers().require::<Require>().unwrap().contains("100rel"));
    assert!(lab.event().is_none());
    let mut request = lab.peer_request(Method::INVITE, 11, None);
    request.headers_mut().push(&Supported(vec!["100rel".into()]));
    lab.receive(request);
    let Some(Event::Incoming { dialog, .. }) = lab.event() else { panic!("a call comes in") };
    lab.agent.ring(lab.now, dialog, Ring::new(StatusCode::RINGING).plan(boxed(&Plan::default()))).unwrap();
    rseq(&lab.sent_response(StatusCode::RINGING));
}

// rfc: 3262 §3 — a provisional response each 2.5 minutes keeps the transaction alive, reliably and without description
#[test]
fn a_long_ring_is_kept_alive_reliably() {
    let mut lab = Scripted::new();
    let (id, _) = called(&mut lab, HeaderName::SUPPORTED, true);
    lab.agent.ring(lab.now, id, progress(&Plan::default())).unwrap();
    let first = lab.sent_response(StatusCode::SESSION_PROGRESS);
    let confirms = prack(&mut lab, &first, 11);
    lab.receive(confirms);
    lab.sent_response(StatusCode::OK);
    lab.advance(149 * SECOND);
    lab.sent_nothing();
    lab.advance(SECOND);
    let again = lab.sent_response(StatusCode::SESSION_PROGRESS);
    assert_eq!((rseq(&again), again.body().is_empty()), (rseq(&first) + 1, true));
}

// rfc: 3262 §3 — a non-2xx final response need not wait for a PRACK; nothing reliable is sent after it
#[test]
fn a_caller_may_give_up_before_its_prack() {
    for bye in [false, true] {
        let mut lab = Scripted::new();
        let (id, request) = called(&mut lab, HeaderName::SUPPORTED, true);
        lab.agent.ring(lab.now, id, progress(&Plan::default())).unwrap();
        let early = lab.sent_response(StatusCode::SESSION_PROGRESS);
        lab.agent.accept(lab.now, id, None).unwrap();
        if bye {
            let bye = lab.peer_request(Method::BYE, 11, Some(&early.into()));
            lab.receive(bye);
        } else {
            let text = String::from_utf8(request.to_bytes().to_vec()).unwrap().replace("INVITE", "CANCEL");
            let (head, _) = text.split_once("Content-").unwrap();
            let cancel = format!("{head}Content-Length: 0\r\n\r\n").into_bytes();
            lab.receive(Message::parse(cancel, &sip_msg::Limits::default()).unwrap());
        }
        let mut statuses: Vec<_> = std::iter::from_fn(|| lab.poll_sent())
            .map(|sent| sent.as_response().unwrap().status().code())
            .collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 487]);
        assert_eq!(ended(&mut lab).0, Side::Remote);
        lab.advance(T1);
        lab.skip_sent();
        lab.ends_idle();
    }
}

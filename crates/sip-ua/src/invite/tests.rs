//! The races of a call, one test each.

use std::time::Duration;

use sdp::Direction;
use sip_msg::{Allow, HeaderName, Message, Method, RetryAfter, StatusCode, To, Unsupported, Warning};

use crate::auth::Credentials;
use crate::scripted::{Plan, SDP, Scripted, T1, answer, branch, describe, invite, number};
use crate::{CommandError, DialogId, Event, MediaPlan, Reply, Ring, Side};

const SECOND: Duration = Duration::from_secs(1);

fn boxed(plan: &Plan) -> Box<dyn MediaPlan> {
    Box::new(plan.clone())
}

#[track_caller]
fn ended(lab: &mut Scripted) -> (Side, Option<StatusCode>, String) {
    match lab.event() {
        Some(Event::Ended { by, status, reason, .. }) => (by, status, reason.to_string()),
        other => panic!("{other:?} is the end"),
    }
}

// rfc: 3261 §13.2.2.4 — every 2xx is acknowledged, a repeated one with the same ACK
#[test]
fn a_repeated_200_gets_the_same_ack_again() {
    let mut lab = Scripted::new();
    let (id, sent, ack) = lab.call_up(Plan::default());
    assert_eq!(number(&ack), number(&sent));
    assert_ne!(branch(&ack), branch(&sent), "an ACK to a 2xx is a transaction of its own");
    assert_eq!(ack.uri_text(), "sip:bob@192.0.2.2:5060");
    lab.answer_with(&sent, 200, "peer", Direction::SendRecv);
    let again = lab.sent_request(&Method::ACK);
    assert_eq!(again.to_bytes(), ack.to_bytes());
    assert!(lab.event().is_none(), "the application hears of the first alone");
    lab.agent.hang_up(lab.now, id).unwrap();
    let bye = lab.sent_request(&Method::BYE);
    lab.answer(&bye, 200, "peer");
    assert_eq!(ended(&mut lab).0, Side::Local);
    lab.answer_with(&sent, 200, "peer", Direction::SendRecv);
    assert_eq!(lab.sent_request(&Method::ACK).to_bytes(), ack.to_bytes(), "even after the BYE");
    lab.ends_idle();
}

// rfc: 3261 §9.1 — no CANCEL before a provisional response
// rfc: 3261 §9.1 — the CANCEL has the Request-URI, Call-ID, To, From and number of the INVITE
#[test]
fn a_call_given_up_before_any_answer_is_cancelled_at_the_first_provisional() {
    let mut lab = Scripted::new();
    let (id, sent) = lab.call(Plan::default());
    lab.agent.hang_up(lab.now, id).unwrap();
    lab.sent_nothing();
    lab.answer(&sent, 100, "");
    let cancel = lab.sent_request(&Method::CANCEL);
    assert_eq!((branch(&cancel), number(&cancel)), (branch(&sent), number(&sent)));
    assert!(cancel.headers().require::<To>().unwrap().tag().is_none());
    lab.answer(&cancel, 200, "peer");
    lab.answer(&sent, 487, "peer");
    lab.sent_request(&Method::ACK);
    assert_eq!(ended(&mut lab).0, Side::Local);
    lab.ends_idle();
}

// rfc: 3261 §15 — a 2xx that crosses the CANCEL makes a call: ACK, then BYE
#[test]
fn a_200_that_crosses_the_cancel_is_acknowledged_and_hung_up() {
    let mut lab = Scripted::new();
    let (id, sent) = lab.call(Plan::default());
    lab.answer(&sent, 180, "peer");
    assert!(matches!(lab.event(), Some(Event::Ringing { early_media: false, .. })));
    lab.agent.hang_up(lab.now, id).unwrap();
    let cancel = lab.sent_request(&Method::CANCEL);
    lab.answer_with(&sent, 200, "peer", Direction::SendRecv);
    let ack = lab.sent_request(&Method::ACK);
    let bye = lab.sent_request(&Method::BYE);
    assert_eq!((number(&ack), number(&bye)), (number(&sent), number(&sent) + 1));
    lab.answer(&cancel, 481, "peer");
    assert!(lab.event().is_none(), "the BYE is not answered yet");
    lab.answer(&bye, 200, "peer");
    assert_eq!(ended(&mut lab).0, Side::Local);
    lab.ends_idle();
}

// rfc: 3261 §9.1 — without a final response 64*T1 after the CANCEL the INVITE is over
#[test]
fn a_cancelled_invite_without_a_final_response_ends() {
    let mut lab = Scripted::new();
    let (id, sent) = lab.call(Plan::default());
    lab.answer(&sent, 180, "peer");
    lab.event();
    lab.agent.hang_up(lab.now, id).unwrap();
    lab.advance(64 * T1 + SECOND);
    assert_eq!(ended(&mut lab).0, Side::Local);
    lab.ends_idle();
}

#[test]
fn a_call_that_rings_too_long_is_cancelled() {
    let mut lab = Scripted::new();
    let asked = invite().ring_timeout(20 * SECOND);
    lab.agent.invite(lab.now, asked, boxed(&Plan::default())).unwrap();
    let sent = lab.sent_request(&Method::INVITE);
    lab.answer(&sent, 180, "peer");
    lab.event();
    lab.advance(19 * SECOND);
    lab.sent_nothing();
    lab.advance(2 * SECOND);
    lab.sent_request(&Method::CANCEL);
    lab.answer(&sent, 487, "peer");
    let (by, status, reason) = ended(&mut lab);
    assert_eq!((by, status), (Side::Local, Some(StatusCode::REQUEST_TIMEOUT)));
    assert_eq!(reason, "nobody answered within the ring timeout");
    lab.skip_sent();
    lab.ends_idle();
}

// rfc: 3261 §17.1.1.2 — Timer B: no response at all ends the call
#[test]
fn a_call_that_nobody_hears_ends() {
    let mut lab = Scripted::new();
    lab.call(Plan::default());
    lab.advance(64 * T1 + SECOND);
    let (by, status, _) = ended(&mut lab);
    assert_eq!((by, status), (Side::Error, None));
    lab.ends_idle();
}

// rfc: 3261 §13.2.2.4 — each To tag is a dialog: the second 2xx is acknowledged and, unwanted, hung up
// rfc: 3261 §12.1.2 — every early dialog has a state of its own
#[test]
fn a_fork_that_answers_second_is_acknowledged_and_hung_up() {
    let mut lab = Scripted::new();
    let plan = Plan::default();
    let log = plan.log.clone();
    let (id, sent) = lab.call(plan);
    lab.answer_with(&sent, 183, "one", Direction::SendRecv);
    lab.answer_with(&sent, 183, "two", Direction::SendRecv);
    assert!(matches!(lab.event(), Some(Event::Ringing { early_media: true, .. })));
    assert!(matches!(lab.event(), Some(Event::Ringing { early_media: true, .. })));
    assert_eq!(*log.lock().unwrap(), ["offer", "fork", "accept", "fork", "accept"]);
    lab.answer_with(&sent, 200, "two", Direction::SendRecv);
    assert_eq!(lab.sent_request(&Method::ACK).headers().require::<To>().unwrap().tag().unwrap(), "two");
    assert!(matches!(lab.event(), Some(Event::Answered { .. })));
    assert_eq!(lab.agent.dialog(id).unwrap().remote_tag(), "two");
    lab.answer_with(&sent, 200, "one", Direction::SendRecv);
    let ack = lab.sent_request(&Method::ACK);
    let bye = lab.sent_request(&Method::BYE);
    for request in [&ack, &bye] {
        assert_eq!(request.headers().require::<To>().unwrap().tag().unwrap(), "one");
    }
    lab.answer_with(&sent, 200, "one", Direction::SendRecv);
    assert_eq!(lab.sent_request(&Method::ACK).to_bytes(), ack.to_bytes());
    lab.sent_nothing();
    lab.answer(&bye, 200, "one");
    assert!(lab.event().is_none(), "the call itself stands");
    lab.agent.hang_up(lab.now, id).unwrap();
    let bye = lab.sent_request(&Method::BYE);
    lab.answer(&bye, 200, "two");
    assert_eq!(ended(&mut lab).0, Side::Local);
    lab.ends_idle();
}

#[test]
fn a_flood_of_forks_is_bounded() {
    let mut lab = Scripted::new();
    let (_, sent) = lab.call(Plan::default());
    for fork in 0..100 {
        lab.answer(&sent, 180, &format!("ring{fork}"));
    }
    for fork in 0..100 {
        lab.answer_with(&sent, 200, &format!("fork{fork}"), Direction::SendRecv);
    }
    let byes = std::iter::from_fn(|| lab.poll_sent())
        .filter(|message| message.as_request().is_some_and(|request| *request.method() == Method::BYE))
        .count();
    assert_eq!(byes, 15);
}

// rfc: 3261 §13.2.1 — the first answer counts, later ones of the same dialog are ignored
#[test]
fn early_media_is_settled_once() {
    let mut lab = Scripted::new();
    let plan = Plan::default();
    let log = plan.log.clone();
    let (id, sent) = lab.call(plan);
    lab.answer_with(&sent, 183, "peer", Direction::SendRecv);
    lab.answer_with(&sent, 200, "peer", Direction::Inactive);
    assert_eq!(*log.lock().unwrap(), ["offer", "fork", "accept"]);
    assert_eq!(lab.agent.direction(id), Some(Direction::SendRecv));
}

// rfc: 3261 §13.2.2.4 — an answer that cannot be accepted: ACK, then BYE
#[test]
fn an_answer_that_media_refuses_ends_the_call() {
    let mut lab = Scripted::new();
    let (_, sent) = lab.call(Plan::refusing());
    lab.answer_with(&sent, 200, "peer", Direction::SendRecv);
    lab.sent_request(&Method::ACK);
    lab.sent_request(&Method::BYE);
    let (by, status, reason) = ended(&mut lab);
    assert_eq!((by, status), (Side::Error, Some(StatusCode::NOT_ACCEPTABLE_HERE)));
    assert_eq!(reason, "no media agreed: no common codec");
}

// rfc: 3261 §13.2.1 — without an offer in the INVITE the 2xx offers and the ACK answers
#[test]
fn a_late_offer_is_answered_in_the_ack() {
    let mut lab = Scripted::new();
    let id = lab.agent.invite(lab.now, invite().late_offer(), boxed(&Plan::default())).unwrap();
    let sent = lab.sent_request(&Method::INVITE);
    assert!(sent.body().is_empty());
    lab.answer_with(&sent, 200, "peer", Direction::SendOnly);
    let ack = lab.sent_request(&Method::ACK);
    assert!(std::str::from_utf8(ack.body()).unwrap().contains("a=recvonly"));
    assert_eq!(lab.agent.direction(id), Some(Direction::RecvOnly));
}

// rfc: 3261 §13.2.2.4 — an offer in the 2xx that is not acceptable gets an answer all the same, then BYE
#[test]
fn a_late_offer_that_media_refuses_is_answered_with_port_zero() {
    let mut lab = Scripted::new();
    let plan = Plan::refusing();
    lab.agent.invite(lab.now, invite().late_offer(), Box::new(plan)).unwrap();
    let sent = lab.sent_request(&Method::INVITE);
    lab.answer_with(&sent, 200, "peer", Direction::SendRecv);
    let ack = lab.sent_request(&Method::ACK);
    assert!(std::str::from_utf8(ack.body()).unwrap().contains("m=audio 0 "));
    lab.sent_request(&Method::BYE);
    assert_eq!(ended(&mut lab).0, Side::Error);
}

// rfc: 3261 §22.2 — the INVITE with credentials: next CSeq, same Call-ID and From tag; the ACK repeats them
// rfc: 3261 §22.3 — 407 is answered with Proxy-Authorization
#[test]
fn a_challenged_invite_is_sent_again_with_credentials() {
    let mut lab = Scripted::new();
    let asked = invite().credentials(Credentials::new("alice", "secret"));
    let id = lab.agent.invite(lab.now, asked, boxed(&Plan::default())).unwrap();
    let first = lab.sent_request(&Method::INVITE);
    let challenge = |request, status| {
        let mut response = answer(request, status, "proxy");
        response.headers_mut().push(&sip_msg::ProxyAuthenticate(
            sip_msg::Challenge::digest().with("realm", "r").with("nonce", "n").with("qop", "auth"),
        ));
        response
    };
    lab.receive(challenge(&first, 407));
    lab.sent_request(&Method::ACK);
    let second = lab.sent_request(&Method::INVITE);
    assert_eq!(number(&second), number(&first) + 1);
    assert_ne!(branch(&second), branch(&first));
    assert_eq!(second.body(), first.body());
    for name in [HeaderName::CALL_ID, HeaderName::FROM] {
        assert_eq!(second.headers().raw(&name), first.headers().raw(&name));
    }
    let credentials = second.headers().raw(HeaderName::PROXY_AUTHORIZATION).unwrap().to_vec();
    lab.answer_with(&second, 200, "peer", Direction::SendRecv);
    let ack = lab.sent_request(&Method::ACK);
    assert_eq!(ack.headers().raw(HeaderName::PROXY_AUTHORIZATION), Some(&*credentials));
    lab.event();
    lab.agent.hang_up(lab.now, id).unwrap();
    let bye = lab.sent_request(&Method::BYE);
    let text =
        String::from_utf8(bye.headers().raw(HeaderName::PROXY_AUTHORIZATION).unwrap().to_vec()).unwrap();
    assert!(text.contains("nc=00000002"), "the nonce is used on: {text}");
    lab.receive(challenge(&bye, 407));
    let again = lab.sent_request(&Method::BYE);
    assert_eq!(number(&again), number(&bye) + 1);
    lab.answer(&again, 200, "peer");
    assert_eq!(ended(&mut lab).0, Side::Local);
    lab.ends_idle();
}

#[test]
fn a_wrong_password_ends_the_call_at_once() {
    let mut lab = Scripted::new();
    let asked = invite().credentials(Credentials::new("alice", "wrong"));
    lab.agent.invite(lab.now, asked, boxed(&Plan::default())).unwrap();
    for nonce in ["n1", "n2"] {
        let sent = lab.sent_request(&Method::INVITE);
        let mut response = answer(&sent, 401, "peer");
        let challenge = sip_msg::Challenge::digest().with("realm", "r").with("nonce", nonce);
        response.headers_mut().push(&sip_msg::WwwAuthenticate(challenge));
        lab.receive(response);
        lab.sent_request(&Method::ACK);
    }
    lab.sent_nothing();
    let (by, status, reason) = ended(&mut lab);
    assert_eq!((by, status), (Side::Remote, Some(StatusCode::UNAUTHORIZED)));
    assert_eq!(reason, "wrong user name or password for the realm \"r\"");
}

// rfc: 3261 §8.1.3.4 — a redirection is reported with its Contacts
#[test]
fn a_redirection_and_a_refusal_reach_the_application() {
    for status in [302, 486, 603] {
        let mut lab = Scripted::new();
        let (_, sent) = lab.call(Plan::default());
        lab.answer(&sent, status, "peer");
        lab.sent_request(&Method::ACK);
        let Some(Event::Ended { by: Side::Remote, status: Some(got), response: Some(response), .. }) =
            lab.event()
        else {
            panic!("the call ended")
        };
        assert_eq!(got.code(), status);
        assert!(response.headers().contains(HeaderName::CONTACT));
        lab.ends_idle();
    }
}

// rfc: 3261 §13.3.1.4 — the 2xx is repeated from T1 doubling to T2 until the ACK comes
#[test]
fn a_200_is_repeated_until_its_ack_also_over_tcp() {
    for transport in [sip_txn::Transport::Udp, sip_txn::Transport::Tcp] {
        let mut lab = Scripted::over(transport);
        let (id, _) = lab.called();
        lab.agent.accept(lab.now, id, boxed(&Plan::default())).unwrap();
        let accepted = lab.sent_response(StatusCode::OK);
        let start = lab.now;
        let mut times = Vec::new();
        for _ in 0..200 {
            lab.advance(Duration::from_millis(100));
            if lab.poll_sent().is_some() {
                times.push((lab.now - start).as_millis());
            }
        }
        assert_eq!(times, [500, 1500, 3500, 7500, 11500, 15500, 19500], "{transport}");
        let ack = lab.peer_request(Method::ACK, 10, Some(&accepted.into()));
        lab.receive(ack);
        assert!(matches!(lab.event(), Some(Event::Confirmed { .. })));
        lab.advance(20 * SECOND);
        lab.sent_nothing();
    }
}

// rfc: 3261 §13.3.1.4 — an INVITE that comes again before the ACK gets the 2xx at once, and the repeats go on as before
// rfc: 6026 §7.1 — one that comes again after the ACK is absorbed
#[test]
fn an_invite_that_comes_again_gets_the_200_at_once() {
    let mut lab = Scripted::new();
    let (id, invite) = lab.called();
    lab.agent.accept(lab.now, id, boxed(&Plan::default())).unwrap();
    let accepted = lab.sent_response(StatusCode::OK);
    lab.advance(T1 / 2);
    lab.receive(invite.clone());
    assert_eq!(lab.sent_response(StatusCode::OK).to_bytes(), accepted.to_bytes());
    lab.advance(T1 / 2);
    assert_eq!(lab.sent_response(StatusCode::OK).to_bytes(), accepted.to_bytes());
    let ack = lab.peer_request(Method::ACK, 10, Some(&accepted.into()));
    lab.receive(ack);
    lab.receive(invite);
    lab.sent_nothing();
}

// rfc: 3261 §13.3.1.4 — no ACK within 64*T1: BYE
#[test]
fn a_200_that_is_never_acknowledged_ends_with_a_bye() {
    let mut lab = Scripted::new();
    let (id, _) = lab.called();
    lab.agent.accept(lab.now, id, boxed(&Plan::default())).unwrap();
    lab.advance(64 * T1);
    let (by, _, reason) = ended(&mut lab);
    assert_eq!((by, &*reason), (Side::Error, "the caller never acknowledged our answer"));
    let last = std::iter::from_fn(|| lab.poll_sent()).last().unwrap();
    assert_eq!(*last.as_request().unwrap().method(), Method::BYE);
    lab.ends_idle();
}

// rfc: 3261 §15 — a callee sends no BYE before the ACK has come
#[test]
fn a_callee_that_hangs_up_before_the_ack_waits_for_it() {
    let mut lab = Scripted::new();
    let (id, _) = lab.called();
    lab.agent.accept(lab.now, id, boxed(&Plan::default())).unwrap();
    let accepted = lab.sent_response(StatusCode::OK);
    lab.agent.hang_up(lab.now, id).unwrap();
    lab.sent_nothing();
    let ack = lab.peer_request(Method::ACK, 10, Some(&accepted.into()));
    lab.receive(ack);
    assert!(matches!(lab.event(), Some(Event::Confirmed { .. })));
    let bye = lab.sent_request(&Method::BYE);
    lab.answer(&bye, 200, "");
    assert_eq!(ended(&mut lab).0, Side::Local);
    lab.ends_idle();
}

// rfc: 3261 §15.1.2 — a BYE that overtakes the ACK is answered and ends the call
#[test]
fn a_bye_before_the_ack_ends_the_call_and_the_repeats() {
    let mut lab = Scripted::new();
    let (id, _) = lab.called();
    lab.agent.accept(lab.now, id, boxed(&Plan::default())).unwrap();
    let accepted: Message = lab.sent_response(StatusCode::OK).into();
    let bye = lab.peer_request(Method::BYE, 11, Some(&accepted));
    lab.receive(bye);
    lab.sent_response(StatusCode::OK);
    assert_eq!(ended(&mut lab).0, Side::Remote);
    lab.advance(20 * SECOND);
    lab.sent_nothing();
    let ack = lab.peer_request(Method::ACK, 10, Some(&accepted));
    lab.receive(ack);
    lab.sent_nothing();
    assert!(lab.event().is_none());
    lab.ends_idle();
}

// rfc: 3261 §15.1.2 — BYE crossing BYE: both are answered 200
#[test]
fn a_bye_that_crosses_ours_is_answered() {
    let mut lab = Scripted::new();
    let (id, accepted) = lab.called_up(Plan::default());
    lab.agent.hang_up(lab.now, id).unwrap();
    let ours = lab.sent_request(&Method::BYE);
    let theirs = lab.peer_request(Method::BYE, 11, Some(&accepted.into()));
    lab.receive(theirs);
    lab.sent_response(StatusCode::OK);
    assert_eq!(ended(&mut lab).0, Side::Local);
    lab.answer(&ours, 481, "");
    assert!(lab.event().is_none());
    lab.ends_idle();
}

// rfc: 3261 §15.1.1 — a BYE without an answer ends the dialog all the same
#[test]
fn a_bye_that_nobody_answers_ends_the_call() {
    let mut lab = Scripted::new();
    let (id, _, _) = lab.call_up(Plan::default());
    lab.agent.hang_up(lab.now, id).unwrap();
    lab.advance(64 * T1 + SECOND);
    assert_eq!(ended(&mut lab).0, Side::Local);
    lab.ends_idle();
}

// rfc: 3261 §9.2 — CANCEL: 200 for itself and 487 for the INVITE
#[test]
fn a_cancelled_call_is_answered_487() {
    let mut lab = Scripted::new();
    let (id, request) = lab.called();
    lab.agent.ring(lab.now, id, StatusCode::RINGING).unwrap();
    let ringing = lab.sent_response(StatusCode::RINGING);
    let text = String::from_utf8(request.to_bytes().to_vec()).unwrap().replace("INVITE", "CANCEL");
    let (head, _) = text.split_once("Content-Length").unwrap();
    let cancel = format!("{head}Content-Length: 0\r\n\r\n").into_bytes();
    let cancel = Message::parse(cancel, &sip_msg::Limits::default()).unwrap();
    lab.receive(cancel);
    let (mut ok, mut terminated) = (None, None);
    while let Some(message) = lab.poll_sent() {
        let response = message.as_response().unwrap().clone();
        match response.status() {
            StatusCode::OK => ok = Some(response),
            StatusCode::REQUEST_TERMINATED => terminated = Some(response),
            other => panic!("{other:?}"),
        }
    }
    assert!(ok.is_some());
    let tag = |response: &sip_msg::Response| response.headers().require::<To>().unwrap().params.text("tag");
    assert_eq!(tag(&terminated.unwrap()), tag(&ringing));
    let (by, status, _) = ended(&mut lab);
    assert_eq!((by, status), (Side::Remote, Some(StatusCode::REQUEST_TERMINATED)));
    assert_eq!(lab.agent.accept(lab.now, id, boxed(&Plan::default())), Err(CommandError::Unknown));
}

// rfc: 3261 §13.3.1.1 — a provisional response is repeated each minute
// rfc: 3261 §13.3.1 — the INVITE's Expires runs out: 487
#[test]
fn a_long_ring_is_repeated_and_ends_with_the_expiry() {
    let mut lab = Scripted::new();
    let mut request = lab.peer_request(Method::INVITE, 10, None);
    request.headers_mut().push(&sip_msg::Expires(150));
    lab.receive(request);
    let Some(Event::Incoming { dialog, .. }) = lab.event() else { panic!("a call comes in") };
    lab.agent.ring(lab.now, dialog, StatusCode::RINGING).unwrap();
    lab.sent_response(StatusCode::RINGING);
    lab.advance(125 * SECOND);
    lab.sent_response(StatusCode::RINGING);
    lab.sent_response(StatusCode::RINGING);
    lab.sent_nothing();
    lab.advance(30 * SECOND);
    lab.sent_response(StatusCode::REQUEST_TERMINATED);
    assert_eq!(ended(&mut lab).0, Side::Remote);
}

// rfc: 3261 §13.3.1.4 — the 2xx has Contact, Allow and Supported
#[test]
fn early_media_and_the_answer_are_the_same_description() {
    let mut lab = Scripted::new();
    let plan = Plan::default();
    let log = plan.log.clone();
    let (id, _) = lab.called();
    lab.agent.ring(lab.now, id, Ring::new(StatusCode::SESSION_PROGRESS).plan(Box::new(plan))).unwrap();
    let progress = lab.sent_response(StatusCode::SESSION_PROGRESS);
    lab.agent.accept(lab.now, id, None).unwrap();
    let accepted = lab.sent_response(StatusCode::OK);
    assert_eq!(progress.body(), accepted.body());
    assert_eq!(*log.lock().unwrap(), ["answer"]);
    for name in [HeaderName::CONTACT, HeaderName::ALLOW, HeaderName::SUPPORTED] {
        assert!(accepted.headers().contains(&name), "{name}");
    }
}

// rfc: 3261 §13.3.1.3 — an offer that is not acceptable: 488 with a Warning
#[test]
fn an_offer_that_media_refuses_is_answered_488() {
    let mut lab = Scripted::new();
    let (id, _) = lab.called();
    let plan = Plan::refusing();
    let plan: Box<dyn MediaPlan> = Box::new(plan);
    let error = lab.agent.accept(lab.now, id, plan).unwrap_err();
    assert!(matches!(error, CommandError::Refused(_)));
    let refusal = lab.sent_response(StatusCode::NOT_ACCEPTABLE_HERE);
    assert_eq!(refusal.headers().require::<Warning>().unwrap().code, 305);
    assert_eq!(ended(&mut lab).0, Side::Error);
}

// rfc: 3261 §13.2.1 — an INVITE without an offer: ours is in the 2xx, the answer in the ACK
#[test]
fn a_caller_without_an_offer_gets_ours() {
    let mut lab = Scripted::new();
    let request = lab.peer_request(Method::INVITE, 10, None);
    lab.receive(request);
    let Some(Event::Incoming { dialog, .. }) = lab.event() else { panic!("a call comes in") };
    lab.agent.accept(lab.now, dialog, boxed(&Plan::default())).unwrap();
    let accepted: Message = lab.sent_response(StatusCode::OK).into();
    let mut ack = lab.peer_request(Method::ACK, 10, Some(&accepted));
    ack.set_body(SDP, describe(1, Direction::SendOnly));
    lab.receive(ack);
    assert!(matches!(lab.event(), Some(Event::Confirmed { .. })));
    assert_eq!(lab.agent.direction(dialog), Some(Direction::RecvOnly));
    lab.sent_nothing();
}

#[test]
fn an_ack_that_owes_us_an_answer_ends_the_call() {
    let mut lab = Scripted::new();
    let request = lab.peer_request(Method::INVITE, 10, None);
    lab.receive(request);
    let Some(Event::Incoming { dialog, .. }) = lab.event() else { panic!("a call comes in") };
    lab.agent.accept(lab.now, dialog, boxed(&Plan::default())).unwrap();
    let accepted: Message = lab.sent_response(StatusCode::OK).into();
    let ack = lab.peer_request(Method::ACK, 10, Some(&accepted));
    lab.receive(ack);
    lab.event();
    assert_eq!(ended(&mut lab).0, Side::Error);
    lab.sent_request(&Method::BYE);
}

#[test]
fn a_refused_call_says_why_and_where_else() {
    let mut lab = Scripted::new();
    let (id, _) = lab.called();
    let reply = Reply::new(StatusCode::MOVED_TEMPORARILY)
        .reason("Elsewhere")
        .contact("sip:carol@192.0.2.7".parse().unwrap());
    lab.agent.reject(lab.now, id, reply).unwrap();
    let response = lab.sent_response(StatusCode::MOVED_TEMPORARILY);
    assert_eq!(response.reason(), "Elsewhere");
    assert_eq!(response.headers().raw(HeaderName::CONTACT).unwrap(), b"<sip:carol@192.0.2.7>");
    let (by, status, reason) = ended(&mut lab);
    assert_eq!((by, status, &*reason), (Side::Local, Some(StatusCode::MOVED_TEMPORARILY), "Elsewhere"));
}

/// Our re-INVITE for hold, as it was sent.
// rfc: 3261 §8.1.2 — behind a strict router requests go where the Request-URI says, not the first Route
// rfc: 3261 §12.2.1.1 — the remote target is the last Route then
#[test]
fn requests_behind_a_strict_router_go_to_it() {
    let mut lab = Scripted::new();
    let (id, sent) = lab.call(Plan::default());
    let mut response = answer(&sent, 200, "peer");
    let routes = "<sip:198.51.100.7>, <sip:192.0.2.2:5070>";
    response.headers_mut().push_raw(HeaderName::RECORD_ROUTE, routes).unwrap();
    response.set_body(SDP, crate::scripted::describe(1, sdp::Direction::SendRecv));
    lab.receive(response.clone());
    let ack = lab.sent_request(&Method::ACK);
    lab.receive(response);
    assert_eq!(lab.sent_request(&Method::ACK).to_bytes(), ack.to_bytes());
    lab.agent.info(lab.now, id, "text/plain", "x").unwrap();
    let info = lab.sent_request(&Method::INFO);
    lab.agent.set_direction(lab.now, id, sdp::Direction::Inactive).unwrap();
    let hold = lab.sent_request(&Method::INVITE);
    lab.agent.hang_up(lab.now, id).unwrap();
    let bye = lab.sent_request(&Method::BYE);
    for request in [ack, info, hold, bye] {
        assert_eq!(request.uri_text(), "sip:192.0.2.2:5070", "the lab is at 192.0.2.2, and got them all");
        let routes: Vec<_> =
            request.headers().all::<sip_msg::Route>().map(|route| route.unwrap().to_string()).collect();
        assert_eq!(routes, ["<sip:198.51.100.7>", "<sip:bob@192.0.2.2:5060>"]);
    }
}

// rfc: 3261 §12.1.1 — SIPS in the Request-URI, the top Record-Route, or the Contact behind none: our Contact is SIPS
#[test]
fn a_secure_dialog_has_a_sips_contact() {
    let contact = |name: HeaderName, value: &str| {
        let mut lab = Scripted::over(sip_txn::Transport::Tls);
        let mut invite = lab.peer_request(Method::INVITE, 1, None);
        invite.set_body(SDP, crate::scripted::describe(1, sdp::Direction::SendRecv));
        invite.headers_mut().remove(&name);
        invite.headers_mut().push_raw(name, value).unwrap();
        lab.receive(invite);
        let Some(Event::Incoming { dialog, .. }) = lab.event() else { panic!("a call comes in") };
        lab.agent.accept(lab.now, dialog, boxed(&Plan::default())).unwrap();
        let accepted = lab.sent_response(StatusCode::OK);
        accepted.headers().require::<sip_msg::Contact>().unwrap().uri().unwrap().is_sips()
    };
    assert!(contact(HeaderName::CONTACT, "<sips:bob@192.0.2.2>"));
    assert!(!contact(HeaderName::CONTACT, "<sip:bob@192.0.2.2>"));
    assert!(contact(HeaderName::RECORD_ROUTE, "<sips:192.0.2.2;lr>, <sip:192.0.2.3;lr>"));
    assert!(!contact(HeaderName::RECORD_ROUTE, "<sip:192.0.2.2;lr>, <sips:192.0.2.3;lr>"));
}

// rfc: 3261 §8.1.3.3 — a response with a second Via is for somebody else
#[test]
fn a_response_with_two_vias_is_discarded() {
    let mut lab = Scripted::new();
    let (_, sent) = lab.call(Plan::default());
    let mut response = answer(&sent, 180, "peer");
    response.headers_mut().push_raw(HeaderName::VIA, "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKx").unwrap();
    lab.receive(response);
    assert!(lab.event().is_none());
    lab.answer(&sent, 180, "peer");
    assert!(matches!(lab.event(), Some(Event::Ringing { .. })));
}

fn hold(lab: &mut Scripted, id: DialogId) -> sip_msg::Request {
    lab.agent.set_direction(lab.now, id, Direction::SendOnly).unwrap();
    let sent = lab.sent_request(&Method::INVITE);
    assert!(std::str::from_utf8(sent.body()).unwrap().contains("a=sendonly"));
    sent
}

// rfc: 3261 §14.1 — hold and resume by re-INVITE, in the dialog, with the full description
#[test]
fn a_call_is_held_and_resumed() {
    let mut lab = Scripted::new();
    let (id, sent, _) = lab.call_up(Plan::default());
    let held = hold(&mut lab, id);
    assert_eq!(number(&held), number(&sent) + 1);
    assert!(held.headers().contains(HeaderName::CONTACT));
    lab.answer_with(&held, 200, "peer", Direction::RecvOnly);
    assert_eq!(number(&lab.sent_request(&Method::ACK)), number(&held));
    let Some(Event::MediaChanged { by: Side::Local, direction: Direction::SendOnly, .. }) = lab.event()
    else {
        panic!("held")
    };
    lab.agent.set_direction(lab.now, id, Direction::SendRecv).unwrap();
    let resumed = lab.sent_request(&Method::INVITE);
    lab.answer_with(&resumed, 200, "peer", Direction::SendRecv);
    lab.sent_request(&Method::ACK);
    assert!(matches!(lab.event(), Some(Event::MediaChanged { direction: Direction::SendRecv, .. })));
}

// rfc: 3261 §14.1 — a re-INVITE that is refused leaves the call as it was
#[test]
fn a_refused_hold_leaves_the_call_as_it_was() {
    let mut lab = Scripted::new();
    let plan = Plan::default();
    let log = plan.log.clone();
    let (id, sent, _) = lab.call_up(plan);
    let held = hold(&mut lab, id);
    lab.answer(&held, 488, "peer");
    lab.sent_request(&Method::ACK);
    let Some(Event::ChangeFailed { status, .. }) = lab.event() else { panic!("refused") };
    assert_eq!(status, StatusCode::NOT_ACCEPTABLE_HERE);
    assert_eq!(log.lock().unwrap().last(), Some(&"rollback"));
    assert_eq!(lab.agent.direction(id), Some(Direction::SendRecv));
    lab.sent_nothing();
    // Asked for our offer, we do not come back to it.
    let asked = lab.peer_request(Method::INVITE, 5, Some(&sent_in_dialog(&sent)));
    lab.receive(asked);
    let offer = lab.sent_response(StatusCode::OK);
    assert!(!std::str::from_utf8(offer.body()).unwrap().contains("a=sendonly"));
}

// rfc: 3261 §12.2.1.2 — 481 or no answer to a re-INVITE: the dialog is over, with a BYE
#[test]
fn a_hold_that_the_peer_knows_nothing_of_ends_the_call() {
    for answered in [true, false] {
        let mut lab = Scripted::new();
        let (id, _, _) = lab.call_up(Plan::default());
        let held = hold(&mut lab, id);
        if answered {
            lab.answer(&held, 481, "peer");
        } else {
            lab.advance(64 * T1 + SECOND);
        }
        assert_eq!(ended(&mut lab).0, Side::Error);
        let last = std::iter::from_fn(|| lab.poll_sent()).last().unwrap();
        assert_eq!(*last.as_request().unwrap().method(), Method::BYE);
        lab.ends_idle();
    }
}

// rfc: 3261 §14.2 — a re-INVITE that meets one of ours is answered 491
// rfc: 3261 §14.1 — after a 491 the owner of the Call-ID waits 2.1 to 4 s, the other side 0 to 2 s
#[test]
fn glare_is_answered_491_and_tried_again_in_time() {
    let mut lab = Scripted::new();
    let (id, sent, _) = lab.call_up(Plan::default());
    let held = hold(&mut lab, id);
    let mut theirs = lab.peer_request(Method::INVITE, 5, Some(&sent_in_dialog(&sent)));
    theirs.set_body(SDP, describe(2, Direction::SendOnly));
    lab.receive(theirs);
    lab.sent_response(StatusCode::REQUEST_PENDING);
    lab.answer(&held, 491, "peer");
    lab.sent_request(&Method::ACK);
    lab.advance(Duration::from_millis(2090));
    lab.skip_sent_responses();
    lab.sent_nothing();
    lab.advance(Duration::from_millis(1920));
    lab.skip_sent_responses();
    let again = lab.sent_request(&Method::INVITE);
    assert_eq!(number(&again), number(&held) + 1);
    lab.skip_sent();
    lab.answer_with(&again, 200, "peer", Direction::RecvOnly);
    lab.sent_request(&Method::ACK);
    assert!(matches!(lab.event(), Some(Event::MediaChanged { by: Side::Local, .. })));
}

/// A request of ours as if it carried the peer's tag, to make requests of the peer from.
fn sent_in_dialog(sent: &sip_msg::Request) -> Message {
    let mut request = sent.clone();
    let to = request.headers().require::<To>().unwrap().with_tag("peer");
    request.headers_mut().replace(&to);
    request.into()
}

#[test]
fn a_callee_waits_at_most_two_seconds_after_glare_and_gives_up_after_four_rounds() {
    let mut lab = Scripted::new();
    let (id, _) = lab.called_up(Plan::default());
    let mut held = hold(&mut lab, id);
    for round in 0..4 {
        lab.answer(&held, 491, "");
        lab.sent_request(&Method::ACK);
        lab.advance(Duration::from_millis(2010));
        if round < 3 {
            held = lab.sent_request(&Method::INVITE);
            lab.skip_sent();
        }
    }
    lab.sent_nothing();
    assert!(matches!(lab.event(), Some(Event::ChangeFailed { .. })));
}

// rfc: 3261 §14.1 — no re-INVITE while an INVITE is in progress
#[test]
fn a_second_change_waits_for_the_first() {
    let mut lab = Scripted::new();
    let (id, _, _) = lab.call_up(Plan::default());
    let held = hold(&mut lab, id);
    lab.agent.set_direction(lab.now, id, Direction::SendRecv).unwrap();
    lab.sent_nothing();
    lab.answer_with(&held, 200, "peer", Direction::RecvOnly);
    lab.sent_request(&Method::ACK);
    let resumed = lab.sent_request(&Method::INVITE);
    assert!(std::str::from_utf8(resumed.body()).unwrap().contains("a=sendrecv"));
}

#[test]
fn hanging_up_during_a_hold_acknowledges_its_late_answer() {
    let mut lab = Scripted::new();
    let (id, _, _) = lab.call_up(Plan::default());
    let held = hold(&mut lab, id);
    lab.agent.hang_up(lab.now, id).unwrap();
    let bye = lab.sent_request(&Method::BYE);
    lab.answer_with(&held, 200, "peer", Direction::RecvOnly);
    assert_eq!(number(&lab.sent_request(&Method::ACK)), number(&held));
    lab.sent_nothing();
    lab.answer(&bye, 200, "peer");
    assert_eq!(ended(&mut lab).0, Side::Local);
    lab.ends_idle();
}

/// The peer's re-INVITE in a call that it placed.
fn reinvite(lab: &mut Scripted, cseq: u32, accepted: &Message, body: Option<Direction>) {
    let mut request = lab.peer_request(Method::INVITE, cseq, Some(accepted));
    if let Some(direction) = body {
        request.set_body(SDP, describe(2, direction));
    }
    lab.receive(request);
}

// rfc: 3261 §14.2 — the peer holds: answered at once, repeated until the ACK
#[test]
fn the_peer_holds_the_call() {
    let mut lab = Scripted::new();
    let (id, accepted) = lab.called_up(Plan::default());
    let accepted: Message = accepted.into();
    reinvite(&mut lab, 11, &accepted, Some(Direction::SendOnly));
    let ok = lab.sent_response(StatusCode::OK);
    assert!(std::str::from_utf8(ok.body()).unwrap().contains("a=recvonly"));
    assert!(matches!(
        lab.event(),
        Some(Event::MediaChanged { by: Side::Remote, direction: Direction::RecvOnly, .. })
    ));
    lab.advance(T1);
    lab.sent_response(StatusCode::OK);
    let ack = lab.peer_request(Method::ACK, 11, Some(&accepted));
    lab.receive(ack);
    assert!(lab.event().is_none(), "it was confirmed long ago");
    lab.advance(10 * SECOND);
    lab.sent_nothing();
    assert_eq!(lab.agent.direction(id), Some(Direction::RecvOnly));
}

// rfc: 3261 §14.2 — a re-INVITE without an offer is answered with one
#[test]
fn a_reinvite_without_an_offer_gets_ours() {
    let mut lab = Scripted::new();
    let (id, accepted) = lab.called_up(Plan::default());
    let accepted: Message = accepted.into();
    reinvite(&mut lab, 11, &accepted, None);
    let ok = lab.sent_response(StatusCode::OK);
    assert!(std::str::from_utf8(ok.body()).unwrap().contains("a=sendrecv"));
    reinvite(&mut lab, 12, &accepted, Some(Direction::SendRecv));
    lab.sent_response(StatusCode::REQUEST_PENDING);
    let mut ack = lab.peer_request(Method::ACK, 11, Some(&accepted));
    ack.set_body(SDP, describe(2, Direction::RecvOnly));
    lab.receive(ack);
    assert!(matches!(
        lab.event(),
        Some(Event::MediaChanged { by: Side::Remote, direction: Direction::SendOnly, .. })
    ));
    assert_eq!(lab.agent.direction(id), Some(Direction::SendOnly));
}

// rfc: 3261 §14.2 — a second INVITE before the first has its final answer: 500 with Retry-After
#[test]
fn a_second_invite_before_our_answer_gets_500() {
    let mut lab = Scripted::new();
    let (id, _) = lab.called();
    lab.agent.ring(lab.now, id, StatusCode::RINGING).unwrap();
    let ringing: Message = lab.sent_response(StatusCode::RINGING).into();
    reinvite(&mut lab, 11, &ringing, Some(Direction::SendRecv));
    let refusal = lab.sent_response(StatusCode::SERVER_INTERNAL_ERROR);
    assert!(refusal.headers().require::<RetryAfter>().unwrap().seconds <= 10);
    lab.agent.accept(lab.now, id, boxed(&Plan::default())).unwrap();
    lab.sent_response(StatusCode::OK);
}

// rfc: 5407 §3.1.4 — a re-INVITE while our 2xx waits for its ACK: the ACK is lost, the call is confirmed
#[test]
fn a_reinvite_stands_for_a_lost_ack() {
    let mut lab = Scripted::new();
    let (id, _) = lab.called();
    lab.agent.accept(lab.now, id, boxed(&Plan::default())).unwrap();
    let accepted: Message = lab.sent_response(StatusCode::OK).into();
    reinvite(&mut lab, 11, &accepted, Some(Direction::SendOnly));
    lab.sent_response(StatusCode::OK);
    assert!(matches!(lab.event(), Some(Event::Confirmed { .. })));
    assert!(matches!(lab.event(), Some(Event::MediaChanged { .. })));
    let ack = lab.peer_request(Method::ACK, 11, Some(&accepted));
    lab.receive(ack);
    lab.advance(10 * SECOND);
    lab.sent_nothing();
}

// rfc: 3261 §8.2.2.3 — an unknown option in Require: 420 with Unsupported, in a re-INVITE too
#[test]
fn an_unknown_option_is_refused_inside_and_outside_of_a_call() {
    let mut lab = Scripted::new();
    let (_, accepted) = lab.called_up(Plan::default());
    for dialog in [None, Some(&accepted.into())] {
        let mut request = lab.peer_request(Method::INVITE, 12, dialog);
        request.headers_mut().push(&sip_msg::Require(vec!["100REL".into(), "bar".into(), "foo".into()]));
        lab.receive(request);
        let refusal = lab.sent_response(StatusCode::BAD_EXTENSION);
        let options = refusal.headers().require::<Unsupported>().unwrap().0;
        assert_eq!(options, ["bar", "foo"]);
        assert!(refusal.headers().require::<To>().unwrap().tag().is_some());
        assert!(lab.event().is_none());
    }
}

// rfc: 3261 §12.2.2 — a CSeq that goes backwards: 500
#[test]
fn a_request_out_of_order_gets_500() {
    let mut lab = Scripted::new();
    let (_, accepted) = lab.called_up(Plan::default());
    for method in [Method::INFO, Method::OPTIONS, Method::BYE] {
        let request = lab.peer_request(method, 9, Some(&accepted.clone().into()));
        lab.receive(request);
        lab.sent_response(StatusCode::SERVER_INTERNAL_ERROR);
    }
    assert!(lab.event().is_none(), "the call stands");
}

// rfc: 3261 §12.2.2 — a dialog that we do not know: 481
#[test]
fn requests_in_an_unknown_dialog_get_481() {
    let mut lab = Scripted::new();
    let (_, sent, _) = lab.call_up(Plan::default());
    let mut stranger = sent_in_dialog(&sent);
    stranger.headers_mut().replace(&sip_msg::CallId("other".into()));
    for method in [Method::BYE, Method::INFO, Method::INVITE, Method::OPTIONS] {
        let request = lab.peer_request(method, 9, Some(&stranger));
        lab.receive(request);
        lab.sent_response(StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
    }
}

// rfc: 6086 §4.2.2 — an INFO in a dialog is answered 200
#[test]
fn info_goes_both_ways_in_a_call() {
    let mut lab = Scripted::new();
    let (id, accepted) = lab.called_up(Plan::default());
    let accepted: Message = accepted.into();
    let mut request = lab.peer_request(Method::INFO, 11, Some(&accepted));
    request.set_body("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n");
    lab.receive(request);
    lab.sent_response(StatusCode::OK);
    let Some(Event::InfoDigit { digit: '5', .. }) = lab.event() else { panic!("an INFO") };
    let asked = lab.agent.info(lab.now, id, "application/dtmf-relay", "Signal=1\r\n").unwrap();
    let sent = lab.sent_request(&Method::INFO);
    lab.answer(&sent, 200, "");
    let Some(Event::Response { id, result: Ok(_) }) = lab.event() else { panic!("answered") };
    assert_eq!(id, asked);
}

#[test]
fn options_in_a_call_are_answered_and_leave_it_alone() {
    let mut lab = Scripted::new();
    let (id, accepted) = lab.called_up(Plan::default());
    let request = lab.peer_request(Method::OPTIONS, 11, Some(&accepted.into()));
    lab.receive(request);
    let ok = lab.sent_response(StatusCode::OK);
    assert!(ok.headers().require::<Allow>().unwrap().contains(&Method::INVITE));
    assert!(lab.agent.direction(id).is_some());
}

#[test]
fn a_caller_that_says_bye_while_it_rings_gets_487_for_its_invite() {
    let mut lab = Scripted::new();
    let (id, _) = lab.called();
    lab.agent.ring(lab.now, id, StatusCode::RINGING).unwrap();
    let ringing: Message = lab.sent_response(StatusCode::RINGING).into();
    let bye = lab.peer_request(Method::BYE, 11, Some(&ringing));
    lab.receive(bye);
    lab.sent_response(StatusCode::OK);
    lab.sent_response(StatusCode::REQUEST_TERMINATED);
    assert_eq!(ended(&mut lab).0, Side::Remote);
}

// rfc: 3261 §14.2 — a change that is not acceptable: 488 with a Warning, and the call stands as it was
// rfc: 3311 §5.2 — the same for an UPDATE
#[test]
fn a_change_that_media_refuses_leaves_the_call_as_it_was() {
    let mut lab = Scripted::new();
    let plan = Plan::default();
    let refuses = plan.refuses.clone();
    let (id, accepted) = lab.called_up(plan);
    refuses.store(true, std::sync::atomic::Ordering::Relaxed);
    let accepted: Message = accepted.into();
    let target = lab.agent.dialog(id).unwrap().remote_target().clone();
    reinvite(&mut lab, 11, &accepted, Some(Direction::Inactive));
    assert_eq!(
        lab.sent_response(StatusCode::NOT_ACCEPTABLE_HERE).headers().require::<Warning>().unwrap().code,
        305
    );
    update(&mut lab, 12, &accepted, Some(Direction::Inactive));
    lab.sent_response(StatusCode::NOT_ACCEPTABLE_HERE);
    assert_eq!(lab.agent.direction(id), Some(Direction::SendRecv));
    assert_eq!(*lab.agent.dialog(id).unwrap().remote_target(), target);
    assert!(lab.event().is_none());
}

/// The peer's UPDATE.
fn update(lab: &mut Scripted, cseq: u32, dialog: &Message, body: Option<Direction>) {
    let mut request = lab.peer_request(Method::UPDATE, cseq, Some(dialog));
    if let Some(direction) = body {
        request.set_body(SDP, describe(2, direction));
    }
    request
        .headers_mut()
        .replace(&sip_msg::Contact::new("sip:moved@192.0.2.2:5080".parse::<sip_msg::Uri>().unwrap()));
    lab.receive(request);
}

// rfc: 3311 §5.2 — an UPDATE with an offer is answered in its 2xx, and refreshes the target
#[test]
fn an_update_changes_media_and_target() {
    let mut lab = Scripted::new();
    let (id, accepted) = lab.called_up(Plan::default());
    let accepted: Message = accepted.into();
    update(&mut lab, 11, &accepted, Some(Direction::SendOnly));
    let ok = lab.sent_response(StatusCode::OK);
    assert!(std::str::from_utf8(ok.body()).unwrap().contains("a=recvonly"));
    assert!(ok.headers().contains(HeaderName::CONTACT));
    assert!(matches!(
        lab.event(),
        Some(Event::MediaChanged { by: Side::Remote, direction: Direction::RecvOnly, .. })
    ));
    assert_eq!(lab.agent.dialog(id).unwrap().remote_target().to_string(), "sip:moved@192.0.2.2:5080");
    lab.advance(10 * SECOND);
    lab.sent_nothing();
    update(&mut lab, 12, &accepted, None);
    assert!(lab.sent_response(StatusCode::OK).body().is_empty());
    assert!(matches!(lab.event(), Some(Event::SessionRefreshed { by: Side::Remote, .. })));
}

// rfc: 3311 §5.2 — 491 while our offer has no answer, 500 with Retry-After while theirs has none
#[test]
fn an_update_at_the_wrong_moment_is_refused() {
    let mut lab = Scripted::new();
    let (id, _) = lab.called();
    lab.agent.ring(lab.now, id, StatusCode::RINGING).unwrap();
    let ringing: Message = lab.sent_response(StatusCode::RINGING).into();
    update(&mut lab, 11, &ringing, Some(Direction::SendRecv));
    let refusal = lab.sent_response(StatusCode::SERVER_INTERNAL_ERROR);
    assert!(refusal.headers().require::<RetryAfter>().unwrap().seconds <= 10);
    update(&mut lab, 12, &ringing, None);
    lab.sent_response(StatusCode::OK);

    let mut lab = Scripted::new();
    let (id, accepted) = lab.called_up(Plan::default());
    hold(&mut lab, id);
    update(&mut lab, 11, &accepted.into(), Some(Direction::SendRecv));
    lab.sent_response(StatusCode::REQUEST_PENDING);

    let mut lab = Scripted::new();
    let (_, sent) = lab.call(Plan::default());
    lab.answer(&sent, 180, "peer");
    lab.event();
    update(&mut lab, 1, &sent_in_dialog(&sent), Some(Direction::SendRecv));
    lab.sent_response(StatusCode::REQUEST_PENDING);
    update(&mut lab, 2, &sent_in_dialog(&sent), None);
    lab.sent_response(StatusCode::OK);
    assert!(lab.event().is_none());
}

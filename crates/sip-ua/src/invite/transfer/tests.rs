use std::time::Duration;

use sip_msg::{HeaderName, Message, Uri};

use super::*;
use crate::event::{DialogId, Side};
use crate::scripted::{Plan, Scripted, T1, answer, describe};

const TARGET: &str = "sip:carol@192.0.2.3";

fn target() -> Uri {
    TARGET.parse().unwrap()
}

/// A call of ours that stands; what the peer's requests are made from.
fn up() -> (Scripted, DialogId, Message) {
    let mut lab = Scripted::new();
    let (id, _, ack) = lab.call_up(Plan::default());
    (lab, id, ack.into())
}

/// The peer reports.
fn notify(lab: &mut Scripted, dialog: &Message, number: u32, state: &str, status: &str) -> Request {
    let mut notify = lab.peer_request(Method::NOTIFY, number, Some(dialog));
    notify.headers_mut().push_raw(HeaderName::EVENT, "refer").unwrap();
    notify.headers_mut().push_raw(HeaderName::SUBSCRIPTION_STATE, state).unwrap();
    if !status.is_empty() {
        notify.set_body("message/sipfrag;version=2.0", format!("SIP/2.0 {status}\r\n"));
    }
    lab.receive(notify.clone());
    notify
}

#[track_caller]
fn progress(lab: &mut Scripted, code: u16) {
    match lab.event() {
        Some(Event::TransferProgress { status, .. }) => assert_eq!(status.code(), code),
        other => panic!("{other:?} is progress"),
    }
}

#[track_caller]
fn settled(lab: &mut Scripted) -> Result<StatusCode, TransferError> {
    match lab.event() {
        Some(Event::Transferred { result, .. }) => result,
        other => panic!("{other:?} settles the transfer"),
    }
}

fn failed(status: StatusCode, reason: &str) -> Result<StatusCode, TransferError> {
    Err(TransferError::Failed { status, reason: reason.into() })
}

// rfc: 3515 §2.4.1 — a REFER in the dialog: one Refer-To, the next CSeq, our Contact
// rfc: 3892 §2.1 — the referrer says who it is in Referred-By
// rfc: 3515 §2.4.5 — each NOTIFY reports a status line; 100 and 180 are progress, 200 is the end
// rfc: 5589 §6.1 — after the last NOTIFY the transferor sends BYE
#[test]
fn a_blind_transfer_ends_our_leg_when_the_target_answered() {
    let (mut lab, id, ack) = up();
    lab.agent.transfer(lab.now, id, Transfer::blind(target())).unwrap();
    let refer = lab.sent_request(&Method::REFER);
    assert_eq!(refer.headers().require::<ReferTo>().unwrap().to_string(), format!("<{TARGET}>"));
    let by = refer.headers().require::<ReferredBy>().unwrap();
    assert_eq!(by.uri().to_string(), "sip:alice@example.com");
    assert!(refer.headers().contains(HeaderName::CONTACT));
    assert!(!refer.headers().contains(HeaderName::REFER_SUB));
    lab.answer(&refer, 202, "peer");
    assert!(lab.event().is_none(), "202 is not success");
    notify(&mut lab, &ack, 1, "active;expires=60", "100 Trying");
    lab.sent_response(StatusCode::OK);
    progress(&mut lab, 100);
    notify(&mut lab, &ack, 2, "active;expires=60", "180 Ringing");
    lab.sent_response(StatusCode::OK);
    progress(&mut lab, 180);
    notify(&mut lab, &ack, 3, "terminated;reason=noresource", "200 OK");
    lab.sent_response(StatusCode::OK);
    assert_eq!(settled(&mut lab), Ok(StatusCode::OK));
    let bye = lab.sent_request(&Method::BYE);
    lab.answer(&bye, 200, "peer");
    assert!(matches!(lab.event(), Some(Event::Ended { by: Side::Local, .. })));
    lab.ends_idle();
}

// rfc: 5589 §6.3 — a transfer that fails leaves the call as it was
#[test]
fn a_failed_transfer_leaves_the_call_standing() {
    let (mut lab, id, ack) = up();
    lab.agent.transfer(lab.now, id, Transfer::blind(target())).unwrap();
    let refer = lab.sent_request(&Method::REFER);
    lab.answer(&refer, 202, "peer");
    notify(&mut lab, &ack, 1, "terminated;reason=noresource", "486 Busy Here");
    lab.sent_response(StatusCode::OK);
    assert_eq!(settled(&mut lab), failed(StatusCode::BUSY_HERE, "Busy Here"));
    lab.sent_nothing();
    // And it may be tried again; the NOTIFY of the second needs its id.
    lab.agent.transfer(lab.now, id, Transfer::blind(target())).unwrap();
    let refer = lab.sent_request(&Method::REFER);
    lab.answer(&refer, 603, "peer");
    let reason = "Decline".into();
    assert_eq!(settled(&mut lab), Err(TransferError::Refused { status: StatusCode::DECLINE, reason }));
    lab.agent.hang_up(lab.now, id).unwrap();
    lab.sent_request(&Method::BYE);
}

// rfc: 3515 §2.4.4 — a NOTIFY may come before the REFER is answered
#[test]
fn a_report_may_overtake_the_answer() {
    let (mut lab, id, ack) = up();
    lab.agent.transfer(lab.now, id, Transfer::blind(target()).keep_call()).unwrap();
    let refer = lab.sent_request(&Method::REFER);
    notify(&mut lab, &ack, 1, "active;expires=60", "100 Trying");
    lab.sent_response(StatusCode::OK);
    progress(&mut lab, 100);
    notify(&mut lab, &ack, 2, "terminated;reason=noresource", "200 OK");
    lab.sent_response(StatusCode::OK);
    assert_eq!(settled(&mut lab), Ok(StatusCode::OK));
    lab.answer(&refer, 202, "peer");
    assert!(lab.event().is_none());
    lab.sent_nothing();
    lab.agent.hang_up(lab.now, id).unwrap();
    lab.sent_request(&Method::BYE);
}

// rfc: 6665 §4.1.3 — a NOTIFY that matches no subscription: 481, an unknown package 489
// rfc: 3515 §2.4.6 — the id of the Event header tells one REFER's NOTIFYs from another's
#[test]
fn reports_that_belong_to_no_transfer_are_refused() {
    let (mut lab, id, ack) = up();
    notify(&mut lab, &ack, 1, "active", "100 Trying");
    lab.sent_response(StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
    lab.agent.transfer(lab.now, id, Transfer::blind(target())).unwrap();
    let refer = lab.sent_request(&Method::REFER);
    lab.answer(&refer, 202, "peer");
    let mut other = lab.peer_request(Method::NOTIFY, 2, Some(&ack));
    other.headers_mut().push_raw(HeaderName::EVENT, "refer;id=99999").unwrap();
    other.headers_mut().push_raw(HeaderName::SUBSCRIPTION_STATE, "active").unwrap();
    lab.receive(other);
    lab.sent_response(StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
    let mut unknown = lab.peer_request(Method::NOTIFY, 3, Some(&ack));
    unknown.headers_mut().push_raw(HeaderName::EVENT, "weather").unwrap();
    lab.receive(unknown);
    let refusal = lab.sent_response(StatusCode::BAD_EVENT);
    assert_eq!(refusal.headers().raw(HeaderName::ALLOW_EVENTS), Some(&b"refer"[..]));
    // One that is older than what came, one without a state, one with another body.
    notify(&mut lab, &ack, 2, "active", "200 OK");
    lab.sent_response(StatusCode::SERVER_INTERNAL_ERROR);
    let mut stateless = lab.peer_request(Method::NOTIFY, 4, Some(&ack));
    stateless.headers_mut().push_raw(HeaderName::EVENT, "refer").unwrap();
    lab.receive(stateless);
    lab.sent_response(StatusCode::BAD_REQUEST);
    let mut text = lab.peer_request(Method::NOTIFY, 5, Some(&ack));
    text.headers_mut().push_raw(HeaderName::EVENT, "refer").unwrap();
    text.headers_mut().push_raw(HeaderName::SUBSCRIPTION_STATE, "active").unwrap();
    text.set_body("text/plain", "hello");
    lab.receive(text);
    let refusal = lab.sent_response(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(refusal.headers().require::<sip_msg::Accept>().unwrap().accepts("message/sipfrag"));
    assert!(lab.event().is_none());
}

// rfc: 6665 §4.1.2.4 — Timer N: without a NOTIFY in 64·T1 the subscription has failed
#[test]
fn a_peer_that_never_reports_is_waited_for_no_longer_than_timer_n() {
    let (mut lab, id, _) = up();
    lab.agent.transfer(lab.now, id, Transfer::blind(target())).unwrap();
    let refer = lab.sent_request(&Method::REFER);
    lab.answer(&refer, 202, "peer");
    lab.advance(64 * T1 - Duration::from_millis(1));
    assert!(lab.event().is_none());
    lab.advance(Duration::from_millis(1));
    assert_eq!(settled(&mut lab), Err(TransferError::NotReported));
    lab.sent_nothing();
}

// rfc: 6665 §4.1.3 — expires of the NOTIFY says how long the subscription stands
#[test]
fn a_subscription_that_runs_out_leaves_the_outcome_unknown() {
    let (mut lab, id, ack) = up();
    lab.agent.transfer(lab.now, id, Transfer::blind(target())).unwrap();
    let refer = lab.sent_request(&Method::REFER);
    lab.answer(&refer, 202, "peer");
    notify(&mut lab, &ack, 1, "active;expires=60", "100 Trying");
    progress(&mut lab, 100);
    lab.advance(Duration::from_secs(59));
    assert!(lab.event().is_none());
    lab.advance(Duration::from_secs(1));
    assert_eq!(settled(&mut lab), Err(TransferError::NotReported));
    let terminated = Transfer::blind(target());
    lab.skip_sent();
    lab.agent.transfer(lab.now, id, terminated).unwrap();
    let refer = lab.sent_request(&Method::REFER);
    lab.answer(&refer, 202, "peer");
    notify(&mut lab, &ack, 2, "terminated;reason=giveup", "");
    assert_eq!(settled(&mut lab), Err(TransferError::NotReported));
}

// rfc: 5057 §4.1 — the subscription outlives the BYE of the call
#[test]
fn the_outcome_is_told_though_the_peer_hung_up_first() {
    let (mut lab, id, ack) = up();
    lab.agent.transfer(lab.now, id, Transfer::blind(target())).unwrap();
    let refer = lab.sent_request(&Method::REFER);
    lab.answer(&refer, 202, "peer");
    let bye = lab.peer_request(Method::BYE, 1, Some(&ack));
    lab.receive(bye);
    lab.sent_response(StatusCode::OK);
    assert!(matches!(lab.event(), Some(Event::Ended { by: Side::Remote, .. })));
    notify(&mut lab, &ack, 2, "terminated;reason=noresource", "200 OK");
    lab.sent_response(StatusCode::OK);
    assert_eq!(settled(&mut lab), Ok(StatusCode::OK));
    lab.sent_nothing();
    lab.ends_idle();
    assert_eq!(lab.agent.hang_up(lab.now, id), Err(CommandError::Unknown));
}

#[test]
fn success_is_assumed_only_if_told_so() {
    let (mut lab, id, ack) = up();
    lab.agent.transfer(lab.now, id, Transfer::blind(target())).unwrap();
    let refer = lab.sent_request(&Method::REFER);
    let bye = lab.peer_request(Method::BYE, 1, Some(&ack));
    lab.receive(bye);
    lab.sent_response(StatusCode::OK);
    assert!(matches!(lab.event(), Some(Event::Ended { by: Side::Remote, .. })));
    lab.answer(&refer, 202, "peer");
    lab.advance(64 * T1);
    assert_eq!(settled(&mut lab), Err(TransferError::NotReported));
    lab.ends_idle();
}

// rfc: 5057 §4.1 — our own BYE does not end the subscription either
#[test]
fn reports_are_taken_after_our_own_bye() {
    let (mut lab, id, ack) = up();
    lab.agent.transfer(lab.now, id, Transfer::blind(target())).unwrap();
    let refer = lab.sent_request(&Method::REFER);
    lab.answer(&refer, 202, "peer");
    lab.agent.hang_up(lab.now, id).unwrap();
    let bye = lab.sent_request(&Method::BYE);
    notify(&mut lab, &ack, 1, "terminated;reason=noresource", "503 Service Unavailable");
    lab.sent_response(StatusCode::OK);
    assert_eq!(settled(&mut lab), failed(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"));
    lab.answer(&bye, 200, "peer");
    assert!(matches!(lab.event(), Some(Event::Ended { by: Side::Local, .. })));
    lab.ends_idle();
}

// rfc: 5589 §6.1 — the transferor may hold the call first; the REFER follows when that has settled
#[test]
fn a_transfer_waits_for_the_hold_and_takes_it_back_when_it_fails() {
    let (mut lab, id, ack) = up();
    lab.agent.transfer(lab.now, id, Transfer::blind(target()).hold()).unwrap();
    let hold = lab.sent_request(&Method::INVITE);
    lab.sent_nothing();
    lab.answer_with(&hold, 200, "peer", Direction::RecvOnly);
    lab.sent_request(&Method::ACK);
    let refer = lab.sent_request(&Method::REFER);
    assert!(matches!(lab.event(), Some(Event::MediaChanged { .. })));
    lab.answer(&refer, 202, "peer");
    notify(&mut lab, &ack, 1, "terminated;reason=noresource", "404 Not Found");
    lab.sent_response(StatusCode::OK);
    assert_eq!(settled(&mut lab), failed(StatusCode::NOT_FOUND, "Not Found"));
    let resume = lab.sent_request(&Method::INVITE);
    assert!(String::from_utf8_lossy(resume.body()).contains("sendrecv"));
}

#[test]
fn a_transfer_waits_for_the_peers_offer_to_settle() {
    let (mut lab, id, ack) = up();
    let mut offer = lab.peer_request(Method::INVITE, 1, Some(&ack));
    offer.set_body("application/sdp", describe(2, Direction::SendOnly));
    lab.receive(offer);
    lab.sent_response(StatusCode::OK);
    lab.agent.transfer(lab.now, id, Transfer::blind(target())).unwrap();
    lab.sent_nothing();
    let ack = lab.peer_request(Method::ACK, 1, Some(&ack));
    lab.receive(ack);
    lab.sent_request(&Method::REFER);
}

#[test]
fn a_call_that_ends_before_the_peer_was_asked_is_no_transfer() {
    let (mut lab, id, ack) = up();
    lab.agent.transfer(lab.now, id, Transfer::blind(target()).hold()).unwrap();
    lab.sent_request(&Method::INVITE);
    let bye = lab.peer_request(Method::BYE, 1, Some(&ack));
    lab.receive(bye);
    lab.sent_response(StatusCode::OK);
    assert_eq!(settled(&mut lab), Err(TransferError::CallEnded));
    assert!(matches!(lab.event(), Some(Event::Ended { .. })));
}

// rfc: 4488 §4 — Refer-Sub: false counts only if the answer says so too
#[test]
fn no_reports_must_be_agreed_on() {
    for granted in [true, false] {
        let (mut lab, id, ack) = up();
        lab.agent.transfer(lab.now, id, Transfer::blind(target()).without_reports()).unwrap();
        let refer = lab.sent_request(&Method::REFER);
        assert_eq!(refer.headers().raw(HeaderName::REFER_SUB), Some(&b"false"[..]));
        let mut response = answer(&refer, 200, "peer");
        if granted {
            response.headers_mut().push(&refer::no_reports());
        }
        lab.receive(response);
        if granted {
            assert_eq!(settled(&mut lab), Ok(StatusCode::OK));
        } else {
            assert!(lab.event().is_none());
            notify(&mut lab, &ack, 1, "terminated;reason=noresource", "486 Busy Here");
            lab.sent_response(StatusCode::OK);
            assert_eq!(settled(&mut lab), failed(StatusCode::BUSY_HERE, "Busy Here"));
        }
    }
}

// rfc: 3891 §3 — in Replaces the to-tag is the tag of the side that receives the INVITE
// rfc: 5589 §7.3 — attended transfer: Refer-To has the target's Contact with Replaces, escaped, and Require
#[test]
fn an_attended_transfer_names_the_other_call_as_its_peer_sees_it() {
    let (mut lab, id, _) = up();
    let (other, sent) = lab.call(Plan::default());
    assert!(matches!(
        lab.agent.transfer(lab.now, id, Transfer::attended(other)),
        Err(CommandError::WrongState { .. })
    ));
    lab.answer_with(&sent, 200, "target", Direction::SendRecv);
    lab.sent_request(&Method::ACK);
    assert!(matches!(lab.event(), Some(Event::Answered { .. })));
    lab.agent.transfer(lab.now, id, Transfer::attended(other)).unwrap();
    let refer = lab.sent_request(&Method::REFER);
    let refer_to = refer.headers().require::<ReferTo>().unwrap();
    let call_id = sent.headers().require::<CallId>().unwrap().0;
    let ours = sent.headers().require::<From>().unwrap();
    let text = refer_to.uri().to_string();
    let expected = format!(
        "sip:bob@192.0.2.2:5060?Replaces={call_id}%3Bto-tag%3Dtarget%3Bfrom-tag%3D{}&Require=replaces",
        ours.tag().unwrap()
    );
    assert_eq!(text, expected);
    let (this, unknown) = (Transfer::attended(id), Transfer::attended(DialogId(99)));
    assert!(matches!(lab.agent.transfer(lab.now, id, this), Err(CommandError::Misuse(_))));
    assert_eq!(lab.agent.transfer(lab.now, id, unknown), Err(CommandError::Unknown));
    assert!(matches!(
        lab.agent.transfer(lab.now, id, Transfer::blind(target())),
        Err(CommandError::WrongState { state: "being transferred", .. })
    ));
}

// rfc: 4538 §3 — a REFER in a dialog of its own names the call's by its peer's view, and requires tdialog
#[test]
fn a_refer_of_its_own_names_the_call() {
    let (mut lab, id, _) = up();
    lab.agent.transfer(lab.now, id, Transfer::blind(target()).own_dialog()).unwrap();
    let refer = lab.sent_request(&Method::REFER);
    let dialog = lab.agent.dialog(id).unwrap().clone();
    let named = refer.headers().require::<TargetDialog>().unwrap();
    assert_eq!(named.call_id.0, *dialog.call_id());
    assert_eq!((named.local_tag(), named.remote_tag()), (Some("peer"), Some(dialog.local_tag())));
    assert_eq!(refer.headers().raw(HeaderName::REQUIRE), Some(&b"tdialog"[..]));
    assert!(refer.headers().require::<To>().unwrap().tag().is_none());
    assert_ne!(refer.headers().require::<CallId>().unwrap().0, *dialog.call_id());
    // The reports come in its dialog; of a fork the first counts.
    let response = answer(&refer, 202, "r1");
    lab.receive(response.clone());
    let own = Message::from(response);
    let other = Message::from(answer(&refer, 202, "r2"));
    notify_from_fork(&mut lab, &own, 1, "active", "100 Trying");
    lab.sent_response(StatusCode::OK);
    progress(&mut lab, 100);
    notify_from_fork(&mut lab, &other, 1, "terminated", "486 Busy Here");
    lab.sent_response(StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
    notify_from_fork(&mut lab, &own, 2, "terminated;reason=noresource", "200 OK");
    lab.sent_response(StatusCode::OK);
    assert_eq!(settled(&mut lab), Ok(StatusCode::OK));
    lab.sent_request(&Method::BYE);
}

/// The peer reports in the dialog that its answer to our REFER made.
fn notify_from_fork(lab: &mut Scripted, answer: &Message, number: u32, state: &str, status: &str) {
    let mut notify = lab.peer_request(Method::NOTIFY, number, None);
    let (from, to) = (answer.headers().require::<To>().unwrap(), answer.headers().require::<From>().unwrap());
    let headers = notify.headers_mut();
    headers.replace(&From { name_addr: from.name_addr, params: from.params });
    headers.replace(&To { name_addr: to.name_addr, params: to.params });
    headers.replace(&answer.headers().require::<CallId>().unwrap());
    headers.push_raw(HeaderName::EVENT, "refer").unwrap();
    headers.push_raw(HeaderName::SUBSCRIPTION_STATE, state).unwrap();
    notify.set_body("message/sipfrag", format!("SIP/2.0 {status}\r\n"));
    lab.receive(notify);
}

// rfc: 7647 §4 — a peer that does not know Target-Dialog is asked in the call's dialog
#[test]
fn a_peer_that_refuses_a_dialog_of_its_own_is_asked_in_the_call() {
    for status in [420, 403, 501] {
        let (mut lab, id, _) = up();
        lab.agent.transfer(lab.now, id, Transfer::blind(target()).own_dialog().without_reports()).unwrap();
        let outside = lab.sent_request(&Method::REFER);
        lab.answer(&outside, status, "r1");
        let inside = lab.sent_request(&Method::REFER);
        assert_eq!(inside.headers().require::<To>().unwrap().tag(), Some("peer"));
        assert!(!inside.headers().contains(HeaderName::TARGET_DIALOG));
        assert_eq!(inside.headers().raw(HeaderName::REFER_SUB), Some(&b"false"[..]));
        lab.answer(&inside, 403, "peer");
        assert!(matches!(settled(&mut lab), Err(TransferError::Refused { .. })));
        lab.agent.hang_up(lab.now, id).unwrap();
        let bye = lab.sent_request(&Method::BYE);
        lab.answer(&bye, 200, "peer");
        lab.event();
        lab.ends_idle();
    }
}

#[test]
fn a_refer_without_an_answer_is_a_failed_transfer() {
    let (mut lab, id, _) = up();
    lab.agent.transfer(lab.now, id, Transfer::blind(target())).unwrap();
    lab.sent_request(&Method::REFER);
    lab.advance(64 * T1);
    assert!(matches!(settled(&mut lab), Err(TransferError::NoAnswer(_))));
}

#[test]
fn only_a_call_that_stands_can_be_transferred() {
    let mut lab = Scripted::new();
    let (id, _) = lab.call(Plan::default());
    let refused = lab.agent.transfer(lab.now, id, Transfer::blind(target()));
    assert!(matches!(refused, Err(CommandError::WrongState { command: "transfer", state: "calling" })));
    let (mut lab, id, _) = up();
    let forged = Transfer::blind(target()).header(HeaderName::SUBJECT, "x\r\nX-Forged: yes");
    assert!(matches!(lab.agent.transfer(lab.now, id, forged), Err(CommandError::Header(_))));
    lab.sent_nothing();
}

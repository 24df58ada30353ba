use std::time::Duration;

use sip_msg::{CSeq, Contact, Message, Method, StatusCode};

use super::*;
use crate::event::{Event, Side};
use crate::scripted::{Plan, SDP, Scripted, T1, describe, number};

/// The bytes of a call that we placed, and its dialog's messages as the peer knows them.
fn taken() -> (Bytes, Message) {
    let mut lab = Scripted::new();
    let (id, sent, ack) = lab.call_up(Plan::default());
    assert_eq!(number(&sent), number(&ack));
    (lab.agent.snapshot(id).unwrap(), ack.into())
}

fn resume(lab: &mut Scripted, bytes: &[u8]) -> Result<DialogId, ResumeError> {
    lab.agent.resume(lab.now, bytes, Box::new(Plan::default()))
}

// rfc: 3261 §12.2.1.1 — a resumed call's requests have the dialog's ids, a higher CSeq, its target and its routes
#[test]
fn a_call_goes_on_in_another_agent() {
    let (bytes, ack) = taken();
    let mut lab = Scripted::new();
    let id = resume(&mut lab, &bytes).unwrap();
    assert_eq!(lab.agent.call_id(id).unwrap().as_bytes(), ack.headers().raw(HeaderName::CALL_ID).unwrap());
    let mut invite = lab.peer_request(Method::INVITE, 20, Some(&ack));
    invite.set_body(SDP, describe(2, Direction::SendOnly));
    lab.receive(invite);
    let accepted = lab.sent_response(StatusCode::OK);
    lab.receive(lab_ack(&mut Scripted::new(), &accepted.into()));
    assert!(matches!(lab.event(), Some(Event::MediaChanged { by: Side::Remote, .. })));
    lab.agent.set_direction(lab.now, id, Direction::Inactive).unwrap();
    let hold = lab.sent_request(&Method::INVITE);
    let sent = ack.headers().require::<CSeq>().unwrap().number;
    assert!(number(&hold) > sent + 100 && hold.uri_text() == "sip:bob@192.0.2.2:5060");
    for name in [HeaderName::FROM, HeaderName::TO] {
        assert_eq!(hold.headers().raw(&name), ack.headers().raw(&name), "{name}");
    }
    lab.answer_with(&hold, 200, "", Direction::Inactive);
    lab.sent_request(&Method::ACK);
    lab.event();
    let bye = lab.peer_request(Method::BYE, 30, Some(&ack));
    lab.receive(bye);
    lab.sent_response(StatusCode::OK);
    assert!(matches!(lab.event(), Some(Event::Ended { by: Side::Remote, .. })));
    lab.ends_idle();
}

fn lab_ack(lab: &mut Scripted, accepted: &Message) -> sip_msg::Request {
    // From the peer that re-INVITEd: the response's From is its own.
    let mut ack = lab.peer_request(Method::ACK, 20, Some(accepted));
    ack.headers_mut().replace(&CSeq::new(20, Method::ACK));
    ack
}

#[test]
fn a_callee_resumes_too_and_knows_what_is_out_of_order() {
    let mut lab = Scripted::new();
    let (id, accepted) = lab.called_up(Plan::default());
    let bytes = lab.agent.snapshot(id).unwrap();
    let mut other = Scripted::new();
    let id = resume(&mut other, &bytes).unwrap();
    let late = other.peer_request(Method::INFO, 5, Some(&accepted.into()));
    other.receive(late);
    other.sent_response(StatusCode::SERVER_INTERNAL_ERROR);
    other.agent.hang_up(other.now, id).unwrap();
    let bye = other.sent_request(&Method::BYE);
    assert!(number(&bye) > 0);
    other.answer(&bye, 200, "");
    assert!(matches!(other.event(), Some(Event::Ended { by: Side::Local, .. })));
    other.ends_idle();
}

// rfc: 3261 §12.2.1.1 — a target refresh tells the peer our new Contact
#[test]
fn a_process_elsewhere_announces_its_own_contact() {
    let (bytes, _) = taken();
    let mut lab = Scripted::new().configured(|config| {
        let address = "192.0.2.1:5099".parse().unwrap();
        crate::Config {
            transactions: sip_txn::Config::new([7; 32]).listen(sip_txn::Transport::Udp, address),
            ..config
        }
    });
    let id = resume(&mut lab, &bytes).unwrap();
    lab.agent.reoffer(lab.now, id).unwrap();
    let invite = lab.sent_request(&Method::INVITE);
    let contact = invite.headers().require::<Contact>().unwrap();
    assert_eq!(contact.uri().unwrap().to_string(), "sip:alice@192.0.2.1:5099");
}

// rfc: 4028 §7.2 — a session that we refresh is refreshed by whoever resumes it
#[test]
fn a_resumed_session_is_refreshed_at_once() {
    let mut lab = Scripted::new();
    let (id, sent) = lab.call(Plan::default());
    let mut ok = crate::scripted::answer(&sent, 200, "peer");
    ok.headers_mut().push_raw(HeaderName::SESSION_EXPIRES, "1800;refresher=uac").unwrap();
    ok.headers_mut().push_raw(HeaderName::ALLOW, "INVITE, ACK, BYE, UPDATE").unwrap();
    ok.set_body(SDP, describe(1, Direction::SendRecv));
    lab.receive(ok);
    lab.sent_request(&Method::ACK);
    lab.event();
    let bytes = lab.agent.snapshot(id).unwrap();
    let mut lab = Scripted::new();
    resume(&mut lab, &bytes).unwrap();
    lab.advance(Duration::from_millis(10));
    let refresh = lab.sent_request(&Method::UPDATE);
    assert!(refresh.headers().raw(HeaderName::SESSION_EXPIRES).unwrap().starts_with(b"1800"));
}

#[test]
fn only_a_call_at_rest_is_written_down() {
    let mut lab = Scripted::new();
    let (id, sent) = lab.call(Plan::default());
    assert!(matches!(lab.agent.snapshot(id), Err(CommandError::WrongState { .. })));
    lab.answer_with(&sent, 200, "peer", Direction::SendRecv);
    lab.agent.snapshot(id).unwrap();
    lab.agent.set_direction(lab.now, id, Direction::Inactive).unwrap();
    assert!(matches!(lab.agent.snapshot(id), Err(CommandError::WrongState { state: "changing", .. })));
    lab.agent.hang_up(lab.now, id).unwrap();
    assert!(lab.agent.snapshot(id).is_err());
    lab.advance(T1);
}

#[test]
fn what_media_wrote_comes_back_to_it() {
    #[derive(Debug)]
    struct Keeps(Vec<u8>);
    impl MediaPlan for Keeps {
        fn offer(&mut self, direction: Direction) -> sdp::SessionDescription {
            Plan::default().offer(direction)
        }
        fn answer(&mut self, offer: &sdp::SessionDescription) -> Result<sdp::SessionDescription, Refusal> {
            Plan::default().answer(offer)
        }
        fn accept(&mut self, _: &sdp::SessionDescription) -> Result<(), Refusal> {
            Ok(())
        }
        fn rollback(&mut self) {}
        fn fork(&self) -> Box<dyn MediaPlan> {
            Box::new(Self(self.0.clone()))
        }
        fn direction(&self) -> Option<Direction> {
            None
        }
        fn snapshot(&self) -> Option<Bytes> {
            Some(self.0.clone().into())
        }
        fn resume(&mut self, snapshot: &[u8]) -> Result<(), Refusal> {
            if snapshot == self.0 { Ok(()) } else { Err(Refusal::new("of another call")) }
        }
    }
    let mut lab = Scripted::new();
    let id = lab.agent.invite(lab.now, crate::scripted::invite(), Box::new(Keeps(vec![1, 2, 3]))).unwrap();
    let sent = lab.sent_request(&Method::INVITE);
    lab.answer_with(&sent, 200, "peer", Direction::SendRecv);
    let bytes = lab.agent.snapshot(id).unwrap();
    let mut other = Scripted::new();
    let wrong = other.agent.resume(other.now, &bytes, Box::new(Keeps(vec![])));
    assert_eq!(wrong, Err(ResumeError::Media(Refusal::new("of another call"))));
    assert!(other.agent.is_idle());
    let id = other.agent.resume(other.now, &bytes, Box::new(Keeps(vec![1, 2, 3]))).unwrap();
    assert_eq!(
        other.agent.resume(other.now, &bytes, Box::new(Keeps(vec![1, 2, 3]))),
        Err(ResumeError::Known)
    );
    assert!(other.agent.dialog(id).is_some());
}

#[test]
fn a_newer_version_is_refused_and_unknown_records_are_passed_over() {
    let (bytes, _) = taken();
    let mut lab = Scripted::new();
    let mut newer = bytes.to_vec();
    newer[MAGIC.len()] = 2;
    assert_eq!(resume(&mut lab, &newer), Err(ResumeError::Version(2)));
    let mut longer = bytes.to_vec();
    longer.extend_from_slice(&[200, 0, 0, 0, 3, 1, 2, 3]);
    resume(&mut lab, &longer).unwrap();
}

#[test]
fn bytes_that_are_cut_or_changed_are_no_call() {
    let (bytes, _) = taken();
    let mut lab = Scripted::new();
    for length in 0..bytes.len() {
        assert!(resume(&mut lab, &bytes[..length]).is_err(), "{length}");
    }
    assert_eq!(resume(&mut lab, b"something else"), Err(ResumeError::NotASnapshot));
    assert_eq!(resume(&mut lab, &vec![0; MAX_BYTES + 1]), Err(ResumeError::Length));
    let without = |tag: Tag| {
        let mut out = Writer([MAGIC.as_slice(), &[VERSION]].concat());
        for (found, value) in Records::read(&bytes).unwrap().0 {
            if found != tag as u8 {
                out.0.push(found);
                out.0.extend_from_slice(&u32::try_from(value.len()).unwrap().to_be_bytes());
                out.0.extend_from_slice(value);
            }
        }
        out.0
    };
    for (tag, part) in [
        (Tag::Role, "role"),
        (Tag::CallId, "Call-ID"),
        (Tag::Local, "local address"),
        (Tag::Remote, "remote address"),
        (Tag::LocalCseq, "local CSeq"),
        (Tag::RemoteTarget, "remote target"),
        (Tag::Contact, "contact"),
        (Tag::Direction, "direction"),
    ] {
        assert_eq!(resume(&mut lab, &without(tag)), Err(ResumeError::Part(part)));
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1 << bit;
            // Either no call, or another one; both are fine, as long as it can be hung up.
            let mut lab = Scripted::new();
            if let Ok(id) = resume(&mut lab, &changed) {
                let _ = lab.agent.hang_up(lab.now, id);
            }
        }
    }
    assert!(lab.agent.is_idle());
}

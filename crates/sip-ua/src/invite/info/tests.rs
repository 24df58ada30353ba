use sdp::Direction;
use sip_msg::Message;

use super::*;
use crate::event::DialogId;
use crate::scripted::{Plan, Scripted, answer};

fn lab_with(change: impl FnOnce(crate::Config) -> crate::Config) -> Scripted {
    Scripted::new().configured(change)
}

/// An INFO of the peer in the call that our message belongs to.
fn receive_info(lab: &mut Scripted, number: u32, of: &Message, content: Option<(&str, &str)>, package: &str) {
    let mut request = lab.peer_request(Method::INFO, number, Some(of));
    if let Some((content_type, body)) = content {
        request.set_body(content_type, body.to_owned());
    }
    if !package.is_empty() {
        request.headers_mut().push_raw(HeaderName::INFO_PACKAGE, package).unwrap();
    }
    lab.receive(request);
}

fn up(lab: &mut Scripted) -> (DialogId, Message) {
    let (id, accepted) = lab.called_up(Plan::default());
    (id, accepted.into())
}

// rfc: 6086 §4.2.2 — a legacy INFO with a body that the UA takes: 200
#[test]
fn digits_come_in_both_formats() {
    let mut lab = Scripted::new();
    let (_, call) = up(&mut lab);
    let bodies =
        [("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", 160), ("application/dtmf", "5", 250)];
    for (at, (content_type, body, millis)) in (11..).zip(bodies) {
        receive_info(&mut lab, at, &call, Some((content_type, body)), "");
        lab.sent_response(StatusCode::OK);
        let Some(Event::InfoDigit { digit: '5', duration, .. }) = lab.event() else { panic!("a digit") };
        assert_eq!(duration.as_millis(), millis);
    }
    receive_info(&mut lab, 13, &call, Some(("application/dtmf-relay", "Signal=\r\n")), "");
    lab.sent_response(StatusCode::BAD_REQUEST);
    assert!(lab.event().is_none());
}

// rfc: 3261 §8.2.3 — an INFO body of a type that nobody takes: 415 with Accept
#[test]
fn an_unknown_info_body_gets_415() {
    let mut lab = lab_with(|config| config.info_types(["application/media_control+xml"]));
    let (_, call) = up(&mut lab);
    receive_info(&mut lab, 11, &call, Some(("application/x-unknown", "x")), "");
    let refusal = lab.sent_response(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let accept = refusal.headers().require::<Accept>().unwrap();
    for taken in ["application/dtmf-relay", "application/dtmf", "application/media_control+xml"] {
        assert!(accept.accepts(taken), "{taken}");
    }
    assert!(lab.event().is_none());
    receive_info(&mut lab, 12, &call, Some(("application/media_control+xml", "<x/>")), "");
    lab.sent_response(StatusCode::OK);
    assert!(matches!(lab.event(), Some(Event::Info { .. })));
    receive_info(&mut lab, 13, &call, None, "");
    lab.sent_response(StatusCode::OK);
    assert!(matches!(lab.event(), Some(Event::Info { .. })));
    let mut request = lab.peer_request(Method::INFO, 14, Some(&call));
    request.set_body("application/dtmf", "5");
    request.headers_mut().push_raw(HeaderName::CONTENT_ENCODING, "gzip").unwrap();
    lab.receive(request);
    lab.sent_response(StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

// rfc: 6086 §5.2.3 — Recv-Info in INVITE and in the 2xx to one that has it, and in no other response
#[test]
fn packages_are_announced_where_they_belong() {
    let mut lab = lab_with(|config| config.info_packages(["foo", "no token", "bar"]));
    let (_, sent) = lab.call(Plan::default());
    assert_eq!(sent.headers().raw(HeaderName::RECV_INFO).unwrap(), b"foo, bar");
    for named in [false, true] {
        let mut lab = lab_with(|config| config.info_packages([""; 0]));
        let mut request = lab.peer_request(Method::INVITE, 10, None);
        request.set_body(crate::scripted::SDP, crate::scripted::describe(1, Direction::SendRecv));
        if named {
            request.headers_mut().push_raw(HeaderName::RECV_INFO, "").unwrap();
        }
        lab.receive(request);
        let Some(Event::Incoming { dialog, .. }) = lab.event() else { panic!("a call") };
        lab.agent.accept(lab.now, dialog, Box::new(Plan::default()) as Box<dyn crate::MediaPlan>).unwrap();
        let accepted = lab.sent_response(StatusCode::OK);
        assert_eq!(accepted.headers().raw(HeaderName::RECV_INFO), named.then_some(&b""[..]));
    }
    let (_, sent) = Scripted::new().call(Plan::default());
    assert!(!sent.headers().contains(HeaderName::RECV_INFO));
}

// rfc: 6086 §4.2.2 — a package that was not announced: 469 with Recv-Info, and the call stands
#[test]
fn a_package_that_nobody_takes_gets_469() {
    let mut lab = lab_with(|config| config.info_packages(["foo"]));
    let (id, call) = up(&mut lab);
    receive_info(&mut lab, 11, &call, Some(("text/plain", "x")), "bar");
    let refusal = lab.sent_response(StatusCode::BAD_INFO_PACKAGE);
    assert_eq!(refusal.headers().raw(HeaderName::RECV_INFO).unwrap(), b"foo");
    assert!(lab.event().is_none());
    receive_info(&mut lab, 12, &call, Some(("text/plain", "x")), "FOO");
    lab.sent_response(StatusCode::OK);
    assert!(matches!(lab.event(), Some(Event::Info { dialog, .. }) if dialog == id));
    receive_info(&mut lab, 13, &call, None, "(");
    lab.sent_response(StatusCode::BAD_REQUEST);
}

// rfc: 6086 §4.2.1 — no INFO of a package that the remote UA has not said it takes; Info-Package and its disposition
// rfc: 6086 §4.2.1 — a 469 does not end the call
#[test]
fn a_package_goes_to_a_peer_that_takes_it() {
    let mut lab = Scripted::new();
    let (id, sent) = lab.call(Plan::default());
    let mut ok = answer(&sent, 200, "peer");
    ok.headers_mut().push_raw(HeaderName::RECV_INFO, "foo, infoDtmf;x=y").unwrap();
    ok.set_body(crate::scripted::SDP, crate::scripted::describe(1, Direction::SendRecv));
    lab.receive(ok);
    let ack = lab.sent_request(&Method::ACK);
    lab.event();
    let refused = lab.agent.info_package(lab.now, id, "bar", None);
    assert!(matches!(refused, Err(CommandError::Misuse(_))));
    let content = Some(("text/plain".into(), "x".into()));
    lab.agent.info_package(lab.now, id, "infodtmf", content).unwrap();
    let info = lab.sent_request(&Method::INFO);
    assert_eq!(info.headers().raw(HeaderName::INFO_PACKAGE).unwrap(), b"infodtmf");
    assert_eq!(info.headers().raw(HeaderName::CONTENT_DISPOSITION).unwrap(), b"Info-Package");
    assert!(!info.headers().contains(HeaderName::RECV_INFO));
    lab.answer(&info, 469, "");
    assert!(matches!(lab.event(), Some(Event::Response { result: Ok(_), .. })));
    assert!(lab.agent.direction(id).is_some());
    // A re-INVITE of the peer takes the packages back.
    let mut again = lab.peer_request(Method::INVITE, 20, Some(&Message::from(ack)));
    again.headers_mut().push_raw(HeaderName::RECV_INFO, "").unwrap();
    again.set_body(crate::scripted::SDP, crate::scripted::describe(2, Direction::SendRecv));
    lab.receive(again);
    lab.sent_response(StatusCode::OK);
    assert!(lab.agent.info_package(lab.now, id, "foo", None).is_err());
}

#[test]
fn digits_wait_for_each_other() {
    let mut lab = Scripted::new();
    let (id, _) = up(&mut lab);
    let press = |lab: &mut Scripted, digit, format| {
        lab.agent.dtmf(lab.now, id, digit, Duration::from_millis(160), format)
    };
    let first = press(&mut lab, '1', InfoDtmf::Relay).unwrap();
    let second = press(&mut lab, '#', InfoDtmf::Plain).unwrap();
    assert!(matches!(press(&mut lab, 'x', InfoDtmf::Relay), Err(CommandError::Misuse(_))));
    let info = lab.sent_request(&Method::INFO);
    assert_eq!(info.headers().raw(HeaderName::CONTENT_TYPE).unwrap(), b"application/dtmf-relay");
    assert_eq!(&info.body()[..], b"Signal=1\r\nDuration=160\r\n");
    assert!(lab.poll_sent().is_none());
    lab.answer(&info, 200, "");
    let info = lab.sent_request(&Method::INFO);
    assert_eq!(&info.body()[..], b"#");
    for _ in 0..MAX_DIGITS {
        press(&mut lab, '3', InfoDtmf::Relay).unwrap();
    }
    assert!(matches!(press(&mut lab, '3', InfoDtmf::Relay), Err(CommandError::Limit(_))));
    let answered = |lab: &mut Scripted| match lab.event() {
        Some(Event::Response { id, result }) => (id, result.is_ok()),
        other => panic!("{other:?}"),
    };
    assert_eq!(answered(&mut lab), (first, true));
    // Whatever waits fails with the call, once each.
    lab.agent.hang_up(lab.now, id).unwrap();
    let bye = lab.sent_request(&Method::BYE);
    lab.answer(&bye, 200, "");
    let failed: Vec<_> = (0..=MAX_DIGITS).map(|_| answered(&mut lab)).collect();
    assert!(failed.iter().all(|(_, arrived)| !arrived) && failed.iter().any(|(id, _)| *id == second));
    assert!(matches!(lab.event(), Some(Event::Ended { .. })));
    lab.ends_idle();
}

// rfc: 6086 §4.2.1 — INFO in early dialogs, of each of several callees
#[test]
fn info_goes_both_ways_while_it_rings() {
    let mut lab = Scripted::new();
    let (id, sent) = lab.call(Plan::default());
    let too_early = lab.agent.dtmf(lab.now, id, '1', Duration::from_millis(100), InfoDtmf::Relay);
    assert!(matches!(too_early, Err(CommandError::WrongState { .. })));
    lab.answer(&sent, 183, "one");
    lab.answer(&sent, 183, "two");
    lab.event();
    lab.event();
    lab.agent.dtmf(lab.now, id, '1', Duration::from_millis(100), InfoDtmf::Relay).unwrap();
    let info = lab.sent_request(&Method::INFO);
    assert_eq!(info.headers().require::<To>().unwrap().tag(), Some("one"));
    let mut early = sent.clone();
    let to = early.headers().require::<To>().unwrap().with_tag("two");
    early.headers_mut().replace(&to);
    receive_info(&mut lab, 1, &early.into(), Some(("application/dtmf", "7")), "");
    lab.sent_response(StatusCode::OK);
    assert!(matches!(lab.event(), Some(Event::InfoDigit { digit: '7', .. })));
    // The fork that loses forgets our INFO; the call that stands does not mind.
    lab.answer_with(&sent, 200, "two", Direction::SendRecv);
    lab.sent_request(&Method::ACK);
    lab.event();
    lab.answer(&info, 481, "one");
    assert!(matches!(lab.event(), Some(Event::Response { result: Ok(_), .. })));
    assert!(lab.event().is_none() && lab.agent.direction(id).is_some());
}

#[test]
fn a_callee_sends_info_once_it_has_rung() {
    let mut lab = Scripted::new();
    let (id, _) = lab.called();
    assert!(lab.agent.info(lab.now, id, "text/plain", "x").is_err());
    lab.agent.ring(lab.now, id, StatusCode::RINGING).unwrap();
    lab.sent_response(StatusCode::RINGING);
    lab.agent.info(lab.now, id, "text/plain", "x").unwrap();
    let info = lab.sent_request(&Method::INFO);
    lab.agent.reject(lab.now, id, StatusCode::BUSY_HERE).unwrap();
    assert!(matches!(lab.event(), Some(Event::Response { result: Err(_), .. })));
    assert!(matches!(lab.event(), Some(Event::Ended { .. })));
    lab.sent_response(StatusCode::BUSY_HERE);
    lab.answer(&info, 481, "peer");
    assert!(lab.event().is_none());
    lab.ends_idle();
}

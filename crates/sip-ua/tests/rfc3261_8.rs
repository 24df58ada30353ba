//! What a user agent server makes of requests, rule by rule: RFC 3261 §8.2, §11.2 and §12.2.2.

#[path = "support/plan.rs"]
mod plan;
#[path = "support/wire.rs"]
mod wire;

use std::time::Duration;

use sip_msg::{HeaderName, Method};
use sip_ua::{Config, Event, Limits};
use wire::{SDP, Wire, header, status, tag};

const IS_SDP: &str = "Content-Type: application/sdp\r\n";

fn wire() -> Wire {
    Wire::new(|config| config)
}

// rfc: 3261 §8.2.1 — a method that is not supported: 405 with Allow, in a dialog too, which stands
#[test]
fn an_unknown_method_gets_405_with_allow() {
    let mut wire = wire();
    let refusal = wire.ask("FROBNICATE", "", "");
    assert_eq!(status(&refusal), 405);
    let allow = header(&refusal, HeaderName::ALLOW).unwrap();
    assert!(allow.contains("INVITE") && allow.contains("BYE") && !allow.contains("FROBNICATE"), "{allow}");
    let (call, tag) = wire.call();
    assert_eq!(status(&wire.ask_in(&tag, "FROBNICATE", 2, "", "")), 405);
    assert!(wire.agent.direction(call).is_some());
}

// rfc: 3261 §8.2.2.1 — a Request-URI of a scheme that is not supported: 416
#[test]
fn another_uri_scheme_gets_416() {
    let mut wire = wire();
    for (at, uri) in (1..).zip(["tel:+15551234", "http://example.com", "mailto:alice@example.com"]) {
        let request = wire.request("OPTIONS", at, "", "", "").replacen("sip:alice@192.0.2.1", uri, 1);
        wire.receive(&request);
        assert_eq!(status(&wire.response()), 416, "{uri}");
    }
}

// rfc: 3261 §8.2.2.2 — the same request by two ways: the second is answered 482
#[test]
fn a_merged_request_gets_482() {
    let mut wire = wire();
    let first = wire.request("INVITE", 1, "", IS_SDP, SDP);
    wire.receive(&first);
    assert!(matches!(wire.events.pop_front(), Some(Event::Incoming { .. })));
    let merged = wire.request("INVITE", 1, "", IS_SDP, SDP);
    wire.receive(&merged);
    assert_eq!(status(&wire.response()), 482);
    assert!(wire.events.is_empty());
}

// rfc: 3261 §8.2.2.3 — options in Require that are not supported: 420 with just these in Unsupported
#[test]
fn unknown_options_get_420_outside_of_dialogs() {
    for (method, lines, body) in [("INVITE", IS_SDP, SDP), ("OPTIONS", "", ""), ("INFO", "", "")] {
        let mut wire = wire();
        let refusal = wire.ask(method, &format!("Require: timer, x-foo\r\nRequire: x-bar\r\n{lines}"), body);
        assert_eq!(status(&refusal), 420, "{method}");
        let unsupported: Vec<_> = refusal
            .headers()
            .raw_all(HeaderName::UNSUPPORTED)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        assert_eq!(unsupported.join(", "), "x-foo, x-bar");
        assert!(wire.events.is_empty());
    }
}

// rfc: 3261 §8.2.2.3 — 420 in re-INVITE, UPDATE, INFO and BYE as well, and the call stands as it was
#[test]
fn unknown_options_get_420_in_a_call() {
    let mut wire = wire();
    let (call, tag) = wire.call();
    for (at, (method, lines, body)) in
        (2..).zip([("INVITE", IS_SDP, SDP), ("UPDATE", IS_SDP, SDP), ("INFO", "", ""), ("BYE", "", "")])
    {
        let refusal = wire.ask_in(&tag, method, at, &format!("Require: x-foo\r\n{lines}"), body);
        assert_eq!(status(&refusal), 420, "{method}");
        assert_eq!(header(&refusal, HeaderName::UNSUPPORTED).unwrap(), "x-foo");
        if method == "INVITE" {
            let ack = wire.request("ACK", at, &format!(";tag={tag}"), "", "");
            wire.receive(&ack);
        }
        assert!(wire.events.is_empty() && wire.agent.direction(call).is_some(), "{method}");
    }
}

// rfc: 3261 §8.2.2.3 — Require in a CANCEL or ACK is passed over
#[test]
fn require_in_cancel_and_ack_is_passed_over() {
    let mut wire = wire();
    let invite = wire.request("INVITE", 1, "", IS_SDP, SDP);
    wire.receive(&invite);
    let branch = invite.split("branch=").nth(1).unwrap().split("\r\n").next().unwrap();
    let cancel = wire.request("CANCEL", 1, "", "Require: x-foo\r\n", "");
    let own = cancel.split("branch=").nth(1).unwrap().split("\r\n").next().unwrap();
    wire.receive(&cancel.replacen(own, branch, 1));
    assert_eq!(status(&wire.response()), 200);
    assert_eq!(status(&wire.response()), 487);

    let mut wire = self::wire();
    let invite = wire.request("INVITE", 1, "", IS_SDP, SDP);
    wire.receive(&invite);
    let Some(Event::Incoming { dialog, .. }) = wire.events.pop_front() else { panic!("a call") };
    wire.agent.accept(wire.now, dialog, plan::plan()).unwrap();
    wire.advance(Duration::ZERO);
    let accepted = wire.response();
    let ack = wire.request("ACK", 1, &format!(";tag={}", tag(&accepted)), "Require: x-foo\r\n", "");
    wire.receive(&ack);
    assert!(matches!(wire.events.pop_front(), Some(Event::Confirmed { .. })));
    assert!(wire.sent.is_empty());
}

// rfc: 3261 §20.29 — Proxy-Require is for proxies: a UAS passes it over
#[test]
fn proxy_require_is_none_of_our_business() {
    assert_eq!(status(&wire().ask("OPTIONS", "Proxy-Require: x-foo\r\n", "")), 200);
}

// rfc: 3261 §8.2.3 — a body of an unknown type or encoding: 415 with Accept or Accept-Encoding, also in a re-INVITE
#[test]
fn an_unknown_body_gets_415() {
    for lines in [
        "Content-Type: application/isup\r\n",
        "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n",
        "Content-Type: application/sdp\r\nContent-Disposition: early-session\r\n",
        "Content-Type: message/sip\r\nContent-Disposition: x;handling=required\r\n",
    ] {
        let mut wire = wire();
        let refusal = wire.ask("INVITE", lines, SDP);
        assert_eq!(status(&refusal), 415, "{lines}");
        assert!(header(&refusal, HeaderName::ACCEPT).unwrap().contains("application/sdp"));
        assert_eq!(header(&refusal, HeaderName::ACCEPT_ENCODING).unwrap(), "identity");
        let (call, tag) = self::wire_call(&mut wire);
        let refusal = wire.ask_in(&tag, "INVITE", 3, lines, SDP);
        assert_eq!(status(&refusal), 415, "{lines}");
        assert!(wire.agent.direction(call).is_some());
    }
}

/// A call after an INVITE that was refused: its number is higher.
fn wire_call(wire: &mut Wire) -> (sip_ua::DialogId, String) {
    wire.sent.clear();
    let invite = wire.request("INVITE", 2, "", IS_SDP, SDP);
    wire.receive(&invite);
    let Some(Event::Incoming { dialog, .. }) = wire.events.pop_front() else { panic!("a call") };
    wire.agent.accept(wire.now, dialog, plan::plan()).expect("it waits");
    wire.advance(Duration::ZERO);
    let accepted = wire.response();
    let ack = wire.request("ACK", 2, &format!(";tag={}", tag(&accepted)), "", "");
    wire.receive(&ack);
    wire.events.clear();
    (dialog, tag(&accepted))
}

// rfc: 3261 §20.11 — a body that is optional is passed over; the default handling is required
// rfc: 5621 §8 — of several parts the session description is taken, wherever it stands
#[test]
fn optional_bodies_and_many_parts_are_read() {
    let optional = "Content-Type: application/isup\r\nContent-Disposition: signal;handling=optional\r\n";
    let part = |headers: &str, body: &str| format!("--b1\r\n{headers}\r\n{body}\r\n");
    let isup = part(optional, "x");
    let sdp = part(IS_SDP, SDP);
    let nested = part(
        "Content-Type: multipart/alternative;boundary=b2\r\n",
        &format!("--b2\r\n{IS_SDP}\r\n{SDP}\r\n--b2--"),
    );
    for (lines, body, takes) in [
        (optional.to_owned(), "x".to_owned(), true),
        ("Content-Type: multipart/mixed;boundary=b1\r\n".into(), format!("{isup}{sdp}--b1--\r\n"), true),
        ("Content-Type: multipart/mixed;boundary=b1\r\n".into(), format!("{sdp}{isup}--b1--\r\n"), true),
        ("Content-Type: multipart/mixed;boundary=b1\r\n".into(), format!("{isup}{nested}--b1--\r\n"), true),
        (
            "Content-Type: multipart/mixed;boundary=b1\r\n".into(),
            format!("{}{sdp}--b1--\r\n", part("Content-Type: a/b\r\n", "x")),
            false,
        ),
    ] {
        let mut wire = wire();
        let invite = wire.request("INVITE", 1, "", &lines, &body);
        wire.receive(&invite);
        let taken = matches!(wire.events.pop_front(), Some(Event::Incoming { .. }));
        assert_eq!(taken, takes, "{lines}{body}");
        if !takes {
            assert_eq!(status(&wire.response()), 415);
        }
    }
}

// rfc: 3261 §21.4.7 — an INVITE whose Accept leaves no answer that we can give: 406
#[test]
fn an_answer_that_would_not_be_taken_is_not_given() {
    for (accept, takes) in [
        ("application/sdp", true),
        ("text/plain, application/*", true),
        ("*/*;q=0.1", true),
        ("text/plain", false),
    ] {
        let mut wire = wire();
        let invite = wire.request("INVITE", 1, "", &format!("Accept: {accept}\r\n{IS_SDP}"), SDP);
        wire.receive(&invite);
        if takes {
            assert!(matches!(wire.events.pop_front(), Some(Event::Incoming { .. })), "{accept}");
        } else {
            assert_eq!(status(&wire.response()), 406);
            assert!(wire.events.is_empty());
        }
    }
}

// rfc: 3261 §8.2.6.2 — responses copy Via, From, To, Call-ID and CSeq, and add a To tag except to a 100
#[test]
fn responses_repeat_what_they_answer() {
    let mut wire = wire();
    let request = wire.request("OPTIONS", 1, "", "", "");
    wire.receive(&request);
    let answer = wire.response();
    for name in [HeaderName::FROM, HeaderName::CALL_ID, HeaderName::CSEQ] {
        let line = format!("{name}: {}\r\n", header(&answer, name.clone()).unwrap());
        assert!(request.contains(&line), "{line}");
    }
    assert!(
        header(&answer, HeaderName::VIA).unwrap().starts_with("SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKw1")
    );
    let fresh = tag(&answer);
    let (_, call) = wire.call();
    assert_ne!(fresh, call);
    let repeated = wire.ask_in(&call, "OPTIONS", 2, "", "");
    assert_eq!(tag(&repeated), call);
}

// rfc: 3261 §11.2 — OPTIONS: Allow, Accept, Accept-Encoding and Supported; Max-Forwards 0 ends here anyway
#[test]
fn options_say_what_we_can_do() {
    let mut wire = wire();
    let request = wire.request("OPTIONS", 1, "", "", "").replace("Max-Forwards: 70", "Max-Forwards: 0");
    wire.receive(&request);
    let answer = wire.response();
    assert_eq!(status(&answer), 200);
    for name in [HeaderName::ALLOW, HeaderName::ACCEPT, HeaderName::ACCEPT_ENCODING, HeaderName::SUPPORTED] {
        assert!(answer.headers().contains(&name), "{name}");
    }
    assert!(answer.body().is_empty());
}

// rfc: 3261 §11.2 — the status is the one that an INVITE would get
#[test]
fn options_are_answered_as_a_call_would_be() {
    let mut wire = Wire::new(|config: Config| config.limits(Limits::default().calls(1)));
    wire.agent.answer_options(sip_msg::StatusCode::BUSY_HERE).unwrap();
    assert_eq!(status(&wire.ask("OPTIONS", "", "")), 486);
    wire.agent.answer_options(sip_msg::StatusCode::OK).unwrap();
    assert!(wire.agent.answer_options(sip_msg::StatusCode::RINGING).is_err());
    wire.call();
    assert_eq!(status(&wire.ask("OPTIONS", "", "")), 503);
}

// rfc: 3261 §12.2.2 — a request in a dialog that we do not have: 481, whatever it is; an ACK gets nothing
#[test]
fn an_unknown_dialog_gets_481() {
    let mut wire = Wire::new(|config: Config| config.takes([Method::MESSAGE]));
    for method in ["INVITE", "BYE", "INFO", "UPDATE", "OPTIONS", "MESSAGE", "PRACK", "REFER"] {
        assert_eq!(status(&wire.ask_in("nobody", method, 1, "", "")), 481, "{method}");
    }
    let ack = wire.request("ACK", 1, ";tag=nobody", "", "");
    wire.receive(&ack);
    assert!(wire.sent.is_empty() && wire.events.is_empty());
}

// rfc: 3261 §12.2.2 — a number below the last: 500; a gap is taken
#[test]
fn numbers_only_go_up() {
    let mut wire = Wire::new(|config: Config| config.takes([Method::MESSAGE]));
    let (call, tag) = wire.call();
    assert_eq!(status(&wire.ask_in(&tag, "INFO", 50, "", "")), 200);
    for method in ["INFO", "INVITE", "UPDATE", "BYE", "OPTIONS", "MESSAGE"] {
        assert_eq!(status(&wire.ask_in(&tag, method, 49, "", "")), 500, "{method}");
    }
    assert!(wire.agent.direction(call).is_some());
    assert_eq!(status(&wire.ask_in(&tag, "BYE", 51, "", "")), 200);
}

// rfc: 3261 §13.3.1 — an INVITE that expires before it is answered: 487
#[test]
fn an_invite_expires() {
    let mut wire = wire();
    let invite = wire.request("INVITE", 1, "", &format!("Expires: 5\r\n{IS_SDP}"), SDP);
    wire.receive(&invite);
    wire.events.clear();
    wire.advance(Duration::from_secs(4));
    assert!(wire.events.is_empty());
    wire.advance(Duration::from_secs(2));
    let last = wire.sent.iter().rev().find(|sent| sent.as_response().is_some()).unwrap();
    assert_eq!(status(last), 487);
    assert!(matches!(wire.events.pop_front(), Some(Event::Ended { .. })));
}

// rfc: 3261 §8.2 — a request that cannot be read is answered 400, and changes nothing
#[test]
fn a_request_that_cannot_be_read_gets_400() {
    for (from, to) in [("CSeq: 1", "CSeq: x"), ("Call-ID: call\r\n", ""), ("CSeq: 1 INVITE", "CSeq: 1 BYE")] {
        let mut wire = wire();
        let invite = wire.request("INVITE", 1, "", IS_SDP, SDP).replacen(from, to, 1);
        wire.receive(&invite);
        assert_eq!(status(&wire.response()), 400, "{to}");
        assert!(wire.events.is_empty());
    }
    assert_eq!(status(&wire().ask("INVITE", IS_SDP, "this is none")), 400);
}

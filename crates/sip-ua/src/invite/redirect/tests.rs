use std::time::Duration;

use sip_msg::{CallId, Method, To};

use super::*;
use crate::command::Invite;
use crate::event::{DialogId, Side};
use crate::scripted::{Plan, Scripted, answer, invite, number};

fn call(lab: &mut Scripted, invite: Invite) -> (DialogId, Request) {
    let id = lab.agent.invite(lab.now, invite, Box::new(Plan::default())).unwrap();
    (id, lab.sent_request(&Method::INVITE))
}

/// The peer refuses an INVITE with these Contacts, and gets its ACK.
fn refuse(lab: &mut Scripted, sent: &Request, status: u16, contacts: &str) {
    let mut response = answer(sent, status, "moved");
    response.headers_mut().remove(HeaderName::CONTACT);
    if !contacts.is_empty() {
        response.headers_mut().push_raw(HeaderName::CONTACT, contacts.as_bytes()).unwrap();
    }
    lab.receive(response);
    lab.sent_request(&Method::ACK);
}

#[track_caller]
fn redirected(lab: &mut Scripted, to: &str, status: Option<u16>) -> Request {
    let Some(Event::Redirected { to: got, status: why, .. }) = lab.event() else { panic!("a redirection") };
    assert_eq!((got.to_string(), why.map(StatusCode::code)), (to.to_owned(), status));
    lab.sent_request(&Method::INVITE)
}

#[track_caller]
fn ended(lab: &mut Scripted) -> (Side, Option<u16>) {
    let Some(Event::Ended { by, status, .. }) = lab.event() else { panic!("the end") };
    (by, status.map(StatusCode::code))
}

// rfc: 3261 §8.1.3.4 — the new request goes to the Contact, with the same To, From and Call-ID, and a higher CSeq
// rfc: 3261 §21.3.3 — 302: the Contact becomes the Request-URI
#[test]
fn a_call_that_moved_is_placed_anew_under_the_same_call_id() {
    let mut lab = Scripted::new();
    let (id, first) = call(&mut lab, invite());
    refuse(&mut lab, &first, 302, "<sip:moved@192.0.2.2:5070>");
    let second = redirected(&mut lab, "sip:moved@192.0.2.2:5070", Some(302));
    assert_eq!(second.uri_text(), "sip:moved@192.0.2.2:5070");
    assert_eq!(number(&second), number(&first) + 1);
    for name in [HeaderName::CALL_ID, HeaderName::FROM, HeaderName::TO, HeaderName::CONTACT] {
        assert_eq!(first.headers().raw(&name), second.headers().raw(&name), "{name}");
    }
    assert!(second.headers().require::<To>().unwrap().tag().is_none());
    assert_eq!(first.body(), second.body());
    lab.answer_with(&second, 200, "moved", sdp::Direction::SendRecv);
    let ack = lab.sent_request(&Method::ACK);
    assert_eq!(number(&ack), number(&second));
    assert!(matches!(lab.event(), Some(Event::Answered { .. })));
    lab.agent.hang_up(lab.now, id).unwrap();
    let bye = lab.sent_request(&Method::BYE);
    lab.answer(&bye, 200, "moved");
    assert_eq!(ended(&mut lab), (Side::Local, None));
    lab.ends_idle();
}

// rfc: 3261 §8.1.3.4 — contacts are tried in the order of q, serially; a failure leads to the next
// rfc: 3261 §8.1.3.4 — when the list is exhausted the request has failed
#[test]
fn places_are_tried_one_after_the_other_best_q_first() {
    let mut lab = Scripted::new();
    let (_, sent) = call(&mut lab, invite());
    let contacts = "<sip:c@192.0.2.2>;q=0.1, <sip:a@192.0.2.2>, <sip:b@192.0.2.2>;q=0.5";
    refuse(&mut lab, &sent, 300, contacts);
    let sent = redirected(&mut lab, "sip:a@192.0.2.2", Some(300));
    refuse(&mut lab, &sent, 486, "");
    let sent = redirected(&mut lab, "sip:b@192.0.2.2", Some(486));
    lab.advance(Duration::from_secs(33));
    while lab.poll_sent().is_some_and(|message| message.to_bytes() == Request::to_bytes(&sent)) {}
    let sent = redirected_after_silence(&mut lab, "sip:c@192.0.2.2");
    refuse(&mut lab, &sent, 480, "");
    assert_eq!(ended(&mut lab), (Side::Remote, Some(480)));
    lab.ends_idle();
}

/// The INVITE that follows the repeated ones of a place that never answered.
#[track_caller]
fn redirected_after_silence(lab: &mut Scripted, to: &str) -> Request {
    let Some(Event::Redirected { to: got, status: None, .. }) = lab.event() else { panic!("a redirection") };
    assert_eq!(got.to_string(), to);
    loop {
        let sent = lab.sent_request(&Method::INVITE);
        if sent.uri_text() == to {
            return sent;
        }
    }
}

// rfc: 3261 §8.1.3.4 — a URI in the target set is never tried twice, in whichever words it comes
#[test]
fn a_loop_of_redirections_ends() {
    let mut lab = Scripted::new();
    let (_, sent) = call(&mut lab, invite());
    refuse(&mut lab, &sent, 302, "<sip:other@192.0.2.2>, <sip:BOB@192.0.2.2:5060>;q=0.1");
    let sent = redirected(&mut lab, "sip:other@192.0.2.2", Some(302));
    refuse(&mut lab, &sent, 302, "<sip:bob@192.0.2.2:5060>, <SIP:%6fther@192.0.2.2>");
    // User parts differ by their case: this one is new.
    let sent = redirected(&mut lab, "sip:BOB@192.0.2.2:5060", Some(302));
    refuse(&mut lab, &sent, 302, "<sip:bob@192.0.2.2:5060>");
    assert_eq!(ended(&mut lab), (Side::Remote, Some(302)));
    lab.ends_idle();
}

#[test]
fn endless_redirections_stop_at_the_limit() {
    let mut lab = Scripted::new();
    let (_, mut sent) = call(&mut lab, invite().redirects(Redirects::follow(3)));
    for at in 1..=3 {
        let next = format!("sip:n{at}@192.0.2.2");
        refuse(&mut lab, &sent, 301, &format!("<{next}>"));
        sent = redirected(&mut lab, &next, Some(301));
    }
    refuse(&mut lab, &sent, 301, "<sip:n4@192.0.2.2>");
    assert_eq!(ended(&mut lab), (Side::Remote, Some(301)));
    let (_, sent) = call(&mut lab, invite().redirects(Redirects::Report));
    refuse(&mut lab, &sent, 302, "<sip:moved@192.0.2.2>");
    assert_eq!(ended(&mut lab), (Side::Remote, Some(302)));
    lab.ends_idle();
}

// rfc: 3261 §21.6 — a 6xx speaks for all places: no further one is tried
#[test]
fn a_global_failure_ends_the_search() {
    let mut lab = Scripted::new();
    let (_, sent) = call(&mut lab, invite());
    refuse(&mut lab, &sent, 302, "<sip:a@192.0.2.2>, <sip:b@192.0.2.2>");
    let sent = redirected(&mut lab, "sip:a@192.0.2.2", Some(302));
    refuse(&mut lab, &sent, 603, "");
    assert_eq!(ended(&mut lab), (Side::Remote, Some(603)));
    lab.ends_idle();
}

// rfc: 3261 §21.3.5 — 380 describes services and is not followed; a 302 without a usable Contact neither
#[test]
fn what_cannot_be_called_is_reported() {
    for (status, contacts) in [
        (380, "<sip:a@192.0.2.2>"),
        (302, ""),
        (302, "<mailto:bob@example.com>, <https://example.com/bob>"),
        (302, "*"),
        (302, "\u{1}"),
    ] {
        let mut lab = Scripted::new();
        let (_, sent) = call(&mut lab, invite());
        refuse(&mut lab, &sent, status, contacts);
        assert_eq!(ended(&mut lab), (Side::Remote, Some(status)), "{contacts}");
    }
}

// rfc: 3261 §21.3.4 — 305: the same Request-URI again, through the proxy in Contact
#[test]
fn a_305_goes_through_the_proxy_it_names() {
    let mut lab = Scripted::new();
    let (_, sent) = call(&mut lab, invite());
    refuse(&mut lab, &sent, 305, "<sip:192.0.2.2:5080>");
    let again = redirected(&mut lab, "sip:192.0.2.2:5080", Some(305));
    assert_eq!(again.uri_text(), sent.uri_text());
    assert_eq!(again.headers().raw(HeaderName::ROUTE).unwrap(), b"<sip:192.0.2.2:5080;lr>");
    refuse(&mut lab, &again, 302, "<sip:moved@192.0.2.2>");
    let moved = redirected(&mut lab, "sip:moved@192.0.2.2", Some(302));
    assert!(!moved.headers().contains(HeaderName::ROUTE));
}

// rfc: 3261 §26.4.4 — what was asked for over sips goes nowhere else
#[test]
fn a_secure_call_is_not_redirected_to_an_insecure_place() {
    let request = |uri: &str| {
        let uri = uri.parse::<Uri>().unwrap();
        Request::builder(Method::INVITE, &uri)
            .header(&From::new("sip:alice@example.com".parse::<Uri>().unwrap()))
            .header(&To::new(uri))
            .header(&CallId("c".into()))
            .header(&sip_msg::CSeq::new(1, Method::INVITE))
            .header(&sip_msg::Via::new("UDP", "192.0.2.1".parse::<HostPort>().unwrap(), "z9hG4bK1"))
            .build()
    };
    let context = Context::new(Scripted::new().agent.config().clone());
    let found = |asked: &str, contacts: &str| -> Vec<String> {
        let request = request(asked);
        let mut response = Response::answer(&request, StatusCode::MOVED_TEMPORARILY).build();
        response.headers_mut().push_raw(HeaderName::CONTACT, contacts.as_bytes()).unwrap();
        let mut targets = Targets::new(Redirects::follow(5));
        std::iter::from_fn(|| targets.next(&context, &request, Some(&response)))
            .map(|hop| hop.target().to_string())
            .collect()
    };
    let contacts = "<sip:a@192.0.2.5:5061>, <sip:b@192.0.2.5>, <sip:c@192.0.2.5:5061;transport=tcp>";
    assert_eq!(
        found("sip:bob@192.0.2.5:5061;transport=tls", contacts),
        ["sip:a@192.0.2.5:5061;transport=tls", "sip:b@192.0.2.5", "sip:c@192.0.2.5:5061;transport=tcp"],
        "at the address we talk to the transport stays, unless another one is named"
    );
    let contacts = "<sip:a@example.net>, <tel:+15551234>, <sips:b@example.net>";
    assert_eq!(found("sips:bob@example.com", contacts), ["sips:b@example.net"]);
    assert_eq!(
        found("sip:bob@example.com", contacts),
        ["sip:a@example.net", "sip:+15551234@example.com;user=phone", "sips:b@example.net"]
    );
}

// rfc: 3261 §19.1.5 — harmless header fields of the URI go into the request, dangerous ones do not
#[test]
fn a_redirection_sets_few_headers() {
    let mut lab = Scripted::new();
    let (_, sent) = call(&mut lab, invite().header(HeaderName::SUBJECT, "old"));
    let uri = "sip:moved@192.0.2.2;method=MESSAGE?Subject=new&Route=%3Csip:evil%3E&P-Asserted-Identity=sip:x%40y&body=z";
    refuse(&mut lab, &sent, 302, &format!("<{uri}>"));
    lab.event();
    let again = lab.sent_request(&Method::INVITE);
    assert_eq!(again.uri_text(), "sip:moved@192.0.2.2");
    assert_eq!(again.headers().raw(HeaderName::SUBJECT).unwrap(), b"new");
    assert!(!again.headers().contains(HeaderName::ROUTE));
    assert!(!again.headers().contains(HeaderName::P_ASSERTED_IDENTITY));
    assert_eq!(again.body(), sent.body());
}

#[test]
fn the_ring_timeout_runs_on_over_redirections() {
    let mut lab = Scripted::new();
    let (_, sent) = call(&mut lab, invite().ring_timeout(Duration::from_secs(10)));
    lab.answer(&sent, 180, "moved");
    lab.advance(Duration::from_secs(6));
    lab.event();
    refuse(&mut lab, &sent, 302, "<sip:a@192.0.2.2>, <sip:b@192.0.2.2>");
    let sent = redirected(&mut lab, "sip:a@192.0.2.2", Some(302));
    lab.answer(&sent, 180, "a");
    lab.event();
    lab.advance(Duration::from_secs(4));
    let cancel = lab.sent_request(&Method::CANCEL);
    assert_eq!(number(&cancel), number(&sent));
    lab.answer(&cancel, 200, "a");
    // Given up is given up: the second place is not tried.
    refuse(&mut lab, &sent, 487, "");
    assert_eq!(ended(&mut lab), (Side::Local, Some(408)));
    lab.ends_idle();
}

#[test]
fn hanging_up_while_following_cancels_the_place_that_rings() {
    let mut lab = Scripted::new();
    let (id, sent) = call(&mut lab, invite());
    refuse(&mut lab, &sent, 302, "<sip:a@192.0.2.2>, <sip:b@192.0.2.2>");
    let sent = redirected(&mut lab, "sip:a@192.0.2.2", Some(302));
    lab.agent.hang_up(lab.now, id).unwrap();
    // No provisional response yet: the CANCEL waits for one.
    assert!(lab.poll_sent().is_none());
    lab.answer(&sent, 180, "a");
    let cancel = lab.sent_request(&Method::CANCEL);
    lab.answer(&cancel, 200, "a");
    refuse(&mut lab, &sent, 302, "<sip:c@192.0.2.2>");
    assert_eq!(ended(&mut lab), (Side::Local, None));
    lab.ends_idle();
}

// rfc: 3261 §8.1.3.5 — 420: again without the options in Unsupported, once
#[test]
fn an_option_that_the_server_lacks_is_left_out() {
    let mut lab = Scripted::new();
    let (_, sent) = call(&mut lab, invite().header(HeaderName::REQUIRE, "foo, bar"));
    let mut refusal = answer(&sent, 420, "x");
    refusal.headers_mut().push_raw(HeaderName::UNSUPPORTED, "FOO").unwrap();
    lab.receive(refusal);
    lab.sent_request(&Method::ACK);
    let again = lab.sent_request(&Method::INVITE);
    assert_eq!(again.headers().require::<Require>().unwrap().0, ["bar"]);
    let mut refusal = answer(&again, 420, "x");
    refusal.headers_mut().push_raw(HeaderName::UNSUPPORTED, "bar").unwrap();
    lab.receive(refusal);
    lab.sent_request(&Method::ACK);
    assert_eq!(ended(&mut lab), (Side::Remote, Some(420)));
    lab.ends_idle();
}

// rfc: 3261 §8.1.3.5 — 416: again with a sip URI
#[test]
fn a_number_that_the_server_does_not_take_is_called_as_sip_uri() {
    let mut lab = Scripted::new();
    let mut asked = invite().route(vec!["sip:192.0.2.2".parse().unwrap()]);
    asked.target = "tel:+15551234".parse().unwrap();
    let (_, sent) = call(&mut lab, asked);
    assert_eq!(sent.uri_text(), "tel:+15551234");
    refuse(&mut lab, &sent, 416, "");
    let again = lab.sent_request(&Method::INVITE);
    assert_eq!(again.uri_text(), "sip:+15551234@example.com;user=phone");
    assert_eq!(again.headers().raw(HeaderName::ROUTE), sent.headers().raw(HeaderName::ROUTE));
    refuse(&mut lab, &again, 416, "");
    assert_eq!(ended(&mut lab), (Side::Remote, Some(416)));
}

// rfc: 3261 §20.33 — Retry-After of the refusal reaches the application
#[test]
fn the_application_hears_when_to_try_again() {
    let mut lab = Scripted::new();
    let (_, sent) = call(&mut lab, invite());
    let mut refusal = answer(&sent, 503, "x");
    refusal.headers_mut().push_raw(HeaderName::RETRY_AFTER, "120 (maintenance);duration=60").unwrap();
    lab.receive(refusal);
    let event = lab.event().unwrap();
    assert_eq!(event.retry_after(), Some(Duration::from_secs(120)));
    assert!(matches!(event, Event::Ended { status: Some(StatusCode::SERVICE_UNAVAILABLE), .. }));
}

// rfc: 3428 §4 — a MESSAGE that is redirected goes to where the 3xx says
// rfc: 3261 §8.1.3.4 — requests outside of dialogs follow as INVITEs do; an OPTIONS tells of the 3xx instead
#[test]
fn a_message_follows_and_an_options_does_not() {
    let mut lab = Scripted::new();
    let ask = |method| crate::OutOfDialog::new(method, invite().from, invite().target);
    let moved = |sent: &Request, contacts: &str| {
        let mut response = answer(sent, 302, "moved");
        response.headers_mut().remove(HeaderName::CONTACT);
        response.headers_mut().push_raw(HeaderName::CONTACT, contacts.as_bytes()).unwrap();
        response
    };
    lab.agent.request(lab.now, ask(Method::MESSAGE).body("text/plain", "hello")).unwrap();
    let sent = lab.sent_request(&Method::MESSAGE);
    lab.receive(moved(&sent, "<sip:a@192.0.2.2>, <sip:b@192.0.2.2>;q=0.2"));
    let second = lab.sent_request(&Method::MESSAGE);
    assert!(second.uri_text() == "sip:a@192.0.2.2" && second.body() == sent.body());
    assert!(number(&second) == number(&sent) + 1 && !second.headers().contains(HeaderName::CONTACT));
    lab.answer(&second, 404, "a");
    let third = lab.sent_request(&Method::MESSAGE);
    assert_eq!(third.uri_text(), "sip:b@192.0.2.2");
    lab.answer(&third, 202, "b");
    let Some(Event::Response { result: Ok(response), .. }) = lab.event() else { panic!("an outcome") };
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    lab.agent.request(lab.now, ask(Method::OPTIONS)).unwrap();
    let sent = lab.sent_request(&Method::OPTIONS);
    lab.receive(moved(&sent, "<sip:a@192.0.2.2>"));
    let Some(Event::Response { result: Ok(response), .. }) = lab.event() else { panic!("an outcome") };
    assert_eq!(response.status(), StatusCode::MOVED_TEMPORARILY);
    lab.ends_idle();
}

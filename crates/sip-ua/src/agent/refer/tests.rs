use sip_msg::{
    Contact, Fragment, From, HeaderName, Message, NameAddr, ReferSub, ReferredBy, Replaces, Supported, To,
};

use super::*;
use crate::command::Invite;
use crate::refer::ReferRequest;
use crate::scripted::{Plan, Scripted, T1, number};

const LINK: &str = "<sip:carol@192.0.2.2>";

/// A call of the peer that stands, and a message that its requests are made from.
fn up() -> (Scripted, DialogId, Message) {
    let mut lab = Scripted::new();
    let (id, accepted) = lab.called_up(Plan::default());
    (lab, id, accepted.into())
}

/// A REFER of the peer; in the call where one is given.
fn refer(lab: &mut Scripted, number: u32, dialog: Option<&Message>, refer_to: &str) -> Request {
    let mut request = lab.peer_request(Method::REFER, number, dialog);
    request.headers_mut().push_raw(HeaderName::REFER_TO, refer_to).unwrap();
    request
}

/// The peer sends a REFER, and the application hears of it.
fn asked(lab: &mut Scripted, number: u32, dialog: Option<&Message>, refer_to: &str) -> ReferRequest {
    let request = refer(lab, number, dialog, refer_to);
    lab.receive(request);
    asks(lab)
}

#[track_caller]
fn asks(lab: &mut Scripted) -> ReferRequest {
    match lab.event() {
        Some(Event::Refer { refer, .. }) => *refer,
        other => panic!("{other:?} is a REFER; sent: {:?}", lab.poll_sent()),
    }
}

/// The NOTIFY sent next: Event, Subscription-State, and the status it reports. The peer answers it.
#[track_caller]
fn report(lab: &mut Scripted) -> (String, String, u16) {
    let notify = lab.sent_request(&Method::NOTIFY);
    lab.answer(&notify, 200, "");
    told(&notify)
}

fn told(notify: &Request) -> (String, String, u16) {
    let headers = notify.headers();
    assert!(headers.require::<sip_msg::ContentType>().unwrap().is("message/sipfrag"));
    assert!(headers.contains(HeaderName::CONTACT));
    let fragment = Fragment::parse(notify.body().clone(), &sip_msg::Limits::default()).unwrap();
    let event = headers.require::<EventHeader>().unwrap().to_string();
    let state = headers.require::<SubscriptionState>().unwrap().to_string();
    (event, state, fragment.status().unwrap().code())
}

fn trying() -> (String, String, u16) {
    ("refer".into(), "active;expires=300".into(), 100)
}

fn last(status: u16) -> (String, String, u16) {
    ("refer".into(), "terminated;reason=noresource".into(), status)
}

fn us() -> NameAddr {
    NameAddr::new("sip:alice@example.com".parse::<sip_msg::Uri>().unwrap())
}

fn place(lab: &mut Scripted, refer: &ReferRequest) -> (DialogId, Request) {
    let invite = Invite::from_refer(us(), refer);
    let id = lab.agent.invite(lab.now, invite, Box::new(Plan::default())).unwrap();
    (id, lab.sent_request(&Method::INVITE))
}

// rfc: 3515 §2.4.2 — an accepted REFER: 202 before its transaction ends
// rfc: 3515 §2.4.4 — the subscription starts with a NOTIFY at once, in the dialog of the REFER
// rfc: 3515 §2.4.5 — the progress of the INVITE is reported, and at last its final status
// rfc: 3515 §2.4.7 — the final NOTIFY says terminated;reason=noresource
// rfc: 3892 §2.2 — Referred-By goes into the INVITE as it came
#[test]
fn the_referrer_hears_how_the_call_goes() {
    let (mut lab, call, dialog) = up();
    let mut request = refer(&mut lab, 11, Some(&dialog), LINK);
    request.headers_mut().push_raw(HeaderName::REFERRED_BY, "<sip:bob@example.com>;x=y").unwrap();
    lab.receive(request);
    let Some(Event::Refer { dialog: Some(in_call), refer: asked }) = lab.event() else { panic!("a REFER") };
    assert_eq!(in_call, call);
    lab.sent_nothing();
    lab.agent.accept_refer(lab.now, asked.id).unwrap();
    let accepted = lab.sent_response(StatusCode::ACCEPTED);
    assert!(accepted.headers().require::<Contact>().is_ok());
    assert_eq!(report(&mut lab), trying());
    let (new, invite) = place(&mut lab, &asked);
    assert_eq!(invite.uri_text(), "sip:carol@192.0.2.2");
    let by = invite.headers().require::<ReferredBy>().unwrap();
    assert_eq!(by.to_string(), "<sip:bob@example.com>;x=y");
    lab.advance(Duration::from_secs(1));
    lab.skip_sent();
    lab.answer(&invite, 180, "carol");
    assert!(matches!(lab.event(), Some(Event::Ringing { .. })));
    assert_eq!(report(&mut lab), ("refer".into(), "active;expires=299".into(), 180));
    lab.answer_with(&invite, 200, "carol", sdp::Direction::SendRecv);
    lab.sent_request(&Method::ACK);
    assert_eq!(report(&mut lab), last(200));
    assert!(matches!(lab.event(), Some(Event::Answered { .. })));
    // The referrer hangs up as it should; the new call stands.
    let bye = lab.peer_request(Method::BYE, 12, Some(&dialog));
    lab.receive(bye);
    lab.sent_response(StatusCode::OK);
    assert!(matches!(lab.event(), Some(Event::Ended { .. })));
    lab.agent.hang_up(lab.now, new).unwrap();
    let bye = lab.sent_request(&Method::BYE);
    lab.answer(&bye, 200, "carol");
    assert!(matches!(lab.event(), Some(Event::Ended { .. })));
    lab.ends_idle();
}

#[test]
fn a_call_that_fails_is_reported_with_its_status() {
    for (status, reported) in [(486, 486), (603, 603), (404, 404)] {
        let (mut lab, _, dialog) = up();
        let asked = asked(&mut lab, 11, Some(&dialog), LINK);
        lab.agent.accept_refer(lab.now, asked.id).unwrap();
        lab.sent_response(StatusCode::ACCEPTED);
        assert_eq!(report(&mut lab), trying());
        let (_, invite) = place(&mut lab, &asked);
        lab.answer(&invite, status, "carol");
        lab.sent_request(&Method::ACK);
        assert_eq!(report(&mut lab), last(reported));
    }
    let (mut lab, _, dialog) = up();
    let asked = asked(&mut lab, 11, Some(&dialog), LINK);
    lab.agent.accept_refer(lab.now, asked.id).unwrap();
    lab.sent_response(StatusCode::ACCEPTED);
    report(&mut lab);
    let (new, invite) = place(&mut lab, &asked);
    lab.answer(&invite, 180, "carol");
    lab.agent.hang_up(lab.now, new).unwrap();
    lab.sent_request(&Method::CANCEL);
    lab.answer(&invite, 487, "carol");
    lab.sent_request(&Method::ACK);
    assert_eq!(report(&mut lab), last(487));
}

// rfc: 3515 §3.10 — no more than one NOTIFY a second; one NOTIFY at a time, and the latest state counts
#[test]
fn provisional_reports_are_paced_and_the_last_one_is_not() {
    let (mut lab, _, dialog) = up();
    let asked = asked(&mut lab, 11, Some(&dialog), LINK);
    lab.agent.accept_refer(lab.now, asked.id).unwrap();
    lab.sent_response(StatusCode::ACCEPTED);
    assert_eq!(report(&mut lab), trying());
    lab.agent.refer_progress(lab.now, asked.id, StatusCode::RINGING).unwrap();
    lab.agent.refer_progress(lab.now, asked.id, StatusCode::SESSION_PROGRESS).unwrap();
    lab.sent_nothing();
    lab.advance(Duration::from_secs(1));
    assert_eq!(report(&mut lab).2, 183);
    lab.agent.refer_progress(lab.now, asked.id, StatusCode::OK).unwrap();
    assert_eq!(report(&mut lab), last(200));
    assert_eq!(
        lab.agent.refer_progress(lab.now, asked.id, StatusCode::OK),
        Err(CommandError::Unknown),
        "the last report was the last"
    );
}

// rfc: 3515 §2.4.6 — the second REFER in a dialog and those after it have the CSeq as id
#[test]
fn the_second_refer_in_a_dialog_is_told_apart_by_its_number() {
    let (mut lab, _, dialog) = up();
    let first = asked(&mut lab, 11, Some(&dialog), LINK);
    lab.agent.accept_refer(lab.now, first.id).unwrap();
    lab.sent_response(StatusCode::ACCEPTED);
    assert_eq!(report(&mut lab), trying());
    let second = asked(&mut lab, 12, Some(&dialog), "<sip:dave@192.0.2.2>");
    lab.agent.accept_refer(lab.now, second.id).unwrap();
    lab.sent_response(StatusCode::ACCEPTED);
    assert_eq!(report(&mut lab), ("refer;id=12".into(), "active;expires=300".into(), 100));
    lab.agent.refer_progress(lab.now, first.id, StatusCode::BUSY_HERE).unwrap();
    assert_eq!(report(&mut lab), last(486));
    lab.agent.refer_progress(lab.now, second.id, StatusCode::OK).unwrap();
    assert_eq!(report(&mut lab).0, "refer;id=12");
}

// rfc: 3515 §2.4.2 — zero or more than one Refer-To: 400
#[test]
fn what_cannot_be_asked_is_refused() {
    let (mut lab, _, dialog) = up();
    let none = lab.peer_request(Method::REFER, 11, Some(&dialog));
    lab.receive(none);
    lab.sent_response(StatusCode::BAD_REQUEST);
    let mut two = refer(&mut lab, 12, Some(&dialog), LINK);
    two.headers_mut().push_raw(HeaderName::REFER_TO, LINK).unwrap();
    lab.receive(two);
    lab.sent_response(StatusCode::BAD_REQUEST);
    for (n, refer_to, status) in [
        (13, "<https://example.com>", StatusCode::UNSUPPORTED_URI_SCHEME),
        (14, "<sip:carol@192.0.2.2;method=BYE>", StatusCode::FORBIDDEN),
        (15, "<sip:carol@192.0.2.2;method=REGISTER>", StatusCode::FORBIDDEN),
        (16, "nonsense", StatusCode::BAD_REQUEST),
        (17, "<sip:c@192.0.2.2?Replaces=a%3Bto-tag=1&Replaces=b%3Bto-tag=2>", StatusCode::BAD_REQUEST),
        (18, "<sip:c@192.0.2.2?Subject=x%0D%0AVia:%20y>", StatusCode::BAD_REQUEST),
    ] {
        let request = refer(&mut lab, n, Some(&dialog), refer_to);
        lab.receive(request);
        let refusal = lab.sent_response(status);
        assert!(!refusal.reason().is_empty());
    }
    let late = refer(&mut lab, 5, Some(&dialog), LINK);
    lab.receive(late);
    lab.sent_response(StatusCode::SERVER_INTERNAL_ERROR);
    assert!(lab.event().is_none());
}

// rfc: 3261 §19.1.5 — a URI must not set From, Via, Route and their like
#[test]
fn a_link_sets_only_harmless_headers() {
    let (mut lab, _, dialog) = up();
    let link = "<sip:carol@192.0.2.2;method=INVITE?From=sip:x%40y&Via=SIP/2.0/UDP%20z&Route=%3Csip:r%3E&Call-ID=1\
                &Contact=sip:z&Authorization=Basic%20eDp5&P-Asserted-Identity=sip:p%40q&Diversion=sip:d%40e\
                &Record-Route=%3Csip:r%3E&Max-Forwards=0&Supported=x&Referred-By=sip:b%40c\
                &Subject=hello&X-Room=7&Replaces=9%40h%3Bto-tag%3Da%3Bfrom-tag%3Db&Require=replaces&body=attack>";
    let asked = asked(&mut lab, 11, Some(&dialog), link);
    assert_eq!(asked.method, Method::INVITE);
    assert_eq!(asked.target.to_string(), "sip:carol@192.0.2.2");
    let names: Vec<_> = asked.headers.iter().map(|(name, _)| name.as_str().to_owned()).collect();
    assert_eq!(names, ["Subject", "X-Room", "Replaces", "Require"]);
    assert_eq!(asked.replaces.as_ref().unwrap().to_tag(), Some("a"));
    lab.agent.accept_refer(lab.now, asked.id).unwrap();
    lab.skip_sent();
    let (_, invite) = place(&mut lab, &asked);
    assert_eq!(invite.headers().require::<From>().unwrap().uri().to_string(), "sip:alice@example.com");
    assert_eq!(invite.headers().require::<Replaces>().unwrap().from_tag(), Some("b"));
    assert_eq!(invite.headers().raw(HeaderName::REQUIRE), Some(&b"replaces"[..]));
    assert!(String::from_utf8_lossy(invite.body()).starts_with("v=0"));
    for forged in ["Route", "Authorization", "P-Asserted-Identity", "Diversion", "Referred-By"] {
        assert!(!invite.headers().contains(forged.parse::<HeaderName>().unwrap()), "{forged}");
    }
}

// rfc: 4488 §4 — Refer-Sub: false is granted in the answer, and no NOTIFY follows
#[test]
fn a_referrer_that_wants_no_reports_gets_none() {
    let (mut lab, _, dialog) = up();
    let mut request = refer(&mut lab, 11, Some(&dialog), LINK);
    request.headers_mut().push_raw(HeaderName::REFER_SUB, "false").unwrap();
    request.headers_mut().push_raw(HeaderName::REQUIRE, "norefersub").unwrap();
    lab.receive(request);
    let asked = asks(&mut lab);
    lab.agent.accept_refer(lab.now, asked.id).unwrap();
    let accepted = lab.sent_response(StatusCode::OK);
    assert!(!accepted.headers().require::<ReferSub>().unwrap().subscribe);
    assert!(accepted.headers().require::<Supported>().unwrap().contains("norefersub"));
    let (_, invite) = place(&mut lab, &asked);
    lab.answer(&invite, 486, "carol");
    lab.sent_request(&Method::ACK);
    lab.sent_nothing();
    assert_eq!(lab.agent.refer_progress(lab.now, asked.id, StatusCode::OK), Err(CommandError::Unknown));
}

#[test]
fn a_refer_is_the_applications_to_decline_and_declined_when_it_does_not_decide() {
    let (mut lab, _, dialog) = up();
    let first = asked(&mut lab, 11, Some(&dialog), LINK);
    let busy = lab.agent.refuse_refer(lab.now, first.id, StatusCode::OK);
    assert!(matches!(busy, Err(CommandError::Misuse(_))));
    let reply = Reply::new(StatusCode::FORBIDDEN).reason("Not Today");
    lab.agent.refuse_refer(lab.now, first.id, reply).unwrap();
    assert_eq!(lab.sent_response(StatusCode::FORBIDDEN).reason(), "Not Today");
    assert_eq!(lab.agent.accept_refer(lab.now, first.id), Err(CommandError::Unknown));
    let second = asked(&mut lab, 12, Some(&dialog), LINK);
    assert_eq!(
        lab.agent.refer_progress(lab.now, second.id, StatusCode::OK),
        Err(CommandError::Unknown),
        "it is not accepted"
    );
    lab.advance(DECIDE_WITHIN);
    lab.sent_response(StatusCode::TRYING);
    lab.sent_response(StatusCode::DECLINE);
    assert_eq!(lab.agent.accept_refer(lab.now, second.id), Err(CommandError::Unknown));
}

// rfc: 5057 §4.1 — the reports go on in the dialog after the call's BYE
#[test]
fn reports_go_on_after_the_referrers_bye() {
    let (mut lab, _, dialog) = up();
    let asked = asked(&mut lab, 11, Some(&dialog), LINK);
    lab.agent.accept_refer(lab.now, asked.id).unwrap();
    lab.sent_response(StatusCode::ACCEPTED);
    let first = lab.sent_request(&Method::NOTIFY);
    lab.answer(&first, 200, "");
    let bye = lab.peer_request(Method::BYE, 12, Some(&dialog));
    lab.receive(bye);
    lab.sent_response(StatusCode::OK);
    assert!(matches!(lab.event(), Some(Event::Ended { .. })));
    lab.agent.refer_progress(lab.now, asked.id, StatusCode::OK).unwrap();
    let second = lab.sent_request(&Method::NOTIFY);
    assert_eq!(told(&second), last(200));
    assert_eq!(number(&second), number(&first) + 1);
    lab.answer(&second, 200, "");
    lab.ends_idle();
}

#[test]
fn reports_go_on_after_our_own_bye_and_share_its_numbers() {
    let (mut lab, call, dialog) = up();
    let asked = asked(&mut lab, 11, Some(&dialog), LINK);
    lab.agent.accept_refer(lab.now, asked.id).unwrap();
    lab.sent_response(StatusCode::ACCEPTED);
    report(&mut lab);
    lab.agent.hang_up(lab.now, call).unwrap();
    let bye = lab.sent_request(&Method::BYE);
    lab.agent.refer_progress(lab.now, asked.id, StatusCode::BUSY_HERE).unwrap();
    let notify = lab.sent_request(&Method::NOTIFY);
    assert!(number(&notify) > number(&bye));
    lab.answer(&bye, 200, "");
    lab.answer(&notify, 200, "");
    assert!(matches!(lab.event(), Some(Event::Ended { .. })));
    lab.ends_idle();
}

// rfc: 6665 §4.2.2 — a NOTIFY answered 481, or never, removes the subscription
#[test]
fn a_referrer_that_knows_nothing_of_it_hears_no_more() {
    let (mut lab, _, dialog) = up();
    let asked = asked(&mut lab, 11, Some(&dialog), LINK);
    lab.agent.accept_refer(lab.now, asked.id).unwrap();
    lab.sent_response(StatusCode::ACCEPTED);
    let notify = lab.sent_request(&Method::NOTIFY);
    lab.answer(&notify, 489, "");
    assert_eq!(lab.agent.refer_progress(lab.now, asked.id, StatusCode::OK), Err(CommandError::Unknown));
    lab.sent_nothing();
}

// rfc: 5057 §5.1 — a 481 to NOTIFY, or no answer, ends the subscription and not the call in whose dialog it is
#[test]
fn a_call_outlives_a_report_that_nobody_wants() {
    for answer in [Some(481), Some(408), None] {
        let (mut lab, id, dialog) = up();
        let asked = asked(&mut lab, 11, Some(&dialog), LINK);
        lab.agent.accept_refer(lab.now, asked.id).unwrap();
        lab.sent_response(StatusCode::ACCEPTED);
        let notify = lab.sent_request(&Method::NOTIFY);
        match answer {
            Some(status) => lab.answer(&notify, status, ""),
            None => lab.advance(Duration::from_secs(33)),
        }
        let still = lab.agent.refer_progress(lab.now, asked.id, StatusCode::RINGING);
        assert_eq!(still.is_ok(), answer == Some(408), "{answer:?}");
        assert!(lab.agent.direction(id).is_some(), "{answer:?}");
    }
}

// rfc: 6665 §3.1 — SUBSCRIBE is a target refresh request
// rfc: 6665 §3.2 — NOTIFY is a target refresh request
// rfc: 5057 §5.4 — the target is moved for all usages of the dialog
#[test]
fn a_referrer_that_moves_is_followed_by_the_call() {
    let moved = |text: &str| sip_msg::Contact::new(text.parse::<sip_msg::Uri>().unwrap());
    let (mut lab, id, dialog) = up();
    let asked = asked(&mut lab, 11, Some(&dialog), LINK);
    lab.agent.accept_refer(lab.now, asked.id).unwrap();
    lab.sent_response(StatusCode::ACCEPTED);
    let notify = lab.sent_request(&Method::NOTIFY);
    let mut heard = crate::scripted::answer(&notify, 200, "");
    heard.headers_mut().replace(&moved("sip:first@192.0.2.2"));
    lab.receive(heard);
    lab.advance(Duration::from_secs(1));
    let mut refresh = lab.peer_request(Method::SUBSCRIBE, 12, Some(&dialog));
    assert_eq!(lab.agent.dialog(id).unwrap().remote_target().to_string(), "sip:first@192.0.2.2");
    refresh.headers_mut().push_raw(HeaderName::EVENT, "refer").unwrap();
    refresh.headers_mut().replace(&moved("sip:second@192.0.2.2"));
    lab.receive(refresh);
    lab.sent_response(StatusCode::OK);
    assert_eq!(lab.sent_request(&Method::NOTIFY).uri_text(), "sip:second@192.0.2.2");
    lab.agent.hang_up(lab.now, id).unwrap();
    assert_eq!(lab.sent_request(&Method::BYE).uri_text(), "sip:second@192.0.2.2");
}

// rfc: 3515 §2.4.4 — the referrer may end or extend its subscription by SUBSCRIBE; the request goes on all the same
// rfc: 3515 §2.4.4 — a SUBSCRIBE to refer that no REFER made: 403
#[test]
fn a_subscription_can_be_refreshed_and_ended_but_not_made() {
    let (mut lab, _, dialog) = up();
    let asked = asked(&mut lab, 11, Some(&dialog), LINK);
    lab.agent.accept_refer(lab.now, asked.id).unwrap();
    lab.sent_response(StatusCode::ACCEPTED);
    report(&mut lab);
    let (_, invite) = place(&mut lab, &asked);
    lab.advance(Duration::from_millis(100));
    let mut refresh = lab.peer_request(Method::SUBSCRIBE, 12, Some(&dialog));
    refresh.headers_mut().push_raw(HeaderName::EVENT, "refer;id=11").unwrap();
    refresh.headers_mut().push(&Expires(60));
    lab.receive(refresh);
    assert_eq!(lab.sent_response(StatusCode::OK).headers().require::<Expires>().unwrap(), Expires(60));
    assert_eq!(report(&mut lab), ("refer".into(), "active;expires=60".into(), 100));
    let mut end = lab.peer_request(Method::SUBSCRIBE, 13, Some(&dialog));
    end.headers_mut().push_raw(HeaderName::EVENT, "refer").unwrap();
    end.headers_mut().push(&Expires(0));
    lab.receive(end);
    lab.sent_response(StatusCode::OK);
    assert_eq!(report(&mut lab), ("refer".into(), "terminated;reason=timeout".into(), 100));
    let mut new = lab.peer_request(Method::SUBSCRIBE, 14, Some(&dialog));
    new.headers_mut().push_raw(HeaderName::EVENT, "refer").unwrap();
    lab.receive(new);
    lab.sent_response(StatusCode::FORBIDDEN);
    let mut other = lab.peer_request(Method::SUBSCRIBE, 1, None);
    other.headers_mut().push_raw(HeaderName::EVENT, "weather").unwrap();
    lab.receive(other);
    let refusal = lab.sent_response(StatusCode::BAD_EVENT);
    assert_eq!(refusal.headers().raw(HeaderName::ALLOW_EVENTS), Some(&b"refer"[..]));
    // Nobody cancels the call for that.
    lab.answer_with(&invite, 200, "carol", sdp::Direction::SendRecv);
    lab.sent_request(&Method::ACK);
    lab.sent_nothing();
}

#[test]
fn a_subscription_runs_out() {
    let (mut lab, _, dialog) = up();
    let asked = asked(&mut lab, 11, Some(&dialog), LINK);
    lab.agent.accept_refer(lab.now, asked.id).unwrap();
    lab.sent_response(StatusCode::ACCEPTED);
    report(&mut lab);
    lab.advance(refer::EXPIRES);
    assert_eq!(report(&mut lab), ("refer".into(), "terminated;reason=timeout".into(), 100));
    assert_eq!(lab.agent.refer_progress(lab.now, asked.id, StatusCode::OK), Err(CommandError::Unknown));
}

// rfc: 3515 §4.1 — a REFER outside of a dialog makes one; its NOTIFYs come in it
// rfc: 6665 §4.4.1 — the dialog of a subscription ends with it
#[test]
fn a_refer_outside_of_calls_is_click_to_dial() {
    let mut lab = Scripted::new();
    let request = refer(&mut lab, 7, None, LINK);
    lab.receive(request);
    let Some(Event::Refer { dialog: None, refer: asked }) = lab.event() else { panic!("a REFER") };
    lab.agent.accept_refer(lab.now, asked.id).unwrap();
    let accepted = lab.sent_response(StatusCode::ACCEPTED);
    let tag = accepted.headers().require::<To>().unwrap().tag().unwrap().to_owned();
    let notify = lab.sent_request(&Method::NOTIFY);
    assert_eq!(told(&notify), trying());
    assert_eq!(notify.uri_text(), "sip:bob@192.0.2.2:5060");
    assert_eq!(notify.headers().require::<From>().unwrap().tag(), Some(&*tag));
    assert_eq!(notify.headers().require::<To>().unwrap().tag(), Some("peer"));
    lab.answer(&notify, 200, "");
    let (_, invite) = place(&mut lab, &asked);
    lab.answer(&invite, 486, "carol");
    lab.sent_request(&Method::ACK);
    assert_eq!(report(&mut lab), last(486));
    lab.event();
    lab.ends_idle();
}

#[test]
fn a_report_outside_of_calls_is_sent_again_with_credentials_and_given_up_without_an_answer() {
    let mut lab = Scripted::new();
    let request = refer(&mut lab, 7, None, LINK);
    lab.receive(request);
    let asked = asks(&mut lab);
    lab.agent.accept_refer(lab.now, asked.id).unwrap();
    lab.sent_response(StatusCode::ACCEPTED);
    lab.sent_request(&Method::NOTIFY);
    lab.advance(64 * T1);
    lab.skip_sent();
    assert_eq!(lab.agent.refer_progress(lab.now, asked.id, StatusCode::OK), Err(CommandError::Unknown));
    lab.ends_idle();
}

// rfc: 4538 §4 — a REFER outside that names all of a call's dialog is its peer's; one that names half of it is not
#[test]
fn a_refer_outside_that_names_a_call_belongs_to_it() {
    let (mut lab, call, accepted) = up();
    let ours = accepted.headers().require::<To>().unwrap().tag().unwrap().to_owned();
    for (n, named, known) in [
        (1, format!("peer-call;local-tag={ours};remote-tag=peer"), true),
        (2, format!("peer-call;local-tag={ours}"), false),
        (3, format!("peer-call;local-tag=peer;remote-tag={ours}"), false),
    ] {
        let mut request = refer(&mut lab, n, None, LINK);
        request.headers_mut().replace(&sip_msg::CallId(format!("outside-{n}").into()));
        request.headers_mut().push_raw(HeaderName::TARGET_DIALOG, &named).unwrap();
        request.headers_mut().push_raw(HeaderName::REQUIRE, "tdialog").unwrap();
        lab.receive(request);
        let Some(Event::Refer { dialog, refer }) = lab.event() else { panic!("a REFER") };
        assert_eq!(dialog, known.then_some(call), "{named}");
        lab.agent.refuse_refer(lab.now, refer.id, StatusCode::DECLINE).unwrap();
        lab.sent_response(StatusCode::DECLINE);
    }
}

#[test]
fn a_refer_in_a_dialog_that_is_over_gets_481() {
    let (mut lab, _, dialog) = up();
    let bye = lab.peer_request(Method::BYE, 11, Some(&dialog));
    lab.receive(bye);
    lab.sent_response(StatusCode::OK);
    let request = refer(&mut lab, 12, Some(&dialog), LINK);
    lab.receive(request);
    lab.sent_response(StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
}

#[test]
fn refers_beyond_the_limit_are_refused() {
    let mut lab = Scripted::new();
    lab.agent.context.config.limits.requests = 1;
    let first = refer(&mut lab, 1, None, LINK);
    lab.receive(first);
    asks(&mut lab);
    let mut second = refer(&mut lab, 1, None, LINK);
    second.headers_mut().replace(&sip_msg::CallId("another".into()));
    lab.receive(second);
    lab.sent_response(StatusCode::SERVICE_UNAVAILABLE);
    lab.advance(DECIDE_WITHIN);
    lab.sent_response(StatusCode::TRYING);
    lab.sent_response(StatusCode::DECLINE);
    lab.ends_idle();
}

#[test]
fn a_target_that_the_policy_forbids_is_refused_with_a_reason() {
    let mut lab = Scripted::new();
    let request = refer(&mut lab, 1, None, "<sip:+881612345678@192.0.2.2>");
    lab.receive(request);
    let refusal = lab.sent_response(StatusCode::FORBIDDEN);
    assert_ne!(refusal.reason(), "Forbidden");
    assert!(lab.event().is_none());
    lab.ends_idle();
}

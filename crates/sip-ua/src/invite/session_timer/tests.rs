//! Session timers, rule by rule, with a peer that the test plays.

use std::time::Duration;

use sdp::Direction;
use sip_msg::{
    Allow, HeaderName, Message, Method, MinSe, Request, Require, Response, SessionExpires, StatusCode,
    Supported,
};

use super::*;
use crate::event::DialogId;
use crate::scripted::{Plan, SDP, Scripted, T1, answer, describe, invite, number};

const SECOND: Duration = Duration::from_secs(1);

fn lab(timer: SessionTimer) -> Scripted {
    Scripted::new().configured(|config| config.session_timer(timer))
}

fn wants(seconds: u64) -> SessionTimer {
    SessionTimer::default().interval(Duration::from_secs(seconds))
}

fn session_expires_of(headers: &Headers) -> Option<String> {
    headers.get::<SessionExpires>().unwrap().map(|header| header.to_string())
}

fn min_se(headers: &Headers) -> Option<u32> {
    headers.get::<MinSe>().unwrap().map(|header| header.seconds)
}

/// The peer answers an INVITE or UPDATE with 200, this Session-Expires and this Allow.
fn grant(lab: &mut Scripted, request: &Request, expires: &str, allow: &[Method]) {
    let mut response = answer(request, 200, "peer");
    if !expires.is_empty() {
        response.headers_mut().push_raw(HeaderName::SESSION_EXPIRES, expires).unwrap();
        response.headers_mut().push(&Require(vec![TIMER.into()]));
    }
    if !allow.is_empty() {
        response.headers_mut().push(&Allow(allow.to_vec()));
    }
    if !request.body().is_empty() {
        response.set_body(SDP, describe(1, Direction::SendRecv));
    }
    lab.receive(response);
}

/// Places a call, which the peer answers like this.
fn call_up(lab: &mut Scripted, expires: &str, allow: &[Method]) -> (DialogId, Request) {
    let (id, sent) = lab.call(Plan::default());
    grant(lab, &sent, expires, allow);
    lab.sent_request(&Method::ACK);
    assert!(matches!(lab.event(), Some(Event::Answered { .. })));
    (id, sent)
}

/// A request of the peer with an offer and these headers.
fn request(
    lab: &mut Scripted,
    method: Method,
    cseq: u32,
    dialog: Option<&Message>,
    headers: &[(HeaderName, &str)],
) -> Request {
    let mut request = lab.peer_request(method, cseq, dialog);
    for (name, value) in headers {
        request.headers_mut().push_raw(name.clone(), *value).unwrap();
    }
    request.set_body(SDP, describe(1, Direction::SendRecv));
    request
}

/// The peer calls with these headers, we answer; our 200 and whether the peer has acknowledged it.
fn called_up(lab: &mut Scripted, headers: &[(HeaderName, &str)]) -> (DialogId, Response) {
    let invite = request(lab, Method::INVITE, 10, None, headers);
    lab.receive(invite);
    let Some(Event::Incoming { dialog, .. }) = lab.event() else { panic!("a call comes in") };
    let plan: Box<dyn crate::MediaPlan> = Box::new(Plan::default());
    lab.agent.accept(lab.now, dialog, plan).unwrap();
    let accepted = lab.sent_response(StatusCode::OK);
    let ack = lab.peer_request(Method::ACK, 10, Some(&accepted.clone().into()));
    lab.receive(ack);
    assert!(matches!(lab.event(), Some(Event::Confirmed { .. })));
    (dialog, accepted)
}

#[track_caller]
fn expired(lab: &mut Scripted) {
    let Some(Event::Ended { by: Side::Error, status: None, reason, .. }) = lab.event() else {
        panic!("it ends")
    };
    assert_eq!(reason, "session expired");
    lab.sent_request(&Method::BYE);
}

#[track_caller]
fn refreshed(lab: &mut Scripted, side: Side) {
    let event = lab.event();
    assert!(matches!(event, Some(Event::SessionRefreshed { by, .. }) if by == side), "{event:?}");
}

const SUPPORTED: (HeaderName, &str) = (HeaderName::SUPPORTED, "100rel, Timer");

// rfc: 4028 §7.1 — Supported: timer in each INVITE, Session-Expires as wanted, no refresher named unless somebody chose
// rfc: 4028 §7.1 — Session-Expires is not below Min-SE
#[test]
fn an_invite_says_what_we_want() {
    let ask = |timer| {
        let (_, sent) = lab(timer).call(Plan::default());
        assert!(sent.headers().require::<Supported>().unwrap().contains(TIMER));
        (session_expires_of(sent.headers()), min_se(sent.headers()))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(ask(SessionTimer::default()), (some("1800"), None));
    assert_eq!(ask(wants(600).refresher(Refresher::Us)), (some("600;refresher=uac"), None));
    assert_eq!(ask(wants(600).refresher(Refresher::Peer)), (some("600;refresher=uas"), None));
    assert_eq!(ask(wants(30)), (some("90"), None), "90 s is the least");
    assert_eq!(ask(wants(300).min(Duration::from_secs(400))), (some("400"), Some(400)));
    assert_eq!(ask(SessionTimer::default().interval(None)), (None, None));
}

#[test]
fn a_call_may_have_a_timer_of_its_own() {
    let mut lab = lab(SessionTimer::default());
    let asked = invite().session_timer(wants(120));
    lab.agent.invite(lab.now, asked, Box::new(Plan::default())).unwrap();
    assert_eq!(session_expires_of(lab.sent_request(&Method::INVITE).headers()).unwrap(), "120");
}

// rfc: 4028 §7.2 — the 2xx says who refreshes and how often; the refresh goes out at half the interval
// rfc: 4028 §7.4 — UPDATE without an offer where the peer takes UPDATE, with the current interval and roles
// rfc: 4028 §10 — a 2xx to the refresh extends the session
#[test]
fn a_refresh_is_an_update_where_the_peer_takes_it() {
    let mut lab = lab(SessionTimer::default());
    let (_, sent) = call_up(&mut lab, "200;refresher=uac", &[Method::INVITE, Method::UPDATE]);
    for round in 1..5 {
        lab.advance(99 * SECOND);
        lab.sent_nothing();
        lab.advance(SECOND);
        let update = lab.sent_request(&Method::UPDATE);
        assert_eq!(number(&update), number(&sent) + round);
        assert!(update.body().is_empty());
        assert_eq!(session_expires_of(update.headers()).unwrap(), "200;refresher=uac");
        assert_eq!(min_se(update.headers()), None, "nobody has named one in this dialog");
        assert!(update.headers().require::<Supported>().unwrap().contains(TIMER));
        assert!(update.headers().contains(HeaderName::CONTACT));
        grant(&mut lab, &update, "200;refresher=uac", &[]);
        refreshed(&mut lab, Side::Local);
    }
}

// rfc: 4028 §7.4 — re-INVITE with an unchanged offer where the peer does not take UPDATE
// rfc: 3264 §8 — the o= line of a refresh is the same as before
#[test]
fn a_refresh_is_a_reinvite_where_the_peer_takes_no_update() {
    let mut lab = lab(SessionTimer::default());
    let (_, sent) = call_up(&mut lab, "200;refresher=uac", &[Method::INVITE, Method::INFO]);
    lab.advance(100 * SECOND);
    let refresh = lab.sent_request(&Method::INVITE);
    assert_eq!(refresh.body(), sent.body());
    assert_eq!(session_expires_of(refresh.headers()).unwrap(), "200;refresher=uac");
    grant(&mut lab, &refresh, "200;refresher=uac", &[Method::UPDATE]);
    lab.sent_request(&Method::ACK);
    refreshed(&mut lab, Side::Local);
    assert!(lab.event().is_none(), "media is as it was");
    lab.advance(100 * SECOND);
    lab.sent_request(&Method::UPDATE);
}

// rfc: 4028 §7.2 — a 2xx without Session-Expires: the peer has no timers, and the refreshes are ours
#[test]
fn a_peer_without_session_timers_is_refreshed_by_us() {
    let mut lab = lab(wants(300));
    call_up(&mut lab, "", &[]);
    lab.advance(150 * SECOND);
    let refresh = lab.sent_request(&Method::INVITE);
    grant(&mut lab, &refresh, "", &[]);
    lab.sent_request(&Method::ACK);
    refreshed(&mut lab, Side::Local);
    lab.advance(150 * SECOND);
    lab.sent_request(&Method::INVITE);
}

// rfc: 4028 §7.2 — no Session-Expires in request and 2xx: no session expiration
// rfc: 4028 §7.2 — a Session-Expires in the 2xx counts even if none was asked for
#[test]
fn without_a_timer_a_call_stands_for_ever_unless_somebody_wants_one() {
    let mut quiet = lab(SessionTimer::default().interval(None));
    call_up(&mut quiet, "", &[]);
    quiet.advance(86_400 * SECOND);
    quiet.sent_nothing();
    let mut asked = lab(SessionTimer::default().interval(None));
    call_up(&mut asked, "120;refresher=uac", &[Method::UPDATE]);
    asked.advance(60 * SECOND);
    asked.sent_request(&Method::UPDATE);
}

// rfc: 4028 §10 — the side that does not refresh ends the call min(32 s, interval/3) before the session expires
#[test]
fn a_call_that_the_peer_does_not_refresh_ends() {
    for (interval, end) in [(1800, 1768), (90, 60)] {
        let mut lab = lab(SessionTimer::default());
        call_up(&mut lab, &format!("{interval};refresher=uas"), &[]);
        lab.advance((end - 1) * SECOND);
        lab.sent_nothing();
        lab.advance(SECOND);
        expired(&mut lab);
        lab.ends_idle();
    }
}

// rfc: 4028 §9 — our 2xx to a refresh of the peer extends the session; other requests do not
#[test]
fn refreshes_of_the_peer_keep_the_call_and_nothing_else_does() {
    let mut lab = lab(SessionTimer::default());
    let headers = [SUPPORTED, (HeaderName::SESSION_EXPIRES, "90;refresher=uac")];
    let (_, accepted) = called_up(&mut lab, &headers);
    let dialog: Message = accepted.into();
    lab.advance(50 * SECOND);
    let mut update = lab.peer_request(Method::UPDATE, 11, Some(&dialog));
    for (name, value) in headers.clone() {
        update.headers_mut().push_raw(name, value).unwrap();
    }
    lab.receive(update);
    let ok = lab.sent_response(StatusCode::OK);
    assert_eq!(session_expires_of(ok.headers()).unwrap(), "90;refresher=uac");
    assert!(ok.headers().require::<Require>().unwrap().contains(TIMER));
    refreshed(&mut lab, Side::Remote);
    lab.advance(50 * SECOND);
    let refresh = request(&mut lab, Method::INVITE, 12, Some(&dialog), &headers);
    lab.receive(refresh);
    assert_eq!(session_expires_of(lab.sent_response(StatusCode::OK).headers()).unwrap(), "90;refresher=uac");
    let ack = lab.peer_request(Method::ACK, 12, Some(&dialog));
    lab.receive(ack);
    refreshed(&mut lab, Side::Remote);
    lab.advance(50 * SECOND);
    let options = lab.peer_request(Method::OPTIONS, 13, Some(&dialog));
    lab.receive(options);
    lab.sent_response(StatusCode::OK);
    lab.advance(9 * SECOND);
    lab.sent_nothing();
    lab.advance(SECOND);
    expired(&mut lab);
}

// rfc: 4028 §9 — table 2: who refreshes, by what the caller supports and asks; Require: timer where the caller knows it
// rfc: 4028 §9 — the answer may reduce the interval, not below Min-SE, and does not raise it
// rfc: 4028 §9 — a caller that asks for none gets one where we want it
#[test]
fn the_answer_says_who_refreshes() {
    let expires = |value| (HeaderName::SESSION_EXPIRES, value);
    let ask = |refresher, headers: &[(HeaderName, &str)]| {
        let (_, ok) = called_up(&mut lab(SessionTimer::default().refresher(refresher)), headers);
        (session_expires_of(ok.headers()).unwrap(), ok.headers().contains(HeaderName::REQUIRE))
    };
    let says = |text: &str, required| (text.to_owned(), required);
    use Refresher::{Auto, Peer, Us};
    assert_eq!(ask(Auto, &[expires("300")]), says("300;refresher=uas", false));
    assert_eq!(ask(Peer, &[expires("300")]), says("300;refresher=uas", false), "who cannot need not");
    assert_eq!(ask(Auto, &[SUPPORTED, expires("300")]), says("300;refresher=uac", true));
    assert_eq!(ask(Us, &[SUPPORTED, expires("300")]), says("300;refresher=uas", true));
    assert_eq!(ask(Us, &[SUPPORTED, expires("300;refresher=uac")]), says("300;refresher=uac", true));
    assert_eq!(ask(Peer, &[SUPPORTED, expires("300;refresher=uas")]), says("300;refresher=uas", true));
    // The answer may reduce the interval, not below Min-SE, and does not raise it.
    assert_eq!(ask(Auto, &[SUPPORTED, expires("3600")]).0, "1800;refresher=uac");
    let min = (HeaderName::MIN_SE, "2000");
    assert_eq!(ask(Auto, &[SUPPORTED, expires("3600"), min.clone()]).0, "2000;refresher=uac");
    // A caller that asks for none gets one where we want it.
    assert_eq!(ask(Auto, &[SUPPORTED, min]).0, "2000;refresher=uac");
    assert_eq!(ask(Auto, &[]), says("1800;refresher=uas", false));
    // A proxy on the way of a caller without timers asks for too little: no timer, as 422 would only lose the call.
    let (_, ok) = called_up(&mut lab(SessionTimer::default()), &[expires("30")]);
    assert_eq!(session_expires_of(ok.headers()), None);
}

// rfc: 4028 §9 — too short an interval from a caller that knows timers: 422 with our Min-SE
// rfc: 4028 §6 — the 422 has Min-SE
// rfc: 4028 §10 — only a 2xx extends the session
#[test]
fn too_short_an_interval_is_refused_with_422() {
    let mut lab = lab(SessionTimer::default().min(Duration::from_secs(200)));
    let short = [SUPPORTED, (HeaderName::SESSION_EXPIRES, "199"), (HeaderName::MIN_SE, "30")];
    let first = request(&mut lab, Method::INVITE, 9, None, &short);
    lab.receive(first);
    let refusal = lab.sent_response(StatusCode::SESSION_INTERVAL_TOO_SMALL);
    assert_eq!(min_se(refusal.headers()), Some(200));
    assert!(lab.event().is_none(), "nobody hears of it");
    let ack = lab.peer_request(Method::ACK, 9, Some(&refusal.into()));
    lab.receive(ack);
    let long = [SUPPORTED, (HeaderName::SESSION_EXPIRES, "200"), (HeaderName::MIN_SE, "200")];
    let (_, ok) = called_up(&mut lab, &long);
    assert_eq!(session_expires_of(ok.headers()).unwrap(), "200;refresher=uac");
    let dialog: Message = ok.into();
    for method in [Method::INVITE, Method::UPDATE] {
        let cseq = if method == Method::INVITE { 11 } else { 12 };
        let refresh = request(&mut lab, method, cseq, Some(&dialog), &short);
        lab.receive(refresh);
        lab.sent_response(StatusCode::SESSION_INTERVAL_TOO_SMALL);
    }
    // Only a 2xx extends the session.
    lab.advance(168 * SECOND);
    lab.skip_sent_responses();
    expired(&mut lab);
}

// rfc: 4028 §7.3 — 422: the INVITE again with the next CSeq, the same Call-ID and From, and no To tag
// rfc: 4028 §7.4 — Min-SE is the largest of all 422s, and Session-Expires not less; several proxies may each raise it
// rfc: 4028 §7.4 — what was raised before the dialog stood does not bind it
#[test]
fn a_422_is_met_with_more_time() {
    let mut lab = lab(wants(90));
    let (_, mut sent) = lab.call(Plan::default());
    for min in [3600, 4000] {
        let mut refusal = answer(&sent, 422, "proxy");
        refusal.headers_mut().push(&MinSe::new(min));
        lab.receive(refusal);
        lab.sent_request(&Method::ACK);
        let again = lab.sent_request(&Method::INVITE);
        assert_eq!(number(&again), number(&sent) + 1);
        for name in [HeaderName::CALL_ID, HeaderName::FROM, HeaderName::TO] {
            assert_eq!(again.headers().raw(&name), sent.headers().raw(&name));
        }
        assert_eq!(session_expires_of(again.headers()).unwrap(), min.to_string());
        assert_eq!(min_se(again.headers()), Some(min));
        assert_eq!(again.body(), sent.body());
        sent = again;
    }
    assert!(lab.event().is_none());
    grant(&mut lab, &sent, "4000;refresher=uac", &[Method::UPDATE]);
    lab.sent_request(&Method::ACK);
    lab.event();
    lab.advance(2000 * SECOND);
    let update = lab.sent_request(&Method::UPDATE);
    // What was raised before the dialog stood does not bind it.
    assert_eq!(min_se(update.headers()), None);
    let mut refusal = answer(&update, 422, "peer");
    refusal.headers_mut().push(&MinSe::new(5000));
    lab.receive(refusal);
    let update = lab.sent_request(&Method::UPDATE);
    assert_eq!(min_se(update.headers()), Some(5000));
    assert_eq!(session_expires_of(update.headers()).unwrap(), "5000;refresher=uac");
    grant(&mut lab, &update, "5000;refresher=uac", &[]);
    refreshed(&mut lab, Side::Local);
}

// rfc: 4028 §10 — nobody is asked again and again who says the same each time
#[test]
fn a_422_that_makes_no_sense_or_never_ends_is_the_end() {
    for step in [0, 1000] {
        let mut lab = lab(wants(1800));
        let (_, mut sent) = lab.call(Plan::default());
        let mut tries = 1;
        for round in 1..20 {
            let mut refusal = answer(&sent, 422, "proxy");
            refusal.headers_mut().push(&MinSe::new(1800 + round * step));
            lab.receive(refusal);
            lab.sent_request(&Method::ACK);
            match lab.poll_sent() {
                Some(Message::Request(again)) => sent = again,
                _ => break,
            }
            tries += 1;
        }
        assert_eq!(tries, if step == 0 { 1 } else { 9 });
        let Some(Event::Ended { status: Some(status), .. }) = lab.event() else { panic!("it ends") };
        assert_eq!(status, StatusCode::SESSION_INTERVAL_TOO_SMALL);
        lab.ends_idle();
    }
}

// rfc: 4028 §10 — a refresh that is answered 408 or 481, or not at all: BYE
#[test]
fn a_refresh_that_nobody_answers_ends_the_call() {
    for status in [Some(481), Some(408), None] {
        for allow in [Method::UPDATE, Method::INFO] {
            let mut lab = lab(SessionTimer::default());
            call_up(&mut lab, "200;refresher=uac", &[allow]);
            lab.advance(100 * SECOND);
            let Some(Message::Request(refresh)) = lab.poll_sent() else { panic!("a refresh") };
            match status {
                Some(status) => lab.answer(&refresh, status, "peer"),
                None => lab.advance(64 * T1),
            }
            assert!(matches!(lab.event(), Some(Event::Ended { by: Side::Error, status: Some(_), .. })));
            let last = std::iter::from_fn(|| lab.poll_sent()).last().unwrap();
            assert_eq!(*last.as_request().unwrap().method(), Method::BYE);
            lab.ends_idle();
        }
    }
}

// rfc: 4028 §10 — a refresh that is refused otherwise is tried again, not all the time, until the session expires
#[test]
fn a_refused_refresh_is_tried_again_until_the_session_expires() {
    let mut lab = lab(SessionTimer::default());
    call_up(&mut lab, "200;refresher=uac", &[Method::UPDATE]);
    let (start, mut waits) = (lab.now, Vec::new());
    loop {
        let message = loop {
            if let Some(message) = lab.poll_sent() {
                break message;
            }
            let at = lab.agent.poll_timeout().unwrap();
            lab.advance(at - lab.now);
        };
        let refresh = message.as_request().unwrap();
        waits.push((lab.now - start).as_secs());
        if *refresh.method() == Method::BYE {
            break;
        }
        lab.answer(refresh, 503, "peer");
    }
    assert_eq!(waits, [100, 150, 175, 187, 193, 200]);
    assert!(matches!(lab.event(), Some(Event::Ended { by: Side::Error, status: None, .. })));
}

// rfc: 4028 §7.4 — the roles stay: whoever does not refresh says so in its own requests
// rfc: 4028 §7.2 — a re-INVITE for another reason refreshes the session too
#[test]
fn a_hold_refreshes_the_session_and_leaves_the_roles() {
    let mut lab = lab(SessionTimer::default());
    let (id, _) = call_up(&mut lab, "300;refresher=uas", &[]);
    lab.advance(200 * SECOND);
    lab.agent.set_direction(lab.now, id, Direction::SendOnly).unwrap();
    let hold = lab.sent_request(&Method::INVITE);
    assert_eq!(session_expires_of(hold.headers()).unwrap(), "300;refresher=uas");
    grant(&mut lab, &hold, "300;refresher=uas", &[]);
    lab.sent_request(&Method::ACK);
    assert!(matches!(lab.event(), Some(Event::MediaChanged { by: Side::Local, .. })));
    assert!(lab.event().is_none(), "it is said once");
    lab.advance(267 * SECOND);
    lab.sent_nothing();
    lab.advance(SECOND);
    expired(&mut lab);
}

// rfc: 4028 §7.2 — the role is negotiated anew in each refresh; a 2xx without a time switches the timer off
#[test]
fn each_refresh_may_change_the_roles_or_end_the_timer() {
    let mut lab = lab(SessionTimer::default());
    let (_, accepted) = called_up(&mut lab, &[SUPPORTED, (HeaderName::SESSION_EXPIRES, "200;refresher=uac")]);
    let dialog: Message = accepted.into();
    let theirs =
        [SUPPORTED, (HeaderName::SESSION_EXPIRES, "200;refresher=uas"), (HeaderName::ALLOW, "UPDATE")];
    let refresh = request(&mut lab, Method::UPDATE, 11, Some(&dialog), &theirs);
    lab.receive(refresh);
    lab.sent_response(StatusCode::OK);
    refreshed(&mut lab, Side::Remote);
    lab.advance(100 * SECOND);
    let update = lab.sent_request(&Method::UPDATE);
    assert_eq!(session_expires_of(update.headers()).unwrap(), "200;refresher=uac");
    grant(&mut lab, &update, "200;refresher=uas", &[]);
    refreshed(&mut lab, Side::Local);
    lab.advance(168 * SECOND);
    expired(&mut lab);
}

// rfc: 4028 §10 — a refresh follows the rules of the response: credentials for a 401
#[test]
fn a_challenged_refresh_is_sent_again_with_credentials() {
    let mut lab = lab(SessionTimer::default());
    let asked = invite().credentials(crate::auth::Credentials::new("alice", "secret"));
    lab.agent.invite(lab.now, asked, Box::new(Plan::default())).unwrap();
    let sent = lab.sent_request(&Method::INVITE);
    grant(&mut lab, &sent, "200;refresher=uac", &[Method::UPDATE]);
    lab.sent_request(&Method::ACK);
    lab.event();
    lab.advance(100 * SECOND);
    let update = lab.sent_request(&Method::UPDATE);
    let mut challenge = answer(&update, 401, "peer");
    challenge
        .headers_mut()
        .push_raw(HeaderName::WWW_AUTHENTICATE, "Digest realm=\"r\", nonce=\"n\"")
        .unwrap();
    lab.receive(challenge);
    let again = lab.sent_request(&Method::UPDATE);
    assert!(again.headers().contains(HeaderName::AUTHORIZATION));
    assert_eq!(session_expires_of(again.headers()).unwrap(), "200;refresher=uac");
    grant(&mut lab, &again, "200;refresher=uac", &[]);
    refreshed(&mut lab, Side::Local);
}

// rfc: 4028 §7.4 — a peer that refuses UPDATE after all is refreshed by re-INVITE
#[test]
fn an_update_that_is_not_taken_after_all_becomes_a_reinvite() {
    let mut lab = lab(SessionTimer::default());
    call_up(&mut lab, "200;refresher=uac", &[Method::UPDATE]);
    lab.advance(100 * SECOND);
    let update = lab.sent_request(&Method::UPDATE);
    lab.answer(&update, 405, "peer");
    let refresh = lab.sent_request(&Method::INVITE);
    grant(&mut lab, &refresh, "200;refresher=uac", &[]);
    lab.sent_request(&Method::ACK);
    refreshed(&mut lab, Side::Local);
}

// rfc: 3261 §14.1 — a refresh that meets a change of the peer is tried again after a while
#[test]
fn a_refresh_survives_glare() {
    let mut lab = lab(SessionTimer::default());
    call_up(&mut lab, "200;refresher=uac", &[]);
    lab.advance(100 * SECOND);
    let refresh = lab.sent_request(&Method::INVITE);
    lab.answer(&refresh, 491, "peer");
    lab.sent_request(&Method::ACK);
    lab.advance(2090 * Duration::from_millis(1));
    lab.sent_nothing();
    lab.advance(2 * SECOND);
    let again = lab.sent_request(&Method::INVITE);
    assert_eq!(again.body(), refresh.body());
    grant(&mut lab, &again, "200;refresher=uac", &[]);
    lab.skip_sent();
    refreshed(&mut lab, Side::Local);
}

/// A 2xx may not drive us to flood the network, however little time it names.
#[test]
fn an_absurd_interval_is_not_followed() {
    let mut lab = lab(SessionTimer::default());
    call_up(&mut lab, "0;refresher=uac", &[Method::UPDATE]);
    lab.advance(9 * SECOND);
    lab.sent_nothing();
    lab.advance(SECOND);
    lab.sent_request(&Method::UPDATE);
}

// rfc: 3261 §9.1 — a refresh that is never finally answered is cancelled, and the call stands
#[test]
fn a_refresh_that_rings_for_ever_is_cancelled() {
    let mut lab = lab(SessionTimer::default());
    call_up(&mut lab, "200;refresher=uac", &[]);
    lab.advance(100 * SECOND);
    let refresh = lab.sent_request(&Method::INVITE);
    lab.answer(&refresh, 100, "");
    lab.advance(32 * SECOND);
    let cancel = lab.sent_request(&Method::CANCEL);
    lab.answer(&cancel, 200, "peer");
    lab.answer(&refresh, 487, "peer");
    lab.sent_request(&Method::ACK);
    assert!(lab.event().is_none(), "the call stands");
    lab.advance(34 * SECOND);
    lab.sent_request(&Method::INVITE);
}

// rfc: 4028 §12.3 — a request may require the extension
#[test]
fn a_caller_may_require_session_timers() {
    let mut lab = lab(SessionTimer::default());
    let (_, ok) = called_up(&mut lab, &[SUPPORTED, (HeaderName::REQUIRE, "timer")]);
    assert!(ok.headers().require::<Supported>().unwrap().contains(TIMER));
    assert_eq!(session_expires_of(ok.headers()).unwrap(), "1800;refresher=uac");
}

// rfc: 4028 §7.1 — every request but ACK says that we know session timers, wanted or not
#[test]
fn every_request_in_a_call_says_timer() {
    let says = |request: &Request| {
        request.headers().get::<Supported>().unwrap().is_some_and(|options| options.contains(TIMER))
    };
    let mut lab = lab(SessionTimer::default().interval(None));
    let (id, invite, ack) = lab.call_up(Plan::default());
    assert!(says(&invite) && !says(&ack));
    lab.agent.info(lab.now, id, "text/plain", "hello").unwrap();
    assert!(says(&lab.sent_request(&Method::INFO)));
    lab.agent.hang_up(lab.now, id).unwrap();
    assert!(says(&lab.sent_request(&Method::BYE)));
}

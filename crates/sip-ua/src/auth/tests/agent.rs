//! Authentication in an agent: secrets that are asked for, and callers that are challenged.

use std::time::Duration;

use sip_msg::{CallId, StatusCode, To, WwwAuthenticate};

use super::*;
use crate::scripted::{Plan, SDP, Scripted, answer, describe, invite, number};
use crate::{Account, CommandError, OutOfDialog, Side};
use sdp::Direction;

const PATIENCE: Duration = Duration::from_secs(60);

fn asking() -> Scripted {
    Scripted::with(|config| config.ask_for_credentials(PATIENCE))
}

fn challenge_of(request: &Request, line: &str) -> Response {
    let mut response = answer(request, 401, "peer");
    response.headers_mut().push_raw(HeaderName::WWW_AUTHENTICATE, line.as_bytes()).unwrap();
    response
}

const DIGEST: &str = "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"";

#[track_caller]
fn wanted(lab: &mut Scripted) -> CredentialsWanted {
    match lab.event() {
        Some(Event::CredentialsWanted(wanted)) => wanted,
        other => panic!("a question: {other:?}"),
    }
}

#[test]
fn a_call_waits_for_the_password_and_keeps_it() {
    let mut lab = asking();
    let (id, sent) = lab.call(Plan::default());
    lab.receive(challenge_of(&sent, DIGEST));
    lab.sent_request(&Method::ACK);
    let question = wanted(&mut lab);
    assert_eq!((&*question.server, &*question.realm, &*question.user), ("192.0.2.2", "r", "alice"));
    assert_eq!(question.scheme, WantedScheme::Digest);
    lab.advance(Duration::from_secs(40));
    assert!(lab.event().is_none(), "the end of the transaction waits too");
    lab.agent.provide(lab.now, question.id, Some(Credentials::new("alice", "secret"))).unwrap();
    assert_eq!(lab.agent.provide(lab.now, question.id, None), Err(CommandError::Unknown));
    let again = lab.sent_request(&Method::INVITE);
    assert!(again.headers().contains(HeaderName::AUTHORIZATION));
    assert_eq!(number(&again), number(&sent) + 1);
    lab.answer_with(&again, 200, "peer", Direction::SendRecv);
    let ack = lab.sent_request(&Method::ACK);
    assert!(ack.headers().contains(HeaderName::AUTHORIZATION));
    assert!(matches!(lab.event(), Some(Event::Answered { .. })));
    lab.agent.hang_up(lab.now, id).unwrap();
    let bye = lab.sent_request(&Method::BYE);
    let used = bye.headers().require::<Authorization>().unwrap().0;
    assert_eq!(value(&used, "nc"), "00000002", "the nonce is used again before anybody asks");
    lab.receive(challenge_of(&bye, "Digest realm=\"r\", nonce=\"n2\", algorithm=SHA-256, qop=\"auth\""));
    let bye = lab.sent_request(&Method::BYE);
    assert_eq!(value(&bye.headers().require::<Authorization>().unwrap().0, "nonce"), "n2");
    lab.answer(&bye, 200, "peer");
    lab.ends_idle();
}

#[test]
fn a_question_that_is_answered_with_no_or_not_at_all_ends_the_request() {
    for answered in [true, false] {
        let mut lab = asking();
        let from = invite().from;
        let asked = OutOfDialog::new(Method::MESSAGE, from, "sip:bob@192.0.2.2".parse().unwrap());
        lab.agent.request(lab.now, asked).unwrap();
        let sent = lab.sent_request(&Method::MESSAGE);
        lab.receive(challenge_of(&sent, DIGEST));
        let question = wanted(&mut lab);
        if answered {
            lab.agent.provide(lab.now, question.id, None).unwrap();
        } else {
            lab.advance(PATIENCE);
        }
        let Some(Event::Response { result: Ok(response), .. }) = lab.event() else { panic!("the challenge") };
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.headers().contains(HeaderName::WWW_AUTHENTICATE));
        lab.ends_idle();
    }
}

#[test]
fn hanging_up_ends_the_wait() {
    let mut lab = asking();
    let (id, sent) = lab.call(Plan::default());
    lab.receive(challenge_of(&sent, DIGEST));
    lab.sent_request(&Method::ACK);
    let question = wanted(&mut lab);
    lab.agent.hang_up(lab.now, id).unwrap();
    assert!(matches!(lab.event(), Some(Event::Ended { by: Side::Local, .. })));
    assert_eq!(lab.agent.provide(lab.now, question.id, None), Err(CommandError::Unknown));
    lab.sent_nothing();
    lab.ends_idle();
}

#[test]
fn nobody_is_asked_for_what_is_known_or_cannot_be_used() {
    let mut lab = Scripted::with(|config| {
        let store = CredentialStore::default()
            .with(Credentials::new("alice", "secret"), Scope::new().server("192.0.2.2").user("alice"));
        config.ask_for_credentials(PATIENCE).credentials(store)
    });
    let (_, sent) = lab.call(Plan::default());
    lab.receive(challenge_of(&sent, DIGEST));
    lab.sent_request(&Method::ACK);
    let again = lab.sent_request(&Method::INVITE);
    assert_eq!(value(&again.headers().require::<Authorization>().unwrap().0, "username"), "alice");
    let mut lab = asking();
    let (_, sent) = lab.call(Plan::default());
    lab.receive(challenge_of(&sent, "Basic realm=\"r\""));
    lab.sent_request(&Method::ACK);
    assert!(matches!(lab.event(), Some(Event::Ended { .. })));
}

// rfc: 8898 §2.1.3 — a registration gets a new token when the old one is not taken any more
#[test]
fn a_token_that_is_over_is_asked_for_again() {
    let mut lab = asking();
    let account = Account::new("sip:alice@192.0.2.2:5060".parse().unwrap());
    let bearer = "Bearer realm=\"r\", authz_server=\"https://as.example.com\", scope=\"sip\"";
    lab.agent.register(lab.now, account).unwrap();
    let sent = lab.sent_request(&Method::REGISTER);
    lab.receive(challenge_of(&sent, bearer));
    let question = wanted(&mut lab);
    let WantedScheme::Bearer { authz_server, scope, error } = question.scheme else { panic!("a token") };
    assert_eq!((&*authz_server, &*scope, &*error), ("https://as.example.com", "sip", ""));
    lab.agent.provide(lab.now, question.id, Some(Credentials::bearer("a.b.c.d.e"))).unwrap();
    let again = lab.sent_request(&Method::REGISTER);
    assert_eq!(again.headers().raw(HeaderName::AUTHORIZATION), Some(&b"Bearer a.b.c.d.e"[..]));
    lab.receive(challenge_of(&again, &format!("{bearer}, error=\"invalid_token\"")));
    let question = wanted(&mut lab);
    let WantedScheme::Bearer { error, .. } = question.scheme else { panic!("a token") };
    assert_eq!(error, "invalid_token");
    lab.agent.provide(lab.now, question.id, Some(Credentials::bearer("1.2.3.4.5"))).unwrap();
    let again = lab.sent_request(&Method::REGISTER);
    assert_eq!(again.headers().raw(HeaderName::AUTHORIZATION), Some(&b"Bearer 1.2.3.4.5"[..]));
}

fn guarded() -> Scripted {
    Scripted::with(|config| {
        let verifier = Verifier::new(testkit::Clock::new().now(), "home", [5; 32]).user("bob", "secret");
        config.challenge(verifier).takes([Method::MESSAGE])
    })
}

/// The same request with credentials for the challenge.
fn with_password(request: &Request, challenge: &Response, password: &str) -> Request {
    let mut client = Client::new(Credentials::new("bob", password));
    client.challenged(challenge).unwrap();
    let mut request = request.clone();
    let number = number(&request) + if password == "secret" { 2 } else { 1 };
    let method = request.method().clone();
    request.headers_mut().replace(&CSeq { number, method });
    let mut via = request.headers_mut().pop_front::<sip_msg::Via>().unwrap().unwrap();
    via.params.set("branch", format!("z9hG4bKagain{number}"));
    request.headers_mut().push_front(&via);
    client.authorize(request).0
}

// rfc: 3261 §22.2 — a UAS challenges with 401 before it looks at the request
#[test]
fn nobody_calls_without_a_password() {
    let mut lab = guarded();
    let mut request = lab.peer_request(Method::INVITE, 1, None);
    request.set_body(SDP, describe(1, Direction::SendRecv));
    lab.receive(request.clone());
    let refusal = lab.sent_response(StatusCode::UNAUTHORIZED);
    let asked: Vec<_> = refusal.headers().all::<WwwAuthenticate>().flatten().collect();
    assert_eq!(asked.len(), 2);
    assert!(refusal.headers().require::<To>().unwrap().tag().is_some());
    lab.receive(with_password(&request, &refusal, "guess"));
    let refusal = lab.sent_response(StatusCode::UNAUTHORIZED);
    assert!(lab.event().is_none());
    lab.receive(with_password(&request, &refusal, "secret"));
    let Some(Event::Incoming { dialog, request, .. }) = lab.event() else { panic!("a call") };
    assert!(!request.headers().contains(HeaderName::AUTHORIZATION), "the application may log it");
    assert_eq!(lab.agent.authenticated(dialog).map(|user| &**user), Some("bob"));
    lab.agent.reject(lab.now, dialog, StatusCode::BUSY_HERE).unwrap();
    lab.advance(Duration::from_secs(60));
    assert!(lab.agent.authenticated(dialog).is_none());
    lab.ends_idle();
}

#[test]
fn messages_are_challenged_and_options_are_not() {
    let mut lab = guarded();
    let mut message = lab.peer_request(Method::MESSAGE, 1, None);
    message.headers_mut().replace(&CallId("message".into()));
    lab.receive(message.clone());
    let refusal = lab.sent_response(StatusCode::UNAUTHORIZED);
    lab.receive(with_password(&message, &refusal, "secret"));
    let Some(Event::OutOfDialog { request, .. }) = lab.event() else { panic!("a message") };
    assert!(!request.headers().contains(HeaderName::AUTHORIZATION));
    let options = lab.peer_request(Method::OPTIONS, 1, None);
    lab.receive(options);
    lab.sent_response(StatusCode::OK);
}

// rfc: 3261 §22.1 — ACK and CANCEL are not challenged, and within a dialog nobody is asked again
#[test]
fn a_call_that_was_let_in_goes_on_without_more_questions() {
    let mut lab = guarded();
    let mut request = lab.peer_request(Method::INVITE, 1, None);
    request.set_body(SDP, describe(1, Direction::SendRecv));
    lab.receive(request.clone());
    let refusal = lab.sent_response(StatusCode::UNAUTHORIZED);
    lab.receive(with_password(&request, &refusal, "secret"));
    let Some(Event::Incoming { dialog, .. }) = lab.event() else { panic!("a call") };
    let plan: Box<dyn crate::MediaPlan> = Box::new(Plan::default());
    lab.agent.accept(lab.now, dialog, plan).unwrap();
    let accepted = lab.sent_response(StatusCode::OK);
    let ack = lab.peer_request(Method::ACK, 3, Some(&accepted.clone().into()));
    lab.receive(ack);
    assert!(matches!(lab.event(), Some(Event::Confirmed { .. })));
    let bye = lab.peer_request(Method::BYE, 4, Some(&accepted.into()));
    lab.receive(bye);
    lab.sent_response(StatusCode::OK);
    lab.ends_idle();
}

// rfc: 3261 §22.2 — requests in a dialog are answered with credentials as well
#[test]
fn requests_in_a_call_meet_challenges_too() {
    let mut lab = Scripted::new();
    let asked = invite().credentials(Credentials::new("alice", "secret"));
    let id = lab.agent.invite(lab.now, asked, Box::new(Plan::default())).unwrap();
    let sent = lab.sent_request(&Method::INVITE);
    lab.answer_with(&sent, 200, "peer", Direction::SendRecv);
    lab.sent_request(&Method::ACK);
    lab.event();
    lab.agent.info(lab.now, id, "text/plain", "x").unwrap();
    let info = lab.sent_request(&Method::INFO);
    lab.receive(challenge_of(&info, DIGEST));
    let again = lab.sent_request(&Method::INFO);
    assert_eq!(value(&again.headers().require::<Authorization>().unwrap().0, "nc"), "00000001");
    lab.answer(&again, 200, "peer");
    assert!(matches!(lab.event(), Some(Event::Response { result: Ok(_), .. })));
    lab.agent.set_direction(lab.now, id, Direction::SendOnly).unwrap();
    let change = lab.sent_request(&Method::INVITE);
    assert_eq!(value(&change.headers().require::<Authorization>().unwrap().0, "nc"), "00000002");
    lab.receive(challenge_of(
        &change,
        "Digest realm=\"r\", nonce=\"m\", stale=true, algorithm=SHA-256, qop=\"auth\"",
    ));
    lab.sent_request(&Method::ACK);
    let again = lab.sent_request(&Method::INVITE);
    assert_eq!(value(&again.headers().require::<Authorization>().unwrap().0, "nonce"), "m");
    lab.answer_with(&again, 200, "peer", Direction::RecvOnly);
    assert!(matches!(lab.event(), Some(Event::MediaChanged { .. })));
}

//! Who may call, with which password, and calls that outlive an endpoint.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests are tests")]

use std::time::Duration;

use tokio::time::timeout;
use voip::{
    Account, Call, CallError, Config, Credentials, CredentialsWanted, Endpoint, HeaderName, Incoming, Listen,
    Registrar, RegistrationStatus, StatusCode, Transport, Uri,
};

const PATIENCE: Duration = Duration::from_secs(10);

async fn endpoint(config: Config) -> (Endpoint, Incoming, String) {
    let listen = [Listen::new(Transport::Udp, ([127, 0, 0, 1], 0).into())];
    let (endpoint, incoming) = Endpoint::bind(config.listen(listen)).await.unwrap();
    let port = endpoint.local_addresses()[0].address.port();
    (endpoint, incoming, format!("sip:x@127.0.0.1:{port}"))
}

async fn answer(calls: &mut Incoming) -> (Option<String>, Call) {
    let call = calls.next().await.unwrap();
    (call.authenticated().await, call.answer().await.unwrap())
}

// rfc: 7616 §3.3 — a caller without the password is answered 401, one with it gets through
#[tokio::test]
async fn only_a_caller_with_the_password_gets_through() {
    let challenging = Config::default().challenge("bob's", [("alice".into(), "secret".into())]);
    let (_bob, mut calls, address) = endpoint(challenging).await;
    let (alice, _, _) = endpoint(Config::default()).await;
    let refused = timeout(PATIENCE, async { alice.dial(&address).await }).await.unwrap();
    assert!(
        matches!(refused, Err(CallError::Rejected { status: StatusCode::UNAUTHORIZED, .. })),
        "{refused:?}"
    );

    let account = Account::new("sip:alice:secret@example.test").unwrap();
    let calling = async { alice.dial(&address).from(&account).await };
    let both = async { tokio::join!(calling, answer(&mut calls)) };
    let (call, (user, _answered)) = timeout(PATIENCE, both).await.unwrap();
    assert_eq!(user.as_deref(), Some("alice"));
    timeout(PATIENCE, call.unwrap().hang_up()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_provider_is_asked_for_the_password_of_a_realm() {
    let challenging = Config::default().challenge("vault.test", [("alice".into(), "secret".into())]);
    let (_bob, mut calls, address) = endpoint(challenging).await;
    let provider = |wanted: CredentialsWanted| async move {
        (wanted.realm == "vault.test").then(|| Credentials::new("alice", "secret"))
    };
    let (alice, _, _) = endpoint(Config::default().credential_provider(provider)).await;
    let calling = async { alice.dial(&address).await };
    let both = async { tokio::join!(calling, answer(&mut calls)) };
    let (call, (user, _answered)) = timeout(PATIENCE, both).await.unwrap();
    assert_eq!((call.is_ok(), user.as_deref()), (true, Some("alice")));
}

#[tokio::test]
async fn what_a_caller_claims_can_be_read_as_such() {
    let (_bob, mut calls, address) = endpoint(Config::default()).await;
    let (alice, _, _) = endpoint(Config::default()).await;
    let room = HeaderName::parse("X-Room-ID").unwrap();
    let dialing = alice.dial(&address).header(room, "r-7").start().await.unwrap();
    let call = timeout(PATIENCE, calls.next()).await.unwrap().unwrap();
    assert_eq!(call.claims().get("x-room-id"), Some("r-7"));
    assert_eq!(call.claims().get("X-Other"), None);
    drop(call);
    assert!(timeout(PATIENCE, dialing.answered()).await.unwrap().is_err());
}

#[tokio::test]
async fn a_registration_has_a_status_to_watch() {
    let config = Config::default().listen([Listen::new(Transport::Udp, ([127, 0, 0, 1], 0).into())]);
    let registrar =
        Registrar::bind(&config, "example.test", [("alice".into(), "secret".into())]).await.unwrap();
    let server = Uri::parse(format!("sip:{}", registrar.local_addresses()[0].address)).unwrap();
    let account = Account::new("sip:alice:secret@example.test").unwrap().registrar(server);
    let (alice, _, _) = endpoint(Config::default()).await;
    let registration = timeout(PATIENCE, alice.register(&account)).await.unwrap().unwrap();
    let mut watch = registration.watch();
    assert!(timeout(PATIENCE, watch.wait_for(RegistrationStatus::Registered)).await.unwrap());
    assert_eq!(registration.status(), RegistrationStatus::Registered);
    timeout(PATIENCE, registration.refresh()).await.unwrap().unwrap();
    timeout(PATIENCE, registration.unregister()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_call_goes_on_in_another_endpoint() {
    let (_bob, mut calls, address) = endpoint(Config::default()).await;
    let (alice, _, _) = endpoint(Config::default()).await;
    let calling = async { alice.dial(&address).await.unwrap() };
    let both = async { tokio::join!(calling, answer(&mut calls)) };
    let (at_alice, (_, mut at_bob)) = timeout(PATIENCE, both).await.unwrap();
    let snapshot = timeout(PATIENCE, at_alice.snapshot()).await.unwrap().unwrap();

    // The first endpoint still has the call here; a process that is gone would not.
    let (successor, _, _) = endpoint(Config::default()).await;
    let resumed = timeout(PATIENCE, successor.resume(&snapshot)).await.unwrap().unwrap();
    assert_eq!(resumed.call_id(), at_alice.call_id());
    let (sent, digit) =
        timeout(PATIENCE, async { tokio::join!(resumed.send_digits("5"), at_bob.digit()) }).await.unwrap();
    sent.unwrap();
    assert_eq!(digit, Some('5'), "media goes to and comes from the new endpoint");
    timeout(PATIENCE, resumed.hang_up()).await.unwrap().unwrap();
    timeout(PATIENCE, at_bob.ended()).await.unwrap().unwrap();
    assert!(successor.resume(b"nonsense").await.is_err());
}

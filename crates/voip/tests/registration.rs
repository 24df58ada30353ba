//! Registrations as an application sees them: how they stand, what they are told, where their secrets come from.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "helpers of tests are tests"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;
use voip::{
    Account, BackOff, Config, Credentials, CredentialsWanted, Endpoint, Incoming, Listen, Outbound,
    RegisterError, Registrar, RegistrationState, RegistrationStatus, Response, StatusCode, Transport, Uri,
};
use voip::{Message, crates::sip_msg::Limits};

const PATIENCE: Duration = Duration::from_secs(10);

fn loopback() -> [Listen; 1] {
    [Listen::new(Transport::Udp, ([127, 0, 0, 1], 0).into())]
}

async fn endpoint(config: Config) -> (Endpoint, Incoming) {
    Endpoint::bind(config.listen(loopback())).await.unwrap()
}

async fn registrar() -> (Registrar, Uri) {
    let users = [("alice".into(), "secret".into())];
    let registrar =
        Registrar::bind(&Config::default().listen(loopback()), "example.test", users).await.unwrap();
    let uri = at(registrar.local_addresses()[0].address);
    (registrar, uri)
}

fn at(address: SocketAddr) -> Uri {
    Uri::parse(format!("sip:{address}")).unwrap()
}

/// A registrar that answers everything with one status.
async fn always(status: StatusCode) -> Uri {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let uri = at(socket.local_addr().unwrap());
    tokio::spawn(async move {
        let mut buffer = vec![0; 4096];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            if let Ok(Message::Request(request)) =
                Message::parse(buffer[..length].to_vec(), &Limits::default())
            {
                let answer = Response::answer(&request, status).to_tag("t").build();
                socket.send_to(&answer.to_bytes(), from).await.unwrap();
            }
        }
    });
    uri
}

fn quickly(account: Account) -> Account {
    account.back_off(BackOff::new(Duration::from_millis(20), Duration::from_millis(100)))
}

#[tokio::test]
async fn as_many_failures_as_the_threshold_make_a_failure_and_all_are_told() {
    let (alice, _calls) = endpoint(Config::default()).await;
    let server = always(StatusCode::SERVER_INTERNAL_ERROR).await;
    let account =
        quickly(Account::new("sip:alice@example.test").unwrap()).registrar(server).failure_threshold(3);
    let mut registration = alice.keep_registered(&account).await.unwrap();
    let mut watch = registration.watch();
    for attempt in 1..=3 {
        let state = timeout(PATIENCE, registration.changed()).await.unwrap().unwrap();
        let RegistrationState::Failed { status, will_retry_in, .. } = state else { panic!("{state:?}") };
        assert_eq!(status, Some(StatusCode::SERVER_INTERNAL_ERROR));
        assert!(will_retry_in.is_some(), "attempt {attempt}");
    }
    assert_eq!(timeout(PATIENCE, watch.changed()).await.unwrap(), Some(RegistrationStatus::Failed));
    let on = timeout(PATIENCE, registration.changed()).await.unwrap();
    assert!(on.is_some(), "what may pass is tried on");
}

#[tokio::test]
async fn a_refusal_for_good_fails_at_once_and_a_wait_for_it_never_hangs() {
    let (alice, _calls) = endpoint(Config::default()).await;
    let account =
        Account::new("sip:alice@example.test").unwrap().registrar(always(StatusCode::FORBIDDEN).await);
    let refused = timeout(PATIENCE, alice.register(&account)).await.unwrap();
    assert!(
        matches!(refused, Err(RegisterError::Failed { status: Some(StatusCode::FORBIDDEN), .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn one_that_comes_back_is_registered_again_without_anybody_s_doing() {
    let (alice, _calls) = endpoint(Config::default()).await;
    let (running, server) = registrar().await;
    let address = running.local_addresses()[0];
    let account = quickly(Account::new("sip:alice:secret@example.test").unwrap())
        .registrar(server)
        .failure_threshold(1);
    let registration = timeout(PATIENCE, alice.register(&account)).await.unwrap().unwrap();
    let mut watch = registration.watch();
    drop(running);
    // Its socket is closed by a task of its own.
    let (mut failed, mut tries) = (false, 0);
    while !failed && tries < 100 {
        registration.refresh().await.unwrap();
        let gone = watch.wait_for(RegistrationStatus::Failed);
        failed = timeout(Duration::from_millis(100), gone).await.is_ok();
        tries += 1;
    }
    assert!(failed, "nobody saw the registrar go");
    let users = [("alice".into(), "secret".into())];
    let _back = Registrar::bind(&Config::default().listen([address]), "example.test", users).await.unwrap();
    assert!(timeout(PATIENCE, watch.wait_for(RegistrationStatus::Registered)).await.unwrap());
    assert!(matches!(registration.state(), RegistrationState::Registered { .. }));
}

// rfc: 3261 §10.2.3 — a REGISTER without Contact fetches all bindings
#[tokio::test]
async fn all_bindings_are_told_those_of_other_devices_too_and_can_all_be_removed() {
    let (_registrar, server) = registrar().await;
    let account = Account::new("sip:alice:secret@example.test").unwrap().registrar(server);
    let (desk, _desk_calls) = endpoint(Config::default()).await;
    let (mobile, _mobile_calls) = endpoint(Config::default()).await;
    let first = timeout(PATIENCE, desk.register(&account)).await.unwrap().unwrap();
    let second = timeout(PATIENCE, mobile.register(&account)).await.unwrap().unwrap();
    let told = timeout(PATIENCE, first.bindings()).await.unwrap().unwrap();
    let RegistrationState::Registered { contact, .. } = second.state() else {
        panic!("{:?}", second.state())
    };
    assert_eq!(told.len(), 2);
    assert!(told.iter().any(|binding| binding.name_addr.uri.equivalent(&contact)), "{told:?}");
    timeout(PATIENCE, first.unregister_all()).await.unwrap().unwrap();
    assert!(timeout(PATIENCE, second.bindings()).await.unwrap().unwrap().is_empty());
}

// rfc: 5626 §4.2.1 — a registration over a flow has an instance id and a reg-id
#[tokio::test]
async fn an_account_with_an_outbound_proxy_keeps_a_flow() {
    let (_registrar, server) = registrar().await;
    let outbound = Outbound::new().proxy(server.clone().with_param("lr", None));
    let account = Account::new("sip:alice:secret@example.test")
        .unwrap()
        .registrar(server)
        .instance("urn:uuid:00000000-0000-4000-8000-000000000001")
        .outbound(outbound);
    let (alice, _calls) = endpoint(Config::default()).await;
    let registration = timeout(PATIENCE, alice.register(&account)).await.unwrap().unwrap();
    assert!(registration.grant().await.unwrap().outbound);
    let told = timeout(PATIENCE, registration.bindings()).await.unwrap().unwrap();
    assert_eq!(told[0].params.value("reg-id"), Some("1"), "{told:?}");
}

#[tokio::test]
async fn a_password_is_fetched_when_the_registrar_asks_for_it() {
    let (_registrar, server) = registrar().await;
    let account = Account::new("sip:alice@example.test").unwrap().registrar(server);
    let vault = Arc::new(tokio::sync::Mutex::new(Vec::new()));
    let asked = Arc::clone(&vault);
    let provider = move |wanted: CredentialsWanted| {
        let asked = Arc::clone(&asked);
        async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            asked.lock().await.push((wanted.realm.to_string(), wanted.user.to_string()));
            Some(Credentials::new(wanted.user, "secret"))
        }
    };
    let (alice, _calls) = endpoint(Config::default().credential_provider(provider)).await;
    let registration = timeout(PATIENCE, alice.register(&account)).await.unwrap().unwrap();
    assert_eq!(registration.status(), RegistrationStatus::Registered);
    assert_eq!(*vault.lock().await, [("example.test".to_owned(), "alice".to_owned())]);
}

#[tokio::test]
async fn a_provider_without_the_password_lets_the_registration_fail() {
    let (_registrar, server) = registrar().await;
    let account = Account::new("sip:alice@example.test").unwrap().registrar(server);
    let (alice, _calls) =
        endpoint(Config::default().credential_provider(|_: CredentialsWanted| async { None })).await;
    let refused = timeout(PATIENCE, alice.register(&account)).await.unwrap();
    assert!(
        matches!(refused, Err(RegisterError::Failed { status: Some(StatusCode::UNAUTHORIZED), .. })),
        "{refused:?}"
    );
}

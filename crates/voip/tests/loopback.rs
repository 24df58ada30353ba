//! The facade on real sockets: wiring, and that every wait can be given up.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests are tests")]

use std::time::Duration;

use tokio::time::timeout;
use voip::{
    Account, BindError, CallError, CallEvent, Config, Direction, Endpoint, Incoming, Listen, Redirects,
    RegisterError, Registrar, Side, StatusCode, Tls, Transport, Uri, measure,
};

const PATIENCE: Duration = Duration::from_secs(10);

async fn endpoint() -> (Endpoint, Incoming, String) {
    let listen =
        [Transport::Udp, Transport::Tcp].map(|transport| Listen::new(transport, ([127, 0, 0, 1], 0).into()));
    let (endpoint, incoming) = Endpoint::bind(Config::default().listen(listen)).await.unwrap();
    let port = endpoint.local_addresses()[0].address.port();
    (endpoint, incoming, format!("sip:x@127.0.0.1:{port}"))
}

#[tokio::test]
async fn a_call_carries_audio_and_digits_both_ways_and_ends_on_both_sides() {
    let (alice, _, _) = endpoint().await;
    let (_bob, mut calls, address) = endpoint().await;
    let answering = async { calls.next().await.unwrap().answer().await };
    let (at_alice, at_bob) = timeout(PATIENCE, async { tokio::try_join!(alice.dial(&address), answering) })
        .await
        .unwrap()
        .unwrap();
    let mut at_bob = at_bob;
    assert_eq!(at_alice.call_id(), at_bob.call_id());

    let said = measure::test_signal(Duration::from_millis(600), 1);
    let mut frames = at_bob.media().frames();
    let hearing = async {
        let mut heard = Vec::new();
        while heard.len() < said.len() + 4_000 {
            heard.extend(frames.read().await.unwrap());
        }
        heard
    };
    let (played, heard) =
        timeout(PATIENCE, async { tokio::join!(at_alice.play_samples(&*said), hearing) }).await.unwrap();
    played.unwrap();
    assert!(measure::compare(&said, &heard).similarity > 0.9);

    let (sent, digit) = tokio::join!(at_alice.send_digits("5"), timeout(PATIENCE, at_bob.digit()));
    sent.unwrap();
    assert_eq!(digit.unwrap(), Some('5'));

    let ended = timeout(PATIENCE, at_alice.hang_up()).await.unwrap().unwrap();
    assert_eq!(ended.by, Side::Local);
    assert_eq!(timeout(PATIENCE, at_bob.ended()).await.unwrap().unwrap().by, Side::Remote);
    assert!(matches!(at_bob.send_digits("1").await, Err(CallError::Ended(_))));
    let mut last = Vec::new();
    while let Some(event) = timeout(PATIENCE, at_bob.next_event()).await.unwrap() {
        last.push(event);
    }
    assert!(
        matches!(&*last, [.., CallEvent::Statistics(numbers), CallEvent::Ended(_)] if numbers.packets_received > 0),
        "{last:?}"
    );
}

#[tokio::test]
async fn a_call_without_media_stands_with_inactive_streams_and_ends() {
    let (alice, _, _) = endpoint().await;
    let listen = [Listen::new(Transport::Udp, ([127, 0, 0, 1], 0).into())];
    let config = Config::default().listen(listen).without_media();
    let (bob, mut calls) = Endpoint::bind(config).await.unwrap();
    let address = format!("sip:x@{}", bob.local_addresses()[0].address);
    let answering = async { calls.next().await.unwrap().answer().await };
    let (at_alice, at_bob) = timeout(PATIENCE, async { tokio::try_join!(alice.dial(&address), answering) })
        .await
        .unwrap()
        .unwrap();
    for call in [&at_alice, &at_bob] {
        assert_eq!(call.agreement().unwrap().direction, Direction::Inactive);
    }
    assert!(matches!(at_bob.statistics().await, Err(CallError::NoMedia)));
    timeout(PATIENCE, at_bob.hang_up()).await.unwrap().unwrap();
    assert_eq!(timeout(PATIENCE, at_alice.ended()).await.unwrap().unwrap().by, Side::Remote);
}

#[tokio::test]
async fn hold_and_resume_are_seen_by_the_other_side() {
    let (alice, _, _) = endpoint().await;
    let (_bob, mut calls, address) = endpoint().await;
    let answering = async { calls.next().await.unwrap().answer().await };
    let (mut at_alice, mut at_bob) = tokio::try_join!(alice.dial(&address), answering).unwrap();
    timeout(PATIENCE, at_alice.hold()).await.unwrap().unwrap();
    timeout(PATIENCE, at_alice.resume()).await.unwrap().unwrap();
    let mut directions = Vec::new();
    while directions.len() < 2 {
        if let CallEvent::MediaChanged { by: Side::Remote, direction } =
            timeout(PATIENCE, at_bob.next_event()).await.unwrap().unwrap()
        {
            directions.push(direction);
        }
    }
    assert_eq!(directions, [Direction::RecvOnly, Direction::SendRecv]);
}

#[tokio::test]
async fn dropping_a_dial_cancels_the_call() {
    let (alice, _, _) = endpoint().await;
    let (_bob, mut calls, address) = endpoint().await;
    let dialing = timeout(Duration::from_millis(300), alice.dial(&address));
    let (given_up, call) = tokio::join!(dialing, calls.next());
    assert!(given_up.is_err());
    let ended = timeout(PATIENCE, call.unwrap().cancelled()).await.unwrap().unwrap();
    assert_eq!(ended.by, Side::Remote);
}

#[tokio::test]
async fn dropping_a_call_hangs_up_and_dropping_an_incoming_call_refuses_it() {
    let (alice, _, _) = endpoint().await;
    let (_bob, mut calls, address) = endpoint().await;
    let answering = async { calls.next().await.unwrap().answer().await };
    let (at_alice, at_bob) = tokio::try_join!(alice.dial(&address), answering).unwrap();
    drop(at_alice);
    assert_eq!(timeout(PATIENCE, at_bob.ended()).await.unwrap().unwrap().by, Side::Remote);

    let dialing = async { alice.dial(&address).await };
    let (refused, ()) = tokio::join!(dialing, async { drop(calls.next().await) });
    assert!(
        matches!(refused, Err(CallError::Rejected { status: StatusCode::TEMPORARILY_UNAVAILABLE, .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_redirection_tells_where_else_to_try() {
    let (alice, _, _) = endpoint().await;
    let (_bob, mut calls, address) = endpoint().await;
    let elsewhere = Uri::parse("sip:carol@127.0.0.1:1").unwrap();
    let reply = voip::Reply::new(StatusCode::MOVED_TEMPORARILY).contact(elsewhere.clone());
    let redirecting = async { calls.next().await.unwrap().reject(reply).await };
    let dialing = async { alice.dial(&address).tune(|invite| invite.redirects(Redirects::Report)).await };
    let (refused, redirected) = tokio::join!(dialing, redirecting);
    redirected.unwrap();
    match refused {
        Err(CallError::Rejected { contacts, .. }) => assert_eq!(contacts, [elsewhere]),
        other => panic!("{other:?}"),
    }
}

async fn registrar() -> (Registrar, Uri) {
    let config = Config::default().listen([Listen::new(Transport::Udp, ([127, 0, 0, 1], 0).into())]);
    let registrar =
        Registrar::bind(&config, "example.test", [("alice".into(), "secret".into())]).await.unwrap();
    let port = registrar.local_addresses()[0].address.port();
    (registrar, Uri::parse(format!("sip:127.0.0.1:{port}")).unwrap())
}

#[tokio::test]
async fn the_right_password_registers_and_the_wrong_one_says_so() {
    let (registrar, proxy) = registrar().await;
    let (alice, _, _) = endpoint().await;
    let account = Account::new("sip:alice@example.test").unwrap().registrar(proxy);
    let wrong = alice.register(&account.clone().password("guess")).await;
    assert!(
        matches!(&wrong, Err(RegisterError::Failed { status: Some(StatusCode::UNAUTHORIZED), .. })),
        "{wrong:?}"
    );
    let registration = timeout(PATIENCE, alice.register(&account.password("secret"))).await.unwrap().unwrap();
    timeout(PATIENCE, registration.unregister()).await.unwrap().unwrap();
    drop(registrar);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let (_alice, _incoming, _) = endpoint().await;
    let taken = _alice.local_addresses()[0];
    let error = Endpoint::bind(Config::default().listen([taken])).await.unwrap_err();
    assert!(error.to_string().contains(&taken.address.to_string()), "{error}");
    assert!(matches!(error, BindError::Listen(_)));
}

#[tokio::test]
async fn a_tls_server_with_another_name_is_refused_with_the_reason() {
    let made = rcgen::generate_simple_self_signed(["sip.example.test".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
    let tls = Tls::default().trust(made.cert.der().clone()).certificate(vec![made.cert.der().clone()], key);
    let config = Config::default().listen([Listen::new(Transport::Tls, ([127, 0, 0, 1], 0).into())]).tls(tls);
    let (bob, _calls) = Endpoint::bind(config.clone()).await.unwrap();
    let (alice, _) = Endpoint::bind(config).await.unwrap();
    let port = bob.local_addresses()[0].address.port();
    let refused = alice.dial(&format!("sip:bob@127.0.0.1:{port};transport=tls")).await;
    match refused {
        Err(CallError::Ended(ended)) => assert!(ended.reason.contains("certificate"), "{ended}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_endpoint_ends_with_its_last_handle() {
    let (alice, incoming, _) = endpoint().await;
    let taken = alice.local_addresses()[0];
    drop((alice, incoming));
    let bound = async {
        while Endpoint::bind(Config::default().listen([taken])).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, bound).await.unwrap();
}

#[tokio::test]
async fn a_shut_down_ends_what_others_still_hold() {
    let (alice, incoming, port) = endpoint().await;
    let other = alice.clone();
    let serving = incoming.serve(|call| async move { call.answer().await.map(drop) });
    timeout(PATIENCE, async { tokio::join!(alice.shut_down(), serving) }).await.unwrap();
    let refused = timeout(PATIENCE, other.dial("sip:bob@127.0.0.1")).await.unwrap();
    assert!(matches!(refused, Err(CallError::ShutDown)), "{refused:?}");
    drop((other, port));
}

//! Calls handed on, and what is sent within a call.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests are tests")]

use std::time::Duration;

use tokio::time::timeout;
use voip::{
    Call, CallError, CallEvent, Config, DigitPath, Endpoint, Incoming, Listen, StatusCode, TransferError,
    TransferRequest, Transport, measure,
};

const PATIENCE: Duration = Duration::from_secs(10);

async fn endpoint() -> (Endpoint, Incoming, String) {
    let listen = [Listen::new(Transport::Udp, ([127, 0, 0, 1], 0).into())];
    let (endpoint, incoming) = Endpoint::bind(Config::default().messages(1).listen(listen)).await.unwrap();
    let port = endpoint.local_addresses()[0].address.port();
    (endpoint, incoming, format!("sip:x@127.0.0.1:{port}"))
}

async fn call(from: &Endpoint, to: &mut Incoming, address: &str) -> (Call, Call) {
    let answering = async { to.next().await.unwrap().answer().await };
    let calls = async { tokio::try_join!(from.dial(address), answering) };
    timeout(PATIENCE, calls).await.unwrap().unwrap()
}

async fn asked(call: &mut Call) -> TransferRequest {
    loop {
        match timeout(PATIENCE, call.next_event()).await.unwrap() {
            Some(CallEvent::Refer(request)) => return request,
            Some(_) => {}
            None => panic!("the call ended"),
        }
    }
}

#[tokio::test]
async fn a_blind_transfer_connects_the_other_two_and_hangs_up() {
    let (alice, _, _) = endpoint().await;
    let (_bob, mut bobs, bob) = endpoint().await;
    let (_carol, mut carols, carol) = endpoint().await;
    let (at_alice, mut at_bob) = call(&alice, &mut bobs, &bob).await;
    let transferring = at_alice.transfer(&carol);
    let following = async {
        let request = asked(&mut at_bob).await;
        assert!(!request.is_attended());
        assert_eq!(request.target().to_string(), carol);
        request.accept().await.unwrap().await.unwrap()
    };
    let answering = async { carols.next().await.unwrap().answer().await.unwrap() };
    let all = async { tokio::join!(transferring, following, answering) };
    let (transferred, new_at_bob, at_carol) = timeout(PATIENCE, all).await.unwrap();
    assert_eq!(transferred.unwrap(), StatusCode::OK);
    assert_eq!(new_at_bob.call_id(), at_carol.call_id());
    timeout(PATIENCE, at_alice.ended()).await.unwrap().unwrap();
    timeout(PATIENCE, at_bob.ended()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_transfer_that_is_refused_or_fails_leaves_the_call_standing() {
    let (alice, _, _) = endpoint().await;
    let (_bob, mut bobs, bob) = endpoint().await;
    let (_carol, mut carols, carol) = endpoint().await;
    let (at_alice, mut at_bob) = call(&alice, &mut bobs, &bob).await;

    let transferring = at_alice.transfer(&carol);
    let refusing = async { asked(&mut at_bob).await.refuse(StatusCode::DECLINE).await };
    let (refused, ()) =
        timeout(PATIENCE, async { tokio::join!(transferring, async { refusing.await.unwrap() }) })
            .await
            .unwrap();
    assert!(
        matches!(
            &refused,
            Err(CallError::Transfer(TransferError::Refused { status: StatusCode::DECLINE, .. }))
        ),
        "{refused:?}"
    );

    let transferring = at_alice.transfer(&carol);
    let following = async {
        let request = asked(&mut at_bob).await;
        request.accept().await.unwrap().await.map(drop).unwrap_err()
    };
    let busy = async { carols.next().await.unwrap().reject(StatusCode::BUSY_HERE).await.unwrap() };
    let all = async { tokio::join!(transferring, following, busy) };
    let (failed, not_reached, _) = timeout(PATIENCE, all).await.unwrap();
    assert!(
        matches!(
            &failed,
            Err(CallError::Transfer(TransferError::Failed { status: StatusCode::BUSY_HERE, .. }))
        ),
        "{failed:?}"
    );
    assert!(matches!(not_reached, CallError::Rejected { status: StatusCode::BUSY_HERE, .. }));
    let (sent, digit) =
        timeout(PATIENCE, async { tokio::join!(at_alice.send_digits("7"), at_bob.digit()) }).await.unwrap();
    sent.unwrap();
    assert_eq!(digit, Some('7'), "the call goes on");
}

#[tokio::test]
async fn an_attended_transfer_names_the_call_it_replaces() {
    let (alice, _, _) = endpoint().await;
    let (_bob, mut bobs, bob) = endpoint().await;
    let (_carol, mut carols, carol) = endpoint().await;
    let (mut first, mut at_bob) = call(&alice, &mut bobs, &bob).await;
    timeout(PATIENCE, first.hold()).await.unwrap().unwrap();
    let (second, _at_carol) = call(&alice, &mut carols, &carol).await;
    let transferring = first.transfer_to(&second);
    let following = async {
        let request = asked(&mut at_bob).await;
        assert!(request.is_attended());
        request.accept().await.unwrap().await.unwrap()
    };
    let answering = async { carols.next().await.unwrap().answer().await.unwrap() };
    let all = async { tokio::join!(transferring, following, answering) };
    let (transferred, new_at_bob, new_at_carol) = timeout(PATIENCE, all).await.unwrap();
    transferred.unwrap();
    assert_eq!(new_at_bob.call_id(), new_at_carol.call_id());
}

// rfc: 3515 §2.4.2 — a REFER outside of calls is not followed unless somebody agrees
#[tokio::test]
async fn nobody_outside_of_a_call_can_make_us_call() {
    let (alice, _, _) = endpoint().await;
    let (_bob, _bobs, bob) = endpoint().await;
    let (_carol, mut carols, carol) = endpoint().await;
    let referred = timeout(PATIENCE, alice.refer(&bob, &carol, None)).await.unwrap();
    assert!(
        matches!(
            &referred,
            Err(CallError::Transfer(TransferError::Refused { status: StatusCode::DECLINE, .. }))
        ),
        "{referred:?}"
    );
    assert!(timeout(Duration::from_millis(200), carols.next()).await.is_err());
}

#[tokio::test]
async fn keys_messages_and_refreshes_go_within_a_call() {
    let (alice, _, _) = endpoint().await;
    let (_bob, mut bobs, bob) = endpoint().await;
    let (mut at_alice, mut at_bob) = call(&alice, &mut bobs, &bob).await;
    timeout(PATIENCE, at_alice.dtmf_info("1#")).await.unwrap().unwrap();
    let answer = timeout(PATIENCE, at_alice.send_message("hello")).await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    timeout(PATIENCE, at_alice.refresh()).await.unwrap().unwrap();
    let answer = timeout(PATIENCE, at_alice.send_info("text/x-unknown", "?")).await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    timeout(PATIENCE, at_alice.hang_up()).await.unwrap().unwrap();

    let (mut digits, mut texts) = (String::new(), Vec::new());
    while let Some(event) = timeout(PATIENCE, at_bob.next_event()).await.unwrap() {
        if let CallEvent::Digit { digit, via: DigitPath::Info, .. } = event {
            digits.push(digit);
        } else if let CallEvent::Message(request) = event {
            texts.push(request.body().to_vec());
        }
    }
    assert_eq!((digits.as_str(), texts), ("1#", vec![b"hello".to_vec()]));
}

#[tokio::test]
async fn early_media_is_heard_before_the_answer_and_goes_on_after_it() {
    let (alice, _, _) = endpoint().await;
    let (_bob, mut bobs, bob) = endpoint().await;
    for reliably in [false, true] {
        let heard = tokio::sync::Notify::new();
        let calling = async {
            let mut outgoing = alice.dial(&bob).start().await.unwrap();
            let mut frames = outgoing.media().frames();
            while let Some(progress) = outgoing.progress().await {
                if let voip::Progress::Ringing { early_media: true, response } = progress {
                    assert_eq!(response.headers().contains(voip::HeaderName::RSEQ), reliably);
                    let mut samples = Vec::new();
                    while !measure::holds_tone(&samples, 425.0) {
                        samples.extend(frames.read().await.unwrap());
                    }
                    heard.notify_one();
                }
            }
            outgoing.answered().await.unwrap()
        };
        let answering = async {
            let mut call = bobs.next().await.unwrap();
            call.early_media(reliably).await.unwrap().tone(425.0);
            heard.notified().await;
            call.answer().await.unwrap()
        };
        let (at_alice, at_bob) = timeout(PATIENCE, async { tokio::join!(calling, answering) }).await.unwrap();
        assert!(at_alice.agreement().is_some() && at_bob.agreement().is_some());
    }
}

#[tokio::test]
async fn a_call_without_an_offer_may_ring_reliably() {
    let (alice, _, _) = endpoint().await;
    let (_bob, mut bobs, bob) = endpoint().await;
    for insists in [false, true] {
        let wanted = if insists { voip::Reliable::Required } else { voip::Reliable::Supported };
        let calling = async {
            alice.dial(&bob).tune(move |invite| invite.late_offer().reliable(wanted)).await.unwrap()
        };
        let answering = async {
            let mut call = bobs.next().await.unwrap();
            if insists {
                call.ring().await.unwrap()
            } else {
                call.ring_reliably().await.unwrap()
            }
            call.answer().await.unwrap()
        };
        let (at_alice, at_bob) = timeout(PATIENCE, async { tokio::join!(calling, answering) }).await.unwrap();
        assert!(at_alice.agreement().is_some() && at_bob.agreement().is_some());
    }
}

#[tokio::test]
async fn a_redirected_call_arrives_elsewhere() {
    let (alice, _, _) = endpoint().await;
    let (_bob, mut bobs, bob) = endpoint().await;
    let (_carol, mut carols, carol) = endpoint().await;
    let elsewhere = voip::Uri::parse(carol).unwrap();
    let calling = async { alice.dial(&bob).await.unwrap() };
    let redirecting = async { bobs.next().await.unwrap().redirect([elsewhere]).await.unwrap() };
    let answering = async { carols.next().await.unwrap().answer().await.unwrap() };
    let all = async { tokio::join!(calling, redirecting, answering) };
    let (at_alice, _, at_carol) = timeout(PATIENCE, all).await.unwrap();
    assert_eq!(at_alice.call_id(), at_carol.call_id());
}

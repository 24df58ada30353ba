//! What goes on around calls: text messages, single requests.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests are tests")]

use std::time::Duration;

use tokio::time::timeout;
use voip::{Config, Endpoint, Incoming, Listen, StatusCode, Transport};

const PATIENCE: Duration = Duration::from_secs(10);

async fn endpoint(config: Config) -> (Endpoint, Incoming, String) {
    let listen = [Listen::new(Transport::Udp, ([127, 0, 0, 1], 0).into())];
    let (endpoint, incoming) = Endpoint::bind(config.listen(listen)).await.unwrap();
    let port = endpoint.local_addresses()[0].address.port();
    (endpoint, incoming, format!("sip:x@127.0.0.1:{port}"))
}

// rfc: 3428 §7 — a MESSAGE that was taken is answered 200, any other answer is the application's
#[tokio::test]
async fn messages_are_taken_refused_or_dropped() {
    let (alice, _, _) = endpoint(Config::default()).await;
    let (bob, _calls, address) = endpoint(Config::default().messages(2)).await;
    let mut messages = bob.messages().unwrap();
    assert!(bob.messages().is_none(), "they are given out once");
    let reading = async {
        let first = messages.next().await.unwrap();
        assert_eq!(first.text(), Some("hello"));
        assert!(first.content_type().unwrap().is("text/plain"));
        first.accept().await.unwrap();
        messages.next().await.unwrap().answer(StatusCode::BUSY_HERE).await.unwrap();
        drop(messages.next().await.unwrap());
    };
    let sending = async {
        for status in [StatusCode::OK, StatusCode::BUSY_HERE, StatusCode::TEMPORARILY_UNAVAILABLE] {
            assert_eq!(alice.message(&address, "hello", None).await.unwrap().status(), status);
        }
    };
    timeout(PATIENCE, async { tokio::join!(sending, reading) }).await.unwrap();
}

#[tokio::test]
async fn who_takes_no_messages_says_so() {
    let (alice, _, _) = endpoint(Config::default()).await;
    let (bob, _calls, address) = endpoint(Config::default()).await;
    assert!(bob.messages().is_none());
    let answer = timeout(PATIENCE, alice.message(&address, "hello", None)).await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    let options = timeout(PATIENCE, alice.options(&address, None)).await.unwrap().unwrap();
    assert_eq!(options.status(), StatusCode::OK);
}

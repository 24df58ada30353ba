//! Two driven sessions over real sockets: wiring only.

use std::time::Duration;

use rtp::driver;
use rtp::jitter_buffer::Pop;
use rtp::session::{Event, Outgoing};
use rtp::{RtpSession, SessionConfig};
use tokio::net::UdpSocket;
use tokio::sync::oneshot;

#[tokio::test]
async fn packets_reports_and_goodbyes_cross_real_sockets() {
    let [a, b] =
        [UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap()];
    let [at_a, at_b] = [a.local_addr().unwrap(), b.local_addr().unwrap()];
    let now = tokio_now();
    let (alice, _alice_events, _task) =
        driver::start(a, at_b, RtpSession::new(now, SessionConfig::default(), [1; 32]));
    let (bob, mut bob_events, task) =
        driver::start(b, at_a, RtpSession::new(now, SessionConfig::default(), [2; 32]));
    for _ in 0..5 {
        let sent = alice.run(|session, now| {
            let mut buffer = vec![0; 200];
            let outgoing = Outgoing { payload_type: 0, marker: false, payload: &[0xD5; 160], ticks: 160 };
            let len = session.send(now, outgoing, &mut buffer).ok()?;
            buffer.truncate(len);
            Some(buffer)
        });
        assert!(sent.await);
    }
    let Some(Event::Playing { ssrc }) = bob_events.recv().await else { panic!("nothing is played") };
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (tell, told) = oneshot::channel();
    bob.run(move |session, now| {
        let played = matches!(session.play(now), Pop::Frame(frame) if frame.payload == [0xD5; 160]);
        tell.send(played).ok();
        None
    })
    .await;
    assert!(told.await.unwrap());
    alice
        .run(|session, now| {
            session.bye(now);
            None
        })
        .await;
    assert_eq!(bob_events.recv().await, Some(Event::Left { ssrc, bye: true }));
    drop(bob);
    let session = task.await.unwrap().unwrap();
    assert_eq!(session.statistics().malformed, 0);
}

#[expect(clippy::disallowed_methods, reason = "this test runs in real time")]
fn tokio_now() -> std::time::Instant {
    std::time::Instant::now()
}

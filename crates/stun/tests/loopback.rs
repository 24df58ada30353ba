//! The driver over real sockets.

use stun::driver::{QueryError, mapped_address};
use stun::{Config, Failure, Timing, responder};
use tokio::net::UdpSocket;

#[tokio::test]
async fn a_server_on_loopback_sees_our_own_address() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let answer = async {
        let mut buffer = [0; 1500];
        let (length, from) = server.recv_from(&mut buffer).await.unwrap();
        let response = responder::respond(&buffer[..length], from).unwrap();
        server.send_to(b"not STUN", from).await.unwrap();
        server.send_to(&response, from).await.unwrap();
    };
    let asked = mapped_address(&socket, server.local_addr().unwrap(), Config::default(), [1; 32]);
    let ((), address) = tokio::join!(answer, asked);
    assert_eq!(address.unwrap(), socket.local_addr().unwrap());
}

#[tokio::test]
async fn a_silent_server_ends_in_a_timeout() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let timing = Timing::default().rto(std::time::Duration::from_millis(5)).requests(2);
    let config = Config::default().timing(timing);
    let result = mapped_address(&socket, server.local_addr().unwrap(), config, [1; 32]).await;
    assert!(matches!(result, Err(QueryError::Failed(Failure::TimedOut))), "{result:?}");
}

//! UDP, TCP and TLS: requests go there and back, and what goes wrong has a name.

use std::net::SocketAddr;
use std::time::Duration;

use sip_msg::{Host, Response, StatusCode};
use sip_txn::driver::{self, Listen, Transports};
use sip_txn::{Config, Event, Flow, TransactionLayer, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::agent::{Agent, LOCAL, failure};
use crate::certificates::Authority;

pub(crate) const OPTIONS: &str = "OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/TCP raw.example;branch=z9hG4bK@;rport\r\n\
    From: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: @\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\
    Content-Length: 0\r\n\r\n";

// rfc: 3261 §18.1.1 — an open connection to the same address is used again
#[tokio::test]
async fn options_goes_there_and_back_over_udp_tcp_and_tls() {
    let authority = Authority::new();
    let tls = Some(authority.server(&authority.certify(&["localhost"], 1)));
    let server = Agent::bind(&[Transport::Udp, Transport::Tcp, Transport::Tls], tls.clone()).await;
    let udp = server.address(Transport::Udp);
    let (tcp, tls_address) = (server.address(Transport::Tcp), server.address(Transport::Tls));
    server.serve(10);
    let mut client = Agent::bind(&[Transport::Udp], tls).await;
    assert_eq!(client.ask(&format!("sip:{udp}")).await, Ok(StatusCode::OK));
    assert_eq!(client.ask(&format!("sip:{tcp};transport=tcp")).await, Ok(StatusCode::OK));
    for _ in 0..2 {
        let uri = format!("sips:localhost:{}", tls_address.port());
        assert_eq!(client.ask(&uri).await, Ok(StatusCode::OK));
    }
    assert_eq!(client.transports.connections(), 2, "one TCP and one TLS connection, each used again");
}

#[tokio::test]
async fn a_refused_connection_names_the_address() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut client = Agent::bind(&[Transport::Udp], None).await;
    let why = failure(client.ask(&format!("sip:{closed};transport=tcp")).await);
    assert!(why.contains(&closed.to_string()) && why.contains("refused"), "{why}");
    let why = failure(client.ask(&format!("sips:{closed}")).await);
    assert!(why.contains("not available"), "{why}");
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let first = Agent::bind(&[transport], None).await;
        let listen = Listen::new(transport, first.address(transport));
        let error = Transports::bind(&[listen], None).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&listen.address.to_string()), "{error}");
    }
    let error = Transports::bind(&[Listen::new(Transport::Tls, LOCAL.into())], None).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_wildcard_is_replaced_by_an_address_that_others_can_use() {
    let listen = [Listen::new(Transport::Udp, ([0, 0, 0, 0], 0).into())];
    let transports = Transports::bind(&listen, None).await.unwrap();
    let (_, address) = transports.local_addresses()[0];
    assert!(!address.ip().is_unspecified() && address.port() != 0);
}

// rfc: 3581 §4 — a response leaves from the address and port that the request came to
#[tokio::test]
async fn a_burst_of_datagrams_is_answered_to_the_last() {
    let server = Agent::bind(&[Transport::Udp], None).await;
    let address = server.address(Transport::Udp);
    server.serve(0);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(address).await.unwrap();
    for number in 0..100 {
        socket.send(OPTIONS.replace('@', &format!("burst{number}")).as_bytes()).await.unwrap();
    }
    let mut buffer = [0; 2048];
    for _ in 0..100 {
        let length =
            timeout(Duration::from_secs(10), socket.recv(&mut buffer)).await.expect("an answer").unwrap();
        assert!(buffer[..length].starts_with(b"SIP/2.0 200 OK"));
    }
}

/// Sockets whose TCP ports are those of UDP, or nobody's: another test may have come first.
async fn siblings(listen: &[Listen]) -> std::io::Result<Transports> {
    loop {
        let transports = Transports::bind(listen, None).await?;
        let (mut alike, addresses) = (true, transports.local_addresses());
        for (_, udp) in addresses.iter().filter(|(transport, _)| *transport == Transport::Udp) {
            let sibling = addresses.iter().find(|(one, tcp)| *one == Transport::Tcp && tcp.ip() == udp.ip());
            alike &= match sibling {
                Some((_, tcp)) => tcp.port() == udp.port(),
                None => TcpStream::connect(udp).await.is_err(),
            };
        }
        if alike {
            return Ok(transports);
        }
    }
}

// rfc: 3261 §18.2.1 — a server that listens on UDP listens on the same port for TCP
// rfc: 3261 §18.1.1 — requests over IPv6 leave from the IPv6 socket, and over IPv4 from the other
#[tokio::test]
async fn both_families_are_served_at_once() {
    let loopback = [SocketAddr::from(([127, 0, 0, 1], 0)), "[::1]:0".parse().unwrap()];
    let listen: Vec<_> = [Transport::Udp, Transport::Tcp]
        .into_iter()
        .flat_map(|transport| loopback.map(|address| Listen::new(transport, address)))
        .collect();
    let server = match siblings(&listen).await {
        Ok(transports) => Agent::new(transports),
        Err(error) => return println!("skipped: no IPv6 here: {error}"),
    };
    let addresses = server.transports.local_addresses().to_vec();
    for (at, (_, address)) in addresses.iter().enumerate().take(2) {
        assert_eq!(addresses[at + 2].1.port(), address.port(), "TCP has the port of UDP");
    }
    server.serve(0);
    let mut client = Agent::new(Transports::bind(&listen, None).await.unwrap());
    for (transport, address) in addresses {
        let uri = format!("sip:{address};transport={}", transport.name().to_ascii_lowercase());
        assert_eq!(client.ask(&uri).await, Ok(StatusCode::OK), "{uri}");
    }
}

// rfc: 3261 §18.1.1 — a request over 1300 bytes leaves over TCP, and over UDP when TCP is refused
#[tokio::test]
async fn a_large_request_goes_over_tcp_and_falls_back_to_udp() {
    for (transports, expected) in
        [(&[Transport::Udp, Transport::Tcp][..], Transport::Tcp), (&[Transport::Udp], Transport::Udp)]
    {
        let listen: Vec<_> = transports.iter().map(|one| Listen::new(*one, LOCAL.into())).collect();
        let mut server = Agent::new(siblings(&listen).await.unwrap());
        let uri =
            format!("sip:{};{}", server.address(Transport::Udp), "x=y;".repeat(400).trim_end_matches(';'));
        let answering = tokio::spawn(async move {
            loop {
                if let Event::Request { server: id, request, flow } = server.event().await {
                    let response = Response::answer(&request, StatusCode::OK).to_tag("b").build();
                    server.layer.respond(driver::now(), id, response).unwrap();
                    // Until the answer is on its way.
                    let _ = timeout(Duration::from_millis(200), server.event()).await;
                    return flow.transport;
                }
            }
        });
        let mut client = Agent::bind(&[Transport::Udp], None).await;
        assert_eq!(client.ask(&uri).await, Ok(StatusCode::OK));
        assert_eq!(answering.await.unwrap(), expected);
    }
}

// rfc: 3261 §18.1.1 — Via names the host that others can reach
// rfc: 3581 §3 — a client asks for rport
#[tokio::test]
async fn via_names_the_advertised_host() {
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let listen = [Listen::new(Transport::Udp, LOCAL.into())];
    let transports = Transports::bind(&listen, None).await.unwrap();
    let (_, bound) = transports.local_addresses()[0];
    let mut client = Agent::new(transports);
    let config = Config::new([9; 32]).listen(Transport::Udp, bound);
    client.layer = TransactionLayer::new(config.advertise("sip.example.com".parse::<Host>().unwrap()));
    let uri = format!("sip:{}", peer.local_addr().unwrap());
    tokio::spawn(async move { drop(client.ask(&uri).await) });
    let mut buffer = [0; 2048];
    let length = timeout(Duration::from_secs(5), peer.recv(&mut buffer)).await.unwrap().unwrap();
    let text = std::str::from_utf8(&buffer[..length]).unwrap();
    let via = text.lines().find(|line| line.starts_with("Via:")).unwrap();
    assert!(
        via.starts_with(&format!("Via: SIP/2.0/UDP sip.example.com:{};branch=z9hG4bK", bound.port())),
        "{via}"
    );
    assert!(via.contains(";rport"), "{via}");
}

// rfc: 5626 §3.5.1 — a double CRLF is answered with a single one
// rfc: 5626 §4.4.1 — line ends may stand between messages
#[tokio::test]
async fn line_ends_are_answered_between_messages() {
    let server = Agent::bind(&[Transport::Tcp], None).await;
    let mut client = TcpStream::connect(server.address(Transport::Tcp)).await.unwrap();
    server.serve(0);
    client.write_all(b"\r\n\r\n").await.unwrap();
    let mut pong = [0; 2];
    timeout(Duration::from_secs(5), client.read_exact(&mut pong)).await.unwrap().unwrap();
    assert_eq!(&pong, b"\r\n");
    client.write_all(OPTIONS.replace('@', "after").as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    timeout(Duration::from_secs(5), client.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"SIP/2.0 200 ");
}

// rfc: 5626 §4.4.1 — a ping without a pong within 10 seconds is a failure of the flow
#[tokio::test]
async fn a_peer_that_answers_no_ping_has_failed() {
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("sip:{};transport=tcp", deaf.local_addr().unwrap());
    let mut client = Agent::bind(&[Transport::Udp], None).await;
    client.send(&uri);
    // The request itself goes out, so the connection is open.
    let (mut stream, _) = tokio::select! {
        accepted = deaf.accept() => accepted.unwrap(),
        event = client.event() => panic!("{event:?}"),
    };
    let mut buffer = [0; 2048];
    tokio::select! {
        read = stream.read(&mut buffer) => assert!(read.unwrap() > 0),
        event = client.event() => panic!("{event:?}"),
    }
    let flow = Flow::new(Transport::Tcp, stream.peer_addr().unwrap(), stream.local_addr().unwrap());
    tokio::time::pause();
    let before = driver::now();
    assert!(client.layer.keep_alive(before, flow));
    let closed = loop {
        if let Event::FlowClosed { flow: closed, .. } = client.event().await {
            break closed;
        }
    };
    assert_eq!(closed, flow);
    assert_eq!((driver::now() - before).as_secs(), 10);
}

// rfc: 5626 §8 — a Binding request on a SIP port is answered there, and SIP goes on
// rfc: 5626 §4.4.2 — STUN keep-alives over the flow of SIP
#[tokio::test]
async fn stun_is_answered_on_the_sip_port() {
    let server = Agent::bind(&[Transport::Udp], None).await;
    let address = server.address(Transport::Udp);
    server.serve(0);
    let mut client = Agent::bind(&[Transport::Udp], None).await;
    let flow = Flow::new(Transport::Udp, client.address(Transport::Udp), address);
    for _ in 0..2 {
        assert!(client.layer.keep_alive_with_stun(driver::now(), flow));
        let event = timeout(Duration::from_secs(5), client.event()).await.unwrap();
        assert_eq!(event, Event::Pong { flow });
    }
    assert_eq!(client.ask(&format!("sip:{address}")).await, Ok(StatusCode::OK));
}

#[tokio::test]
async fn a_binding_response_is_as_rfc_8489_has_it() {
    let server = Agent::bind(&[Transport::Udp], None).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(server.address(Transport::Udp)).await.unwrap();
    server.serve(0);
    let request = b"\0\x01\0\0\x21\x12\xa4\x42abcdefghijkl";
    socket.send(request).await.unwrap();
    let mut buffer = [0; 100];
    let length = timeout(Duration::from_secs(5), socket.recv(&mut buffer)).await.unwrap().unwrap();
    let port = socket.local_addr().unwrap().port() ^ 0x2112;
    let mut expected = b"\x01\x01\0\x0c\x21\x12\xa4\x42abcdefghijkl\0\x20\0\x08\0\x01".to_vec();
    expected.extend(port.to_be_bytes());
    expected.extend([127 ^ 0x21, 0x12, 0xa4, 1 ^ 0x42]);
    assert_eq!(&buffer[..length], expected);
}

//! WebSocket (RFC 7118), against tungstenite as it is on the other side.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use sip_msg::StatusCode;
use sip_txn::driver::{Handshake, HandshakeAdmission, Refusal, Settings, WebSocket};
use sip_txn::{Event, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, client_async};

use crate::agent::{Agent, failure};
use crate::certificates::Authority;
use crate::pump;

const OPTIONS: &str = "OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bK@\r\n\
    From: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: @\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\r\n";

type Raw = WebSocketStream<TcpStream>;

async fn served(web_socket: WebSocket) -> SocketAddr {
    let server = Agent::bind(&[Transport::Ws], Settings::default().web_socket(web_socket)).await;
    let address = server.address(Transport::Ws);
    server.serve(0);
    address
}

fn request(address: SocketAddr) -> ClientRequestBuilder {
    ClientRequestBuilder::new(format!("ws://{address}/sip?a=b").parse().unwrap()).with_sub_protocol("sip")
}

async fn connect(request: ClientRequestBuilder, address: SocketAddr) -> Result<Raw, Error> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (socket, response) = client_async(request, stream).await?;
    assert_eq!(response.headers().get("Sec-WebSocket-Protocol").unwrap(), "sip");
    Ok(socket)
}

async fn raw(address: SocketAddr) -> Raw {
    connect(request(address), address).await.unwrap()
}

async fn next(socket: &mut Raw) -> Message {
    timeout(Duration::from_secs(5), socket.next()).await.expect("a message").expect("an open socket").unwrap()
}

async fn answered(socket: &mut Raw) -> String {
    next(socket).await.into_text().unwrap().to_string()
}

// rfc: 7118 §4.1 — client and server agree on the sub-protocol sip
// rfc: 7118 §5 — one SIP message in each WebSocket message; a reliable transport without Content-Length
// rfc: 7118 §5.1 — WS and WSS in Via
// rfc: 7118 §5.2 — transport=ws in URIs
#[tokio::test]
async fn requests_go_there_and_back_over_web_sockets_plain_and_secure() {
    let authority = Authority::new();
    let tls = authority.server(&authority.certify(&["localhost"], 1));
    let server = Agent::bind(&[Transport::Ws, Transport::Wss], Some(tls.clone())).await;
    let (ws, wss) = (server.address(Transport::Ws), server.address(Transport::Wss));
    server.serve(10);
    let mut client = Agent::bind(&[Transport::Udp], Some(tls)).await;
    for uri in [format!("sip:{ws};transport=ws"), format!("sips:localhost:{};transport=ws", wss.port())] {
        for _ in 0..2 {
            assert_eq!(client.ask(&uri).await, Ok(StatusCode::OK), "{uri}");
        }
    }
    assert_eq!(client.transports.connections(), 2, "each is used again");
    let why = failure(client.ask(&format!("sips:{wss};transport=ws")).await);
    assert!(why.contains("the certificate is not for 127.0.0.1"), "{why}");
}

// rfc: 7118 §4.2 — text and binary frames are accepted
// rfc: 7118 §8 — the host of Via may be made up; the answer comes back over the same WebSocket
// rfc: 7118 §5.3 — responses go over the existing connection only
#[tokio::test]
async fn a_browser_is_answered_over_its_own_web_socket() {
    let mut socket = raw(served(WebSocket::default()).await).await;
    socket.send(Message::text(OPTIONS.replace('@', "text"))).await.unwrap();
    let answer = answered(&mut socket).await;
    assert!(
        answer.starts_with("SIP/2.0 200 OK\r\nVia: SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bKtext"),
        "{answer}"
    );
    socket.send(Message::binary(OPTIONS.replace('@', "binary").into_bytes())).await.unwrap();
    assert!(answered(&mut socket).await.contains("z9hG4bKbinary"));
    // In two fragments.
    let text = OPTIONS.replace('@', "fragments");
    let (first, second) = text.as_bytes().split_at(50);
    socket
        .send(Message::Frame(Frame::message(first.to_vec(), OpCode::Data(Data::Text), false)))
        .await
        .unwrap();
    socket
        .send(Message::Frame(Frame::message(second.to_vec(), OpCode::Data(Data::Continue), true)))
        .await
        .unwrap();
    assert!(answered(&mut socket).await.contains("z9hG4bKfragments"));
}

// rfc: 7118 §4.2 — what is not UTF-8 travels in a binary frame, everything else as text
#[tokio::test]
async fn what_is_not_utf_8_is_sent_in_a_binary_frame() {
    let address = served(WebSocket::default()).await;
    let mut socket = raw(address).await;
    let mut bytes = OPTIONS.replace('@', "latin").replace("<sip:a>", "\"\u{1}\" <sip:a>").into_bytes();
    // A display name in Latin-1.
    let at = bytes.iter().position(|byte| *byte == 1).unwrap();
    bytes[at] = 0xe9;
    socket.send(Message::binary(bytes)).await.unwrap();
    match next(&mut socket).await {
        Message::Binary(answer) => assert!(answer.starts_with(b"SIP/2.0 200 OK"), "{answer:?}"),
        other => panic!("{other:?}"),
    }
}

// rfc: 7118 §6 — ping frames, and line ends, keep a WebSocket alive in both directions
#[tokio::test]
async fn pings_are_answered_and_sent() {
    let mut server = Agent::bind(&[Transport::Ws], None).await;
    let address = server.address(Transport::Ws);
    let mut socket = tokio::select! {
        socket = raw(address) => socket,
        event = server.event() => panic!("{event:?}"),
    };
    socket.send(Message::Ping("x".into())).await.unwrap();
    socket.send(Message::text("\r\n\r\n")).await.unwrap();
    socket.send(Message::text(OPTIONS.replace('@', "flow"))).await.unwrap();
    let flow = loop {
        if let Event::Request { flow, .. } = server.event().await {
            break flow;
        }
    };
    assert!(server.layer.keep_alive(sip_txn::driver::now(), flow));
    let mut seen = Vec::new();
    let asking = async {
        while seen.len() < 3 {
            seen.push(next(&mut socket).await);
        }
        // Reading answers the ping.
        let _ = timeout(Duration::from_millis(300), socket.next()).await;
    };
    let ((), event) = tokio::join!(asking, timeout(Duration::from_secs(5), server.event()));
    assert_eq!(event.unwrap(), Event::Pong { flow });
    assert!(seen.contains(&Message::Pong("x".into())), "{seen:?}");
    assert!(seen.contains(&Message::text("\r\n")), "{seen:?}");
    assert!(seen.contains(&Message::Ping("".into())), "{seen:?}");
}

// rfc: 7118 §8 — a client whose Contact nobody can resolve is reached over its WebSocket
#[tokio::test]
async fn requests_find_the_web_socket_of_a_made_up_name() {
    let mut server = Agent::bind(&[Transport::Ws], None).await;
    let address = server.address(Transport::Ws);
    let mut socket = tokio::select! {
        socket = raw(address) => socket,
        event = server.event() => panic!("{event:?}"),
    };
    let mut thief = tokio::select! {
        socket = raw(address) => socket,
        event = server.event() => panic!("{event:?}"),
    };
    for (socket, branch) in [(&mut socket, "one"), (&mut thief, "two")] {
        socket.send(Message::text(OPTIONS.replace('@', branch))).await.unwrap();
        while !matches!(server.event().await, Event::Request { .. }) {}
    }
    server.send("sip:a@DF7jal23ls0d.invalid;transport=ws");
    pump(&mut server).await;
    let text = answered(&mut socket).await;
    assert!(
        text.starts_with("OPTIONS sip:a@DF7jal23ls0d.invalid;transport=ws SIP/2.0\r\nVia: SIP/2.0/WS"),
        "{text}"
    );
    assert!(timeout(Duration::from_millis(100), thief.next()).await.is_err(), "the name was taken");
    let why = failure(server.ask("sip:a@another.invalid:5060;transport=ws").await);
    assert!(why.contains("another.invalid"), "{why}");
}

async fn status(request: &str, address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(Duration::from_secs(5), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

struct Cookies;

impl HandshakeAdmission for Cookies {
    fn admit(&self, handshake: &Handshake<'_>) -> Result<(), Refusal> {
        assert!(handshake.remote().ip().is_loopback());
        match handshake.header("Cookie") {
            Some("session=1") => Ok(()),
            _ => Err(Refusal::unauthorized("Basic realm=\"sip\"")),
        }
    }
}

// rfc: 7118 §4.1 — without the sub-protocol sip there is no connection
// rfc: 7118 §7 — a server may answer 401 with a challenge, and reads cookies
#[tokio::test]
async fn handshakes_that_do_not_fit_are_refused_with_the_right_status() {
    let settings =
        WebSocket::default().path("/sip").origins(["https://phone.example.com"]).admission(Arc::new(Cookies));
    let address = served(settings).await;
    let whole = "GET /sip HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://phone.example.com\r\n\
        Sec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n";
    for (from, to, expected) in [
        ("GET /sip", "POST /sip", "405"),
        ("GET /sip", "GET /other", "404"),
        ("HTTP/1.1", "HTTP/1.0", "505"),
        ("Upgrade: websocket\r\n", "", "426"),
        ("Version: 13", "Version: 8", "426"),
        ("Protocol: sip", "Protocol: mqtt, sipx", "400"),
        ("Sec-WebSocket-Protocol: sip\r\n", "", "400"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "short", "400"),
        ("phone.example.com", "evil.example.com", "403"),
        ("Host: a", "Host: b", "401"),
        ("Host: a", &format!("X: {}", "x".repeat(9000)), "431"),
        ("GET", "\u{1}\u{2}", "400"),
    ] {
        let answer = status(&whole.replace(from, to), address).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{from} -> {to}: {answer}");
        assert_eq!(answer.contains("WWW-Authenticate: Basic"), expected == "401", "{answer}");
        assert_eq!(answer.contains("Sec-WebSocket-Version: 13"), expected == "426", "{answer}");
    }
    let request = ClientRequestBuilder::new(format!("ws://{address}/sip").parse().unwrap())
        .with_sub_protocol("mqtt")
        .with_sub_protocol("sip")
        .with_header("Cookie", "session=1");
    assert!(connect(request, address).await.is_ok(), "several sub-protocols, and no Origin: no browser");
}

#[tokio::test]
async fn a_huge_message_ends_the_connection_and_a_half_handshake_keeps_nobody_out() {
    let address = served(WebSocket::default().message_bytes(2000)).await;
    let mut waiting = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
        waiting.push(stream);
    }
    let mut socket = raw(address).await;
    let padded = |length: usize| OPTIONS.replace('@', &"x".repeat(length));
    socket.send(Message::text(padded(500))).await.unwrap();
    assert!(answered(&mut socket).await.starts_with("SIP/2.0 200"));
    socket.send(Message::text(padded(1500))).await.unwrap();
    let end = timeout(Duration::from_secs(5), socket.next()).await.expect("an end");
    assert!(!matches!(end, Some(Ok(Message::Text(_)))), "{end:?}");
    // Announced, and never sent.
    let mut liar = raw(address).await;
    let announced = Frame::message(vec![b'x'; 1999], OpCode::Data(Data::Text), false);
    liar.send(Message::Frame(announced)).await.unwrap();
    let more = Frame::message(vec![b'x'; 2], OpCode::Data(Data::Continue), true);
    liar.send(Message::Frame(more)).await.unwrap();
    let end = timeout(Duration::from_secs(5), liar.next()).await.expect("an end");
    assert!(!matches!(end, Some(Ok(Message::Text(_)))), "{end:?}");
}

#[tokio::test]
async fn garbage_is_answered_or_passed_over_and_the_next_message_is_served() {
    let mut socket = raw(served(WebSocket::default()).await).await;
    for garbage in ["", "hello", "\r\n\r\n\r\n", "SIP/2.0\r\n\r\n", "OPTIONS sip:b SIP/2.0\r\n\r\n"] {
        socket.send(Message::text(garbage)).await.unwrap();
    }
    socket.send(Message::text(OPTIONS.replace('@', "good"))).await.unwrap();
    loop {
        if answered(&mut socket).await.contains("z9hG4bKgood") {
            break;
        }
    }
    // A clean end.
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = timeout(Duration::from_secs(5), socket.next()).await.expect("an end") {}
}

// rfc: 7118 §4.1 — no 101 is a failure of the transaction
// rfc: 7118 §7 — a client is ready for 401
#[tokio::test]
async fn a_server_that_refuses_is_named_with_its_status() {
    let server =
        Agent::bind(&[Transport::Ws], Settings::default().web_socket(WebSocket::default().path("/ws"))).await;
    let uri = format!("sip:{};transport=ws", server.address(Transport::Ws));
    server.serve(0);
    let mut lost = Agent::bind(&[Transport::Udp], None).await;
    let why = failure(lost.ask(&uri).await);
    assert!(why.contains("404"), "{why}");
    let settings = Settings::default().web_socket(WebSocket::default().client_path("/ws"));
    let mut client = Agent::bind(&[Transport::Udp], settings).await;
    assert_eq!(client.ask(&uri).await, Ok(StatusCode::OK));
}

// rfc: 7118 §4.1 — a client offers the sub-protocol sip, and goes without a connection when it does not come back
// rfc: 7118 §5.3 — a client takes responses without received in Via
#[tokio::test]
async fn our_handshake_offers_sip_and_needs_it_back() {
    for echoes in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut seen = None;
            #[expect(clippy::result_large_err, reason = "as tungstenite has it")]
            let answer = |request: &Request, mut response: Response| {
                seen = Some((request.uri().to_string(), request.headers().clone()));
                if echoes {
                    response.headers_mut().insert("Sec-WebSocket-Protocol", "sip".parse().unwrap());
                }
                Ok(response)
            };
            let mut socket = accept_hdr_async(stream, answer).await.unwrap();
            let message = socket.next().await;
            if let Some(Ok(Message::Text(text))) = &message {
                let answer = text.replacen(text.lines().next().unwrap(), "SIP/2.0 200 OK", 1);
                socket.send(Message::text(answer)).await.unwrap();
            }
            (seen.unwrap(), message, socket)
        });
        let mut client = Agent::bind(&[Transport::Udp], None).await;
        client.send(&format!("sip:{address};transport=ws"));
        // Both at once: the socket is open as long as the other side keeps it.
        let (outcome, accepted) =
            tokio::join!(timeout(Duration::from_millis(500), client.event()), accepting);
        let ((path, headers), message, _open) = accepted.unwrap();
        assert_eq!((path.as_str(), headers["sec-websocket-protocol"].as_bytes()), ("/", &b"sip"[..]));
        assert_eq!(headers["host"], address.to_string());
        if echoes {
            let text = message.unwrap().unwrap().into_text().unwrap();
            assert!(text.starts_with("OPTIONS ") && text.contains("Via: SIP/2.0/WS 127.0.0.1:"), "{text}");
            assert!(!text.contains("received"));
            assert!(matches!(outcome, Ok(Event::Response { .. })), "{outcome:?}");
        } else {
            assert!(matches!(outcome, Ok(Event::ClientEnded { .. })), "{outcome:?}");
        }
    }
}

//! Real sockets on loopback: the wiring of UDP, TCP and TLS.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests fail the test"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use sip_msg::{CSeq, CallId, From, Method, Request, Response, StatusCode, To, Uri};
use sip_txn::driver::{self, Listen, Tls, Transports};
use sip_txn::{Config, Ending, Event, Output, SendOptions, TransactionLayer, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const LOCAL: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

/// A layer on real sockets.
struct Agent {
    layer: TransactionLayer,
    transports: Transports,
    asked: u32,
}

impl Agent {
    async fn bind(transports: &[Transport], tls: Option<Tls>) -> Self {
        let listen: Vec<_> =
            transports.iter().map(|transport| Listen::new(*transport, LOCAL.into())).collect();
        let transports = Transports::bind(&listen, tls).await.unwrap();
        let mut config = Config::new([u8::try_from(listen.len()).unwrap(); 32]);
        for (transport, address) in transports.local_addresses() {
            config = config.listen(*transport, *address);
        }
        Self { layer: TransactionLayer::new(config), transports, asked: 0 }
    }

    fn address(&self, transport: Transport) -> SocketAddr {
        self.transports.local_addresses().iter().find(|(found, _)| *found == transport).unwrap().1
    }

    async fn event(&mut self) -> Event {
        loop {
            while let Some(output) = self.layer.poll_output() {
                match output {
                    Output::Action(action) => self.transports.perform(action),
                    Output::Event(event) => return event,
                }
            }
            let at = self.layer.poll_timeout();
            tokio::select! {
                input = self.transports.next() => self.layer.handle_input(driver::now(), input),
                () = driver::sleep_until(at) => self.layer.handle_timeout(driver::now()),
            }
        }
    }

    /// Answers every request with 200 and `padding` bytes, for ever.
    fn serve(mut self, padding: usize) -> JoinHandle<()> {
        tokio::spawn(async move {
            loop {
                if let Event::Request { server, request, .. } = self.event().await {
                    let response = Response::answer(&request, StatusCode::OK)
                        .to_tag("b")
                        .body("text/plain", vec![b'x'; padding])
                        .build();
                    // The answer may come too late for a peer that has gone.
                    let _ = self.layer.respond(driver::now(), server, response);
                }
            }
        })
    }

    /// Sends one OPTIONS and waits for its outcome.
    async fn ask(&mut self, uri: &str) -> Result<StatusCode, Ending> {
        let uri: Uri = uri.parse().unwrap();
        self.asked += 1;
        let request = Request::builder(Method::OPTIONS, &uri)
            .header(&From::new(uri.clone()).with_tag("a"))
            .header(&To::new(uri.clone()))
            .header(&CallId(format!("call-{}", self.asked).into()))
            .header(&CSeq::new(1, Method::OPTIONS))
            .build();
        self.layer.request(driver::now(), request, SendOptions::default()).unwrap();
        let outcome = async {
            loop {
                match self.event().await {
                    Event::Response { response, .. } => return Ok(response.status()),
                    Event::ClientEnded { ending, .. } if ending != Ending::Normal => return Err(ending),
                    _ => {}
                }
            }
        };
        timeout(Duration::from_secs(20), outcome).await.expect("an outcome")
    }
}

fn failure(outcome: Result<StatusCode, Ending>) -> String {
    match outcome {
        Err(Ending::TransportFailed(why)) => why.to_string(),
        other => panic!("{other:?}"),
    }
}

/// A certificate for `name`, signed by itself; the client trusts it if `trusted`.
fn tls(name: &str, trusted: bool) -> Tls {
    let certified = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let certificate = certified.cert.der().clone();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    if trusted {
        roots.add(certificate.clone()).unwrap();
    }
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Tls { client: Arc::new(client), server: Some(Arc::new(server)) }
}

const OPTIONS: &str = "OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/TCP raw.example;branch=z9hG4bK@;rport\r\n\
    From: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: @\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\
    Content-Length: 0\r\n\r\n";

#[tokio::test]
async fn options_goes_there_and_back_over_udp_tcp_and_tls() {
    let tls = tls("localhost", true);
    let server = Agent::bind(&[Transport::Udp, Transport::Tcp, Transport::Tls], Some(tls.clone())).await;
    let udp = server.address(Transport::Udp);
    let (tcp, tls_address) = (server.address(Transport::Tcp), server.address(Transport::Tls));
    server.serve(10);
    let mut client = Agent::bind(&[Transport::Udp], Some(tls)).await;
    assert_eq!(client.ask(&format!("sip:{udp}")).await, Ok(StatusCode::OK));
    assert_eq!(client.ask(&format!("sip:{tcp};transport=tcp")).await, Ok(StatusCode::OK));
    for _ in 0..2 {
        let uri = format!("sips:localhost:{}", tls_address.port());
        assert_eq!(client.ask(&uri).await, Ok(StatusCode::OK));
    }
    assert_eq!(client.transports.connections(), 2, "one TCP and one TLS connection, each used again");
}

// rfc: 5922 §7.3 — a certificate that does not name the domain is refused
#[tokio::test]
async fn tls_says_clearly_what_is_wrong_with_a_certificate() {
    for (name, trusted, expected) in [
        ("example.com", true, "the certificate is not for localhost"),
        ("localhost", false, "is signed by nobody we trust"),
    ] {
        let tls = tls(name, trusted);
        let server = Agent::bind(&[Transport::Tls], Some(tls.clone())).await;
        let uri = format!("sips:localhost:{}", server.address(Transport::Tls).port());
        server.serve(0);
        let mut client = Agent::bind(&[Transport::Udp], Some(tls)).await;
        let why = failure(client.ask(&uri).await);
        assert!(why.contains(expected), "{why}");
    }
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

#[tokio::test]
async fn halves_resets_and_silence_disturb_nobody() {
    let server = Agent::bind(&[Transport::Tcp], None).await;
    let address = server.address(Transport::Tcp);
    server.serve(0);
    // Half a message, then a reset.
    let broken = TcpStream::connect(address).await.unwrap();
    broken.set_zero_linger().unwrap();
    let mut broken = broken;
    broken.write_all(&OPTIONS.as_bytes()[..60]).await.unwrap();
    drop(broken);
    // Many that say nothing.
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    // A message in two halves.
    let mut halves = TcpStream::connect(address).await.unwrap();
    let text = OPTIONS.replace('@', "halves");
    halves.write_all(&text.as_bytes()[..60]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    halves.write_all(&text.as_bytes()[60..]).await.unwrap();
    let mut answer = [0; 12];
    timeout(Duration::from_secs(10), halves.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"SIP/2.0 200 ");
}

#[tokio::test]
async fn a_peer_that_does_not_read_stalls_nobody_else() {
    let server = Agent::bind(&[Transport::Tcp], None).await;
    let address = server.address(Transport::Tcp);
    server.serve(60_000);
    let mut deaf = TcpStream::connect(address).await.unwrap();
    let mut sent = 0;
    // Some 30 MB of answers are asked for: more than the kernel and the queue take.
    for number in 0..500 {
        let text = OPTIONS.replace('@', &format!("deaf{number}"));
        if timeout(Duration::from_secs(1), deaf.write_all(text.as_bytes()))
            .await
            .is_ok_and(|done| done.is_ok())
        {
            sent += 1;
        }
    }
    assert!(sent > 0);
    let mut client = Agent::bind(&[Transport::Udp], None).await;
    assert_eq!(client.ask(&format!("sip:{address};transport=tcp")).await, Ok(StatusCode::OK));
}

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

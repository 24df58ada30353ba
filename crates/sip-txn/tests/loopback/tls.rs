//! TLS: who may be on the other side.

use std::net::SocketAddr;
use std::time::Duration;

use sip_msg::{Response, StatusCode};
use sip_txn::driver::{self, Settings};
use sip_txn::{Config, Event, TransactionLayer, Transport};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::agent::{Agent, failure};
use crate::certificates::{Authority, Certified};
use crate::pump;

/// Asks a server that shows this certificate, as a client that trusts `trusted`.
async fn ask(authority: &Authority, shown: &Certified, trusted: &Authority) -> Result<StatusCode, String> {
    let server = Agent::bind(&[Transport::Tls], Some(authority.server(shown))).await;
    let uri = format!("sips:localhost:{}", server.address(Transport::Tls).port());
    let serving = server.serve(0);
    let mut client = Agent::bind(&[Transport::Udp], Some(trusted.client(None))).await;
    let outcome = client.ask(&uri).await;
    serving.abort();
    match outcome {
        Ok(status) => Ok(status),
        failed => Err(failure(failed)),
    }
}

// rfc: 5922 §7.3 — the domain looked for must be an identity of the certificate, or the connection is closed
// rfc: 5922 §7.1 — sip: URIs count, and DNS names only without one
// rfc: 5922 §7.2 — a wildcard matches nobody
// rfc: 3261 §26.3.1 — a server is recognised by its certificate
#[tokio::test]
async fn a_server_must_stand_for_the_domain_that_is_looked_for() {
    let (ours, other) = (Authority::new(), Authority::new());
    for names in [&["localhost"][..], &["sip:localhost"], &["sip:localhost", "host.example.com"]] {
        assert_eq!(ask(&ours, &ours.certify(names, 1), &ours).await, Ok(StatusCode::OK), "{names:?}");
    }
    for (names, days, trusted, expected) in [
        (&["example.com"][..], 1, &ours, "the certificate is not for localhost"),
        (&["*.localhost"], 1, &ours, "the certificate is not for localhost"),
        (&["sip:example.com", "localhost"], 1, &ours, "the certificate is not for localhost"),
        (&["sip:alice@localhost"], 1, &ours, "the certificate is not for localhost"),
        (&["localhost"], -1, &ours, "has expired"),
        (&["localhost"], 1, &other, "is signed by nobody we trust"),
    ] {
        let why = ask(&ours, &ours.certify(names, days), trusted).await.unwrap_err();
        assert!(why.contains(expected), "{names:?}: {why}");
    }
}

// rfc: 5922 §7.4 — a client certificate tells the server whom it speaks to
// rfc: 5923 §8.2 — with `alias` and a proven identity, requests go back over the client's connection
// rfc: 5923 §8.1 — the client takes requests over the connection it has opened
#[tokio::test]
async fn requests_go_back_over_a_connection_whose_peer_is_known() {
    let authority = Authority::new();
    let certificate = authority.certify(&["localhost"], 1);
    for (shown, alias, expected) in
        [(Some(&certificate), true, true), (Some(&certificate), false, false), (None, true, false)]
    {
        let mut server = Agent::bind(&[Transport::Tls], Some(authority.server(&certificate))).await;
        let uri = format!("sips:localhost:{}", server.address(Transport::Tls).port());
        let client_tls = authority.client(shown);
        let mut client = Agent::bind(&[Transport::Udp], Some(client_tls)).await;
        let here = SocketAddr::from(([127, 0, 0, 1], 5999));
        client.layer = TransactionLayer::new(Config::new([2; 32]).listen(Transport::Tls, here).alias(alias));
        client.send(&uri);
        // The server answers, then asks the client at the address in its Via.
        let answered = async { while !matches!(client.event().await, Event::Response { .. }) {} };
        let answering = async {
            loop {
                if let Event::Request { server: id, request, .. } = server.event().await {
                    let response = Response::answer(&request, StatusCode::OK).to_tag("b").build();
                    server.layer.respond(driver::now(), id, response).unwrap();
                    return pump(&mut server).await;
                }
            }
        };
        timeout(Duration::from_secs(10), async { tokio::join!(answered, answering) }).await.unwrap();
        let client = client.serve(0);
        let outcome = server.ask("sips:localhost:5999").await;
        assert_eq!(outcome.is_ok(), expected, "{alias} {outcome:?}");
        client.abort();
    }
}

#[tokio::test]
async fn new_handshakes_use_the_new_certificate_and_old_connections_go_on() {
    let (first, second) = (Authority::new(), Authority::new());
    let server = Agent::bind(&[Transport::Tls], Some(first.server(&first.certify(&["localhost"], 1)))).await;
    let uri = format!("sips:localhost:{}", server.address(Transport::Tls).port());
    let certificates = server.transports.certificates();
    server.serve(0);
    let mut old = Agent::bind(&[Transport::Udp], Some(first.client(None))).await;
    let mut new = Agent::bind(&[Transport::Udp], Some(second.client(None))).await;
    assert_eq!(old.ask(&uri).await, Ok(StatusCode::OK));
    assert!(failure(new.ask(&uri).await).contains("nobody we trust"));
    certificates.replace(second.server(&second.certify(&["localhost"], 1)));
    assert_eq!(old.ask(&uri).await, Ok(StatusCode::OK), "over the connection it has");
    let mut new = Agent::bind(&[Transport::Udp], Some(second.client(None))).await;
    assert_eq!(new.ask(&uri).await, Ok(StatusCode::OK));
    let mut late = Agent::bind(&[Transport::Udp], Some(first.client(None))).await;
    assert!(failure(late.ask(&uri).await).contains("nobody we trust"));
}

#[tokio::test]
async fn a_client_that_speaks_of_alpn_is_served() {
    use rustls::pki_types::ServerName;
    let authority = Authority::new();
    let tls = authority.server(&authority.certify(&["localhost"], 1));
    let server = Agent::bind(&[Transport::Tls], Settings::default().tls(tls)).await;
    let address = server.address(Transport::Tls);
    server.serve(0);
    let mut config = (*authority.client(None).client).clone();
    config.alpn_protocols = vec![b"sip".to_vec(), b"sip/2".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let stream = TcpStream::connect(address).await.unwrap();
    let opening = connector.connect(ServerName::try_from("localhost").unwrap(), stream);
    timeout(Duration::from_secs(5), opening).await.unwrap().unwrap();
}

#[tokio::test]
async fn half_handshakes_keep_nobody_out() {
    let authority = Authority::new();
    let server =
        Agent::bind(&[Transport::Tls], Some(authority.server(&authority.certify(&["localhost"], 1)))).await;
    let address = server.address(Transport::Tls);
    server.serve(0);
    let mut silent = Vec::new();
    // More than may be half open at once: the oldest must go.
    for _ in 0..400 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let mut client = Agent::bind(&[Transport::Udp], Some(authority.client(None))).await;
    let uri = format!("sips:localhost:{}", address.port());
    let asked = client.ask(&uri);
    assert_eq!(timeout(Duration::from_secs(5), asked).await.unwrap(), Ok(StatusCode::OK));
    let end = timeout(Duration::from_secs(5), silent[0].read_u8()).await;
    assert!(end.expect("it has gone, long before its time").is_err());
    assert!(timeout(Duration::from_millis(10), silent[399].read_u8()).await.is_err(), "it may still come");
}

// rfc: 5922 §7.8 — a client asks for the certificate of the domain that it looks for
#[tokio::test]
async fn server_names_are_names_and_never_addresses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for (host, expected) in [("localhost", Some("localhost".to_owned())), ("127.0.0.1", None)] {
        let mut client = Agent::bind(&[Transport::Udp], Some(Authority::new().client(None))).await;
        client.send(&format!("sips:{host}:{}", address.port()));
        let hello = async {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = tokio_rustls::LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream);
            acceptor.await.unwrap().client_hello().server_name().map(ToOwned::to_owned)
        };
        tokio::select! {
            name = hello => assert_eq!(name, expected),
            event = client.event() => panic!("{event:?}"),
        }
    }
}

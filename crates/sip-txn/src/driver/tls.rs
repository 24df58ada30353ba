//! TLS over TCP, with the caller's rustls configurations.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, ServerConfig};
use sip_msg::Text;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::connection::Opened;
use super::{OPEN, Told, tcp};
use crate::{ConnectId, Flow, Transport, identity};

/// How TLS connections are made: the caller's rustls configurations, certificates and trust.
///
/// A [`ServerVerifier`](crate::ServerVerifier) in the client configurations makes them check the SIP domain
/// ([RFC 5922](https://www.rfc-editor.org/rfc/rfc5922)); rustls's own accepts wildcards, which SIP forbids.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tls {
    /// For connections that we open.
    pub client: Arc<ClientConfig>,
    /// For secure WebSockets that we open, if the rules of the web apply to them (wildcards) and not those of SIP.
    pub web: Option<Arc<ClientConfig>>,
    /// For connections that we accept. One that asks for client certificates learns who its peers are ([RFC 5922 §7.4]).
    ///
    /// [RFC 5922 §7.4]: https://www.rfc-editor.org/rfc/rfc5922#section-7.4
    pub server: Option<Arc<ServerConfig>>,
}

impl Tls {
    /// TLS for connections that we open.
    #[must_use]
    pub fn new(client: Arc<ClientConfig>) -> Self {
        Self { client, web: None, server: None }
    }

    /// TLS for connections that we accept, too.
    #[must_use]
    pub fn server(mut self, server: Arc<ServerConfig>) -> Self {
        self.server = Some(server);
        self
    }

    /// Other settings for secure WebSockets that we open.
    #[must_use]
    pub fn web(mut self, web: Arc<ClientConfig>) -> Self {
        self.web = Some(web);
        self
    }
}

/// Changes certificates and trust while connections stand: from [`Transports::certificates`](super::Transports::certificates).
#[derive(Clone, Debug)]
pub struct Certificates(pub(super) watch::Sender<Option<Tls>>);

impl Certificates {
    /// Uses these configurations for each handshake from now on. Open connections go on with what they began with.
    ///
    /// Without a certificate for servers no connection is accepted any more.
    pub fn replace(&self, tls: Tls) {
        self.0.send_replace(Some(tls));
    }
}

/// Makes a connection of a stream that was accepted.
pub(super) async fn open(
    stream: TcpStream,
    remote: SocketAddr,
    tls: watch::Receiver<Option<Tls>>,
    tell: mpsc::Sender<Told>,
) {
    if let Some((stream, opened)) = accept(stream, remote, Transport::Tls, &tls).await {
        opened.start(stream, tell).await;
    }
}

/// The handshake of a server, with the configuration of this moment; who the peer is, if it has shown a certificate.
pub(super) async fn accept(
    stream: TcpStream,
    remote: SocketAddr,
    transport: Transport,
    tls: &watch::Receiver<Option<Tls>>,
) -> Option<(server::TlsStream<TcpStream>, Opened)> {
    let flow = tcp::prepare(&stream, transport, remote)?;
    let config = tls.borrow().as_ref().and_then(|tls| tls.server.clone())?;
    match TlsAcceptor::from(config).accept(stream).await {
        Ok(stream) => {
            let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            let identities = shown.map(|certificate| identity::domains(certificate)).unwrap_or_default();
            Some((stream, Opened { flow, connect: None, identities }))
        }
        Err(error) => {
            tracing::debug!(%flow, %error, "TLS handshake failed");
            None
        }
    }
}

/// Opens a connection whose certificate names `name`, and tells of it.
pub(super) async fn connect(
    connect: ConnectId,
    remote: SocketAddr,
    name: Text,
    config: Arc<ClientConfig>,
    tell: mpsc::Sender<Told>,
) {
    match establish(remote, &name, Transport::Tls, config).await {
        Ok((stream, flow)) => Opened::new(flow, Some(connect)).start(stream, tell).await,
        // Nobody listens any more when the transports are gone.
        Err(why) => drop(tell.send(Told::Failed { connect, why }).await),
    }
}

/// The handshake of a client.
pub(super) async fn establish(
    remote: SocketAddr,
    name: &Text,
    transport: Transport,
    config: Arc<ClientConfig>,
) -> Result<(client::TlsStream<TcpStream>, Flow), String> {
    let Ok(server) = ServerName::try_from(name.to_string()) else {
        return Err(format!("tls:{remote}: `{name}` is no name that a certificate could have"));
    };
    let stream = tcp::open(remote).await?;
    let flow =
        tcp::prepare(&stream, transport, remote).ok_or_else(|| format!("tls:{remote}: closed at once"))?;
    match timeout(OPEN, TlsConnector::from(config).connect(server, stream)).await {
        Ok(Ok(stream)) => Ok((stream, flow)),
        Ok(Err(error)) => Err(reason(remote, name, &error)),
        Err(_) => Err(format!("tls:{remote}: no handshake within {} s", OPEN.as_secs())),
    }
}

/// One clear line: what is wrong with whose certificate.
fn reason(remote: SocketAddr, name: &str, error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(why)) = inner else { return format!("tls:{remote}: {error}") };
    let wrong_name =
        matches!(why, CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. });
    let expired = matches!(why, CertificateError::Expired | CertificateError::ExpiredContext { .. });
    let what = if wrong_name {
        format!("the certificate is not for {name}: use the name it is for")
    } else if expired {
        format!("the certificate of {name} has expired: its owner must renew it")
    } else if *why == CertificateError::UnknownIssuer {
        format!(
            "the certificate of {name} is signed by nobody we trust: add its authority to the trusted ones"
        )
    } else {
        format!("the certificate of {name} is not valid: its owner must get another one")
    };
    format!("tls:{remote}: {what} ({error})")
}

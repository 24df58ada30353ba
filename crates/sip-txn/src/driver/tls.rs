//! TLS over TCP, with the caller's rustls configuration.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, ServerConfig};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{OPEN, Told, connection, tcp};
use crate::{ConnectId, Transport};

/// Handshakes of one listener that run at once; further connections wait.
const HANDSHAKES: usize = 256;

/// Accepts for ever; one slow handshake holds up nobody.
pub(super) async fn accept(listener: TcpListener, config: Arc<ServerConfig>, tell: mpsc::Sender<Told>) {
    let acceptor = TlsAcceptor::from(config);
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await else { return };
        let (stream, remote) = tcp::next(&listener).await;
        let Some(flow) = tcp::prepare(&stream, Transport::Tls, remote) else { continue };
        let (acceptor, tell) = (acceptor.clone(), tell.clone());
        tokio::spawn(async move {
            match timeout(OPEN, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => connection::start(stream, flow, None, tell).await,
                Ok(Err(error)) => tracing::debug!(%flow, %error, "TLS handshake failed"),
                Err(_) => tracing::debug!(%flow, "TLS handshake took too long"),
            }
            drop(permit);
        });
    }
}

/// Opens a connection whose certificate names `name`, and tells of it.
pub(super) async fn connect(
    connect: ConnectId,
    remote: SocketAddr,
    name: String,
    config: Arc<ClientConfig>,
    tell: mpsc::Sender<Told>,
) {
    let opened = async {
        let Ok(server) = ServerName::try_from(name.clone()) else {
            return Err(format!("tls:{remote}: `{name}` is no name that a certificate could have"));
        };
        let stream = tcp::open(remote).await?;
        let flow = tcp::prepare(&stream, Transport::Tls, remote)
            .ok_or_else(|| format!("tls:{remote}: closed at once"))?;
        match timeout(OPEN, TlsConnector::from(config).connect(server, stream)).await {
            Ok(Ok(stream)) => Ok((stream, flow)),
            Ok(Err(error)) => Err(reason(remote, &name, &error)),
            Err(_) => Err(format!("tls:{remote}: no handshake within {} s", OPEN.as_secs())),
        }
    };
    match opened.await {
        Ok((stream, flow)) => connection::start(stream, flow, Some(connect), tell).await,
        // Nobody listens any more when the transports are gone.
        Err(why) => drop(tell.send(Told::Failed { connect, why }).await),
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

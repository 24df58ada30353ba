//! The client's task on a tokio socket.
#![expect(clippy::disallowed_methods, reason = "a driver reads the clock")]

use std::io;
use std::net::SocketAddr;

use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until};

use crate::client::{Config, Event, Failure, Input, Output, RequestError, StunClient};

/// Why no address was learnt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The server has not told one.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The request could not be made.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The socket has failed.
    #[error("socket: {0}")]
    Io(#[from] io::Error),
}

/// Asks `server` at which address it sees this socket; the seed comes from a cryptographic random source.
///
/// Meant for a socket that carries nothing else yet: other datagrams that arrive meanwhile are lost. It may be
/// dropped at any time.
///
/// # Errors
/// [`QueryError`]: no (good) response, or the socket failed.
pub async fn mapped_address(
    socket: &UdpSocket,
    server: SocketAddr,
    config: Config,
    seed: [u8; 32],
) -> Result<SocketAddr, QueryError> {
    let now = || Instant::now().into_std();
    let mut client = StunClient::new(config, seed);
    let mut buffer = [0; 2048];
    client.binding(now(), server)?;
    loop {
        while let Some(output) = client.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    let sent = socket.send_to(&transmit.bytes, transmit.to).await;
                    unless_unreachable(sent.map(|_| ()), &mut client, now(), server)?;
                }
                Output::Event(Event::Mapped { address, .. }) => return Ok(address),
                Output::Event(Event::Failed { failure, .. }) => return Err(failure.into()),
            }
        }
        let wake = client.poll_timeout().map_or_else(Instant::now, Instant::from_std);
        tokio::select! {
            received = socket.recv_from(&mut buffer) => match received {
                Ok((length, from)) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    client.handle_input(now(), Input::Datagram { from, bytes });
                }
                Err(error) => unless_unreachable(Err(error), &mut client, now(), server)?,
            },
            () = sleep_until(wake) => client.handle_timeout(now()),
        }
    }
}

/// ICMP errors arrive as errors of a later call.
fn unless_unreachable(
    result: io::Result<()>,
    client: &mut StunClient,
    now: std::time::Instant,
    server: SocketAddr,
) -> io::Result<()> {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable};
    match result {
        Err(error)
            if matches!(
                error.kind(),
                ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable
            ) =>
        {
            client.handle_input(now, Input::Unreachable { server });
            Ok(())
        }
        result => result,
    }
}

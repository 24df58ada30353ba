//! TCP: listeners and connections.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::connection::Opened;
use super::{OPEN, Told};
use crate::{ConnectId, Flow, Transport};

/// Connections the kernel holds for us until we accept them.
const BACKLOG: i32 = 1024;

/// Opens a listener; `preferred`: the port to take if it is free, when any will do.
pub(super) fn bind(address: SocketAddr, preferred: Option<u16>) -> io::Result<TcpListener> {
    if let Some(port) = preferred
        && let Ok(listener) = bind_to(SocketAddr::new(address.ip(), port))
    {
        return Ok(listener);
    }
    bind_to(address)
}

fn bind_to(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    // Connections of an earlier run may linger on the port; a listener may not.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts for ever.
pub(super) async fn accept(listener: TcpListener, tell: mpsc::Sender<Told>) {
    loop {
        let (stream, remote) = next(&listener).await;
        if let Some(flow) = prepare(&stream, Transport::Tcp, remote) {
            Opened::new(flow, None).start(stream, tell.clone()).await;
        }
    }
}

/// The next connection; errors pass, as running out of file descriptors does.
pub(super) async fn next(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Makes a stream ready for short messages and names its flow; `None` when it is gone already.
pub(super) fn prepare(stream: &TcpStream, transport: Transport, remote: SocketAddr) -> Option<Flow> {
    stream.set_nodelay(true).ok()?;
    Some(Flow::new(transport, stream.local_addr().ok()?, remote))
}

/// Opens a connection and tells of it.
pub(super) async fn connect(connect: ConnectId, remote: SocketAddr, tell: mpsc::Sender<Told>) {
    let opened = open(remote).await.and_then(|stream| {
        let flow = prepare(&stream, Transport::Tcp, remote)
            .ok_or_else(|| format!("tcp:{remote}: closed at once"))?;
        Ok((stream, flow))
    });
    match opened {
        Ok((stream, flow)) => Opened::new(flow, Some(connect)).start(stream, tell).await,
        // Nobody listens any more when the transports are gone.
        Err(why) => drop(tell.send(Told::Failed { connect, why }).await),
    }
}

pub(super) async fn open(remote: SocketAddr) -> Result<TcpStream, String> {
    match timeout(OPEN, TcpStream::connect(remote)).await {
        // A port of ours that nobody listens on may, on one machine, be connected to itself.
        Ok(Ok(stream)) if stream.local_addr().is_ok_and(|local| local == remote) => {
            Err(format!("tcp:{remote}: nobody listens there"))
        }
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(format!("tcp:{remote}: {error}")),
        Err(_) => Err(format!("tcp:{remote}: no connection within {} s", OPEN.as_secs())),
    }
}

//! UDP sockets: large buffers, drained until empty, answers written at once.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Context;

use bytes::Bytes;
use socket2::{Domain, Protocol, Type};
use tokio::net::UdpSocket;

use super::named;
use crate::{Flow, Input, Transport};

mod batch;
mod icmp;

#[cfg(target_os = "linux")]
use batch::address;
use batch::{Batch, SLOTS};

/// What the kernel is asked to buffer each way, in bytes; it may grant less.
const BUFFER: usize = 4 << 20;
/// Datagrams that wait for a socket to become writable; beyond it they are lost, as datagrams are.
const WAITING: usize = 1024;
/// Datagrams read in one go, so that connections get their turn.
const BATCH: usize = 64;

/// How often a datagram is given to the system: the error of an earlier one is told in place of an answer.
const ATTEMPTS: usize = 3;

/// One UDP socket.
pub(super) struct Socket {
    socket: Arc<UdpSocket>,
    errors: icmp::Errors,
    local: SocketAddr,
    /// The address in flows: never a wildcard.
    named: SocketAddr,
    batch: Batch,
    waiting: VecDeque<(SocketAddr, Bytes)>,
    /// Datagrams that found no place there.
    dropped: u64,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket")
            .field("local", &self.local)
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

impl Socket {
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            // IPv4 peers have a socket of their own, and keep their IPv4 addresses in Via.
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        // Smaller buffers than asked for still work.
        let _ = socket.set_recv_buffer_size(BUFFER);
        let _ = socket.set_send_buffer_size(BUFFER);
        socket.bind(&address.into())?;
        let socket = Arc::new(UdpSocket::from_std(socket.into())?);
        let local = socket.local_addr()?;
        Ok(Self {
            errors: icmp::Errors::new(&socket, local)?,
            socket,
            local,
            named: named(local),
            batch: Batch::new(),
            waiting: VecDeque::new(),
            dropped: 0,
        })
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Whether datagrams from this address leave here. A wildcard has all addresses of the machine, new ones too, which the
    /// layer is told by [`TransactionLayer::set_listening`](crate::TransactionLayer::set_listening).
    pub(super) fn has(&self, address: SocketAddr) -> bool {
        let any = self.local.ip().is_unspecified()
            && self.local.is_ipv4() == address.is_ipv4()
            && self.local.port() == address.port();
        self.named == address || any
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Sends now, or later if the socket is full; an error says that there is no way.
    pub(super) fn send(&mut self, remote: SocketAddr, bytes: Bytes) -> io::Result<()> {
        if self.waiting.is_empty() {
            match self.try_send(remote, &bytes) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    tracing::debug!(%remote, %error, "a datagram could not be sent");
                    // Whatever else there is, a full buffer or a rule of the firewall, may pass: it is lost, as datagrams are.
                    return if is_final(&error) { Err(error) } else { Ok(()) };
                }
            }
        }
        if self.waiting.len() < WAITING {
            self.waiting.push_back((remote, bytes));
        } else {
            self.dropped += 1;
        }
        Ok(())
    }

    fn try_send(&self, remote: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        for _ in 1..ATTEMPTS {
            match self.socket.try_send_to(bytes, remote) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Err(_) => {}
            }
        }
        self.socket.try_send_to(bytes, remote).map(drop)
    }

    /// Sends what waits, as far as the socket takes it.
    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) {
        while let Some((remote, bytes)) = self.waiting.front() {
            if self.socket.poll_send_to(context, bytes, *remote).is_pending() {
                return;
            }
            self.waiting.pop_front();
        }
    }

    /// Tells which datagrams did not arrive.
    pub(super) fn poll_errors(&mut self, context: &mut Context<'_>, ready: &mut VecDeque<Input>) {
        self.errors.poll(context, ready);
    }

    /// Reads until the socket is empty, or so much that others must have their turn.
    pub(super) fn poll_receive(&mut self, context: &mut Context<'_>, ready: &mut VecDeque<Input>) {
        let named = self.named;
        let flow = |remote| Flow::new(Transport::Udp, named, remote);
        // An error has a turn, too, so that a socket with nothing but errors cannot hold us.
        for _ in 0..BATCH / SLOTS.min(BATCH) {
            if self.socket.poll_recv_ready(context).is_pending() {
                return;
            }
            let taken = self.batch.receive(&self.socket, |remote, payload| {
                let bytes = Bytes::copy_from_slice(payload);
                ready.push_back(Input::Datagram { flow: flow(remote), bytes });
            });
            match taken {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // An error of an earlier datagram (ICMP); the next one may be there already.
                Err(error) => tracing::debug!(%error, "receiving failed"),
            }
        }
        context.waker().wake_by_ref();
    }
}

/// Whether sending again is of no use: the system knows no way.
fn is_final(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, HostUnreachable, InvalidInput, NetworkDown, NetworkUnreachable};
    let kinds = [AddrNotAvailable, HostUnreachable, InvalidInput, NetworkDown, NetworkUnreachable];
    kinds.contains(&error.kind())
}

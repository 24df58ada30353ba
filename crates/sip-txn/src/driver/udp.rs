//! UDP sockets: large buffers, drained until empty, answers written at once.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use bytes::Bytes;
use socket2::{Domain, Protocol, Type};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

use super::named;
use crate::{Flow, Input, Transport};

/// What the kernel is asked to buffer each way, in bytes; it may grant less.
const BUFFER: usize = 4 << 20;
/// Datagrams that wait for a socket to become writable; beyond it they are lost, as datagrams are.
const WAITING: usize = 1024;
/// Datagrams read in one go, so that connections get their turn.
const BATCH: usize = 64;
/// The largest datagram.
const LARGEST: usize = 65_535;

/// One UDP socket.
pub(super) struct Socket {
    socket: UdpSocket,
    local: SocketAddr,
    named: SocketAddr,
    buffer: Box<[u8]>,
    waiting: VecDeque<(SocketAddr, Bytes)>,
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
        let socket = UdpSocket::from_std(socket.into())?;
        let local = socket.local_addr()?;
        Ok(Self {
            socket,
            local,
            named: named(local),
            buffer: vec![0; LARGEST].into_boxed_slice(),
            waiting: VecDeque::new(),
        })
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// The address in flows: never a wildcard.
    pub(super) fn named(&self) -> SocketAddr {
        self.named
    }

    /// Sends now, or later if the socket is full; false when the system refuses.
    pub(super) fn send(&mut self, remote: SocketAddr, bytes: Bytes) -> bool {
        if self.waiting.is_empty() {
            match self.socket.try_send_to(&bytes, remote) {
                Ok(_) => return true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    tracing::debug!(%remote, %error, "a datagram could not be sent");
                    return false;
                }
            }
        }
        if self.waiting.len() < WAITING {
            self.waiting.push_back((remote, bytes));
        }
        true
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

    /// Reads until the socket is empty, or so much that others must have their turn.
    pub(super) fn poll_receive(&mut self, context: &mut Context<'_>, ready: &mut VecDeque<Input>) {
        for _ in 0..BATCH {
            let mut buffer = ReadBuf::new(&mut self.buffer);
            match self.socket.poll_recv_from(context, &mut buffer) {
                Poll::Ready(Ok(remote)) => {
                    let bytes = Bytes::copy_from_slice(buffer.filled());
                    let flow = Flow::new(Transport::Udp, self.named, remote);
                    ready.push_back(Input::Datagram { flow, bytes });
                }
                // An error of an earlier datagram (ICMP); the next one may be there already.
                Poll::Ready(Err(error)) => tracing::debug!(%error, "receiving failed"),
                Poll::Pending => return,
            }
        }
        context.waker().wake_by_ref();
    }
}

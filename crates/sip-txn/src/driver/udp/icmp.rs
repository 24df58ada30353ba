//! [`Errors`]: which datagrams did not arrive, as far as the system tells (Linux: `IP_RECVERR`; elsewhere never).
//!
//! What an ICMP message says is only passed on. The layer believes it when it quotes a request that waits for its answer.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Context;

use tokio::net::UdpSocket;

use crate::Input;

#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub(super) struct Errors;

#[cfg(not(target_os = "linux"))]
impl Errors {
    /// This system tells nothing: transactions wait for their timeouts.
    pub(super) fn new(_: &Arc<UdpSocket>, _: SocketAddr) -> io::Result<Self> {
        Ok(Self)
    }

    pub(super) fn poll(&mut self, _: &mut Context<'_>, _: &mut VecDeque<Input>) {}
}

#[cfg(target_os = "linux")]
pub(super) use linux::Errors;

#[cfg(target_os = "linux")]
mod linux {
    use std::io::IoSliceMut;
    use std::os::fd::AsRawFd;
    use std::pin::Pin;

    use bytes::Bytes;
    use nix::libc;
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
    use sip_msg::Text;
    use tokio::io::{Interest, Ready};

    use super::super::{address, named};
    use super::{Arc, Context, Input, SocketAddr, UdpSocket, VecDeque, fmt, io};
    use crate::{Flow, Transport};

    /// Errors read in one go, so that datagrams get their turn.
    const BATCH: usize = 32;
    /// So much of a quoted datagram is looked at: request line and Via.
    const QUOTED: usize = 1024;

    type Waiting = Pin<Box<dyn Future<Output = io::Result<Ready>> + Send + Sync>>;

    /// The error queue of one socket.
    pub(in super::super) struct Errors {
        socket: Arc<UdpSocket>,
        named: SocketAddr,
        waiting: Waiting,
    }

    impl fmt::Debug for Errors {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Errors")
        }
    }

    fn wait(socket: &Arc<UdpSocket>) -> Waiting {
        let socket = Arc::clone(socket);
        Box::pin(async move { socket.ready(Interest::ERROR).await })
    }

    impl Errors {
        pub(in super::super) fn new(socket: &Arc<UdpSocket>, local: SocketAddr) -> io::Result<Self> {
            if local.is_ipv4() {
                setsockopt(socket, sockopt::Ipv4RecvErr, &true)?;
            } else {
                setsockopt(socket, sockopt::Ipv6RecvErr, &true)?;
            }
            Ok(Self { socket: Arc::clone(socket), named: named(local), waiting: wait(socket) })
        }

        /// Reads until the queue is empty, or so much that others must have their turn.
        pub(in super::super) fn poll(&mut self, context: &mut Context<'_>, ready: &mut VecDeque<Input>) {
            let mut buffer = [0; QUOTED];
            for _ in 0..BATCH {
                if self.waiting.as_mut().poll(context).is_pending() {
                    return;
                }
                self.waiting = wait(&self.socket);
                match self.socket.try_io(Interest::ERROR, || next(&self.socket, &mut buffer)) {
                    Ok(Some(failed)) => ready.push_back(failed.input(self.named)),
                    Ok(None) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => {
                        tracing::debug!(%error, "the error queue cannot be read");
                        return;
                    }
                }
            }
            context.waker().wake_by_ref();
        }
    }

    /// A datagram that did not arrive.
    struct Failed {
        remote: SocketAddr,
        why: Text,
        quoted: Bytes,
    }

    impl Failed {
        fn input(self, named: SocketAddr) -> Input {
            let flow = Flow::new(Transport::Udp, named, self.remote);
            Input::Unreachable { flow, why: self.why, quoted: Some(self.quoted) }
        }
    }

    /// The next error in the queue; `None` for one that does not matter.
    fn next(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Option<Failed>> {
        let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
        let (remote, why, length) = {
            let mut slices = [IoSliceMut::new(buffer)];
            let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
            let message =
                recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags)?;
            let why =
                message.cmsgs()?.find_map(|control| {
                    let (ControlMessageOwned::Ipv4RecvErr(error, _)
                    | ControlMessageOwned::Ipv6RecvErr(error, _)) = control
                    else {
                        return None;
                    };
                    meaning(&error)
                });
            // The address that the datagram was for, not the one that the ICMP message came from.
            (message.address.as_ref().and_then(address), why, message.bytes)
        };
        let (Some(remote), Some(why)) = (remote, why) else { return Ok(None) };
        let quoted = Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default());
        Ok(Some(Failed { remote, why: Text::from_static(why), quoted }))
    }

    /// What RFC 3261 §18.4 calls a failure: unreachable, or a parameter problem. A datagram that is too big for the path is
    /// cut by the system when it is sent again, and one whose time was exceeded may arrive the next time.
    fn meaning(error: &libc::sock_extended_err) -> Option<&'static str> {
        const V4: u8 = libc::SO_EE_ORIGIN_ICMP;
        const V6: u8 = libc::SO_EE_ORIGIN_ICMP6;
        match (error.ee_origin, error.ee_type, error.ee_code) {
            (V4, 3, 3) | (V6, 1, 4) => Some("nobody listens there (ICMP)"),
            (V4, 3, 4) => None,
            (V4, 3, 0) | (V6, 1, 0) => Some("there is no way to that network (ICMP)"),
            (V4, 3, _) | (V6, 1, _) => Some("the host cannot be reached (ICMP)"),
            (V4, 12, _) | (V6, 4, _) => Some("the host cannot read what we send (ICMP)"),
            _ => None,
        }
    }
}

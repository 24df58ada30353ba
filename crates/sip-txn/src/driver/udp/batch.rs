//! [`Batch`]: many datagrams in one system call where the system can (Linux: `recvmmsg`), else one.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use tokio::net::UdpSocket;

/// The largest datagram.
const LARGEST: usize = 65_535;
/// Datagrams in one call.
pub(super) const SLOTS: usize = if cfg!(target_os = "linux") { 32 } else { 1 };
/// Datagrams in one call, when the last one found fewer.
#[cfg(target_os = "linux")]
const FEW: usize = 4;

/// Room for some datagrams. Only pages that were written to are really there.
pub(super) struct Batch {
    buffers: Box<[u8]>,
    /// How many datagrams to ask for: few, until there were as many.
    #[cfg(target_os = "linux")]
    wanted: usize,
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Batch")
    }
}

impl Batch {
    pub(super) fn new() -> Self {
        Self {
            buffers: vec![0; SLOTS * LARGEST].into_boxed_slice(),
            #[cfg(target_os = "linux")]
            wanted: FEW,
        }
    }

    /// Takes what the socket has, [`SLOTS`] at most; `WouldBlock` when it is empty, before or afterwards.
    #[cfg(target_os = "linux")]
    pub(super) fn receive(
        &mut self,
        socket: &UdpSocket,
        take: impl FnMut(SocketAddr, &[u8]),
    ) -> io::Result<()> {
        let wanted = self.wanted;
        let mut taken = 0;
        let result = socket.try_io(tokio::io::Interest::READABLE, || {
            taken = fill(&mut self.buffers, wanted, socket, take)?;
            // The queue is empty now, and the system will tell when it is not: asking again would only cost a call.
            if taken < wanted { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        self.wanted = if taken < wanted { FEW } else { SLOTS };
        result
    }

    /// Takes what the socket has, [`SLOTS`] at most; `WouldBlock` when it is empty.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn receive(
        &mut self,
        socket: &UdpSocket,
        mut take: impl FnMut(SocketAddr, &[u8]),
    ) -> io::Result<()> {
        let (length, from) = socket.try_recv_from(&mut self.buffers)?;
        take(from, self.buffers.get(..length).unwrap_or_default());
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn fill(
    buffers: &mut [u8],
    wanted: usize,
    socket: &UdpSocket,
    mut take: impl FnMut(SocketAddr, &[u8]),
) -> io::Result<usize> {
    use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};
    use std::io::IoSliceMut;
    use std::os::fd::AsRawFd;

    // Raw pointers into the slices stand in the headers, so that they cannot be kept from call to call.
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(wanted, None);
    let mut slices: Vec<_> =
        buffers.chunks_exact_mut(LARGEST).take(wanted).map(|buffer| [IoSliceMut::new(buffer)]).collect();
    let fd = socket.as_raw_fd();
    let mut taken = 0;
    for message in recvmmsg(fd, &mut headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)? {
        taken += 1;
        let Some(from) = message.address.as_ref().and_then(address) else { continue };
        take(from, message.iovs().next().unwrap_or_default());
    }
    Ok(taken)
}

#[cfg(target_os = "linux")]
pub(super) fn address(storage: &nix::sys::socket::SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|address| SocketAddr::V4((*address).into()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|address| SocketAddr::V6((*address).into())))
}

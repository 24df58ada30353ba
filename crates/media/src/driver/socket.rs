//! The two UDP ports of a session.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::UdpSocket;

/// Pairs of ports that are tried when the system picks.
const SYSTEM_TRIES: u32 = 50;

/// Which UDP ports a session gets: an even one for RTP and the next for RTCP ([RFC 3550 §11]).
///
/// [RFC 3550 §11]: https://www.rfc-editor.org/rfc/rfc3550#section-11
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum PortChoice {
    /// Any pair the system has.
    #[default]
    System,
    /// The first free pair from the first port to the last, both included.
    Range(u16, u16),
    /// This port and the next; an odd one is taken as it is.
    One(u16),
}

/// Where a session sends from and receives at.
#[derive(Debug)]
pub struct MediaSocket {
    pub(crate) rtp: UdpSocket,
    pub(crate) rtcp: UdpSocket,
    pub(crate) family: Family,
    address: SocketAddr,
}

/// What addresses the sockets understand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Family {
    V4,
    /// IPv6, and IPv4 as IPv6 addresses where the system allows that.
    V6,
}

impl Family {
    fn of(address: SocketAddr) -> Self {
        if address.is_ipv6() { Self::V6 } else { Self::V4 }
    }

    /// The form in which the sockets take an address.
    pub(crate) fn dress(self, address: SocketAddr) -> SocketAddr {
        match (self, address.ip()) {
            (Self::V6, IpAddr::V4(ip)) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
            (Self::V4 | Self::V6, _) => address,
        }
    }
}

impl MediaSocket {
    /// Binds a pair of ports at `ip`.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AddrInUse`] when no pair is free, and says which ports were tried; [`io::ErrorKind::InvalidInput`]
    /// for a range without an even port; whatever the system says when `ip` is not ours.
    pub async fn bind(ip: IpAddr, choice: PortChoice) -> io::Result<Self> {
        match choice {
            PortChoice::One(0) | PortChoice::System => Self::bind_any(ip).await,
            PortChoice::One(port) => match Self::bind_pair(ip, port).await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(in_use(format!(
                    "media ports {port} and {} at {ip} are in use; choose others",
                    port + 1
                ))),
                result => result,
            },
            PortChoice::Range(low, high) => Self::bind_range(ip, low, high).await,
        }
    }

    /// The address for RTP; RTCP is at the next port.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    async fn bind_any(ip: IpAddr) -> io::Result<Self> {
        for _ in 0..SYSTEM_TRIES {
            let rtp = UdpSocket::bind((ip, 0)).await?;
            let address = rtp.local_addr()?;
            if !address.port().is_multiple_of(2) {
                continue;
            }
            match UdpSocket::bind((ip, address.port() + 1)).await {
                Ok(rtcp) => return Ok(Self { rtp, rtcp, family: Family::of(address), address }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error),
            }
        }
        Err(in_use(format!(
            "the system has no free pair of media ports at {ip}; close calls or free UDP ports"
        )))
    }

    async fn bind_range(ip: IpAddr, low: u16, high: u16) -> io::Result<Self> {
        let first = low.checked_next_multiple_of(2).unwrap_or(u16::MAX);
        if first == 0 || first >= high {
            let text = format!(
                "media ports {low}-{high} hold no pair of an even port and the next; widen the range"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        for port in (first..high).step_by(2) {
            match Self::bind_pair(ip, port).await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                result => return result,
            }
        }
        Err(in_use(format!("all media ports {low}-{high} at {ip} are in use; widen the range or end calls")))
    }

    async fn bind_pair(ip: IpAddr, port: u16) -> io::Result<Self> {
        let next = port.checked_add(1).ok_or(io::ErrorKind::InvalidInput)?;
        let rtp = UdpSocket::bind((ip, port)).await?;
        let rtcp = UdpSocket::bind((ip, next)).await?;
        let address = rtp.local_addr()?;
        Ok(Self { rtp, rtcp, family: Family::of(address), address })
    }
}

fn in_use(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, text)
}

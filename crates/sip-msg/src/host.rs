//! [`Host`] and [`HostPort`].

use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use bytes::Bytes;

use crate::{
    Text,
    grammar::{self, Cursor, Unexpected},
};

/// A host name or a numeric address ([RFC 3261 §25.1], `host`).
///
/// [RFC 3261 §25.1]: https://www.rfc-editor.org/rfc/rfc3261#section-25.1
#[derive(Clone, Debug)]
pub enum Host {
    /// A name; compared without regard to case.
    Name(Text),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address; on the wire in square brackets.
    V6(Ipv6Addr),
}

impl Host {
    /// The numeric address; `None` for a name.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::V4(address) => Some((*address).into()),
            Self::V6(address) => Some((*address).into()),
        }
    }

    /// A copy that shares no buffer with a message.
    #[must_use]
    pub fn detach(&self) -> Self {
        match self {
            Self::Name(name) => Self::Name(name.detach()),
            Self::V4(_) | Self::V6(_) => self.clone(),
        }
    }

    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        let start = cursor.at();
        let text = Self::skip(cursor)?;
        Ok(Self::numeric(text).unwrap_or_else(|| Self::Name(cursor.ascii(start))))
    }

    /// The host that a text spells which [`Host::skip`] has found good.
    pub(crate) fn of(text: Text) -> Self {
        Self::numeric(text.as_bytes()).unwrap_or(Self::Name(text))
    }

    /// Steps over a host.
    #[inline]
    pub(crate) fn skip<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Unexpected> {
        let start = cursor.at();
        let name = cursor.take_while(grammar::HOST);
        match name.first() {
            Some(first) if first.is_ascii_alphanumeric() || *first == b'_' => Ok(name),
            None if cursor.peek() == Some(b'[') => Self::skip_v6(cursor),
            _ => Err(Unexpected { at: start, expected: "a host" }),
        }
    }

    fn skip_v6<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Unexpected> {
        let inside = cursor.at() + 1;
        let end = memchr::memchr(b']', cursor.rest())
            .ok_or(Unexpected { at: inside, expected: "an IPv6 address and ]" })?;
        let text = cursor.rest().get(..=end).unwrap_or_default();
        Self::numeric(text).ok_or(Unexpected { at: inside, expected: "an IPv6 address" })?;
        cursor.advance(text.len());
        Ok(text)
    }

    fn numeric(text: &[u8]) -> Option<Self> {
        match text {
            [b'[', inside @ .., b']'] => {
                let address = core::str::from_utf8(inside).ok()?;
                // The grammar of RFC 3261 allows a third colon before an IPv4 tail; RFC 5118 §4.10 asks to bear with it.
                let parsed = address.parse().or_else(|_| address.replacen(":::", "::", 1).parse());
                parsed.ok().map(Self::V6)
            }
            [.., b'0'..=b'9'] => v4(text).map(Self::V4),
            _ => None,
        }
    }
}

/// An IPv4 address; what is none by the number of its parts, a leading zero or a part above 255 is a name.
fn v4(text: &[u8]) -> Option<Ipv4Addr> {
    let (mut address, mut octet, mut digits, mut dots) = (0u32, 0u32, 0, 0);
    for &byte in text {
        match byte {
            b'0'..=b'9' if digits == 0 || octet > 0 => {
                octet = octet * 10 + u32::from(byte - b'0');
                digits += 1;
            }
            b'.' if digits > 0 && dots < 3 => {
                address = address << 8 | octet;
                (octet, digits) = (0, 0);
                dots += 1;
            }
            _ => return None,
        }
        if octet > 255 {
            return None;
        }
    }
    (dots == 3 && digits > 0).then(|| (address << 8 | octet).into())
}

impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(a), Self::Name(b)) => a.eq_ignore_ascii_case(b),
            (Self::V4(a), Self::V4(b)) => a == b,
            (Self::V6(a), Self::V6(b)) => a == b,
            (Self::Name(_) | Self::V4(_) | Self::V6(_), _) => false,
        }
    }
}

impl Eq for Host {}

impl core::hash::Hash for Host {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        match self {
            Self::Name(name) => name.bytes().for_each(|byte| state.write_u8(byte.to_ascii_lowercase())),
            Self::V4(address) => address.hash(state),
            Self::V6(address) => address.hash(state),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl FromStr for Host {
    type Err = Unexpected;

    fn from_str(text: &str) -> Result<Self, Unexpected> {
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Ok(Self::V6(address));
        }
        whole(text, Self::read)
    }
}

/// A host and perhaps a port ([RFC 3261 §25.1], `hostport`).
///
/// [RFC 3261 §25.1]: https://www.rfc-editor.org/rfc/rfc3261#section-25.1
#[derive(Clone, Debug, Eq, PartialEq, Hash)]
pub struct HostPort {
    /// The host.
    pub host: Host,
    /// The port, when one is written; no port is not the same as 5060 ([RFC 3261 §19.1.4]).
    ///
    /// [RFC 3261 §19.1.4]: https://www.rfc-editor.org/rfc/rfc3261#section-19.1.4
    pub port: Option<u16>,
}

impl HostPort {
    /// A host and perhaps a port.
    #[must_use]
    pub fn new(host: Host, port: Option<u16>) -> Self {
        Self { host, port }
    }

    /// A copy that shares no buffer with a message.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self { host: self.host.detach(), port: self.port }
    }

    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        let host = Host::read(cursor)?;
        let port = if cursor.eat(b':') { Some(read_port(cursor)?) } else { None };
        Ok(Self { host, port })
    }
}

pub(crate) fn read_port(cursor: &mut Cursor<'_>) -> Result<u16, Unexpected> {
    let at = cursor.at();
    let number = cursor.number("a port")?;
    u16::try_from(number).map_err(|_| Unexpected { at, expected: "a port of at most 65535" })
}

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().into(), port: Some(address.port()) }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl FromStr for HostPort {
    type Err = Unexpected;

    fn from_str(text: &str) -> Result<Self, Unexpected> {
        whole(text, Self::read)
    }
}

/// Reads all of `text` with `read`.
pub(crate) fn whole<T>(
    text: &str,
    read: impl FnOnce(&mut Cursor<'_>) -> Result<T, Unexpected>,
) -> Result<T, Unexpected> {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    let mut cursor = Cursor::new(&bytes);
    let value = read(&mut cursor)?;
    if cursor.is_at_end() { Ok(value) } else { Err(cursor.unexpected("the end")) }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    // rfc: 3261 §25.1 — host: names, IPv4 addresses and IPv6 references
    #[test]
    fn hosts_are_names_or_numbers() {
        assert_eq!("192.0.2.1".parse::<Host>().unwrap().ip(), Some([192, 0, 2, 1].into()));
        assert_eq!("[2001:db8::1]".parse::<Host>(), "2001:DB8:0::1".parse());
        assert_eq!("Example.COM".parse::<Host>(), "example.com".parse());
        assert_eq!("192.0.2.1.example".parse::<Host>().unwrap().ip(), None);
        assert!("[2001:db8::1".parse::<Host>().is_err());
        assert!("-a".parse::<Host>().is_err());
    }

    #[test]
    fn ports_beyond_sixteen_bits_are_refused() {
        assert_eq!("a:5060".parse::<HostPort>().unwrap().to_string(), "a:5060");
        assert_eq!("[::1]:65535".parse::<HostPort>().unwrap().to_string(), "[::1]:65535");
        assert_eq!("a:65536".parse::<HostPort>().unwrap_err().at, 2);
        assert!("a:".parse::<HostPort>().is_err());
    }
}

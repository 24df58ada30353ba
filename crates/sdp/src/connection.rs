//! `c=` lines, and the addresses in them and in `o=` ([RFC 8866 §5.7]).
//!
//! [RFC 8866 §5.7]: https://www.rfc-editor.org/rfc/rfc8866#section-5.7

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Text;
use crate::grammar::{Fields, is_word, number, split_once};

/// A network type, an address type and an address: `IN IP4 192.0.2.1`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Address {
    /// `IN IP4` or `IN IP6` with a number.
    Ip(IpAddr),
    /// `IN IP4` or `IN IP6` with a host name, to be looked up as that type.
    Name {
        /// Look for an IPv6 address.
        ipv6: bool,
        /// The host name.
        host: Text,
    },
    /// Another network or address type, as it came.
    Other(Text),
}

impl Address {
    /// The address when it is a number.
    #[must_use]
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Name { .. } | Self::Other(_) => None,
        }
    }

    /// True for a multicast group.
    #[must_use]
    pub fn is_multicast(&self) -> bool {
        self.ip().is_some_and(|ip| ip.is_multicast())
    }

    /// True for `0.0.0.0` and `::`: nothing may be sent there ([RFC 3264 §8.4]).
    ///
    /// [RFC 3264 §8.4]: https://www.rfc-editor.org/rfc/rfc3264#section-8.4
    #[must_use]
    pub fn is_unspecified(&self) -> bool {
        self.ip().is_some_and(|ip| ip.is_unspecified())
    }

    /// Reads `IN IP4 host`, and what stands behind a `/`.
    pub(crate) fn parse<'a>(fields: &mut Fields<'a>, owner: &Text) -> Result<Suffixed<'a>, &'static str> {
        if fields.skip("IN IP4 ") {
            return Self::parse_internet(fields, false, owner);
        }
        let before = *fields;
        let net = fields.token().ok_or("a network type, such as IN")?;
        let kind = fields.token().ok_or("an address type, IP4 or IP6")?;
        let ipv6 = match (net, kind) {
            ("IN", "IP4") => false,
            ("IN", "IP6") => true,
            _ => {
                fields.word_if(is_word).ok_or("an address")?;
                return Ok((Self::Other(fields.text_since(&before, owner)), None));
            }
        };
        Self::parse_internet(fields, ipv6, owner)
    }

    fn parse_internet<'a>(
        fields: &mut Fields<'a>,
        ipv6: bool,
        owner: &Text,
    ) -> Result<Suffixed<'a>, &'static str> {
        if let Some((ip, length)) = dotted_quad(fields.rest())
            && fields.word_of(length).is_some()
        {
            return Ok((ip.into(), None));
        }
        let address = fields.take(Fields::word, |word| {
            let (host, suffix) = split_once(word, b'/').map_or((word, None), |(a, b)| (a, Some(b)));
            Some((Self::internet(host, ipv6, owner)?, suffix))
        });
        address.ok_or(if ipv6 { "an IPv6 address or a host name" } else { "an IPv4 address or a host name" })
    }

    /// As [`parse`](Self::parse); but nothing is sent to an origin, so any word will do for its host.
    pub(crate) fn parse_origin(fields: &mut Fields<'_>, owner: &Text) -> Result<Self, &'static str> {
        let before = *fields;
        Self::parse(fields, owner).map(|(address, _)| address).or_else(|expected| {
            fields.word_if(is_word).ok_or(expected)?;
            let text = fields.text_since(&before, owner);
            if text.split(' ').count() == 3 { Ok(Self::Other(text)) } else { Err(expected) }
        })
    }

    /// A number of either family is read as what it is: some write `IP4` before an IPv6 address.
    fn internet(host: &str, ipv6: bool, owner: &Text) -> Option<Self> {
        if let Ok(ip) = host.parse::<Ipv4Addr>() {
            return Some(ip.into());
        }
        if host.bytes().any(|byte| byte == b':') {
            return host.parse::<Ipv6Addr>().ok().map(Self::from);
        }
        let like_a_number = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        (!like_a_number && is_host_name(host)).then(|| Self::Name { ipv6, host: owner.share(host) })
    }
}

/// An address, and what stands behind its `/`.
type Suffixed<'a> = (Address, Option<&'a str>);

/// The address at the beginning of a text, and its length; in half the time of `str::parse`.
fn dotted_quad(text: &str) -> Option<(Ipv4Addr, usize)> {
    let text = text.as_bytes();
    let digit = |at: usize| text.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|&digit| digit < 10);
    let (mut octets, mut at) = ([0_u8; 4], 0);
    for (index, octet) in octets.iter_mut().enumerate() {
        if index > 0 {
            text.get(at).filter(|&&byte| byte == b'.')?;
            at += 1;
        }
        *octet = digit(at)?;
        at += 1;
        while let Some(digit) = digit(at) {
            // No digit may follow a zero in front.
            *octet = octet.checked_mul(10)?.checked_add(digit).filter(|&octet| octet > 9)?;
            at += 1;
        }
    }
    Some((octets.into(), at))
}

/// Letters, digits, `-`, `.`; `_` too, since it occurs in names that resolve.
fn is_host_name(host: &str) -> bool {
    !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        Self::Ip(ip)
    }
}

impl From<Ipv4Addr> for Address {
    fn from(ip: Ipv4Addr) -> Self {
        Self::Ip(ip.into())
    }
}

impl From<Ipv6Addr> for Address {
    fn from(ip: Ipv6Addr) -> Self {
        Self::Ip(ip.into())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V4(ip)) => write!(f, "IN IP4 {ip}"),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "IN IP6 {ip}"),
            Self::Name { ipv6, host } => write!(f, "IN IP{} {host}", if *ipv6 { 6 } else { 4 }),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// A `c=` line: where media is received. Two are equal when they name the same, however it is written.
#[derive(Clone, Debug)]
pub struct Connection {
    address: Address,
    ttl: Option<u8>,
    count: Option<u32>,
    /// As it came; empty when it was made here.
    text: Text,
}

impl PartialEq for Connection {
    fn eq(&self, other: &Self) -> bool {
        (&self.address, self.ttl, self.count) == (&other.address, other.ttl, other.count)
    }
}

impl Eq for Connection {}

impl Connection {
    /// A unicast address.
    #[must_use]
    pub fn new(address: impl Into<Address>) -> Self {
        Self { address: address.into(), ttl: None, count: None, text: Text::EMPTY }
    }

    /// The text it was read from.
    pub(crate) fn as_written(&self) -> Option<&str> {
        (!self.text.is_empty()).then_some(self.text.as_str())
    }

    /// The address, or the first of the multicast groups.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// How far multicast packets may travel; IPv4 only.
    #[must_use]
    pub const fn ttl(&self) -> Option<u8> {
        self.ttl
    }

    /// How many contiguous multicast groups there are; 1 when not said.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count.unwrap_or(1)
    }

    pub(crate) fn parse(fields: &mut Fields<'_>, owner: &Text) -> Result<Self, &'static str> {
        let before = *fields;
        let (address, suffix) = Address::parse(fields, owner)?;
        let mut connection = Self::new(address);
        if let (Address::Ip(ip), Some(suffix)) = (&connection.address, suffix) {
            let (first, second) = split_once(suffix, b'/').map_or((suffix, None), |(a, b)| (a, Some(b)));
            let count =
                |text| number(text).filter(|&count| count > 0).ok_or("a number of addresses after the /");
            if ip.is_ipv4() {
                connection.ttl = Some(number(first).ok_or("a time to live of 0 to 255 after the /")?);
                connection.count = second.map(count).transpose()?;
            } else if second.is_none() {
                connection.count = Some(count(first)?);
            } else {
                return Err("one number after an IPv6 address");
            }
        }
        connection.text = owner.share(before.up_to(fields));
        Ok(connection)
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = self.as_written() {
            return f.write_str(text);
        }
        self.address.fmt(f)?;
        self.ttl.iter().try_for_each(|ttl| write!(f, "/{ttl}"))?;
        self.count.iter().try_for_each(|count| write!(f, "/{count}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> Result<Connection, &'static str> {
        Connection::parse(&mut Fields::new(value), &Text::from(value))
    }

    // rfc: 8866 §5.7 — ttl and number of groups of a multicast address
    #[test]
    fn multicast_has_a_ttl_and_a_count() {
        let four = parse("IN IP4 233.252.0.1/127/3").unwrap();
        assert_eq!((four.ttl(), four.count(), four.address().is_multicast()), (Some(127), 3, true));
        assert_eq!(four.to_string(), "IN IP4 233.252.0.1/127/3");
        let six = parse("IN IP6 ff00::db8:0:101/3").unwrap();
        assert_eq!((six.ttl(), six.count()), (None, 3));
        assert!(parse("IN IP4 233.252.0.1/256").is_err());
        assert!(parse("IN IP4 233.252.0.1/1/0").is_err());
        assert!(parse("IN IP6 ff00::1/3/4").is_err());
    }

    #[test]
    fn an_address_is_a_number_or_a_name() {
        assert_eq!(parse("IN IP4 0.0.0.0").unwrap().address(), &Ipv4Addr::UNSPECIFIED.into());
        let name = parse("IN IP6 host.example").unwrap();
        assert_eq!(name.address(), &Address::Name { ipv6: true, host: Text::from("host.example") });
        assert!(parse("IN IP4 999.0.0.1").is_err());
        assert!(parse("IN IP4").is_err());
        assert!(parse("IN IP4 a b").is_ok(), "what follows is left to the caller");
    }

    #[test]
    fn a_dotted_quad_is_what_the_standard_library_reads() {
        for text in
            ["192.0.2.10", "0.0.0.0", "255.255.255.255", "1.2.3.256", "1.2.3.300", "01.2.3.4", "1.2.3.00"]
        {
            assert_eq!(dotted_quad(text), text.parse().ok().map(|ip| (ip, text.len())), "{text}");
        }
        for bad in ["", ".", "1", "1.2.3", "1.2.3.", "1..2.3", "a.2.3.4", "1.2.3:4", "::1"] {
            assert_eq!(dotted_quad(bad), None, "{bad}");
        }
        assert_eq!(dotted_quad("192.0.2.1/127"), Some((Ipv4Addr::new(192, 0, 2, 1), 9)));
        assert!(parse("IN IP4 192.0.2.1.5").is_err());
    }

    #[test]
    fn other_networks_are_kept() {
        assert_eq!(parse("ATM NSAP 47.0091").unwrap().to_string(), "ATM NSAP 47.0091");
    }
}

//! Whose word counts on who calls ([RFC 3325 §8]): networks, in CIDR notation.
//!
//! [RFC 3325 §8]: https://www.rfc-editor.org/rfc/rfc3325#section-8

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::Policy;

/// A network: `192.0.2.0/24`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text is no network.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected an address, or an address and a number of bits as in 192.0.2.0/24")]
pub struct NetworkError;

impl Network {
    /// Whether an address belongs to it. An IPv4 address written in IPv6 form is an IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self { address, bits: if address.is_ipv4() { 32 } else { 128 } }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let whole = Self::from(address.parse::<IpAddr>().map_err(|_| NetworkError)?);
        match bits.map(str::parse) {
            None => Ok(whole),
            Some(Ok(bits)) if bits <= whole.bits => Ok(Self { bits, ..whole }),
            Some(_) => Err(NetworkError),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Policy {
    /// Whether a neighbour may assert identities.
    #[must_use]
    pub fn trusts(&self, neighbour: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(neighbour))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_knows_its_addresses() {
        let cases = [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("192.0.2.7", "::ffff:192.0.2.7", true),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
        ];
        for (network, address, inside) in cases {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), inside, "{network} {address}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "example.com", "192.0.2.0/33", "192.0.2.0/", "::/129", "1/8"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError), "{text}");
        }
    }

    // rfc: 3325 §8 — identities are believed inside the trust domain only
    #[test]
    fn nobody_is_trusted_unless_named() {
        let proxy = "192.0.2.1".parse().unwrap();
        assert!(!Policy::default().trusts(proxy));
        assert!(Policy::default().trusted(["192.0.2.0/30".parse().unwrap()]).trusts(proxy));
    }
}

//! [`Name`]: which of our names goes into Via and Contact, for which network.

use std::net::IpAddr;

use ipnet::IpNet;
use sip_msg::Host;

use crate::{Config, Transport};

/// What peers are told to reach us at, and which peers.
///
/// A host behind a NAT, or one with a leg in two networks, has a name for each side:
///
/// ```
/// use sip_txn::{Config, Name, Transport};
///
/// let config = Config::new([7; 32])
///     // Peers in our own network see the address we have there,
///     .name(Name::bound().to("192.168.0.0/16".parse()?))
///     // TLS comes in through a port that the router forwards,
///     .name(Name::new("sip.example.com".parse::<sip_msg::Host>()?).over(Transport::Tls).port(15061))
///     // and for all others there is a name.
///     .name(Name::new("sip.example.com".parse::<sip_msg::Host>()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Name {
    host: Option<Host>,
    port: Option<u16>,
    transport: Option<Transport>,
    network: Option<IpNet>,
}

impl Name {
    /// A name or address for everybody.
    #[must_use]
    pub fn new(host: impl Into<Host>) -> Self {
        Self { host: Some(host.into()), port: None, transport: None, network: None }
    }

    /// The address that we are bound to, as if nothing were advertised.
    #[must_use]
    pub fn bound() -> Self {
        Self { host: None, port: None, transport: None, network: None }
    }

    /// Only over this transport.
    #[must_use]
    pub fn over(mut self, transport: Transport) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Only for peers of this network. A peer whose address is not known yet is in none.
    #[must_use]
    pub fn to(mut self, network: IpNet) -> Self {
        self.network = Some(network);
        self
    }

    /// The port that leads to the one we listen on, where it is another.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    pub(crate) fn host(&self) -> Option<&Host> {
        self.host.as_ref()
    }

    /// The port to write for one that we listen on.
    pub(crate) fn port_for(&self, bound: Option<u16>) -> Option<u16> {
        self.port.or(bound)
    }

    fn suits(&self, transport: Transport, remote: Option<IpAddr>) -> bool {
        let network = match (self.network, remote) {
            (Some(network), Some(remote)) => network.contains(&remote.to_canonical()),
            (Some(_), None) => false,
            (None, _) => true,
        };
        network && self.transport.is_none_or(|ours| ours == transport)
    }
}

impl Config {
    /// The name for a peer: the first that suits.
    pub(crate) fn name_for(&self, transport: Transport, remote: Option<IpAddr>) -> Option<&Name> {
        self.names.iter().find(|name| name.suits(transport, remote))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_that_suits_a_peer_counts() {
        let host = |text: &str| text.parse::<Host>().unwrap();
        let config = Config::new([0; 32])
            .name(Name::bound().to("192.168.0.0/16".parse().unwrap()))
            .name(Name::new(host("six.example.com")).to("2001:db8::/32".parse().unwrap()))
            .name(Name::new(host("tls.example.com")).over(Transport::Tls).port(15061))
            .advertise(host("example.com"));
        let named = |transport, remote: Option<&str>| {
            let name = config.name_for(transport, remote.map(|remote| remote.parse().unwrap())).unwrap();
            (name.host().map(ToString::to_string), name.port_for(Some(5060)))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(named(Transport::Udp, Some("192.168.7.1")), (None, Some(5060)));
        assert_eq!(named(Transport::Udp, Some("::ffff:192.168.7.1")), (None, Some(5060)));
        assert_eq!(named(Transport::Tls, Some("192.169.0.1")), (some("tls.example.com"), Some(15061)));
        assert_eq!(named(Transport::Udp, Some("2001:db8::9")), (some("six.example.com"), Some(5060)));
        assert_eq!(named(Transport::Udp, Some("198.51.100.1")), (some("example.com"), Some(5060)));
        assert_eq!(named(Transport::Udp, None), (some("example.com"), Some(5060)));
        assert_eq!(Config::new([0; 32]).name_for(Transport::Udp, None), None);
    }
}

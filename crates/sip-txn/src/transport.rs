//! [`Transport`], [`Flow`], [`Transmit`], and what a server writes into Via: `received` and `rport`.

use std::fmt::{self, Write};
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use sip_msg::{Cursor, Form, HeaderName, Host, Request, Text, TypedHeader, Unexpected, Via};

/// What carries messages ([RFC 3261 §18]).
///
/// [RFC 3261 §18]: https://www.rfc-editor.org/rfc/rfc3261#section-18
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum Transport {
    /// Datagrams: unreliable, so requests and responses are sent again.
    Udp,
    /// A TCP connection.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket ([RFC 7118](https://www.rfc-editor.org/rfc/rfc7118)).
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl Transport {
    /// Whether what is sent arrives, or the connection fails: no retransmissions then.
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// Whether eavesdroppers are kept out.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// The port when none is written: 5061 for TLS, 80 and 443 for WebSocket, else 5060.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// As written in Via: `UDP`, `TCP`, `TLS`, `WS`, `WSS`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A connection, or a pair of addresses that datagrams go between.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub struct Flow {
    /// What carries it.
    pub transport: Transport,
    /// Our address.
    pub local: SocketAddr,
    /// The peer's address, as packets carry it.
    pub remote: SocketAddr,
}

impl Flow {
    /// A flow between two addresses.
    #[must_use]
    pub const fn new(transport: Transport, local: SocketAddr, remote: SocketAddr) -> Self {
        Self { transport, local, remote }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} - {}", self.transport, self.local, self.remote)
    }
}

/// Bytes to send, and the flow to send them on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transmit {
    /// An open connection, or any pair of addresses for UDP.
    pub flow: Flow,
    /// One whole message, or a keep-alive.
    pub bytes: Bytes,
}

/// Writes where a request really came from into its top Via, in place ([RFC 3261 §18.2.1], [RFC 3581 §4]).
///
/// `received` when sent-by is a name or another address, or when `rport` is asked for; `rport` only when asked for.
/// What the client itself wrote there is not believed.
///
/// [RFC 3261 §18.2.1]: https://www.rfc-editor.org/rfc/rfc3261#section-18.2.1
/// [RFC 3581 §4]: https://www.rfc-editor.org/rfc/rfc3581#section-4
pub(crate) fn stamp(request: &mut Request, via: &mut Via, source: SocketAddr) {
    let same = via.sent_by.host.ip() == Some(source.ip());
    let asked = via.rport().is_some();
    let mut changed = asked;
    if asked {
        via.set_rport(Some(source.port()));
    }
    if asked || !same {
        via.set_received(source.ip());
        changed = true;
    } else {
        changed |= via.params.remove("received");
    }
    if changed {
        request.headers_mut().replace_front(&Written::from(&*via));
    }
}

/// About the longest Via that is usual, with room for `received` and `rport`.
const LINE: usize = 192;

/// A Via that is written already: with each part written for itself, its text would grow many times.
pub(crate) struct Written(String);

impl From<&Via> for Written {
    fn from(via: &Via) -> Self {
        let mut value = String::with_capacity(LINE);
        // A string takes everything.
        let _ = write!(value, "{via}");
        Self(value)
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TypedHeader for Written {
    const NAME: HeaderName = Via::NAME;
    const FORM: Form = Via::FORM;

    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        Via::parse(cursor).map(|_| Self(String::new()))
    }
}

/// Where a response goes when no connection is open to take it ([RFC 3261 §18.2.2]).
///
/// `via` is stamped already. Over UDP with `rport` it goes back to where the request came from.
///
/// [RFC 3261 §18.2.2]: https://www.rfc-editor.org/rfc/rfc3261#section-18.2.2
pub(crate) fn response_address(via: &Via, transport: Transport, source: SocketAddr) -> SocketAddr {
    let port = via.sent_by.port.unwrap_or(transport.default_port());
    if transport == Transport::Udp {
        if let Some(maddr) = via.params.value("maddr").and_then(address) {
            return SocketAddr::new(maddr, port);
        }
        if via.rport().is_some() {
            return source;
        }
    }
    SocketAddr::new(source.ip(), port)
}

fn address(text: &str) -> Option<IpAddr> {
    text.parse::<Host>().ok()?.ip()
}

/// What is logged while a message is worked on names its transaction.
pub(crate) fn span(side: &'static str, via: &Via) -> tracing::Span {
    tracing::debug_span!("transaction", side, branch = via.branch().map(tracing::field::display))
}

/// A text from anything that can be displayed.
pub(crate) fn text(value: impl fmt::Display) -> Text {
    value.to_string().into()
}

#[cfg(test)]
mod tests {
    use sip_msg::{Limits, Message};

    use super::*;

    fn stamped(via: &str, source: &str) -> (String, Via) {
        let text = format!("OPTIONS sip:a SIP/2.0\r\nVia: {via}, SIP/2.0/UDP next;rport\r\n\r\n");
        let Ok(Message::Request(mut request)) = Message::parse(text.into_bytes(), &Limits::default()) else {
            panic!("it parses")
        };
        let mut top = request.headers().all::<Via>().next().unwrap().unwrap();
        stamp(&mut request, &mut top, source.parse().unwrap());
        let vias: Vec<_> = request.headers().all::<Via>().map(|via| via.unwrap().to_string()).collect();
        assert_eq!(vias[1], "SIP/2.0/UDP next;rport", "only the top Via is ours to change");
        (vias[0].clone(), top)
    }

    // rfc: 3261 §18.2.1 — received is added when sent-by is a name or another address
    #[test]
    fn received_tells_the_source_when_sent_by_does_not() {
        assert_eq!(
            stamped("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKa", "192.0.2.1:5071").0,
            "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKa"
        );
        assert_eq!(
            stamped("SIP/2.0/UDP bob.example;branch=z9hG4bKa", "192.0.2.4:5060").0,
            "SIP/2.0/UDP bob.example;branch=z9hG4bKa;received=192.0.2.4"
        );
        assert_eq!(
            stamped("SIP/2.0/UDP 192.0.2.1;received=198.51.100.9", "192.0.2.1:5060").0,
            "SIP/2.0/UDP 192.0.2.1",
            "a client does not say where it is seen from"
        );
    }

    // rfc: 3581 §4 — rport is filled in place, with received even when it equals sent-by
    #[test]
    fn rport_is_filled_in_place() {
        assert_eq!(
            stamped("SIP/2.0/UDP 192.0.2.1:5070;rport;branch=z9hG4bKa", "192.0.2.1:1024").0,
            "SIP/2.0/UDP 192.0.2.1:5070;rport=1024;branch=z9hG4bKa;received=192.0.2.1"
        );
    }

    // rfc: 3261 §18.2.2 — maddr, received with the port of sent-by, default ports
    // rfc: 3581 §4 — with rport the response goes to the port the request came from
    #[test]
    fn responses_go_where_via_says() {
        let address = |via: &str, transport| {
            let (_, via) = stamped(via, "192.0.2.4:1024");
            response_address(&via, transport, "192.0.2.4:1024".parse().unwrap()).to_string()
        };
        assert_eq!(address("SIP/2.0/UDP bob.example:5070", Transport::Udp), "192.0.2.4:5070");
        assert_eq!(address("SIP/2.0/UDP bob.example", Transport::Udp), "192.0.2.4:5060");
        assert_eq!(address("SIP/2.0/UDP bob.example;rport", Transport::Udp), "192.0.2.4:1024");
        assert_eq!(
            address("SIP/2.0/UDP bob.example;rport;maddr=239.0.0.1", Transport::Udp),
            "239.0.0.1:5060"
        );
        assert_eq!(address("SIP/2.0/TLS bob.example;rport", Transport::Tls), "192.0.2.4:5061");
    }
}

//! How an endpoint is set up.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use media::driver::PortChoice;
use media::{Capabilities, CodecId, Impairment, SrtpPolicy};
use sdp::Direction;
use sip_msg::{HeaderName, Text};
use sip_txn::driver::{Resolver, SystemResolver, WebSocket};
use sip_txn::{Tap, Transport};
use sip_ua::policy::Policy;

use crate::credentials::CredentialProvider;
use crate::tls::Tls;

/// Settings of the agent that this crate does not name.
pub(crate) type TuneAgent = Arc<dyn Fn(sip_ua::Config) -> sip_ua::Config + Send + Sync>;

/// Settings of an [`Endpoint`](crate::Endpoint): where it listens, what it shows and what media it speaks.
///
/// The default listens on UDP and TCP, on ports that the system picks, at every IPv4 address; speaks G.711; takes
/// SRTP when it is offered; and trusts the system's certificate authorities.
#[derive(Clone)]
pub struct Config {
    pub(crate) listen: Vec<Listen>,
    pub(crate) advertise: Option<IpAddr>,
    pub(crate) user_agent: Text,
    pub(crate) headers: Vec<(HeaderName, Text)>,
    pub(crate) tls: Tls,
    pub(crate) web_socket: WebSocket,
    pub(crate) resolver: Arc<dyn Resolver>,
    pub(crate) media_ports: PortChoice,
    pub(crate) capabilities: Capabilities,
    pub(crate) media: bool,
    pub(crate) impairment: Impairment,
    pub(crate) incoming_calls: usize,
    pub(crate) messages: usize,
    pub(crate) challenge: Option<(Text, Vec<(Text, Text)>)>,
    pub(crate) provider: Option<Arc<dyn CredentialProvider>>,
    pub(crate) tune: Option<TuneAgent>,
    pub(crate) tap: Option<Arc<dyn Tap>>,
}

impl Default for Config {
    fn default() -> Self {
        let any = SocketAddr::from(([0, 0, 0, 0], 0));
        Self {
            listen: vec![Listen::new(Transport::Udp, any), Listen::new(Transport::Tcp, any)],
            advertise: None,
            user_agent: concat!("voip/", env!("CARGO_PKG_VERSION")).into(),
            headers: Vec::new(),
            tls: Tls::default(),
            web_socket: WebSocket::default(),
            resolver: Arc::new(SystemResolver::default()),
            media_ports: PortChoice::System,
            capabilities: Capabilities::default(),
            media: true,
            impairment: Impairment::default(),
            incoming_calls: 1_000,
            messages: 0,
            challenge: None,
            provider: None,
            tune: None,
            tap: None,
        }
    }
}

impl Config {
    /// Listens at these addresses instead of the default ones.
    #[must_use]
    pub fn listen(mut self, listen: impl IntoIterator<Item = Listen>) -> Self {
        self.listen = listen.into_iter().collect();
        self
    }

    /// Writes this address into Via, Contact and SDP instead of the bound one: the public side of a NAT.
    #[must_use]
    pub fn advertise(mut self, address: IpAddr) -> Self {
        self.advertise = Some(address);
        self
    }

    /// What User-Agent and Server say.
    #[must_use]
    pub fn user_agent(mut self, name: &str) -> Self {
        self.user_agent = name.into();
        self
    }

    /// One more header on the requests that start something: INVITE, OPTIONS.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Which certificates to trust, and which one to show.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Which WebSocket handshakes are accepted (path, web pages, who else), and the path of our own.
    #[must_use]
    pub fn web_socket(mut self, web_socket: WebSocket) -> Self {
        self.web_socket = web_socket;
        self
    }

    /// Who answers questions to the DNS ([RFC 3263]); the name servers of the system by default.
    ///
    /// [RFC 3263]: https://www.rfc-editor.org/rfc/rfc3263
    #[must_use]
    pub fn resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = resolver;
        self
    }

    /// Which UDP ports media may use; the system picks them by default.
    #[must_use]
    pub fn media_ports(mut self, ports: PortChoice) -> Self {
        self.media_ports = ports;
        self
    }

    /// The codecs to offer and take, the best first; PCMU and PCMA by default.
    #[must_use]
    pub fn codecs(mut self, codecs: impl IntoIterator<Item = CodecId>) -> Self {
        self.capabilities = self.capabilities.codecs(codecs);
        self
    }

    /// Whether media is encrypted; [`SrtpPolicy::Optional`] by default.
    #[must_use]
    pub fn srtp(mut self, policy: SrtpPolicy) -> Self {
        self.capabilities = self.capabilities.srtp(policy);
        self
    }

    /// Calls without media, for load tests of signalling, click-to-dial and the like: no sockets and no sessions. Offers
    /// and answers are made as ever, with inactive streams at the discard port (9), and what a [`Call`](crate::Call) does
    /// with media does nothing.
    #[must_use]
    pub fn without_media(mut self) -> Self {
        self.capabilities = self.capabilities.direction(Direction::Inactive);
        self.media = false;
        self
    }

    /// Damages the media that is sent: for test tools that play a bad network.
    #[must_use]
    pub fn impairment(mut self, impairment: Impairment) -> Self {
        self.impairment = impairment;
        self
    }

    /// How many calls may wait in [`Incoming`](crate::Incoming); further ones are refused with 486. 1,000.
    #[must_use]
    pub fn incoming_calls(mut self, calls: usize) -> Self {
        self.incoming_calls = calls;
        self
    }

    /// Takes text messages (MESSAGE) outside of calls, of which so many may wait in
    /// [`Messages`](crate::Messages); further ones are refused with 480. None are taken by default: 405.
    #[must_use]
    pub fn messages(mut self, messages: usize) -> Self {
        self.messages = messages;
        self
    }

    /// Asks callers, and whoever sends messages, for the password of one of these users (digest, [RFC 7616]); who has none
    /// is answered 401.
    ///
    /// [RFC 7616]: https://www.rfc-editor.org/rfc/rfc7616
    #[must_use]
    pub fn challenge(mut self, realm: &str, users: impl IntoIterator<Item = (String, String)>) -> Self {
        let users = users.into_iter().map(|(user, password)| (user.into(), password.into())).collect();
        self.challenge = Some((realm.into(), users));
        self
    }

    /// Whom to ask for a password or token that no account knows.
    #[must_use]
    pub fn credential_provider(mut self, provider: impl CredentialProvider + 'static) -> Self {
        self.provider = Some(Arc::new(provider));
        self
    }

    /// What is refused even if somebody asks for it: floods, fraud, secrets in the clear.
    ///
    /// ```
    /// use voip::{Config, Policy};
    ///
    /// let config = Config::default().policy(Policy::strict());
    /// ```
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        self.tune(move |agent| agent.policy(policy.clone()))
    }

    /// Changes what is not named here: session timers, reliable provisional responses, redirections, limits …
    ///
    /// ```
    /// use voip::{Config, Redirects};
    ///
    /// let config = Config::default().tune(|agent| agent.redirects(Redirects::Report));
    /// ```
    #[must_use]
    pub fn tune(mut self, tune: impl Fn(sip_ua::Config) -> sip_ua::Config + Send + Sync + 'static) -> Self {
        let before = self.tune.take();
        self.tune =
            Some(Arc::new(move |agent| tune(before.iter().fold(agent, |agent, before| before(agent)))));
        self
    }

    /// Shows every SIP message as it is sent or received, passwords' digests and all, to `tap`.
    #[must_use]
    pub fn tap(mut self, tap: Arc<dyn Tap>) -> Self {
        self.tap = Some(tap);
        self
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("advertise", &self.advertise)
            .field("user_agent", &self.user_agent)
            .field("tls", &self.tls)
            .field("media_ports", &self.media_ports)
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}

/// A transport and a local address to listen at, written `udp:0.0.0.0:5060`, `tcp:[::1]:5060`, `tls:192.0.2.1:5061`,
/// `ws:127.0.0.1:8080` or `wss:0.0.0.0:443` (WebSocket, [RFC 7118](https://www.rfc-editor.org/rfc/rfc7118)).
///
/// Port 0 lets the system pick one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Listen {
    /// UDP, TCP, TLS, or WebSocket without or with TLS.
    pub transport: Transport,
    /// The local address and port.
    pub address: SocketAddr,
}

impl Listen {
    /// A transport at an address.
    #[must_use]
    pub fn new(transport: Transport, address: SocketAddr) -> Self {
        Self { transport, address }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport.name().to_ascii_lowercase(), self.address)
    }
}

/// Why a text is no [`Listen`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text}: expected udp:IP:PORT, tcp:, tls:, ws: or wss:IP:PORT")]
pub struct ListenError {
    text: String,
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let error = || ListenError { text: text.into() };
        let (transport, address) = text.split_once(':').ok_or_else(error)?;
        let transport = match transport.to_ascii_lowercase().as_str() {
            "udp" => Transport::Udp,
            "tcp" => Transport::Tcp,
            "tls" => Transport::Tls,
            "ws" => Transport::Ws,
            "wss" => Transport::Wss,
            _ => return Err(error()),
        };
        Ok(Self { transport, address: address.parse().map_err(|_| error())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_address_reads_as_it_is_written() {
        for text in
            ["udp:0.0.0.0:0", "tcp:[::1]:5060", "tls:192.0.2.1:5061", "ws:127.0.0.1:80", "wss:[::]:443"]
        {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_listening_address_is_named() {
        for text in ["udp", "udp:localhost:5060", "sctp:127.0.0.1:5060", "udp:127.0.0.1", ""] {
            assert!(text.parse::<Listen>().unwrap_err().to_string().starts_with(text));
        }
    }
}

//! What goes into the layer and what comes out of it: [`Input`], [`Output`], [`Action`], [`Event`].

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use sip_msg::{Reason, Request, Response, Text};

use crate::{Flow, Transmit, Transport};

/// Names a client transaction; never used twice by one layer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct ClientId(pub(crate) u64);

/// Names a server transaction; never used twice by one layer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct ServerId(pub(crate) u64);

/// Names a connection that is being opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct ConnectId(pub(crate) u64);

/// Names a question to the DNS.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct QueryId(pub(crate) u64);

/// What the world tells the layer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Input {
    /// A datagram arrived, or one whole message of a WebSocket.
    Datagram {
        /// From where to where.
        flow: Flow,
        /// The payload.
        bytes: Bytes,
    },
    /// A connection brought bytes.
    Stream {
        /// The connection.
        flow: Flow,
        /// The next bytes, cut anywhere.
        bytes: Bytes,
    },
    /// A peer opened a connection.
    Accepted {
        /// The connection.
        flow: Flow,
    },
    /// The peer of a connection has proven who it is: the SIP domains of its certificate, which somebody we trust has
    /// signed ([RFC 5922 §7.1]). Directly after the connection itself.
    ///
    /// [RFC 5922 §7.1]: https://www.rfc-editor.org/rfc/rfc5922#section-7.1
    Authenticated {
        /// The connection.
        flow: Flow,
        /// The domains, in lower case.
        identities: Vec<Text>,
    },
    /// A connection we asked for is open.
    Connected {
        /// As in [`Action::Connect`].
        connect: ConnectId,
        /// The connection.
        flow: Flow,
    },
    /// A connection we asked for could not be opened.
    ConnectFailed {
        /// As in [`Action::Connect`].
        connect: ConnectId,
        /// For people: what is wrong, naming host or address.
        why: Text,
    },
    /// A connection has ended, on either side; nothing more comes from it.
    Closed {
        /// The connection.
        flow: Flow,
        /// For people.
        why: Text,
    },
    /// Datagrams do not arrive ([RFC 3261 §18.4]).
    ///
    /// [RFC 3261 §18.4]: https://www.rfc-editor.org/rfc/rfc3261#section-18.4
    Unreachable {
        /// Between which addresses.
        flow: Flow,
        /// For people.
        why: Text,
        /// The beginning of the datagram as an ICMP message quotes it: what proves that the message is about a request of
        /// ours ([RFC 8085 §5.2]). `None`: our own system would not send it.
        ///
        /// [RFC 8085 §5.2]: https://www.rfc-editor.org/rfc/rfc8085#section-5.2
        quoted: Option<Bytes>,
    },
    /// The DNS has answered.
    Resolved {
        /// As in [`Action::Resolve`].
        query: QueryId,
        /// What it said.
        answer: Answer,
    },
}

/// What the layer wants done.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// Send this.
    Transmit(Transmit),
    /// Open a connection; [`Input::Connected`] or [`Input::ConnectFailed`] must follow.
    Connect {
        /// To name it by.
        connect: ConnectId,
        /// Not UDP.
        transport: Transport,
        /// Where to.
        remote: SocketAddr,
        /// Whom the certificate must name, and the host of a WebSocket: that of the next hop's URI ([RFC 5922 §7.3]). An IP
        /// address is one, too.
        ///
        /// [RFC 5922 §7.3]: https://www.rfc-editor.org/rfc/rfc5922#section-7.3
        server_name: Option<Text>,
    },
    /// Close a connection once what was given to it is sent; no [`Input::Closed`] need follow.
    Close(Flow),
    /// Ask the DNS; [`Input::Resolved`] must follow.
    Resolve {
        /// To name it by.
        query: QueryId,
        /// What to ask.
        question: Question,
    },
}

/// What comes out of the layer.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// For the driver.
    Action(Action),
    /// For the application, or the layer above.
    Event(Event),
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A new request, neither ACK nor CANCEL. It has all mandatory headers, and its top Via tells where it came from.
    Request {
        /// To answer it by.
        server: ServerId,
        /// Where it came from.
        flow: Flow,
        /// The request.
        request: Request,
    },
    /// An ACK to a 2xx, or one that belongs to nothing; it is never answered.
    Ack {
        /// Where it came from.
        flow: Flow,
        /// The ACK.
        request: Request,
    },
    /// The peer cancels an INVITE that has no final response; answer it 487. The CANCEL itself was answered.
    Cancelled {
        /// The INVITE.
        invite: ServerId,
        /// Why, if the CANCEL says it ([RFC 3326]): the first Reason, as `SIP;cause=200` for a call that was taken elsewhere.
        ///
        /// [RFC 3326]: https://www.rfc-editor.org/rfc/rfc3326
        reason: Option<Box<Reason>>,
    },
    /// An INVITE that was answered with a 2xx came again: the 2xx is probably lost. As long as its ACK has not come, it may be
    /// sent again now; its own time comes anyway.
    Repeated {
        /// The INVITE.
        invite: ServerId,
    },
    /// A response to our request: each provisional one, each 2xx to an INVITE, else one final one.
    Response {
        /// The request's transaction.
        client: ClientId,
        /// Where it came from.
        flow: Flow,
        /// The response.
        response: Response,
    },
    /// A response that matches no transaction. User agents and proxies drop it ([RFC 6026 §7.2]).
    ///
    /// [RFC 6026 §7.2]: https://www.rfc-editor.org/rfc/rfc6026#section-7.2
    StrayResponse {
        /// Where it came from.
        flow: Flow,
        /// The response.
        response: Response,
    },
    /// A client transaction is over.
    ClientEnded {
        /// Which.
        client: ClientId,
        /// How.
        ending: Ending,
    },
    /// A server transaction is over. [`Ending::TimedOut`]: no ACK came to the failure response of an INVITE, or the application
    /// did not answer another request while its client waited.
    ServerEnded {
        /// Which.
        server: ServerId,
        /// How.
        ending: Ending,
    },
    /// A response could not be sent; the transaction goes on ([RFC 6026 §7.1]).
    ///
    /// [RFC 6026 §7.1]: https://www.rfc-editor.org/rfc/rfc6026#section-7.1
    ResponseLost {
        /// Whose response.
        server: ServerId,
        /// For people.
        why: Text,
    },
    /// The peer answered a [`keep_alive`](crate::TransactionLayer::keep_alive) or
    /// [`keep_alive_with_stun`](crate::TransactionLayer::keep_alive_with_stun).
    Pong {
        /// On this flow.
        flow: Flow,
    },
    /// A connection is gone, whoever closed it; or a UDP flow has failed that was kept alive with STUN.
    FlowClosed {
        /// Which.
        flow: Flow,
        /// For people.
        why: Text,
    },
}

/// How a transaction ended.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Ending {
    /// As it should; the final response was told before.
    Normal,
    /// The peer did not answer in time.
    TimedOut,
    /// The next hop cannot be found or reached; for people, why.
    TransportFailed(Text),
}

/// A question to the DNS ([RFC 3263 §4]).
///
/// [RFC 3263 §4]: https://www.rfc-editor.org/rfc/rfc3263#section-4
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum Question {
    /// The NAPTR records of a domain.
    Naptr(Text),
    /// The SRV records of a name such as `_sip._udp.example.com`.
    Srv(Text),
    /// The A and AAAA records of a host.
    Addresses(Text),
}

/// What the DNS said. Nothing found is an empty list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// To [`Question::Naptr`].
    Naptr(Vec<NaptrRecord>),
    /// To [`Question::Srv`].
    Srv(Vec<SrvRecord>),
    /// To [`Question::Addresses`], in the order to try.
    Addresses(Vec<IpAddr>),
    /// None came in time, or the servers could not tell. Whether there are records is not known.
    Failed,
}

/// A NAPTR record with the flag `s` and no regular expression, the only ones that SIP uses ([RFC 3263 §4.1]).
///
/// [RFC 3263 §4.1]: https://www.rfc-editor.org/rfc/rfc3263#section-4.1
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NaptrRecord {
    /// Lower ones first.
    pub order: u16,
    /// Among equal orders, lower ones first.
    pub preference: u16,
    /// `SIP+D2U`, `SIP+D2T`, `SIPS+D2T`; `SIP+D2W` and `SIPS+D2W` for WebSocket.
    pub service: Text,
    /// The name to ask SRV records for.
    pub replacement: Text,
}

/// A SRV record ([RFC 2782](https://www.rfc-editor.org/rfc/rfc2782)).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SrvRecord {
    /// Lower ones first.
    pub priority: u16,
    /// Among equal priorities, chosen in proportion.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host.
    pub target: Text,
}

//! What two descriptions settle.

use std::net::SocketAddr;

use crate::attribute::{Crypto, Direction, Fingerprint, IceCredentials};
use crate::connection::Address;
use crate::{MediaKind, Protocol, Refused, Text};

/// What an offer and its answer settle, m-line by m-line, seen from this side.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Agreement {
    /// One for each m-line, in their order.
    pub media: Vec<AgreedMedia>,
}

impl Agreement {
    /// The accepted streams, in the order of their m-lines.
    pub fn accepted(&self) -> impl Iterator<Item = &Agreed> {
        self.media.iter().filter_map(|media| media.outcome.as_ref().ok())
    }

    /// The first accepted stream of a kind.
    #[must_use]
    pub fn first(&self, kind: MediaKind) -> Option<&Agreed> {
        self.accepted().find(|agreed| agreed.kind == kind)
    }
}

/// What became of one m-line.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AgreedMedia {
    /// Its media type.
    pub kind: Text,
    /// Which of our [`streams`](crate::Capabilities::streams) it is.
    pub stream: Option<usize>,
    /// What was agreed, or why nothing.
    pub outcome: Result<Agreed, Refused>,
}

/// What was agreed for one accepted stream.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Agreed {
    /// The m-line, counted from 0.
    pub media: usize,
    /// Audio or video.
    pub kind: MediaKind,
    /// The transport protocol of the m-line.
    pub protocol: Protocol,
    /// Where the peer wants RTP: the media section's `c=`, else the session's, and the `m=` port.
    pub remote: Address,
    /// The peer's port for RTP.
    pub remote_port: u16,
    /// Where the peer wants RTCP: `a=rtcp` ([RFC 3605]), the RTP port when multiplexed, else the next one.
    ///
    /// [RFC 3605]: https://www.rfc-editor.org/rfc/rfc3605
    pub remote_rtcp: Address,
    /// The peer's port for RTCP.
    pub remote_rtcp_port: u16,
    /// RTP and RTCP share a port, both ways.
    pub rtcp_mux: bool,
    /// Which way media flows, seen from us.
    pub direction: Direction,
    /// The codecs both have, the one to send with first.
    pub codecs: Vec<AgreedCodec>,
    /// telephone-event, once for each clock rate that both have.
    pub telephone_events: Vec<AgreedEvent>,
    /// The packet time the peer would like to receive, in milliseconds.
    pub ptime_ms: Option<u16>,
    /// The longest packet time the peer takes, in milliseconds.
    pub maxptime_ms: Option<u16>,
    /// What the peer takes at most, in bits a second (`b=TIAS` or `b=AS`); 0 asks for nothing, RTCP included
    /// ([RFC 3264 §5.1]).
    ///
    /// [RFC 3264 §5.1]: https://www.rfc-editor.org/rfc/rfc3264#section-5.1
    pub bandwidth_bps: Option<u64>,
    /// How packets are protected.
    pub security: Security,
    /// The peer's ICE credentials and candidates, when both use ICE.
    pub ice: Option<RemoteIce>,
    /// The m-line whose transport this one shares ([RFC 9143]); `None` has its own.
    ///
    /// [RFC 9143]: https://www.rfc-editor.org/rfc/rfc9143
    pub bundled_with: Option<usize>,
}

impl Agreed {
    /// The codec to send with; none on a stream for telephone-event alone.
    #[must_use]
    pub fn codec(&self) -> Option<&AgreedCodec> {
        self.codecs.first()
    }

    /// telephone-event at the clock rate of the codec we send with.
    #[must_use]
    pub fn telephone_event(&self) -> Option<&AgreedEvent> {
        match self.codec() {
            Some(codec) => {
                self.telephone_events.iter().find(|event| event.clock_rate_hz == codec.clock_rate_hz)
            }
            None => self.telephone_events.first(),
        }
    }

    /// Where to send RTP; `None` when the peer gave a name, or `0.0.0.0`.
    #[must_use]
    pub fn remote_rtp_address(&self) -> Option<SocketAddr> {
        socket_address(&self.remote, self.remote_port)
    }

    /// Where to send RTCP; `None` when the peer gave a name, or `0.0.0.0`.
    #[must_use]
    pub fn remote_rtcp_address(&self) -> Option<SocketAddr> {
        socket_address(&self.remote_rtcp, self.remote_rtcp_port)
    }
}

fn socket_address(address: &Address, port: u16) -> Option<SocketAddr> {
    address.ip().filter(|ip| !ip.is_unspecified()).map(|ip| SocketAddr::new(ip, port))
}

/// A codec both sides have.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct AgreedCodec {
    /// Its encoding name, as in our list.
    pub name: Text,
    /// Its RTP clock rate in Hz.
    pub clock_rate_hz: u32,
    /// Audio channels; 1 for video.
    pub channels: u8,
    /// The payload type to send: the peer's number.
    pub send: u8,
    /// The payload type to receive: our number.
    pub receive: u8,
    /// The peer's format parameters.
    pub remote_fmtp: Option<Text>,
    /// Our format parameters, as we wrote them.
    pub local_fmtp: Option<Text>,
}

/// telephone-event at one clock rate.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct AgreedEvent {
    /// Its clock rate in Hz.
    pub clock_rate_hz: u32,
    /// The payload type to send: the peer's number.
    pub send: u8,
    /// The payload type to receive: our number.
    pub receive: u8,
    /// The events the peer takes, such as `0-15`; `None` is 0-15 ([RFC 4733 §2.4.1]).
    ///
    /// [RFC 4733 §2.4.1]: https://www.rfc-editor.org/rfc/rfc4733#section-2.4.1
    pub remote_events: Option<Text>,
}

/// How the packets of a stream are protected.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Security {
    /// Not at all.
    None,
    /// SRTP with keys from `a=crypto` ([RFC 4568]); both have the same tag and suite.
    ///
    /// [RFC 4568]: https://www.rfc-editor.org/rfc/rfc4568
    Sdes {
        /// Our line: the key for what we send.
        local: Crypto,
        /// The peer's line: the key for what it sends.
        remote: Crypto,
    },
    /// DTLS-SRTP ([RFC 5763]).
    ///
    /// [RFC 5763]: https://www.rfc-editor.org/rfc/rfc5763
    Dtls {
        /// Whether we begin the handshake.
        role: DtlsRole,
        /// What the peer's certificate must match; one of them is enough.
        fingerprints: Vec<Fingerprint>,
    },
}

/// Who begins the DTLS handshake ([RFC 5763 §5]).
///
/// [RFC 5763 §5]: https://www.rfc-editor.org/rfc/rfc5763#section-5
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DtlsRole {
    /// We do: `a=setup:active`.
    Client,
    /// The peer does: `a=setup:passive`.
    Server,
}

/// What the peer said for ICE ([RFC 8839]).
///
/// [RFC 8839]: https://www.rfc-editor.org/rfc/rfc8839
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RemoteIce {
    /// User fragment and password.
    pub credentials: IceCredentials,
    /// The values of its `a=candidate` lines.
    pub candidates: Vec<Text>,
    /// It is a lite implementation.
    pub lite: bool,
}

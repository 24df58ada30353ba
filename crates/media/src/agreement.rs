//! What offer and answer settled for the audio of a call.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use sdp::Direction;
use srtp::{MasterKey, Profile};

use crate::CodecId;

/// All that a [`Session`](crate::Session) must know of an offer/answer exchange.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Agreement {
    /// Where the peer wants RTP; `None` sends nothing (`c=0.0.0.0`).
    pub remote_rtp: Option<SocketAddr>,
    /// Where the peer wants RTCP; `None` sends none.
    pub remote_rtcp: Option<SocketAddr>,
    /// Whether RTCP shares the port of RTP ([RFC 5761]).
    ///
    /// [RFC 5761]: https://www.rfc-editor.org/rfc/rfc5761
    pub rtcp_mux: bool,
    /// Which way audio flows, seen from us.
    pub direction: Direction,
    /// The codecs both have: we send with the first, and receive any of them.
    pub codecs: Vec<AgreedCodec>,
    /// How digits are sent and received ([RFC 4733]); `None` when the peer cannot.
    ///
    /// [RFC 4733]: https://www.rfc-editor.org/rfc/rfc4733
    pub telephone_event: Option<PayloadTypes>,
    /// How much audio each packet we send carries: 20, 40 or 60 ms.
    pub ptime: Duration,
    /// The keys of SRTP; `None` is in the clear.
    pub srtp: Option<SrtpKeys>,
}

impl Agreement {
    /// Both ways with one codec, its static payload type, RTCP on the next port, no digits and in the clear.
    #[must_use]
    pub fn new(remote: SocketAddr, codec: CodecId) -> Self {
        let rtcp = remote.port().checked_add(1).map(|port| SocketAddr::new(remote.ip(), port));
        Self {
            remote_rtp: Some(remote),
            remote_rtcp: rtcp,
            rtcp_mux: false,
            direction: Direction::SendRecv,
            codecs: vec![AgreedCodec { id: codec, payload_types: codec.static_payload_type().into() }],
            telephone_event: None,
            ptime: Duration::from_millis(20),
            srtp: None,
        }
    }

    /// Sets which way audio flows, seen from us.
    #[must_use]
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// Sets the payload types of digits.
    #[must_use]
    pub fn telephone_event(mut self, payload_types: impl Into<PayloadTypes>) -> Self {
        self.telephone_event = Some(payload_types.into());
        self
    }

    /// Puts RTCP on the port of RTP.
    #[must_use]
    pub fn rtcp_mux(mut self, mux: bool) -> Self {
        self.rtcp_mux = mux;
        self
    }

    /// Sets how much audio each packet we send carries.
    #[must_use]
    pub fn ptime(mut self, ptime: Duration) -> Self {
        self.ptime = ptime;
        self
    }

    /// Sets the SRTP keys.
    #[must_use]
    pub fn srtp(mut self, keys: SrtpKeys) -> Self {
        self.srtp = Some(keys);
        self
    }

    /// The codec we send with.
    #[must_use]
    pub fn codec(&self) -> Option<CodecId> {
        self.codecs.first().map(|codec| codec.id)
    }

    /// The SRTP profile, `None` in the clear.
    #[must_use]
    pub fn srtp_profile(&self) -> Option<Profile> {
        self.srtp.as_ref().map(|keys| keys.profile)
    }
}

/// A codec and its numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AgreedCodec {
    /// Which codec.
    pub id: CodecId,
    /// Its payload types.
    pub payload_types: PayloadTypes,
}

/// The payload types of a format, which may differ in each direction ([RFC 3264 §5.1]).
///
/// [RFC 3264 §5.1]: https://www.rfc-editor.org/rfc/rfc3264#section-5.1
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PayloadTypes {
    /// The peer's number: what we send.
    pub send: u8,
    /// Our number: what the peer sends.
    pub receive: u8,
}

impl From<u8> for PayloadTypes {
    /// The same number both ways.
    fn from(payload_type: u8) -> Self {
        Self { send: payload_type, receive: payload_type }
    }
}

/// SRTP keys: each side's own is for what it sends ([RFC 4568 §6.1]).
///
/// [RFC 4568 §6.1]: https://www.rfc-editor.org/rfc/rfc4568#section-6.1
#[derive(Clone)]
pub struct SrtpKeys {
    /// Cipher and tag.
    pub profile: Profile,
    /// Ours.
    pub send: MasterKey,
    /// The peer's.
    pub receive: MasterKey,
}

impl SrtpKeys {
    /// Keys of one profile.
    #[must_use]
    pub fn new(profile: Profile, send: MasterKey, receive: MasterKey) -> Self {
        Self { profile, send, receive }
    }
}

impl fmt::Debug for SrtpKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SrtpKeys").field("profile", &self.profile).finish_non_exhaustive()
    }
}

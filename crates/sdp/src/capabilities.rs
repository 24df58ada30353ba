//! What this side can do, and wants.

use std::net::IpAddr;

use crate::attribute::{Crypto, Direction, Fingerprint, IceCredentials, Rtpmap};
use crate::{BuildError, Text};

/// What this side can and wants to do: the one input to [`Negotiation::offer`](crate::Negotiation::offer) and
/// [`Negotiation::answer`](crate::Negotiation::answer) beside the peer's description.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Capabilities {
    /// The address written into `o=` and `c=`.
    pub address: IpAddr,
    /// The streams we want: an offer has one m-line for each, an answer uses each at most once. A stream keeps its
    /// m-line for the whole session, so a later list must keep the order and may only append.
    pub streams: Vec<Stream>,
    /// Offer BUNDLE ([RFC 9143]), and accept it.
    ///
    /// [RFC 9143]: https://www.rfc-editor.org/rfc/rfc9143
    pub bundle: bool,
}

impl Capabilities {
    /// Nothing but an address.
    #[must_use]
    pub const fn new(address: IpAddr) -> Self {
        Self { address, streams: Vec::new(), bundle: false }
    }

    /// Adds a stream.
    #[must_use]
    pub fn stream(mut self, stream: Stream) -> Self {
        self.streams.push(stream);
        self
    }

    /// Sets whether streams share one transport.
    #[must_use]
    pub const fn bundle(mut self, bundle: bool) -> Self {
        self.bundle = bundle;
        self
    }
}

/// What a stream carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MediaKind {
    /// `m=audio`
    Audio,
    /// `m=video`
    Video,
}

impl MediaKind {
    /// The word of the `m=` line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }
}

/// How SRTP is dealt with on a stream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SrtpPolicy {
    /// Offers RTP/AVP and refuses everything else.
    #[default]
    Off,
    /// Offers RTP/AVP, and takes RTP/SAVP or RTP/SAVPF when it is offered.
    Optional,
    /// Offers RTP/SAVP with `a=crypto`, and refuses everything clear.
    Required,
    /// Offers UDP/TLS/RTP/SAVPF with a fingerprint ([RFC 5763]), and refuses everything else.
    ///
    /// [RFC 5763]: https://www.rfc-editor.org/rfc/rfc5763
    Dtls,
}

/// One stream we can do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stream {
    /// Audio or video.
    pub kind: MediaKind,
    /// The port for RTP; not 0.
    pub port: u16,
    /// The port for RTCP; `None` is the RTP port + 1 ([RFC 3550 §11]). Any other is written as `a=rtcp` ([RFC 3605]).
    ///
    /// [RFC 3550 §11]: https://www.rfc-editor.org/rfc/rfc3550#section-11
    /// [RFC 3605]: https://www.rfc-editor.org/rfc/rfc3605
    pub rtcp_port: Option<u16>,
    /// Offer and accept RTP and RTCP on one port ([RFC 5761]).
    ///
    /// [RFC 5761]: https://www.rfc-editor.org/rfc/rfc5761
    pub rtcp_mux: bool,
    /// The codecs, the best first.
    pub codecs: Vec<Codec>,
    /// Offer and accept telephone-event ([RFC 4733]), once for each clock rate of the codecs.
    ///
    /// [RFC 4733]: https://www.rfc-editor.org/rfc/rfc4733
    pub telephone_event: bool,
    /// The packet time we would like to receive, in milliseconds.
    pub ptime_ms: Option<u16>,
    /// The longest packet time we can receive, in milliseconds.
    pub maxptime_ms: Option<u16>,
    /// What we want to do at most: `SendOnly` puts the peer on hold.
    pub direction: Direction,
    /// Clear or encrypted.
    pub srtp: SrtpPolicy,
    /// Our SDES keys for what we send, the best suite first; the tags are set when they are offered or answered.
    pub crypto: Vec<Crypto>,
    /// What we need for DTLS: the fingerprint of our certificate. Empty without [`SrtpPolicy::Dtls`].
    pub fingerprints: Vec<Fingerprint>,
    /// ICE credentials and candidates to carry; `None` without ICE.
    pub ice: Option<Ice>,
}

/// What ICE wants carried ([RFC 8839]); this crate does not look into it.
///
/// [RFC 8839]: https://www.rfc-editor.org/rfc/rfc8839
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Ice {
    /// User fragment and password.
    pub credentials: IceCredentials,
    /// The candidates, each the value of an `a=candidate`.
    pub candidates: Vec<Text>,
    /// We are a lite implementation.
    pub lite: bool,
}

impl Ice {
    /// ICE with these credentials and no candidates.
    #[must_use]
    pub const fn new(credentials: IceCredentials) -> Self {
        Self { credentials, candidates: Vec::new(), lite: false }
    }
}

impl Stream {
    /// An audio stream with RTP on this port, PCMU and PCMA, telephone-event, 20 ms, clear.
    #[must_use]
    pub fn audio(port: u16) -> Self {
        Self {
            kind: MediaKind::Audio,
            port,
            rtcp_port: None,
            rtcp_mux: false,
            codecs: vec![Codec::pcmu(), Codec::pcma()],
            telephone_event: true,
            ptime_ms: Some(20),
            maxptime_ms: None,
            direction: Direction::SendRecv,
            srtp: SrtpPolicy::Off,
            crypto: Vec::new(),
            fingerprints: Vec::new(),
            ice: None,
        }
    }

    /// A video stream with RTP on this port and no codec yet, clear.
    #[must_use]
    pub fn video(port: u16) -> Self {
        Self {
            kind: MediaKind::Video,
            codecs: Vec::new(),
            telephone_event: false,
            ptime_ms: None,
            ..Self::audio(port)
        }
    }

    /// Sets the port for RTCP.
    #[must_use]
    pub const fn rtcp_port(mut self, port: Option<u16>) -> Self {
        self.rtcp_port = port;
        self
    }

    /// Sets whether RTP and RTCP may share a port.
    #[must_use]
    pub const fn rtcp_mux(mut self, mux: bool) -> Self {
        self.rtcp_mux = mux;
        self
    }

    /// Sets the codecs, the best first.
    #[must_use]
    pub fn codecs(mut self, codecs: impl IntoIterator<Item = Codec>) -> Self {
        self.codecs = codecs.into_iter().collect();
        self
    }

    /// Sets whether digits may come as telephone-event.
    #[must_use]
    pub const fn telephone_event(mut self, telephone_event: bool) -> Self {
        self.telephone_event = telephone_event;
        self
    }

    /// Sets the packet time we would like to receive, in milliseconds.
    #[must_use]
    pub const fn ptime_ms(mut self, ptime_ms: Option<u16>) -> Self {
        self.ptime_ms = ptime_ms;
        self
    }

    /// Sets the longest packet time we can receive, in milliseconds.
    #[must_use]
    pub const fn maxptime_ms(mut self, maxptime_ms: Option<u16>) -> Self {
        self.maxptime_ms = maxptime_ms;
        self
    }

    /// Sets what we want to do at most.
    #[must_use]
    pub const fn direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// Sets the SRTP policy and our SDES keys, the best suite first.
    #[must_use]
    pub fn srtp(mut self, policy: SrtpPolicy, crypto: impl IntoIterator<Item = Crypto>) -> Self {
        self.srtp = policy;
        self.crypto = crypto.into_iter().collect();
        self
    }

    /// Asks for DTLS-SRTP with a certificate of this fingerprint.
    #[must_use]
    pub fn dtls(mut self, fingerprints: impl IntoIterator<Item = Fingerprint>) -> Self {
        self.srtp = SrtpPolicy::Dtls;
        self.fingerprints = fingerprints.into_iter().collect();
        self
    }

    /// Sets what ICE wants carried.
    #[must_use]
    pub fn ice(mut self, ice: Option<Ice>) -> Self {
        self.ice = ice;
        self
    }
}

/// A codec by name, as `a=rtpmap` and `a=fmtp` describe it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Codec {
    /// The encoding name, compared without regard to case.
    pub name: Text,
    /// The RTP clock rate in Hz; 8000 for G.722, whatever it samples with ([RFC 3551 §4.5.2]).
    ///
    /// [RFC 3551 §4.5.2]: https://www.rfc-editor.org/rfc/rfc3551#section-4.5.2
    pub clock_rate_hz: u32,
    /// Audio channels; 1 for video.
    pub channels: u8,
    /// The number we would like; `None` takes the static one, or the first free one from 96 up.
    pub payload_type: Option<u8>,
    /// Our format parameters, the value of `a=fmtp` after the number.
    pub fmtp: Option<Text>,
}

impl Codec {
    const fn constant(name: &'static str, clock_rate_hz: u32, channels: u8) -> Self {
        Self { name: Text::from_static(name), clock_rate_hz, channels, payload_type: None, fmtp: None }
    }

    /// A codec with one channel and no parameters.
    ///
    /// # Errors
    /// When the name is no token, or the clock rate is 0.
    pub fn new(name: &str, clock_rate_hz: u32) -> Result<Self, BuildError> {
        let rtpmap = Rtpmap::new(0, name, clock_rate_hz, 1)?;
        Ok(Self { name: rtpmap.encoding, clock_rate_hz, channels: 1, payload_type: None, fmtp: None })
    }

    /// G.711 µ-law, 8 kHz.
    #[must_use]
    pub const fn pcmu() -> Self {
        Self::constant("PCMU", 8_000, 1)
    }

    /// G.711 A-law, 8 kHz.
    #[must_use]
    pub const fn pcma() -> Self {
        Self::constant("PCMA", 8_000, 1)
    }

    /// G.722, which samples at 16 kHz and says 8000.
    #[must_use]
    pub const fn g722() -> Self {
        Self::constant("G722", 8_000, 1)
    }

    /// Opus, always 48000/2 in SDP ([RFC 7587 §7]).
    ///
    /// [RFC 7587 §7]: https://www.rfc-editor.org/rfc/rfc7587#section-7
    #[must_use]
    pub const fn opus() -> Self {
        Self::constant("opus", 48_000, 2)
    }

    /// 16-bit linear at this rate, in network order.
    #[must_use]
    pub const fn l16(clock_rate_hz: u32, channels: u8) -> Self {
        Self::constant("L16", clock_rate_hz, channels)
    }

    /// Comfort noise ([RFC 3389]), 8 kHz: never chosen as the codec, agreed beside one.
    ///
    /// [RFC 3389]: https://www.rfc-editor.org/rfc/rfc3389
    #[must_use]
    pub const fn comfort_noise() -> Self {
        Self::constant("CN", 8_000, 1)
    }

    /// Sets the number of channels.
    #[must_use]
    pub const fn channels(mut self, channels: u8) -> Self {
        self.channels = channels;
        self
    }

    /// Sets the payload type we would like.
    #[must_use]
    pub const fn payload_type(mut self, payload_type: u8) -> Self {
        self.payload_type = Some(payload_type);
        self
    }

    /// Sets our format parameters.
    ///
    /// # Errors
    /// When the text is empty or holds a line end or NUL.
    pub fn fmtp(mut self, parameters: &str) -> Result<Self, BuildError> {
        crate::grammar::check_text("fmtp parameters", parameters)?;
        self.fmtp = Some(Text::from(parameters));
        Ok(self)
    }
}

//! Why an m-line became what it became.

use std::fmt;

use crate::ParseError;
use crate::attribute::Direction;
use crate::{DtlsRole, Text};

/// One decision about one m-line, with what made us take it.
///
/// ```
/// # use sdp::*;
/// let why = Why::Chosen { codec: Text::from("PCMA") };
/// let reason = Reason { media: 0, kind: Text::from("audio"), why };
/// assert_eq!(reason.to_string(), "audio m-line 1: PCMA chosen, the first of the peer's list that we have");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reason {
    /// The m-line, counted from 0; the text counts from 1.
    pub media: usize,
    /// Its media type: `audio`, `video` …
    pub kind: Text,
    /// What was decided.
    pub why: Why,
}

/// What was decided, and for what cause.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Why {
    /// This codec is used: it comes first in the list that counts, and we have it.
    Chosen {
        /// Its encoding name.
        codec: Text,
    },
    /// This codec of the peer is not in our list.
    NotInOurList {
        /// Its encoding name, or the payload type when it has none.
        codec: Text,
    },
    /// This codec may be used too: a change to it needs no new offer ([RFC 3264 §5.1]).
    ///
    /// [RFC 3264 §5.1]: https://www.rfc-editor.org/rfc/rfc3264#section-5.1
    Beside {
        /// Its encoding name.
        codec: Text,
    },
    /// This codec of ours is not in the answer.
    NotAnswered {
        /// Its encoding name.
        codec: Text,
    },
    /// The peer's list has this codec a second time, and we have it once.
    OfferedTwice {
        /// Its encoding name.
        codec: Text,
    },
    /// No codec that was taken has the clock rate of this telephone-event ([RFC 4733 §2.1]).
    ///
    /// [RFC 4733 §2.1]: https://www.rfc-editor.org/rfc/rfc4733#section-2.1
    NoCodecAtRate {
        /// Its encoding name and clock rate.
        codec: Text,
    },
    /// Neither an `a=rtpmap` nor [RFC 3551] says what this format is.
    ///
    /// [RFC 3551]: https://www.rfc-editor.org/rfc/rfc3551
    NoMapping {
        /// The format, as it stands in the m-line.
        format: Text,
    },
    /// We have this codec, with parameters that exclude the peer's.
    ParametersDiffer {
        /// Its encoding name.
        codec: Text,
    },
    /// The direction that both sides allow, seen from us.
    Direction {
        /// What was agreed.
        agreed: Direction,
        /// What the peer said of itself.
        peer: Direction,
        /// What we wanted.
        wanted: Direction,
    },
    /// The peer's `b=` line is 0: nothing may be sent to it ([RFC 3264 §5.1]).
    ///
    /// [RFC 3264 §5.1]: https://www.rfc-editor.org/rfc/rfc3264#section-5.1
    NoBandwidth,
    /// A side wanted RTP and RTCP on one port ([RFC 5761]).
    ///
    /// [RFC 5761]: https://www.rfc-editor.org/rfc/rfc5761
    RtcpMux {
        /// Both did.
        agreed: bool,
    },
    /// This m-line shares another one's transport ([RFC 9143]).
    ///
    /// [RFC 9143]: https://www.rfc-editor.org/rfc/rfc9143
    Bundled {
        /// The other m-line, counted from 0; the text counts from 1.
        with: usize,
    },
    /// This m-line was offered in a bundle and stands alone.
    NotBundled,
    /// Who begins the DTLS handshake ([RFC 5763 §5]).
    ///
    /// [RFC 5763 §5]: https://www.rfc-editor.org/rfc/rfc5763#section-5
    DtlsRole {
        /// Our part.
        role: DtlsRole,
    },
    /// A fingerprint made with a broken hash was passed over ([RFC 8122 §5]).
    ///
    /// [RFC 8122 §5]: https://www.rfc-editor.org/rfc/rfc8122#section-5
    WeakFingerprint {
        /// The hash function.
        hash: Text,
    },
    /// The peer does ICE and this stream of ours does not.
    IceIgnored,
    /// The peer wrote `c=0.0.0.0`: nothing may be sent to it ([RFC 3264 §8.4]).
    ///
    /// [RFC 3264 §8.4]: https://www.rfc-editor.org/rfc/rfc3264#section-8.4
    HeldByAddress,
    /// The peer's `a=crypto` with this tag is used.
    CryptoChosen {
        /// Its tag.
        tag: u32,
        /// Its suite.
        suite: Text,
    },
    /// The peer's `a=crypto` line was passed over: a suite we lack, or one that is not valid.
    CryptoPassedOver {
        /// Its tag, when it could be read.
        tag: Option<u32>,
    },
    /// `a=crypto` on an unencrypted transport means nothing ([RFC 4568 §6]).
    ///
    /// [RFC 4568 §6]: https://www.rfc-editor.org/rfc/rfc4568#section-6
    CryptoIgnored,
    /// An attribute could not be read and was left out of account.
    AttributeUnreadable(crate::AttributeError),
    /// Something in the peer's description breaks a rule that we can live with.
    Tolerated(&'static str),
    /// The m-line is refused, or could not be used.
    Refused(Refused),
}

/// Why an m-line was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Its port is 0 in the offer.
    #[error("the offerer disabled it")]
    DisabledByOfferer,
    /// Its port is 0 in the answer.
    #[error("the answerer refused it")]
    RefusedByAnswerer,
    /// One of its lines cannot be read ([`Media::problem`](crate::Media::problem)); the other sections stand.
    #[error("it has a line that cannot be read: {0}")]
    Unreadable(ParseError),
    /// We have no (further) stream of that kind.
    #[error("no such stream is wanted")]
    NotWanted,
    /// Its transport protocol is none we know.
    #[error("its transport protocol is not supported")]
    UnknownTransport,
    /// It is unencrypted, and our policy requires SRTP.
    #[error("it is not encrypted and our policy requires SRTP")]
    NotEncrypted,
    /// It is encrypted, and our policy is not to.
    #[error("it is encrypted and SRTP is switched off")]
    Encrypted,
    /// It has no `a=crypto` that is valid and that we support ([RFC 4568 §5.1.2]).
    ///
    /// [RFC 4568 §5.1.2]: https://www.rfc-editor.org/rfc/rfc4568#section-5.1.2
    #[error("none of its a=crypto lines is valid and supported")]
    NoUsableCrypto,
    /// DTLS is wanted and `a=fingerprint` or `a=setup` is missing or unreadable.
    #[error("it has no usable fingerprint and setup for DTLS")]
    NoUsableFingerprint,
    /// The answer's transport protocol is clear where ours is encrypted, or the other way round.
    #[error("the answer changed between clear and encrypted")]
    TransportChanged,
    /// The answer's media type is another than the offer's ([RFC 3264 §6.1]).
    ///
    /// [RFC 3264 §6.1]: https://www.rfc-editor.org/rfc/rfc3264#section-6.1
    #[error("the answer changed the media type")]
    MediaTypeChanged,
    /// No codec is in both lists ([RFC 3264 §6.1]).
    ///
    /// [RFC 3264 §6.1]: https://www.rfc-editor.org/rfc/rfc3264#section-6.1
    #[error("no codec in common")]
    NoCommonCodec,
    /// It wants RTP and RTCP on one port or not at all, and we do not ([RFC 8858 §4.3]).
    ///
    /// [RFC 8858 §4.3]: https://www.rfc-editor.org/rfc/rfc8858#section-4.3
    #[error("it wants RTCP on RTP's port, and we do not")]
    RtcpMuxOnly,
    /// It may only live in a bundle, and there is none for it ([RFC 9143 §6]).
    ///
    /// [RFC 9143 §6]: https://www.rfc-editor.org/rfc/rfc9143#section-6
    #[error("it is bundle-only and there is no bundle for it")]
    BundleOnly,
    /// Its address is a multicast group.
    #[error("its address is multicast")]
    Multicast,
    /// It has no `c=` line, nor has the session.
    #[error("it has no address")]
    NoAddress,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} m-line {}: ", self.kind, self.media.saturating_add(1))?;
        if self.why == Why::Refused(Refused::NotWanted) {
            return write!(f, "refused: {} not wanted", self.kind);
        }
        self.why.fmt(f)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen { codec } => {
                write!(f, "{codec} chosen, the first of the peer's list that we have")
            }
            Self::Beside { codec } => write!(f, "{codec} taken too"),
            Self::NotAnswered { codec } => write!(f, "{codec} not used: the answer leaves it out"),
            Self::OfferedTwice { codec } => write!(f, "{codec} refused: it is in the list twice"),
            Self::NoCodecAtRate { codec } => write!(f, "{codec} refused: no codec taken has its clock rate"),
            Self::NoMapping { format } => write!(f, "format {format} refused: nothing says what it is"),
            Self::NotInOurList { codec } => write!(f, "{codec} refused: not in our list"),
            Self::ParametersDiffer { codec } => write!(f, "{codec} refused: its parameters exclude ours"),
            Self::Direction { agreed, peer, wanted } => {
                write!(f, "{agreed}, since the peer says {peer} and we want {wanted}")
            }
            Self::NoBandwidth => f.write_str("nothing is sent, since the peer's bandwidth is 0"),
            Self::RtcpMux { agreed: true } => f.write_str("RTCP goes over the port of RTP"),
            Self::RtcpMux { agreed: false } => {
                f.write_str("RTCP has a port of its own, since only one side wants to share RTP's")
            }
            Self::Bundled { with } => write!(f, "shares the transport of m-line {}", with.saturating_add(1)),
            Self::NotBundled => f.write_str("has a transport of its own, though offered in a bundle"),
            Self::DtlsRole { role: DtlsRole::Client } => {
                f.write_str("SRTP with keys from DTLS, which we begin")
            }
            Self::DtlsRole { role: DtlsRole::Server } => {
                f.write_str("SRTP with keys from DTLS, which the peer begins")
            }
            Self::WeakFingerprint { hash } => write!(f, "fingerprint passed over: {hash} is broken"),
            Self::IceIgnored => f.write_str("ICE left out: we do none on this stream"),
            Self::HeldByAddress => {
                f.write_str("nothing is sent, since the peer's address is nowhere, as 0.0.0.0 is")
            }
            Self::CryptoChosen { tag, suite } => write!(f, "SRTP with crypto tag {tag}, {suite}"),
            Self::CryptoPassedOver { tag: Some(tag) } => {
                write!(f, "crypto tag {tag} passed over: not supported")
            }
            Self::CryptoPassedOver { tag: None } => f.write_str("a crypto line passed over: not readable"),
            Self::CryptoIgnored => f.write_str("crypto ignored: the transport is not an SRTP one"),
            Self::AttributeUnreadable(error) => write!(f, "left out of account: {error}"),
            Self::Tolerated(what) => write!(f, "tolerated: {what}"),
            Self::Refused(refused) => write!(f, "refused: {refused}"),
        }
    }
}

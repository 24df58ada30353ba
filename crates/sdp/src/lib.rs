//! Session descriptions ([RFC 8866]) and offer/answer ([RFC 3264]): what a call's two sides say about their media, and what
//! follows from it. No I/O, no clock, no randomness, no SIP.
//!
//! An offer is answered from the offer and our [`Capabilities`] alone; the [`Agreement`] says where to send what, and each
//! decision leaves a [`Reason`]:
//!
//! ```
//! use sdp::{Capabilities, Codec, MediaKind, Negotiation, SessionDescription, Stream};
//!
//! let offer = SessionDescription::parse(
//!     "v=0\r\n\
//!      o=alice 2890844526 2890844526 IN IP4 198.51.100.1\r\n\
//!      s=-\r\n\
//!      c=IN IP4 198.51.100.1\r\n\
//!      t=0 0\r\n\
//!      m=audio 49170 RTP/AVP 9 8 96\r\n\
//!      a=rtpmap:96 telephone-event/8000\r\n\
//!      m=video 51372 RTP/AVP 31\r\n",
//! )?;
//!
//! // We can do G.711 on port 4000, and begin a session of our own.
//! let audio = Stream::audio(4000).codecs([Codec::pcmu(), Codec::pcma()]);
//! let capabilities = Capabilities::new([192, 0, 2, 1].into()).stream(audio);
//! let mut negotiation = Negotiation::new(3_890_844_526);
//! let answer = negotiation.answer(&offer, &capabilities)?;
//!
//! let agreed = answer.agreement.first(MediaKind::Audio).expect("audio was accepted");
//! assert_eq!(agreed.remote_rtp_address(), Some("198.51.100.1:49170".parse()?));
//! assert_eq!(agreed.codec().map(|codec| (&*codec.name, codec.send)), Some(("PCMA", 8)));
//! assert_eq!(agreed.telephone_event().map(|event| event.send), Some(96));
//!
//! assert!(answer.description.to_text().ends_with("m=video 0 RTP/AVP 31\r\n"));
//! let reasons: Vec<String> = answer.reasons.iter().map(ToString::to_string).collect();
//! assert_eq!(reasons[0], "audio m-line 1: G722 refused: not in our list");
//! assert_eq!(reasons[1], "audio m-line 1: PCMA chosen, the first of the peer's list that we have");
//! assert_eq!(reasons.last().map(String::as_str), Some("video m-line 2: refused: video not wanted"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What is read keeps its unknown attributes; known ones are read on demand as [typed values](attribute), and a line that cannot
//! be read spoils [its media section](Media::problem) alone, so that one bad line does not lose a call. [`Limits`] bound what a
//! peer may send. `Debug` of any type here shows no keys and no passwords.
//!
//! [RFC 8866]: https://www.rfc-editor.org/rfc/rfc8866
//! [RFC 3264]: https://www.rfc-editor.org/rfc/rfc3264

mod agreement;
pub mod attribute;
mod bandwidth;
mod capabilities;
mod check;
mod connection;
mod error;
mod few;
mod grammar;
mod limits;
mod media;
mod negotiate;
mod origin;
mod parse;
pub mod payload;
mod reason;
mod session;
mod text;
mod time;
mod write;

pub use agreement::{
    Agreed, AgreedCodec, AgreedEvent, AgreedMedia, Agreement, DtlsRole, RemoteIce, Security,
};
pub use attribute::{Attribute, Attributes, Crypto, Direction, TypedAttribute};
pub use bandwidth::Bandwidth;
pub use capabilities::{Capabilities, Codec, Ice, MediaKind, SrtpPolicy, Stream};
pub use check::Breach;
pub use connection::{Address, Connection};
pub use error::{AttributeError, BuildError, ParseError};
pub use few::Few;
pub use limits::Limits;
pub use media::{Media, Protocol};
pub use negotiate::{Accepted, Answer, Negotiation, NegotiationError, Offer};
pub use origin::Origin;
pub use reason::{Reason, Refused, Why};
pub use session::SessionDescription;
pub use text::Text;
pub use time::{Repeat, Time, adjustments};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! Session descriptions (RFC 8866) and offer/answer (RFC 3264).

pub mod agreement;
pub mod attribute;
mod capabilities;
mod connection;
mod error;
mod few;
mod grammar;
mod limits;
mod media;
pub mod negotiate;
mod parse;
pub mod payload;
mod reason;
mod session;
mod text;
mod write;

pub use agreement::{
    Agreed, AgreedCodec, AgreedEvent, AgreedMedia, Agreement, DtlsRole, RemoteIce, Security,
};
pub use attribute::{Attribute, Attributes, Crypto, Direction, TypedAttribute};
pub use capabilities::{Capabilities, Codec, Ice, MediaKind, SrtpPolicy, Stream};
pub use connection::{Address, Connection};
pub use error::{AttributeError, BuildError, ParseError};
pub use few::Few;
pub use limits::Limits;
pub use media::{Media, Protocol};
pub use negotiate::{Accepted, Answer, Negotiation, NegotiationError, Offer};
pub use reason::{Reason, Refused, Why};
pub use session::{Bandwidth, Origin, SessionDescription, Time};
pub use text::Text;

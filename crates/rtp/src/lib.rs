//! RTP and RTCP packets, sources, jitter buffer and reports (RFC 3550).

#[cfg(feature = "tokio")]
pub mod driver;
mod error;
mod extension;
pub mod jitter_buffer;
pub mod packet;
pub mod payload;
pub mod report;
pub mod rtcp;
pub mod seq;
pub mod session;
pub mod source;
pub mod telephone_event;
mod time;
mod wire;

pub use error::{BuildError, PacketError};
pub use extension::{Element, Elements, Extension};
pub use jitter_buffer::{JitterBuffer, JitterConfig};
pub use packet::{Packet, PacketBuilder};
pub use session::{RtpSession, SessionConfig};
pub use source::Source;
pub use time::{ClockRate, NtpTime, RtpTime, from_short_ntp, short_ntp};

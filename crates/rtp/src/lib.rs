//! RTP and RTCP packets, sources, jitter buffer and reports (RFC 3550).

mod error;
mod extension;
pub mod packet;
pub mod payload;
pub mod seq;
pub mod telephone_event;
mod time;
mod wire;

pub use error::{BuildError, PacketError};
pub use extension::{Element, Elements, Extension};
pub use packet::{Packet, PacketBuilder};
pub use time::{ClockRate, NtpTime, RtpTime, from_short_ntp, short_ntp};

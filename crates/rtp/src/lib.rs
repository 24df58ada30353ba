//! RTP and RTCP ([RFC 3550]): packets, sources, telephone events, a jitter buffer, reports, and a session of all of these.
//!
//! Each part stands alone. [`Packet`] and [`rtcp::Compound`] are checked views over received octets,
//! [`PacketBuilder`] and [`rtcp::CompoundBuilder`] write into a buffer of the caller's; [`Source`] judges and measures
//! what one sender sends; [`JitterBuffer`] decides when it is played; [`telephone_event`] sends and hears digits;
//! [`report::ReportSchedule`] says when RTCP is due. [`RtpSession`] joins them for a call:
//!
//! ```
//! use rtp::session::{Input, Outgoing};
//! use rtp::jitter_buffer::Pop;
//! use rtp::{RtpSession, SessionConfig};
//! use std::time::{Duration, Instant};
//!
//! let start = Instant::now();
//! let mut alice = RtpSession::new(start, SessionConfig::default(), [1; 32]); // seeds: from the system, in earnest
//! let mut bob = RtpSession::new(start, SessionConfig::default(), [2; 32]);
//! let from = "192.0.2.1:4000".parse()?;
//!
//! let mut buffer = [0; 200];
//! let mut heard = 0;
//! for frame in 0..50 {
//!     let now = start + Duration::from_millis(20) * frame;
//!     let silence = Outgoing { payload_type: 0, marker: false, payload: &[0xFF; 160], ticks: 160 };
//!     let len = alice.send(now, silence, &mut buffer)?;           // to the socket, through SRTP if need be
//!     bob.handle_input(now, Input::datagram(&buffer[..len], from)); // from the socket, likewise
//!     if let Pop::Frame(frame) = bob.play(now) {
//!         heard += frame.payload.len();                           // to the decoder
//!     }
//! }
//! assert!(heard > 47 * 160);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Nothing here reads a clock, a socket or a random source, but for the `driver` behind the feature `tokio`:
//! time comes in as `now`, randomness as a seed. Reading, writing, and the way of a packet through a session and its
//! jitter buffer do not allocate. Codecs, concealment, encryption and the choice of addresses are left to others.
//!
//! [RFC 3550]: https://www.rfc-editor.org/rfc/rfc3550

pub mod comfort_noise;
#[cfg(feature = "tokio")]
pub mod driver;
mod error;
mod extension;
pub mod jitter_buffer;
pub mod packet;
pub mod payload;
pub mod redundancy;
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

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

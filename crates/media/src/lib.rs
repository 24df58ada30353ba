//! The media path of a call: SDP plan, SRTP, RTP, jitter buffer, codecs, digits.

mod agreement;
mod codec;
mod concealment;
#[cfg(feature = "tokio")]
pub mod driver;
mod impairment;
pub mod measure;
mod plan;
mod playout;
mod port;
mod random;
pub mod session;
mod source;
mod statistics;
mod tone;
pub mod wav;

use std::time::Duration;

pub use agreement::{AgreedCodec, Agreement, PayloadTypes, SrtpKeys};
pub use codec::{Codec, CodecId};
pub use impairment::Impairment;
pub use plan::{Capabilities, Plan, PlanError, SrtpPolicy};
pub use port::Latching;
pub use session::{Config, Event, Input, Output, Session};
pub use source::{PlaybackId, Source};
pub use statistics::{Statistics, mean_opinion_score};
pub use tone::Tone;

/// Samples a second of all audio here.
pub const SAMPLE_RATE_HZ: u32 = 8_000;
/// Samples in a [`Frame`].
pub const FRAME_SAMPLES: usize = 160;
/// How long a [`Frame`] lasts.
pub const FRAME_DURATION: Duration = Duration::from_millis(20);

/// 20 ms of audio: linear samples, mono, 8000 a second.
pub type Frame = [i16; FRAME_SAMPLES];

//! media
mod concealment;
mod impairment;
pub mod measure;
mod playout;
mod port;
mod random;
mod statistics;
mod tone;
pub mod wav;
pub use impairment::Impairment;
pub use port::Latching;
pub use statistics::{Statistics, mean_opinion_score};
pub use tone::Tone;
/// rate
pub const SAMPLE_RATE_HZ: u32 = 8_000;
/// frame
pub const FRAME_SAMPLES: usize = 160;

//! The media path of a call, without SIP: offer and answer for one audio stream ([`Plan`]), and the stream itself
//! ([`Session`]): demultiplexing, SRTP, RTP, jitter buffer, codec, 20 ms frames, and back.
//!
//! Both are cores without I/O; `driver` (feature `tokio`) runs a session on sockets. One call, whole:
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! use media::session::Component;
//! use media::{Capabilities, Config, Event, Input, Output, Plan, Session, SrtpPolicy, measure};
//! use sdp::Direction;
//!
//! // Offer and answer; SIP would carry them.
//! let capabilities = Capabilities::default().srtp(SrtpPolicy::Required);
//! let (alice_at, bob_at) = ("192.0.2.1:4000".parse()?, "192.0.2.2:6000".parse()?);
//! let mut alice_plan = Plan::new(capabilities.clone(), alice_at, [1; 32]); // seeds from the system in real life
//! let mut bob_plan = Plan::new(capabilities, bob_at, [2; 32]);
//! let offer = alice_plan.offer(Direction::SendRecv);
//! let answer = bob_plan.answer(&offer)?;
//! alice_plan.accept(&answer)?;
//!
//! // Two sessions, and what was agreed.
//! let mut now = Instant::now();
//! let mut alice = Session::new(now, Config::default(), [3; 32]);
//! let mut bob = Session::new(now, Config::default(), [4; 32]);
//! alice.apply(now, alice_plan.agreement().expect("just accepted").clone());
//! bob.apply(now, bob_plan.agreement().expect("just answered").clone());
//!
//! // Three seconds of call: the loop of a driver, with a network that delivers at once.
//! let sent = measure::test_signal(Duration::from_secs(2), 1);
//! alice.play(sent.clone());
//! alice.send_digits("7")?;
//! bob.deliver_frames(true);
//! let (mut heard, mut digits) = (Vec::new(), String::new());
//! for _ in 0..150 {
//!     alice.handle_timeout(now);
//!     while let Some(output) = alice.poll_output() {
//!         if let Output::Transmit(transmit) = output && transmit.component == Component::Rtp {
//!             let bytes = transmit.bytes;
//!             bob.handle_input(now, Input::Datagram { component: Component::Rtp, source: alice_at, bytes });
//!         }
//!     }
//!     bob.handle_timeout(now);
//!     while let Some(output) = bob.poll_output() {
//!         match output {
//!             Output::Frame(frame) => heard.extend_from_slice(frame),
//!             Output::Event(Event::Digit { digit, .. }) => digits.push(digit),
//!             _ => {}
//!         }
//!     }
//!     now += media::FRAME_DURATION;
//! }
//! assert_eq!(digits, "7");
//! assert!(measure::compare(&sent, &heard).similarity > 0.98);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Audio is linear samples, mono, 8000 a second, everywhere in this crate.

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

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

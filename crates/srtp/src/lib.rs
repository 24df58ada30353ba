//! SRTP and SRTCP: protect and unprotect packets in place (RFC 3711).
//!
//! A [`Context`] is one direction: it takes the [`MasterKey`] of the side that sends. Where the key comes from is
//! left to others; [`sdes`] reads and writes it in the form of an `a=crypto` line.
//!
//! ```
//! use srtp::{Context, MasterKey, Profile, UnprotectError};
//!
//! let profile = Profile::AesCm128HmacSha1_80;
//! let random = [7; 64]; // from the system's random source in real life
//! let key = MasterKey::generate(profile, &random)?;
//! let mut sender = Context::new(profile, &key)?;
//! let mut receiver = Context::new(profile, &key)?;
//!
//! let rtp = [0x80, 0, 0x12, 0x34, 0, 0, 0, 160, 0xca, 0xfe, 0xba, 0xbe, b'h', b'i'];
//! let mut packet = rtp.to_vec();
//! sender.protect_rtp(&mut packet)?;
//! assert_eq!(packet.len(), rtp.len() + sender.rtp_overhead());
//!
//! let copy = packet.clone();
//! receiver.unprotect_rtp(&mut packet)?;
//! assert_eq!(packet, rtp);
//! assert_eq!(receiver.unprotect_rtp(&mut copy.clone()), Err(UnprotectError::Replayed));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod auth;
mod cipher;
mod context;
mod error;
mod header;
mod index;
mod kdf;
mod key;
mod profile;
mod replay;
pub mod sdes;

pub use context::{Config, Context};
pub use error::{KeyError, ProtectError, UnprotectError};
pub use key::MasterKey;
pub use profile::Profile;
pub use sdes::SdesError;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

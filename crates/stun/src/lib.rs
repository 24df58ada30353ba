//! A STUN client without I/O (RFC 8489), on stun-rs.
//!
//! [`StunClient`] is the core: it takes the time and datagrams, and gives datagrams and events. [`demux`] tells STUN
//! from RTP, DTLS and others on the same port, [`responder`] answers Binding requests, [`message`] and [`auth`] are
//! for who needs more. With the feature `tokio`, `driver` runs a client on a socket.
//!
//! ```
//! use std::time::Instant;
//! use stun::{Config, Event, Input, Output, StunClient, responder};
//!
//! let now = Instant::now();
//! let seed = [7; 32]; // from the system's random source in real life
//! let mut client = StunClient::new(Config::default(), seed);
//! let server = "198.51.100.1:3478".parse()?;
//! let request = client.binding(now, server)?;
//!
//! // What the client sends, a NAT gives another address, and the server answers.
//! let seen_as = "203.0.113.7:40000".parse()?;
//! let Some(Output::Transmit(transmit)) = client.poll_output() else { panic!("a request is due") };
//! let response = responder::respond(&transmit.bytes, seen_as).expect("a request is answered");
//!
//! client.handle_input(now, Input::Datagram { from: server, bytes: &response });
//! let event = Event::Mapped { request, address: seen_as };
//! assert_eq!(client.poll_output(), Some(Output::Event(event)));
//! assert_eq!(client.poll_timeout(), None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod auth;
mod client;
pub mod demux;
#[cfg(feature = "tokio")]
pub mod driver;
pub mod message;
mod request;
pub mod responder;
mod wire;

pub use auth::Credentials;
pub use client::{Config, Event, Failure, Input, Output, RequestError, RequestId, StunClient, Transmit};
pub use request::Timing;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

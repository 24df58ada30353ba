//! SIP transactions and transports ([RFC 3261 §17] and [RFC 3261 §18], with [RFC 6026]).
//!
//! [`TransactionLayer`] is a core without I/O: datagrams, connections, DNS answers and the time come in, bytes to send and
//! events come out. [`driver`] (feature `tokio`, with `tls` also TLS, with `ws` WebSocket) connects it to real sockets.
//!
//! ```
//! use std::time::Instant;
//! use bytes::Bytes;
//! use sip_msg::{Response, StatusCode};
//! use sip_txn::{Action, Config, Event, Flow, Input, Output, TransactionLayer, Transport};
//!
//! let local = "192.0.2.1:5060".parse()?;
//! let mut layer = TransactionLayer::new(Config::new([7; 32]).listen(Transport::Udp, local));
//!
//! // A datagram comes in, as a driver would hand it over,
//! let flow = Flow::new(Transport::Udp, local, "192.0.2.9:5070".parse()?);
//! let bytes = Bytes::from_static(
//!     b"OPTIONS sip:bob@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK1;rport\r\n\
//!       From: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: x\r\n\
//!       CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\r\n",
//! );
//! let now = Instant::now();
//! layer.handle_input(now, Input::Datagram { flow, bytes });
//!
//! // is a request that we answer,
//! let Some(Output::Event(Event::Request { server, request, .. })) = layer.poll_output() else { panic!() };
//! let response = Response::answer(&request, StatusCode::OK).to_tag("2").build();
//! layer.respond(now, server, response)?;
//!
//! // and the answer goes back to where it came from.
//! let Some(Output::Action(Action::Transmit(sent))) = layer.poll_output() else { panic!() };
//! assert_eq!(sent.flow, flow);
//! assert!(sent.bytes.starts_with(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK1;rport=5070;"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [RFC 3261 §17]: https://www.rfc-editor.org/rfc/rfc3261#section-17
//! [RFC 3261 §18]: https://www.rfc-editor.org/rfc/rfc3261#section-18
//! [RFC 6026]: https://www.rfc-editor.org/rfc/rfc6026

mod config;
mod counters;
#[cfg(feature = "tokio")]
pub mod driver;
mod error;
mod event;
#[cfg(test)]
mod exploration;
mod flows;
#[cfg(feature = "tls")]
mod identity;
mod invite_client;
mod invite_server;
mod keep_alive;
mod key;
mod layer;
mod locate;
mod naming;
mod non_invite_client;
mod non_invite_server;
mod outbox;
mod penalty;
mod slab;
mod stun;
mod timer;
mod transport;

pub use config::{Admission, Config, Direction, Limits, Tap};
pub use counters::Counters;
pub use error::{RequestError, RespondError};
pub use event::{
    Action, Answer, ClientId, ConnectId, Ending, Event, Input, NaptrRecord, Output, QueryId, Question,
    ServerId, SrvRecord,
};
#[cfg(feature = "tls")]
pub use identity::ServerVerifier;
pub use ipnet::IpNet;
pub use layer::{NextHop, SendOptions, TransactionLayer};
pub use naming::Name;
pub use timer::{Timer, Timing};
pub use transport::{Flow, Transmit, Transport};

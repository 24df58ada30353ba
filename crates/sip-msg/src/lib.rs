//! SIP messages: read, inspect, edit and build them ([RFC 3261]). No state, no I/O, no `unsafe`.
//!
//! A received message is one buffer and a small vector of fields that point into it: two allocations, and one more
//! each time that 16 fields double. Only broken framing fails the parse; a header is read as its type when you ask for it, so a server can
//! answer 400 with the peer's own Via, From, To, Call-ID and CSeq. What you do not touch is written out byte for byte.
//!
//! ```
//! use sip_msg::{
//!     CSeq, CallId, CallerId, Contact, From, Limits, Message, Method, Request, Response, Route, StatusCode, To, Uri,
//!     Via,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Read.
//! let datagram: &[u8] = b"INVITE sip:bob@192.0.2.4 SIP/2.0\r\n\
//!     Via: SIP/2.0/UDP pc33.atlanta.example.com;branch=z9hG4bKnashds8;rport\r\n\
//!     v: SIP/2.0/UDP [2001:db8::9];branch=z9hG4bK77,\r\n SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK78\r\n\
//!     f: \"Alice\" <sip:alice@atlanta.example.com>;tag=1928301774\r\n\
//!     t: Bob <sip:bob@biloxi.example.com>\r\n\
//!     i: a84b4c76e66710\r\n\
//!     CSeq: 314159 INVITE\r\n\
//!     Max-Forwards: 70\r\n\
//!     m: <sip:alice@pc33.atlanta.example.com>\r\n\
//!     l: 0\r\n\r\n";
//! let Message::Request(mut request) = Message::parse(datagram, &Limits::default())? else { panic!() };
//! request.check()?; // the mandatory headers are there and well formed
//!
//! // Inspect: typed headers, across lines, folds, commas and compact names.
//! assert_eq!(*request.method(), Method::INVITE);
//! let from = request.headers().require::<From>()?;
//! assert_eq!(from.display_name(), Some("Alice"));
//! assert_eq!(from.uri().user().as_deref(), Some("alice"));
//! assert_eq!(format!("{:?}", CallerId::from(&from)), "*lice@atlanta.example.com"); // safe for logs
//! assert_eq!(request.headers().all::<Via>().count(), 3);
//! assert_eq!(request.headers().get::<Route>()?, None);
//!
//! // Edit: what came in stays as it was, but for these lines.
//! let mut via = request.headers().require::<Via>()?;
//! via.set_received("192.0.2.1".parse()?);
//! via.set_rport(Some(5060));
//! request.headers_mut().replace_front(&via);
//! request.headers_mut().push_front(&Via::new("UDP", "proxy.example.com".parse::<sip_msg::Host>()?, "z9hG4bKp1"));
//! assert!(request.to_bytes().windows(4).any(|line| line == b"\r\nf:"));
//!
//! // Build.
//! let bob: Uri = "sip:bob@biloxi.example.com;transport=tcp".parse()?;
//! let bye = Request::builder(Method::BYE, &bob)
//!     .header(&From::new("sip:alice@atlanta.example.com".parse::<Uri>()?).with_tag("1928301774"))
//!     .header(&To::new(bob.clone()).with_tag("a6c85cf"))
//!     .header(&CallId::from("a84b4c76e66710"))
//!     .header(&CSeq::new(314_160, Method::BYE))
//!     .build();
//! assert!(bye.to_bytes().starts_with(b"BYE sip:bob@biloxi.example.com;transport=tcp SIP/2.0\r\nMax-Forwards: 70\r\n"));
//! let ringing = Response::answer(&request, StatusCode::RINGING).to_tag("a6c85cf").header(&Contact::new(bob)).build();
//! assert_eq!(ringing.headers().all::<Via>().count(), 4);
//! # Ok(())
//! # }
//! ```
//!
//! - **Values**: [`Uri`] (with the comparison of §19.1.4), [`NameAddr`], [`Params`], [`Host`], [`Text`], which shares
//!   the buffer until [`Text::detach`], [`Method`] and [`StatusCode`], whose constants can be matched.
//! - **Headers**: every typed header implements [`TypedHeader`], and so can one of yours; [`HeaderName`] knows the
//!   registered names, compact forms and which may be joined by commas. Any other header is kept and reachable through
//!   [`Headers::raw`].
//! - **Streams**: [`Framer`] cuts TCP and TLS into messages and keep-alives; [`Limits`] bounds what a peer can make us
//!   hold.
//! - **Bad messages**: [`Message::salvage`] reads enough to answer, [`Message::check`] and [`Request::check_uas`] say what
//!   a server must refuse and with which status, [`Message::problems`] lists everything that is wrong, with the byte.
//! - **Bodies** are bytes; [`Multipart`] and [`Fragment`] (`message/sipfrag`) read the two kinds that SIP itself needs.
//!
//! Transactions, transports and dialogs are left to the crates above. With the feature `std` off (it is on by default)
//! the crate needs only `core` and `alloc`.
//!
//! [RFC 3261]: https://www.rfc-editor.org/rfc/rfc3261
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod build;
mod caller_id;
mod check;
mod error;
mod fragment;
mod framer;
mod grammar;
mod header;
mod headers;
mod host;
mod limits;
mod message;
mod method;
mod multipart;
mod params;
mod parse;
mod problems;
mod span;
mod status;
mod text;
mod uri;

pub use build::{RequestBuilder, ResponseBuilder};
pub use caller_id::CallerId;
pub use error::{CheckError, HeaderError, ParseError};
pub use fragment::Fragment;
pub use framer::{Frame, FrameError, Framer};
pub use grammar::{Cursor, Unexpected};
pub use header::{name::HeaderName, *};
pub use headers::{All, Headers};
pub use host::{Host, HostPort};
pub use limits::Limits;
pub use message::{Message, Request, Response};
pub use method::Method;
pub use multipart::{Multipart, MultipartError, Part};
pub use params::{Param, Params};
pub use problems::Problem;
pub use status::{Class, StatusCode};
pub use text::Text;
pub use uri::{Scheme, Uri, UriError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

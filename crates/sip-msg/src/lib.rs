//! SIP messages: read, inspect, edit and build them (RFC 3261).
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

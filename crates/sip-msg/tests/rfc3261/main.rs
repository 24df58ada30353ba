//! Rules of RFC 3261, section by section, with the RFC's own examples.

mod agents;
mod grammar;
mod headers;
mod messages;
mod uris;

use sip_msg::{
    Accept, AcceptEncoding, AcceptLanguage, AlertInfo, Allow, AuthenticationInfo, Authorization, CSeq,
    CallId, CallInfo, CheckError, Class, Contact, ContentDisposition, ContentEncoding, ContentLanguage,
    ContentLength, ContentType, Credentials, Date, ErrorInfo, Expires, Frame, Framer, From, HeaderError,
    HeaderName, Host, HostPort, InReplyTo, Limits, MaxForwards, Message, Method, MimeVersion, MinExpires,
    Organization, ParseError, Priority, ProxyAuthenticate, ProxyAuthorization, ProxyRequire, RecordRoute,
    ReplyTo, Request, Require, Response, RetryAfter, Route, Scheme, Server, StatusCode, Subject, Supported,
    Timestamp, To, TypedHeader, Unsupported, Uri, UserAgent, Via, Warning, WwwAuthenticate,
};

fn parse(text: impl Into<Vec<u8>>) -> Result<Message, ParseError> {
    Message::parse(text.into(), &Limits::default())
}

fn request(lines: &str) -> Request {
    let message =
        parse(format!("INVITE sip:bob@biloxi.com SIP/2.0\r\n{lines}\r\n\r\n")).expect("well framed");
    message.as_request().expect("a request").clone()
}

fn read<H: TypedHeader>(value: &str) -> H {
    let message = request(&format!("{}: {value}", H::NAME));
    message.headers().require().unwrap_or_else(|error| panic!("{value}: {error}"))
}

fn refuse<H: TypedHeader + std::fmt::Debug>(value: &str) -> HeaderError {
    let message = request(&format!("{}: {value}", H::NAME));
    match message.headers().require::<H>() {
        Ok(header) => panic!("{value}: {header:?}"),
        Err(error) => error,
    }
}

/// All values in these lines.
fn all<H: TypedHeader>(lines: &str) -> Vec<H> {
    let message = request(lines);
    message.headers().all().collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{lines}: {error}"))
}

fn uri(text: &str) -> Uri {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// What a server answers to the message: `None` when it takes it.
fn verdict(text: impl Into<Vec<u8>>) -> Option<u16> {
    match parse(text) {
        Ok(message) => message.check().err().map(|error| error.status().code()),
        Err(error) => Some(error.status().code()),
    }
}

/// The status for what is no message at all; `None` for a message, whatever it lacks.
fn no_message(text: impl Into<Vec<u8>>) -> Option<u16> {
    parse(text).err().map(|error| error.status().code())
}

const GOOD: &str = "Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds\r\nMax-Forwards: 70\r\n\
    To: Bob <sip:bob@biloxi.com>\r\nFrom: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n\
    Call-ID: a84b4c76e66710@pc33.atlanta.com\r\nCSeq: 314159 INVITE";

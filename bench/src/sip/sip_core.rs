use super::{Parts, Peer};
use bytes::Bytes;
use sip_core::{HeaderName, SipMessage, SipMethod, message::RequestBuilder};

pub struct SipCore;

impl Peer for SipCore {
    type Message = SipMessage;

    fn parse(datagram: &Bytes) -> Option<SipMessage> {
        SipMessage::parse(std::str::from_utf8(datagram).ok()?).ok()
    }

    /// It has CSeq, and takes tag and URI out of strings; no values of the others.
    fn read(_: &SipMessage) -> usize {
        0
    }

    fn write(message: &SipMessage, out: &mut Vec<u8>) {
        *out = message.to_bytes();
    }

    fn build(parts: &Parts) -> Option<SipMessage> {
        let builder = RequestBuilder::new(SipMethod::from_str(&parts.method), &parts.uri);
        let headers = parts.headers.iter();
        let builder =
            headers.fold(builder, |builder, (name, value)| builder.header(HeaderName::from_str(name), value));
        Some(builder.body(String::from_utf8_lossy(&parts.body)).build())
    }
}

use super::{Parts, Peer};
use bytes::Bytes;
use rsipstack::sip::{
    Headers, HeadersExt, Request, SipMessage, Version, headers::make_header, headers::untyped::ToTypedHeader,
};
use std::hint::black_box;

pub struct Rsipstack;

impl Peer for Rsipstack {
    type Message = SipMessage;

    fn parse(datagram: &Bytes) -> Option<SipMessage> {
        SipMessage::try_from(&**datagram).ok()
    }

    fn read(message: &SipMessage) -> usize {
        let [from, to, via, cseq, contact] = [
            message.from_header().is_ok_and(|header| black_box(header.typed()).is_ok()),
            message.to_header().is_ok_and(|header| black_box(header.typed()).is_ok()),
            message.top_via_header().is_ok_and(|header| black_box(header.into_typed()).is_ok()),
            message.cseq_header().is_ok_and(|header| black_box(header.typed()).is_ok()),
            message.contact_header().is_ok_and(|header| black_box(header.typed()).is_ok()),
        ];
        [from, to, via, cseq, contact].map(usize::from).iter().sum()
    }

    fn write(message: &SipMessage, out: &mut Vec<u8>) {
        *out = message.to_bytes();
    }

    fn build(parts: &Parts) -> Option<SipMessage> {
        let mut headers = Headers::default();
        for (name, value) in &parts.headers {
            headers.push(make_header(name, value.clone()));
        }
        headers.push(rsipstack::sip::ContentLength::new(parts.body.len().to_string()).into());
        Some(SipMessage::Request(Request {
            method: parts.method.parse().ok()?,
            uri: parts.uri.as_str().try_into().ok()?,
            version: Version::V2,
            headers,
            body: parts.body.clone(),
        }))
    }
}

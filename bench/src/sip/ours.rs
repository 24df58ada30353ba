use super::{Parts, Peer};
use bytes::Bytes;
use sip_msg::{CSeq, Contact, From, HeaderName, Limits, Message, Method, Request, To, Uri, Via};
use std::hint::black_box;

pub struct Ours;

impl Peer for Ours {
    type Message = Message;

    fn parse(datagram: &Bytes) -> Option<Message> {
        Message::parse(datagram.clone(), &Limits::default()).ok()
    }

    fn read(message: &Message) -> usize {
        let headers = message.headers();
        let [from, to, via, cseq, contact] = [
            black_box(headers.get::<From>()).is_ok_and(|found| found.is_some()),
            black_box(headers.get::<To>()).is_ok_and(|found| found.is_some()),
            black_box(headers.get::<Via>()).is_ok_and(|found| found.is_some()),
            black_box(headers.get::<CSeq>()).is_ok_and(|found| found.is_some()),
            black_box(headers.get::<Contact>()).is_ok_and(|found| found.is_some()),
        ];
        [from, to, via, cseq, contact].map(usize::from).iter().sum()
    }

    fn write(message: &Message, out: &mut Vec<u8>) {
        message.write(out);
    }

    fn build(parts: &Parts) -> Option<Message> {
        let uri: Uri = parts.uri.parse().ok()?;
        let mut builder = Request::builder(parts.method.parse::<Method>().ok()?, &uri);
        for (name, value) in &parts.headers {
            builder = builder.raw_header(name.parse::<HeaderName>().ok()?, value).ok()?;
        }
        let mut request = builder.build();
        // The type is among the headers, where every other library has it too.
        let kind = request
            .headers()
            .raw(HeaderName::CONTENT_TYPE)
            .map(|kind| String::from_utf8_lossy(kind).into_owned());
        if let Some(kind) = kind {
            request.set_body(&kind, parts.body.clone());
        }
        Some(request.into())
    }
}

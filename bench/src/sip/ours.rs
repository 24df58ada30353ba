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
        let mut kind = "";
        for (name, value) in &parts.headers {
            let name: HeaderName = name.parse().ok()?;
            if name == HeaderName::CONTENT_TYPE {
                kind = value;
            } else {
                builder = builder.raw_header(name, value).ok()?;
            }
        }
        Some(builder.body(kind, parts.body.clone()).build().into())
    }
}

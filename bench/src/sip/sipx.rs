use super::{Parts, Peer};
use bytes::Bytes;
use sipx_sip::{
    CSeq, HeaderName, Limits, Message, Method, RequestBuilder, Uri, Via,
    headers::{ContactValue, From, To},
    parse_datagram,
};
use std::hint::black_box;

pub struct Sipx;

impl Peer for Sipx {
    type Message = Message;

    fn parse(datagram: &Bytes) -> Option<Message> {
        parse_datagram(datagram.clone(), &Limits::datagram()).ok()
    }

    fn read(message: &Message) -> usize {
        let headers = message.headers();
        let [from, to, via, cseq, contact] = [
            black_box(headers.typed::<From>()).is_some_and(|header| header.is_ok()),
            black_box(headers.typed::<To>()).is_some_and(|header| header.is_ok()),
            black_box(headers.typed::<Via>()).is_some_and(|header| header.is_ok()),
            black_box(headers.typed::<CSeq>()).is_some_and(|header| header.is_ok()),
            black_box(headers.typed::<ContactValue>()).is_some_and(|header| header.is_ok()),
        ];
        [from, to, via, cseq, contact].map(usize::from).iter().sum()
    }

    fn write(message: &Message, out: &mut Vec<u8>) {
        message.write_to(out);
    }

    fn build(parts: &Parts) -> Option<Message> {
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let uri = Uri::parse(bytes(&parts.uri)).ok()?;
        let mut builder = RequestBuilder::new(Method::parse(&bytes(&parts.method)), uri);
        for (name, value) in &parts.headers {
            builder = builder.header(HeaderName::parse(&bytes(name)), bytes(value)).ok()?;
        }
        Some(Message::Request(builder.body(parts.body.clone()).build()))
    }
}

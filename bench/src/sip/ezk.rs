use super::{Parts, Peer};
use bytes::Bytes;
use ezk_sip_types::{
    Headers, Method, Name, header::typed, msg::Line, msg::MessageLine, msg::PullParser, msg::RequestLine,
    parse::Parse, print::AppendCtx,
};
use std::{hint::black_box, io::Write};

pub struct Ezk;

/// The library gives lines and a map of headers; the message around them is its transport's own.
pub struct Message {
    line: MessageLine,
    headers: Headers,
    body: Bytes,
}

impl Peer for Ezk {
    type Message = Message;

    fn parse(datagram: &Bytes) -> Option<Message> {
        let mut lines = PullParser::new(datagram, 0);
        let (_, line) = MessageLine::parse(datagram)(std::str::from_utf8(lines.next()?.ok()?).ok()?).ok()?;
        let mut headers = Headers::new();
        for text in &mut lines {
            let (_, Line { name, value }) =
                Line::parse(datagram, std::str::from_utf8(text.ok()?).ok()?).ok()?;
            headers.insert(name, value);
        }
        let body = datagram.slice(lines.head_end()..);
        let length = headers.get_named::<typed::ContentLength>().map_or(body.len(), |length| length.0);
        Some(Message { line, headers, body: (length <= body.len()).then(|| body.slice(..length))? })
    }

    fn read(Message { headers, .. }: &Message) -> usize {
        let [from, to, via, cseq, contact] = [
            black_box(headers.get::<typed::FromTo>(Name::FROM)).is_ok(),
            black_box(headers.get::<typed::FromTo>(Name::TO)).is_ok(),
            black_box(headers.get_named::<typed::Via>()).is_ok(),
            black_box(headers.get_named::<typed::CSeq>()).is_ok(),
            black_box(headers.get_named::<typed::Contact>()).is_ok(),
        ];
        [from, to, via, cseq, contact].map(usize::from).iter().sum()
    }

    fn write(Message { line, headers, body }: &Message, out: &mut Vec<u8>) {
        write!(out, "{}\r\n{headers}\r\n", line.default_print_ctx()).expect("a Vec takes all");
        out.extend_from_slice(body);
    }

    fn build(parts: &Parts) -> Option<Message> {
        let mut headers = Headers::new();
        parts.headers.iter().for_each(|(name, value)| headers.insert(name.clone(), value.as_str()));
        headers.insert_named(&typed::ContentLength(parts.body.len()));
        let line = RequestLine { method: Method::from(parts.method.as_str()), uri: parts.uri.parse().ok()? };
        Some(Message { line: MessageLine::Request(line), headers, body: parts.body.clone().into() })
    }
}

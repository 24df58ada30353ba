//! The targets of `sip-msg`.

use bytes::Bytes;
use sip_msg::{
    Cursor, Frame, Framer, Headers, Limits, Message, ParseError, TypedHeader, Uri, for_each_header,
};
use std::fmt::Debug;

/// What parses is written as the same message, to the byte from then on; every header can be asked for its value.
pub fn sip_message(data: &[u8]) {
    let limits = Limits::default();
    match Message::parse(Bytes::copy_from_slice(data), &limits) {
        Ok(message) => {
            let written = message.to_bytes();
            let again = Message::parse(written.clone(), &limits).expect("what we wrote is a message");
            assert_eq!(again.to_bytes(), written);
            assert_eq!(again.headers().len(), message.headers().len());
            assert_eq!(again.body(), message.body());
            assert_eq!(again.check().is_ok(), message.check().is_ok());
            read_all(message.headers());
            if let Message::Request(request) = &message {
                let uri = request.uri();
                assert_eq!(uri.is_ok(), again.as_request().expect("still a request").uri().is_ok());
            }
        }
        Err(error) => {
            assert!(error.status().code() >= 400);
            if let Some(request) = Message::salvage(Bytes::copy_from_slice(data), &limits) {
                read_all(request.headers());
            }
        }
    }
}

/// Frames are the same whether the bytes come at once, one by one, or cut where the input says.
pub fn sip_stream(data: &[u8]) {
    let (cut, stream) = data.split_first().unwrap_or((&1, &[]));
    let limits = Limits::default().head_bytes(4096).body_bytes(4096).header_count(64);
    let whole = frames(&limits, [stream].into_iter());
    assert_eq!(whole, frames(&limits, stream.chunks(1)));
    assert_eq!(whole, frames(&limits, stream.chunks(usize::from(*cut).max(1))));
    let failures = whole.iter().filter(|frame| frame.is_err()).count();
    assert!(
        failures == 0 || (failures == 1 && whole.last().is_some_and(Result::is_err)),
        "an error ends the stream"
    );
}

fn frames<'a>(limits: &Limits, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Result<Frame, ParseError>> {
    let mut framer = Framer::new(limits.clone());
    let mut frames = Vec::new();
    for piece in pieces {
        framer.push(piece);
        while let Some(frame) = framer.next() {
            // How much was read when the error showed is up to the split.
            frames.push(frame.map_err(|failure| failure.error));
        }
    }
    frames
}

macro_rules! each_header {
    ($($header:ident)*) => {
        fn read_all(headers: &Headers) {
            $( headers.all::<sip_msg::$header>().for_each(drop); )*
        }

        /// The first byte picks a typed header; what it reads is written so that it reads the same.
        pub fn sip_header(data: &[u8]) {
            let Some((choice, value)) = data.split_first() else { return };
            let checks: &[fn(&[u8])] = &[$( check::<sip_msg::$header> ),*];
            checks[usize::from(*choice) % checks.len()](value);
        }
    };
}

for_each_header!(each_header);

fn check<H: TypedHeader + PartialEq + Debug>(value: &[u8]) {
    let Some(header) = read::<H>(value) else { return };
    let written = header.to_string();
    let again = read::<H>(written.as_bytes());
    assert_eq!(again.as_ref(), Some(&header), "written as {written:?}");
    let mut headers = Headers::new();
    headers.push(&header);
    assert_eq!(headers.len(), 1, "a value must not become two headers");
}

fn read<H: TypedHeader>(value: &[u8]) -> Option<H> {
    let bytes = Bytes::copy_from_slice(value);
    let mut cursor = Cursor::new(&bytes);
    H::parse(&mut cursor).ok().filter(|_| cursor.is_at_end())
}

/// A URI is written so that it reads the same, and is equivalent to itself.
pub fn sip_uri(data: &[u8]) {
    let Ok(uri) = Uri::parse(Bytes::copy_from_slice(data)) else { return };
    let written = uri.to_string();
    let again = Uri::parse(written.clone()).expect("what we wrote is a URI");
    assert_eq!(again, uri, "written as {written:?}");
    assert_eq!(again.to_string(), written);
    assert!(uri.equivalent(&again) && again.equivalent(&uri));
}

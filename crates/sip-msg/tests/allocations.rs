//! The promise: two allocations for a parsed message of up to 16 header fields, and none to write one into a used buffer.

use std::fs;

use allocation_counter::measure;
use bytes::Bytes;
use sip_msg::{CSeq, CallId, Limits, MaxForwards, Message, Method};

fn samples() -> Vec<(String, Bytes)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/samples");
    let files = fs::read_dir(folder).expect("the samples").map(|file| file.expect("a file").path());
    files.map(|path| (path.display().to_string(), fs::read(&path).expect("a file").into())).collect()
}

#[test]
fn a_message_is_parsed_in_two_allocations() {
    let limits = Limits::default();
    assert!(samples().len() >= 20);
    for (name, bytes) in samples() {
        let datagram = Bytes::from(bytes.to_vec());
        let mut parsed = None;
        let info = measure(|| parsed = Some(Message::parse(datagram, &limits)));
        let message = parsed.expect("just set").expect("a good sample");
        assert!(info.count_total <= 2, "{name}: {}", info.count_total);
        assert_eq!(message.problems(), [], "{name}");
        assert_eq!(message.check(), Ok(()), "{name}");
        let copy = measure(|| drop(message.headers().get::<CSeq>()));
        assert_eq!(copy.count_total, 0, "{name}: a typed header without parameters shares the buffer");
        assert_eq!(measure(|| drop(message.headers().get::<CallId>())).count_total, 0, "{name}");
    }
}

#[test]
fn writing_into_a_used_buffer_allocates_nothing() {
    for (name, bytes) in samples() {
        let mut message = Message::parse(bytes.clone(), &Limits::default()).expect("a good sample");
        let mut out = Vec::with_capacity(8192);
        assert_eq!(measure(|| message.write(&mut out)).count_total, 0, "{name}");
        assert_eq!(out, bytes, "{name}");
        message.headers_mut().replace(&MaxForwards(69));
        out.clear();
        assert_eq!(measure(|| message.write(&mut out)).count_total, 0, "{name}");
    }
}

#[test]
fn known_names_are_not_allocated() {
    let info = measure(|| {
        assert!("call-id".parse::<sip_msg::HeaderName>().is_ok());
        assert!("INVITE".parse::<Method>().is_ok());
    });
    assert_eq!(info.count_total, 0);
}

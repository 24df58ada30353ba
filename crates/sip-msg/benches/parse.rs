//! Parse, read, write: time, throughput and allocations a message. `cargo bench -p sip-msg`
//!
//! The promise is two allocations for a parsed message of up to 16 header fields: the vector of fields, and the count of
//! those who share the buffer.

use bytes::Bytes;
use divan::{AllocProfiler, Bencher, black_box, counter::BytesCount};
use sip_msg::{
    CSeq, CallId, Contact, From, Limits, Message, Method, NameAddr, Request, Response, StatusCode, To, Uri,
    Via,
};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const NAMES: &[&str] = &[
    "desk-phone-invite",
    "three-proxies",
    "compact-invite",
    "folded-ipv6",
    "two-challenges",
    "ok-record-routes",
    "register",
    "ringing",
];

fn sample(name: &str) -> Bytes {
    let path = format!("{}/benches/samples/{name}.sip", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).expect("a sample of this name").into()
}

fn parsed(name: &str) -> Message {
    Message::parse(sample(name), &Limits::default()).expect("a good sample")
}

#[divan::bench(args = NAMES)]
fn parse(bencher: Bencher<'_, '_>, name: &str) {
    let (limits, bytes) = (Limits::default(), sample(name));
    bencher
        .counter(BytesCount::new(bytes.len()))
        .with_inputs(|| Bytes::from(bytes.to_vec()))
        .bench_values(|bytes| Message::parse(bytes, &limits));
}

#[divan::bench(args = NAMES)]
fn parse_and_read(bencher: Bencher<'_, '_>, name: &str) {
    let (limits, bytes) = (Limits::default(), sample(name));
    bencher.counter(BytesCount::new(bytes.len())).with_inputs(|| Bytes::from(bytes.to_vec())).bench_values(
        |bytes| {
            let message = Message::parse(bytes, &limits)?;
            let headers = message.headers();
            let people = (headers.get::<From>(), headers.get::<To>(), headers.get::<Contact>());
            let hop = (headers.get::<Via>(), headers.get::<CSeq>());
            drop((black_box(people), black_box(hop)));
            Ok::<_, sip_msg::ParseError>(message)
        },
    );
}

#[divan::bench(args = NAMES)]
fn write_untouched(bencher: Bencher<'_, '_>, name: &str) {
    let (message, mut out) = (parsed(name), Vec::with_capacity(8192));
    bencher.counter(BytesCount::new(sample(name).len())).bench_local(|| {
        out.clear();
        message.write(black_box(&mut out));
    });
}

fn built() -> Request {
    let alice: Uri = "sip:alice@atlanta.example.com".parse().expect("a URI");
    let bob: Uri = "sip:bob@biloxi.example.com".parse().expect("a URI");
    let host = "pc33.atlanta.example.com:5060".parse::<sip_msg::HostPort>().expect("a host");
    Request::builder(Method::INVITE, &bob)
        .header(&Via::new("UDP", host, "z9hG4bK776asdhds"))
        .header(&From::new(NameAddr::new(alice.clone()).with_display_name("Alice")).with_tag("1928301774"))
        .header(&To::new(bob))
        .header(&CallId::from("a84b4c76e66710@pc33.atlanta.example.com"))
        .header(&CSeq::new(314_159, Method::INVITE))
        .header(&Contact::new(alice))
        .body("application/sdp", Bytes::from_static(b"v=0\r\n"))
        .build()
}

#[divan::bench]
fn build() -> Request {
    built()
}

#[divan::bench]
fn write_built(bencher: Bencher<'_, '_>) {
    let (request, mut out) = (built(), Vec::with_capacity(8192));
    bencher.bench_local(|| {
        out.clear();
        request.write(black_box(&mut out));
    });
}

#[divan::bench]
fn answer(bencher: Bencher<'_, '_>) {
    let message = parsed("three-proxies");
    let request = message.as_request().expect("a request");
    bencher.bench(|| {
        Response::answer(request, StatusCode::RINGING).to_tag("a6c85cf").record_route(request).build()
    });
}

fn main() {
    divan::main();
}

//! What an attacker would send: huge and odd values cost linear time and bounded memory, and nothing panics.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use sip_msg::{
    Accept, Contact, Frame, Framer, Headers, Limits, Message, Multipart, ParseError, Part, Problem,
    Supported, To, TypedHeader, Uri, Via, for_each_header,
};

fn limits() -> Limits {
    Limits::default().head_bytes(16 << 20).header_count(1 << 20)
}

fn message(headers: &str) -> Message {
    let text = format!("OPTIONS sip:a SIP/2.0\r\n{headers}\r\n\r\n");
    Message::parse(text, &limits()).expect("well framed")
}

macro_rules! read_each {
    ($($header:ident)*) => {
        fn read_all(headers: &Headers) {
            $(
                black_box(headers.get::<sip_msg::$header>().ok());
                headers.all::<sip_msg::$header>().for_each(|value| drop(black_box(value)));
            )*
        }
    };
}

for_each_header!(read_each);

/// Panics when 64,000 pieces take as long as only quadratic code can: minutes, where linear code takes a fraction of a
/// second, also on a busy machine and without optimization.
fn assert_linear(what: &str, work: impl FnOnce(usize)) {
    #[expect(clippy::disallowed_methods, reason = "measures time")]
    let start = Instant::now();
    work(64_000);
    assert!(start.elapsed() < Duration::from_secs(15), "{what}: {:?}", start.elapsed());
}

#[test]
fn a_header_of_64_kb_of_commas_is_read_in_linear_time() {
    for name in ["Via", "Contact", "Allow", "Supported", "Accept", "Route", "Warning", "Subject"] {
        assert_linear(name, |count| read_all(message(&format!("{name}: {}", ",".repeat(count))).headers()));
    }
    let commas = message(&format!("Contact: {}", ",".repeat(65_000)));
    assert_eq!(commas.headers().all::<Contact>().count(), 1, "one error ends the line");
}

#[test]
fn ten_thousand_parameters_are_read_in_linear_time() {
    assert_linear("header parameters", |count| {
        read_all(message(&format!("To: <sip:a@b>{}", ";x=y".repeat(count))).headers())
    });
    assert_linear("URI parameters", |count| {
        let uri: Uri =
            format!("sip:a@b{}", (0..count).map(|n| format!(";p{n}=1")).collect::<String>()).parse().unwrap();
        assert!(uri.equivalent(&uri));
    });
    assert_linear("URI headers", |count| {
        let uri = |last| -> Uri { format!("sip:a@b?{}x={last}", "a=b&".repeat(count)).parse().unwrap() };
        assert!(!uri("1").equivalent(&uri("2")));
    });
    let to =
        message(&format!("To: <sip:a@b>{};tag=z", ";x=y".repeat(10_000))).headers().require::<To>().unwrap();
    assert_eq!(to.params.len(), 10_001);
    assert_eq!(to.tag().unwrap(), "z");
}

#[test]
fn a_thousand_folded_lines_are_read_in_linear_time() {
    assert_linear("folds", |count| {
        read_all(message(&format!("Via: SIP/2.0/UDP a{}", "\r\n ;x=y".repeat(count))).headers())
    });
    assert_linear("empty folds", |count| {
        read_all(message(&format!("Subject: a{}", "\r\n ".repeat(count))).headers())
    });
    let via = message(&format!("Via: SIP/2.0/UDP a{}", "\r\n\t;x=y".repeat(1_000)))
        .headers()
        .require::<Via>()
        .unwrap();
    assert_eq!(via.params.len(), 1_000);
}

#[test]
fn folds_that_end_in_a_broken_line_are_read_once() {
    // The line is wrong only at its last byte: what reads on must not begin again at each fold.
    assert_linear("folds before a bare CR", |count| {
        let text = format!("OPTIONS sip:a SIP/2.0\r\na: b\n{} \rx\r\nl: 4\r\n\r\nbody", " x\n".repeat(count));
        let mut framer = Framer::new(limits());
        framer.push(text.as_bytes());
        assert_eq!(
            framer.next(),
            Some(Ok(Frame::Message(text.clone().into()))),
            "and the next message is found"
        );
        assert!(Message::parse(text.clone(), &limits()).is_err());
        let salvaged = Message::salvage(text.clone(), &limits()).expect("a request line");
        assert_eq!(salvaged.headers().len(), 1, "Content-Length");
        black_box(Problem::find(text, &limits()));
    });
    assert_linear("folds that are cut off", |count| {
        let text = format!("OPTIONS sip:a SIP/2.0\r\na: b\n{}", " x\n".repeat(count));
        black_box(Message::salvage(text.clone(), &limits()));
        black_box(Problem::find(text, &limits()));
    });
}

#[test]
fn unterminated_quotes_and_brackets_are_refused_in_linear_time() {
    for open in ["\"", "\"\\", "<", "<sip:", "(", "((", "[", "\"a\" <", "sip:a@b;x=\""] {
        for name in ["To", "Contact", "Retry-After", "Via", "WWW-Authenticate", "Alert-Info", "Identity"] {
            assert_linear(open, |count| {
                read_all(message(&format!("{name}: {}", open.repeat(count))).headers());
                read_all(message(&format!("{name}: 1 {open}{}", "a,".repeat(count))).headers());
            });
        }
    }
    assert!(message("To: \"Mr. J. <sip:a@b>").headers().require::<To>().is_err());
}

#[test]
fn many_lines_are_read_in_linear_time() {
    assert_linear("lines", |count| {
        let message = message(&"Supported: a\r\n".repeat(count));
        assert_eq!(message.headers().require::<Supported>().unwrap().0.len(), count);
        black_box(message.problems());
    });
    assert_linear("empty lists", |count| {
        assert_eq!(message(&"Accept:\r\n".repeat(count)).headers().require::<Accept>().unwrap().0.len(), 0);
    });
}

#[test]
fn a_stream_that_drips_costs_linear_time() {
    let drip = |head: &str, count: usize| {
        let mut framer = Framer::new(limits().body_bytes(1 << 24));
        framer.push(head.as_bytes());
        for _ in 0..count {
            framer.push(b"x");
            assert_eq!(framer.next(), None);
        }
    };
    assert_linear("head", |count| drip("OPTIONS sip:a SIP/2.0\r\nSubject: ", count));
    let long_head =
        format!("OPTIONS sip:a SIP/2.0\r\nSubject: {}\r\nl: 10000000\r\n\r\n", "x".repeat(10_000));
    assert_linear("body", |count| drip(&long_head, count));
    let mut framer = Framer::new(Limits::default());
    framer.push(&b"\r\n".repeat(10_000));
    let frames = std::iter::from_fn(|| framer.next()).filter(|frame| *frame == Ok(Frame::Ping)).count();
    assert_eq!((frames, framer.pending()), (5_000, 0));
}

#[test]
fn nested_and_repeated_boundaries_cost_linear_time() {
    let content_type = message("Content-Type: multipart/mixed;boundary=b").headers().require().unwrap();
    assert_linear("boundaries", |count| {
        let body = [&b"--b\r\n\r\n".repeat(count)[..], b"--b--"].concat().into();
        assert_eq!(Multipart::parse(&content_type, &body, &limits()).unwrap().parts.len(), count);
    });
    assert_linear("boundaries that are taken", |count| {
        let taken: String = (0..count).map(|n| format!("part-{n:08}")).collect();
        let parts = vec![Part::new("text/plain", taken)];
        let (content_type, _) = Multipart { parts }.write("mixed");
        assert_eq!(content_type, format!("multipart/mixed;boundary=part-{count:08}"));
    });
    let body = b"--b\r\n\r\n".repeat(1_000).into();
    assert!(
        Multipart::parse(&content_type, &body, &Limits::default()).is_err(),
        "the number of parts has a limit"
    );
}

#[test]
fn limits_hold_and_name_their_status() {
    let limits = Limits::default();
    let parse = |text: String| Message::parse(text, &limits).map(drop);
    let start = "OPTIONS sip:a SIP/2.0\r\n";
    let error = parse(format!("{start}Subject: {}\r\n\r\n", "x".repeat(70_000))).unwrap_err();
    assert_eq!((error, error.status().code()), (ParseError::HeadTooLarge { limit: 65_536 }, 513));
    let error = parse(format!("{start}{}\r\n", "a: b\r\n".repeat(257))).unwrap_err();
    assert_eq!((error, error.status().code()), (ParseError::TooManyHeaders { limit: 256 }, 513));
    assert_eq!(parse(format!("{start}{}\r\n", "a: b\r\n".repeat(256))), Ok(()));
    let error = parse(format!("{start}\r\n{}", "x".repeat((1 << 20) + 1))).unwrap_err();
    assert_eq!((error, error.status().code()), (ParseError::BodyTooLarge { limit: 1 << 20 }, 413));
    let salvaged =
        Message::salvage(format!("{start}To: <sip:a>\r\n{}", "x: y\r\n".repeat(70_000)), &limits).unwrap();
    assert_eq!(salvaged.headers().len(), 256);
}

#[test]
fn every_prefix_of_a_message_is_refused_or_read() {
    let whole = b"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nTo: \"A\" <sip:a@b>\r\nl: 4\r\n\r\nbody";
    for end in 0..whole.len() {
        let prefix = whole[..end].to_vec();
        assert!(Message::parse(prefix.clone(), &limits()).is_err(), "{end}");
        if let Some(request) = Message::salvage(prefix, &limits()) {
            read_all(request.headers());
        }
    }
    assert!(Message::parse(whole.to_vec(), &limits()).is_ok());
    assert_eq!(Via::NAME.as_str(), "Via");
}

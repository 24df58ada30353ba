//! Properties: what is written is read back the same; what is not touched stays byte for byte; any split of a stream
//! gives the same frames; nothing a peer sends panics.

use std::fmt::Write as _;

use bytes::Bytes;
use proptest::prelude::*;
use sip_msg::{
    Contact, Cursor, Frame, FrameError, Framer, HeaderName, Headers, Limits, Message, Method, Multipart,
    Request, Response, StatusCode, TypedHeader, Uri, for_each_header,
};

/// Values that each typed header must read; one at least for each header.
fn examples(name: &HeaderName) -> &'static [&'static str] {
    match name.as_str() {
        "Via" => &[
            "SIP/2.0/UDP a.example:5060;branch=z9hG4bK1;rport",
            "SIP / 2.0 / TLS [2001:db8::1];received=::1",
        ],
        "From"
        | "To"
        | "Reply-To"
        | "Refer-To"
        | "Referred-By"
        | "P-Asserted-Identity"
        | "P-Preferred-Identity"
        | "Diversion" => &[
            "\"A. \\\"B\\\"\" <sip:a:pw@b:5070;transport=tcp?x=y>;tag=1",
            "sip:a@b;tag=2",
            "tel:+1-201-555-0123;tag=3",
            "Anna Bell <sips:a%20b@[::1]>",
            "<urn:service:sos>",
        ],
        "Contact" => &["*", "<sip:a@b>;q=0.7;expires=60;+sip.instance=\"<urn:uuid:0>\"", "sip:a@b"],
        "Call-ID" => &["a84b4c76e66710@pc33.atlanta.com", "x"],
        "CSeq" => &["1 INVITE", "2147483647 X-METHOD"],
        "Route" | "Record-Route" | "Path" | "Service-Route" | "History-Info" => {
            &["<sip:p1.example.com;lr>", "\"P\" <sip:p1>;index=1.1"]
        }
        "Retry-After" | "Session-Expires" | "Min-SE" => &["18000;duration=3600", "120"],
        "Date" => &["Sat, 13 Nov 2010 23:29:00 GMT"],
        "Timestamp" => &["54", "54.3 .5"],
        "Content-Type" => &["application/sdp", "multipart/mixed;boundary=\"a b\""],
        "MIME-Version" => &["1.0"],
        "Accept" => &["application/sdp;level=1, application/x-private, text/*", ""],
        "Warning" => &["307 isi.edu \"Session parameter 'foo' not understood\"", "399 [::1]:5060 \"x\""],
        "In-Reply-To" => &["70710@saturn.bell-tel.com, 17320@saturn.bell-tel.com"],
        "Alert-Info" | "Call-Info" | "Error-Info" | "Geolocation" => {
            &["<http://www.example.com/alice/photo.jpg>;purpose=icon", "<cid:a@b>"]
        }
        "WWW-Authenticate" | "Proxy-Authenticate" => &[
            "Digest realm=\"a, b\", nonce=\"1\", algorithm=SHA-256, qop=\"auth,auth-int\", stale=false",
            "Bearer authz_server=\"https://a\"",
        ],
        "Authorization" | "Proxy-Authorization" => &[
            "Digest username=\"a\", uri=\"sip:b\", response=\"00\", qop=auth, nc=00000001",
            "Bearer abc.def==",
        ],
        "Authentication-Info" => &["nextnonce=\"47364c23432d2e131a5fb210812c\", qop=auth"],
        "RAck" => &["776656 1 INVITE"],
        "Refer-Sub" => &["false", "true;x=y"],
        "Replaces" | "Join" => &["425928@bobster.example.org;to-tag=7743;from-tag=6472;early-only"],
        "Target-Dialog" => &["fa77as7dad8-sd98ajzz@host.example.com;local-tag=a;remote-tag=b"],
        "Privacy" => &["id;header;critical", "none"],
        "Identity" => &["eyJh.eyJk.c2ln;info=<https://biloxi.example.org/biloxi.cer>;alg=ES256"],
        "User-to-User" => &["56a390f3d2b7310023a2;encoding=hex", "\"two words\";content=isdn-uui"],
        "Resource-Priority" => &["dsn.flash, wps.3"],
        "Subject" | "Organization" | "User-Agent" | "Server" => &["Need more boxes (now); v1.2/3", ""],
        "Priority" | "SIP-ETag" | "SIP-If-Match" => &["non-urgent"],
        "Max-Forwards" | "Expires" | "Min-Expires" | "Content-Length" | "RSeq" | "Flow-Timer" => {
            &["0", "4294967295"]
        }
        "Allow" => &["INVITE, ACK, X", ""],
        "Supported" | "Require" | "Proxy-Require" | "Unsupported" | "Content-Encoding"
        | "Content-Language" | "Allow-Events" => &["100rel, timer", "a"],
        _ => &["token;a=b;c", "token"],
    }
}

fn read<H: TypedHeader>(text: &str) -> Option<H> {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    let mut cursor = Cursor::new(&bytes);
    H::parse(&mut cursor).ok().filter(|_| cursor.is_at_end())
}

/// What is read is written so that it is read the same; says whether it was read.
fn is_stable<H: TypedHeader + PartialEq + std::fmt::Debug>(text: &str) -> bool {
    let Some(header) = read::<H>(text) else { return false };
    let written = header.to_string();
    let again = read::<H>(&written);
    assert_eq!(again.as_ref(), Some(&header), "{}: {text:?} was written as {written:?}", H::NAME);
    assert_eq!(again.expect("equal above").to_string(), written);
    let mut headers = Headers::new();
    headers.push(&header);
    // What was pushed has lost CR, LF and NUL, and may so read differently, but never as more headers.
    assert_eq!(headers.len(), 1);
    true
}

macro_rules! check_examples {
    ($($header:ident)*) => {
        fn check_examples() -> usize {
            let mut count = 0;
            $(
                for example in examples(&<sip_msg::$header as TypedHeader>::NAME) {
                    assert!(is_stable::<sip_msg::$header>(example), "{}: {example:?}", stringify!($header));
                }
                count += 1;
            )*
            count
        }

        fn check_all(text: &str) {
            $( is_stable::<sip_msg::$header>(text); )*
        }

        fn read_all(headers: &Headers) {
            $( headers.all::<sip_msg::$header>().for_each(drop); )*
        }
    };
}

for_each_header!(check_examples);

// rfc: 3261 §20 — every typed header is read and written
#[test]
fn every_typed_header_reads_its_examples_and_writes_them_back() {
    assert_eq!(check_examples(), 80);
}

/// Text made of the pieces grammars are made of, so that parsers are led astray often.
fn wire_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => "[a-zA-Z0-9]{1,4}",
        1 => prop::sample::select(vec![
            "\"", "\\", "<", ">", ";", ",", "=", ":", "@", "?", "&", "%41", "%", " ", "\t", "/", "*", "(", ")", "[", "]",
            "sip:", "sips:", "tel:+1", "SIP/2.0/UDP ", "[::1]", "1", "\"a\\\"b\"", "<sip:a@b>", ";tag=x", "ü", "\0", "lr",
            "Digest ", "realm=\"a\"", ", ", "Mon, 01 Jan 2001 00:00:00 GMT", "INVITE",
        ]).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn message_bytes() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec![
        "Via", "v", "FROM", "f", "To", "Call-ID", "i", "CSeq", "Contact", "m", "Route", "X-Other", "Subject",
        "Date",
    ]);
    let space = prop::sample::select(vec!["", " ", "\t ", "\r\n ", " \r\n\t "]);
    let line = (name, space.clone(), space, wire_text()).prop_map(|(name, before, after, value)| {
        let before = before.replace("\r\n", "");
        format!("{name}{before}:{after}{value}\r\n")
    });
    let start =
        prop::sample::select(vec!["INVITE sip:a@b SIP/2.0\r\n", "SIP/2.0 200 OK\r\n", "X tel:1 SIP/2.0\r\n"]);
    (start, prop::collection::vec(line, 0..8), prop::collection::vec(any::<u8>(), 0..40)).prop_map(
        |(start, lines, body)| {
            let mut message = start.to_owned();
            for line in lines {
                message.push_str(&line);
            }
            write!(message, "l: {}\r\n\r\n", body.len()).expect("a string takes all");
            let mut bytes = message.into_bytes();
            bytes.extend(body);
            bytes
        },
    )
}

fn frames(chunks: &[&[u8]]) -> Vec<Result<Frame, FrameError>> {
    let mut framer = Framer::new(Limits::default());
    let mut frames = Vec::new();
    for chunk in chunks {
        framer.push(chunk);
        while let Some(frame) = framer.next() {
            frames.push(frame);
        }
    }
    frames
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_a_typed_header_reads_it_writes_stably(text in wire_text()) {
        check_all(&text);
    }

    // rfc: 3261 §19.1 — URIs are written as they were read
    #[test]
    fn uris_are_written_as_they_were_read(text in "(sips?|tel):[a-z0-9%+&=,;:@.?/-]{1,20}") {
        if let Ok(uri) = text.parse::<Uri>() {
            prop_assert_eq!(uri.to_string().parse::<Uri>(), Ok(uri.clone()));
            prop_assert!(uri.equivalent(&uri));
            let default = text.parse::<Uri>().expect("parsed above").with_port(uri.port());
            prop_assert_eq!(default, uri);
        }
    }

    // rfc: 3261 §7.3.1 — an element forwards what it does not touch as it came
    #[test]
    fn untouched_messages_are_forwarded_byte_for_byte(bytes in message_bytes()) {
        let message = Message::parse(bytes.clone(), &Limits::default()).expect("well framed");
        prop_assert_eq!(message.to_bytes(), bytes);
        read_all(message.headers());
        let _ = message.problems();
        let _ = message.check();
    }

    #[test]
    fn one_changed_header_leaves_the_other_lines_as_they_were(bytes in message_bytes()) {
        let mut message = Message::parse(bytes, &Limits::default()).expect("well framed");
        let others = |message: &Message| -> Vec<(HeaderName, Vec<u8>)> {
            let fields = message.headers().iter().filter(|(name, _)| **name != HeaderName::CONTACT);
            fields.map(|(name, value)| (name.clone(), value.to_vec())).collect()
        };
        let before = others(&message);
        message.headers_mut().replace(&Contact::new("sip:c@d".parse::<Uri>().expect("a URI")));
        prop_assert_eq!(&others(&message), &before);
        let again = Message::parse(message.to_bytes(), &Limits::default()).expect("our own output");
        prop_assert_eq!(others(&again), before);
        prop_assert_eq!(again.headers().all::<Contact>().count(), 1);
    }

    // rfc: 3261 §18.3 — framing does not depend on how the stream is cut
    #[test]
    fn every_split_of_a_stream_gives_the_same_frames(
        messages in prop::collection::vec(prop_oneof![3 => message_bytes(), 1 => Just(b"\r\n\r\n".to_vec())], 1..4),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let stream = messages.concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        prop_assert_eq!(frames(&chunks), frames(&[&stream]));
        prop_assert_eq!(frames(&stream.chunks(1).collect::<Vec<_>>()), frames(&[&stream]));
    }

    #[test]
    fn garbage_neither_panics_nor_splits_differently(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in any::<prop::sample::Index>()) {
        if let Ok(message) = Message::parse(bytes.clone(), &Limits::default()) {
            let _ = message.problems();
        }
        let _ = Message::salvage(bytes.clone(), &Limits::default());
        let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1));
        let whole: Vec<_> = frames(&[&bytes]).into_iter().map(|frame| frame.map_err(|error| error.error)).collect();
        let split: Vec<_> = frames(&[head, tail]).into_iter().map(|frame| frame.map_err(|error| error.error)).collect();
        prop_assert_eq!(whole, split);
    }

    #[test]
    fn nothing_that_is_set_forges_a_header(text in "[\\x00-\\x7f]{0,20}") {
        let uri: Uri = "sip:a@b".parse().expect("a URI");
        let evil = uri.clone().with_user(&text).with_param(&format!("p{text}"), Some(&text));
        let request = Request::builder(Method::OPTIONS, &evil)
            .header(&sip_msg::From::new(sip_msg::NameAddr::new(evil.clone()).with_display_name(text.as_str())).with_tag(text.as_str()))
            .header(&sip_msg::Subject::from(text.as_str()))
            .body(&text, "body")
            .build();
        let again = Message::parse(request.to_bytes(), &Limits::default()).expect("well framed");
        prop_assert_eq!(again.headers().len(), request.headers().len());
        prop_assert_eq!(again.body(), "body");
        let response = Response::answer(&request, StatusCode::OK).reason(&text).to_tag(&text).build();
        let again = Message::parse(response.to_bytes(), &Limits::default()).expect("well framed");
        prop_assert_eq!(again.headers().len(), response.headers().len());
    }

    // rfc: 2046 §5.1 — multipart bodies are read as they were written
    #[test]
    fn multipart_bodies_are_read_as_they_were_written(bodies in prop::collection::vec("[a-c\r\n-]{0,20}", 0..4)) {
        let parts = bodies.iter().map(|body| sip_msg::Part::new("text/plain", body.clone())).collect();
        let multipart = Multipart { parts };
        let (content_type, body) = multipart.write("mixed");
        let content_type = read::<sip_msg::ContentType>(&content_type).expect("our own output");
        prop_assert_eq!(Multipart::parse(&content_type, &body, &Limits::default()), Ok(multipart));
    }
}

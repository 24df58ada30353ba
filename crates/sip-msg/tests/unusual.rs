//! Messages that nobody sends twice: legal ones that look wrong, and wrong ones that look legal, each judged by the RFCs.

use sip_msg::{
    CallId, Contact, ContentType, Frame, Framer, From, Limits, Message, Multipart, Response, Route,
    StatusCode, To, Via,
};

const GOOD: &str = "INVITE sip:bob@biloxi.com SIP/2.0\r\nVia: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds\r\n\
    Max-Forwards: 70\r\nTo: Bob <sip:bob@biloxi.com>\r\nFrom: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n\
    Call-ID: a84b4c76e66710@pc33.atlanta.com\r\nCSeq: 314159 INVITE\r\nContent-Length: 0\r\n\r\n";

fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replace(from, to)
}

fn verdict(text: &str) -> Result<Message, u16> {
    let message =
        Message::parse(text.to_owned(), &Limits::default()).map_err(|error| error.status().code())?;
    message.check().map_err(|error| error.status().code())?;
    Ok(message)
}

#[test]
fn legal_messages_that_look_wrong_are_taken() {
    for (good, odd) in [
        ("INVITE sip:bob@biloxi.com SIP/2.0", "INVITE sip:bob@biloxi.com sip/2.0"),
        ("sip:bob@biloxi.com SIP", "sip:%00%ff;a=b@biloxi.com.;x=[::1]/:&+$;lr SIP"),
        ("sip:bob@biloxi.com SIP", "sips:+1-212-555-1212:p$w,=&+@[2001:db8::192.0.2.1]:00005061 SIP"),
        ("sip:bob@biloxi.com SIP", "tel:*#06#;phone-context=+1-914-555 SIP"),
        ("sip:bob@biloxi.com SIP", "soap.beep://192.0.2.103:3002 SIP"),
        (
            "Via: SIP/2.0/UDP pc33.atlanta.com",
            "v:SIP  /\t2.0 /\r\n UDP  \t pc33.atlanta.com\r\n\t:\r\n 5060 ",
        ),
        ("Via: SIP/2.0/UDP pc33.atlanta.com", "vIA\t :\r\n SIP/2.0/x-Transport [::1]"),
        (";branch=z9hG4bK776asdhds", ""),
        (
            ";branch=z9hG4bK776asdhds",
            ";received=1.2.3.4;ttl=255;maddr=[::1];RPORT;Branch=z9hG4bK-.!%*_+`'~;x=\"a,b;c\\\"\"",
        ),
        ("Max-Forwards: 70\r\n", ""),
        ("Max-Forwards: 70", "MAX-forwards\t:\r\n\t00000000000000000000070  "),
        ("To: Bob <sip:bob@biloxi.com>", "t:sip:bob@biloxi.com;x"),
        ("To: Bob <sip:bob@biloxi.com>", "To:\"\\\"\\\\\\\t<sip:evil>;tag=\"<sip:bob@biloxi.com>"),
        ("To: Bob <sip:bob@biloxi.com>", "To: sip <sip:,;?@biloxi.com>"),
        ("To: Bob <sip:bob@biloxi.com>", "To: <urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"),
        ("To: Bob <sip:bob@biloxi.com>", "To: mailto:bob@biloxi.com;x=y"),
        ("From: Alice ", "From: token.-!%*_+`'~ 2 3\t"),
        (";tag=1928301774", ""),
        (";tag=1928301774", " ; TAG = a.-!%*_+`'~ ; x = [::1] ; y = 1.2.3.4 ; z"),
        ("a84b4c76e66710@pc33.atlanta.com", "<{(\"?:\\/[]>)}~@%"),
        ("CSeq: 314159 INVITE", "CSEQ:\t0000000000000000000002147483647\r\n\t INVITE\r\n "),
        ("Content-Length: 0", "l\t \t:\r\n  0000\r\n\t"),
        ("Content-Length: 0\r\n", ""),
        ("Content-Length: 0", "Content-Length: 0\r\nContent-Length: 00\r\nl: 0"),
        ("Content-Length: 0", "Contact:<sip:a@b>;q=.5\r\nl:0"),
        ("Content-Length: 0", "Q: q\r\nz:\r\nl:0\r\n!%*_+`'~.-: \"<;,("),
        ("Content-Length: 0", "Supported:\r\nSubject:\r\nAccept:\r\nAllow: \t\r\nl:0"),
        ("Content-Length: 0", "Expires: never\r\nDate: yesterday\r\nContact: <<>>\r\nWarning: x\r\nl:0"),
        ("Content-Length: 0", "Subject: \u{feff}\u{202e}\u{1f600}\r\nl:0"),
        ("INVITE sip:bob@biloxi.com SIP/2.0\r\n", "\r\n\r\n\r\nINVITE sip:bob@biloxi.com SIP/2.0\r\n"),
        ("INVITE sip:bob@biloxi.com SIP/2.0", "SIP/2.0 299 "),
        ("INVITE sip:bob@biloxi.com SIP/2.0", "SIP/2.0 699 \"<;,%00\u{1f600}\t "),
        ("INVITE", "!%*_+`'~.-9"),
        ("INVITE", "invite"),
    ] {
        let text = with(good, odd);
        let message = verdict(&text).unwrap_or_else(|code| panic!("{odd:?}: {code}"));
        let written = message.to_bytes();
        let stripped = text.trim_start_matches("\r\n").replace("sip/2.0\r\n", "SIP/2.0\r\n");
        assert_eq!(written, stripped, "{odd:?} goes on as it came");
        if let Some(request) = message.as_request() {
            let answer = Message::from(Response::answer(request, StatusCode::OK).to_tag("t").build());
            let again = Message::parse(answer.to_bytes(), &Limits::default()).unwrap();
            again.check().unwrap_or_else(|error| panic!("{odd:?}: the answer: {error}"));
            for read in [answer, again] {
                assert_eq!(read.headers().require::<CallId>(), message.headers().require(), "{odd:?}");
                assert_eq!(read.headers().require::<From>(), message.headers().require(), "{odd:?}");
                assert_eq!(read.headers().require::<Via>(), message.headers().require(), "{odd:?}");
                assert!(read.headers().require::<To>().unwrap().tag().is_some(), "{odd:?}");
            }
        }
    }
}

#[test]
fn wrong_messages_that_look_legal_are_refused() {
    for (good, bad, status) in [
        ("sip:bob@biloxi.com SIP", "sip:bob@biloxi.com?Route=%3Csip:x%3E SIP", 400),
        ("sip:bob@biloxi.com SIP", "<sip:bob@biloxi.com> SIP", 400),
        ("sip:bob@biloxi.com SIP", "sip:bob@biloxi.com  SIP", 400),
        ("sip:bob@biloxi.com SIP", "sip:bob@[fe80::1%25eth0] SIP", 400),
        ("sip:bob@biloxi.com SIP", "sip:bob@2001:db8::1 SIP", 400),
        ("sip:bob@biloxi.com SIP", "sip:@biloxi.com SIP", 400),
        ("sip:bob@biloxi.com SIP", "sip:b%6Xb@biloxi.com SIP", 400),
        ("sip:bob@biloxi.com SIP", "sip:bob@bil%6Fxi.com SIP", 400),
        ("sip:bob@biloxi.com SIP", "bob@biloxi.com SIP", 400),
        ("biloxi.com SIP/2.0", "biloxi.com SIP/2.00", 505),
        ("biloxi.com SIP/2.0", "biloxi.com SIP/2.0 ", 400),
        ("biloxi.com SIP/2.0", "biloxi.com SIP / 2.0", 400),
        ("INVITE sip:bob@biloxi.com SIP/2.0", "INVITE\tsip:bob@biloxi.com SIP/2.0", 400),
        ("INVITE sip:bob@biloxi.com SIP/2.0", " INVITE sip:bob@biloxi.com SIP/2.0", 400),
        ("INVITE sip:bob@biloxi.com SIP/2.0", "INVITE sip:bob@biloxi.com SIP/2.0\r\n x: y", 400),
        ("INVITE sip:bob@biloxi.com SIP/2.0", "INV:ITE sip:bob@biloxi.com SIP/2.0", 400),
        ("Via: SIP/2.0/UDP pc33.atlanta.com", "Via: SIP/2.0/UDP", 400),
        ("Via: SIP/2.0/UDP pc33.atlanta.com", "Via: SIP/2.0/UDP a;;b", 400),
        ("Via: SIP/2.0/UDP pc33.atlanta.com", "Via: SIP/2.0/UDP a,", 400),
        ("Via: SIP/2.0/UDP pc33.atlanta.com", "Via: SIP/2.0/UDP 2001:db8::1", 400),
        ("Via: SIP/2.0/UDP pc33.atlanta.com", "Via: SIP/2.0/UDP a:b", 400),
        ("Via: SIP/2.0/UDP pc33.atlanta.com", "Via: SIP/2.0/UDP a;rport=", 400),
        ("Via: SIP", "Via:\r\nX: SIP", 400),
        ("z9hG4bK776asdhds", "z9hG4bK", 400),
        ("z9hG4bK776asdhds", "z9hG4bK1;branch=z9hG4bK2", 400),
        ("Max-Forwards: 70", "Max-Forwards: seventy", 400),
        ("Max-Forwards: 70", "Max-Forwards: 70\r\nMax-Forwards: 70", 400),
        ("Max-Forwards: 70", "Max-Forwards: 70, 70", 400),
        ("To: Bob <sip:bob@biloxi.com>", "To: Bob, Q <sip:bob@biloxi.com>", 400),
        ("To: Bob <sip:bob@biloxi.com>", "To: <sip:bob@biloxi.com>, <sip:c>", 400),
        ("To: Bob <sip:bob@biloxi.com>", "To: \"Bob <sip:bob@biloxi.com>", 400),
        ("To: Bob <sip:bob@biloxi.com>", "To: \"Bob\\\" <sip:bob@biloxi.com>", 400),
        ("To: Bob <sip:bob@biloxi.com>", "To: sip:bob@biloxi.com?x=y", 400),
        ("To: Bob <sip:bob@biloxi.com>", "To: < sip:bob@biloxi.com >", 400),
        ("To: Bob <sip:bob@biloxi.com>", "To: <sip:bob@biloxi.com>;tag=1;tag=1", 400),
        ("To: Bob <sip:bob@biloxi.com>", "To: *", 400),
        ("To: Bob <sip:bob@biloxi.com>", "To: <sip:bob@biloxi.com>\r\nt: <sip:bob@biloxi.com>", 400),
        (";tag=1928301774", ";tag=", 400),
        (";tag=1928301774", ";tag=a b", 400),
        (";tag=1928301774", ";tag=\"a", 400),
        ("Call-ID: a84b4c76e66710@pc33.atlanta.com", "Call-ID: a b", 400),
        ("Call-ID: a84b4c76e66710@pc33.atlanta.com", "Call-ID:", 400),
        ("Call-ID: a84b4c76e66710@pc33.atlanta.com", "Call-ID: a\r\ni: a", 400),
        ("CSeq: 314159 INVITE", "CSeq: 314159 Invite", 400),
        ("CSeq: 314159 INVITE", "CSeq: 4294967296 INVITE", 400),
        ("CSeq: 314159 INVITE", "CSeq: 314159INVITE", 400),
        ("CSeq: 314159 INVITE", "CSeq: -1 INVITE", 400),
        ("Content-Length: 0", "Content-Length: 0\r\nl: 1", 400),
        ("Content-Length: 0", "Content-Length: 1", 400),
        ("Content-Length: 0", "Content-Length: +0", 400),
        ("Content-Length: 0", "Content-Length: 0, 0", 400),
        ("Content-Length: 0", "Content-Length: 18446744073709551616", 400),
        ("Content-Length: 0", "Content-Length: 99999999", 413),
        ("Content-Length: 0", "Content Length: 0", 400),
        ("Content-Length: 0", "Content-Length\r\n : 0", 400),
        ("Content-Length: 0", "l: 0\rX: y", 400),
        ("Content-Length: 0", ": 0", 400),
        ("Content-Length: 0\r\n\r\n", "Content-Length: 0\r\n", 400),
    ] {
        assert_eq!(verdict(&with(good, bad)).map(drop), Err(status), "{bad:?}");
    }
}

#[test]
fn bodies_are_eight_bit_clean_and_parts_nest() {
    let octets: Vec<u8> = (0..=255).cycle().take(1_000).collect();
    let inner = [
        &b"--in\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"[..],
        &octets,
        b"\r\n--in--",
    ]
    .concat();
    let outer = [
        &b"not a part\r\n--out\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n"[..],
        &inner,
        b"\r\n--out  \r\n\r\n--outer is no boundary\r\n--out--trailing\r\n--out--\r\nnot a part",
    ]
    .concat();
    let head = format!("c:multipart/mixed;boundary=\"out\"\r\nContent-Length: {}", outer.len());
    let bytes = [with("Content-Length: 0", &head).as_bytes(), &outer].concat();
    let message = Message::parse(bytes.clone(), &Limits::default()).unwrap();
    assert_eq!((message.body(), message.to_bytes()), (&outer.clone().into(), bytes.into()));
    let content_type: ContentType = message.headers().require().unwrap();
    let parts = Multipart::parse(&content_type, message.body(), &Limits::default()).unwrap().parts;
    assert_eq!(parts[0].body, inner);
    let content_type: ContentType = parts[0].headers.require().unwrap();
    let nested = Multipart::parse(&content_type, &parts[0].body, &Limits::default()).unwrap().parts;
    assert_eq!((nested.len(), &nested[0].body[..]), (1, &octets[..]));
}

#[test]
fn what_stands_outside_the_brackets_is_the_routes() {
    let message =
        verdict(&with("Content-Length: 0", "Route: <sip:p>;lr;transport=tcp , <sip:q;lr>\r\nm: *\r\nl:0"))
            .unwrap();
    let routes: Vec<Route> = message.headers().all().collect::<Result<_, _>>().unwrap();
    assert!(
        !routes[0].uri().is_loose_router()
            && routes[0].params.contains("lr")
            && routes[1].uri().is_loose_router()
    );
    assert_eq!(message.headers().require::<Contact>(), Ok(Contact::Star));
}

#[test]
fn a_stream_survives_a_message_that_is_wrong_but_framed() {
    let bad = with("INVITE sip:bob@biloxi.com SIP/2.0", "INVITE <sip:b> SIP/9.9")
        .replace("CSeq: ", "no colon\r\n \rCSeq; ");
    let stream = format!("{GOOD}\r\n\r\n{bad}{GOOD}");
    for size in [1, 2, 3, 7, 100, stream.len()] {
        let mut framer = Framer::new(Limits::default());
        let mut frames = Vec::new();
        for piece in stream.as_bytes().chunks(size) {
            framer.push(piece);
            frames.extend(std::iter::from_fn(|| framer.next()));
        }
        let messages: Vec<_> = frames
            .into_iter()
            .filter_map(|frame| match frame.expect("each is framed") {
                Frame::Message(bytes) => Some(bytes),
                Frame::Ping | Frame::Pong => None,
            })
            .collect();
        assert_eq!(messages, [GOOD, &bad, GOOD], "in pieces of {size}");
    }
}

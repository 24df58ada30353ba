//! Nothing an application puts into a message can forge a line of it: CR, LF and NUL are refused or written as spaces.

use sip_msg::{
    Accept, Allow, Authorization, CallId, CallerId, Challenge, Contact, ContentType, Credentials, From,
    HeaderError, HeaderName, Host, HostPort, Limits, Message, Method, Multipart, NameAddr, Param, Params,
    Part, Priority, Reason, Request, Require, Response, RetryAfter, Route, StatusCode, Subject, To, Uri,
    UserAgent, Via, Warning, WwwAuthenticate,
};

const EVIL: [&str; 14] = [
    "\r\nX: y",
    "\nX: y",
    "\rX: y",
    "a\r\n\r\nbody",
    "a\0b",
    "\"\r\nX: y",
    "\\\r\nX: y",
    "\\",
    ">\r\nX: y",
    ")\nX: y",
    "a\r\n X: y",
    "\u{85}\u{2028}X: y",
    "a, <sip:b>;x=\"y\" (z)",
    "",
];

fn uri() -> Uri {
    "sip:bob@example.com".parse().expect("a URI")
}

fn name(text: &str) -> HostPort {
    Host::Name(text.into()).into()
}

fn options(build: impl FnOnce(sip_msg::RequestBuilder) -> sip_msg::RequestBuilder) -> Vec<u8> {
    build(Request::builder(Method::OPTIONS, &uri())).build().to_bytes().to_vec()
}

fn target(uri: &Uri) -> Vec<u8> {
    Request::builder(Method::OPTIONS, uri).build().to_bytes().to_vec()
}

/// Each way to put a text into a message.
fn messages_with(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let named =
        |name: &str, value: &str| -> Params { [Param::new(name, Some(value.into()))].into_iter().collect() };
    let to = |params: Params| {
        let mut to = To::new(uri());
        to.params = params;
        options(|builder| builder.header(&to))
    };
    let via = |via: Via| options(|builder| builder.header(&via));
    let answer = |build: fn(sip_msg::ResponseBuilder, &str) -> sip_msg::ResponseBuilder| {
        let request = Request::builder(Method::OPTIONS, &uri()).header(&To::new(uri())).build();
        build(Response::answer(&request, StatusCode::OK), text).build().to_bytes().to_vec()
    };
    let media_type = ContentType { kind: text.into(), subtype: text.into(), params: named(text, text) };
    let multipart = Multipart { parts: vec![Part::new(text, "a").with(&Subject::from(text))] }.write(text);
    vec![
        ("user", target(&uri().with_user(text))),
        ("password", target(&uri().with_password(text))),
        ("URI parameter", target(&uri().with_param(text, Some(text)))),
        ("URI flag", target(&uri().with_param(text, None))),
        ("URI header", target(&uri().with_header(text, text))),
        ("host", target(&Uri::sip(name(text)))),
        ("host in an address", options(|builder| builder.header(&Route::new(Uri::sips(name(text)))))),
        ("telephone", target(&uri().with_user(text).tel_to_sip(name(text)))),
        (
            "display name",
            options(|builder| builder.header(&From::new(NameAddr::new(uri()).with_display_name(text)))),
        ),
        ("tag", options(|builder| builder.header(&From::new(uri()).with_tag(text)))),
        ("parameter name", to(named(text, "a"))),
        ("parameter value", to(named("a", text))),
        ("flag", to([Param::new(text, None)].into_iter().collect())),
        ("quoted parameter", to([Param::quoted(text, text)].into_iter().collect())),
        ("bracketed parameter", to([Param::bracketed(text, text)].into_iter().collect())),
        ("transport", via(Via::new(text, name("a"), "b"))),
        ("sent-by", via(Via::new("UDP", name(text), "b"))),
        ("branch", via(Via::new("UDP", name("a"), text))),
        ("Call-ID", options(|builder| builder.header(&CallId::from(text)))),
        ("Subject", options(|builder| builder.header(&Subject::from(text)))),
        ("User-Agent", options(|builder| builder.header(&UserAgent::from(text)))),
        ("Priority", options(|builder| builder.header(&Priority::from(text)))),
        ("Require", options(|builder| builder.header(&[text].into_iter().collect::<Require>()))),
        ("Accept", options(|builder| builder.header(&[text].into_iter().collect::<Accept>()))),
        ("Content-Type", options(|builder| builder.header(&media_type))),
        (
            "Warning",
            options(|builder| builder.header(&Warning { code: 399, agent: text.into(), text: text.into() })),
        ),
        (
            "Retry-After",
            options(|builder| {
                builder.header(&RetryAfter {
                    seconds: 1,
                    comment: Some(text.into()),
                    params: named("a", text),
                })
            }),
        ),
        (
            "Reason",
            options(|builder| builder.header(&Reason { protocol: text.into(), params: named(text, text) })),
        ),
        (
            "credentials",
            options(|builder| builder.header(&Authorization(Credentials::digest().with(text, text)))),
        ),
        (
            "challenge",
            options(|builder| {
                let challenge = Challenge { scheme: text.into(), params: named(text, text) };
                builder.header(&WwwAuthenticate(challenge))
            }),
        ),
        ("media type of the body", options(|builder| builder.body(text, "x"))),
        ("multipart", options(|builder| builder.body(&multipart.0, multipart.1.clone()))),
        ("reason phrase", answer(|builder, text| builder.reason(text))),
        ("To tag", answer(|builder, text| builder.to_tag(text))),
        ("replaced", {
            let mut request = Request::builder(Method::OPTIONS, &uri()).header(&Subject::from("a")).build();
            let headers = request.headers_mut();
            headers.replace(&Subject::from(text));
            headers.push_front(&Contact::new(NameAddr::new(uri()).with_display_name(text)));
            headers.replace_front(&Contact::new(NameAddr::new(uri()).with_display_name(text)));
            request.set_uri(&uri().with_param("a", Some(text)));
            request.set_body(text, "x");
            request.to_bytes().to_vec()
        }),
    ]
}

fn lines(head: &[u8]) -> usize {
    let end = head.windows(4).position(|four| four == b"\r\n\r\n").expect("an empty line");
    let head = head.get(..end).unwrap_or_default();
    assert!(!head.contains(&0), "NUL");
    let ends = head.windows(2).filter(|two| two == b"\r\n").count();
    let bare = head.iter().filter(|byte| matches!(byte, b'\r' | b'\n')).count();
    assert_eq!(bare, 2 * ends, "a bare CR or LF: {}", String::from_utf8_lossy(head));
    ends
}

#[test]
fn no_text_forges_a_line() {
    let plain = messages_with("a");
    for text in EVIL {
        for ((what, good), (_, bad)) in plain.iter().zip(messages_with(text)) {
            let shown = String::from_utf8_lossy(&bad).into_owned();
            assert_eq!(lines(&bad), lines(good), "{what} of {text:?}: {shown}");
            let message = Message::parse(bad.clone(), &Limits::default());
            let message = message.unwrap_or_else(|error| panic!("{what} of {text:?}: {error}: {shown}"));
            assert_eq!(message.to_bytes(), bad, "{what} of {text:?}");
            let forged = message.headers().contains("X".parse::<HeaderName>().unwrap());
            assert!(!forged, "{what} of {text:?}: {shown}");
        }
    }
}

#[test]
fn raw_values_methods_and_names_are_refused() {
    for text in EVIL.into_iter().filter(|text| text.contains(['\r', '\n', '\0'])) {
        let at = text.find(['\r', '\n', '\0']).unwrap();
        let refused = Request::builder(Method::OPTIONS, &uri()).raw_header(HeaderName::SUBJECT, text).err();
        assert_eq!(refused, Some(HeaderError::Injection { name: HeaderName::SUBJECT, at }), "{text:?}");
        let mut request = Request::builder(Method::OPTIONS, &uri()).build();
        assert!(request.headers_mut().push_raw(HeaderName::SUBJECT, text).is_err());
        assert!(Response::answer(&request, StatusCode::OK).raw_header(HeaderName::SUBJECT, text).is_err());
        assert_eq!(request.headers().len(), 2, "nothing was added");
    }
    for text in EVIL.into_iter().filter(|text| *text != "a") {
        assert!(text.parse::<Method>().is_err() && text.parse::<HeaderName>().is_err(), "{text:?}");
        assert!(text.parse::<Uri>().is_err(), "{text:?}");
    }
    assert!("a/b".parse::<Method>().is_err());
    assert!([Method::ACK].into_iter().collect::<Allow>().contains(&Method::ACK));
}

#[test]
fn what_a_peer_sent_cannot_forge_a_line_of_ours() {
    let text = "INVITE sip:a SIP/2.0\r\nv: SIP/2.0/UDP a\r\n ;branch=z9hG4bK1\nTo: \"a\\\0b\"\n <sip:b>\r\n\t;x=\"\\\r\n y\"\r\n\
        From: \"\\\0\"\r\n <sip:a>;tag=\"\\\0\"\r\ni: 1\r\nCSeq: 1 INVITE\r\nRecord-Route: <sip:r>,\n <sip:s>\r\nTimestamp: 1\n 2\r\n\r\n";
    let message = Message::parse(text, &Limits::default()).unwrap();
    let request = message.as_request().unwrap();
    request.check().unwrap();
    let answer =
        Response::answer(request, StatusCode::TRYING).to_tag("t").record_route(request).build().to_bytes();
    let head = &answer[..answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap()];
    let ends = head.windows(2).filter(|two| two == b"\r\n").count();
    assert_eq!(head.iter().filter(|byte| **byte == b'\n').count(), ends, "no bare LF");
    assert_eq!(ends, 8, "{}", String::from_utf8_lossy(head));
    let from: From = request.headers().require().unwrap();
    let again = Request::builder(Method::BYE, &uri()).header(&from).build().to_bytes();
    assert!(
        !again.contains(&0) && lines(&again) == 3,
        "NUL, which only an escape may carry, is written as a space"
    );
    assert!(!format!("{:?}", CallerId::from(&from)).contains('\0'));
}

// rfc: 3261 §16.6 — what a proxy does not touch goes on byte for byte, whatever it edits beside it
#[test]
fn edits_leave_all_other_lines_byte_for_byte() {
    let lines = [
        "v : SIP/2.0/UDP\ta ;branch=z9hG4bK1 ,SIP/2.0/TCP b",
        "X-Odd\t :  \"unfinished,  ;;; ",
        "TO:<sip:b>;tag=1",
        "f: \"J\u{f6}rg\"\r\n\t <sip:a>;tag=2",
        "mAx-fOrWaRdS:0070",
        "i:1",
        "cseq: 0001   INVITE",
        "l:04",
        "Route: <sip:p;lr>  ,  <sip:q>",
        "q:",
    ];
    let text = format!("INVITE sip:b SIP/2.0\r\n{}\r\n\r\nbody", lines.join("\r\n"));
    let mut bytes = text.into_bytes();
    let odd = bytes.iter().position(|byte| *byte == 0xc3).unwrap();
    bytes.splice(odd..odd + 2, [0xf6]); // Latin-1, which is no UTF-8
    let mut message = Message::parse(bytes.clone(), &Limits::default()).unwrap();
    assert_eq!(message.to_bytes(), bytes);
    let headers = message.headers_mut();
    headers.push_front(&Via::new("UDP", name("p"), "z9hG4bK0"));
    assert!(headers.pop_front::<Route>().unwrap().is_some());
    headers.replace(&sip_msg::MaxForwards(69));
    headers.push(&Subject::from("new"));
    let written = message.to_bytes();
    let kept = |line: &[u8]| written.windows(line.len() + 2).any(|part| part == [line, b"\r\n"].concat());
    let mut untouched = 0;
    for line in bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
        let edited = [&b"INVITE"[..], b"mAx", b"Route", b"body"].iter().any(|start| line.starts_with(start));
        assert!(edited || line.is_empty() || kept(line), "{}", String::from_utf8_lossy(line));
        untouched += usize::from(!edited);
    }
    assert_eq!(untouched, 10);
    assert!(kept(b"Route: <sip:q>") && kept(b"Max-Forwards: 69") && kept(b"Subject: new"));
    assert!(written.starts_with(b"INVITE sip:b SIP/2.0\r\nVia: SIP/2.0/UDP p;branch=z9hG4bK0\r\nv : SIP"));
    assert!(written.ends_with(b"\r\n\r\nbody"));
}

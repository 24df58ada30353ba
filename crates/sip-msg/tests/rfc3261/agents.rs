//! What user agents check, answer and build: §8 and §18.

use super::*;

// rfc: 3261 §8.1.1 — To, From, CSeq, Call-ID and Via are mandatory, and stand once (Via aside)
// rfc: 3261 §8.1.1.5 — the method in CSeq is that of the request
#[test]
fn a_request_without_its_mandatory_headers_is_refused() {
    assert_eq!(request(GOOD).check(), Ok(()));
    for name in ["Via", "To", "From", "Call-ID", "CSeq"] {
        let lines: Vec<&str> =
            GOOD.split("\r\n").filter(|line| !line.starts_with(&format!("{name}:"))).collect();
        let error = request(&lines.join("\r\n")).check().unwrap_err();
        assert_eq!(error, CheckError::Header(HeaderError::Missing(name.parse().unwrap())));
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
        if name != "Via" {
            let line = GOOD.split("\r\n").find(|line| line.starts_with(&format!("{name}:"))).unwrap();
            let error = request(&format!("{GOOD}\r\n{line}")).check().unwrap_err();
            assert_eq!(error, CheckError::Repeated(name.parse().unwrap()));
        }
    }
    assert_eq!(
        request(&GOOD.replace("CSeq: 314159 INVITE", "CSeq: 1 ACK")).check(),
        Err(CheckError::CSeqMethod)
    );
    assert!(request(&GOOD.replace("70", "x")).check().is_err());
    assert!(request(&format!("{GOOD}\r\nVia: bad")).check().is_err(), "each Via is read");
    let response = parse(format!("SIP/2.0 200 OK\r\n{GOOD}\r\n\r\n")).unwrap();
    assert_eq!(response.check(), Ok(()));
    assert_eq!(response.as_response().unwrap().class(), Class::Success);
}

// rfc: 3261 §8.2.2.1 — an unknown scheme of the Request-URI: 416
// rfc: 3261 §8.2.2.3 — an unknown extension in Require: 420, but not for ACK and CANCEL
#[test]
fn a_uas_refuses_schemes_and_extensions_it_does_not_know() {
    let with = |start: &str, more: &str| {
        let message = parse(format!("{start}\r\n{GOOD}\r\n{more}\r\n\r\n")).unwrap();
        message.as_request().unwrap().check_uas(&["100rel"]).map_err(|error| error.status().code())
    };
    assert_eq!(with("INVITE sip:a SIP/2.0", "Require: 100REL"), Ok(()));
    assert_eq!(with("INVITE tel:+1 SIP/2.0", "X: y"), Ok(()));
    assert_eq!(with("INVITE http://a SIP/2.0", "X: y"), Err(416));
    assert_eq!(with("INVITE sip:a SIP/2.0", "Require: 100rel, x\r\nRequire: y"), Err(420));
    assert_eq!(with("ACK sip:a SIP/2.0", "Require: x"), Ok(()));
    assert_eq!(with("CANCEL sip:a SIP/2.0", "Require: x"), Ok(()));
}

// rfc: 3261 §8.2.6.1 — Timestamp is copied into a 100
// rfc: 3261 §8.2.6.2 — From, Call-ID, CSeq, Via (in order) and To are copied; To gets a tag if it has none
#[test]
fn an_answer_copies_what_it_must() {
    let lines =
        format!("{GOOD}\r\nv: SIP/2.0/TCP b;branch=z9hG4bK2\r\nTimestamp: 54\r\nRecord-Route: <sip:p;lr>");
    let request = request(&lines);
    let answer = Response::answer(&request, StatusCode::OK).to_tag("x").record_route(&request).build();
    let expected = "SIP/2.0 200 OK\r\n\
        Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds\r\nVia: SIP/2.0/TCP b;branch=z9hG4bK2\r\n\
        From: Alice <sip:alice@atlanta.com>;tag=1928301774\r\nTo: Bob <sip:bob@biloxi.com>;tag=x\r\n\
        Call-ID: a84b4c76e66710@pc33.atlanta.com\r\nCSeq: 314159 INVITE\r\nRecord-Route: <sip:p;lr>\r\n\
        Content-Length: 0\r\n\r\n";
    assert_eq!(answer.to_bytes(), expected);
    let trying = Response::answer(&request, StatusCode::TRYING).build();
    assert_eq!(trying.headers().raw(HeaderName::TIMESTAMP), Some(&b"54"[..]));
    let tagged = Message::from(answer.clone());
    assert_eq!(tagged.headers().require::<To>().unwrap().tag(), Some("x"));
}

// rfc: 3261 §8.1.1.6 — Max-Forwards is 70 in a new request
// rfc: 3261 §20.14 — Content-Length is right, and 0 without a body
#[test]
fn a_built_request_has_max_forwards_and_the_right_length() {
    let uri: Uri = "sip:bob@biloxi.com".parse().unwrap();
    let plain = Request::builder(Method::OPTIONS, &uri).build();
    assert_eq!(
        plain.to_bytes(),
        "OPTIONS sip:bob@biloxi.com SIP/2.0\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    );
    let mut full =
        Request::builder(Method::MESSAGE, &uri).header(&MaxForwards(5)).body("text/plain", "Watson").build();
    assert_eq!(full.headers().require::<ContentLength>().unwrap(), ContentLength(6));
    assert_eq!(full.headers().require::<MaxForwards>().unwrap(), MaxForwards(5));
    full.set_body("text/plain", "Watson, come here");
    assert_eq!(full.headers().raw_all(HeaderName::CONTENT_LENGTH).collect::<Vec<_>>(), [b"17"]);
    full.set_body("", "");
    assert!(!full.headers().contains(HeaderName::CONTENT_TYPE));
    assert_eq!(full.headers().require::<ContentLength>().unwrap(), ContentLength(0));
}

// rfc: 3261 §18.3 — a message for a stream needs Content-Length, and it is never wrong
#[test]
fn content_length_is_added_and_cannot_be_set_wrong() {
    let mut message = parse("OPTIONS sip:b SIP/2.0\r\n\r\nbody").unwrap();
    message.ensure_content_length();
    message.headers_mut().replace(&ContentLength(99));
    message.ensure_content_length();
    assert_eq!(message.to_bytes(), "OPTIONS sip:b SIP/2.0\r\nContent-Length: 4\r\n\r\nbody");
}

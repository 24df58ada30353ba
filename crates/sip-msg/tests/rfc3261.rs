//! Rules of RFC 3261 §7, §8 and §20 with the RFC's own examples.

use sip_msg::{
    Accept, AcceptEncoding, AcceptLanguage, AlertInfo, Allow, AuthenticationInfo, Authorization, CSeq,
    CallId, CallInfo, CheckError, Class, Contact, ContentDisposition, ContentEncoding, ContentLanguage,
    ContentLength, ContentType, Credentials, ErrorInfo, Expires, From, HeaderError, HeaderName, InReplyTo,
    Limits, MaxForwards, Message, Method, MimeVersion, MinExpires, Organization, ParseError, Priority,
    ProxyAuthenticate, ProxyAuthorization, RecordRoute, ReplyTo, Request, Require, Response, RetryAfter,
    Route, Server, StatusCode, Subject, Supported, Text, To, TypedHeader, Unsupported, Uri, UserAgent, Via,
    Warning, WwwAuthenticate,
};

fn parse(text: &str) -> Result<Message, ParseError> {
    Message::parse(text.to_owned(), &Limits::default())
}

fn request(lines: &str) -> Request {
    let message =
        parse(&format!("INVITE sip:bob@biloxi.com SIP/2.0\r\n{lines}\r\n\r\n")).expect("well framed");
    message.as_request().expect("a request").clone()
}

fn read<H: TypedHeader>(value: &str) -> H {
    let message = request(&format!("{}: {value}", H::NAME));
    message.headers().require().unwrap_or_else(|error| panic!("{value}: {error}"))
}

fn refuse<H: TypedHeader + std::fmt::Debug>(value: &str) -> HeaderError {
    let message = request(&format!("{}: {value}", H::NAME));
    match message.headers().require::<H>() {
        Ok(header) => panic!("{value}: {header:?}"),
        Err(error) => error,
    }
}

const GOOD: &str = "Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds\r\nMax-Forwards: 70\r\n\
    To: Bob <sip:bob@biloxi.com>\r\nFrom: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n\
    Call-ID: a84b4c76e66710@pc33.atlanta.com\r\nCSeq: 314159 INVITE";

// rfc: 3261 §7.1 — request line: method, Request-URI, version, single spaces
// rfc: 3261 §7.2 — status line: version, code of three digits, reason phrase
#[test]
fn start_lines_have_three_parts_and_single_spaces() {
    for (line, error) in [
        ("INVITE sip:a SIP/2.0", None),
        ("INVITE sip:a sip/2.0", None),
        ("INVITE  sip:a SIP/2.0", Some(400)),
        ("INVITE sip:a  SIP/2.0", Some(400)),
        (" INVITE sip:a SIP/2.0", Some(400)),
        ("INVITE sip:a SIP/2.0 ", Some(400)),
        ("INVITE\tsip:a SIP/2.0", Some(400)),
        ("INVITE sip:a", Some(400)),
        ("INVITE SIP/2.0", Some(400)),
        ("INVITE", Some(400)),
        ("INVITE sip:a SIP/3.0", Some(505)),
        ("INVITE sip:a HTTP/1.1", Some(400)),
        ("SIP/2.0 200 OK", None),
        ("SIP/2.0 200 ", None),
        ("SIP/2.0 200", None),
        ("SIP/2.0 99 x", Some(400)),
        ("SIP/2.0 700 x", Some(400)),
        ("SIP/2.0 2000 x", Some(400)),
        ("SIP/2.0  200 OK", Some(400)),
        ("SIP/1.0 200 OK", Some(505)),
    ] {
        let found = parse(&format!("{line}\r\nl: 0\r\n\r\n")).err().map(|error| error.status().code());
        assert_eq!(found, error, "{line:?}");
    }
}

// rfc: 3261 §7.3 — header fields: name, colon, value; names are tokens
#[test]
fn header_lines_need_a_name_and_a_colon() {
    for (line, at) in [("no colon", 26), (": x", 23), ("a b: x", 25), ("ä: x", 23)] {
        let error = parse(&format!("OPTIONS sip:a SIP/2.0\r\n{line}\r\n\r\n")).unwrap_err();
        assert!(matches!(error, ParseError::HeaderLine { .. }), "{line}");
        assert_eq!(error.at(), Some(at), "{line}: {error}");
    }
    assert_eq!(request("X-Any \t: v").headers().raw("x-any".parse::<HeaderName>().unwrap()), Some(&b"v"[..]));
    assert!(parse("OPTIONS sip:a SIP/2.0\r\na: b\rc\r\n\r\n").is_err(), "a bare CR is no line end");
}

// rfc: 3261 §7.4.2 — the body is as long as Content-Length says
// rfc: 3261 §18.3 — on a datagram: bytes beyond it are dropped, too few are an error
#[test]
fn content_length_frames_the_body() {
    let body = |length: &str| {
        parse(&format!("OPTIONS sip:a SIP/2.0\r\n{length}\r\n\r\nbody")).map(|m| m.body().clone())
    };
    assert_eq!(body("Content-Length: 4").unwrap(), "body");
    assert_eq!(body("l: 2").unwrap(), "bo");
    assert_eq!(body("X: y").unwrap(), "body");
    assert_eq!(body("l: 4\r\nl: 04").unwrap(), "body");
    assert_eq!(body("l: 5"), Err(ParseError::Truncated { expected: 5, found: 4 }));
    for bad in ["l: -1", "l: 4, 4", "l: ", "l: 4\r\nl: 3", "l: 99999999999999999999999", "l: 0x4"] {
        assert!(matches!(body(bad), Err(ParseError::ContentLength { .. })), "{bad}");
    }
}

// rfc: 3261 §7.5 — CRLFs before the start line are ignored
#[test]
fn leading_line_ends_are_ignored() {
    let message = parse("\r\n\r\nOPTIONS sip:a SIP/2.0\r\nl: 0\r\n\r\n").unwrap();
    assert_eq!(message.to_bytes(), "OPTIONS sip:a SIP/2.0\r\nl: 0\r\n\r\n");
}

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
    let response = parse(&format!("SIP/2.0 200 OK\r\n{GOOD}\r\n\r\n")).unwrap();
    assert_eq!(response.check(), Ok(()));
    assert_eq!(response.as_response().unwrap().class(), Class::Success);
}

// rfc: 3261 §8.2.2.1 — an unknown scheme of the Request-URI: 416
// rfc: 3261 §8.2.2.3 — an unknown extension in Require: 420, but not for ACK and CANCEL
#[test]
fn a_uas_refuses_schemes_and_extensions_it_does_not_know() {
    let with = |start: &str, more: &str| {
        let message = parse(&format!("{start}\r\n{GOOD}\r\n{more}\r\n\r\n")).unwrap();
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
    assert_eq!(tagged.headers().require::<To>().unwrap().tag().map(Text::as_str), Some("x"));
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

// rfc: 3261 §20.1 — Accept
// rfc: 3261 §20.4 — Alert-Info
// rfc: 3261 §20.5 — Allow
#[test]
fn accept_alert_info_and_allow() {
    let accept: Accept = read("application/sdp;level=1, application/x-private, text/html;q=0");
    assert!(
        accept.accepts("application/SDP") && !accept.accepts("text/html") && !accept.accepts("text/plain")
    );
    assert!(read::<Accept>("text/*").accepts("text/plain"));
    refuse::<Accept>("application");
    let alert: AlertInfo = read("<http://www.example.com/sounds/moo.wav>");
    assert_eq!(alert.uri.to_string(), "http://www.example.com/sounds/moo.wav");
    refuse::<AlertInfo>("http://www.example.com/sounds/moo.wav");
    assert!(read::<Allow>("INVITE, ACK, OPTIONS, CANCEL, BYE").contains(&Method::BYE));
    refuse::<Allow>("INVITE,, ACK");
}

// rfc: 3261 §20.6 — Authentication-Info
// rfc: 3261 §20.7 — Authorization
// rfc: 3261 §20.27 — Proxy-Authenticate
// rfc: 3261 §20.44 — WWW-Authenticate
// rfc: 7616 §3.4 — username, realm, nonce, uri, response, cnonce and opaque are quoted; algorithm, qop and nc are not
#[test]
fn challenges_and_credentials() {
    let info: AuthenticationInfo = read("nextnonce=\"47364c23432d2e131a5fb210812c\"");
    assert_eq!(info.params.value("nextnonce"), Some("47364c23432d2e131a5fb210812c"));
    let value = "Digest username=\"Alice\", realm=\"atlanta.com\", nonce=\"84a4cc6f3082121f32b42a2187831a9e\", \
        response=\"7587245234b3434cc3412213e5f113a5432\"";
    let authorization: Authorization = read(value);
    assert_eq!(authorization.to_string(), value);
    assert_eq!(authorization.0.params.value("Username"), Some("Alice"));
    let built = Credentials::digest()
        .with("username", "a\"b")
        .with("uri", "sip:c")
        .with("algorithm", "SHA-256")
        .with("qop", "auth")
        .with("nc", "0000000a");
    let wire = "Digest username=\"a\\\"b\", uri=\"sip:c\", algorithm=SHA-256, qop=auth, nc=0000000a";
    assert_eq!(built.to_string(), wire);
    let value = "Digest realm=\"atlanta.com\", domain=\"sip:ss1.carrier.com\", qop=\"auth\", \
        nonce=\"f84f1cec41e6cbe5aea9c8e88d359\", opaque=\"\", stale=FALSE, algorithm=MD5";
    assert_eq!(read::<ProxyAuthenticate>(value).to_string(), value);
    assert_eq!(read::<WwwAuthenticate>(value).0.params.value("opaque"), Some(""));
    refuse::<WwwAuthenticate>("Digest");
    refuse::<WwwAuthenticate>("Digest realm=\"a\",, nonce=\"b\"");
}

// rfc: 3261 §20.8 — Call-ID
// rfc: 3261 §20.16 — CSeq
// rfc: 3261 §20.22 — Max-Forwards
#[test]
fn call_id_cseq_and_max_forwards() {
    assert_eq!(read::<CallId>("f81d4fae-7dec-11d0-a765-00a0c91e6bf6@biloxi.com").as_str().len(), 47);
    assert_ne!(read::<CallId>("a"), read::<CallId>("A"), "case-sensitive");
    refuse::<CallId>("two words");
    assert_eq!(read::<CSeq>("0004711\t  INVITE"), CSeq::new(4711, Method::INVITE));
    assert_eq!(read::<CSeq>("2147483647 X").number, 2_147_483_647);
    for bad in [
        "2147483648 INVITE",
        "36893488147419103232 INVITE",
        "INVITE",
        "1",
        "1INVITE",
        "-1 INVITE",
        "1 INVITE x",
    ] {
        refuse::<CSeq>(bad);
    }
    assert_eq!(read::<MaxForwards>("0068"), MaxForwards(68));
    refuse::<MaxForwards>("4294967296");
}

// rfc: 3261 §20.9 — Call-Info
// rfc: 3261 §20.18 — Error-Info
// rfc: 3261 §20.21 — In-Reply-To
#[test]
fn call_info_error_info_and_in_reply_to() {
    let headers = request(
        "Call-Info: <http://wwww.example.com/alice/photo.jpg> ;purpose=icon, <http://www.example.com/alice/> ;purpose=info",
    );
    let purposes: Vec<String> = headers
        .headers()
        .all::<CallInfo>()
        .map(|info| info.unwrap().params.value("purpose").unwrap().to_owned())
        .collect();
    assert_eq!(purposes, ["icon", "info"]);
    assert_eq!(read::<ErrorInfo>("<sip:not-in-service-recording@atlanta.com>").params.len(), 0);
    assert_eq!(read::<InReplyTo>("70710@saturn.bell-tel.com, 17320@saturn.bell-tel.com").0.len(), 2);
}

// rfc: 3261 §20.10 — Contact: parameters outside brackets are the header's; , ; and ? need brackets; q and expires
#[test]
fn contact_parameters_belong_to_the_header_unless_in_brackets() {
    let headers = request(
        "m: \"Mr. Watson\" <sip:watson@worcester.bell-telephone.com> ;q=0.7; expires=3600,\r\n \
         \"Mr. Watson\" <mailto:watson@bell-telephone.com> ;q=0.1",
    );
    let contacts: Vec<Contact> = headers.headers().all().collect::<Result<_, _>>().unwrap();
    assert_eq!((contacts[0].q(), contacts[0].expires()), (Some(700), Some(3600)));
    assert_eq!((contacts[1].q(), contacts[1].expires()), (Some(100), None));
    let bare: Contact = read("sip:a@b;transport=tcp");
    assert!(bare.uri().unwrap().params().is_empty() && bare.params().unwrap().contains("transport"));
    assert_eq!(read::<Contact>(" * "), Contact::Star);
    refuse::<Contact>("sip:a@b?x=y");
    refuse::<Contact>("*, <sip:a>");
    refuse::<Contact>("<sip:a@b");
    for bad in ["1.1", "2", "0.1234", "x", ""] {
        assert_eq!(
            read::<Contact>(&format!("<sip:a>;q=\"{bad}\"")).q(),
            if bad.is_empty() { Some(0) } else { None },
            "{bad}"
        );
    }
}

// rfc: 3261 §20.11 — Content-Disposition
// rfc: 3261 §20.12 — Content-Encoding
// rfc: 3261 §20.13 — Content-Language
// rfc: 3261 §20.15 — Content-Type
// rfc: 3261 §20.24 — MIME-Version
#[test]
fn the_headers_of_the_body() {
    let disposition: ContentDisposition = read("session;handling=optional");
    assert!(disposition.is_optional() && !read::<ContentDisposition>("icon").is_optional());
    assert!(read::<ContentEncoding>("gzip").contains("GZIP"));
    assert_eq!(read::<ContentLanguage>("fr, en-US").0.len(), 2);
    assert!(read::<ContentType>("application/SDP; charset=\"UTF-8\"").is("application/sdp"));
    refuse::<ContentType>("application");
    assert_eq!(read::<MimeVersion>("1.0").to_string(), "1.0");
}

// rfc: 3261 §20.19 — Expires
// rfc: 3261 §20.23 — Min-Expires
// rfc: 3261 §20.33 — Retry-After with comment and duration
#[test]
fn times_are_in_seconds() {
    assert_eq!(read::<Expires>("5"), Expires(5));
    assert_eq!(read::<MinExpires>("60"), MinExpires(60));
    refuse::<Expires>("Thu, 01 Dec 1994 16:00:00 GMT");
    let retry: RetryAfter = read("18000;duration=3600");
    assert_eq!((retry.seconds, retry.params.value("duration")), (18_000, Some("3600")));
    let retry: RetryAfter = read("120 (I'm (really) in a meeting)");
    assert_eq!(retry.comment.as_deref(), Some("I'm (really) in a meeting"));
    assert_eq!(retry.to_string(), "120 (I'm (really) in a meeting)");
}

// rfc: 3261 §20.20 — From: display name, tag
// rfc: 3261 §20.39 — To
// rfc: 3261 §20.31 — Reply-To
#[test]
fn addresses_have_names_and_tags() {
    let from: From = read("\"A. G. Bell\" <sip:agb@bell-telephone.com> ;tag=a48s");
    assert_eq!((from.display_name(), from.tag().map(Text::as_str)), (Some("A. G. Bell"), Some("a48s")));
    assert_eq!(read::<From>("sip:+12125551212@server.phone2net.com;tag=887s").tag().unwrap(), "887s");
    assert_eq!(
        read::<From>("Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8").display_name(),
        Some("Anonymous")
    );
    let to: To = read("The Operator <sip:operator@cs.columbia.edu>;tag=287447");
    assert_eq!(to.display_name(), Some("The Operator"));
    assert_eq!(read::<ReplyTo>("Bob <sip:bob@biloxi.com>").uri().to_string(), "sip:bob@biloxi.com");
    for bad in
        ["A. G. Bell, Jr <sip:a@b>", "\"A <sip:a@b>", "<>", "", "<sip:a@b> x", "<sip:a@b>;", "Bob sip:a@b"]
    {
        refuse::<To>(bad);
    }
}

// rfc: 3261 §20.25 — Organization
// rfc: 3261 §20.26 — Priority
// rfc: 3261 §20.35 — Server
// rfc: 3261 §20.36 — Subject
// rfc: 3261 §20.41 — User-Agent
#[test]
fn texts_are_kept_as_they_are() {
    assert_eq!(read::<Organization>("Boxes by Bob").0, "Boxes by Bob");
    assert_eq!(read::<Priority>("emergency").0, "emergency");
    assert_eq!(read::<Server>("HomeServer v2").0, "HomeServer v2");
    assert_eq!(read::<Subject>("Tech Support, \"now\"").0, "Tech Support, \"now\"");
    assert_eq!(read::<UserAgent>("Softphone Beta1.5 (x;y)").0, "Softphone Beta1.5 (x;y)");
    assert_eq!(request("s: Need more boxes").headers().require::<Subject>().unwrap().0, "Need more boxes");
}

// rfc: 3261 §20.30 — Record-Route
// rfc: 3261 §20.34 — Route: brackets must stand
#[test]
fn routes_stand_in_brackets() {
    let lines = "Record-Route: <sip:server10.biloxi.com;lr>, <sip:bigbox3.site3.atlanta.com;lr>";
    let hops: Vec<RecordRoute> = request(lines).headers().all().collect::<Result<_, _>>().unwrap();
    assert!(hops.len() == 2 && hops.iter().all(|hop| hop.uri().is_loose_router()));
    assert_eq!(Route::from(hops[0].clone()).to_string(), "<sip:server10.biloxi.com;lr>");
    refuse::<Route>("sip:a@b;lr");
}

// rfc: 3261 §20.29 — Proxy-Require
// rfc: 3261 §20.32 — Require
// rfc: 3261 §20.37 — Supported
// rfc: 3261 §20.40 — Unsupported
#[test]
fn option_tags_are_lists() {
    assert!(read::<Supported>("100rel, Timer").contains("timer"));
    assert_eq!(request("Supported:").headers().require::<Supported>().unwrap().0.len(), 0);
    assert!(read::<Require>("100rel").contains("100rel"));
    assert_eq!(read::<sip_msg::ProxyRequire>("foo").to_string(), "foo");
    assert_eq!(read::<Unsupported>("foo , bar").to_string(), "foo, bar");
    refuse::<Supported>("a b");
}

// rfc: 3261 §20.42 — Via: white space, IPv6, received, rport, ttl, maddr
#[test]
fn vias_are_read_with_all_their_parts() {
    let via: Via = read("SIP/2.0/UDP erlang.bell-telephone.com:5060;branch=z9hG4bK87asdks7");
    assert_eq!(
        (&*via.transport, via.branch().unwrap().as_str(), via.rport()),
        ("UDP", "z9hG4bK87asdks7", None)
    );
    let via: Via =
        read("SIP / 2.0 / UDP first.example.com: 4000;ttl=16 ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1");
    assert_eq!((via.sent_by.port, via.params.value("ttl")), (Some(4000), Some("16")));
    let via: Via = read("SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;rport=99999");
    assert_eq!((via.received(), via.rport()), ("2001:db8::9:255".parse().ok(), Some(None)));
    for bad in [
        "SIP/2.0 a",
        "SIP/1.0/UDP a",
        "HTTP/2.0/UDP a",
        "SIP/2.0/UDP",
        "SIP/2.0/UDPa",
        "SIP/2.0/UDP a;",
        ";a",
    ] {
        refuse::<Via>(bad);
    }
    let trailing = request("Via: SIP/2.0/UDP a,");
    assert_eq!(
        trailing.headers().all::<Via>().filter(Result::is_err).count(),
        1,
        "a comma promises another value"
    );
}

// rfc: 3261 §20.43 — Warning
#[test]
fn warnings_have_code_agent_and_text() {
    let warning: Warning = read("301 isi.edu:5060 \"Incompatible network address type 'E.164'\"");
    assert_eq!((warning.code, &*warning.agent), (301, "isi.edu:5060"));
    assert_eq!(warning.text, "Incompatible network address type 'E.164'");
    for bad in ["30 a \"b\"", "3001 a \"b\"", "301 a b", "301 \"b\""] {
        refuse::<Warning>(bad);
    }
}

// rfc: 3261 §25.1 — quoted-string: escapes of quote and backslash
#[test]
fn quotes_and_backslashes_are_escaped() {
    let from: From = read(r#""a \"b\" \\ \c" <sip:d@e>"#);
    assert_eq!(from.display_name(), Some(r#"a "b" \ c"#));
    assert_eq!(from.to_string(), r#""a \"b\" \\ c" <sip:d@e>"#);
    refuse::<From>(r#""a\" <sip:d@e>"#);
}

// rfc: 3261 §19.1.5 — forming requests from a URI: method, headers and body, but nothing dangerous
#[test]
fn a_uri_forms_a_request_but_forges_nothing() {
    let uri: Uri =
        "sip:bob@biloxi.com;method=MESSAGE;transport=tcp;x=y?Subject=a%20b&from=sip:evil&Route=%3Csip:e%3E\
        &Replaces=1%3Bto-tag%3D2&body=hello&Call-ID=1&User-Agent=x&Content-Length=99"
            .parse()
            .unwrap();
    let request = Request::from_uri(&uri, Method::INVITE).unwrap().build();
    let expected = "MESSAGE sip:bob@biloxi.com;transport=tcp;x=y SIP/2.0\r\nMax-Forwards: 70\r\nSubject: a b\r\n\
        Replaces: 1;to-tag=2\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(request.to_bytes(), expected);
    let plain = Request::from_uri(&"sip:bob@biloxi.com".parse().unwrap(), Method::INVITE).unwrap().build();
    assert_eq!(*plain.method(), Method::INVITE);
    for evil in ["sip:a?Subject=a%0D%0AVia:%20b", "sip:a?a%20b=c", "sip:a;method=%20"] {
        assert!(Request::from_uri(&evil.parse().unwrap(), Method::INVITE).is_err(), "{evil}");
    }
}

// rfc: 3261 §20.2 — Accept-Encoding
// rfc: 3261 §20.3 — Accept-Language
// rfc: 3261 §20.28 — Proxy-Authorization
#[test]
fn accepted_encodings_and_languages_and_credentials_for_a_proxy() {
    assert_eq!(read::<AcceptEncoding>("gzip;q=0.5").coding, "gzip");
    let languages = request("Accept-Language: da, en-gb;q=0.8, en;q=0.7, *;q=0");
    let languages: Vec<AcceptLanguage> = languages.headers().all().collect::<Result<_, _>>().unwrap();
    assert_eq!(
        (languages.len(), &*languages[1].range, languages[1].params.value("q")),
        (4, "en-gb", Some("0.8"))
    );
    let value = "Digest username=\"Alice\", realm=\"atlanta.com\", nonce=\"c60f3082ee1212b402a21831ae\", \
        response=\"245f23415f11432b3434341c022\"";
    assert_eq!(read::<ProxyAuthorization>(value).to_string(), value);
    assert_eq!(read::<ProxyAuthorization>("Bearer a.b-c==").0.token.unwrap(), "a.b-c==");
}

// rfc: 3261 §7.3.3 — compact forms mean the same, and are forwarded as they came
#[test]
fn compact_names_are_read_and_forwarded_as_they_came() {
    let text = "INVITE sip:b SIP/2.0\r\nv: SIP/2.0/UDP a\r\nF: sip:a\r\nt: sip:b\r\ni: 1\r\nm: <sip:a>\r\nl: 0\r\n\r\n";
    let message = parse(text).unwrap();
    assert!(message.headers().require::<Via>().is_ok() && message.headers().require::<Contact>().is_ok());
    assert_eq!(message.to_bytes(), text);
}

// rfc: 3261 §7 — a bare LF is read as a line end and forwarded as CRLF
#[test]
fn bare_line_feeds_are_read_but_not_written() {
    let message = parse("OPTIONS sip:b SIP/2.0\nSubject: a\n b\r\n c\nl: 4\n\nbody").unwrap();
    assert_eq!(message.headers().require::<Subject>().unwrap().0, "a b c");
    assert_eq!(message.to_bytes(), "OPTIONS sip:b SIP/2.0\r\nSubject: a\r\n b\r\n c\r\nl: 4\r\n\r\nbody");
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

//! SIP messages: §7.

use super::*;

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
        let found = parse(format!("{line}\r\nl: 0\r\n\r\n")).err().map(|error| error.status().code());
        assert_eq!(found, error, "{line:?}");
    }
}

// rfc: 3261 §7.3 — header fields: name, colon, value; names are tokens
#[test]
fn header_lines_need_a_name_and_a_colon() {
    for (line, at) in [("no colon", 26), (": x", 23), ("a b: x", 25), ("ä: x", 23)] {
        let error = parse(format!("OPTIONS sip:a SIP/2.0\r\n{line}\r\n\r\n")).unwrap_err();
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
        parse(format!("OPTIONS sip:a SIP/2.0\r\n{length}\r\n\r\nbody")).map(|m| m.body().clone())
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

// rfc: 3261 §7 — a start line, headers, an empty line and perhaps a body; without the empty line it is no message
#[test]
fn the_empty_line_must_be_there() {
    let whole = "OPTIONS sip:a SIP/2.0\r\nTo: <sip:a>\r\n\r\n";
    assert_eq!(parse(whole).unwrap().body(), "");
    assert_eq!(parse(format!("{whole}body")).unwrap().body(), "body");
    for cut in
        ["OPTIONS sip:a SIP/2.0\r\n", "OPTIONS sip:a SIP/2.0\r\nTo: <sip:a>\r\n", &whole[..whole.len() - 1]]
    {
        let error = parse(cut).unwrap_err();
        assert_eq!((error, error.status().code()), (ParseError::HeadEnd { at: cut.len() }, 400), "{cut:?}");
    }
    assert!(parse("").is_err() && parse("\r\n\r\n").is_err());
}

// rfc: 3261 §7 — the text is UTF-8
#[test]
fn text_is_utf_8() {
    let message = request("Subject: Grüße, 世界\r\nFrom: \"Jürgen ☎\" <sip:j@a>;tag=1\r\nOrganization: Ναι");
    assert_eq!(message.headers().require::<Subject>().unwrap().0, "Grüße, 世界");
    assert_eq!(message.headers().require::<From>().unwrap().display_name(), Some("Jürgen ☎"));
    assert_eq!(message.headers().require::<Organization>().unwrap().to_string(), "Ναι");
}

// rfc: 3261 §7.1 — the six methods of the RFC, and extension methods of any token byte
#[test]
fn six_methods_are_known_and_any_token_is_one() {
    let method = |name: &str| {
        parse(format!("{name} sip:a SIP/2.0\r\n\r\n")).unwrap().as_request().unwrap().method().clone()
    };
    let known = [
        ("REGISTER", Method::REGISTER),
        ("INVITE", Method::INVITE),
        ("ACK", Method::ACK),
        ("CANCEL", Method::CANCEL),
        ("BYE", Method::BYE),
        ("OPTIONS", Method::OPTIONS),
    ];
    for (name, constant) in known {
        assert_eq!(method(name), constant);
        assert_ne!(method(&name.to_ascii_lowercase()), constant, "{name}: methods have their case");
    }
    assert_eq!(method("x-.!%*_+`'~9").as_str(), "x-.!%*_+`'~9");
    for bad in ["IN,VITE", "IN(VITE", "\"INVITE\"", "INVITE:", "INVI\u{e9}TE", ""] {
        assert_eq!(no_message(format!("{bad} sip:a SIP/2.0\r\n\r\n")), Some(400), "{bad:?}");
    }
}

// rfc: 3261 §7.1 — Request-URI: of any scheme, without white space and control characters, and not in < >
#[test]
fn a_request_uri_is_any_uri_and_nothing_else() {
    let verdict_of = |uri: &str| verdict(format!("INVITE {uri} SIP/2.0\r\n{GOOD}\r\n\r\n"));
    for good in [
        "sip:a",
        "SIPS:a",
        "tel:+1-201-555-0123",
        "urn:service:sos",
        "http://a/b?c",
        "x+y-z.1:q",
        "sip:a%20b@c",
    ] {
        assert_eq!(verdict_of(good), None, "{good}");
    }
    for bad in [
        "<sip:a>",
        "<sip:a",
        "sip:a b",
        "sip:a\tb",
        "sip:a\u{1}",
        "sip:a\u{7f}",
        "sip:\u{e4}@a",
        "a",
        "*",
        ":a",
        "1x:a",
        "http:%4",
    ] {
        assert_eq!(verdict_of(bad), Some(400), "{bad:?}");
    }
    let latin_1 = [b"INVITE sip:\xe4@a SIP/2.0\r\n", GOOD.as_bytes(), b"\r\n\r\n"].concat();
    assert_eq!(verdict(latin_1), Some(400), "a byte that cannot be kept as text");
}

// rfc: 3261 §7.1 — the version is read in any case, written in upper case
// rfc: 3261 §7.1 — the version is a literal string: others are 505, what is no version 400
#[test]
fn there_is_one_version() {
    let message = parse("OPTIONS sip:a sIp/2.0\r\n\r\n").unwrap();
    assert_eq!(message.to_bytes(), "OPTIONS sip:a SIP/2.0\r\n\r\n");
    assert_eq!(parse("sip/2.0 200 OK\r\n\r\n").unwrap().to_bytes(), "SIP/2.0 200 OK\r\n\r\n");
    for (version, status) in [
        ("SIP/2.1", 505),
        ("SIP/7.0", 505),
        ("sip/02.0", 505),
        ("SIP/2.00", 505),
        ("SIP/10.12", 505),
        ("SIP/2", 400),
        ("SIP/2.", 400),
        ("SIP/.0", 400),
        ("SIP/", 400),
        ("SIP", 400),
        ("SIP/2.0x", 400),
        ("SIP/2.0.1", 400),
        ("SIP/2.0/UDP", 400),
        ("HTTP/2.0", 400),
    ] {
        assert_eq!(no_message(format!("OPTIONS sip:a {version}\r\n\r\n")), Some(status), "{version}");
    }
}

// rfc: 3261 §7.2 — the first digit is the class: 1xx to 6xx, and nothing else
#[test]
fn the_first_digit_is_the_class() {
    let classes: [fn(StatusCode) -> bool; 6] = [
        StatusCode::is_provisional,
        StatusCode::is_success,
        StatusCode::is_redirection,
        StatusCode::is_client_error,
        StatusCode::is_server_error,
        StatusCode::is_global_failure,
    ];
    for first in 1..=6u16 {
        for code in [first * 100, first * 100 + 42, first * 100 + 99] {
            let status = StatusCode::new(code).unwrap();
            let found: Vec<bool> = classes.iter().map(|class| class(status)).collect();
            let expected: Vec<bool> = (1..=6).map(|class| class == first).collect();
            assert_eq!(found, expected, "{code}");
            assert_eq!(status.is_final(), first > 1, "{code}");
        }
    }
    for line in [
        "SIP/2.0 000 x",
        "SIP/2.0 099 x",
        "SIP/2.0 700 x",
        "SIP/2.0 999 x",
        "SIP/2.0 20 x",
        "SIP/2.0 +20 x",
        "SIP/2.0 200OK",
        "SIP/2.0 200\tOK",
    ] {
        assert_eq!(verdict(format!("{line}\r\n{GOOD}\r\n\r\n")), Some(400), "{line}");
    }
}

// rfc: 3261 §7.2 — the reason phrase is any text, of any length, also none, and is kept byte for byte
#[test]
fn reason_phrases_are_any_text() {
    for reason in ["", "OK", " two  spaces ", "Ça marche \u{1f44d}", "= 2**3 \"<;,>", "a:b@c"] {
        let text = format!("SIP/2.0 200 {reason}\r\nl: 0\r\n\r\n");
        let message = parse(text.as_str()).unwrap();
        assert_eq!(message.as_response().unwrap().reason(), reason);
        assert_eq!(message.to_bytes(), text);
    }
    let latin_1 = b"SIP/2.0 200 J\xf6rg \x80\r\nl: 0\r\n\r\n";
    let mut message = parse(*latin_1).unwrap();
    assert_eq!(message.as_response().unwrap().reason(), "Jörg \u{80}");
    assert_eq!(message.to_bytes(), &latin_1[..], "bytes that are no UTF-8 are forwarded all the same");
    if let Message::Response(response) = &mut message {
        response.set_reason("Jörg");
    }
    assert_eq!(message.to_bytes(), "SIP/2.0 200 Jörg\r\nl: 0\r\n\r\n");
    for bad in [&b"SIP/2.0 200 O\rK\r\n\r\n"[..], b"SIP/2.0 200 O\0K\r\n\r\n"] {
        assert!(parse(bad).is_err(), "no CR in the line");
    }
}

// rfc: 3261 §7.3.1 — any white space around the colon: four ways to write one header
#[test]
fn white_space_around_the_colon_means_nothing() {
    for line in [
        "Subject:            lunch",
        "Subject      :      lunch",
        "Subject            :lunch",
        "Subject: lunch",
        "Subject\t:\t lunch \t",
    ] {
        assert_eq!(request(line).headers().require::<Subject>().unwrap().0, "lunch", "{line:?}");
    }
    for bad in ["Subject\r\n : lunch", " Subject: lunch", "Sub ject: lunch"] {
        assert_eq!(no_message(format!("OPTIONS sip:a SIP/2.0\r\n{bad}\r\n\r\n")), Some(400), "{bad:?}");
    }
}

// rfc: 3261 §7.3.1 — a line that begins with a space or a tab continues the one before it
#[test]
fn folded_headers_equal_unfolded_ones() {
    let unfolded = "I know you're there, pick up the phone and talk to me!";
    for folded in [
        "I know you're there,\r\n         pick up the phone\r\n         and talk to me!",
        "\r\n I know you're there, pick up the\r\n\tphone and talk to me!",
        "I know you're there, \t \r\n \t pick up the phone and talk to me!\r\n ",
    ] {
        assert_eq!(read::<Subject>(folded).0, unfolded, "{folded:?}");
    }
    let to: To = read("\"Bob\r\n Q\"\r\n <sip:bob@b>\r\n\t;\r\n tag\r\n =\r\n x");
    assert_eq!((to.display_name(), to.tag()), (Some("Bob Q"), Some("x")));
}

// rfc: 3261 §7.3.1 — rows of one name form one list in their order, whatever stands between and however they are split
// rfc: 3261 §7.3.1 — the order of rows of one name is part of the meaning
#[test]
fn rows_and_commas_are_one_list_in_order() {
    let routes = |lines: &str| -> Vec<String> {
        all::<Route>(lines).iter().map(|route| route.uri().user().unwrap().into_owned()).collect()
    };
    for lines in [
        "Route: <sip:alice@atlanta.com>\r\nSubject: Lunch\r\nRoute: <sip:bob@biloxi.com>\r\nRoute: <sip:carol@chicago.com>",
        "Route: <sip:alice@atlanta.com>, <sip:bob@biloxi.com>\r\nRoute: <sip:carol@chicago.com>\r\nSubject: Lunch",
        "Subject: Lunch\r\nRoute: <sip:alice@atlanta.com>, <sip:bob@biloxi.com>,\r\n       <sip:carol@chicago.com>",
        "Route:<sip:alice@atlanta.com>\r\nroute:<sip:bob@biloxi.com>,<sip:carol@chicago.com>",
        "Route:\r\nRoute: <sip:alice@atlanta.com> , <sip:bob@biloxi.com>\t,\t<sip:carol@chicago.com>",
    ] {
        assert_eq!(routes(lines), ["alice", "bob", "carol"], "{lines}");
    }
    let reordered =
        "Route: <sip:bob@biloxi.com>\r\nRoute: <sip:alice@atlanta.com>\r\nRoute: <sip:carol@chicago.com>";
    assert_eq!(routes(reordered), ["bob", "alice", "carol"]);
    let reordered = "Route: <sip:alice@atlanta.com>,<sip:carol@chicago.com>,\r\n       <sip:bob@biloxi.com>";
    assert_eq!(routes(reordered), ["alice", "carol", "bob"]);
}

// rfc: 3261 §7.3.1 — the order of headers of different names means nothing
#[test]
fn headers_of_different_names_stand_in_any_order() {
    let mut lines: Vec<&str> = GOOD.split("\r\n").collect();
    for _ in 0..lines.len() {
        lines.rotate_left(1);
        let request = request(&lines.join("\r\n"));
        assert_eq!(request.check(), Ok(()), "{lines:?}");
        assert_eq!(request.headers().require::<CSeq>().unwrap(), CSeq::new(314_159, Method::INVITE));
    }
}

// rfc: 3261 §7.3.1 — rows of (Proxy-)Authorization, WWW- and Proxy-Authenticate are never joined
#[test]
fn each_row_of_credentials_stands_alone() {
    let rows = |name: &str| {
        format!("{name}: Digest realm=\"a\", nonce=\"1\", x=y\r\n{name}: Digest realm=\"b\", nonce=\"2\"")
    };
    let lengths = |lengths: [usize; 2]| assert_eq!(lengths, [3, 2]);
    lengths([0, 1].map(|n| all::<WwwAuthenticate>(&rows("WWW-Authenticate"))[n].0.params.len()));
    lengths([0, 1].map(|n| all::<ProxyAuthenticate>(&rows("Proxy-Authenticate"))[n].0.params.len()));
    lengths([0, 1].map(|n| all::<Authorization>(&rows("Authorization"))[n].0.params.len()));
    lengths([0, 1].map(|n| all::<ProxyAuthorization>(&rows("Proxy-Authorization"))[n].0.params.len()));
    for name in [HeaderName::WWW_AUTHENTICATE, HeaderName::PROXY_AUTHORIZATION] {
        assert!(!name.is_list(), "{name}");
    }
    assert!(HeaderName::ROUTE.is_list() && HeaderName::CONTACT.is_list() && !HeaderName::SUBJECT.is_list());
}

// rfc: 3261 §7.3.1 — names of headers and parameters and tokens have no case
#[test]
fn names_and_tokens_have_no_case() {
    let contact: Contact = read("<sip:alice@atlanta.com>;expires=3600");
    let lines = request("CONTACT: <sip:alice@atlanta.com>;ExPiReS=3600");
    assert_eq!(lines.headers().require::<Contact>().unwrap(), contact);
    assert_eq!(contact.expires(), Some(3600));
    for value in ["session;handling=optional", "Session;HANDLING=OPTIONAL"] {
        let disposition = request(&format!("content-DISPOSITION: {value}"));
        let disposition: ContentDisposition = disposition.headers().require().unwrap();
        assert!(disposition.kind.eq_ignore_ascii_case("session") && disposition.is_optional(), "{value}");
    }
    assert!(read::<Supported>("100REL").contains("100rel"));
    assert!(read::<ContentType>("APPLICATION/Sdp").is("application/sdp"));
}

// rfc: 3261 §7.3.1 — quoted strings have their case
#[test]
fn quoted_strings_have_their_case() {
    let small: Warning = read("370 devnull \"Choose a bigger pipe\"");
    assert_ne!(small, read("370 devnull \"CHOOSE A BIGGER PIPE\""));
    assert_eq!(small, read("370  devnull  \"Choose a bigger pipe\""));
}

// rfc: 3261 §7.3.1 — a parameter stands once: tag and branch, which name things, are refused twice
#[test]
fn a_tag_or_branch_that_stands_twice_names_nothing() {
    for (once, twice) in [
        ("tag=1928301774", "tag=1928301774;Tag=2"),
        ("tag=1928301774", "tag=1928301774;x;tag=1928301774"),
        ("biloxi.com>", "biloxi.com>;tag=1;tag=2"),
        ("branch=z9hG4bK776asdhds", "branch=z9hG4bK776asdhds;branch=z9hG4bK2"),
    ] {
        let lines = GOOD.replace(once, twice);
        assert_eq!(verdict(format!("INVITE sip:a SIP/2.0\r\n{lines}\r\n\r\n")), Some(400), "{twice}");
    }
}

// rfc: 3261 §7.3.2 — a header of requests is ignored in a response
#[test]
fn headers_of_requests_are_ignored_in_responses() {
    let lines = format!("{GOOD}\r\nMax-Forwards: many\r\nRoute: nonsense\r\nSubject:\r\nRequire: x");
    assert_eq!(verdict(format!("SIP/2.0 200 OK\r\n{lines}\r\n\r\n")), None);
    assert_eq!(verdict(format!("INVITE sip:a SIP/2.0\r\n{lines}\r\n\r\n")), Some(400));
}

// rfc: 3261 §7.3.3 — every compact form of §20, also beside the long one
#[test]
fn long_and_compact_names_are_one_list() {
    for (compact, name) in [
        ("i", "Call-ID"),
        ("m", "Contact"),
        ("e", "Content-Encoding"),
        ("l", "Content-Length"),
        ("c", "Content-Type"),
        ("f", "From"),
        ("s", "Subject"),
        ("k", "Supported"),
        ("t", "To"),
        ("v", "Via"),
    ] {
        for short in [compact.to_owned(), compact.to_ascii_uppercase()] {
            assert_eq!(short.parse::<HeaderName>().unwrap(), name.parse().unwrap(), "{short}");
        }
        assert_eq!(name.parse::<HeaderName>().unwrap().compact(), compact.chars().next());
    }
    let both = request("v: SIP/2.0/UDP a\r\nVia: SIP/2.0/UDP b\r\nk: x\r\nSupported: y\r\nK:z");
    assert_eq!(both.headers().all::<Via>().count(), 2);
    assert_eq!(both.headers().require::<Supported>().unwrap().to_string(), "x, y, z");
}

// rfc: 3261 §7.4 — every request and every response may have a body
#[test]
fn anything_may_have_a_body() {
    let methods = Method::ALL.iter().map(|method| format!("{method} sip:a SIP/2.0"));
    let responses = [100, 180, 200, 302, 486, 500, 603].map(|code| format!("SIP/2.0 {code} x"));
    for line in methods.chain(responses) {
        let text = format!("{line}\r\nContent-Type: a/b\r\nl: 4\r\n\r\nbody");
        let message = parse(text.as_str()).unwrap();
        assert_eq!(message.body(), "body", "{line}");
        assert_eq!(message.to_bytes(), text);
    }
}

// rfc: 3261 §7.4.1 — Content-Type gives the media type, Content-Encoding what was done to the body
// rfc: 3261 §7.4.1 — multipart and binary bodies
#[test]
fn bodies_are_octets_of_a_media_type() {
    let body: Vec<u8> = (0..=255).collect();
    let head = "OPTIONS sip:a SIP/2.0\r\nContent-Type: text/plain;charset=ISO-8859-4\r\nContent-Encoding: gzip\r\nl: 256\r\n\r\n";
    let message = parse([head.as_bytes(), &body].concat()).unwrap();
    assert_eq!(message.body(), &body[..]);
    let content_type: ContentType = message.headers().require().unwrap();
    assert!(content_type.is("text/plain") && content_type.params.value("charset") == Some("ISO-8859-4"));
    assert!(message.headers().require::<ContentEncoding>().unwrap().contains("gzip"));
    let multipart: ContentType = read("multipart/mixed;boundary=\"a b\"");
    let parts =
        sip_msg::Multipart::parse(&multipart, &"--a b\r\n\r\nx\r\n--a b--".into(), &Limits::default());
    assert_eq!(parts.unwrap().parts[0].body, "x");
}

// rfc: 3261 §7.4.2 — there is no chunked transfer: Content-Length alone counts
#[test]
fn chunks_are_just_octets() {
    let text = "OPTIONS sip:a SIP/2.0\r\nTransfer-Encoding: chunked\r\nl: 14\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
    assert_eq!(parse(text).unwrap().body(), "4\r\nbody\r\n0\r\n\r\n");
}

// rfc: 3261 §7.5 — a datagram is one message; in a stream Content-Length ends each, and CRLFs between are ignored
#[test]
fn streams_are_cut_by_content_length() {
    let one = "OPTIONS sip:a SIP/2.0\r\nl: 4\r\n\r\nbody";
    let stream = format!("\r\n\r\n{one}\r\n{one}{one}");
    assert_eq!(parse(stream.as_str()).unwrap().to_bytes(), one, "a datagram holds one");
    for size in 1..stream.len() {
        let mut framer = Framer::new(Limits::default());
        let mut messages = Vec::new();
        for piece in stream.as_bytes().chunks(size) {
            framer.push(piece);
            while let Some(frame) = framer.next() {
                if let Frame::Message(bytes) = frame.unwrap() {
                    messages.push(bytes);
                }
            }
        }
        assert_eq!(messages, [one; 3], "in pieces of {size}");
    }
}

//! The grammar: §25.1.

use super::*;

// rfc: 3261 §25.1 — quoted-string: escapes of quote and backslash
#[test]
fn quotes_and_backslashes_are_escaped() {
    let from: From = read(r#""a \"b\" \\ \c" <sip:d@e>"#);
    assert_eq!(from.display_name(), Some(r#"a "b" \ c"#));
    assert_eq!(from.to_string(), r#""a \"b\" \\ c" <sip:d@e>"#);
    refuse::<From>(r#""a\" <sip:d@e>"#);
}

/// The bytes, of those above NUL, that may stand in place of `@` in a value of `H`.
fn bytes_of<H: TypedHeader>(value: &str) -> String {
    let bytes = (1..0x7fu8).map(char::from).filter(|&byte| {
        let message = parse(format!(
            "INVITE sip:a SIP/2.0\r\n{}: {}\r\n\r\n",
            H::NAME,
            value.replace('@', &byte.to_string())
        ));
        message.is_ok_and(|message| {
            message.headers().require::<H>().is_ok_and(|read| read.to_string().contains(byte))
        })
    });
    bytes.collect()
}

const ALPHANUM: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn sorted(bytes: &str) -> String {
    let mut bytes: Vec<char> = bytes.chars().collect();
    bytes.sort_unstable();
    bytes.into_iter().collect()
}

// rfc: 3261 §25.1 — token: letters, digits and -.!%*_+`'~; separators are none
#[test]
fn tokens_have_their_bytes() {
    let token = sorted(&format!("{ALPHANUM}-.!%*_+`'~"));
    assert_eq!(bytes_of::<Priority>("a@b"), token);
    assert_eq!(bytes_of::<sip_msg::SipEtag>("a@b"), token);
    assert_eq!(bytes_of::<ContentType>("a@b/c"), token);
    let names = (1..0x7fu8).map(char::from).filter(|byte| format!("x{byte}y").parse::<HeaderName>().is_ok());
    assert_eq!(names.collect::<String>(), token);
    let methods = (1..0x7fu8).map(char::from).filter(|byte| format!("x{byte}y").parse::<Method>().is_ok());
    assert_eq!(methods.collect::<String>(), token);
}

// rfc: 3261 §25.1 — word: a token's bytes and ()<>:\"/[]?{}, and callid = word [ "@" word ]
#[test]
fn words_have_their_bytes() {
    let word = sorted(&format!("{ALPHANUM}-.!%*_+`'~()<>:\\\"/[]?{{}}@"));
    assert_eq!(bytes_of::<CallId>("a@b"), word);
    assert_eq!(bytes_of::<InReplyTo>("a@b"), sorted(&format!("{word},")), "a comma begins the next");
}

// rfc: 3261 §25.1 — user: unreserved, escaped and &=+$,;?/ (and #, which devices send)
// rfc: 3261 §25.1 — password: unreserved, escaped and &=+$,
// rfc: 3261 §25.1 — paramchar: unreserved, escaped and []/:&+$
// rfc: 3261 §25.1 — hname and hvalue: unreserved, escaped and []/?:+$
// rfc: 3261 §25.1 — hostname: letters, digits, - and . (and _, which networks have)
#[test]
fn uris_have_their_bytes() {
    let bytes = |text: &str| -> String {
        // An @ makes a user of what stands before it.
        (1..0x7fu8)
            .map(char::from)
            .filter(|&byte| byte != '@')
            .filter(|byte| text.replace('~', &byte.to_string()).parse::<Uri>().is_ok())
            .collect()
    };
    let unreserved = format!("{ALPHANUM}-_.!~*'()");
    assert_eq!(
        bytes("sip:a~b@c"),
        sorted(&format!("{unreserved}&=+$,;?/#:")),
        "after a : the password begins"
    );
    assert_eq!(bytes("sip:a:b~c@d"), sorted(&format!("{unreserved}&=+$,")));
    assert_eq!(bytes("sip:a;b~c"), sorted(&format!("{unreserved}[]/:&+$=;")), "= and ; divide parameters");
    assert_eq!(bytes("sip:a;b=c~d"), sorted(&format!("{unreserved}[]/:&+$;")));
    assert_eq!(bytes("sip:a?b~c=d"), sorted(&format!("{unreserved}[]/?:+$")));
    assert_eq!(bytes("sip:a?b=c~d"), sorted(&format!("{unreserved}[]/?:+$")));
    assert_eq!(bytes("sip:a~b"), sorted(&format!("{ALPHANUM}-._;")), "; begins a parameter");
    for escaped in ["sip:%00%ff%2f@a", "sip:a:%20@b", "sip:a;%20=%3b", "sip:a?%20=%26"] {
        assert_eq!(uri(escaped).to_string(), escaped);
    }
}

// rfc: 3261 §25.1 — LWS: a line break and white space is white space, wherever that may stand
// rfc: 3261 §25.1 — SLASH, EQUAL, SEMI, COMMA, COLON: white space on either side
// rfc: 3261 §25.1 — HCOLON: white space before the colon, but no line break
#[test]
fn white_space_stands_around_separators() {
    for space in ["", " ", "\t", "  \t ", "\r\n ", " \r\n\t", "\n "] {
        let spaced = |value: &str| value.replace('_', space);
        let via: Via = read(&spaced("SIP_/_2.0_/_UDP a_:_5060_;_branch_=_x_;_y"));
        assert_eq!(via.to_string(), "SIP/2.0/UDP a:5060;branch=x;y", "{space:?}");
        let contacts = all::<Contact>(&spaced("Contact:_\"A\"_<sip:a>_;_q_=_0.5_,_<sip:b>_,_C_<sip:c>_"));
        assert_eq!(contacts.len(), 3, "{space:?}");
        assert_eq!(
            read::<ContentType>(&spaced("a_/_b_;_c_=_\"d\"_")).to_string(),
            "a/b;c=\"d\"",
            "{space:?}"
        );
        let digest: Authorization = read(&spaced("Digest _a_=_\"b\"_,_c_=_d_"));
        assert_eq!(digest.to_string(), "Digest a=\"b\", c=d", "{space:?}");
        assert_eq!(read::<Allow>(&spaced("A_,_B_")).to_string(), "A, B", "{space:?}");
        assert_eq!(read::<Contact>(&spaced("_*_")), Contact::Star, "{space:?}");
        assert_eq!(read::<RetryAfter>(&spaced("5_(_a_)_;_b")).seconds, 5, "{space:?}");
    }
    assert_eq!(no_message("OPTIONS sip:a SIP/2.0\r\nTo\r\n : <sip:a>\r\n\r\n"), Some(400));
}

// rfc: 3261 §25.1 — LAQUOT and RAQUOT: no white space within the brackets
#[test]
fn brackets_hold_a_uri_alone() {
    for bad in ["< sip:a>", "<sip:a >", "<\r\n sip:a>", "<sip:a b>", "<sip:a\t>"] {
        refuse::<To>(bad);
    }
}

// rfc: 3261 §25.1 — comment: nested, with escapes, UTF-8 and folds
#[test]
fn comments_nest() {
    for (comment, content) in [
        ("()", ""),
        ("(a)", "a"),
        ("(a (b (c)) d)", "a (b (c)) d"),
        ("(a \\) \\( \\\\)", "a \\) \\( \\\\"),
        ("(\"<,;☎)", "\"<,;☎"),
        ("(a\r\n b)", "a b"),
    ] {
        let retry: RetryAfter = read(&format!("1 {comment};x"));
        assert_eq!((retry.comment.as_deref(), retry.params.len()), (Some(content), 1), "{comment}");
        assert_eq!(read::<RetryAfter>(&retry.to_string()), retry);
    }
    for bad in ["(", "(a", "(a))", "((a)", "(a\\)", "(a) (b)", ")"] {
        refuse::<RetryAfter>(&format!("1 {bad}"));
    }
}

// rfc: 3261 §25.1 — quoted-string: any text, UTF-8 and folds too; \ before any byte but CR and LF
#[test]
fn quoted_strings_hold_any_text() {
    for (quoted, text) in [
        (r#""""#, None),
        (r#"" ""#, Some(" ")),
        (r#""a;b,c<d>e@f?g=h""#, Some("a;b,c<d>e@f?g=h")),
        (r#""\"\\\a\ä""#, Some("\"\\aä")),
        ("\"\\\0\\\u{7f}\\\t\"", Some("\0\u{7f}\t")),
        ("\"☎ ünï\"", Some("☎ ünï")),
        ("\"a\r\n  b\"", Some("a b")),
    ] {
        let from: From = read(&format!("{quoted}<sip:a>"));
        assert_eq!(from.display_name(), text, "{quoted:?}");
    }
    for bad in [r#"""#, r#""a"#, r#""a\"#, r#""a\""#, r#""a"b""#] {
        refuse::<From>(&format!("{bad} <sip:a>"));
    }
    for line_end in ["\r", "\r\n", "\n"] {
        let text = format!("OPTIONS sip:a SIP/2.0\r\nTo: \"a\\{line_end}b\" <sip:a>\r\n\r\n");
        assert_eq!(no_message(text), Some(400), "{line_end:?}");
    }
}

// rfc: 3261 §25.1 — TEXT-UTF8-TRIM: white space around the text does not belong to it
// rfc: 3261 §25.1 — UTF8-NONASCII: what is no UTF-8 is read as Latin-1 and forwarded as it came
#[test]
fn texts_are_trimmed_utf_8() {
    assert_eq!(read::<Subject>(" \t\r\n a  b \r\n ").0, "a  b");
    assert_eq!(read::<Subject>("¢ € 𐍈").0, "¢ € 𐍈");
    let bytes = b"OPTIONS sip:a SIP/2.0\r\nSubject: J\xf6rg\r\nTo: \"J\xf6rg\" <sip:a>\r\n\r\n\xff\x00";
    let message = parse(*bytes).unwrap();
    assert_eq!(message.headers().require::<Subject>().unwrap().0, "Jörg");
    assert_eq!(message.headers().require::<To>().unwrap().display_name(), Some("Jörg"));
    assert_eq!(message.to_bytes(), &bytes[..]);
}

// rfc: 3261 §25.1 — hostname: labels, a top label and perhaps a last point
// rfc: 3261 §25.1 — IPv4address: four numbers
// rfc: 3261 §25.1 — IPv6reference and IPv6address: in brackets, with ::, with an IPv4 tail
#[test]
fn hosts_have_three_forms() {
    for name in ["a", "a.", "A-1.b-2.Example", "xn--bcher-kva.example.", "1.2.3.4.example", "3com.com"] {
        let host: Host = name.parse().unwrap();
        assert_eq!((host.ip(), host.to_string().as_str()), (None, name));
    }
    for (text, ip) in [
        ("192.0.2.1", "192.0.2.1"),
        ("0.0.0.0", "0.0.0.0"),
        ("[::]", "::"),
        ("[::1]", "::1"),
        ("[2001:DB8::9:1]", "2001:db8::9:1"),
        ("[1:2:3:4:5:6:7:8]", "1:2:3:4:5:6:7:8"),
        ("[::ffff:192.0.2.128]", "::ffff:192.0.2.128"),
        ("[1:2:3:4:5:6:192.0.2.1]", "1:2:3:4:5:6:c000:201"),
    ] {
        assert_eq!(text.parse::<Host>().unwrap().ip(), ip.parse().ok(), "{text}");
    }
    for bad in [
        "",
        "-a",
        ".a",
        "[]",
        "[::1",
        "::1]",
        "[1:2:3:4:5:6:7:8:9]",
        "[1::2::3]",
        "[12345::]",
        "[g::]",
        "[fe80::1%25eth0]",
        "[192.0.2.1]",
        "a b",
        "a%20b",
        "ä.example",
    ] {
        assert!(bad.parse::<Host>().is_err(), "{bad}");
    }
}

// rfc: 3261 §25.1 — port: digits, here up to 65535
#[test]
fn ports_are_digits() {
    for (text, port) in [("a:0", 0), ("a:5060", 5060), ("a:0005060", 5060), ("[::1]:65535", 65535)] {
        assert_eq!(text.parse::<HostPort>().unwrap().port, Some(port), "{text}");
    }
    for bad in ["a:", "a:x", "a:-1", "a:+1", "a: 1", "a:65536", "a:99999999999", "a:1:2"] {
        assert!(bad.parse::<HostPort>().is_err(), "{bad}");
    }
}

// rfc: 3261 §25.1 — scheme and absoluteURI: a letter, then letters, digits, + - and .; then anything a URI may hold
#[test]
fn absolute_uris_have_a_scheme_and_a_rest() {
    for text in ["http://a.b:80/c;d?e#f", "urn:x:y", "a+b-c.1:x", "mailto:a@b", "im:a@b?c", "data:,", "x:%41"]
    {
        assert_eq!(uri(text).to_string(), text);
        assert_eq!(uri(text).scheme(), Scheme::Other, "{text}");
    }
    assert!(uri("HTTP:x").equivalent(&uri("http:x")), "a scheme's case does not count");
    for bad in [
        "", ":x", "1a:x", "+a:x", "a_b:x", "a", "a:", "a: ", "a:b c", "a:<b>", "a:\"", "a:%4", "a:%xx",
        "a:\u{7f}",
    ] {
        assert!(bad.parse::<Uri>().is_err(), "{bad:?}");
    }
}

// rfc: 3261 §25.1 — Status-Code: every code of the RFC is known, any other of three digits is taken
#[test]
fn status_codes_are_known_and_open() {
    for code in [
        100, 180, 181, 182, 183, 200, 300, 301, 302, 305, 380, 400, 401, 402, 403, 404, 405, 406, 407, 408,
        410, 413, 414, 415, 416, 420, 421, 423, 480, 481, 482, 483, 484, 485, 486, 487, 488, 491, 493, 500,
        501, 502, 503, 504, 505, 513, 600, 603, 604, 606,
    ] {
        let message = parse(format!("SIP/2.0 {code} x\r\n\r\n")).unwrap();
        let status = message.as_response().unwrap().status();
        assert_eq!(status.code(), code);
        assert!(!status.reason().is_empty());
        assert!(
            code % 100 == 0 || status.reason() != StatusCode::new(code / 100 * 100).unwrap().reason(),
            "{code}"
        );
    }
    assert_eq!(parse("SIP/2.0 299 x\r\n\r\n").unwrap().as_response().unwrap().status().code(), 299);
}

// rfc: 3261 §25.1 — generic-param: a name alone, or a token, a host or a quoted string as its value
#[test]
fn parameters_have_tokens_hosts_and_quotes_as_values() {
    let to: To = read(
        "<sip:a>;flag;t=a.!%*_+`'~-;h=example.com.;v4=192.0.2.1;v6=[2001:db8::1];q=\"a;b=\\\"c\\\"\";e=\"\"",
    );
    let values = ["flag", "t", "h", "v4", "v6", "q", "e"].map(|name| to.params.get(name).unwrap());
    let expected = [
        None,
        Some("a.!%*_+`'~-"),
        Some("example.com."),
        Some("192.0.2.1"),
        Some("[2001:db8::1]"),
        Some("a;b=\"c\""),
        Some(""),
    ];
    assert_eq!(values, expected);
    for bad in [
        ";",
        ";=",
        ";=a",
        ";a=",
        ";a==b",
        ";a=b=c",
        ";a b",
        ";a=\"b\"c",
        ";a=b c",
        ";a=(b)",
        ";a=b@c",
        ";\"a\"=b",
        ";a=b,c=d",
        ";;a",
    ] {
        refuse::<To>(&format!("<sip:a>{bad}"));
    }
}

// rfc: 3261 §25.1 — via-ttl, via-maddr, via-received, via-branch and via-extension
#[test]
fn vias_have_their_parameters() {
    let via: Via =
        read("SIP/2.0/UDP a;ttl=16;maddr=224.2.0.1;received=192.0.2.1;branch=z9hG4bK.x;rport=5062;new=\"x\"");
    assert_eq!(via.params.value("ttl"), Some("16"));
    assert_eq!(via.params.value("maddr"), Some("224.2.0.1"));
    assert_eq!((via.received(), via.rport()), ("192.0.2.1".parse().ok(), Some(Some(5062))));
    assert_eq!((via.branch().unwrap(), via.params.value("new")), ("z9hG4bK.x", Some("x")));
    for received in ["2001:db8::1", "[2001:db8::1]"] {
        let via: Via = read(&format!("SIP/2.0/UDP a;received={received};rport"));
        assert_eq!((via.received(), via.rport()), ("2001:db8::1".parse().ok(), Some(None)), "{received}");
    }
    for (rport, port) in
        [("65536", None), ("+5060", None), ("0", Some(0)), ("x", None), ("05060", Some(5060))]
    {
        assert_eq!(read::<Via>(&format!("SIP/2.0/UDP a;rport={rport}")).rport(), Some(port), "{rport}");
    }
    assert_eq!(read::<Via>("SIP/2.0/UDP a;received=example.com").received(), None);
}

// rfc: 3261 §25.1 — display-name: tokens with white space between, or a quoted string
#[test]
fn display_names_are_tokens_or_quoted() {
    for (text, name) in [
        ("Bob <sip:a>", Some("Bob")),
        ("Bob<sip:a>", Some("Bob")),
        ("J. R. O'Neil-Smith!\t<sip:a>", Some("J. R. O'Neil-Smith!")),
        ("\"B\"<sip:a>", Some("B")),
        ("<sip:a>", None),
        ("\"\" <sip:a>", None),
        ("sip:a", None),
        ("sip <sip:a>", Some("sip")),
    ] {
        assert_eq!(read::<To>(text).display_name(), name, "{text}");
    }
    for bad in [
        "Bob, Q <sip:a>",
        "Bob (Q) <sip:a>",
        "Bob@Q <sip:a>",
        "\"Bob\" Q <sip:a>",
        "Bob \"Q\" <sip:a>",
        "B:b <sip:a>",
        "Bob",
    ] {
        refuse::<To>(bad);
    }
}

// rfc: 3261 §25.1 — digest-response: names in any case, quoted or token values; other schemes as they come
// rfc: 3261 §25.1 — digest-cln: qop options are one quoted list
#[test]
fn credentials_and_challenges_follow_the_grammar() {
    let digest: Authorization = read(
        "digest USERNAME=\"a\", Realm=\"b\",nonce=\"c\",uri=\"sip:d\",response=\"00112233445566778899aabbccddeeff\",algorithm=MD5-sess,cnonce=\"e\",opaque=\"\",qop=auth-int,nc=0000000a,x=y",
    );
    let names =
        ["username", "realm", "nonce", "uri", "response", "algorithm", "cnonce", "opaque", "qop", "nc", "x"];
    let values = names.map(|name| digest.0.params.value(name).unwrap());
    assert_eq!(
        values,
        [
            "a",
            "b",
            "c",
            "sip:d",
            "00112233445566778899aabbccddeeff",
            "MD5-sess",
            "e",
            "",
            "auth-int",
            "0000000a",
            "y"
        ]
    );
    let challenge: WwwAuthenticate = read("Digest realm=\"a\", qop=\"auth,auth-int\", nonce=\"b\"");
    assert_eq!(challenge.0.params.value("qop"), Some("auth,auth-int"));
    let other: Authorization = read("x-scheme a=\"b, c\", d=e");
    assert_eq!((&*other.0.scheme, other.0.params.value("a")), ("x-scheme", Some("b, c")));
}

// rfc: 3261 §25.1 — extension-header: any token as name, any text as value, kept as they are
#[test]
fn unknown_headers_are_any_text() {
    let lines = "x.!%*_+`'~-Y: (a,\"b;<c\\\r\n  d\r\nZ:\r\nq : \u{e9} \t z";
    let message = request(lines);
    let found: Vec<_> = message
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value).into_owned()))
        .collect();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let expected = [pair("x.!%*_+`'~-Y", "(a,\"b;<c\\\r\n  d"), pair("Z", ""), pair("q", "\u{e9} \t z")];
    assert_eq!(found, expected);
    assert!(String::from_utf8_lossy(&message.to_bytes()).contains(lines));
}

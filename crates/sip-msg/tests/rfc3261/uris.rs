//! URIs: §19.1; option tags and tags: §19.2, §19.3.

use super::*;

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

// rfc: 3261 §19.1.1 — user, password, host, port, parameters and headers, each where it stands
// rfc: 3261 §19.1.1 — the user may be absent, but not empty before an @
// rfc: 3261 §19.1.1 — the host is a name, an IPv4 or an IPv6 address
// rfc: 3261 §19.1.1 — a port that is not written is not made up
#[test]
fn a_uri_has_its_parts() {
    let whole = uri("sips:alice:secret@example.com:5071;transport=tcp;lr?Subject=x&body=y");
    assert_eq!(whole.scheme(), Scheme::Sips);
    assert_eq!((whole.user().as_deref(), whole.password().as_deref()), (Some("alice"), Some("secret")));
    assert_eq!((whole.host().unwrap().to_string().as_str(), whole.port()), ("example.com", Some(5071)));
    assert_eq!((whole.params().len(), whole.headers().count()), (2, 2));
    let host = uri("sip:example.com");
    assert_eq!((host.user(), host.password(), host.port()), (None, None, None));
    assert!(host.params().is_empty() && host.headers().next().is_none());
    assert_eq!(uri("sip:a:@b").password().as_deref(), Some(""));
    for (text, address) in [("sip:192.0.2.4", "192.0.2.4"), ("sip:a@[2001:db8::10]:5070", "2001:db8::10")] {
        assert_eq!(uri(text).host().unwrap().ip(), address.parse().ok(), "{text}");
    }
    for bad in [
        "sip:@a",
        "sip:",
        "sip:a@",
        "sip::5060",
        "sip:a@:5060",
        "sip:a:b:c@d",
        "sip:a@b:",
        "sip:a@b:x",
        "sip:a@b@c",
        "sip:2001:db8::10",
        "sip:[::1",
        "sip:[fe80::1%25eth0]",
    ] {
        assert!(bad.parse::<Uri>().is_err(), "{bad}");
    }
}

// rfc: 3261 §19.1.1 — the parameters transport, user, method, ttl, maddr and lr
// rfc: 3261 §19.1.1 — parameters that are not understood are kept and mean nothing
#[test]
fn parameters_are_known_or_ignored() {
    let multicast = uri("sip:alice@atlanta.com;maddr=239.255.255.1;ttl=15");
    assert_eq!(multicast.maddr(), "239.255.255.1".parse().ok());
    assert_eq!(multicast.params().value("TTL"), Some("15"));
    let other = uri("sip:+15551234@gw;user=phone;Method=REGISTER;LR;Transport=SCTP;x;y=z");
    assert_eq!(other.params().value("user"), Some("phone"));
    assert_eq!(other.params().value("method"), Some("REGISTER"));
    assert!(other.is_loose_router() && !multicast.is_loose_router());
    assert_eq!(other.transport_param(), Some("SCTP"));
    assert_eq!(other.params().get("x"), Some(None));
    assert_eq!(other.to_string(), "sip:+15551234@gw;user=phone;Method=REGISTER;LR;Transport=SCTP;x;y=z");
    for bad in ["sip:a;", "sip:a;;lr", "sip:a;=x", "sip:a;x=", "sip:a;x=y z", "sip:a;x=\"y\"", "sip:a;x=y=z"]
    {
        assert!(bad.parse::<Uri>().is_err(), "{bad}");
    }
}

// rfc: 3261 §19.1.1 — headers: names and values between & signs, a value may be empty, body is the body
#[test]
fn headers_follow_the_question_mark() {
    let headers = |text: &str| -> Vec<(String, String)> {
        uri(text).headers().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let found = headers("sip:a@b?Subject=two%20words&Priority=&body=1%0D%0A2");
    assert_eq!(found, [pair("Subject", "two words"), pair("Priority", ""), pair("body", "1\r\n2")]);
    for bad in [
        "sip:a?",
        "sip:a?x",
        "sip:a?=x",
        "sip:a?x=y&",
        "sip:a?x=y&&z=1",
        "sip:a?x=y=z",
        "sip:a?x=<y>",
        "sip:a?x=%4",
    ] {
        assert!(bad.parse::<Uri>().is_err(), "{bad}");
    }
}

// rfc: 3261 §19.1.1 — table 1: no headers in a Request-URI (RFC 4475 §3.1.2.11: 400)
// rfc: 3261 §19.1.1 — table 1: a component that should not stand in To and From harms nobody
// rfc: 3261 §19.1.1 — table 1: headers in the Contact of a registration, maddr and lr in Route
#[test]
fn components_stand_where_the_table_has_them() {
    let with =
        |from: &str, to: &str| verdict(format!("INVITE sip:b@c SIP/2.0\r\n{GOOD}\r\n\r\n").replace(from, to));
    assert_eq!(with("sip:b@c", "sip:b@c?Route=%3Csip:evil%3E"), Some(400));
    assert_eq!(with("sip:b@c", "sip:b:p@c:5070;user=phone;maddr=224.0.0.1;ttl=1;transport=udp;lr;x"), None);
    for name in ["<sip:bob@biloxi.com", "<sip:alice@atlanta.com"] {
        assert_eq!(with(name, &format!("{name}:5070;transport=tcp;lr;maddr=a;ttl=1;method=BYE?x=y")), None);
    }
    let contact: Contact = read("<sip:a@b?Route=%3Csip:c%3E>");
    let headers: Vec<_> = contact.uri().unwrap().headers().collect();
    assert_eq!(headers, [("Route".into(), "<sip:c>".into())]);
    let route: Route = read("<sip:p.example;transport=tcp;maddr=192.0.2.1;lr>;x=y");
    assert!(route.uri().is_loose_router() && route.uri().maddr().is_some() && route.params.len() == 1);
}

// rfc: 3261 §19.1.2 — what a component may not hold is escaped: j%40s0n
// rfc: 3261 §19.1.2 — of a telephone number too what a user may not hold: #
// rfc: 3261 §19.1.2 — white space and control characters never stand unescaped
#[test]
fn what_a_component_may_not_hold_is_escaped() {
    let written = |user: &str| Uri::sip("a".parse::<Host>().unwrap()).with_user(user).to_string();
    assert_eq!(written("j@s0n"), "sip:j%40s0n@a");
    assert_eq!(written("*06#"), "sip:*06%23@a");
    assert_eq!(written("100%"), "sip:100%25@a");
    assert_eq!(written("a b\u{7f}\0ä"), "sip:a%20b%7F%00%C3%A4@a");
    assert_eq!(written("-_.!~*'()&=+$,;?/"), "sip:-_.!~*'()&=+$,;?/@a", "all of these may stand");
    assert_eq!(written(":[]<>\"\\^`{|}@"), "sip:%3A%5B%5D%3C%3E%22%5C%5E%60%7B%7C%7D%40@a");
    let built = uri("sip:a").with_param("p?@=", Some("[]/:&+$ ;,")).with_header("h/ ;", "?&=@");
    assert_eq!(built.to_string(), "sip:a;p%3F%40%3D=[]/:&+$%20%3B%2C?h/%20%3B=?%26%3D%40");
    let password = uri("sip:u@a").with_password("a:/;?@").to_string();
    assert_eq!(password, "sip:u:a%3A%2F%3B%3F%40@a");
    for bad in ["sip:a b@c", "sip:a\t@c", "sip:a%4@c", "sip:a%g0@c", "sip:a%@c", "sip:a;b=%", "sip:\u{1}@c"] {
        assert!(bad.parse::<Uri>().is_err(), "{bad:?}");
    }
}

// rfc: 3261 §19.1.2 — no escapes in the host
#[test]
fn a_host_has_no_escapes() {
    for bad in ["sip:%65xample.com", "sip:a@ex%61mple.com", "sip:a@b%2Ec"] {
        assert!(bad.parse::<Uri>().is_err(), "{bad}");
    }
}

// rfc: 3261 §19.1.3 — a user may hold ; and = and is opaque: alice;day=tuesday
#[test]
fn semicolons_before_the_at_belong_to_the_user() {
    let alice = uri("sip:alice;day=tuesday@atlanta.com");
    assert_eq!(alice.user().unwrap(), "alice;day=tuesday");
    assert!(alice.params().is_empty());
    let project = uri("sips:alice@atlanta.com?subject=project%20x&priority=urgent");
    assert_eq!(project.headers().next(), Some(("subject".into(), "project x".into())));
    assert_eq!(uri("sip:+1-212-555-1212:1234@gateway.com;user=phone").password().unwrap(), "1234");
}

#[track_caller]
fn same(a: &str, b: &str) {
    assert!(uri(a).equivalent(&uri(b)) && uri(b).equivalent(&uri(a)), "{a} and {b} are the same");
}

#[track_caller]
fn differ(a: &str, b: &str) {
    assert!(!uri(a).equivalent(&uri(b)) && !uri(b).equivalent(&uri(a)), "{a} and {b} are not the same");
}

// rfc: 3261 §19.1.4 — the RFC's sets of equivalent URIs
#[test]
fn the_equivalent_examples_are_equivalent() {
    same("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp");
    same("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5");
    same("sip:carol@chicago.com", "sip:carol@chicago.com;security=on");
    same("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on");
    same(
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    );
    same(
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    );
}

// rfc: 3261 §19.1.4 — the RFC's sets of URIs that are not equivalent
#[test]
fn the_different_examples_differ() {
    differ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP");
    differ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060");
    differ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp");
    differ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp");
    differ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting");
    differ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4");
}

// rfc: 3261 §19.1.4 — equality is not transitive
#[test]
fn equality_is_not_transitive() {
    let (plain, on, off) =
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off");
    same(plain, on);
    same(plain, off);
    differ(on, off);
}

// rfc: 3261 §19.1.4 — SIP and SIPS URIs are never equivalent
// rfc: 3261 §19.1.4 — user and password have their case, everything else has none
// rfc: 3261 §19.1.4 — the order of parameters and headers means nothing
// rfc: 3261 §19.1.4 — an escape is the character it stands for, unless that is reserved
// rfc: 3261 §19.1.4 — a name is not the address it resolves to
#[test]
fn uris_are_compared_by_the_general_rules() {
    differ("sip:a@b", "sips:a@b");
    differ("sip:Bob@b", "sip:bob@b");
    differ("sip:bob:Secret@b", "sip:bob:secret@b");
    differ("sip:+1;Ext=2@b;user=phone", "sip:+1;ext=2@b;user=phone");
    same("sIp:bob@B.Example;X=Y", "sip:bob@b.example;x=y");
    same("sip:a@b;c=d;e=f;g", "sip:a@b;g;e=f;c=d");
    same("sip:a@b?c=d&e=f&c=g", "sip:a@b?e=f&c=g&c=d");
    differ("sip:a@b?c=d&c=d", "sip:a@b?c=d");
    same("sip:%2Da%7E%62@b;x=%79", "sip:-a~b@b;x=y");
    same("sip:a%20b@c", "sip:a%20b@c");
    same("sip:%c3%a4@c", "sip:%C3%A4@c");
    for reserved in [
        (";", "%3B"),
        ("/", "%2F"),
        ("?", "%3f"),
        ("&", "%26"),
        ("=", "%3D"),
        ("+", "%2B"),
        ("$", "%24"),
        (",", "%2c"),
    ] {
        differ(&format!("sip:a{}@b", reserved.0), &format!("sip:a{}@b", reserved.1));
    }
    differ("sip:a@localhost", "sip:a@127.0.0.1");
    same("sip:a@[2001:db8:0:0::1]", "sip:a@[2001:DB8::1]");
}

// rfc: 3261 §19.1.4 — user, password, host and port must match, one that is absent matches none
// rfc: 3261 §19.1.4 — an absent component does not match its default: port, transport, ttl, user, method
// rfc: 3261 §19.1.4 — a parameter in both must match
// rfc: 3261 §19.1.4 — user, ttl, method and maddr in only one never match
// rfc: 3261 §19.1.4 — any other parameter in only one is ignored
// rfc: 3261 §19.1.4 — headers are never ignored
#[test]
fn uris_are_compared_component_by_component() {
    differ("sip:a@b", "sip:c@b");
    differ("sip:a@b", "sip:b");
    differ("sip:a:b@c", "sip:a@c");
    differ("sip:a:@c", "sip:a@c");
    differ("sip:a@b", "sip:a@c");
    differ("sip:a@b:1", "sip:a@b:2");
    differ("sip:a@b", "sip:a@b:5060");
    differ("sips:a@b", "sips:a@b:5061");
    for default in ["transport=udp", "ttl=1", "user=ip", "method=INVITE", "maddr=b"] {
        differ("sip:a@b", &format!("sip:a@b;{default}"));
    }
    differ("sip:a@b;x=1", "sip:a@b;x=2");
    differ("sip:a@b;x", "sip:a@b;x=2");
    differ("sip:a@b;transport=udp", "sip:a@b;transport=tcp");
    differ("sip:a@b;maddr=1.2.3.4", "sip:a@b;maddr=1.2.3.5");
    differ("sip:a@b;ttl=1;x", "sip:a@b;x");
    same("sip:a@b;x=1;lr", "sip:a@b;y=2");
    same("sip:a@b;lr", "sip:a@b");
    differ("sip:a@b?x=1", "sip:a@b");
    differ("sip:a@b?x=1", "sip:a@b?x=2");
    differ("sip:a@b?x=1&y=2", "sip:a@b?x=1");
    same("sip:a@b?Subject=x", "sip:a@b?SUBJECT=x");
}

// rfc: 3261 §19.1.5 — transport, maddr, ttl, user and unknown parameters stay in the Request-URI
// rfc: 3261 §19.1.5 — method is the method, and leaves the Request-URI
// rfc: 3261 §19.1.5 — headers and body become those of the request
#[test]
fn a_request_is_formed_from_a_uri() {
    let target = uri(
        "sip:a@b;transport=tcp;maddr=c;ttl=3;user=ip;method=SUBSCRIBE;new=1?Event=presence&x-y=%20z%20&body=b",
    );
    let request = Request::from_uri(&target, Method::INVITE).unwrap().build();
    assert_eq!(request.uri_text(), "sip:a@b;transport=tcp;maddr=c;ttl=3;user=ip;new=1");
    assert_eq!(*request.method(), Method::SUBSCRIBE);
    assert_eq!(request.headers().raw(HeaderName::EVENT), Some(&b"presence"[..]));
    assert_eq!(request.headers().raw("X-Y".parse::<HeaderName>().unwrap()), Some(&b"z"[..]));
    assert_eq!((request.body(), request.headers().require()), (&"b".into(), Ok(ContentLength(1))));
}

// rfc: 3261 §19.1.5 — From, Call-ID, CSeq, Via and Record-Route are not taken from a URI, nor is Route
// rfc: 3261 §19.1.5 — nor what would advertise a false location or capability
// rfc: 3261 §19.1.5 — nor what describes the body, which the writer knows better
#[test]
fn dangerous_headers_are_not_taken_from_a_uri() {
    for name in [
        "From",
        "Call-ID",
        "CSeq",
        "Via",
        "Record-Route",
        "Route",
        "Accept",
        "Accept-Encoding",
        "Accept-Language",
        "Allow",
        "Contact",
        "Organization",
        "Supported",
        "User-Agent",
        "Content-Disposition",
        "Content-Encoding",
        "Content-Language",
        "Content-Length",
        "Content-Type",
        "Date",
        "Mime-Version",
        "Timestamp",
    ] {
        for spelled in [name.to_owned(), name.to_ascii_uppercase(), name.replace('o', "%6F")] {
            let target = uri(&format!("sip:a?{spelled}=1&Subject=kept"));
            let request = Request::from_uri(&target, Method::INVITE).unwrap();
            let request = request.build();
            assert_eq!(request.headers().len(), 3, "{spelled}: Max-Forwards, Subject, Content-Length");
        }
    }
    for compact in ["f", "i", "v", "m", "k", "l", "c", "e"] {
        let request = Request::from_uri(&uri(&format!("sip:a?{compact}=1")), Method::INVITE).unwrap().build();
        assert_eq!(request.headers().len(), 2, "{compact}");
    }
}

// rfc: 3261 §19.1.5 — a URI from which no valid request can be formed is invalid
#[test]
fn an_invalid_request_makes_the_uri_invalid() {
    for bad in [
        "sip:a?Subject=x%0D%0AVia:%20y",
        "sip:a?Subject=%00",
        "sip:a?a%20b=c",
        "sip:a?%3A=c",
        "sip:a;method=",
        "sip:a;method=%20",
        "sip:a;method=A%2FB",
        "sip:a?Expires=soon",
        "sip:a?Replaces=1%3B%3B",
        "sip:a?Priority=%22",
    ] {
        let formed = bad.parse().map(|target: Uri| Request::from_uri(&target, Method::INVITE).is_ok());
        assert_ne!(formed, Ok(true), "{bad}");
    }
}

// rfc: 3261 §19.1.6 — the whole telephone number, parameters included, becomes the user
// rfc: 3261 §19.1.6 — lower case and sorted parameters (isub and postd first) keep equal numbers equal
#[test]
fn telephone_numbers_become_users() {
    let sip = |tel: &str| uri(tel).tel_to_sip("foo.com".parse::<HostPort>().unwrap()).to_string();
    for (tel, expected) in [
        ("tel:+358-555-1234567;postd=pp22", "sip:+358-555-1234567;postd=pp22@foo.com;user=phone"),
        ("tel:+358-555-1234567;POSTD=PP22", "sip:+358-555-1234567;postd=pp22@foo.com;user=phone"),
        (
            "tel:+358-555-1234567;tsp=a.b;phone-context=5",
            "sip:+358-555-1234567;phone-context=5;tsp=a.b@foo.com;user=phone",
        ),
        (
            "tel:+358-555-1234567;phone-context=5;tsp=a.b",
            "sip:+358-555-1234567;phone-context=5;tsp=a.b@foo.com;user=phone",
        ),
        ("tel:+1;a=b;postd=1;isub=2", "sip:+1;isub=2;postd=1;a=b@foo.com;user=phone"),
        ("tel:*A#;phone-context=b", "sip:*a%23;phone-context=b@foo.com;user=phone"),
        ("tel:+1;x=[%20:]", "sip:+1;x=%5B%20%3A%5D@foo.com;user=phone"),
    ] {
        assert_eq!(sip(tel), expected, "{tel}");
        let back = uri(expected).sip_to_tel().unwrap_or_else(|| panic!("{expected}"));
        assert!(back.equivalent(&uri(tel)), "{back} and {tel}");
    }
    assert_eq!(sip("sip:a@b"), "sip:a@b");
    assert_eq!(uri("sips:+1@a;USER=Phone").sip_to_tel().unwrap().to_string(), "tel:+1");
    for no in ["sip:+1@a", "sip:+1@a;user=ip", "sip:bob@a;user=phone", "sip:a;user=phone", "tel:+1"] {
        assert_eq!(uri(no).sip_to_tel(), None, "{no}");
    }
}

// rfc: 3261 §19.1.6 — equal tel URLs give users that differ where case and order were left as they are
#[test]
fn tel_urls_compare_as_numbers_and_users_as_strings() {
    same("tel:+358-555-1234567;postd=pp22", "tel:+358-555-1234567;POSTD=PP22");
    same("tel:+358-555-1234567;postd=pp22;isub=1411", "tel:+358-555-1234567;isub=1411;postd=pp22");
    differ(
        "sip:+358-555-1234567;postd=pp22@foo.com;user=phone",
        "sip:+358-555-1234567;POSTD=PP22@foo.com;user=phone",
    );
    differ(
        "sip:+358-555-1234567;postd=pp22;isub=1411@foo.com;user=phone",
        "sip:+358-555-1234567;isub=1411;postd=pp22@foo.com;user=phone",
    );
}

// rfc: 3261 §19.2 — option tags are tokens, in Require, Proxy-Require, Supported and Unsupported
#[test]
fn option_tags_are_tokens() {
    for bad in ["a b", "a,,b", "<a>", "\"a\"", "a;b", ",a", "a,"] {
        refuse::<Require>(bad);
        refuse::<ProxyRequire>(bad);
        refuse::<Supported>(bad);
        refuse::<Unsupported>(bad);
    }
    let tags = "a.b-c, D , x!%*_+`'~";
    assert_eq!(read::<Require>(tags).to_string(), "a.b-c, D, x!%*_+`'~");
    assert!(read::<ProxyRequire>(tags).contains("d") && read::<Unsupported>(tags).contains("A.B-C"));
}

// rfc: 3261 §19.3 — the tag of From names the sender's half of a dialog; the answer's To adds the other, once
#[test]
fn an_answer_completes_the_dialog() {
    let answer = |to: &str| {
        let request = request(&GOOD.replace("To: Bob <sip:bob@biloxi.com>", to));
        let answer = Response::answer(&request, StatusCode::OK).to_tag("new").build();
        let from: From = answer.headers().require().unwrap();
        assert_eq!(from.tag().unwrap(), "1928301774");
        answer.headers().raw(HeaderName::TO).map(|to| String::from_utf8_lossy(to).into_owned()).unwrap()
    };
    assert_eq!(answer("To: <sip:bob@b>"), "<sip:bob@b>;tag=new");
    assert_eq!(answer("To: sip:bob@b"), "sip:bob@b;tag=new");
    assert_eq!(answer("t:<sip:bob@b>;x;Tag=old"), "<sip:bob@b>;x;Tag=old");
    assert_eq!(
        answer("To: \"Bob\"\r\n  <sip:bob@b>\r\n\t;x=y"),
        "\"Bob\" <sip:bob@b> ;x=y;tag=new",
        "folds are spaces"
    );
    assert_eq!(answer("To: Bob\n <sip:bob@b>"), "Bob <sip:bob@b>;tag=new");
    assert_eq!(answer("To: <sip:bob@b>;tag;x"), "<sip:bob@b>;tag=new;x", "one tag, with a value");
    let forged = Response::answer(&request(GOOD), StatusCode::OK).to_tag("a;b=c\r\nX: y").build();
    assert_eq!(forged.headers().require::<To>().unwrap().tag().unwrap(), "a;b=c  X: y");
    assert_eq!(forged.headers().len(), 6);
}

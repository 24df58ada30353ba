//! Header fields: §20.

use super::*;

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
    assert_eq!((from.display_name(), from.tag()), (Some("A. G. Bell"), Some("a48s")));
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
    assert_eq!((&*via.transport, via.branch().unwrap(), via.rport()), ("UDP", "z9hG4bK87asdks7", None));
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

// rfc: 3261 §20 — without < > what follows ; belongs to the header; a URI with , ; or ? needs them: From, To, Contact, Reply-To
// rfc: 3261 §20.10 — the same rules hold for Contact, From and To
#[test]
fn a_uri_with_special_bytes_needs_brackets() {
    for name in ["From", "To", "Contact", "Reply-To"] {
        let read_one = |value: &str| -> Option<(String, String)> {
            let message = request(&format!("{name}: {value}"));
            let headers = message.headers();
            let found = match name {
                "From" => headers.require::<From>().map(|from| (from.name_addr, from.params)),
                "To" => headers.require::<To>().map(|to| (to.name_addr, to.params)),
                "Reply-To" => {
                    headers.require::<ReplyTo>().map(|reply_to| (reply_to.name_addr, reply_to.params))
                }
                _ => headers.require::<Contact>().map(|contact| {
                    let address = contact.address().unwrap().clone();
                    (address.name_addr, address.params)
                }),
            };
            found.ok().map(|(name_addr, params)| (name_addr.uri.to_string(), params.to_string()))
        };
        let pair = |uri: &str, params: &str| Some((uri.to_owned(), params.to_owned()));
        assert_eq!(read_one("sip:a@b;x=y"), pair("sip:a@b", ";x=y"), "{name}");
        assert_eq!(read_one("<sip:a@b;x=y>;z"), pair("sip:a@b;x=y", ";z"), "{name}");
        assert_eq!(read_one("<sip:a,;?@b?c=d>"), pair("sip:a,;?@b?c=d", ""), "{name}");
        assert_eq!(read_one("<http://a/b,c;d?e>"), pair("http://a/b,c;d?e", ""), "{name}");
        assert_eq!(read_one("A B<sip:a>"), pair("sip:a", ""), "{name}");
        for bad in
            ["sip:a@b?x=y", "\"A\" sip:a", "A sip:a", "< sip:a>", "<sip:a >", "<sip:a", "sip:a>", "<<sip:a>>"]
        {
            assert_eq!(read_one(bad), None, "{name}: {bad}");
        }
    }
    refuse::<From>("sip:a,b@c");
    refuse::<To>("sip:a,b@c");
}

// rfc: 3261 §20 — parameters that are not understood are kept and mean nothing
#[test]
fn unknown_parameters_are_kept() {
    let value = "<sip:a>;tag=1;new;other=\"a, b\";x=[::1]";
    let from: From = read(value);
    assert_eq!((from.tag(), from.to_string().as_str()), (Some("1"), value));
    assert_eq!(read::<MinExpires>("1").to_string(), "1");
    refuse::<MinExpires>("1;x=y");
}

// rfc: 3261 §20.1 — ranges with *, parameters and q; the closest range decides
// rfc: 3261 §20.1 — an empty Accept takes nothing; none at all says nothing, and application/sdp is assumed
#[test]
fn accept_names_what_is_taken() {
    let accept: Accept = read("application/sdp;level=1, application/x-private, text/html");
    assert_eq!((accept.0.len(), accept.0[0].params.value("level")), (3, Some("1")));
    let ranges: Accept = read("*/*;q=0.1, text / *, text/html;q=0, text/x;q=0.0");
    for (media_type, taken) in
        [("image/png", true), ("text/plain", true), ("TEXT/HTML", false), ("text/x", false), ("text", false)]
    {
        assert_eq!(ranges.accepts(media_type), taken, "{media_type}");
    }
    assert!(!read::<Accept>("text/plain;q=0, text/*").accepts("text/plain"), "in any order");
    let empty = request("Accept:");
    let empty = empty.headers().get::<Accept>().unwrap().expect("present, and empty");
    assert!(empty.0.is_empty() && !empty.accepts("application/sdp"));
    assert_eq!(request(GOOD).headers().get::<Accept>(), Ok(None));
    for bad in ["text", "/sdp", "text/", "*", "a/b,", "a/b;", ",a/b"] {
        refuse::<Accept>(bad);
    }
}

// rfc: 3261 §20.2 — codings or *, with q; an empty header is permissible
// rfc: 3261 §20.3 — languages or *, with q
#[test]
fn encodings_and_languages_have_preferences() {
    let codings = all::<AcceptEncoding>("Accept-Encoding: gzip\r\nAccept-Encoding: *;q=0, x-tar ; Q = 0.25");
    let codings: Vec<_> = codings.iter().map(|one| (&*one.coding, one.params.value("q"))).collect();
    assert_eq!(codings, [("gzip", None), ("*", Some("0")), ("x-tar", Some("0.25"))]);
    assert!(
        all::<AcceptEncoding>("Accept-Encoding:").is_empty()
            && all::<AcceptLanguage>("Accept-Language: ").is_empty()
    );
    let languages = all::<AcceptLanguage>("Accept-Language: da, en-gb;q=0.8,\r\n en;q=0.7, *");
    let languages: Vec<_> = languages.iter().map(|one| (&*one.range, one.params.value("q"))).collect();
    assert_eq!(languages, [("da", None), ("en-gb", Some("0.8")), ("en", Some("0.7")), ("*", None)]);
    refuse::<AcceptLanguage>("en gb");
    refuse::<AcceptEncoding>(";q=1");
}

// rfc: 3261 §20.4 — a URI in brackets, with parameters, in a list
// rfc: 3261 §20.9 — purpose: icon, info, card or another token
// rfc: 3261 §20.18 — any URI in brackets
#[test]
fn references_are_uris_in_brackets() {
    let alerts = all::<AlertInfo>("Alert-Info: <http://a/b,c;d>;x=y , <urn:alert:service:normal>");
    assert_eq!(
        (alerts[0].uri.to_string().as_str(), alerts[0].params.value("x")),
        ("http://a/b,c;d", Some("y"))
    );
    assert_eq!(alerts[1].uri.to_string(), "urn:alert:service:normal");
    let infos = all::<CallInfo>(
        "Call-Info: <http://a>;purpose=icon, <http://b> ; Purpose = info\r\nCall-Info: <cid:c>;purpose=card\r\nCall-Info: <d:d>;purpose=x-new",
    );
    let purposes: Vec<_> = infos.iter().map(|info| info.params.value("purpose").unwrap()).collect();
    assert_eq!(purposes, ["icon", "info", "card", "x-new"]);
    let errors = all::<ErrorInfo>("Error-Info: <sip:not-in-service-recording@atlanta.com>,<sips:b>;x");
    assert!(errors[0].uri.is_sip() && errors[1].uri.is_sips() && errors[1].params.contains("x"));
    for bad in ["http://a", "<>", "<http://a", "<a b:c>", "\"x\" <http://a>", "<//a>"] {
        refuse::<AlertInfo>(bad);
        refuse::<CallInfo>(bad);
        refuse::<ErrorInfo>(bad);
    }
    refuse_any::<AlertInfo>("<http://a>,");
    refuse_any::<ErrorInfo>("<http://a>;x=y z");
}

// rfc: 3261 §20.5 — methods, by their case, also unknown ones; none listed is not the same as no header
#[test]
fn allow_lists_methods() {
    let allow: Allow = read("INVITE, ACK,OPTIONS , CANCEL, BYE, x.new");
    assert_eq!(allow.to_string(), "INVITE, ACK, OPTIONS, CANCEL, BYE, x.new");
    assert!(!read::<Allow>("invite").contains(&Method::INVITE));
    assert_eq!(request("Allow:").headers().get::<Allow>(), Ok(Some(Allow::default())));
    assert_eq!(request(GOOD).headers().get::<Allow>(), Ok(None));
    assert_eq!(request("Allow: ACK\r\nAllow: BYE").headers().require::<Allow>().unwrap().0.len(), 2);
    for bad in ["INVITE;q=1", "INVITE ACK", "IN/VITE", ",BYE"] {
        refuse::<Allow>(bad);
    }
}

// rfc: 3261 §20.6 — nextnonce, qop, rspauth, cnonce and nc between commas
// rfc: 3261 §20.7 — the scheme stands without quotes; white space and folds between parameters
// rfc: 3261 §20.28 — several rows, one for each realm
#[test]
fn credentials_are_read_as_they_are_written() {
    let info: AuthenticationInfo =
        read("qop=auth, rspauth=\"ab\", cnonce=\"c,d\", nc=00000001,nextnonce=\"e\"");
    let values = ["qop", "rspauth", "cnonce", "nc", "nextnonce"].map(|name| info.params.value(name).unwrap());
    assert_eq!(values, ["auth", "ab", "c,d", "00000001", "e"]);
    let folded: Authorization = read(
        "Digest username=\"Alice\", realm=\"atlanta.com\",\r\n nonce=\"84a4cc6f3082121f32b42a2187831a9e\",\r\n response=\"7587245234b3434cc3412213e5f113a5432\"",
    );
    assert_eq!((&*folded.0.scheme, folded.0.params.len()), ("Digest", 4));
    assert_eq!(folded.0.params.value("username"), Some("Alice"));
    let rows = all::<ProxyAuthorization>(
        "Proxy-Authorization: Digest realm=\"a\"\r\nTo: x\r\nProxy-Authorization: DIGEST REALM = \"b\"",
    );
    let realms: Vec<_> = rows.iter().map(|row| row.0.params.value("realm").unwrap()).collect();
    assert_eq!(realms, ["a", "b"]);
    for bad in [
        "Digest",
        "Digest ",
        "Digest x",
        "\"Digest\" a=b",
        "Digest a=b c=d",
        "Digest a=b,",
        "Digest a=\"b",
        "",
    ] {
        let refused = request(&format!("Authorization: {bad}")).headers().require::<Authorization>();
        assert!(refused.is_err() || bad == "Digest x", "{bad}");
    }
}

// rfc: 3261 §20.27 — the challenge of the RFC, folded
// rfc: 3261 §20.44 — realm, domain, nonce, opaque, stale, algorithm and qop; other schemes
#[test]
fn challenges_are_read_as_they_are_written() {
    let value = "Digest realm=\"atlanta.com\",\r\n domain=\"sip:boxesbybob.com\", qop=\"auth\",\r\n nonce=\"f84f1cec41e6cbe5aea9c8e88d359\",\r\n opaque=\"\", stale=FALSE, algorithm=MD5";
    let expected =
        ["atlanta.com", "sip:boxesbybob.com", "auth", "f84f1cec41e6cbe5aea9c8e88d359", "", "FALSE", "MD5"];
    let names = ["realm", "domain", "qop", "nonce", "opaque", "stale", "algorithm"];
    let www: WwwAuthenticate = read(value);
    let proxy: ProxyAuthenticate = read(value);
    assert_eq!(names.map(|name| www.0.params.value(name).unwrap()), expected);
    assert_eq!(names.map(|name| proxy.0.params.value(name).unwrap()), expected);
    assert_eq!(www.to_string(), value.replace("\r\n", ""));
    let other: WwwAuthenticate = read("x-new a=b, c=\"d, e\"");
    assert_eq!((&*other.0.scheme, other.0.params.value("c")), ("x-new", Some("d, e")));
    for bad in ["Digest", "Digest realm", "Digest realm=", "Digest realm=\"a\"; nonce=\"b\"", "realm=\"a\""] {
        let refused = request(&format!("WWW-Authenticate: {bad}")).headers().require::<WwwAuthenticate>();
        assert!(refused.is_err() || bad == "Digest realm", "{bad}");
    }
}

// rfc: 3261 §20.8 — a word, perhaps @ and a word, compared byte by byte; compact i without a space
// rfc: 3261 §20.21 — Call-IDs between commas
#[test]
fn call_ids_are_words() {
    let long = request("Call-ID: f81d4fae-7dec-11d0-a765-00a0c91e6bf6@biloxi.com");
    assert_eq!(
        long.headers().require::<CallId>().unwrap().as_str(),
        "f81d4fae-7dec-11d0-a765-00a0c91e6bf6@biloxi.com"
    );
    let compact = request("i:f81d4fae-7dec-11d0-a765-00a0c91e6bf6@192.0.2.4");
    assert_ne!(compact.headers().require::<CallId>(), long.headers().require::<CallId>());
    let odd = "(<a>:\\\"/[b]?{c}-.!%*_+`'~)";
    assert_eq!(read::<CallId>(odd).as_str(), odd);
    for bad in ["a,b", "a;b", "a=b", "a b", "", "a\u{e4}"] {
        refuse::<CallId>(bad);
    }
    let replied: InReplyTo = read("70710@saturn.bell-tel.com, 17320@saturn.bell-tel.com");
    assert_eq!(replied.to_string(), "70710@saturn.bell-tel.com, 17320@saturn.bell-tel.com");
    refuse::<InReplyTo>("a,,b");
}

// rfc: 3261 §20.10 — the RFC's examples; * stands alone
// rfc: 3261 §20.10 — q is 0 to 1 with three digits, expires are seconds; what is neither counts as absent
#[test]
fn contacts_have_preference_and_expiry() {
    let short = request("m: <sips:bob@192.0.2.4>;expires=60");
    let short: Contact = short.headers().require().unwrap();
    assert!(short.uri().unwrap().is_sips() && short.expires() == Some(60));
    let watson: Contact =
        read("\"Mr. Watson\" <sip:watson@worcester.bell-telephone.com>\r\n  ;q=0.7; expires=3600");
    assert_eq!(watson.address().unwrap().name_addr.display_name.as_deref(), Some("Mr. Watson"));
    for (q, thousandths) in [
        ("0", Some(0)),
        ("1", Some(1000)),
        ("0.5", Some(500)),
        ("0.", Some(0)),
        ("1.", Some(1000)),
        ("0.001", Some(1)),
        ("1.000", Some(1000)),
        ("1.001", None),
        ("0.0001", None),
        ("2", None),
        ("-1", None),
        ("+1", None),
        ("0.a", None),
        ("00", None),
    ] {
        assert_eq!(read::<Contact>(&format!("<sip:a>;q={q}")).q(), thousandths, "{q}");
    }
    for (expires, seconds) in [
        ("0", Some(0)),
        ("4294967295", Some(u32::MAX)),
        ("4294967296", None),
        ("+5", None),
        ("-5", None),
        ("5.5", None),
        ("soon", None),
    ] {
        assert_eq!(read::<Contact>(&format!("<sip:a>;Expires={expires}")).expires(), seconds, "{expires}");
    }
    assert_eq!(read::<Contact>("*"), Contact::Star);
    for bad in ["* , <sip:a>", "<sip:a>, *", "*;expires=0", "**", "\"*\""] {
        let wrong =
            request(&format!("Contact: {bad}")).headers().all::<Contact>().any(|contact| contact.is_err());
        assert!(wrong, "{bad}");
    }
}

// rfc: 3261 §20.11 — session, render, icon, alert or another token; handling is required unless it is optional
// rfc: 3261 §20.12 — codings in the order they were applied, compact e
// rfc: 3261 §20.13 — languages
// rfc: 3261 §20.24 — 1.0
#[test]
fn the_body_is_described() {
    for kind in ["session", "render", "icon", "alert", "x-new"] {
        let disposition: ContentDisposition = read(&format!("{kind} ; handling = required ; x=\"y\""));
        assert_eq!(
            (&*disposition.kind, disposition.is_optional(), disposition.params.len()),
            (kind, false, 2)
        );
        assert!(!read::<ContentDisposition>(kind).is_optional());
        assert!(read::<ContentDisposition>(&format!("{kind};Handling=Optional")).is_optional());
    }
    assert_eq!(request(GOOD).headers().get::<ContentDisposition>(), Ok(None), "the media type decides");
    let encodings = request("e: tar\r\nContent-Encoding: gzip, x");
    assert_eq!(encodings.headers().require::<ContentEncoding>().unwrap().to_string(), "tar, gzip, x");
    assert!(read::<ContentEncoding>("GZIP").contains("gzip"));
    assert_eq!(read::<ContentLanguage>("fr, en-US").to_string(), "fr, en-US");
    assert_eq!(read::<MimeVersion>("1.0"), MimeVersion { major: 1, minor: 0 });
    for bad in ["1", "1.", ".0", "1.0.0", "a.b"] {
        refuse::<MimeVersion>(bad);
    }
    refuse::<ContentDisposition>("session optional");
    refuse::<ContentDisposition>(";handling=optional");
}

// rfc: 3261 §20.14 — octets of the body alone, in decimal, any number from 0; compact l
// rfc: 3261 §20.15 — a media type with parameters, compact c; also with an empty body
#[test]
fn the_body_has_a_length_and_a_type() {
    let body = "v=0\r\n\r\n".repeat(50) + "x";
    for length in ["Content-Length: 351", "l: 351", "L:00351", "CONTENT-LENGTH :\r\n 351\r\n\t"] {
        let message =
            parse(format!("INVITE sip:a SIP/2.0\r\nc: application/sdp\r\n{length}\r\n\r\n{body}")).unwrap();
        assert_eq!(message.body(), &body, "{length}");
        assert_eq!(message.headers().require::<ContentLength>().unwrap(), ContentLength(351));
    }
    for bad in ["", "-1", "+1", "1.0", "1 2", "1;2", "0x1", "1, 1", "\u{663}", "9".repeat(30).as_str()] {
        assert_eq!(no_message(format!("INVITE sip:a SIP/2.0\r\nl: {bad}\r\n\r\n")).unwrap(), 400, "{bad}");
    }
    let html = request("c: text/html; charset=ISO-8859-4");
    let html: ContentType = html.headers().require().unwrap();
    assert!(html.is("Text/Html") && html.params.value("CHARSET") == Some("ISO-8859-4"));
    let silence = parse("MESSAGE sip:a SIP/2.0\r\nContent-Type: audio/x\r\nl: 0\r\n\r\n").unwrap();
    assert!(silence.body().is_empty() && silence.headers().require::<ContentType>().unwrap().is("audio/x"));
    assert_eq!(read::<ContentType>("a / b ; c = \"d;e\"").to_string(), "a/b;c=\"d;e\"");
    for bad in [
        "text",
        "text/",
        "/html",
        "text/html charset=x",
        "text/html;",
        "text/html;charset=",
        "te xt/html",
        "text/ht/ml",
    ] {
        refuse::<ContentType>(bad);
    }
}

// rfc: 3261 §20.16 — a number that 32 bits hold, white space and a method, by its case; equal when both are
#[test]
fn cseq_is_a_number_and_a_method() {
    let cseq: CSeq = read("4711 INVITE");
    assert_eq!(cseq, read("0004711 \t INVITE"));
    assert_ne!(cseq, read("4711 invite"));
    assert_ne!(cseq, read("4711 ACK"));
    assert_ne!(cseq, read("4712 INVITE"));
    assert_eq!(read::<CSeq>("0 x.new").to_string(), "0 x.new");
    for bad in
        ["4294967296 INVITE", "4711", "4711 ", "INVITE 4711", "4711 IN VITE", "4711;INVITE", "0x1 INVITE", ""]
    {
        refuse::<CSeq>(bad);
    }
}

// rfc: 3261 §20.17 — the example; every day and month; GMT and nothing else
#[test]
fn dates_are_of_rfc_1123() {
    let date: Date = read("Sat, 13 Nov 2010 23:29:00 GMT");
    assert_eq!(
        (date.unix_seconds(), date.to_string().as_str()),
        (1_289_690_940, "Sat, 13 Nov 2010 23:29:00 GMT")
    );
    for month in 0..12 {
        for day in 0..7 {
            let date = Date::from_unix_seconds(1_600_000_000 + month * 2_630_000 + day * 86_400);
            assert_eq!(read::<Date>(&date.to_string()), date);
        }
    }
    for bad in [
        "Sat, 13 Nov 2010 23:29:00 EST",
        "Sat, 13 Nov 2010 23:29:00 +0000",
        "Sat, 13 Nov 2010 23:29:00",
        "13 Nov 2010 23:29:00 GMT",
        "Saturday, 13-Nov-10 23:29:00 GMT",
        "Sat Nov 13 23:29:00 2010",
        "Sun, 13 Nov 2010 23:29:00 GMT",
        "Sat, 13 Nov 10 23:29:00 GMT",
        "Sat, 31 Nov 2010 23:29:00 GMT",
        "Sat, 13 Nov 2010 24:00:00 GMT",
        "Sat, 13 Nov 2010 23:60:00 GMT",
        "Sat, 13 Nov 2010 2:29:00 GMT",
    ] {
        refuse::<Date>(bad);
    }
}

// rfc: 3261 §20.19 — 0 to 2^32-1 seconds
// rfc: 3261 §20.22 — a number of hops; leading zeros mean nothing
// rfc: 3261 §20.23 — 0 to 2^32-1 seconds
#[test]
fn numbers_are_decimal_digits() {
    assert_eq!((read("0"), read("4294967295")), (Expires(0), Expires(u32::MAX)));
    assert_eq!((read("0"), read("4294967295")), (MinExpires(0), MinExpires(u32::MAX)));
    assert_eq!((read("6"), read("0"), read("000255")), (MaxForwards(6), MaxForwards(0), MaxForwards(255)));
    for bad in
        ["4294967296", "99999999999999999999", "-1", "+1", "1.0", "1 1", "x", "", "0x10", "1;a=b", "1,2"]
    {
        refuse::<Expires>(bad);
        refuse::<MinExpires>(bad);
        refuse::<MaxForwards>(bad);
    }
}

// rfc: 3261 §20.20 — equal when URIs and parameters match: display names, brackets and new parameters do not count
// rfc: 3261 §20.39 — To is compared as From is
#[test]
fn from_and_to_are_compared_by_uri_and_parameters() {
    for (a, b, equal) in [
        ("\"A\" <sip:a@b>;tag=1", "sip:a@B;TAG=1", true),
        ("<sip:a@b>;tag=1;x=y", "<sip:a@b>;tag=1", true),
        ("<sip:a@b>;tag=1;x=y", "<sip:a@b>;x=Y;tag=1", true),
        ("<sip:a@b>;tag=1;x=\"y\"", "<sip:a@b>;x=\"Y\";tag=1", false),
        ("<sip:a@b>;tag=1;x=y", "<sip:a@b>;tag=1;x=z", false),
        ("<sip:a@b>;tag=1", "<sip:a@b>;tag=2", false),
        ("<sip:a@b>;tag=1", "<sip:a@b>", false),
        ("<sip:a@b>", "<sip:A@b>", false),
        ("<sip:a@b;x=1>", "sip:a@b;x=2", true),
        ("<sip:a@b>", "<sips:a@b>", false),
    ] {
        let from: [From; 2] = [read(a), read(b)];
        let to: [To; 2] = [read(a), read(b)];
        assert_eq!((from[0].equivalent(&from[1]), from[1].equivalent(&from[0])), (equal, equal), "{a} {b}");
        assert_eq!((to[0].equivalent(&to[1]), to[1].equivalent(&to[0])), (equal, equal), "{a} {b}");
    }
}

// rfc: 3261 §20.20 — the RFC's examples, compact f
// rfc: 3261 §20.39 — the RFC's examples, compact t
// rfc: 3261 §20.31 — the RFC's example
#[test]
fn parties_have_names_uris_and_tags() {
    let lines = "f: Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8\r\nt: sip:+12125551212@server.phone2net.com\r\nReply-To: Bob <sip:bob@biloxi.com>";
    let message = request(lines);
    let from: From = message.headers().require().unwrap();
    assert_eq!((from.display_name(), from.tag()), (Some("Anonymous"), Some("hyh8")));
    let to: To = message.headers().require().unwrap();
    assert_eq!(
        (to.display_name(), to.tag(), to.uri().user().unwrap().as_ref()),
        (None, None, "+12125551212")
    );
    assert_eq!(message.headers().require::<ReplyTo>().unwrap().display_name(), Some("Bob"));
    let operator: To = read("The Operator <sip:operator@cs.columbia.edu>;tag=287447");
    assert_eq!((operator.display_name(), operator.tag().unwrap()), (Some("The Operator"), "287447"));
}

// rfc: 3261 §20.25 — any text, also none
// rfc: 3261 §20.36 — any text, also none, compact s
// rfc: 3261 §20.35 — products and comments, kept as they are
// rfc: 3261 §20.41 — products and comments, kept as they are
// rfc: 3261 §20.26 — emergency, urgent, normal, non-urgent or another token
#[test]
fn texts_are_any_text() {
    for text in ["", "Boxes by Bob", "A, \"B\"; C (D) \\ <E>", "Ünïcode ☎"] {
        assert_eq!(read::<Organization>(text).0, text);
        assert_eq!(request(&format!("s:{text}  ")).headers().require::<Subject>().unwrap().0, text);
    }
    for product in ["HomeServer v2", "Softphone Beta1.5", "a/1.0 (b; c (d)) e"] {
        assert_eq!(read::<Server>(product).0, product);
        assert_eq!(read::<UserAgent>(product).0, product);
    }
    for priority in ["emergency", "urgent", "normal", "non-urgent", "x-new"] {
        assert_eq!(read::<Priority>(priority).0, priority);
    }
    for bad in ["", "very urgent", "\"urgent\"", "a;b"] {
        refuse::<Priority>(bad);
    }
}

// rfc: 3261 §20.29 — option tags between commas
// rfc: 3261 §20.32 — what is required and not known is refused, 420, and named in Unsupported
// rfc: 3261 §20.37 — an empty Supported supports nothing; compact k
// rfc: 3261 §20.40 — the tags that are not supported
#[test]
fn extensions_are_required_and_supported() {
    let message = request(&format!(
        "{GOOD}\r\nRequire: 100rel, foo\r\nRequire: bar\r\nProxy-Require: foo\r\nk: 100rel\r\nSupported:"
    ));
    let error = message.check_uas(&["100rel", "bar"]).unwrap_err();
    let CheckError::Extension(unsupported) = &error else { panic!("{error}") };
    assert_eq!((error.status().code(), unsupported.to_string().as_str()), (420, "foo"));
    assert_eq!(message.check_uas(&["bar", "FOO", "100rel"]), Ok(()));
    assert_eq!(message.headers().require::<ProxyRequire>().unwrap().to_string(), "foo");
    assert_eq!(message.headers().require::<Supported>().unwrap().to_string(), "100rel");
    assert!(request("k:").headers().require::<Supported>().unwrap().0.is_empty());
}

// rfc: 3261 §20.30 — the RFC's example, folded
// rfc: 3261 §20.34 — the RFC's example, folded; parameters outside the brackets are the header's
#[test]
fn routes_are_lists_of_addresses_in_brackets() {
    let lines =
        "Record-Route: <sip:server10.biloxi.com;lr>,\r\n              <sip:bigbox3.site3.atlanta.com;lr>";
    let hosts: Vec<_> =
        all::<RecordRoute>(lines).iter().map(|hop| hop.uri().host_port().unwrap().to_string()).collect();
    assert_eq!(hosts, ["server10.biloxi.com", "bigbox3.site3.atlanta.com"]);
    let routes = all::<Route>(
        "Route: <sip:bigbox3.site3.atlanta.com;lr>;x=y,\r\n \"P, 2\" <sip:server10.biloxi.com>;lr",
    );
    assert!(routes[0].uri().is_loose_router() && routes[0].params.value("x") == Some("y"));
    assert!(!routes[1].uri().is_loose_router() && routes[1].display_name() == Some("P, 2"));
    for bad in ["sip:a", "sip:a;lr", "<sip:a>,", "<sip:a> <sip:b>", "<sip:a>;", "*"] {
        refuse_any::<Route>(bad);
        refuse_any::<RecordRoute>(bad);
    }
}

fn refuse_any<H: TypedHeader>(value: &str) {
    let message = request(&format!("{}: {value}", H::NAME));
    assert!(message.headers().all::<H>().any(|value| value.is_err()), "{value}");
}

// rfc: 3261 §20.33 — seconds, perhaps a comment, perhaps a duration
#[test]
fn retry_after_has_a_comment_and_a_duration() {
    let retry: RetryAfter = read("18000;duration=3600");
    assert_eq!((retry.seconds, retry.comment, retry.params.value("duration")), (18_000, None, Some("3600")));
    let retry: RetryAfter = read("120 (I'm in a meeting)");
    assert_eq!((retry.seconds, retry.comment.as_deref()), (120, Some("I'm in a meeting")));
    let both: RetryAfter = read("5 (a (b) \\) c) ;duration=1;x");
    assert_eq!((both.seconds, both.params.len()), (5, 2));
    for bad in ["soon", "-5", "5 (a", "5 a", "5 (a))", "(a) 5", "5;duration=", "4294967296"] {
        refuse::<RetryAfter>(bad);
    }
}

// rfc: 3261 §20.38 — seconds with a fraction, and perhaps how long the answer took
#[test]
fn timestamps_have_a_fraction_and_a_delay() {
    let plain: Timestamp = read("54");
    assert_eq!((plain.time.as_str(), plain.delay), ("54", None));
    let both: Timestamp = read("54.21 \t 0.5");
    assert_eq!((both.time.as_str(), both.delay.as_deref()), ("54.21", Some("0.5")));
    for bad in ["", ".5", "x", "-1", "1 2 3", "1.2.3", "1 x"] {
        refuse::<Timestamp>(bad);
    }
}

// rfc: 3261 §20.42 — the RFC's examples, compact v, white space around / and :
// rfc: 3261 §20.42 — UDP, TCP, TLS, SCTP or another transport
// rfc: 3261 §20.42 — the branch may be missing, as RFC 2543 has it
// rfc: 3261 §20.42 — equal when transport, address and the set of parameters are
#[test]
fn vias_name_the_way_back() {
    let homed = request("v: SIP/2.0/UDP 192.0.2.1:5060 ;received=192.0.2.207\r\n  ;branch=z9hG4bK77asjd");
    let homed: Via = homed.headers().require().unwrap();
    assert_eq!((homed.received(), homed.sent_by.port), ("192.0.2.207".parse().ok(), Some(5060)));
    let spaced: Via = read(
        "SIP / 2.0 / UDP first.example.com: 4000;ttl=16\r\n  ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1",
    );
    let plain: Via =
        read("sip/2.0/udp FIRST.example.com:4000;branch=z9hG4bKa7c6a8dlze.1;TTL=16;maddr=224.2.0.1");
    assert_eq!(spaced, plain);
    for other in [
        "SIP/2.0/TCP a:1;x=y",
        "SIP/2.0/UDP a;x=y",
        "SIP/2.0/UDP b:1;x=y",
        "SIP/2.0/UDP a:1;x=z",
        "SIP/2.0/UDP a:1",
        "SIP/2.0/UDP a:1;x=y;z",
    ] {
        assert_ne!(read::<Via>("SIP/2.0/UDP a:1;x=y"), read(other), "{other}");
    }
    for transport in ["UDP", "TCP", "TLS", "SCTP", "TLS-SCTP", "WS", "x_new"] {
        let via: Via = read(&format!("SIP/2.0/{transport} a"));
        assert_eq!((via.transport.as_str(), via.branch()), (transport, None));
    }
    assert_eq!(request(&GOOD.replace(";branch=z9hG4bK776asdhds", "")).check(), Ok(()));
    assert_eq!(all::<Via>("Via: SIP/2.0/UDP a;x=\"b, c\" , SIP/2.0/TLS [::1]:1\r\nv:SIP/2.0/TCP d").len(), 3);
    for bad in [
        "",
        "SIP/2.0",
        "SIP/2.0/",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ",
        "SIP/2.0/UDP a b",
        "SIP/2.0/UDP a:b",
        "SIP/2.0/UDP a:",
        "SIP 2.0 UDP a",
        "SIP/2.0/U,P a",
        "SIP/2.0/UDP a;branch=",
        "SIP/2.0/UDP sip:a",
        "SIP/2.0/UDP ::1",
    ] {
        refuse_or_missing::<Via>(bad);
    }
}

fn refuse_or_missing<H: TypedHeader>(value: &str) {
    assert!(request(&format!("{}: {value}", H::NAME)).headers().require::<H>().is_err(), "{value}");
}

// rfc: 3261 §20.43 — three digits, the agent's host and port or pseudonym, and a quoted text; in a list
#[test]
fn warnings_are_lists_of_code_agent_and_text() {
    let warnings = all::<Warning>(
        "Warning: 307 isi.edu \"Session parameter 'foo' not understood\", 301 isi.edu:5060 \"Incompatible network address type 'E.164'\"\r\nWarning: 399 [::1] \"a, \\\"b\\\"\"\r\nWarning: 370 devnull \"\"",
    );
    let found: Vec<_> =
        warnings.iter().map(|one| (one.code, one.agent.as_str(), one.text.as_str())).collect();
    let expected = [
        (307, "isi.edu", "Session parameter 'foo' not understood"),
        (301, "isi.edu:5060", "Incompatible network address type 'E.164'"),
        (399, "[::1]", "a, \"b\""),
        (370, "devnull", ""),
    ];
    assert_eq!(found, expected);
    for bad in [
        "99 a \"b\"",
        "1000 a \"b\"",
        "+30 a \"b\"",
        "300 a b",
        "300 a",
        "300 \"b\" a",
        "300 a \"b",
        "a 300 \"b\"",
    ] {
        refuse::<Warning>(bad);
    }
}

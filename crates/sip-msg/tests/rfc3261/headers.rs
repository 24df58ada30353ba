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

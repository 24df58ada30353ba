//! The client's side by itself; with a server in `server`, in an agent in `agent`.

mod agent;
mod server;

use sip_msg::{Authorization, Credentials as Answer, ProxyAuthorization};
use sip_msg::{CSeq, HeaderName, Limits, Message, Method, Request, Response, Text, Uri};
use sip_txn::{ClientId, Flow, Transport};

use super::digest::{Algorithm, Inputs, Protection};
use super::*;
use crate::Config;
use crate::context::Context;
use crate::event::{Event, Output};
use crate::policy::Policy;

/// An authenticator with what it needs around it.
struct Client {
    auth: Authenticator,
    attempt: Attempt,
    context: Context,
    client: ClientId,
}

impl Client {
    fn new(credentials: impl Into<Option<Credentials>>) -> Self {
        Self::with(credentials, |config| config)
    }

    fn with(credentials: impl Into<Option<Credentials>>, set: impl FnOnce(Config) -> Config) -> Self {
        let config = sip_txn::Config::new([1; 32]).listen(Transport::Udp, "192.0.2.1:5060".parse().unwrap());
        let mut context = Context::new(set(Config::new(config)));
        let now = testkit::Clock::new().now();
        let ping = Request::builder(Method::OPTIONS, &"sip:192.0.2.2".parse().unwrap())
            .header(&sip_msg::From::new("sip:alice@example.com".parse::<Uri>().unwrap()).with_tag("t"))
            .header(&sip_msg::To::new("sip:192.0.2.2".parse::<Uri>().unwrap()))
            .header(&sip_msg::CallId("c".into()))
            .header(&CSeq::new(1, Method::OPTIONS))
            .build();
        let client = context.send(now, ping, crate::context::Owner::Request(crate::RequestId(1))).unwrap();
        let mut this = Self {
            auth: Authenticator::new(credentials.into()),
            attempt: Attempt::default(),
            context,
            client,
        };
        this.hear_over(Transport::Udp);
        this
    }

    fn alice() -> Self {
        Self::new(Credentials::new("alice", "secret"))
    }

    fn hear_over(&mut self, transport: Transport) {
        let flow = Flow::new(transport, "192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
        self.context.heard.listen(Some((self.client, flow)));
    }

    fn challenged(&mut self, response: &Response) -> Result<(), Text> {
        self.auth.challenged(&mut self.context, response, &mut self.attempt)
    }

    /// The request as it goes out, and the credentials in it.
    fn authorized(&mut self) -> (Request, Vec<Answer>) {
        self.authorize(request())
    }

    fn authorize(&mut self, mut request: Request) -> (Request, Vec<Answer>) {
        self.auth.authorize(&mut self.context.ids, &mut request);
        let answers = request.headers().all::<Authorization>().map(|answer| answer.unwrap().0).collect();
        (request, answers)
    }

    fn succeeded(&mut self, response: &Response) {
        self.auth.succeeded(&mut self.context, response);
    }

    /// A new request in the same call or registration.
    fn next(&mut self) {
        self.attempt = Attempt::default();
    }
}

fn request() -> Request {
    let uri: Uri = "sip:example.com".parse().unwrap();
    Request::builder(Method::REGISTER, &uri).header(&CSeq::new(1, Method::REGISTER)).build()
}

fn secure_request() -> Request {
    let mut request = request();
    request.set_uri(&"sip:example.com;transport=tls".parse().unwrap());
    request
}

fn refusal(lines: &[&str]) -> Response {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let text = format!("SIP/2.0 401 Unauthorized\r\n{lines}Content-Length: 0\r\n\r\n");
    let message = Message::parse(text.into_bytes(), &Limits::default()).unwrap();
    message.as_response().unwrap().clone()
}

fn digest(params: &str) -> Response {
    refusal(&[&format!("WWW-Authenticate: Digest {params}")])
}

fn value<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.params.value(name).unwrap_or_else(|| panic!("{name}"))
}

// rfc: 7616 §3.4 — nc counts requests per nonce in eight hex digits, unquoted like qop and algorithm
// rfc: 7616 §3.4 — the cnonce is fresh each time, opaque goes back as it came
// rfc: 3261 §25.1 — realm, nonce, uri, response and username in quotes, with quotes in them escaped
#[test]
fn a_nonce_is_counted_and_quoting_is_as_the_rfc_wants() {
    let mut client = Client::alice();
    let asked = digest(r#"realm="a \"b\"", nonce="n1", opaque="o", algorithm=SHA-256, qop="auth, auth-int""#);
    client.challenged(&asked).unwrap();
    let (first, one) = client.authorized();
    let text = String::from_utf8(first.headers().raw(HeaderName::AUTHORIZATION).unwrap().to_vec()).unwrap();
    let start = r#"Digest username="alice", realm="a \"b\"", nonce="n1", uri="sip:example.com", response=""#;
    assert!(text.starts_with(start), "{text}");
    assert!(text.contains("algorithm=SHA-256, ") && text.ends_with("qop=auth, nc=00000001"), "{text}");
    for count in 2..=0x1f {
        let (_, answers) = client.authorized();
        assert_eq!(value(&answers[0], "nc"), format!("{count:08x}"));
        assert_eq!(value(&answers[0], "opaque"), "o");
        assert_ne!(value(&answers[0], "cnonce"), value(&one[0], "cnonce"));
    }
}

// rfc: 8760 §2.4 — several challenges of a realm: the topmost that we support, MD5 only where there is nothing better
// rfc: 8760 §2.4 — what is not understood is ignored
#[test]
fn the_best_known_challenge_is_answered() {
    let md5 = r#"WWW-Authenticate: Digest realm="r", nonce="md5", algorithm=MD5, qop="auth""#;
    let sha256 = r#"WWW-Authenticate: Digest realm="r", nonce="sha256", algorithm=SHA-256, qop="auth""#;
    let sha512 = r#"WWW-Authenticate: Digest realm="r", nonce="sha512", algorithm=SHA-512-256, qop="auth""#;
    let unknown = r#"WWW-Authenticate: Digest realm="r", nonce="other", algorithm=SHA-9, qop="auth""#;
    let odd = r#"WWW-Authenticate: Digest realm="r", nonce="odd", algorithm=SHA-256, qop="auth-conf""#;
    let basic = r#"WWW-Authenticate: Basic realm="r""#;
    let scheme = r#"WWW-Authenticate: Negotiate realm="r""#;
    for (lines, chosen) in [
        (&[md5, sha256, unknown, basic][..], "sha256"),
        (&[unknown, scheme, odd, sha512, sha256, md5], "sha512"),
        (&[sha256, sha512, md5], "sha256"),
        (&[basic, md5], "md5"),
    ] {
        let mut client = Client::alice();
        client.challenged(&refusal(lines)).unwrap();
        let (_, answers) = client.authorized();
        assert_eq!(answers.len(), 1);
        assert_eq!(value(&answers[0], "nonce"), chosen);
    }
    let error = Client::alice().challenged(&refusal(&[unknown, scheme, odd])).unwrap_err();
    assert_eq!(error, "no challenge that can be answered (digest with MD5, SHA-256 or SHA-512-256)");
}

// rfc: 3261 §22.4 — no algorithm means MD5, and none is sent back; no qop means neither nc nor cnonce
#[test]
fn a_challenge_of_rfc_2069_is_answered_as_one() {
    let mut client = Client::alice();
    client.challenged(&digest(r#"realm="r", nonce="n""#)).unwrap();
    let (_, answers) = client.authorized();
    for absent in ["algorithm", "qop", "nc", "cnonce"] {
        assert!(!answers[0].params.contains(absent), "{absent}");
    }
    let expected = Inputs {
        algorithm: Algorithm::Md5,
        secret: &Algorithm::Md5.secret("alice", "r", "secret"),
        method: "REGISTER",
        uri: "sip:example.com",
        nonce: "n",
        protection: Protection::Legacy,
        session_cnonce: "",
    };
    assert_eq!(value(&answers[0], "response"), &*expected.response());
}

// rfc: 7616 §3.4.3 — auth-int covers the body that is sent
#[test]
fn the_body_is_protected_where_the_server_wants_it() {
    for (qop, prefer, sent) in [
        ("auth-int", false, "auth-int"),
        ("auth,auth-int", false, "auth"),
        ("auth,auth-int", true, "auth-int"),
    ] {
        let algorithms = if prefer { Algorithms::new().prefer_integrity() } else { Algorithms::new() };
        let mut client =
            Client::with(Credentials::new("alice", "secret"), |config| config.algorithms(algorithms));
        client
            .challenged(&digest(&format!("realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"{qop}\"")))
            .unwrap();
        let mut request = request();
        request.set_body("text/plain", "hello");
        let (_, answers) = client.authorize(request);
        assert_eq!(value(&answers[0], "qop"), sent);
        let cnonce = value(&answers[0], "cnonce");
        let protection = match sent {
            "auth" => Protection::Auth { nc: 1, cnonce },
            _ => Protection::AuthInt { nc: 1, cnonce, body: b"hello" },
        };
        let secret = Algorithm::Sha256.secret("alice", "r", "secret");
        let (method, uri) = ("REGISTER", "sip:example.com");
        let algorithm = Algorithm::Sha256;
        let inputs =
            Inputs { algorithm, secret: &secret, method, uri, nonce: "n", protection, session_cnonce: "" };
        assert_eq!(value(&answers[0], "response"), &*inputs.response());
    }
}

// rfc: 7616 §3.4.2 — the client nonce of a -sess algorithm stays for as long as the nonce, with which A1 was made
#[test]
fn a_session_keeps_its_client_nonce() {
    let mut client = Client::alice();
    client.challenged(&digest(r#"realm="r", nonce="n1", algorithm=SHA-256-sess, qop="auth""#)).unwrap();
    let (_, one) = client.authorized();
    let (_, two) = client.authorized();
    assert_eq!(value(&one[0], "cnonce"), value(&two[0], "cnonce"));
    assert_eq!(value(&two[0], "nc"), "00000002");
    client.succeeded(&refusal(&["Authentication-Info: nextnonce=\"n2\""]));
    let (_, three) = client.authorized();
    assert_ne!(value(&one[0], "cnonce"), value(&three[0], "cnonce"));
}

// rfc: 7616 §3.4.4 — the user name is hashed where the server asks for it, with the algorithm of the challenge
// rfc: 7616 §3.4 — username* for what is not ASCII where the server reads UTF-8; never both
#[test]
fn names_are_hashed_or_written_as_the_server_wants() {
    let name = "Jäsøn Doe";
    let mut client = Client::new(Credentials::new(name, "Secret, or not?"));
    let asked = r#"realm="api@example.org", nonce="n", algorithm=SHA-512-256, qop="auth", charset=UTF-8"#;
    client.challenged(&digest(&format!("{asked}, userhash=true"))).unwrap();
    let (request, answers) = client.authorized();
    let hash = "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b";
    assert_eq!(value(&answers[0], "username"), hash);
    let text = String::from_utf8(request.headers().raw(HeaderName::AUTHORIZATION).unwrap().to_vec()).unwrap();
    assert!(text.ends_with("userhash=true"), "{text}");

    let mut client = Client::new(Credentials::new(name, "Secret, or not?"));
    client.challenged(&digest(asked)).unwrap();
    let (_, answers) = client.authorized();
    assert_eq!(value(&answers[0], "username*"), "UTF-8''J%C3%A4s%C3%B8n%20Doe");
    assert!(!answers[0].params.contains("username") && !answers[0].params.contains("userhash"));

    let mut client = Client::new(Credentials::new(name, "Secret, or not?"));
    client.challenged(&digest(r#"realm="r", nonce="n""#)).unwrap();
    assert_eq!(value(&client.authorized().1[0], "username"), name);
}

// rfc: 3261 §22.3 — 401 and 407 at once: both are answered, each in its own header
// rfc: 3261 §22.2 — several realms: each that we have credentials for
#[test]
fn all_who_ask_are_answered_together() {
    let mut client = Client::with(Credentials::new("alice", "secret").realm("server"), |config| {
        let store =
            CredentialStore::default().with(Credentials::new("pbx", "other"), Scope::new().realm("second"));
        config.credentials(store.with(Credentials::new("proxy", "third"), Scope::new().realm("proxy")))
    });
    let asked = refusal(&[
        "WWW-Authenticate: Digest realm=\"server\", nonce=\"n1\", qop=\"auth\"",
        "WWW-Authenticate: Digest realm=\"second\", nonce=\"n2\", qop=\"auth\"",
        "WWW-Authenticate: Digest realm=\"unknown\", nonce=\"n3\", qop=\"auth\"",
        "Proxy-Authenticate: Digest realm=\"proxy\", nonce=\"n4\", qop=\"auth\"",
    ]);
    client.challenged(&asked).unwrap();
    let (request, answers) = client.authorized();
    let who: Vec<_> =
        answers.iter().map(|answer| (value(answer, "realm"), value(answer, "username"))).collect();
    assert_eq!(who, [("server", "alice"), ("second", "pbx")]);
    let proxies: Vec<_> =
        request.headers().all::<ProxyAuthorization>().map(|answer| answer.unwrap().0).collect();
    assert_eq!(proxies.len(), 1);
    assert_eq!((value(&proxies[0], "realm"), value(&proxies[0], "username")), ("proxy", "proxy"));
}

// rfc: 3261 §22.2 — a password that was refused is not sent again
#[test]
fn a_refused_password_is_not_tried_again() {
    let mut client = Client::alice();
    client.challenged(&digest(r#"realm="r", nonce="n1""#)).unwrap();
    let error = client.challenged(&digest(r#"realm="r", nonce="n2""#)).unwrap_err();
    assert_eq!(error, "wrong user name or password for the realm \"r\"");
    assert!(client.authorized().1.is_empty());
}

#[test]
fn one_realm_that_refuses_does_not_keep_another_from_being_answered() {
    let mut client = Client::alice();
    client.challenged(&digest(r#"realm="a", nonce="n1""#)).unwrap();
    let both = refusal(&[
        "WWW-Authenticate: Digest realm=\"a\", nonce=\"n2\"",
        "WWW-Authenticate: Digest realm=\"b\", nonce=\"n3\"",
    ]);
    client.challenged(&both).unwrap();
    let (_, answers) = client.authorized();
    assert_eq!(answers.len(), 1);
    assert_eq!(value(&answers[0], "realm"), "b");
    assert!(client.challenged(&both).is_err());
}

// rfc: 7616 §3.3 — stale=true: the password was right, the nonce too old
#[test]
fn a_stale_nonce_is_replaced_but_not_for_ever() {
    let mut client = Client::alice();
    client.challenged(&digest(r#"realm="r", nonce="n0""#)).unwrap();
    let stale = |nonce: &str| digest(&format!("realm=\"r\", nonce=\"{nonce}\", stale=TRUE"));
    let rounds = (0..100).take_while(|round| client.challenged(&stale(&format!("m{round}"))).is_ok()).count();
    assert_eq!(rounds, 3);
    assert_eq!(value(&client.authorized().1[0], "nonce"), "m2");
    client.next();
    client.challenged(&stale("m2")).unwrap();
    assert!(client.challenged(&stale("m2")).is_err(), "stale, yet the same nonce");
}

#[test]
fn a_server_that_asks_for_ever_comes_to_an_end() {
    let mut client = Client::alice();
    let asked = |round: u32| digest(&format!("realm=\"r{round}\", nonce=\"n{round}\""));
    let rounds = (0..100).take_while(|round| client.challenged(&asked(*round)).is_ok()).count();
    assert_eq!(rounds, 4);
    let error = client.challenged(&asked(200)).unwrap_err();
    assert_eq!(error, "the server asks for a password again and again");
}

// rfc: 7616 §3.5 — nextnonce is used from then on, counted anew
#[test]
fn the_next_nonce_is_taken_from_a_success() {
    let mut client = Client::alice();
    client.challenged(&digest(r#"realm="r", nonce="n1", qop="auth""#)).unwrap();
    client.authorized();
    client.succeeded(&refusal(&["Authentication-Info: nextnonce=\"n2\""]));
    let (_, answers) = client.authorized();
    assert_eq!((value(&answers[0], "nonce"), value(&answers[0], "nc")), ("n2", "00000001"));
}

// rfc: 7616 §3.5 — a proxy's next nonce comes in a header of its own
#[test]
fn a_proxy_has_its_own_next_nonce() {
    let mut client = Client::alice();
    let asked = refusal(&[
        "WWW-Authenticate: Digest realm=\"s\", nonce=\"s1\", qop=\"auth\"",
        "Proxy-Authenticate: Digest realm=\"p\", nonce=\"p1\", qop=\"auth\"",
    ]);
    client.challenged(&asked).unwrap();
    client.succeeded(&refusal(&["Proxy-Authentication-Info: nextnonce=\"p2\""]));
    let (request, answers) = client.authorized();
    assert_eq!(value(&answers[0], "nonce"), "s1");
    assert_eq!(value(&request.headers().require::<ProxyAuthorization>().unwrap().0, "nonce"), "p2");
}

// rfc: 7616 §3.5 — rspauth proves that the server knows the password; a wrong one is told and the nonce not used again
#[test]
fn a_server_has_to_prove_itself_if_it_tries() {
    for algorithm in ["MD5", "SHA-256-sess"] {
        let mut client = Client::alice();
        client
            .challenged(&digest(&format!("realm=\"r\", nonce=\"n\", algorithm={algorithm}, qop=\"auth\"")))
            .unwrap();
        let (_, first) = client.authorized();
        client.authorized();
        let proof = |answer: &Answer, password: &str| {
            let algorithm = Algorithm::parse(algorithm).unwrap();
            let (cnonce, nc) = (value(answer, "cnonce"), value(answer, "nc"));
            let inputs = Inputs {
                algorithm,
                secret: &algorithm.secret("alice", "r", password),
                method: "",
                uri: "sip:example.com",
                nonce: "n",
                protection: Protection::Auth { nc: 1, cnonce },
                session_cnonce: cnonce,
            };
            let rspauth = inputs.response().to_string();
            refusal(&[&format!(
                "Authentication-Info: qop=auth, rspauth=\"{rspauth}\", cnonce=\"{cnonce}\", nc={nc}"
            )])
        };
        client.succeeded(&proof(&first[0], "secret"));
        assert!(client.context.output.is_empty());
        assert_eq!(client.authorized().1.len(), 1);
        client
            .succeeded(&refusal(&["Authentication-Info: rspauth=\"00\", cnonce=\"of nobody\", nc=00000001"]));
        assert!(client.context.output.is_empty(), "not a proof of ours");
        let (_, last) = client.authorized();
        client.succeeded(&proof(&last[0], "guess"));
        let Some(Output::Event(Event::ServerNotProven { realm })) = client.context.output.pop_back() else {
            panic!("a word")
        };
        assert_eq!(realm, "r");
        assert!(client.authorized().1.is_empty());
    }
}

#[test]
fn credentials_for_one_realm_are_for_that_realm_only() {
    let mut client = Client::new(Credentials::new("alice", "secret").realm("mine"));
    let error = client.challenged(&digest(r#"realm="theirs", nonce="n""#)).unwrap_err();
    assert_eq!(error, "no password for the realm \"theirs\"");
    client.next();
    client.challenged(&digest(r#"realm="mine", nonce="n""#)).unwrap();
}

// rfc: 3261 §22.1 — where no credentials are found, "anonymous" without a password may be tried
#[test]
fn nobody_in_particular_may_be_tried_if_the_application_says_so() {
    let asked = digest(r#"realm="r", nonce="n""#);
    let store = CredentialStore::default();
    assert!(Client::with(None, |config| config.credentials(store.clone())).challenged(&asked).is_err());
    let mut client = Client::with(None, |config| config.credentials(store.or_anonymous()));
    client.challenged(&asked).unwrap();
    assert_eq!(value(&client.authorized().1[0], "username"), "anonymous");
}

// rfc: 8760 §3 — MD5 can be switched off
#[test]
fn md5_can_be_forbidden_always_or_in_the_clear() {
    let asked = digest(r#"realm="r", nonce="n", algorithm=MD5-sess, qop="auth""#);
    let never = |config: Config| config.algorithms(Algorithms::new().without_md5());
    let error = Client::with(Credentials::new("alice", "secret"), never).challenged(&asked).unwrap_err();
    assert_eq!(error, "the server knows nothing better than MD5, which is switched off");
    let strict = |config: Config| config.policy(Policy::strict());
    let mut client = Client::with(Credentials::new("alice", "secret"), strict);
    let error = client.challenged(&asked).unwrap_err();
    assert_eq!(error, "the realm \"r\" asks for MD5 over a connection without TLS");
    client.hear_over(Transport::Tls);
    client.challenged(&asked).unwrap();
}

// rfc: 8760 §3 — a server that took better asks for MD5: a downgrade
#[test]
fn a_server_that_took_better_is_not_answered_with_md5() {
    let good = digest(r#"realm="r", nonce="n", algorithm=SHA-256, qop="auth""#);
    let weak = digest(r#"realm="r", nonce="n", qop="auth""#);
    for (allowed, outcome) in [(false, false), (true, true)] {
        let policy = Policy::default().digest_downgrade(allowed);
        let mut client = Client::with(Credentials::new("alice", "secret"), |config| config.policy(policy));
        client.challenged(&good).unwrap();
        client.next();
        client.challenged(&weak).unwrap();
        client.next();
        client.challenged(&good).unwrap();
        client.authorized();
        client.succeeded(&refusal(&[]));
        client.next();
        let now = client.challenged(&weak);
        assert_eq!(now.is_ok(), outcome, "{now:?}");
        client.next();
        let other = digest(r#"realm="other", nonce="n", qop="auth""#);
        assert!(client.challenged(&other).is_ok());
    }
}

#[test]
fn what_is_remembered_of_servers_is_bounded_and_stays_while_it_is_in_use() {
    let mut client = Client::alice();
    let good =
        |realm: &str| digest(&format!("realm=\"{realm}\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\""));
    for number in 0..3_000 {
        client.next();
        client.challenged(&good(&format!("m{number:04}"))).unwrap();
        client.succeeded(&refusal(&[]));
    }
    assert!(client.context.heard.strong_realms() <= 1_024);
    for _ in 0..2_000 {
        client.succeeded(&refusal(&[]));
    }
    client.next();
    assert!(client.challenged(&digest("realm=\"m2999\", nonce=\"n\"")).is_err());
    assert_eq!(client.context.heard.strong_realms(), 1_024);
}

// rfc: 8760 §2.6 — Basic is refused; over TLS it is for those who ask for it
#[test]
fn basic_is_refused_unless_allowed_and_then_over_tls_only() {
    let asked = refusal(&["WWW-Authenticate: Basic realm=\"r\""]);
    let error = Client::alice().challenged(&asked).unwrap_err();
    assert_eq!(error, "the server wants the password itself (Basic), which is switched off");
    let basic = |config: Config| config.algorithms(Algorithms::new().basic_over_tls());
    let mut client = Client::with(Credentials::new("Aladdin", "open sesame"), basic);
    let error = client.challenged(&asked).unwrap_err();
    assert_eq!(error, "the server wants the password itself (Basic) without TLS");
    client.hear_over(Transport::Tls);
    client.challenged(&asked).unwrap();
    assert!(client.authorized().1.is_empty(), "nothing says that the next request goes over TLS");
    let (request, _) = client.authorize(secure_request());
    let line = request.headers().raw(HeaderName::AUTHORIZATION);
    assert_eq!(line, Some(&b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="[..]), "RFC 7617 section 2");
    client.next();
    let better = refusal(&[
        "WWW-Authenticate: Basic realm=\"r\"",
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"",
    ]);
    client.challenged(&better).unwrap();
    assert_eq!(client.authorized().1[0].scheme, "Digest");
}

// rfc: 8898 §2.1.1 — a token answers Bearer, a password Digest, whichever comes first
// rfc: 8898 §2.1.2 — a token that is not encrypted itself goes over TLS only
#[test]
fn a_token_answers_a_bearer_challenge() {
    let asked = refusal(&[
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"",
        "WWW-Authenticate: Bearer realm=\"r\", authz_server=\"https://as.example.com\", scope=\"sip\"",
    ]);
    let mut client = Client::new(Credentials::bearer("h.p.s"));
    assert_eq!(client.challenged(&asked).unwrap_err(), "the token may be sent over TLS only");
    client.hear_over(Transport::Wss);
    client.challenged(&asked).unwrap();
    assert!(client.authorized().1.is_empty());
    let (request, _) = client.authorize(secure_request());
    assert_eq!(request.headers().raw(HeaderName::AUTHORIZATION), Some(&b"Bearer h.p.s"[..]));
    assert!(client.challenged(&asked).is_err(), "it was refused");

    let mut client = Client::new(Credentials::bearer("header.key.iv.text.tag"));
    client.challenged(&asked).unwrap();

    let mut client = Client::alice();
    client.challenged(&asked).unwrap();
    assert_eq!(client.authorized().1[0].scheme, "Digest");
}

// rfc: 7235 §4.1 — several challenges in one line, as HTTP allows it, and empty places of the list
#[test]
fn challenges_that_were_joined_are_read() {
    for line in [
        r#"Digest realm="a, Digest realm=\"x", nonce="n", qop="auth","#,
        r#"Digest ,realm="a, Digest realm=\"x",,nonce="n""#,
        r#"Negotiate, Digest realm="a, Digest realm=\"x" , nonce = "n" , Basic realm="b""#,
        r#"Digest realm="b", nonce="1", algorithm=FOO, Digest realm="a, Digest realm=\"x", nonce="n""#,
    ] {
        let mut client = Client::alice();
        client.challenged(&refusal(&[&format!("WWW-Authenticate: {line}")])).unwrap();
        let (_, answers) = client.authorized();
        assert_eq!(answers.len(), 1, "{line}");
        assert_eq!(value(&answers[0], "realm"), "a, Digest realm=\"x", "{line}");
        assert_eq!(value(&answers[0], "nonce"), "n");
    }
}

#[test]
fn no_secret_shows_in_debug() {
    let mut client = Client::alice();
    client.challenged(&digest(r#"realm="r", nonce="n1", qop="auth""#)).unwrap();
    let (_, answers) = client.authorized();
    let secret = Algorithm::Md5.secret("alice", "r", "secret");
    let token = Credentials::bearer("token-of-mine");
    let store = CredentialStore::default().with(Credentials::new("alice", "secret"), Scope::new());
    let server = Secret::of_password("alice", "r", "secret");
    let shown = format!(
        "{:?} {:?} {token:?} {store:?} {server:?} {secret:?} {:?}",
        client.auth, answers[0], client.context.config
    );
    assert!(!shown.contains("secret") && !shown.contains("token-of-mine"));
    assert!(!shown.contains(value(&answers[0], "response")) && !shown.contains(&*secret));
}

#[test]
fn an_endless_list_of_realms_is_bounded() {
    let mut client = Client::alice();
    for number in 0..50 {
        client.next();
        client.challenged(&digest(&format!("realm=\"r{number}\", nonce=\"n\""))).unwrap();
    }
    let (_, answers) = client.authorized();
    assert_eq!(answers.len(), 8);
    assert_eq!(value(&answers[7], "realm"), "r49", "the latest are the ones in use");
    let lines: Vec<String> =
        (0..1000).map(|number| format!("WWW-Authenticate: Digest realm=\"{number}\", nonce=\"n\"")).collect();
    let text = format!("SIP/2.0 401 Unauthorized\r\n{}\r\nContent-Length: 0\r\n\r\n", lines.join("\r\n"));
    let limits = Limits::default().header_count(2000);
    let message = Message::parse(text.into_bytes(), &limits).unwrap();
    let mut client = Client::alice();
    client.challenged(message.as_response().unwrap()).unwrap();
    assert_eq!(client.authorized().1.len(), 8);
}

#[test]
fn an_info_that_cannot_be_read_changes_nothing() {
    let mut client = Client::alice();
    client.challenged(&digest(r#"realm="r", nonce="n1", qop="auth""#)).unwrap();
    client.succeeded(&refusal(&["Authentication-Info: ,,="]));
    assert_eq!(value(&client.authorized().1[0], "nonce"), "n1");
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    // rfc: 7616 §3.3 — whatever a challenge says, it is answered, passed over or refused
    #[test]
    fn no_challenge_harms(
        lines in proptest::collection::vec(
            "(Digest|Basic|Bearer|x) [a-z]{1,9}=\"?[ -~]{0,40}\
             (,| |=|realm=\"r\"|nonce=n|qop=\"auth|algorithm=MD5-sess|stale=true|userhash=true){0,6}[ -~]{0,20}",
            0..6,
        ),
        info in "[ -~]{0,60}",
    ) {
        let mut response = refusal(&[]);
        for line in &lines {
            let _ = response.headers_mut().push_raw(HeaderName::WWW_AUTHENTICATE, line.as_bytes());
        }
        let _ = response.headers_mut().push_raw(HeaderName::AUTHENTICATION_INFO, info.as_bytes());
        let mut client = Client::alice();
        if client.challenged(&response).is_ok() {
            let (request, answers) = client.authorized();
            proptest::prop_assert!(!answers.is_empty() || client.auth.wants(&client.context, &response).is_none());
            Message::parse(request.to_bytes(), &Limits::default()).unwrap();
        }
        client.succeeded(&response);
    }

    // rfc: 7616 §3.4 — whatever credentials say, they are let in only if the password is right
    #[test]
    fn no_credentials_get_in_without_the_password(
        text in "Digest ((username|realm|nonce|uri|response|cnonce|nc|qop|algorithm|userhash)=\
                 (\"[ -~&&[^\"\\\\]]{0,40}\"|r|alice|auth|MD5|00000001),){0,10}x=y",
    ) {
        let now = testkit::Clock::new().now();
        let mut verifier = Verifier::new(now, "r", [1; 32]).user("alice", "secret").userhash();
        let mut request = request();
        let _ = request.headers_mut().push_raw(HeaderName::AUTHORIZATION, text.as_bytes());
        let verdict = verifier.verify(now, &request);
        proptest::prop_assert!(matches!(verdict, Verdict::Missing | Verdict::Denied));
    }
}

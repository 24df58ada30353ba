//! Which challenge gets which credential ([RFC 3261 §22], [RFC 8760]).
//!
//! `Authenticator` is the client's side, kept for each call and registration; [`Verifier`] is the server's.
//!
//! [RFC 3261 §22]: https://www.rfc-editor.org/rfc/rfc3261#section-22
//! [RFC 8760]: https://www.rfc-editor.org/rfc/rfc8760

pub mod digest;
mod verifier;

use std::fmt;

use sip_msg::{
    AuthenticationInfo, Authorization, Challenge, Credentials as Answer, ProxyAuthenticate,
    ProxyAuthorization, WwwAuthenticate,
};
use sip_msg::{Request, Response, Text};
use zeroize::Zeroizing;

use crate::auth::digest::{Algorithm, Inputs, Protection};
use crate::context::Context;
use crate::ids::Ids;

pub use verifier::{Verdict, Verifier};

/// How many times one request is sent anew because of challenges; each proxy on the way may ask once.
const MAX_ROUNDS: u8 = 5;
/// How many realms one peer may make us remember.
const MAX_SPACES: usize = 8;

/// A user name and password, for one realm or for whoever asks.
#[derive(Clone)]
pub struct Credentials {
    username: Text,
    password: Zeroizing<String>,
    realm: Option<Text>,
}

impl Credentials {
    /// Credentials for any realm.
    pub fn new(username: impl Into<Text>, password: impl Into<String>) -> Self {
        Self { username: username.into(), password: Zeroizing::new(password.into()), realm: None }
    }

    /// Only for this realm; other challenges go unanswered.
    #[must_use]
    pub fn realm(mut self, realm: impl Into<Text>) -> Self {
        self.realm = Some(realm.into());
        self
    }

    /// The user name.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("realm", &self.realm).finish_non_exhaustive()
    }
}

/// Who asked: each has its headers and its realms.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Asker {
    /// The far end: 401, WWW-Authenticate, Authorization.
    Server,
    /// A hop between: 407, Proxy-Authenticate, Proxy-Authorization.
    Proxy,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Qop {
    Legacy,
    Auth,
    AuthInt,
}

/// A protection space we have a nonce for.
struct Space {
    asker: Asker,
    realm: Text,
    nonce: Text,
    opaque: Option<Text>,
    algorithm: Algorithm,
    /// RFC 8760 §2.6 wants `algorithm` back exactly when the challenge had it.
    algorithm_named: bool,
    qop: Qop,
    count: u32,
}

/// What one request has been through so far; a new one for each request, kept over its retries.
#[derive(Debug, Default)]
pub(crate) struct Attempt {
    rounds: u8,
    answered: Vec<(Asker, Text)>,
}

/// The client's side of digest: answers challenges and uses their nonces again.
#[derive(Default)]
pub(crate) struct Authenticator {
    credentials: Option<Credentials>,
    spaces: Vec<Space>,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").field("spaces", &self.spaces.len()).finish_non_exhaustive()
    }
}

impl Authenticator {
    /// Another with the same credentials, which has met no challenge.
    pub(crate) fn fresh(&self) -> Self {
        Self::new(self.credentials.clone())
    }

    pub(crate) fn new(credentials: Option<Credentials>) -> Self {
        Self { credentials, spaces: Vec::new() }
    }

    /// Takes the challenges of a 401 or 407. `Ok`: send the request anew; `Err`: it is no use, and why.
    ///
    /// A realm that refuses what was made from its latest nonce refuses the password, unless it says `stale`.
    pub(crate) fn challenged(
        &mut self,
        _context: &mut Context,
        response: &Response,
        attempt: &mut Attempt,
    ) -> Result<(), Text> {
        attempt.rounds += 1;
        if attempt.rounds >= MAX_ROUNDS {
            return Err("the server asks for a password again and again".into());
        }
        let Some(credentials) = &self.credentials else {
            return Err("a user name and password are needed".into());
        };
        let mut spaces = Vec::new();
        let mut trouble =
            Text::from("no challenge that can be answered (digest with MD5, SHA-256 or SHA-512-256)");
        for (asker, challenge) in challenges(response) {
            let Some(space) = Space::read(asker, &challenge) else { continue };
            if credentials.realm.as_ref().is_some_and(|realm| *realm != space.realm) {
                trouble = format!("no password for the realm \"{}\"", space.realm).into();
                continue;
            }
            let stale =
                challenge.params.value("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true"));
            let seen = attempt.answered.iter().any(|(by, realm)| *by == asker && *realm == space.realm);
            let known = self.space(asker, &space.realm).map(|known| &known.nonce);
            if seen && (!stale || known == Some(&space.nonce)) {
                return Err(format!("wrong user name or password for the realm \"{}\"", space.realm).into());
            }
            keep_better(&mut spaces, space);
        }
        if spaces.is_empty() {
            return Err(trouble);
        }
        for space in spaces {
            if !attempt.answered.iter().any(|(by, realm)| *by == space.asker && *realm == space.realm) {
                attempt.answered.push((space.asker, space.realm.clone()));
            }
            self.spaces.retain(|known| known.asker != space.asker || known.realm != space.realm);
            if self.spaces.len() < MAX_SPACES {
                self.spaces.push(space);
            }
        }
        Ok(())
    }

    /// Writes the credentials for every realm known so far, each nonce counted up.
    pub(crate) fn authorize(&mut self, ids: &mut Ids, request: &mut Request) {
        request.headers_mut().remove(sip_msg::HeaderName::AUTHORIZATION);
        request.headers_mut().remove(sip_msg::HeaderName::PROXY_AUTHORIZATION);
        let Some(credentials) = &self.credentials else { return };
        for space in &mut self.spaces {
            let answer = space.answer(credentials, ids, request);
            match space.asker {
                Asker::Server => request.headers_mut().push(&Authorization(answer)),
                Asker::Proxy => request.headers_mut().push(&ProxyAuthorization(answer)),
            }
        }
    }

    /// Takes the next nonce out of a success ([RFC 7616 §3.5]).
    ///
    /// [RFC 7616 §3.5]: https://www.rfc-editor.org/rfc/rfc7616#section-3.5
    pub(crate) fn succeeded(&mut self, _context: &mut Context, response: &Response) {
        let Ok(Some(info)) = response.headers().get::<AuthenticationInfo>() else { return };
        let Some(nonce) = info.params.value("nextnonce") else { return };
        // The header names no realm; with two of them nobody could say whose nonce it is.
        let mut servers = self.spaces.iter_mut().filter(|space| space.asker == Asker::Server);
        if let (Some(space), None) = (servers.next(), servers.next()) {
            space.nonce = nonce.into();
            space.count = 0;
        }
    }

    fn space(&self, asker: Asker, realm: &Text) -> Option<&Space> {
        self.spaces.iter().find(|space| space.asker == asker && space.realm == *realm)
    }
}

fn challenges(response: &Response) -> Vec<(Asker, Challenge)> {
    let headers = response.headers();
    let server =
        headers.all::<WwwAuthenticate>().filter_map(Result::ok).map(|asked| (Asker::Server, asked.0));
    let proxy =
        headers.all::<ProxyAuthenticate>().filter_map(Result::ok).map(|asked| (Asker::Proxy, asked.0));
    server.chain(proxy).take(4 * MAX_SPACES).collect()
}

/// Of several challenges of one realm the strongest is answered, the first of equals ([RFC 8760 §2.4]).
///
/// [RFC 8760 §2.4]: https://www.rfc-editor.org/rfc/rfc8760#section-2.4
fn keep_better(spaces: &mut Vec<Space>, space: Space) {
    match spaces.iter_mut().find(|known| known.asker == space.asker && known.realm == space.realm) {
        Some(known) if known.algorithm < space.algorithm => *known = space,
        Some(_) => {}
        None => spaces.push(space),
    }
}

impl Space {
    /// `None` for a scheme, algorithm or qop that we do not know.
    fn read(asker: Asker, challenge: &Challenge) -> Option<Self> {
        if !challenge.scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        let params = &challenge.params;
        let algorithm = params.value("algorithm");
        let qop = match params.value("qop") {
            None => Qop::Legacy,
            Some(offered) => {
                let has = |name| offered.split(',').any(|qop| qop.trim().eq_ignore_ascii_case(name));
                match (has("auth"), has("auth-int")) {
                    (true, _) => Qop::Auth,
                    (false, true) => Qop::AuthInt,
                    (false, false) => return None,
                }
            }
        };
        Some(Self {
            asker,
            realm: params.value("realm")?.into(),
            nonce: params.value("nonce")?.into(),
            opaque: params.value("opaque").map(Text::from),
            algorithm: algorithm.map_or(Some(Algorithm::Md5), Algorithm::parse)?,
            algorithm_named: algorithm.is_some(),
            qop,
            count: 0,
        })
    }

    fn answer(&mut self, credentials: &Credentials, ids: &mut Ids, request: &Request) -> Answer {
        self.count = self.count.saturating_add(1);
        let cnonce = ids.cnonce();
        let protection = match self.qop {
            Qop::Legacy => Protection::Legacy,
            Qop::Auth => Protection::Auth { nc: self.count, cnonce: &cnonce },
            Qop::AuthInt => Protection::AuthInt { nc: self.count, cnonce: &cnonce, body: request.body() },
        };
        let response = Inputs {
            algorithm: self.algorithm,
            username: &credentials.username,
            realm: &self.realm,
            password: &credentials.password,
            method: request.method().as_str(),
            uri: request.uri_text(),
            nonce: &self.nonce,
            protection,
            session_cnonce: &cnonce,
        }
        .response();
        let mut answer = Answer::digest()
            .with("username", &credentials.username)
            .with("realm", &self.realm)
            .with("nonce", &self.nonce)
            .with("uri", request.uri_text())
            .with("response", response);
        if self.algorithm_named {
            answer = answer.with("algorithm", self.algorithm.name());
        }
        if self.qop != Qop::Legacy || self.algorithm.is_session() {
            answer = answer.with("cnonce", &cnonce);
        }
        if let Some(opaque) = &self.opaque {
            answer = answer.with("opaque", opaque);
        }
        if self.qop != Qop::Legacy {
            let qop = if self.qop == Qop::Auth { "auth" } else { "auth-int" };
            answer = answer.with("qop", qop).with("nc", format!("{:08x}", self.count));
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use sip_msg::{CSeq, HeaderName, Limits, Message, Method, StatusCode, Uri};

    use super::*;

    fn context() -> Context {
        Context::new(crate::Config::new(sip_txn::Config::new([1; 32])))
    }

    fn request() -> Request {
        let uri: Uri = "sip:example.com".parse().unwrap();
        Request::builder(Method::REGISTER, &uri).header(&CSeq::new(1, Method::REGISTER)).build()
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

    fn alice() -> (Authenticator, Ids, Attempt) {
        (Authenticator::new(Some(Credentials::new("alice", "secret"))), Ids::new([3; 32]), Attempt::default())
    }

    fn authorized(auth: &mut Authenticator, ids: &mut Ids) -> (Request, Vec<Answer>) {
        let mut request = request();
        auth.authorize(ids, &mut request);
        let answers = request.headers().all::<Authorization>().map(|answer| answer.unwrap().0).collect();
        (request, answers)
    }

    // rfc: 7616 §3.4 — nc counts requests per nonce in eight hex digits, unquoted like qop and algorithm
    // rfc: 7616 §3.4 — the cnonce is fresh each time, opaque goes back as it came
    #[test]
    fn a_nonce_is_counted_and_quoting_is_as_the_rfc_wants() {
        let (mut auth, mut ids, mut attempt) = alice();
        let asked =
            digest(r#"realm="a \"b\"", nonce="n1", opaque="o", algorithm=SHA-256, qop="auth, auth-int""#);
        auth.challenged(&mut context(), &asked, &mut attempt).unwrap();
        let (first, one) = authorized(&mut auth, &mut ids);
        let (_, two) = authorized(&mut auth, &mut ids);
        let text =
            String::from_utf8(first.headers().raw(HeaderName::AUTHORIZATION).unwrap().to_vec()).unwrap();
        assert!(
            text.starts_with(
                r#"Digest username="alice", realm="a \"b\"", nonce="n1", uri="sip:example.com""#
            )
        );
        assert!(text.contains("algorithm=SHA-256, ") && text.contains("qop=auth, nc=00000001"), "{text}");
        assert_eq!(two[0].params.value("nc"), Some("00000002"));
        assert_eq!(two[0].params.value("opaque"), Some("o"));
        assert_ne!(one[0].params.value("cnonce"), two[0].params.value("cnonce"));
    }

    // rfc: 8760 §2.4 — several challenges: the strongest that we know, whatever their order
    #[test]
    fn the_strongest_known_challenge_is_answered() {
        let (mut auth, mut ids, mut attempt) = alice();
        let asked = refusal(&[
            "WWW-Authenticate: Digest realm=\"r\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"",
            "WWW-Authenticate: Digest realm=\"r\", nonce=\"n2\", algorithm=SHA-256, qop=\"auth\"",
            "WWW-Authenticate: Digest realm=\"r\", nonce=\"n3\", algorithm=SHA-9, qop=\"auth\"",
            "WWW-Authenticate: Basic realm=\"r\"",
        ]);
        auth.challenged(&mut context(), &asked, &mut attempt).unwrap();
        let (_, answers) = authorized(&mut auth, &mut ids);
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0].params.value("nonce"), Some("n2"));
    }

    // rfc: 3261 §22.4 — no algorithm means MD5, and none is sent back; no qop means neither nc nor cnonce
    #[test]
    fn a_challenge_of_rfc_2069_is_answered_as_one() {
        let (mut auth, mut ids, mut attempt) = alice();
        auth.challenged(&mut context(), &digest(r#"realm="r", nonce="n""#), &mut attempt).unwrap();
        let (_, answers) = authorized(&mut auth, &mut ids);
        for absent in ["algorithm", "qop", "nc", "cnonce"] {
            assert!(!answers[0].params.contains(absent), "{absent}");
        }
        let expected = Inputs {
            algorithm: Algorithm::Md5,
            username: "alice",
            realm: "r",
            password: "secret",
            method: "REGISTER",
            uri: "sip:example.com",
            nonce: "n",
            protection: Protection::Legacy,
            session_cnonce: "",
        };
        assert_eq!(answers[0].params.value("response"), Some(&*expected.response()));
    }

    // rfc: 3261 §22.3 — 401 and 407 at once: both are answered, each in its own header
    #[test]
    fn a_server_and_a_proxy_are_answered_together() {
        let (mut auth, mut ids, mut attempt) = alice();
        let asked = refusal(&[
            "WWW-Authenticate: Digest realm=\"server\", nonce=\"n1\", qop=\"auth\"",
            "Proxy-Authenticate: Digest realm=\"proxy\", nonce=\"n2\", qop=\"auth\"",
        ]);
        auth.challenged(&mut context(), &asked, &mut attempt).unwrap();
        let (request, answers) = authorized(&mut auth, &mut ids);
        assert_eq!(answers[0].params.value("realm"), Some("server"));
        let proxy = request.headers().require::<ProxyAuthorization>().unwrap();
        assert_eq!(proxy.0.params.value("realm"), Some("proxy"));
    }

    // rfc: 3261 §22.2 — a password that was refused is not sent again
    #[test]
    fn a_refused_password_is_not_tried_again() {
        let (mut auth, _, mut attempt) = alice();
        auth.challenged(&mut context(), &digest(r#"realm="r", nonce="n1""#), &mut attempt).unwrap();
        let error =
            auth.challenged(&mut context(), &digest(r#"realm="r", nonce="n2""#), &mut attempt).unwrap_err();
        assert_eq!(error, "wrong user name or password for the realm \"r\"");
    }

    // rfc: 7616 §3.3 — stale=true: the password was right, the nonce too old
    #[test]
    fn a_stale_nonce_is_replaced_but_not_for_ever() {
        let (mut auth, mut ids, mut attempt) = alice();
        auth.challenged(&mut context(), &digest(r#"realm="r", nonce="n0""#), &mut attempt).unwrap();
        let mut rounds = 0;
        while auth
            .challenged(
                &mut context(),
                &digest(&format!("realm=\"r\", nonce=\"m{rounds}\", stale=TRUE")),
                &mut attempt,
            )
            .is_ok()
        {
            rounds += 1;
        }
        assert_eq!(rounds, 3);
        let (_, answers) = authorized(&mut auth, &mut ids);
        assert_eq!(answers[0].params.value("nonce"), Some("m2"));
        let same = digest(r#"realm="r", nonce="m2", stale=true"#);
        let mut attempt = Attempt::default();
        auth.challenged(&mut context(), &same, &mut attempt).unwrap();
        assert!(auth.challenged(&mut context(), &same, &mut attempt).is_err(), "stale, yet the same nonce");
    }

    // rfc: 7616 §3.5 — nextnonce is used from then on, counted anew
    #[test]
    fn the_next_nonce_is_taken_from_a_success() {
        let (mut auth, mut ids, mut attempt) = alice();
        auth.challenged(&mut context(), &digest(r#"realm="r", nonce="n1", qop="auth""#), &mut attempt)
            .unwrap();
        authorized(&mut auth, &mut ids);
        auth.succeeded(&mut context(), &refusal(&["Authentication-Info: nextnonce=\"n2\""]));
        let (_, answers) = authorized(&mut auth, &mut ids);
        assert_eq!(answers[0].params.value("nonce"), Some("n2"));
        assert_eq!(answers[0].params.value("nc"), Some("00000001"));
    }

    #[test]
    fn credentials_for_one_realm_are_for_that_realm_only() {
        let credentials = Credentials::new("alice", "secret").realm("mine");
        let mut auth = Authenticator::new(Some(credentials));
        let error = auth
            .challenged(&mut context(), &digest(r#"realm="theirs", nonce="n""#), &mut Attempt::default())
            .unwrap_err();
        assert_eq!(error, "no password for the realm \"theirs\"");
        auth.challenged(&mut context(), &digest(r#"realm="mine", nonce="n""#), &mut Attempt::default())
            .unwrap();
    }

    #[test]
    fn no_secret_shows_in_debug() {
        let (mut auth, mut ids, mut attempt) = alice();
        auth.challenged(&mut context(), &digest(r#"realm="r", nonce="n1", qop="auth""#), &mut attempt)
            .unwrap();
        let (_, answers) = authorized(&mut auth, &mut ids);
        let shown = format!("{:?} {auth:?} {:?}", Credentials::new("alice", "secret"), answers[0]);
        assert!(!shown.contains("secret"));
        assert!(!shown.contains(answers[0].params.value("response").unwrap()));
    }

    #[test]
    fn an_endless_list_of_realms_is_bounded() {
        let (mut auth, mut ids, _) = alice();
        for number in 0..50 {
            let asked = digest(&format!("realm=\"r{number}\", nonce=\"n\""));
            auth.challenged(&mut context(), &asked, &mut Attempt::default()).unwrap();
        }
        let (_, answers) = authorized(&mut auth, &mut ids);
        assert_eq!(answers.len(), MAX_SPACES);
    }

    /// Both sides together: what the verifier asks, the authenticator answers.
    mod with_verifier {
        use std::time::{Duration, Instant};

        use super::*;

        fn challenge(verifier: &mut Verifier, now: Instant) -> Response {
            let lines: Vec<String> = verifier
                .challenge(now, false)
                .iter()
                .map(|(name, value)| format!("{name}: {value}"))
                .collect();
            refusal(&lines.iter().map(String::as_str).collect::<Vec<_>>())
        }

        fn password(user: &str) -> Option<String> {
            (user == "alice").then(|| "secret".into())
        }

        #[test]
        fn a_right_password_is_granted_and_a_wrong_one_denied() {
            let now = now();
            for algorithm in [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256, Algorithm::Sha256Sess]
            {
                let mut verifier = Verifier::new(now, "r \"x\"", [1; 32]).algorithms(&[algorithm]);
                let (mut auth, mut ids, mut attempt) = alice();
                assert_eq!(verifier.verify(now, &request(), password), Verdict::Missing);
                auth.challenged(&mut context(), &challenge(&mut verifier, now), &mut attempt).unwrap();
                let (request, _) = authorized(&mut auth, &mut ids);
                assert_eq!(verifier.verify(now, &request, |_| Some("wrong".into())), Verdict::Denied);
                assert_eq!(verifier.verify(now, &request, |_| None), Verdict::Denied);
                let granted = Verdict::Granted { username: "alice".into() };
                assert_eq!(verifier.verify(now, &request, password), granted, "{algorithm:?}");
            }
        }

        // rfc: 7616 §3.4 — a count that was used before is a replay
        #[test]
        fn a_replayed_request_is_refused_and_the_next_count_granted() {
            let now = now();
            let mut verifier = Verifier::new(now, "r", [1; 32]);
            let (mut auth, mut ids, mut attempt) = alice();
            auth.challenged(&mut context(), &challenge(&mut verifier, now), &mut attempt).unwrap();
            let (first, _) = authorized(&mut auth, &mut ids);
            let (second, _) = authorized(&mut auth, &mut ids);
            assert!(matches!(verifier.verify(now, &second, password), Verdict::Granted { .. }));
            assert_eq!(verifier.verify(now, &second, password), Verdict::Stale);
            assert_eq!(verifier.verify(now, &first, password), Verdict::Stale, "an older count as well");
            let (third, _) = authorized(&mut auth, &mut ids);
            assert!(matches!(verifier.verify(now, &third, password), Verdict::Granted { .. }));
        }

        // rfc: 7616 §3.3 — a nonce has an end; then stale
        #[test]
        fn a_nonce_goes_stale_with_its_age() {
            let now = now();
            let mut verifier = Verifier::new(now, "r", [1; 32]).lifetime(Duration::from_secs(60));
            let (mut auth, mut ids, mut attempt) = alice();
            auth.challenged(&mut context(), &challenge(&mut verifier, now), &mut attempt).unwrap();
            let (request, _) = authorized(&mut auth, &mut ids);
            let late = now + Duration::from_secs(61);
            assert_eq!(verifier.verify(late, &request, password), Verdict::Stale);
            assert!(verifier.challenge(late, true)[0].1.contains("stale=true"));
        }

        #[test]
        fn a_nonce_that_we_did_not_sign_is_worth_nothing() {
            let now = now();
            let mut theirs = Verifier::new(now, "r", [2; 32]);
            let (mut auth, mut ids, mut attempt) = alice();
            auth.challenged(&mut context(), &challenge(&mut theirs, now), &mut attempt).unwrap();
            let (request, _) = authorized(&mut auth, &mut ids);
            let mut verifier = Verifier::new(now, "r", [1; 32]);
            assert_eq!(verifier.verify(now, &request, password), Verdict::Denied);
        }

        #[test]
        fn a_proxy_asks_and_reads_with_its_own_headers() {
            let now = now();
            let mut verifier = Verifier::new(now, "r", [1; 32]).proxy();
            assert_eq!(verifier.status(), StatusCode::PROXY_AUTHENTICATION_REQUIRED);
            let (mut auth, mut ids, mut attempt) = alice();
            auth.challenged(&mut context(), &challenge(&mut verifier, now), &mut attempt).unwrap();
            let (request, _) = authorized(&mut auth, &mut ids);
            assert!(matches!(verifier.verify(now, &request, password), Verdict::Granted { .. }));
        }

        fn now() -> Instant {
            testkit::Clock::new().now()
        }
    }
}

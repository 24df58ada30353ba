//! The server's side: challenges, and checks what comes back.

use std::fmt;
use std::time::{Duration, Instant};

use sip_msg::{
    AuthenticationInfo, Authorization, Challenge, Credentials as Answer, Param, Params, ProxyAuthorization,
};
use sip_msg::{HeaderName, Request, StatusCode, Text};
use subtle::ConstantTimeEq as _;

use super::challenge::Asker;
use super::digest::{Algorithm, Inputs, Protection};
use super::nonce::Nonces;
use super::space::unextended;
use super::users::{Claim, Secret, Users};

/// What [`Verifier::verify`] found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The password is right.
    Granted {
        /// Whose it is.
        username: Text,
        /// The proof that we know the password too, for the success; only of a [mutual](Verifier::mutual) verifier.
        info: Option<AuthenticationInfo>,
    },
    /// No credentials for our realm: challenge.
    Missing,
    /// The password is right, but the nonce is too old, not ours, or its count was used before: challenge with `stale`.
    Stale,
    /// A wrong user or password, or credentials that cannot be read: challenge anew, or refuse.
    Denied,
}

/// Challenges requests and verifies their credentials ([RFC 7616 §3.3–3.6], [RFC 8760]).
///
/// Nonces are signed and carry their age, so a challenge costs no memory; of a nonce that was used with the right password
/// the counts are remembered, and each is good once. An unknown user takes the same time and gets the same answer as a wrong
/// password. The `uri` parameter is not compared with the Request-URI, which proxies rewrite ([RFC 8760 §2.6]).
///
/// [RFC 7616 §3.3–3.6]: https://www.rfc-editor.org/rfc/rfc7616#section-3.3
/// [RFC 8760]: https://www.rfc-editor.org/rfc/rfc8760
/// [RFC 8760 §2.6]: https://www.rfc-editor.org/rfc/rfc8760#section-2.6
#[derive(Clone)]
pub struct Verifier {
    realm: Text,
    asker: Asker,
    algorithms: Vec<Algorithm>,
    lifetime: Duration,
    integrity: bool,
    userhash: bool,
    mutual: bool,
    nonces: Nonces,
    users: Users,
    /// What an unknown user's credentials are checked against.
    nobody: Secret,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("realm", &self.realm).finish_non_exhaustive()
    }
}

impl Verifier {
    /// A server that challenges with 401, SHA-256 first and then MD5, and nonces that live for five minutes.
    ///
    /// `key` signs the nonces: 32 random octets.
    pub fn new(now: Instant, realm: impl Into<Text>, key: [u8; 32]) -> Self {
        let realm = realm.into().detach();
        Self {
            nobody: Secret::of_password("", &realm, ""),
            realm,
            asker: Asker::Server,
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            lifetime: Duration::from_secs(300),
            integrity: false,
            userhash: false,
            mutual: false,
            nonces: Nonces::new(now, key),
            users: Users::default(),
        }
    }

    /// One more user, or another password for one.
    #[must_use]
    pub fn user(self, name: impl Into<Text>, password: &str) -> Self {
        let name = name.into();
        let secret = Secret::of_password(&name, &self.realm, password);
        self.user_with(name, secret)
    }

    /// One more user, by the hash of its password in this realm.
    #[must_use]
    pub fn user_with(mut self, name: impl Into<Text>, secret: Secret) -> Self {
        self.users.add(&self.realm, name.into().detach(), secret);
        self
    }

    /// Asks as a proxy does: 407, Proxy-Authenticate, Proxy-Authorization.
    #[must_use]
    pub fn proxy(mut self) -> Self {
        self.asker = Asker::Proxy;
        self
    }

    /// The algorithms to offer, the preferred one first; one challenge is sent for each ([RFC 8760 §2.3]).
    ///
    /// [RFC 8760 §2.3]: https://www.rfc-editor.org/rfc/rfc8760#section-2.3
    #[must_use]
    pub fn algorithms(mut self, algorithms: &[Algorithm]) -> Self {
        self.algorithms = algorithms.to_vec();
        self
    }

    /// How long a nonce may be used.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Offers to protect the body too (`auth-int`). What rewrites bodies on the way makes such passwords look wrong.
    #[must_use]
    pub fn integrity(mut self) -> Self {
        self.integrity = true;
        self
    }

    /// Asks for hashed user names, so that none is sent for all to read ([RFC 7616 §3.4.4]).
    ///
    /// [RFC 7616 §3.4.4]: https://www.rfc-editor.org/rfc/rfc7616#section-3.4.4
    #[must_use]
    pub fn userhash(mut self) -> Self {
        self.userhash = true;
        self.users.index(&self.realm);
        self
    }

    /// Proves to clients that we know the password too ([RFC 7616 §3.5]).
    ///
    /// [RFC 7616 §3.5]: https://www.rfc-editor.org/rfc/rfc7616#section-3.5
    #[must_use]
    pub fn mutual(mut self) -> Self {
        self.mutual = true;
        self
    }

    /// The realm.
    #[must_use]
    pub fn realm(&self) -> &Text {
        &self.realm
    }

    /// The status that a challenge goes with: 401 or 407.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.asker {
            Asker::Server => StatusCode::UNAUTHORIZED,
            Asker::Proxy => StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        }
    }

    /// The challenge headers for a response, all with one fresh nonce.
    pub fn challenge(&mut self, now: Instant, stale: bool) -> Vec<(HeaderName, Text)> {
        let nonce = Text::from(self.nonces.issue(now));
        let name = match self.asker {
            Asker::Server => HeaderName::WWW_AUTHENTICATE,
            Asker::Proxy => HeaderName::PROXY_AUTHENTICATE,
        };
        let line = |algorithm: &Algorithm| {
            let mut challenge = Challenge::digest()
                .with("realm", &self.realm)
                .with("nonce", &nonce)
                .with("algorithm", algorithm.name())
                .with("qop", if self.integrity { "auth,auth-int" } else { "auth" });
            if stale {
                challenge = challenge.with("stale", "true");
            }
            if self.userhash {
                challenge = challenge.with("charset", "UTF-8").with("userhash", "true");
            }
            (name.clone(), challenge.to_string().into())
        };
        self.algorithms.iter().map(line).collect()
    }

    /// Checks a request by the users that were added.
    pub fn verify(&mut self, now: Instant, request: &Request) -> Verdict {
        let Some(answer) = self.answer(request) else { return Verdict::Missing };
        let found = claim(&answer, |claim| self.users.find(claim));
        self.check(now, request, &answer, found).unwrap_or(Verdict::Denied)
    }

    /// Checks a request by users that are kept elsewhere: the real name and the secret of whom a claim is about.
    pub fn verify_with(
        &mut self,
        now: Instant,
        request: &Request,
        find: impl FnOnce(Claim<'_>) -> Option<(Text, Secret)>,
    ) -> Verdict {
        let Some(answer) = self.answer(request) else { return Verdict::Missing };
        let found = claim(&answer, find);
        self.check(now, request, &answer, found).unwrap_or(Verdict::Denied)
    }

    /// `None`: something is missing or unknown.
    fn check(
        &mut self,
        now: Instant,
        request: &Request,
        answer: &Answer,
        found: Option<(Text, Secret)>,
    ) -> Option<Verdict> {
        let params = &answer.params;
        let nonce = params.value("nonce")?;
        let algorithm = params.value("algorithm").map_or(Some(Algorithm::Md5), Algorithm::parse)?;
        if !self.algorithms.contains(&algorithm) {
            return None;
        }
        let cnonce = params.value("cnonce");
        let count = match params.value("nc") {
            Some(nc) => read_count(nc)?,
            None => 1,
        };
        let qop = params.value("qop");
        let protection = match qop {
            None => Protection::Legacy,
            Some(qop) if qop.eq_ignore_ascii_case("auth") => Protection::Auth { nc: count, cnonce: cnonce? },
            Some(qop) if qop.eq_ignore_ascii_case("auth-int") && self.integrity => {
                Protection::AuthInt { nc: count, cnonce: cnonce?, body: request.body() }
            }
            Some(_) => return None,
        };
        if qop.is_some() && !params.contains("nc") {
            return None;
        }
        // An unknown user costs as much time as a known one.
        let (username, secret) = found.unzip();
        let known = secret.as_ref().and_then(|secret| secret.hash(algorithm));
        let is_known = known.is_some();
        let secret = known.or_else(|| self.nobody.hash(algorithm))?;
        let inputs = Inputs {
            algorithm,
            secret: &secret,
            method: request.method().as_str(),
            uri: params.value("uri")?,
            nonce,
            protection,
            session_cnonce: cnonce.unwrap_or(""),
        };
        let expected = inputs.response();
        let given = params.value("response")?.to_ascii_lowercase();
        let right = bool::from(expected.as_bytes().ct_eq(given.as_bytes()));
        let ours = self.nonces.open(nonce);
        if !right || !is_known {
            return Some(Verdict::Denied);
        }
        // A nonce of before our restart is no worse than one that is too old: both bring a fresh one.
        if !ours.is_some_and(|nonce| self.nonces.spend(now, nonce, count, self.lifetime)) {
            return Some(Verdict::Stale);
        }
        let info = self.mutual.then(|| proof(&inputs, qop)).flatten();
        Some(Verdict::Granted { username: username?, info })
    }

    /// The credentials for our realm, of those the request carries.
    fn answer(&self, request: &Request) -> Option<Answer> {
        let ours = |answer: &Answer| {
            answer.scheme.eq_ignore_ascii_case("Digest") && answer.params.value("realm") == Some(&*self.realm)
        };
        let headers = request.headers();
        match self.asker {
            Asker::Server => headers.all::<Authorization>().flatten().map(|found| found.0).find(ours),
            Asker::Proxy => headers.all::<ProxyAuthorization>().flatten().map(|found| found.0).find(ours),
        }
    }
}

/// Who the credentials are from. Both `username` and `username*` at a time are an error ([RFC 7616 §3.4]).
///
/// [RFC 7616 §3.4]: https://www.rfc-editor.org/rfc/rfc7616#section-3.4
fn claim<T>(answer: &Answer, find: impl FnOnce(Claim<'_>) -> Option<T>) -> Option<T> {
    let params = &answer.params;
    let hashed = params.value("userhash").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    match (params.value("username"), params.value("username*")) {
        (Some(hash), None) if hashed => {
            let algorithm = params.value("algorithm").map_or(Some(Algorithm::Md5), Algorithm::parse)?;
            find(Claim::Hash(algorithm, hash))
        }
        (Some(name), None) => find(Claim::Name(name)),
        (None, Some(name)) if !hashed => find(Claim::Name(&unextended(name)?)),
        _ => None,
    }
}

/// Exactly eight hex digits.
fn read_count(nc: &str) -> Option<u32> {
    let digits = nc.len() == 8 && nc.bytes().all(|digit| digit.is_ascii_hexdigit());
    if digits { u32::from_str_radix(nc, 16).ok() } else { None }
}

/// `rspauth` and what belongs to it. With auth-int it would cover the body of a response that is not made yet: none is given.
fn proof(inputs: &Inputs<'_>, qop: Option<&str>) -> Option<AuthenticationInfo> {
    let mut params = Params::new();
    if matches!(inputs.protection, Protection::AuthInt { .. }) {
        return None;
    }
    params.put(Param::quoted("rspauth", &*Inputs { method: "", ..*inputs }.response()));
    if let (Protection::Auth { nc, cnonce }, Some(qop)) = (inputs.protection, qop) {
        params.put(Param::new("qop", Some(qop.into())));
        params.put(Param::quoted("cnonce", cnonce));
        params.put(Param::new("nc", Some(format!("{nc:08x}").into())));
    }
    Some(AuthenticationInfo { params })
}

//! The server's side of digest: challenges, and checks what comes back.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use sip_msg::{Authorization, Credentials as Answer, ProxyAuthorization};
use sip_msg::{HeaderName, Request, StatusCode, Text};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::Asker;
use super::digest::{Algorithm, Inputs, Protection, hex};

/// How many nonces in use are remembered; beyond it the oldest become stale.
const MAX_NONCES: usize = 65_536;
const MAC_OCTETS: usize = 16;

/// What [`Verifier::verify`] found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The password is right.
    Granted {
        /// Whose it is.
        username: Text,
    },
    /// No credentials for our realm: challenge.
    Missing,
    /// A nonce that is too old, or a count that was used before: challenge with `stale`.
    Stale,
    /// A wrong user or password, or a nonce that is not ours: challenge anew, or refuse.
    Denied,
}

/// Challenges requests and verifies their credentials ([RFC 7616 §3.3–3.6], [RFC 8760]).
///
/// Nonces are signed and carry their age, so a challenge costs no memory; only a nonce that was used with the right
/// password is remembered, with its highest count, and a count at or below it is refused. The `uri` parameter is not
/// compared with the Request-URI, which proxies rewrite.
///
/// [RFC 7616 §3.3–3.6]: https://www.rfc-editor.org/rfc/rfc7616#section-3.3
/// [RFC 8760]: https://www.rfc-editor.org/rfc/rfc8760
pub struct Verifier {
    realm: Text,
    asker: Asker,
    algorithms: Vec<Algorithm>,
    lifetime: Duration,
    key: Zeroizing<[u8; 32]>,
    epoch: Instant,
    issued: u64,
    /// Highest count seen for each nonce in use.
    counts: BTreeMap<u64, u32>,
    /// Nonces up to here have been forgotten.
    forgotten: u64,
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
        Self {
            realm: realm.into(),
            asker: Asker::Server,
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            lifetime: Duration::from_secs(300),
            key: Zeroizing::new(key),
            epoch: now,
            issued: 0,
            counts: BTreeMap::new(),
            forgotten: 0,
        }
    }

    /// Asks as a proxy does: 407, Proxy-Authenticate, Proxy-Authorization.
    #[must_use]
    pub fn proxy(mut self) -> Self {
        self.asker = Asker::Proxy;
        self
    }

    /// The algorithms to offer, the preferred one first; one challenge is sent for each.
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
        self.issued += 1;
        let nonce = self.nonce(self.issued, self.age(now));
        let realm = self.realm.replace('\\', "\\\\").replace('"', "\\\"");
        let name = match self.asker {
            Asker::Server => HeaderName::WWW_AUTHENTICATE,
            Asker::Proxy => HeaderName::PROXY_AUTHENTICATE,
        };
        let stale = if stale { ", stale=true" } else { "" };
        let line = |algorithm: &Algorithm| {
            let algorithm = algorithm.name();
            format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}")
        };
        self.algorithms.iter().map(|algorithm| (name.clone(), line(algorithm).into())).collect()
    }

    /// Checks a request; `password` looks a user's password up.
    pub fn verify(
        &mut self,
        now: Instant,
        request: &Request,
        password: impl FnOnce(&str) -> Option<String>,
    ) -> Verdict {
        let Some(answer) = self.answer(request) else { return Verdict::Missing };
        self.check(now, request, &answer, password).unwrap_or(Verdict::Denied)
    }

    /// `None`: something is missing or unknown.
    fn check(
        &mut self,
        now: Instant,
        request: &Request,
        answer: &Answer,
        password: impl FnOnce(&str) -> Option<String>,
    ) -> Option<Verdict> {
        let params = &answer.params;
        let (username, nonce) = (params.value("username")?, params.value("nonce")?);
        let algorithm = params.value("algorithm").map_or(Some(Algorithm::Md5), Algorithm::parse)?;
        if !self.algorithms.contains(&algorithm) {
            return None;
        }
        let (id, issued_at) = self.open(nonce)?;
        let cnonce = params.value("cnonce");
        let count = match params.value("nc") {
            Some(nc) if nc.len() == 8 => u32::from_str_radix(nc, 16).ok()?,
            Some(_) => return None,
            None => 1,
        };
        let protection = match params.value("qop") {
            None => Protection::Legacy,
            Some(qop) if qop.eq_ignore_ascii_case("auth") => Protection::Auth { nc: count, cnonce: cnonce? },
            Some(qop) if qop.eq_ignore_ascii_case("auth-int") => {
                Protection::AuthInt { nc: count, cnonce: cnonce?, body: request.body() }
            }
            Some(_) => return None,
        };
        // An unknown user costs as much time as a known one.
        let known = password(username).map(Zeroizing::new);
        let expected = Inputs {
            algorithm,
            username,
            realm: &self.realm,
            password: known.as_ref().map_or("", |password| password.as_str()),
            method: request.method().as_str(),
            uri: params.value("uri")?,
            nonce,
            protection,
            session_cnonce: cnonce.unwrap_or(""),
        }
        .response();
        let given = params.value("response")?.to_ascii_lowercase();
        let right = bool::from(expected.as_bytes().ct_eq(given.as_bytes()));
        if !right || known.is_none() {
            return Some(Verdict::Denied);
        }
        let fresh = self.age(now).saturating_sub(issued_at) <= self.lifetime && id > self.forgotten;
        if !fresh || self.counts.get(&id).is_some_and(|highest| count <= *highest) || count == 0 {
            return Some(Verdict::Stale);
        }
        self.counts.insert(id, count);
        if self.counts.len() > MAX_NONCES
            && let Some((oldest, _)) = self.counts.pop_first()
        {
            self.forgotten = oldest;
        }
        Some(Verdict::Granted { username: username.into() })
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

    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.epoch)
    }

    fn nonce(&self, id: u64, age: Duration) -> String {
        let millis = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let mac = self.sign(id, millis);
        format!("{id:016x}{millis:016x}{}", hex(&mac))
    }

    fn sign(&self, id: u64, millis: u64) -> [u8; MAC_OCTETS] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.key.as_slice()).expect("HMAC takes keys of any length");
        mac.update(&id.to_be_bytes());
        mac.update(&millis.to_be_bytes());
        let mut tag = [0; MAC_OCTETS];
        tag.iter_mut().zip(mac.finalize().into_bytes()).for_each(|(to, from)| *to = from);
        tag
    }

    /// The number and age of a nonce that we signed.
    fn open(&self, nonce: &str) -> Option<(u64, Duration)> {
        let (id, rest) = nonce.split_at_checked(16)?;
        let (millis, mac) = rest.split_at_checked(16)?;
        let id = u64::from_str_radix(id, 16).ok()?;
        let millis = u64::from_str_radix(millis, 16).ok()?;
        let expected = hex(&self.sign(id, millis));
        bool::from(expected.as_bytes().ct_eq(mac.as_bytes())).then(|| (id, Duration::from_millis(millis)))
    }
}

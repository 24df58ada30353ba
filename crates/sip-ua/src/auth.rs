//! Which challenge gets which credential ([RFC 3261 §22], [RFC 8760]).
//!
//! [`Authenticator`] is the client's side, kept for each call and registration; [`Verifier`] is the server's.
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
    pub(crate) fn new(credentials: Option<Credentials>) -> Self {
        Self { credentials, spaces: Vec::new() }
    }

    /// Takes the challenges of a 401 or 407. `Ok`: send the request anew; `Err`: it is no use, and why.
    ///
    /// A realm that refuses what was made from its latest nonce refuses the password, unless it says `stale`.
    pub(crate) fn challenged(&mut self, response: &Response, attempt: &mut Attempt) -> Result<(), Text> {
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
    pub(crate) fn succeeded(&mut self, response: &Response) {
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
            realm: params.text("realm")?.detach(),
            nonce: params.text("nonce")?.detach(),
            opaque: params.text("opaque").map(Text::detach),
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

//! The client's side: which challenge gets which credentials, and when it is no use any more.

use std::fmt;

use sip_msg::{
    AuthenticationInfo, Authorization, HeaderName, Headers, ProxyAuthorization, Request, Response, Text,
};

use super::challenge::{Asker, Demand, Scheme};
use super::space::{Space, is_readable};
use super::wanted::WantedScheme;
use super::{Algorithms, Credentials};
use crate::context::Context;
use crate::event::Event;
use crate::ids::Ids;
use crate::policy::Violation;
use crate::target;

/// How many times one request is sent anew because of challenges; each proxy on the way may ask once.
const MAX_ROUNDS: u8 = 5;
/// How many realms one peer may make us remember.
const MAX_SPACES: usize = 8;

/// What one request has been through so far; a new one for each request, kept over its retries.
#[derive(Debug, Default)]
pub(crate) struct Attempt {
    rounds: u8,
    answered: Vec<(Asker, Text)>,
}

impl Attempt {
    fn has_answered(&self, demand: &Demand) -> bool {
        self.answered.iter().any(|(asker, realm)| *asker == demand.asker && *realm == demand.realm)
    }
}

/// Answers challenges, and uses their nonces again; one for each call, registration and single request.
#[derive(Default)]
pub(crate) struct Authenticator {
    /// What the application gave for this use, and what it gave when it was asked.
    own: Vec<Credentials>,
    spaces: Vec<Space>,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").field("spaces", &self.spaces.len()).finish_non_exhaustive()
    }
}

/// Why a challenge is not answered; the highest is told.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Trouble {
    Unknown,
    NoCredentials(Text),
    Forbidden(Text),
    Refused(Text),
}

impl From<Violation> for Trouble {
    fn from(why: Violation) -> Self {
        Self::Forbidden(why.to_string().into())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => {
                f.write_str("no challenge that can be answered (digest with MD5, SHA-256 or SHA-512-256)")
            }
            Self::NoCredentials(realm) => write!(f, "no password for the realm \"{realm}\""),
            Self::Forbidden(why) => f.write_str(why),
            Self::Refused(realm) => write!(f, "wrong user name or password for the realm \"{realm}\""),
        }
    }
}

impl Authenticator {
    /// Another with the same credentials, which has met no challenge.
    pub(crate) fn fresh(&self) -> Self {
        Self { own: self.own.clone(), spaces: Vec::new() }
    }

    pub(crate) fn new(credentials: Option<Credentials>) -> Self {
        Self { own: credentials.into_iter().collect(), spaces: Vec::new() }
    }

    /// Takes the challenges of a 401 or 407. `Ok`: send the request anew; `Err`: it is no use, and why.
    ///
    /// A realm that refuses what was made from its latest nonce refuses the password, unless it says `stale`.
    pub(crate) fn challenged(
        &mut self,
        context: &mut Context,
        response: &Response,
        attempt: &mut Attempt,
    ) -> Result<(), Text> {
        attempt.rounds += 1;
        if attempt.rounds >= MAX_ROUNDS {
            return Err("the server asks for a password again and again".into());
        }
        let mut trouble = Trouble::Unknown;
        let mut met: Vec<Space> = Vec::new();
        for demand in Demand::all(response) {
            match self.meet(context, &demand, attempt) {
                Ok(credentials) => {
                    let space = Space::new(demand, credentials, context.config.algorithms);
                    keep_better(&mut met, space);
                }
                Err(why) => {
                    if matches!(why, Trouble::Refused(_)) {
                        self.spaces.retain(|known| !known.is(demand.asker, &demand.realm));
                    }
                    trouble = trouble.max(why);
                }
            }
        }
        if met.is_empty() {
            return Err(trouble.to_string().into());
        }
        for space in met {
            let (asker, realm) = (space.demand.asker, space.demand.realm.clone());
            self.spaces.retain(|known| !known.is(asker, &realm));
            if !attempt.has_answered(&space.demand) {
                attempt.answered.push((asker, realm));
            }
            if self.spaces.len() >= MAX_SPACES {
                self.spaces.remove(0);
            }
            // Most accounts know one, and there are many accounts.
            self.spaces.reserve_exact(1);
            self.spaces.push(space);
        }
        Ok(())
    }

    /// The credentials that meet a demand.
    fn meet(&self, context: &Context, demand: &Demand, attempt: &Attempt) -> Result<Credentials, Trouble> {
        let known = self.spaces.iter().find(|known| known.is(demand.asker, &demand.realm));
        let same = |digest: &super::challenge::Digest| known.and_then(Space::nonce) == Some(&digest.nonce);
        let renewed = match &demand.scheme {
            Scheme::Digest(digest) => demand.stale && !same(digest),
            // Another token than the one that was refused.
            Scheme::Bearer { .. } => known.is_some_and(|known| {
                self.credentials(context, demand).is_some_and(|now| now.token() != known.credentials.token())
            }),
            Scheme::Basic => false,
        };
        if attempt.has_answered(demand) && !renewed {
            return Err(Trouble::Refused(demand.realm.clone()));
        }
        allowed(context, demand)?;
        let credentials = self.credentials(context, demand);
        let credentials = credentials.ok_or_else(|| Trouble::NoCredentials(demand.realm.clone()))?;
        let readable = credentials.token().is_some_and(is_readable);
        if readable && !context.is_heard_securely() {
            return Err(Trouble::Forbidden("the token may be sent over TLS only".into()));
        }
        Ok(credentials)
    }

    /// The credentials for a demand: those of this use, or of the agent's store.
    fn credentials(&self, context: &Context, demand: &Demand) -> Option<Credentials> {
        let realm = &*demand.realm;
        let fits = |credentials: &&Credentials| match &demand.scheme {
            Scheme::Digest(_) | Scheme::Basic => credentials.password().is_some(),
            Scheme::Bearer { .. } => credentials.token().is_some(),
        };
        let mut own = self.own.iter().filter(fits);
        let named = own.clone().find(|credentials| credentials.are_for(realm));
        let given = named.or_else(|| own.find(|credentials| credentials.suit(realm))).cloned();
        given.or_else(|| {
            let (server, user) = context.heard.server_and_user();
            context.config.credentials.answer(&server, realm, &user).filter(|found| fits(&found))
        })
    }

    /// The realm that only wants for credentials, and what for; `None` if some challenge can be answered, or none.
    pub(crate) fn wants(&self, context: &Context, response: &Response) -> Option<(Text, WantedScheme)> {
        let mut wanted = None;
        for demand in Demand::all(response) {
            if allowed(context, &demand).is_err() {
                continue;
            }
            let known = self.spaces.iter().find(|known| known.is(demand.asker, &demand.realm));
            let found = self.credentials(context, &demand);
            let refused = |found: &Credentials| {
                // A token that was sent and brings another challenge is worth nothing any more.
                found.token().is_some()
                    && known.is_some_and(|known| known.credentials.token() == found.token())
            };
            if found.is_some_and(|found| !refused(&found)) {
                return None;
            }
            wanted = wanted.or(Some((demand.realm, demand.scheme.into())));
        }
        wanted
    }

    /// Takes credentials that the application was asked for.
    pub(crate) fn learn(&mut self, realm: &str, credentials: Credentials) {
        self.own.retain(|known| !known.are_for(realm));
        self.own.truncate(MAX_SPACES);
        self.own.insert(0, credentials.realm(realm));
    }

    /// Writes the credentials for every realm known so far, each nonce counted up.
    ///
    /// What anybody could read and use again goes only where the request says that TLS is used.
    pub(crate) fn authorize(&mut self, ids: &mut Ids, request: &mut Request) {
        request.headers_mut().remove(HeaderName::AUTHORIZATION);
        request.headers_mut().remove(HeaderName::PROXY_AUTHORIZATION);
        for space in &mut self.spaces {
            // A redirect or a route may lead elsewhere than to where the secret was asked for over TLS.
            if space.is_plain() && !target::is_secure(request) {
                continue;
            }
            let answer = space.answer(ids, request);
            match space.demand.asker {
                Asker::Server => request.headers_mut().push(&Authorization(answer)),
                Asker::Proxy => request.headers_mut().push(&ProxyAuthorization(answer)),
            }
        }
    }

    /// Takes what a success says about who answered, and the next nonce ([RFC 7616 §3.5]).
    ///
    /// [RFC 7616 §3.5]: https://www.rfc-editor.org/rfc/rfc7616#section-3.5
    pub(crate) fn succeeded(&mut self, context: &mut Context, response: &Response) {
        for space in &self.spaces {
            if space.demand.rank() == STRONG {
                context.remember_strong(&space.demand.realm);
            }
        }
        for (asker, info) in infos(response) {
            self.informed(context, response, asker, &info);
        }
    }

    fn informed(
        &mut self,
        context: &mut Context,
        response: &Response,
        asker: Asker,
        info: &AuthenticationInfo,
    ) {
        // The header names no realm: a proof is for the space whose client nonce it repeats, and with two spaces nobody could
        // say whose the next nonce is.
        let is_theirs = |space: &Space| space.demand.asker == asker;
        let wrong = |space: &Space| is_theirs(space) && space.is_proven(info, response) == Some(false);
        if let Some(at) = self.spaces.iter().position(wrong) {
            let realm = self.spaces.remove(at).demand.realm;
            tracing::warn!(%realm, "a success came from somebody who does not know the password");
            return context.tell(Event::ServerNotProven { realm });
        }
        let Some(nonce) = info.params.value("nextnonce") else { return };
        let mut theirs = self.spaces.iter_mut().filter(|space| is_theirs(space));
        if let (Some(space), None) = (theirs.next(), theirs.next()) {
            space.renew(nonce);
        }
    }
}

/// What servers and proxies say after they took credentials ([RFC 7616 §3.5]).
///
/// [RFC 7616 §3.5]: https://www.rfc-editor.org/rfc/rfc7616#section-3.5
fn infos(response: &Response) -> impl Iterator<Item = (Asker, AuthenticationInfo)> {
    let headers = response.headers();
    let server = headers.get::<AuthenticationInfo>().ok().flatten();
    let proxy = "Proxy-Authentication-Info".parse::<HeaderName>().ok().and_then(|name| {
        let mut same = Headers::new();
        same.push_raw(HeaderName::AUTHENTICATION_INFO, headers.raw(name)?).ok()?;
        same.get::<AuthenticationInfo>().ok()?
    });
    let server = server.map(|info| (Asker::Server, info));
    server.into_iter().chain(proxy.map(|info| (Asker::Proxy, info)))
}

/// The rank of a digest that is not MD5.
const STRONG: u8 = 2;

/// Whether a demand is one that we go along with at all.
fn allowed(context: &Context, demand: &Demand) -> Result<(), Trouble> {
    let (algorithms, policy): (Algorithms, _) = (context.config.algorithms, &context.config.policy);
    let realm = || demand.realm.clone();
    match &demand.scheme {
        Scheme::Digest(digest) if !algorithms.allows(digest.algorithm) => {
            Err(Trouble::Forbidden("the server knows nothing better than MD5, which is switched off".into()))
        }
        Scheme::Digest(digest) if digest.algorithm.is_weak() => {
            if !policy.md5_in_clear && !context.is_heard_securely() {
                Err(Violation::Md5InClear { realm: realm() }.into())
            } else if !policy.digest_downgrade && context.is_strong(&demand.realm) {
                Err(Violation::DigestDowngrade { realm: realm() }.into())
            } else {
                Ok(())
            }
        }
        Scheme::Basic if !algorithms.allows_basic() => Err(Trouble::Forbidden(
            "the server wants the password itself (Basic), which is switched off".into(),
        )),
        Scheme::Basic if !context.is_heard_securely() => {
            Err(Trouble::Forbidden("the server wants the password itself (Basic) without TLS".into()))
        }
        Scheme::Digest(_) | Scheme::Basic | Scheme::Bearer { .. } => Ok(()),
    }
}

fn keep_better(met: &mut Vec<Space>, space: Space) {
    match met.iter_mut().find(|known| known.is(space.demand.asker, &space.demand.realm)) {
        Some(known) if known.demand.rank() < space.demand.rank() => *known = space,
        Some(_) => {}
        None => met.push(space),
    }
}

//! Challenges, as far as we understand them ([RFC 7616 §3.3], [RFC 8898 §4]).
//!
//! [RFC 7616 §3.3]: https://www.rfc-editor.org/rfc/rfc7616#section-3.3
//! [RFC 8898 §4]: https://www.rfc-editor.org/rfc/rfc8898#section-4

use sip_msg::{Challenge, ProxyAuthenticate, Response, Text, WwwAuthenticate};

use super::digest::Algorithm;

/// How many challenges of one response are looked at.
const MAX_CHALLENGES: usize = 32;

/// Who asked: each has its headers and its realms.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Asker {
    /// The far end: 401, WWW-Authenticate, Authorization.
    Server,
    /// A hop between: 407, Proxy-Authenticate, Proxy-Authorization.
    Proxy,
}

/// What a challenge asks for.
#[derive(Debug)]
pub(super) struct Demand {
    pub(super) asker: Asker,
    pub(super) realm: Text,
    /// The password was right, the nonce too old.
    pub(super) stale: bool,
    pub(super) scheme: Scheme,
}

#[derive(Debug)]
pub(super) enum Scheme {
    Digest(Digest),
    Basic,
    Bearer { authz_server: Text, scope: Text, error: Text },
}

#[derive(Debug)]
pub(super) struct Digest {
    pub(super) nonce: Text,
    pub(super) opaque: Option<Text>,
    pub(super) algorithm: Algorithm,
    /// RFC 7616 §3.4 wants `algorithm` back exactly when the challenge had it.
    pub(super) named: bool,
    pub(super) offered: Offered,
    /// The server understands hashed user names, so they are hashed.
    pub(super) userhash: bool,
    /// The server understands UTF-8 in `username*`.
    pub(super) utf8: bool,
}

/// The qualities of protection to choose from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Offered {
    /// No `qop`: a server of RFC 2069.
    Legacy,
    Auth,
    AuthInt,
    Both,
}

impl Demand {
    /// The challenges of a response that can be understood, in order.
    pub(super) fn all(response: &Response) -> Vec<Self> {
        let headers = response.headers();
        let server = headers.all::<WwwAuthenticate>().flatten().map(|asked| (Asker::Server, asked.0));
        let proxy = headers.all::<ProxyAuthenticate>().flatten().map(|asked| (Asker::Proxy, asked.0));
        let all = server.chain(proxy).take(MAX_CHALLENGES);
        all.filter_map(|(asker, challenge)| Self::read(asker, &challenge)).collect()
    }

    /// `None` for a scheme, algorithm or qop that we do not know.
    fn read(asker: Asker, challenge: &Challenge) -> Option<Self> {
        let value = |name: &str| challenge.params.value(name);
        let text = |name: &str| value(name).map(Text::from);
        let yes = |name: &str| value(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let scheme = if challenge.scheme.eq_ignore_ascii_case("Digest") {
            let algorithm = value("algorithm");
            Scheme::Digest(Digest {
                nonce: text("nonce")?,
                opaque: text("opaque"),
                algorithm: algorithm.map_or(Some(Algorithm::Md5), Algorithm::parse)?,
                named: algorithm.is_some(),
                offered: Offered::read(value("qop"))?,
                userhash: yes("userhash"),
                utf8: value("charset").is_some_and(|charset| charset.eq_ignore_ascii_case("UTF-8")),
            })
        } else if challenge.scheme.eq_ignore_ascii_case("Basic") {
            Scheme::Basic
        } else if challenge.scheme.eq_ignore_ascii_case("Bearer") {
            let text = |name: &str| text(name).unwrap_or_default();
            Scheme::Bearer { authz_server: text("authz_server"), scope: text("scope"), error: text("error") }
        } else {
            return None;
        };
        let realm = match &scheme {
            Scheme::Digest(_) | Scheme::Basic => text("realm")?,
            Scheme::Bearer { .. } => text("realm").unwrap_or_default(),
        };
        Some(Self { asker, realm, stale: yes("stale"), scheme })
    }

    /// Of several demands of one realm that with the highest rank is met, the first of equals: servers put what they like
    /// best first ([RFC 8760 §2.4]), and MD5 only counts where there is nothing better.
    ///
    /// [RFC 8760 §2.4]: https://www.rfc-editor.org/rfc/rfc8760#section-2.4
    pub(super) fn rank(&self) -> u8 {
        match &self.scheme {
            Scheme::Basic => 0,
            Scheme::Digest(digest) if digest.algorithm.is_weak() => 1,
            Scheme::Digest(_) => 2,
            Scheme::Bearer { .. } => 3,
        }
    }
}

impl Offered {
    fn read(qop: Option<&str>) -> Option<Self> {
        let Some(list) = qop else { return Some(Self::Legacy) };
        let has = |name| list.split(',').any(|qop| qop.trim().eq_ignore_ascii_case(name));
        match (has("auth"), has("auth-int")) {
            (true, true) => Some(Self::Both),
            (true, false) => Some(Self::Auth),
            (false, true) => Some(Self::AuthInt),
            (false, false) => None,
        }
    }
}

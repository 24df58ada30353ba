//! Challenges, as far as we understand them ([RFC 7616 §3.3], [RFC 8898 §4]).
//!
//! [RFC 7616 §3.3]: https://www.rfc-editor.org/rfc/rfc7616#section-3.3
//! [RFC 8898 §4]: https://www.rfc-editor.org/rfc/rfc8898#section-4

use sip_msg::{Challenge, HeaderName, Headers, Response, Text, WwwAuthenticate};

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
        let server = headers.raw_all(&HeaderName::WWW_AUTHENTICATE).map(|line| (Asker::Server, line));
        let proxy = headers.raw_all(&HeaderName::PROXY_AUTHENTICATE).map(|line| (Asker::Proxy, line));
        let each = |(asker, line)| challenges(line).into_iter().map(move |challenge| (asker, challenge));
        let all = server.chain(proxy).flat_map(each).take(MAX_CHALLENGES);
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

/// The challenges of a header line: one in SIP, but servers with an HTTP library behind them join several by commas, and
/// leave empty places in the list ([RFC 7235 §4.1], [RFC 7235 §7]).
///
/// [RFC 7235 §4.1]: https://www.rfc-editor.org/rfc/rfc7235#section-4.1
/// [RFC 7235 §7]: https://www.rfc-editor.org/rfc/rfc7235#section-7
fn challenges(line: &[u8]) -> Vec<Challenge> {
    let read = |text: &[u8]| {
        let mut one = Headers::new();
        one.push_raw(HeaderName::WWW_AUTHENTICATE, text).ok()?;
        one.get::<WwwAuthenticate>().ok()?.map(|header| header.0)
    };
    if let Some(only) = read(line) {
        return vec![only];
    }
    let mut joined: Vec<Vec<u8>> = Vec::new();
    for item in items(line) {
        match joined.last_mut() {
            Some(last) if !begins_challenge(item) => {
                // The first parameter follows its scheme without a comma, also after empty places.
                last.extend_from_slice(if last.contains(&b'=') { b", " } else { b" " });
                last.extend_from_slice(item);
            }
            _ => joined.push(item.to_vec()),
        }
    }
    joined.iter().filter_map(|text| read(text)).collect()
}

/// What stands between the commas of a line that are not in quotes, but for nothing.
fn items(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = line.split(move |&octet| {
        let ends = octet == b',' && !quoted;
        quoted ^= octet == b'"' && !escaped;
        escaped = quoted && octet == b'\\' && !escaped;
        ends
    });
    parts.map(<[u8]>::trim_ascii).filter(|part| !part.is_empty())
}

/// A scheme, alone or before its first parameter.
fn begins_challenge(item: &[u8]) -> bool {
    let name = item.iter().take_while(|octet| !octet.is_ascii_whitespace() && **octet != b'=').count();
    let rest = item.get(name..).unwrap_or_default();
    !rest.trim_ascii_start().starts_with(b"=")
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

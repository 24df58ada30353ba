//! A protection space: a realm that knows us, and how we prove ourselves there again and again ([RFC 7616 §3.4]).
//!
//! [RFC 7616 §3.4]: https://www.rfc-editor.org/rfc/rfc7616#section-3.4

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sip_msg::{AuthenticationInfo, Credentials as Answer, Param, Params, Request, Response, Text};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::challenge::{Asker, Demand, Digest, Offered, Scheme};
use super::digest::{Inputs, Protection};
use super::{Algorithms, Credentials};
use crate::ids::Ids;

/// How many requests without an answer a server may prove itself for.
const MAX_SENT: usize = 2;

/// A realm that we have answered.
pub(super) struct Space {
    pub(super) demand: Demand,
    pub(super) credentials: Credentials,
    integrity: bool,
    /// Requests sent with this nonce.
    count: u32,
    /// The client nonce of a -sess algorithm: one for as long as the nonce, since A1 is made of the first.
    session_cnonce: Option<Text>,
    sent: Vec<Sent>,
}

/// What a server has to prove that it knows the password with.
struct Sent {
    count: u32,
    cnonce: Text,
    uri: Text,
}

impl Space {
    pub(super) fn new(demand: Demand, credentials: Credentials, algorithms: Algorithms) -> Self {
        let integrity = match &demand.scheme {
            Scheme::Digest(Digest { offered: Offered::AuthInt, .. }) => true,
            Scheme::Digest(Digest { offered: Offered::Both, .. }) => algorithms.prefers_integrity(),
            Scheme::Digest(_) | Scheme::Basic | Scheme::Bearer { .. } => false,
        };
        Self { demand, credentials, integrity, count: 0, session_cnonce: None, sent: Vec::new() }
    }

    pub(super) fn is(&self, asker: Asker, realm: &str) -> bool {
        self.demand.asker == asker && *self.demand.realm == *realm
    }

    /// Whether what is sent could be used again by whoever reads it.
    pub(super) fn is_plain(&self) -> bool {
        match &self.demand.scheme {
            Scheme::Digest(_) => false,
            Scheme::Basic => true,
            Scheme::Bearer { .. } => self.credentials.token().is_some_and(is_readable),
        }
    }

    pub(super) fn nonce(&self) -> Option<&Text> {
        match &self.demand.scheme {
            Scheme::Digest(digest) => Some(&digest.nonce),
            Scheme::Basic | Scheme::Bearer { .. } => None,
        }
    }

    /// Another nonce of the same server, counted anew.
    pub(super) fn renew(&mut self, nonce: &str) {
        if let Scheme::Digest(digest) = &mut self.demand.scheme {
            digest.nonce = nonce.into();
            self.count = 0;
            self.session_cnonce = None;
            self.sent.clear();
        }
    }

    /// The credentials for a request.
    pub(super) fn answer(&mut self, ids: &mut Ids, request: &Request) -> Answer {
        let token = |scheme: &'static str, token: Text| Answer {
            scheme: Text::from_static(scheme),
            params: Params::new(),
            token: Some(token),
        };
        match &self.demand.scheme {
            Scheme::Bearer { .. } => token("Bearer", self.credentials.token().unwrap_or_default().into()),
            Scheme::Basic => {
                let password = self.credentials.password().unwrap_or_default();
                let both = Zeroizing::new(format!("{}:{password}", self.credentials.username()));
                token("Basic", STANDARD.encode(both.as_bytes()).into())
            }
            Scheme::Digest(_) => self.digest(ids, request).unwrap_or_else(Answer::digest),
        }
    }

    fn digest(&mut self, ids: &mut Ids, request: &Request) -> Option<Answer> {
        let Scheme::Digest(digest) = &self.demand.scheme else { return None };
        let algorithm = digest.algorithm;
        self.count = self.count.saturating_add(1);
        let count = self.count;
        let cnonce = if algorithm.is_session() {
            self.session_cnonce.get_or_insert_with(|| ids.cnonce()).clone()
        } else {
            ids.cnonce()
        };
        let protection = match digest.offered {
            Offered::Legacy => Protection::Legacy,
            _ if self.integrity => Protection::AuthInt { nc: count, cnonce: &cnonce, body: request.body() },
            Offered::Auth | Offered::AuthInt | Offered::Both => {
                Protection::Auth { nc: count, cnonce: &cnonce }
            }
        };
        let (username, realm) = (&self.credentials.username, &self.demand.realm);
        let secret = algorithm.secret(username, realm, self.credentials.password().unwrap_or_default());
        let inputs = Inputs {
            algorithm,
            secret: &secret,
            method: request.method().as_str(),
            uri: request.uri_text(),
            nonce: &digest.nonce,
            protection,
            session_cnonce: &cnonce,
        };
        let mut answer = Answer::digest();
        if digest.userhash {
            answer = answer.with("username", &*algorithm.userhash(username, realm));
        } else if digest.utf8 && !username.is_ascii() {
            answer.params.put(Param::new("username*", Some(extended(username))));
        } else {
            answer = answer.with("username", username);
        }
        answer = answer
            .with("realm", realm)
            .with("nonce", &digest.nonce)
            .with("uri", request.uri_text())
            .with("response", &*inputs.response());
        if digest.named {
            answer = answer.with("algorithm", algorithm.name());
        }
        if digest.offered != Offered::Legacy || algorithm.is_session() {
            answer = answer.with("cnonce", &cnonce);
        }
        if let Some(opaque) = &digest.opaque {
            answer = answer.with("opaque", opaque);
        }
        if digest.offered != Offered::Legacy {
            let qop = if self.integrity { "auth-int" } else { "auth" };
            answer = answer.with("qop", qop).with("nc", format!("{count:08x}"));
        }
        if digest.userhash {
            answer = answer.with("userhash", "true");
        }
        if self.sent.len() >= MAX_SENT {
            self.sent.remove(0);
        }
        self.sent.reserve_exact(1);
        self.sent.push(Sent { count, cnonce, uri: request.uri_text().detach() });
        Some(answer)
    }

    /// Whether the proof in a success is right: the server knows the password too. `None`: it gives none, or none that we
    /// could check ([RFC 7616 §3.5]).
    ///
    /// [RFC 7616 §3.5]: https://www.rfc-editor.org/rfc/rfc7616#section-3.5
    pub(super) fn is_proven(&self, info: &AuthenticationInfo, response: &Response) -> Option<bool> {
        let Scheme::Digest(digest) = &self.demand.scheme else { return None };
        let given = info.params.value("rspauth")?;
        let sent = match (info.params.value("cnonce"), info.params.value("nc")) {
            (Some(cnonce), nc) => {
                let count = nc.and_then(|nc| u32::from_str_radix(nc, 16).ok());
                let meant = |sent: &&Sent| *sent.cnonce == *cnonce && count.is_none_or(|nc| nc == sent.count);
                self.sent.iter().rev().find(meant)?
            }
            (None, _) => self.sent.last()?,
        };
        let protection = match (digest.offered, info.params.value("qop")) {
            (Offered::Legacy, _) => Protection::Legacy,
            (_, Some(qop)) if qop.eq_ignore_ascii_case("auth-int") => {
                Protection::AuthInt { nc: sent.count, cnonce: &sent.cnonce, body: response.body() }
            }
            (_, None) if self.integrity => {
                Protection::AuthInt { nc: sent.count, cnonce: &sent.cnonce, body: response.body() }
            }
            (_, _) => Protection::Auth { nc: sent.count, cnonce: &sent.cnonce },
        };
        let password = self.credentials.password().unwrap_or_default();
        let secret = digest.algorithm.secret(&self.credentials.username, &self.demand.realm, password);
        let inputs = Inputs {
            algorithm: digest.algorithm,
            secret: &secret,
            method: "",
            uri: &sent.uri,
            nonce: &digest.nonce,
            protection,
            session_cnonce: &sent.cnonce,
        };
        let given = given.to_ascii_lowercase();
        Some(bool::from(inputs.response().as_bytes().ct_eq(given.as_bytes())))
    }
}

/// A token that is no JWE: that has five parts in its compact form ([RFC 7516 §3.1]).
///
/// [RFC 7516 §3.1]: https://www.rfc-editor.org/rfc/rfc7516#section-3.1
pub(super) fn is_readable(token: &str) -> bool {
    token.split('.').count() != 5
}

/// A value in the notation of [RFC 5987 §3.2.1].
///
/// [RFC 5987 §3.2.1]: https://www.rfc-editor.org/rfc/rfc5987#section-3.2.1
fn extended(text: &str) -> Text {
    let mut value = String::from("UTF-8''");
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~') {
            value.push(char::from(octet));
        } else {
            value.push_str(&format!("%{octet:02X}"));
        }
    }
    value.into()
}

/// Reads such a value; `None` if it is not UTF-8.
pub(super) fn unextended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_language, value) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("UTF-8") {
        return None;
    }
    let mut octets = Vec::with_capacity(value.len());
    let mut parts = value.split('%');
    octets.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        octets.push(u8::from_str_radix(code, 16).ok()?);
        octets.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(octets).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 7616 §3.4 — username* is written as RFC 5987 wants
    #[test]
    fn a_name_in_utf_8_goes_both_ways() {
        assert_eq!(extended("Jäsøn Doe"), "UTF-8''J%C3%A4s%C3%B8n%20Doe");
        assert_eq!(unextended("utf-8'de'J%C3%A4s%c3%B8n%20Doe").as_deref(), Some("Jäsøn Doe"));
        for wrong in ["", "UTF-8", "UTF-8'x", "ISO-8859-1''x", "UTF-8''%C", "UTF-8''%GG", "UTF-8''%FF"] {
            assert_eq!(unextended(wrong), None, "{wrong}");
        }
    }
}

//! The arithmetic of Digest: pure functions over text ([RFC 7616 §3.4], [RFC 8760 §2]).
//!
//! [RFC 7616 §3.4]: https://www.rfc-editor.org/rfc/rfc7616#section-3.4
//! [RFC 8760 §2]: https://www.rfc-editor.org/rfc/rfc8760#section-2

use std::fmt::Write as _;

use md5::Md5;
use sha2::{Digest as _, Sha256, Sha512_256};

/// A hash, and whether it is the "session" variant, as the `algorithm` parameter names them.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Algorithm {
    /// `MD5`; also what a challenge without `algorithm` means.
    Md5,
    /// `MD5-sess`.
    Md5Sess,
    /// `SHA-256`.
    Sha256,
    /// `SHA-256-sess`.
    Sha256Sess,
    /// `SHA-512-256`.
    Sha512_256,
    /// `SHA-512-256-sess`.
    Sha512_256Sess,
}

impl Algorithm {
    const TABLE: [(Self, &'static str); 6] = [
        (Self::Md5, "MD5"),
        (Self::Md5Sess, "MD5-sess"),
        (Self::Sha256, "SHA-256"),
        (Self::Sha256Sess, "SHA-256-sess"),
        (Self::Sha512_256, "SHA-512-256"),
        (Self::Sha512_256Sess, "SHA-512-256-sess"),
    ];

    /// Reads the `algorithm` parameter; case does not matter. `None` for one we do not know.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::TABLE
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name))
            .map(|(algorithm, _)| *algorithm)
    }

    /// The name as it goes on the wire, unquoted.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Sess => "SHA-256-sess",
            Self::Sha512_256 => "SHA-512-256",
            Self::Sha512_256Sess => "SHA-512-256-sess",
        }
    }

    /// Whether A1 also covers the nonces (the `-sess` variants).
    #[must_use]
    pub fn is_session(self) -> bool {
        matches!(self, Self::Md5Sess | Self::Sha256Sess | Self::Sha512_256Sess)
    }

    /// The hash of some octets in lower-case hexadecimal.
    fn hash(self, data: &[u8]) -> String {
        match self {
            Self::Md5 | Self::Md5Sess => hex(&Md5::digest(data)),
            Self::Sha256 | Self::Sha256Sess => hex(&Sha256::digest(data)),
            Self::Sha512_256 | Self::Sha512_256Sess => hex(&Sha512_256::digest(data)),
        }
    }
}

/// What of the message is protected, with what a client adds for it ([RFC 7616 §3.4]).
///
/// [RFC 7616 §3.4]: https://www.rfc-editor.org/rfc/rfc7616#section-3.4
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Protection<'a> {
    /// No `qop` at all, as in RFC 2069.
    Legacy,
    /// `qop=auth`: the method and the URI.
    Auth {
        /// The count of requests sent with this nonce.
        nc: u32,
        /// The client's nonce.
        cnonce: &'a str,
    },
    /// `qop=auth-int`: the body as well.
    AuthInt {
        /// The count of requests sent with this nonce.
        nc: u32,
        /// The client's nonce.
        cnonce: &'a str,
        /// The whole body as it is sent.
        body: &'a [u8],
    },
}

/// Everything that goes into one digest response.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The hash.
    pub algorithm: Algorithm,
    /// The user's name, as the server knows it.
    pub username: &'a str,
    /// The realm of the challenge.
    pub realm: &'a str,
    /// The shared secret.
    pub password: &'a str,
    /// The method of the request.
    pub method: &'a str,
    /// The `uri` parameter: the Request-URI of the request.
    pub uri: &'a str,
    /// The server's nonce.
    pub nonce: &'a str,
    /// What is protected.
    pub protection: Protection<'a>,
    /// The client nonce that `-sess` wants even without qop.
    pub session_cnonce: &'a str,
}

impl std::fmt::Debug for Inputs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inputs")
            .field("algorithm", &self.algorithm)
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

impl Inputs<'_> {
    /// The `response` parameter: lower-case hexadecimal.
    #[must_use]
    pub fn response(&self) -> String {
        let hash = |text: &str| self.algorithm.hash(text.as_bytes());
        let mut a1 = hash(&format!("{}:{}:{}", self.username, self.realm, self.password));
        if self.algorithm.is_session() {
            let cnonce = match self.protection {
                Protection::Legacy => self.session_cnonce,
                Protection::Auth { cnonce, .. } | Protection::AuthInt { cnonce, .. } => cnonce,
            };
            a1 = hash(&format!("{a1}:{}:{cnonce}", self.nonce));
        }
        let (method, uri, nonce) = (self.method, self.uri, self.nonce);
        let a2 = match self.protection {
            Protection::Legacy | Protection::Auth { .. } => hash(&format!("{method}:{uri}")),
            Protection::AuthInt { body, .. } => {
                hash(&format!("{method}:{uri}:{}", self.algorithm.hash(body)))
            }
        };
        hash(&match self.protection {
            Protection::Legacy => format!("{a1}:{nonce}:{a2}"),
            Protection::Auth { nc, cnonce } => format!("{a1}:{nonce}:{nc:08x}:{cnonce}:auth:{a2}"),
            Protection::AuthInt { nc, cnonce, .. } => format!("{a1}:{nonce}:{nc:08x}:{cnonce}:auth-int:{a2}"),
        })
    }
}

pub(crate) fn hex(octets: &[u8]) -> String {
    let mut text = String::with_capacity(2 * octets.len());
    for octet in octets {
        // Writing into a String cannot fail.
        let _ = write!(text, "{octet:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case_and_unknown_ones_are_refused() {
        for (algorithm, name) in Algorithm::TABLE {
            assert_eq!(Algorithm::parse(&name.to_ascii_lowercase()), Some(algorithm));
            assert_eq!(algorithm.name(), name);
        }
        assert_eq!(Algorithm::parse("SHA-3"), None);
    }

    // rfc: 8760 §2.4 — SHA-512-256 and SHA-256 are better than MD5
    #[test]
    fn the_order_of_algorithms_is_their_strength() {
        assert!(Algorithm::Md5 < Algorithm::Sha256);
        assert!(Algorithm::Md5Sess < Algorithm::Sha256);
        assert!(Algorithm::Sha256 < Algorithm::Sha512_256);
    }
}

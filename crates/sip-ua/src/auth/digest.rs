//! The arithmetic of Digest: pure functions over text ([RFC 7616 §3.4], [RFC 8760 §2]).
//!
//! [RFC 7616 §3.4]: https://www.rfc-editor.org/rfc/rfc7616#section-3.4
//! [RFC 8760 §2]: https://www.rfc-editor.org/rfc/rfc8760#section-2

use std::fmt;
use std::ops::Deref;

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};
use zeroize::Zeroize;

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

    /// The same hash without "session", which is what secrets and hashed user names are made with.
    #[must_use]
    pub fn base(self) -> Self {
        match self {
            Self::Md5 | Self::Md5Sess => Self::Md5,
            Self::Sha256 | Self::Sha256Sess => Self::Sha256,
            Self::Sha512_256 | Self::Sha512_256Sess => Self::Sha512_256,
        }
    }

    /// Whether the hash is broken: MD5 is kept for servers that know nothing else ([RFC 8760 §3]).
    ///
    /// [RFC 8760 §3]: https://www.rfc-editor.org/rfc/rfc8760#section-3
    #[must_use]
    pub fn is_weak(self) -> bool {
        self.base() == Self::Md5
    }

    /// What stands for a password in a realm: `H(username:realm:password)`, as good as the password itself there.
    #[must_use]
    pub fn secret(self, username: &str, realm: &str, password: &str) -> HexHash {
        self.hash(&[username, ":", realm, ":", password])
    }

    /// A user name that shows to nobody but the server: `H(username:realm)` ([RFC 7616 §3.4.4]).
    ///
    /// [RFC 7616 §3.4.4]: https://www.rfc-editor.org/rfc/rfc7616#section-3.4.4
    #[must_use]
    pub fn userhash(self, username: &str, realm: &str) -> HexHash {
        self.hash(&[username, ":", realm])
    }

    fn hash(self, parts: &[&str]) -> HexHash {
        self.hash_octets(parts.iter().map(|part| part.as_bytes()))
    }

    fn hash_octets<'a>(self, parts: impl Iterator<Item = &'a [u8]>) -> HexHash {
        fn of<'a, D: Digest>(parts: impl Iterator<Item = &'a [u8]>) -> HexHash {
            HexHash::new(&parts.fold(D::new(), D::chain_update).finalize())
        }
        match self.base() {
            Self::Md5 | Self::Md5Sess => of::<Md5>(parts),
            Self::Sha256 | Self::Sha256Sess => of::<Sha256>(parts),
            Self::Sha512_256 | Self::Sha512_256Sess => of::<Sha512_256>(parts),
        }
    }
}

/// A hash in lower-case hexadecimal: 32 digits of MD5, 64 of the others.
///
/// It may be a secret: it shows in no `Debug`, and is wiped when dropped.
#[derive(Clone)]
pub struct HexHash {
    digits: [u8; 64],
    length: usize,
}

impl HexHash {
    /// The digits of some octets, of at most 32.
    #[must_use]
    pub fn new(octets: &[u8]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or(b'0');
        let mut digits = [b'0'; 64];
        for (pair, octet) in digits.chunks_exact_mut(2).zip(octets) {
            if let [high, low] = pair {
                (*high, *low) = (digit(octet >> 4), digit(octet & 15));
            }
        }
        Self { digits, length: (2 * octets.len()).min(64) }
    }

    /// The octets that the digits stand for, as many as `N`.
    pub(super) fn octets<const N: usize>(text: &str) -> Option<[u8; N]> {
        let mut octets = [0; N];
        if text.len() != 2 * N || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        for (octet, at) in octets.iter_mut().zip((0..).step_by(2)) {
            *octet = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
        }
        Some(octets)
    }
}

impl Deref for HexHash {
    type Target = str;

    fn deref(&self) -> &str {
        self.digits.get(..self.length).and_then(|digits| str::from_utf8(digits).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for HexHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HexHash").finish_non_exhaustive()
    }
}

impl Drop for HexHash {
    fn drop(&mut self) {
        self.digits.zeroize();
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
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The hash.
    pub algorithm: Algorithm,
    /// The user's secret, as [`Algorithm::secret`] makes it.
    pub secret: &'a HexHash,
    /// The method of the request; empty for the proof that a server gives (`rspauth`, [RFC 7616 §3.5]).
    ///
    /// [RFC 7616 §3.5]: https://www.rfc-editor.org/rfc/rfc7616#section-3.5
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

impl Inputs<'_> {
    /// The `response` parameter.
    #[must_use]
    pub fn response(&self) -> HexHash {
        let Self { algorithm, method, uri, nonce, .. } = *self;
        let (qop, nc, cnonce) = match self.protection {
            Protection::Legacy => ("", 0, self.session_cnonce),
            Protection::Auth { nc, cnonce } => ("auth", nc, cnonce),
            Protection::AuthInt { nc, cnonce, .. } => ("auth-int", nc, cnonce),
        };
        let session = algorithm.is_session().then(|| algorithm.hash(&[self.secret, ":", nonce, ":", cnonce]));
        let a1: &str = session.as_ref().unwrap_or(self.secret);
        let a2 = match self.protection {
            Protection::Legacy | Protection::Auth { .. } => algorithm.hash(&[method, ":", uri]),
            Protection::AuthInt { body, .. } => {
                let body = algorithm.hash_octets([body].into_iter());
                algorithm.hash(&[method, ":", uri, ":", &body])
            }
        };
        if qop.is_empty() {
            return algorithm.hash(&[a1, ":", nonce, ":", &a2]);
        }
        let nc = HexHash::new(&nc.to_be_bytes());
        algorithm.hash(&[a1, ":", nonce, ":", &nc, ":", cnonce, ":", qop, ":", &a2])
    }
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

    #[test]
    fn md5_is_weak_and_the_others_are_not() {
        for (algorithm, name) in Algorithm::TABLE {
            assert_eq!(algorithm.is_weak(), name.starts_with("MD5"), "{name}");
            assert_eq!(algorithm.is_session(), name.ends_with("-sess"), "{name}");
        }
    }

    #[test]
    fn hexadecimal_goes_both_ways() {
        let hash = HexHash::new(&[0x00, 0xa5, 0xff]);
        assert_eq!(&*hash, "00a5ff");
        assert_eq!(HexHash::octets::<3>(&hash), Some([0x00, 0xa5, 0xff]));
        assert_eq!(HexHash::octets::<3>("00A5FF"), Some([0x00, 0xa5, 0xff]));
        for wrong in ["00a5f", "00a5ff0", "00a5fg", "00a\u{e9}f", "+0a5ff"] {
            assert_eq!(HexHash::octets::<3>(wrong), None, "{wrong}");
        }
        assert_eq!(HexHash::new(&[1; 40]).len(), 64);
    }
}

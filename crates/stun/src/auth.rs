//! Credentials and message integrity ([RFC 8489 §9, §14.5, §14.6]).
//!
//! The checks are made here, over the octets received, since they have to take constant time.
//!
//! [RFC 8489 §9, §14.5, §14.6]: https://www.rfc-editor.org/rfc/rfc8489#section-9

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::message;
use crate::wire::{self, attribute};

/// A name and a password; the password does not show in `Debug` and is wiped when dropped.
#[derive(Clone)]
pub struct Credentials {
    pub(crate) mechanism: Mechanism,
    pub(crate) username: String,
    pub(crate) password: Zeroizing<String>,
}

/// How a password is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mechanism {
    ShortTerm,
    LongTerm,
}

impl Credentials {
    /// A password that is good for one session, as in ICE ([RFC 8489 §9.1]): every request is signed at once.
    ///
    /// [RFC 8489 §9.1]: https://www.rfc-editor.org/rfc/rfc8489#section-9.1
    #[must_use]
    pub fn short_term(username: &str, password: &str) -> Self {
        Self::new(Mechanism::ShortTerm, username, password)
    }

    /// An account at a server ([RFC 8489 §9.2]): requests are signed once the server has named realm and nonce.
    ///
    /// [RFC 8489 §9.2]: https://www.rfc-editor.org/rfc/rfc8489#section-9.2
    #[must_use]
    pub fn long_term(username: &str, password: &str) -> Self {
        Self::new(Mechanism::LongTerm, username, password)
    }

    fn new(mechanism: Mechanism, username: &str, password: &str) -> Self {
        Self { mechanism, username: username.to_owned(), password: Zeroizing::new(password.to_owned()) }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Credentials");
        shown.field("mechanism", &self.mechanism).field("username", &self.username).finish_non_exhaustive()
    }
}

/// Why no key could be made of a name and a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("user name, realm or password hold characters that STUN does not allow (RFC 8265)")]
pub struct KeyError;

/// The hash over which a long-term key is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PasswordAlgorithm {
    /// MD5, what servers before RFC 8489 take.
    Md5,
    /// SHA-256.
    Sha256,
}

impl PasswordAlgorithm {
    pub(crate) fn from_id(id: u16) -> Option<Self> {
        match id {
            1 => Some(Self::Md5),
            2 => Some(Self::Sha256),
            _ => None,
        }
    }

    pub(crate) fn id(self) -> u16 {
        match self {
            Self::Md5 => 1,
            Self::Sha256 => 2,
        }
    }
}

/// The key of message integrity, wiped when dropped and not shown in `Debug`.
#[derive(Clone)]
pub struct Key(Zeroizing<Vec<u8>>);

impl Key {
    /// The key of the short-term mechanism ([RFC 8489 §9.1.1]).
    ///
    /// # Errors
    /// [`KeyError`] when the password holds characters that are not allowed.
    ///
    /// [RFC 8489 §9.1.1]: https://www.rfc-editor.org/rfc/rfc8489#section-9.1.1
    pub fn short_term(password: &str) -> Result<Self, KeyError> {
        message::short_term_key(password).map(|octets| Self(Zeroizing::new(octets)))
    }

    /// The key of the long-term mechanism ([RFC 8489 §9.2.2]).
    ///
    /// # Errors
    /// [`KeyError`] when realm or password hold characters that are not allowed.
    ///
    /// [RFC 8489 §9.2.2]: https://www.rfc-editor.org/rfc/rfc8489#section-9.2.2
    pub fn long_term(
        username: &str,
        realm: &str,
        password: &str,
        algorithm: PasswordAlgorithm,
    ) -> Result<Self, KeyError> {
        message::long_term_key(username, realm, password, algorithm)
            .map(|octets| Self(Zeroizing::new(octets)))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// The two integrity attributes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Integrity {
    /// MESSAGE-INTEGRITY, HMAC-SHA1.
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256.
    Sha256,
}

impl Integrity {
    fn attribute(self) -> u16 {
        match self {
            Self::Sha1 => attribute::MESSAGE_INTEGRITY,
            Self::Sha256 => attribute::MESSAGE_INTEGRITY_SHA256,
        }
    }

    fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

/// The HMAC over what precedes the attribute, with the length field pointing at its end.
fn hmac(before: &[u8], key: &Key, integrity: Integrity) -> Option<Vec<u8>> {
    let (start, rest) = wire::with_length(before, 4 + integrity.len())?;
    Some(match integrity {
        Integrity::Sha1 => {
            let mac = Hmac::<Sha1>::new_from_slice(&key.0).ok()?;
            mac.chain_update(start).chain_update(rest).finalize().into_bytes().to_vec()
        }
        Integrity::Sha256 => {
            let mac = Hmac::<Sha256>::new_from_slice(&key.0).ok()?;
            mac.chain_update(start).chain_update(rest).finalize().into_bytes().to_vec()
        }
    })
}

/// Is this message signed with the key? Says by which attribute; where both are there, the stronger one counts.
///
/// A shortened MESSAGE-INTEGRITY-SHA256 is not taken: no usage here allows it ([RFC 8489 §14.6]).
///
/// [RFC 8489 §14.6]: https://www.rfc-editor.org/rfc/rfc8489#section-14.6
#[must_use]
pub fn verify(message: &[u8], key: &Key) -> Option<Integrity> {
    let signed =
        |integrity: Integrity| wire::find(message, integrity.attribute()).map(|found| (integrity, found));
    let (integrity, found) = signed(Integrity::Sha256).or_else(|| signed(Integrity::Sha1))?;
    let expected = hmac(found.before, key, integrity)?;
    bool::from(expected.ct_eq(found.value)).then_some(integrity)
}

/// Appends the integrity attribute.
pub(crate) fn sign(message: &mut Vec<u8>, key: &Key, integrity: Integrity) {
    if let Some(value) = hmac(message, key, integrity) {
        wire::append(message, integrity.attribute(), &value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show_in_debug() {
        let shown = format!(
            "{:?} {:?}",
            Credentials::long_term("alice", "secret"),
            Key::short_term("secret").unwrap()
        );
        assert_eq!(shown, "Credentials { mechanism: LongTerm, username: \"alice\", .. } Key(..)");
    }

    // rfc: 8489 §14.6 — a shortened HMAC-SHA256 is not taken
    #[test]
    fn a_signature_must_be_whole_and_right() {
        let key = Key::short_term("secret").unwrap();
        let mut message = vec![0; wire::HEADER_LEN];
        sign(&mut message, &key, Integrity::Sha1);
        assert_eq!(verify(&message, &key), Some(Integrity::Sha1));
        sign(&mut message, &key, Integrity::Sha256);
        assert_eq!(verify(&message, &key), Some(Integrity::Sha256));
        assert_eq!(verify(&message, &Key::short_term("other").unwrap()), None);
        let mut short = vec![0; wire::HEADER_LEN];
        let value = hmac(&short, &key, Integrity::Sha256).unwrap();
        wire::append(&mut short, attribute::MESSAGE_INTEGRITY_SHA256, &value[..16]);
        assert_eq!(verify(&short, &key), None);
        assert_eq!(verify(&message[..10], &key), None);
    }
}

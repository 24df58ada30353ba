//! Master keys.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::Profile;
use crate::error::KeyError;

/// The most packets of one kind that one master key may protect, 2^48 ([RFC 3711 §9.2]).
///
/// [RFC 3711 §9.2]: https://www.rfc-editor.org/rfc/rfc3711#section-9.2
pub(crate) const MAX_LIFETIME: u64 = 1 << 48;

/// A master key with its salt, and what was agreed about its use.
///
/// It is wiped from memory when dropped, does not show in `Debug`, and is compared in constant time.
#[derive(Clone)]
pub struct MasterKey {
    profile: Profile,
    key_and_salt: Zeroizing<Vec<u8>>,
    lifetime: u64,
    mki: Vec<u8>,
}

impl MasterKey {
    /// A key from its octets, the salt behind the key: out of a random source, an `a=crypto` line or DTLS.
    ///
    /// # Errors
    /// [`KeyError::Length`] when there are not exactly `key_len + salt_len` octets.
    pub fn new(profile: Profile, key_and_salt: &[u8]) -> Result<Self, KeyError> {
        let expected = profile.key_len() + profile.salt_len();
        if key_and_salt.len() != expected {
            return Err(KeyError::Length { expected, actual: key_and_salt.len() });
        }
        let key_and_salt = Zeroizing::new(key_and_salt.to_vec());
        Ok(Self { profile, key_and_salt, lifetime: MAX_LIFETIME, mki: Vec::new() })
    }

    /// A fresh key from at least `key_len + salt_len` octets of a cryptographic random source; this crate has none.
    ///
    /// # Errors
    /// [`KeyError::Length`] when there are fewer octets than needed; what is too many is left unused.
    pub fn generate(profile: Profile, random: &[u8]) -> Result<Self, KeyError> {
        let expected = profile.key_len() + profile.salt_len();
        let enough = random.get(..expected);
        Self::new(profile, enough.ok_or(KeyError::Length { expected, actual: random.len() })?)
    }

    /// Limits how many SRTP packets, and how many SRTCP packets, the key protects; at most, and by default, 2^48.
    #[must_use]
    pub fn with_lifetime(self, packets: u64) -> Self {
        Self { lifetime: packets.min(MAX_LIFETIME), ..self }
    }

    /// Sets the master key identifier that every packet carries ([RFC 3711 §3.1]).
    ///
    /// # Errors
    /// [`KeyError::MkiLength`] when it is empty or longer than 128 octets ([RFC 4568 §6.1]).
    ///
    /// [RFC 3711 §3.1]: https://www.rfc-editor.org/rfc/rfc3711#section-3.1
    /// [RFC 4568 §6.1]: https://www.rfc-editor.org/rfc/rfc4568#section-6.1
    pub fn with_mki(self, mki: &[u8]) -> Result<Self, KeyError> {
        match mki.len() {
            1..=128 => Ok(Self { mki: mki.to_vec(), ..self }),
            length => Err(KeyError::MkiLength(length)),
        }
    }

    /// The profile it was made for.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The most packets of either kind that it may protect.
    #[must_use]
    pub fn lifetime(&self) -> u64 {
        self.lifetime
    }

    /// The master key identifier; empty when packets carry none.
    #[must_use]
    pub fn mki(&self) -> &[u8] {
        &self.mki
    }

    /// The secret octets, key before salt, for an `a=crypto` line.
    pub(crate) fn key_and_salt(&self) -> &[u8] {
        &self.key_and_salt
    }

    pub(crate) fn key(&self) -> &[u8] {
        self.halves().0
    }

    pub(crate) fn salt(&self) -> &[u8] {
        self.halves().1
    }

    fn halves(&self) -> (&[u8], &[u8]) {
        self.key_and_salt.split_at_checked(self.profile.key_len()).expect("`new` has checked the length")
    }
}

impl PartialEq for MasterKey {
    fn eq(&self, other: &Self) -> bool {
        let policy = |key: &Self| (key.profile, key.lifetime, key.mki.clone());
        policy(self) == policy(other) && self.key_and_salt.ct_eq(&other.key_and_salt).into()
    }
}

impl Eq for MasterKey {}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("profile", &self.profile).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_does_not_show_in_debug() {
        let key = MasterKey::new(Profile::AesCm128HmacSha1_80, &[0xab; 30]).unwrap();
        assert_eq!(format!("{key:?}"), "MasterKey { profile: AesCm128HmacSha1_80, .. }");
    }

    #[test]
    fn a_key_of_the_wrong_length_is_refused() {
        let error = MasterKey::new(Profile::AeadAes128Gcm, &[0; 30]).unwrap_err();
        assert_eq!(error, KeyError::Length { expected: 28, actual: 30 });
        let error = MasterKey::generate(Profile::AesCm256HmacSha1_80, &[0; 45]).unwrap_err();
        assert_eq!(error, KeyError::Length { expected: 46, actual: 45 });
        assert!(MasterKey::generate(Profile::AesCm256HmacSha1_80, &[0; 64]).is_ok());
    }
}

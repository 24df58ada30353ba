//! The profile table: every protection profile with its names, lengths and algorithms.

use crate::cipher::{AesCm, AesGcm, Cipher, Null};

/// A protection profile: which cipher and which authentication, with which lengths.
///
/// The numbers in the names are key bits and, for HMAC-SHA1, bits of the RTP tag; RTCP tags always have 80.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Profile {
    /// AES-256 in Galois/counter mode ([RFC 7714](https://www.rfc-editor.org/rfc/rfc7714)).
    AeadAes256Gcm,
    /// AES-128 in Galois/counter mode ([RFC 7714](https://www.rfc-editor.org/rfc/rfc7714)).
    AeadAes128Gcm,
    /// AES-256 in counter mode, tags of 80 bits ([RFC 6188](https://www.rfc-editor.org/rfc/rfc6188)).
    AesCm256HmacSha1_80,
    /// AES-256 in counter mode, RTP tags of 32 bits ([RFC 6188](https://www.rfc-editor.org/rfc/rfc6188)).
    AesCm256HmacSha1_32,
    /// AES-192 in counter mode, tags of 80 bits ([RFC 6188](https://www.rfc-editor.org/rfc/rfc6188)).
    AesCm192HmacSha1_80,
    /// AES-192 in counter mode, RTP tags of 32 bits ([RFC 6188](https://www.rfc-editor.org/rfc/rfc6188)).
    AesCm192HmacSha1_32,
    /// AES-128 in counter mode, tags of 80 bits: the one that everybody has
    /// ([RFC 3711 §5](https://www.rfc-editor.org/rfc/rfc3711#section-5)).
    AesCm128HmacSha1_80,
    /// AES-128 in counter mode, RTP tags of 32 bits
    /// ([RFC 4568 §6.2.2](https://www.rfc-editor.org/rfc/rfc4568#section-6.2.2)).
    AesCm128HmacSha1_32,
    /// No encryption, tags of 80 bits. For tests; it has no name to be negotiated by.
    NullHmacSha1_80,
}

/// One line of the table. Lengths are in octets.
pub(crate) struct Row {
    pub(crate) profile: Profile,
    sdes: Option<&'static str>,
    dtls: Option<u16>,
    pub(crate) key: usize,
    pub(crate) salt: usize,
    /// The tag of the cipher itself; 0 for ciphers that do not authenticate.
    pub(crate) aead_tag: usize,
    /// The HMAC-SHA1 tags; 0 for ciphers that authenticate.
    pub(crate) rtp_tag: usize,
    pub(crate) rtcp_tag: usize,
    /// Does it encrypt at all? What the E flag of SRTCP says.
    pub(crate) encrypts: bool,
    pub(crate) cipher: MakeCipher,
}

/// Takes the session key and the salt in the high bits; `None` when the key is of the wrong length.
type MakeCipher = fn(key: &[u8], salt: u128) -> Option<Box<dyn Cipher>>;

/// The lengths of the HMAC-SHA1 profiles, to be completed by the rest of a row.
const HMAC: Row = Row {
    profile: Profile::NullHmacSha1_80,
    sdes: None,
    dtls: None,
    key: 16,
    salt: 14,
    aead_tag: 0,
    rtp_tag: 10,
    rtcp_tag: 10,
    encrypts: true,
    cipher: Null::new_boxed,
};
/// The lengths of the authenticated ciphers.
const AEAD: Row = Row { salt: 12, aead_tag: 16, rtp_tag: 0, rtcp_tag: 0, ..HMAC };

use Profile::*;
#[rustfmt::skip]
static TABLE: [Row; 9] = [
    Row { profile: AeadAes256Gcm, sdes: Some("AEAD_AES_256_GCM"), dtls: Some(8), key: 32, cipher: AesGcm::boxed_256, ..AEAD },
    Row { profile: AeadAes128Gcm, sdes: Some("AEAD_AES_128_GCM"), dtls: Some(7), key: 16, cipher: AesGcm::boxed_128, ..AEAD },
    Row { profile: AesCm256HmacSha1_80, sdes: Some("AES_256_CM_HMAC_SHA1_80"), key: 32, cipher: AesCm::boxed_256, ..HMAC },
    Row { profile: AesCm256HmacSha1_32, sdes: Some("AES_256_CM_HMAC_SHA1_32"), key: 32, rtp_tag: 4, cipher: AesCm::boxed_256, ..HMAC },
    Row { profile: AesCm192HmacSha1_80, sdes: Some("AES_192_CM_HMAC_SHA1_80"), key: 24, cipher: AesCm::boxed_192, ..HMAC },
    Row { profile: AesCm192HmacSha1_32, sdes: Some("AES_192_CM_HMAC_SHA1_32"), key: 24, rtp_tag: 4, cipher: AesCm::boxed_192, ..HMAC },
    Row { profile: AesCm128HmacSha1_80, sdes: Some("AES_CM_128_HMAC_SHA1_80"), dtls: Some(1), cipher: AesCm::boxed_128, ..HMAC },
    Row { profile: AesCm128HmacSha1_32, sdes: Some("AES_CM_128_HMAC_SHA1_32"), dtls: Some(2), rtp_tag: 4, cipher: AesCm::boxed_128, ..HMAC },
    Row { profile: NullHmacSha1_80, encrypts: false, ..HMAC },
];

impl Profile {
    /// All profiles that can be negotiated, the strongest first.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().filter(|row| row.sdes.is_some()).map(|row| row.profile)
    }

    /// The profile that an `a=crypto` line names, letter for letter ([RFC 4568 §6.2], [RFC 6188 §4], [RFC 7714 §14.1]).
    ///
    /// [RFC 4568 §6.2]: https://www.rfc-editor.org/rfc/rfc4568#section-6.2
    /// [RFC 6188 §4]: https://www.rfc-editor.org/rfc/rfc6188#section-4
    /// [RFC 7714 §14.1]: https://www.rfc-editor.org/rfc/rfc7714#section-14.1
    #[must_use]
    pub fn from_suite_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.sdes == Some(name)).map(|row| row.profile)
    }

    /// The name in an `a=crypto` line; the NULL profile has none.
    #[must_use]
    pub fn suite_name(self) -> Option<&'static str> {
        self.row().sdes
    }

    /// The profile with this number in the DTLS extension `use_srtp` ([RFC 5764 §4.1.2], [RFC 7714 §14.2]).
    ///
    /// [RFC 5764 §4.1.2]: https://www.rfc-editor.org/rfc/rfc5764#section-4.1.2
    /// [RFC 7714 §14.2]: https://www.rfc-editor.org/rfc/rfc7714#section-14.2
    #[must_use]
    pub fn from_dtls_id(id: u16) -> Option<Self> {
        TABLE.iter().find(|row| row.dtls == Some(id)).map(|row| row.profile)
    }

    /// The number in the DTLS extension `use_srtp`.
    #[must_use]
    pub fn dtls_id(self) -> Option<u16> {
        self.row().dtls
    }

    /// How many octets the master key has.
    #[must_use]
    pub fn key_len(self) -> usize {
        self.row().key
    }

    /// How many octets the master salt has.
    #[must_use]
    pub fn salt_len(self) -> usize {
        self.row().salt
    }

    pub(crate) fn row(self) -> &'static Row {
        let row = TABLE.iter().find(|row| row.profile == self);
        row.expect("every profile has a row, which `every_profile_has_a_row` proves")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_has_a_row() {
        let next = |profile| match profile {
            AeadAes256Gcm => Some(AeadAes128Gcm),
            AeadAes128Gcm => Some(AesCm256HmacSha1_80),
            AesCm256HmacSha1_80 => Some(AesCm256HmacSha1_32),
            AesCm256HmacSha1_32 => Some(AesCm192HmacSha1_80),
            AesCm192HmacSha1_80 => Some(AesCm192HmacSha1_32),
            AesCm192HmacSha1_32 => Some(AesCm128HmacSha1_80),
            AesCm128HmacSha1_80 => Some(AesCm128HmacSha1_32),
            AesCm128HmacSha1_32 => Some(NullHmacSha1_80),
            NullHmacSha1_80 => None,
        };
        let profiles: Vec<Profile> = std::iter::successors(Some(AeadAes256Gcm), |p| next(*p)).collect();
        assert_eq!(profiles.len(), TABLE.len());
        for profile in profiles {
            assert_eq!(profile.row().profile, profile);
            let name = profile.suite_name();
            assert_eq!(name.and_then(Profile::from_suite_name), name.map(|_| profile));
            let id = profile.dtls_id();
            assert_eq!(id.and_then(Profile::from_dtls_id), id.map(|_| profile));
        }
        assert!(!Profile::all().any(|profile| profile == NullHmacSha1_80));
    }

    // rfc: 4568 §6.2.2 — the 32-bit tag is for RTP only
    #[test]
    fn rtcp_tags_always_have_80_bits() {
        assert!(TABLE.iter().all(|row| row.rtcp_tag == 10 || row.aead_tag == 16));
    }
}

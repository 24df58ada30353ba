//! AES in Galois/counter mode ([RFC 7714](https://www.rfc-editor.org/rfc/rfc7714)).

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes128Gcm, Aes256Gcm};

use super::{Cipher, Forged, PacketId, Tag};

/// A key schedule with its hash key, and the session salt in the low 96 bits.
pub(crate) struct AesGcm<A> {
    aead: A,
    salt: u128,
}

impl AesGcm<Aes128Gcm> {
    pub(crate) fn boxed_128(key: &[u8], salt: u128) -> Option<Box<dyn Cipher>> {
        Some(Box::new(Self { aead: Aes128Gcm::new_from_slice(key).ok()?, salt: salt >> 32 }))
    }
}

impl AesGcm<Aes256Gcm> {
    pub(crate) fn boxed_256(key: &[u8], salt: u128) -> Option<Box<dyn Cipher>> {
        Some(Box::new(Self { aead: Aes256Gcm::new_from_slice(key).ok()?, salt: salt >> 32 }))
    }
}

impl<A> AesGcm<A> {
    /// The vector of [RFC 7714 §8.1] and, since RTCP's index only has fewer bits, of §9.1.
    ///
    /// [RFC 7714 §8.1]: https://www.rfc-editor.org/rfc/rfc7714#section-8.1
    fn iv(&self, id: PacketId) -> [u8; 12] {
        let [_, _, _, _, iv @ ..] =
            (self.salt ^ (u128::from(id.ssrc) << 48) ^ u128::from(id.index)).to_be_bytes();
        iv
    }
}

/// What a datagram holds is far below the lengths that GCM refuses.
const SHORT_ENOUGH: &str = "the context refuses packets above 65,535 octets";

macro_rules! impl_cipher {
    ($($aead:ty),*) => {$(
        impl Cipher for AesGcm<$aead> {
            fn seal(&self, id: PacketId, associated: &[u8], body: &mut [u8]) -> Tag {
                let iv = self.iv(id).into();
                self.aead.encrypt_inout_detached(&iv, associated, body.into()).expect(SHORT_ENOUGH).into()
            }

            fn open(&self, id: PacketId, associated: &[u8], body: &mut [u8], tag: &[u8]) -> Result<(), Forged> {
                let (iv, tag) = (self.iv(id).into(), tag.try_into().map_err(|_| Forged)?);
                self.aead.decrypt_inout_detached(&iv, associated, body.into(), tag).map_err(|_| Forged)
            }
        }
    )*};
}

impl_cipher!(Aes128Gcm, Aes256Gcm);

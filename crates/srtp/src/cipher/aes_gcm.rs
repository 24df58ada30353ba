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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kdf::aligned;
    use testkit::vectors::hex;

    const RTP_HEADER: &str = "8040f17b 8041f8d3 5501a0b2";
    const RTP_PAYLOAD: &[u8] = b"Gallia est omnis divisa in partes tres";
    const RTP: PacketId = PacketId { ssrc: 0x5501_a0b2, index: 0xf17b };
    const RTCP: PacketId = PacketId { ssrc: 0x4d61_7273, index: 0x5d4 };
    const RTCP_BODY: &str = "4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 \
        deadbeef deadbeef deadbeef deadbeef deadbeef";

    /// The ciphers of RFC 7714 §16: their keys are 00 01 02 …, their salt is `Quid pro quo`.
    fn cipher(key_len: u8) -> Box<dyn Cipher> {
        let key: Vec<u8> = (0..key_len).collect();
        let salt = aligned(b"Quid pro quo");
        if key_len == 16 {
            AesGcm::boxed_128(&key, salt).unwrap()
        } else {
            AesGcm::boxed_256(&key, salt).unwrap()
        }
    }

    fn sealed(cipher: &dyn Cipher, id: PacketId, associated: &str, body: &[u8]) -> Vec<u8> {
        let mut body = body.to_vec();
        let tag = cipher.seal(id, &hex(associated), &mut body);
        let whole = [body.clone(), tag.to_vec()].concat();
        cipher.open(id, &hex(associated), &mut body, &tag).expect("what was sealed opens");
        whole
    }

    // rfc: 7714 §16.1.1 — SRTP AEAD_AES_128_GCM encryption
    #[test]
    fn an_rtp_packet_is_sealed_with_128_bits_as_in_the_rfc() {
        let expected = "f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b \
            36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce";
        assert_eq!(sealed(&*cipher(16), RTP, RTP_HEADER, RTP_PAYLOAD), hex(expected));
    }

    // rfc: 7714 §16.2.1 — SRTP AEAD_AES_256_GCM encryption
    #[test]
    fn an_rtp_packet_is_sealed_with_256_bits_as_in_the_rfc() {
        let expected = "32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f \
            1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13";
        assert_eq!(sealed(&*cipher(32), RTP, RTP_HEADER, RTP_PAYLOAD), hex(expected));
    }

    // rfc: 7714 §17.1 — SRTCP AEAD_AES_128_GCM encryption and tagging
    #[test]
    fn an_rtcp_packet_is_sealed_with_128_bits_as_in_the_rfc() {
        let expected = "63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda \
            4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade";
        let sealed = sealed(&*cipher(16), RTCP, "81c8000d 4d617273 800005d4", &hex(RTCP_BODY));
        assert_eq!(sealed, hex(expected));
    }

    // rfc: 7714 §17.2 — SRTCP AEAD_AES_256_GCM verification and decryption
    #[test]
    fn an_rtcp_packet_of_256_bits_is_opened_as_in_the_rfc() {
        let mut body = hex("d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be \
            8415f658 c61de047 6f1b6fad");
        let tag = hex("1d1eb30c 4446839f 57ff6f6c b26ac3be");
        let associated = hex("81c8000d 4d617273 800005d4");
        cipher(32).open(RTCP, &associated, &mut body, &tag).expect("it is authentic");
        assert_eq!(body, hex(RTCP_BODY));
    }

    // rfc: 7714 §17.3 — SRTCP AEAD_AES_128_GCM tagging only
    #[test]
    fn an_rtcp_packet_that_is_not_encrypted_is_tagged_as_in_the_rfc() {
        let associated = format!("81c8000d 4d617273 {RTCP_BODY} 000005d4");
        let tag = sealed(&*cipher(16), RTCP, &associated, &[]);
        assert_eq!(tag, hex("841dd968 3dd78ec9 2ae58790 125f62b3"));
    }

    #[test]
    fn a_forged_body_is_left_alone() {
        let mut body = RTP_PAYLOAD.to_vec();
        assert!(cipher(16).open(RTP, &hex(RTP_HEADER), &mut body, &[0; 16]).is_err());
        assert!(cipher(16).open(RTP, &hex(RTP_HEADER), &mut body, &[0; 15]).is_err());
        assert_eq!(body, RTP_PAYLOAD);
    }
}

//! AES in counter mode ([RFC 3711 §4.1.1], [RFC 6188 §2]).
//!
//! [RFC 3711 §4.1.1]: https://www.rfc-editor.org/rfc/rfc3711#section-4.1.1
//! [RFC 6188 §2]: https://www.rfc-editor.org/rfc/rfc6188#section-2

use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use ctr::cipher::consts::U16;
use ctr::cipher::{BlockCipherEncrypt, BlockSizeUser, InnerIvInit, KeyInit, StreamCipherCore};
use ctr::{CtrCore, flavors};

use super::{Cipher, Forged, PacketId, Tag};

/// An AES key schedule and the session salt, as the high 112 of 128 bits.
pub(crate) struct AesCm<A> {
    aes: A,
    salt: u128,
}

/// XORs the key stream that begins with the counter block `iv` onto `octets`.
///
/// The block counter is the low 16 bits: 2^20 octets a packet, more than a datagram holds.
pub(crate) fn apply_key_stream<A>(aes: &A, iv: u128, octets: &mut [u8])
where
    A: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    let core = CtrCore::<&A, flavors::Ctr128BE>::inner_iv_init(aes, &iv.to_be_bytes().into());
    core.apply_keystream_partial(octets.into());
}

impl AesCm<Aes128Enc> {
    pub(crate) fn boxed_128(key: &[u8], salt: u128) -> Option<Box<dyn Cipher>> {
        Some(Box::new(Self { aes: Aes128Enc::new_from_slice(key).ok()?, salt }))
    }
}

impl AesCm<Aes192Enc> {
    pub(crate) fn boxed_192(key: &[u8], salt: u128) -> Option<Box<dyn Cipher>> {
        Some(Box::new(Self { aes: Aes192Enc::new_from_slice(key).ok()?, salt }))
    }
}

impl AesCm<Aes256Enc> {
    pub(crate) fn boxed_256(key: &[u8], salt: u128) -> Option<Box<dyn Cipher>> {
        Some(Box::new(Self { aes: Aes256Enc::new_from_slice(key).ok()?, salt }))
    }
}

impl<A> Cipher for AesCm<A>
where
    A: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + Send + Sync,
{
    fn seal(&self, id: PacketId, _associated: &[u8], body: &mut [u8]) -> Tag {
        let iv = self.salt ^ (u128::from(id.ssrc) << 64) ^ (u128::from(id.index) << 16);
        apply_key_stream(&self.aes, iv, body);
        Tag::default()
    }

    fn open(&self, id: PacketId, associated: &[u8], body: &mut [u8], _tag: &[u8]) -> Result<(), Forged> {
        self.seal(id, associated, body);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::vectors::hex;

    // rfc: 3711 §B.2 — AES-CM key stream of 65,283 blocks
    #[test]
    fn the_key_stream_is_that_of_the_rfc() {
        let aes = Aes128Enc::new_from_slice(&hex("2B7E151628AED2A6ABF7158809CF4F3C")).unwrap();
        let mut stream = vec![0; 0xff02 * 16];
        apply_key_stream(&aes, 0xF0F1_F2F3_F4F5_F6F7_F8F9_FAFB_FCFD_0000, &mut stream);
        assert_eq!(stream[..16], hex("E03EAD0935C95E80E166B16DD92B4EB4"));
        assert_eq!(stream[32..48], hex("41E95B3BB0A2E8DD477901E4FCA894C0"));
        assert_eq!(stream[0xfeff * 16..][..16], hex("EC8CDF7398607CB0F2D21675EA9EA1E4"));
        assert_eq!(stream[0xff01 * 16..], hex("6A2CC3787889374FBEB4C81B17BA6C44"));
    }

    // rfc: 6188 §7.1 — AES-256-CM key stream
    #[test]
    fn the_key_stream_of_aes_256_is_that_of_the_rfc() {
        let key = hex("57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98");
        let aes = Aes256Enc::new_from_slice(&key).unwrap();
        let mut stream = vec![0; 0xff02 * 16];
        apply_key_stream(&aes, 0xf0f1_f2f3_f4f5_f6f7_f8f9_fafb_fcfd_0000, &mut stream);
        assert_eq!(stream[..16], hex("92bdd28a93c3f52511c677d08b5515a4"));
        assert_eq!(stream[16..32], hex("9da71b2378a854f67050756ded165bac"));
    }
}

//! HMAC-SHA1 tags ([RFC 3711 §4.2.1](https://www.rfc-editor.org/rfc/rfc3711#section-4.2.1)).

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

/// How many octets the session authentication key has.
pub(crate) const KEY_LEN: usize = 20;

/// A keyed state, made once: a packet then costs two compressions less.
pub(crate) struct HmacSha1 {
    keyed: Hmac<Sha1>,
}

impl HmacSha1 {
    pub(crate) fn new(key: &[u8; KEY_LEN]) -> Self {
        Self { keyed: Hmac::new_from_slice(key).expect("HMAC takes keys of any length") }
    }

    /// The whole tag over the packet and what follows it; the caller sends the left-most octets of it.
    pub(crate) fn sign(&self, packet: &[u8], suffix: &[u8]) -> [u8; 20] {
        let mut mac = self.keyed.clone();
        mac.update(packet);
        mac.update(suffix);
        mac.finalize().into_bytes().into()
    }

    /// Is this the beginning of the right tag? Takes the same time wherever they differ.
    pub(crate) fn verify(&self, packet: &[u8], suffix: &[u8], tag: &[u8]) -> bool {
        let expected = self.sign(packet, suffix);
        expected.get(..tag.len()).is_some_and(|expected| !tag.is_empty() && expected.ct_eq(tag).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::vectors::hex;

    // rfc: 2202 §3 — HMAC-SHA1 test case 1
    #[test]
    fn a_tag_is_that_of_rfc_2202_and_can_be_cut() {
        let auth = HmacSha1::new(&[0x0b; 20]);
        let tag = hex("b617318655057264e28bc0b6fb378c8ef146be00");
        assert_eq!(auth.sign(b"Hi ", b"There").as_slice(), tag);
        assert!(auth.verify(b"Hi There", b"", &tag[..10]));
        assert!(!auth.verify(b"Hi There", b"", &[]));
        assert!(!auth.verify(b"Hi There", b"", &[0; 21]));
        assert!(!auth.verify(b"Hi there", b"", &tag));
    }
}

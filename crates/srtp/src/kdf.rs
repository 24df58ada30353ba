//! Session keys from a master key ([RFC 3711 §4.3], [RFC 6188 §3], [RFC 7714 §11]), at a derivation rate of 0.
//!
//! [RFC 3711 §4.3]: https://www.rfc-editor.org/rfc/rfc3711#section-4.3
//! [RFC 6188 §3]: https://www.rfc-editor.org/rfc/rfc6188#section-3
//! [RFC 7714 §11]: https://www.rfc-editor.org/rfc/rfc7714#section-11

use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use ctr::cipher::KeyInit;

use crate::cipher::apply_key_stream;
use crate::key::MasterKey;

/// What a session key is for.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Label {
    RtpEncryption = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// Fills `out` with the session key that `label` names; AES of the master key's own size is the function.
pub(crate) fn derive(master: &MasterKey, label: Label, out: &mut [u8]) {
    out.fill(0);
    let iv = aligned(master.salt()) ^ (u128::from(label as u8) << 64);
    let key = master.key();
    if let Ok(aes) = Aes128Enc::new_from_slice(key) {
        apply_key_stream(&aes, iv, out);
    } else if let Ok(aes) = Aes192Enc::new_from_slice(key) {
        apply_key_stream(&aes, iv, out);
    } else if let Ok(aes) = Aes256Enc::new_from_slice(key) {
        apply_key_stream(&aes, iv, out);
    }
}

/// The salt as the high bits of a counter block: 112 of them, or 96, which are padded with zeros on the right.
pub(crate) fn aligned(salt: &[u8]) -> u128 {
    let mut block = [0; 16];
    block.iter_mut().zip(salt).for_each(|(octet, salt)| *octet = *salt);
    u128::from_be_bytes(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Profile;
    use testkit::vectors::hex;

    fn session_key(profile: Profile, master: &str, label: Label, length: usize) -> Vec<u8> {
        let mut out = vec![0xff; length];
        derive(&MasterKey::new(profile, &hex(master)).unwrap(), label, &mut out);
        out
    }

    // rfc: 3711 §B.3 — key derivation test vectors
    #[test]
    fn session_keys_of_128_bits_are_those_of_the_rfc() {
        let master = "E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6";
        let derived = |label, length| session_key(Profile::AesCm128HmacSha1_80, master, label, length);
        assert_eq!(derived(Label::RtpEncryption, 16), hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(derived(Label::RtpSalt, 14), hex("30CBBC08863D8C85D49DB34A9AE1"));
        let auth = "CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE \
            E049646C43D9327AD175578EF7227098 6371C10C9A369AC2F94A8C5FBCDDDC25 \
            6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2";
        assert_eq!(derived(Label::RtpAuthentication, 94), hex(auth));
    }

    // rfc: 6188 §7.2 — AES-256-CM key derivation
    #[test]
    fn session_keys_of_256_bits_are_those_of_the_rfc() {
        let master = "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6 \
            3b04803de51ee7c96423ab5b78d2";
        let derived = |label, length| session_key(Profile::AesCm256HmacSha1_80, master, label, length);
        let key = "5ba1064e30ec51613cad926c5a28ef73 1ec7fb397f70a960653caf06554cd8c4";
        assert_eq!(derived(Label::RtpEncryption, 32), hex(key));
        assert_eq!(derived(Label::RtpSalt, 14), hex("fa31791685ca444a9e07c6c64e93"));
        let auth = "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05";
        assert_eq!(derived(Label::RtpAuthentication, 20), hex(auth));
    }

    // rfc: 6188 §7.4 — AES-192-CM key derivation
    #[test]
    fn session_keys_of_192_bits_are_those_of_the_rfc() {
        let master = "73edc66c4fa15776fb57f9505c17136550ffda71f3e8e5f1 c8522f3acd4ce86d5add78edbb11";
        let derived = |label, length| session_key(Profile::AesCm192HmacSha1_80, master, label, length);
        let key = "31874736a8f1143870c26e4857d8a5b2 c4a354407faadabb";
        assert_eq!(derived(Label::RtpEncryption, 24), hex(key));
        assert_eq!(derived(Label::RtpSalt, 14), hex("2372b82d639b6d8503a47adc0a6c"));
        let auth = "355b10973cd95b9eacf4061c7e1a7151e7cfbfcb";
        assert_eq!(derived(Label::RtpAuthentication, 20), hex(auth));
    }
}

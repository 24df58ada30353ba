//! What encrypts: one file for each cipher, chosen by the profile table.

mod aes_cm;
mod aes_gcm;
mod null;

pub(crate) use aes_cm::{AesCm, apply_key_stream};
pub(crate) use aes_gcm::AesGcm;
pub(crate) use null::Null;

/// What makes a packet's initialization vector unlike all others under the same key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PacketId {
    pub(crate) ssrc: u32,
    /// The packet index: 48 bits of RTP (rollover counter and sequence number), 31 bits of RTCP.
    pub(crate) index: u64,
}

/// The tag of an authenticated cipher; the other ciphers leave it zero and it is not sent.
pub(crate) type Tag = [u8; 16];

/// The packet is not what was sent.
#[derive(Debug)]
pub(crate) struct Forged;

/// A cipher with its session key and salt.
pub(crate) trait Cipher: Send + Sync {
    /// Encrypts the body in place.
    fn seal(&self, id: PacketId, associated: &[u8], body: &mut [u8]) -> Tag;

    /// Decrypts the body in place; an authenticated cipher leaves it alone when the tag is wrong.
    fn open(&self, id: PacketId, associated: &[u8], body: &mut [u8], tag: &[u8]) -> Result<(), Forged>;
}

//! No encryption ([RFC 3711 §4.1.3](https://www.rfc-editor.org/rfc/rfc3711#section-4.1.3)).

use super::{Cipher, Forged, PacketId, Tag};

/// Leaves the body as it is.
pub(crate) struct Null;

impl Null {
    pub(crate) fn new_boxed(_key: &[u8], _salt: u128) -> Option<Box<dyn Cipher>> {
        Some(Box::new(Self))
    }
}

impl Cipher for Null {
    fn seal(&self, _id: PacketId, _associated: &[u8], _body: &mut [u8]) -> Tag {
        Tag::default()
    }

    fn open(&self, _: PacketId, _: &[u8], _: &mut [u8], _: &[u8]) -> Result<(), Forged> {
        Ok(())
    }
}

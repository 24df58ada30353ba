//! Application-defined packets ([RFC 3550 §6.7]).
//!
//! [RFC 3550 §6.7]: https://www.rfc-editor.org/rfc/rfc3550#section-6.7

use crate::wire::{self, Cursor};

/// APP: what an application defined for itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct App<'a> {
    /// 0 to 31.
    pub subtype: u8,
    /// Who sends it.
    pub ssrc: u32,
    /// Whose it is: four ASCII characters.
    pub name: [u8; 4],
    /// Whole 32-bit words.
    pub data: &'a [u8],
}

impl<'a> App<'a> {
    pub(super) fn read(subtype: u8, body: &'a [u8]) -> Option<Self> {
        let (head, data) = body.split_at_checked(8)?;
        Some(Self { subtype, ssrc: wire::u32(head, 0), name: wire::array(head, 4), data })
    }

    pub(super) fn write(&self, to: &mut Cursor<'_>) {
        to.put(&self.ssrc.to_be_bytes());
        to.put(&self.name);
        to.put(self.data);
    }
}

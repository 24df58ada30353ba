//! Reading and writing big-endian fields of buffers whose length is known to suffice.

use std::ops::Range;

/// Where a field lies in its packet.
pub(crate) type Field = Range<usize>;

/// The `N` octets at `at`; zeros where the buffer ends before, which the checking constructors rule out.
#[inline]
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

#[inline]
pub(crate) fn u8(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or_default()
}

#[inline]
pub(crate) fn u16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(array(bytes, at))
}

#[inline]
pub(crate) fn u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array(bytes, at))
}

#[inline]
pub(crate) fn u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(array(bytes, at))
}

/// What lies in `field`; empty where the buffer ends before.
#[inline]
pub(crate) fn slice(bytes: &[u8], field: Field) -> &[u8] {
    bytes.get(field).unwrap_or_default()
}

/// Writes fields one after the other; the caller has made sure that they fit.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    buffer: &'a mut [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, at: 0 }
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    #[inline]
    pub(crate) fn put(&mut self, octets: &[u8]) {
        if let Some(place) = self.buffer.get_mut(self.at..).and_then(|rest| rest.get_mut(..octets.len())) {
            place.copy_from_slice(octets);
            self.at += octets.len();
        }
    }

    pub(crate) fn zeros(&mut self, count: usize) {
        if let Some(place) = self.buffer.get_mut(self.at..).and_then(|rest| rest.get_mut(..count)) {
            place.fill(0);
            self.at += count;
        }
    }
}

//! Source descriptions ([RFC 3550 §6.5]).
//!
//! [RFC 3550 §6.5]: https://www.rfc-editor.org/rfc/rfc3550#section-6.5

use crate::error::BuildError;
use crate::wire::{self, Cursor};

/// SDES: names of sources.
#[derive(Clone, Copy, Debug)]
pub struct SourceDescription<'a> {
    count: u8,
    body: &'a [u8],
}

impl<'a> SourceDescription<'a> {
    pub(super) fn read(count: u8, body: &'a [u8]) -> Self {
        Self { count, body }
    }

    /// One chunk for each source; ends early where the octets make no sense.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk<'a>> + use<'a> {
        let mut rest = self.body;
        (0..self.count).map_while(move |_| {
            let (ssrc, items) = rest.split_at_checked(4)?;
            let len = items_len(items)?;
            // The list ends with one to four null octets, up to the next 32-bit boundary.
            let (items, behind) = items.split_at_checked(len)?;
            rest = behind.get(4 - len % 4..).unwrap_or_default();
            Some(Chunk { ssrc: wire::u32(ssrc, 0), items })
        })
    }

    /// The canonical name of `ssrc`, if it is given here.
    #[must_use]
    pub fn cname_of(&self, ssrc: u32) -> Option<&'a [u8]> {
        let chunk = self.chunks().find(|chunk| chunk.ssrc == ssrc)?;
        chunk.items().find(|item| item.kind == SdesKind::CNAME).map(|item| item.value)
    }
}

/// Octets of the items before the null octet; `None` when there is no end to them.
fn items_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match bytes.get(at..)? {
            [0, ..] => return Some(at),
            [_, len, ..] => at += 2 + usize::from(*len),
            _ => return None,
        }
    }
}

/// What is said of one source.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// Whom this is about.
    pub ssrc: u32,
    items: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// The items, in order.
    pub fn items(&self) -> impl Iterator<Item = SdesItem<'a>> + use<'a> {
        let mut rest = self.items;
        std::iter::from_fn(move || {
            let [kind, len, behind @ ..] = rest else { return None };
            let (value, behind) = behind.split_at_checked(usize::from(*len))?;
            rest = behind;
            Some(SdesItem { kind: SdesKind(*kind), value })
        })
    }
}

/// One item: a kind and up to 255 octets of UTF-8.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SdesItem<'a> {
    /// What it says.
    pub kind: SdesKind,
    /// The text; bytes, since the sender's word is all we have for its encoding.
    pub value: &'a [u8],
}

impl<'a> SdesItem<'a> {
    /// The canonical name, which every compound names.
    #[must_use]
    pub const fn cname(value: &'a [u8]) -> Self {
        Self { kind: SdesKind::CNAME, value }
    }
}

/// The kind of an item ([RFC 3550 §12.2]).
///
/// [RFC 3550 §12.2]: https://www.rfc-editor.org/rfc/rfc3550#section-12.2
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SdesKind(pub u8);

impl SdesKind {
    /// Canonical name, the same in all streams of a participant.
    pub const CNAME: Self = Self(1);
    /// Name of the user.
    pub const NAME: Self = Self(2);
    /// Electronic mail address.
    pub const EMAIL: Self = Self(3);
    /// Telephone number.
    pub const PHONE: Self = Self(4);
    /// Geographic location.
    pub const LOC: Self = Self(5);
    /// Name of the application.
    pub const TOOL: Self = Self(6);
    /// Notice about the source.
    pub const NOTE: Self = Self(7);
    /// Private extension.
    pub const PRIV: Self = Self(8);
}

pub(super) fn chunk_len(items: &[SdesItem<'_>]) -> Result<usize, BuildError> {
    let mut len = 4;
    for item in items {
        let count = item.value.len();
        if count > 255 {
            return Err(BuildError::TooMany { what: "octets of an SDES item", count, limit: 255 });
        }
        len += 2 + count;
    }
    Ok((len + 1).next_multiple_of(4))
}

pub(super) fn write_chunk(to: &mut Cursor<'_>, ssrc: u32, items: &[SdesItem<'_>]) {
    let start = to.position();
    to.put(&ssrc.to_be_bytes());
    for SdesItem { kind, value } in items {
        to.put(&[kind.0, u8::try_from(value.len()).unwrap_or(u8::MAX)]); // checked in `chunk_len`
        to.put(value);
    }
    let len = to.position() - start;
    to.zeros((len + 1).next_multiple_of(4) - len);
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = Vec<(u32, Vec<(u8, Vec<u8>)>)>;

    fn read(count: u8, body: &[u8]) -> Read {
        let chunks = SourceDescription::read(count, body).chunks().collect::<Vec<_>>();
        let items = |chunk: &Chunk| chunk.items().map(|item| (item.kind.0, item.value.to_vec())).collect();
        chunks.iter().map(|chunk| (chunk.ssrc, items(chunk))).collect()
    }

    // rfc: 3550 §6.5 — one to four null octets end a chunk on a 32-bit boundary
    #[test]
    fn chunks_of_every_length_are_read_as_written() {
        for len in 0..=8 {
            let text = vec![b'x'; len];
            let items = [SdesItem::cname(&text), SdesItem { kind: SdesKind::TOOL, value: b"us" }];
            let mut body = vec![0xEE; 64];
            let mut to = Cursor::new(&mut body);
            write_chunk(&mut to, 1, &items);
            assert_eq!(to.position(), chunk_len(&items).unwrap());
            write_chunk(&mut to, 2, &[]);
            let end = to.position();
            let expected: Read = vec![(1, vec![(1, text.clone()), (6, b"us".to_vec())]), (2, vec![])];
            assert_eq!(read(2, &body[..end]), expected, "text of {len}");
        }
    }

    #[test]
    fn nonsense_ends_the_list() {
        assert_eq!(read(1, &[0, 0, 0, 1, 1, 9, b'a', 0]), []);
        assert_eq!(read(1, &[0, 0, 0, 1]), []);
        assert_eq!(read(2, &[0, 0, 0, 1, 0, 0, 0, 0, 0]), [(1, vec![])]);
    }
}

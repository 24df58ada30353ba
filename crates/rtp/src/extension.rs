//! RTP header extensions: the general form ([RFC 3550 §5.3.1]) and elements in it ([RFC 8285 §4.2], [RFC 8285 §4.3]).
//!
//! [RFC 3550 §5.3.1]: https://www.rfc-editor.org/rfc/rfc3550#section-5.3.1
//! [RFC 8285 §4.2]: https://www.rfc-editor.org/rfc/rfc8285#section-4.2
//! [RFC 8285 §4.3]: https://www.rfc-editor.org/rfc/rfc8285#section-4.3

use crate::error::BuildError;
use crate::wire::Cursor;

/// "Defined by profile" of one-byte elements.
const ONE_BYTE: u16 = 0xBEDE;
/// "Defined by profile" of two-byte elements; the low four bits are the application's.
const TWO_BYTE: u16 = 0x1000;

/// The header extension of a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Extension<'a> {
    /// What the data means: "defined by profile".
    pub profile: u16,
    /// Whole 32-bit words.
    pub data: &'a [u8],
}

impl<'a> Extension<'a> {
    /// The elements in it; none when the extension is of neither RFC 8285 form.
    #[must_use]
    pub fn elements(&self) -> Elements<'a> {
        let (rest, form) = match self.profile {
            ONE_BYTE => (self.data, Form::OneByte),
            profile if profile & 0xFFF0 == TWO_BYTE => (self.data, Form::TwoByte),
            _ => (&[][..], Form::OneByte),
        };
        Elements { rest, form }
    }
}

/// One element of a header extension; what its identifier means is agreed in signalling (`a=extmap`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Element<'a> {
    /// 1 to 14, or to 255 in the two-byte form.
    pub id: u8,
    /// 1 to 16 octets, or 0 to 255 in the two-byte form.
    pub data: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
enum Form {
    OneByte,
    TwoByte,
}

/// Iterates over the elements of a header extension; stops quietly where the octets make no sense.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: &'a [u8],
    form: Form,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let element = loop {
            break match (self.form, self.rest) {
                (_, []) => None,
                (_, [0, rest @ ..]) => {
                    self.rest = rest; // padding
                    continue;
                }
                // Identifier 0 with a length, and 15, end the whole extension, RFC 8285 §4.1.2, §4.2.
                (Form::OneByte, [head, rest @ ..]) => match head >> 4 {
                    0 | 15 => None,
                    id => rest.split_at_checked(usize::from(head & 15) + 1).map(|split| (id, split)),
                },
                (Form::TwoByte, [id, len, rest @ ..]) => {
                    rest.split_at_checked(usize::from(*len)).map(|split| (*id, split))
                }
                (Form::TwoByte, [_]) => None,
            };
        };
        let Some((id, (data, rest))) = element else {
            self.rest = &[];
            return None;
        };
        self.rest = rest;
        Some(Element { id, data })
    }
}

/// Elements about to be written, in the shortest form that can say them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ElementWriter<'a> {
    elements: &'a [Element<'a>],
    head: usize,
    /// Octets of all elements, before padding to 32 bits.
    len: usize,
}

impl<'a> ElementWriter<'a> {
    pub(crate) fn new(elements: &'a [Element<'a>]) -> Result<Self, BuildError> {
        let fits =
            |element: &Element| (1..15).contains(&element.id) && (1..=16).contains(&element.data.len());
        let head = if elements.iter().all(fits) { 1 } else { 2 };
        let mut len = 0_usize;
        for element in elements {
            if element.id == 0 {
                return Err(BuildError::ExtensionId(0));
            }
            if element.data.len() > 255 {
                let count = element.data.len();
                return Err(BuildError::TooMany { what: "extension element octets", count, limit: 255 });
            }
            len = len.saturating_add(head + element.data.len());
        }
        Ok(Self { elements, head, len })
    }

    pub(crate) fn profile(&self) -> u16 {
        if self.head == 1 { ONE_BYTE } else { TWO_BYTE }
    }

    /// Octets with padding: a multiple of four.
    pub(crate) fn padded_len(&self) -> usize {
        self.len.next_multiple_of(4)
    }

    pub(crate) fn write(&self, to: &mut Cursor<'_>) {
        for Element { id, data } in self.elements {
            let len = u8::try_from(data.len()).unwrap_or(u8::MAX); // checked in `new`
            if self.head == 1 {
                to.put(&[(id << 4) | len.saturating_sub(1)]);
            } else {
                to.put(&[*id, len]);
            }
            to.put(data);
        }
        to.zeros(self.padded_len() - self.len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(profile: u16, data: &[u8]) -> Vec<(u8, Vec<u8>)> {
        Extension { profile, data }.elements().map(|e| (e.id, e.data.to_vec())).collect()
    }

    // rfc: 8285 §4.2 — one-byte elements with padding between them
    #[test]
    fn one_byte_elements_are_read_over_padding() {
        let data = [0x10, 0xAA, 0x21, 0xBB, 0xCC, 0, 0, 0x33, 1, 2, 3, 4];
        assert_eq!(elements(0xBEDE, &data), [(1, vec![0xAA]), (2, vec![0xBB, 0xCC]), (3, vec![1, 2, 3, 4])]);
    }

    // rfc: 8285 §4.2 — identifier 15 ends the extension
    #[test]
    fn identifier_15_ends_the_extension() {
        assert_eq!(elements(0xBEDE, &[0x10, 1, 0xF0, 2, 0x20, 3, 0, 0]), [(1, vec![1])]);
    }

    // rfc: 8285 §4.1.2 — identifier 0 with a length ends the extension
    #[test]
    fn identifier_0_with_a_length_ends_the_extension() {
        assert_eq!(elements(0xBEDE, &[0x10, 1, 0x02, 2, 0x20, 3, 0, 0]), [(1, vec![1])]);
    }

    // rfc: 8285 §4.3 — two-byte elements, empty ones too
    #[test]
    fn two_byte_elements_may_be_empty_and_have_application_bits() {
        assert_eq!(elements(0x1005, &[1, 0, 0, 200, 2, 7, 8, 0]), [(1, vec![]), (200, vec![7, 8])]);
    }

    #[test]
    fn an_element_beyond_the_end_stops_the_iteration() {
        assert_eq!(elements(0xBEDE, &[0x10, 1, 0x2F, 2]), [(1, vec![1])]);
        assert_eq!(elements(0x1000, &[9, 9, 1, 2]), []);
        assert_eq!(elements(0x1234, &[0x10, 1, 0, 0]), []);
    }
}

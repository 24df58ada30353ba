//! Where things lie in a message ([RFC 8489 §5, §14]); what integrity and fingerprint are computed over.
//!
//! [RFC 8489 §5, §14]: https://www.rfc-editor.org/rfc/rfc8489#section-5

/// Octets of the header: type, length, magic cookie, transaction id.
pub(crate) const HEADER_LEN: usize = 20;

/// Attribute types that this crate reads or writes itself.
pub(crate) mod attribute {
    pub(crate) const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub(crate) const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
    pub(crate) const PASSWORD_ALGORITHM: u16 = 0x001d;
    pub(crate) const PASSWORD_ALGORITHMS: u16 = 0x8002;
    pub(crate) const FINGERPRINT: u16 = 0x8028;
}

/// An attribute as it lies in a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawAttribute<'a> {
    pub(crate) kind: u16,
    pub(crate) value: &'a [u8],
    /// The octets of the message before this attribute.
    pub(crate) before: &'a [u8],
}

fn be16(octets: &[u8]) -> Option<u16> {
    octets.first_chunk().map(|octets| u16::from_be_bytes(*octets))
}

/// The attributes of a message, up to the first that does not fit.
pub(crate) fn attributes(message: &[u8]) -> impl Iterator<Item = RawAttribute<'_>> {
    let mut at = HEADER_LEN;
    std::iter::from_fn(move || {
        let (before, rest) = message.split_at_checked(at)?;
        let (kind, length) = (be16(rest)?, usize::from(be16(rest.get(2..)?)?));
        let value = rest.get(4..4 + length)?;
        at += 4 + length.next_multiple_of(4);
        Some(RawAttribute { kind, value, before })
    })
}

/// The first attribute of this type.
pub(crate) fn find(message: &[u8], kind: u16) -> Option<RawAttribute<'_>> {
    attributes(message).find(|attribute| attribute.kind == kind)
}

/// Appends an attribute, and counts it in the header's length. A value is at most a few hundred octets.
pub(crate) fn append(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend(kind.to_be_bytes());
    message.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
    message.extend_from_slice(value);
    message.resize(message.len().next_multiple_of(4), 0);
    let length = message.len() - HEADER_LEN;
    set_length(message, length);
}

/// Sets the length field.
pub(crate) fn set_length(message: &mut [u8], length: usize) {
    let length = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    if let Some(field) = message.get_mut(2..4) {
        field.copy_from_slice(&length);
    }
}

/// The start of a message with the length field as if it ended `more` octets behind: type and length,
/// and then the rest.
pub(crate) fn with_length(before: &[u8], more: usize) -> Option<([u8; 4], &[u8])> {
    let ([first, second, _, _], rest) = before.split_first_chunk::<4>()?;
    let [high, low] = u16::try_from(before.len().checked_sub(HEADER_LEN)? + more).ok()?.to_be_bytes();
    Some(([*first, *second, high, low], rest))
}

/// CRC-32 of ITU V.42, as in [RFC 1952 §8](https://www.rfc-editor.org/rfc/rfc1952#section-8).
fn crc32(parts: [&[u8]; 2]) -> u32 {
    let mut crc = u32::MAX;
    for octet in parts.into_iter().flatten() {
        crc ^= u32::from(*octet);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// The value of a FINGERPRINT attribute behind these octets ([RFC 8489 §14.7]).
///
/// [RFC 8489 §14.7]: https://www.rfc-editor.org/rfc/rfc8489#section-14.7
fn fingerprint(before: &[u8]) -> Option<u32> {
    let (start, rest) = with_length(before, 8)?;
    Some(crc32([&start, rest]) ^ 0x5354_554e)
}

/// Is there a FINGERPRINT, and is it right? `None` when there is none.
pub(crate) fn check_fingerprint(message: &[u8]) -> Option<bool> {
    let found = find(message, attribute::FINGERPRINT)?;
    Some(fingerprint(found.before).is_some_and(|right| found.value == right.to_be_bytes()))
}

/// Appends the FINGERPRINT.
pub(crate) fn append_fingerprint(message: &mut Vec<u8>) {
    if let Some(value) = fingerprint(message) {
        append(message, attribute::FINGERPRINT, &value.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 8489 §14.7 — the CRC is that of ITU V.42
    #[test]
    fn the_crc_is_the_common_one() {
        assert_eq!(crc32([b"12345", b"6789"]), 0xcbf4_3926);
    }

    #[test]
    fn attributes_that_do_not_fit_end_the_walk() {
        let mut message = vec![0; HEADER_LEN];
        append(&mut message, 0x8022, b"abc");
        append(&mut message, 0x8023, b"");
        let whole: Vec<u16> = attributes(&message).map(|found| found.kind).collect();
        assert_eq!(whole, [0x8022, 0x8023]);
        assert_eq!(message[2..4], [0, 12]);
        message.truncate(message.len() - 1);
        assert_eq!(attributes(&message).count(), 1);
    }
}

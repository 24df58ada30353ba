//! The little of STUN that SIP's own ports must speak ([RFC 5626 §8]): Binding requests and their answers, and nothing in
//! them but the address they came from.
//!
//! This is the limited server of RFC 5626 and its client, kept here so that the transport layer is whole by itself; all else
//! (credentials, retransmission by rules of its own, TURN) is the `stun` crate's.
//!
//! [RFC 5626 §8]: https://www.rfc-editor.org/rfc/rfc5626#section-8

use std::net::{IpAddr, SocketAddr};

/// Names one Binding request.
pub(crate) type TransactionId = [u8; 12];

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const REQUEST: u16 = 0x0001;
const INDICATION: u16 = 0x0011;
const SUCCESS: u16 = 0x0101;
const ERROR: u16 = 0x0111;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// The first attribute that a receiver may pass over.
const OPTIONAL: u16 = 0x8000;
/// At most so many attributes are looked at, or told to be unknown.
const ATTRIBUTES: usize = 32;

/// A STUN message on a SIP port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Binding {
    /// To be answered.
    Request,
    /// Keeps a NAT open, and is not answered.
    Indication,
    /// Where the server sees us; `None`: it did not say.
    Success(Option<SocketAddr>),
    Error,
}

/// Whether a datagram is STUN: SIP never begins with an octet below 4 (RFC 5626 §8).
pub(crate) fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 4) && datagram.get(4..8) == Some(&COOKIE)
}

/// Reads a message; `None` when it is malformed, or of another method.
pub(crate) fn parse(datagram: &[u8]) -> Option<(Binding, TransactionId)> {
    let (kind, rest) = word(datagram)?;
    let (length, rest) = word(rest)?;
    let (_, rest) = rest.split_at_checked(4)?;
    let (id, attributes) = rest.split_first_chunk::<12>()?;
    if attributes.len() != usize::from(length) || length % 4 != 0 {
        return None;
    }
    let binding = match kind {
        REQUEST => Binding::Request,
        INDICATION => Binding::Indication,
        SUCCESS => Binding::Success(
            Attributes(attributes)
                .take(ATTRIBUTES)
                .find(|(kind, _)| *kind == XOR_MAPPED_ADDRESS)
                .and_then(|(_, value)| address(value, id)),
        ),
        ERROR => Binding::Error,
        _ => return None,
    };
    Some((binding, *id))
}

/// A Binding request, without attributes as RFC 5626 §8 has it.
pub(crate) fn request(id: &TransactionId) -> Vec<u8> {
    message(REQUEST, id, &[])
}

/// The answer to a Binding request that came from `source`: its address, or 420 when it wants what we do not know
/// ([RFC 8489 §6.3.1]).
///
/// [RFC 8489 §6.3.1]: https://www.rfc-editor.org/rfc/rfc8489#section-6.3.1
pub(crate) fn answer(request: &[u8], id: &TransactionId, source: SocketAddr) -> Vec<u8> {
    let attributes = Attributes(request.get(20..).unwrap_or_default());
    let unknown: Vec<u8> = attributes
        .take(ATTRIBUTES)
        .filter(|(kind, _)| *kind < OPTIONAL)
        .flat_map(|(kind, _)| kind.to_be_bytes())
        .collect();
    let mut out = Vec::new();
    if unknown.is_empty() {
        attribute(&mut out, XOR_MAPPED_ADDRESS, &mapped(source, id));
        return message(SUCCESS, id, &out);
    }
    attribute(&mut out, ERROR_CODE, b"\0\0\x04\x14Unknown Attribute");
    attribute(&mut out, UNKNOWN_ATTRIBUTES, &unknown);
    message(ERROR, id, &out)
}

fn message(kind: u16, id: &TransactionId, attributes: &[u8]) -> Vec<u8> {
    // At most 32 attributes of two octets each are echoed: far from 64 kB.
    let length = u16::try_from(attributes.len()).unwrap_or_default();
    let mut out = Vec::with_capacity(20 + attributes.len());
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&COOKIE);
    out.extend_from_slice(id);
    out.extend_from_slice(attributes);
    out
}

fn attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// XOR-MAPPED-ADDRESS ([RFC 8489 §14.2]).
///
/// [RFC 8489 §14.2]: https://www.rfc-editor.org/rfc/rfc8489#section-14.2
fn mapped(address: SocketAddr, id: &TransactionId) -> Vec<u8> {
    let [high, low] = address.port().to_be_bytes();
    let [mask_high, mask_low, ..] = COOKIE;
    let family = if address.is_ipv4() { 1 } else { 2 };
    let mut out = vec![0, family, high ^ mask_high, low ^ mask_low];
    let masked = |octet: (u8, &u8)| octet.0 ^ octet.1;
    let mask = COOKIE.iter().chain(id);
    match address.ip() {
        IpAddr::V4(ip) => out.extend(ip.octets().into_iter().zip(mask).map(masked)),
        IpAddr::V6(ip) => out.extend(ip.octets().into_iter().zip(mask).map(masked)),
    }
    out
}

fn address(value: &[u8], id: &TransactionId) -> Option<SocketAddr> {
    let ([_, family, high, low], octets) = value.split_first_chunk::<4>()?;
    let [mask_high, mask_low, ..] = COOKIE;
    let port = u16::from_be_bytes([high ^ mask_high, low ^ mask_low]);
    let clear: Vec<u8> =
        octets.iter().zip(COOKIE.iter().chain(id)).map(|(octet, mask)| octet ^ mask).collect();
    let ip: IpAddr = match family {
        1 => <[u8; 4]>::try_from(octets.len().eq(&4).then_some(clear)?).ok()?.into(),
        2 => <[u8; 16]>::try_from(octets.len().eq(&16).then_some(clear)?).ok()?.into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn word(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (word, rest) = bytes.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*word), rest))
}

/// The attributes of a message, until one that is cut off.
struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, rest) = word(self.0)?;
        let (length, rest) = word(rest)?;
        let (value, _) = rest.split_at_checked(length.into())?;
        self.0 = rest.get(usize::from(length).next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: TransactionId = *b"abcdefghijkl";

    // rfc: 5626 §8 — a Binding request is answered with XOR-MAPPED-ADDRESS
    // rfc: 5626 §5.4 — edge proxies that serve UDP answer STUN keep-alives
    #[test]
    fn a_request_is_answered_with_its_own_address() {
        for source in ["192.0.2.1:5060", "[2001:db8::1]:40000"] {
            let source = source.parse().unwrap();
            let request = request(&ID);
            assert!(is_stun(&request));
            assert_eq!(parse(&request), Some((Binding::Request, ID)));
            let answer = answer(&request, &ID, source);
            assert_eq!(parse(&answer), Some((Binding::Success(Some(source)), ID)));
        }
    }

    // rfc: 5626 §4.4.2 — the first octet of SIP is never 0 or 1
    #[test]
    fn sip_and_line_ends_are_not_stun() {
        for text in [&b"OPTIONS sip:a SIP/2.0\r\n\r\n"[..], b"\r\n\r\n", b"", b"\0", &[0; 40]] {
            assert!(!is_stun(text));
        }
    }

    #[test]
    fn what_we_must_not_pass_over_is_told_back() {
        let mut attributes = Vec::new();
        attribute(&mut attributes, 0x0006, b"user");
        attribute(&mut attributes, 0x8022, b"name");
        let request = message(REQUEST, &ID, &attributes);
        let answer = answer(&request, &ID, "192.0.2.1:1".parse().unwrap());
        assert_eq!(parse(&answer), Some((Binding::Error, ID)));
        assert!(answer.ends_with(&[0x00, 0x0a, 0x00, 0x02, 0x00, 0x06, 0x00, 0x00]), "{answer:x?}");
    }

    #[test]
    fn what_is_cut_off_or_too_long_is_nothing() {
        let whole = answer(&request(&ID), &ID, "192.0.2.1:5060".parse().unwrap());
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length]), None, "{length}");
        }
        let mut longer = whole.clone();
        longer.extend_from_slice(&[0; 4]);
        assert_eq!(parse(&longer), None);
    }
}

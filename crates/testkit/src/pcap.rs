//! UDP payloads out of a capture file: classic pcap, Ethernet, IPv4 or IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::Datagram;

/// The UDP datagrams of a capture with their time since 1970, in order; other packets and fragments are skipped.
///
/// # Panics
/// When the octets are no little- or big-endian pcap file: the test names the wrong file.
#[must_use]
pub fn udp(capture: &[u8]) -> Vec<(Duration, Datagram)> {
    let magic: [u8; 4] = array(capture, 0).expect("a pcap file begins with its magic number");
    let (big_endian, nanoseconds) = match magic {
        [0xd4, 0xc3, 0xb2, 0xa1] => (false, false),
        [0x4d, 0x3c, 0xb2, 0xa1] => (false, true),
        [0xa1, 0xb2, 0xc3, 0xd4] => (true, false),
        [0xa1, 0xb2, 0x3c, 0x4d] => (true, true),
        _ => panic!("not a pcap file: {magic:02x?}"),
    };
    let number = |at: usize| {
        let octets = array(capture, at)?;
        Some(if big_endian { u32::from_be_bytes(octets) } else { u32::from_le_bytes(octets) })
    };
    let mut datagrams = Vec::new();
    let mut at = 24;
    while let (Some(seconds), Some(fraction), Some(length)) = (number(at), number(at + 4), number(at + 8)) {
        let length = usize::try_from(length).unwrap_or(usize::MAX - at - 16);
        let Some(frame) = capture.get(at + 16..at + 16 + length) else { break };
        let time = Duration::from_secs(seconds.into())
            + if nanoseconds {
                Duration::from_nanos(fraction.into())
            } else {
                Duration::from_micros(fraction.into())
            };
        datagrams.extend(ethernet(frame).map(|datagram| (time, datagram)));
        at += 16 + length;
    }
    datagrams
}

fn array<const N: usize>(octets: &[u8], at: usize) -> Option<[u8; N]> {
    octets.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn ethernet(frame: &[u8]) -> Option<Datagram> {
    let (mut at, mut kind) = (14, array::<2>(frame, 12)?);
    if kind == [0x81, 0x00] {
        (at, kind) = (18, array(frame, 16)?); // 802.1Q tag
    }
    let packet = frame.get(at..)?;
    match kind {
        [0x08, 0x00] => {
            let header = usize::from(packet.first()? & 0x0f) * 4;
            let fragment = u16::from_be_bytes(array(packet, 6)?) & 0x3fff;
            let [source, destination] = [12, 16].map(|at| array::<4>(packet, at).map(Ipv4Addr::from));
            (fragment == 0 && *packet.get(9)? == 17)
                .then(|| udp_datagram(packet.get(header..)?, source?.into(), destination?.into()))?
        }
        [0x86, 0xdd] => {
            let [source, destination] = [8, 24].map(|at| array::<16>(packet, at).map(Ipv6Addr::from));
            (*packet.get(6)? == 17)
                .then(|| udp_datagram(packet.get(40..)?, source?.into(), destination?.into()))?
        }
        _ => None,
    }
}

fn udp_datagram(packet: &[u8], source: IpAddr, destination: IpAddr) -> Option<Datagram> {
    let [from, to, length] = [0, 2, 4].map(|at| array::<2>(packet, at).map(u16::from_be_bytes));
    let bytes = packet.get(8..usize::from(length?))?.to_vec();
    Some(Datagram { from: SocketAddr::new(source, from?), to: SocketAddr::new(destination, to?), bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::hex;

    #[test]
    fn one_ipv4_datagram_is_found_and_the_frame_check_trailer_is_not_part_of_it() {
        let mut capture = hex("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000");
        capture.extend(hex("01000000 02000000 2f000000 2f000000"));
        capture.extend(hex("000000000000 000000000000 0800"));
        capture.extend(hex("4500 001f 0000 0000 40 11 0000 0a000001 0a000002"));
        capture.extend(hex("1388 1770 000b 0000 616263 0000"));
        let found = udp(&capture);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, Duration::from_secs(1) + Duration::from_micros(2));
        assert_eq!(found[0].1, Datagram::new("10.0.0.1:5000", "10.0.0.2:6000", b"abc"));
    }
}

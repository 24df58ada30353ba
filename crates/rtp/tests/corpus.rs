//! Captures of real calls, and malformed datagrams of other projects' fuzzers, read where they lie.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test may panic"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use rtp::rtcp::{self, Compound};
use rtp::session::{Event, Input, Output};
use rtp::source::SourceStatistics;
use rtp::telephone_event::Notice;
use rtp::{ClockRate, Packet, RtpSession, SessionConfig, Source};
use testkit::vectors::{corpus, octets, text};
use testkit::{Clock, Datagram};

/// The UDP datagrams of a capture (little-endian pcap; Ethernet or Linux "cooked" frames; IPv4), and their times.
fn datagrams(path: &Path) -> Vec<(Duration, Datagram)> {
    let capture = octets(path);
    let word = |at: usize| u32::from_le_bytes(capture[at..at + 4].try_into().unwrap());
    assert_eq!(word(0), 0xA1B2_C3D4, "{}", path.display());
    let link_header = match word(20) {
        1 => 14,
        113 => 16,
        other => panic!("{}: link type {other}", path.display()),
    };
    let mut datagrams = Vec::new();
    let mut at = 24;
    while at + 16 <= capture.len() {
        let time = Duration::new(word(at).into(), word(at + 4) * 1_000);
        let len = word(at + 8) as usize;
        let frame = &capture[at + 16..at + 16 + len];
        at += 16 + len;
        let (ether_type, ip) = (&frame[link_header - 2..link_header], &frame[link_header..]);
        if ether_type != [8, 0] || ip[9] != 17 {
            continue;
        }
        let udp = &ip[4 * usize::from(ip[0] & 15)..];
        let pair = |at: usize| u16::from_be_bytes([udp[at], udp[at + 1]]);
        let address = |ip_at: usize, port_at: usize| {
            let ip: [u8; 4] = ip[ip_at..ip_at + 4].try_into().unwrap();
            SocketAddr::from((Ipv4Addr::from(ip), pair(port_at)))
        };
        let bytes = udp[8..usize::from(pair(4)).min(udp.len())].to_vec();
        datagrams.push((time, Datagram { from: address(12, 0), to: address(16, 2), bytes }));
    }
    datagrams
}

/// A line of `*.streams.tsv`: what tshark found out about one stream.
#[derive(Debug)]
struct Expected {
    from: SocketAddr,
    ssrc: u32,
    payloads: String,
    packets: u64,
    lost: i64,
    max_jitter_ms: f64,
}

fn expected_streams(path: &Path) -> Vec<Expected> {
    let read = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        Expected {
            from: columns[0].parse().unwrap(),
            ssrc: u32::from_str_radix(columns[2].trim_start_matches("0x"), 16).unwrap(),
            payloads: columns[3].into(),
            packets: columns[4].parse().unwrap(),
            lost: columns[5].parse().unwrap(),
            max_jitter_ms: columns[11].parse().unwrap(),
        }
    };
    text(path).lines().skip(1).map(read).collect()
}

/// Feeds the packets of one stream to a `Source`.
fn receive(capture: &[(Duration, Datagram)], stream: &Expected) -> SourceStatistics {
    let clock = Clock::new();
    let start = capture[0].0;
    let mut source = Source::new(clock.now(), stream.ssrc, ClockRate::HZ_8000);
    for (time, datagram) in capture.iter().filter(|(_, datagram)| datagram.from == stream.from) {
        let Ok(packet) = Packet::new(&datagram.bytes) else { continue };
        if packet.ssrc() == stream.ssrc {
            let now = clock.now() + (*time - start);
            source.handle_packet(now, packet.sequence_number(), packet.timestamp());
        }
    }
    source.statistics()
}

// rfc: 3550 §A.3 — loss in captures is what another tool counts
// rfc: 3550 §A.8 — jitter in captures is what another tool computes
#[test]
fn loss_and_jitter_are_what_tshark_finds() {
    let Some(folder) = corpus(env!("CARGO_MANIFEST_DIR"), "rtp") else { return };
    let mut streams = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let Some(stem) = path.to_str().and_then(|name| name.strip_suffix(".streams.tsv")) else { continue };
        let capture = datagrams(Path::new(&format!("{stem}.pcap")));
        for stream in expected_streams(&path) {
            streams += 1;
            let found = receive(&capture, &stream);
            assert_eq!((found.received, found.lost), (stream.packets, stream.lost), "{stem}: {stream:?}");
            // tshark leaves telephone events out of the jitter; RFC 4733 §2.5.2.2 wants them in.
            if !stream.payloads.contains("rtpevent") {
                let jitter_ms = found.max_jitter.as_secs_f64() * 1_000.0;
                assert!((jitter_ms - stream.max_jitter_ms).abs() < 0.001, "{stem}: {jitter_ms}, {stream:?}");
            }
        }
    }
    assert!(streams >= 12, "only {streams} streams in the corpus");
}

/// The keys that a session hears in a capture, when `payload_type` is its telephone event.
fn keys(path: &Path, payload_type: u8) -> (String, Vec<Duration>) {
    let mut clock = Clock::new();
    let config = SessionConfig::default().telephone_events(Some(payload_type), None);
    let mut session = RtpSession::new(clock.now(), config, [1; 32]);
    let (mut pressed, mut released, mut lengths) = (String::new(), String::new(), Vec::new());
    let mut drain = |session: &mut RtpSession| {
        while let Some(output) = session.poll_output() {
            match output {
                Output::Event(Event::Digit(Notice::Started { event, .. })) => pressed.push(event.to_char()),
                Output::Event(Event::Digit(Notice::Ended { event, duration, confirmed, .. })) => {
                    released.push(event.to_char());
                    lengths.push(duration);
                    assert!(confirmed);
                }
                _ => {}
            }
        }
    };
    let capture = datagrams(path);
    let (base, start) = (clock.now(), capture[0].0);
    for (time, datagram) in &capture {
        clock.advance_to(base + (*time - start));
        if Packet::new(&datagram.bytes).is_ok() {
            session.handle_input(clock.now(), Input::datagram(&datagram.bytes, datagram.from));
            drain(&mut session);
        }
    }
    clock.advance(Duration::from_secs(1));
    session.handle_timeout(clock.now());
    drain(&mut session);
    assert_eq!(pressed, released, "{}", path.display());
    (pressed, lengths)
}

// rfc: 4733 §2.5.2.2 — digits of real phones, each once
#[test]
fn digits_of_real_phones_are_heard_once() {
    let Some(folder) = corpus(env!("CARGO_MANIFEST_DIR"), "rtp") else { return };
    for (file, key) in [("0", "0"), ("2", "2"), ("4", "4"), ("6", "6"), ("8", "8"), ("star", "*")] {
        let (pressed, lengths) = keys(&folder.join(format!("dtmf-2833-{file}.pcap")), 101);
        assert_eq!(pressed, key);
        assert!((Duration::from_millis(50)..Duration::from_millis(400)).contains(&lengths[0]), "{lengths:?}");
    }
    let (pressed, _) = keys(&folder.join("ulaw-dtmf-a.pcap"), 101);
    assert_eq!(pressed, "2013785496");
}

/// Reads all that the views can say of a datagram.
fn dissect(datagram: &[u8]) -> usize {
    let mut octets = 0;
    if let Ok(packet) = Packet::new(datagram) {
        octets += packet.header_len() + packet.payload().len() + packet.padding_len();
        assert_eq!(octets, datagram.len());
        octets += packet.csrcs().count();
        if let Some(extension) = packet.extension() {
            octets += extension.elements().map(|element| element.data.len()).sum::<usize>();
        }
    }
    for compound in [Compound::new(datagram), Compound::reduced_size(datagram)].into_iter().flatten() {
        for packet in compound.packets() {
            octets += 4;
            match packet {
                rtcp::Packet::SenderReport(report) => octets += report.blocks().count(),
                rtcp::Packet::ReceiverReport(report) => octets += report.blocks().count(),
                rtcp::Packet::SourceDescription(sdes) => {
                    octets += sdes.chunks().flat_map(|chunk| chunk.items()).count();
                }
                rtcp::Packet::Feedback(feedback) => {
                    octets += feedback.lost().count() + feedback.intra_requests().count();
                }
                rtcp::Packet::ExtendedReport(report) => {
                    octets += report.blocks().count() + report.voip_metrics().count()
                }
                rtcp::Packet::Bye(bye) => octets += bye.ssrcs().count() + bye.reason.map_or(0, <[u8]>::len),
                _ => {}
            }
        }
    }
    octets
}

#[test]
fn hostile_datagrams_do_no_harm() {
    let Some(folder) = corpus(env!("CARGO_MANIFEST_DIR"), "rtp") else { return };
    let clock = Clock::new();
    let from: SocketAddr = "192.0.2.1:5004".parse().unwrap();
    let mut session = RtpSession::new(clock.now(), SessionConfig::default(), [2; 32]);
    let mut files = 0;
    for sub_folder in ["hostile", "rtcp"] {
        for entry in std::fs::read_dir(folder.join(sub_folder)).unwrap() {
            files += 1;
            let whole = octets(&entry.unwrap().path());
            for cut in 0..=whole.len() {
                dissect(&whole[..cut]);
            }
            let mut bent = whole.clone();
            for at in 0..bent.len().min(64) {
                for bit in 0..8 {
                    bent[at] ^= 1 << bit;
                    dissect(&bent);
                    session.handle_input(clock.now(), Input::Rtp { bytes: &bent, from });
                    session.handle_input(clock.now(), Input::Rtcp { bytes: &bent, from });
                    while session.poll_output().is_some() {}
                    session.play(clock.now());
                    bent[at] ^= 1 << bit;
                }
            }
        }
    }
    assert!(files >= 15, "only {files} files");
}

// rfc: 3550 §A.2 — compounds off the wire pass the checks
#[test]
fn compounds_of_real_endpoints_are_read() {
    let Some(folder) = corpus(env!("CARGO_MANIFEST_DIR"), "rtp") else { return };
    for entry in std::fs::read_dir(folder.join("rtcp")).unwrap() {
        let path = entry.unwrap().path();
        let datagram = octets(&path);
        let compound = Compound::new(&datagram).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut packets = compound.packets();
        let report = packets.next().unwrap();
        assert!(matches!(report, rtcp::Packet::SenderReport(_) | rtcp::Packet::ReceiverReport(_)));
        let Some(rtcp::Packet::SourceDescription(sdes)) = packets.next() else {
            panic!("{}: no description", path.display());
        };
        let chunk = sdes.chunks().next().unwrap();
        assert!(sdes.cname_of(chunk.ssrc).is_some_and(|cname| cname.len() >= 3), "{}", path.display());
        assert!(packets.next().is_none());
    }
}

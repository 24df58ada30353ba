//! What is written is read again, whatever it is; and the jitter buffer against a model of three lines.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use rtp::jitter_buffer::{Arrived, Insert, Pop};
use rtp::rtcp::{
    App, Compound, CompoundBuilder, Packet as Rtcp, ReportBlock, SdesItem, SdesKind, SenderInfo,
};
use rtp::seq::{self, Extender};
use rtp::{
    ClockRate, Element, Extension, JitterBuffer, JitterConfig, NtpTime, Packet, PacketBuilder, RtpTime,
};
use testkit::Clock;

prop_compose! {
    fn report_block()(
        ssrc: u32, fraction_lost: u8, cumulative_lost in -0x80_0000..=0x7F_FFFF_i32, highest_sequence_number: u32,
        jitter: u32, last_sr: u32, delay_since_last_sr: u32,
    ) -> ReportBlock {
        ReportBlock {
            ssrc, fraction_lost, cumulative_lost, highest_sequence_number, jitter, last_sr, delay_since_last_sr }
    }
}

prop_compose! {
    fn sender_info()(ntp: u64, rtp: u32, packet_count: u32, octet_count: u32) -> SenderInfo {
        SenderInfo { ntp: NtpTime(ntp), rtp: RtpTime(rtp), packet_count, octet_count }
    }
}

fn payload_type() -> impl Strategy<Value = u8> {
    prop_oneof![0..64_u8, 96..128_u8]
}

proptest! {
    // rfc: 3550 §5.1 — what is written is read again
    #[test]
    fn packets_are_read_as_written(
        payload_type in payload_type(), sequence_number: u16, timestamp: u32, ssrc: u32, marker: bool,
        csrcs in vec(any::<u32>(), 0..=15), payload in vec(any::<u8>(), 0..200), padding: u8,
        extension in proptest::option::of((any::<u16>(), vec(any::<[u8; 4]>(), 0..20))),
    ) {
        let data = extension.as_ref().map(|(_, words)| words.concat());
        let mut builder = PacketBuilder::new(payload_type, sequence_number, RtpTime(timestamp), ssrc)
            .marker(marker).csrcs(&csrcs).payload(&payload).padding(padding);
        let extension = extension.as_ref().zip(data.as_ref()).map(|((profile, _), data)| Extension { profile: *profile, data });
        if let Some(extension) = extension {
            builder = builder.extension(extension);
        }
        let mut buffer = vec![0xEE; 1_000];
        let len = builder.write(&mut buffer).unwrap();
        let packet = Packet::new(&buffer[..len]).unwrap();
        prop_assert_eq!(packet.payload_type(), payload_type);
        prop_assert_eq!(packet.sequence_number(), sequence_number);
        prop_assert_eq!(packet.timestamp(), RtpTime(timestamp));
        prop_assert_eq!(packet.ssrc(), ssrc);
        prop_assert_eq!(packet.marker(), marker);
        prop_assert_eq!(packet.csrcs().collect::<Vec<_>>(), &csrcs[..]);
        prop_assert_eq!(packet.extension(), extension);
        prop_assert_eq!(packet.payload(), &payload[..]);
        prop_assert_eq!(packet.padding_len(), usize::from(padding));
        let mut header = vec![0; 1_000];
        prop_assert_eq!(builder.write_header(&mut header).unwrap(), packet.header_len());
        prop_assert_eq!(&header[..packet.header_len()], &buffer[..packet.header_len()]);
    }

    // rfc: 8285 §4.2 — one-byte elements where they fit
    // rfc: 8285 §4.3 — two-byte elements where one does not
    #[test]
    fn extension_elements_are_read_as_written(elements in vec((1_u8..=255, vec(any::<u8>(), 0..40)), 1..8)) {
        let elements: Vec<Element> = elements.iter().map(|(id, data)| Element { id: *id, data }).collect();
        let mut buffer = vec![0xEE; 1_000];
        let len = PacketBuilder::new(0, 0, RtpTime(0), 0).elements(&elements).payload(b"x").write(&mut buffer).unwrap();
        let packet = Packet::new(&buffer[..len]).unwrap();
        let extension = packet.extension().unwrap();
        prop_assert_eq!(extension.elements().collect::<Vec<_>>(), &elements[..]);
        let short = elements.iter().all(|element| element.id < 15 && (1..=16).contains(&element.data.len()));
        prop_assert_eq!(extension.profile == 0xBEDE, short);
        prop_assert_eq!(packet.payload(), b"x");
    }

    #[test]
    fn any_octets_are_refused_or_fully_read(octets in vec(any::<u8>(), 0..120), first in 0x80..=0xBF_u8) {
        let mut octets = octets;
        if let Some(flags) = octets.first_mut() { *flags = first; }
        if let Ok(packet) = Packet::new(&octets) {
            prop_assert_eq!(packet.header_len() + packet.payload().len() + packet.padding_len(), octets.len());
            let elements = packet.extension().map_or(0, |extension| extension.elements().count());
            prop_assert!(elements <= octets.len());
        }
    }

    // rfc: 3550 §6.4 — reports, descriptions and goodbyes are read as written
    #[test]
    fn compounds_are_read_as_written(
        ssrc: u32, info in sender_info(), blocks in vec(report_block(), 0..=31),
        texts in vec((1_u8..=8, vec(any::<u8>(), 0..=255)), 0..4),
        leaving in vec(any::<u32>(), 0..=31), reason in vec(any::<u8>(), 1..=255),
        subtype in 0..32_u8, name: [u8; 4], data in vec(any::<[u8; 4]>(), 0..10),
    ) {
        let items: Vec<SdesItem> =
            texts.iter().map(|(kind, value)| SdesItem { kind: SdesKind(*kind), value }).collect();
        let data = data.concat();
        let app = App { subtype, ssrc, name, data: &data };
        let mut buffer = vec![0xEE; 8_000];
        let mut builder = CompoundBuilder::new(&mut buffer);
        builder.sender_report(ssrc, &info, &blocks).unwrap();
        builder.receiver_report(ssrc, &blocks).unwrap();
        builder.source_description(&[(ssrc, &items), (!ssrc, &[])]).unwrap();
        builder.app(&app).unwrap();
        builder.bye(&leaving, &reason).unwrap();
        let len = builder.finish();
        let packets: Vec<Rtcp> = Compound::new(&buffer[..len]).unwrap().packets().collect();
        let [
            Rtcp::SenderReport(sr), Rtcp::ReceiverReport(rr), Rtcp::SourceDescription(sdes), Rtcp::App(read), Rtcp::Bye(bye),
        ] = &packets[..] else { return Err(TestCaseError::fail(format!("{packets:?}"))) };
        prop_assert_eq!((sr.ssrc, sr.info), (ssrc, info));
        prop_assert_eq!(sr.blocks().collect::<Vec<_>>(), &blocks[..]);
        prop_assert_eq!(rr.blocks().collect::<Vec<_>>(), &blocks[..]);
        let chunks: Vec<_> = sdes.chunks().collect();
        prop_assert_eq!(chunks.iter().map(|chunk| chunk.ssrc).collect::<Vec<_>>(), [ssrc, !ssrc]);
        prop_assert_eq!(chunks[0].items().collect::<Vec<_>>(), &items[..]);
        prop_assert_eq!(*read, app);
        prop_assert_eq!(bye.ssrcs().collect::<Vec<_>>(), &leaving[..]);
        prop_assert_eq!(bye.reason, Some(&reason[..]));
    }

    #[test]
    fn any_compound_is_refused_or_iterated_to_its_end(octets in vec(any::<u8>(), 0..100), kind in 192..=223_u8) {
        let mut octets = octets;
        if octets.len() >= 4 {
            octets[0] = 0x80 | (octets[0] & 31);
            octets[1] = kind;
            let words = u8::try_from(octets.len() / 4 - 1).unwrap();
            octets[2..4].copy_from_slice(&[0, words]);
        }
        if let Ok(compound) = Compound::reduced_size(&octets) {
            let packets = compound.packets().count();
            prop_assert!((1..=octets.len() / 4).contains(&packets));
        }
    }

    // rfc: 3550 §A.1 — wrap-around: an extender follows any walk of steps below half the range
    #[test]
    fn extended_numbers_follow_every_walk(start in 40_000_u64..1 << 40, steps in vec(-20_000_i64..30_000, 0..100)) {
        let mut extender = Extender::new();
        let low = |number: u64| u16::try_from(number & 0xFFFF).unwrap();
        let offset = start - extender.extend(low(start));
        let (mut number, mut highest) = (start, start);
        for step in steps {
            let next = number.saturating_add_signed(step);
            if highest.abs_diff(next) < 1 << 15 && next > offset + 40_000 {
                number = next;
                prop_assert_eq!(extender.extend(low(number)) + offset, number);
                highest = highest.max(number);
            }
        }
        prop_assert_eq!(extender.highest().map(|highest| highest + offset), Some(highest));
    }

    #[test]
    fn distance_undoes_addition(from: u16, step in -32_768_i32..32_768) {
        let to = from.wrapping_add_signed(i16::try_from(step).unwrap());
        prop_assert_eq!(i32::from(seq::distance(from, to)), step);
        prop_assert_eq!(seq::is_newer(to, from), step > 0);
    }

    #[test]
    fn durations_survive_the_media_clock(hz in 1_u32..200_000, ticks in 0_u64..1 << 40) {
        let rate = ClockRate::new(hz).unwrap();
        let back = rate.ticks(rate.duration(ticks) + Duration::from_nanos(1));
        prop_assert_eq!(back, ticks);
    }

    /// The model: of the packets that were accepted in time, each is played once, in order, with its own payload.
    #[test]
    fn the_jitter_buffer_plays_what_it_took_in_order_and_once(
        first: u16, stamp: u32, arrivals in vec((0_u16..60, 0_u64..40), 1..150),
    ) {
        let clock = Clock::new();
        let mut buffer = JitterBuffer::new(JitterConfig::default());
        let (mut taken, mut played) = (Vec::new(), Vec::new());
        let (mut late, mut duplicates) = (0, 0);
        let mut ms = 0;
        let mut ticks = 0;
        for (index, (ahead, wait)) in arrivals.iter().enumerate() {
            // Around packet n at about 20·n ms, so that all belong to one stream.
            let number = u16::try_from(index).unwrap() / 2 + ahead % 4 + u16::from(*ahead > 55) * 3;
            let packet = Arrived {
                sequence_number: first.wrapping_add(number),
                timestamp: RtpTime(stamp).plus(u32::from(number) * 160),
                payload_type: 0,
                marker: false,
                payload: &number.to_be_bytes(),
            };
            match buffer.insert(clock.now() + Duration::from_millis(ms), packet) {
                Insert::Queued => taken.push(number),
                Insert::Late => late += 1,
                Insert::Duplicate => duplicates += 1,
                Insert::TooLong => return Err(TestCaseError::fail("two octets are not too long")),
            }
            ms += wait % 21;
            ticks = pop_until(&mut buffer, &clock, ms, ticks, &mut played);
        }
        pop_until(&mut buffer, &clock, ms + 3_000, ticks, &mut played);
        let statistics = buffer.statistics();
        prop_assert!(played.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", played);
        taken.sort_unstable();
        prop_assert_eq!(statistics.queued, 0);
        prop_assert_eq!(taken.len() as u64, statistics.played + statistics.skipped);
        prop_assert!(played.iter().all(|number| taken.binary_search(number).is_ok()));
        prop_assert_eq!(played.len() as u64, statistics.played);
        prop_assert_eq!((statistics.late, statistics.duplicates), (late, duplicates));
        prop_assert_eq!(statistics.inserted, arrivals.len() as u64);
    }
}

/// Plays in real time up to `ms`, when `ticks` have been played before.
fn pop_until(
    buffer: &mut JitterBuffer,
    clock: &Clock,
    ms: u64,
    mut ticks: u64,
    played: &mut Vec<u16>,
) -> u64 {
    while ticks < ms * 8 {
        let now = clock.now() + Duration::from_micros(ticks * 125);
        ticks += match buffer.pop(now) {
            Pop::Frame(frame) => {
                played.push(u16::from_be_bytes(frame.payload.try_into().unwrap()));
                160
            }
            Pop::Lost { ticks } | Pop::Stretch { ticks } | Pop::Silence { ticks } => u64::from(ticks),
        };
    }
    ticks
}

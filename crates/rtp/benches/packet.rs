//! Packets, RTCP, jitter buffer and session: time and allocations.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use divan::{Bencher, black_box, counter::ItemsCount};
use rtp::jitter_buffer::Arrived;
use rtp::rtcp::{Compound, CompoundBuilder, ReportBlock, SdesItem, SenderInfo};
use rtp::session::{Input, Outgoing};
use rtp::{JitterBuffer, JitterConfig, Packet, PacketBuilder, RtpSession, RtpTime, SessionConfig};

#[global_allocator]
static ALLOCATIONS: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

#[expect(clippy::disallowed_methods, reason = "the base of a virtual clock")]
fn start() -> Instant {
    Instant::now()
}

fn packet() -> [u8; 172] {
    let mut buffer = [0; 172];
    PacketBuilder::new(0, 7, RtpTime(160), 1).payload(&[0xFF; 160]).write(&mut buffer).expect("it fits");
    buffer
}

#[divan::bench]
fn read(bencher: Bencher<'_, '_>) {
    let octets = packet();
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| {
        let packet = Packet::new(black_box(&octets[..])).expect("a packet");
        (
            packet.ssrc(),
            packet.sequence_number(),
            packet.timestamp(),
            packet.payload_type(),
            packet.payload().len(),
        )
    });
}

#[divan::bench]
fn write(bencher: Bencher<'_, '_>) {
    let (payload, mut buffer) = ([0xFF; 160], [0; 172]);
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| {
        let builder = PacketBuilder::new(0, black_box(7), RtpTime(160), 1).payload(black_box(&payload));
        builder.write(black_box(&mut buffer)).expect("it fits")
    });
}

#[divan::bench]
fn rtcp_write_and_read(bencher: Bencher<'_, '_>) {
    let mut buffer = [0; 256];
    bencher.bench_local(|| {
        let mut builder = CompoundBuilder::new(&mut buffer);
        builder.sender_report(1, &SenderInfo::default(), &[ReportBlock::default()]).expect("it fits");
        builder.source_description(&[(1, &[SdesItem::cname(b"bench@192.0.2.1")])]).expect("it fits");
        let len = builder.finish();
        Compound::new(black_box(buffer.get(..len).unwrap_or_default()))
            .expect("just written")
            .packets()
            .count()
    });
}

/// One packet in and one out, with packets swapped now and then.
#[divan::bench(args = [160, 1_000])]
fn jitter_insert_and_pop(bencher: Bencher<'_, '_>, len: usize) {
    let (start, payload) = (start(), vec![0xFF; len]);
    let mut buffer = JitterBuffer::new(JitterConfig::default());
    let mut turn = 0_u32;
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| {
        turn = turn.wrapping_add(1);
        let now = start + Duration::from_millis(20) * turn;
        let number = if turn.is_multiple_of(10) { turn + 1 } else { turn - u32::from(turn % 10 == 1) };
        let [.., a, b] = number.to_be_bytes();
        let packet = Arrived {
            sequence_number: u16::from_be_bytes([a, b]),
            timestamp: RtpTime(number.wrapping_mul(160)),
            payload_type: 0,
            marker: false,
            payload: black_box(&payload),
        };
        buffer.insert(now, packet);
        black_box(buffer.pop(now));
    });
}

/// A packet through a session: built by one, taken in and played by another.
#[divan::bench]
fn session_send_receive_play(bencher: Bencher<'_, '_>) {
    let start = start();
    let from: SocketAddr = ([192, 0, 2, 1], 4_000).into();
    let mut sender = RtpSession::new(start, SessionConfig::default(), [1; 32]);
    let mut receiver = RtpSession::new(start, SessionConfig::default(), [2; 32]);
    let (payload, mut buffer, mut turn) = ([0xFF; 160], [0; 200], 0_u32);
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| {
        turn = turn.wrapping_add(1);
        let now = start + Duration::from_millis(20) * turn;
        let outgoing = Outgoing { payload_type: 0, marker: false, payload: &payload, ticks: 160 };
        let len = sender.send(now, outgoing, &mut buffer).expect("it fits");
        let bytes = buffer.get(..len).unwrap_or_default();
        receiver.handle_input(now, Input::datagram(black_box(bytes), from));
        black_box(receiver.play(now));
    });
}

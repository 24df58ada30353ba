//! RFC 3550: the examples and the algorithms of its text.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::net::SocketAddr;
use std::time::Duration;

use rtp::jitter_buffer::Pop;
use rtp::rtcp::{self, Compound, CompoundBuilder, ReportBlock, SdesItem, SenderInfo};
use rtp::session::{Event, Input, Outgoing, Output, SendError};
use rtp::source::Verdict;
use rtp::{ClockRate, NtpTime, Packet, PacketBuilder, RtpSession, RtpTime, SessionConfig, Source};
use testkit::Clock;

const PEER: u32 = 0x0BAD_CAFE;

fn peer() -> SocketAddr {
    "192.0.2.1:4000".parse().unwrap()
}

fn source(clock: &Clock) -> Source {
    Source::new(clock.now(), PEER, ClockRate::HZ_8000)
}

/// Feeds packets 20 ms apart; the numbers decide the timestamps.
fn feed(source: &mut Source, clock: &mut Clock, numbers: impl IntoIterator<Item = u16>) -> Vec<Verdict> {
    let verdict = |number: u16| {
        clock.advance(Duration::from_millis(20));
        source.handle_packet(clock.now(), number, RtpTime(u32::from(number) * 160))
    };
    numbers.into_iter().map(verdict).collect()
}

// rfc: 3550 §5.1 — the fixed header, octet for octet
#[test]
fn the_fixed_header_is_laid_out_as_drawn() {
    let mut buffer = [0xEE; 64];
    let len = PacketBuilder::new(0x5A, 0x1234, RtpTime(0x5678_9ABC), 0xDEF0_1122)
        .marker(true)
        .csrcs(&[0xA1A2_A3A4])
        .payload(b"xyz")
        .padding(5)
        .write(&mut buffer);
    assert!(len.is_err(), "payload types 64 to 95 collide with RTCP");
    let len = PacketBuilder::new(0x3A, 0x1234, RtpTime(0x5678_9ABC), 0xDEF0_1122)
        .marker(true)
        .csrcs(&[0xA1A2_A3A4])
        .payload(b"xyz")
        .padding(5)
        .write(&mut buffer)
        .unwrap();
    let expected = [
        0xA1, 0xBA, 0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0xDE, 0xF0, 0x11, 0x22, 0xA1, 0xA2, 0xA3, 0xA4, b'x',
        b'y', b'z', 0, 0, 0, 0, 5,
    ];
    assert_eq!(buffer[..len], expected);
    let packet = Packet::new(&buffer[..len]).unwrap();
    assert_eq!((packet.payload_type(), packet.marker()), (0x3A, true));
    assert_eq!((packet.payload(), packet.padding_len()), (&b"xyz"[..], 5));
}

// rfc: 3550 §5.3.1 — an extension of length zero is valid
#[test]
fn an_extension_may_be_empty() {
    let octets = [0x90, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xAB, 0xCD, 0, 0, 9];
    let packet = Packet::new(&octets).unwrap();
    let extension = packet.extension().unwrap();
    assert_eq!((extension.profile, extension.data, packet.payload()), (0xABCD, &[][..], &[9][..]));
}

// rfc: 3550 §A.1 — a source is valid after two packets in sequence
#[test]
fn two_packets_in_sequence_make_a_source_valid() {
    let mut clock = Clock::new();
    let mut source = source(&clock);
    use Verdict::{Probation, Valid};
    assert_eq!(
        feed(&mut source, &mut clock, [10, 20, 30, 31, 32]),
        [Probation, Probation, Probation, Valid, Valid]
    );
    let statistics = source.statistics();
    assert_eq!((statistics.received, statistics.expected, statistics.lost), (3, 3, 0));
}

// rfc: 3550 §A.1 — a wrap counts a cycle, and what came late from before it does not
#[test]
fn wraps_are_counted() {
    let mut clock = Clock::new();
    let mut source = source(&clock);
    let verdicts = feed(&mut source, &mut clock, [65_533, 65_534, 0, 65_535, 1]);
    assert!(verdicts[1..].iter().all(|verdict| *verdict == Verdict::Valid));
    let statistics = source.statistics();
    assert_eq!((statistics.highest_sequence_number, statistics.lost), (0x1_0001, 0));
    let mut early = Source::new(clock.now(), PEER, ClockRate::HZ_8000);
    feed(&mut early, &mut clock, [65_535, 0, 1]);
    assert_eq!((early.statistics().expected, early.statistics().lost), (3, 0));
}

// rfc: 3550 §A.1 — a large jump is a restart only when its successor follows
#[test]
fn a_jump_is_believed_the_second_time() {
    let mut clock = Clock::new();
    let mut source = source(&clock);
    feed(&mut source, &mut clock, 100..110);
    use Verdict::{Implausible, Restarted, Valid};
    assert_eq!(feed(&mut source, &mut clock, [40_000, 110, 40_001]), [Implausible, Valid, Restarted]);
    let statistics = source.statistics();
    assert_eq!((statistics.received, statistics.expected, statistics.lost), (1, 1, 0));
    assert_eq!(feed(&mut source, &mut clock, [39_950, 39_000, 43_000]), [Valid, Implausible, Valid]);
    assert_eq!(source.statistics().lost, 43_000 - 40_001 + 1 - 3);
}

// rfc: 3550 §A.3 — loss, also since the last report, negative with duplicates
#[test]
fn loss_is_expected_less_received() {
    let mut clock = Clock::new();
    let mut source = source(&clock);
    feed(&mut source, &mut clock, (0..100).filter(|n| n % 4 != 3));
    let block = source.report_block(clock.now());
    assert_eq!((block.cumulative_lost, block.fraction_lost), (24, u8::try_from(24 * 256 / 99).unwrap()));
    feed(&mut source, &mut clock, 99..150);
    let block = source.report_block(clock.now());
    assert_eq!((block.cumulative_lost, block.fraction_lost), (24, 0));
    feed(&mut source, &mut clock, [149; 30]);
    let block = source.report_block(clock.now());
    assert_eq!((block.cumulative_lost, block.fraction_lost), (-6, 0));
    assert_eq!(block.highest_sequence_number, 149);
}

// rfc: 3550 §A.8 — jitter is the smoothed deviation of the spacing, in timestamp units
#[test]
fn jitter_follows_the_formula() {
    let mut clock = Clock::new();
    let mut source = source(&clock);
    let mut expected = 0.0_f64;
    for number in 0..40_u16 {
        // Every other packet comes 5 ms (40 ticks) late.
        let step = if number % 2 == 0 { 15 } else { 25 };
        clock.advance(Duration::from_millis(step));
        source.handle_packet(clock.now(), number, RtpTime(u32::from(number) * 160));
        if number > 0 {
            expected += (40.0 - expected) / 16.0;
        }
    }
    let jitter = f64::from(source.report_block(clock.now()).jitter);
    assert!((expected - 1.0..=expected).contains(&jitter), "{jitter}, expected {expected}");
    assert!((source.statistics().jitter.as_secs_f64() * 8_000.0 - expected).abs() < 0.01);
}

// rfc: 3550 §6.4.1 — LSR and DLSR come from the last sender report
#[test]
fn a_report_names_the_last_sender_report() {
    let mut clock = Clock::new();
    let mut source = source(&clock);
    feed(&mut source, &mut clock, 0..3);
    assert_eq!(source.report_block(clock.now()).last_sr, 0);
    let info = SenderInfo { ntp: NtpTime(0xB44D_B705_2000_0000), ..SenderInfo::default() };
    source.handle_sender_report(clock.now(), info);
    clock.advance(Duration::from_millis(5_250));
    let block = source.report_block(clock.now());
    assert_eq!((block.last_sr, block.delay_since_last_sr), (0xB705_2000, 0x0005_4000));
}

fn session(clock: &Clock, seed: u8) -> RtpSession {
    RtpSession::new(clock.now(), SessionConfig::default().cname("tests@192.0.2.9"), [seed; 32])
}

fn send(session: &mut RtpSession, clock: &Clock) -> Vec<u8> {
    let mut buffer = vec![0; 200];
    let outgoing = Outgoing { payload_type: 0, marker: false, payload: &[0xFF; 160], ticks: 160 };
    let len = session.send(clock.now(), outgoing, &mut buffer).unwrap();
    buffer.truncate(len);
    buffer
}

/// The next compound that the session sends, at the time it is due.
fn next_report(session: &mut RtpSession, clock: &mut Clock) -> Vec<u8> {
    for _ in 0..100 {
        while let Some(output) = session.poll_output() {
            if let Output::Rtcp(compound) = output {
                return compound;
            }
        }
        clock.advance_to(session.poll_timeout().unwrap());
        session.handle_timeout(clock.now());
    }
    panic!("no report");
}

// rfc: 3550 §5.1 — sequence number, timestamp and SSRC start at random
// rfc: 3550 §5.1 — the sequence number grows by one, the timestamp by the samples, also of a silence
#[test]
fn numbers_start_at_random_and_grow_evenly() {
    let clock = Clock::new();
    let mut firsts = Vec::new();
    for seed in 0..8 {
        let mut session = session(&clock, seed);
        let octets = [send(&mut session, &clock), send(&mut session, &clock)];
        session.pause(1_600);
        let after = send(&mut session, &clock);
        let [first, second, third] = [&octets[0], &octets[1], &after].map(|o| Packet::new(&o[..]).unwrap());
        assert_eq!(second.sequence_number(), first.sequence_number().wrapping_add(1));
        assert_eq!(second.timestamp(), first.timestamp().plus(160));
        assert_eq!(third.sequence_number(), second.sequence_number().wrapping_add(1));
        assert_eq!(third.timestamp(), second.timestamp().plus(160 + 1_600));
        assert_eq!((first.marker(), second.marker(), third.marker()), (false, false, true));
        firsts.push((first.sequence_number(), first.timestamp().0, first.ssrc()));
    }
    let mut numbers: Vec<u32> = firsts.iter().flat_map(|(a, b, c)| [u32::from(*a), *b, *c]).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 24);
}

// rfc: 3550 §6.1 — a compound starts with SR or RR and has the CNAME
// rfc: 3550 §6.4 — who sends reports with SR, who does not with RR
#[test]
fn reports_begin_with_sr_or_rr_and_name_the_sender() {
    let mut clock = Clock::new();
    let mut session = session(&clock, 3);
    let compound = next_report(&mut session, &mut clock);
    let packets: Vec<_> = Compound::new(&compound).unwrap().packets().collect();
    let [rtcp::Packet::ReceiverReport(report), rtcp::Packet::SourceDescription(sdes)] = &packets[..] else {
        panic!("{packets:?}")
    };
    assert_eq!((report.ssrc, report.blocks().count()), (session.ssrc(), 0));
    assert_eq!(sdes.cname_of(session.ssrc()), Some(&b"tests@192.0.2.9"[..]));

    let packet = send(&mut session, &clock);
    let stamp = Packet::new(&packet[..]).unwrap().timestamp();
    let sent_at = clock.now();
    let compound = next_report(&mut session, &mut clock);
    let Some(rtcp::Packet::SenderReport(report)) = Compound::new(&compound).unwrap().packets().next() else {
        panic!("no SR")
    };
    assert_eq!((report.info.packet_count, report.info.octet_count), (1, 160));
    assert_eq!(report.info.rtp, stamp.after(clock.now() - sent_at, ClockRate::HZ_8000));

    for expected in ["SR", "RR"] {
        let compound = next_report(&mut session, &mut clock);
        let first = Compound::new(&compound).unwrap().packets().next();
        assert_eq!(matches!(first, Some(rtcp::Packet::SenderReport(_))), expected == "SR", "{expected}");
    }
}

// rfc: 3550 §6.4.1 — the round trip is A - LSR - DLSR
#[test]
fn two_sessions_measure_their_round_trip() {
    let mut clock = Clock::new();
    let (mut alice, mut bob) = (session(&clock, 4), session(&clock, 5));
    let one_way = Duration::from_millis(35);
    for _ in 0..3 {
        let packet = send(&mut alice, &clock);
        bob.handle_input(clock.now() + one_way, Input::datagram(&packet, peer()));
    }
    let report = next_report(&mut alice, &mut clock);
    bob.handle_input(clock.now() + one_way, Input::datagram(&report, peer()));
    clock.advance(one_way);
    let answer = next_report(&mut bob, &mut clock);
    clock.advance(one_way);
    alice.handle_input(clock.now(), Input::datagram(&answer, peer()));
    let Some(Output::Event(Event::Reported { block, round_trip: Some(round_trip) })) = alice.poll_output()
    else {
        panic!("nothing was reported")
    };
    assert_eq!((block.ssrc, block.cumulative_lost), (alice.ssrc(), 0));
    assert!(round_trip.abs_diff(2 * one_way) < Duration::from_millis(1), "{round_trip:?}");
    assert_eq!(alice.statistics().round_trip, Some(round_trip));
}

// rfc: 3550 §6.3.7 — who sent says goodbye, who did not leaves silently
#[test]
fn only_who_sent_says_goodbye() {
    let clock = Clock::new();
    let mut silent = session(&clock, 6);
    silent.bye(clock.now());
    assert_eq!((silent.poll_output(), silent.poll_timeout()), (None, None));

    let mut session = session(&clock, 7);
    send(&mut session, &clock);
    session.bye(clock.now());
    session.bye(clock.now());
    let Some(Output::Rtcp(compound)) = session.poll_output() else { panic!("no BYE") };
    let Some(rtcp::Packet::Bye(bye)) = Compound::new(&compound).unwrap().packets().last() else {
        panic!("no BYE")
    };
    assert_eq!(bye.ssrcs().collect::<Vec<_>>(), [session.ssrc()]);
    assert_eq!((session.poll_output(), session.poll_timeout()), (None, None));
    let outgoing = Outgoing { payload_type: 0, marker: false, payload: &[], ticks: 160 };
    assert_eq!(session.send(clock.now(), outgoing, &mut [0; 64]), Err(SendError::Left));
}

fn packet(ssrc: u32, number: u16) -> Vec<u8> {
    let mut buffer = vec![0; 172];
    let stamp = RtpTime(u32::from(number) * 160);
    PacketBuilder::new(0, number, stamp, ssrc).payload(&[0; 160]).write(&mut buffer).unwrap();
    buffer
}

fn events(session: &mut RtpSession) -> Vec<Event> {
    let event = |output| match output {
        Output::Event(event) => Some(event),
        Output::Rtcp(_) => None,
    };
    std::iter::from_fn(|| session.poll_output()).filter_map(event).collect()
}

// rfc: 3550 §8.2 — who finds its SSRC in use says BYE for it and takes another, once for each address
#[test]
fn a_collision_with_our_ssrc_is_resolved_once() {
    let clock = Clock::new();
    let mut session = session(&clock, 8);
    send(&mut session, &clock);
    let old = session.ssrc();
    session.handle_input(clock.now(), Input::datagram(&packet(old, 1), peer()));
    let Some(Output::Rtcp(compound)) = session.poll_output() else { panic!("no BYE") };
    let Some(rtcp::Packet::Bye(bye)) = Compound::new(&compound).unwrap().packets().last() else {
        panic!("no BYE")
    };
    assert_eq!(bye.ssrcs().collect::<Vec<_>>(), [old]);
    let new = session.ssrc();
    assert_ne!(old, new);
    assert_eq!(events(&mut session), [Event::Collision { old, new }]);
    // Our own packets, looped: they are not fled from a second time.
    session.handle_input(clock.now(), Input::datagram(&packet(new, 2), peer()));
    assert_eq!((session.ssrc(), session.poll_output()), (new, None));
}

// rfc: 3550 §8.2 — of two colliding sources the established one is kept, unless it has moved
#[test]
fn a_stranger_with_the_ssrc_of_a_source_is_ignored_until_that_is_silent() {
    let mut clock = Clock::new();
    let mut session = session(&clock, 9);
    let stranger: SocketAddr = "198.51.100.1:4000".parse().unwrap();
    for number in 0..10 {
        session.handle_input(clock.now(), Input::datagram(&packet(PEER, number), peer()));
        session.handle_input(clock.now(), Input::datagram(&packet(PEER, 500 + number), stranger));
        clock.advance(Duration::from_millis(20));
    }
    assert_eq!(session.statistics().ignored, 10);
    assert_eq!(session.statistics().source.unwrap().received, 10);
    clock.advance(Duration::from_secs(1));
    session.handle_input(clock.now(), Input::datagram(&packet(PEER, 70), stranger));
    assert_eq!(session.statistics().source.unwrap().received, 11);
}

// rfc: 3550 §8.2 — a new SSRC is a new source, with statistics of its own
// rfc: 3550 §6.6 — BYE ends a source; only the source itself may send it
#[test]
fn a_source_changes_its_ssrc_and_leaves() {
    let mut clock = Clock::new();
    let mut session = session(&clock, 10);
    for (ssrc, first) in [(1, 100), (2, 9_000)] {
        for number in first..first + 5 {
            session.handle_input(clock.now(), Input::datagram(&packet(ssrc, number), peer()));
            clock.advance(Duration::from_millis(20));
        }
        assert_eq!(events(&mut session), [Event::Playing { ssrc }]);
    }
    let source = session.statistics().source.unwrap();
    assert_eq!((source.received, source.lost), (5, 0));

    let mut buffer = [0; 64];
    let mut builder = CompoundBuilder::new(&mut buffer);
    builder.receiver_report(2, &[]).unwrap().bye(&[2], b"").unwrap();
    let len = builder.finish();
    let stranger: SocketAddr = "198.51.100.1:4000".parse().unwrap();
    let ignored = session.statistics().ignored;
    session.handle_input(clock.now(), Input::datagram(&buffer[..len], stranger));
    assert_eq!((events(&mut session), session.statistics().ignored), (vec![], ignored + 1));
    session.handle_input(clock.now(), Input::datagram(&buffer[..len], peer()));
    assert_eq!(events(&mut session), [Event::Left { ssrc: 2, bye: true }]);
}

#[test]
fn who_comes_after_a_goodbye_is_played_from_its_first_packet() {
    let mut clock = Clock::new();
    let mut session = session(&clock, 13);
    let mut played = Vec::new();
    for (ssrc, first) in [(1, 60_000), (2, 100)] {
        for number in first..first + 10 {
            session.handle_input(clock.now(), Input::datagram(&packet(ssrc, number), peer()));
            clock.advance(Duration::from_millis(20));
            if let Pop::Frame(frame) = session.play(clock.now()) {
                played.push(frame.sequence_number);
            }
        }
        let mut buffer = [0; 64];
        let mut builder = CompoundBuilder::new(&mut buffer);
        builder.receiver_report(ssrc, &[]).unwrap().bye(&[ssrc], b"").unwrap();
        let len = builder.finish();
        session.handle_input(clock.now(), Input::datagram(&buffer[..len], peer()));
    }
    let (before, after): (Vec<u16>, Vec<u16>) = played.iter().partition(|number| **number >= 60_000);
    assert!(before.len() >= 8 && after.len() >= 8, "{played:?}");
    assert_eq!((before[0], after[0]), (60_000, 100));
    assert_eq!(session.statistics().jitter.lost, 0);
}

// rfc: 3550 §6.3.5 — a source that is silent for five intervals is forgotten
#[test]
fn a_silent_source_times_out() {
    let mut clock = Clock::new();
    let mut session = session(&clock, 11);
    for number in 0..5 {
        session.handle_input(clock.now(), Input::datagram(&packet(PEER, number), peer()));
    }
    assert_eq!(events(&mut session), [Event::Playing { ssrc: PEER }]);
    let start = clock.now();
    while clock.now() - start < Duration::from_secs(40) {
        clock.advance_to(session.poll_timeout().unwrap());
        session.handle_timeout(clock.now());
        if events(&mut session) == [Event::Left { ssrc: PEER, bye: false }] {
            assert!(clock.now() - start >= Duration::from_secs(25));
            return;
        }
    }
    panic!("it was never forgotten");
}

// rfc: 3550 §6.4.2 — sources heard since the last report are reported on, others are not
#[test]
fn only_who_sent_since_the_last_report_is_reported_on() {
    let mut clock = Clock::new();
    let mut session = session(&clock, 12);
    for number in 0..5 {
        session.handle_input(clock.now(), Input::datagram(&packet(PEER, number), peer()));
    }
    let blocks = |compound: &[u8]| -> Vec<u32> {
        let Some(rtcp::Packet::ReceiverReport(report)) = Compound::new(compound).unwrap().packets().next()
        else {
            panic!("no RR")
        };
        report.blocks().map(|block: ReportBlock| block.ssrc).collect()
    };
    assert_eq!(blocks(&next_report(&mut session, &mut clock)), [PEER]);
    assert_eq!(blocks(&next_report(&mut session, &mut clock)), []);
}

// rfc: 3550 §6.5 — an SDES packet, octet for octet
#[test]
fn a_source_description_is_laid_out_as_drawn() {
    let mut buffer = [0xEE; 32];
    let mut builder = CompoundBuilder::new(&mut buffer);
    builder.source_description(&[(0x0102_0304, &[SdesItem::cname(b"ab")])]).unwrap();
    let len = builder.finish();
    assert_eq!(buffer[..len], [0x81, 202, 0, 3, 1, 2, 3, 4, 1, 2, b'a', b'b', 0, 0, 0, 0]);
}

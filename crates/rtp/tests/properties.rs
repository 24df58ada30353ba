//! Whatever comes, and in whatever order: no panic (and no overflow, as tests check arithmetic), bounded queues,
//! time that moves on.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::net::SocketAddr;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use rtp::jitter_buffer::{Arrived, Pop};
use rtp::report::{ReportConfig, ReportSchedule};
use rtp::rtcp::{CompoundBuilder, ReportBlock, SenderInfo};
use rtp::session::{Input, Outgoing};
use rtp::telephone_event::{Notice, Receiver, TelephoneEvent};
use rtp::{
    ClockRate, JitterBuffer, JitterConfig, NtpTime, PacketBuilder, RtpSession, RtpTime, SessionConfig, Source,
};
use testkit::Clock;

/// Something that happens to a session.
#[derive(Clone, Debug)]
enum Step {
    Rtp { ssrc: u32, number: u16, stamp: u32, payload_type: u8, payload: Vec<u8>, host: u8 },
    Report { ssrc: u32, block: ReportBlock, info: Option<SenderInfo>, bye: bool, host: u8 },
    Noise { octets: Vec<u8>, rtcp: bool },
    Wait { millis: u64 },
    Play,
    Send,
    Press { code: u8 },
    OwnSsrc,
    Bye,
}

fn number() -> impl Strategy<Value = u16> {
    prop_oneof![0_u16..20, 65_500_u16..=65_535, any::<u16>()]
}

fn stamp() -> impl Strategy<Value = u32> {
    prop_oneof![0_u32..4_000, (u32::MAX - 4_000)..=u32::MAX, Just(1 << 31), any::<u32>()]
}

fn block() -> impl Strategy<Value = ReportBlock> {
    (0_u32..4, any::<u32>(), any::<u32>()).prop_map(|(ssrc, last_sr, delay_since_last_sr)| ReportBlock {
        ssrc,
        last_sr,
        delay_since_last_sr,
        ..ReportBlock::default()
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0_u32..4, number(), stamp(), prop_oneof![Just(0_u8), Just(13), Just(101)], vec(any::<u8>(), 0..20), 0_u8..3)
            .prop_map(|(ssrc, number, stamp, payload_type, payload, host)| {
                Step::Rtp { ssrc, number, stamp, payload_type, payload, host }
            }),
        2 => (0_u32..4, block(), proptest::option::of(any::<(u64, u32)>()), any::<bool>(), 0_u8..3).prop_map(
            |(ssrc, block, info, bye, host)| {
                let info = info.map(|(ntp, rtp)| SenderInfo { ntp: NtpTime(ntp), rtp: RtpTime(rtp), ..SenderInfo::default() });
                Step::Report { ssrc, block, info, bye, host }
            }
        ),
        1 => (vec(any::<u8>(), 0..60), any::<bool>()).prop_map(|(octets, rtcp)| Step::Noise { octets, rtcp }),
        4 => prop_oneof![0_u64..60, 0_u64..20_000, Just(100_000_000)].prop_map(|millis| Step::Wait { millis }),
        6 => Just(Step::Play),
        3 => Just(Step::Send),
        1 => (0_u8..=16).prop_map(|code| Step::Press { code }),
        1 => Just(Step::OwnSsrc),
        1 => Just(Step::Bye),
    ]
}

fn rtp(ssrc: u32, number: u16, stamp: u32, payload_type: u8, payload: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0; 64];
    let builder = PacketBuilder::new(payload_type, number, RtpTime(stamp), ssrc).payload(payload);
    let len = builder.write(&mut buffer).unwrap();
    buffer.truncate(len);
    buffer
}

proptest! {
    #[test]
    fn a_session_survives_everything(steps in vec(step(), 1..120), seed: u8) {
        let mut clock = Clock::new();
        let config = SessionConfig::default().telephone_events(Some(101), Some(101));
        let mut session = RtpSession::new(clock.now(), config, [seed; 32]);
        let from = |host: u8| SocketAddr::from(([192, 0, 2, host], 4_000));
        let mut buffer = [0; 256];
        for step in steps {
            let now = clock.now();
            match step {
                Step::Rtp { ssrc, number, stamp, payload_type, payload, host } => {
                    let bytes = rtp(ssrc, number, stamp, payload_type, &payload);
                    session.handle_input(now, Input::Rtp { bytes: &bytes, from: from(host) });
                }
                Step::Report { ssrc, mut block, info, bye, host } => {
                    if block.ssrc == 3 { block.ssrc = session.ssrc(); }
                    let mut builder = CompoundBuilder::new(&mut buffer);
                    match info {
                        Some(info) => builder.sender_report(ssrc, &info, &[block]).unwrap(),
                        None => builder.receiver_report(ssrc, &[block]).unwrap(),
                    };
                    if bye { builder.bye(&[ssrc], b"").unwrap(); }
                    let len = builder.finish();
                    session.handle_input(now, Input::Rtcp { bytes: &buffer[..len], from: from(host) });
                }
                Step::Noise { octets, rtcp: false } => {
                    session.handle_input(now, Input::Rtp { bytes: &octets, from: from(0) });
                }
                Step::Noise { octets, rtcp: true } => {
                    session.handle_input(now, Input::Rtcp { bytes: &octets, from: from(0) });
                }
                Step::Wait { millis } => {
                    clock.advance(Duration::from_millis(millis));
                    session.handle_timeout(clock.now());
                }
                Step::Play => match session.play(now) {
                    Pop::Frame(frame) => prop_assert!(frame.payload.len() <= 60),
                    Pop::Lost { ticks } | Pop::Stretch { ticks } | Pop::Silence { ticks } => {
                        prop_assert!((1..=960).contains(&ticks), "{} ticks", ticks);
                    }
                },
                Step::Send => {
                    let outgoing = Outgoing { payload_type: 0, marker: false, payload: &[0; 160], ticks: 160 };
                    let _ = if session.is_pressing() {
                        session.send_digit(now, 160, &mut buffer).map(Option::unwrap_or_default)
                    } else {
                        session.send(now, outgoing, &mut buffer)
                    };
                }
                Step::Press { code } => {
                    let _ = session.press(TelephoneEvent::new(code).unwrap(), Duration::from_millis(50));
                }
                Step::OwnSsrc => {
                    let bytes = rtp(session.ssrc(), 1, 2, 0, b"");
                    session.handle_input(now, Input::Rtp { bytes: &bytes, from: from(9) });
                }
                Step::Bye => session.bye(now),
            }
            let outputs = std::iter::from_fn(|| session.poll_output()).count();
            prop_assert!(outputs <= 256);
            if let Some(due) = session.poll_timeout() {
                session.handle_timeout(due.max(clock.now()));
                prop_assert_ne!(session.poll_timeout(), Some(due), "time stands still");
            }
            prop_assert!(session.statistics().jitter.queued <= 64);
        }
    }

    #[test]
    fn a_jitter_buffer_survives_everything(
        steps in vec((number(), stamp(), 0_u64..200, any::<bool>(), 0_u8..3), 1..200),
        slots in 0_usize..12, min in 0_u64..500, max in 0_u64..500,
    ) {
        let mut clock = Clock::new();
        let [min, max] = [min, max].map(Duration::from_millis);
        let config = JitterConfig::default().capacity(slots, 10).delay(min, max, max);
        let mut buffer = JitterBuffer::new(config);
        for (sequence_number, stamp, wait, audio, pops) in steps {
            let timestamp = RtpTime(stamp);
            if audio {
                let payload = &sequence_number.to_be_bytes();
                let packet = Arrived { sequence_number, timestamp, payload_type: 0, marker: false, payload };
                buffer.insert(clock.now(), packet);
            } else {
                buffer.insert_placeholder(sequence_number, timestamp);
            }
            prop_assert!(buffer.statistics().queued <= slots.max(2));
            clock.advance(Duration::from_millis(wait));
            for _ in 0..pops {
                if let Pop::Frame(frame) = buffer.pop(clock.now()) {
                    prop_assert_eq!(frame.payload, frame.sequence_number.to_be_bytes());
                }
            }
        }
    }

    /// For each start there is one end, and nothing starts before what was down has gone up again, unless it was overtaken.
    #[test]
    fn every_key_that_goes_down_goes_up(
        reports in vec((stamp(), vec(any::<[u8; 4]>(), 0..4), 0_u64..400), 1..60), hz in 1_u32..100_000,
    ) {
        let mut clock = Clock::new();
        let mut receiver = Receiver::new(ClockRate::new(hz).unwrap());
        let (mut started, mut ended) = (Vec::new(), Vec::new());
        for (stamp, payload, wait) in reports {
            receiver.handle_packet(clock.now(), RtpTime(stamp), &payload.concat());
            clock.advance(Duration::from_millis(wait));
            receiver.handle_timeout(clock.now());
            while let Some(notice) = receiver.poll() {
                match notice {
                    Notice::Started { event, timestamp, .. } => started.push((event, timestamp)),
                    Notice::Ended { event, timestamp, .. } => ended.push((event, timestamp)),
                    _ => unreachable!("there are no others"),
                }
            }
            prop_assert!(started.len() <= ended.len() + 1);
        }
        receiver.reset();
        while let Some(Notice::Ended { event, timestamp, .. }) = receiver.poll() {
            ended.push((event, timestamp));
        }
        let sort = |list: &mut Vec<(TelephoneEvent, RtpTime)>| list.sort_by_key(|(event, at)| (at.0, event.code()));
        sort(&mut started);
        sort(&mut ended);
        prop_assert_eq!(started, ended);
    }

    #[test]
    fn a_source_survives_everything(packets in vec((number(), stamp(), 0_u64..100_000), 1..100)) {
        let mut clock = Clock::new();
        let mut source = Source::new(clock.now(), 1, ClockRate::HZ_90000);
        for (number, stamp, wait) in packets {
            clock.advance(Duration::from_millis(wait));
            source.handle_packet(clock.now(), number, RtpTime(stamp));
            let statistics = source.statistics();
            prop_assert_eq!(statistics.lost, statistics.expected as i64 - statistics.received as i64);
            source.report_block(clock.now());
        }
    }

    // rfc: 3550 §6.3.1 — the interval stays between its bounds, whatever the group and the bandwidth
    #[test]
    fn reports_never_crowd(
        members in vec((1_usize..100_000, 0_usize..100_000, 0_usize..2_000), 1..30), bandwidth in 0.0_f64..1e6, seed: u8,
    ) {
        let mut clock = Clock::new();
        let config = ReportConfig::default().bandwidth(bandwidth);
        let mut schedule = ReportSchedule::new(clock.now(), config, [seed; 32]);
        let mut last = None;
        for (members, senders, octets) in members {
            schedule.set_members(clock.now(), members, senders);
            schedule.received(octets, false);
            let before = clock.now();
            clock.advance_to(schedule.next());
            prop_assert!(clock.now() - before <= Duration::from_secs(3_600 * 3 / 2));
            if schedule.is_due(clock.now()) {
                schedule.sent(clock.now(), octets);
                if let Some(last) = last.replace(clock.now()) {
                    let floor = Duration::from_secs_f64(2.5 / 1.218_28 / 100_000.0);
                    prop_assert!(clock.now() - last >= floor);
                }
            }
        }
    }
}

//! Two sessions and a bad line between them, in virtual time; the seed decides what goes wrong.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test may panic"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rtp::jitter_buffer::{JitterStatistics, Pop};
use rtp::session::{Event, Input, Outgoing, Output};
use rtp::telephone_event::{Notice, TelephoneEvent};
use rtp::{RtpSession, RtpTime, SessionConfig};
use testkit::{Clock, Datagram, Impairment, Link, Rng};

const EVENT: u8 = 101;
const FRAME: Duration = Duration::from_millis(20);

fn addresses() -> [SocketAddr; 2] {
    ["192.0.2.1:4000", "192.0.2.2:4000"].map(|address| address.parse().unwrap())
}

fn session(clock: &Clock, seed: u8) -> RtpSession {
    let config = SessionConfig::default().telephone_events(Some(EVENT), Some(EVENT));
    RtpSession::new(clock.now(), config, [seed; 32])
}

/// What the listener played.
#[derive(Debug, Default)]
struct Heard {
    /// Numbers, in the order in which they were played; the payload bears them.
    frames: Vec<u32>,
    /// Ticks played in all, and those made up.
    ticks: u64,
    made_up: u64,
    /// Longest time from sending a packet to playing it, after the first five seconds.
    longest: Duration,
    /// Frames sent.
    sent: u64,
    keys: String,
    released: String,
    statistics: JitterStatistics,
}

/// A talks, B listens. A's clock runs `skew_ppm` fast; `press` says what A does with each frame.
struct Call {
    clock: Clock,
    link: Link,
    sessions: [RtpSession; 2],
    skew_ppm: i64,
    /// When each numbered frame was sent.
    sent: Vec<Instant>,
    heard: Heard,
}

impl Call {
    fn new(seed: u64, impairment: Impairment) -> Self {
        let clock = Clock::new();
        let [a, b, ..] = seed.to_le_bytes();
        let sessions = [session(&clock, a ^ 0x55), session(&clock, b ^ 0xAA)];
        let link = Link::new(seed, impairment);
        Self { clock, link, sessions, skew_ppm: 0, sent: Vec::new(), heard: Heard::default() }
    }

    /// Lets A speak for `length` and B listen until all has arrived.
    fn run(mut self, length: Duration) -> Heard {
        let [from, to] = addresses();
        let start = self.clock.now();
        let end = start + length;
        let step = FRAME.mul_f64(1.0 - f64::from(i32::try_from(self.skew_ppm).unwrap()) / 1e6);
        let (mut next_send, mut next_play) = (start, start + Duration::from_millis(7));
        let mut owed = 0_i64;
        while self.clock.now() < end + Duration::from_secs(2) {
            let timeouts = self.sessions.iter().filter_map(RtpSession::poll_timeout);
            let sending = (next_send < end).then_some(next_send);
            let next = timeouts.chain(sending).chain(self.link.poll_timeout()).chain([next_play]).min();
            self.clock.advance_to(next.unwrap());
            let now = self.clock.now();
            self.sessions.iter_mut().for_each(|session| session.handle_timeout(now));
            if sending.is_some_and(|at| at <= now) {
                self.speak();
                next_send += step;
            }
            while let Some(datagram) = self.link.receive(now) {
                let receiver = usize::from(datagram.to == to);
                self.sessions[receiver].handle_input(now, Input::datagram(&datagram.bytes, datagram.from));
            }
            if next_play <= now {
                next_play += FRAME;
                owed += 160;
                while owed > 0 {
                    owed -= i64::from(self.play(now > start + Duration::from_secs(5)));
                }
            }
            for (index, [from, to]) in [[from, to], [to, from]].into_iter().enumerate() {
                while let Some(output) = self.sessions[index].poll_output() {
                    match output {
                        Output::Rtcp(bytes) => self.link.send(now, Datagram { from, to, bytes }),
                        Output::Event(event) => self.note(&event),
                    }
                }
            }
        }
        self.heard.sent = self.sent.len() as u64;
        self.heard.statistics = self.sessions[1].statistics().jitter;
        self.heard
    }

    fn speak(&mut self) {
        let (now, [from, to]) = (self.clock.now(), addresses());
        let mut buffer = [0; 200];
        if self.sessions[0].is_pressing() {
            match self.sessions[0].send_digit(now, 160, &mut buffer).unwrap() {
                Some(len) => self.link.send(now, Datagram { from, to, bytes: buffer[..len].to_vec() }),
                None => self.sessions[0].pause(160),
            }
            return;
        }
        let mut payload = [0xFF; 160];
        let number = u32::try_from(self.sent.len()).unwrap();
        payload[..4].copy_from_slice(&number.to_be_bytes());
        let outgoing = Outgoing { payload_type: 0, marker: false, payload: &payload, ticks: 160 };
        let len = self.sessions[0].send(now, outgoing, &mut buffer).unwrap();
        self.sent.push(now);
        self.link.send(now, Datagram { from, to, bytes: buffer[..len].to_vec() });
    }

    /// Plays one thing at B and says how many ticks it was.
    fn play(&mut self, steady: bool) -> u32 {
        let now = self.clock.now();
        let ticks = match self.sessions[1].play(now) {
            Pop::Frame(frame) => {
                let number = u32::from_be_bytes(frame.payload[..4].try_into().unwrap());
                self.heard.frames.push(number);
                if steady {
                    self.heard.longest = self.heard.longest.max(now - self.sent[number as usize]);
                }
                160
            }
            Pop::Lost { ticks } | Pop::Stretch { ticks } | Pop::Silence { ticks } => {
                self.heard.made_up += u64::from(ticks);
                ticks
            }
        };
        self.heard.ticks += u64::from(ticks);
        assert!(ticks > 0);
        ticks
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::Digit(Notice::Started { event, .. }) => self.heard.keys.push(event.to_char()),
            Event::Digit(Notice::Ended { event, .. }) => self.heard.released.push(event.to_char()),
            _ => {}
        }
    }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Frames are played in order, each once.
fn assert_order(heard: &Heard, seed: u64) {
    assert!(heard.frames.windows(2).all(|pair| pair[0] < pair[1]), "seed {seed}: out of order or twice");
}

#[test]
fn a_perfect_line_loses_nothing_and_adds_little_delay() {
    for seed in 0..20 {
        let heard = Call::new(seed, Impairment::default()).run(Duration::from_secs(20));
        assert_order(&heard, seed);
        assert_eq!(heard.frames.len(), 1_000, "seed {seed}: {:?}", heard.statistics);
        assert!(heard.longest <= millis(10 + 60), "seed {seed}: {:?}", heard.longest);
        assert_eq!((heard.statistics.late, heard.statistics.lost), (0, 0));
    }
}

#[test]
fn reordered_and_doubled_packets_are_put_right() {
    for seed in 0..50 {
        let line = Impairment::default().delay(millis(10)).jitter(millis(10)).reorder(0.1).double(0.1);
        let heard = Call::new(seed, line).run(Duration::from_secs(30));
        assert_order(&heard, seed);
        let statistics = heard.statistics;
        assert!(heard.frames.len() >= 1_470, "seed {seed}: {} {statistics:?}", heard.frames.len());
        assert!(statistics.duplicates > 80, "seed {seed}: {statistics:?}");
    }
}

#[test]
fn jitter_up_to_200_ms_costs_delay_but_few_packets() {
    for seed in 0..40 {
        let jitter = 40 * (seed % 6);
        let line = Impairment::default().delay(millis(20)).jitter(millis(jitter)).reorder(0.02);
        let heard = Call::new(seed, line).run(Duration::from_secs(60));
        assert_order(&heard, seed);
        let missing = 3_000 - heard.frames.len();
        assert!(missing <= 90, "seed {seed}, jitter {jitter}: {missing} missing, {:?}", heard.statistics);
        let bound = millis(20 + 300 + 80);
        assert!(
            heard.longest <= bound,
            "seed {seed}, jitter {jitter}: {:?} {:?}",
            heard.longest,
            heard.statistics
        );
    }
}

#[test]
fn lost_packets_are_all_that_is_missing() {
    for seed in 0..30 {
        let loss = [0.01, 0.05, 0.1, 0.2, 0.3][usize::try_from(seed % 5).unwrap()];
        let line = Impairment::default().delay(millis(15)).jitter(millis(15)).loss(loss);
        let heard = Call::new(seed, line).run(Duration::from_secs(60));
        assert_order(&heard, seed);
        let arrived = 1.0 - heard.frames.len() as f64 / 3_000.0;
        assert!((arrived - loss).abs() < 0.03, "seed {seed}, loss {loss}: {arrived} {:?}", heard.statistics);
        assert!(heard.longest <= millis(15 + 15 + 100), "seed {seed}, loss {loss}: {:?}", heard.longest);
    }
}

#[test]
fn clocks_that_differ_do_not_drift_apart_in_an_hour() {
    for (skew_ppm, seconds) in [(-200, 1_200), (200, 3_600)] {
        let mut call = Call::new(7, Impairment::default().jitter(millis(20)));
        call.skew_ppm = skew_ppm;
        let heard = call.run(Duration::from_secs(seconds));
        assert_order(&heard, 7);
        assert!(heard.longest <= millis(130), "{skew_ppm} ppm: {:?} {:?}", heard.longest, heard.statistics);
        // 200 ppm of an hour are 0.72 s: 36 frames to skip or to stretch.
        let made_up = heard.sent - heard.frames.len() as u64 + heard.statistics.stretched;
        assert!(made_up < 100, "{skew_ppm} ppm: {made_up} made up, {:?}", heard.statistics);
    }
}

#[test]
fn a_line_that_stalls_recovers_within_seconds() {
    for seed in 0..10 {
        let clock = Clock::new();
        let mut buffer = rtp::JitterBuffer::new(rtp::JitterConfig::default());
        let mut rng = Rng::new(seed);
        let stall = 2_000 + rng.below(3_000);
        let (mut played, mut late_played) = (0, Vec::new());
        let mut queue = Vec::new();
        for ms in 0..30_000_u64 {
            let now = clock.now() + millis(ms);
            if ms % 20 == 0 {
                queue.push((ms, u16::try_from(ms / 20).unwrap()));
            }
            // Nothing gets through from 10 s on, and then all at once.
            if !(10_000..10_000 + stall).contains(&ms) {
                for (sent, number) in queue.drain(..) {
                    let timestamp = RtpTime(u32::from(number) * 160);
                    let payload = sent.to_be_bytes();
                    let packet = rtp::jitter_buffer::Arrived {
                        sequence_number: number,
                        timestamp,
                        payload_type: 0,
                        marker: false,
                        payload: &payload,
                    };
                    buffer.insert(now, packet);
                }
            }
            if ms % 20 == 13
                && let Pop::Frame(frame) = buffer.pop(now)
            {
                played += 1;
                let sent = u64::from_be_bytes(frame.payload.try_into().unwrap());
                if ms > 10_000 + stall + 8_000 {
                    late_played.push(ms - sent);
                }
            }
        }
        assert!(played > 1_500 - (stall / 20) - 100, "seed {seed}, stall {stall}: {played} played");
        let worst = late_played.iter().max().unwrap();
        assert!(
            *worst <= 100,
            "seed {seed}, stall {stall}: still {worst} ms late, {:?}",
            buffer.statistics()
        );
    }
}

// rfc: 4733 §2.6.1 — digits arrive exactly once at 20 % loss
#[test]
fn every_digit_arrives_exactly_once_up_to_20_percent_loss() {
    let keys = "159*0#D";
    for seed in 0..60 {
        let loss = f64::from(u32::try_from(seed % 3).unwrap()) * 0.1;
        let line =
            Impairment::default().delay(millis(20)).jitter(millis(40)).loss(loss).double(0.05).reorder(0.05);
        let mut call = Call::new(1_000 + seed, line);
        for key in keys.chars() {
            call.sessions[0].press(TelephoneEvent::from_char(key).unwrap(), millis(100)).unwrap();
        }
        let heard = call.run(Duration::from_secs(5));
        assert_eq!(heard.released.len(), keys.len(), "seed {seed}, loss {loss}");
        let sorted = |text: &str| {
            let mut keys: Vec<char> = text.chars().collect();
            keys.sort_unstable();
            keys
        };
        assert_eq!(sorted(&heard.keys), sorted(keys), "seed {seed}, loss {loss}");
        assert_eq!(sorted(&heard.released), sorted(keys), "seed {seed}, loss {loss}");
        if loss == 0.0 {
            assert_eq!(heard.keys, keys, "seed {seed}");
        }
    }
}

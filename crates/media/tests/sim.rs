//! Two sessions over a bad link in virtual time.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use media::measure::{compare, test_signal};
use media::session::Component;
use media::{Agreement, CodecId, Config, Event, Input, Output, Session, Source, SrtpKeys};
use sdp::Direction;
use srtp::{MasterKey, Profile};
use testkit::{Datagram, Impairment, Nat, Node, NodeId, World};

/// A session and its two ports at one IP address.
struct Phone {
    session: Session,
    rtp: SocketAddr,
    events: Vec<Event>,
    heard: Vec<i16>,
    outbox: VecDeque<Datagram>,
    sent: Vec<Instant>,
    destinations: BTreeSet<SocketAddr>,
    now: Instant,
}

impl Phone {
    fn new(now: Instant, rtp: &str, config: Config, seed: u8) -> Self {
        let mut session = Session::new(now, config, [seed; 32]);
        session.deliver_frames(true);
        let rtp = address(rtp);
        let (events, heard, outbox, sent) = (Vec::new(), Vec::new(), VecDeque::new(), Vec::new());
        Self { session, rtp, events, heard, outbox, sent, destinations: BTreeSet::new(), now }
    }

    fn collect(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    let offset = u16::from(transmit.component == Component::Rtcp);
                    let from = SocketAddr::new(self.rtp.ip(), self.rtp.port() + offset);
                    self.sent.push(self.now);
                    self.destinations.insert(transmit.destination);
                    let bytes = transmit.bytes.to_vec();
                    self.outbox.push_back(Datagram { from, to: transmit.destination, bytes });
                }
                Output::Frame(frame) => self.heard.extend_from_slice(frame),
                Output::Event(event) => self.events.push(event),
                _ => {}
            }
        }
    }

    fn digits(&self) -> String {
        let digit = |event: &Event| if let Event::Digit { digit, .. } = event { Some(*digit) } else { None };
        self.events.iter().filter_map(digit).collect()
    }
}

impl Node for Phone {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) {
        self.now = now;
        let component = if datagram.to.port() == self.rtp.port() { Component::Rtp } else { Component::Rtcp };
        let input = Input::Datagram { component, source: datagram.from, bytes: &datagram.bytes };
        self.session.handle_input(now, input);
        self.collect();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.session.handle_timeout(now);
        self.collect();
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.session.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Datagram> {
        self.collect();
        self.outbox.pop_front()
    }
}

const ALICE: &str = "192.0.2.1:4000";
const BOB: &str = "192.0.2.2:6000";
const MALLORY: &str = "198.51.100.66:4000";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn clear(remote: &str) -> Agreement {
    Agreement::new(address(remote), CodecId::Pcmu).telephone_event(101)
}

fn key(seed: u8) -> MasterKey {
    MasterKey::generate(Profile::AesCm128HmacSha1_80, &[seed; 30]).unwrap()
}

fn secure(remote: &str, send: u8, receive: u8) -> Agreement {
    let keys = SrtpKeys::new(Profile::AesCm128HmacSha1_80, key(send), key(receive));
    clear(remote).srtp(keys)
}

fn call(
    seed: u64,
    impairment: Impairment,
    alice: Agreement,
    bob: Agreement,
) -> (World<Phone>, NodeId, NodeId) {
    let mut world = World::new(seed, impairment);
    let now = world.now();
    let a = world.add("192.0.2.1", Phone::new(now, ALICE, Config::default(), 1));
    let b = world.add("192.0.2.2", Phone::new(now, BOB, Config::default(), 2));
    world.node(a).session.apply(now, alice);
    world.node(b).session.apply(now, bob);
    (world, a, b)
}

fn clear_call(seed: u64, impairment: Impairment) -> (World<Phone>, NodeId, NodeId) {
    call(seed, impairment, clear(BOB), clear(ALICE))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Plays a second of test audio each way and says how alike what was heard is.
fn talk(world: &mut World<Phone>, a: NodeId, b: NodeId) -> (f64, f64) {
    let (from_a, from_b) = (test_signal(seconds(1), 1), test_signal(seconds(1), 2));
    world.node(a).session.play(from_a.clone());
    world.node(b).session.play(from_b.clone());
    world.node(a).heard.clear();
    world.node(b).heard.clear();
    world.run_for(millis(1_500));
    let similarity = |sent: &[i16], heard: &[i16]| compare(sent, heard).similarity;
    (similarity(&from_a, &world.node(b).heard), similarity(&from_b, &world.node(a).heard))
}

#[test]
fn both_hear_each_other_over_a_good_link() {
    let (mut world, a, b) = clear_call(1, Impairment::default().jitter(millis(5)));
    world.run_for(millis(500));
    let (bob, alice) = talk(&mut world, a, b);
    assert!(bob > 0.99 && alice > 0.99, "{bob} {alice}");
    for id in [a, b] {
        let phone = world.node(id);
        assert!(
            phone
                .events
                .iter()
                .any(|event| matches!(event, Event::PlaybackFinished { interrupted: false, .. }))
        );
        let statistics = phone.session.statistics();
        assert_eq!((statistics.foreign, statistics.malformed, statistics.lost), (0, 0, 0), "{statistics:?}");
    }
}

#[test]
fn both_hear_each_other_over_a_bad_link() {
    for seed in 0..5 {
        let bad = Impairment::default().loss(0.05).jitter(millis(30)).reorder(0.05).double(0.02);
        let (mut world, a, b) = clear_call(seed, bad);
        world.run_for(seconds(2));
        let (bob, alice) = talk(&mut world, a, b);
        assert!(bob > 0.8 && alice > 0.8, "seed {seed}: {bob} {alice}");
    }
}

#[test]
fn srtp_goes_both_ways_with_a_key_for_each_and_lets_nothing_else_in() {
    let bad = Impairment::default().loss(0.02).reorder(0.02).double(0.05);
    let (mut world, a, b) = call(3, bad, secure(BOB, 1, 2), secure(ALICE, 2, 1));
    world.run_for(seconds(1));
    let (bob, alice) = talk(&mut world, a, b);
    assert!(bob > 0.9 && alice > 0.9, "{bob} {alice}");

    let (mut world, a, b) = call(3, Impairment::default(), secure(BOB, 1, 9), secure(ALICE, 2, 1));
    let (bob, alice) = talk(&mut world, a, b);
    assert!(bob > 0.95 && alice < 0.1, "{bob} {alice}");
    assert!(world.node(a).session.statistics().unauthentic > 50);

    let (mut world, a, b) = call(3, Impairment::default(), clear(BOB), secure(ALICE, 2, 1));
    let (bob, _) = talk(&mut world, a, b);
    assert!(bob < 0.1, "clear audio was taken where SRTP was agreed: {bob}");
}

#[test]
fn an_echo_comes_back_within_200_ms() {
    let (mut world, a, b) = clear_call(4, Impairment::default().jitter(millis(3)));
    world.node(b).session.set_source(Source::Echo);
    world.run_for(seconds(1));
    let sent = test_signal(seconds(2), 1);
    world.node(a).session.play(sent.clone());
    world.node(a).heard.clear();
    world.run_for(millis(2_600));
    let comparison = compare(&sent, &world.node(a).heard);
    assert!(comparison.similarity > 0.98 && comparison.delay < millis(200), "{comparison:?}");
}

// rfc: 3264 §8.4 — on hold nothing is sent by who was told not to, and media goes on afterwards
#[test]
fn hold_stops_the_media_and_resume_goes_on_with_the_same_stream() {
    for secured in [false, true] {
        let alice = || if secured { secure(BOB, 1, 2) } else { clear(BOB) };
        let bob = || if secured { secure(ALICE, 2, 1) } else { clear(ALICE) };
        let (mut world, a, b) = call(5, Impairment::default(), alice(), bob());
        world.run_for(seconds(1));
        let now = world.now();
        world.node(a).session.apply(now, alice().direction(Direction::SendOnly));
        world.node(b).session.apply(now, bob().direction(Direction::RecvOnly));
        world.run_for(millis(100));
        let before = world.node(b).session.statistics().packets_sent;
        world.run_for(seconds(40));
        assert_eq!(world.node(b).session.statistics().packets_sent, before, "bob was told not to send");
        let timed_out = |phone: &mut Phone| phone.events.contains(&Event::MediaTimeout);
        assert!(!timed_out(world.node(a)), "a peer on hold need not send");

        let now = world.now();
        world.node(a).session.apply(now, alice().direction(Direction::Inactive));
        world.node(b).session.apply(now, bob().direction(Direction::Inactive));
        world.run_for(seconds(10));
        let before = world.node(a).session.statistics().packets_sent;
        world.run_for(seconds(10));
        assert_eq!(world.node(a).session.statistics().packets_sent, before, "nobody sends");

        let now = world.now();
        world.node(a).session.apply(now, alice());
        world.node(b).session.apply(now, bob());
        world.run_for(millis(500));
        let (at_bob, at_alice) = talk(&mut world, a, b);
        assert!(at_bob > 0.95 && at_alice > 0.95, "secured {secured}: {at_bob} {at_alice}");
        assert_eq!(world.node(b).session.statistics().unauthentic, 0);
    }
}

// rfc: 4733 §2.5.2.2 — each digit is told once, whatever is lost or doubled
#[test]
fn digits_arrive_exactly_once_and_in_order_under_loss() {
    for seed in 0..20 {
        let bad = Impairment::default().loss(0.1).double(0.1).reorder(0.1).jitter(millis(10));
        let (mut world, a, b) = clear_call(seed, bad);
        world.run_for(millis(300));
        world.node(a).session.send_digits("1122#*ABCD 0").unwrap();
        world.node(b).session.send_digits("99").unwrap();
        world.run_for(seconds(5));
        assert_eq!(world.node(b).digits(), "1122#*ABCD0", "seed {seed}");
        assert_eq!(world.node(a).digits(), "99", "seed {seed}");
        let sent = world.node(a).events.iter().filter(|event| **event == Event::DigitsSent).count();
        assert_eq!(sent, 1);
    }
}

#[test]
fn digits_have_a_duration_and_do_not_break_the_audio_around_them() {
    let (mut world, a, b) = clear_call(7, Impairment::default());
    world.run_for(millis(500));
    world.node(a).session.send_digits("5").unwrap();
    world.run_for(millis(500));
    assert!(world.node(b).events.contains(&Event::Digit { digit: '5', duration: millis(100) }));
    let (bob, _) = talk(&mut world, a, b);
    assert!(bob > 0.98, "{bob}");
    assert_eq!(world.node(b).session.statistics().lost, 0);
}

/// RTP from a stranger: `count` packets of loud audio, one each 5 ms.
fn spray(world: &mut World<Phone>, target: NodeId, from: &str, to: &str, ssrc: u32, count: u16) {
    for sequence_number in 0..count {
        let timestamp = rtp::RtpTime(u32::from(sequence_number) * 160);
        let mut bytes = vec![0; 172];
        let packet = rtp::PacketBuilder::new(0, sequence_number, timestamp, ssrc).payload(&[0x90; 160]);
        packet.write(&mut bytes).unwrap();
        let (now, datagram) = (world.now(), Datagram { from: address(from), to: address(to), bytes });
        world.node(target).handle_datagram(now, datagram);
        world.run_for(millis(5));
    }
}

/// Whether anything was ever sent to the host of this address.
fn sent_to(world: &mut World<Phone>, id: NodeId, destination: &str) -> bool {
    world.node(id).destinations.iter().any(|to| to.ip() == address(destination).ip())
}

// rfc: 7362 §4 — a stranger neither hears nor injects, whatever SSRC it uses, before and after the peer speaks
#[test]
fn an_attacker_neither_hears_nor_injects() {
    for (secured, early) in [(false, false), (false, true), (true, false), (true, true)] {
        let alice = || if secured { secure(BOB, 1, 2) } else { clear(BOB) };
        let bob = || if secured { secure(ALICE, 2, 1) } else { clear(ALICE) };
        let (mut world, a, b) = call(8, Impairment::default(), alice(), bob().direction(Direction::RecvOnly));
        if early {
            // Bob does not speak yet, and Mallory comes first.
            spray(&mut world, a, MALLORY, ALICE, 7, 300);
        }
        let now = world.now();
        world.node(b).session.apply(now, bob());
        world.run_for(seconds(1));
        let ssrc = world.node(b).session.ssrc();
        for ssrc in [ssrc, 7] {
            spray(&mut world, a, MALLORY, ALICE, ssrc, 300);
        }
        assert!(!sent_to(&mut world, a, MALLORY), "Mallory hears");
        assert!(sent_to(&mut world, a, BOB));
        let statistics = world.node(a).session.statistics();
        assert!(statistics.foreign + statistics.unauthentic >= 600, "{statistics:?}");
        let told = world.node(a).events.contains(&Event::CompetingSource { source: address(MALLORY) });
        assert!(told, "the competing source was not told");
        assert!(world.node(a).heard.iter().all(|sample| *sample == 0), "Mallory was heard");
        let (at_bob, at_alice) = talk(&mut world, a, b);
        assert!(at_bob > 0.98 && at_alice > 0.98, "{at_bob} {at_alice}");
    }
}

// rfc: 4961 §3 — media goes to where the peer's media comes from
#[test]
fn a_phone_behind_a_nat_hears_and_is_heard() {
    let mut world = World::new(9, Impairment::default());
    let now = world.now();
    let a = world.add("192.0.2.1", Phone::new(now, ALICE, Config::default(), 1));
    let behaviour = testkit::Behaviour::AddressAndPortDependent;
    let nat = world.add_nat(Nat::new("203.0.113.1".parse().unwrap(), behaviour, behaviour));
    let b = world.add_behind(nat, "192.168.0.2", Phone::new(now, "192.168.0.2:6000", Config::default(), 2));
    world.node(a).session.apply(now, clear("192.168.0.2:6000"));
    world.node(b).session.apply(now, clear(ALICE));
    world.run_for(seconds(2));
    let (bob, alice) = talk(&mut world, a, b);
    assert!(bob > 0.98 && alice > 0.98, "{bob} {alice}");
}

// rfc: 3550 §8.2 — a changed SSRC is another stream: what was learnt of the old one is dropped
#[test]
fn a_peer_that_restarts_with_another_ssrc_is_heard_at_once() {
    let (mut world, a, b) = clear_call(10, Impairment::default());
    world.run_for(seconds(1));
    let now = world.now();
    *world.node(b) = Phone::new(now, BOB, Config::default(), 99);
    world.node(b).session.apply(now, clear(ALICE));
    world.run_for(millis(400));
    let (bob, alice) = talk(&mut world, a, b);
    assert!(bob > 0.98 && alice > 0.98, "{bob} {alice}");
}

#[test]
fn a_codec_change_and_other_packet_times_are_heard() {
    let (mut world, a, b) = clear_call(11, Impairment::default());
    world.run_for(millis(500));
    let alaw = |remote| Agreement::new(address(remote), CodecId::Pcma);
    let now = world.now();
    world.node(a).session.apply(now, alaw(BOB).ptime(millis(40)));
    world.node(b).session.apply(now, alaw(ALICE).ptime(millis(60)));
    world.run_for(millis(500));
    let (bob, alice) = talk(&mut world, a, b);
    assert!(bob > 0.98 && alice > 0.98, "{bob} {alice}");
}

#[test]
fn a_silent_peer_is_told_once_and_its_return_too() {
    let (mut world, a, b) = clear_call(12, Impairment::default());
    world.run_for(seconds(1));
    world.link().impair(Impairment::default().loss(1.0));
    world.run_for(seconds(70));
    world.link().impair(Impairment::default());
    world.run_for(seconds(1));
    let told: Vec<_> = world
        .node(a)
        .events
        .iter()
        .filter(|e| matches!(e, Event::MediaTimeout | Event::MediaResumed))
        .collect();
    assert_eq!(told, [&Event::MediaTimeout, &Event::MediaResumed]);
    let (bob, alice) = talk(&mut world, a, b);
    assert!(bob > 0.98 && alice > 0.98, "{bob} {alice}");
}

#[test]
fn an_hour_has_no_drift_and_no_loss() {
    let (mut world, a, b) = clear_call(13, Impairment::default().jitter(millis(4)));
    let start = world.now();
    for _ in 0..3_600 {
        world.run_for(seconds(1));
        let (alice, bob) = (world.node(a).heard.len(), world.node(b).heard.len());
        assert!(alice.abs_diff(bob) <= 160);
        world.node(a).heard.clear();
        world.node(b).heard.clear();
    }
    let phone = world.node(a);
    let statistics = phone.session.statistics();
    assert!((180_000..=180_001).contains(&statistics.packets_sent), "{statistics:?}");
    let last = phone.sent.iter().rev().find(|at| (**at - start).as_millis() % 20 == 0).unwrap();
    assert!(*last >= start + seconds(3_599), "the last packet lies on the grid of the first");
    let statistics = world.node(b).session.statistics();
    assert_eq!((statistics.lost, statistics.late), (0, 0), "{statistics:?}");
    assert!(statistics.concealed < 10, "{statistics:?}");
    assert!(statistics.mos > 4.3, "{statistics:?}");
}

// rfc: 3550 §6.4.1 — the round trip is the time from SR to report less what the peer held it
#[test]
fn rtcp_measures_the_round_trip_and_the_loss_at_the_peer() {
    for (secured, mux) in [(false, false), (true, false), (true, true)] {
        let agree = |remote, send, receive| {
            let agreement = if secured { secure(remote, send, receive) } else { clear(remote) };
            agreement.rtcp_mux(mux)
        };
        let link = Impairment::default().delay(millis(40));
        let (mut world, a, b) = call(14, link, agree(BOB, 1, 2), agree(ALICE, 2, 1));
        world.run_for(seconds(20));
        for id in [a, b] {
            let statistics = world.node(id).session.statistics();
            let round_trip = statistics.round_trip.expect("reports have crossed");
            assert!(round_trip.abs_diff(millis(80)) < millis(1), "{round_trip:?}");
            assert_eq!((statistics.peer_loss, statistics.malformed), (Some(0.0), 0));
            let told = world.node(id).events.iter().filter(|event| matches!(event, Event::Statistics(_)));
            assert!((3..=4).contains(&told.count()));
        }
        world.link().impair(link.loss(0.2));
        world.run_for(seconds(30));
        let loss = world.node(a).session.statistics().peer_loss.unwrap();
        assert!((0.05..0.4).contains(&loss), "{loss}");
    }
}

#[test]
fn reports_from_another_port_of_the_peer_are_taken_and_from_another_host_not() {
    let (mut world, a, b) = clear_call(18, Impairment::default());
    world.run_for(seconds(1));
    let ours = world.node(a).session.ssrc();
    let mut report = [0; 64];
    let mut builder = rtp::rtcp::CompoundBuilder::new(&mut report);
    let block = rtp::rtcp::ReportBlock { ssrc: ours, fraction_lost: 128, ..Default::default() };
    builder.receiver_report(9, &[block]).unwrap();
    let length = builder.finish();
    let peer_loss = |world: &mut World<Phone>, from: &str| {
        let (now, to) = (world.now(), address("192.0.2.1:4001"));
        let datagram = Datagram { from: address(from), to, bytes: report[..length].to_vec() };
        world.node(a).handle_datagram(now, datagram);
        world.node(a).session.statistics().peer_loss
    };
    assert_eq!(peer_loss(&mut world, MALLORY), None);
    assert_eq!(peer_loss(&mut world, "192.0.2.2:7777"), Some(0.5));
    world.run_for(seconds(10));
    assert!(!sent_to(&mut world, a, MALLORY));
    assert!(world.node(b).session.statistics().round_trip.is_some(), "reports still go where they should");
}

#[test]
fn a_driver_that_sleeps_sends_no_burst_and_the_rest_in_time() {
    let mut clock = testkit::Clock::new();
    let mut session = Session::new(clock.now(), Config::default(), [1; 32]);
    session.apply(clock.now(), clear(BOB));
    let mut packets = |clock: &testkit::Clock| {
        session.handle_timeout(clock.now());
        let mut timestamps = Vec::new();
        while let Some(output) = session.poll_output() {
            if let Output::Transmit(transmit) = output
                && transmit.component == Component::Rtp
            {
                timestamps.push(rtp::Packet::new(transmit.bytes).unwrap().timestamp());
            }
        }
        timestamps
    };
    let first = packets(&clock);
    clock.advance(millis(1_000));
    let late = packets(&clock);
    assert!(late.len() <= 3, "{} packets at once", late.len());
    let passed = late.last().unwrap().ticks_since(*first.last().unwrap());
    assert_eq!(passed, 8_000, "the timestamp went on with real time");
}

#[test]
fn random_datagrams_do_no_harm_and_are_answered_to_nobody() {
    for secured in [false, true] {
        let alice = if secured { secure(BOB, 1, 2) } else { clear(BOB) };
        let bob = if secured { secure(ALICE, 2, 1) } else { clear(ALICE) };
        let (mut world, a, b) = call(15, Impairment::default(), alice, bob);
        let mut rng = testkit::Rng::new(15);
        world.run_for(seconds(1));
        for _ in 0..5_000 {
            let length = usize::try_from(rng.below(200)).unwrap();
            let mut bytes = rng.bytes(length);
            if let Some(first) = bytes.first_mut() {
                *first = if rng.chance(0.8) { 0x80 | (*first & 0x3f) } else { *first };
            }
            if rng.chance(0.5) && bytes.len() > 1 {
                bytes[1] = [0, 101, 200, 201, 202, 203, 8][usize::try_from(rng.below(7)).unwrap()];
            }
            let from = address(if rng.chance(0.5) { BOB } else { MALLORY });
            let to = address(if rng.chance(0.5) { ALICE } else { "192.0.2.1:4001" });
            let now = world.now();
            world.node(a).handle_datagram(now, Datagram { from, to, bytes });
        }
        assert!(!sent_to(&mut world, a, MALLORY));
        world.run_for(seconds(1));
        let (bob, alice) = talk(&mut world, a, b);
        assert!(bob > 0.98 && (!secured || alice > 0.98), "{secured} {bob} {alice}");
    }
}

// rfc: 7983 §7 — the first octet tells STUN, DTLS and RTP apart
// rfc: 5761 §4 — RTCP is told from RTP by its payload type
#[test]
fn what_is_neither_rtp_nor_rtcp_here_is_told_apart() {
    let (mut world, a, _) = clear_call(16, Impairment::default());
    let mut malformed = |to: &str, bytes: &[u8]| {
        let (now, from, to) = (world.now(), address(BOB), address(to));
        let phone = world.node(a);
        let before = phone.session.statistics().malformed;
        phone.handle_datagram(now, Datagram { from, to, bytes: bytes.to_vec() });
        phone.session.statistics().malformed - before
    };
    let report = [0x80, 201, 0, 1, 0, 0, 0, 9];
    let rtcp_port = "192.0.2.1:4001";
    assert_eq!(malformed(ALICE, &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]), 0, "STUN is let pass");
    assert_eq!(malformed(ALICE, &[22, 254, 253]), 1, "DTLS was not agreed");
    assert_eq!(malformed(rtcp_port, &report), 0);
    assert_eq!(malformed(ALICE, &report), 1, "RTCP on the RTP port was not agreed");
    assert_eq!(malformed(ALICE, &[0x80, 3, 0, 1, 0, 0, 0, 9, 0, 0, 0, 9, 1, 2]), 1, "GSM was not agreed");
    assert_eq!(malformed(ALICE, &[]), 1);
}

#[test]
fn goodbye_is_said_and_nothing_after_it() {
    let (mut world, a, b) = clear_call(17, Impairment::default());
    world.run_for(seconds(1));
    let now = world.now();
    world.node(a).session.close(now);
    world.node(a).collect();
    let goodbye = world.node(a).outbox.back().unwrap().bytes.clone();
    let compound = rtp::rtcp::Compound::new(&goodbye).unwrap();
    assert!(compound.packets().any(|packet| matches!(packet, rtp::rtcp::Packet::Bye(_))));
    let sent = world.node(a).session.statistics().packets_sent;
    world.run_for(seconds(10));
    assert_eq!(world.node(a).session.statistics().packets_sent, sent);
    assert_eq!(world.node(a).session.poll_timeout(), None);
    assert!(world.node(b).session.statistics().packets_sent > sent);
}

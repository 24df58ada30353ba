//! The media session of one call, as a core without I/O.

mod config;
mod event;
mod incoming;
mod outbox;
mod outgoing;
mod protection;
mod reports;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtp::Packet;
use rtp::rtcp::Compound;
use stun::demux;

use crate::impairment::{Impairing, Impairment};
use crate::playout::Pacer;
use crate::port::{Latch, Verdict};
use crate::random::Random;
use crate::source::{Ended, Player};
use crate::{Agreement, FRAME_DURATION, FRAME_SAMPLES, Frame, PlaybackId, Source, Statistics};
pub use config::Config;
pub use event::{Component, DigitsError, Event, Input, Output, Transmit};

use incoming::{Incoming, Taken};
use outbox::Outbox;
use outgoing::Outgoing;
use protection::Protection;
use reports::Reports;

/// The least time between two reports of a competing source.
const COMPETING_INTERVAL: Duration = Duration::from_secs(5);
/// Frames of the peer's that are thrown away at most when the driver slept: one second.
const MOST_SKIPPED: u32 = 50;
/// The largest datagram that is looked at.
const DATAGRAM_LIMIT: usize = 2_048;

/// The media of one call: datagrams in, datagrams out, and 20 ms frames of audio between.
///
/// It is driven as every core here: after each call, [`poll_output`](Self::poll_output) until `None`, then sleep until
/// [`poll_timeout`](Self::poll_timeout). Nothing is allocated for a packet once the buffers have grown.
#[derive(Debug)]
pub struct Session {
    config: Config,
    agreement: Option<Agreement>,
    protection: Protection,
    rtp_latch: Latch,
    rtcp_latch: Latch,
    pacer: Pacer,
    incoming: Incoming,
    outgoing: Outgoing,
    player: Player,
    reports: Reports,
    impairing: Impairing,
    outbox: Outbox,
    scratch: Vec<u8>,
    deliver_frames: bool,
    last_media: Instant,
    timed_out: bool,
    competing_told: Option<Instant>,
    foreign: u64,
    unauthentic: u64,
    malformed: u64,
}

impl Session {
    /// A session that does nothing until an [`Agreement`] is applied; `seed` must come from a good random source.
    #[must_use]
    pub fn new(now: Instant, config: Config, seed: [u8; 32]) -> Self {
        let mut random = Random::new(seed);
        let queue_samples = config.queue.as_millis() * u128::from(crate::SAMPLE_RATE_HZ) / 1_000;
        let outgoing = Outgoing::new(now, &mut random);
        let reports = Reports::new(now, config.wall_clock, &mut random);
        Self {
            agreement: None,
            protection: Protection::default(),
            rtp_latch: Latch::new(config.latching),
            rtcp_latch: Latch::new(config.latching),
            pacer: Pacer::new(FRAME_DURATION),
            incoming: Incoming::new(),
            outgoing,
            player: Player::new(usize::try_from(queue_samples).unwrap_or(usize::MAX)),
            reports,
            impairing: Impairing::new(config.impairment),
            outbox: Outbox::new(),
            scratch: Vec::new(),
            deliver_frames: false,
            last_media: now,
            timed_out: false,
            competing_told: None,
            foreign: 0,
            unauthentic: 0,
            malformed: 0,
            config,
        }
    }

    /// Takes what an offer and its answer settled: the first, or a change (hold, resume, another address or codec).
    ///
    /// SSRC, sequence numbers and timestamps go on; SRTP contexts too, where the key is the same as before.
    pub fn apply(&mut self, now: Instant, agreement: Agreement) {
        self.protection.configure(agreement.srtp.as_ref());
        self.rtp_latch.signal(agreement.remote_rtp);
        self.rtcp_latch.signal(agreement.remote_rtcp);
        self.incoming.configure(&agreement);
        self.outgoing.configure(&agreement);
        let (sends, receives) = (agreement.direction.sends(), agreement.direction.receives());
        if !receives || !self.agreement.as_ref().is_some_and(|old| old.direction.receives()) {
            self.incoming.pause();
            (self.last_media, self.timed_out) = (now, false);
        }
        self.agreement = Some(agreement);
        self.reports.start(now);
        if sends || receives {
            if self.pacer.next().is_none() {
                self.pacer.start(now);
                self.outgoing.resume(now);
            }
        } else {
            self.pacer.stop();
        }
    }

    /// What was applied last.
    #[must_use]
    pub fn agreement(&self) -> Option<&Agreement> {
        self.agreement.as_ref()
    }

    /// The synchronization source of what we send, the same for the whole call.
    #[must_use]
    pub fn ssrc(&self) -> u32 {
        self.outgoing.ssrc
    }

    /// Sets what is sent when nothing is being played.
    pub fn set_source(&mut self, source: Source) {
        self.player.set_source(source);
    }

    /// Plays samples at 8000 Hz in the place of the source; [`Event::PlaybackFinished`] tells when it is over.
    ///
    /// It interrupts another playback, waits while the call is held, and pauses for digits.
    pub fn play(&mut self, samples: impl Into<Arc<[i16]>>) -> PlaybackId {
        let (id, interrupted) = self.player.play(samples.into());
        self.tell_interrupted(interrupted);
        id
    }

    /// Ends the playback, if there is one.
    pub fn stop_playback(&mut self) {
        let stopped = self.player.stop();
        self.tell_interrupted(stopped);
    }

    /// Queues samples at 8000 Hz for [`Source::Queue`] and says how many were taken; the rest did not fit.
    pub fn write(&mut self, samples: &[i16]) -> usize {
        self.player.write(samples)
    }

    /// How many samples wait to be sent.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.player.queued()
    }

    /// Throws away what waits to be sent, as when the caller interrupts.
    pub fn clear_queue(&mut self) {
        self.player.clear();
    }

    /// Sends digits one after the other as telephone-events: `0`-`9`, `*`, `#`, `A`-`D`; blanks are left out.
    ///
    /// # Errors
    ///
    /// [`DigitsError`] for an unknown digit, a peer that takes none, or when more than 64 wait; none is sent then, or in
    /// the last case those that fit.
    pub fn send_digits(&mut self, digits: &str) -> Result<(), DigitsError> {
        match &self.agreement {
            Some(agreement) if agreement.telephone_event.is_some() => {
                self.outgoing.send_digits(digits, self.config.digit_duration)
            }
            _ => Err(DigitsError::NotAgreed),
        }
    }

    /// Whether to hand out what the peer says as [`Output::Frame`]: one each 20 ms, silence and concealment included.
    pub fn deliver_frames(&mut self, deliver: bool) {
        self.deliver_frames = deliver;
    }

    /// Sets the damage done to what is sent, for test tools.
    pub fn set_impairment(&mut self, impairment: Impairment) {
        self.impairing = Impairing::new(impairment);
    }

    /// Says goodbye by RTCP, gives the last numbers as an [`Event::Statistics`], and stops.
    pub fn close(&mut self, now: Instant) {
        if let Some((component, destination)) = self.rtcp_destination() {
            let mut buffer = self.outbox.buffer();
            self.reports.write(now, &self.outgoing, &mut self.incoming, true, &mut buffer);
            self.transmit_rtcp(component, destination, buffer);
        }
        if self.agreement.take().is_some() {
            self.outbox.event(Event::Statistics(self.statistics()));
        }
        self.pacer.stop();
        self.reports.stop();
    }

    /// The numbers so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let mut statistics = Statistics {
            packets_sent: self.outgoing.packets,
            foreign: self.foreign,
            unauthentic: self.unauthentic,
            malformed: self.malformed,
            ..Statistics::default()
        };
        self.incoming.count(&mut statistics);
        self.reports.count(&mut statistics);
        statistics.score();
        statistics
    }

    /// Takes what the network tells; never fails, what makes no sense is counted and dropped.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        let Input::Datagram { component, source, bytes } = input;
        // A socket for both families shows an IPv4 peer in IPv6 clothes; SDP does not.
        let source = SocketAddr::new(source.ip().to_canonical(), source.port());
        match (demux::classify(bytes), component) {
            (demux::Kind::Rtp, Component::Rtp) => self.handle_rtp(now, source, bytes),
            (demux::Kind::Rtcp, component) => self.handle_rtcp(now, component, source, bytes),
            // Connectivity checks are not answered yet; they are no fault of the peer's.
            (demux::Kind::Stun, _) => {}
            _ => self.malformed += 1,
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(tick) = self.pacer.tick(now) {
            self.tick(now, tick.skipped);
        }
        self.report(now);
        self.watch(now);
        self.tell_digits(now);
    }

    /// The next thing to do; asked until `None` after each call.
    pub fn poll_output(&mut self) -> Option<Output<'_>> {
        self.outbox.poll()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None` while there is nothing to wait for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.pacer.next(), self.reports.poll_timeout(), self.incoming.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    fn handle_rtp(&mut self, now: Instant, source: SocketAddr, bytes: &[u8]) {
        let Some(agreement) = &self.agreement else { return };
        if !self.rtp_latch.may_be(source) {
            return self.refuse(now, source);
        }
        if bytes.len() > DATAGRAM_LIMIT {
            self.malformed += 1;
            return;
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(bytes);
        let Ok(authentic) = self.protection.open_rtp(&mut self.scratch) else {
            self.unauthentic += 1;
            return;
        };
        let Some(packet) =
            Packet::new(self.scratch.as_slice()).ok().filter(|packet| self.incoming.knows(packet))
        else {
            self.malformed += 1;
            return;
        };
        match self.rtp_latch.judge(now, source, authentic) {
            Verdict::Refuse => return self.refuse(now, source),
            Verdict::Probation => return,
            Verdict::Latched => self.outbox.event(Event::Latched { address: source }),
            Verdict::Accept => {}
        }
        let receives = agreement.direction.receives();
        match self.incoming.take(now, &packet, receives) {
            Taken::Played => {
                self.last_media = now;
                if std::mem::take(&mut self.timed_out) {
                    self.outbox.event(Event::MediaResumed);
                }
            }
            Taken::Stray => {}
            Taken::TooLong => self.malformed += 1,
        }
        self.tell_digits(now);
    }

    fn handle_rtcp(&mut self, now: Instant, component: Component, source: SocketAddr, bytes: &[u8]) {
        let Some(agreement) = &self.agreement else { return };
        let shared = component == Component::Rtp;
        if bytes.len() > DATAGRAM_LIMIT || shared != agreement.rtcp_mux {
            self.malformed += 1;
            return;
        }
        // Reports from another port of the host whose media we take are believed: some peers send them so.
        let same_host = self.rtp_latch.destination().is_some_and(|peer| peer.ip() == source.ip());
        let latch = if shared { &mut self.rtp_latch } else { &mut self.rtcp_latch };
        if !same_host && !latch.may_be(source) {
            self.foreign += 1;
            return;
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(bytes);
        let Ok(authentic) = self.protection.open_rtcp(&mut self.scratch) else {
            self.unauthentic += 1;
            return;
        };
        let Ok(compound) = Compound::new(&self.scratch) else {
            self.malformed += 1;
            return;
        };
        // RTCP must not decide where audio goes: on a shared port it latches nothing.
        let verdict = if shared { Verdict::Probation } else { latch.judge(now, source, authentic) };
        match verdict {
            Verdict::Accept | Verdict::Latched => {}
            Verdict::Probation | Verdict::Refuse if same_host => {}
            Verdict::Probation => return,
            Verdict::Refuse => {
                self.foreign += 1;
                return;
            }
        }
        self.reports.take(now, &compound, self.outgoing.ssrc, &mut self.incoming);
    }

    /// Counts somebody else's packet, and tells of it now and then.
    fn refuse(&mut self, now: Instant, source: SocketAddr) {
        self.foreign += 1;
        let told =
            self.competing_told.is_some_and(|told| now.saturating_duration_since(told) < COMPETING_INTERVAL);
        if !told {
            self.competing_told = Some(now);
            self.outbox.event(Event::CompetingSource { source });
        }
    }

    /// One turn of the media clock: a frame in, a frame out.
    fn tick(&mut self, now: Instant, skipped: u32) {
        let mut heard = [0; FRAME_SAMPLES];
        for _ in 0..=skipped.min(MOST_SKIPPED) {
            self.incoming.play_out(now, &mut heard);
        }
        if self.deliver_frames {
            self.outbox.frame(heard);
        }
        self.outgoing.catch_up(now, skipped);
        self.send(&heard);
    }

    fn send(&mut self, heard: &Frame) {
        let (Some(agreement), Some(destination)) = (&self.agreement, self.rtp_latch.destination()) else {
            return self.outgoing.skip(1);
        };
        if !agreement.direction.sends() {
            return self.outgoing.skip(1);
        }
        let mut buffer = self.outbox.buffer();
        let ready = match agreement.telephone_event {
            Some(payload_types) if self.outgoing.sends_digits() => {
                self.outgoing.digit_packet(payload_types, &mut buffer)
            }
            _ => {
                let mut frame = [0; FRAME_SAMPLES];
                let ended = self.player.fill(heard, &mut frame);
                self.tell_ended(ended);
                self.impairing.alter(&mut frame);
                self.outgoing.audio_packet(&frame, &mut buffer)
            }
        };
        if self.outgoing.digits_done() {
            self.outbox.event(Event::DigitsSent);
        }
        if ready && self.protection.seal_rtp(&mut buffer) && !self.impairing.drops() {
            self.outbox.packet(Component::Rtp, destination, buffer);
        } else {
            self.outbox.recycle(buffer);
        }
    }

    fn report(&mut self, now: Instant) {
        if self.reports.is_statistics_due(now) {
            let statistics = self.statistics();
            self.outbox.event(Event::Statistics(statistics));
        }
        if !self.reports.is_due(now) {
            return;
        }
        if let Some((component, destination)) = self.rtcp_destination() {
            let mut buffer = self.outbox.buffer();
            self.reports.write(now, &self.outgoing, &mut self.incoming, false, &mut buffer);
            self.transmit_rtcp(component, destination, buffer);
        }
    }

    fn rtcp_destination(&self) -> Option<(Component, SocketAddr)> {
        if self.agreement.as_ref()?.rtcp_mux {
            Some((Component::Rtp, self.rtp_latch.destination()?))
        } else {
            Some((Component::Rtcp, self.rtcp_latch.destination()?))
        }
    }

    fn transmit_rtcp(&mut self, component: Component, destination: SocketAddr, mut buffer: Vec<u8>) {
        if !buffer.is_empty() && self.protection.seal_rtcp(&mut buffer) {
            self.outbox.packet(component, destination, buffer);
        } else {
            self.outbox.recycle(buffer);
        }
    }

    /// Tells when a peer that should send has been silent for too long.
    fn watch(&mut self, now: Instant) {
        let expected = self.agreement.as_ref().is_some_and(|agreement| agreement.direction.receives());
        let silent = now.saturating_duration_since(self.last_media);
        if expected && !self.timed_out && silent >= self.config.media_timeout {
            self.timed_out = true;
            self.rtp_latch.wait();
            self.rtcp_latch.wait();
            self.outbox.event(Event::MediaTimeout);
        }
    }

    fn tell_digits(&mut self, now: Instant) {
        while let Some((digit, duration)) = self.incoming.poll_digit(now) {
            self.outbox.event(Event::Digit { digit, duration });
        }
    }

    fn tell_ended(&mut self, ended: Option<Ended>) {
        match ended {
            Some(Ended::Playback(playback)) => {
                self.outbox.event(Event::PlaybackFinished { playback, interrupted: false });
            }
            Some(Ended::Queue) => self.outbox.event(Event::QueueDrained),
            None => {}
        }
    }

    fn tell_interrupted(&mut self, playback: Option<PlaybackId>) {
        if let Some(playback) = playback {
            self.outbox.event(Event::PlaybackFinished { playback, interrupted: true });
        }
    }
}

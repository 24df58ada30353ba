//! One end of an RTP session: numbers what is sent, checks and orders what comes, reports on both.

mod config;
mod send;
mod table;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::error::BuildError;
use crate::jitter_buffer::{Arrived, JitterBuffer, JitterStatistics, Pop};
use crate::packet::{self, Packet};
use crate::report::ReportSchedule;
use crate::rtcp::{self, Compound, CompoundBuilder, ReportBlock, SdesItem};
use crate::source::{SourceStatistics, Verdict};
use crate::telephone_event::{self, Notice, QueueFull, TelephoneEvent};
use crate::time::NtpTime;
pub use config::SessionConfig;
use config::payload_bit;
use send::Stream;
use table::{Admission, Entry, Table};

/// Events that wait for [`RtpSession::poll_output`]; a caller that does not ask loses those beyond.
const OUTPUT_LIMIT: usize = 256;
/// Octets of an RTCP compound, so that no datagram is fragmented.
const RTCP_LIMIT: usize = 1_200;
/// What is kept of the keys of a source that is not valid yet.
const UNPROVEN_NOTICES: usize = 16;
/// Report intervals after which a silent source is forgotten (RFC 3550 §6.3.5).
const TIMEOUT_INTERVALS: u32 = 5;

/// What comes from the network, decrypted.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A datagram on the RTP port.
    Rtp {
        /// Its octets.
        bytes: &'a [u8],
        /// Who sent it.
        from: SocketAddr,
    },
    /// A datagram on the RTCP port.
    Rtcp {
        /// Its octets.
        bytes: &'a [u8],
        /// Who sent it.
        from: SocketAddr,
    },
}

impl<'a> Input<'a> {
    /// A datagram on a port for both ([RFC 5761 §4]).
    ///
    /// [RFC 5761 §4]: https://www.rfc-editor.org/rfc/rfc5761#section-4
    #[must_use]
    pub fn datagram(bytes: &'a [u8], from: SocketAddr) -> Self {
        if packet::is_rtcp(bytes) { Self::Rtcp { bytes, from } } else { Self::Rtp { bytes, from } }
    }
}

/// What the session asks its owner to do, in this order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Output {
    /// Send this compound packet to the peer's RTCP port.
    Rtcp(Vec<u8>),
    /// Take note.
    Event(Event),
}

/// What happened in a session.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A source is valid, and is what [`RtpSession::play`] plays from now on.
    Playing {
        /// Which.
        ssrc: u32,
    },
    /// A source said goodbye or fell silent for long.
    Left {
        /// Which.
        ssrc: u32,
        /// Whether it said so.
        bye: bool,
    },
    /// A key of the peer's went down or up.
    Digit(Notice),
    /// The peer reported how it receives us.
    Reported {
        /// What it says.
        block: ReportBlock,
        /// The time to it and back.
        round_trip: Option<Duration>,
    },
    /// Another source used our SSRC, or our packets came back: we go on under another one.
    Collision {
        /// The SSRC given up.
        old: u32,
        /// The one used from now on.
        new: u32,
    },
}

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The session was left with [`RtpSession::bye`].
    #[error("the session was left")]
    Left,
    /// No payload type for telephone events was agreed.
    #[error("the peer takes no telephone events")]
    NoTelephoneEvents,
    /// Too many digits wait.
    #[error(transparent)]
    QueueFull(#[from] QueueFull),
    /// The packet cannot be written.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// What to send in a packet.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// What the payload is.
    pub payload_type: u8,
    /// The M bit; also set by itself in the first packet after [`RtpSession::pause`].
    pub marker: bool,
    /// The payload.
    pub payload: &'a [u8],
    /// How long it plays, in ticks: the next packet is stamped that much later.
    pub ticks: u32,
}

/// How a session went so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct SessionStatistics {
    /// RTP packets sent.
    pub sent: u64,
    /// Payload octets in them.
    pub sent_octets: u64,
    /// How the source that is played has been received.
    pub source: Option<SourceStatistics>,
    /// What the jitter buffer did.
    pub jitter: JitterStatistics,
    /// The last report of the peer's on us.
    pub reported: Option<ReportBlock>,
    /// The last round trip measured.
    pub round_trip: Option<Duration>,
    /// Datagrams that were neither RTP nor RTCP.
    pub malformed: u64,
    /// Packets of unexpected payload types, implausible numbers, or sources that are not played.
    pub ignored: u64,
}

/// A participant in an RTP session: one stream out, one stream in to be played, however many sources there are.
///
/// Encryption lies outside: give decrypted datagrams to [`RtpSession::handle_input`], encrypt what
/// [`RtpSession::send`] and [`Output::Rtcp`] give.
#[derive(Debug)]
pub struct RtpSession {
    config: SessionConfig,
    cname: String,
    started: Instant,
    random: ChaCha8Rng,
    stream: Stream,
    digits_out: telephone_event::Sender,
    digits_in: telephone_event::Receiver,
    table: Table,
    jitter_buffer: JitterBuffer,
    schedule: ReportSchedule,
    /// The source that is played, or that will be if it proves valid.
    playing: Option<u32>,
    /// Whether a BYE was asked for, and whether it is out.
    leaving: Leaving,
    output: VecDeque<Output>,
    reported: Option<ReportBlock>,
    round_trip: Option<Duration>,
    malformed: u64,
    ignored: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Leaving {
    No,
    Waiting,
    Left,
}

impl RtpSession {
    /// Joins a session. SSRC, first sequence number, first timestamp and the times of reports come from `seed`,
    /// which has to be unpredictable and never used again.
    #[must_use]
    pub fn new(now: Instant, config: SessionConfig, seed: [u8; 32]) -> Self {
        let mut random = ChaCha8Rng::from_seed(seed);
        let mut schedule_seed = [0; 32];
        random.fill_bytes(&mut schedule_seed);
        let cname = if config.cname.is_empty() {
            format!("{:016x}{:08x}", random.next_u64(), random.next_u32())
        } else {
            config.cname.chars().scan(0, |len, c| (*len < 252).then(|| (*len += c.len_utf8(), c).1)).collect()
        };
        Self {
            cname,
            started: now,
            stream: Stream::new(&mut random, config.clock_rate),
            random,
            digits_out: telephone_event::Sender::new(config.digits),
            digits_in: telephone_event::Receiver::new(config.clock_rate),
            table: Table::new(config.clock_rate, config.max_sources),
            jitter_buffer: JitterBuffer::new(config.jitter),
            schedule: ReportSchedule::new(now, config.report, schedule_seed),
            config,
            playing: None,
            leaving: Leaving::No,
            output: VecDeque::with_capacity(16),
            reported: None,
            round_trip: None,
            malformed: 0,
            ignored: 0,
        }
    }

    /// Our SSRC; a collision changes it.
    #[must_use]
    pub fn ssrc(&self) -> u32 {
        self.stream.ssrc()
    }

    /// Writes the next packet of our stream into `buffer` and says how long it is.
    ///
    /// # Errors
    ///
    /// [`SendError::Left`] after [`RtpSession::bye`]; [`SendError::Build`] when it does not fit.
    pub fn send(
        &mut self,
        now: Instant,
        outgoing: Outgoing<'_>,
        buffer: &mut [u8],
    ) -> Result<usize, SendError> {
        self.check_joined()?;
        let len = self.stream.write(now, &outgoing, buffer)?;
        self.schedule.set_we_sent(true);
        Ok(len)
    }

    /// Lets `ticks` pass without a packet, as in a silence.
    pub fn pause(&mut self, ticks: u32) {
        self.stream.pause(ticks);
    }

    /// Queues a key press, to be sent by [`RtpSession::send_digit`].
    ///
    /// # Errors
    ///
    /// [`SendError::NoTelephoneEvents`] when none were agreed; [`SendError::QueueFull`].
    pub fn press(&mut self, event: TelephoneEvent, duration: Duration) -> Result<(), SendError> {
        self.check_joined()?;
        self.config.send_telephone_event.ok_or(SendError::NoTelephoneEvents)?;
        Ok(self.digits_out.press(event, duration)?)
    }

    /// Whether key presses are under way: call [`RtpSession::send_digit`] instead of [`RtpSession::send`].
    #[must_use]
    pub fn is_pressing(&self) -> bool {
        self.digits_out.is_busy()
    }

    /// Writes the packet of a key press in place of one with `ticks` of audio. In the pause between two keys it
    /// gives `None`: [`send`](RtpSession::send) audio then, or [`pause`](RtpSession::pause).
    ///
    /// # Errors
    ///
    /// As [`RtpSession::send`].
    pub fn send_digit(
        &mut self,
        now: Instant,
        ticks: u32,
        buffer: &mut [u8],
    ) -> Result<Option<usize>, SendError> {
        self.check_joined()?;
        let payload_type = self.config.send_telephone_event.ok_or(SendError::NoTelephoneEvents)?;
        let Some(packet) = self.digits_out.poll(self.stream.timestamp()) else { return Ok(None) };
        let len = self.stream.write_event(now, payload_type, &packet, ticks, buffer)?;
        self.schedule.set_we_sent(true);
        Ok(Some(len))
    }

    /// Gives out what is to be played next: see [`JitterBuffer::pop`].
    pub fn play(&mut self, now: Instant) -> Pop<'_> {
        self.jitter_buffer.pop(now)
    }

    /// Leaves the session with a BYE, unless nothing was ever sent ([RFC 3550 §6.3.7]). Nothing can be sent any more.
    ///
    /// [RFC 3550 §6.3.7]: https://www.rfc-editor.org/rfc/rfc3550#section-6.3.7
    pub fn bye(&mut self, now: Instant) {
        if self.leaving != Leaving::No {
            return;
        }
        self.digits_out.clear();
        if self.stream.sent() == 0 {
            self.leaving = Leaving::Left;
        } else if self.schedule.leave(now, 60) {
            self.leaving = Leaving::Left;
            self.report(now, &[self.stream.ssrc()]);
        } else {
            self.leaving = Leaving::Waiting;
        }
    }

    /// How it went so far.
    #[must_use]
    pub fn statistics(&self) -> SessionStatistics {
        SessionStatistics {
            sent: self.stream.sent(),
            sent_octets: self.stream.sent_octets(),
            source: self.playing.and_then(|ssrc| self.table.get(ssrc)).map(|entry| entry.source.statistics()),
            jitter: self.jitter_buffer.statistics(),
            reported: self.reported,
            round_trip: self.round_trip,
            malformed: self.malformed,
            ignored: self.ignored,
        }
    }

    /// Takes in a datagram.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Rtp { bytes, from } => match Packet::new(bytes) {
                Ok(packet) => self.handle_rtp(now, &packet, from),
                Err(_) => self.malformed += 1,
            },
            Input::Rtcp { bytes, from } => {
                let read = if self.config.reduced_size { Compound::reduced_size } else { Compound::new };
                match read(bytes) {
                    Ok(compound) => self.handle_rtcp(now, &compound, bytes.len(), from),
                    Err(_) => self.malformed += 1,
                }
            }
        }
    }

    /// Sends what is due, forgets who is gone.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.digits_in.handle_timeout(now);
        self.announce_digits();
        if self.leaving == Leaving::Left || now < self.schedule.next() {
            return;
        }
        let interval = self.schedule.deterministic_interval();
        for ssrc in self.table.expired(now, interval * TIMEOUT_INTERVALS) {
            self.forget(ssrc, false);
        }
        self.count_members(now);
        if !self.schedule.is_due(now) {
            return;
        }
        if self.leaving == Leaving::Waiting {
            self.leaving = Leaving::Left;
            self.report(now, &[self.stream.ssrc()]);
        } else {
            self.report(now, &[]);
        }
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// When to call [`RtpSession::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let report = (self.leaving != Leaving::Left).then(|| self.schedule.next());
        [report, self.digits_in.poll_timeout()].into_iter().flatten().min()
    }

    fn check_joined(&self) -> Result<(), SendError> {
        if self.leaving == Leaving::No { Ok(()) } else { Err(SendError::Left) }
    }

    fn emit(&mut self, output: Output) {
        if self.output.len() < OUTPUT_LIMIT {
            self.output.push_back(output);
        }
    }

    fn handle_rtp(&mut self, now: Instant, packet: &Packet<&[u8]>, from: SocketAddr) {
        let ssrc = packet.ssrc();
        let is_event = Some(packet.payload_type()) == self.config.telephone_event;
        if !is_event && self.config.payload_types & payload_bit(packet.payload_type()) == 0 {
            self.ignored += 1;
            return;
        }
        if ssrc == self.stream.ssrc() {
            return self.collide(now, from);
        }
        let entry = match self.table.admit_rtp(now, ssrc, from) {
            Admission::Known(entry) => entry,
            Admission::Refused => {
                self.ignored += 1;
                return;
            }
        };
        let verdict = entry.source.handle_packet(now, packet.sequence_number(), packet.timestamp());
        match verdict {
            Verdict::Implausible => {
                self.ignored += 1;
                return;
            }
            Verdict::Probation if self.playing != Some(ssrc) => {
                if self.playing.and_then(|playing| self.table.get(playing)).is_some_and(Entry::is_valid) {
                    self.ignored += 1;
                    return;
                }
                self.switch_to(ssrc);
            }
            Verdict::Restarted if self.playing == Some(ssrc) => self.jitter_buffer.reset(),
            Verdict::Probation | Verdict::Valid | Verdict::Restarted => {}
        }
        if verdict != Verdict::Probation && !self.becomes_playing(now, ssrc) {
            self.ignored += 1;
            return;
        }
        if is_event {
            self.jitter_buffer.insert_placeholder(packet.sequence_number(), packet.timestamp());
            self.digits_in.handle_packet(now, packet.timestamp(), packet.payload());
            self.announce_digits();
            return;
        }
        self.jitter_buffer.insert(
            now,
            Arrived {
                sequence_number: packet.sequence_number(),
                timestamp: packet.timestamp(),
                payload_type: packet.payload_type(),
                marker: packet.marker(),
                payload: packet.payload(),
            },
        );
    }

    /// Whether the valid source `ssrc` is played: it was, or is new, or the one that was has fallen silent.
    fn becomes_playing(&mut self, now: Instant, ssrc: u32) -> bool {
        let Some(entry) = self.table.get_mut(ssrc) else { return false };
        let is_new = !entry.announced;
        entry.announced = true;
        if self.playing != Some(ssrc) {
            let silent = self.playing.and_then(|playing| self.table.get(playing)).is_none_or(|other| {
                let last = other.source.last_packet();
                last.is_none_or(|at| now.saturating_duration_since(at) > table::SILENCE)
            });
            if !is_new && !silent {
                return false;
            }
            self.switch_to(ssrc);
            self.emit(Output::Event(Event::Playing { ssrc }));
        } else if is_new {
            self.emit(Output::Event(Event::Playing { ssrc }));
        }
        if is_new {
            self.count_members(now);
        }
        true
    }

    fn switch_to(&mut self, ssrc: u32) {
        self.end_digits();
        self.jitter_buffer.reset();
        self.playing = Some(ssrc);
    }

    fn end_digits(&mut self) {
        self.digits_in.reset();
        self.announce_digits();
        self.digits_in.discard();
    }

    /// Hands out what was heard of keys, if the source is valid; until then it is kept, as a call may well begin
    /// with a digit.
    fn announce_digits(&mut self) {
        if self.playing.is_none_or(|ssrc| !self.table.get(ssrc).is_some_and(|entry| entry.announced)) {
            if self.digits_in.pending() > UNPROVEN_NOTICES {
                self.digits_in.discard();
            }
            return;
        }
        while let Some(notice) = self.digits_in.poll() {
            self.emit(Output::Event(Event::Digit(notice)));
        }
    }

    fn handle_rtcp(&mut self, now: Instant, compound: &Compound<'_>, octets: usize, from: SocketAddr) {
        let mut said_bye = false;
        for packet in compound.packets() {
            match packet {
                rtcp::Packet::SenderReport(report) => {
                    if let Some(entry) = self.admit_rtcp(now, report.ssrc, from) {
                        entry.source.handle_sender_report(now, report.info);
                        self.handle_blocks(now, report.blocks());
                    }
                }
                rtcp::Packet::ReceiverReport(report) => {
                    if self.admit_rtcp(now, report.ssrc, from).is_some() {
                        self.handle_blocks(now, report.blocks());
                    }
                }
                rtcp::Packet::Bye(bye) => {
                    said_bye = true;
                    for ssrc in bye.ssrcs() {
                        if self.table.is_from(ssrc, from) {
                            self.forget(ssrc, true);
                        }
                    }
                }
                rtcp::Packet::SourceDescription(_)
                | rtcp::Packet::App(_)
                | rtcp::Packet::Feedback(_)
                | rtcp::Packet::ExtendedReport(_)
                | rtcp::Packet::Unknown(_) => {}
            }
        }
        self.schedule.received(octets, said_bye);
        self.count_members(now);
    }

    fn admit_rtcp(&mut self, now: Instant, ssrc: u32, from: SocketAddr) -> Option<&mut Entry> {
        if ssrc == self.stream.ssrc() {
            self.collide(now, from);
            return None;
        }
        match self.table.admit_rtcp(now, ssrc, from) {
            Admission::Known(entry) => Some(entry),
            Admission::Refused => {
                self.ignored += 1;
                None
            }
        }
    }

    fn handle_blocks(&mut self, now: Instant, blocks: impl Iterator<Item = ReportBlock>) {
        let ntp = self.ntp(now);
        for block in blocks {
            if block.ssrc == self.stream.ssrc() {
                let round_trip = block.round_trip(ntp);
                self.round_trip = round_trip.or(self.round_trip);
                self.reported = Some(block);
                self.emit(Output::Event(Event::Reported { block, round_trip }));
            }
        }
    }

    fn forget(&mut self, ssrc: u32, bye: bool) {
        if self.playing == Some(ssrc) {
            self.end_digits();
            self.playing = None; // what waits in the jitter buffer is still played
        }
        self.table.remove(ssrc);
        self.emit(Output::Event(Event::Left { ssrc, bye }));
    }

    /// Our SSRC came from somewhere else (§8.2): the first time from an address we leave it to the other.
    fn collide(&mut self, now: Instant, from: SocketAddr) {
        let known = self.table.note_conflict(now, from);
        if known || self.leaving != Leaving::No {
            self.ignored += 1;
            return;
        }
        let old = self.stream.ssrc();
        if self.stream.sent() > 0 {
            self.report(now, &[old]);
        }
        loop {
            let new = self.random.next_u32();
            if new != old && self.table.get(new).is_none() {
                self.stream.start_over(&mut self.random, new);
                self.emit(Output::Event(Event::Collision { old, new }));
                return;
            }
        }
    }

    fn count_members(&mut self, now: Instant) {
        let we_sent = self.stream.sent_since_report_before_last();
        let (others, senders) = self.table.count(now, 2 * self.schedule.deterministic_interval());
        self.schedule.set_we_sent(we_sent);
        self.schedule.set_members(now, 1 + others, senders + usize::from(we_sent));
    }

    fn ntp(&self, now: Instant) -> NtpTime {
        self.config.ntp.plus(now.saturating_duration_since(self.started))
    }

    /// Queues a compound: SR or RR, SDES, and BYE for `leaving`.
    fn report(&mut self, now: Instant, leaving: &[u32]) {
        let blocks = self.table.report_blocks(now);
        let mut buffer = vec![0; RTCP_LIMIT];
        let mut builder = CompoundBuilder::new(&mut buffer);
        let ssrc = self.stream.ssrc();
        let report = if self.stream.sent_since_report_before_last() {
            builder.sender_report(ssrc, &self.stream.info(now, self.ntp(now)), &blocks)
        } else {
            builder.receiver_report(ssrc, &blocks)
        };
        let cname = [SdesItem::cname(self.cname.as_bytes())];
        // All of it fits: at most 31 blocks, a name of at most 255 octets, and one SSRC.
        let _ = report
            .and_then(|builder| builder.source_description(&[(ssrc, &cname)]))
            .and_then(|builder| if leaving.is_empty() { Ok(builder) } else { builder.bye(leaving, b"") });
        let len = builder.finish();
        buffer.truncate(len);
        self.stream.reported();
        self.schedule.sent(now, len);
        self.emit(Output::Rtcp(buffer));
    }
}

//! How a session is set up.

use crate::jitter_buffer::JitterConfig;
use crate::report::ReportConfig;
use crate::telephone_event::SenderConfig;
use crate::time::{ClockRate, NtpTime};

/// How a session is set up; what is agreed in signalling.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionConfig {
    /// The clock of all payload types; 8,000 Hz.
    pub clock_rate: ClockRate,
    /// The canonical name sent in SDES, at most 255 octets; a random one when empty (RFC 7022 §4.2).
    pub cname: String,
    /// Our wall clock when the session starts; zero, so that reports bear the session's age instead.
    pub ntp: NtpTime,
    /// Bit n: payload type n is expected; all.
    pub payload_types: u128,
    /// The payload type of telephone events that we receive; none.
    pub telephone_event: Option<u8>,
    /// The payload type of telephone events that we send; none.
    pub send_telephone_event: Option<u8>,
    /// How digits are played.
    pub digits: SenderConfig,
    /// Reordering and delay of what comes.
    pub jitter: JitterConfig,
    /// How much RTCP is sent.
    pub report: ReportConfig,
    /// RTCP without a leading report is accepted (RFC 5506); no.
    pub reduced_size: bool,
    /// Sources that are kept apart, 1 to 1,024; 16.
    pub max_sources: usize,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            clock_rate: ClockRate::HZ_8000,
            cname: String::new(),
            ntp: NtpTime(0),
            payload_types: u128::MAX,
            telephone_event: None,
            send_telephone_event: None,
            digits: SenderConfig::default(),
            jitter: JitterConfig::default(),
            report: ReportConfig::default(),
            reduced_size: false,
            max_sources: 16,
        }
    }
}

impl SessionConfig {
    /// Sets the clock of the stream, its digits and its jitter buffer.
    #[must_use]
    pub fn clock_rate(mut self, clock_rate: ClockRate) -> Self {
        self.clock_rate = clock_rate;
        self.digits.clock_rate = clock_rate;
        self.jitter.clock_rate = clock_rate;
        self
    }

    /// Sets the canonical name.
    #[must_use]
    pub fn cname(mut self, cname: impl Into<String>) -> Self {
        self.cname = cname.into();
        self
    }

    /// Sets our wall clock at the start.
    #[must_use]
    pub fn ntp(mut self, ntp: NtpTime) -> Self {
        self.ntp = ntp;
        self
    }

    /// Expects these payload types only.
    #[must_use]
    pub fn payload_types(mut self, payload_types: &[u8]) -> Self {
        self.payload_types =
            payload_types.iter().map(|number| payload_bit(*number)).fold(0, |all, bit| all | bit);
        self
    }

    /// Sets the payload types of telephone events: what we receive, what we send.
    #[must_use]
    pub fn telephone_events(mut self, receive: Option<u8>, send: Option<u8>) -> Self {
        (self.telephone_event, self.send_telephone_event) = (receive, send);
        self
    }

    /// Sets the jitter buffer.
    #[must_use]
    pub fn jitter(mut self, jitter: JitterConfig) -> Self {
        self.jitter = jitter;
        self
    }

    /// Sets the RTCP bandwidth and interval.
    #[must_use]
    pub fn report(mut self, report: ReportConfig) -> Self {
        self.report = report;
        self
    }

    /// Accepts RTCP of reduced size.
    #[must_use]
    pub fn reduced_size(mut self, reduced_size: bool) -> Self {
        self.reduced_size = reduced_size;
        self
    }
}

/// The bit of [`SessionConfig::payload_types`] for a payload type; none above 127.
pub(super) fn payload_bit(payload_type: u8) -> u128 {
    1_u128.checked_shl(payload_type.into()).unwrap_or_default()
}

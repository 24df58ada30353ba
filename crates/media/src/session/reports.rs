//! RTCP: what we report of the peer's stream, and what the peer reports of ours.

use std::time::Instant;

use rtp::NtpTime;

use super::incoming::Incoming;
use super::outgoing::Outgoing;
use crate::Statistics;
use crate::random::Random;

#[derive(Debug)]
pub(super) struct Reports {}

impl Reports {
    pub(super) fn new(_now: Instant, _ssrc: u32, _clock: Option<NtpTime>, _random: &mut Random) -> Self {
        Self {}
    }
    pub(super) fn start(&mut self, _now: Instant) {}
    pub(super) fn stop(&mut self) {}
    pub(super) fn is_due(&self, _now: Instant) -> bool {
        false
    }
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    pub(super) fn write(&mut self, _now: Instant, _o: &Outgoing, _i: &mut Incoming, _b: &mut Vec<u8>) {}
    pub(super) fn write_bye(&mut self, _now: Instant, _o: &Outgoing, _i: &mut Incoming, _b: &mut Vec<u8>) {}
    pub(super) fn take(&mut self, _now: Instant, _bytes: &[u8], _o: &Outgoing, _i: &mut Incoming) {}
    pub(super) fn count(&self, _statistics: &mut Statistics) {}
}

pub(super) fn is_well_formed(_bytes: &[u8]) -> bool {
    true
}

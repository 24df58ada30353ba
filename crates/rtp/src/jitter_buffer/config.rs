//! How a jitter buffer is set up.

use std::time::Duration;

use crate::payload;
use crate::time::ClockRate;

/// What a [`JitterBuffer`](super::JitterBuffer) may hold and how long it may wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct JitterConfig {
    /// The clock of the timestamps; 8,000 Hz.
    pub clock_rate: ClockRate,
    /// How long a packet lasts, until the stream shows it; 20 ms.
    pub frame: Duration,
    /// The delay never aims below this; 20 ms.
    pub min_delay: Duration,
    /// The delay aimed at until the jitter is known; 40 ms.
    pub initial_delay: Duration,
    /// The delay never aims above this; 300 ms.
    pub max_delay: Duration,
    /// The payload type of comfort noise, after which silence is no loss; 13.
    pub comfort_noise: Option<u8>,
    /// Packets that may wait, 2 to 4,096; 64.
    pub slots: usize,
    /// Octets that a payload may have; 1,500. `slots` times this is the memory of the buffer.
    pub max_payload: usize,
}

impl Default for JitterConfig {
    fn default() -> Self {
        Self {
            clock_rate: ClockRate::HZ_8000,
            frame: Duration::from_millis(20),
            min_delay: Duration::from_millis(20),
            initial_delay: Duration::from_millis(40),
            max_delay: Duration::from_millis(300),
            comfort_noise: Some(payload::COMFORT_NOISE),
            slots: 64,
            max_payload: 1_500,
        }
    }
}

impl JitterConfig {
    /// Sets the clock of the timestamps.
    #[must_use]
    pub fn clock_rate(mut self, clock_rate: ClockRate) -> Self {
        self.clock_rate = clock_rate;
        self
    }

    /// Sets how long a packet lasts, until the stream shows it.
    #[must_use]
    pub fn frame(mut self, frame: Duration) -> Self {
        self.frame = frame;
        self
    }

    /// Sets the least, the first and the greatest delay.
    #[must_use]
    pub fn delay(mut self, min: Duration, initial: Duration, max: Duration) -> Self {
        (self.min_delay, self.initial_delay, self.max_delay) = (min, initial, max);
        self
    }

    /// Sets the payload type of comfort noise.
    #[must_use]
    pub fn comfort_noise(mut self, payload_type: Option<u8>) -> Self {
        self.comfort_noise = payload_type;
        self
    }

    /// Sets how many packets may wait and how long their payloads may be.
    #[must_use]
    pub fn capacity(mut self, slots: usize, max_payload: usize) -> Self {
        (self.slots, self.max_payload) = (slots, max_payload);
        self
    }
}

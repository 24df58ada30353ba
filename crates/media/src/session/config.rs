//! How a session behaves.

use std::time::Duration;

use rtp::NtpTime;

use crate::{Impairment, Latching};

/// How a session behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Whose media is taken. Default [`Latching::LatchOnce`].
    pub latching: Latching,
    /// How long nothing may come from a peer that should send until [`Event::MediaTimeout`](super::Event::MediaTimeout). Default 30 s.
    pub media_timeout: Duration,
    /// How much audio [`Session::write`](super::Session::write) keeps, at most a minute. Default 1 s.
    pub queue: Duration,
    /// How long a digit lasts. Default 100 ms.
    pub digit_duration: Duration,
    /// The wall-clock time at `now` of [`Session::new`](super::Session::new), for RTCP; `None` counts from zero instead
    /// ([RFC 3550 §6.4.1] allows both).
    ///
    /// [RFC 3550 §6.4.1]: https://www.rfc-editor.org/rfc/rfc3550#section-6.4.1
    pub wall_clock: Option<NtpTime>,
    /// Damage done to what is sent, for test tools. Default none.
    pub impairment: Impairment,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            latching: Latching::default(),
            media_timeout: Duration::from_secs(30),
            queue: Duration::from_secs(1),
            digit_duration: Duration::from_millis(100),
            wall_clock: None,
            impairment: Impairment::default(),
        }
    }
}

impl Config {
    /// Sets whose media is taken.
    #[must_use]
    pub fn latching(mut self, latching: Latching) -> Self {
        self.latching = latching;
        self
    }

    /// Sets how long a peer may be silent.
    #[must_use]
    pub fn media_timeout(mut self, media_timeout: Duration) -> Self {
        self.media_timeout = media_timeout;
        self
    }

    /// Sets how much audio [`Session::write`](super::Session::write) keeps.
    #[must_use]
    pub fn queue(mut self, queue: Duration) -> Self {
        self.queue = queue;
        self
    }

    /// Sets how long a digit lasts.
    #[must_use]
    pub fn digit_duration(mut self, digit_duration: Duration) -> Self {
        self.digit_duration = digit_duration;
        self
    }

    /// Sets the wall-clock time at the start.
    #[must_use]
    pub fn wall_clock(mut self, wall_clock: NtpTime) -> Self {
        self.wall_clock = Some(wall_clock);
        self
    }

    /// Sets the damage done to what is sent.
    #[must_use]
    pub fn impairment(mut self, impairment: Impairment) -> Self {
        self.impairment = impairment;
        self
    }
}

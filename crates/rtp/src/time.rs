//! The two clocks on the wire: RTP timestamps, which count media samples, and NTP time stamps.

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

const NANOS: u128 = 1_000_000_000;

/// Ticks a second of an RTP timestamp: of the media clock, which is not always the sample rate (G.722 counts
/// 8,000 a second at 16,000 samples, [RFC 3551 §4.5.2]).
///
/// [RFC 3551 §4.5.2]: https://www.rfc-editor.org/rfc/rfc3551#section-4.5.2
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ClockRate(NonZeroU32);

impl ClockRate {
    /// 8,000 Hz, the clock of telephony audio.
    pub const HZ_8000: Self = Self(NonZeroU32::new(8_000).expect("8,000 is not zero"));
    /// 16,000 Hz.
    pub const HZ_16000: Self = Self(NonZeroU32::new(16_000).expect("16,000 is not zero"));
    /// 48,000 Hz, the clock of Opus at any sample rate.
    pub const HZ_48000: Self = Self(NonZeroU32::new(48_000).expect("48,000 is not zero"));
    /// 90,000 Hz, the clock of video.
    pub const HZ_90000: Self = Self(NonZeroU32::new(90_000).expect("90,000 is not zero"));

    /// A rate in Hz; `None` for zero.
    #[must_use]
    pub const fn new(hz: u32) -> Option<Self> {
        match NonZeroU32::new(hz) {
            Some(hz) => Some(Self(hz)),
            None => None,
        }
    }

    /// The rate in Hz.
    #[must_use]
    pub const fn hz(self) -> u32 {
        self.0.get()
    }

    /// Whole ticks in `duration`, at most `u64::MAX`.
    #[must_use]
    pub fn ticks(self, duration: Duration) -> u64 {
        let ticks = duration.as_nanos().saturating_mul(u128::from(self.hz())) / NANOS;
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    /// How long `ticks` last.
    #[must_use]
    pub fn duration(self, ticks: u64) -> Duration {
        let hz = u64::from(self.hz());
        let nanos = u128::from(ticks % hz) * NANOS / u128::from(hz);
        Duration::new(ticks / hz, u32::try_from(nanos).unwrap_or_default())
    }
}

/// An RTP timestamp: a count of clock ticks that starts at a random value and wraps at 2³² ([RFC 3550 §5.1]).
///
/// It has no order of its own, since it wraps: ask [`RtpTime::ticks_since`].
///
/// [RFC 3550 §5.1]: https://www.rfc-editor.org/rfc/rfc3550#section-5.1
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct RtpTime(pub u32);

impl RtpTime {
    /// This time plus `ticks`.
    #[inline]
    #[must_use]
    pub const fn plus(self, ticks: u32) -> Self {
        Self(self.0.wrapping_add(ticks))
    }

    /// This time minus `ticks`.
    #[inline]
    #[must_use]
    pub const fn minus(self, ticks: u32) -> Self {
        Self(self.0.wrapping_sub(ticks))
    }

    /// This time plus `duration` of a clock that runs at `rate`.
    #[must_use]
    pub fn after(self, duration: Duration, rate: ClockRate) -> Self {
        let ticks = rate.ticks(duration) & u64::from(u32::MAX);
        self.plus(u32::try_from(ticks).unwrap_or_default())
    }

    /// Ticks from `earlier` to this time by the shorter way around the wrap; negative when it lies before.
    #[inline]
    #[must_use]
    pub const fn ticks_since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }

    /// Whether this time lies after `other`, by less than half the range.
    #[inline]
    #[must_use]
    pub const fn is_after(self, other: Self) -> bool {
        self.ticks_since(other) > 0
    }
}

/// Wall-clock time as in sender reports: seconds since 1 January 1900 UTC in 32.32 fixed point ([RFC 3550 §4]).
///
/// [RFC 3550 §4]: https://www.rfc-editor.org/rfc/rfc3550#section-4
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct NtpTime(pub u64);

/// Seconds from 1 January 1900 to 1 January 1970.
const UNIX_EPOCH_SECONDS: u64 = 2_208_988_800;

impl NtpTime {
    /// The NTP time of `time`, modulo 2³² seconds, as the wire has it; zero before 1970.
    #[must_use]
    pub fn from_system_time(time: SystemTime) -> Self {
        let unix = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seconds = (UNIX_EPOCH_SECONDS + unix.as_secs()) & 0xFFFF_FFFF;
        Self((seconds << 32) | ((u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000))
    }

    /// This time plus `duration`, modulo 2³² seconds.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let fraction = (u64::from(duration.subsec_nanos()) << 32) / 1_000_000_000;
        let seconds = (duration.as_secs() & 0xFFFF_FFFF) << 32;
        Self(self.0.wrapping_add(seconds | fraction))
    }

    /// The middle 32 bits: seconds in 16.16 fixed point, the "LSR" of a reception report.
    #[must_use]
    pub const fn middle(self) -> u32 {
        let [_, _, a, b, c, d, _, _] = self.0.to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }
}

/// `duration` in units of 1/65,536 s, the "DLSR" of a reception report; saturates.
#[must_use]
pub fn short_ntp(duration: Duration) -> u32 {
    u32::try_from((duration.as_nanos() << 16) / NANOS).unwrap_or(u32::MAX)
}

/// How long `units` of 1/65,536 s last.
#[must_use]
pub fn from_short_ntp(units: u32) -> Duration {
    Duration::from_nanos((u64::from(units) * 1_000_000_000) >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_and_durations_agree() {
        assert_eq!(ClockRate::HZ_8000.ticks(Duration::from_millis(20)), 160);
        assert_eq!(ClockRate::HZ_48000.duration(960), Duration::from_millis(20));
        assert_eq!(ClockRate::HZ_90000.duration(90_000 * 3_600), Duration::from_secs(3_600));
        assert_eq!(ClockRate::new(0), None);
        assert_eq!(ClockRate::HZ_8000.ticks(Duration::MAX), u64::MAX);
    }

    #[test]
    fn timestamps_compare_around_the_wrap() {
        let late = RtpTime(u32::MAX - 79).plus(160);
        assert_eq!(late, RtpTime(80));
        assert_eq!(late.ticks_since(RtpTime(u32::MAX - 79)), 160);
        assert!(late.is_after(RtpTime(u32::MAX)) && !RtpTime(u32::MAX).is_after(late));
        assert_eq!(RtpTime(80).minus(160), RtpTime(u32::MAX - 79));
        assert_eq!(RtpTime(0).after(Duration::from_secs(1 << 20), ClockRate::HZ_8000).0, 8_000_u32 << 20);
    }

    // rfc: 3550 §4 — NTP seconds count from 1900
    #[test]
    fn ntp_time_counts_from_1900() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
        assert_eq!(NtpTime::from_system_time(time), NtpTime(((UNIX_EPOCH_SECONDS + 1) << 32) | (1 << 31)));
        assert_eq!(NtpTime(0xAAAA_BBBB_CCCC_DDDD).middle(), 0xBBBB_CCCC);
        assert_eq!(NtpTime(1 << 31).plus(Duration::from_millis(500)), NtpTime(1 << 32));
    }

    // rfc: 3550 §6.4.1 — the DLSR of 5.25 s is 0x00054000
    #[test]
    fn short_ntp_counts_65536ths() {
        assert_eq!(short_ntp(Duration::from_millis(5_250)), 0x0005_4000);
        assert_eq!(from_short_ntp(0x0005_4000), Duration::from_millis(5_250));
        assert_eq!(short_ntp(Duration::MAX / 65_536), u32::MAX);
    }
}

//! When a session is active: `t=`, `r=` and `z=` lines ([RFC 8866 §5.9] to [RFC 8866 §5.11]).
//!
//! [RFC 8866 §5.9]: https://www.rfc-editor.org/rfc/rfc8866#section-5.9
//! [RFC 8866 §5.11]: https://www.rfc-editor.org/rfc/rfc8866#section-5.11

use std::fmt;

use crate::grammar::{Fields, long_number};
use crate::{BuildError, Text};

/// A `t=` line with its repetitions ([RFC 8866 §5.9]); `0 0` is a session without bounds.
///
/// [RFC 8866 §5.9]: https://www.rfc-editor.org/rfc/rfc8866#section-5.9
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Time {
    /// Seconds since 1900 of the start; 0 is unbounded. The grammar sets no limit; what a `u64` cannot count is its highest value.
    pub start: u64,
    /// Seconds since 1900 of the end; 0 is unbounded.
    pub stop: u64,
    pub(crate) repeats: Vec<Text>,
    pub(crate) zones: Vec<Text>,
}

impl Time {
    /// No bounds: `t=0 0`.
    pub const UNBOUNDED: Self = Self::new(0, 0);

    /// From the start to the end, in seconds since 1900.
    #[must_use]
    pub const fn new(start: u64, stop: u64) -> Self {
        Self { start, stop, repeats: Vec::new(), zones: Vec::new() }
    }

    /// The same with a further repetition (`r=`).
    #[must_use]
    pub fn repeat(mut self, repeat: &Repeat) -> Self {
        self.repeats.push(Text::from(repeat.to_string()));
        self
    }

    /// The values of the `r=` lines, as they came; [`Repeat::parse`] reads one.
    #[must_use]
    pub fn repeats(&self) -> &[Text] {
        &self.repeats
    }

    /// The values of the `z=` lines, as they came; [`adjustments`] reads one.
    #[must_use]
    pub fn zones(&self) -> &[Text] {
        &self.zones
    }

    pub(crate) fn parse(fields: &mut Fields<'_>) -> Result<Self, &'static str> {
        let start = fields.long_number().ok_or("a start time in digits")?;
        let stop = fields.long_number().ok_or("a stop time in digits")?;
        Ok(Self::new(start, stop))
    }
}

/// How a session repeats, in seconds ([RFC 8866 §5.10]).
///
/// ```
/// let repeat = sdp::Repeat::parse("7d 1h 0 25h").expect("a repetition");
/// assert_eq!((repeat.interval_s, repeat.duration_s), (604_800, 3_600));
/// assert_eq!(repeat.offsets_s, [0, 90_000]);
/// ```
///
/// [RFC 8866 §5.10]: https://www.rfc-editor.org/rfc/rfc8866#section-5.10
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Repeat {
    /// From one occurrence to the next.
    pub interval_s: u64,
    /// How long it is active each time.
    pub duration_s: u64,
    /// When it begins, after the start of the `t=` line; at least one.
    pub offsets_s: Vec<u64>,
}

impl Repeat {
    /// A repetition.
    ///
    /// # Errors
    /// When the interval is 0 or there is no offset.
    pub fn new(interval_s: u64, duration_s: u64, offsets_s: &[u64]) -> Result<Self, BuildError> {
        if interval_s == 0 || offsets_s.is_empty() {
            return Err(BuildError { what: "a repetition", must_be: "an interval above 0 and an offset" });
        }
        Ok(Self { interval_s, duration_s, offsets_s: offsets_s.to_vec() })
    }

    /// Reads the value of an `r=` line; `None` when it does not follow the grammar.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let mut times = value.split(' ').map(seconds);
        let (interval_s, duration_s) = (times.next()??, times.next()??);
        Self::new(interval_s, duration_s, &times.collect::<Option<Vec<_>>>()?).ok()
    }
}

impl fmt::Display for Repeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.interval_s, self.duration_s)?;
        self.offsets_s.iter().try_for_each(|offset| write!(f, " {offset}"))
    }
}

/// Reads the value of a `z=` line: at which second since 1900 the base of the repetitions is shifted, and by how many seconds
/// ([RFC 8866 §5.11]). `None` when it does not follow the grammar.
///
/// ```
/// let shifts = sdp::adjustments("3730928400 -1h 3749680800 0").expect("two adjustments");
/// assert_eq!(shifts, [(3_730_928_400, -3_600), (3_749_680_800, 0)]);
/// ```
///
/// [RFC 8866 §5.11]: https://www.rfc-editor.org/rfc/rfc8866#section-5.11
#[must_use]
pub fn adjustments(value: &str) -> Option<Vec<(u64, i64)>> {
    let mut words = value.split(' ');
    let mut shifts = Vec::new();
    while let Some(at) = words.next() {
        let offset = words.next()?;
        let size = i64::try_from(seconds(offset.strip_prefix('-').unwrap_or(offset))?).ok()?;
        shifts.push((long_number(at)?, if offset.starts_with('-') { -size } else { size }));
    }
    Some(shifts)
}

/// Digits, and a unit unless it is seconds.
fn seconds(text: &str) -> Option<u64> {
    let unit = match text.as_bytes().last()? {
        b'd' => 86_400,
        b'h' => 3_600,
        b'm' => 60,
        _ => 1,
    };
    let digits = text.strip_suffix(['d', 'h', 'm', 's']).unwrap_or(text);
    long_number(digits)?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 8866 §5.10 — times are in seconds, or in days, hours or minutes with a unit; fractions are not allowed
    #[test]
    fn repetitions_have_units() {
        assert_eq!(Repeat::parse("7d 1h 0 25h"), Repeat::parse("604800 3600 0 90000"));
        assert_eq!(Repeat::parse("2m 10s 0s").unwrap().to_string(), "120 10 0");
        for bad in ["", "7d", "7d 1h", "0 1 0", "7D 1h 0", "1.5h 1 0", "7d 1h x", "7d  1h 0", "h 1 0"] {
            assert_eq!(Repeat::parse(bad), None, "{bad}");
        }
        assert!(Repeat::new(0, 1, &[0]).is_err() && Repeat::new(1, 1, &[]).is_err());
    }

    // rfc: 8866 §5.11 — pairs of an adjustment time and an offset, which may be negative
    #[test]
    fn zones_are_pairs() {
        assert_eq!(
            adjustments("2882844526 -1h 2898848070 0"),
            Some(vec![(2_882_844_526, -3_600), (2_898_848_070, 0)])
        );
        for bad in ["", "2882844526", "x 1h", "2882844526 --1h", "2882844526 1h 3"] {
            assert_eq!(adjustments(bad), None, "{bad}");
        }
    }

    // rfc: 8866 §5.9 — time is a decimal of arbitrary length
    #[test]
    fn times_of_any_length_are_read() {
        let long = "9".repeat(30);
        let time = Time::parse(&mut Fields::new(&format!("3724394400 {long}"))).unwrap();
        assert_eq!((time.start, time.stop), (3_724_394_400, u64::MAX));
        assert!(Time::parse(&mut Fields::new("0")).is_err());
        assert!(Time::parse(&mut Fields::new("0 -1")).is_err());
    }
}

//! `a=fmtp` ([RFC 8866 §6.15]).
//!
//! [RFC 8866 §6.15]: https://www.rfc-editor.org/rfc/rfc8866#section-6.15

use std::fmt;

use super::TypedAttribute;
use crate::grammar::{Fields, is_token, number};
use crate::{AttributeError, Text};

/// Parameters of a format: `a=fmtp:101 0-15`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Fmtp {
    /// The format of the `m=` line, a payload type for RTP.
    pub format: Text,
    /// The parameters, as they came.
    pub parameters: Text,
}

impl Fmtp {
    /// The value of a `name=value` parameter, names compared without regard to case; `Some("")` for a bare name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        parameter(&self.parameters, name)
    }
}

impl Fmtp {
    /// The parameters as those of telephone-event.
    ///
    /// # Errors
    /// When they are no list of events.
    pub fn events(&self) -> Result<Events, AttributeError> {
        Events::parse(&self.parameters).ok_or(AttributeError {
            name: Self::NAME,
            column: 1,
            expected: "events of 0 to 255",
        })
    }

    /// The parameters as those of Opus.
    #[must_use]
    pub fn opus(&self) -> Opus {
        Opus::parse(&self.parameters)
    }
}

/// Which events telephone-event may carry: `0-15,66,70` ([RFC 4733 §2.4.1]).
///
/// [RFC 4733 §2.4.1]: https://www.rfc-editor.org/rfc/rfc4733#section-2.4.1
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Events([u128; 2]);

impl Events {
    /// The digits, `*`, `#` and A to D: what is meant when nothing is said.
    pub const DIGITS: Self = Self([0xffff, 0]);

    /// Reads a list of numbers and ranges, without the payload type.
    #[must_use]
    pub fn parse(list: &str) -> Option<Self> {
        let mut events = Self([0, 0]);
        for part in list.trim().trim_start_matches("events=").split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number::<u8>(first.trim())?, number::<u8>(last.trim())?);
            if first > last {
                return None;
            }
            (first..=last).for_each(|event| events.add(event));
        }
        Some(events)
    }

    fn add(&mut self, event: u8) {
        if let Some(half) = self.0.get_mut(usize::from(event >> 7)) {
            *half |= 1 << (event & 0x7f);
        }
    }

    /// True when this event may be sent; 0 to 9 are the digits, 10 is `*`, 11 is `#`.
    #[must_use]
    pub fn contains(&self, event: u8) -> bool {
        self.0.get(usize::from(event >> 7)).is_some_and(|half| half >> (event & 0x7f) & 1 == 1)
    }
}

impl fmt::Display for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut next = 0_u16;
        let has = |event: u16| u8::try_from(event).is_ok_and(|event| self.contains(event));
        while let Some(first) = (next..256).find(|event| has(*event)) {
            let end = (first..=256).find(|event| !has(*event)).unwrap_or(256);
            match end - first {
                1 => write!(f, "{separator}{first}")?,
                _ => write!(f, "{separator}{first}-{}", end - 1)?,
            }
            (separator, next) = (",", end);
        }
        Ok(())
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Events({self})")
    }
}

/// The parameters of Opus ([RFC 7587 §6.1]); each says what the writer can or would like to receive.
///
/// [RFC 7587 §6.1]: https://www.rfc-editor.org/rfc/rfc7587#section-6.1
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Opus {
    /// The highest rate to decode at, in Hz; 48,000 unless said.
    pub max_playback_rate_hz: u32,
    /// The highest average bit rate, in bit/s.
    pub max_average_bitrate: Option<u32>,
    /// Stereo is welcome.
    pub stereo: bool,
    /// Forward error correction in band is welcome.
    pub use_inband_fec: bool,
    /// Discontinuous transmission is welcome.
    pub use_dtx: bool,
    /// A constant bit rate is wanted.
    pub constant_bitrate: bool,
}

impl Opus {
    /// Reads them from the text after the payload type; what cannot be read counts as not said.
    #[must_use]
    pub fn parse(parameters: &str) -> Self {
        let flag = |name| parameter(parameters, name) == Some("1");
        let value = |name| parameter(parameters, name).and_then(number::<u32>);
        Self {
            max_playback_rate_hz: value("maxplaybackrate").unwrap_or(48_000),
            max_average_bitrate: value("maxaveragebitrate"),
            stereo: flag("stereo"),
            use_inband_fec: flag("useinbandfec"),
            use_dtx: flag("usedtx"),
            constant_bitrate: flag("cbr"),
        }
    }
}

/// Looks a parameter up in a `name=value;name=value` text.
pub(crate) fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    parameters.split(';').find_map(|one| {
        let (key, value) = one.split_once('=').unwrap_or((one, ""));
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

impl TypedAttribute for Fmtp {
    const NAME: &'static str = "fmtp";

    fn parse(value: &Text) -> Result<Self, AttributeError> {
        let mut fields = Fields::new(value);
        let format = fields.word_if(is_token).ok_or_else(|| fields.error(Self::NAME, "a format"))?;
        let parameters = fields.rest();
        if parameters.is_empty() {
            return Err(fields.error(Self::NAME, "parameters"));
        }
        Ok(Self { format: value.share(format), parameters: value.share(parameters) })
    }
}

impl fmt::Display for Fmtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.format, self.parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 8866 §6.15 — a format and its parameters
    #[test]
    fn parameters_are_found_by_name() {
        let fmtp = Fmtp::parse(&Text::from("111 minptime=10; UseInbandFec=1;stereo")).unwrap();
        assert_eq!(fmtp.parameter("minptime"), Some("10"));
        assert_eq!(fmtp.parameter("useinbandfec"), Some("1"));
        assert_eq!(fmtp.parameter("stereo"), Some(""));
        assert_eq!(fmtp.parameter("cbr"), None);
        assert!(Fmtp::parse(&Text::from("111")).is_err());
    }

    // rfc: 4733 §2.4.1 — events as numbers and ranges with commas
    #[test]
    fn events_are_numbers_and_ranges() {
        let events = Events::parse("0-15,66,70").unwrap();
        assert!(events.contains(0) && events.contains(15) && !events.contains(16) && events.contains(70));
        assert_eq!(events.to_string(), "0-15,66,70");
        assert_eq!(Events::parse("0-255").unwrap().to_string(), "0-255");
        assert_eq!(Events::parse("127,128,255").unwrap().to_string(), "127-128,255");
        assert_eq!(Events::parse("0-15"), Some(Events::DIGITS));
        for bad in ["", "5-1", "256", "0-", "a"] {
            assert_eq!(Events::parse(bad), None, "{bad}");
        }
    }

    // rfc: 7587 §6.1 — maxplaybackrate is 48000 unless said, flags are 0 unless said
    #[test]
    fn opus_has_defaults() {
        let fmtp =
            Fmtp::parse(&Text::from("111 minptime=10;useinbandfec=1; maxaveragebitrate=24000;stereo=0"))
                .unwrap();
        let opus = fmtp.opus();
        assert!(opus.use_inband_fec && !opus.stereo && !opus.use_dtx && !opus.constant_bitrate);
        assert_eq!((opus.max_playback_rate_hz, opus.max_average_bitrate), (48_000, Some(24_000)));
    }
}

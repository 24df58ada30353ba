//! `a=rtpmap` ([RFC 8866 §6.6]).
//!
//! [RFC 8866 §6.6]: https://www.rfc-editor.org/rfc/rfc8866#section-6.6

use std::fmt;

use super::TypedAttribute;
use crate::grammar::{Fields, check_token, is_token, number};
use crate::{AttributeError, BuildError, Text};

/// What a payload type stands for: `a=rtpmap:96 opus/48000/2`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Rtpmap {
    /// The payload type, 0 to 127.
    pub payload_type: u8,
    /// The encoding name, compared without regard to case.
    pub encoding: Text,
    /// The RTP clock rate in Hz.
    pub clock_rate_hz: u32,
    /// Audio channels, 1 when not said; means nothing for video.
    pub channels: u8,
}

impl Rtpmap {
    /// A mapping.
    ///
    /// # Errors
    /// When the payload type is above 127, the name is no token, or the clock rate or the channels are 0.
    pub fn new(
        payload_type: u8,
        encoding: &str,
        clock_rate_hz: u32,
        channels: u8,
    ) -> Result<Self, BuildError> {
        check_token("an encoding name", encoding)?;
        if payload_type > 127 {
            return Err(BuildError { what: "a payload type", must_be: "0 to 127" });
        }
        if clock_rate_hz == 0 || channels == 0 {
            return Err(BuildError { what: "clock rate and channels", must_be: "more than 0" });
        }
        Ok(Self { payload_type, encoding: Text::from(encoding), clock_rate_hz, channels })
    }
}

impl TypedAttribute for Rtpmap {
    const NAME: &'static str = "rtpmap";

    fn parse(value: &Text) -> Result<Self, AttributeError> {
        let mut fields = Fields::new(value);
        let error = |fields: &Fields<'_>, expected| fields.error(Self::NAME, expected);
        let payload_type = fields.take(Fields::word, |field| number(field).filter(|&number| number < 128));
        let payload_type = payload_type.ok_or_else(|| error(&fields, "a payload type of 0 to 127"))?;
        let slash = |fields: &mut Fields<'_>| {
            fields.take(|f| f.until(b'/'), |name| is_token(name).then(|| value.share(name)))
        };
        let encoding = slash(&mut fields).ok_or_else(|| error(&fields, "an encoding name"))?;
        let clock_rate_hz =
            fields.take(|f| f.until(b'/'), |field| number(field.trim_end()).filter(|&rate| rate > 0));
        let clock_rate_hz = clock_rate_hz.ok_or_else(|| error(&fields, "a clock rate in Hz"))?;
        let channels = match fields.rest().trim_end() {
            "" => 1,
            field => number(field)
                .filter(|&channels| channels > 0)
                .ok_or_else(|| error(&fields, "a number of channels"))?,
        };
        Ok(Self { payload_type, encoding, clock_rate_hz, channels })
    }
}

impl fmt::Display for Rtpmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.payload_type, self.encoding, self.clock_rate_hz)?;
        if self.channels > 1 { write!(f, "/{}", self.channels) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 8866 §6.6 — payload type, encoding name, clock rate, encoding parameters
    #[test]
    fn channels_are_one_unless_said() {
        let opus = Rtpmap::parse(&Text::from("96 opus/48000/2")).unwrap();
        assert_eq!((opus.payload_type, opus.clock_rate_hz, opus.channels), (96, 48_000, 2));
        let pcmu = Rtpmap::parse(&Text::from("0 PCMU/8000")).unwrap();
        assert_eq!(pcmu, Rtpmap::new(0, "PCMU", 8_000, 1).unwrap());
        assert_eq!(Rtpmap::parse(&Text::from("0 PCMU/8000/1")).unwrap().to_string(), "0 PCMU/8000");
    }

    #[test]
    fn an_error_names_the_column() {
        let column = |value| Rtpmap::parse(&Text::from(value)).unwrap_err().column;
        assert_eq!(column("128 x/1"), 1);
        assert_eq!(column("96"), 3);
        assert_eq!(column("96 opus"), 8);
        assert_eq!(column("96 opus/0"), 9);
        assert_eq!(column("96 opus/48000/x"), 15);
    }
}

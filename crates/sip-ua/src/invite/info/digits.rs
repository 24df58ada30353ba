//! Digits in the bodies of INFO requests: two formats that no RFC describes, and that everybody knows.

use std::time::Duration;

use bytes::Bytes;

/// How long a digit is taken to last when its body does not say.
const USUAL: Duration = Duration::from_millis(250);
/// A digit that claims to last longer is cut to this.
const LONGEST: Duration = Duration::from_secs(60);
/// By their event numbers ([RFC 4733 §3.2]).
///
/// [RFC 4733 §3.2]: https://www.rfc-editor.org/rfc/rfc4733#section-3.2
const DIGITS: &[u8; 16] = b"0123456789*#ABCD";

/// How a digit is written into an INFO.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum InfoDtmf {
    /// `application/dtmf-relay`: `Signal=5` and `Duration=160`, in milliseconds.
    #[default]
    Relay,
    /// `application/dtmf`: the digit and nothing else.
    Plain,
}

impl InfoDtmf {
    pub(crate) const ALL: [Self; 2] = [Self::Relay, Self::Plain];

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Relay => "application/dtmf-relay",
            Self::Plain => "application/dtmf",
        }
    }

    /// The body for a digit; `None` when it is none of the sixteen.
    pub(crate) fn write(self, digit: char, duration: Duration) -> Option<Bytes> {
        let digit = digit.to_ascii_uppercase();
        u8::try_from(digit).ok().filter(|octet| DIGITS.contains(octet))?;
        Some(match self {
            Self::Relay => format!("Signal={digit}\r\nDuration={}\r\n", duration.as_millis()).into(),
            Self::Plain => digit.to_string().into(),
        })
    }

    /// The digit in a body, and how long it was pressed; `None` when there is none.
    ///
    /// Names in any case, blanks around `=`, lines ended by LF alone, and event numbers (`10` is `*`) are all in use.
    pub(crate) fn read(self, body: &[u8]) -> Option<(char, Duration)> {
        let text = std::str::from_utf8(body).ok()?;
        if self == Self::Plain {
            return Some((signal(text)?, USUAL));
        }
        let fields = || text.lines().filter_map(|line| line.split_once('='));
        let field = |name: &str| {
            fields().find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        let digit = signal(field("signal")?)?;
        let millis = field("duration").and_then(|value| value.trim().parse().ok());
        Some((digit, millis.map_or(USUAL, Duration::from_millis).min(LONGEST)))
    }
}

/// One digit, or the number of its event.
fn signal(text: &str) -> Option<char> {
    let text = text.trim();
    let octet = match text.as_bytes() {
        [octet] => octet.to_ascii_uppercase(),
        [b'1', _] => *DIGITS.get(text.parse::<usize>().ok()?)?,
        _ => return None,
    };
    DIGITS.contains(&octet).then(|| char::from(octet))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_comes_back_from_both_formats() {
        let duration = Duration::from_millis(160);
        for digit in DIGITS.map(char::from) {
            let body = InfoDtmf::Relay.write(digit, duration).unwrap();
            assert_eq!(InfoDtmf::Relay.read(&body), Some((digit, duration)));
            let body = InfoDtmf::Plain.write(digit.to_ascii_lowercase(), duration).unwrap();
            assert_eq!(InfoDtmf::Plain.read(&body), Some((digit, USUAL)));
        }
        assert_eq!(InfoDtmf::Relay.write('5', duration).unwrap(), "Signal=5\r\nDuration=160\r\n");
        assert_eq!(InfoDtmf::Relay.write('x', duration), None);
        assert_eq!(InfoDtmf::Plain.write('€', duration), None);
    }

    #[test]
    fn the_formats_are_read_as_peers_write_them() {
        let read = |body: &str| InfoDtmf::Relay.read(body.as_bytes());
        let millis = Duration::from_millis;
        assert_eq!(read("Signal= 1\nDuration= 100\n"), Some(('1', millis(100))));
        assert_eq!(read("\r\nsignal=d\r\nDURATION=70"), Some(('D', millis(70))));
        assert_eq!(read("Signal=11"), Some(('#', USUAL)));
        assert_eq!(read("Duration=10\r\nSignal=*\r\nVolume=10"), Some(('*', millis(10))));
        assert_eq!(read("Signal=5\r\nDuration=99999999999"), Some(('5', LONGEST)));
        assert_eq!(read("Signal=5\r\nDuration=-1"), Some(('5', USUAL)));
        assert_eq!(InfoDtmf::Plain.read(b"10\r\n"), Some(('*', USUAL)));
        for nothing in ["", "Signal=", "Signal=16", "Signal=1é", "Signal=55", "Duration=100", "5"] {
            assert_eq!(read(nothing), None, "{nothing}");
        }
        for nothing in [&b""[..], b"55", b"Signal=5", b"\xff", b"!"] {
            assert_eq!(InfoDtmf::Plain.read(nothing), None);
        }
    }
}

//! `--dtmf`: keys, and the way they go.

use std::f64::consts::TAU;

use voip::Call;

use crate::session::BoxFuture;
use crate::{Failure, Outcome};

/// How long a tone sounds, and how long it is quiet after it, in samples: 100 ms and 60 ms.
const SOUND: u32 = 800;
const SILENCE: u32 = 480;
/// Of each of the two sines: together 9 dB below full scale.
const LEVEL: f64 = 5_800.0;
/// ITU-T Q.23: the rows and columns of the keypad, in hertz.
const ROWS: [(f64, &str); 4] = [(697.0, "123A"), (770.0, "456B"), (852.0, "789C"), (941.0, "*0#D")];
const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

/// Keys to press.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Keys {
    way: Way,
    digits: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    Rtp,
    Info,
    Inband,
}

/// `[rtp:|info:|inband:]DIGITS`.
pub(super) fn keys(text: &str) -> Result<Keys, String> {
    let (way, digits) = match text.split_once(':') {
        None => (Way::Rtp, text),
        Some(("rtp", digits)) => (Way::Rtp, digits),
        Some(("info", digits)) => (Way::Info, digits),
        Some(("inband", digits)) => (Way::Inband, digits),
        Some(_) => return Err(format!("{text}: expected [rtp:|info:|inband:]DIGITS")),
    };
    let digits = digits.to_ascii_uppercase();
    match digits.chars().find(|key| tones(*key).is_none()) {
        Some(wrong) => {
            Err(format!("{text}: {:?} is no key; keys are 0-9 * # A-D", wrong.to_ascii_lowercase()))
        }
        None => Ok(Keys { way, digits }),
    }
}

impl Keys {
    /// Presses them in a call, when it is polled.
    pub(super) fn press(&self, call: &Call) -> BoxFuture<Outcome> {
        let (media, digits) = (call.media().clone(), self.digits.clone());
        match self.way {
            Way::Rtp => Box::pin(async move { media.send_digits(digits).await.map_err(failed) }),
            Way::Info => {
                let pressed = call.dtmf_info(&digits);
                Box::pin(async move { pressed.await.map_err(failed) })
            }
            Way::Inband => {
                let samples: Vec<i16> = digits.chars().filter_map(tones).flat_map(sound).collect();
                Box::pin(async move { media.play(samples).await.map(drop).map_err(failed) })
            }
        }
    }
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::failed(error.to_string())
}

/// The two frequencies of a key.
fn tones(key: char) -> Option<[f64; 2]> {
    ROWS.iter().find_map(|(row, keys)| Some([*row, *COLUMNS.get(keys.find(key)?)?]))
}

/// The samples of a key, and the silence after it.
fn sound([row, column]: [f64; 2]) -> impl Iterator<Item = i16> {
    let sample = move |i: u32| {
        let at = TAU * f64::from(i) / 8_000.0;
        ((at * row).sin() + (at * column).sin()) * LEVEL
    };
    let quiet = std::iter::repeat_n(0, SILENCE as usize);
    #[expect(clippy::cast_possible_truncation, reason = "two sines of this level fit")]
    (0..SOUND).map(move |i| sample(i) as i16).chain(quiet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_the_way_that_is_written_before_them() {
        for (text, way, digits) in
            [("12#", Way::Rtp, "12#"), ("info:5a", Way::Info, "5A"), ("inband:*0", Way::Inband, "*0")]
        {
            assert_eq!(keys(text), Ok(Keys { way, digits: digits.into() }));
        }
        for wrong in ["12x", "sms:1", "info:é", "inband: 1"] {
            assert!(keys(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_sounds_like_its_row_and_column() {
        assert_eq!(tones('1'), Some([697.0, 1209.0]));
        assert_eq!(tones('D'), Some([941.0, 1633.0]));
        let five: Vec<i16> = sound(tones('5').unwrap()).collect();
        assert_eq!(five.len(), 1_280);
        let power = |hz: f64| {
            let angle = |i: usize| TAU * hz * i as f64 / 8_000.0;
            let (re, im) = five.iter().enumerate().fold((0.0, 0.0), |(re, im), (i, sample)| {
                (re + f64::from(*sample) * angle(i).cos(), im + f64::from(*sample) * angle(i).sin())
            });
            re.hypot(im)
        };
        let [row, column] = [power(770.0), power(1336.0)];
        let others = [697.0, 852.0, 941.0, 1209.0, 1477.0, 1633.0];
        assert!(others.into_iter().all(|hz| power(hz) < row.min(column) / 4.0));
    }
}

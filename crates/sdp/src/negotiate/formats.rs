//! Which codec is which, and which number stands for it.

use crate::attribute::{Fmtp, Rtpmap};
use crate::grammar::number;
use crate::{Codec, Media, Stream, Text, payload};

/// The encoding name of digits and tones ([RFC 4733]).
///
/// [RFC 4733]: https://www.rfc-editor.org/rfc/rfc4733
pub(super) const TELEPHONE_EVENT: &str = "telephone-event";

/// The digits, `*`, `#` and A to D: what we say we take.
pub(super) const DIGITS: &str = "0-15";

/// A format of an m-line with all that tells it from others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Format {
    pub(super) map: Rtpmap,
    pub(super) fmtp: Option<Text>,
}

impl Format {
    pub(super) fn is_telephone_event(&self) -> bool {
        self.map.encoding.eq_ignore_ascii_case(TELEPHONE_EVENT)
    }

    /// Comfort noise goes beside a codec and is none.
    pub(super) fn is_comfort_noise(&self) -> bool {
        self.map.encoding.eq_ignore_ascii_case("CN")
    }

    /// `encoding/clock rate`, or the encoding alone for codecs with the usual rate of telephony and video.
    pub(super) fn name(&self) -> Text {
        match self.map.clock_rate_hz {
            8_000 | 90_000 if !self.is_telephone_event() => self.map.encoding.clone(),
            rate => Text::from(format!("{}/{rate}", self.map.encoding)),
        }
    }

    /// Whether its number is one of those that RTCP uses when it shares the port ([RFC 5761 §4]).
    ///
    /// [RFC 5761 §4]: https://www.rfc-editor.org/rfc/rfc5761#section-4
    pub(super) fn collides_with_rtcp(&self) -> bool {
        RTCP.contains(&self.map.payload_type)
    }

    /// Our encoding and parameters under the peer's number, as they stand in an answer.
    ///
    /// Parameters that are part of the codec's identity are said as the peer said them ([RFC 3264 §6.1]), when we have none of our
    /// own; the peer's other ones are never ours. An H.264 level above the peer's is lowered ([RFC 6184 §8.2.2]).
    ///
    /// [RFC 3264 §6.1]: https://www.rfc-editor.org/rfc/rfc3264#section-6.1
    /// [RFC 6184 §8.2.2]: https://www.rfc-editor.org/rfc/rfc6184#section-8.2.2
    pub(super) fn answering(&self, peer: &Self) -> Self {
        let mut ours = self.clone();
        ours.map.payload_type = peer.map.payload_type;
        ours.map.encoding = peer.map.encoding.clone();
        let named = |name: &'static str| Some((name, peer.parameter(name)?));
        ours.fmtp = match &self.fmtp {
            // The default level is ours then, whatever the peer's is.
            None => join(
                identity(self).iter().map(|(name, _)| *name).filter(|name| *name != LEVEL).filter_map(named),
            ),
            Some(own) if self.exceeds_level_of(peer) => {
                let level = peer.parameter(LEVEL).unwrap_or(BASELINE_LEVEL_1);
                join(split(own).map(|(name, value)| {
                    if name.eq_ignore_ascii_case(LEVEL) { (name, level) } else { (name, value) }
                }))
            }
            own => own.clone(),
        };
        ours
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        crate::attribute::parameter(self.fmtp.as_deref()?, name)
    }

    /// Whether this H.264 asks for a higher level than the peer takes, without leave to differ.
    fn exceeds_level_of(&self, peer: &Self) -> bool {
        let may_differ = |format: &Self| format.parameter("level-asymmetry-allowed") == Some("1");
        let h264 = self.map.encoding.eq_ignore_ascii_case("H264");
        h264 && !(may_differ(self) && may_differ(peer)) && h264_level(self) > h264_level(peer)
    }

    fn same_encoding(&self, other: &Self) -> bool {
        let (a, b) = (&self.map, &other.map);
        a.encoding.eq_ignore_ascii_case(&b.encoding)
            && (a.clock_rate_hz, a.channels) == (b.clock_rate_hz, b.channels)
    }

    /// Whether both mean the same codec in the same configuration.
    pub(super) fn compare(&self, other: &Self) -> Match {
        if !self.same_encoding(other) {
            Match::Different
        } else if configuration(self) != configuration(other) {
            Match::ParametersDiffer
        } else {
            Match::Same
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Match {
    Same,
    ParametersDiffer,
    Different,
}

/// The parameters that must be equal on both sides, with the value that holds when one is not said. All others
/// are each side's own affair ([RFC 3264 §6.1]).
///
/// [RFC 3264 §6.1]: https://www.rfc-editor.org/rfc/rfc3264#section-6.1
const CONFIGURATION: [(&str, &[(&str, &str)]); 7] = [
    ("H264", &[("packetization-mode", "0"), (LEVEL, BASELINE_LEVEL_1)]),
    ("VP9", &[("profile-id", "0")]),
    ("AV1", &[("profile", "0"), ("tier", "0")]),
    ("AMR", &[("octet-align", "0"), ("crc", "0"), ("robust-sorting", "0"), ("interleaving", "")]),
    ("AMR-WB", &[("octet-align", "0"), ("crc", "0"), ("robust-sorting", "0"), ("interleaving", "")]),
    ("G7221", &[("bitrate", "")]),
    ("MP4A-LATM", &[("config", ""), ("object", "")]),
];

const LEVEL: &str = "profile-level-id";

/// What holds without a profile-level-id ([RFC 6184 §8.1]).
///
/// [RFC 6184 §8.1]: https://www.rfc-editor.org/rfc/rfc6184#section-8.1
const BASELINE_LEVEL_1: &str = "42000a";

/// The parameters that belong to the identity of this codec; none for most.
fn identity(format: &Format) -> &'static [(&'static str, &'static str)] {
    let known = CONFIGURATION.iter().find(|(name, _)| format.map.encoding.eq_ignore_ascii_case(name));
    known.map_or(&[], |(_, names)| names)
}

fn configuration(format: &Format) -> Vec<String> {
    let value = |&(name, default): &(&str, &str)| {
        let said = format.parameter(name).unwrap_or(default).to_ascii_lowercase();
        if name == LEVEL { h264_profile(&said) } else { said }
    };
    identity(format).iter().map(value).collect()
}

/// `name=value` parameters; a bare name has the value "".
fn split(parameters: &str) -> impl Iterator<Item = (&str, &str)> {
    let parts = parameters.split(';').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.split_once('=').unwrap_or((part, "")))
}

fn join<'a>(parameters: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Text> {
    let one = |(name, value): (&str, &str)| match value {
        "" => name.to_owned(),
        value => format!("{name}={value}"),
    };
    let all: Vec<String> = parameters.map(one).collect();
    (!all.is_empty()).then(|| Text::from(all.join(";")))
}

/// The level, comparable: level_idc doubled, since level 1b lies between 1 and 1.1 and is written as 11 with
/// constraint_set3, or as 9 ([RFC 6184 §8.1]).
///
/// [RFC 6184 §8.1]: https://www.rfc-editor.org/rfc/rfc6184#section-8.1
fn h264_level(format: &Format) -> Option<u16> {
    let id = format.parameter(LEVEL).unwrap_or(BASELINE_LEVEL_1);
    let octet = |range| u8::from_str_radix(id.get(range)?, 16).ok();
    match (octet(0..2)?, octet(2..4)?, octet(4..6)?) {
        (0x42 | 0x4d | 0x58, flags, 11) if flags & 0x10 != 0 => Some(21),
        (_, _, 9) => Some(21),
        (_, _, level) => Some(u16::from(level) * 2),
    }
}

/// The profile in a profile-level-id, without the level; the constrained ones by one name ([RFC 6184 §8.1] table 5).
///
/// [RFC 6184 §8.1]: https://www.rfc-editor.org/rfc/rfc6184#section-8.1
fn h264_profile(id: &str) -> String {
    let octet = |range| id.get(range).and_then(|hex| u8::from_str_radix(hex, 16).ok());
    let name = match (octet(0..2), octet(2..4)) {
        (Some(0x42), Some(flags)) if flags & 0x4f == 0x40 => "constrained baseline",
        (Some(0x4d), Some(flags)) if flags & 0x8f == 0x80 => "constrained baseline",
        (Some(0x58), Some(flags)) if flags & 0xcf == 0xc0 => "constrained baseline",
        (Some(0x42), Some(flags)) if flags & 0x4f == 0 => "baseline",
        (Some(0x58), Some(flags)) if flags & 0xcf == 0x80 => "baseline",
        (Some(0x4d), Some(flags)) if flags & 0xaf == 0 => "main",
        (Some(0x58), Some(flags)) if flags & 0xcf == 0 => "extended",
        _ => id.get(..4).unwrap_or(id),
    };
    name.to_owned()
}

/// The formats of an m-line that can be read, in order of preference, each number once.
pub(super) fn formats(media: &Media) -> Vec<Format> {
    let maps: Vec<Rtpmap> = media.attributes.all().filter_map(Result::ok).collect();
    let parameters: Vec<(u8, Text)> = media
        .attributes
        .all::<Fmtp>()
        .filter_map(|one| one.ok().and_then(|f| Some((number(&f.format)?, f.parameters))))
        .collect();
    let mut formats: Vec<Format> = Vec::new();
    for payload_type in media.payload_types() {
        let said = maps.iter().find(|map| map.payload_type == payload_type).cloned();
        let map = said.or_else(|| payload::static_type(payload_type).map(payload::StaticType::rtpmap));
        if let Some(map) = map
            && formats.iter().all(|format| format.map.payload_type != payload_type)
        {
            let fmtp =
                parameters.iter().find(|(number, _)| *number == payload_type).map(|(_, text)| text.clone());
            formats.push(Format { map, fmtp });
        }
    }
    formats
}

/// What a stream can do, as formats; the payload types are wishes, 255 where there is none.
pub(super) fn wishes(stream: &Stream) -> Vec<Format> {
    let mut wishes: Vec<Format> = stream.codecs.iter().map(wish).collect();
    if stream.telephone_event {
        let mut rates: Vec<u32> = Vec::new();
        for codec in &stream.codecs {
            if !rates.contains(&codec.clock_rate_hz) {
                rates.push(codec.clock_rate_hz);
            }
        }
        if rates.is_empty() {
            rates.push(8_000);
        }
        for clock_rate_hz in rates {
            let payload_type = if clock_rate_hz == 8_000 { 101 } else { NO_WISH };
            let map = Rtpmap {
                payload_type,
                encoding: Text::from_static(TELEPHONE_EVENT),
                clock_rate_hz,
                channels: 1,
            };
            wishes.push(Format { map, fmtp: Some(Text::from_static(DIGITS)) });
        }
    }
    wishes
}

const NO_WISH: u8 = 255;

fn wish(codec: &Codec) -> Format {
    let Codec { name, clock_rate_hz, channels, payload_type, fmtp } = codec.clone();
    let known = payload::static_type_of(&name, clock_rate_hz, channels).map(|known| known.payload_type);
    let payload_type = payload_type.or(known).unwrap_or(NO_WISH);
    Format { map: Rtpmap { payload_type, encoding: name, clock_rate_hz, channels }, fmtp }
}

/// What payload types meant so far on one m-line, in descriptions of either side; they keep their meaning for the session
/// ([RFC 3264 §8.3.2]).
///
/// [RFC 3264 §8.3.2]: https://www.rfc-editor.org/rfc/rfc3264#section-8.3.2
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    ours: Vec<Format>,
    theirs: Vec<Format>,
}

impl Numbers {
    /// Remembers what our description says.
    pub(super) fn learn(&mut self, format: &Format) {
        remember(&mut self.ours, format);
    }

    /// Remembers what the peer's says. One that changes a meaning is followed: the new one counts. True when it did.
    pub(super) fn learn_theirs(&mut self, format: &Format) -> bool {
        remember(&mut self.theirs, format)
    }

    fn is_used(&self, payload_type: u8) -> bool {
        self.ours.iter().chain(&self.theirs).any(|known| known.map.payload_type == payload_type)
    }

    /// The number this format has: in our descriptions, else in the peer's.
    fn number_of(&self, format: &Format) -> Option<u8> {
        let number = |known: &&Format| known.compare(format) == Match::Same;
        let own = self.ours.iter().find(number);
        let ours =
            |theirs: &&Format| self.ours.iter().all(|own| own.map.payload_type != theirs.map.payload_type);
        let known = own.or_else(|| self.theirs.iter().filter(ours).find(number));
        known.map(|known| known.map.payload_type)
    }
}

fn remember(known: &mut Vec<Format>, format: &Format) -> bool {
    let changes = |one: &Format| {
        one.map.payload_type == format.map.payload_type && one.compare(format) == Match::Different
    };
    let changed = known.iter().any(changes);
    known.retain(|one| one.map.payload_type != format.map.payload_type);
    known.push(format.clone());
    changed
}

/// Payload types that RTCP packet types would be taken for.
const RTCP: std::ops::RangeInclusive<u8> = 64..=95;

/// Gives each wish a number: the one it had, else the one it would like, else a free one. A wish for which none is left is
/// dropped. `taken` are numbers of other m-lines.
pub(super) fn assign(wishes: Vec<Format>, numbers: &Numbers, taken: &[u8]) -> Vec<Format> {
    let mut formats: Vec<Format> = Vec::new();
    // Old numbers first, so that no new codec takes one away.
    let old: Vec<Option<u8>> = wishes.iter().map(|wish| numbers.number_of(wish)).collect();
    for (mut wish, known) in wishes.into_iter().zip(old.iter().copied()) {
        let free = |number: &u8| {
            let used = formats.iter().any(|format| format.map.payload_type == *number)
                || old.contains(&Some(*number));
            let elsewhere = taken.contains(number) && payload::static_type(*number).is_none();
            !used && !elsewhere && !RTCP.contains(number) && !numbers.is_used(*number)
        };
        let unused = |number: &u8| formats.iter().all(|format| format.map.payload_type != *number);
        let liked = Some(wish.map.payload_type).filter(|number| *number < 128);
        // RFC 3551 §6 leaves 96-127 to dynamic types, RFC 5761 §4 adds 35-63 when those are used up.
        let number =
            known.filter(unused).or(liked.filter(free)).or_else(|| (96..128).chain(35..64).find(free));
        if let Some(number) = number {
            wish.map.payload_type = number;
            formats.push(wish);
        }
    }
    formats
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(payload_type: u8, encoding: &str, fmtp: &str) -> Format {
        let map = Rtpmap { payload_type, encoding: Text::from(encoding), clock_rate_hz: 90_000, channels: 1 };
        Format { map, fmtp: (!fmtp.is_empty()).then(|| Text::from(fmtp)) }
    }

    #[test]
    fn names_are_compared_without_regard_to_case() {
        assert_eq!(format(96, "vp8", "").compare(&format(97, "VP8", "max-fr=30")), Match::Same);
        assert_eq!(format(96, "VP8", "").compare(&format(96, "VP9", "")), Match::Different);
    }

    // rfc: 6184 §8.2.2 — profile and packetization-mode are used symmetrically, the level is not
    #[test]
    fn h264_matches_by_profile_and_packetization_mode() {
        let h264 = |fmtp| format(96, "H264", fmtp);
        let baseline = h264("profile-level-id=42e01f;packetization-mode=1");
        assert_eq!(baseline.compare(&h264("packetization-mode=1; profile-level-id=42E034")), Match::Same);
        assert_eq!(baseline.compare(&h264("profile-level-id=42e01f")), Match::ParametersDiffer);
        assert_eq!(
            baseline.compare(&h264("profile-level-id=640c1f;packetization-mode=1")),
            Match::ParametersDiffer
        );
        assert_eq!(baseline.compare(&h264("profile-level-id=4d801f;packetization-mode=1")), Match::Same);
    }

    // rfc: 3264 §8.3.2 — a payload type keeps its codec for the session
    #[test]
    fn a_codec_keeps_its_number_and_no_other_takes_it() {
        let mut numbers = Numbers::default();
        numbers.learn(&format(96, "VP8", ""));
        numbers.learn(&format(97, "H265", ""));
        let assigned = assign(vec![format(NO_WISH, "AV1", ""), format(NO_WISH, "VP8", "")], &numbers, &[98]);
        let got: Vec<u8> = assigned.iter().map(|format| format.map.payload_type).collect();
        assert_eq!(got, [99, 96]);
    }

    #[test]
    fn when_numbers_run_out_the_last_codecs_are_dropped() {
        let many: Vec<Format> = (0..200).map(|n| format(NO_WISH, &format!("c{n}"), "")).collect();
        let assigned = assign(many, &Numbers::default(), &[]);
        let dynamic = assigned.iter().all(|format| matches!(format.map.payload_type, 96..=127 | 35..=63));
        assert!(dynamic && assigned.len() == 32 + 29);
    }
}

//! `voip parse --sdp`: reads a session description, and with `--answer-with` answers it as an offer and says why so.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};
use voip::StatusCode;
use voip::crates::sdp::attribute::Fingerprint;
use voip::crates::sdp::{
    Agreed, Answer, Capabilities, Codec, Crypto, MediaKind, Negotiation, NegotiationError, ParseError,
    Reason, Security, SessionDescription, SrtpPolicy, Stream,
};

use super::{Reading, Trouble, print_reading, problems_json};
use crate::Failure;
use crate::common::Srtp;

/// The address and the first port of the answer: nothing listens there.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const FIRST_PORT: u16 = 40_000;
/// Keys of zeros, so that the same offer always has the same answer; it is shown and never sent.
const SUITES: [(&str, usize); 3] =
    [("AEAD_AES_256_GCM", 44), ("AES_CM_128_HMAC_SHA1_80", 30), ("AES_CM_128_HMAC_SHA1_32", 30)];

/// What answers: codecs for audio and for video, and what is thought of encryption.
#[derive(Debug)]
pub(super) struct Answering {
    audio: Vec<Codec>,
    video: Vec<Codec>,
    srtp: Srtp,
}

/// A description, and what became of it as an offer.
pub(super) struct Sdp {
    pub(super) reading: Reading,
    description: Option<SessionDescription>,
    outcome: Option<Result<Answer, NegotiationError>>,
}

impl Answering {
    /// Reads a list of codec names.
    pub(super) fn new(names: &[String], srtp: Option<Srtp>) -> Result<Self, Failure> {
        let (mut audio, mut video) = (Vec::new(), Vec::new());
        for name in names {
            match codec(name).map_err(|()| Failure::usage(format!("--answer-with {name}: {KNOWN}")))? {
                (MediaKind::Audio, codec) => audio.push(codec),
                (MediaKind::Video, codec) => video.push(codec),
            }
        }
        Ok(Self { audio, video, srtp: srtp.unwrap_or(Srtp::Optional) })
    }

    /// As many streams as the offer could use, audio and video as far as there are codecs for them.
    fn capabilities(&self, offer: &SessionDescription) -> Capabilities {
        let wanted = |kind: &str| match kind {
            "audio" => Some((Stream::audio as fn(u16) -> Stream, &self.audio)),
            "video" => Some((Stream::video as fn(u16) -> Stream, &self.video)),
            _ => None,
        };
        let streams = offer.media.iter().filter_map(|media| wanted(media.kind()));
        let ports = (FIRST_PORT..=u16::MAX).step_by(2);
        let streams = streams.filter(|(_, codecs)| !codecs.is_empty()).zip(ports);
        streams.fold(Capabilities::new(ADDRESS).bundle(true), |able, ((stream, codecs), port)| {
            able.stream(self.secure(stream(port).codecs(codecs.iter().cloned()).rtcp_mux(true)))
        })
    }

    fn secure(&self, stream: Stream) -> Stream {
        let key = |length| format!("inline:{}", "A".repeat(usize::div_ceil(length * 4, 3)));
        let padded =
            |length: usize| key(length) + ["", "==", "="].get(length % 3).copied().unwrap_or_default();
        let keys = SUITES.iter().filter_map(|(suite, length)| Crypto::new(1, suite, &padded(*length)).ok());
        let policy = match self.srtp {
            Srtp::Off => SrtpPolicy::Off,
            Srtp::Optional => SrtpPolicy::Optional,
            Srtp::Required => SrtpPolicy::Required,
            Srtp::Dtls => SrtpPolicy::Dtls,
        };
        let mut stream = stream.srtp(policy, keys);
        stream.fingerprints = Fingerprint::new("sha-256", &[0; 32]).into_iter().collect();
        stream
    }
}

const KNOWN: &str = "the codecs are opus, g722, pcmu, pcma, l16, g729, gsm, ilbc, amr, amr-wb, h264, h265, vp8, vp9, av1, h261 and h263";

fn codec(name: &str) -> Result<(MediaKind, Codec), ()> {
    let audio = |codec| Ok((MediaKind::Audio, codec));
    let named = |name, rate| Codec::new(name, rate).map_err(|_| ());
    let video = |name| Ok((MediaKind::Video, named(name, 90_000)?));
    match name.trim().to_ascii_lowercase().as_str() {
        "opus" => audio(Codec::opus()),
        "g722" => audio(Codec::g722()),
        "pcmu" => audio(Codec::pcmu()),
        "pcma" => audio(Codec::pcma()),
        "l16" => audio(Codec::l16(8_000, 1)),
        "g729" => audio(named("G729", 8_000)?),
        "gsm" => audio(named("GSM", 8_000)?),
        "ilbc" => audio(named("iLBC", 8_000)?),
        "amr" => audio(named("AMR", 8_000)?),
        "amr-wb" => audio(named("AMR-WB", 16_000)?),
        "h264" => {
            let parameters = "profile-level-id=42e01f;level-asymmetry-allowed=1;packetization-mode=1";
            Ok((MediaKind::Video, named("H264", 90_000)?.fmtp(parameters).map_err(|_| ())?))
        }
        "h265" => video("H265"),
        "vp8" => video("VP8"),
        "vp9" => video("VP9"),
        "av1" => video("AV1"),
        "h261" => video("H261"),
        "h263" => video("H263"),
        _ => Err(()),
    }
}

impl Sdp {
    pub(super) fn read(bytes: Vec<u8>, answering: Option<&Answering>) -> Self {
        let (description, mut problems) = match SessionDescription::parse_bytes(&bytes) {
            Ok(description) => (Some(description), Vec::new()),
            Err(error) => (None, vec![trouble(&error, &bytes)]),
        };
        let outcome = description
            .as_ref()
            .zip(answering)
            .map(|(offer, answering)| Negotiation::new(1).answer(offer, &answering.capabilities(offer)));
        if let Some(Err(_)) = &outcome {
            problems.push(Trouble::new("a stream that can be accepted".into(), StatusCode::new(488)));
        }
        let reading = Reading { message: None, ok: problems.is_empty(), problems, bytes };
        Self { reading, description, outcome }
    }

    fn reasons(&self) -> &[Reason] {
        match &self.outcome {
            Some(Ok(answer)) => &answer.reasons,
            Some(Err(NegotiationError::NothingInCommon(reasons))) => reasons,
            Some(Err(_)) | None => &[],
        }
    }

    pub(super) fn json(&self) -> Value {
        let mut value = json!({
            "ok": self.reading.ok, "kind": "sdp", "problems": problems_json(&self.reading.problems),
        });
        let Value::Object(object) = &mut value else { return value };
        if self.outcome.is_some() {
            let reason = |reason: &Reason| {
                let text = reason.to_string();
                let why = text.split_once(": ").map_or(text.as_str(), |(_, why)| why);
                json!({ "media": reason.media + 1, "kind": reason.kind.as_str(), "why": why })
            };
            object.insert("reasons".into(), self.reasons().iter().map(reason).collect());
        }
        if let Some(Ok(answer)) = &self.outcome {
            object.insert("answer".into(), answer.description.to_string().into());
            object.insert("agreed".into(), answer.agreement.accepted().map(agreed_json).collect());
        }
        value
    }

    pub(super) fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        for media in self.description.iter().flat_map(|description| &description.media) {
            writeln!(out, "{} port {} {}: {}", media.kind(), media.port, media.protocol(), formats(media))?;
        }
        for reason in self.reasons() {
            writeln!(out, "{reason}")?;
        }
        if let Some(Ok(answer)) = &self.outcome {
            writeln!(out, "\n{}", answer.description.to_string().replace("\r\n", "\n"))?;
        }
        match &self.outcome {
            Some(Err(_)) => writeln!(out, "{NOTHING_IN_COMMON}"),
            Some(Ok(_)) | None => print_reading(out, &self.reading),
        }
    }

    /// Why it fails, in one line.
    pub(super) fn failure(&self) -> Option<String> {
        match &self.outcome {
            Some(Err(_)) => Some(NOTHING_IN_COMMON.to_owned()),
            Some(Ok(_)) | None => self.reading.problems.first().map(ToString::to_string),
        }
    }
}

const NOTHING_IN_COMMON: &str = "nothing in common: to be answered 488";

/// `PCMU/8000 (0), telephone-event/8000 (101)`.
fn formats(media: &voip::crates::sdp::Media) -> String {
    let one = |format: &str| {
        let map = format.parse().ok().and_then(|number| media.rtpmap(number));
        map.map_or_else(
            || format.to_owned(),
            |map| format!("{}/{} ({format})", map.encoding, map.clock_rate_hz),
        )
    };
    media.formats().map(one).collect::<Vec<_>>().join(", ")
}

fn agreed_json(agreed: &Agreed) -> Value {
    let security = match &agreed.security {
        Security::None => "off",
        Security::Sdes { local, .. } => local.suite(),
        Security::Dtls { .. } => "dtls",
        _ => "other",
    };
    let codecs = agreed.codecs.iter().map(|codec| {
        json!({
            "name": codec.name.as_str(), "clock_rate_hz": codec.clock_rate_hz, "send": codec.send,
            "receive": codec.receive, "fmtp": codec.remote_fmtp.as_deref(),
        })
    });
    let events = agreed.telephone_events.iter().map(
        |event| json!({ "clock_rate_hz": event.clock_rate_hz, "send": event.send, "receive": event.receive }),
    );
    json!({
        "media": agreed.media + 1, "kind": agreed.kind.as_str(), "direction": agreed.direction.to_string(),
        "srtp": security, "rtcp_mux": agreed.rtcp_mux, "ptime_ms": agreed.ptime_ms,
        "bundled_with": agreed.bundled_with.map(|with| with + 1),
        "remote": agreed.remote_rtp_address().map(|address| address.to_string()),
        "codecs": codecs.collect::<Value>(), "telephone_events": events.collect::<Value>(),
    })
}

fn trouble(error: &ParseError, bytes: &[u8]) -> Trouble {
    let (line, letter, column, expected) = match error {
        ParseError::Malformed { line, letter, column, expected } => {
            (*line, *letter, *column, (*expected).to_owned())
        }
        ParseError::Repeated { line, letter } => (*line, *letter, 1, "a line that stands once".to_owned()),
        ParseError::Missing(letter) => return Trouble::new(format!("a {letter}= line"), None),
        ParseError::TooLarge { .. } | _ => return Trouble::new(error.to_string(), None),
    };
    let start: usize = bytes.split_inclusive(|&byte| byte == b'\n').take(line - 1).map(<[u8]>::len).sum();
    let header = Some(format!("{letter}= (line {line})"));
    Trouble { header, at: start + column - 1, expected, status: None, hint: "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
        m=audio 4000 RTP/AVP 9 8 101\r\na=rtpmap:101 telephone-event/8000\r\nm=video 4002 RTP/AVP 31\r\n";

    fn answer(text: &str, with: &[&str], srtp: Srtp) -> Value {
        let names: Vec<String> = with.iter().map(|&name| name.into()).collect();
        Sdp::read(text.into(), Some(&Answering::new(&names, Some(srtp)).unwrap())).json()
    }

    #[test]
    fn a_broken_sdp_line_is_named_with_its_place() {
        let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=soon\r\n";
        let value = Sdp::read(text.into(), None).json();
        assert_eq!(value["ok"], false);
        let at: usize = value["problems"][0]["at"].as_u64().unwrap().try_into().unwrap();
        assert!((text.find("t=").unwrap()..text.len()).contains(&at), "{value}");
    }

    #[test]
    fn an_offer_is_answered_and_explained() {
        let value = answer(OFFER, &["pcma", "opus"], Srtp::Optional);
        assert_eq!((&value["ok"], &value["agreed"][0]["codecs"][0]["name"]), (&json!(true), &json!("PCMA")));
        let whys: Vec<_> =
            value["reasons"].as_array().unwrap().iter().map(|reason| reason["why"].clone()).collect();
        assert_eq!(whys.first(), Some(&json!("G722 refused: not in our list")));
        assert_eq!(whys.last(), Some(&json!("refused: video not wanted")));
        let text = value["answer"].as_str().unwrap();
        assert!(
            text.contains("m=audio 40000 RTP/AVP 8 101\r\n") && text.ends_with("m=video 0 RTP/AVP 31\r\n")
        );
        let mut shown = Vec::new();
        let able = Answering::new(&["pcma".into()], None).unwrap();
        Sdp::read(OFFER.into(), Some(&able)).print(&mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        let first = "audio port 4000 RTP/AVP: G722/8000 (9), PCMA/8000 (8), telephone-event/8000 (101)\n";
        assert!(
            shown.starts_with(first) && shown.contains("\nvideo m-line 2: refused: video not wanted\n"),
            "{shown}"
        );
    }

    #[test]
    fn nothing_in_common_is_a_488_with_its_reasons() {
        for (with, srtp) in [(&["opus"][..], Srtp::Optional), (&["pcma"], Srtp::Required)] {
            let value = answer(OFFER, with, srtp);
            assert_eq!((&value["ok"], &value["problems"][0]["status"]), (&json!(false), &json!(488)));
            assert!(value["reasons"].as_array().is_some_and(|reasons| !reasons.is_empty()), "{value}");
        }
    }

    #[test]
    fn encrypted_offers_are_answered_with_keys_of_every_suite() {
        for (suite, length) in SUITES {
            let keys = format!("inline:{}", if length == 30 { "B".repeat(40) } else { "B".repeat(59) + "=" });
            let line = format!("RTP/SAVP 8\r\na=crypto:3 {suite} {keys}\r\n");
            let value = answer(&OFFER.replace("RTP/AVP 9 8 101\r\n", &line), &["pcma"], Srtp::Required);
            assert_eq!(value["agreed"][0]["srtp"], suite, "{value}");
        }
    }

    #[test]
    fn an_unknown_codec_is_a_usage_error() {
        assert!(Answering::new(&["mp3".into()], None).is_err());
    }
}

//! Codecs: speech samples ↔ payload octets.

mod pcma;
mod pcmu;

use std::fmt;

/// A codec that a session can use, by name.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum CodecId {
    /// G.711 µ-law, payload type 0 ([RFC 3551 §4.5.14]).
    ///
    /// [RFC 3551 §4.5.14]: https://www.rfc-editor.org/rfc/rfc3551#section-4.5.14
    Pcmu,
    /// G.711 A-law, payload type 8 ([RFC 3551 §4.5.14]).
    ///
    /// [RFC 3551 §4.5.14]: https://www.rfc-editor.org/rfc/rfc3551#section-4.5.14
    Pcma,
}

/// Turns frames of speech at 8000 samples a second into payloads and back.
///
/// One value serves one call: it may keep state, and both directions go through it. It must take whatever a peer
/// sends, and should not allocate once its buffers have grown.
pub trait Codec: fmt::Debug + Send {
    /// Appends the payload of a frame.
    fn encode(&mut self, frame: &[i16], payload: &mut Vec<u8>);

    /// Appends the samples of a payload; none when it makes no sense.
    fn decode(&mut self, payload: &[u8], samples: &mut Vec<i16>);
}

/// One row of the codec table.
struct Row {
    id: CodecId,
    /// As in `a=rtpmap`, and as users write it in lower case.
    name: &'static str,
    payload_type: u8,
    sdp: fn() -> sdp::Codec,
    make: fn() -> Box<dyn Codec>,
}

/// THE CODEC TABLE.
const CODECS: [Row; 2] = [
    Row {
        id: CodecId::Pcmu,
        name: "PCMU",
        payload_type: rtp::payload::PCMU,
        sdp: sdp::Codec::pcmu,
        make: || Box::new(pcmu::Pcmu),
    },
    Row {
        id: CodecId::Pcma,
        name: "PCMA",
        payload_type: rtp::payload::PCMA,
        sdp: sdp::Codec::pcma,
        make: || Box::new(pcma::Pcma),
    },
];

impl CodecId {
    /// All codecs, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        CODECS.iter().map(|row| row.id)
    }

    /// The codec of this name, in upper or lower case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        CODECS.iter().find(|row| row.name.eq_ignore_ascii_case(name)).map(|row| row.id)
    }

    /// Its encoding name, as in `a=rtpmap`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Its payload type where none was negotiated.
    #[must_use]
    pub fn static_payload_type(self) -> u8 {
        self.row().payload_type
    }

    /// A fresh codec for one call.
    #[must_use]
    pub fn make(self) -> Box<dyn Codec> {
        (self.row().make)()
    }

    /// How SDP describes it.
    pub(crate) fn describe(self) -> sdp::Codec {
        (self.row().sdp)()
    }

    fn row(self) -> &'static Row {
        let [pcmu, pcma] = &CODECS;
        match self {
            Self::Pcmu => pcmu,
            Self::Pcma => pcma,
        }
    }
}

impl fmt::Display for CodecId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_found_by_its_name_and_is_its_own() {
        for id in CodecId::all() {
            assert_eq!(CodecId::from_name(&id.name().to_lowercase()), Some(id));
            assert_eq!(id.describe().name.to_string(), id.name());
            assert_eq!(id.row().id, id);
        }
        assert_eq!(CodecId::from_name("g729"), None);
    }

    #[test]
    fn each_codec_gives_back_speech_nearly_as_it_was() {
        let speech = crate::measure::test_signal(std::time::Duration::from_secs(1), 3);
        for id in CodecId::all() {
            let (mut codec, mut payload, mut heard) = (id.make(), Vec::new(), Vec::new());
            for frame in speech.chunks(crate::FRAME_SAMPLES) {
                payload.clear();
                codec.encode(frame, &mut payload);
                codec.decode(&payload, &mut heard);
            }
            assert_eq!(heard.len(), speech.len());
            assert!(crate::measure::compare(&speech, &heard).similarity > 0.99, "{id}");
        }
    }
}

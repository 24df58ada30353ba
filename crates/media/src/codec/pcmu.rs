//! G.711 µ-law.

use crate::codec::Codec;

/// PCMU, which has no state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pcmu;

impl Codec for Pcmu {
    fn encode(&mut self, frame: &[i16], payload: &mut Vec<u8>) {
        payload.extend(frame.iter().map(|&sample| g711::ulaw::encode(sample)));
    }

    fn decode(&mut self, payload: &[u8], samples: &mut Vec<i16>) {
        samples.extend(payload.iter().map(|&code| g711::ulaw::decode(code)));
    }
}

//! G.711 A-law.

use crate::codec::Codec;

/// PCMA, which has no state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pcma;

impl Codec for Pcma {
    fn encode(&mut self, frame: &[i16], payload: &mut Vec<u8>) {
        payload.extend(frame.iter().map(|&sample| g711::alaw::encode(sample)));
    }

    fn decode(&mut self, payload: &[u8], samples: &mut Vec<i16>) {
        samples.extend(payload.iter().map(|&code| g711::alaw::decode(code)));
    }
}

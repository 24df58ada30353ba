//! The SDP libraries, one file each.

mod ezk;
mod ours;
mod sdp_types;
mod webrtc_rs;
mod webrtc_sdp;

use crate::{
    Run,
    measure::{Mode, Sample, measure},
};
use bytes::Bytes;
use std::hint::black_box;

pub const PEERS: &[(&str, Run)] = &[
    ("sdp", run::<ours::Ours>),
    ("ezk-sdp-types", run::<ezk::Ezk>),
    ("sdp-types", run::<sdp_types::SdpTypes>),
    ("webrtc-sdp", run::<webrtc_sdp::WebrtcSdp>),
    ("webrtc-rs sdp", run::<webrtc_rs::WebrtcRs>),
];

/// A library that reads and writes session descriptions.
trait Peer {
    type Session;

    /// Reads the body of a message.
    fn parse(body: &Bytes) -> Option<Self::Session>;

    /// Writes a new text.
    fn write(session: &Self::Session) -> Vec<u8>;
}

fn run<P: Peer>(name: &str, mode: &Mode, samples: &[Sample]) -> bool {
    let media =
        |body: &[u8]| ::sdp::SessionDescription::parse_bytes(body).map(|session| session.media.len()).ok();
    let session = |sample: &Sample| {
        let session = P::parse(&sample.received())?;
        (media(&P::write(&session)) == media(&sample.bytes)).then_some(session)
    };
    match name {
        "parse" => {
            let received = |sample: &Sample| session(sample).map(|_| sample.received());
            measure(mode, samples, received, |body| drop(black_box(P::parse(body))));
        }
        "write" => measure(mode, samples, session, |session| drop(black_box(P::write(session)))),
        _ => return false,
    }
    true
}

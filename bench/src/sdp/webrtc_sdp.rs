use bytes::Bytes;
use webrtc_sdp::{SdpSession, parse_sdp};

pub struct WebrtcSdp;

impl super::Peer for WebrtcSdp {
    type Session = SdpSession;

    fn parse(body: &Bytes) -> Option<SdpSession> {
        parse_sdp(std::str::from_utf8(body).ok()?, false).ok()
    }

    fn write(session: &SdpSession) -> Vec<u8> {
        session.to_string().into_bytes()
    }
}

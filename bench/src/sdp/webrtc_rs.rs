use bytes::Bytes;
use std::io::Cursor;
use webrtc_rs_sdp::SessionDescription;

pub struct WebrtcRs;

impl super::Peer for WebrtcRs {
    type Session = SessionDescription;

    fn parse(body: &Bytes) -> Option<SessionDescription> {
        SessionDescription::unmarshal(&mut Cursor::new(body)).ok()
    }

    fn write(session: &SessionDescription) -> Vec<u8> {
        session.marshal().into_bytes()
    }
}

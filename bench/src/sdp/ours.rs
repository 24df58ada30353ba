use bytes::Bytes;
use sdp::SessionDescription;

pub struct Ours;

impl super::Peer for Ours {
    type Session = SessionDescription;

    fn parse(body: &Bytes) -> Option<SessionDescription> {
        SessionDescription::parse_bytes(body).ok()
    }

    fn write(session: &SessionDescription) -> Vec<u8> {
        session.to_text().into_bytes()
    }
}

use bytes::Bytes;
use sdp_types::Session;

pub struct SdpTypes;

impl super::Peer for SdpTypes {
    type Session = Session;

    fn parse(body: &Bytes) -> Option<Session> {
        Session::parse(body).ok()
    }

    fn write(session: &Session) -> Vec<u8> {
        let mut text = Vec::new();
        session.write(&mut text).expect("a Vec takes all");
        text
    }
}

use bytes::Bytes;
use bytesstr::BytesStr;
use ezk_sdp_types::SessionDescription;

pub struct Ezk;

impl super::Peer for Ezk {
    type Session = SessionDescription;

    fn parse(body: &Bytes) -> Option<SessionDescription> {
        SessionDescription::parse(&BytesStr::from_utf8_bytes(body.clone()).ok()?).ok()
    }

    fn write(session: &SessionDescription) -> Vec<u8> {
        session.to_string().into_bytes()
    }
}

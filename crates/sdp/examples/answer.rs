//! Answers an offer from a file, or from one built in, and says why the answer is as it is:
//! `cargo run -p sdp --example answer [FILE]`.

use std::net::Ipv4Addr;

use sdp::{Capabilities, Codec, Negotiation, SessionDescription, Stream};

const OFFER: &str = "v=0\r\no=alice 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
    m=audio 49170 RTP/AVP 9 8 96\r\na=rtpmap:96 telephone-event/8000\r\na=sendonly\r\nm=video 51372 RTP/AVP 31\r\n";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let offer = match std::env::args().nth(1) {
        Some(file) => SessionDescription::parse_bytes(&std::fs::read(file)?)?,
        None => SessionDescription::parse(OFFER)?,
    };
    let audio = Stream::audio(4_000).codecs([Codec::g722(), Codec::pcmu(), Codec::pcma()]);
    let capabilities = Capabilities::new(Ipv4Addr::new(192, 0, 2, 1).into()).stream(audio);
    let answer = Negotiation::new(1).answer(&offer, &capabilities)?;
    print!("{offer}\n{}\n", answer.description);
    answer.reasons.iter().for_each(|reason| println!("{reason}"));
    for agreed in answer.agreement.accepted() {
        println!("{:?}: {} to {:?}", agreed.kind, agreed.direction, agreed.remote_rtp_address());
    }
    Ok(())
}

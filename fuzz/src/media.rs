//! The targets of `sdp`, `rtp`, `srtp` and `stun`.

use rtp::{
    Packet,
    rtcp::{self, Compound},
    telephone_event::Report,
};
use sdp::SessionDescription;
use srtp::{Context, MasterKey, Profile};

/// What parses is written as text that parses to the same description.
pub fn sdp(data: &[u8]) {
    let Ok(description) = SessionDescription::parse_bytes(data) else { return };
    let written = description.to_string();
    let again = SessionDescription::parse(&written);
    assert_eq!(again.as_ref(), Ok(&description), "written as {written:?}");
    assert_eq!(again.expect("equal above").to_string(), written);
}

/// The parts of a packet add up to its length.
pub fn rtp(data: &[u8]) {
    let Ok(packet) = Packet::new(data) else { return };
    assert_eq!(packet.header_len() + packet.payload().len() + packet.padding_len(), data.len());
    assert!(packet.csrcs().count() <= 15);
    if let Some(extension) = packet.extension() {
        extension.elements().for_each(drop);
    }
}

/// Each packet of a compound can be read to its end, and no more packets come than fit.
pub fn rtcp(data: &[u8]) {
    let Ok(compound) = Compound::reduced_size(data) else { return };
    let mut count = 0;
    for packet in compound.packets() {
        count += 1;
        match packet {
            rtcp::Packet::SenderReport(report) => drop(format!("{report:?}")),
            rtcp::Packet::ReceiverReport(report) => drop(format!("{report:?}")),
            rtcp::Packet::SourceDescription(description) => drop(format!("{description:?}")),
            rtcp::Packet::Bye(bye) => drop(format!("{bye:?}")),
            other => drop(format!("{other:?}")),
        }
    }
    assert!((1..=data.len() / 4).contains(&count));
}

/// What nobody with the key has made is refused and left as it came; what was made is taken once.
pub fn srtp_unprotect(data: &[u8]) {
    let Some((choice, packet)) = data.split_first() else { return };
    let profiles: Vec<Profile> = Profile::all().collect();
    let profile = profiles[usize::from(*choice) % profiles.len()];
    let key = MasterKey::generate(profile, &[7; 64]).expect("64 octets are enough for any key");
    let context = || Context::new(profile, &key).expect("the key is of this profile");
    let mut receiver = context();

    let mut bytes = packet.to_vec();
    assert!(receiver.unprotect_rtp(&mut bytes).is_err(), "a forged packet was taken");
    assert_eq!(bytes, packet, "a refused packet is left alone");
    assert!(receiver.unprotect_rtcp(&mut bytes).is_err(), "a forged packet was taken");
    assert_eq!(bytes, packet, "a refused packet is left alone");

    let mut protected = packet.to_vec();
    if context().protect_rtp(&mut protected).is_ok() {
        let (mut receiver, mut once, mut twice) = (context(), protected.clone(), protected);
        assert_eq!(receiver.unprotect_rtp(&mut once), Ok(()));
        assert_eq!(once, packet);
        assert!(receiver.unprotect_rtp(&mut twice).is_err(), "a replay was taken");
    }
}

/// Any datagram is classified, and every getter of a message works; a responder answers requests only.
pub fn stun(data: &[u8]) {
    let kind = stun::demux::classify(data);
    let source = std::net::SocketAddr::from(([127, 0, 0, 1], 3478));
    let answer = stun::responder::respond(data, source);
    let Ok(message) = stun::message::Message::parse(data) else {
        assert_eq!(answer, None, "what is no message is not answered");
        return;
    };
    // A method of 128 or more, of which there is none yet, looks like something else on a shared port.
    assert_eq!(kind == stun::demux::Kind::Stun, data.first().is_some_and(|first| *first < 4));
    let text = (message.username(), message.realm(), message.nonce(), message.software(), message.error());
    std::hint::black_box((message.mapped_address(), message.alternate_server(), text));
    assert!(answer.is_none() || message.class() == stun::message::Class::Request);
    if let Some(answer) = answer {
        let answer = stun::message::Message::parse(&answer).expect("our answer is a message");
        assert_eq!(answer.transaction_id(), message.transaction_id());
    }
}

/// Reports are written as they were read, but for the reserved bit.
pub fn telephone_event(data: &[u8]) {
    let reports: Vec<Report> = Report::read(data).collect();
    assert_eq!(reports.len(), data.len() / Report::LEN);
    for (report, octets) in reports.iter().zip(data.chunks_exact(Report::LEN)) {
        let written = report.to_bytes();
        assert_eq!(written[1] | 0x40, octets[1] | 0x40);
        assert!(Report::read(&written).eq([*report]));
    }
}

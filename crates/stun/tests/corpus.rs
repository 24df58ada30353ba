//! STUN and TURN off the wire, and seeds made to break parsers, read where the corpus lies.

use stun::demux::{Kind, classify};
use stun::message::Message;
use stun::{Config, Input, StunClient, responder};
use testkit::Clock;
use testkit::vectors::manifest;

#[test]
fn datagrams_off_the_wire_are_read() {
    for entry in manifest(env!("CARGO_MANIFEST_DIR"), "stun/captures") {
        let parsed = Message::parse(&entry.octets);
        if entry.expects("valid") {
            assert!(parsed.is_ok(), "{}: {parsed:?}", entry.file);
            assert_eq!(classify(&entry.octets), Kind::Stun, "{}", entry.file);
        } else if entry.expects("invalid") {
            assert!(parsed.is_err(), "{}: {parsed:?}", entry.file);
        }
    }
}

#[test]
fn hostile_seeds_do_no_harm() {
    let (mut clock, server) = (Clock::new(), "192.0.2.1:3478".parse().unwrap());
    for entry in manifest(env!("CARGO_MANIFEST_DIR"), "stun/hostile") {
        // Each as it is, and with a head that makes it a response to a request under way.
        let mut client = StunClient::new(Config::default(), [1; 32]);
        client.binding(clock.now(), server).unwrap();
        let Some(stun::Output::Transmit(request)) = client.poll_output() else { panic!("a request is due") };
        let mut answer = entry.octets.clone();
        if let (Some(id), Some(ours)) = (answer.get_mut(4..20), request.bytes.get(4..20)) {
            id.copy_from_slice(ours);
            answer[..2].copy_from_slice(&[0x01, 0x01]);
        }
        for bytes in [&entry.octets, &answer] {
            client.handle_input(clock.now(), Input::Datagram { from: server, bytes });
            drop(responder::respond(bytes, server));
        }
        clock.advance(std::time::Duration::from_secs(40));
    }
}

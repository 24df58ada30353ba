//! Every message of the corpus, from strangers: an agent survives them and keeps nothing.

use std::path::Path;
use std::time::Duration;

use sip_msg::StatusCode;
use sip_txn::{Flow, Input, Transport};
use sip_ua::{Agent, Config, Event, Output};
use testkit::{Clock, vectors};

fn files(folder: &Path, found: &mut Vec<Vec<u8>>) {
    let mut entries: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(vectors::octets(&path));
        }
    }
}

/// Takes what the agent gives out, and refuses what it is asked.
fn drain(agent: &mut Agent, clock: &Clock) -> usize {
    let mut sent = 0;
    while let Some(output) = agent.poll_output() {
        match output {
            Output::Action(_) => sent += 1,
            Output::Event(Event::Incoming { dialog, .. }) => {
                agent.reject(clock.now(), dialog, StatusCode::BUSY_HERE).expect("it waits");
            }
            Output::Event(Event::OutOfDialog { id, .. }) => {
                agent.respond(clock.now(), id, StatusCode::OK).expect("it waits");
            }
            Output::Event(_) => {}
        }
    }
    sent
}

#[test]
fn every_message_of_the_corpus_is_survived_and_forgotten() {
    let Some(folder) = vectors::corpus(env!("CARGO_MANIFEST_DIR"), "sip") else { return };
    let mut messages = Vec::new();
    files(&folder, &mut messages);
    assert!(messages.len() > 100);
    let local = "192.0.2.1:5060".parse().expect("an address");
    let flow = Flow::new(Transport::Udp, local, "192.0.2.2:5060".parse().expect("an address"));
    let mut agent = Agent::new(Config::new(sip_txn::Config::new([5; 32]).listen(Transport::Udp, local)));
    let mut clock = Clock::new();
    let mut sent = 0;
    for bytes in messages {
        agent.handle_input(clock.now(), Input::Datagram { flow, bytes: bytes.into() });
        sent += drain(&mut agent, &clock);
        clock.advance(Duration::from_millis(10));
    }
    assert!(sent > 100, "requests are answered");
    let mut timeouts = 0;
    while let Some(at) = agent.poll_timeout() {
        clock.advance_to(at);
        agent.handle_timeout(clock.now());
        drain(&mut agent, &clock);
        timeouts += 1;
        assert!(timeouts < 100_000 && clock.elapsed() < Duration::from_secs(600), "it comes to rest");
    }
    assert!(agent.is_idle());
}

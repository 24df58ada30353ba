//! A minute of 20 ms frames over a line that loses 3 %, doubles 1 % and delays by up to 80 ms, in virtual time:
//! `cargo run -p rtp --example bad_line`.

use std::time::Duration;

use rtp::jitter_buffer::Pop;
use rtp::session::{Event, Input, Outgoing, Output};
use rtp::telephone_event::{Notice, TelephoneEvent};
use rtp::{RtpSession, SessionConfig};
use testkit::{Clock, Datagram, Impairment, Link};

const EVENT: u8 = 101;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut clock = Clock::new();
    let delay = Duration::from_millis(80);
    let mut line = Link::new(7, Impairment::default().loss(0.03).double(0.01).jitter(delay).reorder(0.01));
    let config = SessionConfig::default().telephone_events(Some(EVENT), Some(EVENT));
    let mut alice = RtpSession::new(clock.now(), config.clone(), [1; 32]);
    let mut bob = RtpSession::new(clock.now(), config, [2; 32]);
    for key in "0123#".chars().filter_map(TelephoneEvent::from_char) {
        alice.press(key, Duration::from_millis(100))?;
    }

    let (mut buffer, mut keys, mut concealed) = ([0; 200], String::new(), 0);
    for _ in 0..3_000 {
        let now = clock.now();
        let len = if alice.is_pressing() {
            let digit = alice.send_digit(now, 160, &mut buffer)?;
            if digit.is_none() {
                alice.pause(160);
            }
            digit
        } else {
            let frame = Outgoing { payload_type: 0, marker: false, payload: &[0xFF; 160], ticks: 160 };
            Some(alice.send(now, frame, &mut buffer)?)
        };
        if let Some(bytes) = len.and_then(|len| buffer.get(..len)) {
            line.send(now, Datagram::new("192.0.2.1:4000", "192.0.2.2:4000", bytes));
        }
        while let Some(datagram) = line.receive(now) {
            bob.handle_input(now, Input::datagram(&datagram.bytes, datagram.from));
        }
        if matches!(bob.play(now), Pop::Lost { .. } | Pop::Stretch { .. }) {
            concealed += 1;
        }
        bob.handle_timeout(now);
        while let Some(output) = bob.poll_output() {
            if let Output::Event(Event::Digit(Notice::Started { event, .. })) = output {
                keys.push(event.to_char());
            }
        }
        clock.advance(Duration::from_millis(20));
    }

    let statistics = bob.statistics();
    println!("keys heard: {keys}");
    println!("frames concealed: {concealed}");
    println!("jitter buffer: {:?}", statistics.jitter);
    if let Some(source) = statistics.source {
        println!("network: {} of {} packets lost, jitter {:?}", source.lost, source.expected, source.jitter);
    }
    Ok(())
}

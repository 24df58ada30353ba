//! What holds for any bytes: a snapshot is a call or an error, and a call comes back from its own.

#[path = "support/plan.rs"]
mod plan;

use std::time::{Duration, Instant};

use proptest::prelude::*;
use sip_txn::Transport;
use sip_ua::{Agent, Config, DialogId, ResumeError};

fn agent() -> (Agent, Instant) {
    let address = "192.0.2.1:5060".parse().expect("an address");
    let config = Config::new(sip_txn::Config::new([4; 32]).listen(Transport::Udp, address));
    (Agent::new(config), testkit::Clock::new().now())
}

fn resume(bytes: &[u8]) -> (Agent, Instant, Result<DialogId, ResumeError>) {
    let (mut agent, now) = agent();
    let id = agent.resume(now, bytes, plan::plan());
    (agent, now, id)
}

fn record(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u32::try_from(value.len()).expect("it is short").to_be_bytes();
    [&[tag], length.as_slice(), value].concat()
}

/// A snapshot of a call with these routes and numbers.
fn call(tag: &str, local: u32, remote: Option<u32>, routes: &[String], direction: u8) -> Vec<u8> {
    let mut bytes = b"SIPCALL\x01".to_vec();
    bytes.extend(record(1, &[u8::from(remote.is_some())]));
    bytes.extend(record(2, b"a84b4c76e66710"));
    bytes.extend(record(3, format!("<sip:alice@example.com>;tag={tag}").as_bytes()));
    bytes.extend(record(4, b"<sip:bob@example.com>;tag=b"));
    bytes.extend(record(5, &local.to_be_bytes()));
    bytes.extend(remote.map(|number| record(6, &number.to_be_bytes())).unwrap_or_default());
    routes.iter().for_each(|route| bytes.extend(record(7, route.as_bytes())));
    bytes.extend(record(8, b"sip:bob@192.0.2.2:5060"));
    bytes.extend(record(9, b"sip:alice@192.0.2.1:5060"));
    bytes.extend(record(11, &[direction]));
    bytes.extend(record(16, b""));
    bytes
}

proptest! {
    #[test]
    fn any_bytes_are_a_call_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400), magic: bool) {
        let start: &[u8] = if magic { b"SIPCALL\x01" } else { b"" };
        let (agent, _, id) = resume(&[start, &bytes].concat());
        prop_assert!(id.is_ok() || agent.is_idle());
    }

    // rfc: 3261 §12 — the whole state of a dialog comes back, but for a gap in its numbers
    #[test]
    fn a_call_comes_back_from_its_own_snapshot(
        tag in "[a-zA-Z0-9.~-]{1,40}",
        local in 0u32..0x7000_0000,
        remote in proptest::option::of(0u32..0x7fff_ffff),
        hosts in proptest::collection::vec("[a-z]{1,8}\\.example", 0..5),
        direction in 0u8..4,
    ) {
        let routes: Vec<_> = hosts.iter().map(|host| format!("<sip:{host};lr>")).collect();
        let bytes = call(&tag, local, remote, &routes, direction);
        let (agent, _, id) = resume(&bytes);
        let id = id.unwrap();
        let dialog = agent.dialog(id).unwrap();
        prop_assert_eq!(dialog.local_tag(), &*tag);
        let kept: Vec<_> = dialog.route_set().iter().map(ToString::to_string).collect();
        prop_assert_eq!(kept, routes);
        let again = agent.snapshot(id).unwrap();
        let (mut second, now, copy) = resume(&again);
        let copy = copy.unwrap();
        let state = |agent: &Agent, id| format!("{:?}", agent.dialog(id)).replace(char::is_numeric, "");
        prop_assert_eq!(state(&agent, id), state(&second, copy));
        second.hang_up(now, copy).unwrap();
        let mut at = now;
        while second.poll_output().is_some() {}
        while let Some(next) = second.poll_timeout().filter(|next| *next < now + Duration::from_secs(600)) {
            at = at.max(next);
            second.handle_timeout(at);
            while second.poll_output().is_some() {}
        }
        // A route by name asks for its address first, and nobody answers.
        prop_assert!(!hosts.is_empty() || second.is_idle());
    }

    #[test]
    fn a_changed_octet_never_panics(at in 0usize..300, octet: u8) {
        let mut bytes = call("a", 7, Some(3), &["<sip:p.example;lr>".into()], 0);
        if let Some(place) = bytes.get_mut(at) {
            *place = octet;
        }
        let (mut agent, now, id) = resume(&bytes);
        if let Ok(id) = id {
            agent.hang_up(now, id).unwrap();
        }
    }
}

//! Our parsers beside other people's, on the same samples in one program. `cargo xtask bench` runs it and makes the
//! table.
//!
//! `bench list` prints `PROTOCOL PEER` lines; `bench PROTOCOL PEER MEASURE check|count|time [SAMPLE…]` runs one
//! measure: `check` prints the samples that the peer can do it with, and their sizes; `count` does it once with each
//! where callgrind counts, and prints how often memory was allocated; `time` prints nanoseconds a sample.

#![expect(clippy::disallowed_methods, reason = "real time is measured")]

mod heap;
mod measure;
mod sdp;
mod sip;

use measure::{Mode, Sample};
use std::process::ExitCode;

/// A peer's measures; false when it has none of this name.
type Run = fn(&str, &Mode, &[Sample]) -> bool;

struct Protocol {
    name: &'static str,
    peers: &'static [(&'static str, Run)],
    /// Where the samples are.
    folder: &'static str,
}

const PROTOCOLS: &[Protocol] = &[
    Protocol { name: "sip", peers: sip::PEERS, folder: "crates/sip-msg/benches/samples" },
    Protocol { name: "sdp", peers: sdp::PEERS, folder: "crates/sdp/benches/samples" },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    if done(&args) {
        return ExitCode::SUCCESS;
    }
    eprintln!("usage: bench list | bench PROTOCOL PEER MEASURE check|count|time [SAMPLE…]");
    ExitCode::from(2)
}

fn done(args: &[&str]) -> bool {
    match *args {
        ["list"] => {
            for protocol in PROTOCOLS {
                protocol.peers.iter().for_each(|(peer, _)| println!("{} {peer}", protocol.name));
            }
            true
        }
        [protocol, peer, name, mode, ref chosen @ ..] => {
            let Some(protocol) = PROTOCOLS.iter().find(|known| known.name == protocol) else { return false };
            let Some((_, run)) = protocol.peers.iter().find(|known| known.0 == peer) else { return false };
            let Some(mode) = Mode::parse(mode) else { return false };
            run(name, &mode, &measure::samples(protocol.folder, chosen))
        }
        _ => false,
    }
}

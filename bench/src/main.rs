//! Our parsers beside other people's, on the same samples in one program. `cargo xtask bench` runs it and makes the table.
//!
//! `bench list` prints `PROTOCOL PEER` lines; `bench PROTOCOL PEER MEASURE check|count|time [SAMPLE…]` runs one measure:
//! `check` prints the samples that the peer can do it with, `count` does it once with each where
//! callgrind counts and prints how often memory was allocated, and `time` prints nanoseconds a sample.

mod heap;
mod measure;
mod sdp;
mod sip;

use measure::{Mode, Sample};
use std::process::ExitCode;

/// A peer's measures; false when it has none of this name.
type Run = fn(&str, &Mode, &[Sample]) -> bool;

const PROTOCOLS: &[(&str, &[(&str, Run)], &str)] = &[
    ("sip", sip::PEERS, "crates/sip-msg/benches/samples"),
    ("sdp", sdp::PEERS, "crates/sdp/benches/samples"),
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
            for (protocol, peers, _) in PROTOCOLS {
                peers.iter().for_each(|(peer, _)| println!("{protocol} {peer}"));
            }
            true
        }
        [protocol, peer, name, mode, ref chosen @ ..] => {
            let Some((_, peers, folder)) = PROTOCOLS.iter().find(|row| row.0 == protocol) else {
                return false;
            };
            let Some((_, run)) = peers.iter().find(|row| row.0 == peer) else { return false };
            let Some(mode) = Mode::parse(mode) else { return false };
            run(name, &mode, &measure::samples(folder, chosen))
        }
        _ => false,
    }
}

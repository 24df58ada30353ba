//! Scripted calls with other people's software: SIPp, baresip and Kamailio, all from Debian's packages.

mod accounts;
mod baresip;
mod calls;
mod echo_load;
mod kamailio;
pub(crate) mod lab;
mod loads;
mod offers;
mod proxied;
mod scenarios;
mod script;
pub(crate) mod sipp;
mod sound;
mod transfers;
mod voip;

use crate::{Result, apt, step::Outcome, strict, target, which};
use lab::Lab;
use scenarios::Scenario;
use std::{path::PathBuf, time::Instant};
use xshell::{Shell, cmd};

const PACKAGES: &[&str] = &[
    "baresip-core",
    "iproute2",
    "iptables",
    "kamailio",
    "kamailio-extra-modules",
    "kamailio-outbound-modules",
    "kamailio-tls-modules",
    "kamailio-websocket-modules",
    "openssl",
    "sip-tester",
    "socat",
];
/// What the packages above must bring.
const PEERS: &[&str] = &["sipp", "baresip", "kamailio", "openssl", "socat", "ip", "iptables"];

pub(crate) fn run(shell: &Shell, args: &[String]) -> Result {
    if args == ["--install"] {
        return apt::install(shell, PACKAGES, || missing(PEERS));
    }
    if args == ["--list"] {
        scenarios().for_each(|scenario| println!("{}", scenario.name));
        return Ok(());
    }
    if let Some(unknown) =
        args.iter().find(|arg| scenarios().all(|scenario| !scenario.name.starts_with(arg.as_str())))
    {
        return Err(format!("no scenario starts with {unknown}; --list names them").into());
    }
    let (passed, failed, skipped) = play(shell, args)?;
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 { Ok(()) } else { Err(format!("{failed} scenarios failed").into()) }
}

/// The gate's step.
pub(crate) fn gate(shell: &Shell) -> Result<Outcome> {
    match play(shell, &[])? {
        (passed, 0, 0) => Ok(format!("{passed} scenarios with SIPp, baresip and Kamailio").into()),
        (passed, 0, skipped) => {
            let why = format!(
                "{skipped} scenarios, their peers are missing (`cargo xtask interop --install`); {passed} passed"
            );
            Ok(Outcome::LeftOut(why))
        }
        (_, failed, _) => Err(format!("{failed} scenarios failed").into()),
    }
}

/// Plays the scenarios whose names start with one of `names`, all without any; gives passed, failed, skipped.
fn play(shell: &Shell, names: &[String]) -> Result<(usize, usize, usize)> {
    let command = command(shell)?;
    let templates = templates(shell);
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    let chosen = |name: &str| names.is_empty() || names.iter().any(|start| name.starts_with(start.as_str()));
    for scenario in scenarios().filter(|scenario| chosen(scenario.name)) {
        let begun = Instant::now();
        let missing = missing(scenario.peers);
        let (mark, text) = if missing.is_empty() {
            let play = || {
                Lab::new(scenario.name, templates.clone(), command.clone())
                    .and_then(|mut lab| (scenario.run)(&mut lab))
            };
            // Other people's programs and real time: one more try, and it is said that there was one.
            let result = play().or_else(|why| {
                println!("FLAKY {} failed at the first try: {why}", scenario.name);
                play()
            });
            match result {
                Ok(what) => ("PASS", what),
                Err(why) => ("FAIL", why.to_string()),
            }
        } else {
            (if strict() { "FAIL" } else { "SKIP" }, format!("missing: {}", missing.join(", ")))
        };
        match mark {
            "PASS" => passed += 1,
            "FAIL" => failed += 1,
            _ => skipped += 1,
        }
        println!("{mark} {} ({:.1} s) {text}", scenario.name, begun.elapsed().as_secs_f64());
    }
    Ok((passed, failed, skipped))
}

fn scenarios() -> impl Iterator<Item = &'static Scenario> {
    scenarios::SCENARIOS.iter().chain(accounts::SCENARIOS)
}

/// Where scenarios and settings lie.
pub(crate) fn templates(shell: &Shell) -> PathBuf {
    shell.current_dir().join("crates/voip/tests/interop")
}

fn missing(peers: &[&str]) -> Vec<String> {
    let is_there = |peer: &str| match peer {
        loads::NAMESPACES => loads::has_namespaces(),
        accounts::MODULES => accounts::has_modules(),
        program => which(program).is_some(),
    };
    peers.iter().filter(|peer| !is_there(peer)).map(ToString::to_string).collect()
}

/// The release build of our command, or the one that `VOIP` names.
pub(crate) fn command(shell: &Shell) -> Result<PathBuf> {
    if let Some(command) = std::env::var_os("VOIP") {
        return Ok(command.into());
    }
    cmd!(shell, "cargo build --quiet --release -p voip-cli").run()?;
    Ok(target(shell).join("release/voip"))
}

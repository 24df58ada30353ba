//! Scripted calls with other people's software: SIPp, baresip and Kamailio, all from Debian's packages.

mod baresip;
mod echo_load;
mod kamailio;
mod lab;
mod scenarios;
mod sipp;
mod sound;
mod voip;

use crate::{Result, step::Outcome, strict, which};
use lab::Lab;
use scenarios::SCENARIOS;
use std::{path::PathBuf, time::Instant};
use xshell::{Shell, cmd};

const PACKAGES: &[&str] =
    &["baresip-core", "kamailio", "kamailio-extra-modules", "kamailio-tls-modules", "openssl", "sip-tester"];
/// What the packages above must bring.
const PEERS: &[&str] = &["sipp", "baresip", "kamailio", "openssl"];

pub(crate) fn run(shell: &Shell, args: &[String]) -> Result {
    if args == ["--install"] {
        return install(shell);
    }
    if args == ["--list"] {
        SCENARIOS.iter().for_each(|scenario| println!("{}", scenario.name));
        return Ok(());
    }
    if let Some(unknown) =
        args.iter().find(|arg| SCENARIOS.iter().all(|scenario| !scenario.name.starts_with(arg.as_str())))
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
    let templates = shell.current_dir().join("crates/voip/tests/interop");
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    let chosen = |name: &str| names.is_empty() || names.iter().any(|start| name.starts_with(start.as_str()));
    for scenario in SCENARIOS.iter().filter(|scenario| chosen(scenario.name)) {
        let begun = Instant::now();
        let missing: Vec<_> = scenario.peers.iter().filter(|peer| which(peer).is_none()).copied().collect();
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
            (if strict() { "FAIL" } else { "SKIP" }, format!("not installed: {}", missing.join(", ")))
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

/// The release build of our command, or the one that `VOIP` names.
pub(crate) fn command(shell: &Shell) -> Result<PathBuf> {
    if let Some(command) = std::env::var_os("VOIP") {
        return Ok(command.into());
    }
    cmd!(shell, "cargo build --quiet --release -p voip-cli").run()?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| shell.current_dir().join("target"), PathBuf::from);
    Ok(target.join("release/voip"))
}

/// Debian and Ubuntu; safe to run again.
fn install(shell: &Shell) -> Result {
    if PEERS.iter().all(|peer| which(peer).is_some()) {
        println!("{} are installed", PEERS.join(", "));
        return Ok(());
    }
    if which("apt-get").is_none() {
        return Err(format!("no apt-get here: install {} by hand", PACKAGES.join(", ")).into());
    }
    let root = cmd!(shell, "id -u").quiet().read()? == "0";
    // The packages would start their services; an exit code of 101 from this file holds them back.
    let script = format!(
        "set -eu
        policy=/usr/sbin/policy-rc.d
        if [ ! -e $policy ]; then
            printf '#!/bin/sh\\nexit 101\\n' > $policy; chmod +x $policy
            trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        fi
        export DEBIAN_FRONTEND=noninteractive
        apt-get -o DPkg::Lock::Timeout=300 update -qq
        apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends {} > /dev/null",
        PACKAGES.join(" ")
    );
    let install = if root { cmd!(shell, "sh -c {script}") } else { cmd!(shell, "sudo sh -c {script}") };
    install.quiet().run()?;
    match PEERS.iter().find(|peer| which(peer).is_none()) {
        None => Ok(()),
        Some(peer) => Err(format!("{peer} is still missing after the installation").into()),
    }
}

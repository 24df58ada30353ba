//! The fuzz targets: by cargo-fuzz for a while, or their committed corpora as plain tests.

use crate::{Result, step::Outcome, target, which};
use std::{
    iter,
    sync::Mutex,
    thread::{self, available_parallelism},
};
use xshell::{Shell, cmd};

/// How long the gate runs each target.
const SECONDS: &str = "30";

pub(crate) fn run(shell: &Shell, args: &[String]) -> Result {
    let seconds = args.get(1).map_or(SECONDS, String::as_str);
    let targets = targets(shell)?;
    let chosen = targets.iter().filter(|target| args.first().is_none_or(|name| name == *target));
    let chosen: Vec<_> = chosen.collect();
    if chosen.is_empty() {
        return Err(format!("the targets are {}", targets.join(" ")).into());
    }
    build(shell)?;
    for target in chosen {
        fuzz(shell, target, seconds)?;
    }
    Ok(())
}

/// The gate's step: every target for half a minute.
pub(crate) fn all(shell: &Shell) -> Result<Outcome> {
    every(shell, SECONDS)
}

/// Every target for some seconds, as many at a time as there are cores.
pub(crate) fn every(shell: &Shell, seconds: &str) -> Result<Outcome> {
    if which("cargo-fuzz").is_none() {
        let why = "cargo-fuzz is not installed (`cargo install cargo-fuzz`): nothing was fuzzed, the corpora ran as tests";
        return Ok(Outcome::LeftOut(why.into()));
    }
    build(shell)?;
    let targets = targets(shell)?;
    let waiting = Mutex::new(targets.iter());
    let next = || waiting.lock().ok()?.next();
    let failed: Vec<_> = thread::scope(|scope| {
        let worker = |shell: Shell| {
            move || {
                iter::from_fn(next)
                    .filter(|target| fuzz(&shell, target, seconds).is_err())
                    .collect::<Vec<_>>()
            }
        };
        let cores = available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker(shell.clone()))).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("no fuzzing thread panics"))
            .cloned()
            .collect()
    });
    if failed.is_empty() {
        Ok(format!("{} targets, {seconds} s each: {}", targets.len(), targets.join(" ")).into())
    } else {
        Err(format!("a fault was found by {}; the input is in fuzz/artifacts", failed.join(", ")).into())
    }
}

/// The seeds and every crash of the past, on stable, without cargo-fuzz.
pub(crate) fn corpora(shell: &Shell) -> Result<Outcome> {
    let target = target(shell);
    let _dir = shell.push_dir("fuzz");
    cmd!(shell, "cargo test --no-default-features --target-dir {target}").run()?;
    Ok("the committed corpora of all targets".into())
}

/// Without a sanitizer: no crate has `unsafe`, and so the compiler need not be a nightly one.
fn build(shell: &Shell) -> Result {
    cmd!(shell, "cargo fuzz build --sanitizer none").run()?;
    Ok(())
}

fn fuzz(shell: &Shell, target: &str, seconds: &str) -> Result {
    // The committed corpus is read only; what this run finds goes to a folder that git ignores.
    let (found, seeds) = (format!("fuzz/target/found/{target}"), format!("fuzz/corpus/{target}"));
    shell.create_dir(&found)?;
    let limits = [format!("-max_total_time={seconds}"), "-timeout=5".into(), "-rss_limit_mb=2048".into()];
    let quiet = ["-print_final_stats=1", "-verbosity=0", "-print_funcs=0"];
    cmd!(shell, "cargo fuzz run --sanitizer none {target} {found} {seeds} -- {limits...} {quiet...}")
        .run()?;
    Ok(())
}

fn targets(shell: &Shell) -> Result<Vec<String>> {
    let manifest = shell.read_file("fuzz/Cargo.toml")?;
    let bins = manifest.split("[[bin]]").skip(1);
    Ok(bins.filter_map(|bin| bin.split('"').nth(1)).map(str::to_owned).collect())
}

//! The gate: everything that must hold before a change lands, here and in the workflow.

use crate::{
    Result, bench, bench_e2e, features, fuzz, interop, licences, metadata, rfc,
    step::{self, Outcome, Step},
    tidy, which,
};
use xshell::{Shell, cmd};

/// Quick and telling steps first.
const STEPS: &[Step] = &[
    Step { name: "fmt", run: fmt },
    Step { name: "tidy", run: tidy::check },
    Step { name: "rfc", run: rfc::check },
    Step { name: "msrv", run: metadata::msrv },
    Step { name: "licences", run: licences::check },
    Step { name: "advisories", run: licences::advisories },
    Step { name: "clippy", run: clippy },
    Step { name: "cores", run: features::cores },
    Step { name: "features", run: features::powerset },
    Step { name: "tests", run: tests },
    Step { name: "doctests", run: doctests },
    Step { name: "docs", run: docs },
    Step { name: "semver", run: semver },
    Step { name: "corpora", run: fuzz::corpora },
    Step { name: "bench", run: bench::gate },
    Step { name: "demo", run: demo },
    Step { name: "interop", run: interop::gate },
    Step { name: "e2e", run: bench_e2e::gate },
    Step { name: "fuzz", run: fuzz::all },
];

pub(crate) fn run(shell: &Shell, args: &[String]) -> Result {
    let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
    if args == ["--list"] {
        println!("{}", names.join("\n"));
        return Ok(());
    }
    if let Some(unknown) = args.iter().find(|arg| !names.contains(&arg.as_str())) {
        return Err(format!("no step {unknown}; the steps are {}", names.join(" ")).into());
    }
    step::run_all(
        shell,
        STEPS.iter().filter(|step| args.is_empty() || args.iter().any(|arg| arg == step.name)),
    )
}

fn fmt(shell: &Shell) -> Result<Outcome> {
    cmd!(shell, "cargo fmt --all --check").run()?;
    cmd!(shell, "cargo fmt --all --check --manifest-path fuzz/Cargo.toml").run()?;
    // Only its own files: `--all` would go on to ours, which it depends on.
    cmd!(shell, "cargo fmt --check --manifest-path bench/Cargo.toml").run()?;
    Ok("every file".into())
}

fn clippy(shell: &Shell) -> Result<Outcome> {
    cmd!(shell, "cargo clippy --quiet --workspace --all-targets --all-features -- -D warnings").run()?;
    Ok("all targets, all features, no warning".into())
}

fn tests(shell: &Shell) -> Result<Outcome> {
    if which("cargo-nextest").is_some() {
        cmd!(shell, "cargo nextest run --workspace --all-features --no-fail-fast --status-level fail")
            .run()?;
        return Ok("cargo nextest, all features".into());
    }
    cmd!(shell, "cargo test --workspace --all-features --no-fail-fast --lib --bins --tests --examples")
        .run()?;
    Ok("cargo test, all features".into())
}

fn doctests(shell: &Shell) -> Result<Outcome> {
    cmd!(shell, "cargo test --workspace --all-features --no-fail-fast --doc").run()?;
    Ok("every example in the docs and READMEs".into())
}

fn docs(shell: &Shell) -> Result<Outcome> {
    let _warnings = shell.push_env("RUSTDOCFLAGS", "-D warnings");
    cmd!(shell, "cargo doc --quiet --workspace --all-features --no-deps").run()?;
    Ok("no warning".into())
}

fn semver(shell: &Shell) -> Result<Outcome> {
    let last = cmd!(shell, "git describe --tags --abbrev=0 --match v*").quiet().ignore_stderr().read();
    let Ok(last) = last else {
        return Ok(Outcome::LeftOut("nothing was released yet that an API could be compared with".into()));
    };
    if which("cargo-semver-checks").is_none() {
        return Ok(Outcome::LeftOut("cargo-semver-checks is not installed: the API was not compared".into()));
    }
    cmd!(shell, "cargo semver-checks --workspace --baseline-rev {last}").run()?;
    Ok(format!("compared with {last}").into())
}

/// The README's first command, which verifies itself.
fn demo(shell: &Shell) -> Result<Outcome> {
    let voip = interop::command(shell)?;
    cmd!(shell, "timeout 60 {voip} demo").run()?;
    Ok("voip demo verified a call of its own".into())
}

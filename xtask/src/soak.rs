//! What takes too long for the gate: simulations with thousands of seeds, every fuzz target for minutes. For a nightly run.

use crate::{
    Result, fuzz,
    step::{self, Outcome, Step},
};
use xshell::{Shell, cmd};

/// Seeds for each simulation, unless `SIM_SEEDS` says otherwise.
const SEEDS: &str = "10000";
/// Seconds for each fuzz target, unless `FUZZ_SECONDS` says otherwise.
const SECONDS: &str = "600";

const STEPS: &[Step] = &[
    Step { name: "simulations", run: simulations },
    Step { name: "costs", run: costs },
    Step { name: "fuzz", run: fuzz_long },
];

pub(crate) fn run(shell: &Shell, args: &[String]) -> Result {
    let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
    if let Some(unknown) = args.iter().find(|arg| !names.contains(&arg.as_str())) {
        return Err(format!("no step {unknown}; the steps are {}", names.join(" ")).into());
    }
    let chosen = |step: &&Step| args.is_empty() || args.iter().any(|arg| arg == step.name);
    step::run_all(shell, STEPS.iter().filter(chosen))
}

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// Each `tests/sim.rs` of the workspace, with optimisation.
fn simulations(shell: &Shell) -> Result<Outcome> {
    let seeds = setting("SIM_SEEDS", SEEDS);
    let _seeds = shell.push_env("SIM_SEEDS", &seeds);
    cmd!(shell, "cargo test --release --workspace --all-features --test sim").run()?;
    Ok(format!("{seeds} seeds for those that read SIM_SEEDS").into())
}

/// The benches that fail when a cost is too high.
fn costs(shell: &Shell) -> Result<Outcome> {
    cmd!(shell, "cargo bench -p sip-txn --features tokio --bench answerer --bench instructions").run()?;
    Ok("an answerer beside a bare socket loop, a transaction among few and among many".into())
}

fn fuzz_long(shell: &Shell) -> Result<Outcome> {
    fuzz::every(shell, &setting("FUZZ_SECONDS", SECONDS))
}

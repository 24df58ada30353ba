//! The chores of this workspace: `cargo xtask` prints what there is.

#![expect(clippy::disallowed_methods, reason = "a tool that times real work reads the real clock")]

mod apt;
mod bench;
mod bench_e2e;
mod ci;
mod features;
mod fuzz;
mod interop;
mod json;
mod licences;
mod metadata;
mod rfc;
mod soak;
mod step;
mod tidy;

use std::process::ExitCode;
use xshell::Shell;

/// A sentence for a person.
type Error = Box<dyn std::error::Error + Send + Sync>;
/// What a chore gives.
type Result<T = (), E = Error> = std::result::Result<T, E>;

type Run = fn(&Shell, &[String]) -> Result;

const COMMANDS: &[(&str, &str, Run)] = &[
    ("bench", "[--install]  our parsers beside other people's: instructions, allocations, time", bench::run),
    (
        "bench-e2e",
        "[--install] [--memory] [--gate]  SIPp calls `voip answer`, sofia-sip and rsipstack: CPU a call, failures, memory",
        bench_e2e::run,
    ),
    ("ci", "[--list] [STEP…]  the whole gate, or some of its steps", ci::run),
    ("fuzz", "[TARGET [SECONDS]]  run fuzz targets, 30 s each unless told", fuzz::run),
    ("interop", "[--install] [--list] [NAME…]  scripted calls with other people's software", interop::run),
    ("rfc", "  write docs/RFC-COVERAGE.md from the `// rfc:` lines above the tests", rfc::run),
    (
        "soak",
        "[simulations] [costs] [fuzz]  the long runs, for a night: SIM_SEEDS and FUZZ_SECONDS say how long",
        soak::run,
    ),
    ("tidy", "  check the code map and the words that must not be in the code", tidy::run),
];

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let Some((_, _, run)) = COMMANDS.iter().find(|(command, ..)| *command == name) else {
        eprintln!("usage: cargo xtask COMMAND");
        COMMANDS.iter().for_each(|(command, help, _)| eprintln!("  {command} {help}"));
        return ExitCode::from(2);
    };
    match workspace().and_then(|shell| run(&shell, &rest)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask {name}: {why}");
            ExitCode::FAILURE
        }
    }
}

/// A shell that stands in the root of the workspace.
fn workspace() -> Result<Shell> {
    let shell = Shell::new()?;
    let root =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("xtask lies in no workspace")?;
    shell.change_dir(root);
    Ok(shell)
}

/// Where cargo builds.
fn target(shell: &Shell) -> std::path::PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| shell.current_dir().join("target"), Into::into)
}

/// Whether a missing tool is a failure rather than something to tell of.
fn strict() -> bool {
    std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// The path of a program, if it is installed.
fn which(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

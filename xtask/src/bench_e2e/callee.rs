//! Those that are called, and what the kernel says of them.

use crate::{
    Result,
    interop::{
        self,
        lab::{Lab, ports},
        sipp::{Counts, Sipp},
    },
    target,
};
use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use xshell::{Shell, cmd};

/// Somebody to call.
#[derive(Clone, Copy)]
pub(super) struct Callee {
    pub(super) name: &'static str,
    pub(super) ours: bool,
    /// Does what the others do: dialogs and descriptions, no media.
    pub(super) compared: bool,
    program: Program,
    args: &'static [&'static str],
}

#[derive(Clone, Copy)]
enum Program {
    Voip,
    Sofia,
    Rsipstack,
}

/// Ours first. The peers answer with a fixed description and have no media.
pub(super) const CALLEES: &[Callee] = &[
    Callee {
        name: "voip answer --no-media",
        ours: true,
        compared: true,
        program: Program::Voip,
        args: &["--no-media", "--quiet"],
    },
    Callee { name: "sofia-sip (nta)", ours: false, compared: true, program: Program::Sofia, args: &[] },
    Callee {
        name: "rsipstack (DialogLayer)",
        ours: false,
        compared: true,
        program: Program::Rsipstack,
        args: &[],
    },
    // Two sockets, a session and five packets of echo in 100 ms: nothing of that has a counterpart above.
    Callee {
        name: "voip answer, with media",
        ours: true,
        compared: false,
        program: Program::Voip,
        args: &[],
    },
];

/// How long a call stands.
pub(super) const HOLD: Duration = Duration::from_millis(100);

/// What was built.
pub(super) struct Programs {
    voip: PathBuf,
    sofia: Option<PathBuf>,
    rsipstack: PathBuf,
    templates: PathBuf,
}

/// Whether sofia-sip can be linked.
pub(super) fn has_sofia() -> bool {
    Command::new("pkg-config")
        .args(["--exists", "sofia-sip-ua"])
        .status()
        .is_ok_and(|status| status.success())
}

impl Programs {
    pub(super) fn build(shell: &Shell) -> Result<Self> {
        let voip = interop::command(shell)?;
        let target = target(shell);
        let manifest = ["--manifest-path", "bench/Cargo.toml"];
        cmd!(
            shell,
            "cargo build --quiet --release {manifest...} --bin answer-rsipstack --target-dir {target}"
        )
        .run()?;
        let sofia = if has_sofia() {
            let flags = cmd!(shell, "pkg-config --cflags --libs sofia-sip-ua").quiet().read()?;
            let (flags, output) = (flags.split_whitespace(), target.join("release/answer-sofia"));
            cmd!(shell, "cc -O2 -o {output} bench/answerers/sofia.c {flags...}").run()?;
            Some(output)
        } else {
            None
        };
        let rsipstack = target.join("release/answer-rsipstack");
        Ok(Self { voip, sofia, rsipstack, templates: interop::templates(shell) })
    }

    pub(super) fn lab(&self, name: &str) -> Result<Lab> {
        Lab::new(name, self.templates.clone(), self.voip.clone())
    }

    pub(super) fn has(&self, callee: &Callee) -> bool {
        !matches!(callee.program, Program::Sofia) || self.sofia.is_some()
    }
}

/// A callee that listens.
pub(super) struct Running {
    pid: u32,
    port: u16,
}

pub(super) fn start(programs: &Programs, lab: &mut Lab, callee: &Callee) -> Result<Running> {
    let port = ports(2)?;
    let mut command = match callee.program {
        Program::Voip => {
            let mut command = lab.voip(&["answer", "--listen", &format!("udp:127.0.0.1:{port}")]);
            command.args(callee.args);
            command
        }
        Program::Sofia => Command::new(programs.sofia.as_ref().ok_or("sofia-sip is not installed")?),
        Program::Rsipstack => Command::new(&programs.rsipstack),
    };
    if !callee.ours {
        command.arg(port.to_string());
    }
    let index = lab.spawn("callee", &mut command)?;
    lab.wait_for("callee.out", "listening", Duration::from_secs(15))?;
    Ok(Running { pid: lab.pid(index).ok_or("no such process")?, port })
}

/// Distinguishes SIPp's files of one run from those of the next.
static RUN: AtomicU32 = AtomicU32::new(0);

/// Calls so often, and waits for the end.
pub(super) fn call(lab: &mut Lab, callee: &Running, rate: u32, calls: u32, hold: Duration) -> Result<Counts> {
    let limit = hold + Duration::from_secs(u64::from(calls / rate) + 60);
    caller(lab, callee, rate, calls, hold)?.counts(lab, limit)
}

/// Starts to call.
pub(super) fn caller(lab: &mut Lab, callee: &Running, rate: u32, calls: u32, hold: Duration) -> Result<Sipp> {
    let name = format!("sipp{}", RUN.fetch_add(1, Ordering::Relaxed));
    let (port, media, control) = (ports(2)?, ports(4)?, ports(2)?);
    let mut command = Command::new("sipp");
    command.arg(format!("127.0.0.1:{}", callee.port)).args(["-sn", "uac", "-t", "u1", "-s", "service"]);
    command.args(["-i", "127.0.0.1", "-p", &port.to_string(), "-mi", "127.0.0.1"]);
    command.args(["-mp", &media.to_string(), "-cp", &control.to_string()]);
    command.args(["-d", &hold.as_millis().to_string(), "-l", "50000"]);
    command.args(["-r", &rate.to_string(), "-m", &calls.to_string()]);
    Sipp::run_as(lab, &name, &mut command)
}

impl Running {
    /// The time that its threads have been on a processor.
    pub(super) fn cpu(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            // One that ends meanwhile was not at work.
            let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
            nanoseconds += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// A line of its status, in bytes: `VmRSS`, `VmHWM`.
    pub(super) fn memory(&self, line: &str) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status
            .lines()
            .find_map(|text| text.strip_prefix(line)?.strip_prefix(':'))
            .ok_or("no such line")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0)
    }
}

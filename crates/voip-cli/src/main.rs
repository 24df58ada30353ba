//! The `voip` command: makes, takes and tests phone calls.
//!
//! One file for each subcommand; [`common`] holds the options they share and [`report`] what they print.

#![expect(
    clippy::disallowed_methods,
    reason = "the command is the outermost layer: it owns the clock and the tasks"
)]

mod answer;
mod call;
mod common;
mod demo;
mod interrupt;
mod message;
mod options;
mod parse;
mod register;
mod registrar;
mod report;
mod session;
mod wire;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use common::Common;
use report::Reporter;

/// Make, take and test phone calls over SIP.
#[derive(Debug, Parser)]
#[command(name = "voip", version, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prove that everything works: a registrar and two phones that call each other, inside this process
    Demo(demo::Demo),
    /// Wait for calls and answer them
    Answer(answer::Answer),
    /// Call somebody
    Call(Box<call::Call>),
    /// Register, and keep the registration fresh
    Register(register::Register),
    /// Ask a SIP server or phone what it can do: a SIP ping
    Options(options::Options),
    /// Send a text message
    Message(message::Message),
    /// A small registrar and proxy for development
    Registrar(registrar::Registrar),
    /// Read a SIP message or a session description and say what is wrong with it
    Parse(parse::Parse),
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Why the command did not do what was asked; the text names what to do about it.
#[derive(Debug)]
enum Failure {
    /// Wrong usage or configuration, found before any packet was sent: exit code 2.
    Usage(String),
    /// The call, the registration or the input failed: exit code 1.
    Failed(String),
    /// As [`Failed`](Self::Failed), and the events on stdout have said so already.
    Reported(String),
    /// Ctrl-C came before there was anything to end in good order: exit code 0.
    Interrupted,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usage(text) | Self::Failed(text) | Self::Reported(text) => f.write_str(text),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl Failure {
    fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }

    /// A flag whose layer is not built yet.
    fn not_available_yet(flag: &str) -> Self {
        Self::Usage(format!("{flag} is not available yet"))
    }
}

type Outcome = Result<(), Failure>;

/// Files and sockets we ask the system for: as many as the hard limit allows, up to this.
const FILES: u64 = 65_536;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => return misused(&error),
        Err(help) => help.exit(),
    };
    cli.common.start_logging();
    let reporter = Reporter::new(cli.common.json, cli.common.show_callers, cli.common.quiet);
    // A call takes two sockets; the usual soft limit of 1,024 files would end at 500 calls. Without it we take what there is.
    let _ = rlimit::increase_nofile_limit(FILES);
    let Err(failure) = run(cli, &reporter) else { return ExitCode::SUCCESS };
    match &failure {
        Failure::Usage(text) | Failure::Failed(text) => reporter.error(text),
        Failure::Reported(text) => reporter.last_line(text),
        Failure::Interrupted => {}
    }
    match failure {
        Failure::Usage(_) => ExitCode::from(2),
        Failure::Failed(_) | Failure::Reported(_) => ExitCode::FAILURE,
        Failure::Interrupted => ExitCode::SUCCESS,
    }
}

/// Wrong usage: clap explains it in several lines, and the last one says in short what it was.
fn misused(error: &clap::Error) -> ExitCode {
    // Nobody reads stderr any more: no reason to fail otherwise.
    let _ = error.print();
    let text = error.render().to_string();
    let first: Vec<_> = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
    let first = first.join(" ");
    let json = std::env::args_os().any(|argument| argument == "--json");
    Reporter::new(json, false, false).error(first.strip_prefix("error: ").unwrap_or(&first));
    ExitCode::from(2)
}

fn run(cli: Cli, reporter: &Reporter) -> Outcome {
    let common = &cli.common;
    common.check()?;
    match cli.command {
        Command::Demo(demo) => until_told_twice(common, demo.run(common, reporter)),
        Command::Answer(answer) => until_told_twice(common, answer.run(common, reporter)),
        Command::Call(call) => until_told_twice(common, call.run(common, reporter)),
        Command::Register(register) => until_told_twice(common, register.run(common, reporter)),
        Command::Options(options) => until_told_twice(common, options.run(common, reporter)),
        Command::Message(message) => until_told_twice(common, message.run(common, reporter)),
        Command::Registrar(registrar) => until_told_twice(common, registrar.run(common, reporter)),
        Command::Parse(parse) => parse.run(common),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "voip", &mut script);
            // A reader that went away (`| head`) has read what it wanted.
            let _ = std::io::stdout().write_all(&script);
            Ok(())
        }
    }
}

/// Does what needs the network; each subcommand ends in good order on the first Ctrl-C, and the second one ends it here.
fn until_told_twice(common: &Common, work: impl Future<Output = Outcome>) -> Outcome {
    let runtime =
        common.runtime().map_err(|error| Failure::failed(format!("no threads to work with: {error}")))?;
    runtime.block_on(async {
        tokio::select! {
            // Signals are listened to before anything is said or sent.
            biased;
            () = interrupt::second_interrupt() => std::process::exit(130),
            outcome = work => outcome,
        }
    })
}

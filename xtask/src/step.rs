//! Runs named steps, times them, and says at the end what passed, failed and was left out.

use crate::Result;
use std::time::Instant;
use xshell::Shell;

/// How a step ended when it did not fail.
pub(crate) enum Outcome {
    /// It was checked; the text says what.
    Passed(String),
    /// It was not checked, and why.
    LeftOut(String),
}

impl From<&str> for Outcome {
    fn from(what: &str) -> Self {
        Self::Passed(what.into())
    }
}

impl From<String> for Outcome {
    fn from(what: String) -> Self {
        Self::Passed(what)
    }
}

/// One step of a gate.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Shell) -> Result<Outcome>,
}

/// Runs all steps, also after a failure, and prints the summary.
///
/// # Errors
///
/// When at least one step failed.
pub(crate) fn run_all<'a>(shell: &Shell, steps: impl Iterator<Item = &'a Step>) -> Result {
    let start = Instant::now();
    let (mut passed, mut failed, mut left_out) = (0, 0, 0);
    let mut summary = String::new();
    for step in steps {
        println!("\n──── {} ────", step.name);
        let begun = Instant::now();
        let (mark, text) = match (step.run)(shell) {
            Ok(Outcome::Passed(what)) => {
                passed += 1;
                ("passed  ", what)
            }
            Ok(Outcome::LeftOut(why)) => {
                left_out += 1;
                ("LEFT OUT", why)
            }
            Err(why) => {
                failed += 1;
                ("FAILED  ", why.to_string())
            }
        };
        let line = format!("{mark} {:<12} {:>4} s  {text}", step.name, begun.elapsed().as_secs());
        println!("{line}");
        summary += &line;
        summary.push('\n');
    }
    println!("\n──── summary, {} s ────\n{summary}", start.elapsed().as_secs());
    println!("{passed} passed, {failed} failed, {left_out} skipped");
    if failed > 0 { Err(format!("{failed} of the steps above failed").into()) } else { Ok(()) }
}

//! SIPp as a caller and as the called side.

use super::lab::{Lab, ports};
use crate::Result;
use std::{fs, process::Command, time::Duration};

/// Where SIPp writes each message of a small run.
pub(crate) const MESSAGES: &str = "sipp.messages";

/// What SIPp writes, and where.
fn files(name: &str) -> [String; 8] {
    let [errors, statistics] = ["errors", "csv"].map(|end| format!("{name}.{end}"));
    ["-trace_err", "-error_file", &errors, "-trace_stat", "-stf", &statistics, "-fd", "1"].map(str::to_owned)
}

/// How many calls SIPp makes or takes, and how fast it makes them.
pub(crate) struct Load {
    pub(crate) calls: u32,
    pub(crate) per_second: u32,
}

/// What SIPp counted.
pub(crate) struct Counts {
    pub(crate) successful: u32,
    pub(crate) failed: u32,
    pub(crate) retransmissions: u32,
}

/// A SIPp that runs.
pub(crate) struct Sipp {
    /// Of its files.
    name: String,
    index: usize,
    port: u16,
}

impl Sipp {
    /// Starts SIPp: with `target` it calls there, without it waits for calls.
    ///
    /// `scenario` is the name of a built-in one, or of a file in `sipp/` that ends in `.xml`.
    pub(crate) fn start(
        lab: &mut Lab,
        scenario: &str,
        transport: &str,
        target: Option<&str>,
        load: &Load,
    ) -> Result<Self> {
        let (port, media, control) = (ports(2)?, ports(4)?, ports(2)?);
        let mut command = Command::new("sipp");
        command.args(target).args(["-i", "127.0.0.1", "-p", &port.to_string(), "-mi", "127.0.0.1"]);
        command.args(["-mp", &media.to_string(), "-cp", &control.to_string(), "-nostdin", "-skip_rlimit"]);
        if scenario.ends_with(".xml") {
            command.arg("-sf").arg(lab.template("sipp").join(scenario)).arg("-pause_msg_ign");
        } else {
            command.args(["-sn", scenario]);
        }
        command.args(["-t", if transport == "tcp" { "t1" } else { "u1" }]);
        command.args(["-m", &load.calls.to_string(), "-r", &load.per_second.to_string(), "-l", "20000"]);
        command.args(files("sipp"));
        // A caller that has hung up may close its connection, though SIPp still waits for stray repetitions then.
        command.args(["-reconnect_close", "false"]);
        command.args(["-timeout", "150", "-timeout_error", "-s", "service"]);
        if load.calls < 100 || std::env::var_os("KEEP").is_some() {
            command.args(["-trace_msg", "-message_file", MESSAGES]);
        }
        let index = lab.spawn("sipp", &mut command)?;
        if target.is_none() {
            // It prints its screen before it listens; a moment is enough, and UDP callers try again anyway.
            std::thread::sleep(Duration::from_millis(500));
        }
        Ok(Self { name: "sipp".into(), index, port })
    }

    /// Starts SIPp as a caller with arguments of its own; a namespace has all ports for itself.
    pub(crate) fn run(lab: &mut Lab, command: &mut Command) -> Result<Self> {
        Self::run_as(lab, "sipp", command)
    }

    /// The same, with files of another name beside those of others.
    pub(crate) fn run_as(lab: &mut Lab, name: &str, command: &mut Command) -> Result<Self> {
        command.args(files(name)).args(["-nostdin", "-skip_rlimit", "-timeout", "110", "-timeout_error"]);
        Ok(Self { name: name.to_owned(), index: lab.spawn(name, command)?, port: 0 })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn uri(&self, transport: &str) -> String {
        format!("sip:service@127.0.0.1:{};transport={transport}", self.port)
    }

    /// Waits for its end; an error unless every call was good.
    pub(crate) fn finish(self, lab: &mut Lab, load: &Load, limit: Duration) -> Result<Counts> {
        let (code, counts) = self.wait(lab, limit)?;
        if code == 0 && counts.failed == 0 && counts.successful == load.calls {
            return Ok(counts);
        }
        let errors = fs::read_to_string(lab.path(&format!("{}.errors", self.name))).unwrap_or_default();
        let first: String = errors.chars().take(600).collect();
        let Counts { successful, failed, .. } = counts;
        Err(format!("SIPp exit {code}, {successful} good and {failed} failed of {}: {first}", load.calls)
            .into())
    }

    /// Waits for its end, whatever became of the calls.
    pub(crate) fn counts(&self, lab: &mut Lab, limit: Duration) -> Result<Counts> {
        self.wait(lab, limit).map(|(_, counts)| counts)
    }

    fn wait(&self, lab: &mut Lab, limit: Duration) -> Result<(i32, Counts)> {
        let code = lab.wait(self.index, limit)?;
        let statistics = fs::read_to_string(lab.path(&format!("{}.csv", self.name))).unwrap_or_default();
        Ok((
            code,
            counts(&statistics)
                .ok_or_else(|| format!("SIPp left no statistics: {}", lab.tail(&self.name)))?,
        ))
    }
}

/// The last line of SIPp's statistics; columns are named in the first.
fn counts(csv: &str) -> Option<Counts> {
    let names: Vec<&str> = csv.lines().next()?.split(';').collect();
    let last: Vec<&str> = csv.lines().last()?.split(';').collect();
    let value = |name: &str| last.get(names.iter().position(|column| *column == name)?)?.parse().ok();
    Some(Counts {
        successful: value("SuccessfulCall(C)")?,
        failed: value("FailedCall(C)")?,
        retransmissions: value("Retransmissions(C)")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_read_by_column_name() {
        let csv = "A;FailedCall(C);SuccessfulCall(C);Retransmissions(C);\n0;0;0;0;\n9;1;7;2;\n";
        let counts = counts(csv).unwrap();
        assert_eq!((counts.successful, counts.failed, counts.retransmissions), (7, 1, 2));
    }
}

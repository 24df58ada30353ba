//! Our parsers beside other people's, in the workspace `bench/`: instructions, allocations and time, all of one run.

use crate::{Result, apt, step::Outcome, strict, target, which};
use std::{cell::RefCell, collections::BTreeMap, fmt, path::PathBuf};
use xshell::{Shell, cmd};

const PACKAGES: &[&str] = &["libsofia-sip-ua-dev", "pkg-config", "valgrind"];
/// What the table calls them: ours first, as `bench list` does.
const MEASURES: &[(&str, &[&str])] =
    &[("sip", &["parse", "parse+read", "write untouched", "write new"]), ("sdp", &["parse", "write"])];

/// What ours may cost, from the Speed sections of the issues of `sip-msg` and `sdp`: group, measure, limit. The groups
/// are `sip` (the mean of all samples) and `sdp` with the name of a description, or without for each of them.
///
/// Time stands in the issues as a share of the fastest peer's; here it is instructions, which a busy machine does not
/// change.
const BUDGETS: &[(&str, &str, Limit)] = &[
    ("sip", "parse", Limit::Instructions(9_000.0)),
    ("sip", "parse", Limit::Allocations(2.0)),
    ("sip", "parse+read", Limit::Instructions(13_000.0)),
    ("sip", "write untouched", Limit::Instructions(850.0)),
    ("sip", "write untouched", Limit::Allocations(0.0)),
    ("sip", "write new", Limit::Instructions(2_800.0)),
    ("sip", "write new", Limit::Allocations(0.0)),
    ("sdp", "parse", Limit::InstructionsAByte(25.0)),
    ("sdp", "parse", Limit::OfTheFastest(0.5)),
    ("sdp audio", "parse", Limit::Allocations(4.0)),
    ("sdp", "write", Limit::OfTheFastest(0.5)),
    ("sdp", "write", Limit::Allocations(1.0)),
];

/// SIP messages to measure with, by the same issue.
const FEWEST: usize = 20;

/// Not of Rust, or without structures: it is the fastest Rust library with them that is promised to be passed.
const NOT_COMPARED: &[&str] = &["sip-core", "sofia-sip"];

enum Limit {
    Instructions(f64),
    InstructionsAByte(f64),
    Allocations(f64),
    OfTheFastest(f64),
}

/// One measure of one library.
struct Row {
    /// The protocol, or with its description.
    group: String,
    measure: &'static str,
    library: String,
    samples: usize,
    bytes: f64,
    instructions: f64,
    allocations: f64,
    nanoseconds: Option<f64>,
    /// Instructions of ours for the same samples.
    ours: f64,
}

pub(crate) fn run(shell: &Shell, args: &[String]) -> Result {
    if args == ["--install"] {
        return apt::install(shell, PACKAGES, || missing(shell));
    }
    if which("valgrind").is_none() {
        return Err("valgrind is not installed (`cargo xtask bench --install`)".into());
    }
    println!("{}", measured(shell, true)?);
    Ok(())
}

/// The gate's step: the same without the clock, which makes it repeatable. The peers are in it: from nothing the build
/// takes two minutes on two cores, and some budgets are shares of theirs.
pub(crate) fn gate(shell: &Shell) -> Result<Outcome> {
    let missing = missing(shell);
    if strict() && !missing.is_empty() {
        return Err(format!("not installed: {} (`cargo xtask bench --install`)", missing.join(", ")).into());
    }
    if which("valgrind").is_none() {
        let why = "valgrind is not installed (`cargo xtask bench --install`): nothing was counted";
        return Ok(Outcome::LeftOut(why.into()));
    }
    let without = if missing.is_empty() { "" } else { "; sofia-sip is not installed and was left out" };
    Ok(format!("{}{without}", measured(shell, false)?).into())
}

/// Runs everything, prints the table and how the budgets stand, and sums up.
fn measured(shell: &Shell, clock: bool) -> Result<String> {
    let rows = Bench::build(shell)?.rows(clock)?;
    println!("{HEAD}");
    rows.iter().for_each(|row| println!("{row}"));
    println!();
    let broken = broken(&rows);
    claim(&rows);
    if broken.is_empty() {
        Ok(format!("{} budgets hold, {} measurements", BUDGETS.len(), rows.len()))
    } else {
        Err(broken.join("; ").into())
    }
}

/// Prints how each budget stands; gives those that do not hold.
fn broken(rows: &[Row]) -> Vec<String> {
    let mut broken = Vec::new();
    for (group, measure, limit) in BUDGETS {
        let ours = rows.iter().filter(|row| row.is_ours() && row.measure == *measure);
        for row in ours.filter(|row| row.group.split(' ').zip(group.split(' ')).all(|(a, b)| a == b)) {
            let (is, most, what) = match limit {
                Limit::Instructions(most) => (row.instructions, most, "instructions"),
                Limit::InstructionsAByte(most) => (row.instructions / row.bytes, most, "instructions a byte"),
                Limit::Allocations(most) => (row.allocations, most, "allocations"),
                Limit::OfTheFastest(most) => {
                    let share = fastest(rows, row, &[]).map_or(f64::INFINITY, |peer| 1.0 / peer.times_ours());
                    (share, most, "of the fastest peer's instructions")
                }
            };
            let (text, holds) =
                (format!("{} {measure}: {is:.2} {what}, at most {most}", row.group), is <= *most);
            println!("{} {text}", if holds { "holds " } else { "BROKEN" });
            broken.extend((!holds).then_some(text));
        }
    }
    broken
}

/// Prints what the issue promises of the comparison, which is no budget.
fn claim(rows: &[Row]) {
    let ours = rows.iter().filter(|row| row.is_ours() && row.measure == "parse+read");
    for (row, peer) in ours.filter_map(|row| Some((row, fastest(rows, row, NOT_COMPARED)?))) {
        let (times, than) = (peer.times_ours(), &peer.library);
        println!("claim  {} {}: 3 times as fast as {than}: {times:.1} times", row.group, row.measure);
    }
}

/// The peer that does the same with the fewest instructions.
fn fastest<'a>(rows: &'a [Row], row: &Row, without: &[&str]) -> Option<&'a Row> {
    rows.iter()
        .filter(|peer| !peer.is_ours() && peer.group == row.group && peer.measure == row.measure)
        .filter(|peer| !without.iter().any(|name| peer.library.starts_with(name)))
        .min_by(|a, b| a.times_ours().total_cmp(&b.times_ours()))
}

impl Row {
    fn is_ours(&self) -> bool {
        self.library.ends_with("(ours)")
    }

    /// Instructions for one of ours, with the same samples.
    fn times_ours(&self) -> f64 {
        self.instructions / self.ours
    }
}

const HEAD: &str = "\
| group           | measure         | library                | instructions | a byte | allocations |     ns | × ours | samples     |
|-----------------|-----------------|------------------------|-------------:|-------:|------------:|-------:|-------:|-------------|";

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.nanoseconds.map_or("–".into(), |time| format!("{time:.0}"));
        let samples = format!("{} × {:.0} B", self.samples, self.bytes);
        write!(f, "| {:<15} | {:<15} | {:<22} ", self.group, self.measure, self.library)?;
        write!(f, "| {:>12.0} | {:>6.1} ", self.instructions, self.instructions / self.bytes)?;
        write!(f, "| {:>11.1} | {time:>6} | {:>6.2} | {samples:<11} |", self.allocations, self.times_ours())
    }
}

/// A sample's name and size in bytes.
type Sample = (String, f64);

/// What one run of a measure gives, for one sample.
#[derive(Clone, Copy)]
struct Count {
    instructions: f64,
    allocations: f64,
}

/// The built program.
struct Bench<'a> {
    shell: &'a Shell,
    program: PathBuf,
    /// Ours is counted for each set of samples that a peer can read.
    counted: RefCell<BTreeMap<Vec<String>, Count>>,
}

impl<'a> Bench<'a> {
    fn build(shell: &'a Shell) -> Result<Self> {
        let target = target(shell);
        cmd!(shell, "cargo build --quiet --release --manifest-path bench/Cargo.toml --target-dir {target}")
            .run()?;
        Ok(Self { shell, program: target.join("release/bench"), counted: RefCell::default() })
    }

    fn rows(&self, clock: bool) -> Result<Vec<Row>> {
        let list = self.ask(&["list"])?;
        let peers: Vec<_> = list.lines().filter_map(|line| line.split_once(' ')).collect();
        let mut rows = Vec::new();
        for (protocol, measures) in MEASURES {
            let peers: Vec<_> = peers.iter().filter(|peer| peer.0 == *protocol).map(|peer| peer.1).collect();
            let Some(ours) = peers.first() else { continue };
            for measure in *measures {
                for (group, samples) in self.groups(protocol, ours, measure)? {
                    for peer in &peers {
                        let can = self.samples(&[protocol, peer, measure])?;
                        let can: Vec<_> = can.into_iter().filter(|sample| samples.contains(sample)).collect();
                        if can.is_empty() {
                            println!(
                                "{group} {measure}: {peer} cannot do it with any sample, and is left out"
                            );
                            continue;
                        }
                        let count = self.count(&[protocol, peer, measure], &can)?;
                        rows.push(Row {
                            group: group.clone(),
                            measure,
                            library: self.version(peer, peer == ours),
                            samples: can.len(),
                            bytes: can.iter().map(|sample| sample.1).sum::<f64>() / can.len() as f64,
                            instructions: count.instructions,
                            allocations: count.allocations,
                            nanoseconds: clock
                                .then(|| self.time(&[protocol, peer, measure], &can))
                                .transpose()?,
                            ours: self.count(&[protocol, ours, measure], &can)?.instructions,
                        });
                    }
                }
            }
        }
        Ok(rows)
    }

    /// All SIP samples make one group, each description one of its own.
    fn groups(&self, protocol: &str, ours: &str, measure: &str) -> Result<Vec<(String, Vec<Sample>)>> {
        let samples = self.samples(&[protocol, ours, measure])?;
        if protocol == "sip" && measure == "parse" && samples.len() < FEWEST {
            return Err(format!(
                "{} of the SIP samples are read, at least {FEWEST} are wanted",
                samples.len()
            )
            .into());
        }
        if protocol == "sip" {
            return Ok(vec![(protocol.into(), samples)]);
        }
        Ok(samples.into_iter().map(|sample| (format!("{protocol} {}", sample.0), vec![sample])).collect())
    }

    /// The samples that a peer can do a measure with, and their sizes in bytes.
    fn samples(&self, run: &[&str]) -> Result<Vec<Sample>> {
        let text = self.ask(&[run, &["check"]].concat())?;
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.map(|(name, bytes)| Ok((name.to_owned(), bytes.parse()?))).collect()
    }

    fn count(&self, run: &[&str], samples: &[Sample]) -> Result<Count> {
        let names = samples.iter().map(|sample| sample.0.as_str());
        let args: Vec<String> =
            run.iter().copied().chain(["count"]).chain(names).map(str::to_owned).collect();
        if let Some(count) = self.counted.borrow().get(&args) {
            return Ok(*count);
        }
        let (program, list) = (&self.program, &args);
        let only = "--toggle-collect=bench::measure::counted";
        let output = cmd!(
            self.shell,
            "valgrind --tool=callgrind --callgrind-out-file=/dev/null {only} {program} {list...}"
        )
        .quiet()
        .output()?;
        let log = String::from_utf8_lossy(&output.stderr);
        let collected = log.lines().find_map(|line| line.split_once("Collected :"));
        let instructions: f64 =
            collected.ok_or("callgrind says nothing of what it collected")?.1.trim().parse()?;
        if instructions == 0.0 {
            return Err(format!("callgrind collected nothing of {}", list.join(" ")).into());
        }
        let allocations: f64 = String::from_utf8_lossy(&output.stdout).trim().parse()?;
        let samples = samples.len() as f64;
        let count = Count { instructions: instructions / samples, allocations: allocations / samples };
        self.counted.borrow_mut().insert(args, count);
        Ok(count)
    }

    fn time(&self, run: &[&str], samples: &[Sample]) -> Result<f64> {
        let names: Vec<_> = samples.iter().map(|sample| sample.0.as_str()).collect();
        Ok(self.ask(&[run, &["time"], &names].concat())?.trim().parse()?)
    }

    fn ask(&self, args: &[&str]) -> Result<String> {
        let program = &self.program;
        Ok(cmd!(self.shell, "{program} {args...}").quiet().read()?)
    }

    /// A library with its version, from the lock file; the package is the last word of the name.
    fn version(&self, library: &str, ours: bool) -> String {
        if ours {
            return format!("{library} (ours)");
        }
        let lock = self.shell.read_file("bench/Cargo.lock").unwrap_or_default();
        let package = format!("name = \"{}\"", library.rsplit(' ').next().unwrap_or(library));
        let mut packages = lock.split("[[package]]").filter(|text| text.contains("source = "));
        let found = packages.find(|text| text.lines().any(|line| line == package));
        let version =
            found.and_then(|text| text.split("version = \"").nth(1)?.split('"').next().map(str::to_owned));
        let version =
            version.or_else(|| cmd!(self.shell, "pkg-config --modversion {library}-ua").quiet().read().ok());
        format!("{library} {}", version.unwrap_or_default())
    }
}

fn missing(shell: &Shell) -> Vec<String> {
    let sofia = cmd!(shell, "pkg-config --exists sofia-sip-ua").quiet().ignore_stderr().run().is_ok();
    let mut missing = Vec::new();
    missing.extend(which("valgrind").is_none().then(|| "valgrind".to_owned()));
    missing.extend((!sofia).then(|| "sofia-sip".to_owned()));
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(group: &str, measure: &'static str, library: &str, instructions: f64) -> Row {
        Row {
            group: group.into(),
            measure,
            library: library.into(),
            samples: 1,
            bytes: 1_000.0,
            instructions,
            allocations: 1.0,
            nanoseconds: None,
            ours: 1_000.0,
        }
    }

    #[test]
    fn a_cost_above_its_budget_is_told() {
        assert!(broken(&[row("sip", "parse", "sip-msg (ours)", 9_000.0)]).is_empty());
        assert_eq!(broken(&[row("sip", "parse", "sip-msg (ours)", 9_001.0)]).len(), 1);
    }

    #[test]
    fn the_fastest_peer_sets_the_share() {
        let ours = || row("sdp audio", "write", "sdp (ours)", 1_000.0);
        let [slow, fast] = [5_000.0, 1_900.0].map(|cost| row("sdp audio", "write", "peer", cost));
        let other = row("sdp webrtc", "write", "peer", 1.0);
        assert!(broken(&[ours(), slow, other]).is_empty());
        let slow = row("sdp audio", "write", "peer", 5_000.0);
        assert_eq!(broken(&[ours(), slow, fast]).len(), 1);
        assert_eq!(broken(&[ours()]).len(), 1, "nothing to compare with is no success");
    }
}

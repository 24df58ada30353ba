//! One way to measure them all.

use crate::heap::allocations;
use bytes::Bytes;
use std::{hint::black_box, path::Path, time::Instant};

/// A message or description, as it came from the wire.
pub struct Sample {
    pub name: String,
    pub bytes: Vec<u8>,
}

impl Sample {
    /// A buffer as a socket would fill it; made outside of what is counted.
    pub fn received(&self) -> Bytes {
        self.bytes.clone().into()
    }
}

/// The samples of a folder of the project, in the order of their names; all, when none is chosen.
pub fn samples(folder: &str, chosen: &[&str]) -> Vec<Sample> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let mut samples: Vec<_> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .map(|path| Sample {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            bytes: std::fs::read(&path).expect("a readable sample"),
        })
        .filter(|sample| chosen.is_empty() || chosen.contains(&sample.name.as_str()))
        .collect();
    samples.sort_by(|a, b| a.name.cmp(&b.name));
    samples
}

/// What to do with a measure.
pub enum Mode {
    Check,
    Count,
    Time,
}

impl Mode {
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "check" => Self::Check,
            "count" => Self::Count,
            "time" => Self::Time,
            _ => return None,
        })
    }
}

/// Runs a measure: `input` gives what a sample's run starts from, or nothing when the peer cannot do it; `run` is what
/// is counted, together with the drop of what it made.
pub fn measure<I>(
    mode: &Mode,
    samples: &[Sample],
    input: impl Fn(&Sample) -> Option<I>,
    mut run: impl FnMut(&I),
) {
    match mode {
        Mode::Check => {
            let good = samples.iter().filter(|sample| input(sample).is_some());
            good.for_each(|sample| println!("{} {}", sample.name, sample.bytes.len()));
        }
        Mode::Count => {
            let round = || -> Vec<I> { samples.iter().filter_map(&input).collect() };
            let [first, second] = [round(), round()];
            // The first round fills what is made only once: CPU features, tables.
            first.iter().for_each(&mut run);
            let before = allocations();
            counted(&mut || second.iter().for_each(&mut run));
            println!("{}", allocations() - before);
        }
        Mode::Time => println!("{:.0}", nanoseconds(samples, input, run)),
    }
}

/// Callgrind counts in here only (`--toggle-collect=bench::measure::counted`).
#[inline(never)]
fn counted(run: &mut dyn FnMut()) {
    run();
    black_box(()); // so that the call above is not the last thing, and does not become a jump
}

/// The median of many rounds over all samples, for one sample.
fn nanoseconds<I>(samples: &[Sample], input: impl Fn(&Sample) -> Option<I>, mut run: impl FnMut(&I)) -> f64 {
    const ROUNDS: usize = 1001;
    let mut round = || {
        let inputs: Vec<I> = samples.iter().filter_map(&input).collect();
        let begun = Instant::now();
        inputs.iter().for_each(&mut run);
        begun.elapsed().as_secs_f64() * 1e9 / inputs.len() as f64
    };
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round()).collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

//! What a call that stands keeps in memory, once nothing is left of its transactions.

use super::callee::{self, CALLEES, Programs};
use crate::Result;
use std::{thread::sleep, time::Duration};

const CALLS: u32 = 10_000;
const RATE: u32 = 500;
/// Longer than all of this takes: the callers are ended before.
const HOLD: Duration = Duration::from_secs(600);
/// 64·T1, in which a transaction may absorb repetitions, and a margin.
const TRANSACTIONS: Duration = Duration::from_secs(40);
/// kB a standing dialog, by the issue of `sip-ua`.
const BUDGET: f64 = 6.0;

/// Lets ten thousand calls stand at each callee, at the same time, and prints by how much each has grown.
pub(super) fn table(programs: &Programs) -> Result {
    let mut lab = programs.lab("e2e-memory")?;
    let mut standing = Vec::new();
    for callee in CALLEES.iter().filter(|callee| callee.compared && programs.has(callee)) {
        let running = callee::start(programs, &mut lab, callee)?;
        callee::call(&mut lab, &running, 500, 250, callee::HOLD)?;
        let before = running.memory("VmRSS")?;
        callee::caller(&mut lab, &running, RATE, CALLS, HOLD)?;
        standing.push((callee, running, before));
    }
    sleep(Duration::from_secs((CALLS / RATE).into()) + TRANSACTIONS);
    println!(
        "| callee                       | kB a standing dialog |\n|------------------------------|---------------------:|"
    );
    let mut broken = Vec::new();
    for (callee, running, before) in standing {
        let each = (running.memory("VmRSS")? - before) / f64::from(CALLS) / 1e3;
        println!("| {:<28} | {each:>20.1} |", callee.name);
        broken.extend(
            (callee.ours && each > BUDGET)
                .then(|| format!("{each:.1} kB a standing dialog, at most {BUDGET}")),
        );
    }
    if broken.is_empty() { Ok(()) } else { Err(broken.join("; ").into()) }
}

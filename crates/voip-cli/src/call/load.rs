//! `voip call --repeat`: many calls, started at a steady rate, and what came of them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use voip::Statistics;

use super::histogram::Histogram;
use super::{Caller, Made};
use crate::interrupt::interrupted;
use crate::report::Reporter;
use crate::session::{milliseconds, round};
use crate::{FILES, Failure, Outcome};

/// Calls that are under way at a time; a call more waits for its turn, and starts late.
const MOST: u64 = 4_000;
/// Sockets of a call (RTP and RTCP), and one to spare.
const FILES_OF_A_CALL: u64 = 3;
/// Different reasons of failures that are told apart; those of peers can be anything.
const REASONS: usize = 50;
const REASON_LENGTH: usize = 80;

/// Starts `calls` calls at the rate that was asked for, waits for their ends, and prints what came of them.
pub(super) async fn run(caller: &Caller, calls: u64, reporter: &Reporter) -> Outcome {
    let most = most_at_a_time();
    let each = reporter.for_many();
    let (mut tally, mut under_way) = (Tally::default(), JoinSet::new());
    let started = Instant::now();
    for number in 1..=calls {
        let due = started + Duration::from_secs_f64((number - 1) as f64 / caller.call.rate);
        tokio::select! {
            biased;
            () = interrupted() => break,
            () = tokio::time::sleep_until(due.into()) => {}
        }
        while let Some(made) = under_way.try_join_next() {
            tally.add(made);
        }
        while under_way.len() >= most
            && let Some(made) = under_way.join_next().await
        {
            tally.add(made);
        }
        let (caller, each) = (caller.clone(), each.clone());
        under_way.spawn(async move { caller.call(number, &each).await });
        tally.most_at_a_time = tally.most_at_a_time.max(under_way.len());
    }
    let starting = started.elapsed();
    while let Some(made) = under_way.join_next().await {
        tally.add(made);
    }
    reporter.text(&tally.table(starting));
    reporter.for_many().event("summary", tally.fields(starting));
    match tally.failed {
        0 => Ok(()),
        failed => {
            Err(Failure::failed(format!("{failed} of {} calls failed: {}", tally.calls, tally.reasons())))
        }
    }
}

/// As many as we have files for.
fn most_at_a_time() -> usize {
    let files = rlimit::increase_nofile_limit(FILES).unwrap_or(1_024);
    usize::try_from((files.saturating_sub(64) / FILES_OF_A_CALL).clamp(1, MOST)).unwrap_or(1)
}

/// What came of the calls so far.
#[derive(Debug, Default)]
struct Tally {
    calls: u64,
    answered: u64,
    failed: u64,
    /// Ended by Ctrl-C before they were answered.
    cancelled: u64,
    most_at_a_time: usize,
    set_up: Histogram,
    failures: BTreeMap<String, u64>,
    media: Media,
}

impl Tally {
    fn add(&mut self, made: Result<Made, tokio::task::JoinError>) {
        self.calls += 1;
        let Ok(Made { set_up, status, statistics, outcome }) = made else {
            return self.fail("a call of ours broke off".into());
        };
        if let Some(delay) = set_up {
            self.answered += 1;
            self.set_up.add(delay);
        }
        if let Some(statistics) = statistics {
            self.media.add(&statistics);
        }
        match outcome {
            Ok(()) => {}
            Err(Failure::Interrupted) => self.cancelled += 1,
            Err(failure) => {
                self.fail(status.map_or_else(|| failure.to_string(), |status| status.to_string()));
            }
        }
    }

    fn fail(&mut self, reason: String) {
        self.failed += 1;
        let reason: String = reason.chars().take(REASON_LENGTH).collect();
        let known = self.failures.contains_key(&reason) || self.failures.len() < REASONS;
        *self.failures.entry(if known { reason } else { "other reasons".into() }).or_default() += 1;
    }

    fn reasons(&self) -> String {
        let reasons = self.failures.iter().map(|(reason, count)| format!("{count} × {reason}"));
        reasons.collect::<Vec<_>>().join(", ")
    }

    fn fields(&self, starting: Duration) -> Value {
        json!({
            "calls": self.calls,
            "answered": self.answered,
            "failed": self.failed,
            "cancelled": self.cancelled,
            "most_at_a_time": self.most_at_a_time,
            "starting_ms": milliseconds(starting),
            "set_up_ms": self.set_up.points().map(|points| {
                points.into_iter().map(|(name, delay)| (name, json!(in_ms(delay)))).collect::<serde_json::Map<_, _>>()
            }),
            "failures": self.failures,
            "media": self.media.fields(),
        })
    }

    fn table(&self, starting: Duration) -> String {
        let seconds = starting.as_secs_f64();
        let mut table = format!(
            "{} calls, started within {seconds:.1} s: {} answered, {} failed, at most {} at a time",
            self.calls, self.answered, self.failed, self.most_at_a_time
        );
        if let Some(points) = self.set_up.points() {
            let names: String = points.iter().map(|(name, _)| format!("{name:>10}")).collect();
            let delays: String =
                points.iter().map(|(_, delay)| format!("{:>10}", format!("{} ms", in_ms(*delay)))).collect();
            table.push_str(&format!("\n\n{:<16}{names}\n{:<16}{delays}", "set-up delay", "INVITE to 2xx"));
        }
        if !self.failures.is_empty() {
            let failures = self.failures.iter().map(|(reason, count)| format!("\n{count:>8}  {reason}"));
            table.push_str(&format!("\n\nfailures{}", failures.collect::<String>()));
        }
        if self.media.calls > 0 {
            table.push_str(&format!("\n\n{}", self.media));
        }
        table
    }
}

fn in_ms(duration: Duration) -> f64 {
    round(duration.as_secs_f64() * 1000.0)
}

/// How the media of all calls did.
#[derive(Debug, Default)]
struct Media {
    calls: u64,
    sent: u64,
    received: u64,
    lost: u64,
    late: u64,
    jitter: Spread,
    round_trip: Spread,
    mos: Spread,
}

/// Mean, least and most of some numbers.
#[derive(Debug, Default)]
struct Spread {
    count: u64,
    sum: f64,
    range: Option<(f64, f64)>,
}

impl Spread {
    fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        let (least, most) = self.range.unwrap_or((value, value));
        self.range = Some((least.min(value), most.max(value)));
    }

    /// Mean, least, most.
    fn numbers(&self) -> Option<[f64; 3]> {
        let (least, most) = self.range?;
        Some([self.sum / self.count as f64, least, most].map(round))
    }

    fn fields(&self) -> Option<Value> {
        self.numbers().map(|[mean, least, most]| json!({ "mean": mean, "min": least, "max": most }))
    }

    fn text(&self) -> String {
        self.numbers().map_or("unknown".into(), |[mean, least, most]| format!("{mean} ({least} to {most})"))
    }
}

impl Media {
    fn add(&mut self, statistics: &Statistics) {
        self.calls += 1;
        self.sent += statistics.packets_sent;
        self.received += statistics.packets_received;
        self.lost += statistics.lost;
        self.late += statistics.late;
        self.jitter.add(statistics.jitter.as_secs_f64() * 1000.0);
        self.mos.add(statistics.mos.into());
        if let Some(trip) = statistics.round_trip {
            self.round_trip.add(trip.as_secs_f64() * 1000.0);
        }
    }

    fn fields(&self) -> Value {
        json!({
            "packets_sent": self.sent, "packets_received": self.received, "lost": self.lost, "late": self.late,
            "jitter_ms": self.jitter.fields(), "round_trip_ms": self.round_trip.fields(), "mos": self.mos.fields(),
        })
    }
}

impl std::fmt::Display for Media {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let expected = (self.received + self.lost).max(1);
        let percent = self.lost as f64 * 100.0 / expected as f64;
        writeln!(f, "{:<16}{} sent, {} received", "media packets", self.sent, self.received)?;
        writeln!(f, "{:<16}{} ({percent:.2} %), {} late", "lost", self.lost, self.late)?;
        writeln!(f, "{:<16}{} ms", "jitter", self.jitter.text())?;
        writeln!(f, "{:<16}{} ms", "round trip", self.round_trip.text())?;
        write!(f, "{:<16}{}", "MOS", self.mos.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use voip::StatusCode;

    fn refused(status: StatusCode) -> Result<Made, tokio::task::JoinError> {
        Ok(Made::unanswered(Failure::failed("to nobody"), Some(status)))
    }

    #[test]
    fn failures_are_counted_by_status_and_in_words_without_one() {
        let mut tally = Tally::default();
        tally.add(refused(StatusCode::BUSY_HERE));
        tally.add(refused(StatusCode::BUSY_HERE));
        tally.add(Ok(Made::unanswered(Failure::failed("no answer in time"), None)));
        tally.add(Ok(Made::unanswered(Failure::Interrupted, None)));
        assert_eq!((tally.calls, tally.answered, tally.failed, tally.cancelled), (4, 0, 3, 1));
        assert_eq!(tally.reasons(), "2 × 486 Busy Here, 1 × no answer in time");
        assert!(tally.table(Duration::ZERO).contains("       2  486 Busy Here"));
        assert_eq!(tally.fields(Duration::ZERO)["set_up_ms"], Value::Null);
    }

    #[test]
    fn reasons_that_peers_make_up_do_not_fill_memory() {
        let mut tally = Tally::default();
        (0..1_000).for_each(|i| tally.fail(format!("{i}{}", "x".repeat(1_000))));
        assert_eq!(tally.failures.len(), REASONS + 1);
        assert!(tally.failures.keys().all(|reason| reason.chars().count() <= REASON_LENGTH));
        assert_eq!(tally.failures.values().sum::<u64>(), 1_000);
    }

    #[test]
    fn the_table_tells_delays_and_media() {
        let mut tally = Tally::default();
        for delay in [1, 2, 3] {
            let (set_up, outcome) = (Some(Duration::from_millis(delay)), Ok(()));
            tally.add(Ok(Made { set_up, status: None, statistics: Some(Statistics::default()), outcome }));
        }
        let table = tally.table(Duration::from_secs(1));
        assert!(table.starts_with("3 calls, started within 1.0 s: 3 answered, 0 failed"), "{table}");
        assert!(table.contains("p50") && table.contains("3 ms"), "{table}");
        assert_eq!(tally.fields(Duration::ZERO)["set_up_ms"]["max"], 3.0);
    }
}

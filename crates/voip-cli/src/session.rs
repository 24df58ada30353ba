//! What `answer` and `call` have in common: a call that stands, what is done in it, and what is said about it.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use voip::{Call, CallError, CallEvent, Direction, Ended, Recording, Side, Statistics, StatusCode};

use crate::interrupt::interrupted;
use crate::report::{CallRef, Reporter};
use crate::{Failure, Outcome};

/// Reports one call from its first event to its last.
#[derive(Debug)]
pub(crate) struct CallReport<'a> {
    reporter: &'a Reporter,
    call: CallRef,
    started: Instant,
    /// Which way audio flows, as it was said last.
    direction: AtomicU8,
}

impl<'a> CallReport<'a> {
    pub(crate) fn new(reporter: &'a Reporter, number: u64, call_id: &str) -> Self {
        let call = CallRef { number, call_id: call_id.into() };
        Self { reporter, call, started: Instant::now(), direction: AtomicU8::new(flow(Direction::SendRecv)) }
    }

    pub(crate) fn event(&self, name: &str, fields: Value) {
        self.reporter.call_event(&self.call, name, fields);
    }

    /// The call stands: says what was agreed.
    pub(crate) fn answered(&self, call: &Call) {
        let agreement = call.agreement();
        let direction = agreement.as_ref().map_or(Direction::SendRecv, |agreement| agreement.direction);
        self.direction.store(flow(direction), Ordering::Relaxed);
        let codec = agreement.as_ref().and_then(voip::Agreement::codec);
        let srtp = agreement.as_ref().and_then(voip::Agreement::srtp_profile);
        self.event(
            "answered",
            json!({
                "codec": codec.map(|codec| codec.to_string()),
                "srtp": srtp.and_then(|profile| profile.suite_name()).unwrap_or("off"),
                "local_media": call.media().local_address().to_string(),
                "remote_media": agreement.and_then(|agreement| agreement.remote_rtp).map(|address| address.to_string()),
            }),
        );
    }

    /// Says what happened; the end is said by [`ended`](Self::ended).
    pub(crate) fn call_event(&self, event: &CallEvent) {
        match event {
            CallEvent::Digit { digit, duration } => self.event(
                "dtmf",
                json!({ "digit": digit.to_string(), "duration_ms": milliseconds(*duration), "via": "rtp" }),
            ),
            // A refresh, or another address, is no news.
            CallEvent::MediaChanged { direction, .. }
                if self.direction.swap(flow(*direction), Ordering::Relaxed) == flow(*direction) => {}
            CallEvent::MediaChanged { direction: Direction::SendRecv, .. } => {
                self.event("resumed", json!({}))
            }
            CallEvent::MediaChanged { direction, .. } => {
                self.event("held", json!({ "direction": direction.to_string() }))
            }
            CallEvent::Statistics(statistics) => self.media(statistics),
            CallEvent::MediaTimeout => {
                self.event("error", json!({ "message": "no media comes from the other side" }))
            }
            CallEvent::ChangeFailed(status) => {
                self.event("error", json!({ "message": format!("hold or resume was refused: {status}") }));
            }
            CallEvent::Confirmed | CallEvent::Info(_) | CallEvent::MediaResumed | CallEvent::Ended(_) | _ => {
            }
        }
    }

    pub(crate) fn media(&self, statistics: &Statistics) {
        self.event(
            "media",
            json!({
                "packets_sent": statistics.packets_sent,
                "packets_received": statistics.packets_received,
                "lost": statistics.lost,
                "late": statistics.late,
                "jitter_ms": round(statistics.jitter.as_secs_f64() * 1000.0),
                "round_trip_ms": statistics.round_trip.map(|trip| round(trip.as_secs_f64() * 1000.0)),
                "mos": round(statistics.mos.into()),
            }),
        );
    }

    /// The end; `None` when we hung up and the other side has not confirmed it.
    pub(crate) fn ended(&self, ended: Option<&Ended>) {
        let by = match ended.map_or(Side::Local, |ended| ended.by) {
            Side::Local => "local",
            Side::Remote => "remote",
            Side::Error => "error",
        };
        self.event(
            "ended",
            json!({
                "by": by,
                "status": ended.and_then(|ended| ended.status).map(StatusCode::code),
                "reason": ended.map_or("hung up, which the other side has not confirmed", |ended| ended.reason.as_str()),
                "duration_ms": milliseconds(self.started.elapsed()),
            }),
        );
    }
}

/// A direction as a number.
fn flow(direction: Direction) -> u8 {
    u8::from(direction.sends()) << 1 | u8::from(direction.receives())
}

/// How long we wait for the answer to a BYE, to a CANCEL, or to a REGISTER that unregisters.
pub(crate) const GOODBYE: Duration = Duration::from_secs(2);

/// Waits until our hanging up is confirmed; `None` when that takes too long: whoever pressed Ctrl-C wants to leave.
pub(crate) async fn goodbye(
    end: impl Future<Output = Result<Ended, CallError>>,
) -> Result<Option<Ended>, Failure> {
    let ended = tokio::time::timeout(GOODBYE, end).await.ok().transpose();
    ended.map_err(|error| Failure::failed(error.to_string()))
}

pub(crate) fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

pub(crate) fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// What ends a call from our side.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// Hang up after this time.
    pub(crate) duration: Option<Duration>,
    /// Put the other side on hold after this time, for that time.
    pub(crate) hold: Option<(Duration, Duration)>,
    /// Hang up when what was to be done is done.
    pub(crate) until_done: bool,
    /// It is a failure when the call ends before what was to be done is done.
    pub(crate) must_finish: bool,
}

/// What is left of a call that was carried to its end.
#[derive(Debug)]
pub(crate) struct Finished {
    /// How it ended; `None` when we hung up and the other side has not confirmed it.
    pub(crate) ended: Option<Ended>,
    /// The last numbers of its media.
    pub(crate) statistics: Option<Statistics>,
    /// Whether what was to be done was done.
    pub(crate) outcome: Outcome,
}

/// Carries a call to its end and reports that too: holds and resumes, hangs up in time or on Ctrl-C.
///
/// `work` is what is done in the call meanwhile (playing, pressing keys). Its failure ends the call and comes back, and so
/// does an end of the call that it was not to be cut off by.
pub(crate) async fn attend(
    mut call: Call,
    report: &CallReport<'_>,
    limits: Limits,
    work: impl Future<Output = Outcome>,
) -> Finished {
    let mut statistics = None;
    let (ended, mut outcome) = carry(&mut call, report, limits, work, &mut statistics).await;
    if let Ok(last) = call.statistics().await {
        report.media(&last);
        statistics = Some(last);
    }
    let ended = match ended {
        Some(ended) => Some(ended),
        None => goodbye(call.hang_up()).await.unwrap_or_else(|failure| {
            outcome = std::mem::replace(&mut outcome, Ok(())).and(Err(failure));
            None
        }),
    };
    report.ended(ended.as_ref());
    Finished { ended, statistics, outcome }
}

/// How the call ended, `None` when it is our turn to hang up; and what became of the work.
async fn carry(
    call: &mut Call,
    report: &CallReport<'_>,
    limits: Limits,
    work: impl Future<Output = Outcome>,
    statistics: &mut Option<Statistics>,
) -> (Option<Ended>, Outcome) {
    let mut work = std::pin::pin!(work);
    let mut working = true;
    let mut over = std::pin::pin!(after(limits.duration));
    let mut hold = limits.hold;
    let mut turn = std::pin::pin!(after(hold.map(|(start, _)| start)));
    let mut held = false;
    let cut_off = |working| match working && limits.must_finish {
        true => Err(Failure::failed("the call ended before all keys were pressed")),
        false => Ok(()),
    };
    loop {
        tokio::select! {
            event = call.next_event() => match event {
                Some(CallEvent::Ended(ended)) => return (Some(ended), cut_off(working)),
                Some(event) => {
                    if let CallEvent::Statistics(numbers) = &event {
                        *statistics = Some(*numbers);
                    }
                    report.call_event(&event);
                }
                None => return (None, Err(Failure::failed("the endpoint was shut down"))),
            },
            done = &mut work, if working => {
                working = false;
                if done.is_err() || limits.until_done {
                    return (None, done);
                }
            }
            () = &mut turn => {
                let outcome = if held { call.resume().await } else { call.hold().await };
                if let Err(error) = outcome {
                    report.event("error", json!({ "message": error.to_string() }));
                }
                held = !held;
                let next = if held { hold.take().map(|(_, length)| length) } else { None };
                turn.set(after(next));
            }
            () = &mut over => return (None, cut_off(working)),
            () = interrupted() => return (None, Ok(())),
        }
    }
}

/// Sleeps; without a time for ever.
pub(crate) async fn after(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// Whether a recording can be made, found out before anybody is called.
pub(crate) fn may_record(file: Option<&Path>) -> Result<(), Failure> {
    let folder = file.and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => {
            Err(Failure::usage(format!("--record: there is no folder {}; make it first", folder.display())))
        }
        _ => Ok(()),
    }
}

/// Records a call if that was asked for; with several calls each gets a file of its own (`x.wav`, `x-2.wav` …).
pub(crate) async fn record(
    call: &Call,
    file: Option<&Path>,
    number: u64,
) -> Result<Option<Recording>, Failure> {
    let Some(file) = file else { return Ok(None) };
    let recording = call.record(numbered(file, number)).await;
    recording.map(Some).map_err(|error| Failure::failed(error.to_string()))
}

/// Completes the file.
pub(crate) async fn finish(recording: Option<Recording>) -> Result<(), Failure> {
    match recording {
        Some(recording) => {
            recording.stop().await.map(drop).map_err(|error| Failure::failed(error.to_string()))
        }
        None => Ok(()),
    }
}

fn numbered(file: &Path, number: u64) -> PathBuf {
    if number <= 1 {
        return file.into();
    }
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let name = match file.extension() {
        Some(extension) => format!("{stem}-{number}.{}", extension.to_string_lossy()),
        None => format!("{stem}-{number}"),
    };
    file.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_records_to_a_file_of_its_own() {
        assert_eq!(numbered(Path::new("a/b.wav"), 1), Path::new("a/b.wav"));
        assert_eq!(numbered(Path::new("a/b.wav"), 3), Path::new("a/b-3.wav"));
    }
}

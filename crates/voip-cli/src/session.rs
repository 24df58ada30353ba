//! What `answer` and `call` have in common: a call that stands, what is done in it, and what is said about it.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use voip::{
    Account, Call, CallError, CallEvent, DigitPath, Direction, Ended, Recording, Side, Statistics,
    StatusCode, TransferError, TransferRequest,
};

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

    pub(crate) fn reporter(&self) -> &Reporter {
        self.reporter
    }

    pub(crate) fn event(&self, name: &str, fields: Value) {
        self.reporter.call_event(&self.call, name, fields);
    }

    /// The call stands: says what was agreed.
    pub(crate) fn answered(&self, call: &Call) {
        if self.reporter.is_quiet() {
            return;
        }
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
            CallEvent::Digit { digit, duration, via } => {
                let via = if *via == DigitPath::Info { "info" } else { "rtp" };
                let duration = milliseconds(*duration);
                self.event(
                    "dtmf",
                    json!({ "digit": digit.to_string(), "duration_ms": duration, "via": via }),
                );
            }
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
            CallEvent::Refreshed { .. } => self.event("session_refreshed", json!({})),
            CallEvent::Message(request) => {
                self.event("message", json!({ "text": std::str::from_utf8(request.body()).ok() }));
            }
            CallEvent::Confirmed
            | CallEvent::Info(_)
            | CallEvent::MediaResumed
            | CallEvent::TransferProgress(_)
            | CallEvent::Refer(_)
            | CallEvent::Ended(_)
            | _ => {}
        }
    }

    pub(crate) fn media(&self, statistics: &Statistics) {
        if self.reporter.is_quiet() {
            return;
        }
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
        if self.reporter.is_quiet() {
            return;
        }
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

/// What is done in a call.
pub(crate) struct Plan {
    pub(crate) limits: Limits,
    /// Playing, pressing keys. Its failure ends the call, and so does a call that ends although the work must be finished.
    pub(crate) work: BoxFuture<Outcome>,
    /// Whom to hand the call to when the work is done.
    pub(crate) handover: Option<Handover>,
    /// For calls that we are asked to make.
    pub(crate) successor: Successor,
}

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A transfer to make.
pub(crate) struct Handover {
    pub(crate) to: String,
    /// Asks the target first: gives a call with it.
    pub(crate) consult: Option<BoxFuture<Result<Consulted, Failure>>>,
}

/// A call with the target of a transfer, and its number.
pub(crate) struct Consulted {
    pub(crate) call: Call,
    pub(crate) number: u64,
}

/// How to go on when the other side asks us to call somebody else.
#[derive(Clone)]
pub(crate) struct Successor {
    pub(crate) account: Option<Account>,
    /// What the new call sends.
    pub(crate) speak: Arc<dyn Fn(&Call) + Send + Sync>,
}

/// Carries a call to its end and reports that too: holds, resumes, transfers and is transferred, hangs up in time or on
/// Ctrl-C. Calls that the other side asked for are carried to their ends too.
pub(crate) async fn attend(mut call: Call, report: &CallReport<'_>, plan: Plan) -> Finished {
    let mut beside = Beside::default();
    let (ended, mut outcome) = carry(&mut call, report, plan, &mut beside).await;
    let mut statistics = beside.statistics.take();
    // What few calls come to is awaited in a box: it would be in the task of every call.
    if let Ok(last) = Box::pin(call.statistics()).await {
        report.media(&last);
        statistics = Some(last);
    }
    let ended = match ended {
        Some(ended) => Some(ended),
        None => Box::pin(goodbye(call.hang_up())).await.unwrap_or_else(|failure| {
            outcome = std::mem::replace(&mut outcome, Ok(())).and(Err(failure));
            None
        }),
    };
    report.ended(ended.as_ref());
    if let Some(Consulted { call, number }) = beside.consulted {
        let report = CallReport::new(report.reporter, number, call.call_id());
        // The new call takes its place, and the target hangs up.
        let ended = match Box::pin(tokio::time::timeout(GOODBYE, call.ended())).await {
            Ok(ended) => ended.ok(),
            Err(_) => Box::pin(goodbye(call.hang_up())).await.ok().flatten(),
        };
        report.ended(ended.as_ref());
    }
    while beside.followed.join_next().await.is_some() {}
    Finished { ended, statistics, outcome }
}

/// What goes on beside a call.
#[derive(Default)]
struct Beside {
    statistics: Option<Statistics>,
    consulted: Option<Consulted>,
    /// Calls that the other side asked us to make.
    followed: JoinSet<()>,
}

/// How the call ended, `None` when it is our turn to hang up; and what became of the work.
async fn carry(
    call: &mut Call,
    report: &CallReport<'_>,
    plan: Plan,
    beside: &mut Beside,
) -> (Option<Ended>, Outcome) {
    let Plan { limits, mut work, handover, successor } = plan;
    let target = handover.as_ref().map(|handover| handover.to.clone()).unwrap_or_default();
    let mut handover = handover;
    let (mut working, mut handing_over) = (true, false);
    let mut over = std::pin::pin!(after(limits.duration));
    let mut hold = limits.hold;
    let mut turn = std::pin::pin!(after(hold.map(|(start, _)| start)));
    let mut held = false;
    let mut consulting: BoxFuture<Result<Consulted, Failure>> = Box::pin(std::future::pending());
    let mut transferring: BoxFuture<Result<StatusCode, CallError>> = Box::pin(std::future::pending());
    let cut_off = |working, handing_over| match working && limits.must_finish {
        true => Err(Failure::failed("the call ended before all keys were pressed")),
        false if handing_over => Err(Failure::failed("the call ended before it was transferred")),
        false => Ok(()),
    };
    loop {
        tokio::select! {
            event = call.next_event() => match event {
                // The outcome of a transfer may come a little after the end of the call.
                Some(CallEvent::Ended(ended)) if handing_over => {
                    let transferred = tokio::time::timeout(GOODBYE, transferring).await;
                    let outcome = match transferred {
                        Ok(result) => transferred_to(&target, result, report),
                        Err(_) => cut_off(working, handing_over),
                    };
                    return (Some(ended), outcome);
                }
                Some(CallEvent::Ended(ended)) => return (Some(ended), cut_off(working, handing_over)),
                Some(CallEvent::TransferProgress(status)) => {
                    report.event("transfer", json!({ "to": target, "status": status.code() }));
                }
                Some(CallEvent::Refer(request)) => {
                    beside.followed.spawn(follow(request, report.reporter.clone(), limits, successor.clone()));
                }
                Some(event) => {
                    if let CallEvent::Statistics(numbers) = &event {
                        beside.statistics = Some(*numbers);
                    }
                    report.call_event(&event);
                }
                None => return (None, Err(Failure::failed("the endpoint was shut down"))),
            },
            done = &mut work, if working => {
                working = false;
                if done.is_err() {
                    return (None, done);
                }
                match handover.take() {
                    Some(Handover { consult: Some(consult), .. }) => {
                        handing_over = true;
                        if let Err(error) = Box::pin(call.hold()).await {
                            return (None, Err(Failure::failed(format!("hold: {error}"))));
                        }
                        consulting = consult;
                    }
                    Some(Handover { to, consult: None }) => {
                        handing_over = true;
                        transferring = Box::pin(call.transfer(&to));
                    }
                    None if limits.until_done => return (None, Ok(())),
                    None => {}
                }
            }
            consulted = &mut consulting => match consulted {
                Ok(consulted) => {
                    consulting = Box::pin(std::future::pending());
                    transferring = Box::pin(call.transfer_to(&consulted.call));
                    beside.consulted = Some(consulted);
                }
                Err(failure) => return (None, Err(failure)),
            },
            result = &mut transferring => {
                transferring = Box::pin(std::future::pending());
                handing_over = false;
                let outcome = transferred_to(&target, result, report);
                if outcome.is_err() {
                    return (None, outcome);
                }
            }
            () = &mut turn => {
                let outcome =
                    if held { Box::pin(call.resume()).await } else { Box::pin(call.hold()).await };
                if let Err(error) = outcome {
                    report.event("error", json!({ "message": error.to_string() }));
                }
                held = !held;
                let next = if held { hold.take().map(|(_, length)| length) } else { None };
                turn.set(after(next));
            }
            () = &mut over => return (None, cut_off(working, handing_over)),
            () = interrupted() => return (None, Ok(())),
        }
    }
}

/// Says how a transfer of ours ended.
fn transferred_to(to: &str, result: Result<StatusCode, CallError>, report: &CallReport<'_>) -> Outcome {
    let status = match &result {
        Ok(status) => Some(*status),
        Err(CallError::Transfer(
            TransferError::Refused { status, .. } | TransferError::Failed { status, .. },
        )) => Some(*status),
        Err(_) => None,
    };
    report.event("transfer", json!({ "to": to, "status": status.map(StatusCode::code) }));
    result.map(drop).map_err(|error| Failure::failed(format!("transfer to {to}: {error}")))
}

/// Calls whom the other side of a call asks us to call, and stays with that call to its end.
fn follow(
    request: TransferRequest,
    reporter: Reporter,
    limits: Limits,
    successor: Successor,
) -> BoxFuture<()> {
    Box::pin(async move {
        let to = request.target().to_string();
        let failed = |error: CallError| {
            reporter.event("error", json!({ "message": format!("transferred to {to}: {error}") }));
        };
        let outgoing = async {
            let mut dial = request.accept().await?;
            if let Some(account) = &successor.account {
                dial = dial.from(account);
            }
            dial.start().await
        };
        let outgoing = match outgoing.await {
            Ok(outgoing) => outgoing,
            Err(error) => return failed(error),
        };
        let report = CallReport::new(&reporter, reporter.next_call(), outgoing.call_id());
        report.event("transfer", json!({ "to": to, "status": StatusCode::ACCEPTED.code() }));
        report.event("dialing", json!({ "to": to }));
        let call = tokio::select! {
            call = outgoing.answered() => call,
            () = interrupted() => return report.ended(None),
        };
        match call {
            Ok(call) => {
                report.answered(&call);
                (successor.speak)(&call);
                let limits = Limits { hold: None, until_done: false, must_finish: false, ..limits };
                let work = Box::pin(std::future::ready(Ok(())));
                attend(call, &report, Plan { limits, work, handover: None, successor }).await;
            }
            Err(CallError::Ended(ended)) => report.ended(Some(&ended)),
            Err(error) => failed(error),
        }
    })
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

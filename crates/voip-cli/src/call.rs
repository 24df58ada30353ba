//! `voip call`: calls somebody.

mod histogram;
mod keys;
mod load;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use voip::{
    Account, Call as VoipCall, CallError, Dial, Endpoint, OutgoingCall, Progress, RegistrationId, Statistics,
    StatusCode,
};

use keys::{Keys, keys};

use crate::common::{Common, check_target, frequency, seconds};
use crate::interrupt::interrupted;
use crate::report::Reporter;
use crate::session::{
    BoxFuture, CallReport, Consulted, Finished, GOODBYE, Handover, Limits, Plan, Successor, after, attend,
    finish, goodbye, may_record, record,
};
use crate::{Failure, Outcome};

/// How long we stay after the call, so that the peer reads our last ACK before it sees the connection closed, and can ask
/// once more for one that was lost.
const LINGER: Duration = Duration::from_secs(1);

/// The call ends when the other side hangs up, after --duration, or when --play and --dtmf are done.
#[derive(Debug, Args)]
pub(crate) struct Call {
    /// Whom to call: sip:bob@example.com, tel:+4912345, or a user at the domain of --aor
    target: String,
    /// Play this WAV file
    #[arg(long, value_name = "FILE.wav", conflicts_with = "tone")]
    play: Option<PathBuf>,
    /// Record the other side to this WAV file
    #[arg(long, value_name = "FILE.wav")]
    record: Option<PathBuf>,
    /// Send a tone of this frequency
    #[arg(long, value_name = "HZ", value_parser = frequency)]
    tone: Option<f64>,
    /// Press these keys, after what was given before: as RTP events (RFC 4733), INFO requests, or tones in the audio
    #[arg(long, value_name = "[rtp:|info:|inband:]DIGITS", value_parser = keys)]
    dtmf: Vec<Keys>,
    /// Hang up after this time
    #[arg(long, value_name = "SECS", value_parser = seconds)]
    duration: Option<Duration>,
    /// Put the other side on hold after this time …
    #[arg(long, value_name = "SECS", value_parser = seconds, requires = "hold_for")]
    hold_after: Option<Duration>,
    /// … for this time
    #[arg(long, value_name = "SECS", value_parser = seconds, requires = "hold_after")]
    hold_for: Option<Duration>,
    /// Hand the call to somebody else (REFER), when --play and --dtmf are done
    #[arg(long, value_name = "URI")]
    transfer_to: Option<String>,
    /// Call the target of --transfer-to first, and connect the two
    #[arg(long, requires = "transfer_to")]
    attended: bool,
    /// Give up (CANCEL) when nobody has answered by then
    #[arg(long, value_name = "SECS", value_parser = seconds)]
    ring_timeout: Option<Duration>,
    /// Make this many calls, each of --duration [then 1 s], and print a table: set-up delays, failures, media quality
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    repeat: Option<u64>,
    /// How many of them to start a second
    #[arg(long, value_name = "CPS", default_value = "10", value_parser = rate, requires = "repeat")]
    rate: f64,
}

/// How long each of many calls lasts when nothing else ends it.
const EACH_OF_MANY: Duration = Duration::from_secs(1);

/// What came of one call.
#[derive(Debug)]
struct Made {
    /// From the INVITE to its 2xx; `None` when it was not answered.
    set_up: Option<Duration>,
    /// The status that refused it.
    status: Option<StatusCode>,
    statistics: Option<Statistics>,
    outcome: Outcome,
}

impl Made {
    fn unanswered(failure: Failure, status: Option<StatusCode>) -> Self {
        Self { set_up: None, status, statistics: None, outcome: Err(failure) }
    }
}

/// A call that was not answered, and the status that says why.
type Unanswered = (Failure, Option<StatusCode>);

impl Call {
    pub(crate) async fn run(self, common: &Common, reporter: &Reporter) -> Outcome {
        let account = common.account()?;
        check_target(&self.target, account.as_ref())?;
        if let Some(target) = &self.transfer_to {
            check_target(target, None)?;
        }
        may_record(self.record.as_deref())?;
        let samples = match &self.play {
            Some(file) => Some(crate::common::load_wav(file)?),
            None => None,
        };
        let (endpoint, _incoming) = common.endpoint().await?;
        let mut caller = Caller {
            endpoint: endpoint.clone(),
            account: account.clone(),
            registration: None,
            samples,
            call: Arc::new(self),
        };
        let outcome = async {
            let registration = common.registration(&endpoint, account.as_ref(), reporter).await?;
            caller.registration = registration.id();
            let outcome = match caller.call.repeat {
                Some(calls) => load::run(&caller, calls, reporter).await,
                None => caller.call(reporter.next_call(), reporter).await.outcome,
            };
            registration.done(reporter).await;
            outcome
        };
        let outcome = outcome.await;
        tokio::time::sleep(LINGER).await;
        endpoint.shut_down().await;
        outcome
    }

    /// When we hang up.
    fn duration(&self) -> Option<Duration> {
        let busy = self.play.is_some() || !self.dtmf.is_empty();
        self.duration.or_else(|| (self.repeat.is_some() && !busy).then_some(EACH_OF_MANY))
    }

    fn limits(&self) -> Limits {
        Limits {
            duration: self.duration(),
            hold: self.hold_after.zip(self.hold_for),
            until_done: self.duration.is_none() && (self.play.is_some() || !self.dtmf.is_empty()),
            must_finish: !self.dtmf.is_empty(),
        }
    }
}

/// What each call is made with; clones are cheap.
#[derive(Clone, Debug)]
struct Caller {
    endpoint: Endpoint,
    account: Option<Account>,
    registration: Option<RegistrationId>,
    samples: Option<Arc<[i16]>>,
    call: Arc<Call>,
}

impl Caller {
    fn dial(&self, target: &str) -> Dial {
        let mut dial = self.endpoint.dial(target);
        if let Some(account) = &self.account {
            dial = dial.from(account);
        }
        if let Some(registration) = self.registration {
            dial = dial.through(registration);
        }
        if let Some(timeout) = self.call.ring_timeout {
            dial = dial.ring_timeout(timeout);
        }
        dial
    }

    /// One call from its INVITE to its end.
    async fn call(&self, number: u64, reporter: &Reporter) -> Made {
        let started = Instant::now();
        let outgoing = match self.dial(&self.call.target).start().await {
            Ok(outgoing) => outgoing,
            Err(error) => return Made::unanswered(Failure::failed(error.to_string()), None),
        };
        let report = CallReport::new(reporter, number, outgoing.call_id());
        report.event("dialing", json!({ "to": self.call.target }));
        let call = match self.wait_for_answer(&self.call.target, outgoing, &report).await {
            Ok(call) => call,
            Err((failure, status)) => return Made::unanswered(failure, status),
        };
        let set_up = Some(started.elapsed());
        report.answered(&call);
        let (statistics, outcome) = match self.talk(call, number, &report).await {
            Ok(finished) => (finished.statistics, finished.outcome),
            Err(failure) => (None, Err(failure)),
        };
        Made { set_up, status: None, statistics, outcome }
    }

    /// What is done in a call that stands; an error of the whole call comes in the outcome.
    async fn talk(&self, call: VoipCall, number: u64, report: &CallReport<'_>) -> Result<Finished, Failure> {
        let recording = record(&call, self.call.record.as_deref(), number).await?;
        if let Some(hz) = self.call.tone {
            call.tone(hz);
        }
        let plan = Plan {
            limits: self.call.limits(),
            work: Box::pin(self.work(&call)),
            handover: self.handover(report.reporter()),
            successor: self.successor(),
        };
        let mut finished = attend(call, report, plan).await;
        finish(recording).await?;
        if let Some(ended) = &finished.ended
            && ended.by == voip::Side::Error
            && finished.outcome.is_ok()
        {
            finished.outcome = Err(Failure::failed(ended.to_string()));
        }
        Ok(finished)
    }

    /// Plays, then presses the keys.
    fn work(&self, call: &VoipCall) -> impl Future<Output = Outcome> + Send + use<> {
        let (media, samples) = (call.media().clone(), self.samples.clone());
        let presses: Vec<_> = self.call.dtmf.iter().map(|keys| keys.press(call)).collect();
        async move {
            if let Some(samples) = samples {
                // A call that is over has been heard of already.
                let _ = media.play(samples).await;
            }
            for press in presses {
                press.await?;
            }
            Ok(())
        }
    }

    fn handover(&self, reporter: &Reporter) -> Option<Handover> {
        let to = self.call.transfer_to.clone()?;
        let consult = self.call.attended.then(|| {
            let (caller, reporter, to) = (self.clone(), reporter.clone(), to.clone());
            Box::pin(async move { caller.consult(&to, &reporter).await }) as BoxFuture<_>
        });
        Some(Handover { to, consult })
    }

    /// Calls the target of a transfer, to ask whether it will take the call.
    async fn consult(&self, to: &str, reporter: &Reporter) -> Result<Consulted, Failure> {
        let outgoing = self.dial(to).start().await.map_err(|error| Failure::failed(error.to_string()))?;
        let number = reporter.next_call();
        let report = CallReport::new(reporter, number, outgoing.call_id());
        report.event("dialing", json!({ "to": to }));
        let call = self.wait_for_answer(to, outgoing, &report).await.map_err(|(failure, _)| failure)?;
        report.answered(&call);
        Ok(Consulted { call, number })
    }

    fn successor(&self) -> Successor {
        let tone = self.call.tone;
        let speak = move |call: &VoipCall| {
            if let Some(hz) = tone {
                call.tone(hz);
            }
        };
        Successor { account: self.account.clone(), speak: Arc::new(speak) }
    }

    /// [`Failure::Interrupted`] when Ctrl-C came first and the call was cancelled.
    async fn wait_for_answer(
        &self,
        target: &str,
        mut outgoing: OutgoingCall,
        report: &CallReport<'_>,
    ) -> Result<VoipCall, Unanswered> {
        // A host that never says a word cannot be sent a CANCEL: it is given up without it.
        let mut silent = std::pin::pin!(after(self.call.ring_timeout.map(|timeout| timeout + GOODBYE)));
        loop {
            let progress = tokio::select! {
                progress = outgoing.progress() => progress,
                () = interrupted() => {
                    let ended = goodbye(outgoing.cancel()).await.map_err(|failure| (failure, None))?;
                    report.ended(ended.as_ref());
                    return Err((Failure::Interrupted, None));
                }
                () = &mut silent => {
                    report.ended(None);
                    return Err((Failure::failed(format!("{target}: nobody answers; is it switched on?")), None));
                }
            };
            let Some(progress) = progress else { break };
            match progress {
                Progress::Ringing { response, early_media } => {
                    let fields = json!({ "status": response.status().code(), "early_media": early_media });
                    report.event("ringing", fields);
                }
                Progress::Redirected { to, status } => {
                    let status = status.map(StatusCode::code);
                    report.event("redirected", json!({ "to": to.to_string(), "status": status }));
                }
                Progress::Trying | _ => report.event("trying", json!({})),
            }
        }
        let ended = outgoing.end();
        outgoing.answered().await.map_err(|error| {
            let Some(ended) = ended else { return (Failure::failed(format!("{target}: {error}")), None) };
            report.ended(Some(&ended));
            (Failure::failed(format!("{target}: {ended}{}", elsewhere(&error))), ended.status)
        })
    }
}

/// How many calls to start a second.
fn rate(text: &str) -> Result<f64, String> {
    let rate: Option<f64> = text.parse().ok().filter(|rate| (0.001..=100_000.0).contains(rate));
    rate.ok_or_else(|| format!("{text}: expected a number of calls a second, from 0.001 to 100,000"))
}

/// Where a redirection points.
fn elsewhere(error: &CallError) -> String {
    let CallError::Rejected { contacts, .. } = error else { return String::new() };
    let contacts: Vec<_> = contacts.iter().map(ToString::to_string).collect();
    if contacts.is_empty() { String::new() } else { format!("; call {} instead", contacts.join(" or ")) }
}

//! `voip call`: calls somebody.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use voip::{Account, Call as VoipCall, CallError, Endpoint, MediaHandle, OutgoingCall, Progress};

use crate::common::{Common, check_target, frequency, seconds};
use crate::interrupt::interrupted;
use crate::report::Reporter;
use crate::session::{CallReport, GOODBYE, Limits, after, attend, finish, goodbye, may_record, record};
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
    /// Press these keys, after what was given before; rtp: (RFC 4733) is what can be had, info: and inband: come later
    #[arg(long, value_name = "[rtp:]DIGITS")]
    dtmf: Vec<String>,
    /// Hang up after this time
    #[arg(long, value_name = "SECS", value_parser = seconds)]
    duration: Option<Duration>,
    /// Put the other side on hold after this time …
    #[arg(long, value_name = "SECS", value_parser = seconds, requires = "hold_for")]
    hold_after: Option<Duration>,
    /// … for this time
    #[arg(long, value_name = "SECS", value_parser = seconds, requires = "hold_after")]
    hold_for: Option<Duration>,
    /// Transfer the call (not available yet)
    #[arg(long, value_name = "URI")]
    transfer_to: Option<String>,
    /// Talk to the transfer target first (not available yet)
    #[arg(long)]
    attended: bool,
    /// Give up (CANCEL) when nobody has answered by then
    #[arg(long, value_name = "SECS", value_parser = seconds)]
    ring_timeout: Option<Duration>,
    /// Make this many calls (not available yet)
    #[arg(long, value_name = "N")]
    repeat: Option<u32>,
    /// Calls per second for --repeat (not available yet)
    #[arg(long, value_name = "CPS")]
    rate: Option<f64>,
}

impl Call {
    pub(crate) async fn run(self, common: &Common, reporter: &Reporter) -> Outcome {
        self.check()?;
        let account = common.account()?;
        check_target(&self.target, account.as_ref())?;
        may_record(self.record.as_deref())?;
        let samples = match &self.play {
            Some(file) => Some(crate::common::load_wav(file)?),
            None => None,
        };
        let (endpoint, _incoming) = common.endpoint().await?;
        let outcome = async {
            let registration = common.registration(&endpoint, account.as_ref(), reporter).await?;
            let outcome = self.call(&endpoint, account.as_ref(), samples, reporter).await;
            registration.done(reporter).await;
            outcome
        };
        let outcome = outcome.await;
        tokio::time::sleep(LINGER).await;
        endpoint.shut_down().await;
        outcome
    }

    /// Refuses what is not built yet and what makes no sense.
    fn check(&self) -> Outcome {
        let wanted = [
            ("--transfer-to", self.transfer_to.is_some()),
            ("--attended", self.attended),
            ("--repeat", self.repeat.is_some()),
            ("--rate", self.rate.is_some()),
        ];
        if let Some((flag, _)) = wanted.iter().find(|(_, wanted)| *wanted) {
            return Err(Failure::not_available_yet(flag));
        }
        self.digits().map(drop)
    }

    /// The keys to press, in order.
    fn digits(&self) -> Result<String, Failure> {
        let mut digits = String::new();
        for text in &self.dtmf {
            let text = match text.split_once(':') {
                None => text,
                Some(("rtp", digits)) => digits,
                Some((way @ ("info" | "inband"), _)) => {
                    return Err(Failure::not_available_yet(&format!("--dtmf {way}:")));
                }
                Some(_) => {
                    return Err(Failure::usage(format!(
                        "--dtmf {text}: expected [rtp:|info:|inband:]DIGITS"
                    )));
                }
            };
            if let Some(wrong) =
                text.chars().find(|key| !matches!(key, '0'..='9' | '*' | '#' | 'A'..='D' | 'a'..='d'))
            {
                return Err(Failure::usage(format!(
                    "--dtmf {text}: {wrong:?} is no key; keys are 0-9 * # A-D"
                )));
            }
            digits.push_str(text);
        }
        Ok(digits)
    }

    async fn call(
        &self,
        endpoint: &Endpoint,
        account: Option<&Account>,
        samples: Option<Arc<[i16]>>,
        reporter: &Reporter,
    ) -> Outcome {
        let mut dial = endpoint.dial(&self.target);
        if let Some(account) = account {
            dial = dial.from(account);
        }
        if let Some(timeout) = self.ring_timeout {
            dial = dial.ring_timeout(timeout);
        }
        let outgoing = dial.start().await.map_err(|error| Failure::failed(error.to_string()))?;
        let report = CallReport::new(reporter, 1, outgoing.call_id());
        report.event("dialing", json!({ "to": self.target }));
        let call = self.wait_for_answer(outgoing, &report).await?;
        report.answered(&call);
        let recording = record(&call, self.record.as_deref(), 1).await?;
        if let Some(hz) = self.tone {
            call.tone(hz);
        }
        let limits = Limits {
            duration: self.duration,
            hold: self.hold_after.zip(self.hold_for),
            until_done: self.duration.is_none() && (self.play.is_some() || !self.dtmf.is_empty()),
            must_finish: !self.dtmf.is_empty(),
        };
        let media = call.media().clone();
        let ended = attend(call, &report, limits, work(media, samples, self.digits()?)).await;
        finish(recording).await?;
        match ended? {
            Some(ended) if ended.by == voip::Side::Error => Err(Failure::failed(ended.to_string())),
            _ => Ok(()),
        }
    }

    /// [`Failure::Interrupted`] when Ctrl-C came first and the call was cancelled.
    async fn wait_for_answer(
        &self,
        mut outgoing: OutgoingCall,
        report: &CallReport<'_>,
    ) -> Result<VoipCall, Failure> {
        // A host that never says a word cannot be sent a CANCEL: it is given up without it.
        let mut silent = std::pin::pin!(after(self.ring_timeout.map(|timeout| timeout + GOODBYE)));
        loop {
            let progress = tokio::select! {
                progress = outgoing.progress() => progress,
                () = interrupted() => {
                    report.ended(goodbye(outgoing.cancel()).await?.as_ref());
                    return Err(Failure::Interrupted);
                }
                () = &mut silent => {
                    report.ended(None);
                    return Err(Failure::failed(format!("{}: nobody answers; is it switched on?", self.target)));
                }
            };
            let Some(progress) = progress else { break };
            if let Progress::Ringing { response, early_media } = progress {
                let fields = json!({ "status": response.status().code(), "early_media": early_media });
                report.event("ringing", fields);
            } else {
                report.event("trying", json!({}));
            }
        }
        let ended = outgoing.end();
        outgoing.answered().await.map_err(|error| {
            let Some(ended) = ended else { return Failure::failed(format!("{}: {error}", self.target)) };
            report.ended(Some(&ended));
            Failure::failed(format!("{}: {ended}{}", self.target, elsewhere(&error)))
        })
    }
}

/// Where a redirection points.
fn elsewhere(error: &CallError) -> String {
    let CallError::Rejected { contacts, .. } = error else { return String::new() };
    let contacts: Vec<_> = contacts.iter().map(ToString::to_string).collect();
    if contacts.is_empty() { String::new() } else { format!("; call {} instead", contacts.join(" or ")) }
}

/// Plays, then presses the keys.
async fn work(media: MediaHandle, samples: Option<Arc<[i16]>>, digits: String) -> Outcome {
    if let Some(samples) = samples {
        // A call that is over has been heard of already.
        let _ = media.play(samples).await;
    }
    if digits.is_empty() {
        return Ok(());
    }
    media.send_digits(digits).await.map_err(|error| Failure::failed(error.to_string()))
}

//! `voip answer`: waits for calls and answers them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::sync::mpsc;
use voip::{
    Account, Call, CallError, Endpoint, Incoming, IncomingCall, IncomingMessage, Messages, Reply, StatusCode,
    Uri,
};

use crate::common::{Common, frequency, load_wav, parse_uri, seconds, unbound};
use crate::interrupt::{interrupted, wind_up};
use crate::report::Reporter;
use crate::session::{
    BoxFuture, CallReport, Limits, Plan, Successor, attend, finish, goodbye, may_record, record,
};
use crate::{Failure, Outcome};

/// Prints "listening" once it can be called; echoes what is said unless told otherwise.
#[derive(Clone, Debug, Args)]
pub(crate) struct Answer {
    /// Send back what is heard (the default)
    #[arg(long, group = "source")]
    echo: bool,
    /// Play this WAV file, then hang up
    #[arg(long, value_name = "FILE.wav", group = "source")]
    play: Option<PathBuf>,
    /// Send a tone of this frequency
    #[arg(long, value_name = "HZ", group = "source", value_parser = frequency)]
    tone: Option<f64>,
    /// Follow a menu (not available yet)
    #[arg(long, value_name = "FILE.toml", group = "source")]
    ivr: Option<PathBuf>,
    /// Record callers to this WAV file; the second call goes to FILE-2.wav
    #[arg(long, value_name = "FILE.wav")]
    record: Option<PathBuf>,
    /// Let it ring before answering
    #[arg(long, value_name = "SECS", value_parser = seconds)]
    ring_for: Option<Duration>,
    /// Play this before answering (early media), to its end or for the time of --ring-for
    #[arg(long, value_name = "FILE.wav")]
    early_media: Option<PathBuf>,
    /// Ring until the caller confirms that it knows (100rel, PRACK), where it can
    #[arg(long)]
    reliable: bool,
    /// Refuse every call with this status code
    #[arg(long, value_name = "CODE", group = "refusal")]
    reject: Option<u16>,
    /// Send every caller elsewhere (302)
    #[arg(long, value_name = "URI", group = "refusal")]
    redirect: Option<String>,
    /// Ask callers for these credentials (digest)
    #[arg(long, value_name = "USER:PASSWORD", value_parser = user_and_password)]
    challenge: Option<(String, String)>,
    /// Hang up after this time
    #[arg(long, value_name = "SECS", value_parser = seconds)]
    hangup_after: Option<Duration>,
    /// Exit when this many calls have ended
    #[arg(long, value_name = "N")]
    max_calls: Option<u64>,
    /// Refuse calls above this number at a time (486)
    #[arg(long, value_name = "N")]
    max_concurrent: Option<u64>,
}

/// What `--challenge` names itself.
const REALM: &str = "voip";
/// Text messages that may wait to be printed.
const MESSAGES: usize = 100;

/// What each call needs, made ready before the first one comes.
struct Desk {
    answer: Answer,
    samples: Option<Arc<[i16]>>,
    early_samples: Option<Arc<[i16]>>,
    account: Option<Account>,
    refusal: Option<Reply>,
    reporter: Reporter,
    live: AtomicU64,
}

impl Answer {
    pub(crate) async fn run(self, common: &Common, reporter: &Reporter) -> Outcome {
        self.check()?;
        let account = common.account()?;
        let desk = Arc::new(Desk {
            samples: self.play.as_deref().map(load_wav).transpose()?,
            early_samples: self.early_media.as_deref().map(load_wav).transpose()?,
            account: account.clone(),
            refusal: self.refusal()?,
            reporter: reporter.clone(),
            live: AtomicU64::new(0),
            answer: self,
        });
        may_record(desk.answer.record.as_deref())?;
        let mut config = common.config()?.messages(MESSAGES);
        if let Some(user) = desk.answer.challenge.clone() {
            config = config.challenge(REALM, [user]);
        }
        let bound = Endpoint::bind(config).await;
        let (endpoint, incoming) = bound.map_err(|error| unbound(&error))?;
        let outcome = async {
            let registration = common.registration(&endpoint, account.as_ref(), reporter).await?;
            let addresses: Vec<_> = endpoint.local_addresses().iter().map(ToString::to_string).collect();
            reporter.event("listening", json!({ "addresses": addresses }));
            let messages = endpoint.messages();
            // In a task of its own: waking the one that the program began with goes through the system.
            let calls = tokio::spawn(Arc::clone(&desk).open(incoming));
            tokio::select! {
                outcome = calls => outcome.map_err(|error| Failure::failed(error.to_string()))??,
                () = desk.read(messages) => {}
            }
            registration.done(reporter).await;
            Ok(())
        };
        let outcome = outcome.await;
        endpoint.shut_down().await;
        outcome
    }

    fn check(&self) -> Outcome {
        if self.ivr.is_some() { Err(Failure::not_available_yet("--ivr")) } else { Ok(()) }
    }

    fn refusal(&self) -> Result<Option<Reply>, Failure> {
        if let Some(target) = &self.redirect {
            let target: Uri = parse_uri("--redirect", target)?;
            return Ok(Some(Reply::new(StatusCode::MOVED_TEMPORARILY).contact(target)));
        }
        let Some(code) = self.reject else { return Ok(None) };
        match StatusCode::new(code) {
            Some(status) if code >= 300 => Ok(Some(Reply::new(status))),
            _ => Err(Failure::usage(format!("--reject {code}: a refusal has a code from 300 to 699"))),
        }
    }
}

impl Desk {
    /// Serves calls until Ctrl-C, or until as many have ended as were asked for.
    async fn open(self: Arc<Self>, mut incoming: Incoming) -> Outcome {
        let (done, mut ended) = mpsc::unbounded_channel();
        let (mut number, mut finished) = (0, 0);
        while self.answer.max_calls.is_none_or(|most| finished < most) {
            tokio::select! {
                call = incoming.next() => {
                    let Some(call) = call else { return Err(Failure::failed("the endpoint was shut down")) };
                    number += 1;
                    let call_number = self.reporter.next_call();
                    let (desk, done) = (Arc::clone(&self), done.clone());
                    tokio::spawn(async move {
                        desk.serve(call, call_number).await;
                        // Nobody counts any more: the command is ending.
                        let _ = done.send(());
                    });
                }
                Some(()) = ended.recv() => finished += 1,
                () = interrupted() => break,
            }
        }
        // The calls that are left hang up as on Ctrl-C, and report their end before the sockets close.
        wind_up();
        while finished < number && ended.recv().await.is_some() {
            finished += 1;
        }
        Ok(())
    }

    /// Takes and prints the text messages that come, for ever.
    async fn read(&self, messages: Option<Messages>) {
        if let Some(mut messages) = messages {
            while let Some(message) = messages.next().await {
                self.print(message).await;
            }
        }
        std::future::pending().await
    }

    async fn print(&self, message: IncomingMessage) {
        let fields = json!({
            "from": self.reporter.caller(message.from()), "to": self.reporter.caller(message.to()),
            "content_type": message.content_type().map(|kind| kind.to_string()), "text": message.text(),
        });
        match message.accept().await {
            Ok(()) => self.reporter.event("message", fields),
            Err(error) => self.reporter.event("error", json!({ "message": error.to_string() })),
        }
    }

    /// One call, from its INVITE to its end.
    async fn serve(&self, call: IncomingCall, number: u64) {
        let report = CallReport::new(&self.reporter, number, call.call_id());
        if !self.reporter.is_quiet() {
            report.event(
                "incoming",
                json!({ "from": self.reporter.caller(call.from()), "to": self.reporter.caller(call.to()) }),
            );
        }
        let live = self.live.fetch_add(1, Ordering::Relaxed);
        let too_many = self.answer.max_concurrent.is_some_and(|most| live >= most);
        let outcome = match &self.refusal {
            _ if too_many => Box::pin(refuse(call, StatusCode::BUSY_HERE.into(), &report)).await,
            Some(refusal) => Box::pin(refuse(call, refusal.clone(), &report)).await,
            None => self.answer(call, &report, number).await,
        };
        self.live.fetch_sub(1, Ordering::Relaxed);
        if let Err(failure) = outcome {
            report.event("error", json!({ "message": failure.to_string() }));
        }
    }

    /// Lets it ring as was asked for; the future ends when it is time to answer.
    async fn ring(
        &self,
        call: &mut IncomingCall,
        report: &CallReport<'_>,
    ) -> Result<BoxFuture<()>, CallError> {
        let time = self.answer.ring_for;
        if let Some(samples) = self.early_samples.clone() {
            let media = call.early_media(self.answer.reliable).await?;
            report.event("ringing", json!({ "status": 183, "early_media": true }));
            return Ok(Box::pin(async move {
                let playing = async {
                    // A caller that has given up is told of by others.
                    let _ = media.play(samples).await;
                    if time.is_some() {
                        std::future::pending().await
                    }
                };
                let _ = tokio::time::timeout(time.unwrap_or(Duration::MAX), playing).await;
            }));
        }
        if self.answer.reliable {
            call.ring_reliably().await?;
        } else if time.is_some() {
            call.ring().await?;
        } else {
            return Ok(Box::pin(std::future::ready(())));
        }
        report.event("ringing", json!({ "status": 180, "early_media": false }));
        Ok(Box::pin(tokio::time::sleep(time.unwrap_or_default())))
    }

    fn rings(&self) -> bool {
        self.answer.ring_for.is_some() || self.answer.reliable || self.early_samples.is_some()
    }

    /// Gives the call back when it is time to answer, or how it ended before.
    async fn rung(&self, mut call: IncomingCall, report: &CallReport<'_>) -> Result<IncomingCall, Outcome> {
        let waiting: BoxFuture<()> = match self.ring(&mut call, report).await {
            Ok(waiting) => waiting,
            Err(CallError::Ended(ended)) => {
                report.ended(Some(&ended));
                return Err(Ok(()));
            }
            Err(error) => return Err(Err(failed(error))),
        };
        tokio::select! {
            () = waiting => Ok(call),
            ended = call.cancelled() => {
                report.ended(Some(&ended.map_err(|error| Err(failed(error)))?));
                Err(Ok(()))
            }
            () = interrupted() => Err(refuse(call, StatusCode::TEMPORARILY_UNAVAILABLE.into(), report).await),
        }
    }

    /// What is awaited in boxes takes no place in the task, which is moved when it begins and stays as long as the call.
    async fn answer(&self, mut call: IncomingCall, report: &CallReport<'_>, number: u64) -> Outcome {
        if self.rings() {
            call = match Box::pin(self.rung(call, report)).await {
                Ok(call) => call,
                Err(outcome) => return outcome,
            };
        }
        let call = match Box::pin(call.answer()).await {
            Ok(call) => call,
            Err(CallError::Ended(ended)) => {
                report.ended(Some(&ended));
                return Ok(());
            }
            Err(error) => return Err(failed(error)),
        };
        report.answered(&call);
        let recording = Box::pin(record(&call, self.answer.record.as_deref(), number)).await?;
        self.speak(&call);
        let limits = Limits {
            duration: self.answer.hangup_after,
            until_done: self.samples.is_some() && self.answer.hangup_after.is_none(),
            ..Limits::default()
        };
        let (media, samples) = (call.media().clone(), self.samples.clone());
        let work = Box::pin(async move {
            if let Some(samples) = samples {
                // A call that is over has been heard of already.
                let _ = media.play(samples).await;
            }
            Ok(())
        });
        let plan = Plan { limits, work, handover: None, successor: self.successor() };
        let finished = Box::pin(attend(call, report, plan)).await;
        Box::pin(finish(recording)).await?;
        finished.outcome
    }

    fn speak(&self, call: &Call) {
        match (self.answer.tone, &self.samples) {
            (Some(hz), _) => call.tone(hz),
            (None, Some(_)) => {}
            (None, None) => call.echo(),
        }
    }

    /// A call that we are asked to make sends the tone, or an echo.
    fn successor(&self) -> Successor {
        let tone = self.answer.tone;
        let speak = move |call: &Call| match tone {
            Some(hz) => call.tone(hz),
            None => call.echo(),
        };
        Successor { account: self.account.clone(), speak: Arc::new(speak) }
    }
}

/// `USER:PASSWORD`; the error does not show the password.
fn user_and_password(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once(':').filter(|(user, _)| !user.is_empty());
    let (user, password) = pair.ok_or("expected USER:PASSWORD")?;
    Ok((user.to_owned(), password.to_owned()))
}

async fn refuse(call: IncomingCall, reply: Reply, report: &CallReport<'_>) -> Outcome {
    report.ended(goodbye(call.reject(reply)).await?.as_ref());
    Ok(())
}

fn failed(error: CallError) -> Failure {
    Failure::failed(error.to_string())
}

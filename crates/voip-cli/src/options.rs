//! `voip options`: a SIP ping.

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use voip::{Account, Endpoint, HeaderName, Response};

use crate::common::{Common, check_target, seconds};
use crate::interrupt::interrupted;
use crate::report::Reporter;
use crate::{Failure, Outcome};

/// Any answer is a sign of life; exit code 1 when none comes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Whom to ask: sip:example.com, sip:bob@example.com
    target: String,
    /// How many times
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// Time between two requests
    #[arg(long, value_name = "SECS", default_value = "1", value_parser = seconds)]
    interval: Duration,
}

impl Options {
    pub(crate) async fn run(self, common: &Common, reporter: &Reporter) -> Outcome {
        let account = common.account()?;
        check_target(&self.target, account.as_ref())?;
        let (endpoint, _incoming) = common.endpoint().await?;
        let outcome = tokio::select! {
            outcome = self.ask(&endpoint, account.as_ref(), reporter) => outcome,
            () = interrupted() => Ok(()),
        };
        endpoint.shut_down().await;
        outcome
    }

    /// Fails when no request was answered, for the reason of the last one.
    async fn ask(&self, endpoint: &Endpoint, account: Option<&Account>, reporter: &Reporter) -> Outcome {
        let mut answered = false;
        let mut failure = Ok(());
        for number in 0..self.count {
            if number > 0 {
                tokio::time::sleep(self.interval).await;
            }
            let started = Instant::now();
            match endpoint.options(&self.target, account).await {
                Ok(response) => {
                    answered = true;
                    report(&response, started.elapsed(), reporter);
                }
                Err(error) => {
                    let message = format!("{}: {error}", self.target);
                    // The last failure is said by the command itself.
                    if answered || number + 1 < self.count {
                        reporter.event("error", json!({ "message": message }));
                    }
                    failure = Err(Failure::failed(message));
                }
            }
        }
        if answered { Ok(()) } else { failure }
    }
}

fn report(response: &Response, round_trip: Duration, reporter: &Reporter) {
    let tokens = |name| {
        let lines = response.headers().raw_all(name).map(|value| String::from_utf8_lossy(value).into_owned());
        lines.collect::<Vec<_>>().join(", ")
    };
    reporter.event(
        "options",
        json!({
            "status": response.status().code(),
            "reason": response.reason().as_str(),
            "round_trip_ms": (round_trip.as_secs_f64() * 100_000.0).round() / 100.0,
            "allow": tokens(HeaderName::ALLOW),
            "supported": tokens(HeaderName::SUPPORTED),
        }),
    );
}

//! `voip options`: a SIP ping.

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use voip::{HeaderName, Response};

use crate::common::{Common, seconds};
use crate::interrupt::interrupted;
use crate::report::Reporter;
use crate::{Failure, Outcome};

/// Any answer is a sign of life; exit code 1 when none comes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Whom to ask: sip:example.com, sip:bob@example.com
    target: String,
    /// How many times
    #[arg(long, value_name = "N", default_value_t = 1)]
    count: u32,
    /// Time between two requests
    #[arg(long, value_name = "SECS", default_value = "1", value_parser = seconds)]
    interval: Duration,
}

impl Options {
    pub(crate) async fn run(self, common: &Common, reporter: &Reporter) -> Outcome {
        let account = common.account()?;
        voip::resolve(&self.target, account.as_ref()).map_err(|error| Failure::usage(error.to_string()))?;
        let (endpoint, _incoming) = common.endpoint().await?;
        let mut answered = 0;
        for number in 0..self.count {
            if number > 0 {
                tokio::time::sleep(self.interval).await;
            }
            let started = Instant::now();
            let answer = tokio::select! {
                answer = endpoint.options(&self.target, account.as_ref()) => answer,
                () = interrupted() => break,
            };
            match answer {
                Ok(response) => {
                    answered += 1;
                    report(&response, started.elapsed(), reporter);
                }
                Err(error) => reporter.event("error", json!({ "message": error.to_string() })),
            }
        }
        endpoint.shut_down().await;
        match answered {
            0 => Err(Failure::failed(format!("{}: no answer", self.target))),
            _ => Ok(()),
        }
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

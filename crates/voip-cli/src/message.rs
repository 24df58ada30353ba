//! `voip message`: sends a text message.

use clap::Args;
use serde_json::json;
use voip::{Account, Endpoint};

use crate::common::{Common, check_target};
use crate::interrupt::interrupted;
use crate::report::Reporter;
use crate::{Failure, Outcome};

/// Exit code 0 when the other side, or a server that will deliver it, has taken the message.
#[derive(Debug, Args)]
pub(crate) struct Message {
    /// Who gets it: sip:bob@example.com, or a user at the domain of --aor
    target: String,
    /// What it says
    text: String,
}

impl Message {
    pub(crate) async fn run(self, common: &Common, reporter: &Reporter) -> Outcome {
        let account = common.account()?;
        check_target(&self.target, account.as_ref())?;
        let (endpoint, _incoming) = common.endpoint().await?;
        let outcome = tokio::select! {
            outcome = self.send(&endpoint, account.as_ref(), reporter) => outcome,
            () = interrupted() => Err(Failure::Interrupted),
        };
        endpoint.shut_down().await;
        outcome
    }

    async fn send(&self, endpoint: &Endpoint, account: Option<&Account>, reporter: &Reporter) -> Outcome {
        let answer = endpoint.message(&self.target, &self.text, account).await;
        let response = answer.map_err(|error| Failure::failed(format!("{}: {error}", self.target)))?;
        let (status, reason) = (response.status(), response.reason());
        let fields = json!({ "to": self.target, "status": status.code(), "reason": reason.as_str() });
        reporter.event("message", fields);
        match status.is_success() {
            true => Ok(()),
            false => Err(Failure::failed(format!("{}: {} {reason}", self.target, status.code()))),
        }
    }
}

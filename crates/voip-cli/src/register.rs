//! `voip register`: registers, and keeps the registration fresh.

use std::time::Duration;

use clap::Args;

use crate::common::{Common, register, report_registration, unregister};
use crate::interrupt::interrupted;
use crate::report::Reporter;
use crate::{Failure, Outcome};

/// Runs until Ctrl-C, which unregisters.
#[derive(Debug, Args)]
pub(crate) struct Register {
    /// How long a registration should last; the registrar may shorten it
    #[arg(long, value_name = "SECS", default_value_t = 3600)]
    expires: u32,
    /// Register, print the binding, unregister and exit
    #[arg(long)]
    once: bool,
}

impl Register {
    pub(crate) async fn run(self, common: &Common, reporter: &Reporter) -> Outcome {
        let account = common.required_account()?.expires(Duration::from_secs(self.expires.into()));
        let (endpoint, _incoming) = common.endpoint().await?;
        let mut registration = register(&endpoint, &account, reporter).await?;
        let mut outcome = Ok(());
        while !self.once {
            let state = tokio::select! {
                state = registration.changed() => state,
                () = interrupted() => break,
            };
            let gave_up = matches!(&state, Some(voip::RegistrationState::Failed { will_retry_in: None, .. }));
            let failure = report_registration(&account, state.as_ref(), reporter);
            if gave_up || state.is_none() {
                outcome = Err(failure.unwrap_or_else(|| Failure::failed("the endpoint was shut down")));
                break;
            }
        }
        if outcome.is_ok() {
            unregister(registration, &account, reporter).await;
        }
        endpoint.shut_down().await;
        outcome
    }
}

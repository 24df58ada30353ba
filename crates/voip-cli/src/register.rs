//! `voip register`: registers, and keeps the registration fresh.

use std::time::Duration;

use clap::Args;
use voip::{Account, Registration, RegistrationState};

use crate::common::{Common, register, report_registration, unregister};
use crate::interrupt::interrupted;
use crate::report::Reporter;
use crate::{Failure, Outcome};

/// Runs until Ctrl-C, which unregisters.
#[derive(Debug, Args)]
pub(crate) struct Register {
    /// How long a registration should last; the registrar may shorten it
    #[arg(long, value_name = "SECS", default_value_t = 3600, value_parser = clap::value_parser!(u32).range(1..))]
    expires: u32,
    /// Register, print the binding, unregister and exit
    #[arg(long)]
    once: bool,
}

impl Register {
    pub(crate) async fn run(self, common: &Common, reporter: &Reporter) -> Outcome {
        let account = common.required_account()?.expires(Duration::from_secs(self.expires.into()));
        let (endpoint, _incoming) = common.endpoint().await?;
        let outcome = async {
            let mut registration = register(&endpoint, &account, reporter).await?;
            if !self.once {
                keep(&mut registration, &account, reporter).await?;
            }
            unregister(registration, &account, reporter).await;
            Ok(())
        };
        let outcome = outcome.await;
        endpoint.shut_down().await;
        outcome
    }
}

/// Reports until Ctrl-C; an `Err` when the registrar will not have us any more.
async fn keep(registration: &mut Registration, account: &Account, reporter: &Reporter) -> Outcome {
    loop {
        let state = tokio::select! {
            state = registration.changed() => state,
            () = interrupted() => return Ok(()),
        };
        let failure = report_registration(account, state.as_ref(), reporter);
        match (state, failure) {
            (None, _) => return Err(Failure::failed("the endpoint was shut down")),
            (Some(RegistrationState::Failed { will_retry_in: None, .. }), Some(failure)) => {
                return Err(failure);
            }
            (Some(_), _) => {}
        }
    }
}

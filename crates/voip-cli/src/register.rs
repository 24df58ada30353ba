//! `voip register`: registers, and keeps the registration fresh.

mod many;

use std::time::Duration;

use clap::Args;
use serde_json::json;
use voip::{Account, Registration, RegistrationState, RegistrationStatus};

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
    /// Register, print all bindings of the address, unregister and exit
    #[arg(long)]
    once: bool,
    /// Register N accounts, the users of which are that of --aor with 1 to N behind it, and count how many stand
    #[arg(long, value_name = "N", conflicts_with = "once", value_parser = clap::value_parser!(u32).range(1..))]
    accounts: Option<u32>,
}

impl Register {
    pub(crate) async fn run(self, common: &Common, reporter: &Reporter) -> Outcome {
        let account = common.required_account()?.expires(Duration::from_secs(self.expires.into()));
        let (endpoint, _incoming) = common.endpoint().await?;
        let outcome = async {
            if let Some(many) = self.accounts {
                return many::run(&endpoint, &account, many as usize, reporter).await;
            }
            let (registration, outcome) = if self.once {
                let registration = register(&endpoint, &account, reporter).await?;
                let outcome = list(&registration, &account, reporter).await;
                (registration, outcome)
            } else {
                reporter.event("registering", json!({ "aor": account.aor().to_string() }));
                let registration = endpoint.keep_registered(&account).await;
                let mut registration = registration.map_err(|error| Failure::failed(error.to_string()))?;
                let outcome = keep(&mut registration, &account, reporter).await;
                (registration, outcome)
            };
            unregister(registration, &account, reporter).await;
            outcome
        };
        let outcome = outcome.await;
        endpoint.shut_down().await;
        outcome
    }
}

/// Prints where the address is reached, here and elsewhere.
async fn list(registration: &Registration, account: &Account, reporter: &Reporter) -> Outcome {
    let bindings = tokio::select! {
        bindings = registration.bindings() => bindings,
        () = interrupted() => return Ok(()),
    };
    let bindings =
        bindings.map_err(|error| Failure::failed(format!("the bindings are not told: {error}")))?;
    for binding in bindings {
        let fields = json!({
            "aor": account.aor().to_string(), "contact": binding.name_addr.uri.to_string(),
            "expires": binding.params.value("expires").and_then(|seconds| seconds.parse::<u32>().ok()),
            "q": binding.params.value("q"),
        });
        reporter.event("binding", fields);
    }
    Ok(())
}

/// Reports until Ctrl-C. An `Err` when the registrar will not have us any more, or has not had us yet after as many attempts
/// as make a failure.
async fn keep(registration: &mut Registration, account: &Account, reporter: &Reporter) -> Outcome {
    let (mut watch, mut stood, mut last) = (registration.watch(), false, None);
    loop {
        let state = tokio::select! {
            // What happened comes before what that makes of the whole.
            biased;
            state = registration.changed() => state,
            Some(status) = watch.changed() => {
                let word = format!("{status:?}").to_lowercase();
                let fields = json!({ "aor": account.aor().to_string(), "status": word });
                reporter.event("registration_status", fields);
                match last.take() {
                    Some(failure) if status == RegistrationStatus::Failed && !stood => return Err(failure),
                    _ => continue,
                }
            }
            () = interrupted() => return Ok(()),
        };
        let failure = report_registration(account, state.as_ref(), reporter);
        stood |= matches!(state, Some(RegistrationState::Registered { .. }));
        match (state, failure) {
            (None, _) => return Err(Failure::failed("the endpoint was shut down")),
            (Some(RegistrationState::Failed { will_retry_in: None, .. }), Some(failure)) => {
                return Err(failure);
            }
            (Some(_), failure) => last = failure,
        }
    }
}

//! `voip register`: registers, and keeps the registration fresh.

use std::time::Duration;

use clap::Args;
use serde_json::json;
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
    /// Register, print all bindings of the address, unregister and exit
    #[arg(long)]
    once: bool,
}

impl Register {
    pub(crate) async fn run(self, common: &Common, reporter: &Reporter) -> Outcome {
        let account = common.required_account()?.expires(Duration::from_secs(self.expires.into()));
        let (endpoint, _incoming) = common.endpoint().await?;
        let outcome = async {
            let mut registration = register(&endpoint, &account, reporter).await?;
            let outcome = if self.once {
                list(&registration, &account, reporter).await
            } else {
                keep(&mut registration, &account, reporter).await
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
    let bindings = bindings.map_err(|error| Failure::failed(format!("the bindings are not told: {error}")))?;
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

/// Reports until Ctrl-C; an `Err` when the registrar will not have us any more.
async fn keep(registration: &mut Registration, account: &Account, reporter: &Reporter) -> Outcome {
    let mut watch = registration.watch();
    loop {
        let state = tokio::select! {
            // What happened comes before what that makes of the whole.
            biased;
            state = registration.changed() => state,
            Some(status) = watch.changed() => {
                let status = format!("{status:?}").to_lowercase();
                reporter.event("registration_status", json!({ "aor": account.aor().to_string(), "status": status }));
                continue;
            }
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

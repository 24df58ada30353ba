//! `voip register --accounts N`: many accounts of one process, and how many of them stand.

use std::time::Duration;

use serde_json::json;
use voip::{Account, Endpoint, Registration, RegistrationStatus};

use crate::interrupt::interrupted;
use crate::report::Reporter;
use crate::{Failure, Outcome};

/// How often they are counted.
const COUNT_EVERY: Duration = Duration::from_millis(200);

/// How many accounts stand how.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Counts {
    registered: usize,
    registering: usize,
    failed: usize,
}

impl Counts {
    fn of(registrations: &[Registration]) -> Self {
        let mut counts = Self::default();
        for registration in registrations {
            match registration.status() {
                RegistrationStatus::Registered => counts.registered += 1,
                RegistrationStatus::Failed => counts.failed += 1,
                RegistrationStatus::Inactive
                | RegistrationStatus::Registering
                | RegistrationStatus::Deregistering => counts.registering += 1,
            }
        }
        counts
    }
}

/// Registers user1 to userN in the place of user, and counts until Ctrl-C.
pub(super) async fn run(endpoint: &Endpoint, account: &Account, many: usize, reporter: &Reporter) -> Outcome {
    let user = account.aor().user().unwrap_or_default().into_owned();
    let mut registrations = Vec::with_capacity(many);
    for number in 1..=many {
        let account = account.clone().as_user(&format!("{user}{number}"));
        let registration = endpoint.keep_registered(&account).await;
        registrations.push(registration.map_err(|error| Failure::failed(error.to_string()))?);
    }
    let mut last = None;
    loop {
        let counts = Counts::of(&registrations);
        if last.replace(counts) != Some(counts) {
            let Counts { registered, registering, failed } = counts;
            reporter.event(
                "accounts",
                json!({ "registered": registered, "registering": registering, "failed": failed }),
            );
        }
        tokio::select! {
            () = tokio::time::sleep(COUNT_EVERY) => {}
            () = interrupted() => return Ok(()),
        }
    }
}

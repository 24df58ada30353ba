//! `voip registrar`: a small registrar and proxy for development.

use clap::Args;
use serde_json::json;
use voip::crates::sip_ua::registrar::Event;

use crate::common::{Common, unbound};
use crate::interrupt::interrupted;
use crate::report::Reporter;
use crate::{Failure, Outcome};

/// Digest authentication, a location table, Record-Route, forking to all bindings; in memory.
#[derive(Debug, Args)]
pub(crate) struct Registrar {
    /// The domain it is responsible for
    #[arg(long, value_name = "NAME")]
    domain: String,
    /// A user and the password, repeatable
    #[arg(long, value_name = "NAME:PASSWORD", required = true)]
    user: Vec<String>,
}

impl Registrar {
    pub(crate) async fn run(self, common: &Common, reporter: &Reporter) -> Outcome {
        let mut users = Vec::new();
        for user in &self.user {
            let (name, password) =
                user.split_once(':').ok_or_else(|| Failure::usage("--user: expected NAME:PASSWORD"))?;
            users.push((name.to_owned(), password.to_owned()));
        }
        let bound = voip::Registrar::bind(&common.config()?, &self.domain, users).await;
        let mut running = bound.map_err(|error| unbound(&error))?;
        let addresses: Vec<_> = running.local_addresses().iter().map(ToString::to_string).collect();
        reporter.event("listening", json!({ "addresses": addresses }));
        loop {
            tokio::select! {
                event = running.next() => match event {
                    Some(event) => report(&event, &self.domain, reporter),
                    None => return Err(Failure::failed("the registrar has ended")),
                },
                () = interrupted() => return Ok(()),
            }
        }
    }
}

fn report(event: &Event, domain: &str, reporter: &Reporter) {
    let aor = |user: &str| format!("sip:{user}@{domain}");
    match event {
        Event::Registered { user, contacts } => {
            let contacts: Vec<_> = contacts.iter().map(ToString::to_string).collect();
            let name = if contacts.is_empty() { "unregistered" } else { "registered" };
            reporter.event(name, json!({ "aor": aor(user), "contacts": contacts }));
        }
        Event::Denied { user, flow } => {
            reporter.event("denied", json!({ "aor": aor(user), "source": flow.remote.to_string() }));
        }
        Event::Forwarded { method, target, branches } => {
            reporter.event(
                "forwarded",
                json!({ "method": method.as_str(), "target": target.to_string(), "branches": branches }),
            );
        }
        _ => {}
    }
}

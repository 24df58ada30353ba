//! `voip registrar`: a small registrar and proxy for development.

use std::time::Duration;

use clap::Args;
use serde_json::json;
use voip::crates::sip_ua::auth::digest::Algorithm;
use voip::crates::sip_ua::registrar::{Config, Event};

use crate::common::{Common, seconds, unbound};
use crate::interrupt::interrupted;
use crate::report::Reporter;
use crate::{Failure, Outcome};

/// Digest authentication, a location table, Record-Route, Path and outbound, forking to all bindings, those of a lower
/// preference (q) after the others; in memory.
#[derive(Debug, Args)]
pub(crate) struct Registrar {
    /// The domain it is responsible for
    #[arg(long, value_name = "NAME")]
    domain: String,
    /// A user and the password, repeatable
    #[arg(long, value_name = "NAME:PASSWORD", required = true)]
    user: Vec<String>,
    /// The shortest registration it grants; it asks for this when less is wanted (423)
    #[arg(long, value_name = "SECS", default_value_t = 10)]
    min_expires: u32,
    /// The longest registration it grants
    #[arg(long, value_name = "SECS", default_value_t = 3600, value_parser = clap::value_parser!(u32).range(1..))]
    max_expires: u32,
    /// How long the phones of one preference (q) ring before those of the next lower one are tried
    #[arg(long, value_name = "SECS", default_value = "20", value_parser = seconds)]
    ring_time: Duration,
    /// Digest algorithms to offer, the preferred one first, of sha-512-256, sha-256 and md5; some old phones want md5 alone
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "sha-256,md5", value_parser = algorithm)]
    digest: Vec<Algorithm>,
}

impl Registrar {
    pub(crate) async fn run(self, common: &Common, reporter: &Reporter) -> Outcome {
        let mut users = Vec::new();
        for user in &self.user {
            let (name, password) =
                user.split_once(':').ok_or_else(|| Failure::usage("--user: expected NAME:PASSWORD"))?;
            users.push((name.to_owned(), password.to_owned()));
        }
        if self.min_expires > self.max_expires {
            return Err(Failure::usage("--min-expires is longer than --max-expires"));
        }
        let tune = |settings: Config| {
            let secs = |seconds: u32| Duration::from_secs(seconds.into());
            settings
                .min_expires(secs(self.min_expires))
                .max_expires(secs(self.max_expires))
                .ring_time(self.ring_time)
                .algorithms(&self.digest)
        };
        let bound = voip::Registrar::bind_tuned(&common.config()?, &self.domain, users, tune).await;
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

/// The `-sess` variants are for those who verify passwords on behalf of others.
fn algorithm(name: &str) -> Result<Algorithm, String> {
    let known = Algorithm::parse(name).filter(|_| !name.to_ascii_lowercase().ends_with("-sess"));
    known.ok_or_else(|| "the algorithms are sha-512-256, sha-256 and md5".into())
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

//! A and AAAA records from the system's resolver.

use std::net::IpAddr;

use sip_msg::Text;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{OPEN, Told};
use crate::{Answer, QueryId};

/// Asks for the addresses of a host and tells them, an empty list when there are none.
pub(super) async fn addresses(name: Text, query: QueryId, tell: mpsc::Sender<Told>) {
    let mut addresses: Vec<IpAddr> = Vec::new();
    match timeout(OPEN, tokio::net::lookup_host((name.as_str(), 0))).await {
        Ok(Ok(found)) => {
            for address in found {
                if !addresses.contains(&address.ip()) {
                    addresses.push(address.ip());
                }
            }
        }
        Ok(Err(error)) => tracing::debug!(%name, %error, "no addresses"),
        Err(_) => tracing::debug!(%name, "the resolver does not answer"),
    }
    // Nobody listens any more when the transports are gone.
    let _ = tell.send(Told::Resolved { query, answer: Answer::Addresses(addresses) }).await;
}

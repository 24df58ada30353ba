//! What is known of the response in hand, and of the servers that were heard before.

use std::collections::{BTreeSet, HashMap};

use sip_msg::{Request, Route, Text};
use sip_txn::{ClientId, Flow};

use crate::context::Context;

/// How many realms are remembered as strong.
const MAX_STRONG: usize = 1_024;

/// The response in hand, whom requests went to, and who took a good digest.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// The response that is being worked on: the transaction it belongs to, and how it came.
    now: Option<(ClientId, Flow)>,
    /// The server and user of requests under way, where credentials depend on them.
    asked: HashMap<ClientId, (Text, Text)>,
    /// Servers and their realms that took SHA-256 or better.
    strong: BTreeSet<(Text, Text)>,
}

/// The host that a request goes to first, and the user it is from.
pub(crate) fn server_and_user(request: &Request) -> (Text, Text) {
    let route = request.headers().all::<Route>().flatten().next().map(|route| route.uri().clone());
    let host = route.or_else(|| request.uri().ok()).and_then(|uri| uri.host());
    let from = request.headers().get::<sip_msg::From>().ok().flatten();
    let user = from.and_then(|from| from.uri().user().map(|user| Text::from(&*user)));
    let host = host.map(|host| Text::from(host.to_string().to_ascii_lowercase()));
    (host.unwrap_or_default(), user.unwrap_or_default())
}

impl Heard {
    pub(crate) fn note(&mut self, client: ClientId, asked: (Text, Text)) {
        self.asked.insert(client, asked);
    }

    pub(crate) fn forget(&mut self, client: ClientId) {
        self.asked.remove(&client);
    }

    #[cfg(test)]
    pub(super) fn strong_realms(&self) -> usize {
        self.strong.len()
    }

    /// Whether no request is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// The response that is worked on from now on, or none.
    pub(crate) fn listen(&mut self, now: Option<(ClientId, Flow)>) {
        self.now = now;
    }

    /// The server and user of the response in hand.
    pub(crate) fn server_and_user(&self) -> (Text, Text) {
        let Some((client, flow)) = self.now else { return (Text::default(), Text::default()) };
        let asked = self.asked.get(&client).cloned();
        asked.unwrap_or_else(|| (flow.remote.ip().to_string().into(), Text::default()))
    }
}

impl Context {
    /// Whether server and user of requests are kept: credentials may depend on them.
    pub(crate) fn keeps_asked(&self) -> bool {
        !self.config.credentials.is_empty() || self.config.ask_for_credentials.is_some()
    }

    /// Whether the response in hand came over TLS.
    pub(super) fn is_heard_securely(&self) -> bool {
        self.heard.now.is_some_and(|(_, flow)| flow.transport.is_secure())
    }

    /// Whether this server took SHA-256 or better for this realm before.
    pub(super) fn is_strong(&self, realm: &Text) -> bool {
        let (server, _) = self.heard.server_and_user();
        self.heard.strong.contains(&(server, realm.clone()))
    }

    pub(super) fn remember_strong(&mut self, realm: &Text) {
        let (server, _) = self.heard.server_and_user();
        let known = (server, realm.clone());
        if self.heard.strong.len() >= MAX_STRONG && !self.heard.strong.contains(&known) {
            self.heard.strong.pop_first();
        }
        self.heard.strong.insert(known);
    }
}

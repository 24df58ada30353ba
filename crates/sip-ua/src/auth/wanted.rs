//! Secrets that the application is asked for while a request waits.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use sip_msg::{Response, Text};
use sip_txn::{ClientId, Ending, Flow};

use super::challenge::Scheme;

/// A question for credentials that waits for [`Agent::provide`](crate::Agent::provide).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CredentialsId(pub(crate) u64);

/// Somebody asks for a password or a token that we do not have.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CredentialsWanted {
    /// What to answer with.
    pub id: CredentialsId,
    /// The host that the request went to first: its outbound proxy, else the host of its Request-URI.
    pub server: Text,
    /// The realm, as it may be shown to a person.
    pub realm: Text,
    /// The user that the request was from.
    pub user: Text,
    /// What is wanted.
    pub scheme: WantedScheme,
}

/// What kind of secret is wanted.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum WantedScheme {
    /// A user name and password, of which only a hash is sent.
    Digest,
    /// A user name and password, which are sent as they are, over TLS.
    Basic,
    /// An access token ([RFC 8898 §4]). Get one from an authorization server that is known and trusted only.
    ///
    /// [RFC 8898 §4]: https://www.rfc-editor.org/rfc/rfc8898#section-4
    Bearer {
        /// The https URI of the authorization server, as the challenge has it.
        authz_server: Text,
        /// What the token is to be good for, separated by blanks; may be empty.
        scope: Text,
        /// Why the last token was refused (`invalid_token`, `invalid_scope`); may be empty.
        error: Text,
    },
}

impl From<Scheme> for WantedScheme {
    fn from(scheme: Scheme) -> Self {
        match scheme {
            Scheme::Digest(_) => Self::Digest,
            Scheme::Basic => Self::Basic,
            Scheme::Bearer { authz_server, scope, error } => Self::Bearer { authz_server, scope, error },
        }
    }
}

/// Challenges that wait until the application has said what to answer.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    challenges: BTreeMap<CredentialsId, Waited>,
    clients: HashMap<ClientId, CredentialsId>,
}

/// A challenge that waits.
#[derive(Debug)]
pub(crate) struct Waited {
    pub(crate) client: ClientId,
    pub(crate) flow: Flow,
    pub(crate) response: Response,
    pub(crate) realm: Text,
    pub(crate) until: Instant,
    /// Its transaction has ended meanwhile.
    pub(crate) ended: Option<Ending>,
}

impl Waiting {
    pub(crate) fn insert(&mut self, id: CredentialsId, waited: Waited) {
        self.clients.insert(waited.client, id);
        self.challenges.insert(id, waited);
    }

    pub(crate) fn take(&mut self, id: CredentialsId) -> Option<Waited> {
        let waited = self.challenges.remove(&id)?;
        self.clients.remove(&waited.client);
        Some(waited)
    }

    pub(crate) fn len(&self) -> usize {
        self.challenges.len()
    }

    /// Keeps the end of a transaction back until its challenge is dealt with; gives it back if none waits.
    pub(crate) fn hold_back(&mut self, client: ClientId, ending: Ending) -> Option<Ending> {
        match self.clients.get(&client).and_then(|id| self.challenges.get_mut(id)) {
            Some(waited) => {
                waited.ended = Some(ending);
                None
            }
            None => Some(ending),
        }
    }

    /// Those of some transactions.
    pub(crate) fn of(&self, owns: impl Fn(ClientId) -> bool) -> Vec<CredentialsId> {
        self.challenges.iter().filter(|(_, waited)| owns(waited.client)).map(|(id, _)| *id).collect()
    }
}

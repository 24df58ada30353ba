//! The credentials of an application, and which of them are for whom.

use std::collections::BTreeMap;

use sip_msg::Text;

use super::Credentials;

/// Whom credentials are for: what is not set may be anything.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Scope {
    server: Option<Text>,
    realm: Option<Text>,
    user: Option<Text>,
}

impl Scope {
    /// For whoever asks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only for this server: the host that a request goes to first (its outbound proxy, else its Request-URI).
    #[must_use]
    pub fn server(mut self, host: &str) -> Self {
        self.server = Some(host.to_ascii_lowercase().into());
        self
    }

    /// Only for this realm, as the challenge spells it.
    #[must_use]
    pub fn realm(mut self, realm: &str) -> Self {
        self.realm = Some(realm.into());
        self
    }

    /// Only for requests of this user: the user part of From.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        self.user = Some(user.into());
        self
    }
}

/// Credentials by server, realm and user.
///
/// Of several that fit a challenge the most specific answers it: one for that server before one for any, among those one
/// for that realm, among those one for that user. What a call, a request or an account brings itself comes before all.
///
/// ```
/// use sip_ua::auth::{CredentialStore, Credentials, Scope};
///
/// let mut store = CredentialStore::default();
/// store.add(Credentials::new("alice", "secret"), Scope::new().realm("example.com"));
/// store.add(Credentials::new("pbx", "other"), Scope::new().server("pbx.example.net"));
/// let found = store.find("pbx.example.net", "example.com", "alice").map(Credentials::username);
/// assert_eq!(found, Some("pbx"), "the server comes first");
/// assert!(store.find("example.org", "example.org", "alice").is_none());
/// assert_eq!(store.get("example.org", "example.org", "alice").username(), "anonymous");
/// ```
#[derive(Clone, Debug, Default)]
pub struct CredentialStore {
    entries: BTreeMap<Scope, Credentials>,
    anonymous: bool,
}

impl CredentialStore {
    /// Adds credentials, in place of others with the same scope.
    pub fn add(&mut self, credentials: Credentials, scope: Scope) {
        self.entries.insert(scope, credentials);
    }

    /// The same store with more credentials.
    #[must_use]
    pub fn with(mut self, credentials: Credentials, scope: Scope) -> Self {
        self.add(credentials, scope);
        self
    }

    /// Takes credentials out.
    pub fn remove(&mut self, scope: &Scope) -> Option<Credentials> {
        self.entries.remove(scope)
    }

    /// Whether a challenge that no credentials fit is answered as `anonymous` without a password
    /// ([RFC 3261 §22.1]); it is not unless this says so.
    ///
    /// [RFC 3261 §22.1]: https://www.rfc-editor.org/rfc/rfc3261#section-22.1
    #[must_use]
    pub fn or_anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }

    /// The most specific credentials for a challenge.
    #[must_use]
    pub fn find(&self, server: &str, realm: &str, user: &str) -> Option<&Credentials> {
        if self.entries.is_empty() {
            return None;
        }
        let whole = Scope::new().server(server).realm(realm).user(user);
        let masks = (0..8_u8).rev();
        masks.into_iter().find_map(|mask| {
            let keep = |bit: u8, part: &Option<Text>| if mask & bit == 0 { None } else { part.clone() };
            let scope = Scope {
                server: keep(4, &whole.server),
                realm: keep(2, &whole.realm),
                user: keep(1, &whole.user),
            };
            self.entries.get(&scope)
        })
    }

    /// The most specific credentials for a challenge, or those of nobody.
    #[must_use]
    pub fn get(&self, server: &str, realm: &str, user: &str) -> Credentials {
        self.find(server, realm, user).cloned().unwrap_or_else(Credentials::anonymous)
    }

    /// What answers a challenge.
    pub(super) fn answer(&self, server: &str, realm: &str, user: &str) -> Option<Credentials> {
        let found = self.find(server, realm, user).cloned();
        found.or_else(|| self.anonymous.then(Credentials::anonymous))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_credentials_win_server_before_realm_before_user() {
        let scopes = [
            Scope::new().server("S").realm("r").user("u"),
            Scope::new().server("s").realm("r"),
            Scope::new().server("s").user("u"),
            Scope::new().server("s"),
            Scope::new().realm("r").user("u"),
            Scope::new().realm("r"),
            Scope::new().user("u"),
            Scope::new(),
        ];
        let mut store = CredentialStore::default();
        for (rank, scope) in scopes.iter().enumerate() {
            store.add(Credentials::new(rank.to_string(), "secret"), scope.clone());
        }
        for (rank, scope) in scopes.iter().enumerate() {
            assert_eq!(store.find("s", "r", "u").unwrap().username(), rank.to_string());
            store.remove(scope).unwrap();
        }
        assert!(store.find("s", "r", "u").is_none());
        assert_eq!(store.get("s", "r", "u").username(), "anonymous");
        assert!(store.answer("s", "r", "u").is_none());
        assert!(store.or_anonymous().answer("s", "r", "u").is_some());
    }

    #[test]
    fn what_fits_in_one_part_only_does_not_fit() {
        let store = CredentialStore::default()
            .with(Credentials::new("alice", "secret"), Scope::new().server("example.com").realm("r"));
        assert!(store.find("EXAMPLE.com", "r", "x").is_some(), "host names have no case");
        assert!(store.find("example.com", "R", "x").is_none(), "realms have");
        assert!(store.find("example.org", "r", "x").is_none());
    }
}

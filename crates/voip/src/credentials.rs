//! Passwords and tokens that are fetched when somebody asks for them.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use sip_ua::auth::{Credentials, CredentialsWanted};

/// How long a challenge waits for a secret.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A secret that is on its way.
pub type Secret<'a> = Pin<Box<dyn Future<Output = Option<Credentials>> + Send + 'a>>;

/// Fetches secrets when a server asks for one that no account has: from a vault, a person, an authorization server.
///
/// The challenged call or registration waits for it, at most 30 s; `None` lets it fail with the 401 or 407. Several may be
/// asked for at a time. Functions that give such a future are providers too:
///
/// ```
/// use voip::{Config, Credentials, CredentialsWanted};
///
/// let config = Config::default().credential_provider(|wanted: CredentialsWanted| async move {
///     (wanted.realm.as_str() == "example.com").then(|| Credentials::new(wanted.user, "secret"))
/// });
/// ```
pub trait CredentialProvider: Send + Sync {
    /// The secret for this user at this server; `None`: there is none.
    fn credentials(&self, wanted: CredentialsWanted) -> Secret<'_>;
}

impl<F, S> CredentialProvider for F
where
    F: Fn(CredentialsWanted) -> S + Send + Sync,
    S: Future<Output = Option<Credentials>> + Send + 'static,
{
    fn credentials(&self, wanted: CredentialsWanted) -> Secret<'_> {
        Box::pin(self(wanted))
    }
}

impl fmt::Debug for dyn CredentialProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialProvider")
    }
}

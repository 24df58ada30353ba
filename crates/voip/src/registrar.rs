//! A registrar and proxy for development and tests, on the sockets and certificates of a [`Config`].

use sip_ua::registrar;

use crate::config::{Config, Listen};
use crate::driver;
use crate::endpoint::open_transports;
use crate::error::BindError;

/// A running registrar and proxy: digest, a location table in memory, Record-Route, forking. Dropping it ends it.
///
/// For development and tests; see [`sip_ua::registrar`] for what it does and does not do.
#[derive(Debug)]
pub struct Registrar {
    addresses: Vec<Listen>,
    events: sip_ua::driver::RegistrarEvents,
}

impl Registrar {
    /// Opens the sockets and serves `domain` to users with their passwords.
    ///
    /// # Errors
    /// As [`Endpoint::bind`](crate::Endpoint::bind).
    pub async fn bind(
        config: &Config,
        domain: &str,
        users: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, BindError> {
        Self::bind_tuned(config, domain, users, |settings| settings).await
    }

    /// The same with other settings: the times it grants, how long it lets phones ring, how many bindings a user may have.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub async fn bind_tuned(
        config: &Config,
        domain: &str,
        users: impl IntoIterator<Item = (String, String)>,
        tune: impl FnOnce(registrar::Config) -> registrar::Config,
    ) -> Result<Self, BindError> {
        let (transports, transactions, addresses) = open_transports(config).await?;
        let settings = users
            .into_iter()
            .fold(registrar::Config::new(transactions, domain), |settings, (name, password)| {
                settings.user(name, password)
            });
        let core = registrar::Registrar::new(
            driver::now(),
            tune(settings),
            driver::seed().map_err(BindError::Random)?,
        );
        Ok(Self { addresses, events: sip_ua::driver::start_registrar(core, transports) })
    }

    /// Where it listens: the ports are those that were bound.
    #[must_use]
    pub fn local_addresses(&self) -> &[Listen] {
        &self.addresses
    }

    /// The next thing that happens there; `None` when it has ended. Cancel safe; events that nobody takes are lost.
    pub async fn next(&mut self) -> Option<registrar::Event> {
        self.events.next().await
    }
}

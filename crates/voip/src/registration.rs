//! A registration that is kept fresh as long as its handle lives.

use std::time::Duration;

use sip_msg::{Contact, ContactAddress, StatusCode, Text, Uri};
use sip_ua::{Grant, RegistrationId, RegistrationStatus};
use tokio::sync::watch;

use crate::endpoint::Shared;
use crate::error::{RegisterError, RequestError};

/// What happened to a registration last; [`RegistrationStatus`] says in a word how it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RegistrationState {
    /// The first REGISTER is on its way.
    Registering,
    /// The registrar knows where we are.
    Registered {
        /// For how long; it is refreshed after nine tenths of that.
        expires: Duration,
        /// Our Contact, as the registrar holds it.
        contact: Uri,
    },
    /// The last attempt failed.
    Failed {
        /// What the registrar answered; `None` when nobody did.
        status: Option<StatusCode>,
        /// One line for a person.
        reason: Text,
        /// When the next attempt is made; `None`: never, somebody has to change something first.
        will_retry_in: Option<Duration>,
    },
    /// The binding is gone.
    Unregistered,
}

/// What the router tells of a registration.
#[derive(Debug)]
pub(crate) struct News {
    state: RegistrationState,
    /// Counts what happened, since the same may happen again.
    number: u64,
    status: RegistrationStatus,
}

impl News {
    pub(crate) fn new() -> Self {
        Self { state: RegistrationState::Registering, number: 0, status: RegistrationStatus::Registering }
    }

    pub(crate) fn happened(&mut self, state: RegistrationState) {
        self.state = state;
        self.number = self.number.wrapping_add(1);
    }

    pub(crate) fn stands(&mut self, status: RegistrationStatus) {
        self.status = status;
    }
}

/// Keeps us reachable: refreshed at nine tenths of the time the registrar grants, tried again after failures that can
/// pass. Dropping it unregisters.
#[derive(Debug)]
pub struct Registration {
    shared: Shared,
    id: RegistrationId,
    news: watch::Receiver<News>,
    /// The number of what was told last.
    told: u64,
    done: bool,
}

/// How a registration stands, watched from anywhere: [`Registration::watch`].
#[derive(Clone, Debug)]
pub struct StatusWatch {
    news: watch::Receiver<News>,
    told: RegistrationStatus,
}

impl StatusWatch {
    /// How it stands now.
    #[must_use]
    pub fn status(&self) -> RegistrationStatus {
        self.news.borrow().status
    }

    /// Waits until it stands otherwise than it did when this was last asked, and says how.
    ///
    /// Cancel safe. `None` when the registration is gone.
    pub async fn changed(&mut self) -> Option<RegistrationStatus> {
        let told = self.told;
        self.told = self.news.wait_for(|news| news.status != told).await.ok()?.status;
        Some(self.told)
    }

    /// Waits until it stands like this. Cancel safe; `false` when the registration is gone.
    pub async fn wait_for(&mut self, status: RegistrationStatus) -> bool {
        let stands = self.news.wait_for(|news| news.status == status).await.is_ok();
        self.told = if stands { status } else { self.told };
        stands
    }
}

impl Registration {
    pub(crate) fn new(shared: Shared, id: RegistrationId, news: watch::Receiver<News>) -> Self {
        Self { shared, id, news, told: 0, done: false }
    }

    /// What happened last.
    #[must_use]
    pub fn state(&self) -> RegistrationState {
        self.news.borrow().state.clone()
    }

    /// Waits until something happens, and says what. A refresh counts, and each failed attempt.
    ///
    /// Cancel safe. `None` when the endpoint was shut down.
    pub async fn changed(&mut self) -> Option<RegistrationState> {
        let told = self.told;
        let news = self.news.wait_for(|news| news.number != told).await.ok()?;
        self.told = news.number;
        Some(news.state.clone())
    }

    /// How it stands now.
    #[must_use]
    pub fn status(&self) -> RegistrationStatus {
        self.news.borrow().status
    }

    /// Watches how it stands, from as many places as want to.
    #[must_use]
    pub fn watch(&self) -> StatusWatch {
        StatusWatch { news: self.news.clone(), told: self.status() }
    }

    /// Waits for the outcome of the first attempt.
    pub(crate) async fn first(&mut self) -> Result<(), RegisterError> {
        match self.changed().await {
            Some(RegistrationState::Failed { status, reason, .. }) => {
                Err(RegisterError::Failed { status, reason })
            }
            Some(_) => Ok(()),
            None => Err(RegisterError::ShutDown),
        }
    }

    /// What the registrar granted last: Contact, time, GRUUs, service route. `None` before it has granted anything.
    pub async fn grant(&self) -> Option<Grant> {
        let id = self.id;
        self.shared.run(move |agent, _| agent.granted(id).cloned()).await?
    }

    /// Asks the registrar for all bindings of the account, ours and those of other devices ([RFC 3261 §10.2.3]).
    ///
    /// [RFC 3261 §10.2.3]: https://www.rfc-editor.org/rfc/rfc3261#section-10.2.3
    ///
    /// # Errors
    /// [`RegisterError::Failed`] when it refuses, or does not answer within 32 s.
    pub async fn bindings(&self) -> Result<Vec<ContactAddress>, RegisterError> {
        let id = self.id;
        let response = self.shared.ask(move |agent, now| agent.fetch_bindings(now, id)).await?;
        if !response.status().is_success() {
            let (status, reason) = (Some(response.status()), response.reason().clone());
            return Err(RegisterError::Failed { status, reason });
        }
        let contacts = response.headers().all::<Contact>().flatten();
        Ok(contacts.filter_map(|contact| contact.address().cloned()).collect())
    }

    /// Refreshes now.
    ///
    /// # Errors
    /// [`RegisterError::ShutDown`] when the endpoint is gone.
    pub async fn refresh(&self) -> Result<(), RegisterError> {
        let id = self.id;
        let refreshed = self.shared.run(move |agent, now| agent.refresh(now, id)).await;
        Ok(refreshed.ok_or(RegisterError::ShutDown)??)
    }

    /// Takes the binding off the registrar, and waits until that is done or given up.
    ///
    /// # Errors
    /// [`RegisterError::ShutDown`] when the endpoint is gone already.
    pub async fn unregister(self) -> Result<(), RegisterError> {
        self.leave(false).await
    }

    /// The same with all bindings of the account, those of other devices too (`Contact: *`).
    ///
    /// # Errors
    /// As [`unregister`](Self::unregister).
    pub async fn unregister_all(self) -> Result<(), RegisterError> {
        self.leave(true).await
    }

    async fn leave(mut self, all: bool) -> Result<(), RegisterError> {
        self.done = true;
        let id = self.id;
        self.shared
            .run(
                move |agent, now| if all { agent.unregister_all(now, id) } else { agent.unregister(now, id) },
            )
            .await
            .ok_or(RegisterError::ShutDown)??;
        let gone = |news: &News| matches!(news.state, RegistrationState::Unregistered);
        self.news.wait_for(gone).await.map(drop).map_err(|_| RegisterError::ShutDown)
    }

    /// Its name, for what goes through it: [`Dial::through`](crate::Dial::through).
    #[must_use]
    pub fn id(&self) -> RegistrationId {
        self.id
    }
}

impl From<RequestError> for RegisterError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Command(error) => Self::Command(error),
            RequestError::ShutDown => Self::ShutDown,
            RequestError::Target(_) | RequestError::NoAnswer(_) => {
                Self::Failed { status: None, reason: error.to_string().into() }
            }
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if !self.done {
            let id = self.id;
            // The agent may have ended already.
            let _ = self.shared.agent.send(move |agent, now| drop(agent.unregister(now, id)));
        }
    }
}

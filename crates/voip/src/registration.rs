//! A registration that is kept fresh as long as its handle lives.

use std::time::Duration;

use sip_msg::{StatusCode, Text, Uri};
use sip_ua::RegistrationId;
use tokio::sync::watch;

use crate::endpoint::Shared;
use crate::error::RegisterError;

/// How a registration stands.
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

/// Keeps us reachable: refreshed at nine tenths of the time the registrar grants, tried again after failures that can
/// pass. Dropping it unregisters.
#[derive(Debug)]
pub struct Registration {
    shared: Shared,
    id: RegistrationId,
    state: watch::Receiver<RegistrationState>,
    done: bool,
}

impl Registration {
    pub(crate) fn new(shared: Shared, id: RegistrationId, state: watch::Receiver<RegistrationState>) -> Self {
        Self { shared, id, state, done: false }
    }

    /// How it stands now.
    #[must_use]
    pub fn state(&self) -> RegistrationState {
        self.state.borrow().clone()
    }

    /// Waits until it stands otherwise, and says how. A refresh counts as a change.
    ///
    /// Cancel safe. `None` when the endpoint was shut down.
    pub async fn changed(&mut self) -> Option<RegistrationState> {
        self.state.changed().await.ok()?;
        Some(self.state.borrow_and_update().clone())
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

    /// Takes the binding off the registrar, and waits until that is done or given up.
    ///
    /// # Errors
    /// [`RegisterError::ShutDown`] when the endpoint is gone already.
    pub async fn unregister(mut self) -> Result<(), RegisterError> {
        self.done = true;
        let id = self.id;
        self.shared
            .run(move |agent, now| agent.unregister(now, id))
            .await
            .ok_or(RegisterError::ShutDown)??;
        let gone = |state: &RegistrationState| matches!(state, RegistrationState::Unregistered);
        self.state.wait_for(gone).await.map(drop).map_err(|_| RegisterError::ShutDown)
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

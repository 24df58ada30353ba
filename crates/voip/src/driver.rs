//! The task that takes the agent's events to the call, registration or request they belong to.

#![expect(clippy::disallowed_methods, reason = "a driver spawns tasks and reads the clock")]

use std::collections::HashMap;
use std::fmt::Display;
use std::ops::ControlFlow;
use std::sync::{Arc, Weak};
use std::time::Instant;

use media::driver::MediaHandle;
use sip_msg::{CallId, Response, StatusCode};
use sip_txn::Ending;
use sip_ua::auth::CredentialsWanted;
use sip_ua::driver::EventReceiver;
use sip_ua::{DialogId, Event, RegistrationId, RequestId, SubscriptionId, TransferError};
use tokio::sync::{mpsc, oneshot, watch};

use crate::call::{Ended, IncomingCall, Link};
use crate::credentials::CredentialProvider;
use crate::endpoint::Handles;
use crate::message::IncomingMessage;
use crate::registration::{News, RegistrationState};

/// Events of a call that may wait for the application before the call is ended: it is not listening.
pub(crate) const CALL_EVENTS: usize = 64;

/// What a command leaves with the router, in the agent's own task, before the agent can say anything about it.
pub(crate) enum Route {
    Call {
        dialog: DialogId,
        link: CallLink,
    },
    Media {
        dialog: DialogId,
        media: MediaHandle,
    },
    Registration {
        id: RegistrationId,
        news: watch::Sender<News>,
    },
    Request {
        id: RequestId,
        answer: oneshot::Sender<Result<Response, Ending>>,
    },
    Transfer {
        dialog: DialogId,
        outcome: oneshot::Sender<Result<StatusCode, TransferError>>,
    },
    Referral {
        id: SubscriptionId,
        outcome: oneshot::Sender<Result<StatusCode, TransferError>>,
    },
    /// No event is wanted any more: ends the router, and with it the agent.
    ShutDown,
}

/// Where the events of one call go.
pub(crate) struct CallLink {
    /// In boxes: a channel has room for some dozens at once, in each call.
    pub(crate) events: mpsc::Sender<Box<Event>>,
    pub(crate) ended: watch::Sender<Option<Ended>>,
    pub(crate) media: Option<MediaHandle>,
}

pub(crate) struct Router {
    shared: Weak<Handles>,
    incoming: mpsc::Sender<IncomingCall>,
    messages: mpsc::Sender<IncomingMessage>,
    provider: Option<Arc<dyn CredentialProvider>>,
    calls: HashMap<DialogId, CallLink>,
    registrations: HashMap<RegistrationId, watch::Sender<News>>,
    requests: HashMap<RequestId, oneshot::Sender<Result<Response, Ending>>>,
    transfers: HashMap<DialogId, oneshot::Sender<Result<StatusCode, TransferError>>>,
    referrals: HashMap<SubscriptionId, oneshot::Sender<Result<StatusCode, TransferError>>>,
}

impl Router {
    pub(crate) fn start(
        shared: Weak<Handles>,
        incoming: mpsc::Sender<IncomingCall>,
        messages: mpsc::Sender<IncomingMessage>,
        provider: Option<Arc<dyn CredentialProvider>>,
        mut routes: mpsc::UnboundedReceiver<Route>,
        mut events: EventReceiver,
    ) {
        let mut router = Self {
            shared,
            incoming,
            messages,
            provider,
            calls: HashMap::new(),
            registrations: HashMap::new(),
            requests: HashMap::new(),
            transfers: HashMap::new(),
            referrals: HashMap::new(),
        };
        tokio::spawn(async move {
            loop {
                // A route is always sent before the first event about it, so reading routes first never misses one.
                tokio::select! {
                    biased;
                    Some(route) = routes.recv() => {
                        if router.add(route).is_break() {
                            break;
                        }
                    }
                    event = events.next() => match event {
                        Some(event) => router.event(event),
                        None => break,
                    },
                }
            }
        });
    }

    fn add(&mut self, route: Route) -> ControlFlow<()> {
        match route {
            Route::Call { dialog, link } => {
                self.calls.insert(dialog, link);
            }
            Route::Media { dialog, media } => match self.calls.get_mut(&dialog) {
                Some(link) => link.media = Some(media),
                None => media.close(),
            },
            Route::Registration { id, news } => {
                self.registrations.insert(id, news);
            }
            Route::Request { id, answer } => {
                self.requests.insert(id, answer);
            }
            Route::Transfer { dialog, outcome } => {
                self.transfers.insert(dialog, outcome);
            }
            Route::Referral { id, outcome } => {
                self.referrals.insert(id, outcome);
            }
            Route::ShutDown => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Incoming { dialog, flow, request, .. } => {
                // The last handle was dropped a moment ago: the agent ends, and the caller hears nothing.
                let Some(shared) = self.shared.upgrade() else { return };
                let (sender, events) = mpsc::channel(CALL_EVENTS);
                let (ended, ending) = watch::channel(None);
                self.calls.insert(dialog, CallLink { events: sender, ended, media: None });
                let call_id =
                    request.headers().get::<CallId>().ok().flatten().map(|id| id.0).unwrap_or_default();
                let link = Link::new(shared, dialog, call_id, events, ending);
                let call = IncomingCall::new(link, request, flow.remote);
                if let Err(refused) = self.incoming.try_send(call) {
                    refused.into_inner().refuse(StatusCode::BUSY_HERE);
                }
            }
            Event::Ended { dialog, by, status, reason, response, cause } => {
                if let Some(link) = self.calls.remove(&dialog) {
                    if let Some(media) = link.media {
                        media.close();
                    }
                    link.ended.send_replace(Some(Ended { by, status, reason, response, cause }));
                }
            }
            Event::Registered { id, expires, contact } => {
                self.registration(id, RegistrationState::Registered { expires, contact });
            }
            Event::RegistrationFailed { id, status, reason, will_retry_in } => {
                self.registration(id, RegistrationState::Failed { status, reason, will_retry_in });
            }
            Event::RegistrationChanged { id, status } => {
                if let Some(sender) = self.registrations.get(&id) {
                    sender.send_modify(|news| news.stands(status));
                }
            }
            Event::CredentialsWanted(wanted) => self.fetch_credentials(wanted),
            Event::Unregistered { id } => {
                self.registration(id, RegistrationState::Unregistered);
                self.registrations.remove(&id);
            }
            Event::Response { id, result } => {
                if let Some(answer) = self.requests.remove(&id) {
                    // Nobody waits any more: the caller dropped the future.
                    let _ = answer.send(result);
                }
            }
            Event::OutOfDialog { id, dialog: Some(dialog), .. } => {
                if let Some(shared) = self.shared.upgrade() {
                    let _ = shared.agent.send(move |agent, now| drop(agent.respond(now, id, StatusCode::OK)));
                }
                self.tell(dialog, event);
            }
            // A call of its own would want media of its own.
            Event::Forked { fork, .. } => {
                if let Some(shared) = self.shared.upgrade() {
                    shared.abandon(fork);
                }
            }
            Event::OutOfDialog { id, dialog: None, request, .. } => {
                let Some(shared) = self.shared.upgrade() else { return };
                // One that does not fit is dropped, which refuses it.
                let _ = self.messages.try_send(IncomingMessage::new(shared, id, request));
            }
            Event::Transferred { dialog, result } => {
                if let Some(outcome) = self.transfers.remove(&dialog) {
                    // Nobody waits any more: the future was dropped.
                    let _ = outcome.send(result);
                }
            }
            Event::Referred { id, result } => {
                if let Some(outcome) = self.referrals.remove(&id) {
                    // Nobody waits any more: the future was dropped.
                    let _ = outcome.send(result);
                }
            }
            Event::TurnedAway { flow, why, more } => {
                tracing::warn!(from = %flow.remote, %why, more, "a call was turned away");
            }
            // Nobody outside of a call may tell us whom to call.
            Event::Refer { dialog: None, refer } => {
                if let Some(shared) = self.shared.upgrade() {
                    let id = refer.id;
                    let _ = shared
                        .agent
                        .send(move |agent, now| drop(agent.refuse_refer(now, id, StatusCode::DECLINE)));
                }
            }
            event @ (Event::Trying { .. }
            | Event::Ringing { .. }
            | Event::Answered { .. }
            | Event::Confirmed { .. }
            | Event::MediaChanged { .. }
            | Event::ChangeFailed { .. }
            | Event::Info { .. }
            | _) => self.call_event(event),
        }
    }

    fn call_event(&mut self, event: Event) {
        if let Some(dialog) = event.dialog() {
            self.tell(dialog, event);
        }
    }

    fn tell(&mut self, dialog: DialogId, event: Event) {
        let Some(link) = self.calls.get(&dialog) else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = link.events.try_send(Box::new(event)) {
            tracing::warn!(%dialog, "the application does not read the events of this call: hanging up");
            if let Some(shared) = self.shared.upgrade() {
                shared.abandon(dialog);
            }
        }
    }

    /// Asks the application, which may take its time.
    fn fetch_credentials(&self, wanted: CredentialsWanted) {
        let (shared, provider) = (self.shared.clone(), self.provider.clone());
        let id = wanted.id;
        tokio::spawn(async move {
            let credentials = match provider {
                Some(provider) => provider.credentials(wanted).await,
                None => None,
            };
            if let Some(shared) = shared.upgrade() {
                // Too late an answer is for nobody.
                let _ = shared.agent.send(move |agent, now| drop(agent.provide(now, id, credentials)));
            }
        });
    }

    fn registration(&mut self, id: RegistrationId, state: RegistrationState) {
        if let Some(sender) = self.registrations.get(&id) {
            sender.send_modify(|news| news.happened(state));
        }
    }
}

/// Runs a handler in a task of its own.
pub(crate) fn spawn_logged<E: Display>(handler: impl Future<Output = Result<(), E>> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(error) = handler.await {
            tracing::warn!(%error, "a call was not handled to its end");
        }
    });
}

/// The clock of the media sessions.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A seed for the random values of the protocol cores.
pub(crate) fn seed() -> Result<[u8; 32], getrandom::Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(seed)
}

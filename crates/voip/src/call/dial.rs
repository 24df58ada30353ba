//! Placing a call.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use media::driver::MediaHandle;
use sip_msg::{Class, HeaderName, Message, Response, StatusCode, Text, Uri};
use sip_ua::{Event, Invite, ReferRequest, RegistrationId};
use tokio::sync::{mpsc, watch};

use super::{Call, CallMedia, Ended, Link};
use crate::account::Account;
use crate::driver::{CALL_EVENTS, CallLink, Route};
use crate::endpoint::{Shared, resolve};
use crate::error::CallError;

/// A call about to be placed, from [`Endpoint::dial`](crate::Endpoint::dial).
///
/// Awaiting it places the call and waits until it is answered; dropping that future gives up (CANCEL). To watch it ring,
/// [`start`](Self::start) it.
#[derive(Debug)]
#[must_use = "nobody is called before this is awaited or started"]
pub struct Dial {
    shared: Shared,
    target: Target,
    account: Option<Account>,
    registration: Option<RegistrationId>,
    headers: Vec<(HeaderName, Text)>,
    ring_timeout: Option<Duration>,
    tune: Option<Tune>,
}

/// Whom to call.
#[derive(Debug)]
enum Target {
    Text(String),
    /// Whom somebody else asks us to call.
    Refer(Box<ReferRequest>),
}

type TuneInvite = Box<dyn FnOnce(Invite) -> Invite + Send>;

/// Settings that this crate does not name.
struct Tune(TuneInvite);

impl fmt::Debug for Tune {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tune")
    }
}

impl Dial {
    pub(crate) fn new(shared: Shared, target: &str) -> Self {
        Self::to(shared, Target::Text(target.into()))
    }

    pub(crate) fn of_refer(shared: Shared, refer: Box<ReferRequest>) -> Self {
        Self::to(shared, Target::Refer(refer))
    }

    fn to(shared: Shared, target: Target) -> Self {
        let headers = shared.headers().to_vec();
        Self { shared, target, account: None, registration: None, headers, ring_timeout: None, tune: None }
    }

    /// Who calls: what From says, the password for challenges, the proxies on the way. Anonymous without it.
    pub fn from(mut self, account: &Account) -> Self {
        self.account = Some(account.clone());
        self
    }

    /// Goes the way that the registrar told a [registration](crate::Registration::id) (Service-Route), with its GRUU or
    /// registered address as Contact.
    pub fn through(mut self, registration: RegistrationId) -> Self {
        self.registration = Some(registration);
        self
    }

    /// One more header on the INVITE.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Gives up (CANCEL) when nobody has answered by then.
    pub fn ring_timeout(mut self, timeout: Duration) -> Self {
        self.ring_timeout = Some(timeout);
        self
    }

    /// Changes what is not named here: reliable provisional responses, session timer, redirections, late offer …
    ///
    /// ```no_run
    /// # async fn example(endpoint: voip::Endpoint) -> Result<(), voip::CallError> {
    /// let call = endpoint.dial("sip:bob@example.com").tune(|invite| invite.late_offer()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn tune(mut self, tune: impl FnOnce(Invite) -> Invite + Send + 'static) -> Self {
        self.tune = Some(Tune(Box::new(tune)));
        self
    }

    /// Sends the INVITE.
    ///
    /// # Errors
    /// [`CallError::Target`] for a target that is no URI, [`CallError::Media`] when there is no port for media.
    pub async fn start(self) -> Result<OutgoingCall, CallError> {
        let account = self.account.as_ref();
        let from = account.map_or_else(|| self.shared.anonymous(), Account::from);
        let invite = match &self.target {
            Target::Text(target) => Invite::new(from, resolve(target, account)?),
            Target::Refer(refer) => Invite::from_refer(from, refer),
        };
        let route = account.map(Account::route).unwrap_or_default();
        let peer = self.shared.peer_address(route.first().unwrap_or(&invite.target)).await;
        let (plan, media) = self.shared.open_media(peer).await?;
        let mut invite = match self.registration {
            Some(registration) => invite.account(registration),
            None => invite.route(route),
        };
        invite.credentials = account.and_then(Account::credentials);
        invite.headers.extend(self.headers);
        invite.ring_timeout = self.ring_timeout;
        if let Some(Tune(tune)) = self.tune {
            invite = tune(invite);
        }
        let (sender, events) = mpsc::channel(CALL_EVENTS);
        let (ended_sender, ended) = watch::channel(None);
        let link = CallLink { events: sender, ended: ended_sender, media: Some(media.handle.clone()) };
        let routes = self.shared.routes.clone();
        let (dialog, call_id) = self
            .shared
            .run(move |agent, now| {
                let dialog = agent.invite(now, invite, plan)?;
                // The router only ends with the endpoint; then nobody listens anyway.
                let _ = routes.send(Route::Call { dialog, link });
                let call_id = agent.call_id(dialog).unwrap_or_default();
                Ok((dialog, call_id))
            })
            .await
            .ok_or(CallError::ShutDown)?
            .map_err(CallError::Command)?;
        let link = Link::new(self.shared, dialog, call_id, events, ended);
        Ok(OutgoingCall { link, media, answer: None })
    }
}

impl IntoFuture for Dial {
    type Output = Result<Call, CallError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async { self.start().await?.answered().await })
    }
}

/// A call that was placed and is not answered yet. Dropping it cancels it.
#[derive(Debug)]
pub struct OutgoingCall {
    link: Link,
    media: CallMedia,
    answer: Option<Response>,
}

/// How far a call has come.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Progress {
    /// The next server works on it (100).
    Trying,
    /// It rings, or is forwarded, queued …
    Ringing {
        /// The provisional response.
        response: Response,
        /// There is something to hear already.
        early_media: bool,
    },
    /// The call goes to another address now.
    Redirected {
        /// Which one.
        to: Uri,
        /// What the address before answered; `None` when it did not.
        status: Option<StatusCode>,
    },
}

impl OutgoingCall {
    /// The Call-ID.
    #[must_use]
    pub fn call_id(&self) -> &str {
        &self.link.call_id
    }

    /// The media session: what is heard before the answer.
    #[must_use]
    pub fn media(&self) -> &MediaHandle {
        &self.media.handle
    }

    /// Waits for the next step; `None` when the call was answered or has failed, which [`answered`](Self::answered)
    /// tells. Cancel safe.
    pub async fn progress(&mut self) -> Option<Progress> {
        while self.answer.is_none() {
            let event = *self.link.events.recv().await?;
            if let Event::Trying { .. } = event {
                return Some(Progress::Trying);
            } else if let Event::Ringing { response, early_media, .. } = event {
                return Some(Progress::Ringing { response, early_media });
            } else if let Event::Redirected { to, status, .. } = event {
                return Some(Progress::Redirected { to, status });
            } else if let Event::Answered { response, .. } = event {
                self.answer = Some(response);
            }
        }
        None
    }

    /// How the call ended, if it has: what there is to report before [`answered`](Self::answered) makes an error of it.
    #[must_use]
    pub fn end(&self) -> Option<Ended> {
        self.link.ended.borrow().clone()
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// [`CallError::Rejected`] when the other side says no, [`CallError::Ended`] when nobody answered.
    pub async fn answered(mut self) -> Result<Call, CallError> {
        while self.progress().await.is_some() {}
        match self.answer.take() {
            Some(answer) => Ok(Call::new(self.link, self.media, Message::Response(answer))),
            None => Err(failure(self.link.ended().await?)),
        }
    }

    /// Gives up and waits until that is settled.
    ///
    /// # Errors
    /// [`CallError::ShutDown`] when the endpoint is gone.
    pub async fn cancel(self) -> Result<Ended, CallError> {
        self.link.hang_up().await
    }
}

/// A call that was refused is an error that says so; any other end is just the end.
fn failure(ended: Ended) -> CallError {
    match &ended.response {
        Some(response) if response.class() == Class::Failure => CallError::rejected(response),
        Some(_) | None => CallError::Ended(Box::new(ended)),
    }
}

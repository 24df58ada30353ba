//! Being called.

use std::net::SocketAddr;

use media::driver::MediaHandle;
use sip_msg::{CallerId, From, Message, Request, StatusCode, To, TypedHeader, Uri};
use sip_ua::identity::CallerIdentity;
use sip_ua::{Claims, Reply, Ring};

use super::{Call, CallMedia, Ended, Link};
use crate::driver::Route;
use crate::error::CallError;

/// Somebody calls. Dropping it refuses the call with 480 Temporarily Unavailable.
#[derive(Debug)]
pub struct IncomingCall {
    link: Link,
    request: Request,
    source: SocketAddr,
    /// Once something was to be heard before the answer.
    media: Option<CallMedia>,
}

impl IncomingCall {
    pub(crate) fn new(link: Link, request: Request, source: SocketAddr) -> Self {
        Self { link, request, source, media: None }
    }

    /// The INVITE. What it says of the caller is the caller's claim.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Who calls, as the From header claims.
    #[must_use]
    pub fn from(&self) -> Option<CallerId> {
        self.party::<From>()
    }

    /// Whom they call.
    #[must_use]
    pub fn to(&self) -> Option<CallerId> {
        self.party::<To>()
    }

    /// What the caller claims in headers of its own making: `X-Room-ID` and its like.
    #[must_use]
    pub fn claims(&self) -> Claims<'_> {
        Claims::of(self.request.headers())
    }

    /// Who calls, by the word of a network that the policy trusts, else by the caller's own ([RFC 3325]).
    ///
    /// [RFC 3325]: https://www.rfc-editor.org/rfc/rfc3325
    #[must_use]
    pub fn identity(&self) -> CallerIdentity {
        CallerIdentity::of(&self.request)
    }

    /// The user that has proven itself, where callers are [challenged](crate::Config::challenge).
    pub async fn authenticated(&self) -> Option<String> {
        let dialog = self.link.dialog;
        let user = self.link.shared.run(move |agent, _| agent.authenticated(dialog).cloned()).await;
        user.flatten().map(|user| user.as_str().to_owned())
    }

    /// From and To have been read before the call came here, so there is always one.
    fn party<H: TypedHeader>(&self) -> Option<CallerId>
    where
        for<'a> CallerId: std::convert::From<&'a H>,
    {
        self.request.headers().get::<H>().ok().flatten().map(|header| (&header).into())
    }

    /// The Call-ID.
    #[must_use]
    pub fn call_id(&self) -> &str {
        &self.link.call_id
    }

    /// Lets it ring at the caller's (180).
    ///
    /// # Errors
    /// [`CallError::Ended`] when the caller has given up, [`CallError::Media`] when there is no port for media.
    pub async fn ring(&mut self) -> Result<(), CallError> {
        self.ring_as(false).await
    }

    /// Lets it ring at the caller's (180), again and again until the caller confirms that it knows ([RFC 3262]); as
    /// [`ring`](Self::ring) where the caller does not know how.
    ///
    /// [RFC 3262]: https://www.rfc-editor.org/rfc/rfc3262
    ///
    /// # Errors
    /// [`CallError::Ended`] when the caller has given up, [`CallError::Media`] when there is no port for media.
    pub async fn ring_reliably(&mut self) -> Result<(), CallError> {
        self.ring_as(true).await
    }

    async fn ring_as(&mut self, reliably: bool) -> Result<(), CallError> {
        let dialog = self.link.dialog;
        let needs_plan = self
            .link
            .shared
            .run(move |agent, _| agent.ring_needs_plan(dialog, reliably && agent.takes_reliable(dialog)));
        // A caller that made no offer gets ours now, and so its media begins.
        if needs_plan.await.unwrap_or_default() {
            return self.open(StatusCode::RINGING, reliably).await.map(drop);
        }
        self.link
            .command(move |agent, now, dialog| {
                let ring = Ring::new(StatusCode::RINGING);
                let reliable = reliably && agent.takes_reliable(dialog);
                agent.ring(now, dialog, if reliable { ring.reliable() } else { ring })
            })
            .await
    }

    /// Opens the media before the answer (183): what is played to the handle the caller hears already, unless it chooses
    /// not to. With `reliably` the caller must confirm that it knows ([RFC 3262]), where it can.
    ///
    /// [RFC 3262]: https://www.rfc-editor.org/rfc/rfc3262
    ///
    /// # Errors
    /// [`CallError::Ended`] when the caller has given up, [`CallError::Command`] when media does not fit,
    /// [`CallError::Media`] when there is no port for media.
    pub async fn early_media(&mut self, reliably: bool) -> Result<MediaHandle, CallError> {
        match &self.media {
            Some(media) => Ok(media.handle.clone()),
            None => self.open(StatusCode::SESSION_PROGRESS, reliably).await,
        }
    }

    async fn open(&mut self, status: StatusCode, reliably: bool) -> Result<MediaHandle, CallError> {
        let (plan, media) = self.link.shared.open_media(Some(self.source)).await?;
        let (routes, handle) = (self.link.shared.routes.clone(), media.handle.clone());
        self.link
            .command(move |agent, now, dialog| {
                let _ = routes.send(Route::Media { dialog, media: handle });
                let ring = Ring::new(status).plan(plan);
                let reliable = reliably && agent.takes_reliable(dialog);
                agent.ring(now, dialog, if reliable { ring.reliable() } else { ring })
            })
            .await?;
        let handle = media.handle.clone();
        self.media = Some(media);
        Ok(handle)
    }

    /// Sends the caller elsewhere (302), to one of these addresses, the best first.
    ///
    /// # Errors
    /// [`CallError::Ended`] when the caller has given up.
    pub async fn redirect(self, contacts: impl IntoIterator<Item = Uri>) -> Result<Ended, CallError> {
        self.reject(contacts.into_iter().fold(Reply::new(StatusCode::MOVED_TEMPORARILY), Reply::contact))
            .await
    }

    /// Waits until the caller gives up.
    ///
    /// # Errors
    /// [`CallError::ShutDown`] when the endpoint is gone.
    pub async fn cancelled(&self) -> Result<Ended, CallError> {
        self.link.ended().await
    }

    /// Answers.
    ///
    /// # Errors
    /// [`CallError::Ended`] when the caller has given up, [`CallError::Command`] when media does not fit (the caller
    /// hears 488), [`CallError::Media`] when there is no port for media (the caller hears 503).
    pub async fn answer(self) -> Result<Call, CallError> {
        if let Some(media) = self.media {
            self.link.command(|agent, now, dialog| agent.accept(now, dialog, None)).await?;
            return Ok(Call::new(self.link, media, Message::Request(self.request)));
        }
        let (plan, media) = match self.link.shared.open_media(Some(self.source)).await {
            Ok(opened) => opened,
            Err(error) => {
                self.refuse(StatusCode::SERVICE_UNAVAILABLE);
                return Err(error.into());
            }
        };
        let (routes, handle) = (self.link.shared.routes.clone(), media.handle.clone());
        self.link
            .command(move |agent, now, dialog| {
                let _ = routes.send(Route::Media { dialog, media: handle });
                agent.accept(now, dialog, Some(plan))
            })
            .await?;
        Ok(Call::new(self.link, media, Message::Request(self.request)))
    }

    /// Refuses: with a status such as [`StatusCode::BUSY_HERE`], or a [`Reply`] that says more (a redirection, a header).
    ///
    /// # Errors
    /// [`CallError::Ended`] when the caller has given up.
    pub async fn reject(mut self, reply: impl Into<Reply>) -> Result<Ended, CallError> {
        self.link.live = false;
        let reply = reply.into();
        self.link.command(move |agent, now, dialog| agent.reject(now, dialog, reply)).await?;
        self.link.ended().await
    }

    /// Refuses without waiting.
    pub(crate) fn refuse(mut self, status: StatusCode) {
        self.link.live = false;
        self.link.shared.refuse(self.link.dialog, status);
    }
}

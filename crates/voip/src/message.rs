//! Text messages outside of calls ([RFC 3428]).
//!
//! [RFC 3428]: https://www.rfc-editor.org/rfc/rfc3428

use sip_msg::{CallerId, ContentType, From, Request, StatusCode, To};
use sip_ua::{IncomingRequestId, Reply};
use tokio::sync::mpsc;

use crate::endpoint::Shared;
use crate::error::RequestError;

/// The messages that come in, from [`Endpoint::messages`](crate::Endpoint::messages).
#[derive(Debug)]
pub struct Messages {
    messages: mpsc::Receiver<IncomingMessage>,
}

impl Messages {
    pub(crate) fn new(messages: mpsc::Receiver<IncomingMessage>) -> Self {
        Self { messages }
    }

    /// Waits for the next message; `None` after the endpoint was shut down. Cancel safe.
    pub async fn next(&mut self) -> Option<IncomingMessage> {
        self.messages.recv().await
    }
}

/// Somebody sent a message. Dropping it refuses it with 480 Temporarily Unavailable.
#[derive(Debug)]
#[must_use = "a message that is dropped is refused"]
pub struct IncomingMessage {
    shared: Shared,
    id: IncomingRequestId,
    request: Request,
    answered: bool,
}

impl IncomingMessage {
    pub(crate) fn new(shared: Shared, id: IncomingRequestId, request: Request) -> Self {
        Self { shared, id, request, answered: false }
    }

    /// The MESSAGE request. What it says of the sender is the sender's claim.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Who sent it, as the From header claims.
    #[must_use]
    pub fn from(&self) -> Option<CallerId> {
        self.request.headers().get::<From>().ok().flatten().map(|from| (&from).into())
    }

    /// Whom it is for.
    #[must_use]
    pub fn to(&self) -> Option<CallerId> {
        self.request.headers().get::<To>().ok().flatten().map(|to| (&to).into())
    }

    /// What kind of text it is: `text/plain`, for example.
    #[must_use]
    pub fn content_type(&self) -> Option<ContentType> {
        self.request.headers().get().ok().flatten()
    }

    /// What it says, if that is text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.request.body()).ok()
    }

    /// Takes it (200).
    ///
    /// # Errors
    /// [`RequestError::ShutDown`] when the endpoint is gone, [`RequestError::Command`] when the sender has given up.
    pub async fn accept(self) -> Result<(), RequestError> {
        self.answer(StatusCode::OK).await
    }

    /// Answers with another final status: 202, or a refusal.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub async fn answer(mut self, reply: impl Into<Reply>) -> Result<(), RequestError> {
        self.answered = true;
        let (id, reply) = (self.id, reply.into());
        let answered = self.shared.run(move |agent, now| agent.respond(now, id, reply)).await;
        Ok(answered.ok_or(RequestError::ShutDown)??)
    }
}

impl Drop for IncomingMessage {
    fn drop(&mut self) {
        if !self.answered {
            let (id, reply) = (self.id, Reply::new(StatusCode::TEMPORARILY_UNAVAILABLE));
            // The agent may have ended, and the sender given up.
            let _ = self.shared.agent.send(move |agent, now| drop(agent.respond(now, id, reply)));
        }
    }
}

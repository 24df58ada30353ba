//! Requests within a call: INFO, keys as INFO, session refreshes.

use std::time::{Duration, Instant};

use sip_msg::{Class, Response};
use sip_ua::{Agent, CommandError, DialogId, Event, InfoDtmf, RequestId, Side};
use tokio::sync::oneshot;

use super::{Call, dialog_event};
use crate::driver::Route;
use crate::error::CallError;

/// How long a key that is sent as INFO was pressed.
const PRESSED: Duration = Duration::from_millis(160);

impl Call {
    /// Sends an INFO request ([RFC 6086 §2]) and waits for its answer, whatever its status.
    ///
    /// [RFC 6086 §2]: https://www.rfc-editor.org/rfc/rfc6086#section-2
    ///
    /// # Errors
    /// [`CallError::NoAnswer`], or [`CallError::Ended`] when the call is over.
    pub async fn send_info(
        &self,
        content_type: &str,
        body: impl Into<Vec<u8>>,
    ) -> Result<Response, CallError> {
        let (content_type, body) = (content_type.to_owned(), body.into());
        self.request(move |agent, now, dialog| agent.info(now, dialog, content_type, body)).await
    }

    /// Sends a text message in the call ([RFC 3428]) and waits for its answer, whatever its status.
    ///
    /// [RFC 3428]: https://www.rfc-editor.org/rfc/rfc3428
    ///
    /// # Errors
    /// [`CallError::NoAnswer`], [`CallError::Command`] when it is too long, or [`CallError::Ended`] when the call is over.
    pub async fn send_message(&self, text: &str) -> Result<Response, CallError> {
        let text = text.as_bytes().to_vec();
        self.request(move |agent, now, dialog| agent.message(now, dialog, "text/plain;charset=UTF-8", text))
            .await
    }

    /// Presses keys as INFO requests (`application/dtmf-relay`), one after the other, each when the one before it was
    /// taken. The future does not borrow the call.
    ///
    /// # Errors
    /// [`CallError::Rejected`] when the other side takes no such keys, [`CallError::Command`] for a character that is no
    /// key, [`CallError::NoAnswer`], [`CallError::Ended`].
    pub fn dtmf_info(&self, digits: &str) -> impl Future<Output = Result<(), CallError>> + Send + use<> {
        let (remote, digits) = (self.link.remote(), digits.to_owned());
        async move {
            for digit in digits.chars() {
                let press = move |agent: &mut Agent, now, dialog| {
                    agent.dtmf(now, dialog, digit.to_ascii_uppercase(), PRESSED, InfoDtmf::default())
                };
                let response = remote.request(press).await?;
                if response.class() != Class::Success {
                    return Err(CallError::rejected(&response));
                }
            }
            Ok(())
        }
    }

    /// Asks the other side whether it is still there, and tells it where we are now: an UPDATE, or a re-INVITE where it
    /// takes none. What else happens meanwhile is kept for [`Call::next_event`].
    ///
    /// # Errors
    /// [`CallError::Rejected`] when it refuses: the call goes on. [`CallError::Ended`] when it is gone.
    pub async fn refresh(&mut self) -> Result<(), CallError> {
        self.link
            .command(|agent, now, dialog| match agent.update(now, dialog, None) {
                Err(CommandError::Misuse(_)) => agent.reoffer(now, dialog),
                outcome => outcome,
            })
            .await?;
        self.settle(|event| {
            matches!(
                event,
                Event::SessionRefreshed { by: Side::Local, .. } | Event::MediaChanged { by: Side::Local, .. }
            )
        })
        .await
    }

    /// Waits for this event, or for the news that what we wanted was refused.
    pub(super) async fn settle(&mut self, is_it: impl Fn(&Event) -> bool) -> Result<(), CallError> {
        while let Some(event) = self.link.events.recv().await {
            let event = *event;
            if let Event::ChangeFailed { status, .. } = event {
                return Err(CallError::Rejected {
                    status,
                    reason: status.reason().into(),
                    contacts: Vec::new(),
                });
            }
            let settled = is_it(&event);
            self.pending.extend(dialog_event(&self.link.shared, event));
            if settled {
                return Ok(());
            }
        }
        Err(self.link.over().await)
    }

    async fn request(
        &self,
        send: impl FnOnce(&mut Agent, Instant, DialogId) -> Result<RequestId, CommandError> + Send + 'static,
    ) -> Result<Response, CallError> {
        self.link.remote().request(send).await
    }
}

impl super::Remote {
    /// Sends a request of this call and waits for its final answer.
    pub(super) async fn request(
        &self,
        send: impl FnOnce(&mut Agent, Instant, DialogId) -> Result<RequestId, CommandError> + Send + 'static,
    ) -> Result<Response, CallError> {
        let (answer, answered) = oneshot::channel();
        let routes = self.shared.routes.clone();
        self.command(move |agent, now, dialog| {
            let id = send(agent, now, dialog)?;
            // The router only ends with the endpoint; then nobody listens anyway.
            let _ = routes.send(Route::Request { id, answer });
            Ok(())
        })
        .await?;
        answered.await.map_err(|_| CallError::ShutDown)?.map_err(CallError::NoAnswer)
    }
}

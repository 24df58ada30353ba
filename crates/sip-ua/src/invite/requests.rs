//! Requests of ours in the dialogs of a call: all but INVITE, ACK and BYE ([RFC 3261 §12.2.1]).
//!
//! [RFC 3261 §12.2.1]: https://www.rfc-editor.org/rfc/rfc3261#section-12.2.1

use std::time::Instant;

use sip_msg::{Method, Request, Response, StatusCode, Text};
use sip_txn::{ClientId, Ending};

use super::{InviteUsage, State, is_challenge, is_gone};
use crate::auth::Attempt;
use crate::context::{Context, News, Owner};
use crate::dialog::Dialog;
use crate::error::CommandError;
use crate::event::{Event, ReferId, RequestId};

/// What a request is for, and with it who takes its answer.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    /// The application's own: it hears of the answer as it is.
    Application(RequestId),
    /// A digit of the application's; the next one waits for its answer.
    Digit(RequestId),
    /// Confirms a reliable provisional response.
    Prack,
    /// A change of the session or its refresh, by UPDATE.
    Change,
    /// Asks the peer to call somebody else.
    Refer,
    /// Reports on what the peer asked for.
    Notify(ReferId),
}

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) struct InDialog {
    client: ClientId,
    /// Which of the call's dialogs: the peer's tag.
    remote_tag: Text,
    /// Kept for another try with credentials.
    request: Request,
    purpose: Purpose,
    attempt: Attempt,
}

impl InviteUsage {
    /// The dialog with this tag of the peer, early or confirmed; after the end the one that stood.
    pub(super) fn dialog_mut(&mut self, remote_tag: &str) -> Option<&mut Dialog> {
        let dialog = match &mut self.state {
            State::Calling(calling) => calling.early_of(remote_tag).map(|early| &mut early.dialog),
            State::Alerting(alerting) => Some(&mut alerting.dialog),
            State::Established(established) => Some(&mut established.dialog),
            State::Over(dialog) => dialog.as_deref_mut(),
        };
        dialog.filter(|dialog| dialog.remote_tag() == remote_tag)
    }

    /// A request in a dialog, with the next CSeq, our Contact, Supported and User-Agent;
    /// [`send_request`](Self::send_request) takes it.
    pub(super) fn request(&mut self, context: &Context, remote_tag: &str, method: Method) -> Option<Request> {
        let dialog = self.dialog_mut(remote_tag)?;
        let mut request = dialog.request(method);
        request.headers_mut().push(&dialog.contact_header());
        context.sign_in_call(&mut request);
        Some(request)
    }

    /// Sends a request that [`request`](Self::request) made.
    pub(super) fn send_request(
        &mut self,
        context: &mut Context,
        now: Instant,
        remote_tag: &str,
        request: Request,
        purpose: Purpose,
    ) -> Result<(), CommandError> {
        if self.requests.len() >= context.config.limits.requests_in_call {
            return Err(CommandError::Limit("requests in this call"));
        }
        let remote_tag = remote_tag.into();
        self.send_attempt(context, now, remote_tag, request, purpose, Attempt::default())
    }

    fn send_attempt(
        &mut self,
        context: &mut Context,
        now: Instant,
        remote_tag: Text,
        mut request: Request,
        purpose: Purpose,
        attempt: Attempt,
    ) -> Result<(), CommandError> {
        self.auth.authorize(&mut context.ids, &mut request);
        let owner = Owner::Call(self.id);
        let Some(dialog) = self.dialog_mut(&remote_tag) else { return Err(CommandError::Unknown) };
        let client = context.send_in(now, dialog, request.clone(), owner)?;
        self.requests.push(InDialog { client, remote_tag, request, purpose, attempt });
        Ok(())
    }

    /// A final answer, or none: a challenge is met with another try, all else goes to whom the request was for.
    pub(super) fn request_answered(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientId,
        result: Result<Response, Ending>,
    ) {
        let Some(at) = self.requests.iter().position(|request| request.client == client) else { return };
        let InDialog { remote_tag, mut request, purpose, mut attempt, .. } = self.requests.remove(at);
        let of_call = is_of_call(request.method());
        if let Ok(response) = &result {
            if is_challenge(response)
                && self.auth.challenged(context, response, &mut attempt).is_ok()
                && let Some(dialog) = self.dialog_mut(&remote_tag)
            {
                dialog.renumber(&mut request);
                // What cannot be sent again ends with the challenge, as it would without credentials.
                if self
                    .send_attempt(context, now, remote_tag.clone(), request, purpose.clone(), attempt)
                    .is_ok()
                {
                    return;
                }
            } else if response.status().is_success() {
                self.auth.succeeded(context, response);
            }
        }
        let gone = match &result {
            _ if !of_call => None,
            Ok(response) => is_gone(response.status()).then(|| response.status()),
            Err(Ending::TimedOut) => Some(StatusCode::REQUEST_TIMEOUT),
            Err(_) => None,
        };
        match purpose {
            Purpose::Application(id) => context.tell(Event::Response { id, result }),
            Purpose::Digit(id) => self.digit_answered(context, now, id, result),
            Purpose::Prack => return self.prack_answered(context, now, &remote_tag, &result),
            Purpose::Change => self.update_answered(context, now, &result),
            Purpose::Refer => self.refer_answered(context, now, &result),
            Purpose::Notify(id) => {
                if let Ok(response) = &result
                    && response.status().is_success()
                    && let Some(dialog) = self.dialog_mut(&remote_tag)
                {
                    dialog.refresh_target(response.headers());
                }
                context.news.push_back(News::Notified(id, result));
            }
        }
        // What a fork that lost no longer knows says nothing of the call that stands.
        if let (Some(status), State::Established(established)) = (gone, &self.state)
            && established.dialog.remote_tag() == &*remote_tag
        {
            self.break_off(context, now, Some(status), "the peer no longer knows the call");
        }
    }

    /// Requests without an answer end with the call.
    pub(super) fn fail_requests(&mut self, context: &mut Context) {
        self.fail_digits(context);
        for request in std::mem::take(&mut self.requests) {
            match request.purpose {
                Purpose::Application(id) | Purpose::Digit(id) => {
                    context.tell(Event::Response { id, result: Err(Ending::Normal) });
                }
                Purpose::Change | Purpose::Prack => {}
                // Subscriptions outlive the call (RFC 5057 §4.1).
                Purpose::Refer | Purpose::Notify(_) => self.requests.push(request),
            }
        }
    }
}

/// Whether a request belongs to the call and not to a subscription, or to nothing, in the same dialog: only then does the
/// call end with its 481, or without an answer ([RFC 5057 §5.3]).
///
/// [RFC 5057 §5.3]: https://www.rfc-editor.org/rfc/rfc5057#section-5.3
fn is_of_call(method: &Method) -> bool {
    matches!(*method, Method::UPDATE | Method::PRACK | Method::INFO)
}

//! How a call ends: BYE both ways, and the one word to the application ([RFC 3261 §15]).
//!
//! [RFC 3261 §15]: https://www.rfc-editor.org/rfc/rfc3261#section-15

use std::time::Instant;

use sip_msg::{Method, Request, Response, StatusCode, Text};
use sip_txn::ClientId;

use super::{Established, InviteUsage, State, is_challenge};
use crate::auth::{Attempt, Authenticator};
use crate::context::{Context, Owner};
use crate::dialog::{Dialog, DialogKey};
use crate::event::{Event, Side};

/// A BYE of ours that is not answered yet.
#[derive(Debug)]
pub(super) struct Bye {
    client: ClientId,
    pub(super) dialog: Dialog,
    attempt: Attempt,
    /// It ends the call, and not just a fork that nobody wanted.
    main: bool,
}

/// What to say to the application at the end.
#[derive(Debug)]
pub(super) struct Farewell {
    pub(super) by: Side,
    pub(super) status: Option<StatusCode>,
    pub(super) reason: Text,
}

impl Farewell {
    pub(super) fn local() -> Self {
        Self { by: Side::Local, status: None, reason: "hung up".into() }
    }
}

impl InviteUsage {
    /// Ends the standing dialog with a BYE.
    pub(super) fn leave(&mut self, context: &mut Context, now: Instant) {
        let state = std::mem::replace(&mut self.state, State::Over(None));
        match state {
            State::Established(established) => {
                self.fail_requests(context);
                let kept = self.outlives().then(|| Box::new(established.dialog.clone()));
                cancel_change(context, now, &established);
                self.bye(context, now, established.dialog, true);
                self.state = State::Over(kept);
            }
            State::Calling(_) | State::Alerting(_) | State::Over(_) => self.state = state,
        }
    }

    /// Ends the standing dialog because something broke: the application hears of it at once.
    pub(super) fn break_off(
        &mut self,
        context: &mut Context,
        now: Instant,
        status: Option<StatusCode>,
        reason: impl Into<Text>,
    ) {
        self.end(context, Farewell { by: Side::Error, status, reason: reason.into() }, None);
        self.leave(context, now);
    }

    pub(super) fn bye(&mut self, context: &mut Context, now: Instant, mut dialog: Dialog, main: bool) {
        let request = bye_request(&mut dialog, &mut self.auth, context);
        match context.send_in(now, &dialog, request, Owner::Call(self.id)) {
            Ok(client) => self.byes.push(Bye { client, dialog, attempt: Attempt::default(), main }),
            Err(_) if main => self.say_farewell(context),
            Err(_) => {}
        }
    }

    /// The BYE got its final response, or will get none: either way the dialog is gone ([RFC 3261 §15.1.1]).
    pub(super) fn bye_answered(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientId,
        response: Option<&Response>,
    ) {
        let Some(at) = self.byes.iter().position(|bye| bye.client == client) else { return };
        let mut bye = self.byes.remove(at);
        if let Some(response) = response
            && is_challenge(response)
            && self.auth.challenged(context, response, &mut bye.attempt).is_ok()
        {
            let request = bye_request(&mut bye.dialog, &mut self.auth, context);
            if let Ok(client) = context.send_in(now, &bye.dialog, request, Owner::Call(self.id)) {
                self.byes.push(Bye { client, ..bye });
                return;
            }
        }
        if bye.main {
            self.say_farewell(context);
        }
    }

    /// The peer said BYE.
    pub(super) fn hung_up(&mut self, context: &mut Context, now: Instant, key: &DialogKey) {
        let farewell = Farewell { by: Side::Remote, status: None, reason: "the peer hung up".into() };
        match std::mem::replace(&mut self.state, State::Over(None)) {
            State::Calling(mut calling) => {
                // A callee may not do this before it has answered; the fork is dead, the INVITE is not.
                calling.early_ended(&key.remote_tag);
                calling.forget_ended(&key.remote_tag);
                self.state = State::Calling(calling);
            }
            State::Alerting(alerting) => {
                alerting.respond(context, now, StatusCode::REQUEST_TERMINATED);
                self.state = State::Alerting(alerting);
                self.close_alerting(context, now);
                self.end(context, farewell, None);
            }
            State::Established(established) => {
                cancel_change(context, now, &established);
                self.state = State::Over(Some(Box::new(established.dialog)));
                self.fail_requests(context);
                self.end(context, farewell, None);
            }
            State::Over(dialog) => self.state = State::Over(dialog),
        }
    }

    /// Says once that the call is over.
    pub(super) fn end(&mut self, context: &mut Context, farewell: Farewell, response: Option<Response>) {
        if !std::mem::replace(&mut self.ended, true) {
            self.fail_requests(context);
            let Farewell { by, status, reason } = farewell;
            self.report_progress(context, match (status, by) {
                (Some(status), _) if status.class() == sip_msg::Class::Failure => status,
                (_, Side::Local) => StatusCode::REQUEST_TERMINATED,
                (_, Side::Remote | Side::Error) => StatusCode::SERVICE_UNAVAILABLE,
            });
            tracing::debug!(call = self.id.0, ?by, %reason, "a call has ended");
            context.tell(Event::Ended { dialog: self.id, by, status, reason, response });
        }
    }

    pub(super) fn say_farewell(&mut self, context: &mut Context) {
        let farewell = self.farewell.take().unwrap_or_else(Farewell::local);
        self.end(context, farewell, None);
    }
}

/// With the dialog goes our re-INVITE: a peer that has answered it provisionally owes it a final answer, and may forget
/// that ([RFC 3261 §15.1.2]).
///
/// [RFC 3261 §15.1.2]: https://www.rfc-editor.org/rfc/rfc3261#section-15.1.2
fn cancel_change(context: &mut Context, now: Instant, established: &Established) {
    if let Some(client) = established.reinvite() {
        context.layer.cancel(now, client);
    }
}

fn bye_request(dialog: &mut Dialog, auth: &mut Authenticator, context: &mut Context) -> Request {
    let mut request = dialog.request(Method::BYE);
    context.sign(&mut request);
    auth.authorize(&mut context.ids, &mut request);
    request
}

//! How a call ends: BYE both ways, and the one word to the application ([RFC 3261 §15]).
//!
//! [RFC 3261 §15]: https://www.rfc-editor.org/rfc/rfc3261#section-15

use std::time::Instant;

use sip_msg::{Method, Reason, Request, Response, StatusCode, Text};
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
            // RFC 3261 §15: a callee may not before its 2xx is acknowledged, or has timed out.
            State::Established(mut established) if established.awaits_first_ack() => {
                established.hang_up = true;
                self.state = State::Established(established);
            }
            State::Established(established) => {
                self.fail_requests(context);
                cancel_change(context, now, &established);
                self.bye(context, now, established.dialog, true);
                if self.outlives() {
                    let kept = self.byes.last().filter(|bye| bye.main).map(|bye| bye.dialog.clone());
                    self.state = State::Over(kept.map(Box::new));
                }
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
        let request = bye_request(&mut dialog, &mut self.auth, self.parting.as_deref(), context);
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
            // Reports may have gone out in the same dialog meanwhile, and more may follow.
            let mut kept = match &mut self.state {
                State::Over(Some(kept)) if kept.key() == bye.dialog.key() => Some(kept),
                State::Over(_) | State::Calling(_) | State::Alerting(_) | State::Established(_) => None,
            };
            bye.dialog.catch_up(kept.as_deref().map(|kept| &**kept));
            let request = bye_request(&mut bye.dialog, &mut self.auth, self.parting.as_deref(), context);
            if let Some(kept) = &mut kept {
                kept.catch_up(Some(&bye.dialog));
            }
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
            self.drop_waiting_transfer(context);
            self.fail_requests(context);
            let Farewell { by, status, reason } = farewell;
            self.report_progress(
                context,
                match (status, by) {
                    (Some(status), _) if status.class() == sip_msg::Class::Failure => status,
                    (_, Side::Local) => StatusCode::REQUEST_TERMINATED,
                    (_, Side::Remote | Side::Error) => StatusCode::SERVICE_UNAVAILABLE,
                },
            );
            tracing::debug!(call = self.id.0, ?by, %reason, "a call has ended");
            let said =
                response.as_ref().and_then(|refusal| refusal.headers().all::<Reason>().find_map(Result::ok));
            let cause = self.cause.take().or(said.map(Box::new));
            context.tell(Event::Ended { dialog: self.id, by, status, reason, cause, response });
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

fn bye_request(
    dialog: &mut Dialog,
    auth: &mut Authenticator,
    reason: Option<&Reason>,
    context: &mut Context,
) -> Request {
    let mut request = dialog.request(Method::BYE);
    if let Some(reason) = reason {
        request.headers_mut().push(reason);
    }
    context.sign_in_call(&mut request);
    auth.authorize(&mut context.ids, &mut request);
    request
}

#[cfg(test)]
mod tests {
    use sip_msg::{HeaderName, Message};

    use super::*;
    use crate::scripted::{Plan, Scripted, answer};

    fn elsewhere() -> Reason {
        let mut reason = Reason::new("SIP");
        reason.params.set("cause", "200");
        reason
    }

    fn cause(lab: &mut Scripted) -> Option<(Text, Option<u16>)> {
        match lab.event() {
            Some(Event::Ended { cause, .. }) => cause.map(|reason| (reason.protocol.clone(), reason.cause())),
            other => panic!("{other:?} is the end"),
        }
    }

    // rfc: 3326 §2 — Reason in the BYE and in the CANCEL, when there is one to give
    #[test]
    fn the_peer_is_told_why() {
        let mut lab = Scripted::new();
        let (id, _, _) = lab.call_up(Plan::default());
        lab.agent.hang_up_because(lab.now, id, elsewhere()).unwrap();
        let bye = lab.sent_request(&Method::BYE);
        assert_eq!(bye.headers().raw(HeaderName::REASON).unwrap(), b"SIP;cause=200");
        let (id, sent) = lab.call(Plan::default());
        lab.answer(&sent, 180, "peer");
        lab.agent.hang_up_because(lab.now, id, elsewhere()).unwrap();
        let cancel = lab.sent_request(&Method::CANCEL);
        assert_eq!(cancel.headers().raw(HeaderName::REASON).unwrap(), b"SIP;cause=200");
    }

    // rfc: 3326 §2 — the Reason of a BYE, a CANCEL or a refusal reaches the application
    #[test]
    fn the_application_is_told_why() {
        let mut lab = Scripted::new();
        let (_, accepted) = lab.called_up(Plan::default());
        let mut bye = lab.peer_request(Method::BYE, 11, Some(&Message::from(accepted)));
        bye.headers_mut().push_raw(HeaderName::REASON, "Q.850;cause=16;text=\"Terminated\"").unwrap();
        lab.receive(bye);
        assert_eq!(cause(&mut lab), Some(("Q.850".into(), Some(16))));

        let mut lab = Scripted::new();
        let (_, invite) = lab.called();
        let mut cancel = invite.to_bytes().to_vec();
        cancel.splice(..6, *b"CANCEL");
        let text = String::from_utf8(cancel).unwrap().replace("CSeq: 10 INVITE", "CSeq: 10 CANCEL");
        let head = text.split("Content-Type").next().unwrap();
        let head = head.replace("Content-Length", "X-Length");
        let cancel = format!(
            "{head}Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\nContent-Length: 0\r\n\r\n"
        );
        let cancel = Message::parse(cancel.into_bytes(), &sip_msg::Limits::default()).unwrap();
        lab.receive(cancel);
        assert_eq!(cause(&mut lab), Some(("SIP".into(), Some(200))));

        let mut lab = Scripted::new();
        let (_, sent) = lab.call(Plan::default());
        let mut refusal = answer(&sent, 480, "peer");
        refusal.headers_mut().push_raw(HeaderName::REASON, "Q.850;cause=19").unwrap();
        lab.receive(refusal);
        assert_eq!(cause(&mut lab), Some(("Q.850".into(), Some(19))));
    }
}

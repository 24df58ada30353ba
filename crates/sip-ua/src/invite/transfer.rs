//! Transfers that we ask the peer of a call for ([RFC 5589]): the REFER, and the reports on what came of it.
//!
//! ```text
//!  transfer() -> Settling --no INVITE in progress--> Asked --2xx--> Asked, answered --last report--> done
//!                                                      | refused, no answer                | Timer N, expiry
//!                                                      v                                   v
//!                                                 failed, the call stands            not reported
//! ```
//!
//! The subscription is a usage of the dialog besides the call and outlives its BYE ([RFC 5057 §4.1]): what becomes of the
//! transfer is told even when the peer has hung up meanwhile.
//!
//! [RFC 5589]: https://www.rfc-editor.org/rfc/rfc5589
//! [RFC 5057 §4.1]: https://www.rfc-editor.org/rfc/rfc5057#section-4.1

use std::time::Instant;

use sdp::Direction;
use sip_msg::{
    AllowEvents, CSeq, CallId, Event as EventHeader, From, Method, ReferTo, ReferredBy, Request, Require,
    Response, StatusCode, TargetDialog, Text, To,
};
use sip_txn::{ClientId, Ending, ServerId};

use super::requests::Purpose;
use super::{InviteUsage, State, is_challenge, patience};
use crate::auth::Attempt;
use crate::context::{self, Context, Owner, SubscriptionKey};
use crate::dialog::DialogKey;
use crate::error::CommandError;
use crate::event::Event;
use crate::refer::{self, PACKAGE, Transfer, TransferError};
use crate::subscription::Subscriber;
use crate::subscription::subscriber::Standing;
use crate::target;

/// A transfer that is not settled yet.
#[derive(Debug)]
pub(super) struct Transferring {
    transfer: Transfer,
    refer_to: ReferTo,
    /// The direction to go back to if the call is to stand.
    resume: Option<Direction>,
    stage: Stage,
    /// What the peer reported last.
    last: Option<(StatusCode, Text)>,
}

#[derive(Debug)]
enum Stage {
    /// An INVITE is in progress.
    Settling,
    /// The REFER is sent.
    Asked { subscriber: Subscriber, outside: Option<Box<Outside>> },
}

/// A REFER in a dialog of its own.
#[derive(Debug)]
struct Outside {
    key: SubscriptionKey,
    client: ClientId,
    request: Request,
    attempt: Attempt,
    /// Who reports: the first that did, and its last number.
    notifier: Option<(Text, u32)>,
}

impl InviteUsage {
    /// Asks the peer to call somebody else: at once, or when no INVITE is in progress any more.
    pub(crate) fn transfer(
        &mut self,
        context: &mut Context,
        now: Instant,
        transfer: Transfer,
        refer_to: ReferTo,
    ) -> Result<(), CommandError> {
        let wrong = |state| CommandError::WrongState { command: "transfer", state };
        let State::Established(established) = &self.state else { return Err(wrong(self.state.name())) };
        if established.hang_up {
            return Err(wrong("about to end"));
        }
        if self.transferring.is_some() {
            return Err(wrong("being transferred"));
        }
        context::push_all(&mut sip_msg::Headers::new(), &transfer.headers)?;
        let hold = transfer.hold && established.direction == Direction::SendRecv;
        let resume = hold.then_some(established.direction);
        let transferring = Transferring { transfer, refer_to, resume, stage: Stage::Settling, last: None };
        self.transferring = Some(Box::new(transferring));
        if hold {
            self.set_direction(context, now, Direction::SendOnly)?;
        }
        self.continue_transfer(context, now);
        Ok(())
    }

    /// Sends the REFER of a transfer that has waited long enough.
    pub(super) fn continue_transfer(&mut self, context: &mut Context, now: Instant) {
        if !self.transferring.as_ref().is_some_and(|that| matches!(that.stage, Stage::Settling)) {
            return;
        }
        match &self.state {
            State::Established(established) if established.is_settled() => {
                let own_dialog = self.transferring.as_ref().is_some_and(|that| that.transfer.own_dialog);
                if !own_dialog || self.refer_outside(context, now).is_err() {
                    self.refer(context, now);
                }
            }
            State::Established(_) => {}
            State::Calling(_) | State::Alerting(_) | State::Over(_) => {
                self.transferred(context, now, Err(TransferError::CallEnded));
            }
        }
    }

    /// Sends the REFER in the call's dialog.
    fn refer(&mut self, context: &mut Context, now: Instant) {
        let Some(tag) = self.dialog().map(|dialog| Text::from(dialog.remote_tag())) else { return };
        let Some(mut request) = self.request(context, &tag, Method::REFER) else { return };
        request.headers_mut().push(&context.supported());
        self.ask_for(&mut request);
        let id = Text::from(refer::number(&request).to_string());
        let subscriber = Subscriber::new(now, patience(context), PACKAGE.into(), Some(id), true);
        if let Some(transferring) = &mut self.transferring {
            transferring.stage = Stage::Asked { subscriber, outside: None };
        }
        if let Err(error) = self.send_request(context, now, &tag, request, Purpose::Refer) {
            self.transferred(context, now, Err(TransferError::NoAnswer(error.to_string().into())));
        }
    }

    /// Sends the REFER in a dialog of its own, which names the call ([RFC 4538 §3]).
    ///
    /// [RFC 4538 §3]: https://www.rfc-editor.org/rfc/rfc4538#section-3
    fn refer_outside(&mut self, context: &mut Context, now: Instant) -> Result<(), CommandError> {
        let Some(dialog) = self.dialog().cloned() else { return Err(CommandError::Unknown) };
        let (uri, routes) = target::routed(dialog.route_set(), dialog.remote_target());
        let mut builder = Request::builder(Method::REFER, &uri);
        for route in &routes {
            builder = builder.header(route);
        }
        let key = SubscriptionKey { call_id: context.ids.call_id(), local_tag: context.ids.tag() };
        let number = context.ids.first_cseq();
        // Whoever does not know Target-Dialog must not take this for a REFER of its own (RFC 4538 §3): Require.
        let mut request = builder
            .header(&From::new(dialog.local().name_addr.clone()).with_tag(key.local_tag.clone()))
            .header(&To::new(dialog.remote().name_addr.clone()))
            .header(&CallId(key.call_id.clone()))
            .header(&CSeq { number, method: Method::REFER })
            .header(&dialog.contact_header())
            .header(&TargetDialog::new(dialog.call_id().clone(), dialog.remote_tag(), dialog.local_tag()))
            .header(&Require(vec!["tdialog".into()]))
            .build();
        context.introduce(&mut request);
        self.ask_for(&mut request);
        let attempt = Attempt::default();
        let subscriber = Subscriber::new(now, patience(context), PACKAGE.into(), None, true);
        let client = context.send_in(now, &dialog, request.clone(), Owner::Call(self.id))?;
        context.subscriptions.insert(key.clone(), Owner::Call(self.id));
        let outside = Some(Box::new(Outside { key, client, request, attempt, notifier: None }));
        if let Some(transferring) = &mut self.transferring {
            transferring.stage = Stage::Asked { subscriber, outside };
        }
        Ok(())
    }

    /// The headers that say what is asked.
    fn ask_for(&self, request: &mut Request) {
        let (Some(transferring), Some(dialog)) = (&self.transferring, self.dialog()) else { return };
        let own = target::as_address(dialog.local().uri());
        let headers = request.headers_mut();
        headers.push(&transferring.refer_to);
        headers.push(&ReferredBy::new(own));
        if !transferring.transfer.reports {
            headers.push(&refer::no_reports());
        }
        // transfer() has tried this.
        let _ = context::push_all(headers, &transferring.transfer.headers);
    }

    /// The REFER in the call's dialog was answered, or will not be.
    pub(super) fn refer_answered(
        &mut self,
        context: &mut Context,
        now: Instant,
        result: &Result<Response, Ending>,
    ) {
        let silence = patience(context);
        let Some(Stage::Asked { subscriber, .. }) =
            self.transferring.as_mut().map(|transferring| &mut transferring.stage)
        else {
            return;
        };
        match result {
            Err(ending) => {
                let why = context::explain(ending);
                self.transferred(context, now, Err(TransferError::NoAnswer(why)));
            }
            Ok(response) if !response.status().is_success() => {
                let reason = response.reason().detach();
                let error = TransferError::Refused { status: response.status(), reason };
                self.transferred(context, now, Err(error));
            }
            // RFC 4488 §4: no reports only if the answer grants that. Then this is the last we hear.
            Ok(response) if !refer::wants_reports(response.headers()) => {
                self.transferred(context, now, Ok(response.status()));
            }
            Ok(_) => subscriber.accepted(now, silence),
        }
    }

    /// Whether this client transaction is that of a REFER in a dialog of its own.
    pub(super) fn is_outside(&self, client: ClientId) -> bool {
        let stage = self.transferring.as_ref().map(|transferring| &transferring.stage);
        matches!(stage, Some(Stage::Asked { outside: Some(outside), .. }) if outside.client == client)
    }

    /// The REFER in a dialog of its own was answered; who refuses it there is asked in the call's dialog.
    pub(super) fn outside_answered(
        &mut self,
        context: &mut Context,
        now: Instant,
        result: Result<Response, Ending>,
    ) {
        if let Ok(response) = &result
            && is_challenge(response)
            && self.refer_outside_again(context, now, response)
        {
            return;
        }
        match &result {
            Ok(response) if !response.status().is_success() => {
                self.forget_outside(context);
                self.refer(context, now);
            }
            Ok(_) | Err(_) => self.refer_answered(context, now, &result),
        }
    }

    fn refer_outside_again(&mut self, context: &mut Context, now: Instant, challenge: &Response) -> bool {
        let Some(dialog) = self.dialog().cloned() else { return false };
        let Some(Stage::Asked { outside: Some(outside), .. }) =
            self.transferring.as_mut().map(|transferring| &mut transferring.stage)
        else {
            return false;
        };
        if self.auth.challenged(context, challenge, &mut outside.attempt).is_err() {
            return false;
        }
        let number = refer::number(&outside.request).saturating_add(1);
        outside.request.headers_mut().replace(&CSeq { number, method: Method::REFER });
        let mut request = outside.request.clone();
        self.auth.authorize(&mut context.ids, &mut request);
        match context.send_in(now, &dialog, request, Owner::Call(self.id)) {
            Ok(client) => {
                outside.client = client;
                true
            }
            Err(_) => false,
        }
    }

    fn forget_outside(&mut self, context: &mut Context) {
        if let Some(transferring) = &mut self.transferring
            && let Stage::Asked { outside, .. } = &mut transferring.stage
            && let Some(outside) = outside.take()
        {
            context.subscriptions.remove(&outside.key);
        }
    }

    /// A NOTIFY in a dialog of this call, or in that of a REFER of its own.
    pub(crate) fn notified(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerId,
        key: &DialogKey,
        request: &Request,
    ) {
        let number = refer::number(request);
        let in_order = match self.dialog_mut(&key.remote_tag).filter(|dialog| dialog.key() == *key) {
            Some(dialog) => Some(dialog.receive(number)),
            None => self.receive_outside(key, number),
        };
        let status = match in_order {
            None => StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST,
            Some(false) => StatusCode::SERVER_INTERNAL_ERROR,
            Some(true) => match self.take_report(now, request) {
                Ok(news) => {
                    self.refresh_target_beside(key, request);
                    self.answer(context, now, server, request, StatusCode::OK);
                    return self.reported(context, now, news);
                }
                Err(status) => status,
            },
        };
        let mut refusal = Response::answer(request, status).build();
        if status == StatusCode::BAD_EVENT {
            refusal.headers_mut().push(&AllowEvents(vec![PACKAGE.into()]));
        } else if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            refusal.headers_mut().push(&refer::accept());
        }
        context.sign_response(&mut refusal, false);
        context.respond(now, server, refusal);
    }

    /// Counts a NOTIFY in the dialog of a REFER of its own; of several that a fork made the first counts.
    fn receive_outside(&mut self, key: &DialogKey, number: u32) -> Option<bool> {
        let Stage::Asked { outside, .. } = &mut self.transferring.as_mut()?.stage else { return None };
        let outside = outside.as_mut().filter(|outside| outside.key.is_of(key))?;
        let (tag, last) = outside.notifier.get_or_insert_with(|| (key.remote_tag.detach(), number));
        if *tag != key.remote_tag {
            return None;
        }
        let in_order = number >= *last;
        *last = number.max(*last);
        Some(in_order)
    }

    /// Reads a NOTIFY, or says what to refuse it with.
    fn take_report(&mut self, now: Instant, request: &Request) -> Result<News, StatusCode> {
        let event = request.headers().require::<EventHeader>().map_err(|_| StatusCode::BAD_EVENT)?;
        if event.package != PACKAGE {
            return Err(StatusCode::BAD_EVENT);
        }
        let none = StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST;
        let Stage::Asked { subscriber, .. } = &mut self.transferring.as_mut().ok_or(none)?.stage else {
            return Err(none);
        };
        if !subscriber.matches(&event) {
            return Err(none);
        }
        let report = refer::read_report(request)?;
        let standing = subscriber.notified(now, request.headers())?;
        Ok(News { report, over: matches!(standing, Standing::Terminated(_)) })
    }

    /// What a report means: a final status is the end whatever the peer says of the subscription.
    fn reported(&mut self, context: &mut Context, now: Instant, News { report, over }: News) {
        let Some(transferring) = &mut self.transferring else { return };
        if let Some((status, reason)) = report {
            if status.is_success() {
                return self.transferred(context, now, Ok(status));
            }
            if !status.is_provisional() {
                return self.transferred(context, now, Err(TransferError::Failed { status, reason }));
            }
            let new = transferring.last.as_ref().is_none_or(|(last, _)| *last != status);
            transferring.last = Some((status, reason));
            if new {
                context.tell(Event::TransferProgress { dialog: self.id, status });
            }
        }
        if over {
            self.transferred(context, now, Err(TransferError::NotReported));
        }
    }

    /// The transfer is settled: our leg ends, or stands as it was before.
    fn transferred(
        &mut self,
        context: &mut Context,
        now: Instant,
        result: Result<StatusCode, TransferError>,
    ) {
        self.forget_outside(context);
        let Some(transferring) = self.transferring.take() else { return };
        let worked = result.is_ok();
        context.tell(Event::Transferred { dialog: self.id, result });
        let State::Established(established) = &self.state else { return };
        if worked && transferring.transfer.hang_up {
            // Established: there is something to hang up.
            let _ = self.hang_up(context, now);
        } else if let Some(direction) = transferring.resume
            && established.direction != direction
            && !worked
        {
            // Established: directions can be set.
            let _ = self.set_direction(context, now, direction);
        }
    }

    /// The call ends, and the peer has not been asked yet.
    pub(super) fn drop_waiting_transfer(&mut self, context: &mut Context) {
        if self.transferring.take_if(|transferring| matches!(transferring.stage, Stage::Settling)).is_some() {
            context.tell(Event::Transferred { dialog: self.id, result: Err(TransferError::CallEnded) });
        }
    }

    pub(super) fn transfer_timeout(&mut self, context: &mut Context, now: Instant) {
        if self.transfer_poll_timeout().is_some_and(|at| at <= now) {
            self.transferred(context, now, Err(TransferError::NotReported));
        }
    }

    pub(super) fn transfer_poll_timeout(&self) -> Option<Instant> {
        match &self.transferring.as_ref()?.stage {
            Stage::Settling => None,
            Stage::Asked { subscriber, .. } => Some(subscriber.ends_at()),
        }
    }
}

/// What a NOTIFY told.
struct News {
    report: Option<(StatusCode, Text)>,
    over: bool,
}

#[cfg(test)]
mod tests;

//! REFERs of peers, in calls and outside of them: asked, accepted or refused, reported on ([RFC 3515 §2.4]).
//!
//! [RFC 3515 §2.4]: https://www.rfc-editor.org/rfc/rfc3515#section-2.4

use std::time::{Duration, Instant};

use sip_msg::{
    Event as EventHeader, Expires, Method, Request, Response, StatusCode, SubscriptionState, TargetDialog,
    Text,
};
use sip_txn::{ClientId, Ending, Flow, ServerId};

use super::{Agent, Timed, reschedule};
use crate::auth::{Attempt, Authenticator};
use crate::command::Reply;
use crate::context::{Context, News, Owner, SubscriptionKey};
use crate::dialog::{Dialog, DialogKey};
use crate::error::CommandError;
use crate::event::{DialogId, Event, ReferId};
use crate::invite::final_response;
use crate::invite::replaces::{Named, Relation};
use crate::policy::TargetSource;
use crate::refer::{self, Carrier, PACKAGE, ReferRequest, Referral, Sent, Stage, Transfer, TransferTo};
use crate::subscription::Notifier;
use crate::subscription::notifier::Notice;
use crate::target;

/// How long the application may take to decide on a REFER; then it is declined, in time to be heard.
const DECIDE_WITHIN: Duration = Duration::from_secs(20);

impl Agent {
    /// Asks the peer of a call to call somebody else ([RFC 5589]): at once, or when no INVITE is in progress any more.
    ///
    /// [`Event::TransferProgress`] and, once, [`Event::Transferred`] follow; the latter after [`Event::Ended`] if the
    /// peer hangs up before it tells. A transfer that fails leaves the call as it was.
    ///
    /// # Errors
    /// [`CommandError::Unknown`] (of this call or the other one), [`CommandError::WrongState`] when one of them does not
    /// stand or a transfer is under way, or [`CommandError::Header`] for a header that cannot be written.
    ///
    /// [RFC 5589]: https://www.rfc-editor.org/rfc/rfc5589
    pub fn transfer(&mut self, now: Instant, id: DialogId, transfer: Transfer) -> Result<(), CommandError> {
        let refer_to = match &transfer.to {
            TransferTo::Uri(uri) => refer::blind(uri),
            TransferTo::Call(other) if *other == id => {
                return Err(CommandError::Misuse("transfer: the other call is another one"));
            }
            TransferTo::Call(other) => {
                let other = self.calls.get(other).ok_or(CommandError::Unknown)?;
                refer::attended(other.standing_dialog()?)
            }
        };
        self.command(now, id, |usage, context| usage.transfer(context, now, transfer, refer_to))
    }

    /// Agrees to do what a REFER asks: it is answered, and its sender hears "100 Trying".
    ///
    /// Nothing is called by that: place the call with [`Invite::from_refer`](crate::Invite::from_refer), which tells the
    /// sender what comes of it by itself, or report with [`refer_progress`](Self::refer_progress).
    ///
    /// # Errors
    /// [`CommandError::Unknown`] when it has been answered or its time is over.
    pub fn accept_refer(&mut self, now: Instant, id: ReferId) -> Result<(), CommandError> {
        let referral = self.referrals.get_mut(&id).ok_or(CommandError::Unknown)?;
        let Stage::Asked { server, .. } = referral.stage else { return Err(CommandError::Unknown) };
        let reports = refer::wants_reports(referral.request.headers());
        let response = accepted(&self.context, &self.calls, referral, reports);
        self.context.respond(now, server, response);
        referral.stage = if reports {
            let notifier =
                Notifier::new(now, refer::EXPIRES, false, refer::PACE, refer::report(StatusCode::TRYING));
            Stage::Reporting { notifier, sent: None }
        } else {
            Stage::Silent { until: now + refer::EXPIRES }
        };
        self.touch_referral(now, id);
        self.pump(now);
        Ok(())
    }

    /// Declines what a REFER asks, with a status from 300 to 699.
    ///
    /// # Errors
    /// [`CommandError::Unknown`] when it has been answered or its time is over, [`CommandError::Misuse`] for another
    /// status, [`CommandError::Header`] for a header that cannot be written.
    pub fn refuse_refer(
        &mut self,
        now: Instant,
        id: ReferId,
        reply: impl Into<Reply>,
    ) -> Result<(), CommandError> {
        let reply = reply.into();
        if reply.status.is_provisional() || reply.status.is_success() {
            return Err(CommandError::Misuse("refuse_refer: the status is one of 300 to 699"));
        }
        let referral = self.referrals.get(&id).ok_or(CommandError::Unknown)?;
        let Stage::Asked { server, .. } = referral.stage else { return Err(CommandError::Unknown) };
        let tag = self.context.ids.tag();
        let response = final_response(&self.context, &referral.request, &reply, &tag)?;
        self.context.respond(now, server, response);
        self.forget_referral(id);
        self.pump(now);
        Ok(())
    }

    /// Tells the sender of a REFER what came of it: a provisional status, or a final one, which is the last.
    ///
    /// # Errors
    /// [`CommandError::Unknown`] when it was not accepted, or its sender needs no more reports.
    pub fn refer_progress(
        &mut self,
        now: Instant,
        id: ReferId,
        status: StatusCode,
    ) -> Result<(), CommandError> {
        let referral = self.referrals.get_mut(&id).ok_or(CommandError::Unknown)?;
        match &referral.stage {
            Stage::Asked { .. } => return Err(CommandError::Unknown),
            Stage::Silent { .. } if !status.is_provisional() => self.forget_referral(id),
            Stage::Silent { .. } => {}
            Stage::Reporting { .. } => {
                referral.progress(status);
                self.touch_referral(now, id);
            }
        }
        self.pump(now);
        Ok(())
    }

    /// A REFER, NOTIFY or SUBSCRIBE: usages of dialogs besides that of a call ([RFC 5057 §4]).
    ///
    /// [RFC 5057 §4]: https://www.rfc-editor.org/rfc/rfc5057#section-4
    pub(super) fn handle_subscription_request(
        &mut self,
        now: Instant,
        server: ServerId,
        flow: Flow,
        key: Option<DialogKey>,
        request: Request,
    ) {
        let call = key.as_ref().and_then(|key| self.context.dialogs.get(key).copied());
        if *request.method() == Method::REFER {
            return match (key, call) {
                (Some(key), Some(call)) => self.referred_in_call(now, server, &key, call, &request),
                (Some(_), None) => {
                    self.refuse_with(now, server, &request, StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
                }
                (None, _) => self.referred_outside(now, server, &flow, &request),
            };
        }
        let owner = call
            .map(Owner::Call)
            .or_else(|| self.context.subscriptions.get(&SubscriptionKey::of(key.as_ref()?)).copied());
        if let (Some(key), Some(Owner::Subscription(id))) = (&key, owner) {
            return self.subscription_request(now, server, id, key, &request);
        }
        if key.is_none()
            && *request.method() == Method::SUBSCRIBE
            && let Some(package) = self.package_of(&request)
        {
            return self.subscribed(now, server, &flow, package, request);
        }
        match (key, owner) {
            (Some(key), Some(Owner::Call(id))) if *request.method() == Method::NOTIFY => {
                self.with_call(id, |usage, context| usage.notified(context, now, server, &key, &request));
            }
            (Some(key), Some(Owner::Call(_) | Owner::Refer(_))) if *request.method() == Method::SUBSCRIBE => {
                self.refer_resubscribed(now, server, &key, call, &request);
            }
            (None, _) if *request.method() == Method::SUBSCRIBE => {
                self.subscribed_to_nothing(now, server, &request);
            }
            _ => self.refuse_with(now, server, &request, StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST),
        }
    }

    fn referred_in_call(
        &mut self,
        now: Instant,
        server: ServerId,
        key: &DialogKey,
        call: DialogId,
        request: &Request,
    ) {
        let number = refer::number(request);
        let nth = self.with_call(call, |usage, _| usage.receive_refer(key, number)).flatten();
        match nth {
            None => self.refuse_with(now, server, request, StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST),
            Some(Err(status)) => self.refuse_with(now, server, request, status),
            Some(Ok(nth)) => {
                let carrier = Carrier::Call { id: call, remote_tag: key.remote_tag.detach() };
                // RFC 3515 §2.4.6: the first needs no id, and some peers expect none.
                let event_id = (nth > 1).then_some(number);
                self.referred(now, server, carrier, event_id, Some(call), request);
            }
        }
    }

    fn referred_outside(&mut self, now: Instant, server: ServerId, flow: &Flow, request: &Request) {
        let tag = self.context.ids.tag();
        let uri = request.uri().ok();
        let user = uri.as_ref().and_then(|uri| uri.raw_user().map(Text::from));
        let secure = uri.is_some_and(|uri| uri.is_sips());
        let contact =
            target::contact(&self.context.layer, flow.transport, Some(&flow.remote), user.as_deref(), secure);
        let Ok(mut dialog) = Dialog::of_request(request, &tag, contact.detach()) else {
            return self.refuse_with(now, server, request, StatusCode::BAD_REQUEST);
        };
        dialog.keep_to(flow, request);
        // RFC 4538 §4: who knows all of a call's dialog is taken for somebody in it.
        let named = request.headers().get::<TargetDialog>().ok().flatten().and_then(|named| {
            let key = DialogKey {
                call_id: named.call_id.0.clone(),
                local_tag: named.local_tag()?.into(),
                remote_tag: named.remote_tag()?.into(),
            };
            self.context.dialogs.get(&key).copied()
        });
        let auth = Box::<Authenticator>::default();
        self.referred(now, server, Carrier::Own { dialog: Box::new(dialog), auth }, None, named, request);
    }

    /// Puts a REFER before the application, if it can be read and there is room.
    fn referred(
        &mut self,
        now: Instant,
        server: ServerId,
        carrier: Carrier,
        event_id: Option<u32>,
        call: Option<DialogId>,
        request: &Request,
    ) {
        if self.referrals.len() >= self.context.config.limits.requests {
            return self.refuse_with(now, server, request, StatusCode::SERVICE_UNAVAILABLE);
        }
        let id = ReferId(self.next_id());
        let asked = match ReferRequest::read(id, request, &self.context.config.refers) {
            Ok(asked) => asked,
            Err((status, reason)) => {
                let tag = self.context.ids.tag();
                let refusal = Response::answer(request, status).to_tag(&tag).reason(reason).build();
                return self.refuse(now, server, refusal);
            }
        };
        if let Err(why) = self.may_call(&asked.target, TargetSource::Refer) {
            tracing::debug!(target = %asked.target, %why, "a REFER is refused");
            let tag = self.context.ids.tag();
            let refusal = Response::answer(request, StatusCode::FORBIDDEN).to_tag(&tag);
            return self.refuse(now, server, refusal.reason(&why.to_string()).build());
        }
        match &carrier {
            Carrier::Call { id, .. } => {
                self.with_call(*id, |usage, _| usage.carry(true));
            }
            Carrier::Own { dialog, .. } => {
                let key = SubscriptionKey::of(&dialog.key());
                self.context.subscriptions.insert(key, Owner::Refer(id));
            }
        }
        let stage = Stage::Asked { server, answer_by: now + DECIDE_WITHIN };
        let request = request.clone();
        self.referrals.insert(id, Referral { carrier, request, event_id, stage, scheduled: None });
        self.touch_referral(now, id);
        self.context.tell(Event::Refer { dialog: call, refer: Box::new(asked) });
    }

    /// A SUBSCRIBE that refreshes or ends what a REFER made ([RFC 3515 §2.4.4]).
    ///
    /// [RFC 3515 §2.4.4]: https://www.rfc-editor.org/rfc/rfc3515#section-2.4.4
    fn refer_resubscribed(
        &mut self,
        now: Instant,
        server: ServerId,
        key: &DialogKey,
        call: Option<DialogId>,
        request: &Request,
    ) {
        let Ok(event) = request.headers().require::<EventHeader>() else {
            return self.subscribed_to_nothing(now, server, request);
        };
        if event.package != PACKAGE {
            return self.subscribed_to_nothing(now, server, request);
        }
        let number = refer::number(request);
        let in_order = match call {
            Some(call) => self.with_call(call, |usage, _| usage.receive_beside(key, number)).flatten(),
            None => Some(true),
        };
        if in_order == Some(false) {
            return self.refuse_with(now, server, request, StatusCode::SERVER_INTERNAL_ERROR);
        }
        let found = self.referrals.iter_mut().find(|(_, referral)| {
            let carried = match &referral.carrier {
                Carrier::Call { id, remote_tag } => Some(*id) == call && *remote_tag == key.remote_tag,
                Carrier::Own { dialog, .. } => dialog.key() == *key,
            };
            let named = event.id().and_then(|id| id.parse().ok());
            carried && (named == referral.event_id || named == Some(refer::number(&referral.request)))
        });
        let Some((id, Referral { stage: Stage::Reporting { notifier, .. }, .. })) = found else {
            return self.subscribed_to_nothing(now, server, request);
        };
        let id = *id;
        if !notifier.is_live() {
            return self.refuse_with(now, server, request, StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
        }
        let asked = request.headers().get::<Expires>().ok().flatten();
        let most = refer::EXPIRES.as_secs().try_into().unwrap_or(u32::MAX);
        let granted = asked.map_or(most, |Expires(seconds)| seconds.min(most));
        notifier.refresh(now, Duration::from_secs(granted.into()));
        if let Some(call) = call {
            self.with_call(call, |usage, _| usage.refresh_target_beside(key, request));
        }
        let mut response = Response::answer(request, StatusCode::OK).header(&Expires(granted)).build();
        self.context.sign_response(&mut response, false);
        self.context.respond(now, server, response);
        self.touch_referral(now, id);
    }

    /// A SUBSCRIBE to what nobody notifies of: only REFER makes a subscription to `refer` ([RFC 3515 §2.4.4]).
    ///
    /// [RFC 3515 §2.4.4]: https://www.rfc-editor.org/rfc/rfc3515#section-2.4.4
    fn subscribed_to_nothing(&mut self, now: Instant, server: ServerId, request: &Request) {
        let event = request.headers().get::<EventHeader>().ok().flatten();
        let refer = event.is_some_and(|event| event.package == PACKAGE);
        let status = if refer { StatusCode::FORBIDDEN } else { StatusCode::BAD_EVENT };
        let tag = self.context.ids.tag();
        let mut refusal = Response::answer(request, status).to_tag(&tag).build();
        if !refer {
            refusal.headers_mut().push(&self.context.packages());
        }
        self.refuse(now, server, refusal);
    }

    /// What calls have left for the referrals; whether there was anything.
    pub(super) fn take_news(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some(news) = self.context.news.pop_front() {
            any = true;
            match news {
                News::Progress(id, status) => {
                    // The referrer may have lost interest, or never had any.
                    let _ = self.refer_progress(now, id, status);
                }
                News::Notified(id, result) => self.referrer_answered(now, id, &result),
                News::Replaced { old, by } => {
                    self.with_call(old, |usage, context| usage.replaced(context, now, &by));
                }
            }
        }
        any
    }

    /// The other call that an INVITE is to replace or to join, or how to refuse it ([RFC 3891 §3], [RFC 3911 §4]).
    ///
    /// [RFC 3891 §3]: https://www.rfc-editor.org/rfc/rfc3891#section-3
    /// [RFC 3911 §4]: https://www.rfc-editor.org/rfc/rfc3911#section-4
    pub(super) fn relation(&self, invite: &Request) -> Result<Relation, StatusCode> {
        let config = &self.context.config;
        let Some(named) = Named::of(invite, config.replaces, config.joins)? else {
            return Ok(Relation::default());
        };
        let id = self.context.dialogs.get(named.key()).copied();
        let usage = id.and_then(|id| self.calls.get(&id));
        usage.ok_or(StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST)?.relates(&named)?;
        Ok(match named {
            Named::ToReplace { .. } => Relation { replaces: id, joins: None },
            Named::ToJoin { .. } => Relation { replaces: None, joins: id },
        })
    }

    fn referrer_answered(&mut self, now: Instant, id: ReferId, result: &Result<Response, Ending>) {
        if let Some(Referral { stage: Stage::Reporting { notifier, .. }, .. }) = self.referrals.get_mut(&id) {
            notifier.notified(result);
            self.touch_referral(now, id);
        }
    }

    pub(super) fn referral_answered(
        &mut self,
        now: Instant,
        id: ReferId,
        client: ClientId,
        result: Result<Response, Ending>,
    ) {
        let Some(referral) = self.referrals.get_mut(&id) else { return };
        let (Carrier::Own { dialog, auth }, Stage::Reporting { sent, .. }) =
            (&mut referral.carrier, &mut referral.stage)
        else {
            return;
        };
        let Some(mut under_way) = sent.take_if(|sent| sent.client == client) else { return };
        if let Ok(response) = &result {
            if response.status().is_provisional() {
                *sent = Some(under_way);
                return;
            }
            let challenge = matches!(
                response.status(),
                StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED
            );
            if challenge && auth.challenged(&mut self.context, response, &mut under_way.attempt).is_ok() {
                dialog.renumber(&mut under_way.request);
                let mut request = under_way.request.clone();
                auth.authorize(&mut self.context.ids, &mut request);
                if let Ok(client) = self.context.send_in(now, dialog, request, Owner::Refer(id)) {
                    *sent = Some(Box::new(Sent { client, ..*under_way }));
                    return;
                }
            }
        }
        self.referrer_answered(now, id, &result);
    }

    pub(super) fn referral_timeout(&mut self, now: Instant, id: ReferId) {
        let Some(referral) = self.referrals.get_mut(&id) else { return };
        referral.scheduled = None;
        match &mut referral.stage {
            Stage::Asked { answer_by, .. } if *answer_by <= now => {
                // It is there and not decided: declining it cannot fail.
                let _ = self.refuse_refer(now, id, StatusCode::DECLINE);
                return;
            }
            Stage::Silent { until } if *until <= now => return self.forget_referral(id),
            Stage::Reporting { notifier, .. } => notifier.handle_timeout(now),
            Stage::Asked { .. } | Stage::Silent { .. } => {}
        }
        self.touch_referral(now, id);
    }

    /// Sends what is due, and puts the referral on the clock anew or takes it away when it is over.
    fn touch_referral(&mut self, now: Instant, id: ReferId) {
        let Some(referral) = self.referrals.get_mut(&id) else { return };
        if let Stage::Reporting { notifier, sent } = &mut referral.stage
            && let Some(notice) = notifier.poll_notice(now)
        {
            let event_id = referral.event_id;
            let delivered = match &mut referral.carrier {
                Carrier::Call { id: call, remote_tag } => self.calls.get_mut(call).is_some_and(|usage| {
                    usage.notify(&mut self.context, now, remote_tag, id, event_id, notice)
                }),
                Carrier::Own { dialog, auth } => {
                    let mut request = dialog.request(Method::NOTIFY);
                    request.headers_mut().push(&dialog.contact_header());
                    self.context.sign(&mut request);
                    write_notice(&mut request, event_id, notice);
                    let kept = request.clone();
                    auth.authorize(&mut self.context.ids, &mut request);
                    match self.context.send_in(now, dialog, request, Owner::Refer(id)) {
                        Ok(client) => {
                            let attempt = Attempt::default();
                            *sent = Some(Box::new(Sent { client, request: kept, attempt }));
                            true
                        }
                        Err(_) => false,
                    }
                }
            };
            if !delivered {
                notifier.abandon();
            }
        }
        if referral.is_over() {
            return self.forget_referral(id);
        }
        let next = referral.poll_timeout();
        reschedule(&mut self.schedule, Timed::Refer(id), &mut referral.scheduled, next);
    }

    fn forget_referral(&mut self, id: ReferId) {
        let Some(mut referral) = self.referrals.remove(&id) else { return };
        reschedule(&mut self.schedule, Timed::Refer(id), &mut referral.scheduled, None);
        match &referral.carrier {
            Carrier::Call { id, .. } => {
                self.with_call(*id, |usage, _| usage.carry(false));
            }
            Carrier::Own { dialog, .. } => {
                self.context.subscriptions.remove(&SubscriptionKey::of(&dialog.key()));
            }
        }
    }
}

/// The answer to a REFER that is accepted.
///
/// 202, as RFC 3515 §2.4.2 has it and peers expect; RFC 7647 §5 makes it the same as 200, which is sent where nothing
/// follows (RFC 4488 §4).
fn accepted(
    context: &Context,
    calls: &std::collections::BTreeMap<DialogId, Box<crate::invite::InviteUsage>>,
    referral: &Referral,
    reports: bool,
) -> Response {
    let status = if reports { StatusCode::ACCEPTED } else { StatusCode::OK };
    let mut builder = Response::answer(&referral.request, status);
    let contact = match &referral.carrier {
        Carrier::Call { id, remote_tag } => {
            let dialog = calls.get(id).and_then(|usage| usage.dialog_with(remote_tag));
            dialog.map(Dialog::contact_header)
        }
        Carrier::Own { dialog, .. } => {
            builder = builder.to_tag(dialog.local_tag()).record_route(&referral.request);
            Some(dialog.contact_header())
        }
    };
    if let Some(contact) = contact {
        builder = builder.header(&contact);
    }
    if !reports {
        builder = builder.header(&refer::no_reports());
    }
    let mut response = builder.build();
    context.sign_response(&mut response, true);
    response
}

/// Puts a report into a NOTIFY.
pub(crate) fn write_notice(request: &mut Request, event_id: Option<u32>, notice: Notice) {
    let mut event = EventHeader::new(PACKAGE);
    if let Some(id) = event_id {
        event.params.set("id", id.to_string());
    }
    let state: SubscriptionState = notice.state;
    request.headers_mut().push(&event);
    request.headers_mut().push(&state);
    if let Some((content_type, body)) = notice.body {
        request.set_body(&content_type, body);
    }
}

#[cfg(test)]
mod tests;

//! Subscriptions in dialogs of their own, as their subscriber ([RFC 6665 §4.1]).
//!
//! [RFC 6665 §4.1]: https://www.rfc-editor.org/rfc/rfc6665#section-4.1

use std::time::Instant;

use sip_msg::{HeaderName, Method, Request, Response, StatusCode};
use sip_txn::{ClientId, Ending, ServerId};

use super::{Agent, Timed, reschedule};
use crate::command::OutOfDialog;
use crate::context::Context;
use crate::dialog::DialogKey;
use crate::error::CommandError;
use crate::event::SubscriptionId;
use crate::policy::TargetSource;
use crate::refer::{self, Refer};
use crate::subscription::{Kind, Subscribe, Subscription};
use crate::target;

impl Agent {
    /// Subscribes to an event package, and keeps the subscription until [`unsubscribe`](Self::unsubscribe): refreshed in
    /// time, and asked for anew where its end allows that.
    ///
    /// [`Event::Notified`](crate::Event::Notified) brings each state,
    /// [`Event::SubscriptionEnded`](crate::Event::SubscriptionEnded) the end.
    ///
    /// # Errors
    /// [`CommandError::Limit`], [`CommandError::Header`] for a header that cannot be written, or
    /// [`CommandError::Request`] when the SUBSCRIBE cannot even be sent.
    pub fn subscribe(&mut self, now: Instant, asked: Subscribe) -> Result<SubscriptionId, CommandError> {
        let envelope = OutOfDialog { method: Method::SUBSCRIBE, ..asked.request.clone() };
        self.start_subscription(now, Kind::Package(Box::new(asked)), envelope)
    }

    /// Ends a subscription of ours; a last NOTIFY may still come.
    ///
    /// # Errors
    /// [`CommandError::Unknown`].
    pub fn unsubscribe(&mut self, now: Instant, id: SubscriptionId) -> Result<(), CommandError> {
        if !self.subscriptions.contains_key(&id) {
            return Err(CommandError::Unknown);
        }
        self.with_subscription(id, |subscription, context| subscription.unsubscribe(context, now));
        self.pump(now);
        Ok(())
    }

    /// Asks somebody, outside of any call, to call somebody else ([RFC 3515]).
    ///
    /// [`Event::ReferProgress`](crate::Event::ReferProgress) and, once,
    /// [`Event::Referred`](crate::Event::Referred) follow.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    ///
    /// [RFC 3515]: https://www.rfc-editor.org/rfc/rfc3515
    pub fn refer(&mut self, now: Instant, asked: Refer) -> Result<SubscriptionId, CommandError> {
        let Refer { request, refer_to, reports } = asked;
        let mut envelope = OutOfDialog { method: Method::REFER, ..request };
        let by = sip_msg::ReferredBy::new(target::as_address(&envelope.from.uri));
        envelope.headers.push((HeaderName::REFER_TO, refer::blind(&refer_to).to_string().into()));
        envelope.headers.push((HeaderName::REFERRED_BY, by.to_string().into()));
        if !reports {
            envelope.headers.push((HeaderName::REFER_SUB, refer::no_reports().to_string().into()));
        }
        self.start_subscription(now, Kind::Refer, envelope)
    }

    fn start_subscription(
        &mut self,
        now: Instant,
        kind: Kind,
        mut envelope: OutOfDialog,
    ) -> Result<SubscriptionId, CommandError> {
        if self.subscriptions.len() >= self.context.config.limits.subscriptions {
            return Err(CommandError::Limit("subscriptions"));
        }
        self.context.config.policy.check_target(&envelope.target, TargetSource::Caller)?;
        self.lend_to_request(now, &mut envelope)?;
        let id = SubscriptionId(self.next_id());
        let subscription = Subscription::start(&mut self.context, now, id, kind, envelope)?;
        self.subscriptions.insert(id, subscription);
        self.with_subscription(id, |_, _| ());
        self.pump(now);
        Ok(id)
    }

    /// Runs something on a subscription, and puts it on the clock anew or takes it away when it is over.
    fn with_subscription(&mut self, id: SubscriptionId, run: impl FnOnce(&mut Subscription, &mut Context)) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        run(subscription, &mut self.context);
        let finished = subscription.is_finished();
        let next = if finished { None } else { subscription.poll_timeout() };
        reschedule(&mut self.schedule, Timed::Subscription(id), &mut subscription.scheduled, next);
        if finished && let Some(subscription) = self.subscriptions.remove(&id) {
            subscription.forget(&mut self.context);
        }
    }

    pub(super) fn subscription_timeout(&mut self, now: Instant, id: SubscriptionId) {
        match self.subscriptions.get_mut(&id) {
            Some(subscription) => subscription.scheduled = None,
            None => return self.watcher_timeout(now, id),
        }
        self.with_subscription(id, |subscription, context| subscription.handle_timeout(context, now));
    }

    pub(super) fn subscription_answered(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        client: ClientId,
        result: Result<Response, Ending>,
    ) {
        if self.watchers.contains_key(&id) {
            return self.watcher_answered(now, id, client, &result);
        }
        self.with_subscription(id, |subscription, context| match result {
            Ok(response) => subscription.handle_response(context, now, client, response),
            Err(ending) => subscription.handle_client_ended(context, now, client, ending),
        });
    }

    /// A NOTIFY or SUBSCRIBE in a dialog of a subscription.
    pub(super) fn subscription_request(
        &mut self,
        now: Instant,
        server: ServerId,
        id: SubscriptionId,
        key: &DialogKey,
        request: &Request,
    ) {
        let ours = self.subscriptions.contains_key(&id);
        if !ours && *request.method() == Method::SUBSCRIBE {
            return self.resubscribed(now, server, id, key, request);
        }
        if !ours || *request.method() != Method::NOTIFY {
            let status = StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST;
            return self.refuse_with(now, server, request, status);
        }
        self.with_subscription(id, |subscription, context| {
            subscription.notified(context, now, server, key, request);
        });
    }
}

#[cfg(test)]
mod tests;

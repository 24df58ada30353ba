//! Subscriptions of others to us ([RFC 6665 §4.2]).
//!
//! [RFC 6665 §4.2]: https://www.rfc-editor.org/rfc/rfc6665#section-4.2

use std::time::Instant;

use bytes::Bytes;
use sip_msg::{Event as EventHeader, Request, Response, StatusCode, Text};
use sip_txn::{ClientId, Ending, Flow, ServerId};

use super::{Agent, Timed, reschedule, tag_response};
use crate::command::Reply;
use crate::context::{Context, Owner, SubscriptionKey};
use crate::dialog::{Dialog, DialogKey};
use crate::error::CommandError;
use crate::event::{Event, SubscriptionId};
use crate::invite::final_response;
use crate::subscription::{Package, Termination, Watcher};
use crate::target;

impl Agent {
    /// Tells a subscriber the state, Content-Type and body; the first time that accepts the subscription.
    ///
    /// # Errors
    /// [`CommandError::Unknown`] when it is over.
    pub fn notify(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        state: impl Into<Option<(Text, Bytes)>>,
    ) -> Result<(), CommandError> {
        let state = state.into();
        self.live_watcher(id)?;
        self.with_watcher(now, id, |watcher, context| watcher.notify(context, now, state));
        self.pump(now);
        Ok(())
    }

    /// Ends a subscription to us, with the last state where there is one.
    ///
    /// # Errors
    /// [`CommandError::Unknown`] when it is over.
    pub fn end_subscription(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        why: Termination,
        state: impl Into<Option<(Text, Bytes)>>,
    ) -> Result<(), CommandError> {
        let state = state.into();
        self.live_watcher(id)?;
        self.with_watcher(now, id, |watcher, context| watcher.end(context, now, why, state));
        self.pump(now);
        Ok(())
    }

    /// Refuses a subscription that is not accepted yet, with a status from 300 to 699.
    ///
    /// # Errors
    /// [`CommandError::Unknown`] when it is accepted (after 1 s it is, as pending) or over, [`CommandError::Misuse`] for
    /// another status, [`CommandError::Header`] for a header that cannot be written.
    pub fn refuse_subscription(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        reply: impl Into<Reply>,
    ) -> Result<(), CommandError> {
        let reply = reply.into();
        if reply.status.is_provisional() || reply.status.is_success() {
            return Err(CommandError::Misuse("refuse_subscription: the status is one of 300 to 699"));
        }
        let watcher = self.live_watcher(id)?;
        let server = watcher.waits().ok_or(CommandError::Unknown)?;
        let tag = watcher.dialog.local_tag().to_owned();
        let response = final_response(&self.context, &watcher.request, &reply, &tag)?;
        self.context.respond(now, server, response);
        self.forget_watcher(id);
        self.pump(now);
        Ok(())
    }

    fn live_watcher(&self, id: SubscriptionId) -> Result<&Watcher, CommandError> {
        self.watchers.get(&id).filter(|watcher| watcher.is_live()).ok_or(CommandError::Unknown)
    }

    /// The package that a SUBSCRIBE outside of dialogs asks for, if it is one of ours.
    pub(super) fn package_of(&self, request: &Request) -> Option<(EventHeader, Package)> {
        let event = request.headers().get::<EventHeader>().ok().flatten()?;
        let known = self.context.config.notifies.iter().find(|package| package.name == event.package)?;
        Some((event, known.clone()))
    }

    /// Somebody subscribes.
    pub(super) fn subscribed(
        &mut self,
        now: Instant,
        server: ServerId,
        flow: &Flow,
        (event, package): (EventHeader, Package),
        request: Request,
    ) {
        let expires = match package.admit(&request) {
            Ok(expires) => expires,
            Err(mut refusal) => {
                tag_response(&mut refusal, &self.context.ids.tag());
                return self.refuse(now, server, *refusal);
            }
        };
        if self.watchers.len() >= self.context.config.limits.subscriptions {
            return self.refuse_with(now, server, &request, StatusCode::SERVICE_UNAVAILABLE);
        }
        let tag = self.context.ids.tag();
        let uri = request.uri().ok();
        let user = uri.as_ref().and_then(|uri| uri.raw_user().map(Text::from));
        let secure = uri.is_some_and(|uri| uri.is_sips());
        let layer = &self.context.layer;
        let contact = target::contact(layer, flow.transport, Some(&flow.remote), user.as_deref(), secure);
        let Ok(dialog) = Dialog::of_request(&request, &tag, contact.detach()) else {
            return self.refuse_with(now, server, &request, StatusCode::BAD_REQUEST);
        };
        let id = SubscriptionId(self.next_id());
        let key = SubscriptionKey::of(&dialog.key());
        self.context.subscriptions.insert(key, Owner::Subscription(id));
        let name = package.name.clone();
        let arrived = (server, request.clone());
        let watcher = Watcher::new(now, id, dialog, event, (package, expires), arrived);
        self.watchers.insert(id, watcher);
        self.with_watcher(now, id, |_, _| ());
        self.context.tell(Event::Subscription { id, package: name, request });
    }

    pub(super) fn resubscribed(
        &mut self,
        now: Instant,
        server: ServerId,
        id: SubscriptionId,
        key: &DialogKey,
        request: &Request,
    ) {
        self.with_watcher(now, id, |watcher, context| {
            watcher.resubscribed(context, now, server, key, request);
        });
    }

    pub(super) fn watcher_answered(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        client: ClientId,
        result: &Result<Response, Ending>,
    ) {
        self.with_watcher(now, id, |watcher, context| watcher.answered(context, now, client, result));
    }

    pub(super) fn watcher_timeout(&mut self, now: Instant, id: SubscriptionId) {
        if let Some(watcher) = self.watchers.get_mut(&id) {
            watcher.scheduled = None;
        }
        self.with_watcher(now, id, |watcher, context| watcher.handle_timeout(context, now));
    }

    /// Runs something on a subscriber, sends what is due then, and puts it on the clock anew or takes it away.
    fn with_watcher(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        run: impl FnOnce(&mut Watcher, &mut Context),
    ) {
        let Some(watcher) = self.watchers.get_mut(&id) else { return };
        run(watcher, &mut self.context);
        watcher.send(&mut self.context, now);
        let gone = watcher.is_gone();
        let next = if gone { None } else { watcher.poll_timeout() };
        reschedule(&mut self.schedule, Timed::Subscription(id), &mut watcher.scheduled, next);
        if gone {
            self.forget_watcher(id);
            self.context.tell(Event::SubscriberGone { id });
        }
    }

    fn forget_watcher(&mut self, id: SubscriptionId) {
        let Some(mut watcher) = self.watchers.remove(&id) else { return };
        reschedule(&mut self.schedule, Timed::Subscription(id), &mut watcher.scheduled, None);
        self.context.subscriptions.remove(&SubscriptionKey::of(&watcher.dialog.key()));
    }
}

#[cfg(test)]
mod tests;

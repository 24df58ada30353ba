//! Accounts: registering them, what they lend to calls, and networks that move.

use std::net::SocketAddr;
use std::time::Instant;

use sip_msg::NameAddr;
use sip_txn::{Flow, Transport};

use super::{Agent, Timed, reschedule};
use crate::command::{Invite, OutOfDialog};
use crate::context::{Context, Owner};
use crate::error::CommandError;
use crate::event::{RegistrationId, RequestId};
use crate::registration::{Account, Grant, Push, Registration, RegistrationStatus};
use crate::request::Outgoing;

impl Agent {
    /// Registers an account, and keeps it registered until [`unregister`](Self::unregister).
    ///
    /// With many accounts the first REGISTER waits for its turn ([`Config::registration_rate`](crate::Config)).
    ///
    /// # Errors
    /// [`CommandError::Limit`], or [`CommandError::Request`] when the REGISTER cannot even be sent.
    pub fn register(&mut self, now: Instant, account: Account) -> Result<RegistrationId, CommandError> {
        if self.registrations.len() >= self.context.config.limits.registrations {
            return Err(CommandError::Limit("registrations"));
        }
        let id = RegistrationId(self.next_id());
        let registration = Registration::start(&mut self.context, now, id, account)?;
        self.registrations.insert(id, Box::new(registration));
        self.with_registration(id, |_, _| {});
        self.pump(now);
        Ok(id)
    }

    /// Takes a registration back; [`Event::Unregistered`](crate::Event::Unregistered) says when that is done.
    ///
    /// # Errors
    /// [`CommandError::Unknown`].
    pub fn unregister(&mut self, now: Instant, id: RegistrationId) -> Result<(), CommandError> {
        self.account(now, id, |registration, context| registration.leave(context, now, false))?;
        self.stop_waiting(now, Owner::Registration(id));
        Ok(())
    }

    /// Takes every binding of the account's address-of-record back, those of other devices too (`Contact: *`,
    /// [RFC 3261 §10.2.2]), and ends the registration as [`unregister`](Self::unregister) does.
    ///
    /// # Errors
    /// [`CommandError::Unknown`].
    ///
    /// [RFC 3261 §10.2.2]: https://www.rfc-editor.org/rfc/rfc3261#section-10.2.2
    pub fn unregister_all(&mut self, now: Instant, id: RegistrationId) -> Result<(), CommandError> {
        self.account(now, id, |registration, context| registration.leave(context, now, true))?;
        self.stop_waiting(now, Owner::Registration(id));
        Ok(())
    }

    /// Registers anew at once: for a push notification ([RFC 8599 §4.1.3]), after a sleep, or because the user asks for it.
    ///
    /// An account that has failed for good is tried again.
    ///
    /// # Errors
    /// [`CommandError::Unknown`].
    ///
    /// [RFC 8599 §4.1.3]: https://www.rfc-editor.org/rfc/rfc8599#section-4.1.3
    pub fn refresh(&mut self, now: Instant, id: RegistrationId) -> Result<(), CommandError> {
        self.account(now, id, |registration, context| registration.refresh(context, now))
    }

    /// Changes how a push service wakes us, and registers anew ([RFC 8599 §4.1.1]).
    ///
    /// # Errors
    /// [`CommandError::Unknown`].
    ///
    /// [RFC 8599 §4.1.1]: https://www.rfc-editor.org/rfc/rfc8599#section-4.1.1
    pub fn set_push(
        &mut self,
        now: Instant,
        id: RegistrationId,
        push: Option<Push>,
    ) -> Result<(), CommandError> {
        self.account(now, id, |registration, context| registration.set_push(context, now, push))
    }

    /// Asks the registrar for all bindings of an account ([RFC 3261 §10.2.3]); they are the Contacts of the 200 that
    /// [`Event::Response`](crate::Event::Response) brings.
    ///
    /// # Errors
    /// [`CommandError::Unknown`], [`CommandError::Limit`] or [`CommandError::Request`].
    ///
    /// [RFC 3261 §10.2.3]: https://www.rfc-editor.org/rfc/rfc3261#section-10.2.3
    pub fn fetch_bindings(&mut self, now: Instant, id: RegistrationId) -> Result<RequestId, CommandError> {
        if self.outgoing.len() >= self.context.config.limits.requests {
            return Err(CommandError::Limit("requests"));
        }
        let request_id = RequestId(self.next_id());
        let registration = self.registrations.get(&id).ok_or(CommandError::Unknown)?;
        let query = registration.query(&mut self.context);
        let credentials = registration.account().credentials.clone();
        let outgoing = Outgoing::send(&mut self.context, now, request_id, query, credentials)?;
        self.outgoing.insert(request_id, outgoing);
        self.pump(now);
        Ok(request_id)
    }

    /// How an account stands; `None` when there is none of this id (any more).
    #[must_use]
    pub fn registration_status(&self, id: RegistrationId) -> Option<RegistrationStatus> {
        Some(self.registrations.get(&id)?.status())
    }

    /// What the registrar granted last: Contact, time, GRUUs, service route.
    #[must_use]
    pub fn granted(&self, id: RegistrationId) -> Option<&Grant> {
        self.registrations.get(&id)?.grant()
    }

    /// Who an account is: what goes into From of its calls.
    #[must_use]
    pub fn identity(&self, id: RegistrationId) -> Option<NameAddr> {
        Some(self.registrations.get(&id)?.name())
    }

    /// The addresses that the driver listens on have changed: every account registers its new Contact in place of the old one,
    /// and each call that stands tells its peer with a re-INVITE where we are now, and with a new offer where media is.
    ///
    /// Let media plans know of the new address first.
    pub fn address_changed(&mut self, now: Instant, listening: Vec<(Transport, SocketAddr)>) {
        self.context.layer.set_listening(listening);
        for id in self.registrations.keys().copied().collect::<Vec<_>>() {
            self.with_registration(id, |registration, context| registration.readdress(context, now));
        }
        for id in self.calls.keys().copied().collect::<Vec<_>>() {
            self.with_call(id, |usage, context| usage.readdress(context, now));
        }
        self.pump(now);
    }

    #[cfg(test)]
    pub(crate) fn flows(&self) -> &crate::registration::Flows {
        &self.context.flows
    }

    /// A flow is gone: whoever registered over it does so anew.
    pub(super) fn flow_closed(&mut self, now: Instant, flow: &Flow) {
        let (users, answered) = self.context.flows.closed(flow);
        for id in users {
            self.with_registration(id, |registration, context| {
                registration.flow_closed(context, now, flow, answered);
            });
        }
    }

    /// Lends an account to a call: what the call does not say itself.
    pub(super) fn lend_to_call(&self, now: Instant, invite: &mut Invite) -> Result<(), CommandError> {
        let Some(id) = invite.account else { return Ok(()) };
        let identity = self.registrations.get(&id).ok_or(CommandError::Unknown)?.identity(now);
        invite.credentials = invite.credentials.take().or(identity.credentials);
        invite.contact = invite.contact.take().or(identity.contact);
        if invite.route.is_empty() {
            invite.route = identity.route;
        }
        Ok(())
    }

    /// Lends an account to a request outside of dialogs.
    pub(super) fn lend_to_request(
        &self,
        now: Instant,
        request: &mut OutOfDialog,
    ) -> Result<(), CommandError> {
        let Some(id) = request.account else { return Ok(()) };
        let identity = self.registrations.get(&id).ok_or(CommandError::Unknown)?.identity(now);
        request.credentials = request.credentials.take().or(identity.credentials);
        request.contact = request.contact.take().or(identity.contact);
        if request.route.is_empty() {
            request.route = identity.route;
        }
        Ok(())
    }

    fn account(
        &mut self,
        now: Instant,
        id: RegistrationId,
        run: impl FnOnce(&mut Registration, &mut Context),
    ) -> Result<(), CommandError> {
        if !self.registrations.contains_key(&id) {
            return Err(CommandError::Unknown);
        }
        self.with_registration(id, run);
        self.pump(now);
        Ok(())
    }

    pub(super) fn with_registration(
        &mut self,
        id: RegistrationId,
        run: impl FnOnce(&mut Registration, &mut Context),
    ) {
        let Some(registration) = self.registrations.get_mut(&id) else { return };
        run(registration, &mut self.context);
        if let Some((key, gruu)) = registration.gruu() {
            match gruu {
                Some(gruu) => self.context.gruus.insert(key, gruu.clone()),
                None => self.context.gruus.remove(&key),
            };
        }
        let next = registration.poll_timeout();
        reschedule(&mut self.schedule, Timed::Registration(id), &mut registration.scheduled, next);
        if registration.is_finished() {
            self.registrations.remove(&id);
        }
    }
}

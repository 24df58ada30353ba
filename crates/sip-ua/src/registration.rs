//! Keeping an address-of-record bound to us ([RFC 3261 §10.2]).
//!
//! A [`Registration`] is one account; it has one binding, or with outbound one for each flow. What the pieces do:
//! `binding` is the state machine of one binding, `own` finds it among those that a registrar lists, `back_off` and `pace` say
//! when, `outbound` and `keep_alive` keep flows open, `gruu` and `push` read and write what their RFCs want.
//!
//! [RFC 3261 §10.2]: https://www.rfc-editor.org/rfc/rfc3261#section-10.2

mod account;
mod back_off;
mod binding;
mod gruu;
mod keep_alive;
mod outbound;
mod own;
mod pace;
mod push;
mod status;
#[cfg(test)]
mod tests;

use std::time::Instant;

use sip_msg::{CSeq, CallId, From, Host, Method, NameAddr, Request, Response, Text, To, Uri};
use sip_txn::{ClientId, Ending, Flow};

pub use account::Account;
pub use back_off::BackOff;
pub use gruu::{GruuPolicy, Gruus};
pub(crate) use keep_alive::Flows;
pub use outbound::Outbound;
pub(crate) use outbound::instance;
pub(crate) use pace::Pace;
pub use push::{Push, PushSupport};
pub use status::{Grant, RegistrationStatus};

use crate::auth::{Authenticator, Credentials};
use crate::context::Context;
use crate::error::CommandError;
use crate::event::{Event, RegistrationId};
use crate::target;
use binding::Binding;

/// One account.
#[derive(Debug)]
pub(crate) struct Registration {
    shared: Shared,
    bindings: Vec<Binding>,
    status: RegistrationStatus,
    leaving: Option<Leaving>,
    pub(crate) scheduled: Option<Instant>,
}

/// What all bindings of an account have in common.
#[derive(Debug)]
struct Shared {
    id: RegistrationId,
    account: Account,
    from_tag: Text,
    instance: Text,
    flows: usize,
}

/// How an account is given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Leaving {
    /// Our own bindings are removed.
    Own,
    /// All bindings of the address-of-record, those of other devices too.
    All,
}

/// What a binding needs to do its next step.
struct Turn<'a> {
    shared: &'a Shared,
    context: &'a mut Context,
    now: Instant,
    /// Another flow of the account stands.
    others_stand: bool,
    leaving: bool,
}

/// What an account lends to a call or another request.
pub(crate) struct Identity {
    pub(crate) credentials: Option<Credentials>,
    pub(crate) route: Vec<Uri>,
    pub(crate) contact: Option<Uri>,
}

impl Shared {
    fn back_off(&self, plain: bool) -> BackOff {
        let usual = if plain { BackOff::default() } else { BackOff::OUTBOUND };
        self.account.back_off.unwrap_or(usual)
    }

    /// Whether a first hop without outbound is used as any other. With several, one that has it will do.
    fn falls_back(&self) -> bool {
        self.flows == 1 && self.account.outbound.as_ref().is_some_and(|outbound| outbound.fallback)
    }
}

impl Registration {
    /// Sends the first REGISTER, or plans it when there are many.
    pub(crate) fn start(
        context: &mut Context,
        now: Instant,
        id: RegistrationId,
        account: Account,
    ) -> Result<Self, CommandError> {
        let proxies: Vec<Option<Uri>> = match &account.outbound {
            Some(outbound) if !outbound.proxies.is_empty() => {
                outbound.proxies.iter().take(outbound::FLOWS).cloned().map(Some).collect()
            }
            Some(_) | None => vec![None],
        };
        let instance = account.instance.clone().unwrap_or_else(|| context.instance.clone());
        let shared = Shared { id, from_tag: context.ids.tag(), instance, flows: proxies.len(), account };
        let mut registration = Self {
            shared,
            bindings: Vec::new(),
            status: RegistrationStatus::Inactive,
            leaving: None,
            scheduled: None,
        };
        let mut turn =
            Turn { shared: &registration.shared, context, now, others_stand: false, leaving: false };
        let mut bindings = Vec::with_capacity(proxies.len());
        for (reg_id, proxy) in (1..).zip(proxies) {
            let mut binding = Binding::new(&mut turn, reg_id, proxy);
            match binding.start(&mut turn) {
                Err(error) if bindings.is_empty() => return Err(error),
                // The others are on their way; this one tells of its trouble when its time comes.
                Ok(()) | Err(_) => bindings.push(binding),
            }
        }
        registration.bindings = bindings;
        registration.settle(context, now);
        Ok(registration)
    }

    /// Removes our bindings, or with `all` those of every device; what is under way ends first.
    pub(crate) fn leave(&mut self, context: &mut Context, now: Instant, all: bool) {
        self.leaving = Some(if all { Leaving::All } else { Leaving::Own });
        self.settle(context, now);
    }

    /// Refreshes every binding.
    pub(crate) fn refresh(&mut self, context: &mut Context, now: Instant) {
        self.for_each(context, now, Binding::refresh);
    }

    /// Changes the push parameters and refreshes, so that the network knows them.
    pub(crate) fn set_push(&mut self, context: &mut Context, now: Instant, push: Option<Push>) {
        self.shared.account.push = push.map(Box::new);
        self.for_each(context, now, |binding, turn| {
            binding.ask_for_push();
            binding.refresh(turn);
        });
    }

    /// Our address has changed.
    pub(crate) fn readdress(&mut self, context: &mut Context, now: Instant) {
        self.for_each(context, now, Binding::readdress);
    }

    pub(crate) fn flow_closed(&mut self, context: &mut Context, now: Instant, flow: &Flow, answered: bool) {
        self.for_each(context, now, |binding, turn| binding.flow_closed(turn, flow, answered));
    }

    pub(crate) fn handle_response(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientId,
        flow: &Flow,
        response: &Response,
    ) {
        self.for_each(context, now, |binding, turn| {
            if binding.is_sent_as(client) {
                binding.handle_response(turn, flow, response);
            }
        });
    }

    /// Who answers the challenges to one of our requests.
    pub(crate) fn authenticator(&self, client: ClientId) -> Option<&Authenticator> {
        self.bindings.iter().find(|binding| binding.is_sent_as(client)).map(|binding| &binding.auth)
    }

    pub(crate) fn authenticator_mut(&mut self, client: ClientId) -> Option<&mut Authenticator> {
        self.bindings.iter_mut().find(|binding| binding.is_sent_as(client)).map(|binding| &mut binding.auth)
    }

    /// A REGISTER ended without a final response.
    pub(crate) fn handle_client_ended(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientId,
        ending: &Ending,
    ) {
        self.for_each(context, now, |binding, turn| {
            if binding.is_sent_as(client) {
                binding.handle_client_ended(turn, ending);
            }
        });
    }

    pub(crate) fn handle_timeout(&mut self, context: &mut Context, now: Instant) {
        self.for_each(context, now, Binding::handle_timeout);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.bindings.iter().filter_map(Binding::poll_timeout).min()
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.leaving.is_some() && self.bindings.iter().all(Binding::is_gone)
    }

    pub(crate) fn status(&self) -> RegistrationStatus {
        self.status
    }

    /// What was granted to the first flow that stands.
    pub(crate) fn grant(&self) -> Option<&Grant> {
        let standing = self.bindings.iter().find(|binding| binding.stands());
        standing.or_else(|| self.bindings.first())?.grant.as_deref()
    }

    pub(crate) fn account(&self) -> &Account {
        &self.shared.account
    }

    /// Who the account is: what goes into From.
    pub(crate) fn name(&self) -> NameAddr {
        let account = &self.shared.account;
        NameAddr { display_name: account.display_name.clone(), uri: target::as_address(&account.aor) }
    }

    /// The GRUU that calls to this account are answered with, if it wants one, and what such calls have: the user of our
    /// Contact in the Request-URI, the account's domain in To.
    pub(crate) fn gruu(&self) -> Option<((Text, Host), Option<&Uri>)> {
        let account = &self.shared.account;
        if account.gruu == GruuPolicy::Off {
            return None;
        }
        let user = account.contact_user.as_deref().or_else(|| account.aor.raw_user())?;
        let stands = self.status == RegistrationStatus::Registered;
        let gruu = self.grant().filter(|_| stands).and_then(|grant| grant.gruus.of(account.gruu));
        Some(((user.into(), account.aor.host()?), gruu))
    }

    /// What requests of this account have: the way out, then the service route ([RFC 3608 §6.1]), and a GRUU or the registered
    /// address as Contact.
    ///
    /// [RFC 3608 §6.1]: https://www.rfc-editor.org/rfc/rfc3608#section-6.1
    pub(crate) fn identity(&self, now: Instant) -> Identity {
        let standing = self.bindings.iter().find(|binding| binding.stands()).or(self.bindings.first());
        let mut route = standing.map(|binding| binding.proxies(&self.shared).to_vec()).unwrap_or_default();
        let granted = self.grant().filter(|grant| grant.until > now);
        let contact = granted.map(|grant| match grant.gruus.of(self.shared.account.gruu) {
            Some(gruu) => gruu.clone(),
            None => {
                let mut contact = grant.contact.clone();
                push::strip(&mut contact);
                contact
            }
        });
        if let Some(grant) = granted {
            let first = grant.service_route.first().and_then(Uri::host_port);
            // A registrar may name the proxy that we go through anyway.
            if first.is_some() && route.last().and_then(Uri::host_port) == first {
                route.pop();
            }
            route.extend(grant.service_route.iter().cloned());
        }
        Identity { credentials: self.shared.account.credentials.clone(), route, contact }
    }

    /// A REGISTER that changes nothing and is answered with all bindings ([RFC 3261 §10.2.3]).
    ///
    /// [RFC 3261 §10.2.3]: https://www.rfc-editor.org/rfc/rfc3261#section-10.2.3
    pub(crate) fn query(&self, context: &mut Context) -> Request {
        let account = &self.shared.account;
        let proxies = self.bindings.first().map(|binding| binding.proxies(&self.shared)).unwrap_or_default();
        let (uri, routes) = target::routed(&target::loose(proxies), &account.registrar);
        let mut builder = Request::builder(Method::REGISTER, &uri);
        for route in &routes {
            builder = builder.header(route);
        }
        let number = context.ids.first_cseq();
        let mut request = builder
            .header(&From::new(self.name()).with_tag(context.ids.tag()))
            .header(&To::new(self.name()))
            .header(&CallId(context.ids.call_id()))
            .header(&CSeq { number, method: Method::REGISTER })
            .build();
        context.introduce(&mut request);
        request
    }

    /// Lets each binding do something, then looks at what has become of the account.
    fn for_each(
        &mut self,
        context: &mut Context,
        now: Instant,
        mut run: impl FnMut(&mut Binding, &mut Turn<'_>),
    ) {
        let leaving = self.leaving.is_some();
        for at in 0..self.bindings.len() {
            let mut others = self.bindings.iter().enumerate();
            let others_stand = others.any(|(other, binding)| other != at && binding.stands());
            let mut turn = Turn { shared: &self.shared, context, now, others_stand, leaving };
            if let Some(binding) = self.bindings.get_mut(at) {
                run(binding, &mut turn);
            }
        }
        self.settle(context, now);
    }

    /// Goes on leaving, and tells a change of status.
    fn settle(&mut self, context: &mut Context, now: Instant) {
        match self.leaving {
            Some(leaving) => self.go_on_leaving(context, now, leaving),
            None => self.keep_one_without_outbound(context, now),
        }
        let finished = self.is_finished();
        let status = if finished { RegistrationStatus::Inactive } else { self.status_of_bindings(now) };
        if status != self.status {
            self.status = status;
            context.tell(Event::RegistrationChanged { id: self.shared.id, status });
        }
        if finished {
            context.tell(Event::Unregistered { id: self.shared.id });
        }
    }

    fn go_on_leaving(&mut self, context: &mut Context, now: Instant, leaving: Leaving) {
        let mut turn = Turn { shared: &self.shared, context, now, others_stand: false, leaving: true };
        let Some((first, others)) = self.bindings.split_first_mut() else { return };
        for binding in &mut *others {
            binding.leave(&mut turn, false);
        }
        // A `*` comes last, lest a REGISTER under way put a binding back.
        if leaving == Leaving::Own || others.iter().all(Binding::is_gone) {
            first.leave(&mut turn, leaving == Leaving::All);
        }
    }

    /// A registrar without outbound has each flow as a binding of its own, and calls would ring us as often: one stays.
    fn keep_one_without_outbound(&mut self, context: &mut Context, now: Instant) {
        let ignored = |binding: &Binding| binding.stands() && !binding.is_outbound();
        let Some(at) = self.bindings.iter().position(ignored).filter(|_| self.bindings.len() > 1) else {
            return;
        };
        let mut kept = self.bindings.swap_remove(at);
        let mut turn = Turn { shared: &self.shared, context, now, others_stand: false, leaving: false };
        for mut other in self.bindings.drain(..) {
            kept.take_over(&mut turn, &mut other);
        }
        self.bindings.push(kept);
    }

    fn status_of_bindings(&self, now: Instant) -> RegistrationStatus {
        use RegistrationStatus::{Deregistering, Failed, Inactive, Registered, Registering};
        if self.leaving.is_some() {
            return Deregistering;
        }
        let threshold = self.shared.account.failure_threshold;
        let mut all = self.bindings.iter().map(|binding| binding.status(now, threshold));
        let has: Vec<RegistrationStatus> = all.by_ref().collect();
        [Registered, Registering, Failed].into_iter().find(|status| has.contains(status)).unwrap_or(Inactive)
    }
}

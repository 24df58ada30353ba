//! Requests outside of dialogs that we send: OPTIONS, MESSAGE and their like ([RFC 3261 §8.1]).
//!
//! [RFC 3261 §8.1]: https://www.rfc-editor.org/rfc/rfc3261#section-8.1

use std::time::Instant;

use sip_msg::{CSeq, CallId, Contact, From, To};
use sip_msg::{Method, Request, Response, StatusCode};
use sip_txn::{ClientId, Ending};

use crate::auth::{Attempt, Authenticator, Credentials};
use crate::command::OutOfDialog;
use crate::context::{self, Context, Owner};
use crate::error::CommandError;
use crate::event::{Event, RequestId};
use crate::invite::message::check_size;
use crate::invite::offer_answer;
use crate::invite::redirect::{Targets, suit_contact};
use crate::target;

/// A request that waits for its final response.
#[derive(Debug)]
pub(crate) struct Outgoing {
    id: RequestId,
    client: ClientId,
    /// As it was before credentials.
    request: Request,
    pub(crate) auth: Authenticator,
    attempt: Attempt,
    /// Where else it may go.
    targets: Targets,
}

impl Outgoing {
    pub(crate) fn start(
        context: &mut Context,
        now: Instant,
        id: RequestId,
        asked: OutOfDialog,
    ) -> Result<Self, CommandError> {
        let own_way = [
            Method::INVITE,
            Method::ACK,
            Method::BYE,
            Method::CANCEL,
            Method::REGISTER,
            Method::REFER,
            Method::SUBSCRIBE,
        ];
        if own_way.contains(&asked.method) {
            return Err(CommandError::Misuse("request: this method has a command of its own"));
        }
        let request = compose(context, &asked)?;
        Self::send(context, now, id, request, asked.credentials)
    }

    /// Sends a request that is complete but for credentials.
    pub(crate) fn send(
        context: &mut Context,
        now: Instant,
        id: RequestId,
        request: Request,
        credentials: Option<Credentials>,
    ) -> Result<Self, CommandError> {
        check_size(context, &request)?;
        let client = context.send(now, request.clone(), Owner::Request(id))?;
        let auth = Authenticator::new(credentials);
        let targets = Targets::new(context.config.redirects);
        Ok(Self { id, client, request, auth, attempt: Attempt::default(), targets })
    }

    /// Takes a response; true when it was the last one.
    pub(crate) fn handle_response(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientId,
        response: Response,
    ) -> bool {
        if self.client != client || response.status().is_provisional() {
            return false;
        }
        let challenge =
            matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        if challenge
            && self.auth.challenged(context, &response, &mut self.attempt).is_ok()
            && self.send_again(context, now).is_ok()
        {
            return false;
        }
        if self.send_elsewhere(context, now, Some(&response)) {
            return false;
        }
        if response.status().is_success() {
            self.auth.succeeded(context, &response);
        }
        context.tell(Event::Response { id: self.id, result: Ok(response) });
        true
    }

    /// Sends it to the next place that a 3xx named, or without what was refused ([RFC 3261 §8.1.3.4]); false when it has failed.
    ///
    /// Not an OPTIONS: it asks what a place says, and a 3xx is an answer.
    ///
    /// [RFC 3261 §8.1.3.4]: https://www.rfc-editor.org/rfc/rfc3261#section-8.1.3.4
    fn send_elsewhere(&mut self, context: &mut Context, now: Instant, response: Option<&Response>) -> bool {
        if *self.request.method() == Method::OPTIONS {
            return false;
        }
        let amended = response.is_some_and(|response| self.targets.amend(&mut self.request, response));
        if amended && self.send_again(context, now).is_ok() {
            return true;
        }
        while let Some(hop) = self.targets.next(context, &self.request, response) {
            self.targets.aim(&mut self.request, &hop);
            suit_contact(context, &mut self.request);
            self.attempt = Attempt::default();
            if self.send_again(context, now).is_ok() {
                return true;
            }
        }
        false
    }

    fn send_again(&mut self, context: &mut Context, now: Instant) -> Result<(), CommandError> {
        let CSeq { number, method } = self.request.headers().require::<CSeq>()?;
        self.request.headers_mut().replace(&CSeq { number: number.saturating_add(1), method });
        let mut request = self.request.clone();
        self.auth.authorize(&mut context.ids, &mut request);
        self.client = context.send(now, request, Owner::Request(self.id))?;
        Ok(())
    }

    /// Its transaction ended; true when that was the end of the request.
    pub(crate) fn handle_client_ended(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientId,
        ending: Ending,
    ) -> bool {
        if self.client != client || self.send_elsewhere(context, now, None) {
            return false;
        }
        context.tell(Event::Response { id: self.id, result: Err(ending) });
        true
    }
}

/// A request outside of dialogs, complete but for credentials.
pub(crate) fn compose(context: &mut Context, asked: &OutOfDialog) -> Result<Request, CommandError> {
    let (uri, routes) = target::routed(&target::loose(&asked.route), &asked.target);
    let mut builder = Request::builder(asked.method.clone(), &uri);
    for route in &routes {
        builder = builder.header(route);
    }
    let number = context.ids.first_cseq();
    let mut request = builder
        .header(&From::new(asked.from.clone()).with_tag(context.ids.tag()))
        .header(&To::new(target::as_address(&asked.target)))
        .header(&CallId(context.ids.call_id()))
        .header(&CSeq { number, method: asked.method.clone() })
        .build();
    // RFC 3428 §4, RFC 3903 §4.1: MESSAGE and PUBLISH have no Contact; an OPTIONS may (RFC 3261 §11.1).
    if !matches!(asked.method, Method::MESSAGE | Method::PUBLISH) {
        let first = routes.first().map(|route| route.uri());
        let (transport, remote) = (target::transport(first, &uri), target::address(first, &uri));
        let (user, secure) = (asked.from.uri.raw_user(), asked.target.is_sips());
        let made = || target::contact(&context.layer, transport, remote.as_ref(), user, secure);
        request.headers_mut().push(&Contact::new(asked.contact.clone().unwrap_or_else(made)));
    }
    if asked.method == Method::OPTIONS {
        request.headers_mut().push(&offer_answer::accept());
    }
    context::push_all(request.headers_mut(), &asked.headers)?;
    context.introduce(&mut request);
    if let Some((content_type, body)) = &asked.body {
        request.set_body(content_type, body.clone());
    }
    Ok(request)
}

//! Secrets both ways: what peers ask of us and the application has to give, and what we ask of peers.

use std::time::Instant;

use sip_msg::{HeaderName, Method, Request, Response, StatusCode, Text};
use sip_txn::{ClientId, Flow, ServerId};

use super::{Agent, Timed};
use crate::auth::{Authenticator, Credentials, CredentialsId, CredentialsWanted, Verdict, Waited};
use crate::context::Owner;
use crate::error::CommandError;
use crate::event::{DialogId, Event};

impl Agent {
    /// Answers an [`Event::CredentialsWanted`]; with `None` the request ends with the challenge.
    ///
    /// The call, registration or request keeps the credentials for that realm, and uses them again.
    ///
    /// # Errors
    /// [`CommandError::Unknown`] when it has been answered, or its time is over.
    pub fn provide(
        &mut self,
        now: Instant,
        id: CredentialsId,
        credentials: Option<Credentials>,
    ) -> Result<(), CommandError> {
        if !self.go_on(now, id, credentials) {
            return Err(CommandError::Unknown);
        }
        self.pump(now);
        Ok(())
    }

    /// The user whose password a call came in with, where calls are [challenged](crate::Config::challenge).
    #[must_use]
    pub fn authenticated(&self, id: DialogId) -> Option<&Text> {
        self.authenticated.get(&id)
    }

    /// Keeps a challenge back that wants credentials which only the application may have; true if it does.
    pub(super) fn wait_for_credentials(
        &mut self,
        now: Instant,
        client: ClientId,
        flow: &Flow,
        response: &Response,
    ) -> bool {
        let challenge =
            matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        let Some(patience) = self.context.config.ask_for_credentials.filter(|_| challenge) else {
            return false;
        };
        if self.waiting.len() >= self.context.config.limits.requests {
            return false;
        }
        self.context.heard.listen(Some((client, *flow)));
        let wanted = self.authenticator(client).and_then(|auth| auth.wants(&self.context, response));
        let (server, user) = self.context.heard.server_and_user();
        self.context.heard.listen(None);
        let Some((realm, scheme)) = wanted else { return false };
        let id = CredentialsId(self.next_id());
        let until = now + patience;
        self.schedule.insert((until, Timed::Credentials(id)));
        let (flow, response) = (*flow, response.clone());
        self.waiting.insert(id, Waited { client, flow, response, realm: realm.clone(), until, ended: None });
        self.context.tell(Event::CredentialsWanted(CredentialsWanted { id, server, realm, user, scheme }));
        true
    }

    /// Hands a challenge on that waited; false if there is none.
    pub(super) fn go_on(
        &mut self,
        now: Instant,
        id: CredentialsId,
        credentials: Option<Credentials>,
    ) -> bool {
        let Some(waited) = self.waiting.take(id) else { return false };
        self.schedule.remove(&(waited.until, Timed::Credentials(id)));
        if let Some(credentials) = credentials
            && let Some(auth) = self.authenticator_mut(waited.client)
        {
            auth.learn(&waited.realm, credentials);
        }
        self.deliver(now, waited.client, &waited.flow, waited.response);
        if let Some(ending) = waited.ended {
            self.handle_client_ended(now, waited.client, ending);
        }
        true
    }

    /// Lets what waits for credentials go on without them, where it is hung up, taken back or left.
    pub(super) fn stop_waiting(&mut self, now: Instant, owner: Owner) {
        let clients = &self.context.clients;
        for id in self.waiting.of(|client| clients.get(&client) == Some(&owner)) {
            self.go_on(now, id, None);
        }
        self.pump(now);
    }

    fn authenticator(&self, client: ClientId) -> Option<&Authenticator> {
        match self.context.clients.get(&client)? {
            Owner::Call(id) => self.calls.get(id).map(|call| &call.auth),
            Owner::Registration(id) => self.registrations.get(id)?.authenticator(client),
            Owner::Request(id) => self.outgoing.get(id).map(|request| &request.auth),
            Owner::Refer(id) => self.referrals.get(id)?.authenticator(),
            Owner::Subscription(id) => {
                let ours = self.subscriptions.get(id).map(|subscription| &subscription.auth);
                ours.or_else(|| self.watchers.get(id).map(|watcher| &watcher.auth))
            }
            Owner::Publication(id) => self.publications.get(id).map(|publication| &publication.auth),
        }
    }

    fn authenticator_mut(&mut self, client: ClientId) -> Option<&mut Authenticator> {
        match self.context.clients.get(&client)? {
            Owner::Call(id) => self.calls.get_mut(id).map(|call| &mut call.auth),
            Owner::Registration(id) => self.registrations.get_mut(id)?.authenticator_mut(client),
            Owner::Request(id) => self.outgoing.get_mut(id).map(|request| &mut request.auth),
            Owner::Refer(id) => self.referrals.get_mut(id)?.authenticator_mut(),
            Owner::Subscription(id) => {
                let ours = self.subscriptions.get_mut(id).map(|subscription| &mut subscription.auth);
                ours.or_else(|| self.watchers.get_mut(id).map(|watcher| &mut watcher.auth))
            }
            Owner::Publication(id) => self.publications.get_mut(id).map(|publication| &mut publication.auth),
        }
    }

    /// Checks the password of a request that would start something, and takes it out of the request: what the application
    /// sees, it may log. `Err`: it has been answered.
    ///
    /// Requests within dialogs have passed with the first one. OPTIONS passes, since it starts nothing and its answer tells
    /// nothing that a call would not; ACK and CANCEL cannot be challenged ([RFC 3261 §22.1]).
    ///
    /// [RFC 3261 §22.1]: https://www.rfc-editor.org/rfc/rfc3261#section-22.1
    pub(super) fn challenge(
        &mut self,
        now: Instant,
        server: ServerId,
        flow: &Flow,
        request: &mut Request,
    ) -> Result<Option<Text>, ()> {
        let Some(verifier) = &mut self.context.config.challenge else { return Ok(None) };
        if *request.method() == Method::OPTIONS {
            return Ok(None);
        }
        let verdict = verifier.verify(now, request);
        let stale = match verdict {
            Verdict::Granted { username, .. } => {
                request.headers_mut().remove(HeaderName::AUTHORIZATION);
                request.headers_mut().remove(HeaderName::PROXY_AUTHORIZATION);
                return Ok(Some(username));
            }
            Verdict::Stale => true,
            Verdict::Missing => false,
            Verdict::Denied => {
                tracing::debug!(%flow.remote, method = %request.method(), "a wrong user name or password");
                false
            }
        };
        let (status, lines) = (verifier.status(), verifier.challenge(now, stale));
        let mut response = Response::answer(request, status).to_tag(&self.context.ids.tag()).build();
        for (name, value) in lines {
            if let Err(error) = response.headers_mut().push_raw(name, value.as_bytes()) {
                tracing::warn!(%error, "the realm cannot be written");
            }
        }
        self.refuse(now, server, response);
        Err(())
    }
}

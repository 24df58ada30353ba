//! Where else a request of ours may go: the Contacts of a 3xx, tried one after the other ([RFC 3261 §8.1.3.4]), and what
//! a refusal asks us to do differently ([RFC 3261 §8.1.3.5]).
//!
//! [RFC 3261 §8.1.3.4]: https://www.rfc-editor.org/rfc/rfc3261#section-8.1.3.4
//! [RFC 3261 §8.1.3.5]: https://www.rfc-editor.org/rfc/rfc3261#section-8.1.3.5

use std::cmp::Reverse;
use std::time::Instant;

use sip_msg::{Contact, From, Require, Route, Unsupported};
use sip_msg::{HeaderName, HostPort, Request, Response, StatusCode, Uri};

use super::{InviteUsage, State, reliable};
use crate::auth::Attempt;
use crate::context::Context;
use crate::event::Event;
use crate::target;

/// More Contacts of one 3xx than this are not looked at.
const MAX_CONTACTS: usize = 32;

/// What header fields the URI of a 3xx may set in the new request: those that tell why and for whom the call comes, and
/// none that speak for us or steer the request ([RFC 3261 §19.1.5]).
///
/// [RFC 3261 §19.1.5]: https://www.rfc-editor.org/rfc/rfc3261#section-19.1.5
const FROM_A_REDIRECT: [HeaderName; 10] = [
    HeaderName::ACCEPT_CONTACT,
    HeaderName::DIVERSION,
    HeaderName::HISTORY_INFO,
    HeaderName::IN_REPLY_TO,
    HeaderName::JOIN,
    HeaderName::PRIORITY,
    HeaderName::REASON,
    HeaderName::REPLACES,
    HeaderName::SUBJECT,
    HeaderName::USER_TO_USER,
];

/// What we do when a request of ours is redirected (3xx).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Redirects {
    /// Try the addresses that the 3xx names, best q-value first, one after the other.
    ///
    /// Addresses of another scheme than `sip`, `sips` and `tel` are passed over, so is `sip` where we asked for `sips`,
    /// and no address is tried twice.
    #[non_exhaustive]
    Follow {
        /// How many addresses may be tried after the first, over all redirections.
        limit: u8,
    },
    /// Follow none: the 3xx ends the request, and the application finds its Contacts in the response.
    Report,
}

impl Redirects {
    /// Tries at most so many addresses after the first.
    #[must_use]
    pub fn follow(limit: u8) -> Self {
        Self::Follow { limit }
    }
}

impl Default for Redirects {
    /// Follows to five addresses.
    fn default() -> Self {
        Self::follow(5)
    }
}

/// A place to try.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Hop {
    /// Who is asked for.
    uri: Uri,
    /// The proxy that a 305 wants the request to go through.
    proxy: Option<Uri>,
    /// In thousandths.
    q: u16,
}

impl Hop {
    /// What was named in the 3xx.
    pub(crate) fn target(&self) -> &Uri {
        self.proxy.as_ref().unwrap_or(&self.uri)
    }
}

/// The target set of one request.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    policy: Redirects,
    /// Empty until the first redirection: the first is the original Request-URI.
    tried: Vec<Uri>,
    /// Best first.
    waiting: Vec<Hop>,
    /// The Route lines of the original request.
    routes: Vec<Route>,
    /// A request is amended once for each of these.
    options_dropped: bool,
    scheme_changed: bool,
}

impl Targets {
    pub(crate) fn new(policy: Redirects) -> Self {
        Self { policy, ..Self::default() }
    }

    /// The next place to try after this final response, or after none came; `None` when the request has failed.
    pub(crate) fn next(
        &mut self,
        context: &Context,
        request: &Request,
        response: Option<&Response>,
    ) -> Option<Hop> {
        let Redirects::Follow { limit } = self.policy else { return None };
        if let Some(response) = response {
            self.take(context, request, response);
            // RFC 3261 §21.6: who answers so knows all places.
            if response.status().code() >= 600 {
                self.waiting.clear();
            }
        }
        // The first of the tried was nobody's redirection.
        if self.waiting.is_empty() || self.tried.len() > usize::from(limit) {
            return None;
        }
        let hop = self.waiting.remove(0);
        self.tried.push(hop.target().clone());
        Some(hop)
    }

    /// Takes the Contacts of a 3xx into the set.
    fn take(&mut self, context: &Context, request: &Request, response: &Response) {
        let proxy = response.status() == StatusCode::USE_PROXY;
        let redirect =
            [StatusCode::MULTIPLE_CHOICES, StatusCode::MOVED_PERMANENTLY, StatusCode::MOVED_TEMPORARILY];
        let Ok(current) = request.uri() else { return };
        if !(proxy || redirect.contains(&response.status())) {
            return;
        }
        if self.tried.is_empty() {
            self.tried.push(current.detach());
            self.routes = request.headers().all::<Route>().flatten().map(|route| route.detach()).collect();
        }
        let domain = request.headers().require::<From>().ok().and_then(|from| from.uri().host_port());
        for contact in response.headers().all::<Contact>().take(MAX_CONTACTS).flatten() {
            let Some(named) = contact.uri().and_then(|uri| usable(uri, &current, domain.as_ref())) else {
                continue;
            };
            let known = self.tried.iter().chain(self.waiting.iter().map(Hop::target));
            if known.into_iter().any(|known| known.equivalent(&named))
                || context.config.policy.check_redirect(&current, &named).is_err()
            {
                continue;
            }
            let q = contact.q().unwrap_or(1000);
            self.waiting.push(match proxy {
                true => Hop { uri: current.detach(), proxy: Some(named), q },
                false => Hop { uri: named, proxy: None, q },
            });
        }
        // Stable: the server's order holds among equals.
        self.waiting.sort_by_key(|hop| Reverse(hop.q));
    }

    /// Aims a request at a hop: Request-URI, Route, and the header fields that its URI sets.
    pub(crate) fn aim(&self, request: &mut Request, hop: &Hop) {
        if let Ok(formed) = Request::from_uri(&hop.uri, request.method().clone()) {
            let formed = formed.build();
            for name in FROM_A_REDIRECT {
                if formed.headers().contains(&name) {
                    request.headers_mut().remove(&name);
                    for value in formed.headers().raw_all(&name) {
                        // It has been read as a header just now.
                        let _ = request.headers_mut().push_raw(name.clone(), value);
                    }
                }
            }
        }
        let routes = match &hop.proxy {
            Some(proxy) => target::loose(std::slice::from_ref(proxy)),
            None => self.routes.clone(),
        };
        let (uri, routes) = target::routed(&routes, &hop.uri);
        request.set_uri(&uri);
        request.headers_mut().remove(HeaderName::ROUTE);
        for route in &routes {
            request.headers_mut().push(route);
        }
    }

    /// Takes out of the request what this refusal says the server cannot do; whether that makes another try worth it.
    ///
    /// 420: without the options in Unsupported. 416: a `tel` number as `sip` URI of our own domain. A `sips` URI stays one.
    pub(crate) fn amend(&mut self, request: &mut Request, response: &Response) -> bool {
        match response.status() {
            StatusCode::BAD_EXTENSION if !self.options_dropped => {
                self.options_dropped = true;
                drop_options(request, response)
            }
            StatusCode::UNSUPPORTED_URI_SCHEME if !self.scheme_changed => {
                self.scheme_changed = true;
                let Ok(uri) = request.uri() else { return false };
                let from = request.headers().require::<From>().ok();
                match from.and_then(|from| from.uri().host_port()) {
                    Some(domain) if uri.scheme_name().eq_ignore_ascii_case("tel") => {
                        request.set_uri(&uri.tel_to_sip(domain));
                        true
                    }
                    _ => false,
                }
            }
            _ => false,
        }
    }
}

/// An address that we can call, as we call it.
fn usable(uri: &Uri, current: &Uri, domain: Option<&HostPort>) -> Option<Uri> {
    let uri = uri.detach();
    if uri.scheme_name().eq_ignore_ascii_case("tel") {
        let sip = uri.tel_to_sip(domain?.clone());
        return (!current.is_sips()).then_some(sip);
    }
    // At the very address that we talk to, another transport than the one we use is hardly meant, a less secure one least.
    let here = uri.is_sip() && current.is_sip() && uri.host_port() == current.host_port();
    let uri = match current.transport_param() {
        Some(transport) if here && uri.transport_param().is_none() => {
            uri.with_param("transport", Some(transport))
        }
        _ => uri,
    };
    (uri.is_sips() || (uri.is_sip() && !current.is_sips())).then_some(uri)
}

/// Takes the options that the server does not know out of Require; whether there were any.
fn drop_options(request: &mut Request, response: &Response) -> bool {
    let Ok(Some(Unsupported(unknown))) = response.headers().get::<Unsupported>() else { return false };
    if unknown.iter().any(|option| option.eq_ignore_ascii_case(reliable::OPTION)) {
        // It is only there because the application insists.
        return false;
    }
    let Ok(Some(Require(mut required))) = request.headers().get::<Require>() else { return false };
    let before = required.len();
    required.retain(|option| !unknown.iter().any(|unknown| unknown.eq_ignore_ascii_case(option)));
    if required.len() == before {
        return false;
    }
    request.headers_mut().remove(HeaderName::REQUIRE);
    if !required.is_empty() {
        request.headers_mut().push(&Require(required));
    }
    true
}

impl InviteUsage {
    /// Sends the INVITE to the next place, or amended to the same; false when the call has failed.
    pub(super) fn call_elsewhere(
        &mut self,
        context: &mut Context,
        now: Instant,
        response: Option<&Response>,
    ) -> bool {
        let State::Calling(calling) = &mut self.state else { return false };
        if let Some(response) = response
            && calling.targets.amend(&mut calling.request, response)
            && self.call_again(context, now).is_ok()
        {
            return true;
        }
        loop {
            let State::Calling(calling) = &mut self.state else { return false };
            let Some(hop) = calling.targets.next(context, &calling.request, response) else { return false };
            let to = hop.target().clone();
            calling.targets.aim(&mut calling.request, &hop);
            calling.attempt = Attempt::default();
            if let Some(contact) = suit_contact(context, &mut calling.request) {
                calling.contact = contact;
            }
            if self.call_again(context, now).is_ok() {
                let status = response.map(Response::status);
                context.tell(Event::Redirected { dialog: self.id, to, status });
                return true;
            }
        }
    }
}

/// Another next hop may be reached over another transport, from another of our addresses: the Contact says so.
pub(crate) fn suit_contact(context: &Context, request: &mut Request) -> Option<Uri> {
    let (contact, uri) = (target::first_contact(request.headers())?, request.uri().ok()?);
    let route = request.headers().all::<Route>().flatten().next();
    let first = route.as_ref().map(|route| route.uri());
    let secure = uri.is_sips() || first.is_some_and(Uri::is_sips);
    let (transport, remote) = (target::transport(first, &uri), target::address(first, &uri));
    let renewed = target::contact(&context.layer, transport, remote.as_ref(), contact.raw_user(), secure);
    let same_place = renewed.host_port() == contact.host_port()
        && renewed.is_sips() == contact.is_sips()
        && renewed.transport_param() == contact.transport_param();
    if same_place {
        return None;
    }
    request.headers_mut().replace(&Contact::new(renewed.clone()));
    Some(renewed)
}

#[cfg(test)]
mod tests;

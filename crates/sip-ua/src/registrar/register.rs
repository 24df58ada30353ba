//! REGISTER: which bindings a user has ([RFC 3261 §10.3], [RFC 3327], [RFC 5626 §6]).
//!
//! [RFC 3261 §10.3]: https://www.rfc-editor.org/rfc/rfc3261#section-10.3
//! [RFC 3327]: https://www.rfc-editor.org/rfc/rfc3327
//! [RFC 5626 §6]: https://www.rfc-editor.org/rfc/rfc5626#section-6

use std::time::{Duration, Instant};

use sip_msg::{
    CSeq, CallId, Contact, ContactAddress, Expires, MinExpires, Path, Request, Require, Response, Route,
    StatusCode, Supported, Text, To, Unsupported, Via,
};
use sip_txn::Flow;

use super::location::{Binding, Refused};
use super::{Registrar, Side, supported};

/// What a time that cannot be read stands for, in seconds ([RFC 3261 §10.2.1.1]).
///
/// [RFC 3261 §10.2.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-10.2.1.1
const MALFORMED_EXPIRES: u32 = 3600;

impl Registrar {
    /// Answers a REGISTER; an `Err` is a refusal.
    pub(super) fn register(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Request,
    ) -> Result<Box<Response>, Box<Response>> {
        let to: To = self.header(request)?;
        let user: Text = to.uri().user().map(Text::from).unwrap_or_default();
        if !self.is_ours(to.uri()) {
            return Err(self.answer(request, StatusCode::NOT_FOUND));
        }
        self.refuse_requirements(request)?;
        let authenticated = self.authenticate(now, flow, request, Side::Registration)?;
        if authenticated != user {
            return Err(self.answer(request, StatusCode::FORBIDDEN));
        }
        let changed = self.change(now, flow, request, &user);
        changed
            .map_err(|refused| refused.unwrap_or_else(|| self.answer(request, StatusCode::BAD_REQUEST)))?;
        let bindings = self.location.lookup(now, &user);
        let mut response = self.answer(request, StatusCode::OK);
        let headers = response.headers_mut();
        for binding in &bindings {
            let left = binding.expires_at.saturating_duration_since(now).as_secs();
            let left = u32::try_from(left).unwrap_or(u32::MAX);
            let mut contact = Contact::new(binding.contact.clone()).with_expires(left);
            if let (Some((instance, reg_id)), Some(params)) = (&binding.outbound, contact.params_mut()) {
                params.set_quoted("+sip.instance", format!("<{instance}>"));
                params.set("reg-id", reg_id.to_string());
            }
            headers.push(&contact);
        }
        for path in request.headers().all::<Path>().flatten() {
            headers.push(&path);
        }
        headers.push(&supported());
        let direct = |binding: &Binding| binding.outbound.is_some() && binding.flow == flow;
        if is_outbound(request) && bindings.iter().any(direct) {
            headers.push(&Require(vec![Text::from_static("outbound")]));
        }
        self.tell_bindings(now, user);
        Ok(response)
    }

    /// Does what a REGISTER asks for; an `Err` is a refusal, where there is a better one than 400.
    fn change(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Request,
        user: &Text,
    ) -> Result<(), Option<Box<Response>>> {
        let headers = request.headers();
        let CallId(call_id) = self.header(request)?;
        let CSeq { number: cseq, .. } = self.header(request)?;
        let default = match headers.get::<Expires>() {
            Ok(given) => given.map(|Expires(seconds)| seconds),
            Err(_) => Some(MALFORMED_EXPIRES),
        };
        let contacts: Vec<Contact> = headers.all().collect::<Result<_, _>>().map_err(|_| None)?;
        if contacts.len() > self.config.bindings.saturating_mul(2) {
            // More than a user can remove and add at once; each is compared with all others.
            return Err(Some(self.answer(request, StatusCode::FORBIDDEN)));
        }
        let path: Vec<Path> = headers.all().collect::<Result<_, _>>().map_err(|_| None)?;
        let path: Vec<Route> = path.into_iter().map(|path| Route::new(path.name_addr).detach()).collect();
        let outcome = if contacts.iter().any(|contact| contact.uri().is_none()) {
            if contacts.len() != 1 || default != Some(0) {
                return Err(None);
            }
            self.location.clear(user, &call_id, cseq)
        } else {
            let mut changes = Vec::new();
            for (contact, address) in
                contacts.iter().filter_map(|contact| Some((contact, contact.address()?)))
            {
                let wanted = contact.expires().or(default);
                let wanted = wanted.map_or(self.config.max_expires, |s| Duration::from_secs(s.into()));
                if !wanted.is_zero() && wanted < self.config.min_expires {
                    return Err(Some(self.too_brief(request)));
                }
                let lifetime = wanted.min(self.config.max_expires);
                let binding = Binding {
                    contact: address.name_addr.uri.detach(),
                    q: contact.q().unwrap_or(1000),
                    expires_at: now + lifetime,
                    flow,
                    path: path.clone(),
                    outbound: outbound(request, address),
                    cut_off: false,
                    call_id: call_id.detach(),
                    cseq,
                };
                changes.push((binding, lifetime));
            }
            self.location.update(now, user, changes, self.config.bindings)
        };
        outcome.map_err(|refused| {
            Some(match refused {
                Refused::OutOfOrder => self.answer(request, StatusCode::SERVER_INTERNAL_ERROR),
                Refused::TooMany => self.answer(request, StatusCode::FORBIDDEN),
            })
        })
    }

    /// A REGISTER that requires what we do not know changes nothing ([RFC 3261 §10.3] step 2).
    ///
    /// [RFC 3261 §10.3]: https://www.rfc-editor.org/rfc/rfc3261#section-10.3
    fn refuse_requirements(&mut self, request: &Request) -> Result<(), Box<Response>> {
        let Supported(known) = supported();
        let is_unknown = |option: &Text| !known.iter().any(|known| known.eq_ignore_ascii_case(option));
        let required = request.headers().all::<Require>().flatten().flat_map(|Require(options)| options);
        let unknown: Vec<Text> = required.filter(is_unknown).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let mut response = self.answer(request, StatusCode::BAD_EXTENSION);
        response.headers_mut().push(&Unsupported(unknown));
        Err(response)
    }

    fn too_brief(&mut self, request: &Request) -> Box<Response> {
        let mut response = self.answer(request, StatusCode::INTERVAL_TOO_BRIEF);
        let least = u32::try_from(self.config.min_expires.as_secs()).unwrap_or(u32::MAX);
        response.headers_mut().push(&MinExpires(least));
        response
    }
}

/// Whether the user agent registers a flow, and nobody between us and it would have to keep it ([RFC 5626 §6]).
///
/// [RFC 5626 §6]: https://www.rfc-editor.org/rfc/rfc5626#section-6
fn is_outbound(request: &Request) -> bool {
    let headers = request.headers();
    let first_hop = headers.all::<Via>().count() == 1 || {
        let last = headers.all::<Path>().flatten().last();
        last.is_some_and(|path| path.name_addr.uri.params().contains("ob"))
    };
    let supports = headers
        .all::<Supported>()
        .flatten()
        .any(|list| list.0.iter().any(|option| option.eq_ignore_ascii_case("outbound")));
    first_hop && supports
}

/// The instance and the flow's number, of a contact that is registered by RFC 5626.
fn outbound(request: &Request, contact: &ContactAddress) -> Option<(Text, u32)> {
    let reg_id = contact.params.value("reg-id")?.parse().ok().filter(|id| *id > 0)?;
    let instance = contact.instance().filter(|_| is_outbound(request))?;
    Some((Text::from(instance), reg_id))
}

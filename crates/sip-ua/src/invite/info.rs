//! INFO in a call, both ways: packages ([RFC 6086]), digits, and what came before there were packages ([RFC 6086 §2]).
//!
//! [RFC 6086]: https://www.rfc-editor.org/rfc/rfc6086
//! [RFC 6086 §2]: https://www.rfc-editor.org/rfc/rfc6086#section-2

mod digits;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_msg::{Accept, ContentType, InfoPackage, MediaRange, Params, RecvInfo, To};
use sip_msg::{HeaderName, Headers, Method, Request, Response, StatusCode, Text};
use sip_txn::{Ending, ServerId};

use super::requests::Purpose;
use super::{InviteUsage, State, offer_answer};
use crate::context::Context;
use crate::error::CommandError;
use crate::event::{Event, RequestId};

pub use digits::InfoDtmf;

/// The packages of one peer that we remember.
const MAX_PACKAGES: usize = 32;
/// The digits that wait for those before them to arrive.
const MAX_DIGITS: usize = 64;

/// What INFO needs to know of a call; most calls never do.
#[derive(Debug, Default)]
pub(super) struct InfoState {
    /// What each early dialog, later the one that stands, said it takes: the peer's tag, and the packages.
    theirs: Vec<(Text, Vec<Text>)>,
    /// A digit is on its way: the next ones wait, since requests may overtake each other, and digits must not.
    sending: bool,
    digits: VecDeque<(RequestId, InfoDtmf, Bytes)>,
}

/// Says which packages we take, in a request ([RFC 6086 §5.2.3]).
///
/// [RFC 6086 §5.2.3]: https://www.rfc-editor.org/rfc/rfc6086#section-5.2.3
pub(super) fn announce(context: &Context, headers: &mut Headers) {
    if let Some(packages) = &context.config.info_packages {
        // The names were checked when they were configured; a line with none says that we take none.
        let _ = headers.push_raw(HeaderName::RECV_INFO, packages.join(", ").as_bytes());
    }
}

/// The same in a response, which has it exactly when its request had.
pub(super) fn announce_back(context: &Context, request: &Request, response: &mut Response) {
    if request.headers().contains(HeaderName::RECV_INFO) {
        announce(context, response.headers_mut());
    }
}

impl InviteUsage {
    /// Remembers what a peer says it takes; a message without Recv-Info changes nothing.
    pub(super) fn note_packages(&mut self, tag: &str, headers: &Headers) {
        let known = self.info.as_deref().is_some_and(|info| info.theirs.iter().any(|(of, _)| of == tag));
        if !headers.contains(HeaderName::RECV_INFO) {
            return;
        }
        let named = headers.all::<RecvInfo>().flatten().take(MAX_PACKAGES);
        let packages: Vec<Text> = named.map(|named| named.package.detach()).collect();
        if packages.is_empty() && !known {
            return;
        }
        let info = self.info.get_or_insert_default();
        info.theirs.retain(|(of, _)| of != tag);
        if info.theirs.len() < MAX_PACKAGES {
            info.theirs.push((tag.into(), packages));
        }
    }

    /// The same, out of any provisional or 2xx response.
    pub(super) fn note_packages_of(&mut self, response: &Response) {
        let code = response.status().code();
        if (101..300).contains(&code)
            && response.headers().contains(HeaderName::RECV_INFO)
            && let Some(tag) = response.headers().require::<To>().ok().and_then(|to| to.params.text("tag"))
        {
            self.note_packages(&tag, response.headers());
        }
    }

    /// The dialog that INFO and MESSAGE go out in: the one that stands, or the first early one that both ends know.
    pub(super) fn current_tag(&self, command: &'static str) -> Result<Text, CommandError> {
        let dialog = match &self.state {
            State::Calling(calling) => calling.early.first().map(|early| &early.dialog),
            State::Alerting(alerting) => alerting.has_rung().then_some(&alerting.dialog),
            State::Established(established) => Some(&established.dialog),
            State::Over(_) => None,
        };
        let wrong = CommandError::WrongState { command, state: self.state.name() };
        dialog.map(|dialog| Text::from(dialog.remote_tag())).ok_or(wrong)
    }

    /// Sends an INFO that belongs to no package.
    pub(crate) fn info(
        &mut self,
        context: &mut Context,
        now: Instant,
        id: RequestId,
        (content_type, body): (Text, Bytes),
    ) -> Result<(), CommandError> {
        let tag = self.current_tag("info")?;
        let mut request = self.request(context, &tag, Method::INFO).ok_or(CommandError::Unknown)?;
        request.set_body(&content_type, body);
        self.send_request(context, now, &tag, request, Purpose::Application(id))
    }

    /// Sends an INFO of a package that the peer takes.
    pub(crate) fn info_package(
        &mut self,
        context: &mut Context,
        now: Instant,
        id: RequestId,
        package: &Text,
        content: Option<(Text, Bytes)>,
    ) -> Result<(), CommandError> {
        let tag = self.current_tag("info_package")?;
        let theirs = self.info.iter().flat_map(|info| &info.theirs).find(|(of, _)| *of == tag);
        if !theirs.is_some_and(|(_, packages)| packages.iter().any(|p| p.eq_ignore_ascii_case(package))) {
            return Err(CommandError::Misuse("info_package: the peer does not take this package"));
        }
        let mut request = self.request(context, &tag, Method::INFO).ok_or(CommandError::Unknown)?;
        request.headers_mut().push_raw(HeaderName::INFO_PACKAGE, package.as_bytes())?;
        if let Some((content_type, body)) = content {
            request.headers_mut().push_raw(HeaderName::CONTENT_DISPOSITION, "Info-Package")?;
            request.set_body(&content_type, body);
        }
        self.send_request(context, now, &tag, request, Purpose::Application(id))
    }

    /// Sends a digit, when those before it have arrived.
    pub(crate) fn dtmf(
        &mut self,
        context: &mut Context,
        now: Instant,
        id: RequestId,
        (digit, duration): (char, Duration),
        format: InfoDtmf,
    ) -> Result<(), CommandError> {
        let body = format
            .write(digit, duration)
            .ok_or(CommandError::Misuse("dtmf: the digit is one of 0 to 9, *, # and A to D"))?;
        let info = self.info.get_or_insert_default();
        if !info.sending {
            return self.send_digit(context, now, id, format, body);
        }
        if info.digits.len() >= MAX_DIGITS {
            return Err(CommandError::Limit("digits that wait"));
        }
        info.digits.push_back((id, format, body));
        Ok(())
    }

    fn send_digit(
        &mut self,
        context: &mut Context,
        now: Instant,
        id: RequestId,
        format: InfoDtmf,
        body: Bytes,
    ) -> Result<(), CommandError> {
        let tag = self.current_tag("dtmf")?;
        let mut request = self.request(context, &tag, Method::INFO).ok_or(CommandError::Unknown)?;
        request.set_body(format.content_type(), body);
        self.send_request(context, now, &tag, request, Purpose::Digit(id))?;
        self.info.get_or_insert_default().sending = true;
        Ok(())
    }

    /// A digit has arrived, or never will: the next one.
    pub(super) fn digit_answered(
        &mut self,
        context: &mut Context,
        now: Instant,
        id: RequestId,
        result: Result<Response, Ending>,
    ) {
        context.tell(Event::Response { id, result });
        let Some(info) = &mut self.info else { return };
        info.sending = false;
        while let Some((id, format, body)) = self.info.as_mut().and_then(|info| info.digits.pop_front()) {
            if self.send_digit(context, now, id, format, body).is_ok() {
                return;
            }
            context.tell(Event::Response { id, result: Err(Ending::Normal) });
        }
    }

    /// Digits that still wait end with the call.
    pub(super) fn fail_digits(&mut self, context: &mut Context) {
        for (id, ..) in self.info.take().into_iter().flat_map(|info| info.digits) {
            context.tell(Event::Response { id, result: Err(Ending::Normal) });
        }
    }

    /// An INFO of the peer ([RFC 6086 §4.2.2]).
    ///
    /// [RFC 6086 §4.2.2]: https://www.rfc-editor.org/rfc/rfc6086#section-4.2.2
    pub(super) fn informed(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerId,
        request: Request,
    ) {
        let package = request.headers().get::<InfoPackage>();
        let status = match (&package, content(context, &request)) {
            (Err(_), _) => StatusCode::BAD_REQUEST,
            (Ok(Some(named)), _) if !takes_package(context, &named.package) => StatusCode::BAD_INFO_PACKAGE,
            (Ok(None), Content::Unknown) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            (Ok(None), Content::Malformed) => StatusCode::BAD_REQUEST,
            (Ok(None), Content::Digit(digit, duration)) => {
                self.answer(context, now, server, &request, StatusCode::OK);
                return context.tell(Event::InfoDigit { dialog: self.id, digit, duration });
            }
            (Ok(Some(_)), _) | (Ok(None), Content::Known) => {
                self.answer(context, now, server, &request, StatusCode::OK);
                return context.tell(Event::Info { dialog: self.id, request });
            }
        };
        let mut response = Response::answer(&request, status).build();
        if status == StatusCode::BAD_INFO_PACKAGE {
            let taken = context.config.info_packages.as_deref().unwrap_or_default();
            // The names were checked when they were configured.
            let _ = response.headers_mut().push_raw(HeaderName::RECV_INFO, taken.join(", ").as_bytes());
        } else if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            response.headers_mut().push(&accept(context));
        }
        context.sign_response(&mut response, false);
        context.respond(now, server, response);
    }
}

/// What an INFO carries.
enum Content {
    Digit(char, Duration),
    /// Nothing, or something that the application takes or may pass over.
    Known,
    Unknown,
    /// A digit that is none.
    Malformed,
}

fn content(context: &Context, request: &Request) -> Content {
    if request.body().is_empty() {
        return Content::Known;
    }
    let plain = request
        .headers()
        .raw(HeaderName::CONTENT_ENCODING)
        .is_none_or(|encoding| encoding.eq_ignore_ascii_case(b"identity"));
    let named = request.headers().get::<ContentType>().ok().flatten().filter(|_| plain);
    let dtmf =
        named.as_ref().and_then(|named| InfoDtmf::ALL.iter().find(|dtmf| named.is(dtmf.content_type())));
    if let Some(format) = dtmf {
        return match format.read(request.body()) {
            Some((digit, duration)) => Content::Digit(digit, duration),
            None => Content::Malformed,
        };
    }
    let taken = &context.config.info_types;
    let known = named.is_some_and(|named| taken.iter().any(|taken| taken == "*/*" || named.is(taken)));
    if known || offer_answer::is_optional(request.headers()) { Content::Known } else { Content::Unknown }
}

fn takes_package(context: &Context, package: &str) -> bool {
    context.config.info_packages.iter().flatten().any(|taken| taken.eq_ignore_ascii_case(package))
}

/// What an INFO may carry.
fn accept(context: &Context) -> Accept {
    let dtmf = InfoDtmf::ALL.map(|dtmf| Text::from_static(dtmf.content_type()));
    let types = dtmf.into_iter().chain(context.config.info_types.iter().cloned());
    let range = |named: Text| {
        let (kind, subtype) = named.split_once('/')?;
        Some(MediaRange { kind: kind.into(), subtype: subtype.into(), params: Params::new() })
    };
    Accept(types.filter_map(range).collect())
}

#[cfg(test)]
mod tests;

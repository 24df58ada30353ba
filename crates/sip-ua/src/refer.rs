//! REFER ([RFC 3515]): what is asked of us or by us, as values.
//!
//! [RFC 3515]: https://www.rfc-editor.org/rfc/rfc3515

use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_msg::{
    Accept, CSeq, Fragment, HeaderName, MediaRange, Method, NameAddr, Params, ReferSub, ReferTo, ReferredBy,
    Replaces, Request, StatusCode, Text, Uri,
};
use sip_txn::ServerId;

use crate::auth::{Attempt, Authenticator};
use crate::command::OutOfDialog;
use crate::dialog::Dialog;
use crate::event::{DialogId, ReferId};
use crate::subscription::{Notifier, Termination, notifier::Body};

/// The event package of REFER ([RFC 3515 §3.1]).
///
/// [RFC 3515 §3.1]: https://www.rfc-editor.org/rfc/rfc3515#section-3.1
pub(crate) const PACKAGE: &str = "refer";

/// How long the subscription that a REFER makes may stand: longer than anything may ring (Timer C is 3 minutes).
pub(crate) const EXPIRES: Duration = Duration::from_secs(300);

/// The least time between two reports ([RFC 3515 §3.10]).
///
/// [RFC 3515 §3.10]: https://www.rfc-editor.org/rfc/rfc3515#section-3.10
pub(crate) const PACE: Duration = Duration::from_secs(1);

/// The headers that a Refer-To URI may put into the request it asks for.
///
/// [RFC 3261 §19.1.5] names what must not be; everything but this list may not be, so that nobody is made to say who he
/// is, to route, or to authorize by a link. Names that begin with `X-` pass too: exchanges hand data over in them.
///
/// [RFC 3261 §19.1.5]: https://www.rfc-editor.org/rfc/rfc3261#section-19.1.5
const FROM_A_LINK: [HeaderName; 9] = [
    HeaderName::REPLACES,
    HeaderName::JOIN,
    HeaderName::REQUIRE,
    HeaderName::SUBJECT,
    HeaderName::PRIORITY,
    HeaderName::ACCEPT_CONTACT,
    HeaderName::REJECT_CONTACT,
    HeaderName::REQUEST_DISPOSITION,
    HeaderName::USER_TO_USER,
];

/// A transfer of the peer of a call ([RFC 5589]).
///
/// [RFC 5589]: https://www.rfc-editor.org/rfc/rfc5589
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Transfer {
    /// Where to.
    pub to: TransferTo,
    /// Put the call on hold first; it is resumed if the transfer fails. Not by default.
    pub hold: bool,
    /// Hang our leg up when the transfer has worked; the default.
    pub hang_up: bool,
    /// Send the REFER in a dialog of its own that names the call ([RFC 4538]); the peer that refuses this is asked again
    /// in the call's dialog. Not by default.
    ///
    /// [RFC 4538]: https://www.rfc-editor.org/rfc/rfc4538
    pub own_dialog: bool,
    /// Ask for reports; the default. Without them ([RFC 4488]) the peer's 2xx is all there is to know.
    ///
    /// [RFC 4488]: https://www.rfc-editor.org/rfc/rfc4488
    pub reports: bool,
    /// More headers of the REFER, as they are.
    pub headers: Vec<(HeaderName, Text)>,
}

/// Where a transfer goes.
#[derive(Clone, Debug)]
pub enum TransferTo {
    /// To somebody we do not talk with (blind).
    Uri(Uri),
    /// To the peer of another call of ours, which the new call replaces (attended).
    Call(DialogId),
}

impl Transfer {
    /// To an address.
    #[must_use]
    pub fn blind(target: Uri) -> Self {
        Self::to(TransferTo::Uri(target))
    }

    /// To the peer of another call, which must stand.
    #[must_use]
    pub fn attended(other: DialogId) -> Self {
        Self::to(TransferTo::Call(other))
    }

    fn to(to: TransferTo) -> Self {
        Self { to, hold: false, hang_up: true, own_dialog: false, reports: true, headers: Vec::new() }
    }

    /// Put the call on hold first.
    #[must_use]
    pub fn hold(mut self) -> Self {
        self.hold = true;
        self
    }

    /// Let our leg stand when the transfer has worked.
    #[must_use]
    pub fn keep_call(mut self) -> Self {
        self.hang_up = false;
        self
    }

    /// Send the REFER in a dialog of its own.
    #[must_use]
    pub fn own_dialog(mut self) -> Self {
        self.own_dialog = true;
        self
    }

    /// Ask for no reports.
    #[must_use]
    pub fn without_reports(mut self) -> Self {
        self.reports = false;
        self
    }

    /// One more header of the REFER.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<Text>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Why a transfer did not work.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The peer does not do it.
    #[error("the peer refused: {} {reason}", status.code())]
    Refused {
        /// Its answer.
        status: StatusCode,
        /// The reason phrase.
        reason: Text,
    },
    /// The peer tried and could not reach the target.
    #[error("the target was not reached: {} {reason}", status.code())]
    Failed {
        /// What the peer reported last.
        status: StatusCode,
        /// The reason phrase.
        reason: Text,
    },
    /// The peer did not answer the REFER.
    #[error("the peer did not answer the REFER: {0}")]
    NoAnswer(Text),
    /// The peer accepted, and never said how it ended.
    #[error("the peer accepted and never reported the end")]
    NotReported,
    /// The call ended before the peer was asked.
    #[error("the call ended first")]
    CallEnded,
}

/// A REFER outside of any call: somebody is asked to call somebody.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Refer {
    /// Who asks whom, with which account, credentials, proxies and headers.
    pub request: OutOfDialog,
    /// Whom to call.
    pub refer_to: Uri,
    /// Ask for reports; the default. A REFER that a proxy may fork must ask for them ([RFC 4488 §5]).
    ///
    /// [RFC 4488 §5]: https://www.rfc-editor.org/rfc/rfc4488#section-5
    pub reports: bool,
}

impl Refer {
    /// Asks `target` to call `refer_to`.
    #[must_use]
    pub fn new(from: NameAddr, target: Uri, refer_to: Uri) -> Self {
        Self { request: OutOfDialog::new(Method::REFER, from, target), refer_to, reports: true }
    }

    /// Changes the request: account, credentials, proxies, headers.
    #[must_use]
    pub fn request(mut self, change: impl FnOnce(OutOfDialog) -> OutOfDialog) -> Self {
        self.request = change(self.request);
        self
    }

    /// Ask for no reports.
    #[must_use]
    pub fn without_reports(mut self) -> Self {
        self.reports = false;
        self
    }
}

/// What a REFER of a peer asks for, read and bounded.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReferRequest {
    /// Its id, for [`Agent::accept_refer`](crate::Agent::accept_refer) and its like.
    pub id: ReferId,
    /// Whom to call, without headers and method.
    pub target: Uri,
    /// With which request; INVITE unless [`Config::refers`](crate::Config::refers) lets others pass.
    pub method: Method,
    /// The headers that the URI asks for, as far as a link may ask for any.
    pub headers: Vec<(HeaderName, Text)>,
    /// The call at the target that the new one replaces: this is an attended transfer.
    pub replaces: Option<Replaces>,
    /// Who asks, by its own claim; goes into the new request ([RFC 3892 §2.2]).
    ///
    /// [RFC 3892 §2.2]: https://www.rfc-editor.org/rfc/rfc3892#section-2.2
    pub referred_by: Option<ReferredBy>,
    /// The whole request.
    pub request: Request,
}

impl ReferRequest {
    /// Reads what a REFER asks for, or says how to refuse it.
    pub(crate) fn read(
        id: ReferId,
        request: &Request,
        methods: &[Method],
    ) -> Result<Self, (StatusCode, &'static str)> {
        let headers = request.headers();
        let bad = |reason| (StatusCode::BAD_REQUEST, reason);
        if headers.raw_all(HeaderName::REFER_TO).count() != 1 {
            return Err(bad("Exactly One Refer-To Is Needed"));
        }
        let refer_to = headers.require::<ReferTo>().map_err(|_| bad("Bad Refer-To"))?;
        let referred_by = headers.get::<ReferredBy>().map_err(|_| bad("Bad Referred-By"))?;
        let uri = refer_to.uri();
        if !uri.is_sip() && !uri.is_sips() && !uri.scheme_name().eq_ignore_ascii_case("tel") {
            return Err((StatusCode::UNSUPPORTED_URI_SCHEME, "Unsupported Scheme in Refer-To"));
        }
        let asked = Request::from_uri(uri, Method::INVITE).map_err(|_| bad("Bad Refer-To"))?.build();
        let method = asked.method().clone();
        if !methods.contains(&method) {
            return Err((StatusCode::FORBIDDEN, "Method in Refer-To Not Allowed"));
        }
        if asked.headers().raw_all(HeaderName::REPLACES).count() > 1
            || asked.headers().raw_all(HeaderName::JOIN).count() > 1
        {
            return Err(bad("Only One Replaces or Join"));
        }
        let replaces = asked.headers().get::<Replaces>().map_err(|_| bad("Bad Replaces"))?;
        let passed = asked.headers().iter().filter(|(name, _)| may_come_from_a_link(name));
        let passed = passed.map(|(name, value)| (name.clone(), Text::from(String::from_utf8_lossy(value))));
        let mut target = uri.detach();
        target.clear_headers();
        target.remove_param("method");
        Ok(Self {
            id,
            target,
            method,
            headers: passed.collect(),
            replaces,
            referred_by,
            request: request.clone(),
        })
    }
}

fn may_come_from_a_link(name: &HeaderName) -> bool {
    FROM_A_LINK.contains(name) || name.as_str().get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"))
}

/// Whether a REFER, or the answer to one, wants reports ([RFC 4488 §4]); what cannot be read changes nothing.
///
/// [RFC 4488 §4]: https://www.rfc-editor.org/rfc/rfc4488#section-4
pub(crate) fn wants_reports(headers: &sip_msg::Headers) -> bool {
    headers.get::<ReferSub>().ok().flatten().is_none_or(|asked| asked.subscribe)
}

/// The header that asks for no reports, or grants it.
pub(crate) fn no_reports() -> ReferSub {
    ReferSub { subscribe: false, params: Params::new() }
}

/// A NOTIFY's body: the status line of the request that was asked for, and nothing of the rest ([RFC 3515 §5]).
///
/// [RFC 3515 §5]: https://www.rfc-editor.org/rfc/rfc3515#section-5
pub(crate) fn report(status: StatusCode) -> Body {
    Some(("message/sipfrag;version=2.0".into(), Fragment::status_line(status)))
}

/// Reads a NOTIFY's body; `Ok(None)` when it has none.
pub(crate) fn read_report(request: &Request) -> Result<Option<(StatusCode, Text)>, StatusCode> {
    let body: &Bytes = request.body();
    if body.is_empty() {
        return Ok(None);
    }
    let kind = request.headers().get::<sip_msg::ContentType>().ok().flatten();
    if kind.is_some_and(|kind| !kind.is("message/sipfrag")) {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let fragment = Fragment::parse(body.clone(), &sip_msg::Limits::default());
    let fragment = fragment.map_err(|_| StatusCode::BAD_REQUEST)?;
    let status = fragment.status().ok_or(StatusCode::BAD_REQUEST)?;
    Ok(Some((status, fragment.reason().map(Text::detach).unwrap_or_default())))
}

/// Who carries the reports of a REFER.
#[derive(Debug)]
pub(crate) enum Carrier {
    /// The dialog of a call that it came in.
    Call { id: DialogId, remote_tag: Text },
    /// A dialog that the REFER made.
    Own { dialog: Box<Dialog>, auth: Box<Authenticator> },
}

/// A REFER of a peer, from its arrival to the answer to our last report.
#[derive(Debug)]
pub(crate) struct Referral {
    pub(crate) carrier: Carrier,
    pub(crate) request: Request,
    /// `id` of the Event header: the second REFER in a dialog and those after it need one ([RFC 3515 §2.4.6]).
    ///
    /// [RFC 3515 §2.4.6]: https://www.rfc-editor.org/rfc/rfc3515#section-2.4.6
    pub(crate) event_id: Option<u32>,
    pub(crate) stage: Stage,
    pub(crate) scheduled: Option<Instant>,
}

#[derive(Debug)]
pub(crate) enum Stage {
    /// The application has not decided.
    Asked { server: ServerId, answer_by: Instant },
    /// Accepted; the referrer is told what comes of it.
    Reporting { notifier: Notifier, sent: Option<Box<Sent>> },
    /// Accepted, and nobody wants to hear of it.
    Silent { until: Instant },
}

/// The NOTIFY under way in a dialog of its own.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) client: sip_txn::ClientId,
    pub(crate) request: Request,
    pub(crate) attempt: Attempt,
}

impl Referral {
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Asked { answer_by, .. } => Some(*answer_by),
            Stage::Reporting { notifier, .. } => notifier.poll_timeout(),
            Stage::Silent { until } => Some(*until),
        }
    }

    /// What answers challenges, where the reports go through a dialog of their own.
    pub(crate) fn authenticator(&self) -> Option<&Authenticator> {
        match &self.carrier {
            Carrier::Own { auth, .. } => Some(auth),
            Carrier::Call { .. } => None,
        }
    }

    /// The same, to change.
    pub(crate) fn authenticator_mut(&mut self) -> Option<&mut Authenticator> {
        match &mut self.carrier {
            Carrier::Own { auth, .. } => Some(auth),
            Carrier::Call { .. } => None,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(&self.stage, Stage::Reporting { notifier, .. } if notifier.is_gone())
    }

    /// What became of the request that was asked for: a provisional status, or the final one, which ends it.
    pub(crate) fn progress(&mut self, status: StatusCode) {
        let Stage::Reporting { notifier, .. } = &mut self.stage else { return };
        if status.is_provisional() {
            notifier.report(report(status));
        } else {
            notifier.finish(Termination::NoResource, report(status));
        }
    }
}

/// The sequence number of a request.
pub(crate) fn number(request: &Request) -> u32 {
    request.headers().require::<CSeq>().map_or(0, |cseq| cseq.number)
}

/// What NOTIFYs of this package may carry.
pub(crate) fn accept() -> Accept {
    Accept(vec![MediaRange { kind: "message".into(), subtype: "sipfrag".into(), params: Params::new() }])
}

/// Where a blind transfer goes.
pub(crate) fn blind(target: &Uri) -> ReferTo {
    ReferTo::new(target.clone())
}

/// Where an attended transfer goes: to the peer of the other call, whose dialog the new call replaces.
///
/// Replaces names the dialog as the one who receives the INVITE sees it: to-tag is *his* tag ([RFC 3891 §3]).
///
/// [RFC 3891 §3]: https://www.rfc-editor.org/rfc/rfc3891#section-3
pub(crate) fn attended(other: &Dialog) -> ReferTo {
    let replaces = Replaces::new(other.call_id().clone(), other.remote_tag(), other.local_tag());
    let uri = other.remote_target().clone();
    ReferTo::new(uri.with_header("Replaces", &replaces.to_string()).with_header("Require", "replaces"))
}

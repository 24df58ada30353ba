//! What an agent tells its application.

use std::fmt;
use std::time::Duration;

use sdp::Direction;
use sip_msg::{Reason, Request, Response, RetryAfter, StatusCode, Text, Uri};
use sip_txn::{Ending, Flow};

use crate::auth::CredentialsWanted;
use crate::policy::Violation;
use crate::refer::{ReferRequest, TransferError};
use crate::registration::RegistrationStatus;
use crate::subscription::SubscriptionEnd;

/// A call of ours: the INVITE usage with all its early dialogs, later the one dialog that stands.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DialogId(pub(crate) u64);

/// One registration.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RegistrationId(pub(crate) u64);

/// A request we sent and will hear the outcome of.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RequestId(pub(crate) u64);

/// A request from outside of any call that waits for [`Agent::respond`](crate::Agent::respond).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct IncomingRequestId(pub(crate) u64);

/// A REFER that came, until the last report on it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ReferId(pub(crate) u64);

/// A subscription, of ours or to us.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SubscriptionId(pub(crate) u64);

/// A publication of ours.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PublicationId(pub(crate) u64);

macro_rules! display_as_number {
    ($($id:ty),*) => { $(
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )* };
}
display_as_number!(
    DialogId,
    RegistrationId,
    RequestId,
    IncomingRequestId,
    ReferId,
    SubscriptionId,
    PublicationId
);

/// Who did it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Side {
    /// We did, by a command.
    Local,
    /// The peer did.
    Remote,
    /// Nobody wanted it: a timeout, a lost connection, a broken rule.
    Error,
}

/// What [`Agent::poll_output`](crate::Agent::poll_output) gives out.
#[derive(Debug)]
pub enum Output {
    /// For the transport driver.
    Action(sip_txn::Action),
    /// For the application.
    Event(Event),
}

/// Something the application wants to know.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The registrar has our binding; said again after each refresh.
    Registered {
        /// Which registration.
        id: RegistrationId,
        /// The time granted.
        expires: Duration,
        /// Our Contact as the registrar holds it.
        contact: Uri,
    },
    /// A REGISTER came to nothing.
    RegistrationFailed {
        /// Which registration.
        id: RegistrationId,
        /// What the registrar said; `None` when nobody answered.
        status: Option<StatusCode>,
        /// One line for a person.
        reason: Text,
        /// When we try again by ourselves; `None`: never, somebody has to change something.
        will_retry_in: Option<Duration>,
    },
    /// How an account stands has changed; [`Agent::registration_status`](crate::Agent::registration_status) tells it at any
    /// time.
    RegistrationChanged {
        /// Which registration.
        id: RegistrationId,
        /// How it stands now.
        status: RegistrationStatus,
    },
    /// The binding is gone, or we have stopped trying to remove it; the id is no longer known.
    Unregistered {
        /// Which registration.
        id: RegistrationId,
    },
    /// Somebody calls: answer with [`ring`](crate::Agent::ring), [`accept`](crate::Agent::accept) or
    /// [`reject`](crate::Agent::reject).
    Incoming {
        /// The call.
        dialog: DialogId,
        /// Where it came from.
        flow: Flow,
        /// The INVITE; what it says is the caller's claim.
        request: Request,
        /// The call that this one replaces: once this one is accepted, that one ends ([RFC 3891]).
        ///
        /// The caller knows the call's dialog, as its peer does, and whoever saw its messages. Who wants to be surer
        /// compares the two callers, or the Referred-By of this one, or challenges it, and refuses it if need be.
        ///
        /// [RFC 3891]: https://www.rfc-editor.org/rfc/rfc3891
        replaces: Option<DialogId>,
        /// The call that this one is to be mixed with ([RFC 3911]); see
        /// [`Config::joins`](crate::Config::joins).
        ///
        /// [RFC 3911]: https://www.rfc-editor.org/rfc/rfc3911
        joins: Option<DialogId>,
    },
    /// The next hop works on our INVITE (100).
    Trying {
        /// The call.
        dialog: DialogId,
    },
    /// A provisional answer above 100.
    Ringing {
        /// The call.
        dialog: DialogId,
        /// The answer.
        response: Response,
        /// It brought an answer to our offer: there may be tones to hear.
        early_media: bool,
    },
    /// Our call goes to another address: a 3xx named it, and what was tried before failed. It rings anew, if at all.
    Redirected {
        /// The call.
        dialog: DialogId,
        /// Where it goes now.
        to: Uri,
        /// What the place before answered: the 3xx itself, or how one it named failed; `None` when it did not answer.
        status: Option<StatusCode>,
    },
    /// One more place answered a call of ours that is answered already, and [`Forks::All`](crate::Forks) was asked for:
    /// a call of its own from here on.
    Forked {
        /// The call that was answered first.
        dialog: DialogId,
        /// The new one.
        fork: DialogId,
        /// Its 2xx.
        response: Response,
    },
    /// Our call was answered, media agreed and the ACK sent.
    Answered {
        /// The call.
        dialog: DialogId,
        /// The 2xx.
        response: Response,
    },
    /// The caller knows that we answered: the ACK came.
    Confirmed {
        /// The call.
        dialog: DialogId,
    },
    /// A re-INVITE or UPDATE settled, and media changed.
    MediaChanged {
        /// The call.
        dialog: DialogId,
        /// Whose it was.
        by: Side,
        /// The direction agreed now, as we see it.
        direction: Direction,
    },
    /// Both ends are still there: a session timer was set back, or an UPDATE of ours answered, and nothing changed
    /// ([RFC 4028]).
    ///
    /// [RFC 4028]: https://www.rfc-editor.org/rfc/rfc4028
    SessionRefreshed {
        /// The call.
        dialog: DialogId,
        /// Whose request it was.
        by: Side,
    },
    /// Our re-INVITE or UPDATE was refused; the call stands as it was.
    ChangeFailed {
        /// The call.
        dialog: DialogId,
        /// What the peer said.
        status: StatusCode,
    },
    /// A digit came as INFO; it has been answered 200.
    InfoDigit {
        /// The call.
        dialog: DialogId,
        /// One of 0 to 9, `*`, `#` and A to D.
        digit: char,
        /// How long it was pressed, by the peer's word.
        duration: Duration,
    },
    /// An INFO came in a call; it has been answered 200. It belongs to a package of
    /// [`Config::info_packages`](crate::Config::info_packages) if it names one, has a body of
    /// [`Config::info_types`](crate::Config::info_types), or none.
    Info {
        /// The call.
        dialog: DialogId,
        /// The request.
        request: Request,
    },
    /// The peer of a call reports on the transfer that we asked for: a provisional status, after the end of the call too.
    TransferProgress {
        /// The call.
        dialog: DialogId,
        /// What the new call has come to: 100, 180 …
        status: StatusCode,
    },
    /// A transfer of ours is settled. Said exactly once for each; after [`Ended`](Self::Ended) when the peer hangs up before
    /// it tells.
    Transferred {
        /// The call.
        dialog: DialogId,
        /// How the new call was answered, as the peer reports it; without reports the answer to the REFER, which tells
        /// only that the peer is willing.
        result: Result<StatusCode, TransferError>,
    },
    /// Somebody asks us to call somebody: decide with [`accept_refer`](crate::Agent::accept_refer) or
    /// [`refuse_refer`](crate::Agent::refuse_refer); what is not decided in 20 s is declined.
    Refer {
        /// The call it came in, or that its sender proved to know ([RFC 4538]).
        ///
        /// [RFC 4538]: https://www.rfc-editor.org/rfc/rfc4538
        dialog: Option<DialogId>,
        /// What is asked, and the id of it.
        refer: Box<ReferRequest>,
    },
    /// The one whom [`Agent::refer`](crate::Agent::refer) asked reports: a provisional status.
    ReferProgress {
        /// The subscription that the REFER made.
        id: SubscriptionId,
        /// What the new call has come to: 100, 180 …
        status: StatusCode,
    },
    /// What came of [`Agent::refer`](crate::Agent::refer), once.
    Referred {
        /// The subscription that the REFER made, and that is over now.
        id: SubscriptionId,
        /// As in [`Transferred`](Self::Transferred).
        result: Result<StatusCode, TransferError>,
    },
    /// What we subscribed to has this state now; the NOTIFY has been answered 200.
    Notified {
        /// The subscription.
        id: SubscriptionId,
        /// Which notifier, where a proxy forked the request: its tag.
        notifier: Text,
        /// The NOTIFY.
        request: Request,
    },
    /// A server has a state of ours; said again after each refresh.
    Published {
        /// The publication.
        id: PublicationId,
        /// The time granted.
        expires: Duration,
    },
    /// A PUBLISH came to nothing.
    PublicationFailed {
        /// The publication.
        id: PublicationId,
        /// What the server said; `None` when nobody answered.
        status: Option<StatusCode>,
        /// One line for a person.
        reason: Text,
        /// When we try again by ourselves; `None`: never, and the id is no longer known.
        will_retry_in: Option<Duration>,
    },
    /// A state of ours is taken back; the id is no longer known.
    Unpublished {
        /// The publication.
        id: PublicationId,
    },
    /// Somebody subscribes to a package of [`Config::notifies`](crate::Config::notifies): accept with the state of now
    /// ([`notify`](crate::Agent::notify)) or refuse with [`refuse_subscription`](crate::Agent::refuse_subscription).
    ///
    /// After 1 s it is accepted as pending, and granted by the first `notify`. Refreshes are answered by the agent.
    Subscription {
        /// The subscription.
        id: SubscriptionId,
        /// The event package.
        package: Text,
        /// The SUBSCRIBE; what it says is the subscriber's claim.
        request: Request,
    },
    /// A subscription to us is over: ended by either side, expired, or its subscriber no longer answers.
    SubscriberGone {
        /// The subscription.
        id: SubscriptionId,
    },
    /// A subscription of ours does not stand, or not any more.
    SubscriptionEnded {
        /// The subscription.
        id: SubscriptionId,
        /// Why.
        why: SubscriptionEnd,
        /// When we subscribe anew by ourselves; `None`: never, and the id is no longer known.
        will_retry_in: Option<Duration>,
    },
    /// A request outside of calls waits for [`Agent::respond`](crate::Agent::respond).
    OutOfDialog {
        /// The request's id.
        id: IncomingRequestId,
        /// The call it came in, for one that came in a call's dialog (MESSAGE).
        dialog: Option<DialogId>,
        /// Where it came from.
        flow: Flow,
        /// The request.
        request: Request,
    },
    /// The outcome of a request of ours: a final response, or why there is none.
    Response {
        /// Which request.
        id: RequestId,
        /// The final response, or how it ended without one.
        result: Result<Response, Ending>,
    },
    /// A server wants a password or token that we do not have: [`Agent::provide`](crate::Agent::provide) it, or say that there
    /// is none. Only where [`Config::ask_for_credentials`](crate::Config::ask_for_credentials) says how long the request waits.
    CredentialsWanted(CredentialsWanted),
    /// A success carried the proof of somebody who does not know our password ([RFC 7616 §3.5]): somebody else may have
    /// answered for the server.
    ///
    /// [RFC 7616 §3.5]: https://www.rfc-editor.org/rfc/rfc7616#section-3.5
    ServerNotProven {
        /// The realm that it answered for.
        realm: Text,
    },
    /// A call that came in, or a change to one, was refused by the policy. Said once a second at most, however many there are.
    TurnedAway {
        /// Where it came from.
        flow: Flow,
        /// Why.
        why: Violation,
        /// How many were refused before it without a word.
        more: u64,
    },
    /// The call is over. Said exactly once for each call, and nothing about the call after it but
    /// [`Transferred`](Self::Transferred).
    Ended {
        /// The call.
        dialog: DialogId,
        /// Who ended it.
        by: Side,
        /// The status that ended it, if one did.
        status: Option<StatusCode>,
        /// One line for a person.
        reason: Text,
        /// Why, as the peer put it in a Reason header of its BYE, CANCEL or refusal ([RFC 3326]): a claim, as all it says.
        ///
        /// [RFC 3326]: https://www.rfc-editor.org/rfc/rfc3326
        cause: Option<Box<Reason>>,
        /// The response that ended it, with its headers (Contact of a 3xx, Retry-After, Warning …).
        response: Option<Response>,
    },
}

impl Event {
    /// How long the peer wants to be left alone: the Retry-After of the response that ended a call or a request
    /// ([RFC 3261 §20.33]).
    ///
    /// [RFC 3261 §20.33]: https://www.rfc-editor.org/rfc/rfc3261#section-20.33
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let (Self::Ended { response: Some(response), .. } | Self::Response { result: Ok(response), .. }) =
            self
        else {
            return None;
        };
        let asked = response.headers().get::<RetryAfter>().ok().flatten()?;
        Some(Duration::from_secs(asked.seconds.into()))
    }

    /// The call that the event is about, if it is about one.
    #[must_use]
    pub fn dialog(&self) -> Option<DialogId> {
        match self {
            Self::Incoming { dialog, .. }
            | Self::Trying { dialog }
            | Self::Ringing { dialog, .. }
            | Self::Redirected { dialog, .. }
            | Self::Answered { dialog, .. }
            | Self::Forked { dialog, .. }
            | Self::Confirmed { dialog }
            | Self::MediaChanged { dialog, .. }
            | Self::SessionRefreshed { dialog, .. }
            | Self::ChangeFailed { dialog, .. }
            | Self::InfoDigit { dialog, .. }
            | Self::Info { dialog, .. }
            | Self::TransferProgress { dialog, .. }
            | Self::Transferred { dialog, .. }
            | Self::Ended { dialog, .. } => Some(*dialog),
            Self::Refer { dialog, .. } => *dialog,
            Self::ReferProgress { .. }
            | Self::Referred { .. }
            | Self::Notified { .. }
            | Self::Published { .. }
            | Self::PublicationFailed { .. }
            | Self::Unpublished { .. }
            | Self::Subscription { .. }
            | Self::SubscriberGone { .. }
            | Self::SubscriptionEnded { .. } => None,
            Self::Registered { .. }
            | Self::RegistrationFailed { .. }
            | Self::RegistrationChanged { .. }
            | Self::Unregistered { .. }
            | Self::OutOfDialog { .. }
            | Self::CredentialsWanted(_)
            | Self::ServerNotProven { .. }
            | Self::TurnedAway { .. }
            | Self::Response { .. } => None,
        }
    }
}

//! Subscriptions to events ([RFC 6665]): the state of one, on either side, whoever carries its messages.
//!
//! A subscription lives in a dialog of its own, or, made by REFER ([RFC 3515 §2.4.4]), beside the call in the dialog of a
//! call. [`Notifier`] and [`Subscriber`] know neither: they say what to send and when, and are told what came.
//!
//! [RFC 6665]: https://www.rfc-editor.org/rfc/rfc6665
//! [RFC 3515 §2.4.4]: https://www.rfc-editor.org/rfc/rfc3515#section-2.4.4

pub(crate) mod notifier;
pub(crate) mod subscriber;
pub(crate) mod subscribing;
pub(crate) mod watcher;

use std::time::Duration;

use sip_msg::{StatusCode, SubscriptionState, Text};

pub(crate) use notifier::Notifier;
pub(crate) use subscriber::Subscriber;
pub(crate) use subscribing::{Kind, Subscription};
pub use subscribing::{Subscribe, SubscriptionEnd};
pub use watcher::Package;
pub(crate) use watcher::Watcher;

/// Why a subscription ended ([RFC 6665 §4.1.3]).
///
/// [RFC 6665 §4.1.3]: https://www.rfc-editor.org/rfc/rfc6665#section-4.1.3
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Termination {
    /// The notifier goes; another one may take over: subscribe anew at once.
    Deactivated,
    /// Try again later, after the time given if one is.
    Probation(Option<Duration>),
    /// It is not allowed any more.
    Rejected,
    /// It was not refreshed in time, or taken back.
    TimedOut,
    /// Nobody decided whether it is allowed; try again after the time given.
    GivenUp(Option<Duration>),
    /// What was subscribed to is no more.
    NoResource,
    /// What was subscribed to will not change.
    Invariant,
    /// No reason, or one that we do not know; with the time to wait before another try.
    Other(Option<Text>, Option<Duration>),
}

/// What RFC 6665 §4.1.3 lets a subscriber do after the end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retry {
    /// Subscribe anew, after this time.
    After(Duration),
    /// It would be in vain.
    Never,
}

impl Termination {
    /// What the header says, if it says `terminated`.
    #[must_use]
    pub fn of(state: &SubscriptionState) -> Option<Self> {
        if !state.state.eq_ignore_ascii_case("terminated") {
            return None;
        }
        let wait = state.retry_after().map(|seconds| Duration::from_secs(seconds.into()));
        let Some(reason) = state.reason() else { return Some(Self::Other(None, wait)) };
        Some(match reason.to_ascii_lowercase().as_str() {
            "deactivated" => Self::Deactivated,
            "probation" => Self::Probation(wait),
            "rejected" => Self::Rejected,
            "timeout" => Self::TimedOut,
            "giveup" => Self::GivenUp(wait),
            "noresource" => Self::NoResource,
            "invariant" => Self::Invariant,
            _ => Self::Other(Some(reason.into()), wait),
        })
    }

    /// What to do now ([RFC 6665 §4.1.3]).
    ///
    /// [RFC 6665 §4.1.3]: https://www.rfc-editor.org/rfc/rfc6665#section-4.1.3
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Deactivated | Self::TimedOut => Retry::After(Duration::ZERO),
            Self::Probation(wait) | Self::GivenUp(wait) | Self::Other(_, wait) => {
                Retry::After(wait.unwrap_or_default())
            }
            Self::Rejected | Self::NoResource | Self::Invariant => Retry::Never,
        }
    }

    /// The header that says so.
    pub(crate) fn header(&self) -> SubscriptionState {
        let (reason, wait) = match self {
            Self::Deactivated => (Some("deactivated"), None),
            Self::Probation(wait) => (Some("probation"), *wait),
            Self::Rejected => (Some("rejected"), None),
            Self::TimedOut => (Some("timeout"), None),
            Self::GivenUp(wait) => (Some("giveup"), *wait),
            Self::NoResource => (Some("noresource"), None),
            // A year, so that subscribers older than this reason do not come back all the time.
            Self::Invariant => (Some("invariant"), Some(Duration::from_secs(31_536_000))),
            Self::Other(reason, wait) => (reason.as_deref(), *wait),
        };
        let mut header = SubscriptionState::new("terminated");
        if let Some(reason) = reason {
            header.params.set("reason", reason);
        }
        if let Some(wait) = wait {
            header.params.set("retry-after", wait.as_secs().to_string());
        }
        header
    }
}

/// Whether an answer to a SUBSCRIBE or NOTIFY ends the subscription ([RFC 6665 §4.1.2.2], [RFC 6665 §4.2.2]).
///
/// [RFC 6665 §4.1.2.2]: https://www.rfc-editor.org/rfc/rfc6665#section-4.1.2.2
/// [RFC 6665 §4.2.2]: https://www.rfc-editor.org/rfc/rfc6665#section-4.2.2
pub(crate) fn ends_subscription(status: StatusCode) -> bool {
    matches!(status.code(), 404 | 405 | 410 | 416 | 480..=485 | 489 | 501 | 604)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Termination> {
        let mut headers = sip_msg::Headers::new();
        headers.push_raw(sip_msg::HeaderName::SUBSCRIPTION_STATE, text).unwrap();
        Termination::of(&headers.require::<SubscriptionState>().unwrap())
    }

    // rfc: 6665 §4.1.3 — each termination reason says whether and when to subscribe anew
    #[test]
    fn every_reason_has_its_retry_rule() {
        let after = |seconds| Retry::After(Duration::from_secs(seconds));
        for (text, retry) in [
            ("terminated;reason=deactivated;retry-after=9", after(0)),
            ("terminated;reason=probation;retry-after=9", after(9)),
            ("terminated;reason=probation", after(0)),
            ("terminated;reason=rejected;retry-after=9", Retry::Never),
            ("terminated;reason=timeout;retry-after=9", after(0)),
            ("terminated;reason=giveup;retry-after=9", after(9)),
            ("terminated;reason=noresource", Retry::Never),
            ("terminated;reason=invariant;retry-after=9", Retry::Never),
            ("Terminated", after(0)),
            ("terminated;reason=other;retry-after=9", after(9)),
        ] {
            assert_eq!(read(text).unwrap().retry(), retry, "{text}");
        }
        assert_eq!(read("active;expires=60"), None);
    }

    #[test]
    fn a_reason_reads_back_as_it_was_written() {
        let wait = Some(Duration::from_secs(3));
        for termination in [
            Termination::Deactivated,
            Termination::Probation(wait),
            Termination::Rejected,
            Termination::TimedOut,
            Termination::GivenUp(None),
            Termination::NoResource,
            Termination::Invariant,
            Termination::Other(None, None),
            Termination::Other(Some("moved".into()), wait),
        ] {
            assert_eq!(Termination::of(&termination.header()), Some(termination));
        }
    }

    // rfc: 6665 §4.2.2 — 404, 405, 410, 416, 480-485, 489, 501 and 604 remove the subscription, others do not
    #[test]
    fn some_answers_end_the_subscription() {
        let ending = [404, 405, 410, 416, 480, 481, 485, 489, 501, 604];
        assert!(ending.iter().all(|code| ends_subscription(StatusCode::new(*code).unwrap())));
        let passing = [200, 400, 401, 403, 408, 486, 500, 503, 603];
        assert!(!passing.iter().any(|code| ends_subscription(StatusCode::new(*code).unwrap())));
    }
}

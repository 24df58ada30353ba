//! The side that asked to be told ([RFC 6665 §4.1]): whether a NOTIFY belongs to it, and how long it stands.
//!
//! [RFC 6665 §4.1]: https://www.rfc-editor.org/rfc/rfc6665#section-4.1

use std::time::{Duration, Instant};

use sip_msg::{Event, Headers, StatusCode, SubscriptionState, Text};

use super::Termination;

/// What a subscription without a word about its time is given.
const DEFAULT_EXPIRES: Duration = Duration::from_secs(300);
/// The longest time that a notifier's word is taken for.
const MAX_EXPIRES: Duration = Duration::from_secs(86_400);

/// One subscription, as its subscriber has it.
#[derive(Debug)]
pub(crate) struct Subscriber {
    package: Text,
    id: Option<Text>,
    /// A NOTIFY may leave our id out, or name it though we sent none (REFER: [RFC 3515 §2.4.6]).
    ///
    /// [RFC 3515 §2.4.6]: https://www.rfc-editor.org/rfc/rfc3515#section-2.4.6
    lenient: bool,
    /// Until the first NOTIFY Timer N, then the time granted.
    ends_at: Instant,
    confirmed: bool,
}

/// What a NOTIFY said of the subscription itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Standing {
    Pending(Duration),
    Active(Duration),
    Terminated(Termination),
}

impl Subscriber {
    /// One that was asked for just now; the first NOTIFY must come within 64·T1 (Timer N, [RFC 6665 §4.1.2.4]).
    ///
    /// [RFC 6665 §4.1.2.4]: https://www.rfc-editor.org/rfc/rfc6665#section-4.1.2.4
    pub(crate) fn new(
        now: Instant,
        patience: Duration,
        package: Text,
        id: Option<Text>,
        lenient: bool,
    ) -> Self {
        Self { package, id, lenient, ends_at: now + patience, confirmed: false }
    }

    /// Whether a NOTIFY with this Event is for this subscription: compared byte by byte ([RFC 6665 §8.2.1]).
    ///
    /// [RFC 6665 §8.2.1]: https://www.rfc-editor.org/rfc/rfc6665#section-8.2.1
    pub(crate) fn matches(&self, event: &Event) -> bool {
        let same = self.id.as_deref() == event.id();
        event.package == self.package && (same || self.lenient && (self.id.is_none() || event.id().is_none()))
    }

    /// Takes what a NOTIFY says of the subscription.
    ///
    /// # Errors
    /// The status to refuse the NOTIFY with.
    pub(crate) fn notified(&mut self, now: Instant, headers: &Headers) -> Result<Standing, StatusCode> {
        let state = headers.require::<SubscriptionState>().map_err(|_| StatusCode::BAD_REQUEST)?;
        self.confirmed = true;
        if let Some(termination) = Termination::of(&state) {
            return Ok(Standing::Terminated(termination));
        }
        let granted = state.expires().map(|seconds| Duration::from_secs(seconds.into()));
        let left = granted.unwrap_or(DEFAULT_EXPIRES).min(MAX_EXPIRES);
        self.ends_at = now + left;
        Ok(if state.state.eq_ignore_ascii_case("pending") {
            Standing::Pending(left)
        } else {
            Standing::Active(left)
        })
    }

    /// The request that asked for it was accepted: without a NOTIFY, Timer N runs from here.
    pub(crate) fn accepted(&mut self, now: Instant, patience: Duration) {
        if !self.confirmed {
            self.ends_at = now + patience;
        }
    }

    /// A refresh was granted this time.
    pub(crate) fn granted(&mut self, now: Instant, time: Duration) {
        self.ends_at = now + time.min(MAX_EXPIRES);
    }

    /// Nothing is expected any more at this time.
    pub(crate) fn ends_at(&self) -> Instant {
        self.ends_at
    }
}

#[cfg(test)]
mod tests {
    use sip_msg::HeaderName;

    use super::*;

    fn event(text: &str) -> Event {
        let mut headers = Headers::new();
        headers.push_raw(HeaderName::EVENT, text).unwrap();
        headers.require::<Event>().unwrap()
    }

    fn state(text: &str) -> Headers {
        let mut headers = Headers::new();
        headers.push_raw(HeaderName::SUBSCRIPTION_STATE, text).unwrap();
        headers
    }

    fn subscriber(id: Option<&str>, lenient: bool) -> Subscriber {
        subscribed(testkit::Clock::new().now(), id, lenient)
    }

    fn subscribed(now: Instant, id: Option<&str>, lenient: bool) -> Subscriber {
        Subscriber::new(now, Duration::from_secs(32), "refer".into(), id.map(Text::from), lenient)
    }

    // rfc: 6665 §8.2.1 — package and id are compared byte by byte
    #[test]
    fn a_notify_is_matched_by_package_and_id() {
        let strict = subscriber(Some("7"), false);
        assert!(strict.matches(&event("refer;id=7")));
        for other in ["refer", "refer;id=8", "Refer;id=7", "presence;id=7"] {
            assert!(!strict.matches(&event(other)), "{other}");
        }
        let none = subscriber(None, false);
        assert!(none.matches(&event("refer;x=y")) && !none.matches(&event("refer;id=7")));
    }

    // rfc: 3515 §2.4.6 — the id of a REFER's NOTIFYs is its CSeq; the first REFER's may leave it out
    #[test]
    fn a_refers_id_may_be_left_out() {
        let refer = subscriber(Some("7"), true);
        assert!(refer.matches(&event("refer;id=7")) && refer.matches(&event("refer")));
        assert!(!refer.matches(&event("refer;id=8")));
    }

    // rfc: 6665 §4.1.3 — expires in Subscription-State is authoritative; terminated ends it
    #[test]
    fn the_notifier_says_how_long_it_stands() {
        let now = testkit::Clock::new().now();
        let mut subscriber = subscribed(now, None, false);
        assert_eq!(subscriber.ends_at(), now + Duration::from_secs(32));
        let minute = Duration::from_secs(60);
        assert_eq!(subscriber.notified(now, &state("pending;expires=60")), Ok(Standing::Pending(minute)));
        assert_eq!(subscriber.ends_at(), now + minute);
        assert_eq!(subscriber.notified(now, &state("active")), Ok(Standing::Active(DEFAULT_EXPIRES)));
        let ended = subscriber.notified(now, &state("terminated;reason=noresource"));
        assert_eq!(ended, Ok(Standing::Terminated(Termination::NoResource)));
        assert_eq!(subscriber.notified(now, &Headers::new()), Err(StatusCode::BAD_REQUEST));
        let forever = subscriber.notified(now, &state("active;expires=4294967295"));
        assert_eq!(forever, Ok(Standing::Active(MAX_EXPIRES)));
    }
}

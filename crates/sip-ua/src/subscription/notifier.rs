//! The side that tells ([RFC 6665 §4.2]): which NOTIFY to send next, and when.
//!
//! ```text
//!             report()            finish(), expiry, 481 ...
//!   Pending ----------> Active ----------------------------> Terminated
//! ```
//!
//! One NOTIFY is under way at a time: their numbers then arrive in order, and what changed meanwhile is told once, as
//! the state it has become.
//!
//! [RFC 6665 §4.2]: https://www.rfc-editor.org/rfc/rfc6665#section-4.2

use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_msg::{Response, SubscriptionState, Text};
use sip_txn::Ending;

use super::{Termination, ends_subscription};

/// What a NOTIFY says: Content-Type and body; `None` for no state.
pub(crate) type Body = Option<(Text, Bytes)>;

/// A NOTIFY to send.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Notice {
    pub(crate) state: SubscriptionState,
    pub(crate) body: Body,
}

/// One subscription, as its notifier has it.
#[derive(Debug)]
pub(crate) struct Notifier {
    state: State,
    expires_at: Instant,
    /// The least time between two NOTIFYs, but for the last one.
    pace: Duration,
    /// The state to tell, and whether the subscriber has not heard of it.
    body: Body,
    untold: bool,
    under_way: bool,
    /// When the next may be sent.
    next_at: Instant,
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Pending,
    Active,
    /// With the last NOTIFY to be sent.
    Terminated(Termination),
    /// Nothing more to send.
    Gone,
}

impl Notifier {
    /// A subscription that has just been accepted; its first NOTIFY is due at once.
    pub(crate) fn new(now: Instant, expires: Duration, pending: bool, pace: Duration, body: Body) -> Self {
        let state = if pending { State::Pending } else { State::Active };
        Self { state, expires_at: now + expires, pace, body, untold: true, under_way: false, next_at: now }
    }

    /// The state has changed. A pending subscription is granted by it.
    pub(crate) fn report(&mut self, body: Body) {
        match self.state {
            State::Pending | State::Active => {
                self.state = State::Active;
                self.body = body;
                self.untold = true;
            }
            State::Terminated(_) | State::Gone => {}
        }
    }

    /// This is the last state.
    pub(crate) fn finish(&mut self, why: Termination, body: Body) {
        match self.state {
            State::Pending | State::Active => {
                self.state = State::Terminated(why);
                self.body = body;
                self.untold = true;
            }
            State::Terminated(_) | State::Gone => {}
        }
    }

    /// The subscriber refreshed: the whole state is told again. With no time left that is the end.
    pub(crate) fn refresh(&mut self, now: Instant, expires: Duration) {
        match self.state {
            State::Pending | State::Active if expires.is_zero() => self.time_out(),
            State::Pending | State::Active => {
                self.expires_at = now + expires;
                self.untold = true;
                self.next_at = now;
            }
            State::Terminated(_) | State::Gone => {}
        }
    }

    fn time_out(&mut self) {
        let body = self.body.take();
        self.finish(Termination::TimedOut, body);
    }

    /// The time that [`poll_timeout`](Self::poll_timeout) named has come.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.expires_at <= now {
            self.time_out();
        }
    }

    /// The NOTIFY to send now, if one is due.
    pub(crate) fn poll_notice(&mut self, now: Instant) -> Option<Notice> {
        if self.under_way || !self.untold {
            return None;
        }
        let left = self.expires_at.saturating_duration_since(now).as_secs();
        let state = match &self.state {
            State::Gone => return None,
            State::Pending | State::Active if now < self.next_at => return None,
            State::Pending => with_expires("pending", left),
            State::Active => with_expires("active", left),
            State::Terminated(why) => why.header(),
        };
        self.untold = false;
        self.under_way = true;
        self.next_at = now + self.pace;
        Some(Notice { state, body: self.body.clone() })
    }

    /// The NOTIFY under way was answered, or never will be.
    pub(crate) fn notified(&mut self, result: &Result<Response, Ending>) {
        self.under_way = false;
        let gone = match result {
            Ok(response) => ends_subscription(response.status()),
            Err(_) => true,
        };
        let told = matches!(self.state, State::Terminated(_)) && !self.untold;
        if gone || told {
            self.state = State::Gone;
        }
    }

    /// Nobody can be told any more.
    pub(crate) fn abandon(&mut self) {
        self.state = State::Gone;
    }

    /// Whether the last NOTIFY is still to be asked for: more reports count.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.state, State::Pending | State::Active)
    }

    /// Whether there is nothing more to send or to wait for.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Pending | State::Active => {
                let next = (self.untold && !self.under_way).then_some(self.next_at);
                Some(next.map_or(self.expires_at, |at| at.min(self.expires_at)))
            }
            State::Terminated(_) | State::Gone => None,
        }
    }
}

fn with_expires(state: &str, seconds: u64) -> SubscriptionState {
    let mut header = SubscriptionState::new(state);
    header.params.set("expires", seconds.to_string());
    header
}

#[cfg(test)]
mod tests {
    use sip_msg::StatusCode;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const SECOND: Duration = Duration::from_secs(1);

    fn body(text: &'static str) -> Body {
        Some(("text/plain".into(), Bytes::from_static(text.as_bytes())))
    }

    fn answered(status: u16) -> Result<Response, Ending> {
        let uri = "sip:a@b".parse().unwrap();
        let request = sip_msg::Request::builder(sip_msg::Method::NOTIFY, &uri).build();
        Ok(Response::answer(&request, StatusCode::new(status).unwrap()).build())
    }

    #[track_caller]
    fn says(notifier: &mut Notifier, now: Instant, state: &str, text: &'static str) {
        let notice = notifier.poll_notice(now).expect("a NOTIFY is due");
        assert_eq!((notice.state.to_string().as_str(), notice.body), (state, body(text)));
    }

    fn notifier(now: Instant) -> Notifier {
        Notifier::new(now, MINUTE, false, SECOND, body("one"))
    }

    // rfc: 6665 §4.2.2 — a NOTIFY follows the acceptance at once, with the time that is left
    // rfc: 6665 §4.2.2 — the last NOTIFY says terminated and why
    #[test]
    fn states_are_told_one_at_a_time_and_the_latest_counts() {
        let now = testkit::Clock::new().now();
        let mut notifier = notifier(now);
        says(&mut notifier, now, "active;expires=60", "one");
        notifier.report(body("two"));
        notifier.report(body("three"));
        assert_eq!(notifier.poll_notice(now + SECOND), None, "one at a time");
        notifier.notified(&answered(200));
        says(&mut notifier, now + SECOND, "active;expires=59", "three");
        notifier.finish(Termination::NoResource, body("four"));
        notifier.notified(&answered(200));
        assert!(!notifier.is_gone());
        says(&mut notifier, now + SECOND, "terminated;reason=noresource", "four");
        notifier.report(body("five"));
        notifier.notified(&answered(500));
        assert!(notifier.is_gone());
    }

    #[test]
    fn a_pending_subscription_is_granted_by_its_first_state() {
        let now = testkit::Clock::new().now();
        let mut notifier = Notifier::new(now, MINUTE, true, Duration::ZERO, None);
        assert_eq!(notifier.poll_notice(now).unwrap().state.to_string(), "pending;expires=60");
        notifier.notified(&answered(200));
        notifier.report(body("one"));
        says(&mut notifier, now, "active;expires=60", "one");
    }

    // rfc: 3515 §3.10 — NOTIFYs are no more frequent than once a second, the last one excepted
    #[test]
    fn states_wait_for_their_pace() {
        let now = testkit::Clock::new().now();
        let mut notifier = notifier(now);
        says(&mut notifier, now, "active;expires=60", "one");
        notifier.notified(&answered(200));
        notifier.report(body("two"));
        assert_eq!(notifier.poll_notice(now), None);
        assert_eq!(notifier.poll_timeout(), Some(now + SECOND));
        notifier.finish(Termination::NoResource, body("three"));
        says(&mut notifier, now, "terminated;reason=noresource", "three");
    }

    // rfc: 6665 §4.2.1.4 — without a refresh: NOTIFY with terminated;reason=timeout; with Expires 0 too
    #[test]
    fn time_runs_out_unless_it_is_refreshed() {
        let now = testkit::Clock::new().now();
        let mut notifier = notifier(now);
        says(&mut notifier, now, "active;expires=60", "one");
        notifier.notified(&answered(200));
        notifier.refresh(now + 50 * SECOND, MINUTE);
        says(&mut notifier, now + 50 * SECOND, "active;expires=60", "one");
        notifier.notified(&answered(200));
        notifier.handle_timeout(now + MINUTE);
        assert!(notifier.is_live());
        assert_eq!(notifier.poll_timeout(), Some(now + 110 * SECOND));
        notifier.handle_timeout(now + 110 * SECOND);
        says(&mut notifier, now + 110 * SECOND, "terminated;reason=timeout", "one");
        let mut taken_back = self::notifier(now);
        taken_back.refresh(now, Duration::ZERO);
        says(&mut taken_back, now, "terminated;reason=timeout", "one");
    }

    // rfc: 6665 §4.2.2 — a NOTIFY without an answer, or refused with 481, removes the subscription; a 500 does not
    #[test]
    fn a_subscriber_that_is_gone_is_told_nothing_more() {
        let now = testkit::Clock::new().now();
        for (result, gone) in [
            (answered(481), true),
            (Err(Ending::TimedOut), true),
            (answered(500), false),
            (answered(200), false),
        ] {
            let mut notifier = notifier(now);
            notifier.poll_notice(now).unwrap();
            notifier.notified(&result);
            assert_eq!(notifier.is_gone(), gone, "{result:?}");
        }
    }
}

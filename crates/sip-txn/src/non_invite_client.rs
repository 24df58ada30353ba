//! [`NonInviteClient`]: figure 6.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_msg::{Class, Response};

use crate::invite_client::{Ended, Output};
use crate::outbox::Outbox;
use crate::timer::{Timer, Timers, Timing};

/// What the outside world tells a non-INVITE client transaction.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    Response(&'a Response),
    TransportFailed,
}

#[derive(Clone, Debug)]
enum State {
    Trying { resend_after: Duration },
    Proceeding,
    Completed,
    Terminated,
}

/// A request that we send, neither INVITE nor ACK (RFC 3261 §17.1.2).
///
/// ```text
///                request sent
///     E: request      │
///      ┌────────┐     ▼          F, transport failed
///      └───►┌───────────────┐ ───────────────────────┐
///           │    Trying     │                        │
///           └───────────────┘                        │
///   200-699:  │           │ 1xx: deliver             │
///   deliver   │           ▼                          │
///      │      │   ┌───────────────┐ F, transport     │
///      │◄─────┘   │  Proceeding   │ failed           │
///      │          │               │ ────────────────►│
///      │          └───────────────┘◄─┐ E: request    │
///      │ 200-699: deliver │    └─────┘ 1xx: deliver  │
///      ▼                  ▼                          ▼
///     ┌──────────────────────┐        K       ┌────────────┐
///     │      Completed       │ ─────────────► │ Terminated │
///     └──────────────────────┘                └────────────┘
/// ```
#[derive(Clone, Debug)]
pub(crate) struct NonInviteClient {
    state: State,
    bytes: Bytes,
    timing: Arc<Timing>,
    reliable: bool,
    timers: Timers,
    output: Outbox<Output>,
}

impl NonInviteClient {
    /// Sends the request; its top Via is ours.
    pub(crate) fn new(now: Instant, bytes: Bytes, timing: impl Into<Arc<Timing>>, reliable: bool) -> Self {
        let timing = timing.into();
        let state = State::Trying { resend_after: timing.t1 };
        let (timers, output) = (Timers::default(), Outbox::default());
        let mut transaction = Self { state, bytes, timing, reliable, timers, output };
        transaction.output.push_back(Output::Send(transaction.bytes.clone()));
        transaction.start(now, Timer::E);
        transaction.start(now, Timer::F);
        transaction
    }

    pub(crate) fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        use Class::{Failure, Provisional, Success};
        use State::{Completed, Proceeding, Terminated, Trying};
        let response = match input {
            Input::Response(response) => response,
            Input::TransportFailed => return self.fail(),
        };
        match (&self.state, response.class()) {
            (Trying { .. } | Proceeding, Provisional) => self.enter_proceeding(),
            (Trying { .. } | Proceeding, Success | Failure) => self.enter_completed(now),
            (Completed | Terminated, Provisional | Success | Failure) => {} // repeated: absorbed
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::E => self.resend(now),
                Timer::F => self.end(Ended::TimedOut),
                Timer::K => self.end(Ended::Normal),
                Timer::A | Timer::B | Timer::D | Timer::G | Timer::H | Timer::I => {}
                Timer::J | Timer::L | Timer::M => {}
                Timer::Trying | Timer::LateTrying | Timer::Expiry => {}
            }
        }
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    pub(crate) fn timers(&mut self) -> &mut Timers {
        &mut self.timers
    }

    pub(crate) fn ends_at(&self, at: Instant) -> bool {
        self.timers.ends_at(at)
    }

    /// All that decides what it will do.
    #[cfg(test)]
    pub(crate) fn fingerprint(&self) -> impl std::fmt::Debug + '_ {
        (&self.state, &self.timers)
    }

    /// Whether a failure of the connection would still matter.
    pub(crate) fn is_answered(&self) -> bool {
        matches!(self.state, State::Completed | State::Terminated)
    }

    fn start(&mut self, now: Instant, timer: Timer) {
        if let Some(wait) = self.timing.first_wait(timer, self.reliable) {
            self.timers.start(now, timer, wait);
        }
    }

    fn resend(&mut self, now: Instant) {
        let wait = match &mut self.state {
            State::Trying { resend_after } => {
                *resend_after = self.timing.next_wait(Timer::E, *resend_after);
                *resend_after
            }
            State::Proceeding => self.timing.t2,
            State::Completed | State::Terminated => return,
        };
        self.timers.start(now, Timer::E, wait);
        self.output.push_back(Output::Send(self.bytes.clone()));
    }

    /// Timer E that runs already runs out; only then T2 counts.
    fn enter_proceeding(&mut self) {
        self.state = State::Proceeding;
        self.output.push_back(Output::Deliver);
    }

    fn enter_completed(&mut self, now: Instant) {
        self.timers.stop_all();
        self.output.push_back(Output::Deliver);
        self.state = State::Completed;
        self.bytes = Bytes::new();
        match self.timing.first_wait(Timer::K, self.reliable) {
            Some(wait) if !wait.is_zero() => self.timers.start(now, Timer::K, wait),
            Some(_) | None => self.end(Ended::Normal),
        }
    }

    fn fail(&mut self) {
        match self.state {
            State::Trying { .. } | State::Proceeding => self.end(Ended::TransportFailed),
            State::Completed | State::Terminated => {}
        }
    }

    fn end(&mut self, ended: Ended) {
        self.timers.stop_all();
        self.state = State::Terminated;
        self.output.push_back(Output::Ended(ended));
    }
}

#[cfg(test)]
mod tests {
    use sip_msg::{Limits, Message};

    use super::*;

    fn response(status: u16) -> Response {
        match Message::parse(format!("SIP/2.0 {status} X\r\n\r\n").into_bytes(), &Limits::default()) {
            Ok(Message::Response(response)) => response,
            other => panic!("{other:?}"),
        }
    }

    fn outputs(client: &mut NonInviteClient) -> Vec<String> {
        std::iter::from_fn(|| client.poll_output())
            .map(|output| match output {
                Output::Send(_) => "send".to_owned(),
                Output::Deliver => "deliver".to_owned(),
                Output::Ended(ended) => format!("{ended:?}"),
            })
            .collect()
    }

    fn after(responses: &[u16], reliable: bool) -> (NonInviteClient, Instant) {
        let now = testkit::Clock::new().now();
        let mut client = NonInviteClient::new(now, Bytes::from_static(b"BYE"), Timing::default(), reliable);
        assert_eq!(outputs(&mut client), ["send"]);
        for status in responses {
            client.handle_input(now, Input::Response(&response(*status)));
            outputs(&mut client);
        }
        (client, now)
    }

    // rfc: 3261 §17.1.2.2 — figure 6, each state with each response
    #[test]
    fn each_state_takes_each_response_as_figure_6_says() {
        let none: &[&str] = &[];
        let table: [(&[u16], u16, &[&str]); 9] = [
            (&[], 100, &["deliver"]),
            (&[], 200, &["deliver"]),
            (&[], 404, &["deliver"]),
            (&[100], 100, &["deliver"]),
            (&[100], 200, &["deliver"]),
            (&[100], 404, &["deliver"]),
            (&[200], 100, none),
            (&[200], 200, none),
            (&[200], 404, none),
        ];
        for (before, status, expected) in table {
            let (mut client, now) = after(before, false);
            client.handle_input(now, Input::Response(&response(status)));
            assert_eq!(outputs(&mut client), expected, "{status} after {before:?}");
        }
        for (before, expected) in
            [(&[][..], &["TransportFailed"][..]), (&[100], &["TransportFailed"]), (&[200], &[])]
        {
            let (mut client, now) = after(before, false);
            client.handle_input(now, Input::TransportFailed);
            assert_eq!(outputs(&mut client), expected, "failure after {before:?}");
        }
    }

    fn run(client: &mut NonInviteClient, start: Instant) -> Vec<(f64, String)> {
        let mut seen = Vec::new();
        while let Some(at) = client.timers().next() {
            client.handle_timeout(at);
            seen.extend(outputs(client).into_iter().map(|output| ((at - start).as_secs_f64(), output)));
        }
        seen
    }

    fn times(seen: &[(f64, String)]) -> Vec<f64> {
        seen.iter().map(|(at, _)| *at).collect()
    }

    // rfc: 3261 §17.1.2.2 — Timer E doubles up to T2, in Proceeding it is T2; Timer F gives up after 64·T1
    #[test]
    fn requests_are_repeated_until_timer_f() {
        let (mut client, start) = after(&[], false);
        let seen = run(&mut client, start);
        assert_eq!(times(&seen), [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5, 32.0]);
        assert_eq!(seen.last().unwrap().1, "TimedOut");
        let (mut client, start) = after(&[100], false);
        let seen = run(&mut client, start);
        assert_eq!(times(&seen), [0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5, 32.0]);
        assert_eq!(seen.last().unwrap().1, "TimedOut");
        let (mut client, start) = after(&[], true);
        assert_eq!(run(&mut client, start), [(32.0, "TimedOut".to_owned())]);
    }

    // rfc: 3261 §17.1.2.2 — Timer K absorbs for T4 over UDP, for no time over TCP
    #[test]
    fn an_answered_request_lingers_for_t4_over_udp() {
        let (mut client, start) = after(&[200], false);
        assert_eq!(run(&mut client, start), [(5.0, "Normal".to_owned())]);
        let now = testkit::Clock::new().now();
        let mut client = NonInviteClient::new(now, Bytes::from_static(b"BYE"), Timing::default(), true);
        client.handle_input(now, Input::Response(&response(200)));
        assert_eq!(outputs(&mut client), ["send", "deliver", "Normal"]);
        assert_eq!(client.timers().next(), None);
    }
}

//! [`InviteServer`]: figure 7.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_msg::Class;

use crate::outbox::Outbox;
use crate::timer::{Timer, Timers, Timing};

/// What the peer and the application tell an INVITE server transaction.
#[derive(Debug)]
pub(crate) enum Input {
    /// The INVITE came again.
    Repeated,
    Ack,
    /// The application answers.
    Respond {
        class: Class,
        bytes: Bytes,
    },
}

/// What the transaction asks its owner to do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Output {
    Send(Bytes),
    /// The application is silent: make a 100 and [`Input::Respond`] with it.
    SayTrying,
    /// The ACK that just came in is one to a 2xx.
    Deliver,
    /// The INVITE came again after the 2xx.
    Again,
    /// The ACK to a failure response has come, or never came.
    Ended {
        acknowledged: bool,
    },
}

#[derive(Clone, Debug)]
enum State {
    Proceeding { last: Option<Bytes> },
    Accepted,
    Completed { response: Bytes, resend_after: Duration },
    Confirmed,
    Terminated,
}

/// An INVITE that we answer (RFC 3261 §17.2.1 with RFC 6026 §7.1).
///
/// A transport failure changes no state (RFC 6026 §7.1): it is told to the application elsewhere.
///
/// ```text
///                     INVITE: deliver
///                       │  200 ms: 100
///                       ▼
///   INVITE: last 1xx ┌────────────┐ 101-199: send
///                ┌──►│ Proceeding │◄──┐
///                └───└────────────┘───┘
///     300-699: send     │       │   2xx: send
///           ┌───────────┘       └──────────────────┐
///           ▼                                      ▼
///      ┌───────────┐◄─┐ INVITE, G: send      ┌──────────┐◄─┐ INVITE: tell
///      │ Completed │──┘                      │ Accepted │  │ ACK: deliver
///      └───────────┘                         └──────────┘──┘ 2xx: send
///       │ ACK    │ H: no ACK came                  │ L
///       ▼        └──────────────────────┐          │
///      ┌───────────┐                    ▼          ▼
///      │ Confirmed │        I        ┌──────────────┐
///      │           │ ──────────────► │  Terminated  │
///      └───────────┘                 └──────────────┘
/// ```
#[derive(Clone, Debug)]
pub(crate) struct InviteServer {
    state: State,
    timing: Timing,
    reliable: bool,
    timers: Timers,
    output: Outbox<Output>,
}

impl InviteServer {
    pub(crate) fn new(now: Instant, timing: Timing, reliable: bool) -> Self {
        let state = State::Proceeding { last: None };
        let (timers, output) = (Timers::default(), Outbox::default());
        let mut transaction = Self { state, timing, reliable, timers, output };
        transaction.start(now, Timer::Trying);
        transaction
    }

    pub(crate) fn handle_input(&mut self, now: Instant, input: Input) {
        use Class::{Failure, Provisional, Success};
        use State::{Accepted, Completed, Confirmed, Proceeding, Terminated};
        match (&mut self.state, input) {
            (Proceeding { last }, Input::Repeated) => {
                if let Some(last) = last {
                    self.output.push_back(Output::Send(last.clone()));
                }
            }
            (Completed { response, .. }, Input::Repeated) => {
                self.output.push_back(Output::Send(response.clone()));
            }
            (Proceeding { last }, Input::Respond { class: Provisional, bytes }) => {
                *last = Some(bytes.clone());
                self.timers.stop(Timer::Trying);
                self.output.push_back(Output::Send(bytes));
            }
            (Proceeding { .. }, Input::Respond { class: Success, bytes }) => self.enter_accepted(now, bytes),
            (Proceeding { .. }, Input::Respond { class: Failure, bytes }) => self.enter_completed(now, bytes),
            (Accepted, Input::Respond { class: Success, bytes }) => {
                self.output.push_back(Output::Send(bytes))
            }
            (Completed { .. }, Input::Ack) => self.enter_confirmed(now),
            (Accepted, Input::Repeated) => self.output.push_back(Output::Again),
            (Accepted, Input::Ack) => self.output.push_back(Output::Deliver),
            (Confirmed | Terminated, Input::Repeated)
            | (Proceeding { .. } | Confirmed | Terminated, Input::Ack)
            | (Accepted, Input::Respond { class: Provisional | Failure, .. })
            | (Completed { .. } | Confirmed | Terminated, Input::Respond { .. }) => {} // absorbed
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Trying => self.try_on(),
                Timer::G => self.resend(now),
                Timer::H => self.end(false),
                Timer::I | Timer::L => self.end(true),
                Timer::A | Timer::B | Timer::D | Timer::E | Timer::F => {}
                Timer::J | Timer::K | Timer::M | Timer::LateTrying | Timer::Expiry => {}
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

    /// Whether a response of this class may still be sent.
    pub(crate) fn takes(&self, class: Class) -> bool {
        match self.state {
            State::Proceeding { .. } => true,
            State::Accepted => class == Class::Success,
            State::Completed { .. } | State::Confirmed | State::Terminated => false,
        }
    }

    /// Whether the application still owes a final response.
    pub(crate) fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    /// What was sent last, as long as it may be needed.
    pub(crate) fn last_response(&self) -> Option<&Bytes> {
        match &self.state {
            State::Proceeding { last } => last.as_ref(),
            State::Completed { response, .. } => Some(response),
            State::Accepted | State::Confirmed | State::Terminated => None,
        }
    }

    fn start(&mut self, now: Instant, timer: Timer) {
        if let Some(wait) = self.timing.first_wait(timer, self.reliable) {
            self.timers.start(now, timer, wait);
        }
    }

    fn try_on(&mut self) {
        if let State::Proceeding { last: None } = self.state {
            self.output.push_back(Output::SayTrying);
        }
    }

    fn enter_accepted(&mut self, now: Instant, response: Bytes) {
        self.timers.stop_all();
        self.start(now, Timer::L);
        self.state = State::Accepted;
        self.output.push_back(Output::Send(response));
    }

    fn enter_completed(&mut self, now: Instant, response: Bytes) {
        self.timers.stop_all();
        self.start(now, Timer::G);
        self.start(now, Timer::H);
        self.output.push_back(Output::Send(response.clone()));
        self.state = State::Completed { response, resend_after: self.timing.t1 };
    }

    fn enter_confirmed(&mut self, now: Instant) {
        self.timers.stop_all();
        self.state = State::Confirmed;
        match self.timing.first_wait(Timer::I, self.reliable) {
            Some(wait) if !wait.is_zero() => self.timers.start(now, Timer::I, wait),
            Some(_) | None => self.end(true),
        }
    }

    fn resend(&mut self, now: Instant) {
        if let State::Completed { response, resend_after } = &mut self.state {
            *resend_after = self.timing.next_wait(Timer::G, *resend_after);
            self.timers.start(now, Timer::G, *resend_after);
            self.output.push_back(Output::Send(response.clone()));
        }
    }

    fn end(&mut self, acknowledged: bool) {
        self.timers.stop_all();
        self.state = State::Terminated;
        self.output.push_back(Output::Ended { acknowledged });
    }
}

#[cfg(test)]
mod tests {
    use sip_msg::StatusCode;

    use super::*;

    fn respond(status: u16) -> Input {
        let class = StatusCode::new(status).unwrap().class();
        Input::Respond { class, bytes: format!("{status}").into() }
    }

    fn input(name: &str) -> Input {
        match name {
            "INVITE" => Input::Repeated,
            "ACK" => Input::Ack,
            status => respond(status.parse().unwrap()),
        }
    }

    fn outputs(server: &mut InviteServer) -> Vec<String> {
        std::iter::from_fn(|| server.poll_output())
            .map(|output| match output {
                Output::Send(bytes) => format!("send {}", String::from_utf8_lossy(&bytes)),
                Output::SayTrying => "say 100".to_owned(),
                Output::Deliver => "deliver ACK".to_owned(),
                Output::Again => "again".to_owned(),
                Output::Ended { acknowledged } => format!("ended {acknowledged}"),
            })
            .collect()
    }

    fn after(inputs: &[&str], reliable: bool) -> (InviteServer, Instant) {
        let now = testkit::Clock::new().now();
        let mut server = InviteServer::new(now, Timing::default(), reliable);
        for name in inputs {
            server.handle_input(now, input(name));
            outputs(&mut server);
        }
        (server, now)
    }

    // rfc: 3261 §17.2.1 — figure 7, each state with each input
    // rfc: 6026 §7.1 — Accepted sends nothing for an INVITE that comes again, delivers ACKs and sends the application's 2xx
    #[test]
    fn each_state_takes_each_input_as_figure_7_says() {
        let inputs = ["INVITE", "ACK", "180", "200", "486"];
        let table: [(&[&str], [&[&str]; 5]); 5] = [
            (&[], [&[], &[], &["send 180"], &["send 200"], &["send 486"]]),
            (&["180"], [&["send 180"], &[], &["send 180"], &["send 200"], &["send 486"]]),
            (&["200"], [&["again"], &["deliver ACK"], &[], &["send 200"], &[]]),
            (&["486"], [&["send 486"], &[], &[], &[], &[]]),
            (&["486", "ACK"], [&[], &[], &[], &[], &[]]),
        ];
        for (before, expected) in table {
            for (name, expected) in inputs.iter().zip(expected) {
                let (mut server, now) = after(before, false);
                server.handle_input(now, input(name));
                assert_eq!(outputs(&mut server), expected, "{name} after {before:?}");
            }
        }
    }

    fn run(server: &mut InviteServer, start: Instant) -> Vec<(f64, String)> {
        let mut seen = Vec::new();
        while let Some(at) = server.timers().next() {
            server.handle_timeout(at);
            seen.extend(outputs(server).into_iter().map(|output| ((at - start).as_secs_f64(), output)));
        }
        seen
    }

    fn seen(list: &[(f64, &str)]) -> Vec<(f64, String)> {
        list.iter().map(|(at, output)| (*at, (*output).to_owned())).collect()
    }

    // rfc: 3261 §17.2.1 — 100 goes out when the application is silent for 200 ms
    #[test]
    fn a_silent_application_makes_us_say_100_once() {
        let (mut server, start) = after(&[], false);
        assert_eq!(run(&mut server, start), seen(&[(0.2, "say 100")]));
        server.handle_input(start, input("100"));
        assert_eq!(outputs(&mut server), ["send 100"]);
        server.handle_input(start, Input::Repeated);
        assert_eq!(outputs(&mut server), ["send 100"]);
        let (mut server, start) = after(&["180"], false);
        assert_eq!(run(&mut server, start), seen(&[]));
    }

    // rfc: 3261 §17.2.1 — Timer G doubles from T1 to T2 over UDP only, Timer H ends the wait for the ACK after 64·T1
    #[test]
    fn a_failure_response_is_repeated_until_it_is_acknowledged() {
        let (mut server, start) = after(&["486"], false);
        let repeats = run(&mut server, start);
        let times: Vec<_> = repeats.iter().map(|(at, _)| *at).collect();
        assert_eq!(times, [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5, 32.0]);
        assert_eq!(repeats.last().unwrap().1, "ended false");
        let (mut server, start) = after(&["486"], true);
        assert_eq!(run(&mut server, start), seen(&[(32.0, "ended false")]));
        let (mut server, start) = after(&["486", "ACK"], false);
        assert_eq!(run(&mut server, start), seen(&[(5.0, "ended true")]));
    }

    // rfc: 3261 §17.2.1 — Timer I is zero over reliable transports
    // rfc: 6026 §7.1 — the transaction makes no 2xx of its own, and ends with Timer L after 64·T1
    #[test]
    fn accepted_repeats_nothing_by_itself() {
        let (mut server, start) = after(&["200"], false);
        assert_eq!(run(&mut server, start), seen(&[(32.0, "ended true")]));
        let (mut server, now) = after(&["486"], true);
        server.handle_input(now, input("ACK"));
        assert_eq!((outputs(&mut server), server.timers().next()), (vec!["ended true".to_owned()], None));
    }
}

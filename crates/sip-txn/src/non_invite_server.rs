//! [`NonInviteServer`]: figure 8.

use std::time::Instant;

use bytes::Bytes;
use sip_msg::Class;

use crate::outbox::Outbox;
use crate::timer::{Timer, Timers, Timing};

/// What the peer and the application tell a non-INVITE server transaction.
#[derive(Debug)]
pub(crate) enum Input {
    /// The request came again.
    Repeated,
    /// The application answers. Its only provisional response is 100 (RFC 4320 §4.1).
    Respond { class: Class, bytes: Bytes },
    /// The 100 that [`Output::SayTrying`] asked for.
    Trying(Bytes),
}

/// What the transaction asks its owner to do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Output {
    Send(Bytes),
    /// The application is silent: make a 100, for [`Input::Trying`].
    SayTrying,
    /// Not answered: the application was silent for too long.
    Ended {
        answered: bool,
    },
}

#[derive(Clone, Debug)]
enum State {
    Trying,
    Proceeding { last: Bytes },
    Completed { response: Bytes },
    Terminated,
}

/// A request that we answer, neither INVITE nor ACK (RFC 3261 §17.2.2 with RFC 4320 §4).
///
/// Over UDP a 100 would be lost on a client that still repeats its request quickly, and RFC 4320 §4.1 forbids it; the
/// transaction sends one by itself when Timer E of the client has reached T2.
///
/// ```text
///                request: deliver
///                       │
///     request: -        ▼
///               ┌──►┌────────┐  200-699: send
///               └───│ Trying │ ──────────────────┐
///                   └────────┘                   │
///      3.5 s: 100,      │                        │
///      100: send (TCP)  ▼                        │
///  request: last    ┌────────────┐               │
///               ┌──►│ Proceeding │               │
///               └───└────────────┘               │
///         64·T1 (any    │ 200-699: send          │
///         state above)  ▼                        │
///  request: send    ┌───────────┐                │
///               ┌──►│ Completed │◄───────────────┘
///               └───└───────────┘
///                       │ J
///                       ▼
///                  ┌────────────┐
///                  │ Terminated │
///                  └────────────┘
/// ```
#[derive(Clone, Debug)]
pub(crate) struct NonInviteServer {
    state: State,
    timing: Timing,
    reliable: bool,
    timers: Timers,
    output: Outbox<Output>,
}

impl NonInviteServer {
    pub(crate) fn new(now: Instant, timing: Timing, reliable: bool) -> Self {
        let (timers, output) = (Timers::default(), Outbox::default());
        let mut transaction = Self { state: State::Trying, timing, reliable, timers, output };
        for timer in [Timer::LateTrying, Timer::Expiry] {
            if let Some(wait) = timing.first_wait(timer, reliable) {
                transaction.timers.start(now, timer, wait);
            }
        }
        transaction
    }

    pub(crate) fn handle_input(&mut self, now: Instant, input: Input) {
        use Class::{Failure, Provisional, Success};
        use State::{Completed, Proceeding, Terminated, Trying};
        match (&self.state, input) {
            (Proceeding { last: bytes } | Completed { response: bytes }, Input::Repeated) => {
                self.output.push_back(Output::Send(bytes.clone()));
            }
            (Trying, Input::Respond { class: Provisional, bytes }) => {
                if self.reliable {
                    self.enter_proceeding(bytes);
                }
            }
            (Trying, Input::Trying(bytes)) => self.enter_proceeding(bytes),
            (Trying | Proceeding { .. }, Input::Respond { class: Success | Failure, bytes }) => {
                self.enter_completed(now, bytes);
            }
            (Trying | Terminated, Input::Repeated)
            | (Proceeding { .. } | Completed { .. } | Terminated, Input::Trying(_))
            | (Proceeding { .. }, Input::Respond { class: Provisional, .. })
            | (Completed { .. } | Terminated, Input::Respond { .. }) => {} // absorbed
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::LateTrying => self.try_on(),
                Timer::J => self.end(true),
                Timer::Expiry => self.end(false),
                Timer::A | Timer::B | Timer::D | Timer::E | Timer::F | Timer::G => {}
                Timer::H | Timer::I | Timer::K | Timer::L | Timer::M | Timer::Trying => {}
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

    /// Whether a response may still be sent.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Trying | State::Proceeding { .. })
    }

    fn try_on(&mut self) {
        if let State::Trying = self.state {
            self.output.push_back(Output::SayTrying);
        }
    }

    fn enter_proceeding(&mut self, trying: Bytes) {
        self.timers.stop(Timer::LateTrying);
        self.output.push_back(Output::Send(trying.clone()));
        self.state = State::Proceeding { last: trying };
    }

    fn enter_completed(&mut self, now: Instant, response: Bytes) {
        self.timers.stop_all();
        self.output.push_back(Output::Send(response.clone()));
        self.state = State::Completed { response };
        match self.timing.first_wait(Timer::J, self.reliable) {
            Some(wait) if !wait.is_zero() => self.timers.start(now, Timer::J, wait),
            Some(_) | None => self.end(true),
        }
    }

    fn end(&mut self, answered: bool) {
        self.timers.stop_all();
        self.state = State::Terminated;
        self.output.push_back(Output::Ended { answered });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sip_msg::StatusCode;

    use super::*;

    fn input(name: &str) -> Input {
        match name {
            "again" => Input::Repeated,
            "late" => Input::Trying("100".into()),
            status => {
                let class = StatusCode::new(status.parse().unwrap()).unwrap().class();
                Input::Respond { class, bytes: status.to_owned().into() }
            }
        }
    }

    fn outputs(server: &mut NonInviteServer) -> Vec<String> {
        std::iter::from_fn(|| server.poll_output())
            .map(|output| match output {
                Output::Send(bytes) => format!("send {}", String::from_utf8_lossy(&bytes)),
                Output::SayTrying => "say 100".to_owned(),
                Output::Ended { answered: true } => "ended".to_owned(),
                Output::Ended { answered: false } => "expired".to_owned(),
            })
            .collect()
    }

    fn after(inputs: &[&str], reliable: bool) -> (NonInviteServer, Instant) {
        let now = testkit::Clock::new().now();
        let mut server = NonInviteServer::new(now, Timing::default(), reliable);
        for name in inputs {
            server.handle_input(now, input(name));
            outputs(&mut server);
        }
        (server, now)
    }

    // rfc: 3261 §17.2.2 — figure 8, each state with each input
    // rfc: 4320 §4.1 — no early 100 over UDP, one at any time over TCP
    #[test]
    fn each_state_takes_each_input_as_figure_8_says() {
        let inputs = ["again", "100", "200", "404"];
        type Row = (&'static [&'static str], bool, [&'static [&'static str]; 4]);
        let table: [Row; 6] = [
            (&[], false, [&[], &[], &["send 200"], &["send 404"]]),
            (&["200"], false, [&["send 200"], &[], &[], &[]]),
            (&["404"], false, [&["send 404"], &[], &[], &[]]),
            (&[], true, [&[], &["send 100"], &["send 200", "ended"], &["send 404", "ended"]]),
            (&["100"], true, [&["send 100"], &[], &["send 200", "ended"], &["send 404", "ended"]]),
            (&["200"], true, [&[], &[], &[], &[]]),
        ];
        for (before, reliable, expected) in table {
            for (name, expected) in inputs.iter().zip(expected) {
                let (mut server, now) = after(before, reliable);
                server.handle_input(now, input(name));
                assert_eq!(outputs(&mut server), expected, "{name} after {before:?}, reliable: {reliable}");
            }
        }
    }

    fn run(server: &mut NonInviteServer, start: Instant) -> Vec<(f64, String)> {
        let mut seen = Vec::new();
        while let Some(at) = server.timers().next() {
            server.handle_timeout(at);
            seen.extend(outputs(server).into_iter().map(|output| ((at - start).as_secs_f64(), output)));
        }
        seen
    }

    // rfc: 4320 §4.2 — a request that is not answered in 64·T1 is not answered at all
    #[test]
    fn an_unanswered_request_expires_with_its_client() {
        for (reliable, inputs) in [(false, &[][..]), (true, &[]), (false, &["late"]), (true, &["100"])] {
            let (mut server, start) = after(inputs, reliable);
            let seen = run(&mut server, start);
            assert_eq!(seen.last(), Some(&(32.0, "expired".to_owned())), "after {inputs:?}: {seen:?}");
            assert!(!server.is_open());
        }
    }

    // rfc: 4320 §4.1 — without an answer, 100 goes out when Timer E of the client reaches T2
    // rfc: 3261 §17.2.2 — Timer J answers repeated requests for 64·T1 over UDP
    #[test]
    fn a_late_100_and_timer_j() {
        let (mut server, start) = after(&[], false);
        let at = start + Duration::from_millis(3500);
        server.handle_timeout(at);
        assert_eq!(outputs(&mut server), ["say 100"]);
        for name in ["late", "again", "200"] {
            server.handle_input(start, input(name));
        }
        assert_eq!(outputs(&mut server), ["send 100", "send 100", "send 200"]);
        assert_eq!(run(&mut server, start), [(32.0, "ended".to_owned())]);
    }
}

//! [`InviteClient`]: figure 5.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_msg::{CSeq, Class, HeaderName, Limits, Message, Method, Reason, Request, Response};

use crate::outbox::Outbox;
use crate::timer::{Timer, Timers, Timing};

/// What the outside world tells an INVITE client transaction.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    Response(&'a Response),
    /// A CANCEL was sent: no final response within 64·T1 is the end (RFC 3261 §9.1).
    Cancelled,
    TransportFailed,
}

/// What the transaction asks its owner to do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Output {
    Send(Bytes),
    /// The response that just came in is for the application.
    Deliver,
    Ended(Ended),
}

/// How a client transaction ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    Normal,
    TimedOut,
    TransportFailed,
}

#[derive(Clone, Debug)]
enum State {
    Calling { invite: Bytes, resend_after: Duration },
    Proceeding { invite: Bytes },
    Accepted,
    Completed { ack: Bytes },
    Terminated,
}

/// An INVITE that we send (RFC 3261 §17.1.1 with RFC 6026 §7.2).
///
/// ```text
///                   INVITE sent
///       A: INVITE     │
///      ┌────────┐     ▼             B, transport failed
///      └───►┌───────────────┐ ─────────────────────────────┐
///           │    Calling    │ ──── 2xx: deliver ────┐      │
///           └───────────────┘                       │      │
///  300-699: ack,  │    │ 1xx: deliver               │      │
///  deliver        │    ▼                            ▼      │
///      │          │ ┌───────────────┐ 2xx:   ┌──────────┐  │
///      │◄─────────┘ │  Proceeding   │ ─────► │ Accepted │◄─┐ 2xx: deliver
///      │            └───────────────┘deliver └──────────┘──┘
///      │ 300-699: ack, │ ▲  │ 1xx: deliver        │ M    │
///      │ deliver       │ └──┘                     │      │
///      ▼               ▼                          ▼      ▼
///     ┌─────────────────┐     D            ┌──────────────┐
///  ┌─►│    Completed    │ ───────────────► │  Terminated  │
///  └──└─────────────────┘ transport failed └──────────────┘
///  300-699: ack
/// ```
#[derive(Clone, Debug)]
pub(crate) struct InviteClient {
    state: State,
    timing: Arc<Timing>,
    reliable: bool,
    timers: Timers,
    output: Outbox<Output>,
}

impl InviteClient {
    /// Sends the INVITE; its top Via is ours.
    pub(crate) fn new(now: Instant, invite: Bytes, timing: impl Into<Arc<Timing>>, reliable: bool) -> Self {
        let timing = timing.into();
        let (timers, mut output) = (Timers::default(), Outbox::default());
        output.push_back(Output::Send(invite.clone()));
        let state = State::Calling { invite, resend_after: timing.t1 };
        let mut transaction = Self { state, timing, reliable, timers, output };
        transaction.start(now, Timer::A);
        transaction.start(now, Timer::B);
        transaction
    }

    pub(crate) fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        use Class::{Failure, Provisional, Success};
        use State::{Accepted, Calling, Completed, Proceeding, Terminated};
        let response = match input {
            Input::Response(response) => response,
            Input::Cancelled => return self.wait_for_487(now),
            Input::TransportFailed => return self.fail(),
        };
        match (&self.state, response.class()) {
            (Calling { .. } | Proceeding { .. }, Provisional) => self.enter_proceeding(),
            (Calling { .. } | Proceeding { .. } | Accepted, Success) => self.enter_accepted(now),
            (Calling { .. } | Proceeding { .. }, Failure) => self.enter_completed(now, response),
            (Completed { ack }, Failure) => self.output.push_back(Output::Send(ack.clone())),
            (Accepted | Completed { .. } | Terminated, Provisional)
            | (Completed { .. } | Terminated, Success)
            | (Accepted | Terminated, Failure) => {} // stray: absorbed, RFC 6026 §7.2
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::A => self.resend(now),
                Timer::B => self.end(Ended::TimedOut),
                Timer::D | Timer::M => self.end(Ended::Normal),
                Timer::E | Timer::F | Timer::G | Timer::H | Timer::I | Timer::J | Timer::K | Timer::L => {}
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

    /// The INVITE as it was sent, while it has no final response; read anew, since most are never asked for it.
    pub(crate) fn request(&self) -> Option<Request> {
        let (State::Calling { invite, .. } | State::Proceeding { invite }) = &self.state else { return None };
        let limits = Limits::default().head_bytes(usize::MAX).header_count(usize::MAX).body_bytes(usize::MAX);
        match Message::parse(invite.clone(), &limits) {
            Ok(Message::Request(invite)) => Some(invite),
            Ok(Message::Response(_)) | Err(_) => None,
        }
    }

    /// A provisional response has come and no final one: a CANCEL may go out.
    pub(crate) fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    /// Whether a failure of the connection would still matter.
    pub(crate) fn is_answered(&self) -> bool {
        match self.state {
            State::Calling { .. } | State::Proceeding { .. } => false,
            State::Accepted | State::Completed { .. } | State::Terminated => true,
        }
    }

    fn start(&mut self, now: Instant, timer: Timer) {
        if let Some(wait) = self.timing.first_wait(timer, self.reliable) {
            self.timers.start(now, timer, wait);
        }
    }

    fn resend(&mut self, now: Instant) {
        if let State::Calling { invite, resend_after } = &mut self.state {
            *resend_after = self.timing.next_wait(Timer::A, *resend_after);
            self.timers.start(now, Timer::A, *resend_after);
            self.output.push_back(Output::Send(invite.clone()));
        }
    }

    fn enter_proceeding(&mut self) {
        if let State::Calling { invite, .. } = &self.state {
            self.timers.stop_all();
            self.state = State::Proceeding { invite: invite.clone() };
        }
        self.output.push_back(Output::Deliver);
    }

    fn enter_accepted(&mut self, now: Instant) {
        if !matches!(self.state, State::Accepted) {
            self.timers.stop_all();
            self.start(now, Timer::M);
            self.state = State::Accepted;
        }
        self.output.push_back(Output::Deliver);
    }

    fn enter_completed(&mut self, now: Instant, response: &Response) {
        let Some(invite) = self.request() else { return self.fail() };
        let ack = ack(&invite, response);
        self.timers.stop_all();
        self.output.push_back(Output::Send(ack.clone()));
        self.output.push_back(Output::Deliver);
        self.state = State::Completed { ack };
        match self.timing.first_wait(Timer::D, self.reliable) {
            Some(wait) if !wait.is_zero() => self.timers.start(now, Timer::D, wait),
            Some(_) | None => self.end(Ended::Normal),
        }
    }

    fn wait_for_487(&mut self, now: Instant) {
        if let State::Proceeding { .. } = self.state {
            self.start(now, Timer::B);
        }
    }

    fn fail(&mut self) {
        match self.state {
            // The 2xx of other branches may still come over other flows, and each must reach the dialog.
            State::Accepted | State::Terminated => {}
            State::Calling { .. } | State::Proceeding { .. } | State::Completed { .. } => {
                self.end(Ended::TransportFailed);
            }
        }
    }

    fn end(&mut self, ended: Ended) {
        self.timers.stop_all();
        self.state = State::Terminated;
        self.output.push_back(Output::Ended(ended));
    }
}

/// The ACK to a failure response (RFC 3261 §17.1.1.3): Request-URI, top Via, Route, From, Call-ID and CSeq number of the
/// INVITE, and the To of the response.
fn ack(invite: &Request, response: &Response) -> Bytes {
    hop_by_hop(invite, &Method::ACK, response.headers().raw(HeaderName::TO).unwrap_or_default(), None)
}

/// The CANCEL of an INVITE (RFC 3261 §9.1): as the ACK, but with the To of the INVITE.
pub(crate) fn cancel(invite: &Request, reason: Option<&Reason>) -> Bytes {
    hop_by_hop(invite, &Method::CANCEL, invite.headers().raw(HeaderName::TO).unwrap_or_default(), reason)
}

/// A request that goes the way of an INVITE, one hop far. Body, Require, Proxy-Require and the rest are left out.
///
/// Values are copied as they stand; the first Via line is ours alone.
fn hop_by_hop(invite: &Request, method: &Method, to: &[u8], reason: Option<&Reason>) -> Bytes {
    let headers = invite.headers();
    let mut out = Vec::with_capacity(512);
    let mut line = |parts: &[&[u8]]| {
        parts.iter().for_each(|part| out.extend_from_slice(part));
        out.extend_from_slice(b"\r\n");
    };
    let first = |name: HeaderName| headers.raw(name).unwrap_or_default();
    line(&[method.as_str().as_bytes(), b" ", invite.uri_text().as_bytes(), b" SIP/2.0"]);
    line(&[b"Via: ", first(HeaderName::VIA)]);
    for route in headers.raw_all(HeaderName::ROUTE) {
        line(&[b"Route: ", route]);
    }
    line(&[b"Max-Forwards: 70"]);
    line(&[b"From: ", first(HeaderName::FROM)]);
    line(&[b"To: ", to]);
    line(&[b"Call-ID: ", first(HeaderName::CALL_ID)]);
    let number = headers.get::<CSeq>().ok().flatten().map_or(0, |cseq| cseq.number);
    line(&[b"CSeq: ", number.to_string().as_bytes(), b" ", method.as_str().as_bytes()]);
    if let Some(reason) = reason {
        line(&[b"Reason: ", reason.to_string().as_bytes()]);
    }
    line(&[b"Content-Length: 0"]);
    line(&[]);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:bob@biloxi.example SIP/2.0\r\n\
        Via: SIP/2.0/UDP pc33.example;branch=z9hG4bKkjshdyff\r\nVia: SIP/2.0/UDP before.example;branch=z9hG4bKold\r\n\
        Route: <sip:one.example;lr>\r\nRoute: <sip:two.example;lr>\r\nMax-Forwards: 68\r\n\
        To: Bob <sip:bob@biloxi.example>\r\nFrom: Alice <sip:alice@a.example>;tag=88sja8x\r\n\
        Call-ID: 987asjd97y7atg\r\nCSeq: 986759 INVITE\r\nRequire: 100rel\r\nContent-Length: 4\r\n\r\nbody";

    fn invite() -> Request {
        match Message::parse(INVITE.as_bytes(), &Limits::default()) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    fn response(status: u16) -> Response {
        let text = format!("SIP/2.0 {status} X\r\nTo: Bob <sip:bob@biloxi.example>;tag=99sa0xk\r\n\r\n");
        match Message::parse(text.into_bytes(), &Limits::default()) {
            Ok(Message::Response(response)) => response,
            other => panic!("{other:?}"),
        }
    }

    fn outputs(client: &mut InviteClient) -> Vec<String> {
        std::iter::from_fn(|| client.poll_output())
            .map(|output| match output {
                Output::Send(bytes) => {
                    format!("send {}", String::from_utf8_lossy(&bytes).split(' ').next().unwrap())
                }
                Output::Deliver => "deliver".to_owned(),
                Output::Ended(ended) => format!("{ended:?}"),
            })
            .collect()
    }

    /// A transaction in the state that the responses led it to.
    fn after(responses: &[u16], reliable: bool) -> (InviteClient, Instant) {
        let now = testkit::Clock::new().now();
        let mut client = InviteClient::new(now, INVITE.into(), Timing::default(), reliable);
        for status in responses {
            client.handle_input(now, Input::Response(&response(*status)));
        }
        outputs(&mut client);
        (client, now)
    }

    // rfc: 3261 §17.1.1.2 — figure 5, each state with each response
    // rfc: 6026 §7.2 — Accepted delivers every 2xx and makes no ACK
    #[test]
    fn each_state_takes_each_response_as_figure_5_says() {
        let none: &[&str] = &[];
        let table: [(&[u16], u16, &[&str]); 12] = [
            (&[], 180, &["deliver"]),
            (&[], 200, &["deliver"]),
            (&[], 486, &["send ACK", "deliver"]),
            (&[180], 183, &["deliver"]),
            (&[180], 200, &["deliver"]),
            (&[180], 302, &["send ACK", "deliver"]),
            (&[200], 180, none),
            (&[200], 200, &["deliver"]),
            (&[200], 486, none),
            (&[486], 180, none),
            (&[486], 200, none),
            (&[486], 486, &["send ACK"]),
        ];
        for (before, status, expected) in table {
            let (mut client, now) = after(before, false);
            client.handle_input(now, Input::Response(&response(status)));
            assert_eq!(outputs(&mut client), expected, "{status} after {before:?}");
        }
    }

    // rfc: 3261 §17.1.4 — a transport failure ends the transaction
    #[test]
    fn a_transport_failure_ends_all_but_an_accepted_call() {
        for (before, expected) in [
            (&[][..], &["TransportFailed"][..]),
            (&[180], &["TransportFailed"]),
            (&[486], &["TransportFailed"]),
            (&[200], &[]),
        ] {
            let (mut client, now) = after(before, false);
            client.handle_input(now, Input::TransportFailed);
            assert_eq!(outputs(&mut client), expected, "after {before:?}");
        }
    }

    /// What timers do from now on, with the seconds at which they do it.
    fn run(client: &mut InviteClient, start: Instant) -> Vec<(f64, String)> {
        let mut seen = Vec::new();
        while let Some(at) = client.timers().next() {
            client.handle_timeout(at);
            seen.extend(outputs(client).into_iter().map(|output| ((at - start).as_secs_f64(), output)));
        }
        seen
    }

    // rfc: 3261 §17.1.1.2 — Timer A doubles from T1, Timer B gives up after 64·T1 and seven requests
    #[test]
    fn an_unanswered_invite_is_sent_seven_times_and_given_up() {
        let (mut client, start) = after(&[], false);
        let seen = run(&mut client, start);
        let times: Vec<_> = seen.iter().map(|(at, _)| *at).collect();
        assert_eq!(times, [0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 32.0]);
        assert!(seen[..6].iter().all(|(_, output)| output == "send INVITE"));
        assert_eq!(seen[6].1, "TimedOut");
        let (mut client, start) = after(&[], true);
        assert_eq!(run(&mut client, start), [(32.0, "TimedOut".to_owned())]);
    }

    // rfc: 3261 §17.1.1.2 — Timer D absorbs for 32 s over UDP, for no time over TCP
    // rfc: 6026 §7.2 — Timer M keeps Accepted for 64·T1
    #[test]
    fn answered_invites_linger_as_long_as_they_must() {
        for (before, reliable, expected) in [
            (&[180][..], false, vec![]),
            (&[486], false, vec![(32.0, "Normal".to_owned())]),
            (&[486], true, vec![]),
            (&[200], false, vec![(32.0, "Normal".to_owned())]),
            (&[200], true, vec![(32.0, "Normal".to_owned())]),
        ] {
            let (mut client, start) = after(before, reliable);
            assert_eq!(run(&mut client, start), expected, "{before:?}, reliable: {reliable}");
        }
        let (mut client, now) = after(&[], true);
        client.handle_input(now, Input::Response(&response(486)));
        assert_eq!(outputs(&mut client), ["send ACK", "deliver", "Normal"]);
    }

    // rfc: 3261 §9.1 — a cancelled INVITE without a final response ends after 64·T1
    #[test]
    fn a_cancelled_invite_ends_without_487() {
        let (mut client, start) = after(&[180], false);
        client.handle_input(start, Input::Cancelled);
        assert_eq!(run(&mut client, start), [(32.0, "TimedOut".to_owned())]);
    }

    // rfc: 3261 §17.1.1.3 — the ACK's Request-URI, Via, Route, From, Call-ID and CSeq are the INVITE's, To the response's
    #[test]
    fn the_ack_to_a_failure_goes_the_way_of_the_invite() {
        assert_eq!(
            String::from_utf8_lossy(&ack(&invite(), &response(486))),
            "ACK sip:bob@biloxi.example SIP/2.0\r\nVia: SIP/2.0/UDP pc33.example;branch=z9hG4bKkjshdyff\r\n\
             Route: <sip:one.example;lr>\r\nRoute: <sip:two.example;lr>\r\nMax-Forwards: 70\r\n\
             From: Alice <sip:alice@a.example>;tag=88sja8x\r\nTo: Bob <sip:bob@biloxi.example>;tag=99sa0xk\r\n\
             Call-ID: 987asjd97y7atg\r\nCSeq: 986759 ACK\r\nContent-Length: 0\r\n\r\n"
        );
    }

    // rfc: 3261 §9.1 — CANCEL copies Request-URI, top Via, Route, From, To, Call-ID and CSeq number; no Require
    #[test]
    fn a_cancel_is_the_invite_with_another_method() {
        let text = String::from_utf8_lossy(&cancel(&invite(), None)).into_owned();
        assert!(text.starts_with("CANCEL sip:bob@biloxi.example SIP/2.0\r\nVia: SIP/2.0/UDP pc33.example;"));
        assert!(text.contains("\r\nTo: Bob <sip:bob@biloxi.example>\r\n"));
        assert!(text.contains("\r\nCSeq: 986759 CANCEL\r\n") && text.contains("Route: <sip:two.example;lr>"));
        assert!(!text.contains("Require") && !text.contains("before.example"));
    }
}

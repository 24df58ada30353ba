//! How many bytes a call that stands keeps, once nothing is left of its transactions.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sdp::{Direction, SessionDescription};
use sip_msg::{Limits, Message, To};
use sip_txn::{Action, Flow, Input, Transport};
use sip_ua::{Agent, Config, Event, MediaPlan, Output, Refusal};

/// Calls that stand at the same time.
const CALLS: u32 = 500;
/// What one of them may keep. `cargo xtask bench-e2e --memory` measures a whole process: 6 kB a call, and the plan, tasks and
/// channels of the application are in that, too.
const BUDGET: i64 = 3_700;

/// Answers everything with the same, and keeps nothing.
#[derive(Debug)]
struct Constant;

const ANSWER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                      m=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

impl MediaPlan for Constant {
    fn offer(&mut self, _: Direction) -> SessionDescription {
        ANSWER.parse().expect("a description")
    }

    fn answer(&mut self, _: &SessionDescription) -> Result<SessionDescription, Refusal> {
        Ok(ANSWER.parse().expect("a description"))
    }

    fn accept(&mut self, _: &SessionDescription) -> Result<(), Refusal> {
        Ok(())
    }

    fn rollback(&mut self) {}

    fn fork(&self) -> Box<dyn MediaPlan> {
        Box::new(Self)
    }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::SendRecv)
    }
}

struct Callee {
    agent: Agent,
    flow: Flow,
    now: Instant,
}

impl Callee {
    fn new() -> Self {
        let (local, remote) = (([127, 0, 0, 1], 5060).into(), ([127, 0, 0, 1], 5070).into());
        let agent = Agent::new(Config::new(sip_txn::Config::new([7; 32]).listen(Transport::Udp, local)));
        Self { agent, flow: Flow::new(Transport::Udp, local, remote), now: testkit::Clock::new().now() }
    }

    fn receive(&mut self, method: &str, number: u32, cseq: u32, to_tag: &str) {
        let bytes = request(method, number, cseq, to_tag);
        self.agent.handle_input(self.now, Input::Datagram { flow: self.flow, bytes });
    }

    /// Takes calls that came in, and gives the To tag of our last answer.
    fn perform(&mut self) -> Option<String> {
        let mut tag = None;
        while let Some(output) = self.agent.poll_output() {
            match output {
                Output::Event(Event::Incoming { dialog, .. }) => {
                    let plan: Box<dyn MediaPlan> = Box::new(Constant);
                    self.agent.accept(self.now, dialog, Some(plan)).expect("a call that waits");
                }
                Output::Action(Action::Transmit(sent)) => {
                    let message =
                        Message::parse(sent.bytes, &Limits::default()).expect("we send what parses");
                    let to = message.headers().require::<To>().expect("an answer has one");
                    tag = to.tag().map(str::to_owned);
                }
                Output::Event(_) | Output::Action(_) => {}
            }
        }
        tag
    }

    /// INVITE, 200, ACK; the call stands.
    fn call(&mut self, number: u32) -> String {
        self.receive("INVITE", number, 1, "");
        let tag = self.perform().expect("an answer");
        self.receive("ACK", number, 1, &tag);
        self.perform();
        tag
    }

    /// Until every transaction is gone.
    fn settle(&mut self) {
        let end = self.now + Duration::from_secs(40);
        while let Some(at) = self.agent.poll_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.agent.handle_timeout(self.now);
            self.perform();
        }
        self.now = end;
    }
}

/// What SIPp sends, in its words and lengths.
fn request(method: &str, number: u32, cseq: u32, to_tag: &str) -> Bytes {
    let tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
    let body = if method == "INVITE" { ANSWER } else { "" };
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} sip:service@127.0.0.1:5060 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-30123-{number}-{cseq}-{method}\r\n\
         From: sipp <sip:sipp@127.0.0.1:5070>;tag=30123SIPpTag00{number}\r\n\
         To: service <sip:service@127.0.0.1:5060>{tag}\r\nCall-ID: {number}-30123@127.0.0.1\r\n\
         CSeq: {cseq} {method}\r\nContact: sip:sipp@127.0.0.1:5070\r\nMax-Forwards: 70\r\n\
         Subject: Performance Test\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}

#[test]
fn a_call_that_stands_keeps_little() {
    let mut callee = Callee::new();
    // What is made only once.
    let tag = callee.call(0);
    callee.receive("BYE", 0, 2, &tag);
    callee.perform();
    callee.settle();
    let kept = allocation_counter::measure(|| {
        (1..=CALLS).for_each(|number| drop(callee.call(number)));
        callee.settle();
    });
    let each = kept.bytes_current / i64::from(CALLS);
    println!("{each} bytes a call that stands, in {} pieces", kept.count_current / i64::from(CALLS));
    assert!(each <= BUDGET, "{each} bytes a call that stands, at most {BUDGET}");
    assert!(each > 200, "{each} bytes: is anything counted at all?");
}

#[test]
fn a_call_that_has_ended_keeps_nothing() {
    let mut callee = Callee::new();
    let round = |callee: &mut Callee, first: u32| {
        let tags: Vec<_> = (first..first + CALLS).map(|number| callee.call(number)).collect();
        for (number, tag) in (first..).zip(tags) {
            callee.receive("BYE", number, 2, &tag);
            callee.perform();
        }
        callee.settle();
        assert!(callee.agent.is_idle());
    };
    // Tables keep their size for the next rush; a second one must not make them grow.
    round(&mut callee, 0);
    let kept = allocation_counter::measure(|| round(&mut callee, CALLS));
    assert!(kept.bytes_current <= 65_536, "{} bytes are left of {CALLS} calls", kept.bytes_current);
}

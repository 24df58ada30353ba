//! An agent at 192.0.2.1 and a peer at 192.0.2.2 that writes its messages by hand.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sip_msg::{HeaderName, Limits, Message, StatusCode};
use sip_txn::{Action, Flow, Input, Transport};
use sip_ua::{Agent, Config, DialogId, Event, Output};

use crate::plan::plan;

pub(crate) struct Wire {
    pub(crate) agent: Agent,
    pub(crate) now: Instant,
    pub(crate) sent: VecDeque<Message>,
    pub(crate) events: VecDeque<Event>,
    branch: u32,
}

/// A session description.
pub(crate) const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n";

impl Wire {
    pub(crate) fn new(change: impl FnOnce(Config) -> Config) -> Self {
        let address = "192.0.2.1:5060".parse().expect("an address");
        let config = Config::new(sip_txn::Config::new([3; 32]).listen(Transport::Udp, address));
        let agent = Agent::new(change(config.user_agent("test")));
        let now = testkit::Clock::new().now();
        Self { agent, now, sent: VecDeque::new(), events: VecDeque::new(), branch: 0 }
    }

    fn collect(&mut self) {
        while let Some(output) = self.agent.poll_output() {
            match output {
                Output::Action(Action::Transmit(transmit)) => {
                    let message =
                        Message::parse(transmit.bytes, &Limits::default()).expect("we send what parses");
                    // A 400 repeats what could not be read.
                    let bad =
                        message.as_response().is_some_and(|sent| sent.status() == StatusCode::BAD_REQUEST);
                    assert!(bad || message.check().is_ok(), "we send what passes the check: {message:?}");
                    self.sent.push_back(message);
                }
                Output::Action(action) => panic!("UDP needs no {action:?}"),
                Output::Event(event) => self.events.push_back(event),
            }
        }
    }

    /// The bytes of one datagram of the peer.
    pub(crate) fn receive(&mut self, text: &str) {
        let flow = Flow::new(
            Transport::Udp,
            "192.0.2.1:5060".parse().expect("an address"),
            "192.0.2.2:5060".parse().expect("an address"),
        );
        self.agent.handle_input(self.now, Input::Datagram { flow, bytes: text.as_bytes().to_vec().into() });
        self.collect();
    }

    /// A request of the peer: its start line, further header lines, and a body. `to` ends with our tag in a dialog.
    pub(crate) fn request(&mut self, method: &str, cseq: u32, to: &str, lines: &str, body: &str) -> String {
        self.branch += 1;
        format!(
            "{method} sip:alice@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKw{}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:bob@example.com>;tag=bob\r\nTo: <sip:alice@example.com>{to}\r\n\
             Call-ID: call\r\nCSeq: {cseq} {method}\r\nContact: <sip:bob@192.0.2.2:5060>\r\n{lines}\
             Content-Length: {}\r\n\r\n{body}",
            self.branch,
            body.len()
        )
    }

    /// Sends a request outside of a dialog and gives what it was answered with.
    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, lines: &str, body: &str) -> Message {
        // Another number each time: the same one is the same request by another way.
        let request = self.request(method, 100 + self.branch, "", lines, body);
        self.receive(&request);
        self.response()
    }

    /// Sends a request in the dialog with our tag and gives what it was answered with.
    #[track_caller]
    pub(crate) fn ask_in(&mut self, tag: &str, method: &str, cseq: u32, lines: &str, body: &str) -> Message {
        let request = self.request(method, cseq, &format!(";tag={tag}"), lines, body);
        self.receive(&request);
        self.response()
    }

    /// The next message that we sent, which is a response.
    #[track_caller]
    pub(crate) fn response(&mut self) -> Message {
        let message = self.sent.pop_front().expect("an answer");
        assert!(message.as_response().is_some(), "{message:?}");
        message
    }

    /// The peer calls, we answer, and it acknowledges: the call, and our tag.
    #[track_caller]
    pub(crate) fn call(&mut self) -> (DialogId, String) {
        let invite = self.request("INVITE", 1, "", "Content-Type: application/sdp\r\n", SDP);
        self.receive(&invite);
        let Some(Event::Incoming { dialog, .. }) = self.events.pop_front() else { panic!("a call comes") };
        self.agent.accept(self.now, dialog, plan()).expect("it waits");
        self.collect();
        let accepted = self.response();
        assert_eq!(status(&accepted), 200);
        let tag = tag(&accepted);
        let ack = self.request("ACK", 1, &format!(";tag={tag}"), "", "");
        self.receive(&ack);
        assert!(matches!(self.events.pop_front(), Some(Event::Confirmed { .. })));
        (dialog, tag)
    }

    /// Lets time pass.
    pub(crate) fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        self.collect();
        while let Some(at) = self.agent.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.agent.handle_timeout(self.now);
            self.collect();
        }
        self.now = end;
    }
}

/// The status of a response.
#[track_caller]
pub(crate) fn status(message: &Message) -> u16 {
    message.as_response().map(|response| response.status()).map(StatusCode::code).expect("a response")
}

/// The first line of a header.
pub(crate) fn header(message: &Message, name: HeaderName) -> Option<String> {
    message.headers().raw(name).map(|value| String::from_utf8_lossy(value).into_owned())
}

/// The To tag.
pub(crate) fn tag(message: &Message) -> String {
    let to = message.headers().require::<sip_msg::To>().expect("To");
    to.tag().expect("a tag").to_owned()
}

//! How many instructions the whole life of a transaction takes, and that the number does not grow with how many are live.
//!
//! The program counts itself under callgrind: two runs that differ by some lives only tell what one life takes. Without valgrind
//! it says so and ends.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_msg::{CSeq, CallId, From, Limits, Message, Method, Request, Response, StatusCode, To, Uri};
use sip_txn::{Action, Config, Event, Flow, Input, Output, SendOptions, TransactionLayer, Transport};

/// Lives before those that count: the first free after so many allocations makes the allocator tidy up.
const WARM: u64 = 1000;
const TRIALS: u64 = 400;
const LIVE: [u64; 2] = [100, 100_000];
/// How much more a life may take among the many.
const GROWTH: f64 = 1.05;

type Life = fn(&mut Setting, u64);

const LIVES: [(&str, Life); 2] = [("server INVITE", server_invite), ("client BYE", client_bye)];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().filter(|arg| arg != "--bench").collect();
    if let [_, name, live, lifes] = args.as_slice()
        && let Some((_, life)) = LIVES.iter().find(|(known, _)| known == name)
    {
        let mut setting = Setting::new();
        (0..live.parse().unwrap_or(0)).for_each(|number| setting.fill(number));
        (0..lifes.parse().unwrap_or(0)).for_each(|number| life(&mut setting, number));
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("left out: valgrind is not installed");
        return ExitCode::SUCCESS;
    }
    let mut grown = false;
    for (name, _) in LIVES {
        let each = LIVE.map(|live| {
            let (few, more) = (instructions(name, live, WARM), instructions(name, live, WARM + TRIALS));
            f64::from(u32::try_from(more.saturating_sub(few) / TRIALS).unwrap_or(u32::MAX))
        });
        let [few, many] = each;
        println!("{name}: {few} instructions a life among {} live ones, {many} among {}", LIVE[0], LIVE[1]);
        grown |= many > few * GROWTH;
    }
    if grown { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Instructions of this program with so many live transactions and so many lives.
fn instructions(name: &str, live: u64, lifes: u64) -> u64 {
    let program = std::env::current_exe().expect("a program has a path");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([name, &live.to_string(), &lifes.to_string()])
        .output()
        .expect("valgrind runs");
    let text = String::from_utf8_lossy(&output.stderr);
    let count = text.lines().find_map(|line| line.split("Collected : ").nth(1));
    count.and_then(|count| count.trim().parse().ok()).expect("callgrind tells what it has collected")
}

struct Setting {
    layer: TransactionLayer,
    flow: Flow,
    now: Instant,
}

impl Setting {
    #[expect(clippy::disallowed_methods, reason = "`Instant` has no other constructor")]
    fn new() -> Self {
        let (local, remote) = (([127, 0, 0, 1], 5060).into(), ([127, 0, 0, 1], 5070).into());
        let limits = sip_txn::Limits::default().servers(1_000_000).clients(1_000_000);
        let layer = TransactionLayer::new(Config::new([7; 32]).listen(Transport::Udp, local).limits(limits));
        Self { layer, flow: Flow::new(Transport::Udp, local, remote), now: Instant::now() }
    }

    fn receive(&mut self, bytes: Bytes) {
        self.layer.handle_input(self.now, Input::Datagram { flow: self.flow, bytes });
    }

    /// One more live transaction; they come evenly over 3 s, so that none has ended.
    fn fill(&mut self, number: u64) {
        self.receive(incoming("OPTIONS", 1_000_000 + number));
        while self.layer.poll_output().is_some() {}
        self.now += Duration::from_micros(30);
    }

    fn pass(&mut self) {
        self.now += Duration::from_micros(100);
        self.layer.handle_timeout(self.now);
        while self.layer.poll_output().is_some() {}
    }
}

fn incoming(method: &str, number: u64) -> Bytes {
    format!(
        "{method} sip:bob@127.0.0.1:5060 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKb{number};rport\r\nMax-Forwards: 70\r\n\
         From: \"Alice\" <sip:alice@example.com>;tag=a{number}\r\nTo: <sip:bob@example.com>\r\n\
         Call-ID: call-{number}@127.0.0.1\r\nCSeq: 1 {method}\r\nContact: <sip:alice@127.0.0.1:5070>\r\n\
         Content-Length: 0\r\n\r\n"
    )
    .into()
}

/// INVITE, 180, 486 and its ACK.
fn server_invite(setting: &mut Setting, number: u64) {
    setting.receive(incoming("INVITE", number));
    while let Some(output) = setting.layer.poll_output() {
        let Output::Event(Event::Request { server, request, .. }) = output else { continue };
        for status in [StatusCode::RINGING, StatusCode::BUSY_HERE] {
            let response = Response::answer(&request, status).to_tag("bob").build();
            setting.layer.respond(setting.now, server, response).expect("it is open");
        }
    }
    setting.receive(incoming("ACK", number));
    setting.pass();
}

/// BYE and its 200.
fn client_bye(setting: &mut Setting, number: u64) {
    let uri: Uri = "sip:bob@127.0.0.1:5070".parse().expect("a URI");
    let bye = Request::builder(Method::BYE, &uri)
        .header(&From::new(uri.clone()).with_tag("a"))
        .header(&To::new(uri.clone()).with_tag("b"))
        .header(&CallId(format!("call-{number}").into()))
        .header(&CSeq::new(2, Method::BYE))
        .build();
    setting.layer.request(setting.now, bye, SendOptions::default()).expect("it can be sent");
    let mut answer = None;
    while let Some(output) = setting.layer.poll_output() {
        let Output::Action(Action::Transmit(sent)) = output else { continue };
        let Ok(Message::Request(request)) = Message::parse(sent.bytes, &Limits::default()) else { continue };
        answer = Some(Response::answer(&request, StatusCode::OK).build().to_bytes());
    }
    setting.receive(answer.expect("it was sent"));
    setting.pass();
}

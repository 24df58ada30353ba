//! What a transaction costs in the layer: time and allocations.

use std::time::{Duration, Instant};

use bytes::Bytes;
use divan::{AllocProfiler, Bencher};
use sip_msg::{CSeq, CallId, From, Method, Request, Response, StatusCode, To, Uri};
use sip_txn::{
    Action, Config, Event, Flow, Input, Output, SendOptions, TransactionLayer, Transmit, Transport,
};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// A layer, the flow its peer is on, and the messages of call `number`.
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

    /// The request that was told; what was sent is dropped.
    fn request(&mut self) -> Option<(sip_txn::ServerId, Request)> {
        let mut found = None;
        while let Some(output) = self.layer.poll_output() {
            if let Output::Event(Event::Request { server, request, .. }) = output {
                found = Some((server, request));
            }
        }
        found
    }

    fn sent(&mut self) -> Option<Bytes> {
        let mut found = None;
        while let Some(output) = self.layer.poll_output() {
            if let Output::Action(Action::Transmit(Transmit { bytes, .. })) = output {
                found = Some(bytes);
            }
        }
        found
    }

    /// Live server transactions that nobody answers.
    fn fill(mut self, live: u64) -> Self {
        for number in 0..live {
            self.receive(incoming("OPTIONS", 1_000_000 + number));
            self.request();
        }
        self
    }
}

fn incoming(method: &str, number: u64) -> Bytes {
    format!(
        "{method} sip:bob@127.0.0.1:5060 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK{method}{number};rport\r\nMax-Forwards: 70\r\n\
         From: \"Alice\" <sip:alice@example.com>;tag=a{number}\r\nTo: <sip:bob@example.com>\r\n\
         Call-ID: call-{number}@127.0.0.1\r\nCSeq: 1 {method}\r\nContact: <sip:alice@127.0.0.1:5070>\r\n\
         Content-Length: 0\r\n\r\n"
    )
    .into()
}

/// The whole life of an INVITE that we accept, at different numbers of live transactions.
#[divan::bench(args = [0, 100, 100_000])]
fn server_invite(bencher: Bencher<'_, '_>, live: u64) {
    let mut setting = Setting::new().fill(live);
    let mut number = 0;
    bencher
        .with_inputs(|| {
            number += 1;
            (incoming("INVITE", number), incoming("ACK", number))
        })
        .bench_local_values(|(invite, ack)| {
            setting.receive(invite);
            let (server, request) = setting.request().expect("the INVITE is told");
            for status in [StatusCode::RINGING, StatusCode::OK] {
                let response = Response::answer(&request, status).to_tag("bob").build();
                setting.layer.respond(setting.now, server, response).expect("it is open");
            }
            setting.receive(ack);
            while setting.layer.poll_output().is_some() {}
            // Timer L ends older ones, so that as many live as in a server at 1,000 calls a second.
            setting.now += Duration::from_millis(1);
            setting.layer.handle_timeout(setting.now);
            while setting.layer.poll_output().is_some() {}
        });
}

/// The layer's own part of an INVITE: parsing is sip-msg's.
#[divan::bench]
fn server_options_and_its_repetition(bencher: Bencher<'_, '_>) {
    let mut setting = Setting::new();
    let mut number = 0;
    bencher
        .with_inputs(|| {
            number += 1;
            incoming("OPTIONS", number)
        })
        .bench_local_values(|options| {
            setting.receive(options.clone());
            let (server, request) = setting.request().expect("it is told");
            let response = Response::answer(&request, StatusCode::OK).to_tag("bob").build();
            setting.layer.respond(setting.now, server, response).expect("it is open");
            setting.receive(options);
            while setting.layer.poll_output().is_some() {}
            setting.now += Duration::from_millis(1);
            setting.layer.handle_timeout(setting.now);
            while setting.layer.poll_output().is_some() {}
        });
}

/// The whole life of a BYE that we send.
#[divan::bench]
fn client_bye(bencher: Bencher<'_, '_>) {
    let mut setting = Setting::new();
    let uri: Uri = "sip:bob@127.0.0.1:5070".parse().expect("a URI");
    let bye = Request::builder(Method::BYE, &uri)
        .header(&From::new(uri.clone()).with_tag("a"))
        .header(&To::new(uri.clone()).with_tag("b"))
        .header(&CallId("call".into()))
        .header(&CSeq::new(2, Method::BYE))
        .build();
    bencher.with_inputs(|| bye.clone()).bench_local_values(|bye| {
        setting.layer.request(setting.now, bye, SendOptions::default()).expect("it can be sent");
        let sent = setting.sent().expect("it is sent");
        let Ok(sip_msg::Message::Request(request)) =
            sip_msg::Message::parse(sent, &sip_msg::Limits::default())
        else {
            return;
        };
        setting.receive(Response::answer(&request, StatusCode::OK).build().to_bytes());
        while setting.layer.poll_output().is_some() {}
        setting.now += Duration::from_millis(1);
        setting.layer.handle_timeout(setting.now);
        while setting.layer.poll_output().is_some() {}
    });
}

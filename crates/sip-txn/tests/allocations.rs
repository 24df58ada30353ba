//! The promises: at most two allocations a message beside those that reading and writing it takes, and at most 1 kB for a live
//! non-INVITE transaction beside its message.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::time::Instant;

use allocation_counter::measure;
use bytes::Bytes;
use sip_msg::{CSeq, CallId, From, Limits, Message, Method, Request, Response, StatusCode, To, Uri, Via};
use sip_txn::{
    Action, Config, Event, Flow, Input, Output, SendOptions, ServerId, TransactionLayer, Transmit, Transport,
};

/// A layer, the flow its peer is on, and the time.
struct Setting {
    layer: TransactionLayer,
    flow: Flow,
    now: Instant,
}

impl Setting {
    fn new() -> Self {
        let (local, remote) = (([127, 0, 0, 1], 5060).into(), ([127, 0, 0, 1], 5070).into());
        let layer = TransactionLayer::new(Config::new([7; 32]).listen(Transport::Udp, local));
        Self { layer, flow: Flow::new(Transport::Udp, local, remote), now: testkit::Clock::new().now() }
    }

    fn receive(&mut self, bytes: Bytes) {
        self.layer.handle_input(self.now, Input::Datagram { flow: self.flow, bytes });
    }

    fn told(&mut self) -> Option<(ServerId, Request)> {
        let mut told = None;
        while let Some(output) = self.layer.poll_output() {
            if let Output::Event(Event::Request { server, request, .. }) = output {
                told = Some((server, request));
            }
        }
        told
    }

    fn sent(&mut self) -> Option<Bytes> {
        let mut sent = None;
        while let Some(output) = self.layer.poll_output() {
            if let Output::Action(Action::Transmit(Transmit { bytes, .. })) = output {
                sent = Some(bytes);
            }
        }
        sent
    }
}

fn incoming(method: &str, number: u32) -> Bytes {
    let text = format!(
        "{method} sip:bob@127.0.0.1:5060 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK{number:08};rport\r\nMax-Forwards: 70\r\n\
         From: \"Alice\" <sip:alice@example.com>;tag=a{number:08}\r\nTo: <sip:bob@example.com>\r\n\
         Call-ID: call-{number:08}@127.0.0.1\r\nCSeq: 1 {method}\r\nContact: <sip:alice@127.0.0.1:5070>\r\n\
         Content-Length: 0\r\n\r\n"
    );
    Bytes::from(text.into_bytes().into_boxed_slice())
}

fn outgoing(method: Method) -> Request {
    let uri: Uri = "sip:bob@127.0.0.1:5070".parse().unwrap();
    Request::builder(method.clone(), &uri)
        .header(&From::new(uri.clone()).with_tag("a"))
        .header(&To::new(uri.clone()).with_tag("b"))
        .header(&CallId("call".into()))
        .header(&CSeq::new(2, method))
        .build()
}

fn parsed(bytes: Bytes) -> Request {
    match Message::parse(bytes, &Limits::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

const MESSAGES: u32 = 1000;

/// Allocations for each of so many messages, all told.
fn allocations<T>(messages: Vec<T>, mut each: impl FnMut(T)) -> f64 {
    let count = u32::try_from(messages.len()).unwrap();
    let info = measure(|| messages.into_iter().for_each(&mut each));
    f64::from(u32::try_from(info.count_total).unwrap()) / f64::from(count)
}

/// What sip-msg allocates for a request that comes in: reading it, and its top Via with `received` and `rport` in it.
fn reading_a_request(bytes: Bytes) {
    let message = Message::parse(bytes, &Limits::default()).unwrap();
    message.check().unwrap();
    let mut via = message.headers().all::<Via>().next().unwrap().unwrap();
    // Whether it is a merged one: From tag, Call-ID and CSeq.
    let from: From = message.headers().require().unwrap();
    via.set_rport(Some(5070));
    via.set_received([127, 0, 0, 1].into());
    let mut request = message.as_request().cloned().unwrap();
    request.headers_mut().replace_front(&via);
    drop(from);
}

/// What sip-msg allocates for a response that comes in.
fn reading_a_response(bytes: Bytes) {
    let message = Message::parse(bytes, &Limits::default()).unwrap();
    message.check().unwrap();
    drop(message.headers().all::<Via>().next());
}

/// What sip-msg allocates for a request that goes out.
fn writing_a_request(request: Request) {
    let mut request = request;
    let uri = request.uri().unwrap();
    let branch = format!("{}{:024x}", Via::MAGIC_COOKIE, 7);
    let mut via = Via::new("UDP", "127.0.0.1:5060".parse::<sip_msg::HostPort>().unwrap(), branch);
    via.set_rport(None);
    request.headers_mut().push_front(&via);
    drop((request.to_bytes(), uri));
}

#[test]
fn a_message_takes_two_allocations_beside_reading_and_writing_it() {
    for method in ["OPTIONS", "INVITE"] {
        let mut setting = Setting::new();
        // Tables have their size.
        for number in 0..4 * MESSAGES {
            setting.receive(incoming(method, MESSAGES + number));
            setting.told();
        }
        let messages = || (0..MESSAGES).map(|number| incoming(method, number)).collect::<Vec<_>>();
        let mut told = Vec::with_capacity(messages().len());
        let share = allocations(messages(), reading_a_request);
        let all = allocations(messages(), |bytes| {
            setting.receive(bytes);
            told.push(setting.told().unwrap());
        });
        assert!(all - share <= 2.0, "{method}: {all}, {share} of them sip-msg's");
        let share = allocations(messages(), reading_a_response);
        let again = allocations(messages(), |bytes| {
            setting.receive(bytes);
            assert!(setting.told().is_none(), "it is a repetition");
        });
        assert!(again - share <= 0.1, "{method} again: {again}, {share} of them sip-msg's");

        let answer = |request| Response::answer(request, StatusCode::OK).to_tag("b").build();
        let answers: Vec<_> = told.iter().map(|(server, request)| (*server, answer(request))).collect();
        let share = allocations(answers.clone(), |(_, response)| drop(response.to_bytes()));
        let all = allocations(answers, |(server, response)| {
            setting.layer.respond(setting.now, server, response).unwrap();
            setting.sent().unwrap();
        });
        assert!(all - share <= 0.1, "{method} answered: {all}, {share} of them sip-msg's");
    }
}

#[test]
fn a_request_of_ours_takes_two_allocations_beside_writing_it_and_its_response_none() {
    for method in [Method::OPTIONS, Method::INVITE] {
        let mut setting = Setting::new();
        for _ in 0..4 * MESSAGES {
            setting.layer.request(setting.now, outgoing(method.clone()), SendOptions::default()).unwrap();
            setting.sent();
        }
        let requests = || (0..MESSAGES).map(|_| outgoing(method.clone())).collect::<Vec<_>>();
        let mut sent = Vec::with_capacity(requests().len());
        let share = allocations(requests(), writing_a_request);
        let all = allocations(requests(), |request| {
            setting.layer.request(setting.now, request, SendOptions::default()).unwrap();
            sent.push(setting.sent().unwrap());
        });
        assert!(all - share <= 2.0, "{method:?}: {all}, {share} of them sip-msg's");

        let answer = |bytes| Response::answer(&parsed(bytes), StatusCode::OK).to_tag("b").build().to_bytes();
        let answers: Vec<_> = sent.into_iter().map(answer).collect();
        let share = allocations(answers.clone(), reading_a_response);
        let all = allocations(answers, |bytes| {
            setting.receive(bytes);
            setting.sent();
        });
        assert!(all - share <= 0.1, "{method:?} answered: {all}, {share} of them sip-msg's");
    }
}

const LIVE: u32 = 10_000;

/// Bytes that stay allocated for each of many transactions.
fn live_bytes(setting: &mut Setting, mut begin: impl FnMut(&mut Setting, u32)) -> usize {
    let info = measure(|| (0..LIVE).for_each(|number| begin(setting, number)));
    usize::try_from(info.bytes_current).unwrap() / usize::try_from(LIVE).unwrap()
}

#[test]
fn a_live_non_invite_transaction_takes_at_most_1_kb_beside_its_message() {
    let fits = |name: &str, bytes: usize, message: usize| {
        assert!(bytes <= message + 1024, "{name}: {bytes} bytes with a message of {message}");
    };
    let message = incoming("OPTIONS", 0).len();
    let bytes = live_bytes(&mut Setting::new(), |setting, number| {
        setting.receive(incoming("OPTIONS", number));
        setting.told();
    });
    fits("server, not answered", bytes, message);
    let mut message = 0;
    let bytes = live_bytes(&mut Setting::new(), |setting, number| {
        setting.receive(incoming("OPTIONS", number));
        let (server, request) = setting.told().unwrap();
        let response = Response::answer(&request, StatusCode::OK).to_tag("b").build();
        setting.layer.respond(setting.now, server, response).unwrap();
        message = setting.sent().unwrap().len();
    });
    fits("server, answered", bytes, message);
    let bytes = live_bytes(&mut Setting::new(), |setting, _| {
        setting.layer.request(setting.now, outgoing(Method::OPTIONS), SendOptions::default()).unwrap();
        message = setting.sent().unwrap().len();
    });
    fits("client, not answered", bytes, message);
    let bytes = live_bytes(&mut Setting::new(), |setting, _| {
        setting.layer.request(setting.now, outgoing(Method::OPTIONS), SendOptions::default()).unwrap();
        let request = parsed(setting.sent().unwrap());
        setting.receive(Response::answer(&request, StatusCode::OK).to_tag("b").build().to_bytes());
        setting.sent();
    });
    fits("client, answered", bytes, 0);
}

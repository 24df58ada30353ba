//! What it costs to answer OPTIONS without state on our transports, beside a bare loop of `recvfrom` and `sendto`.
//!
//! Both answer the same load on loopback, one after the other in one run, several times; what counts is the time their thread
//! was on a processor (`/proc/thread-self/schedstat`, Linux only). The median ratio must not exceed 1.5.

use std::fmt::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use sip_msg::{Limits, Message, Response, StatusCode};
use sip_txn::driver::{Listen, Transports};
use sip_txn::{Action, Input, Transmit, Transport};

/// Requests in one run.
const REQUESTS: u32 = 100_000;
/// Requests that wait for their answers at the same time.
const WINDOW: u32 = 64;
const ROUNDS: usize = 5;
/// How much more than the bare loop is allowed.
const ALLOWED: f64 = 1.5;

fn main() -> ExitCode {
    if cpu_time().is_none() {
        println!("left out: this system does not tell the time of a thread");
        return ExitCode::SUCCESS;
    }
    let mut ratios: Vec<[f64; 2]> = Vec::new();
    for _ in 0..ROUNDS {
        let bare = run("bare", bare);
        let transports = run("transports", |tell| ours(tell, false));
        let whole = run("whole", |tell| ours(tell, true));
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(REQUESTS);
        println!(
            "bare {:.2} µs, on our transports {:.2} µs, with parsing and answering {:.2} µs a request",
            micros(bare),
            micros(transports),
            micros(whole)
        );
        ratios.push([transports, whole].map(|time| time.as_secs_f64() / bare.as_secs_f64()));
    }
    let median = |which: usize| {
        let mut all: Vec<_> = ratios.iter().filter_map(|ratios| ratios.get(which).copied()).collect();
        all.sort_by(f64::total_cmp);
        all.get(ROUNDS / 2).copied().unwrap_or(f64::NAN)
    };
    let (transports, whole) = (median(0), median(1));
    println!("median: the transports alone {transports:.2} ×, the whole answerer {whole:.2} × the bare loop");
    if whole <= ALLOWED { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The time this thread was on a processor.
fn cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}

/// Loads an answerer in a thread of its own; gives its processor time.
fn run(name: &str, answerer: impl FnOnce(Sender<SocketAddr>) -> Duration + Send + 'static) -> Duration {
    let (tell, address) = channel();
    let thread = thread::Builder::new().name(name.to_owned());
    let answerer = thread.spawn(|| answerer(tell)).expect("a thread");
    load(address.recv().expect("it listens"));
    answerer.join().expect("it answers to the end")
}

/// Keeps a window of requests open until all are answered.
fn load(to: SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.connect(to).expect("an address");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    let local = socket.local_addr().expect("an address");
    let (mut text, mut buffer) = (String::new(), [0; 2048]);
    for number in 0..REQUESTS + WINDOW {
        if number >= WINDOW {
            socket.recv(&mut buffer).expect("every request is answered: nothing is lost on loopback");
        }
        if number < REQUESTS {
            text.clear();
            write!(
                text,
                "OPTIONS sip:bob@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{number:08x};rport\r\n\
                 Max-Forwards: 70\r\nFrom: \"Alice\" <sip:alice@example.com>;tag=a{number:08x}\r\n\
                 To: <sip:bob@example.com>\r\nCall-ID: {number:08x}@{local}\r\nCSeq: 1 OPTIONS\r\n\
                 Contact: <sip:alice@{local}>\r\nContent-Length: 0\r\n\r\n"
            )
            .expect("a string takes all");
            socket.send(text.as_bytes()).expect("loopback takes all");
        }
    }
}

const ANSWER: &[u8] = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:40000;branch=z9hG4bK00000000;rport\r\n\
    From: \"Alice\" <sip:alice@example.com>;tag=a00000000\r\nTo: <sip:bob@example.com>;tag=b\r\n\
    Call-ID: 00000000@127.0.0.1:40000\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

fn bare(tell: Sender<SocketAddr>) -> Duration {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    tell.send(socket.local_addr().expect("an address")).expect("somebody waits");
    let mut buffer = vec![0; 65_535];
    let begun = cpu_time().unwrap_or_default();
    for _ in 0..REQUESTS {
        let (_, from) = socket.recv_from(&mut buffer).expect("a request");
        socket.send_to(ANSWER, from).expect("loopback takes all");
    }
    cpu_time().unwrap_or_default() - begun
}

fn ours(tell: Sender<SocketAddr>, whole: bool) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listen = [Listen::new(Transport::Udp, ([127, 0, 0, 1], 0).into())];
        let mut transports = Transports::bind(&listen, None).await.expect("a port");
        let address = transports.local_addresses().first().map(|(_, address)| *address);
        tell.send(address.expect("it listens")).expect("somebody waits");
        let limits = Limits::default();
        let begun = cpu_time().unwrap_or_default();
        for _ in 0..REQUESTS {
            let Input::Datagram { flow, bytes } = transports.next().await else { continue };
            let bytes = if whole {
                let Ok(Message::Request(request)) = Message::parse(bytes, &limits) else { continue };
                Response::answer(&request, StatusCode::OK).to_tag("b").build().to_bytes()
            } else {
                bytes::Bytes::from_static(ANSWER)
            };
            transports.perform(Action::Transmit(Transmit { flow, bytes }));
        }
        cpu_time().unwrap_or_default() - begun
    })
}

//! What networks and peers do wrong, on real sockets: it must cost nobody but the one who does it.
#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "helpers of tests fail the test")]
#![expect(clippy::disallowed_methods, reason = "servers of tests are tasks")]

#[path = "loopback/agent.rs"]
mod agent;
#[path = "loopback/certificates.rs"]
mod certificates;

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use sip_msg::StatusCode;
use sip_txn::driver::{Listen, Settings, Transports};
use sip_txn::{Config, Limits, TransactionLayer, Transport};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::{sleep, timeout};

use agent::{Agent, failure};
use certificates::Authority;

/// How long a reasonable thing may take on a busy machine.
const SOON: Duration = Duration::from_secs(20);

const OPTIONS: &str = "OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/TCP raw.example;branch=z9hG4bK@;rport\r\n\
    From: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: @\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\
    Content-Length: 0\r\n\r\n";

/// An answerer over TCP with these limits.
async fn server(limits: Limits) -> SocketAddr {
    let mut agent = Agent::bind(&[Transport::Tcp], None).await;
    let address = agent.address(Transport::Tcp);
    let config = Config::new([3; 32]).limits(limits).listen(Transport::Tcp, address);
    agent.layer = TransactionLayer::new(config);
    agent.serve(0);
    address
}

async fn ask(stream: &mut TcpStream, name: &str) {
    stream.write_all(OPTIONS.replace('@', name).as_bytes()).await.unwrap();
    assert!(answer(stream).await.contains(&format!("z9hG4bK{name}")));
}

/// The next response, which has no body.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    let reading = async {
        while !text.ends_with(b"\r\n\r\n") {
            text.push(stream.read_u8().await.unwrap());
        }
    };
    timeout(SOON, reading).await.expect("an answer");
    String::from_utf8(text).unwrap()
}

/// Whether the peer ends the connection soon.
async fn ends(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 4096];
    let reading = async { while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {} };
    timeout(SOON, reading).await.is_ok()
}

#[tokio::test]
async fn resets_and_halves_of_messages_disturb_nobody() {
    let address = server(Limits::default()).await;
    let mut steady = TcpStream::connect(address).await.unwrap();
    for at in [0, 1, 60, OPTIONS.len() - 1] {
        for reset in [true, false] {
            let mut broken = TcpStream::connect(address).await.unwrap();
            if reset {
                broken.set_zero_linger().unwrap();
            }
            broken.write_all(&OPTIONS.as_bytes()[..at]).await.unwrap();
            drop(broken);
        }
        ask(&mut steady, &format!("after{at}")).await;
    }
    let mut halves = TcpStream::connect(address).await.unwrap();
    let text = OPTIONS.replace('@', "halves");
    halves.write_all(&text.as_bytes()[..60]).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    halves.write_all(&text.as_bytes()[60..]).await.unwrap();
    assert!(answer(&mut halves).await.contains("z9hG4bKhalves"));
}

// rfc: 3261 §18.3 — a message on a stream without its length cannot be framed
#[tokio::test]
async fn our_last_words_reach_a_peer_that_is_still_talking() {
    let address = server(Limits::default()).await;
    for round in 0..50 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let unframed = OPTIONS.replace('@', &format!("last{round}")).replace("Content-Length: 0\r\n", "");
        stream.write_all(unframed.as_bytes()).await.unwrap();
        // More than we read of it before we close.
        let _ = stream.write_all(&[b'x'; 100_000]).await;
        let text = answer(&mut stream).await;
        assert!(text.starts_with("SIP/2.0 400 "), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_says_no_more_still_hears_the_answer() {
    let address = server(Limits::default()).await;
    for round in 0..200 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(OPTIONS.replace('@', &format!("half{round}")).as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        assert!(answer(&mut stream).await.starts_with("SIP/2.0 200 "));
        assert!(ends(&mut stream).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_do_not_overtake_the_news_of_their_connection() {
    let address = server(Limits::default()).await;
    for round in 0..300 {
        let mut streams = Vec::new();
        for number in 0..4 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let text = OPTIONS.replace('@', &format!("first{round}x{number}"));
            stream.write_all(text.as_bytes()).await.unwrap();
            streams.push(stream);
        }
        for mut stream in streams {
            assert!(answer(&mut stream).await.starts_with("SIP/2.0 200 "), "{round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_thousands_of_requests_over_many_connections_none_is_lost() {
    let address = server(Limits::default()).await;
    let uri = format!("sip:{address};transport=tcp");
    let clients: Vec<_> = (0..64)
        .map(|_| {
            let uri = uri.clone();
            tokio::spawn(async move {
                // A connection of its own for each few requests, as processes that come and go have.
                for _ in 0..5 {
                    let mut client = Agent::bind(&[Transport::Udp], None).await;
                    for _ in 0..10 {
                        assert_eq!(client.ask(&uri).await, Ok(StatusCode::OK));
                    }
                }
            })
        })
        .collect();
    for client in clients {
        timeout(Duration::from_secs(100), client).await.expect("all answers").unwrap();
    }
}

// rfc: 5923 §8.1 — a connection that no longer exists is opened anew, and the request goes there
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_dies_while_a_request_is_sent_is_opened_again() {
    for reset in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                if reset {
                    stream.set_zero_linger().unwrap();
                }
                // One request each, then the connection ends, whatever comes on it.
                let request = answer(&mut stream).await;
                let response = request
                    .replacen(request.lines().next().unwrap(), "SIP/2.0 200 OK", 1)
                    .replace("To: <sip:127", "To: <sip:b@127");
                stream.write_all(response.as_bytes()).await.unwrap();
                // The answer must be read before a reset takes it away.
                sleep(Duration::from_millis(if reset { 5 } else { 0 })).await;
            }
        });
        let mut client = Agent::bind(&[Transport::Udp], None).await;
        let uri = format!("sip:{address};transport=tcp");
        for round in 0..200 {
            assert_eq!(client.ask(&uri).await, Ok(StatusCode::OK), "{round} reset: {reset}");
            // Now the end of the connection is on its way, or not yet.
            sleep(Duration::from_millis(round % 7)).await;
        }
        serving.abort();
    }
}

#[tokio::test]
async fn a_message_that_comes_drop_by_drop_ends_its_connection() {
    let address = server(Limits::default().slow(Duration::from_millis(300))).await;
    let mut loris = TcpStream::connect(address).await.unwrap();
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut steady = TcpStream::connect(address).await.unwrap();
    let dripping = async {
        for byte in OPTIONS.as_bytes() {
            if loris.write_all(&[*byte]).await.is_err() {
                return true;
            }
            sleep(Duration::from_millis(20)).await;
        }
        false
    };
    let asking = async {
        for round in 0..10 {
            ask(&mut steady, &format!("steady{round}")).await;
            sleep(Duration::from_millis(100)).await;
        }
    };
    let (gave_up, ()) = tokio::join!(dripping, asking);
    assert!(gave_up, "it was closed long before its end");
    assert!(ends(&mut silent).await, "nor may a connection bring nothing");
    ask(&mut steady, "last").await;
}

#[tokio::test]
async fn silent_connections_make_room_and_used_ones_stay() {
    let address = server(Limits::default().connections(50).slow(Duration::from_secs(60))).await;
    let mut steady = TcpStream::connect(address).await.unwrap();
    ask(&mut steady, "steady").await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let mut late = TcpStream::connect(address).await.unwrap();
    ask(&mut late, "late").await;
    ask(&mut steady, "again").await;
    assert!(ends(&mut silent[0]).await, "the oldest that never said a word");
}

#[tokio::test]
async fn one_address_has_so_many_connections_and_no_more() {
    let address = server(Limits::default().connections_of_one(10)).await;
    let mut streams = Vec::new();
    for number in 0..10 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        ask(&mut stream, &format!("one{number}")).await;
        streams.push(stream);
    }
    let mut refused = TcpStream::connect(address).await.unwrap();
    assert!(ends(&mut refused).await);
    drop(streams.pop());
    let late = async {
        loop {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // The place is free once the server has noticed.
            let _ = stream.write_all(OPTIONS.replace('@', "late").as_bytes()).await;
            if stream.read_u8().await.is_ok() {
                return;
            }
        }
    };
    timeout(SOON, late).await.expect("a place");
    ask(&mut streams[0], "still").await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_stalls_nobody_else() {
    let mut agent = Agent::bind(&[Transport::Tcp], None).await;
    let address = agent.address(Transport::Tcp);
    agent.layer = TransactionLayer::new(Config::new([4; 32]).listen(Transport::Tcp, address));
    agent.serve(60_000);
    let mut client = Agent::bind(&[Transport::Udp], None).await;
    let uri = format!("sip:{address};transport=tcp");
    let mut deaf = TcpStream::connect(address).await.unwrap();
    // Some 30 MB of answers are asked for: more than the kernel and the queue take.
    for number in 0..500 {
        let text = OPTIONS.replace('@', &format!("deaf{number}"));
        let written = timeout(Duration::from_secs(1), deaf.write_all(text.as_bytes())).await;
        if !written.is_ok_and(|written| written.is_ok()) {
            break;
        }
        if number % 50 == 0 {
            let asked = timeout(SOON, client.ask(&uri)).await;
            assert_eq!(asked.expect("nobody waits"), Ok(StatusCode::OK));
        }
    }
    assert_eq!(client.ask(&uri).await, Ok(StatusCode::OK));
    // It was given up. What the kernel had taken comes, and then the end.
    let mut buffer = vec![0; 1 << 20];
    let mut received = 0;
    let reading = async {
        while let Ok(read @ 1..) = deaf.read(&mut buffer).await {
            received += read;
        }
    };
    timeout(SOON, reading).await.expect("an end");
    assert!(received < 500 * 60_000, "{received} bytes: nothing was given up");
}

/// Bytes that look like nothing.
fn noise(mut seed: u64, length: usize) -> Vec<u8> {
    let next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[tokio::test]
async fn garbage_on_any_transport_disturbs_nobody() {
    use Transport::{Tcp, Tls, Udp, Ws, Wss};
    let authority = Authority::new();
    let tls = authority.server(&authority.certify(&["localhost"], 1));
    let server = Agent::bind(&[Udp, Tcp, Tls, Ws, Wss], Some(tls.clone())).await;
    let address = |transport| server.address(transport);
    let (udp, tcp, tls_at, ws, wss) = (address(Udp), address(Tcp), address(Tls), address(Ws), address(Wss));
    server.serve(0);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for seed in 0..50 {
        let mut bytes = noise(seed, 500);
        socket.send_to(&bytes, udp).await.unwrap();
        // STUN that is none, and SIP that ends in noise.
        bytes.splice(..8, *b"\x00\x01\x00\x08\x21\x12\xa4\x42");
        socket.send_to(&bytes, udp).await.unwrap();
        let mut message = OPTIONS.as_bytes()[..60].to_vec();
        message.extend(noise(seed, 400));
        socket.send_to(&message, udp).await.unwrap();
        for stream_at in [tcp, tls_at, ws, wss] {
            let mut stream = TcpStream::connect(stream_at).await.unwrap();
            // It may be closed while we are still writing.
            let _ = stream.write_all(&noise(seed, 5000)).await;
        }
    }
    let mut client = Agent::bind(&[Udp], Some(tls)).await;
    for uri in [
        format!("sip:{udp}"),
        format!("sip:{tcp};transport=tcp"),
        format!("sips:localhost:{}", tls_at.port()),
        format!("sip:{ws};transport=ws"),
        format!("sips:localhost:{};transport=ws", wss.port()),
    ] {
        assert_eq!(client.ask(&uri).await, Ok(StatusCode::OK), "{uri}");
    }
}

/// Raises the number of files that this process may have open; says what it is.
fn raise_files(wanted: u64) -> u64 {
    let (_, hard) = rlimit::getrlimit(rlimit::Resource::NOFILE).unwrap();
    if hard < wanted && rlimit::setrlimit(rlimit::Resource::NOFILE, wanted, wanted).is_ok() {
        return wanted;
    }
    rlimit::increase_nofile_limit(wanted).unwrap()
}

#[tokio::test]
async fn ten_thousand_idle_connections_keep_nobody_out() {
    let files = raise_files(21_000);
    let wanted = usize::try_from(files.saturating_sub(500) / 2).unwrap().min(10_000);
    let address = server(Limits::default().connections_of_one(20_000).slow(Duration::from_secs(600))).await;
    let mut idle = Vec::new();
    for number in 0..wanted {
        // The backlog of the listener is finite, and the server has this thread, too.
        if number % 200 == 0 {
            tokio::task::yield_now().await;
        }
        let stream = timeout(SOON, TcpStream::connect(address)).await.expect("a connection").unwrap();
        idle.push(stream);
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    let before = tokio::time::Instant::now();
    for round in 0..20 {
        ask(&mut stream, &format!("busy{round}")).await;
    }
    println!("{} idle connections; 20 requests beside them took {:?}", idle.len(), before.elapsed());
    assert!(idle.len() >= 1000, "{files} files are too few to prove anything");
    let first = idle.first_mut().unwrap();
    ask(first, "first").await;
}

/// Runs one test of this file in a process of its own, with `set_up` before it. False: this system cannot.
fn in_a_process_of_its_own(test: &str, set_up: &[&str]) -> bool {
    let program = std::env::current_exe().unwrap();
    let [first, rest @ ..] = set_up else { panic!("nothing to set up") };
    let tried = Command::new(first).args(rest).args(["true", "true"]).output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        println!("skipped: {set_up:?} does not work here");
        return false;
    }
    let output = Command::new(first)
        .args(rest)
        .arg(&program)
        .args(["--exact", test, "--nocapture"])
        .env("FAULT", test)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    true
}

fn is_in_its_own_process(test: &str) -> bool {
    std::env::var("FAULT").is_ok_and(|fault| fault == test)
}

#[tokio::test]
async fn without_a_free_port_a_request_fails_at_once_and_says_why() {
    const NAME: &str = "without_a_free_port_a_request_fails_at_once_and_says_why";
    if !is_in_its_own_process(NAME) {
        // A network of its own, with four ports to call from.
        let script =
            "ip link set lo up && echo 40000 40003 > /proc/sys/net/ipv4/ip_local_port_range && exec \"$@\"";
        in_a_process_of_its_own(NAME, &["unshare", "-rn", "sh", "-c", script, "sh"]);
        return;
    }
    let listen = [Listen::new(Transport::Tcp, ([127, 0, 0, 1], 5060).into())];
    let agent = Agent::new(Transports::bind(&listen, None).await.unwrap());
    let address = agent.address(Transport::Tcp);
    agent.serve(0);
    let mut taken = Vec::new();
    for _ in 0..4 {
        taken.push(TcpStream::connect(address).await.unwrap());
    }
    let listen = [Listen::new(Transport::Udp, ([127, 0, 0, 1], 5070).into())];
    let mut client = Agent::new(Transports::bind(&listen, None).await.unwrap());
    let uri = format!("sip:{address};transport=tcp");
    let why = failure(timeout(SOON, client.ask(&uri)).await.unwrap());
    assert!(why.contains("assign requested address"), "{why}");
    // Reset, so that the port is free at once.
    taken[0].set_zero_linger().unwrap();
    drop(taken);
    assert_eq!(client.ask(&uri).await, Ok(StatusCode::OK));
}

#[tokio::test]
async fn without_a_free_file_a_server_waits_and_then_goes_on() {
    const NAME: &str = "without_a_free_file_a_server_waits_and_then_goes_on";
    if !is_in_its_own_process(NAME) {
        in_a_process_of_its_own(NAME, &["sh", "-c", "ulimit -n 40 && exec \"$@\"", "sh"]);
        return;
    }
    let address = server(Limits::default()).await;
    let mut streams = Vec::new();
    while let Ok(Ok(stream)) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        streams.push(stream);
    }
    assert!(streams.len() < 40, "{}", streams.len());
    // Some were never accepted; when others end, there is room.
    drop(streams.split_off(streams.len() / 2));
    sleep(Duration::from_millis(300)).await;
    ask(&mut streams[0], "old").await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    ask(&mut stream, "new").await;
}

#[tokio::test]
async fn web_sockets_that_stop_in_the_middle_of_a_message_keep_nobody_out() {
    let server = Agent::bind(&[Transport::Ws], Settings::default()).await;
    let address = server.address(Transport::Ws);
    server.serve(0);
    let handshake = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n";
    let mut halves = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(handshake.as_bytes()).await.unwrap();
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 101 "));
        // A masked text frame of 200 bytes, of which 2 come.
        stream.write_all(b"\x81\xfe\x00\xc8\0\0\0\0OP").await.unwrap();
        halves.push(stream);
    }
    // An unmasked frame is an error of the protocol: the connection ends.
    let mut wrong = TcpStream::connect(address).await.unwrap();
    wrong.write_all(handshake.as_bytes()).await.unwrap();
    answer(&mut wrong).await;
    wrong.write_all(b"\x81\x02OP").await.unwrap();
    assert!(ends(&mut wrong).await);
    let mut client = Agent::bind(&[Transport::Udp], None).await;
    assert_eq!(client.ask(&format!("sip:{address};transport=ws")).await, Ok(StatusCode::OK));
}

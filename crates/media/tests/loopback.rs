//! The driver on real sockets: wiring only.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic, and spawn")]

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use media::driver::{MediaEvents, MediaHandle, MediaSocket, Played, PortChoice, session, start};
use media::measure::{compare, holds_tone, test_signal};
use media::session::DigitsError;
use media::{Agreement, CodecId, Config, Event, Impairment, wav};
use tokio::time::timeout;

const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

struct Side {
    handle: MediaHandle,
    events: MediaEvents,
}

/// Two sessions that talk to each other.
async fn call() -> (Side, Side) {
    let one = MediaSocket::bind(HOST, PortChoice::System).await.unwrap();
    let other = MediaSocket::bind(HOST, PortChoice::System).await.unwrap();
    let (here, there) = (one.local_address(), other.local_address());
    let side = |socket, remote, seed| {
        let (handle, events) = start(socket, session(Config::default(), [seed; 32]));
        handle.apply(Agreement::new(remote, CodecId::Pcmu).telephone_event(101));
        Side { handle, events }
    };
    (side(one, there, 1), side(other, here, 2))
}

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("media-loopback-{}-{name}", std::process::id()))
}

async fn next_digit(events: &mut MediaEvents) -> char {
    loop {
        let event = timeout(Duration::from_secs(5), events.next()).await.unwrap().unwrap();
        if let Event::Digit { digit, .. } = event {
            return digit;
        }
    }
}

#[tokio::test]
async fn what_is_played_is_recorded_at_the_other_side() {
    let (alice, bob) = call().await;
    let path = scratch("played.wav");
    let recording = bob.handle.record(&path).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let signal = test_signal(Duration::from_secs(1), 1);
    assert_eq!(alice.handle.play(signal.clone()).await, Ok(Played::Whole));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let length = recording.stop().await.unwrap();
    assert!((Duration::from_millis(1_200)..Duration::from_millis(4_000)).contains(&length), "{length:?}");
    let heard = wav::load(&path).unwrap();
    let comparison = compare(&signal, &heard);
    assert!(comparison.similarity > 0.9, "{comparison:?}");
    let statistics = alice.handle.statistics().await.unwrap();
    assert!(statistics.packets_sent >= 60 && statistics.packets_received >= 60, "{statistics:?}");
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn digits_arrive_and_a_peer_that_takes_none_is_an_error() {
    let (alice, mut bob) = call().await;
    alice.handle.send_digits("4#").await.unwrap();
    assert_eq!((next_digit(&mut bob.events).await, next_digit(&mut bob.events).await), ('4', '#'));
    assert_eq!(alice.handle.send_digits("x").await, Err(DigitsError::NoSuchDigit('x')));
    alice.handle.apply(Agreement::new(bob.handle.local_address(), CodecId::Pcmu));
    assert_eq!(alice.handle.send_digits("1").await, Err(DigitsError::NotAgreed));
}

#[tokio::test]
async fn an_application_speaks_and_listens_in_frames() {
    let (alice, bob) = call().await;
    bob.handle.echo();
    let (mut reader, mut writer) = (alice.handle.frames(), alice.handle.writer());
    let speak = async {
        let mut speech = vec![0; 8_000];
        media::Tone::new(440.0).fill(&mut speech);
        writer.write(&speech).await.unwrap();
        writer.drain().await.unwrap();
    };
    let listen = async {
        let mut heard = Vec::new();
        while heard.len() < 9_600 {
            heard.extend(reader.read().await.unwrap());
        }
        heard
    };
    let ((), heard) = timeout(Duration::from_secs(5), async { tokio::join!(speak, listen) }).await.unwrap();
    assert!(holds_tone(&heard, 440.0));
}

#[tokio::test]
async fn what_a_writer_clears_is_not_heard() {
    let (alice, bob) = call().await;
    let (mut reader, mut writer) = (bob.handle.frames(), alice.handle.writer());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let _ = timeout(Duration::from_millis(50), writer.write(&[9_000; 8_000])).await;
    writer.clear();
    timeout(Duration::from_secs(1), writer.drain()).await.unwrap().unwrap();
    let mut loud = 0;
    for _ in 0..40 {
        loud += usize::from(reader.read().await.unwrap().iter().any(|sample| sample.abs() > 1_000));
    }
    assert!(loud < 15, "{loud} of 40 frames were loud, of which at most a few had gone out");
}

// rfc: 3551 §4.1 — the first packet carries the marker, and is not lost in a socket that is not ready
#[tokio::test]
async fn the_first_packet_is_sent() {
    let peer = std::net::UdpSocket::bind((HOST, 0)).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    for seed in 0..10 {
        let socket = MediaSocket::bind(HOST, PortChoice::System).await.unwrap();
        let (handle, _) = start(socket, session(Config::default(), [seed; 32]));
        handle.apply(Agreement::new(peer.local_addr().unwrap(), CodecId::Pcmu));
        tokio::time::sleep(Duration::from_millis(50)).await;
        handle.close();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut first = [0; 500];
        peer.recv_from(&mut first).unwrap();
        assert_eq!(first[1], 0x80, "seed {seed}");
        peer.set_nonblocking(true).unwrap();
        while peer.recv_from(&mut first).is_ok() {}
        peer.set_nonblocking(false).unwrap();
    }
}

#[tokio::test]
async fn a_playback_is_stopped_by_dropping_it_by_another_and_by_the_end() {
    let (alice, mut bob) = call().await;
    let long = || test_signal(Duration::from_secs(30), 1);
    assert!(timeout(Duration::from_millis(100), alice.handle.play(long())).await.is_err());
    let handle = alice.handle.clone();
    let playing = tokio::spawn(async move { handle.play(long()).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(alice.handle.play(vec![0; 160]).await, Ok(Played::Whole));
    assert_eq!(playing.await.unwrap(), Ok(Played::Interrupted));
    bob.handle.close();
    while timeout(Duration::from_secs(5), bob.events.next()).await.unwrap().is_some() {}
    assert!(bob.handle.play(vec![0; 160]).await.is_err());
    assert!(bob.handle.statistics().await.is_err());
}

#[tokio::test]
async fn altered_audio_and_lost_packets_are_found_out() {
    let (alice, bob) = call().await;
    let mut reader = bob.handle.frames();
    let signal = test_signal(Duration::from_secs(1), 1);
    for (impairment, least, most) in [
        (Impairment { alter: true, ..Impairment::default() }, 0.0, 0.5),
        (Impairment { drop_percent: 30, seed: 1, ..Impairment::default() }, 0.3, 0.92),
    ] {
        alice.handle.impair(impairment);
        let listen = async {
            let mut heard = Vec::new();
            while heard.len() < 12_000 {
                heard.extend(reader.read().await.unwrap());
            }
            heard
        };
        let (_, heard) = tokio::join!(alice.handle.play(signal.clone()), listen);
        let similarity = compare(&signal, &heard).similarity;
        assert!((least..most).contains(&similarity), "{impairment:?}: {similarity}");
    }
}

#[tokio::test]
async fn ports_are_a_pair_and_a_range_that_is_used_up_is_named() {
    let socket = MediaSocket::bind(HOST, PortChoice::System).await.unwrap();
    let port = socket.local_address().port();
    assert!(port.is_multiple_of(2));
    let range = PortChoice::Range(port, port + 1);
    let error = MediaSocket::bind(HOST, range).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&format!("{port}-{}", port + 1)), "{error}");
    let error = MediaSocket::bind(HOST, PortChoice::One(port)).await.unwrap_err();
    assert!(error.to_string().contains(&port.to_string()), "{error}");
    let error = MediaSocket::bind(HOST, PortChoice::Range(7, 7)).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    drop(socket);
    assert_eq!(MediaSocket::bind(HOST, range).await.unwrap().local_address().port(), port);
}

#[tokio::test]
async fn a_socket_for_both_families_talks_to_an_ipv4_peer() {
    let Ok(both) = MediaSocket::bind(IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED), PortChoice::System).await
    else {
        return eprintln!("no IPv6 here: not tested");
    };
    let four = MediaSocket::bind(HOST, PortChoice::System).await.unwrap();
    let (port, there) = (both.local_address().port(), four.local_address());
    let (alice, _) = start(both, session(Config::default(), [1; 32]));
    alice.apply(Agreement::new(there, CodecId::Pcmu));
    let (bob, _) = start(four, session(Config::default(), [2; 32]));
    bob.apply(Agreement::new((HOST, port).into(), CodecId::Pcmu));
    tokio::time::sleep(Duration::from_millis(400)).await;
    for handle in [alice, bob] {
        let statistics = handle.statistics().await.unwrap();
        assert!(statistics.packets_received > 5 && statistics.foreign == 0, "{statistics:?}");
    }
}

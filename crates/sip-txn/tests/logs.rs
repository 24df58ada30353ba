//! What is logged names the transaction it is about.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::io::Write;
use std::sync::{Arc, Mutex};

use sip_txn::{Config, Flow, Input, TransactionLayer, Transport};

/// Keeps what is written.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_line_about_a_transaction_names_its_branch() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let (local, remote) = ("192.0.2.1:5060".parse().unwrap(), "192.0.2.9:5070".parse().unwrap());
        let mut layer = TransactionLayer::new(Config::new([7; 32]).listen(Transport::Udp, local));
        let bytes = "OPTIONS sip:b@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bKlogged\r\n\
             From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n";
        let flow = Flow::new(Transport::Udp, local, remote);
        layer.handle_input(testkit::Clock::new().now(), Input::Datagram { flow, bytes: bytes.into() });
    });
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let line = log.lines().find(|line| line.contains("a new transaction")).unwrap();
    assert!(line.contains("branch=z9hG4bKlogged") && line.contains("OPTIONS"), "{line}");
}

//! Asks a STUN server at which address it sees us, over a blocking socket.
//!
//! Run with `cargo run -p stun --example mapped_address -- 198.51.100.1:3478`; without a server it starts one here.

#![expect(clippy::disallowed_methods, reason = "an application reads the clock")]

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use stun::{Config, Event, Input, Output, StunClient, responder};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server: SocketAddr = match std::env::args().nth(1) {
        Some(address) => address.parse()?,
        None => local_server()?,
    };
    let socket = UdpSocket::bind(if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
    let seed = [7; 32]; // An application takes it from the system's random source.
    let mut client = StunClient::new(Config::default().software("example"), seed);
    client.binding(Instant::now(), server)?;
    let mut buffer = [0; 1500];
    loop {
        while let Some(output) = client.poll_output() {
            match output {
                Output::Transmit(transmit) => drop(socket.send_to(&transmit.bytes, transmit.to)?),
                Output::Event(Event::Mapped { address, .. }) => {
                    println!("{server} sees us at {address}");
                    return Ok(());
                }
                Output::Event(event) => return Err(format!("{event:?}").into()),
            }
        }
        let wake = client.poll_timeout().unwrap_or_else(Instant::now);
        let wait = wake.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        socket.set_read_timeout(Some(wait))?;
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) => {
                let bytes = buffer.get(..length).unwrap_or_default();
                client.handle_input(Instant::now(), Input::Datagram { from, bytes });
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                client.handle_timeout(Instant::now());
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// A server on a thread of its own; it ends with the process.
fn local_server() -> std::io::Result<SocketAddr> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let address = socket.local_addr()?;
    std::thread::spawn(move || -> std::io::Result<()> {
        let mut buffer = [0; 1500];
        loop {
            let (length, from) = socket.recv_from(&mut buffer)?;
            if let Some(response) = responder::respond(buffer.get(..length).unwrap_or_default(), from) {
                socket.send_to(&response, from)?;
            }
        }
    });
    Ok(address)
}

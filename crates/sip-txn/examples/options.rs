//! Answers OPTIONS with 200 and everything else with 405, over UDP and TCP: `cargo run --example options --features tokio`.
//!
//! Try it: `sipsak -s sip:127.0.0.1:5060`, or any phone's keep-alive.

use sip_msg::{Allow, Method, Request, Response, StatusCode};
use sip_txn::driver::{self, Listen, Transports};
use sip_txn::{Config, Event, Output, TransactionLayer, Transport};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5060".to_owned());
    let address = address.parse().map_err(|_| std::io::Error::other(format!("`{address}` is no IP:PORT")))?;
    let listen = [Listen::new(Transport::Udp, address), Listen::new(Transport::Tcp, address)];
    let mut transports = Transports::bind(&listen, None).await?;

    // The seed must be unpredictable in earnest; here the example has no random source but the hasher of a map.
    let mut config = Config::new(seed());
    for (transport, address) in transports.local_addresses() {
        println!("listening on {transport} {address}");
        config = config.listen(*transport, *address);
    }
    let mut layer = TransactionLayer::new(config);
    loop {
        while let Some(output) = layer.poll_output() {
            match output {
                Output::Action(action) => transports.perform(action),
                Output::Event(Event::Request { server, flow, request }) => {
                    println!("{} from {flow}", request.method());
                    // The transaction was just made, so it takes the answer.
                    let _ = layer.respond(driver::now(), server, answer(&request));
                }
                Output::Event(_) => {}
            }
        }
        let timeout = layer.poll_timeout();
        tokio::select! {
            input = transports.next() => layer.handle_input(driver::now(), input),
            () = driver::sleep_until(timeout) => layer.handle_timeout(driver::now()),
        }
    }
}

fn answer(request: &Request) -> Response {
    let status =
        if *request.method() == Method::OPTIONS { StatusCode::OK } else { StatusCode::METHOD_NOT_ALLOWED };
    Response::answer(request, status).to_tag("options").header(&Allow(vec![Method::OPTIONS])).build()
}

fn seed() -> [u8; 32] {
    use std::hash::{BuildHasher, RandomState};
    let mut seed = [0; 32];
    for chunk in seed.chunks_mut(8) {
        chunk.copy_from_slice(&RandomState::new().hash_one(0).to_le_bytes());
    }
    seed
}

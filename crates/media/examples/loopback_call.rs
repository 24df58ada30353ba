//! Two sessions on loopback: one sends a tone, the other listens for it.
//!
//! `cargo run -p media --features tokio --example loopback_call`

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};

use media::driver::{MediaSocket, PortChoice, session, start};
use media::{Agreement, CodecId, Config, measure};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let alice = MediaSocket::bind(localhost, PortChoice::System).await?;
    let bob = MediaSocket::bind(localhost, PortChoice::System).await?;
    let (alice_address, bob_address) = (alice.local_address(), bob.local_address());

    // In a call, offer and answer give the agreement; here both sides know it. Seeds come from the system in real life.
    let (alice, _) = start(alice, session(Config::default(), [1; 32]));
    alice.apply(Agreement::new(bob_address, CodecId::Pcma).telephone_event(101));
    let (bob, mut events) = start(bob, session(Config::default(), [2; 32]));
    bob.apply(Agreement::new(alice_address, CodecId::Pcma).telephone_event(101));

    alice.tone(440.0);
    let mut frames = bob.frames();
    let mut heard = Vec::new();
    while heard.len() < 8_000 {
        heard.extend(frames.read().await.ok_or("the session ended")?);
    }
    println!("bob hears 440 Hz: {}", measure::holds_tone(&heard, 440.0));

    alice.send_digits("42#").await?;
    println!("{:#?}", bob.statistics().await?);
    bob.close();
    while let Some(event) = events.next().await {
        println!("bob: {event:?}");
    }
    Ok(())
}

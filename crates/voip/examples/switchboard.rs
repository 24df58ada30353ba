//! A switchboard: answers, asks for a digit, and hands the call on. `1` goes to sales, `2` to support, anything else to a
//! human, who is called first.
//!
//! `cargo run --example switchboard udp:127.0.0.1:5060 sip:sales@192.0.2.7 sip:support@192.0.2.8 sip:desk@192.0.2.9`

use std::time::Duration;

use voip::{Call, CallError, Config, Endpoint, IncomingCall};

#[tokio::main]
async fn main() -> Result<(), voip::Error> {
    let mut arguments = std::env::args().skip(1);
    let listen = arguments.next().unwrap_or("udp:127.0.0.1:5060".into()).parse()?;
    let mut target = |otherwise: &str| arguments.next().unwrap_or(otherwise.into());
    let targets = [
        target("sip:sales@127.0.0.1:5070"),
        target("sip:support@127.0.0.1:5072"),
        target("sip:desk@127.0.0.1:5074"),
    ];
    let (endpoint, incoming) = Endpoint::bind(Config::default().listen([listen])).await?;
    incoming
        .serve(move |call| {
            let (endpoint, targets) = (endpoint.clone(), targets.clone());
            async move { connect(&endpoint, call, &targets).await }
        })
        .await;
    Ok(())
}

async fn connect(endpoint: &Endpoint, call: IncomingCall, targets: &[String; 3]) -> Result<(), CallError> {
    let [sales, support, desk] = targets;
    let mut call = call.answer().await?;
    call.tone(425.0);
    let digit = tokio::time::timeout(Duration::from_secs(10), call.digit()).await;
    match digit {
        Ok(Some('1')) => hand_on(&call, sales).await,
        Ok(Some('2')) => hand_on(&call, support).await,
        _ => {
            call.hold().await?;
            let at_the_desk = endpoint.dial(desk).await?;
            call.transfer_to(&at_the_desk).await.map(drop)
        }
    }
}

/// Whoever cannot be reached leaves the caller with us.
async fn hand_on(call: &Call, target: &str) -> Result<(), CallError> {
    match call.transfer(target).await {
        Err(CallError::Transfer(reason)) => {
            println!("{target}: {reason}");
            call.ended().await.map(drop)
        }
        outcome => outcome.map(drop),
    }
}

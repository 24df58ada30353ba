//! A complete answering machine: greets, beeps, records, and hangs up when `#` is pressed or a minute is over.

use std::time::Duration;

use voip::{Account, Config, Endpoint, IncomingCall};

#[tokio::main]
async fn main() -> Result<(), voip::Error> {
    let account = Account::new("sip:alice@example.com")?.password("secret");
    let (endpoint, incoming) = Endpoint::bind(Config::default()).await?;
    let _registration = endpoint.register(&account).await?;
    incoming.serve(answer).await;
    Ok(())
}

async fn answer(call: IncomingCall) -> Result<(), voip::Error> {
    let file = format!("message-{}.wav", call.call_id());
    let mut call = call.answer().await?;
    call.play("greeting.wav").await?;
    let _recording = call.record(file).await?;
    let done = async { while call.digit().await.is_some_and(|key| key != '#') {} };
    let _ = tokio::time::timeout(Duration::from_secs(60), done).await;
    call.hang_up().await?;
    Ok(())
}

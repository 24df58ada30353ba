//! Sends a text message, or waits for some: `cargo run --example message sip:bob@127.0.0.1:5060 'Hello, Bob'`.

use voip::{Config, Endpoint};

#[tokio::main]
async fn main() -> Result<(), voip::Error> {
    let mut arguments = std::env::args().skip(1);
    if let (Some(target), Some(text)) = (arguments.next(), arguments.next()) {
        let (endpoint, _incoming) = Endpoint::bind(Config::default()).await?;
        let answer = endpoint.message(&target, &text, None).await?;
        println!("{} {}", answer.status().code(), answer.reason());
        return Ok(());
    }
    let listen = ["udp:127.0.0.1:5060".parse()?];
    let (endpoint, _incoming) = Endpoint::bind(Config::default().listen(listen).messages(100)).await?;
    let Some(mut messages) = endpoint.messages() else { return Ok(()) };
    while let Some(message) = messages.next().await {
        let from = message.from().map(|from| from.to_string()).unwrap_or_default();
        println!("{from}: {}", message.text().unwrap_or("(not text)"));
        message.accept().await?;
    }
    Ok(())
}

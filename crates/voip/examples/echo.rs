//! Answers every call and sends back what is said.

use voip::{Config, Endpoint};

#[tokio::main]
async fn main() -> Result<(), voip::Error> {
    let listen = ["udp:0.0.0.0:5060", "tcp:0.0.0.0:5060"].map(|listen| listen.parse().expect("a constant address"));
    let (_endpoint, mut incoming) = Endpoint::bind(Config::default().listen(listen)).await?;
    while let Some(call) = incoming.next().await {
        tokio::spawn(async move {
            let call = call.answer().await?;
            call.echo();
            call.ended().await
        });
    }
    Ok(())
}

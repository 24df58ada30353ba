//! Answers every call and sends back what is said.

use voip::{CallError, Config, Endpoint, IncomingCall};

#[tokio::main]
async fn main() -> Result<(), voip::Error> {
    let listen =
        ["udp:0.0.0.0:5060", "tcp:0.0.0.0:5060"].map(|listen| listen.parse().expect("a constant address"));
    let (_endpoint, incoming) = Endpoint::bind(Config::default().listen(listen)).await?;
    incoming.serve(echo).await;
    Ok(())
}

async fn echo(call: IncomingCall) -> Result<(), CallError> {
    let call = call.answer().await?;
    call.echo();
    call.ended().await.map(drop)
}

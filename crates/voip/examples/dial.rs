//! Calls somebody, plays a file, presses keys and hangs up: `cargo run --example dial sip:bob@example.com hello.wav`.

use voip::{Config, Endpoint};

#[tokio::main]
async fn main() -> Result<(), voip::Error> {
    let mut arguments = std::env::args().skip(1);
    let target = arguments.next().unwrap_or("sip:echo@127.0.0.1".into());
    let (endpoint, _incoming) = Endpoint::bind(Config::default()).await?;
    let call = endpoint.dial(&target).await?;
    if let Some(file) = arguments.next() {
        call.play(file).await?;
    }
    call.send_digits("1234#").await?;
    println!("{:?}", call.statistics().await?);
    call.hang_up().await?;
    endpoint.shut_down().await;
    Ok(())
}

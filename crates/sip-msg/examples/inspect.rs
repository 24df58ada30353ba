//! Reads a message from standard input, says what is wrong with it and prints who calls whom.
//!
//! `cargo run -p sip-msg --example inspect < message.sip`

use std::{error::Error, io::Read};

use sip_msg::{CallerId, From, Limits, Message, To};

fn main() -> Result<(), Box<dyn Error>> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    let message = Message::parse(bytes, &Limits::default())?;
    for problem in message.problems() {
        println!("{problem}");
    }
    let (from, to) = (message.headers().require::<From>()?, message.headers().require::<To>()?);
    match &message {
        Message::Request(request) => println!("{} {}", request.method(), request.uri_text()),
        Message::Response(response) => println!("{} {}", response.status().code(), response.reason()),
    }
    println!("from {:?} to {:?}", CallerId::from(&from), CallerId::from(&to));
    for (name, value) in message.headers().iter() {
        println!("{:>20}  {} bytes", name.as_str(), value.len());
    }
    Ok(())
}

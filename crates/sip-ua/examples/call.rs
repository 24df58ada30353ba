//! One phone calls another over UDP on this machine, is answered, and hangs up. No media flows: the plan agrees to
//! whatever is offered.
//!
//! `cargo run -p sip-ua --features tokio --example call`

use std::error::Error;

use sdp::{Direction, SessionDescription};
use sip_msg::{NameAddr, StatusCode, Uri};
use sip_txn::Transport;
use sip_txn::driver::{Listen, Transports};
use sip_ua::driver::{EventReceiver, Handle, start};
use sip_ua::{Agent, Config, Event, Invite, MediaPlan, Refusal};

/// One stream that nobody listens to.
#[derive(Clone, Debug, Default)]
struct Silence {
    version: u32,
    agreed: Option<Direction>,
}

impl Silence {
    fn describe(&mut self, direction: &str) -> SessionDescription {
        self.version += 1;
        let text = format!(
            "v=0\r\no=- 1 {} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio 9 RTP/AVP 0\r\na={direction}\r\n",
            self.version
        );
        SessionDescription::parse(&text).expect("it is well formed")
    }
}

impl MediaPlan for Silence {
    fn offer(&mut self, _: Direction) -> SessionDescription {
        self.describe("sendrecv")
    }
    fn answer(&mut self, _: &SessionDescription) -> Result<SessionDescription, Refusal> {
        self.agreed = Some(Direction::SendRecv);
        Ok(self.describe("sendrecv"))
    }
    fn accept(&mut self, _: &SessionDescription) -> Result<(), Refusal> {
        self.agreed = Some(Direction::SendRecv);
        Ok(())
    }
    fn rollback(&mut self) {}
    fn fork(&self) -> Box<dyn MediaPlan> {
        Box::new(self.clone())
    }
    fn direction(&self) -> Option<Direction> {
        self.agreed
    }
}

/// A running phone, and its address.
async fn phone(name: &str, seed: u8) -> Result<(Handle, EventReceiver, Uri), Box<dyn Error>> {
    let transports = Transports::bind(&[Listen::new(Transport::Udp, "127.0.0.1:0".parse()?)], None).await?;
    // An application takes its seed from the operating system.
    let mut transactions = sip_txn::Config::new([seed; 32]);
    let mut uri = None;
    for (transport, address) in transports.local_addresses() {
        transactions = transactions.listen(*transport, *address);
        uri = Some(format!("sip:{name}@{address}").parse()?);
    }
    let (handle, events) = start(Agent::new(Config::new(transactions).user_agent(name)), transports);
    Ok((handle, events, uri.ok_or("no address")?))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (alice, mut hers, from) = phone("alice", 1).await?;
    let (bob, mut his, target) = phone("bob", 2).await?;

    let invite = Invite::new(NameAddr::new(from), target);
    let call = alice.run(move |agent, now| agent.invite(now, invite, Box::new(Silence::default()))).await??;

    let Some(Event::Incoming { dialog, request, .. }) = his.next().await else {
        return Err("no call".into());
    };
    println!("bob is called: {}", request.uri_text());
    bob.run(move |agent, now| agent.ring(now, dialog, StatusCode::RINGING)).await??;
    let plan: Box<dyn MediaPlan> = Box::new(Silence::default());
    bob.run(move |agent, now| agent.accept(now, dialog, plan)).await??;

    while let Some(event) = hers.next().await {
        if let Event::Ringing { .. } = event {
            println!("alice hears it ring");
        } else if let Event::Answered { .. } = event {
            println!("alice is answered, and hangs up");
            alice.run(move |agent, now| agent.hang_up(now, call)).await??;
        } else if let Event::Ended { by, .. } = event {
            println!("alice's call has ended, by {by:?}");
            break;
        }
    }
    while let Some(event) = his.next().await {
        if let Event::Ended { by, reason, .. } = event {
            println!("bob's call has ended, by {by:?}: {reason}");
            break;
        }
    }
    Ok(())
}

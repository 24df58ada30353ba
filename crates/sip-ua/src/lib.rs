//! SIP user agents ([RFC 3261]): calls with every race right, registrations, single requests.
//!
//! [`Agent`] is a core without clock, sockets and random source. It holds dialogs, the INVITE usage of each call, digest
//! authentication and registrations, over the transactions of `sip-txn`; what media there is, it asks a [`MediaPlan`].
//! With the feature `tokio`, `driver::start` runs one over sockets. Two agents, one call, and a network made of a `for`:
//!
//! ```
//! use std::net::SocketAddr;
//! use std::time::Instant;
//!
//! use sdp::{Direction, SessionDescription};
//! use sip_msg::{NameAddr, Uri};
//! use sip_txn::{Action, Flow, Input, Transport};
//! use sip_ua::{Agent, Config, Event, Invite, MediaPlan, Output, Refusal};
//!
//! /// A plan that says the same whatever it is asked.
//! #[derive(Clone, Debug)]
//! struct Fixed(SessionDescription);
//!
//! impl MediaPlan for Fixed {
//!     fn offer(&mut self, _: Direction) -> SessionDescription { self.0.clone() }
//!     fn answer(&mut self, _: &SessionDescription) -> Result<SessionDescription, Refusal> { Ok(self.0.clone()) }
//!     fn accept(&mut self, _: &SessionDescription) -> Result<(), Refusal> { Ok(()) }
//!     fn rollback(&mut self) {}
//!     fn fork(&self) -> Box<dyn MediaPlan> { Box::new(self.clone()) }
//!     fn direction(&self) -> Option<Direction> { Some(Direction::SendRecv) }
//! }
//!
//! fn agent(address: SocketAddr, seed: u8) -> Agent {
//!     Agent::new(Config::new(sip_txn::Config::new([seed; 32]).listen(Transport::Udp, address)))
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let silence = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
//! let plan = Fixed(SessionDescription::parse(silence)?);
//! let now = Instant::now();
//! let addresses: [SocketAddr; 2] = ["192.0.2.1:5060".parse()?, "192.0.2.2:5060".parse()?];
//! let mut agents = [agent(addresses[0], 1), agent(addresses[1], 2)];
//!
//! let from = NameAddr::new("sip:alice@192.0.2.1".parse::<Uri>()?);
//! let call = agents[0].invite(now, Invite::new(from, "sip:bob@192.0.2.2".parse()?), Box::new(plan.clone()))?;
//! let mut heard = Vec::new();
//! for turn in 0..20 {
//!     let (me, you) = (turn % 2, (turn + 1) % 2);
//!     while let Some(output) = agents[me].poll_output() {
//!         match output {
//!             Output::Action(Action::Transmit(transmit)) => {
//!                 let flow = Flow::new(Transport::Udp, addresses[you], addresses[me]);
//!                 agents[you].handle_input(now, Input::Datagram { flow, bytes: transmit.bytes });
//!             }
//!             Output::Action(_) => {}
//!             Output::Event(Event::Incoming { dialog, .. }) => {
//!                 let plan: Box<dyn MediaPlan> = Box::new(plan.clone());
//!                 agents[me].accept(now, dialog, plan)?;
//!             }
//!             Output::Event(Event::Answered { .. }) => agents[me].hang_up(now, call)?,
//!             Output::Event(Event::Ended { by, .. }) => heard.push(format!("{by:?}")),
//!             Output::Event(_) => {}
//!         }
//!     }
//! }
//! heard.sort();
//! assert_eq!(heard, ["Local", "Remote"]);
//! # Ok(())
//! # }
//! ```
//!
//! What it leaves to others: transactions, transports and where to send (`sip-txn`), what is in an offer (`media`).
//!
//! [RFC 3261]: https://www.rfc-editor.org/rfc/rfc3261

mod agent;
pub mod auth;
mod claims;
mod command;
mod config;
mod context;
mod dialog;
#[cfg(feature = "tokio")]
pub mod driver;
mod error;
mod event;
pub mod event_package;
pub mod identity;
mod ids;
mod invite;
mod media_plan;
pub mod policy;
mod publication;
mod refer;
pub mod registrar;
mod registration;
mod request;
mod screen;
#[cfg(test)]
mod scripted;
mod session_id;
mod subscription;
mod target;

pub use agent::Agent;
pub use auth::Credentials;
pub use claims::Claims;
pub use command::{Invite, OutOfDialog, Reply};
pub use config::{Config, Limits};
pub use dialog::{Dialog, Role};
pub use error::CommandError;
pub use event::{
    DialogId, Event, IncomingRequestId, Output, PublicationId, ReferId, RegistrationId, RequestId, Side,
    SubscriptionId,
};
pub use invite::forks::{EarlyMedia, Forks};
pub use invite::info::InfoDtmf;
pub use invite::redirect::Redirects;
pub use invite::reliable::{Reliable, Ring};
pub use invite::session_timer::{Refresher, SessionTimer};
pub use invite::snapshot::ResumeError;
pub use media_plan::{MediaPlan, Refusal};
pub use publication::Publish;
pub use refer::{Refer, ReferRequest, Transfer, TransferError, TransferTo};
pub use registration::{
    Account, BackOff, Grant, GruuPolicy, Gruus, Outbound, Push, PushSupport, RegistrationStatus,
};
pub use session_id::SessionIdentifier;
pub use subscription::{Package, Retry, Subscribe, SubscriptionEnd, Termination};

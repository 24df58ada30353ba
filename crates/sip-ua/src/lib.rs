//! SIP user agents ([RFC 3261]): calls with every race right, registrations, single requests.
//!
//! [RFC 3261]: https://www.rfc-editor.org/rfc/rfc3261

mod agent;
pub mod auth;
mod command;
mod config;
mod context;
mod dialog;
#[cfg(feature = "tokio")]
pub mod driver;
mod error;
mod event;
mod ids;
mod invite;
mod media_plan;
pub mod registrar;
mod registration;
mod request;
mod screen;
#[cfg(test)]
mod scripted;
mod target;

pub use agent::Agent;
pub use auth::Credentials;
pub use command::{Account, Invite, OutOfDialog, Reply};
pub use config::{Config, Limits};
pub use dialog::{Dialog, Role};
pub use error::CommandError;
pub use event::{DialogId, Event, IncomingRequestId, Output, RegistrationId, RequestId, Side};
pub use media_plan::{MediaPlan, Refusal};

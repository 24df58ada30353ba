//! The facade: calls, registrations and their media in a few lines.
//!
#![doc = include_str!("../README.md")]

mod account;
mod call;
mod config;
mod credentials;
mod driver;
mod endpoint;
mod error;
mod message;
mod plan;
mod registrar;
mod registration;
mod tls;

pub use account::Account;
pub use call::{
    Call, CallEvent, Dial, DigitPath, Ended, IncomingCall, OutgoingCall, Progress, TransferRequest,
};
pub use config::{Config, Listen, ListenError};
pub use credentials::{CredentialProvider, Secret};
pub use endpoint::{Endpoint, Incoming, resolve};
pub use error::{BindError, CallError, Error, RegisterError, RequestError, ResumeCallError, TargetError};
pub use message::{IncomingMessage, Messages};
pub use registrar::Registrar;
pub use registration::{Registration, RegistrationState, StatusWatch};
pub use tls::{ClientCertificates, Tls, TlsError};

pub use media::driver::{FrameReader, FrameWriter, MediaHandle, Played, PortChoice, Recording};
pub use media::{Agreement, CodecId, Impairment, SrtpPolicy, Statistics, measure, wav};
pub use sdp::Direction;
pub use sip_msg::{CallerId, HeaderName, Message, Method, Request, Response, StatusCode, Uri, UriError};
pub use sip_txn::driver::{Handshake, HandshakeAdmission, Refusal, WebSocket};
pub use sip_txn::{Direction as TapDirection, Flow, Tap, Transport};
pub use sip_ua::auth::{Credentials, CredentialsWanted, WantedScheme};
pub use sip_ua::identity::CallerIdentity;
pub use sip_ua::policy::Policy;
pub use sip_ua::{
    BackOff, Claims, CommandError, Grant, GruuPolicy, Gruus, Invite, OutOfDialog, Outbound, Push, Redirects,
    Refresher, RegistrationId, RegistrationStatus, Reliable, Reply, SessionTimer, Side, Transfer,
    TransferError,
};

/// The crates this facade stands on, for what it does not re-export.
pub mod crates {
    pub use {media, sdp, sip_msg, sip_txn, sip_ua};
}

/// The code of the migration guide, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/MIGRATING.md")]
struct Migrating;

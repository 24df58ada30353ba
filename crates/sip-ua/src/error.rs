//! What a command may be refused with.

use sip_txn::{RequestError, RespondError};

use crate::media_plan::Refusal;
use crate::policy::Violation;

/// Why a command was not carried out.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// No such call, registration or request (any more).
    #[error("there is no such call, registration or request (any more)")]
    Unknown,
    /// It cannot be done in this state.
    #[error("{command}: not possible while the call is {state}")]
    WrongState {
        /// What was asked.
        command: &'static str,
        /// How the call stands.
        state: &'static str,
    },
    /// A limit of the configuration is reached.
    #[error("too many {0}")]
    Limit(&'static str),
    /// This method or status does not go this way.
    #[error("{0}")]
    Misuse(&'static str),
    /// Media cannot answer the caller's offer; the call was refused with 488.
    #[error("the offer was refused: {0}")]
    Refused(Refusal),
    /// The policy forbids it.
    #[error("{0}")]
    Policy(#[from] Violation),
    /// A header cannot be written: its value would forge another one.
    #[error("{0}")]
    Header(#[from] sip_msg::HeaderError),
    /// The request could not be sent.
    #[error("{0}")]
    Request(#[from] RequestError),
    /// The response could not be sent.
    #[error("{0}")]
    Respond(#[from] RespondError),
}

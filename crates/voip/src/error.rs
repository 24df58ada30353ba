//! What can go wrong, one enum for one kind of operation, and [`Error`] for a `main` that only wants to say so.

use sip_msg::{Contact, Response, StatusCode, Text, Uri, UriError};
use sip_txn::Ending;
use sip_ua::{CommandError, ResumeError, TransferError};

use crate::call::Ended;
use crate::tls::TlsError;

/// Any error of this crate.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
#[non_exhaustive]
pub enum Error {
    /// The endpoint could not be set up.
    Bind(#[from] BindError),
    /// A call failed.
    Call(#[from] CallError),
    /// A text is no address to listen at.
    Listen(#[from] crate::ListenError),
    /// A registration failed.
    Register(#[from] RegisterError),
    /// A call could not be gone on with.
    Resume(#[from] ResumeCallError),
    /// A request outside of calls failed.
    Request(#[from] RequestError),
    /// A text names nobody who could be called or asked.
    Target(#[from] TargetError),
    /// Certificates or keys could not be used.
    Tls(#[from] TlsError),
    /// A text is no URI.
    Uri(#[from] UriError),
    /// A file could not be played or recorded.
    Wav(#[from] media::wav::WavError),
}

/// Why an endpoint could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// A socket could not be opened; the text names the address.
    #[error("{0}")]
    Listen(std::io::Error),
    /// TLS was asked for without a certificate.
    #[error("listening on {0} needs a certificate and its key")]
    NoCertificate(crate::Listen),
    /// Certificates or keys could not be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system gave no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

/// Why a text names nobody who could be called or asked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{target}: {reason}")]
pub struct TargetError {
    /// What was given.
    pub target: String,
    /// What is wrong with it.
    pub reason: UriError,
}

/// Why a call did not come about, or why something could not be done in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The target is no URI that can be called.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The other side, or a server on the way, said no.
    #[error("{} {reason}", status.code())]
    Rejected {
        /// Its status code.
        status: StatusCode,
        /// Its reason phrase.
        reason: Text,
        /// Where else to try, when it was a redirection.
        contacts: Vec<Uri>,
    },
    /// The call is over.
    #[error("the call is over: {0}")]
    Ended(Box<Ended>),
    /// A transfer did not work; the call goes on as before.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// A request in the call was not answered.
    #[error("{}", no_answer(.0))]
    NoAnswer(Ending),
    /// No UDP port could be had for the media; the text says which were tried.
    #[error("{0}")]
    Media(#[from] std::io::Error),
    /// The endpoint makes calls [without media](crate::Config::without_media).
    #[error("the call has no media")]
    NoMedia,
    /// Digits cannot be sent.
    #[error(transparent)]
    Digits(#[from] media::session::DigitsError),
    /// A file could not be played or recorded.
    #[error(transparent)]
    Wav(#[from] media::wav::WavError),
    /// It cannot be done now.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The endpoint was shut down.
    #[error("the endpoint was shut down")]
    ShutDown,
}

impl CallError {
    /// What a response that says no means.
    pub(crate) fn rejected(response: &Response) -> Self {
        let contacts = if response.status().is_redirection() {
            response
                .headers()
                .all::<Contact>()
                .flatten()
                .filter_map(|contact| contact.uri().cloned())
                .collect()
        } else {
            Vec::new()
        };
        Self::Rejected { status: response.status(), reason: response.reason().clone(), contacts }
    }
}

/// Why a call of another process could not be gone on with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeCallError {
    /// The bytes are no call that this version can go on with.
    #[error(transparent)]
    Snapshot(#[from] ResumeError),
    /// No UDP port could be had for the media.
    #[error("{0}")]
    Media(#[from] std::io::Error),
    /// The other side has gone, or does not take the new offer.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Why there is no registration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The registrar refused, or did not answer.
    #[error("{reason}")]
    Failed {
        /// What it answered; `None` when nobody did.
        status: Option<StatusCode>,
        /// One line for a person.
        reason: Text,
    },
    /// It cannot be done now.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The endpoint was shut down.
    #[error("the endpoint was shut down")]
    ShutDown,
}

/// Why a request outside of calls got no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The target is no URI that can be asked.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Nobody answered.
    #[error("{}", no_answer(.0))]
    NoAnswer(Ending),
    /// It cannot be done now.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The endpoint was shut down.
    #[error("the endpoint was shut down")]
    ShutDown,
}

fn no_answer(ending: &Ending) -> &str {
    match ending {
        Ending::TransportFailed(why) => why,
        Ending::TimedOut | Ending::Normal | _ => "no answer in time",
    }
}

//! Proving who one is ([RFC 3261 §22], [RFC 7616], [RFC 8760], [RFC 8898]).
//!
//! What a client needs comes from [`Credentials`], which a call, a request or an account brings along, from the agent's
//! [`CredentialStore`], or from the application when it is asked ([`CredentialsWanted`]). [`Verifier`] is the server's side.
//! [`digest`] is the arithmetic of both.
//!
//! [RFC 3261 §22]: https://www.rfc-editor.org/rfc/rfc3261#section-22
//! [RFC 7616]: https://www.rfc-editor.org/rfc/rfc7616
//! [RFC 8760]: https://www.rfc-editor.org/rfc/rfc8760
//! [RFC 8898]: https://www.rfc-editor.org/rfc/rfc8898

mod algorithms;
mod challenge;
mod client;
mod credentials;
pub mod digest;
mod heard;
mod nonce;
mod space;
mod store;
#[cfg(test)]
mod tests;
mod users;
mod verifier;
mod wanted;

pub use algorithms::Algorithms;
pub(crate) use client::{Attempt, Authenticator};
pub use credentials::Credentials;
pub(crate) use heard::{Heard, server_and_user};
pub use store::{CredentialStore, Scope};
pub use users::{Claim, Secret};
pub use verifier::{Verdict, Verifier};
pub use wanted::{CredentialsId, CredentialsWanted, WantedScheme};
pub(crate) use wanted::{Waited, Waiting};

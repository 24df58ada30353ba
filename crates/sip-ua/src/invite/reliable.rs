//! Reliable provisional responses and PRACK, in both roles ([RFC 3262]), with the offers and answers that they carry
//! ([RFC 6337 §2.2]).
//!
//! ```text
//!  caller                                   callee
//!    | INVITE (offer), Supported: 100rel      |
//!    |--------------------------------------->|  ring(Ring::new(183).plan(p).reliable())
//!    | 183 (answer), Require: 100rel, RSeq: n |
//!    |<---------------------------------------|  again after T1, 2·T1, 4·T1 … until the PRACK, 64·T1: 504
//!    | PRACK, RAck: n 1 INVITE                |
//!    |--------------------------------------->|  media is agreed; the next reliable response may go, n + 1
//!    | 200 (PRACK)                            |
//!    |<---------------------------------------|  accept(): a 2xx waits for the PRACK of an answer or offer
//! ```
//!
//! [RFC 3262]: https://www.rfc-editor.org/rfc/rfc3262
//! [RFC 6337 §2.2]: https://www.rfc-editor.org/rfc/rfc6337#section-2.2

mod client;
mod server;
#[cfg(test)]
mod tests;

use sip_msg::{Headers, Require, StatusCode, Supported};

use crate::media_plan::MediaPlan;

pub(super) use client::{Heard, Provisional};
pub(super) use server::{Sender, Unacknowledged};

/// The option tag ([RFC 3262 §8.1]).
///
/// [RFC 3262 §8.1]: https://www.rfc-editor.org/rfc/rfc3262#section-8.1
pub(crate) const OPTION: &str = "100rel";

/// What we want of reliable provisional responses ([RFC 3262]).
///
/// [RFC 3262]: https://www.rfc-editor.org/rfc/rfc3262
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Reliable {
    /// We know nothing of them: a caller that requires them is answered 420.
    Off,
    /// As caller we say that we take them; as callee we send them where the caller requires it, or
    /// [`Ring::reliable`] asks for it.
    #[default]
    Supported,
    /// As caller we insist on them; as callee all our provisional responses are sent so, and a caller that cannot take
    /// them is answered 421.
    Required,
}

impl Reliable {
    /// What an INVITE of ours says of it ([RFC 3262 §4]), where its call wants it otherwise than the agent's configuration.
    ///
    /// [RFC 3262 §4]: https://www.rfc-editor.org/rfc/rfc3262#section-4
    pub(super) fn announce(self, headers: &mut Headers) {
        let mut supported = headers.get::<Supported>().ok().flatten().unwrap_or_default();
        supported.0.retain(|option| !option.eq_ignore_ascii_case(OPTION));
        if self != Self::Off {
            supported.0.push(OPTION.into());
        }
        headers.replace(&supported);
        if self == Self::Required && !is_required(headers) {
            headers.push(&Require(vec![OPTION.into()]));
        }
    }
}

/// A provisional response to a call that came in.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ring {
    /// From 101 to 199: 180, or 183 with early media.
    pub status: StatusCode,
    /// Answers the caller's offer now, and not only when the call is accepted: early media. Where the caller made none,
    /// a reliable response carries the plan's offer.
    pub plan: Option<Box<dyn MediaPlan>>,
    /// It is repeated until the caller confirms it with a PRACK.
    pub reliable: bool,
}

impl Ring {
    /// One without media, which may get lost.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self { status, plan: None, reliable: false }
    }

    /// With early media. Only the first plan of a call counts.
    #[must_use]
    pub fn plan(mut self, plan: Box<dyn MediaPlan>) -> Self {
        self.plan = Some(plan);
        self
    }

    /// Repeated until the caller confirms it. The caller must take that:
    /// [`Agent::takes_reliable`](crate::Agent::takes_reliable).
    #[must_use]
    pub fn reliable(mut self) -> Self {
        self.reliable = true;
        self
    }
}

impl From<StatusCode> for Ring {
    fn from(status: StatusCode) -> Self {
        Self::new(status)
    }
}

/// Whether the sender of an INVITE insists on reliable responses.
fn is_required(headers: &Headers) -> bool {
    headers.get::<Require>().ok().flatten().is_some_and(|Require(options)| lists(&options))
}

/// Whether the sender of an INVITE takes reliable responses.
pub(crate) fn is_taken(headers: &Headers) -> bool {
    let supported = headers.get::<Supported>().ok().flatten();
    supported.is_some_and(|Supported(options)| lists(&options)) || is_required(headers)
}

fn lists(options: &[sip_msg::Text]) -> bool {
    options.iter().any(|option| option.eq_ignore_ascii_case(OPTION))
}

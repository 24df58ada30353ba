//! Offer/answer ([RFC 3264]).
//!
//! [RFC 3264]: https://www.rfc-editor.org/rfc/rfc3264

use crate::{Agreement, Capabilities, Reason, SessionDescription};

/// What to send as an offer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Offer {
    /// The description to send.
    pub description: SessionDescription,
}

/// What to send as an answer, and what is settled with it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The description to send.
    pub description: SessionDescription,
    /// What is settled.
    pub agreement: Agreement,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// What an answer to our offer settles.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Accepted {
    /// What is settled.
    pub agreement: Agreement,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// Why an exchange failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NegotiationError {
    /// Our offer is not answered yet.
    #[error("an offer is not answered yet")]
    OfferPending,
    /// There is no offer of ours to which this could be the answer.
    #[error("there is no offer to answer")]
    NoOffer,
    /// A description has fewer m-lines than the one before, or an answer another number than the offer.
    #[error("{found} m-lines where {expected} belong")]
    MediaCount {
        /// How many belong there.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// Nothing could be agreed: to be answered 488.
    #[error("nothing in common{}", why(.0))]
    NothingInCommon(Vec<Reason>),
    /// The answer breaks a rule on which the session's safety hangs.
    #[error("the answer cannot be used{}", why(.0))]
    UnusableAnswer(Vec<Reason>),
}

fn why(reasons: &[Reason]) -> String {
    reasons.iter().map(|reason| format!("; {reason}")).collect()
}

/// One side's view of the offers and answers of a session. A plain value: clone it for another early dialog.
#[derive(Clone, Debug)]
pub struct Negotiation {
    session_id: u64,
}

impl Negotiation {
    /// A session that has not begun; the id (random, below 2^62) becomes the `o=` line's session id and first version.
    #[must_use]
    pub const fn new(session_id: u64) -> Self {
        Self { session_id }
    }

    /// An offer of these capabilities; each m-line that was there stays where it was.
    ///
    /// # Errors
    /// [`NegotiationError::OfferPending`] while another is not answered.
    pub fn offer(&mut self, _capabilities: &Capabilities) -> Result<Offer, NegotiationError> {
        let _ = self.session_id;
        Err(NegotiationError::OfferPending)
    }

    /// The answer to an offer.
    ///
    /// # Errors
    /// Nothing in common; fewer m-lines than before; an offer of ours is pending.
    pub fn answer(&mut self, _offer: &SessionDescription, _capabilities: &Capabilities) -> Result<Answer, NegotiationError> {
        Err(NegotiationError::NoOffer)
    }

    /// Takes the answer to our offer.
    ///
    /// # Errors
    /// No offer pending; another number of m-lines; SRTP offered and not answered properly.
    pub fn accept(&mut self, _answer: &SessionDescription) -> Result<Accepted, NegotiationError> {
        Err(NegotiationError::NoOffer)
    }

    /// Our offer was refused or withdrawn: the session stays as it was.
    pub fn rollback(&mut self) {}

    /// What is settled now.
    #[must_use]
    pub const fn agreement(&self) -> Option<&Agreement> {
        None
    }

    /// What we sent last, to be sent again unchanged (session refresh); `None` before the first.
    #[must_use]
    pub const fn local(&self) -> Option<&SessionDescription> {
        None
    }

    /// What the peer sent last.
    #[must_use]
    pub const fn remote(&self) -> Option<&SessionDescription> {
        None
    }
}

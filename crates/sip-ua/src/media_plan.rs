//! The seam between calls and media: who has media answers offers through this trait.

use std::fmt;

use bytes::Bytes;
use sdp::{Direction, SessionDescription};
use sip_msg::Text;

/// One side of an offer/answer exchange ([RFC 3264]), for one dialog.
///
/// The agent calls these in the order the signalling allows: there is at most one offer outstanding, each offer of ours
/// ends with [`accept`](Self::accept) or [`rollback`](Self::rollback), and a refused one leaves what was agreed before
/// as it was.
///
/// [RFC 3264]: https://www.rfc-editor.org/rfc/rfc3264
pub trait MediaPlan: Send + fmt::Debug {
    /// Makes an offer: the first one, a new one (hold, resume), or one that the peer asked for.
    fn offer(&mut self, direction: Direction) -> SessionDescription;

    /// Makes the offer of a session refresh: what we said last, unchanged down to the version in its `o=` line
    /// ([RFC 4028 §7.4]). Unless it is written, this is a new offer.
    ///
    /// [RFC 4028 §7.4]: https://www.rfc-editor.org/rfc/rfc4028#section-7.4
    fn refresh(&mut self, direction: Direction) -> SessionDescription {
        self.offer(direction)
    }

    /// Answers the peer's offer, or refuses it and stays as it was.
    ///
    /// # Errors
    /// Why the offer is not acceptable; the peer is answered 488 with it.
    fn answer(&mut self, offer: &SessionDescription) -> Result<SessionDescription, Refusal>;

    /// Takes the peer's answer to our last offer.
    ///
    /// # Errors
    /// Why the answer is not acceptable; the agent then ends the call.
    fn accept(&mut self, answer: &SessionDescription) -> Result<(), Refusal>;

    /// Withdraws our last offer, which was refused or never answered.
    fn rollback(&mut self);

    /// A copy, offer outstanding and all, for another early dialog of the same INVITE.
    fn fork(&self) -> Box<dyn MediaPlan>;

    /// Tells that of several early dialogs this one's media is to be heard and sent to now, and the others' no more
    /// ([RFC 3960 §3.1]). Its [`accept`](Self::accept) or [`answer`](Self::answer) has come before.
    ///
    /// Early media is never mixed: on the caller's side what a [`fork`](Self::fork) agrees to should not be acted on before
    /// this, or [`confirm`](Self::confirm).
    ///
    /// [RFC 3960 §3.1]: https://www.rfc-editor.org/rfc/rfc3960#section-3.1
    fn select(&mut self) {}

    /// Tells that this dialog is the one that stands, when several have rung: what was agreed here holds for the call.
    ///
    /// Called once, on the caller's side, after the 2xx.
    fn confirm(&mut self) {}

    /// What this plan needs to go on in another process: what was agreed, and with which keys and ports. The bytes are the
    /// plan's own, and as secret as its keys. `None`: nothing, a plan made anew does.
    fn snapshot(&self) -> Option<Bytes> {
        None
    }

    /// Goes on from what [`snapshot`](Self::snapshot) wrote; called on a plan made anew.
    ///
    /// # Errors
    /// Why it cannot; the call is not resumed.
    fn resume(&mut self, _snapshot: &[u8]) -> Result<(), Refusal> {
        Ok(())
    }

    /// The direction that was agreed, as we see it; `None` before there is an agreement.
    fn direction(&self) -> Option<Direction>;
}

/// Why media cannot agree to a session description.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Refusal {
    /// The warn-code of the Warning header: 300–399, [RFC 3261 §20.43].
    ///
    /// [RFC 3261 §20.43]: https://www.rfc-editor.org/rfc/rfc3261#section-20.43
    pub warn_code: u16,
    /// One line for a person.
    pub text: Text,
}

impl Refusal {
    /// A refusal with code 399, miscellaneous.
    pub fn new(text: impl Into<Text>) -> Self {
        Self { warn_code: 399, text: text.into() }
    }

    /// With another warn-code: 304 media type, 305 media format, 300 protocol …
    #[must_use]
    pub fn warn_code(mut self, code: u16) -> Self {
        self.warn_code = code;
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Refusal {}

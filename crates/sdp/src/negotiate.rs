//! Offer/answer: pure steps over values ([RFC 3264]).
//!
//! What is settled follows from our description and the peer's alone (`agree`), so both sides of an exchange reach
//! mirrored views. [`Negotiation`] only remembers what later exchanges must respect: the `o=` line, the order of the
//! m-lines, the meaning of payload types, and what was sent last.
//!
//! [RFC 3264]: https://www.rfc-editor.org/rfc/rfc3264

mod agree;
mod answer;
mod bundle;
mod formats;
mod offer;
mod security;

use self::formats::Numbers;
use crate::connection::Address;
use crate::{
    Agreement, Capabilities, Connection, Origin, Reason, Refused, SessionDescription, Text, Time, Why,
};

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
    /// One of our streams cannot be offered as it is.
    #[error("stream {} cannot be offered: it lacks {lacks}", .stream.saturating_add(1))]
    Unofferable {
        /// Which of [`streams`](Capabilities::streams), counted from 0; the text counts from 1.
        stream: usize,
        /// What it lacks: a port, a codec, or what its [`SrtpPolicy`](crate::SrtpPolicy) needs.
        lacks: &'static str,
    },
    /// Nothing could be agreed: to be answered 488.
    #[error("nothing in common{}", because(.0))]
    NothingInCommon(Vec<Reason>),
    /// The answer breaks a rule on which the session's safety hangs.
    #[error("the answer cannot be used{}", because(.0))]
    UnusableAnswer(Vec<Reason>),
}

fn because(reasons: &[Reason]) -> String {
    reasons.iter().map(|reason| format!("; {reason}")).collect()
}

/// One side's view of the offers and answers of a session. A plain value: clone it for another early dialog.
///
/// A method that fails leaves it as it was.
#[derive(Clone, Debug)]
pub struct Negotiation {
    session_id: u64,
    /// Of the description sent last; raised by one whenever another is sent.
    version: u64,
    /// Stays as it was first, whatever address is advertised later.
    origin: Option<Address>,
    slots: Vec<Slot>,
    /// Sent last, whatever became of it.
    sent: Option<SessionDescription>,
    pending: Option<Pending>,
    settled: Option<Settled>,
}

/// What an exchange left.
#[derive(Clone, Debug)]
struct Settled {
    local: SessionDescription,
    remote: SessionDescription,
    accepted: Accepted,
}

/// Our offer, while it waits for its answer.
#[derive(Clone, Debug)]
struct Pending {
    offer: SessionDescription,
    slots: Vec<Slot>,
}

/// What one m-line position is used for.
#[derive(Clone, Debug, Default)]
struct Slot {
    /// Which of our streams has this position, or had it last.
    stream: Option<usize>,
    /// False once a side set the port to 0; the peer may revive it, or a new stream of ours take its place.
    live: bool,
    numbers: Numbers,
}

impl Negotiation {
    /// A session that has not begun; the id (random, below 2^62) becomes the `o=` line's session id and first version
    /// ([RFC 3264 §5]).
    ///
    /// [RFC 3264 §5]: https://www.rfc-editor.org/rfc/rfc3264#section-5
    #[must_use]
    pub const fn new(session_id: u64) -> Self {
        // The first version is less than 2^62 - 1, RFC 3264 §5.
        let session_id = session_id % ((1 << 62) - 1);
        Self {
            session_id,
            version: session_id,
            origin: None,
            slots: Vec::new(),
            sent: None,
            pending: None,
            settled: None,
        }
    }

    /// An offer of these capabilities: one m-line for each stream, each where it was before; streams that the peer
    /// refused or removed stay at port 0 ([RFC 3264 §5], [RFC 3264 §8]).
    ///
    /// # Errors
    /// [`OfferPending`](NegotiationError::OfferPending) while another is not answered,
    /// [`Unofferable`](NegotiationError::Unofferable) when a stream has no codec or port, or must be encrypted and has no key.
    ///
    /// [RFC 3264 §5]: https://www.rfc-editor.org/rfc/rfc3264#section-5
    /// [RFC 3264 §8]: https://www.rfc-editor.org/rfc/rfc3264#section-8
    pub fn offer(&mut self, capabilities: &Capabilities) -> Result<Offer, NegotiationError> {
        if self.pending.is_some() {
            return Err(NegotiationError::OfferPending);
        }
        let settled = self.settled.as_ref();
        let (slots, draft) = offer::draft(capabilities, &self.slots, settled, self.blank(capabilities))?;
        let description = self.stamp(draft);
        self.pending = Some(Pending { offer: description.clone(), slots });
        Ok(Offer { description })
    }

    /// The answer to an offer ([RFC 3264 §6]).
    ///
    /// # Errors
    /// [`NothingInCommon`](NegotiationError::NothingInCommon) when every m-line had to be refused,
    /// [`MediaCount`](NegotiationError::MediaCount) when there are fewer m-lines than before,
    /// [`OfferPending`](NegotiationError::OfferPending) while an offer of ours is not answered.
    ///
    /// [RFC 3264 §6]: https://www.rfc-editor.org/rfc/rfc3264#section-6
    pub fn answer(
        &mut self,
        offer: &SessionDescription,
        capabilities: &Capabilities,
    ) -> Result<Answer, NegotiationError> {
        if self.pending.is_some() {
            return Err(NegotiationError::OfferPending);
        }
        let (expected, found) = (self.slots.len(), offer.media.len());
        if found < expected {
            return Err(NegotiationError::MediaCount { expected, found });
        }
        let mut draft = self.blank(capabilities);
        draft.times = offer.times.clone();
        let before = self.settled.as_ref().map(|settled| &settled.accepted.agreement);
        let answer::Draft { slots, description, agreement, reasons } =
            answer::draft(offer, capabilities, &self.slots, before, draft);
        let wanted = offer.media.iter().any(|media| media.port != 0);
        if wanted && agreement.accepted().next().is_none() {
            return Err(NegotiationError::NothingInCommon(reasons));
        }
        let description = self.stamp(description);
        self.slots = slots;
        let accepted = Accepted { agreement: agreement.clone(), reasons: reasons.clone() };
        self.settled = Some(Settled { local: description.clone(), remote: offer.clone(), accepted });
        Ok(Answer { description, agreement, reasons })
    }

    /// Takes the answer to our offer ([RFC 3264 §7]). The same answer again changes nothing.
    ///
    /// # Errors
    /// [`NoOffer`](NegotiationError::NoOffer) when none is pending, [`MediaCount`](NegotiationError::MediaCount) when the
    /// m-lines do not match, [`UnusableAnswer`](NegotiationError::UnusableAnswer) when SRTP was offered and is not answered as
    /// [RFC 4568 §5.1.3] wants, or an m-line changed its media type. The offer stays pending: [`rollback`](Self::rollback).
    ///
    /// [RFC 3264 §7]: https://www.rfc-editor.org/rfc/rfc3264#section-7
    /// [RFC 4568 §5.1.3]: https://www.rfc-editor.org/rfc/rfc4568#section-5.1.3
    pub fn accept(&mut self, answer: &SessionDescription) -> Result<Accepted, NegotiationError> {
        let Some(pending) = &self.pending else {
            let same = self.settled.as_ref().filter(|settled| settled.remote == *answer);
            return same.map(|settled| settled.accepted.clone()).ok_or(NegotiationError::NoOffer);
        };
        let (expected, found) = (pending.offer.media.len(), answer.media.len());
        if found != expected {
            return Err(NegotiationError::MediaCount { expected, found });
        }
        let (ours, theirs) = (bundle::spread(&pending.offer), bundle::spread(answer));
        let mut slots = pending.slots.clone();
        let mut agreement = Agreement::default();
        let mut notes = Notes::default();
        let mut usable = true;
        for (index, ((local, remote), slot)) in
            ours.media.iter().zip(&theirs.media).zip(&mut slots).enumerate()
        {
            notes.begin(index, local.kind());
            let own = agree::Side { session: &ours, media: local };
            let peer = agree::Side { session: &theirs, media: remote };
            let outcome = agree::answered(own, peer, index, &mut notes);
            usable &= !matches!(outcome, Err(why) if agree::is_fatal(why));
            slot.live = outcome.is_ok();
            if outcome.is_ok() {
                for format in formats::formats(remote) {
                    if slot.numbers.learn_theirs(&format) {
                        notes.add(Why::Tolerated("a payload type changed its codec"));
                    }
                }
            }
            if let Err(why) = outcome {
                notes.add(Why::Refused(why));
            }
            agreement.media.push(crate::AgreedMedia {
                kind: local.kind().clone(),
                stream: slot.stream,
                outcome,
            });
        }
        bundle::settle(&mut agreement, &pending.offer, answer);
        for index in bundle::strays(&agreement, &pending.offer) {
            if let Some((media, slot)) = agreement.media.get_mut(index).zip(slots.get_mut(index)) {
                media.outcome = Err(Refused::BundleOnly);
                slot.live = false;
                notes.begin(index, &media.kind);
                notes.add(Why::Refused(Refused::BundleOnly));
            }
        }
        bundle::explain(&pending.offer, &agreement, &mut notes);
        if !usable {
            return Err(NegotiationError::UnusableAnswer(notes.reasons));
        }
        let accepted = Accepted { agreement, reasons: notes.reasons };
        self.settled = Some(Settled {
            local: pending.offer.clone(),
            remote: answer.clone(),
            accepted: accepted.clone(),
        });
        self.slots = slots;
        self.pending = None;
        Ok(accepted)
    }

    /// Our offer was refused or withdrawn: the session stays as it was before it ([RFC 3264 §4]).
    ///
    /// [RFC 3264 §4]: https://www.rfc-editor.org/rfc/rfc3264#section-4
    pub fn rollback(&mut self) {
        self.pending = None;
    }

    /// True while our offer waits for its answer.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// What is settled now.
    #[must_use]
    pub fn agreement(&self) -> Option<&Agreement> {
        self.settled.as_ref().map(|settled| &settled.accepted.agreement)
    }

    /// Our description in the exchange that settled last, to be sent again unchanged as a session refresh
    /// ([RFC 4028 §7.4]); `None` before.
    ///
    /// [RFC 4028 §7.4]: https://www.rfc-editor.org/rfc/rfc4028#section-7.4
    #[must_use]
    pub fn local(&self) -> Option<&SessionDescription> {
        self.settled.as_ref().map(|settled| &settled.local)
    }

    /// The peer's description in the exchange that settled last.
    #[must_use]
    pub fn remote(&self) -> Option<&SessionDescription> {
        self.settled.as_ref().map(|settled| &settled.remote)
    }

    /// A session refresh: what [`local`](Self::local) said, byte for byte, pending again.
    ///
    /// # Errors
    /// [`OfferPending`](NegotiationError::OfferPending) while another offer is not answered,
    /// [`NoOffer`](NegotiationError::NoOffer) when nothing is settled yet.
    pub fn refresh(&mut self) -> Result<Offer, NegotiationError> {
        if self.pending.is_some() {
            return Err(NegotiationError::OfferPending);
        }
        let description = self.local().cloned().ok_or(NegotiationError::NoOffer)?;
        self.pending = Some(Pending { offer: description.clone(), slots: self.slots.clone() });
        Ok(Offer { description })
    }

    /// A description of ours without media.
    fn blank(&self, capabilities: &Capabilities) -> SessionDescription {
        let origin = self.origin.clone().unwrap_or(Address::Ip(capabilities.address));
        let mut blank = SessionDescription::new(Origin::anonymous(self.session_id, self.version, origin));
        blank.connections.push(Connection::new(capabilities.address));
        blank.times.push(Time::UNBOUNDED);
        blank
    }

    /// Gives a draft its version: the same when it says the same as what we sent last, else one more
    /// ([RFC 3264 §8]).
    ///
    /// [RFC 3264 §8]: https://www.rfc-editor.org/rfc/rfc3264#section-8
    fn stamp(&mut self, mut draft: SessionDescription) -> SessionDescription {
        if self.sent.as_ref().is_some_and(|sent| *sent != draft) {
            self.version = self.version.saturating_add(1);
            draft.origin = Origin::anonymous(self.session_id, self.version, draft.origin.address().clone());
        }
        self.origin.get_or_insert_with(|| draft.origin.address().clone());
        self.sent = Some(draft.clone());
        draft
    }
}

/// Collects reasons while m-lines are walked.
#[derive(Debug, Default)]
struct Notes {
    media: usize,
    kind: Text,
    reasons: Vec<Reason>,
}

impl Notes {
    fn begin(&mut self, media: usize, kind: &Text) {
        self.media = media;
        self.kind = kind.clone();
    }

    fn add(&mut self, why: Why) {
        self.reasons.push(Reason { media: self.media, kind: self.kind.clone(), why });
    }
}

/// Which of our streams a media type is for.
fn media_kind(kind: &str) -> Result<crate::MediaKind, Refused> {
    [crate::MediaKind::Audio, crate::MediaKind::Video]
        .into_iter()
        .find(|one| one.as_str() == kind)
        .ok_or(Refused::NotWanted)
}

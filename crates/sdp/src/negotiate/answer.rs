//! Offer + capabilities → answer ([RFC 3264 §6]).
//!
//! [RFC 3264 §6]: https://www.rfc-editor.org/rfc/rfc3264#section-6

use std::borrow::Cow;

use super::agree::{self, Side};
use super::bundle::{self, mid};
use super::formats::{Format, Match, TELEPHONE_EVENT, formats, wishes};
use super::{Notes, Slot, media_kind, offer as ours, security};
use crate::attribute::{Attribute, Setup};
use crate::{
    Agreed, AgreedMedia, Agreement, Capabilities, DtlsRole, Media, Reason, Refused, Security,
    SessionDescription, Stream, Why,
};

/// An answer without its version, and what follows from it.
pub(super) struct Draft {
    pub(super) slots: Vec<Slot>,
    pub(super) description: SessionDescription,
    pub(super) agreement: Agreement,
    pub(super) reasons: Vec<Reason>,
}

pub(super) fn draft(
    offer: &SessionDescription,
    capabilities: &Capabilities,
    slots: &[Slot],
    before: Option<&Agreement>,
    mut description: SessionDescription,
) -> Draft {
    let mut slots = slots.to_vec();
    slots.resize(offer.media.len(), Slot::default());
    let mut notes = Notes::default();
    let mut agreement = Agreement::default();
    let as_written = offer;
    let spread = if capabilities.bundle { bundle::spread(offer) } else { Cow::Borrowed(offer) };
    let offer = spread.as_ref();
    for (index, offered) in offer.media.iter().enumerate() {
        notes.begin(index, offered.kind());
        let request = Request { offer, media: offered, index, description: &description };
        let before = before
            .and_then(|agreement| agreement.media.get(index))
            .and_then(|media| media.outcome.as_ref().ok());
        let result = request.answer(capabilities, &slots, before, &mut notes);
        let Some(slot) = slots.get_mut(index) else { continue };
        let (media, outcome) = match result {
            Ok((stream, media, agreed)) => {
                if slot.stream != Some(stream) {
                    *slot = Slot { stream: Some(stream), ..Slot::default() };
                }
                slot.live = true;
                formats(&media).iter().for_each(|format| slot.numbers.learn(format));
                for format in formats(offered) {
                    if slot.numbers.learn_theirs(&format) {
                        notes.add(Why::Tolerated("a payload type changed its codec"));
                    }
                }
                (media, Ok(agreed))
            }
            Err(why) => {
                slot.live = false;
                notes.add(Why::Refused(why));
                (ours::refused(offered), Err(why))
            }
        };
        let stream = slot.stream.filter(|_| outcome.is_ok());
        agreement.media.push(AgreedMedia { kind: offered.kind().clone(), stream, outcome });
        description.media.push(media);
    }
    let stranded = match capabilities.bundle {
        true => bundle::join(as_written, &mut description, &mut agreement),
        false => Vec::new(),
    };
    for index in stranded {
        let section = description.media.get_mut(index).zip(as_written.media.get(index));
        let outcome = agreement.media.get_mut(index).zip(slots.get_mut(index));
        if let (Some((media, offered)), Some((agreed, slot))) = (section, outcome) {
            *media = ours::refused(offered);
            agreed.outcome = Err(Refused::BundleOnly);
            slot.live = false;
            notes.begin(index, offered.kind());
            notes.add(Why::Refused(Refused::BundleOnly));
        }
    }
    bundle::explain(as_written, &agreement, &mut notes);
    let with_ice = description.media.iter().any(|media| media.attributes.contains("ice-ufrag"));
    if with_ice && ours::is_lite(capabilities) {
        description.attributes.push(Attribute::constant("ice-lite"));
    }
    Draft { slots, description, agreement, reasons: notes.reasons }
}

/// One offered m-line, with what stands around it.
struct Request<'a> {
    offer: &'a SessionDescription,
    media: &'a Media,
    index: usize,
    /// Our answer so far: its address counts.
    description: &'a SessionDescription,
}

impl Request<'_> {
    /// The stream that takes this m-line, our section, and what is settled. The first stream that can is taken, the one that had
    /// the position before all others; when none can, the first one's cause is told.
    fn answer(
        &self,
        capabilities: &Capabilities,
        slots: &[Slot],
        before: Option<&Agreed>,
        notes: &mut Notes,
    ) -> Result<(usize, Media, Agreed), Refused> {
        if self.media.port == 0 {
            return Err(Refused::DisabledByOfferer);
        }
        if let Some(problem) = self.media.problem() {
            return Err(Refused::Unreadable(*problem));
        }
        let kind = media_kind(self.media.kind())?;
        if !self.media.protocol().is_rtp() {
            return Err(Refused::UnknownTransport);
        }
        let last = slots.get(self.index).and_then(|slot| slot.stream);
        let busy = |stream: usize| {
            slots
                .iter()
                .enumerate()
                .any(|(index, slot)| index != self.index && slot.live && slot.stream == Some(stream))
        };
        let candidates =
            last.into_iter().chain((0..capabilities.streams.len()).filter(|stream| Some(*stream) != last));
        let mut first_cause = None;
        for index in candidates.filter(|stream| !busy(*stream)) {
            let Some(stream) = capabilities.streams.get(index).filter(|stream| stream.kind == kind) else {
                continue;
            };
            let already = notes.reasons.len();
            match self.with(stream, before, notes) {
                Ok((media, agreed)) => return Ok((index, media, agreed)),
                Err(cause) if first_cause.is_none() => first_cause = Some(cause),
                Err(_) => notes.reasons.truncate(already),
            }
        }
        Err(first_cause.unwrap_or(Refused::NotWanted))
    }

    fn with(
        &self,
        stream: &Stream,
        before: Option<&Agreed>,
        notes: &mut Notes,
    ) -> Result<(Media, Agreed), Refused> {
        let remote = Side { session: self.offer, media: self.media };
        let security =
            security::choose(stream, self.offer, self.media, before.map(|agreed| &agreed.security), notes)?;
        if stream.port == 0 {
            return Err(Refused::NotWanted);
        }
        agree::note_unmapped(self.media, notes);
        let formats = choose(&formats(self.media), &wishes(stream), notes);
        let has_codec =
            formats.iter().any(|format| !format.is_telephone_event() && !format.is_comfort_noise());
        let only_digits = stream.codecs.iter().all(|codec| codec.name.eq_ignore_ascii_case(TELEPHONE_EVENT));
        let for_digits_only = only_digits && !formats.is_empty();
        if !has_codec && !for_digits_only {
            return Err(Refused::NoCommonCodec);
        }
        let mut media = ours::section(stream, stream.port, self.media.protocol().clone(), &formats);
        media.attributes.set_direction(stream.direction.and(remote.direction().reversed()));
        match &security {
            Security::None => {}
            Security::Sdes { local, .. } => media.attributes.push_typed(local),
            Security::Dtls { role, .. } => {
                let setup = if *role == DtlsRole::Client { Setup::Active } else { Setup::Passive };
                ours::dtls(stream, setup, &mut media.attributes);
            }
        }
        let peer_ice = crate::attribute::IceCredentials::of(&self.media.attributes, &self.offer.attributes);
        let ice = stream.ice.as_ref().filter(|_| peer_ice.is_some());
        if peer_ice.is_some() && ice.is_none() {
            notes.add(Why::IceIgnored);
        }
        let mux = agree::muxes(&self.media.attributes)
            && stream.rtcp_mux
            && !formats.iter().any(Format::collides_with_rtcp);
        if !mux && self.media.attributes.contains("rtcp-mux-only") {
            return Err(Refused::RtcpMuxOnly);
        }
        ours::transport(stream, mux, ice, &mut media.attributes);
        media.attributes.extend(mid(self.media).and_then(|mid| Attribute::new("mid", &mid).ok()));
        let local = Side { session: self.description, media: &media };
        let agreed = agree::settle(local, remote, self.index, stream.direction, security, notes)?;
        Ok((media, agreed))
    }
}

/// What of the offer we take, in its order and with its numbers ([RFC 3264 §6.1]); digits at the clock rates of the codecs taken.
///
/// [RFC 3264 §6.1]: https://www.rfc-editor.org/rfc/rfc3264#section-6.1
fn choose(offered: &[Format], wishes: &[Format], notes: &mut Notes) -> Vec<Format> {
    let mut taken: Vec<(usize, Format)> = Vec::new();
    for peer in offered {
        let free = |index: usize| taken.iter().all(|(used, _)| *used != index);
        let mut best = Match::Different;
        let mut found = None;
        let mut twice = false;
        for (index, wish) in wishes.iter().enumerate() {
            match wish.compare(peer) {
                Match::Same if !free(index) => twice = true,
                Match::Same => {
                    found = Some((index, wish));
                    break;
                }
                Match::ParametersDiffer => best = Match::ParametersDiffer,
                Match::Different => {}
            }
        }
        match found {
            Some((index, wish)) => taken.push((index, wish.answering(peer))),
            None if twice => notes.add(Why::OfferedTwice { codec: peer.name() }),
            None if best == Match::ParametersDiffer => {
                notes.add(Why::ParametersDiffer { codec: peer.name() });
            }
            None => notes.add(Why::NotInOurList { codec: peer.name() }),
        }
    }
    let formats: Vec<Format> = taken.into_iter().map(|(_, format)| format).collect();
    let is_codec = |format: &&Format| !format.is_telephone_event();
    let rates: Vec<u32> = formats.iter().filter(is_codec).map(|format| format.map.clock_rate_hz).collect();
    let fits = |format: &Format| {
        !format.is_telephone_event() || rates.is_empty() || rates.contains(&format.map.clock_rate_hz)
    };
    formats.iter().filter(|format| !fits(format)).for_each(|event| {
        notes.add(Why::NoCodecAtRate { codec: event.name() });
    });
    formats.into_iter().filter(fits).collect()
}

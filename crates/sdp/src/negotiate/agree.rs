//! What two matching m-lines settle: the one place where an agreement is made, for both roles.

use super::formats::{Format, Match, formats};
use super::{Notes, media_kind, security};
use crate::attribute::{Attributes, IceCredentials, MaxPtime, Ptime, Rtcp, TypedAttribute};
use crate::{
    Agreed, AgreedCodec, AgreedEvent, Direction, Media, Refused, RemoteIce, Security, SessionDescription, Why,
};

/// A description and one of its media sections.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) session: &'a SessionDescription,
    pub(super) media: &'a Media,
}

impl Side<'_> {
    pub(super) fn direction(&self) -> Direction {
        self.session.direction(self.media)
    }

    /// `c=0.0.0.0` forbids to send, but for ICE, where addresses come later ([RFC 3264 §8.4], [RFC 8840 §4.1.1]).
    ///
    /// [RFC 3264 §8.4]: https://www.rfc-editor.org/rfc/rfc3264#section-8.4
    /// [RFC 8840 §4.1.1]: https://www.rfc-editor.org/rfc/rfc8840#section-4.1.1
    fn is_held_by_address(&self) -> bool {
        let unspecified = self.session.address(self.media).is_some_and(crate::Address::is_unspecified);
        unspecified && self.ice().is_none()
    }

    /// The direction this side allows the other, seen from the other.
    fn allows(&self) -> Direction {
        let most = if self.is_held_by_address() { Direction::RecvOnly } else { Direction::SendRecv };
        self.direction().reversed().and(most)
    }

    fn ice(&self) -> Option<IceCredentials> {
        IceCredentials::of(&self.media.attributes, &self.session.attributes)
    }
}

/// What the answer to one m-line of our offer settles.
pub(super) fn answered(
    local: Side<'_>,
    remote: Side<'_>,
    index: usize,
    notes: &mut Notes,
) -> Result<Agreed, Refused> {
    if remote.media.port == 0 {
        return Err(if local.media.port == 0 {
            Refused::DisabledByOfferer
        } else {
            Refused::RefusedByAnswerer
        });
    }
    if local.media.port == 0 {
        notes.add(Why::Tolerated("the answer has a port for an m-line that was offered with port 0"));
        return Err(Refused::DisabledByOfferer);
    }
    if local.media.kind() != remote.media.kind() {
        return Err(Refused::MediaTypeChanged);
    }
    let (ours, theirs) = (local.media.protocol(), remote.media.protocol());
    let security = if !ours.is_secure() {
        if theirs.is_secure() {
            return Err(Refused::TransportChanged);
        }
        security::note_ignored_crypto(remote.media, notes);
        Security::None
    } else if !theirs.is_secure() {
        return Err(Refused::TransportChanged);
    } else if local.media.attributes.contains("fingerprint") {
        security::dtls_offerer(remote.session, remote.media, notes)?
    } else {
        security::sdes_offerer(local.media, remote.media, notes)?
    };
    if ours != theirs {
        notes.add(Why::Tolerated("the answer names another transport protocol than the offer"));
    }
    settle(local, remote, index, local.direction(), security, notes)
}

/// After these the session must not go on ([RFC 4568 §5.1.3]); the rest is a refused m-line.
///
/// [RFC 4568 §5.1.3]: https://www.rfc-editor.org/rfc/rfc4568#section-5.1.3
pub(super) const fn is_fatal(why: Refused) -> bool {
    matches!(
        why,
        Refused::NoUsableCrypto
            | Refused::NoUsableFingerprint
            | Refused::TransportChanged
            | Refused::MediaTypeChanged
    )
}

/// What our m-line and the peer's settle, given what we want at most and how packets are protected.
pub(super) fn settle(
    local: Side<'_>,
    remote: Side<'_>,
    index: usize,
    wanted: Direction,
    security: Security,
    notes: &mut Notes,
) -> Result<Agreed, Refused> {
    let kind = media_kind(local.media.kind())?;
    let address = remote.session.address(remote.media).ok_or(Refused::NoAddress)?.clone();
    if address.is_multicast() {
        return Err(Refused::Multicast);
    }
    let common = common(&formats(local.media), &formats(remote.media));
    let (mut codecs, mut telephone_events) = (Vec::new(), Vec::new());
    for (own, peer) in &common {
        if own.is_telephone_event() {
            telephone_events.push(event(own, peer));
        } else {
            codecs.push(codec(own, peer));
        }
    }
    if codecs.is_empty() && telephone_events.is_empty() {
        return Err(Refused::NoCommonCodec);
    }
    // Stable: comfort noise last, so that the first is a codec to send with.
    codecs.sort_by_key(|codec: &AgreedCodec| codec.name.eq_ignore_ascii_case("CN"));
    if let Some(chosen) = codecs.first() {
        notes.add(Why::Chosen { codec: chosen.name.clone() });
    }
    let direction = wanted.and(remote.allows());
    if remote.is_held_by_address() {
        notes.add(Why::HeldByAddress);
    }
    notes.add(Why::Direction { agreed: direction, peer: remote.direction(), wanted });
    let rtcp_mux = muxes(&local.media.attributes) && muxes(&remote.media.attributes);
    let rtcp: Option<Rtcp> = if rtcp_mux { None } else { read(&remote.media.attributes, notes) };
    let port = remote.media.port;
    let next_port = if rtcp_mux { port } else { port.saturating_add(1) };
    let remote_rtcp_port = rtcp.as_ref().map_or(next_port, |rtcp| rtcp.port);
    let remote_rtcp = rtcp.and_then(|rtcp| rtcp.address).unwrap_or_else(|| address.clone());
    Ok(Agreed {
        media: index,
        kind,
        protocol: local.media.protocol().clone(),
        remote: address,
        remote_port: port,
        remote_rtcp,
        remote_rtcp_port,
        rtcp_mux,
        direction,
        codecs,
        telephone_events,
        ptime_ms: read(&remote.media.attributes, notes).map(|Ptime(ms)| ms),
        maxptime_ms: read(&remote.media.attributes, notes).map(|MaxPtime(ms)| ms),
        security,
        ice: local.ice().and_then(|_| remote_ice(remote)),
        bundled_with: None,
    })
}

/// An attribute without which we can go on: unreadable is noted, and as good as absent.
fn read<T: TypedAttribute>(attributes: &Attributes, notes: &mut Notes) -> Option<T> {
    attributes.get().unwrap_or_else(|error| {
        notes.add(Why::AttributeUnreadable(error));
        None
    })
}

pub(super) fn muxes(attributes: &Attributes) -> bool {
    attributes.contains("rtcp-mux") || attributes.contains("rtcp-mux-only")
}

/// Ours and theirs of each codec in both lists, in the order of theirs; each of ours once.
pub(super) fn common(local: &[Format], remote: &[Format]) -> Vec<(Format, Format)> {
    let mut used: Vec<u8> = Vec::new();
    let mut common = Vec::new();
    for peer in remote {
        let unused = |own: &&Format| !used.contains(&own.map.payload_type);
        // Of two like ones the same number first, so that a list agrees with itself number by number.
        let same = |own: &&Format| own.compare(peer) == Match::Same;
        let exact = local
            .iter()
            .filter(unused)
            .filter(same)
            .find(|own| own.map.payload_type == peer.map.payload_type);
        if let Some(own) = exact.or_else(|| local.iter().filter(unused).find(same)) {
            used.push(own.map.payload_type);
            common.push((own.clone(), peer.clone()));
        }
    }
    common
}

fn codec(own: &Format, peer: &Format) -> AgreedCodec {
    AgreedCodec {
        name: own.map.encoding.clone(),
        clock_rate_hz: own.map.clock_rate_hz,
        channels: own.map.channels,
        send: peer.map.payload_type,
        receive: own.map.payload_type,
        remote_fmtp: peer.fmtp.clone(),
        local_fmtp: own.fmtp.clone(),
    }
}

fn event(own: &Format, peer: &Format) -> AgreedEvent {
    AgreedEvent {
        clock_rate_hz: own.map.clock_rate_hz,
        send: peer.map.payload_type,
        receive: own.map.payload_type,
        remote_events: peer.fmtp.clone(),
    }
}

fn remote_ice(remote: Side<'_>) -> Option<RemoteIce> {
    let candidates = remote.media.attributes.iter().filter(|attribute| attribute.name() == "candidate");
    Some(RemoteIce {
        credentials: remote.ice()?,
        candidates: candidates.map(crate::Attribute::value_text).collect(),
        lite: remote.session.attributes.contains("ice-lite"),
    })
}

//! What two matching m-lines settle: the one place where an agreement is made, for both roles.

use super::formats::{Format, Match, TELEPHONE_EVENT, formats};
use super::{Notes, media_kind, security};
use crate::attribute::{Attributes, IceCredentials, MaxPtime, Ptime, Rtcp, TypedAttribute};
use crate::grammar::number;
use crate::{
    Address, Agreed, AgreedCodec, AgreedEvent, Bandwidth, Direction, Media, Refused, RemoteIce, Security,
    SessionDescription, Text, Why,
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

    /// What the peer takes at most, in bits a second: the media section's `b=TIAS` or `b=AS`, else the session's
    /// ([RFC 8866 §5.8], [RFC 3890]).
    ///
    /// [RFC 8866 §5.8]: https://www.rfc-editor.org/rfc/rfc8866#section-5.8
    /// [RFC 3890]: https://www.rfc-editor.org/rfc/rfc3890
    fn bandwidth_bps(&self) -> Option<u64> {
        let bits = |line: &Bandwidth| match line.kind().as_str() {
            "TIAS" => Some(line.value()),
            "AS" => Some(line.value().saturating_mul(1_000)),
            _ => None,
        };
        let own = self.media.bandwidths.iter().filter_map(bits).min();
        own.or_else(|| self.session.bandwidths.iter().filter_map(bits).min())
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
    if let Some(problem) = remote.media.problem() {
        return Err(Refused::Unreadable(*problem));
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
        security::dtls_offerer(local.media, remote.session, remote.media, notes)?
    } else {
        security::sdes_offerer(local.media, remote.media, notes)?
    };
    if ours != theirs {
        notes.add(Why::Tolerated("the answer names another transport protocol than the offer"));
    }
    if local.direction().reversed().and(remote.direction()) != remote.direction() {
        notes.add(Why::Tolerated("the answer has a direction that the offer does not allow"));
    }
    note_unmapped(remote.media, notes);
    let answered = formats(remote.media);
    for own in formats(local.media) {
        if answered.iter().all(|peer| own.compare(peer) != Match::Same) {
            notes.add(Why::NotAnswered { codec: own.name() });
        }
    }
    settle(local, remote, index, local.direction(), security, notes)
}

/// Notes the formats that nothing says the meaning of.
pub(super) fn note_unmapped(media: &Media, notes: &mut Notes) {
    let mapped = formats(media);
    let unknown = |format: &&str| mapped.iter().all(|known| number(format) != Some(known.map.payload_type));
    let unmapped: Vec<Text> = media.formats().filter(unknown).map(Text::from).collect();
    unmapped.into_iter().for_each(|format| notes.add(Why::NoMapping { format }));
}

/// `0.0.0.0` and `::`, and the names that stand for them in IPv6, to which nothing may be sent
/// ([RFC 3264 §8.4], [RFC 6157 §3.1]). With ICE addresses come later ([RFC 8840 §4.1.1]).
///
/// [RFC 3264 §8.4]: https://www.rfc-editor.org/rfc/rfc3264#section-8.4
/// [RFC 6157 §3.1]: https://www.rfc-editor.org/rfc/rfc6157#section-3.1
/// [RFC 8840 §4.1.1]: https://www.rfc-editor.org/rfc/rfc8840#section-4.1.1
fn is_black_hole(address: &Address) -> bool {
    let invalid = |host: &Text| {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        host == "invalid" || host.ends_with(".invalid")
    };
    address.is_unspecified() || matches!(address, Address::Name { host, .. } if invalid(host))
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
    if let Some((chosen, others)) = codecs.split_first() {
        notes.add(Why::Chosen { codec: chosen.name.clone() });
        others.iter().for_each(|codec| notes.add(Why::Beside { codec: codec.name.clone() }));
    }
    for event in &telephone_events {
        notes.add(Why::Beside { codec: Text::from(format!("{TELEPHONE_EVENT}/{}", event.clock_rate_hz)) });
    }
    let held = is_black_hole(&address) && (local.ice().is_none() || remote.ice().is_none());
    let bandwidth_bps = remote.bandwidth_bps();
    let silent = held || bandwidth_bps == Some(0);
    let most = if silent { Direction::RecvOnly } else { Direction::SendRecv };
    let direction = wanted.and(remote.direction().reversed()).and(most);
    if held {
        notes.add(Why::HeldByAddress);
    }
    if bandwidth_bps == Some(0) {
        notes.add(Why::NoBandwidth);
    }
    notes.add(Why::Direction { agreed: direction, peer: remote.direction(), wanted });
    let (own_mux, peer_mux) = (muxes(&local.media.attributes), muxes(&remote.media.attributes));
    let rtcp_mux = own_mux && peer_mux;
    if own_mux || peer_mux {
        notes.add(Why::RtcpMux { agreed: rtcp_mux });
    }
    let rtcp: Option<Rtcp> = if rtcp_mux { None } else { read(&remote.media.attributes, notes) };
    let port = remote.media.port;
    let next_port = if rtcp_mux { port } else { port.saturating_add(1) };
    let remote_rtcp_port = rtcp.as_ref().map_or(next_port, |rtcp| rtcp.port);
    // No RTCP either to who is on hold by address, RFC 3264 §8.4.
    let remote_rtcp = rtcp.and_then(|rtcp| rtcp.address).filter(|_| !held);
    let remote_rtcp = remote_rtcp.unwrap_or_else(|| address.clone());
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
        bandwidth_bps,
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

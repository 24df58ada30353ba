//! Capabilities → offer ([RFC 3264 §5], [RFC 3264 §8]).
//!
//! [RFC 3264 §5]: https://www.rfc-editor.org/rfc/rfc3264#section-5
//! [RFC 3264 §8]: https://www.rfc-editor.org/rfc/rfc3264#section-8

use super::formats::{Format, assign, wishes};
use super::{NegotiationError, Settled, Slot, bundle};
use crate::attribute::{Attribute, Attributes, Fmtp, MaxPtime, Ptime, Rtcp, Setup};
use crate::{
    Capabilities, Direction, Ice, Media, Protocol, Security, SessionDescription, SrtpPolicy, Stream, Text,
};

/// The offer that follows from capabilities and what was before, and what each m-line is then used for.
pub(super) fn draft(
    capabilities: &Capabilities,
    slots: &[Slot],
    settled: Option<&Settled>,
    mut description: SessionDescription,
) -> Result<(Vec<Slot>, SessionDescription), NegotiationError> {
    let mut slots = slots.to_vec();
    place(&mut slots, capabilities.streams.len());
    let mut taken: Vec<u8> = Vec::new();
    for (index, slot) in slots.iter_mut().enumerate() {
        let stream = slot.stream.filter(|_| slot.live).and_then(|stream| capabilities.streams.get(stream));
        let before = settled.and_then(|settled| Some((settled.local.media.get(index)?, settled)));
        let (Some(number), Some(stream)) = (slot.stream, stream) else {
            slot.live = false;
            description.media.push(disabled(before.map(|(media, _)| media)));
            continue;
        };
        let formats = assign(wishes(stream), &slot.numbers, &taken);
        let protocol = protocol(stream, before.map(|(media, _)| media).filter(|media| media.port != 0));
        let by_dtls = protocol.is_secure() && (protocol.is_dtls() || is_by_dtls(stream, index, settled));
        if let Some(lacks) = lacks(stream, &protocol, by_dtls, &formats) {
            return Err(NegotiationError::Unofferable { stream: number, lacks });
        }
        let mut media = section(stream, stream.port, protocol, &formats);
        if by_dtls {
            dtls(stream, Setup::ActPass, &mut media.attributes);
        } else if media.protocol().is_secure() {
            let tags = (1..).zip(&stream.crypto);
            tags.for_each(|(tag, crypto)| media.attributes.push_typed(&crypto.clone().with_tag(tag)));
        }
        let mux = stream.rtcp_mux && !formats.iter().any(Format::collides_with_rtcp);
        transport(stream, mux, stream.ice.as_ref(), &mut media.attributes);
        if capabilities.bundle {
            let mid = before.and_then(|(media, _)| bundle::mid(media));
            let mid = mid.unwrap_or_else(|| fresh_mid(index, &description, settled));
            media.attributes.extend(Attribute::new("mid", &mid));
        }
        formats.iter().for_each(|format| slot.numbers.learn(format));
        taken.extend(formats.iter().map(|format| format.map.payload_type));
        description.media.push(media);
    }
    if capabilities.bundle {
        bundle::gather(&mut description, settled);
    }
    if is_lite(capabilities) {
        description.attributes.push(Attribute::constant("ice-lite"));
    }
    Ok((slots, description))
}

/// Whether the keys come from DTLS though the protocol does not say so: as they came before, else as the policy wants.
fn is_by_dtls(stream: &Stream, index: usize, settled: Option<&Settled>) -> bool {
    let media = settled.and_then(|settled| settled.accepted.agreement.media.get(index));
    match media.and_then(|media| media.outcome.as_ref().ok()).map(|agreed| &agreed.security) {
        Some(Security::Dtls { .. }) => true,
        Some(Security::Sdes { .. }) => false,
        Some(Security::None) | None => stream.srtp == SrtpPolicy::Dtls,
    }
}

/// What a stream lacks to be offered, if anything: an offer that names what is not there can only end badly, and an encrypted
/// one without keys must not become a clear one.
fn lacks(stream: &Stream, protocol: &Protocol, by_dtls: bool, formats: &[Format]) -> Option<&'static str> {
    if stream.port == 0 {
        Some("a port")
    } else if formats.is_empty() {
        Some("a codec")
    } else if by_dtls {
        stream.fingerprints.is_empty().then_some("a certificate's fingerprint for DTLS")
    } else if protocol.is_secure() {
        stream.crypto.is_empty().then_some("a key for SRTP")
    } else {
        None
    }
}

/// A lite agent is so for the whole session ([RFC 8839 §5.3]).
///
/// [RFC 8839 §5.3]: https://www.rfc-editor.org/rfc/rfc8839#section-5.3
pub(super) fn is_lite(capabilities: &Capabilities) -> bool {
    capabilities.streams.iter().any(|stream| stream.ice.as_ref().is_some_and(|ice| ice.lite))
}

/// The position as a name, or a later number when a section has that name already.
fn fresh_mid(index: usize, description: &SessionDescription, settled: Option<&Settled>) -> Text {
    let standing = settled.map(|settled| settled.local.media.as_slice()).unwrap_or_default();
    let used: Vec<Text> = description.media.iter().chain(standing).filter_map(bundle::mid).collect();
    let fresh = (index..).map(|number| Text::from(number.to_string())).find(|mid| !used.contains(mid));
    fresh.unwrap_or_default()
}

/// Gives each stream that never had a position one: a dead position first, else one at the end ([RFC 3264 §8.1]).
/// A stream whose position is dead was refused or removed by the peer, and is not offered again.
///
/// [RFC 3264 §8.1]: https://www.rfc-editor.org/rfc/rfc3264#section-8.1
fn place(slots: &mut Vec<Slot>, streams: usize) {
    for stream in 0..streams {
        if slots.iter().any(|slot| slot.stream == Some(stream)) {
            continue;
        }
        let fresh = Slot { stream: Some(stream), live: true, ..Slot::default() };
        match slots.iter_mut().find(|slot| !slot.live) {
            Some(dead) => *dead = fresh,
            None => slots.push(fresh),
        }
    }
}

/// An encrypted stream stays so, and keeps its profile; the rest is the policy's.
fn protocol(stream: &Stream, before: Option<&Media>) -> Protocol {
    let before = before.map(Media::protocol);
    match (stream.srtp, before) {
        (SrtpPolicy::Off | SrtpPolicy::Optional, Some(before)) if !before.is_secure() => before.clone(),
        (SrtpPolicy::Off, _) => Protocol::RTP_AVP,
        (_, Some(before)) if before.is_secure() => before.clone(),
        (SrtpPolicy::Optional, _) => Protocol::RTP_AVP,
        (SrtpPolicy::Required, _) => Protocol::RTP_SAVP,
        (SrtpPolicy::Dtls, _) => Protocol::UDP_TLS_RTP_SAVPF,
    }
}

/// A section with these formats, our direction and our packet times.
pub(super) fn section(stream: &Stream, port: u16, protocol: Protocol, formats: &[Format]) -> Media {
    let list: Vec<String> = formats.iter().map(|format| format.map.payload_type.to_string()).collect();
    let list = Text::from(list.join(" "));
    let mut media = Media::from_parts(Text::from_static(stream.kind.as_str()), port, protocol, list);
    for format in formats {
        media.attributes.push_typed(&format.map);
        if let Some(parameters) = format.fmtp.clone() {
            let number = Text::from(format.map.payload_type.to_string());
            media.attributes.push_typed(&Fmtp { format: number, parameters });
        }
    }
    // More than 0, RFC 3264 §5.1.
    let positive = |ms: &u16| *ms > 0;
    stream.ptime_ms.filter(positive).iter().for_each(|ms| media.attributes.push_typed(&Ptime(*ms)));
    stream.maxptime_ms.filter(positive).iter().for_each(|ms| media.attributes.push_typed(&MaxPtime(*ms)));
    media.attributes.set_direction(stream.direction);
    media
}

/// What belongs to the transport: RTCP, ICE.
pub(super) fn transport(stream: &Stream, rtcp_mux: bool, ice: Option<&Ice>, attributes: &mut Attributes) {
    if let Some(port) =
        stream.rtcp_port.filter(|port| *port != 0 && stream.port.checked_add(1) != Some(*port))
    {
        attributes.push_typed(&Rtcp::new(port));
    }
    if rtcp_mux {
        attributes.push(Attribute::constant("rtcp-mux"));
    }
    if let Some(ice) = ice {
        ice.credentials.write(attributes);
        attributes.extend(ice.candidates.iter().flat_map(|candidate| Attribute::new("candidate", candidate)));
    }
}

pub(super) fn dtls(stream: &Stream, setup: Setup, attributes: &mut Attributes) {
    stream.fingerprints.iter().for_each(|fingerprint| attributes.push_typed(fingerprint));
    attributes.push_typed(&setup);
}

/// Port 0 and the formats that were there ([RFC 3264 §8.2]).
///
/// [RFC 3264 §8.2]: https://www.rfc-editor.org/rfc/rfc3264#section-8.2
fn disabled(before: Option<&Media>) -> Media {
    match before {
        Some(before) => refused(before),
        None => {
            let mut media =
                Media::from_parts(Text::from_static("audio"), 0, Protocol::RTP_AVP, Text::from_static("0"));
            media.attributes.set_direction(Direction::Inactive);
            media
        }
    }
}

/// A section with the same media type, protocol and formats, at port 0. Its name stays, for peers that tell sections by it
/// ([RFC 8829 §5.3.1]).
///
/// [RFC 8829 §5.3.1]: https://www.rfc-editor.org/rfc/rfc8829#section-5.3.1
pub(super) fn refused(media: &Media) -> Media {
    let formats = media.format_list().clone();
    let mut refused = Media::from_parts(media.kind().clone(), 0, media.protocol().clone(), formats);
    refused.attributes.extend(bundle::mid(media).and_then(|mid| Attribute::new("mid", &mid).ok()));
    refused
}

//! One transport for several m-lines: BUNDLE ([RFC 9143]).
//!
//! Only the tagged section, the first of the group, carries what belongs to the transport. So that the rest of the negotiation need
//! not know, `spread` writes it into the other sections first; `join` and `gather` take it out of ours again.
//!
//! [RFC 9143]: https://www.rfc-editor.org/rfc/rfc9143

use std::borrow::Cow;

use super::{Notes, Settled};
use crate::attribute::{Attribute, Group, Mid};
use crate::{Agreement, Media, SessionDescription, Text, Why};

/// The attributes of the categories TRANSPORT and IDENTICAL that we know ([RFC 8859 §5]), those together that make sense only
/// together.
///
/// [RFC 8859 §5]: https://www.rfc-editor.org/rfc/rfc8859#section-5
const TOGETHER: [&[&str]; 4] = [
    &["ice-ufrag", "ice-pwd", "candidate", "end-of-candidates"],
    &["fingerprint", "setup", "tls-id"],
    &["crypto"],
    &["rtcp-mux", "rtcp-mux-only", "rtcp"],
];

const BUNDLE_ONLY: &str = "bundle-only";

fn is_transport(attribute: &Attribute) -> bool {
    TOGETHER.iter().any(|together| together.contains(&attribute.name()))
}

/// The `a=mid` of a section.
pub(super) fn mid(media: &Media) -> Option<Text> {
    media.attributes.get::<Mid>().ok().flatten().map(|Mid(name)| name)
}

/// The positions of the m-lines in the first BUNDLE group, in the group's order, each once.
fn members(session: &SessionDescription) -> Vec<usize> {
    let group =
        session.attributes.all::<Group>().filter_map(Result::ok).find(|group| group.semantics == "BUNDLE");
    let mids: Vec<Option<Text>> = session.media.iter().map(mid).collect();
    let mut members = Vec::new();
    for name in group.iter().flat_map(Group::members) {
        let position = mids.iter().position(|mid| mid.as_deref() == Some(name));
        if let Some(position) = position.filter(|position| !members.contains(position)) {
            members.push(position);
        }
    }
    members
}

/// A peer's description with the transport of its group's tagged section in all sections of the group that leave it out, and
/// with its port where they are bundle-only.
pub(super) fn spread(session: &SessionDescription) -> Cow<'_, SessionDescription> {
    let members = members(session);
    let in_use = |index: &usize| session.media.get(*index).is_some_and(|media| media.port != 0);
    let Some(tagged) = members.iter().copied().find(in_use) else { return Cow::Borrowed(session) };
    let Some(shared) = session.media.get(tagged).cloned() else { return Cow::Borrowed(session) };
    let mut spread = session.clone();
    for index in members.into_iter().filter(|index| *index != tagged) {
        let Some(media) = spread.media.get_mut(index) else { continue };
        if media.port == 0 && media.attributes.contains(BUNDLE_ONLY) {
            media.port = shared.port;
            media.connections = shared.connections.clone();
        }
        if media.port != shared.port {
            continue; // A port of its own and a transport of its own, RFC 9143 §7.1.3.
        }
        for together in TOGETHER {
            if together.iter().any(|name| media.attributes.contains(name)) {
                continue;
            }
            let missing = shared.attributes.iter().filter(|attribute| together.contains(&attribute.name()));
            media.attributes.extend(missing.cloned());
        }
    }
    Cow::Owned(spread)
}

/// Puts our answer's accepted sections into the offered group: all behind one port, the transport in the tagged one alone. Returns the
/// sections that the offerer wants in a group or not at all, and that are in none.
///
/// The tagged one is the first that is accepted and was offered with a port of its own ([RFC 9143 §7.3.1]). Others join
/// it if they multiplex RTCP ([RFC 9143 §9.3]) over the same protocol.
///
/// [RFC 9143 §7.3.1]: https://www.rfc-editor.org/rfc/rfc9143#section-7.3.1
/// [RFC 9143 §9.3]: https://www.rfc-editor.org/rfc/rfc9143#section-9.3
pub(super) fn join(
    offer: &SessionDescription,
    description: &mut SessionDescription,
    agreement: &mut Agreement,
) -> Vec<usize> {
    let offered = members(offer);
    let accepted = |index: usize| agreement.media.get(index).and_then(|media| media.outcome.as_ref().ok());
    let own_port = |index: &usize| offer.media.get(*index).is_some_and(|media| media.port != 0);
    let tagged = offered.iter().copied().filter(own_port).find(|index| accepted(*index).is_some());
    let transport = tagged.and_then(accepted).cloned();
    let fits = |index: &usize| match (&transport, accepted(*index)) {
        (Some(first), Some(other)) => first.rtcp_mux && other.rtcp_mux && first.protocol == other.protocol,
        _ => false,
    };
    let rest: Vec<usize> =
        offered.iter().copied().filter(|index| Some(*index) != tagged).filter(fits).collect();
    if let (Some(tagged), false) = (tagged, rest.is_empty()) {
        merge(description, tagged, &rest);
        share(agreement, tagged, &rest);
    }
    let must_join = |media: &Media| media.port == 0 && media.attributes.contains(BUNDLE_ONLY);
    // A port that the tagged section has too means a group that stands: no section leaves it by an answer, RFC 9143 §7.3.2.
    let shared = tagged.and_then(|tagged| offer.media.get(tagged)).map(|media| media.port);
    let must_join = |media: &Media| must_join(media) || (media.port != 0 && Some(media.port) == shared);
    let stranded = |index: &usize| {
        let outside = Some(*index) != tagged && !rest.contains(index);
        outside && offer.media.get(*index).is_some_and(must_join)
    };
    let stranded: Vec<usize> = offered.into_iter().filter(stranded).collect();
    stranded
        .into_iter()
        .filter(|index| agreement.media.get(*index).is_some_and(|media| media.outcome.is_ok()))
        .collect()
}

/// Writes the group, and one port for all of it; the transport stays in the tagged section.
fn merge(description: &mut SessionDescription, tagged: usize, rest: &[usize]) {
    let Some(port) = description.media.get(tagged).map(|media| media.port) else { return };
    for index in rest {
        if let Some(media) = description.media.get_mut(*index) {
            media.port = port;
            media.attributes.retain(|attribute| !is_transport(attribute));
        }
    }
    write_group(description, std::iter::once(tagged).chain(rest.iter().copied()));
}

fn write_group(description: &mut SessionDescription, members: impl Iterator<Item = usize>) {
    let mids: Vec<Text> = members.filter_map(|index| mid(description.media.get(index)?)).collect();
    let group = mids.iter().fold(String::from("BUNDLE"), |group, mid| group + " " + mid);
    description.attributes.extend(Attribute::new("group", &group));
}

/// Gives the m-lines of a group the transport of its tagged one.
fn share(agreement: &mut Agreement, tagged: usize, rest: &[usize]) {
    let transport = agreement.media.get(tagged).and_then(|media| media.outcome.as_ref().ok()).cloned();
    let Some(transport) = transport else { return };
    for index in rest {
        if let Some(Ok(agreed)) = agreement.media.get_mut(*index).map(|media| media.outcome.as_mut()) {
            agreed.bundled_with = Some(tagged);
            agreed.remote = transport.remote.clone();
            agreed.remote_port = transport.remote_port;
            agreed.remote_rtcp = transport.remote_rtcp.clone();
            agreed.remote_rtcp_port = transport.remote_rtcp_port;
            agreed.rtcp_mux = transport.rtcp_mux;
            agreed.security = transport.security.clone();
            agreed.ice = transport.ice.clone();
        }
    }
}

/// Notes which m-lines share a transport, and which were offered to and do not.
pub(super) fn explain(offer: &SessionDescription, agreement: &Agreement, notes: &mut Notes) {
    let grouped = members(offer);
    let tagged: Vec<usize> = agreement.accepted().filter_map(|agreed| agreed.bundled_with).collect();
    for (index, media) in agreement.media.iter().enumerate() {
        let Ok(agreed) = &media.outcome else { continue };
        notes.begin(index, &media.kind);
        match agreed.bundled_with {
            Some(with) => notes.add(Why::Bundled { with }),
            None if grouped.contains(&index) && grouped.len() > 1 && !tagged.contains(&index) => {
                notes.add(Why::NotBundled);
            }
            None => {}
        }
    }
}

/// Applies the group of an answer to ours ([RFC 9143 §7.4]); what it names and we did not offer is left out.
///
/// [RFC 9143 §7.4]: https://www.rfc-editor.org/rfc/rfc9143#section-7.4
pub(super) fn settle(agreement: &mut Agreement, offer: &SessionDescription, answer: &SessionDescription) {
    let offered = members(offer);
    let answered: Vec<usize> = members(answer).into_iter().filter(|index| offered.contains(index)).collect();
    if let Some((tagged, rest)) = answered.split_first() {
        share(agreement, *tagged, rest);
    }
}

/// Our bundle-only sections that the answer accepts outside of a group: they have no port of ours ([RFC 9143 §6]).
///
/// [RFC 9143 §6]: https://www.rfc-editor.org/rfc/rfc9143#section-6
pub(super) fn strays(agreement: &Agreement, offer: &SessionDescription) -> Vec<usize> {
    let alone = |agreed: &&crate::Agreed| {
        let portless = offer.media.get(agreed.media).is_some_and(|media| media.port == 0);
        let tagged = agreement.accepted().any(|other| other.bundled_with == Some(agreed.media));
        portless && agreed.bundled_with.is_none() && !tagged
    };
    agreement.accepted().filter(alone).map(|agreed| agreed.media).collect()
}

/// Offers our sections that have a mid and multiplex RTCP as a group ([RFC 9143 §7.2], [RFC 9143 §7.5]): in a group that stands all
/// have the port of the tagged one; in a new one those that have no port of their own are bundle-only.
///
/// [RFC 9143 §7.2]: https://www.rfc-editor.org/rfc/rfc9143#section-7.2
/// [RFC 9143 §7.5]: https://www.rfc-editor.org/rfc/rfc9143#section-7.5
pub(super) fn gather(description: &mut SessionDescription, settled: Option<&Settled>) {
    let joins =
        |media: &Media| media.port != 0 && mid(media).is_some() && media.attributes.contains("rtcp-mux");
    let members: Vec<usize> = description
        .media
        .iter()
        .enumerate()
        .filter(|(_, media)| joins(media))
        .map(|(index, _)| index)
        .collect();
    let [tagged, rest @ ..] = members.as_slice() else { return };
    let Some(shared) = description.media.get(*tagged).map(|media| media.port) else { return };
    if rest.is_empty() {
        return;
    }
    let stands = |index: usize| {
        let media = settled.and_then(|settled| settled.accepted.agreement.media.get(index));
        media
            .and_then(|media| media.outcome.as_ref().ok())
            .is_some_and(|agreed| agreed.bundled_with == Some(*tagged))
    };
    for index in rest {
        let Some(media) = description.media.get_mut(*index) else { continue };
        if stands(*index) {
            media.port = shared;
        } else if media.port == shared {
            media.port = 0;
            media.attributes.push(Attribute::constant(BUNDLE_ONLY));
        } else {
            continue;
        }
        media.attributes.retain(|attribute| !is_transport(attribute));
    }
    write_group(description, members.iter().copied());
}

//! One transport for several m-lines: BUNDLE ([RFC 9143]).
//!
//! Only the tagged section, the first of the group, carries what belongs to the transport. So that the rest of the negotiation need
//! not know, `spread` writes it into the other sections first; `join` and `gather` take it out of ours again.
//!
//! [RFC 9143]: https://www.rfc-editor.org/rfc/rfc9143

use std::borrow::Cow;

use super::Settled;
use crate::attribute::{Attribute, Group, Mid};
use crate::{Agreement, Media, SessionDescription, Text};

/// The attributes of the categories TRANSPORT and IDENTICAL that we know ([RFC 8859 §5]).
///
/// [RFC 8859 §5]: https://www.rfc-editor.org/rfc/rfc8859#section-5
const TRANSPORT: [&str; 11] = [
    "candidate",
    "crypto",
    "end-of-candidates",
    "fingerprint",
    "ice-pwd",
    "ice-ufrag",
    "rtcp",
    "rtcp-mux",
    "rtcp-mux-only",
    "setup",
    "tls-id",
];

const BUNDLE_ONLY: &str = "bundle-only";

fn is_transport(attribute: &Attribute) -> bool {
    TRANSPORT.contains(&attribute.name())
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
        if !media.attributes.iter().any(is_transport) {
            media
                .attributes
                .extend(shared.attributes.iter().filter(|attribute| is_transport(attribute)).cloned());
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
    let stranded = |index: &usize| offer.media.get(*index).is_some_and(must_join) && !rest.contains(index);
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

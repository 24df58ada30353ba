//! Clear, SDES or DTLS: what a policy makes of a transport protocol and its keys.

use super::Notes;
use crate::attribute::{Attributes, Crypto, Fingerprint, Setup};
use crate::{
    AttributeError, DtlsRole, Media, Refused, Security, SessionDescription, SrtpPolicy, Stream, Why,
};

/// What the answerer makes of an offered m-line.
pub(super) fn choose(
    stream: &Stream,
    offer: &SessionDescription,
    media: &Media,
    before: Option<&Security>,
    notes: &mut Notes,
) -> Result<Security, Refused> {
    let protocol = media.protocol();
    let wants_dtls = stream.srtp == SrtpPolicy::Dtls;
    if !protocol.is_secure() {
        if matches!(stream.srtp, SrtpPolicy::Required | SrtpPolicy::Dtls) {
            return Err(Refused::NotEncrypted);
        }
        note_ignored_crypto(media, notes);
        return Ok(Security::None);
    }
    if stream.srtp == SrtpPolicy::Off {
        return Err(Refused::Encrypted);
    }
    // RTP/SAVPF with a fingerprint and no a=crypto is what browsers wrote before they wrote UDP/TLS/RTP/SAVPF.
    let (session, own) = (&offer.attributes, &media.attributes);
    let printed = own.contains("fingerprint") || session.contains("fingerprint");
    let by_fingerprint = printed && !own.contains("crypto") && !stream.fingerprints.is_empty();
    if protocol.is_dtls() || wants_dtls || by_fingerprint {
        if stream.fingerprints.is_empty() {
            return Err(if wants_dtls { Refused::NoUsableFingerprint } else { Refused::UnknownTransport });
        }
        return dtls_answerer(offer, media, before, notes);
    }
    sdes_answerer(stream, media, notes)
}

/// [RFC 4568 §6]: keys mean nothing without an SRTP transport.
///
/// [RFC 4568 §6]: https://www.rfc-editor.org/rfc/rfc4568#section-6
pub(super) fn note_ignored_crypto(media: &Media, notes: &mut Notes) {
    if media.attributes.contains("crypto") {
        notes.add(Why::CryptoIgnored);
    }
}

/// The first of the offerer's lines that is valid and whose suite we have ([RFC 4568 §5.1.2]).
///
/// [RFC 4568 §5.1.2]: https://www.rfc-editor.org/rfc/rfc4568#section-5.1.2
fn sdes_answerer(stream: &Stream, media: &Media, notes: &mut Notes) -> Result<Security, Refused> {
    for remote in media.attributes.all::<Crypto>() {
        let Ok(remote) = remote else {
            notes.add(Why::CryptoPassedOver { tag: None });
            continue;
        };
        let own = stream.crypto.iter().find(|own| own.suite() == remote.suite());
        match own.filter(|own| remote.is_usable() && keys_differ(own, &remote)) {
            Some(own) => {
                notes.add(Why::CryptoChosen { tag: remote.tag, suite: remote.suite().clone() });
                return Ok(Security::Sdes { local: own.clone().with_tag(remote.tag), remote });
            }
            None => notes.add(Why::CryptoPassedOver { tag: Some(remote.tag) }),
        }
    }
    Err(Refused::NoUsableCrypto)
}

/// The line of the answer must name one of ours by tag and suite, with a key of its own ([RFC 4568 §5.1.3]).
///
/// [RFC 4568 §5.1.3]: https://www.rfc-editor.org/rfc/rfc4568#section-5.1.3
pub(super) fn sdes_offerer(local: &Media, remote: &Media, notes: &mut Notes) -> Result<Security, Refused> {
    let mut answered = remote.attributes.all::<Crypto>();
    let (Some(Ok(remote)), None) = (answered.next(), answered.next()) else {
        return Err(Refused::NoUsableCrypto);
    };
    let mut own = local.attributes.all::<Crypto>().filter_map(Result::ok);
    let own = own.find(|own| own.tag == remote.tag && own.suite() == remote.suite());
    let own =
        own.filter(|own| remote.is_usable() && keys_differ(own, &remote)).ok_or(Refused::NoUsableCrypto)?;
    notes.add(Why::CryptoChosen { tag: remote.tag, suite: remote.suite().clone() });
    Ok(Security::Sdes { local: own, remote })
}

/// Both sides with one key would encrypt twice with one key stream ([RFC 4568 §7.1.2]). The keys were sent in the
/// same descriptions, so there is no secret that the time of this comparison could give away.
///
/// [RFC 4568 §7.1.2]: https://www.rfc-editor.org/rfc/rfc4568#section-7.1.2
fn keys_differ(own: &Crypto, remote: &Crypto) -> bool {
    let keys = |crypto: &Crypto| -> Vec<_> {
        crypto.keys().filter_map(Result::ok).map(|key| key.base64.trim_end_matches('=').to_owned()).collect()
    };
    let own = keys(own);
    keys(remote).iter().all(|key| !own.contains(key))
}

/// Fingerprints of the media section, else of the session. One that cannot be read, or is of a broken hash
/// ([RFC 8122 §5]), is passed over: another may be good.
///
/// [RFC 8122 §5]: https://www.rfc-editor.org/rfc/rfc8122#section-5
fn fingerprints(session: &Attributes, media: &Attributes, notes: &mut Notes) -> Vec<Fingerprint> {
    let from = if media.contains("fingerprint") { media } else { session };
    let mut good = Vec::new();
    for fingerprint in from.all::<Fingerprint>() {
        match fingerprint {
            Ok(one) if matches!(one.hash.as_str(), "md2" | "md5") => {
                notes.add(Why::WeakFingerprint { hash: one.hash });
            }
            Ok(one) => good.push(one),
            Err(error) => notes.add(Why::AttributeUnreadable(error)),
        }
    }
    good
}

fn setup(session: &Attributes, media: &Attributes) -> Result<Option<Setup>, AttributeError> {
    Ok(media.get::<Setup>()?.or(session.get::<Setup>()?))
}

fn read_dtls(
    session: &SessionDescription,
    media: &Media,
    notes: &mut Notes,
) -> Result<(Vec<Fingerprint>, Option<Setup>), Refused> {
    let (session, media) = (&session.attributes, &media.attributes);
    let found = fingerprints(session, media, notes);
    match setup(session, media) {
        Ok(_) if found.is_empty() => Err(Refused::NoUsableFingerprint),
        Ok(setup) => Ok((found, setup)),
        Err(error) => {
            notes.add(Why::AttributeUnreadable(error));
            Err(Refused::NoUsableFingerprint)
        }
    }
}

/// An answerer free to choose begins, unless the association stands: then it keeps its role
/// ([RFC 5763 §5], [RFC 8842 §5.3]).
///
/// [RFC 5763 §5]: https://www.rfc-editor.org/rfc/rfc5763#section-5
/// [RFC 8842 §5.3]: https://www.rfc-editor.org/rfc/rfc8842#section-5.3
fn dtls_answerer(
    offer: &SessionDescription,
    media: &Media,
    before: Option<&Security>,
    notes: &mut Notes,
) -> Result<Security, Refused> {
    let (fingerprints, setup) = read_dtls(offer, media, notes)?;
    let standing = before.and_then(|security| match security {
        Security::Dtls { role, fingerprints: known } if *known == fingerprints => Some(*role),
        Security::Dtls { .. } | Security::Sdes { .. } | Security::None => None,
    });
    let role = match setup {
        Some(Setup::ActPass) => standing.unwrap_or(DtlsRole::Client),
        Some(Setup::Passive) => DtlsRole::Client,
        // RFC 4145 §4: an offer that says nothing is active.
        Some(Setup::Active) | None => DtlsRole::Server,
        Some(Setup::HoldConn) => return Err(Refused::NoUsableFingerprint),
    };
    notes.add(Why::DtlsRole { role });
    Ok(Security::Dtls { role, fingerprints })
}

/// The answer says who begins; it may not leave it open, nor take the part that our offer (a refresh says what we last said)
/// took ([RFC 4145 §4.1]).
///
/// [RFC 4145 §4.1]: https://www.rfc-editor.org/rfc/rfc4145#section-4.1
pub(super) fn dtls_offerer(
    local: &Media,
    answer: &SessionDescription,
    media: &Media,
    notes: &mut Notes,
) -> Result<Security, Refused> {
    let (fingerprints, setup) = read_dtls(answer, media, notes)?;
    let own = local.attributes.get::<Setup>().ok().flatten().unwrap_or(Setup::ActPass);
    let role = match setup {
        Some(Setup::Active) if own != Setup::Active => DtlsRole::Server,
        Some(Setup::Passive) if own != Setup::Passive => DtlsRole::Client,
        Some(_) | None => return Err(Refused::NoUsableFingerprint),
    };
    notes.add(Why::DtlsRole { role });
    Ok(Security::Dtls { role, fingerprints })
}

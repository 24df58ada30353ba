//! Capabilities → offer and answer; what was agreed → [`Agreement`].

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use sdp::{Direction, MediaKind, Negotiation, NegotiationError, Origin, Security, SessionDescription};
use srtp::{MasterKey, Profile, sdes};

use crate::agreement::{AgreedCodec, PayloadTypes};
use crate::random::Random;
use crate::{Agreement, CodecId, FRAME_DURATION, SrtpKeys};

/// The most audio in a packet we send.
const LONGEST_PTIME: Duration = Duration::from_millis(60);
/// The most audio in a packet we receive, told to the peer: a jitter buffer must have room for it.
pub(crate) const LONGEST_RECEIVED: Duration = Duration::from_millis(80);
/// Octets enough for key and salt of every profile.
const KEY_MATERIAL: usize = 64;

/// Whether media is encrypted (SRTP with keys in SDP, [RFC 4568]).
///
/// [RFC 4568]: https://www.rfc-editor.org/rfc/rfc4568
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum SrtpPolicy {
    /// Never: offers RTP/AVP and refuses RTP/SAVP.
    Off,
    /// If the peer wants it: offers RTP/AVP, and takes RTP/SAVP when it is offered.
    #[default]
    Optional,
    /// Always: offers RTP/SAVP and refuses anything clear.
    Required,
}

/// What we can do and want, before anything is agreed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Capabilities {
    /// The codecs, the best first. Default PCMU, PCMA.
    pub codecs: Vec<CodecId>,
    /// Whether digits go as telephone-event ([RFC 4733]). Default yes.
    ///
    /// [RFC 4733]: https://www.rfc-editor.org/rfc/rfc4733
    pub telephone_event: bool,
    /// How much audio we would like in each packet. Default 20 ms.
    pub ptime: Duration,
    /// Whether RTCP may share the port of RTP ([RFC 5761]). Default no.
    ///
    /// [RFC 5761]: https://www.rfc-editor.org/rfc/rfc5761
    pub rtcp_mux: bool,
    /// Which ways audio may flow at most, seen from us. Default both.
    pub direction: Direction,
    /// Whether media is encrypted. Default [`SrtpPolicy::Optional`].
    pub srtp: SrtpPolicy,
    /// The SRTP profiles, the best first. Default AES-CM with 80-bit tags, then 256-bit keys, then 32-bit tags.
    pub profiles: Vec<Profile>,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            codecs: vec![CodecId::Pcmu, CodecId::Pcma],
            telephone_event: true,
            ptime: FRAME_DURATION,
            rtcp_mux: false,
            direction: Direction::SendRecv,
            srtp: SrtpPolicy::default(),
            profiles: vec![
                Profile::AesCm128HmacSha1_80,
                Profile::AesCm256HmacSha1_80,
                Profile::AesCm128HmacSha1_32,
            ],
        }
    }
}

impl Capabilities {
    /// Sets the codecs, the best first.
    #[must_use]
    pub fn codecs(mut self, codecs: impl IntoIterator<Item = CodecId>) -> Self {
        self.codecs = codecs.into_iter().collect();
        self
    }

    /// Sets whether digits go as telephone-event.
    #[must_use]
    pub fn telephone_event(mut self, telephone_event: bool) -> Self {
        self.telephone_event = telephone_event;
        self
    }

    /// Sets how much audio we would like in each packet.
    #[must_use]
    pub fn ptime(mut self, ptime: Duration) -> Self {
        self.ptime = ptime;
        self
    }

    /// Sets whether RTCP may share the port of RTP.
    #[must_use]
    pub fn rtcp_mux(mut self, rtcp_mux: bool) -> Self {
        self.rtcp_mux = rtcp_mux;
        self
    }

    /// Sets which ways audio may flow at most: [`Direction::Inactive`] for calls without media.
    #[must_use]
    pub fn direction(mut self, most: Direction) -> Self {
        self.direction = most;
        self
    }

    /// Sets whether media is encrypted.
    #[must_use]
    pub fn srtp(mut self, policy: SrtpPolicy) -> Self {
        self.srtp = policy;
        self
    }

    /// Sets the SRTP profiles, the best first.
    #[must_use]
    pub fn profiles(mut self, profiles: impl IntoIterator<Item = Profile>) -> Self {
        self.profiles = profiles.into_iter().collect();
        self
    }
}

/// Why an offer or answer cannot be used; its text says which line of the peer's was the trouble.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The descriptions do not fit together; to be answered 488 where it is an offer.
    #[error(transparent)]
    Negotiation(#[from] NegotiationError),
    /// There is an agreement, and no audio in it.
    #[error("no audio was agreed")]
    NoAudio,
    /// The peer wants its audio at a host name, or at an address of the other family: nothing would get there.
    #[error("audio to {remote} cannot be sent: it is no {family} address")]
    Unreachable {
        /// Where the peer wants it.
        remote: String,
        /// The family that our own address is of.
        family: &'static str,
    },
    /// The peer's SRTP key cannot be used.
    #[error("the SRTP key cannot be used")]
    Key,
}

/// The media side of one dialog's offers and answers ([RFC 3264]): one audio stream.
///
/// SRTP keys for what we send are made once, and stay through hold and session refresh, as peers expect.
///
/// [RFC 3264]: https://www.rfc-editor.org/rfc/rfc3264
#[derive(Clone, Debug)]
pub struct Plan {
    negotiation: Negotiation,
    stream: sdp::Stream,
    /// What makes the keys for SRTP, until an offer or answer needs them: most calls are in the clear.
    keys: Option<Keys>,
    address: SocketAddr,
    /// What we may want at most.
    most: Direction,
    /// What we want, as of our last offer; a peer's offer cannot lift a hold of ours.
    wanted: Direction,
    /// What we wanted before the offer that is pending.
    wanted_before: Direction,
    agreement: Option<Agreement>,
}

impl Plan {
    /// A plan for a new call; `local` is our address for RTP as the peer is to see it, `seed` comes from a good random
    /// source: SRTP keys are drawn from it.
    #[must_use]
    pub fn new(capabilities: Capabilities, local: SocketAddr, seed: [u8; 32]) -> Self {
        let mut random = Random::new(seed);
        let session_id = (u64::from(random.u32()) << 30) | u64::from(random.u32() >> 2);
        let ptime = u16::try_from(capabilities.ptime.as_millis()).ok();
        let stream = sdp::Stream::audio(local.port())
            .codecs(capabilities.codecs.iter().map(|codec| codec.describe()))
            .telephone_event(capabilities.telephone_event)
            .ptime_ms(ptime)
            .maxptime_ms(u16::try_from(LONGEST_RECEIVED.as_millis()).ok())
            .rtcp_mux(capabilities.rtcp_mux);
        let policy = match capabilities.srtp {
            SrtpPolicy::Off => None,
            SrtpPolicy::Optional => Some(sdp::SrtpPolicy::Optional),
            SrtpPolicy::Required => Some(sdp::SrtpPolicy::Required),
        };
        let stream = match policy {
            Some(policy) => stream.srtp(policy, []),
            None => stream,
        };
        let keys = policy.map(|_| Keys { profiles: capabilities.profiles, seed: random.seed() });
        Self {
            negotiation: Negotiation::new(session_id),
            stream,
            keys,
            address: local,
            most: capabilities.direction,
            wanted: capabilities.direction,
            wanted_before: capabilities.direction,
            agreement: None,
        }
    }

    /// An offer in which we want at most `direction`: [`Direction::SendOnly`] puts the peer on hold.
    ///
    /// One that is pending is given up for it.
    pub fn offer(&mut self, direction: Direction) -> SessionDescription {
        self.rollback();
        self.make_keys();
        self.wanted_before = std::mem::replace(&mut self.wanted, direction.and(self.most));
        let capabilities = self.capabilities();
        match self.negotiation.offer(&capabilities) {
            Ok(offer) => offer.description,
            // Cannot be, since nothing is pending; an offer without media would end the call in good order.
            Err(_) => SessionDescription::new(Origin::anonymous(0, 0, self.address.ip())),
        }
    }

    /// The offer of a session refresh: what we said last, byte for byte ([RFC 4028 §7.4]). Before anything is agreed, and
    /// while an offer is pending, it is a new offer.
    ///
    /// [RFC 4028 §7.4]: https://www.rfc-editor.org/rfc/rfc4028#section-7.4
    pub fn refresh(&mut self) -> SessionDescription {
        match self.negotiation.refresh() {
            Ok(offer) => {
                self.wanted_before = self.wanted;
                offer.description
            }
            Err(_) => self.offer(self.wanted),
        }
    }

    /// Answers an offer.
    ///
    /// # Errors
    ///
    /// [`PlanError`] when nothing can be agreed, the policy forbids it, or an offer of ours is pending; what was agreed
    /// before then stands.
    pub fn answer(&mut self, offer: &SessionDescription) -> Result<SessionDescription, PlanError> {
        if offer.media.iter().any(|media| media.protocol().is_secure()) {
            self.make_keys();
        }
        let mut negotiation = self.negotiation.clone();
        let answer = negotiation.answer(offer, &self.capabilities())?;
        self.agreement = Some(agreed(&answer.agreement, self.address)?);
        self.negotiation = negotiation;
        Ok(answer.description)
    }

    /// Takes the answer to our offer.
    ///
    /// # Errors
    ///
    /// [`PlanError`] when it does not fit the offer or cannot be used; the offer is then still pending, for
    /// [`Plan::rollback`].
    pub fn accept(&mut self, answer: &SessionDescription) -> Result<(), PlanError> {
        let mut negotiation = self.negotiation.clone();
        let accepted = negotiation.accept(answer)?;
        self.agreement = Some(agreed(&accepted.agreement, self.address)?);
        self.negotiation = negotiation;
        self.wanted_before = self.wanted;
        Ok(())
    }

    /// Our last offer was refused or withdrawn: what was agreed before stands.
    pub fn rollback(&mut self) {
        self.negotiation.rollback();
        self.wanted = self.wanted_before;
    }

    /// The plan for another early dialog of the same INVITE: the offer is the same, the answer its own.
    #[must_use]
    pub fn fork(&self) -> Self {
        self.clone()
    }

    /// Which way audio flows, seen from us; `None` before anything is agreed.
    #[must_use]
    pub fn direction(&self) -> Option<Direction> {
        self.agreement.as_ref().map(|agreement| agreement.direction)
    }

    /// What was agreed last.
    #[must_use]
    pub fn agreement(&self) -> Option<&Agreement> {
        self.agreement.as_ref()
    }

    /// Takes another address for RTP, and new keys with it, for the next offer or answer.
    pub fn relocate(&mut self, local: SocketAddr, seed: [u8; 32]) {
        let profiles: Vec<_> = match self.keys.take() {
            Some(keys) => keys.profiles,
            None => {
                let lines = self.stream.crypto.iter();
                lines.filter_map(|line| Profile::from_suite_name(line.suite())).collect()
            }
        };
        self.keys = (!profiles.is_empty()).then_some(Keys { profiles, seed });
        self.stream.crypto.clear();
        self.stream.port = local.port();
        self.address = local;
    }

    /// Makes the keys, once.
    fn make_keys(&mut self) {
        if let Some(Keys { profiles, seed }) = self.keys.take() {
            self.stream.crypto = keys(&profiles, &mut Random::new(seed));
        }
    }

    fn capabilities(&self) -> sdp::Capabilities {
        sdp::Capabilities::new(self.address.ip()).stream(self.stream.clone().direction(self.wanted))
    }
}

/// What keys are made of.
#[derive(Clone)]
struct Keys {
    profiles: Vec<Profile>,
    seed: [u8; 32],
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("profiles", &self.profiles).finish_non_exhaustive()
    }
}

/// A fresh key for each profile, as `a=crypto` lines.
fn keys(profiles: &[Profile], random: &mut Random) -> Vec<sdp::Crypto> {
    let mut line = |profile: &Profile| {
        let mut material = [0; KEY_MATERIAL];
        random.fill(&mut material);
        let key = MasterKey::generate(*profile, &material).ok()?;
        sdp::Crypto::new(1, profile.suite_name()?, &sdes::write(&key)).ok()
    };
    profiles.iter().filter_map(&mut line).collect()
}

/// What the session must know of a settled exchange.
fn agreed(agreement: &sdp::Agreement, local: SocketAddr) -> Result<Agreement, PlanError> {
    let audio = agreement.first(MediaKind::Audio).ok_or(PlanError::NoAudio)?;
    let reachable = audio.remote.ip().is_some_and(|remote| remote.is_ipv4() == local.is_ipv4());
    // An unspecified address asks for nothing, whatever its family.
    if !reachable && !audio.remote.is_unspecified() {
        let family = if local.is_ipv4() { "IPv4" } else { "IPv6" };
        return Err(PlanError::Unreachable { remote: audio.remote.to_string(), family });
    }
    let codecs: Vec<_> = audio.codecs.iter().filter_map(codec).collect();
    if codecs.is_empty() {
        return Err(PlanError::NoAudio);
    }
    let event = audio.telephone_event();
    Ok(Agreement {
        remote_rtp: audio.remote_rtp_address(),
        remote_rtcp: audio.remote_rtcp_address(),
        rtcp_mux: audio.rtcp_mux,
        direction: audio.direction,
        codecs,
        telephone_event: event.map(|event| PayloadTypes { send: event.send, receive: event.receive }),
        ptime: packet_time(audio.ptime_ms, audio.maxptime_ms),
        srtp: srtp_keys(&audio.security)?,
    })
}

fn codec(agreed: &sdp::AgreedCodec) -> Option<AgreedCodec> {
    let payload_types = PayloadTypes { send: agreed.send, receive: agreed.receive };
    Some(AgreedCodec { id: CodecId::from_name(&agreed.name)?, payload_types })
}

/// Whole frames of 20 ms, as many as the peer would like and takes.
fn packet_time(wanted_ms: Option<u16>, longest_ms: Option<u16>) -> Duration {
    let millis = |value: u16| Duration::from_millis(value.into());
    let longest = longest_ms.map_or(LONGEST_PTIME, millis).min(LONGEST_PTIME);
    let wanted = wanted_ms.map_or(FRAME_DURATION, millis).min(longest);
    let frames = u32::try_from(wanted.as_millis() / FRAME_DURATION.as_millis()).unwrap_or(1);
    FRAME_DURATION * frames.max(1)
}

fn srtp_keys(security: &Security) -> Result<Option<SrtpKeys>, PlanError> {
    match security {
        Security::None => Ok(None),
        Security::Sdes { local, remote } => {
            let profile = Profile::from_suite_name(remote.suite()).ok_or(PlanError::Key)?;
            let key = |line: &sdp::Crypto| sdes::parse(profile, line.key_text()).map_err(|_| PlanError::Key);
            Ok(Some(SrtpKeys::new(profile, key(local)?, key(remote)?)))
        }
        // We never ask for DTLS, and take nothing that we have not understood for clear.
        Security::Dtls { .. } | _ => Err(PlanError::Key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(capabilities: Capabilities, last: u8) -> Plan {
        Plan::new(
            capabilities,
            SocketAddr::from(([192, 0, 2, last], 4_000 + u16::from(last) * 2)),
            [last; 32],
        )
    }

    fn exchange(offerer: &mut Plan, answerer: &mut Plan, direction: Direction) -> Result<(), PlanError> {
        let offer = offerer.offer(direction);
        offerer.accept(&answerer.answer(&offer)?)
    }

    fn settled(offered: SrtpPolicy, answered: SrtpPolicy) -> Result<(Plan, Plan), PlanError> {
        let mut alice = plan(Capabilities::default().srtp(offered), 1);
        let mut bob = plan(Capabilities::default().srtp(answered), 2);
        exchange(&mut alice, &mut bob, Direction::SendRecv)?;
        Ok((alice, bob))
    }

    fn agreement(plan: &Plan) -> &Agreement {
        plan.agreement().unwrap()
    }

    #[test]
    fn an_offer_and_its_answer_settle_codec_digits_and_addresses() {
        let (alice, bob) = settled(SrtpPolicy::Off, SrtpPolicy::Off).unwrap();
        let agreed = agreement(&alice);
        assert_eq!(agreed.codec(), Some(CodecId::Pcmu));
        assert_eq!(agreed.remote_rtp, Some("192.0.2.2:4004".parse().unwrap()));
        assert_eq!(agreed.remote_rtcp, Some("192.0.2.2:4005".parse().unwrap()));
        assert_eq!(agreed.telephone_event, agreement(&bob).telephone_event);
        assert!(agreed.telephone_event.is_some() && agreed.srtp.is_none());
        assert_eq!(
            (alice.direction(), bob.direction()),
            (Some(Direction::SendRecv), Some(Direction::SendRecv))
        );
    }

    // rfc: 4028 §7.4 — the offer of a refresh is unchanged, down to the version in o=
    #[test]
    fn a_refresh_says_what_was_said_before() {
        let mut alice = plan(Capabilities::default(), 1);
        let mut bob = plan(Capabilities::default().codecs([CodecId::Pcma]), 2);
        let offer = alice.offer(Direction::SendOnly);
        let answer = bob.answer(&offer).unwrap();
        alice.accept(&answer).unwrap();
        assert_eq!(alice.refresh(), offer);
        alice.accept(&answer).unwrap();
        assert_eq!(bob.refresh(), answer, "an answer is repeated too, with what it left out");
        bob.rollback();
        assert_eq!(bob.refresh(), answer);
        assert_eq!(alice.direction(), Some(Direction::SendOnly));
    }

    #[test]
    fn the_first_codec_that_both_have_is_used() {
        let mut alice = plan(Capabilities::default(), 1);
        let mut bob = plan(Capabilities::default().codecs([CodecId::Pcma]), 2);
        exchange(&mut alice, &mut bob, Direction::SendRecv).unwrap();
        assert_eq!(agreement(&alice).codec(), Some(CodecId::Pcma));
        assert_eq!(agreement(&bob).codec(), Some(CodecId::Pcma));
    }

    #[test]
    fn the_policies_decide_whether_media_is_encrypted() {
        use SrtpPolicy::{Off, Optional, Required};
        for (offered, answered, secure) in [
            (Off, Off, Some(false)),
            (Off, Optional, Some(false)),
            (Off, Required, None),
            (Optional, Off, Some(false)),
            (Optional, Optional, Some(false)),
            (Optional, Required, None),
            (Required, Off, None),
            (Required, Optional, Some(true)),
            (Required, Required, Some(true)),
        ] {
            let result = settled(offered, answered);
            let found = result.as_ref().ok().map(|(alice, _)| agreement(alice).srtp.is_some());
            assert_eq!(found, secure, "{offered:?} {answered:?}");
        }
    }

    // rfc: 4568 §6.1 — each side's key is for what it sends
    #[test]
    fn each_side_sends_with_its_own_key() {
        let (alice, bob) = settled(SrtpPolicy::Required, SrtpPolicy::Optional).unwrap();
        let keys = |plan: &Plan| agreement(plan).srtp.clone().unwrap();
        assert_eq!(keys(&alice).profile, Profile::AesCm128HmacSha1_80);
        assert!(keys(&alice).send == keys(&bob).receive && keys(&alice).receive == keys(&bob).send);
        assert!(keys(&alice).send != keys(&alice).receive);
    }

    // rfc: 4568 §7.1.4 — keys stay through a re-offer that does not change them
    #[test]
    fn hold_and_resume_keep_the_keys_and_a_new_address_brings_new_ones() {
        let (mut alice, mut bob) = settled(SrtpPolicy::Required, SrtpPolicy::Required).unwrap();
        let keys = |plan: &Plan| agreement(plan).srtp.clone().unwrap();
        let first = keys(&alice);
        exchange(&mut alice, &mut bob, Direction::SendOnly).unwrap();
        assert_eq!(
            (alice.direction(), bob.direction()),
            (Some(Direction::SendOnly), Some(Direction::RecvOnly))
        );
        exchange(&mut alice, &mut bob, Direction::SendRecv).unwrap();
        assert_eq!(
            (alice.direction(), bob.direction()),
            (Some(Direction::SendRecv), Some(Direction::SendRecv))
        );
        assert!(keys(&alice).send == first.send && keys(&alice).receive == first.receive);
        alice.relocate("192.0.2.9:9000".parse().unwrap(), [9; 32]);
        exchange(&mut alice, &mut bob, Direction::SendRecv).unwrap();
        assert!(keys(&alice).send != first.send && keys(&alice).receive == first.receive);
        assert_eq!(agreement(&bob).remote_rtp, Some("192.0.2.9:9000".parse().unwrap()));
    }

    #[test]
    fn an_offer_of_the_peers_does_not_lift_our_hold() {
        let (mut alice, mut bob) = settled(SrtpPolicy::Off, SrtpPolicy::Off).unwrap();
        exchange(&mut alice, &mut bob, Direction::SendOnly).unwrap();
        exchange(&mut bob, &mut alice, Direction::SendRecv).unwrap();
        assert_eq!(alice.direction(), Some(Direction::SendOnly));
    }

    #[test]
    fn a_refused_offer_leaves_everything_as_it_was() {
        let (mut alice, mut bob) = settled(SrtpPolicy::Off, SrtpPolicy::Off).unwrap();
        alice.offer(Direction::Inactive);
        alice.rollback();
        assert_eq!(alice.direction(), Some(Direction::SendRecv));
        exchange(&mut bob, &mut alice, Direction::SendRecv).unwrap();
        assert_eq!(alice.direction(), Some(Direction::SendRecv));
    }

    #[test]
    fn each_fork_takes_an_answer_of_its_own() {
        let mut alice = plan(Capabilities::default(), 1);
        let (mut bob, mut carol) = (plan(Capabilities::default(), 2), plan(Capabilities::default(), 3));
        let offer = alice.offer(Direction::SendRecv);
        let mut other = alice.fork();
        alice.accept(&bob.answer(&offer).unwrap()).unwrap();
        other.accept(&carol.answer(&offer).unwrap()).unwrap();
        assert_eq!(agreement(&alice).remote_rtp, Some("192.0.2.2:4004".parse().unwrap()));
        assert_eq!(agreement(&other).remote_rtp, Some("192.0.2.3:4006".parse().unwrap()));
    }

    #[test]
    fn keys_do_not_show() {
        let (mut alice, bob) = settled(SrtpPolicy::Required, SrtpPolicy::Required).unwrap();
        let offer = alice.offer(Direction::SendRecv).to_string();
        let key = offer.split("inline:").nth(1).unwrap().get(..40).unwrap().to_owned();
        for shown in [format!("{alice:?}"), format!("{bob:?}"), format!("{:?}", agreement(&bob))] {
            assert!(!shown.contains(&key));
        }
    }

    #[test]
    fn an_address_that_audio_cannot_reach_is_refused_and_one_for_hold_is_not() {
        for (line, taken) in [
            ("IN IP4 192.0.2.9", true),
            ("IN IP4 0.0.0.0", true),
            ("IN IP6 ::", true),
            ("IN IP6 2001:db8::9", false),
            ("IN IP4 media.example.com", false),
        ] {
            let offer = format!(
                "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc={line}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
            );
            let offer = SessionDescription::parse(&offer).unwrap();
            let answered = plan(Capabilities::default(), 1).answer(&offer);
            let refused = matches!(answered, Err(PlanError::Unreachable { .. }));
            assert_eq!((answered.is_ok(), refused), (taken, !taken), "{line}");
        }
    }

    #[test]
    fn packet_times_are_whole_frames_within_what_the_peer_takes() {
        let millis = |wanted, longest| packet_time(wanted, longest).as_millis();
        assert_eq!(millis(None, None), 20);
        assert_eq!(millis(Some(30), None), 20);
        assert_eq!(millis(Some(40), None), 40);
        assert_eq!(millis(Some(200), None), 60);
        assert_eq!(millis(Some(40), Some(20)), 20);
        assert_eq!(millis(Some(10), Some(10)), 20);
    }
}

//! The cryptographic context of one direction ([RFC 3711 §3.2, §3.3, §3.4]).
//!
//! An SRTP packet is `header | encrypted payload | AEAD tag | MKI | HMAC tag`; an SRTCP packet is
//! `header | encrypted rest | AEAD tag | E flag and index | MKI | HMAC tag`. A profile has one of the two tags.
//!
//! [RFC 3711 §3.2, §3.3, §3.4]: https://www.rfc-editor.org/rfc/rfc3711#section-3.2

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use crate::auth::{self, HmacSha1};
use crate::cipher::{Cipher, PacketId};
use crate::error::{KeyError, ProtectError, UnprotectError};
use crate::header::{RTCP_HEADER_LEN, RtpHeader, rtcp_index, rtcp_ssrc, split_end};
use crate::index::estimate;
use crate::kdf::{Label, aligned, derive};
use crate::profile::Row;
use crate::replay::Window;
use crate::{MasterKey, Profile};

/// The longest packet, in octets: no datagram is longer, and counter mode could not encrypt 16 times as much.
const MAX_PACKET: usize = 65_535;
/// SRTCP indices have 31 bits ([RFC 3711 §9.2](https://www.rfc-editor.org/rfc/rfc3711#section-9.2)).
const MAX_RTCP_PACKETS: u64 = 1 << 31;
/// The E flag in the word that ends an SRTCP packet.
const ENCRYPTED: u32 = 1 << 31;

/// What a context keeps for each SSRC, and for how many.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How far behind the latest packet one may be and still be taken, in packets. Default 128, at least 64.
    pub replay_window: usize,
    /// The most SSRCs. Default 256. An SSRC once seen stays: forgetting it would allow replays.
    pub max_streams: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { replay_window: 128, max_streams: 256 }
    }
}

impl Config {
    /// Sets how far behind the latest packet one may be, in packets; at least 64.
    #[must_use]
    pub fn replay_window(self, replay_window: usize) -> Self {
        Self { replay_window, ..self }
    }

    /// Sets the most SSRCs.
    #[must_use]
    pub fn max_streams(self, max_streams: usize) -> Self {
        Self { max_streams, ..self }
    }
}

/// Protects what one side sends, or unprotects what it received: one context for each direction and master key.
///
/// It holds any number of SSRCs up to [`Config::max_streams`]. It works in place; nothing is allocated for a packet
/// but what the `Vec` needs to grow by [`Context::rtp_overhead`] octets, and none when there is room.
pub struct Context {
    row: &'static Row,
    rtp: Keys,
    rtcp: Keys,
    mki: Vec<u8>,
    config: Config,
    streams: BTreeMap<u32, Stream>,
}

/// The session keys for RTP, or for RTCP, and how often they may be used.
struct Keys {
    cipher: Box<dyn Cipher>,
    auth: Option<HmacSha1>,
    tag_len: usize,
    packets_left: u64,
}

impl Keys {
    fn new(row: &Row, master: &MasterKey, labels: [Label; 3], tag_len: usize, lifetime: u64) -> Option<Self> {
        let [encryption, authentication, salting] = labels;
        let mut key = Zeroizing::new(vec![0; row.key]);
        derive(master, encryption, &mut key);
        let mut salt = Zeroizing::new(vec![0; row.salt]);
        derive(master, salting, &mut salt);
        let mut auth = Zeroizing::new([0; auth::KEY_LEN]);
        derive(master, authentication, auth.as_mut());
        Some(Self {
            cipher: (row.cipher)(&key, aligned(&salt))?,
            auth: (tag_len > 0).then(|| HmacSha1::new(&auth)),
            tag_len,
            packets_left: master.lifetime().min(lifetime),
        })
    }

    /// Appends master key identifier and HMAC tag.
    fn sign(&self, packet: &mut Vec<u8>, suffix: &[u8], mki: &[u8]) {
        let tag = self.auth.as_ref().map(|auth| auth.sign(packet, suffix));
        packet.extend_from_slice(mki);
        packet.extend_from_slice(tag.as_ref().and_then(|tag| tag.get(..self.tag_len)).unwrap_or_default());
    }

    /// Splits the trailer off and checks it; gives what it protects.
    fn verify<'a>(&self, sealed: Sealed<'a>, suffix: &[u8]) -> Result<&'a [u8], UnprotectError> {
        match &self.auth {
            Some(auth) if !auth.verify(sealed.octets, suffix, sealed.tag) => Err(UnprotectError::Forged),
            _ => Ok(sealed.octets),
        }
    }
}

/// A received packet without its trailer.
struct Sealed<'a> {
    octets: &'a [u8],
    mki: &'a [u8],
    tag: &'a [u8],
}

impl<'a> Sealed<'a> {
    fn new(packet: &'a [u8], mki_len: usize, tag_len: usize) -> Option<Self> {
        let (rest, tag) = split_end(packet, tag_len)?;
        let (octets, mki) = split_end(rest, mki_len)?;
        Some(Self { octets, mki, tag })
    }
}

/// What is remembered of one SSRC.
struct Stream {
    rtp: Window,
    rtcp: Window,
    /// The next SRTCP index to send; 2^31 when all are used.
    next_rtcp: u32,
}

impl Stream {
    fn new(config: Config) -> Self {
        Self { rtp: Window::new(config.replay_window), rtcp: Window::new(config.replay_window), next_rtcp: 0 }
    }
}

impl Context {
    /// A context with the default [`Config`]; rollover counters begin at 0.
    ///
    /// # Errors
    /// [`KeyError::Profile`] when the key was made for another profile.
    pub fn new(profile: Profile, key: &MasterKey) -> Result<Self, KeyError> {
        Self::with_config(profile, key, Config::default())
    }

    /// A context with another replay window or another limit of SSRCs.
    ///
    /// # Errors
    /// [`KeyError::Profile`] when the key was made for another profile, [`KeyError::Window`] when the window
    /// is below 64 packets.
    pub fn with_config(profile: Profile, key: &MasterKey, config: Config) -> Result<Self, KeyError> {
        use Label::*;
        if key.profile() != profile {
            return Err(KeyError::Profile);
        }
        if config.replay_window < 64 {
            return Err(KeyError::Window(config.replay_window));
        }
        let row = profile.row();
        let labels = [RtpEncryption, RtpAuthentication, RtpSalt];
        let rtp = Keys::new(row, key, labels, row.rtp_tag, key.lifetime());
        let labels = [RtcpEncryption, RtcpAuthentication, RtcpSalt];
        let rtcp = Keys::new(row, key, labels, row.rtcp_tag, MAX_RTCP_PACKETS);
        let (rtp, rtcp) = (rtp.ok_or(KeyError::Profile)?, rtcp.ok_or(KeyError::Profile)?);
        Ok(Self { row, rtp, rtcp, mki: key.mki().to_vec(), config, streams: BTreeMap::new() })
    }

    /// The profile.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.row.profile
    }

    /// By how many octets [`Context::protect_rtp`] lengthens a packet.
    #[must_use]
    pub fn rtp_overhead(&self) -> usize {
        self.row.aead_tag + self.mki.len() + self.rtp.tag_len
    }

    /// By how many octets [`Context::protect_rtcp`] lengthens a packet; to be added to the average RTCP size
    /// ([RFC 3711 §3.4](https://www.rfc-editor.org/rfc/rfc3711#section-3.4)).
    #[must_use]
    pub fn rtcp_overhead(&self) -> usize {
        self.row.aead_tag + 4 + self.mki.len() + self.rtcp.tag_len
    }

    /// How often the sequence number of an SSRC has wrapped; `None` before its first RTP packet.
    #[must_use]
    pub fn rollover_counter(&self, ssrc: u32) -> Option<u32> {
        let highest = self.streams.get(&ssrc)?.rtp.highest()?;
        u32::try_from(highest >> 16).ok()
    }

    /// Turns an RTP packet into an SRTP packet.
    ///
    /// # Errors
    /// The packet is then as it was: see [`ProtectError`] for the reasons.
    pub fn protect_rtp(&mut self, packet: &mut Vec<u8>) -> Result<(), ProtectError> {
        let header = RtpHeader::new(packet).ok_or(ProtectError::Malformed)?;
        if packet.len() + self.rtp_overhead() > MAX_PACKET {
            return Err(ProtectError::TooLong);
        }
        let left = self.rtp.packets_left.checked_sub(1).ok_or(ProtectError::KeyExpired)?;
        let stream =
            stream(&mut self.streams, self.config, header.ssrc).ok_or(ProtectError::TooManyStreams)?;
        let index = estimate(stream.rtp.highest(), 0, header.sequence).ok_or(ProtectError::KeyExpired)?;
        if !stream.rtp.is_new(index) {
            return Err(ProtectError::IndexReused);
        }
        let (associated, body) = packet.split_at_mut_checked(header.len).ok_or(ProtectError::Malformed)?;
        let tag = self.rtp.cipher.seal(PacketId { ssrc: header.ssrc, index }, associated, body);
        packet.extend_from_slice(tag.get(..self.row.aead_tag).unwrap_or_default());
        self.rtp.sign(packet, &rollover(index), &self.mki);
        stream.rtp.mark(index);
        self.rtp.packets_left = left;
        Ok(())
    }

    /// Turns an SRTP packet back into the RTP packet.
    ///
    /// # Errors
    /// Packet and context are then as they were: see [`UnprotectError`] for the reasons.
    pub fn unprotect_rtp(&mut self, packet: &mut Vec<u8>) -> Result<(), UnprotectError> {
        use UnprotectError::*;
        let header = RtpHeader::new(packet).ok_or(Malformed)?;
        let sealed = Sealed::new(packet, self.mki.len(), self.rtp.tag_len).ok_or(Malformed)?;
        let (plain, _) = split_end(sealed.octets, self.row.aead_tag).ok_or(Malformed)?;
        let (plain_end, sealed_end) = (plain.len(), sealed.octets.len());
        if header.len > plain_end || packet.len() > MAX_PACKET {
            return Err(Malformed);
        }
        if sealed.mki != self.mki {
            return Err(UnknownMki);
        }
        let left = self.rtp.packets_left.checked_sub(1).ok_or(KeyExpired)?;
        let known = self.streams.get(&header.ssrc);
        if known.is_none() && self.streams.len() >= self.config.max_streams {
            return Err(TooManyStreams);
        }
        let highest = known.and_then(|stream| stream.rtp.highest());
        let index = estimate(highest, 0, header.sequence).ok_or(Replayed)?;
        if known.is_some_and(|stream| !stream.rtp.is_new(index)) {
            return Err(Replayed);
        }
        self.rtp.verify(sealed, &rollover(index))?;
        let octets = packet.get_mut(..sealed_end).ok_or(Malformed)?;
        let (octets, tag) = octets.split_at_mut_checked(plain_end).ok_or(Malformed)?;
        let (associated, body) = octets.split_at_mut_checked(header.len).ok_or(Malformed)?;
        let id = PacketId { ssrc: header.ssrc, index };
        self.rtp.cipher.open(id, associated, body, tag).map_err(|_| Forged)?;
        packet.truncate(plain_end);
        if let Some(stream) = stream(&mut self.streams, self.config, header.ssrc) {
            stream.rtp.mark(index);
        }
        self.rtp.packets_left = left;
        Ok(())
    }

    /// Turns a (compound) RTCP packet into an SRTCP packet.
    ///
    /// # Errors
    /// The packet is then as it was: see [`ProtectError`] for the reasons.
    pub fn protect_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), ProtectError> {
        let ssrc = rtcp_ssrc(packet).ok_or(ProtectError::Malformed)?;
        if packet.len() + self.rtcp_overhead() > MAX_PACKET {
            return Err(ProtectError::TooLong);
        }
        let left = self.rtcp.packets_left.checked_sub(1).ok_or(ProtectError::KeyExpired)?;
        let stream = stream(&mut self.streams, self.config, ssrc).ok_or(ProtectError::TooManyStreams)?;
        let index = stream.next_rtcp;
        if index >= ENCRYPTED {
            return Err(ProtectError::KeyExpired);
        }
        let word = (index | if self.row.encrypts { ENCRYPTED } else { 0 }).to_be_bytes();
        let (header, body) = packet.split_at_mut_checked(RTCP_HEADER_LEN).ok_or(ProtectError::Malformed)?;
        let associated = rtcp_associated(header, word);
        let tag = self.rtcp.cipher.seal(PacketId { ssrc, index: index.into() }, &associated, body);
        packet.extend_from_slice(tag.get(..self.row.aead_tag).unwrap_or_default());
        packet.extend_from_slice(&word);
        self.rtcp.sign(packet, &[], &self.mki);
        stream.next_rtcp = index + 1;
        self.rtcp.packets_left = left;
        Ok(())
    }

    /// Turns an SRTCP packet back into the (compound) RTCP packet.
    ///
    /// A packet whose sender chose not to encrypt it (E flag 0) is taken too, once it has proved authentic.
    ///
    /// # Errors
    /// Packet and context are then as they were: see [`UnprotectError`] for the reasons.
    pub fn unprotect_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), UnprotectError> {
        use UnprotectError::*;
        let ssrc = rtcp_ssrc(packet).ok_or(Malformed)?;
        let sealed = Sealed::new(packet, self.mki.len(), self.rtcp.tag_len).ok_or(Malformed)?;
        let (cipher_text, word) = split_end(sealed.octets, 4).ok_or(Malformed)?;
        let (encrypted, index) = rtcp_index(word).ok_or(Malformed)?;
        let (plain, _) = split_end(cipher_text, self.row.aead_tag).ok_or(Malformed)?;
        let (plain_end, sealed_end) = (plain.len(), sealed.octets.len());
        if plain_end < RTCP_HEADER_LEN || packet.len() > MAX_PACKET {
            return Err(Malformed);
        }
        if sealed.mki != self.mki {
            return Err(UnknownMki);
        }
        let left = self.rtcp.packets_left.checked_sub(1).ok_or(KeyExpired)?;
        let known = self.streams.get(&ssrc);
        if known.is_none() && self.streams.len() >= self.config.max_streams {
            return Err(TooManyStreams);
        }
        if known.is_some_and(|stream| !stream.rtcp.is_new(index.into())) {
            return Err(Replayed);
        }
        self.rtcp.verify(sealed, &[])?;
        let octets = packet.get_mut(..sealed_end).ok_or(Malformed)?;
        let id = PacketId { ssrc, index: index.into() };
        open_rtcp(&*self.rtcp.cipher, id, encrypted, octets, plain_end).ok_or(Forged)?;
        packet.truncate(plain_end);
        if let Some(stream) = stream(&mut self.streams, self.config, ssrc) {
            stream.rtcp.mark(index.into());
        }
        self.rtcp.packets_left = left;
        Ok(())
    }
}

/// What HMAC covers behind the packet: the rollover counter ([RFC 3711 §4.2]).
///
/// [RFC 3711 §4.2]: https://www.rfc-editor.org/rfc/rfc3711#section-4.2
fn rollover(index: u64) -> [u8; 4] {
    let [_, _, counter @ .., _, _] = index.to_be_bytes();
    counter
}

/// The record of an SSRC, made when there is room for one more.
fn stream(streams: &mut BTreeMap<u32, Stream>, config: Config, ssrc: u32) -> Option<&mut Stream> {
    if streams.len() >= config.max_streams && !streams.contains_key(&ssrc) {
        return None;
    }
    Some(streams.entry(ssrc).or_insert_with(|| Stream::new(config)))
}

/// What an authenticated cipher covers beside an encrypted RTCP packet ([RFC 7714 §9.2]).
///
/// [RFC 7714 §9.2]: https://www.rfc-editor.org/rfc/rfc7714#section-9.2
fn rtcp_associated(header: &[u8], word: [u8; 4]) -> [u8; RTCP_HEADER_LEN + 4] {
    let mut associated = [0; RTCP_HEADER_LEN + 4];
    associated.iter_mut().zip(header.iter().chain(&word)).for_each(|(to, from)| *to = *from);
    associated
}

/// Decrypts `packet | AEAD tag | E flag and index` in place, where the packet ends at `plain_end`.
///
/// Without encryption an authenticated cipher covers packet and index alone ([RFC 7714 §9.3]): the tag between
/// them is moved behind for that, and back when it is wrong.
///
/// [RFC 7714 §9.3]: https://www.rfc-editor.org/rfc/rfc7714#section-9.3
fn open_rtcp(
    cipher: &dyn Cipher,
    id: PacketId,
    encrypted: bool,
    octets: &mut [u8],
    plain_end: usize,
) -> Option<()> {
    if !encrypted {
        let tag_len = octets.len().checked_sub(plain_end)?.checked_sub(4)?;
        octets.get_mut(plain_end..)?.rotate_left(tag_len);
        let (associated, tag) = split_end(octets, tag_len)?;
        let authentic = cipher.open(id, associated, &mut [], tag);
        octets.get_mut(plain_end..)?.rotate_right(tag_len);
        return authentic.ok();
    }
    let (plain, trailer) = octets.split_at_mut_checked(plain_end)?;
    let (tag, word) = split_end(trailer, 4)?;
    let (header, body) = plain.split_at_mut_checked(RTCP_HEADER_LEN)?;
    let associated = rtcp_associated(header, word.try_into().ok()?);
    cipher.open(id, &associated, body, tag).ok()
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Context");
        shown
            .field("profile", &self.row.profile)
            .field("streams", &self.streams.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTCP: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 1];
    const PROFILE: Profile = Profile::AesCm128HmacSha1_80;

    fn context(lifetime: u64) -> Context {
        let key = MasterKey::new(PROFILE, &[3; 30]).unwrap().with_lifetime(lifetime);
        Context::new(PROFILE, &key).unwrap()
    }

    fn rtp(sequence: u16) -> Vec<u8> {
        let [high, low] = sequence.to_be_bytes();
        vec![0x80, 0, high, low, 0, 0, 0, 0, 0, 0, 0, 1, 0xaa]
    }

    // rfc: 3711 §9.2 — no packet after the last index of RTP and of RTCP
    #[test]
    fn the_last_index_is_used_and_then_the_key_has_expired() {
        let mut context = context(u64::MAX);
        context.protect_rtp(&mut rtp(0xfffe)).unwrap();
        context.streams.get_mut(&1).unwrap().rtp.mark((1 << 48) - 2);
        context.protect_rtp(&mut rtp(0xffff)).unwrap();
        assert_eq!(context.rollover_counter(1), Some(u32::MAX));
        assert_eq!(context.protect_rtp(&mut rtp(0)), Err(ProtectError::KeyExpired));
        context.protect_rtcp(&mut RTCP.to_vec()).unwrap();
        context.streams.get_mut(&1).unwrap().next_rtcp = 0x7fff_ffff;
        context.protect_rtcp(&mut RTCP.to_vec()).unwrap();
        assert_eq!(context.protect_rtcp(&mut RTCP.to_vec()), Err(ProtectError::KeyExpired));
    }

    // rfc: 3711 §9.2 — at most 2^31 SRTCP packets with one key, whatever their source
    #[test]
    fn the_limit_of_rtcp_is_lower_than_that_of_rtp() {
        let context = context(u64::MAX);
        assert_eq!((context.rtp.packets_left, context.rtcp.packets_left), (1 << 48, 1 << 31));
    }

    // rfc: 4568 §6.1 — packets beyond the lifetime are neither sent nor accepted
    #[test]
    fn a_short_lifetime_ends_sending_and_receiving_but_refused_packets_do_not_count() {
        let (mut sender, mut receiver, mut limited) = (context(99), context(2), context(2));
        for sequence in 0..2 {
            let mut packet = rtp(sequence);
            sender.protect_rtp(&mut packet).unwrap();
            receiver.unprotect_rtp(&mut packet.clone()).unwrap();
            assert_eq!(
                receiver.unprotect_rtp(&mut packet),
                Err(match sequence {
                    0 => UnprotectError::Replayed,
                    _ => UnprotectError::KeyExpired,
                })
            );
            limited.protect_rtp(&mut rtp(sequence)).unwrap();
        }
        assert_eq!(limited.protect_rtp(&mut rtp(2)), Err(ProtectError::KeyExpired));
        let mut packet = rtp(2);
        sender.protect_rtp(&mut packet).unwrap();
        assert_eq!(receiver.unprotect_rtp(&mut packet), Err(UnprotectError::KeyExpired));
    }
}

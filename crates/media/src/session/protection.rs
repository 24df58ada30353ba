//! SRTP, or the lack of it.

use srtp::{Context, MasterKey, Profile};

use crate::SrtpKeys;

/// Keys of each direction that are remembered.
const MOST_KEYS: usize = 8;

/// How packets are protected now, and the SRTP contexts of the call so far.
#[derive(Debug, Default)]
pub(super) struct Protection {
    mode: Mode,
    send: Keyring,
    receive: Keyring,
}

#[derive(Clone, Copy, Debug, Default)]
enum Mode {
    /// RTP in the clear.
    #[default]
    Clear,
    /// SRTP, with the keys that were used last.
    Srtp,
    /// Keys that do not fit their profile: nothing is sent or taken.
    Broken,
}

/// The contexts of one direction, the one in use last.
///
/// A key that was left may come back, as when an offer in the clear stands between two encrypted ones. Its context must
/// then go on: a second one would count from zero and encrypt with a key stream that was used before
/// ([RFC 3711 §9.1]).
///
/// [RFC 3711 §9.1]: https://www.rfc-editor.org/rfc/rfc3711#section-9.1
#[derive(Debug, Default)]
struct Keyring {
    contexts: Vec<(MasterKey, Context)>,
}

/// A packet that is not what it should be.
#[derive(Debug)]
pub(super) struct Unauthentic;

impl Protection {
    /// Takes the keys of an agreement. A context goes on, its rollover counter with it, when its key was there before
    /// ([RFC 3711 §3.3.1], [RFC 4568 §7.1.4]).
    ///
    /// [RFC 3711 §3.3.1]: https://www.rfc-editor.org/rfc/rfc3711#section-3.3.1
    /// [RFC 4568 §7.1.4]: https://www.rfc-editor.org/rfc/rfc4568#section-7.1.4
    pub(super) fn configure(&mut self, keys: Option<&SrtpKeys>) {
        self.mode = match keys {
            None => Mode::Clear,
            Some(SrtpKeys { profile, send, receive }) => {
                let fit = self.send.take_up(*profile, send) && self.receive.take_up(*profile, receive);
                if fit { Mode::Srtp } else { Mode::Broken }
            }
        };
    }

    /// Opens a received packet in place; true when its tag was good, false when there is none to check.
    pub(super) fn open_rtp(&mut self, packet: &mut Vec<u8>) -> Result<bool, Unauthentic> {
        self.open(|context| context.unprotect_rtp(packet).is_ok())
    }

    /// As [`Protection::open_rtp`], for RTCP.
    pub(super) fn open_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<bool, Unauthentic> {
        self.open(|context| context.unprotect_rtcp(packet).is_ok())
    }

    /// Makes a packet ready to send, in place; false when it must not be sent.
    pub(super) fn seal_rtp(&mut self, packet: &mut Vec<u8>) -> bool {
        self.seal(|context| context.protect_rtp(packet).is_ok())
    }

    /// As [`Protection::seal_rtp`], for RTCP.
    pub(super) fn seal_rtcp(&mut self, packet: &mut Vec<u8>) -> bool {
        self.seal(|context| context.protect_rtcp(packet).is_ok())
    }

    fn open(&mut self, unprotect: impl FnOnce(&mut Context) -> bool) -> Result<bool, Unauthentic> {
        match self.mode {
            Mode::Clear => Ok(false),
            Mode::Srtp if self.receive.current().is_some_and(unprotect) => Ok(true),
            Mode::Srtp | Mode::Broken => Err(Unauthentic),
        }
    }

    fn seal(&mut self, protect: impl FnOnce(&mut Context) -> bool) -> bool {
        match self.mode {
            Mode::Clear => true,
            Mode::Srtp => self.send.current().is_some_and(protect),
            Mode::Broken => false,
        }
    }
}

impl Keyring {
    /// Makes this the key in use; false when it does not fit the profile.
    fn take_up(&mut self, profile: Profile, key: &MasterKey) -> bool {
        if key.profile() != profile {
            return false;
        }
        let next = match self.contexts.iter().position(|(known, _)| known == key) {
            Some(index) => self.contexts.remove(index),
            None => match Context::new(profile, key) {
                Ok(context) => (key.clone(), context),
                Err(_) => return false,
            },
        };
        if self.contexts.len() >= MOST_KEYS {
            self.contexts.remove(0);
        }
        self.contexts.push(next);
        true
    }

    fn current(&mut self) -> Option<&mut Context> {
        self.contexts.last_mut().map(|(_, context)| context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(profile: Profile, send: u8, receive: u8) -> SrtpKeys {
        let key = |seed| MasterKey::generate(profile, &[seed; 64]).unwrap();
        SrtpKeys::new(profile, key(send), key(receive))
    }

    fn packet(sequence_number: u16) -> Vec<u8> {
        let mut bytes = vec![0; 172];
        let packet = rtp::PacketBuilder::new(0, sequence_number, rtp::RtpTime(0), 7);
        packet.payload(&[0x55; 160]).write(&mut bytes).unwrap();
        bytes
    }

    // rfc: 3711 §9.1 — a key that comes back goes on where it was: no key stream is used twice
    #[test]
    fn a_key_that_comes_back_goes_on_where_it_was() {
        use Profile::{AesCm128HmacSha1_32, AesCm128HmacSha1_80};
        for between in [None, Some(keys(AesCm128HmacSha1_32, 3, 4))] {
            let (mut here, mut there) = (Protection::default(), Protection::default());
            here.configure(Some(&keys(AesCm128HmacSha1_80, 1, 2)));
            there.configure(Some(&keys(AesCm128HmacSha1_80, 2, 1)));
            let mut sent = Vec::new();
            for number in [65_534, 65_535, 0] {
                let mut bytes = packet(number);
                assert!(here.seal_rtp(&mut bytes));
                sent.push(bytes.clone());
                assert!(there.open_rtp(&mut bytes).unwrap());
            }
            for side in [&mut here, &mut there] {
                side.configure(between.as_ref());
            }
            here.configure(Some(&keys(AesCm128HmacSha1_80, 1, 2)));
            there.configure(Some(&keys(AesCm128HmacSha1_80, 2, 1)));
            assert!(sent.iter_mut().all(|old| there.open_rtp(old).is_err()), "an old packet is a replay");
            let mut again = packet(65_535);
            assert!(!here.seal_rtp(&mut again) || again != sent[1], "one key stream for two packets");
            let mut next = packet(1);
            assert!(here.seal_rtp(&mut next));
            assert!(there.open_rtp(&mut next).unwrap());
            assert_eq!(next, packet(1));
        }
    }

    #[test]
    fn keys_of_another_profile_let_nothing_through() {
        let mut protection = Protection::default();
        let SrtpKeys { send, receive, .. } = keys(Profile::AesCm256HmacSha1_80, 1, 2);
        protection.configure(Some(&SrtpKeys::new(Profile::AesCm128HmacSha1_80, send, receive)));
        assert!(!protection.seal_rtp(&mut packet(1)));
        assert!(protection.open_rtp(&mut packet(1)).is_err());
    }

    #[test]
    fn a_peer_with_ever_new_keys_costs_no_more_than_a_few() {
        let mut protection = Protection::default();
        for seed in 0..100 {
            protection.configure(Some(&keys(Profile::AesCm128HmacSha1_80, 200, seed)));
        }
        assert_eq!((protection.send.contexts.len(), protection.receive.contexts.len()), (1, MOST_KEYS));
    }
}

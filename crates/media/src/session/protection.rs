//! SRTP, or the lack of it.

use srtp::{Context, MasterKey};

use crate::SrtpKeys;

/// The SRTP contexts, which outlive offers and answers that leave the keys as they are.
#[derive(Debug, Default)]
pub(super) enum Protection {
    /// RTP in the clear.
    #[default]
    Clear,
    /// SRTP, a context for each direction.
    Srtp(Box<Contexts>),
    /// Keys that do not fit their profile: nothing is sent or taken.
    Broken,
}

#[derive(Debug)]
pub(super) struct Contexts {
    keys: SrtpKeys,
    send: Context,
    receive: Context,
}

/// A packet that is not what it should be.
#[derive(Debug)]
pub(super) struct Unauthentic;

impl Protection {
    /// Takes the keys of an agreement. A context goes on, its rollover counter with it, when its key is the same
    /// ([RFC 3711 §3.3.1], [RFC 4568 §7.1.4]).
    ///
    /// [RFC 3711 §3.3.1]: https://www.rfc-editor.org/rfc/rfc3711#section-3.3.1
    /// [RFC 4568 §7.1.4]: https://www.rfc-editor.org/rfc/rfc4568#section-7.1.4
    pub(super) fn configure(&mut self, keys: Option<&SrtpKeys>) {
        let Some(keys) = keys else {
            *self = Self::Clear;
            return;
        };
        let old = match std::mem::take(self) {
            Self::Srtp(contexts) if contexts.keys.profile == keys.profile => Some(*contexts),
            Self::Srtp(_) | Self::Clear | Self::Broken => None,
        };
        let (old_keys, old_send, old_receive) = match old {
            Some(Contexts { keys, send, receive }) => (Some(keys), Some(send), Some(receive)),
            None => (None, None, None),
        };
        let same =
            |pick: fn(&SrtpKeys) -> &MasterKey| old_keys.as_ref().is_some_and(|old| pick(old) == pick(keys));
        let fresh = |key| Context::new(keys.profile, key).ok();
        let send = old_send.filter(|_| same(|keys| &keys.send)).or_else(|| fresh(&keys.send));
        let receive = old_receive.filter(|_| same(|keys| &keys.receive)).or_else(|| fresh(&keys.receive));
        *self = match (send, receive) {
            (Some(send), Some(receive)) => {
                Self::Srtp(Box::new(Contexts { keys: keys.clone(), send, receive }))
            }
            _ => Self::Broken,
        };
    }

    /// Opens a received packet in place; true when its tag was good, false when there is none to check.
    pub(super) fn open_rtp(&mut self, packet: &mut Vec<u8>) -> Result<bool, Unauthentic> {
        match self {
            Self::Clear => Ok(false),
            Self::Srtp(contexts) => {
                contexts.receive.unprotect_rtp(packet).map(|()| true).map_err(|_| Unauthentic)
            }
            Self::Broken => Err(Unauthentic),
        }
    }

    /// As [`Protection::open_rtp`], for RTCP.
    pub(super) fn open_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<bool, Unauthentic> {
        match self {
            Self::Clear => Ok(false),
            Self::Srtp(contexts) => {
                contexts.receive.unprotect_rtcp(packet).map(|()| true).map_err(|_| Unauthentic)
            }
            Self::Broken => Err(Unauthentic),
        }
    }

    /// Makes a packet ready to send, in place; false when it must not be sent.
    pub(super) fn seal_rtp(&mut self, packet: &mut Vec<u8>) -> bool {
        match self {
            Self::Clear => true,
            Self::Srtp(contexts) => contexts.send.protect_rtp(packet).is_ok(),
            Self::Broken => false,
        }
    }

    /// As [`Protection::seal_rtp`], for RTCP.
    pub(super) fn seal_rtcp(&mut self, packet: &mut Vec<u8>) -> bool {
        match self {
            Self::Clear => true,
            Self::Srtp(contexts) => contexts.send.protect_rtcp(packet).is_ok(),
            Self::Broken => false,
        }
    }
}

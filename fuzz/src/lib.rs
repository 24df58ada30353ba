//! What each fuzz target does with its input. A plain function, so that tests can run the committed corpora too.
//!
//! No input may panic; and each target checks more than that, as its function says.

mod calls;
mod media;
mod sip;
mod transactions;

pub use calls::snapshot;
pub use media::{rtcp, rtp, sdp, srtp_unprotect, stun, telephone_event};
pub use sip::{sip_header, sip_message, sip_stream, sip_uri};
pub use transactions::transactions;

/// A target's name and function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, by the names of their binaries and of their folders in `corpus/`.
pub const TARGETS: &[Target] = &[
    ("sip_message", sip_message),
    ("sip_stream", sip_stream),
    ("sip_header", sip_header),
    ("sip_uri", sip_uri),
    ("sdp", sdp),
    ("rtp", rtp),
    ("rtcp", rtcp),
    ("srtp_unprotect", srtp_unprotect),
    ("stun", stun),
    ("telephone_event", telephone_event),
    ("transactions", transactions),
    ("snapshot", snapshot),
];

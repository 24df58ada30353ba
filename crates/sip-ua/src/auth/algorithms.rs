//! Which ways of proving who we are an agent goes along with.

use super::digest::Algorithm;

/// The digest algorithms, and Basic, that challenges are answered with.
///
/// All algorithms and no Basic unless said otherwise: Basic hands the password over to whoever asks for it, and SIP does
/// not have it any more ([RFC 8760 §2.6]).
///
/// [RFC 8760 §2.6]: https://www.rfc-editor.org/rfc/rfc8760#section-2.6
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Algorithms {
    no_md5: bool,
    basic: bool,
    integrity: bool,
}

impl Algorithms {
    /// All algorithms, and no Basic.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Without MD5: servers that know nothing better are refused.
    #[must_use]
    pub fn without_md5(mut self) -> Self {
        self.no_md5 = true;
        self
    }

    /// With Basic for servers that ask for nothing else, over TLS only.
    #[must_use]
    pub fn basic_over_tls(mut self) -> Self {
        self.basic = true;
        self
    }

    /// Protects the body too where a server offers both (`auth-int` before `auth`). What rewrites bodies on the way, as
    /// session border controllers do, then makes the password look wrong.
    #[must_use]
    pub fn prefer_integrity(mut self) -> Self {
        self.integrity = true;
        self
    }

    /// Whether an algorithm is used.
    #[must_use]
    pub fn allows(&self, algorithm: Algorithm) -> bool {
        !(self.no_md5 && algorithm.is_weak())
    }

    pub(super) fn allows_basic(&self) -> bool {
        self.basic
    }

    pub(super) fn prefers_integrity(&self) -> bool {
        self.integrity
    }
}

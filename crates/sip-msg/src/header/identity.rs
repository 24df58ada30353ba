//! Who somebody is, and who says so: P-Asserted-Identity, P-Preferred-Identity, Diversion, History-Info, Privacy,
//! Identity.

use alloc::vec::Vec;
use core::fmt;

use crate::{Cursor, HeaderName, Text, TypedHeader, Unexpected};

name_addr_header! {
    /// The caller's identity, as a trusted network asserts it ([RFC 3325 §9.1]).
    ///
    /// [RFC 3325 §9.1]: https://www.rfc-editor.org/rfc/rfc3325#section-9.1
    PAssertedIdentity, P_ASSERTED_IDENTITY, Element, read
}

name_addr_header! {
    /// The identity the caller would like to be asserted ([RFC 3325 §9.2]).
    ///
    /// [RFC 3325 §9.2]: https://www.rfc-editor.org/rfc/rfc3325#section-9.2
    PPreferredIdentity, P_PREFERRED_IDENTITY, Element, read
}

name_addr_header! {
    /// Who diverted the call and why, newest first ([RFC 5806 §4]).
    ///
    /// [RFC 5806 §4]: https://www.rfc-editor.org/rfc/rfc5806#section-4
    Diversion, DIVERSION, Element, read
}

name_addr_header! {
    /// One target the request had on its way ([RFC 7044 §5]).
    ///
    /// [RFC 7044 §5]: https://www.rfc-editor.org/rfc/rfc7044#section-5
    HistoryInfo, HISTORY_INFO, Element, read_strict
}

word_header! {
    /// A signature over caller, callee and time ([RFC 8224 §4]); `info` says where the certificate is.
    ///
    /// [RFC 8224 §4]: https://www.rfc-editor.org/rfc/rfc8224#section-4
    Identity, IDENTITY, Element, digest: BASE64, "a signed identity digest"
}

/// What a privacy service is to hide: `header`, `session`, `user`, `id`, `history`, `none`, `critical`
/// ([RFC 3323 §4.2]).
///
/// [RFC 3323 §4.2]: https://www.rfc-editor.org/rfc/rfc3323#section-4.2
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Privacy(pub Vec<Text>);

impl Privacy {
    /// Whether `value` is listed, in any case.
    #[must_use]
    pub fn contains(&self, value: &str) -> bool {
        self.0.iter().any(|known| known.eq_ignore_ascii_case(value))
    }
}

impl TypedHeader for Privacy {
    const NAME: HeaderName = HeaderName::PRIVACY;

    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        let mut values = Vec::new();
        loop {
            values.push(cursor.token("a privacy value")?);
            if !cursor.eat_spaced(b';') {
                return Ok(Self(values));
            }
        }
    }
}

impl fmt::Display for Privacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, value) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ";" })?;
            f.write_str(value)?;
        }
        Ok(())
    }
}

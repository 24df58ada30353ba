//! [`CallerId`]: who calls, for people and for logs.

use alloc::{borrow::Cow, string::String};
use core::fmt;

use crate::{From, Host, NameAddr, PAssertedIdentity, PPreferredIdentity, Params, To, Uri};

/// The identity in a From, To or P-Asserted-Identity.
///
/// `Display` gives the text as on the wire. `Debug` is safe for logs: the last four characters of the display name, or
/// of the user, behind at most four stars, and the host.
#[derive(Clone, Eq, PartialEq)]
pub struct CallerId {
    name_addr: NameAddr,
    params: Params,
}

impl CallerId {
    /// The display name, without quotes.
    #[must_use]
    pub fn display_name(&self) -> Option<&str> {
        self.name_addr.display_name.as_deref()
    }

    /// The user of the URI, or the number of a `tel:` URI.
    #[must_use]
    pub fn user(&self) -> Option<Cow<'_, str>> {
        self.name_addr.uri.user()
    }

    /// The host of the URI.
    #[must_use]
    pub fn host(&self) -> Option<Host> {
        self.name_addr.uri.host()
    }

    /// The tag.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.params.value("tag")
    }

    /// The URI.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.name_addr.uri
    }

    /// A copy that shares no buffer with a message.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self { name_addr: self.name_addr.detach(), params: self.params.detach() }
    }
}

macro_rules! from_header {
    ($($header:ident)*) => {
        $(
            impl core::convert::From<&$header> for CallerId {
                fn from(header: &$header) -> Self {
                    Self { name_addr: header.name_addr.clone(), params: header.params.clone() }
                }
            }
        )*
    };
}

from_header!(From To PAssertedIdentity PPreferredIdentity);

impl fmt::Display for CallerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name_addr, self.params)
    }
}

impl fmt::Debug for CallerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.display_name().map(Cow::Borrowed).or_else(|| self.user());
        f.write_str(&name.as_deref().map_or_else(|| "****".into(), mask))?;
        match self.host() {
            Some(host) => write!(f, "@{host}"),
            None => Ok(()),
        }
    }
}

/// The last four characters behind at most four stars; control characters are stars too, so that a log stays a log.
fn mask(name: &str) -> String {
    const SHOWN: usize = 4;
    let length = name.chars().count();
    let hidden = length.saturating_sub(SHOWN);
    let last = name.chars().skip(hidden).map(|letter| if letter.is_control() { '*' } else { letter });
    core::iter::repeat_n('*', hidden.min(SHOWN)).chain(last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TypedHeader, host::whole};

    fn caller(text: &str) -> CallerId {
        CallerId::from(&whole(text, From::parse).unwrap())
    }

    #[test]
    fn display_is_the_wire_text_and_debug_is_masked() {
        for (text, shown) in [
            ("\"015114455910\" <sip:+4915114455910@telefonica.de>;tag=a", "****5910@telefonica.de"),
            ("<sip:alice@example.com>", "*lice@example.com"),
            ("<sip:bob@192.0.2.1>", "bob@192.0.2.1"),
            ("<sip:example.com>", "****@example.com"),
            ("<tel:+49301234567>", "****4567"),
        ] {
            assert_eq!(caller(text).to_string(), text);
            assert_eq!(format!("{:?}", caller(text)), shown);
        }
    }

    #[test]
    fn parts_are_read() {
        let caller = caller("\"Al\" <sip:al%20ice@example.com>;tag=x");
        assert_eq!(caller.display_name(), Some("Al"));
        assert_eq!(caller.user().as_deref(), Some("al ice"));
        assert_eq!(caller.tag(), Some("x"));
        assert_eq!(caller.host(), "example.com".parse().ok());
    }
}

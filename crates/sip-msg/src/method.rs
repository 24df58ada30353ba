//! [`Method`]: the 14 registered request methods, and any other token.

use core::{fmt, str::FromStr};

use bytes::Bytes;

use crate::{
    Text,
    grammar::{self, Cursor, Unexpected},
};

/// What a request asks for: one of the registered methods or an extension. Names are case-sensitive ([RFC 3261 §7.1]).
///
/// [RFC 3261 §7.1]: https://www.rfc-editor.org/rfc/rfc3261#section-7.1
#[derive(Clone, Eq, PartialEq, Hash)]
pub struct Method(Repr);

#[derive(Clone, Eq, PartialEq, Hash)]
enum Repr {
    Known(u8),
    Other(Text),
}

macro_rules! methods {
    ($($constant:ident $index:literal $rfc:literal $description:literal;)*) => {
        impl Method {
            $(
                #[doc = $description]
                pub const $constant: Self = Self(Repr::Known($index));
            )*

            /// All registered methods.
            pub const ALL: &'static [Self] = &[$(Self::$constant),*];

            /// The name as it stands in the start line.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match &self.0 {
                    $(Repr::Known($index) => stringify!($constant),)*
                    Repr::Known(_) => "",
                    Repr::Other(name) => name,
                }
            }

            /// One sentence that says what the method is for; `None` for an extension.
            #[must_use]
            pub fn description(&self) -> Option<&'static str> {
                match &self.0 {
                    $(Repr::Known($index) => Some($description),)*
                    Repr::Known(_) | Repr::Other(_) => None,
                }
            }

            /// The RFC that defines the method; `None` for an extension.
            #[must_use]
            pub fn rfc(&self) -> Option<u16> {
                match &self.0 {
                    $(Repr::Known($index) => Some($rfc),)*
                    Repr::Known(_) | Repr::Other(_) => None,
                }
            }

            fn known(name: &[u8]) -> Option<Self> {
                $(const $constant: &[u8] = stringify!($constant).as_bytes();)*
                match name {
                    $($constant => Some(Self::$constant),)*
                    _ => None,
                }
            }
        }
    };
}

methods! {
    INVITE     0  3261 "Invites a user to a session, or changes one that stands.";
    ACK        1  3261 "Confirms that a final response to an INVITE has come.";
    BYE        2  3261 "Ends a session.";
    CANCEL     3  3261 "Gives up a request that has no final response yet.";
    REGISTER   4  3261 "Tells a registrar where a user can be reached.";
    OPTIONS    5  3261 "Asks a server or a peer what it is capable of.";
    INFO       6  6086 "Carries application data within a session.";
    MESSAGE    7  3428 "Carries an instant message.";
    NOTIFY     8  6665 "Reports the state of what was subscribed to.";
    PRACK      9  3262 "Confirms a reliable provisional response.";
    PUBLISH    10 3903 "Publishes event state to a server.";
    REFER      11 3515 "Asks the peer to send a request, as for a call transfer.";
    SUBSCRIBE  12 6665 "Asks to be notified of a state and its changes.";
    UPDATE     13 3311 "Changes a session without touching the dialog, also before it is answered.";
}

impl Method {
    /// Reads a method name: any token.
    ///
    /// # Errors
    /// [`Unexpected`] when the name is empty or holds a byte that no token has.
    pub fn parse(name: impl Into<Bytes>) -> Result<Self, Unexpected> {
        let name = name.into();
        if let Some(known) = Self::known(&name) {
            return Ok(known);
        }
        match name.iter().position(|&byte| !grammar::is(byte, grammar::TOKEN)) {
            None if !name.is_empty() => Ok(Self(Repr::Other(Text::from_bytes(name)))),
            at => Err(Unexpected { at: at.unwrap_or(0), expected: "a method" }),
        }
    }

    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        let at = cursor.at();
        let name = cursor.take_while(grammar::TOKEN);
        match Self::known(name) {
            Some(known) => Ok(known),
            None if name.is_empty() => Err(cursor.unexpected("a method")),
            None => Ok(Self(Repr::Other(cursor.text(at, cursor.at())))),
        }
    }
}

impl FromStr for Method {
    type Err = Unexpected;

    fn from_str(name: &str) -> Result<Self, Unexpected> {
        Self::known(name.as_bytes()).map_or_else(|| Self::parse(Bytes::copy_from_slice(name.as_bytes())), Ok)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq<str> for Method {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 3261 §7.1 — method names are case-sensitive and extensible
    #[test]
    fn names_are_case_sensitive_and_open_to_more() {
        assert_eq!("INVITE".parse(), Ok(Method::INVITE));
        assert_ne!("invite".parse(), Ok(Method::INVITE));
        assert_eq!("!interesting-Method0123456789_*+`.%indeed'~".parse::<Method>().unwrap().rfc(), None);
        assert_eq!("IN VITE".parse::<Method>(), Err(Unexpected { at: 2, expected: "a method" }));
        assert!("".parse::<Method>().is_err());
    }

    #[test]
    fn constants_can_be_matched() {
        let method: Method = "BYE".parse().unwrap();
        assert!(matches!(method, Method::BYE));
        assert_eq!(Method::ALL.len(), 14);
    }
}

//! Contact.

use core::fmt;

use crate::{Cursor, Form, HeaderName, NameAddr, Params, TypedHeader, Unexpected, Uri};

/// One value of Contact ([RFC 3261 §20.10]).
///
/// [RFC 3261 §20.10]: https://www.rfc-editor.org/rfc/rfc3261#section-20.10
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Contact {
    /// `*`: all bindings, in a REGISTER that removes them.
    Star,
    /// An address to reach the sender at.
    Address(ContactAddress),
}

/// An address in Contact.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ContactAddress {
    /// Display name and URI.
    pub name_addr: NameAddr,
    /// The header's own parameters.
    pub params: Params,
}

impl Contact {
    /// An address without parameters.
    #[must_use]
    pub fn new(name_addr: impl Into<NameAddr>) -> Self {
        Self::Address(ContactAddress { name_addr: name_addr.into(), params: Params::new() })
    }

    /// The address; `None` for `*`.
    #[must_use]
    pub fn address(&self) -> Option<&ContactAddress> {
        match self {
            Self::Star => None,
            Self::Address(address) => Some(address),
        }
    }

    /// The URI; `None` for `*`.
    #[must_use]
    pub fn uri(&self) -> Option<&Uri> {
        Some(&self.address()?.name_addr.uri)
    }

    /// The parameters; `None` for `*`.
    #[must_use]
    pub fn params(&self) -> Option<&Params> {
        Some(&self.address()?.params)
    }

    /// The parameters, to change them; `None` for `*`.
    pub fn params_mut(&mut self) -> Option<&mut Params> {
        match self {
            Self::Star => None,
            Self::Address(address) => Some(&mut address.params),
        }
    }

    /// Seconds for which the binding holds; `None` when not given or malformed.
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        self.params()?.number("expires")
    }

    /// The same value with `expires`, in seconds.
    #[must_use]
    pub fn with_expires(mut self, seconds: u32) -> Self {
        if let Some(params) = self.params_mut() {
            params.set("expires", alloc::format!("{seconds}"));
        }
        self
    }

    /// Preference in thousandths, 0 to 1000; `None` when not given or malformed.
    #[must_use]
    pub fn q(&self) -> Option<u16> {
        parse_q(self.params()?.value("q")?)
    }

    /// A copy that shares no buffer with a message.
    #[must_use]
    pub fn detach(&self) -> Self {
        match self {
            Self::Star => Self::Star,
            Self::Address(address) => Self::Address(ContactAddress {
                name_addr: address.name_addr.detach(),
                params: address.params.detach(),
            }),
        }
    }
}

/// A `qvalue` in thousandths.
pub(crate) fn parse_q(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths =
        fraction.bytes().chain([b'0'; 3]).take(3).fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    match (whole, thousandths) {
        ("0" | "", _) => Some(thousandths),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

impl TypedHeader for Contact {
    const NAME: HeaderName = HeaderName::CONTACT;
    const FORM: Form = Form::Element;

    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        if cursor.rest().trim_ascii_end() == b"*" {
            if cursor.passed().trim_ascii_end().ends_with(b",") {
                return Err(cursor.unexpected("an address: * stands alone"));
            }
            cursor.advance(1);
            return Ok(Self::Star);
        }
        let name_addr = NameAddr::read(cursor)?;
        let params = Params::read(cursor)?;
        Ok(Self::Address(ContactAddress { name_addr, params }))
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Star => f.write_str("*"),
            Self::Address(address) => write!(f, "{}{}", address.name_addr, address.params),
        }
    }
}

impl ContactAddress {
    /// The parameter `+sip.instance`, without the brackets of its URN ([RFC 5626 §4.1]).
    ///
    /// [RFC 5626 §4.1]: https://www.rfc-editor.org/rfc/rfc5626#section-4.1
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        let urn = self.params.value("+sip.instance")?;
        Some(urn.trim_start_matches('<').trim_end_matches('>'))
    }
}

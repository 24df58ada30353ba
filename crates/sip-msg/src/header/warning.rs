//! Warning.

use core::fmt;

use crate::{Cursor, Form, HeaderName, Text, TypedHeader, Unexpected, grammar};

/// More about the status of a response, for people and logs ([RFC 3261 §20.43]).
///
/// [RFC 3261 §20.43]: https://www.rfc-editor.org/rfc/rfc3261#section-20.43
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning {
    /// Three digits; 300 to 399 are registered.
    pub code: u16,
    /// Who warns: a host with perhaps a port, or a pseudonym.
    pub agent: Text,
    /// The text, without quotes.
    pub text: Text,
}

impl TypedHeader for Warning {
    const NAME: HeaderName = HeaderName::WARNING;
    const FORM: Form = Form::Element;

    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        let at = cursor.at();
        let number = cursor.number("a warning code")?;
        let code = u16::try_from(number)
            .ok()
            .filter(|code| (100..=999).contains(code) && cursor.at() == at + 3)
            .ok_or(Unexpected { at, expected: "a warning code of three digits" })?;
        cursor.skip_space();
        let agent = cursor.text_of(grammar::VALUE, "a host or pseudonym")?;
        cursor.skip_space();
        Ok(Self { code, agent, text: cursor.quoted()? })
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03} {} ", self.code, self.agent)?;
        grammar::write_quoted(f, &self.text)
    }
}

//! A whole description, in the line order of [RFC 8866 §5].
//!
//! [RFC 8866 §5]: https://www.rfc-editor.org/rfc/rfc8866#section-5

use std::fmt;

use crate::attribute::{Attributes, Direction};
use crate::bandwidth::Bandwidth;
use crate::connection::{Address, Connection};
use crate::few::Few;
use crate::grammar::{check_text, is_word};
use crate::media::Media;
use crate::origin::Origin;
use crate::time::Time;
use crate::{BuildError, Text};

/// A session description: what a SIP body of type `application/sdp` holds.
///
/// Read with [`parse`](Self::parse), written with `to_string`. Values and the order of attributes survive; lines that came
/// out of order are written in the order of [RFC 8866 §5], and a missing or empty `s=` is written as `s=-`.
///
/// [RFC 8866 §5]: https://www.rfc-editor.org/rfc/rfc8866#section-5
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SessionDescription {
    /// `o=`: who made it, which session, which version.
    pub origin: Origin,
    pub(crate) name: Text,
    pub(crate) information: Option<Text>,
    pub(crate) uri: Option<Text>,
    pub(crate) emails: Vec<Text>,
    pub(crate) phones: Vec<Text>,
    /// `c=`: the address for media sections without one of their own. Some write several lines; the first counts.
    pub connections: Few<Connection>,
    /// `b=` lines.
    pub bandwidths: Few<Bandwidth>,
    /// `t=` lines, each with its `r=` and `z=` lines.
    pub times: Few<Time>,
    pub(crate) key: Option<Secret>,
    pub(crate) unknown: Vec<Text>,
    /// `a=` lines before the first media section.
    pub attributes: Attributes,
    /// The media sections.
    pub media: Vec<Media>,
}

impl SessionDescription {
    /// A description without media: name `-`, unbounded time, no address but the origin's.
    #[must_use]
    pub const fn new(origin: Origin) -> Self {
        Self {
            origin,
            name: Text::from_static("-"),
            information: None,
            uri: None,
            emails: Vec::new(),
            phones: Vec::new(),
            connections: Few::new(),
            bandwidths: Few::new(),
            times: Few::new(),
            key: None,
            unknown: Vec::new(),
            attributes: Attributes::new(),
            media: Vec::new(),
        }
    }

    /// The name of the session (`s=`).
    #[must_use]
    pub const fn name(&self) -> &Text {
        &self.name
    }

    /// What the session is about (`i=`).
    #[must_use]
    pub const fn information(&self) -> Option<&Text> {
        self.information.as_ref()
    }

    /// Where to read more (`u=`).
    #[must_use]
    pub const fn uri(&self) -> Option<&Text> {
        self.uri.as_ref()
    }

    /// Whom to write to (`e=`).
    pub fn emails(&self) -> impl Iterator<Item = &Text> {
        self.emails.iter()
    }

    /// Whom to phone (`p=`).
    pub fn phones(&self) -> impl Iterator<Item = &Text> {
        self.phones.iter()
    }

    /// The obsolete `k=` line. Secret.
    #[must_use]
    pub fn key(&self) -> Option<&Text> {
        self.key.as_ref().map(|key| &key.0)
    }

    /// Lines with a letter that RFC 8866 does not know, whole; only [`Limits::unknown_lines`](crate::Limits) lets them in.
    pub fn unknown_lines(&self) -> impl Iterator<Item = &str> {
        self.unknown.iter().map(Text::as_str)
    }

    /// Replaces the name of the session.
    ///
    /// # Errors
    /// When it is empty or holds a line end or NUL.
    pub fn set_name(&mut self, name: &str) -> Result<(), BuildError> {
        check_text("the name", name)?;
        self.name = Text::from(name);
        Ok(())
    }

    /// Replaces what the session is about.
    ///
    /// # Errors
    /// When it is empty or holds a line end or NUL.
    pub fn set_information(&mut self, information: &str) -> Result<(), BuildError> {
        check_text("the information", information)?;
        self.information = Some(Text::from(information));
        Ok(())
    }

    /// Replaces where to read more, a URI.
    ///
    /// # Errors
    /// When it is empty or holds a blank or a control character.
    pub fn set_uri(&mut self, uri: &str) -> Result<(), BuildError> {
        if !is_word(uri) {
            return Err(BuildError { what: "the URI", must_be: "a word without blanks" });
        }
        self.uri = Some(Text::from(uri));
        Ok(())
    }

    /// Adds whom to write to, such as `j.doe@example.com (Jane Doe)`.
    ///
    /// # Errors
    /// When it is empty or holds a line end or NUL.
    pub fn add_email(&mut self, email: &str) -> Result<(), BuildError> {
        check_text("an email address", email)?;
        self.emails.push(Text::from(email));
        Ok(())
    }

    /// Adds whom to phone, such as `+1 617 555-6011`.
    ///
    /// # Errors
    /// When it is empty or holds a line end or NUL.
    pub fn add_phone(&mut self, phone: &str) -> Result<(), BuildError> {
        check_text("a phone number", phone)?;
        self.phones.push(Text::from(phone));
        Ok(())
    }

    /// What a media section is about: its own `i=`, else the session's ([RFC 8866 §5.4]).
    ///
    /// [RFC 8866 §5.4]: https://www.rfc-editor.org/rfc/rfc8866#section-5.4
    #[must_use]
    pub fn title<'a>(&'a self, media: &'a Media) -> Option<&'a Text> {
        media.information().or(self.information())
    }

    /// The address that holds for a media section: its own `c=`, else the session's.
    #[must_use]
    pub fn address<'a>(&'a self, media: &'a Media) -> Option<&'a Address> {
        media.connections.first().or(self.connections.first()).map(Connection::address)
    }

    /// The direction that holds for a media section: its own, else the session's, else `SendRecv`.
    #[must_use]
    pub fn direction(&self, media: &Media) -> Direction {
        media.attributes.direction().or_else(|| self.attributes.direction()).unwrap_or_default()
    }
}

/// A text that `Debug` does not show.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Secret(pub(crate) Text);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_key_line() {
        let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nk=clear:hush\r\nm=audio 9 RTP/AVP 0\r\nk=clear:hush\r\n";
        let session = SessionDescription::parse(text).unwrap();
        assert_eq!(session.key().unwrap(), &"clear:hush");
        assert!(!format!("{session:?}").contains("hush"));
    }
}

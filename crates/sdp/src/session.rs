//! A whole description, in the line order of [RFC 8866 §5].
//!
//! [RFC 8866 §5]: https://www.rfc-editor.org/rfc/rfc8866#section-5

use std::fmt;

use crate::attribute::{Attributes, Direction};
use crate::connection::{Address, Connection};
use crate::few::Few;
use crate::grammar::{Fields, check_text, is_token, is_word};
use crate::media::Media;
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
    pub(crate) emails: Few<Text>,
    pub(crate) phones: Few<Text>,
    /// `c=`: the address for media sections without one of their own. Some write several lines; the first counts.
    pub connections: Few<Connection>,
    /// `b=` lines.
    pub bandwidths: Few<Bandwidth>,
    /// `t=` lines, each with its `r=` and `z=` lines.
    pub times: Few<Time>,
    pub(crate) key: Option<Secret>,
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
            emails: Few::new(),
            phones: Few::new(),
            connections: Few::new(),
            bandwidths: Few::new(),
            times: Few::new(),
            key: None,
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

/// An `o=` line ([RFC 8866 §5.2]).
///
/// [RFC 8866 §5.2]: https://www.rfc-editor.org/rfc/rfc8866#section-5.2
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin {
    username: Text,
    session_id: Text,
    version: Text,
    address: Address,
}

impl Origin {
    /// An origin; the version rises with each change.
    ///
    /// # Errors
    /// When the user name is empty or holds blanks.
    pub fn new(
        username: &str,
        session_id: u64,
        version: u64,
        address: impl Into<Address>,
    ) -> Result<Self, BuildError> {
        if !is_word(username) {
            return Err(BuildError { what: "the user name", must_be: "a word without blanks" });
        }
        Ok(Self { username: Text::from(username), ..Self::anonymous(session_id, version, address) })
    }

    /// An origin whose user name is `-`.
    #[must_use]
    pub fn anonymous(session_id: u64, version: u64, address: impl Into<Address>) -> Self {
        Self {
            username: Text::from_static("-"),
            session_id: Text::from(session_id.to_string()),
            version: Text::from(version.to_string()),
            address: address.into(),
        }
    }

    /// The user's login, or `-`.
    #[must_use]
    pub const fn username(&self) -> &Text {
        &self.username
    }

    /// The session's number, in digits; the grammar sets no limit.
    #[must_use]
    pub const fn session_id(&self) -> &Text {
        &self.session_id
    }

    /// The version's number, in digits; the grammar sets no limit.
    #[must_use]
    pub const fn version(&self) -> &Text {
        &self.version
    }

    /// The address of who made the description; not where media goes.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// True when both name the same session, whatever its version.
    #[must_use]
    pub fn same_session(&self, other: &Self) -> bool {
        (&self.username, &self.session_id, &self.address)
            == (&other.username, &other.session_id, &other.address)
    }

    pub(crate) fn parse(fields: &mut Fields<'_>, owner: &Text) -> Result<Self, &'static str> {
        let username = fields.word_if(is_word).ok_or("a user name")?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let session_id = fields.word_if(digits).ok_or("a session id in digits")?;
        let version = fields.word_if(digits).ok_or("a session version in digits")?;
        let address = Address::parse_origin(fields, owner)?;
        let share = |text| owner.share(text);
        Ok(Self {
            username: share(username),
            session_id: share(session_id),
            version: share(version),
            address,
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.username, self.session_id, self.version, self.address)
    }
}

/// A `b=` line ([RFC 8866 §5.8]).
///
/// [RFC 8866 §5.8]: https://www.rfc-editor.org/rfc/rfc8866#section-5.8
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bandwidth {
    kind: Text,
    value: u64,
}

impl Bandwidth {
    /// A bandwidth of a kind such as `AS` (kbit/s) or `TIAS` (bit/s).
    ///
    /// # Errors
    /// When the kind is no token.
    pub fn new(kind: &str, value: u64) -> Result<Self, BuildError> {
        crate::grammar::check_token("a bandwidth's kind", kind)?;
        Ok(Self { kind: Text::from(kind), value })
    }

    /// The kind: `AS`, `CT`, `TIAS` …
    #[must_use]
    pub const fn kind(&self) -> &Text {
        &self.kind
    }

    /// The number, in the unit of its kind: kbit/s for `AS` and `CT`, bit/s for `TIAS`.
    #[must_use]
    pub const fn value(&self) -> u64 {
        self.value
    }

    pub(crate) fn parse(fields: &mut Fields<'_>, owner: &Text) -> Result<Self, &'static str> {
        let kind = fields.take(|f| f.until(b':'), |kind| is_token(kind).then(|| owner.share(kind)));
        let kind = kind.ok_or("a bandwidth's kind and a colon")?;
        let value = fields.take(Fields::word, |word| crate::grammar::number(word.trim_start()));
        Ok(Self { kind, value: value.ok_or("a number after the colon")? })
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.value)
    }
}

/// A `t=` line with its repetitions ([RFC 8866 §5.9]); `0 0` is a session without bounds.
///
/// [RFC 8866 §5.9]: https://www.rfc-editor.org/rfc/rfc8866#section-5.9
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Time {
    /// Seconds since 1900 of the start; 0 is unbounded.
    pub start: u64,
    /// Seconds since 1900 of the end; 0 is unbounded.
    pub stop: u64,
    pub(crate) repeats: Vec<Text>,
    pub(crate) zones: Vec<Text>,
}

impl Time {
    /// No bounds: `t=0 0`.
    pub const UNBOUNDED: Self = Self::new(0, 0);

    /// From the start to the end, in seconds since 1900.
    #[must_use]
    pub const fn new(start: u64, stop: u64) -> Self {
        Self { start, stop, repeats: Vec::new(), zones: Vec::new() }
    }

    /// The values of the `r=` lines.
    #[must_use]
    pub fn repeats(&self) -> &[Text] {
        &self.repeats
    }

    /// The values of the `z=` lines.
    #[must_use]
    pub fn zones(&self) -> &[Text] {
        &self.zones
    }

    pub(crate) fn parse(fields: &mut Fields<'_>) -> Result<Self, &'static str> {
        let start = fields.number().ok_or("a start time in digits")?;
        let stop = fields.number().ok_or("a stop time in digits")?;
        Ok(Self::new(start, stop))
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

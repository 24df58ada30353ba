//! `a=` lines: kept as they came, read as a type when asked ([RFC 8866 §5.13]).
//!
//! [RFC 8866 §5.13]: https://www.rfc-editor.org/rfc/rfc8866#section-5.13

mod about;
mod candidate;
mod content;
mod crypto;
mod direction;
mod extmap;
mod feedback;
mod fingerprint;
mod fmtp;
mod group;
mod ice;
mod label;
mod macros;
mod msid;
mod remote_candidates;
mod rtcp;
mod rtpmap;
mod silence_supp;
mod ssrc;
mod time;
mod tls_id;

use std::fmt;

pub use self::about::{Charset, ConferenceType, FrameRate, Lang, Orient, Quality, SdpLang, Tool};
pub use self::candidate::Candidate;
pub use self::content::Content;
pub use self::crypto::{Crypto, CryptoKey};
pub use self::direction::Direction;
pub use self::extmap::Extmap;
pub use self::feedback::RtcpFeedback;
pub use self::fingerprint::{Fingerprint, Setup};
pub(crate) use self::fmtp::parameter;
pub use self::fmtp::{Events, Fmtp, Opus};
pub use self::group::{Group, Mid};
pub use self::ice::{IceCredentials, IceOptions, IcePwd, IceUfrag};
pub use self::label::Label;
pub use self::msid::Msid;
pub use self::remote_candidates::RemoteCandidates;
pub use self::rtcp::Rtcp;
pub use self::rtpmap::Rtpmap;
pub use self::silence_supp::SilenceSupp;
pub use self::ssrc::{Ssrc, SsrcGroup};
pub use self::time::{MaxPtime, Ptime};
pub use self::tls_id::TlsId;
use crate::grammar::{check_text, check_token};
use crate::{AttributeError, BuildError, Text};

/// What is known of an attribute by its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Known {
    /// The name.
    pub name: &'static str,
    /// Whether it stands alone or has a value.
    pub shape: Shape,
    /// Where it may stand.
    pub level: Level,
    /// The RFC that defines it.
    pub rfc: u16,
}

/// Whether an attribute has a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// None: `a=rtcp-mux`.
    Flag,
    /// One, as it came.
    Value,
    /// One that can be read as a [`TypedAttribute`].
    Typed,
    /// One that `Debug` must not show.
    Secret,
}

/// Where an attribute may stand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// Before the first media section.
    Session,
    /// In a media section.
    Media,
    /// In both.
    Both,
}

/// THE ATTRIBUTE TABLE.
#[rustfmt::skip]
static TABLE: [Known; 55] = {
    use Level::{Both, Media, Session};
    use Shape::{Flag, Secret, Typed, Value};
    const fn row(name: &'static str, shape: Shape, level: Level, rfc: u16) -> Known {
        Known { name, shape, level, rfc }
    }
    [
        row("bundle-only", Flag, Media, 9143),
        row("candidate", Typed, Media, 8839),
        row("cat", Value, Session, 8866),
        row("charset", Typed, Session, 8866),
        row("connection", Value, Both, 4145),
        row("content", Typed, Media, 4796),
        row("crypto", Secret, Media, 4568),
        row("end-of-candidates", Flag, Both, 8840),
        row("extmap", Typed, Both, 8285),
        row("extmap-allow-mixed", Flag, Both, 8285),
        row("fingerprint", Typed, Both, 8122),
        row("fmtp", Typed, Media, 8866),
        row("framerate", Typed, Media, 8866),
        row("group", Typed, Session, 5888),
        row("ice-lite", Flag, Session, 8839),
        row("ice-mismatch", Flag, Media, 8839),
        row("ice-options", Typed, Both, 8839),
        row("ice-pacing", Value, Session, 8839),
        row("ice-pwd", Secret, Both, 8839),
        row("ice-ufrag", Typed, Both, 8839),
        row("identity", Value, Session, 8827),
        row("imageattr", Value, Media, 6236),
        row("inactive", Flag, Both, 8866),
        row("key-mgmt", Secret, Both, 4567),
        row("keywds", Value, Session, 8866),
        row("label", Typed, Media, 4574),
        row("lang", Typed, Both, 8866),
        row("maxprate", Value, Both, 3890),
        row("maxptime", Typed, Media, 8866),
        row("mid", Typed, Media, 5888),
        row("msid", Typed, Media, 8830),
        row("msid-semantic", Value, Session, 8830),
        row("orient", Typed, Media, 8866),
        row("ptime", Typed, Media, 8866),
        row("quality", Typed, Media, 8866),
        row("recvonly", Flag, Both, 8866),
        row("remote-candidates", Typed, Media, 8839),
        row("rid", Value, Media, 8851),
        row("rtcp", Typed, Media, 3605),
        row("rtcp-fb", Typed, Media, 4585),
        row("rtcp-mux", Flag, Media, 5761),
        row("rtcp-mux-only", Flag, Media, 8858),
        row("rtcp-rsize", Flag, Media, 5506),
        row("rtpmap", Typed, Media, 8866),
        row("sdplang", Typed, Both, 8866),
        row("sendonly", Flag, Both, 8866),
        row("sendrecv", Flag, Both, 8866),
        row("setup", Typed, Both, 4145),
        row("silenceSupp", Typed, Media, 3108),
        row("simulcast", Value, Media, 8853),
        row("ssrc", Typed, Media, 5576),
        row("ssrc-group", Typed, Media, 5576),
        row("tls-id", Typed, Both, 8842),
        row("tool", Typed, Session, 8866),
        row("type", Typed, Session, 8866),
    ]
};

/// What is known of the attribute with this name; `None` for one that this crate only keeps.
#[must_use]
pub fn known(name: &str) -> Option<&'static Known> {
    TABLE.iter().find(|known| known.name == name)
}

/// An attribute whose value has a structure.
pub trait TypedAttribute: Sized + fmt::Display {
    /// The attribute's name.
    const NAME: &'static str;

    /// Reads the value behind `a=name:`.
    ///
    /// # Errors
    /// When the value does not follow the attribute's grammar.
    fn parse(value: &Text) -> Result<Self, AttributeError>;
}

/// One `a=` line: a name, and a value unless it is a flag. Unknown ones are kept as they came.
#[derive(Clone, Eq, PartialEq)]
pub struct Attribute {
    text: Text,
    name_length: u32,
}

impl Attribute {
    /// A flag: `a=name`.
    ///
    /// # Errors
    /// When the name is no token.
    pub fn flag(name: &str) -> Result<Self, BuildError> {
        check_token("an attribute's name", name)?;
        Ok(Self::from_text(Text::from(name)))
    }

    /// A value: `a=name:value`.
    ///
    /// # Errors
    /// When the name is no token, or the value is empty or holds a line end or NUL.
    pub fn new(name: &str, value: &str) -> Result<Self, BuildError> {
        check_token("an attribute's name", name)?;
        check_text("an attribute's value", value)?;
        Ok(Self::from_text(Text::from(format!("{name}:{value}"))))
    }

    /// An attribute of a known type. Line ends in its texts become blanks, and one without any text a flag.
    #[must_use]
    pub fn typed<T: TypedAttribute>(value: &T) -> Self {
        let mut text = format!("{}:{value}", T::NAME);
        if text.len() == T::NAME.len() + 1 {
            text.pop();
        }
        if text.contains(['\r', '\n', '\0']) {
            text = text.replace(['\r', '\n', '\0'], " ");
        }
        Self::from_text(Text::from(text))
    }

    pub(crate) fn constant(flag: &'static str) -> Self {
        Self::from_text(Text::from_static(flag))
    }

    pub(crate) fn from_text(text: Text) -> Self {
        let name_length = text.find(':').unwrap_or(text.len());
        Self::from_parts(text, name_length)
    }

    pub(crate) fn from_parts(text: Text, name_length: usize) -> Self {
        Self { name_length: u32::try_from(name_length).unwrap_or(u32::MAX), text }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text.get(..self.name_length as usize).unwrap_or(&self.text)
    }

    /// What follows the colon; `None` for a flag.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.text.get(self.name_length as usize..)?.strip_prefix(':')
    }

    /// The value as a text that shares the buffer; empty for a flag.
    #[must_use]
    pub fn value_text(&self) -> Text {
        self.value().map_or(Text::EMPTY, |value| self.text.share(value))
    }

    /// The whole line behind `a=`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The value as a type; `None` when this is another attribute.
    ///
    /// # Errors
    /// When the value does not follow the attribute's grammar.
    pub fn read<T: TypedAttribute>(&self) -> Result<Option<T>, AttributeError> {
        if self.name() == T::NAME { T::parse(&self.trimmed()).map(Some) } else { Ok(None) }
    }

    /// The value without the blanks that some leave at its end.
    fn trimmed(&self) -> Text {
        self.value().map_or(Text::EMPTY, |value| self.text.share(value.trim_end_matches(' ')))
    }

    fn is_secret(&self) -> bool {
        known(self.name()).is_some_and(|known| known.shape == Shape::Secret)
    }
}

/// Keys and passwords are left out.
impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_secret() { write!(f, "{}:…", self.name()) } else { f.write_str(&self.text) }
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The attributes of the session or of a media section, in their order.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Attributes(Vec<Attribute>);

impl Attributes {
    /// No attributes.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// Gives back the space of a guess that was much too high.
    pub(crate) fn settle(&mut self) {
        if self.0.capacity() > 2 * self.0.len() {
            self.0.shrink_to_fit();
        }
    }

    /// The attributes in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Attribute> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True when one of this name is there.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The first of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Attribute> {
        self.iter().find(|attribute| attribute.name() == name)
    }

    /// The first of this type.
    ///
    /// # Errors
    /// When its value does not follow the attribute's grammar.
    pub fn get<T: TypedAttribute>(&self) -> Result<Option<T>, AttributeError> {
        self.find(T::NAME).map(|attribute| T::parse(&attribute.trimmed())).transpose()
    }

    /// All of this type, in order.
    pub fn all<T: TypedAttribute>(&self) -> impl Iterator<Item = Result<T, AttributeError>> {
        self.iter().filter_map(|attribute| attribute.read().transpose())
    }

    /// The direction; `None` when nothing is said.
    #[must_use]
    pub fn direction(&self) -> Option<Direction> {
        self.iter()
            .filter(|attribute| attribute.value().is_none())
            .find_map(|a| Direction::from_name(a.name()))
    }

    /// Appends an attribute.
    pub fn push(&mut self, attribute: Attribute) {
        self.0.push(attribute);
    }

    /// Appends an attribute of a known type.
    pub fn push_typed<T: TypedAttribute>(&mut self, value: &T) {
        self.push(Attribute::typed(value));
    }

    /// Removes all of this name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|attribute| attribute.name() != name);
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&Attribute) -> bool) {
        self.0.retain(keep);
    }

    /// Replaces the direction.
    pub fn set_direction(&mut self, direction: Direction) {
        self.0.retain(|attribute| Direction::from_name(attribute.name()).is_none());
        self.push(Attribute::constant(direction.as_str()));
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

impl<'a> IntoIterator for &'a Attributes {
    type Item = &'a Attribute;
    type IntoIter = std::slice::Iter<'a, Attribute>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Extend<Attribute> for Attributes {
    fn extend<I: IntoIterator<Item = Attribute>>(&mut self, attributes: I) {
        self.0.extend(attributes);
    }
}

impl FromIterator<Attribute> for Attributes {
    fn from_iter<I: IntoIterator<Item = Attribute>>(attributes: I) -> Self {
        Self(attributes.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_has_no_value_and_an_empty_value_is_one() {
        let flag = Attribute::from_text(Text::from("rtcp-mux"));
        assert_eq!((flag.name(), flag.value()), ("rtcp-mux", None));
        let empty = Attribute::from_text(Text::from("x:"));
        assert_eq!((empty.name(), empty.value()), ("x", Some("")));
    }

    #[test]
    fn nothing_that_breaks_the_line_can_be_built() {
        assert!(Attribute::flag("a b").is_err());
        assert!(Attribute::new("x", "1\r\na=y").is_err());
        let mut rtpmap = Rtpmap::new(96, "opus", 48_000, 2).unwrap();
        rtpmap.encoding = Text::from("opus\r\nm=");
        assert_eq!(Attribute::typed(&rtpmap).as_str(), "rtpmap:96 opus  m=/48000/2");
    }

    #[test]
    fn the_table_is_sorted_and_each_name_stands_once() {
        assert!(TABLE.is_sorted_by(|a, b| a.name < b.name));
        assert_eq!(known("fmtp").map(|known| (known.level, known.rfc)), Some((Level::Media, 8866)));
        assert_eq!(known("x-unknown"), None);
    }

    #[test]
    fn debug_shows_no_keys() {
        let crypto = Attribute::new("crypto", "1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0").unwrap();
        assert_eq!(format!("{crypto:?}"), "crypto:…");
    }
}

//! `a=` lines: kept as they came, read as a type when asked ([RFC 8866 §5.13]).
//!
//! [RFC 8866 §5.13]: https://www.rfc-editor.org/rfc/rfc8866#section-5.13

mod crypto;
mod direction;
mod fingerprint;
mod fmtp;
mod ice;
mod rtcp;
mod rtpmap;
mod time;

use std::fmt;

pub use self::crypto::{Crypto, CryptoKey};
pub use self::direction::Direction;
pub use self::fingerprint::{Fingerprint, Setup};
pub use self::fmtp::Fmtp;
pub(crate) use self::fmtp::parameter;
pub use self::ice::{IceCredentials, IcePwd, IceUfrag};
pub use self::rtcp::Rtcp;
pub use self::rtpmap::Rtpmap;
pub use self::time::{MaxPtime, Ptime};
use crate::grammar::{check_text, check_token};
use crate::{AttributeError, BuildError, Text};

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

    /// An attribute of a known type. Line ends in its texts become blanks.
    #[must_use]
    pub fn typed<T: TypedAttribute>(value: &T) -> Self {
        let mut text = format!("{}:{value}", T::NAME);
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
        if self.name() == T::NAME { T::parse(&self.value_text()).map(Some) } else { Ok(None) }
    }

    fn is_secret(&self) -> bool {
        matches!(self.name(), "crypto" | "ice-pwd" | "key-mgmt")
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

    pub(crate) fn reserve(&mut self, count: usize) {
        self.0.reserve_exact(count);
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
        self.find(T::NAME).map(|attribute| T::parse(&attribute.value_text())).transpose()
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
    fn debug_shows_no_keys() {
        let crypto = Attribute::new("crypto", "1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0").unwrap();
        assert_eq!(format!("{crypto:?}"), "crypto:…");
    }
}

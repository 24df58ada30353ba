//! `a=mid` and `a=group` ([RFC 5888]): names for media sections, and sets of them.
//!
//! [RFC 5888]: https://www.rfc-editor.org/rfc/rfc5888

use std::fmt;

use super::TypedAttribute;
use crate::grammar::{Fields, is_token};
use crate::{AttributeError, Text};

/// The name of a media section: `a=mid:audio`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mid(pub Text);

impl TypedAttribute for Mid {
    const NAME: &'static str = "mid";

    fn parse(value: &Text) -> Result<Self, AttributeError> {
        let name = value.share(value.trim_end());
        let error = AttributeError { name: Self::NAME, column: 1, expected: "a token" };
        if is_token(&name) { Ok(Self(name)) } else { Err(error) }
    }
}

impl fmt::Display for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Media sections that belong together: `a=group:BUNDLE audio video`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Group {
    /// What they share: `BUNDLE` a transport ([RFC 9143]), `LS` a clock ([RFC 5888]) …
    ///
    /// [RFC 9143]: https://www.rfc-editor.org/rfc/rfc9143
    /// [RFC 5888]: https://www.rfc-editor.org/rfc/rfc5888
    pub semantics: Text,
    members: Text,
}

impl Group {
    /// The names of the media sections, in order.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.members.split_ascii_whitespace()
    }
}

impl TypedAttribute for Group {
    const NAME: &'static str = "group";

    fn parse(value: &Text) -> Result<Self, AttributeError> {
        let mut fields = Fields::new(value);
        let semantics =
            fields.word_if(is_token).ok_or_else(|| fields.error(Self::NAME, "the group's semantics"))?;
        let members = fields.rest();
        while !fields.rest().is_empty() {
            fields.word_if(is_token).ok_or_else(|| fields.error(Self::NAME, "the mid of a media section"))?;
        }
        Ok(Self { semantics: value.share(semantics), members: value.share(members.trim_end()) })
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.semantics.fmt(f)?;
        self.members().try_for_each(|member| write!(f, " {member}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 5888 §5 — semantics, then identification tags
    #[test]
    fn a_group_names_its_members() {
        let group = Group::parse(&Text::from("BUNDLE foo bar")).unwrap();
        assert_eq!(
            (group.semantics.as_str(), group.members().collect::<Vec<_>>()),
            ("BUNDLE", vec!["foo", "bar"])
        );
        assert_eq!(group.to_string(), "BUNDLE foo bar");
        assert_eq!(Group::parse(&Text::from("LS")).unwrap().members().count(), 0);
        assert_eq!(Group::parse(&Text::from("BUNDLE a (b")).unwrap_err().column, 10);
        assert!(Mid::parse(&Text::from("a b")).is_err());
    }
}

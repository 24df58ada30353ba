//! [`NameAddr`], and From and To.

use core::fmt;

use crate::{
    Cursor, Text, Unexpected, Uri,
    grammar::{self, write_quoted},
};

/// A display name and a URI ([RFC 3261 §20.10], `name-addr` and `addr-spec`).
///
/// [RFC 3261 §20.10]: https://www.rfc-editor.org/rfc/rfc3261#section-20.10
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NameAddr {
    /// The display name, without quotes and escapes; `None` when there is none or it is empty.
    pub display_name: Option<Text>,
    /// The URI.
    pub uri: Uri,
}

impl NameAddr {
    /// A URI without a display name.
    #[must_use]
    pub fn new(uri: Uri) -> Self {
        Self { display_name: None, uri }
    }

    /// The same address with a display name.
    #[must_use]
    pub fn with_display_name(mut self, name: impl Into<Text>) -> Self {
        self.display_name = Some(name.into()).filter(|name| !name.is_empty());
        self
    }

    /// A copy that shares no buffer with a message.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self { display_name: self.display_name.as_ref().map(Text::detach), uri: self.uri.detach() }
    }

    /// Reads `[display-name] <URI>`, or a URI alone.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        let start = cursor.at();
        if cursor.peek() == Some(b'<') {
            return Ok(Self { display_name: None, uri: read_bracketed(cursor)? });
        }
        let display_name = read_display_name(cursor)?;
        if cursor.peek() == Some(b'<') {
            return Ok(Self { display_name, uri: read_bracketed(cursor)? });
        }
        if display_name.is_some() && cursor.peek() != Some(b':') {
            return Err(cursor.unexpected("< before the URI"));
        }
        cursor.seek(start);
        // RFC 3261 §20.10: without brackets, what follows ; belongs to the header, and , and ? cannot stand in the URI.
        let rest = cursor.rest();
        let stops = |&byte: &u8| matches!(byte, b';' | b',' | b'?' | b' ' | b'\t' | b'<' | b'>' | b'"');
        let length = rest.iter().position(stops).unwrap_or(rest.len());
        let parsed = cursor.within(start + length, Uri::read)?;
        cursor.seek(start + length);
        if cursor.peek() == Some(b'?') {
            return Err(cursor.unexpected("< > around a URI with ?"));
        }
        Ok(Self { display_name: None, uri: parsed })
    }

    /// Reads `[display-name] <URI>`; the brackets must stand, as in Route.
    pub(crate) fn read_strict(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        let display_name = read_display_name(cursor)?;
        if cursor.peek() != Some(b'<') {
            return Err(cursor.unexpected("< before the URI"));
        }
        Ok(Self { display_name, uri: read_bracketed(cursor)? })
    }
}

fn read_display_name(cursor: &mut Cursor<'_>) -> Result<Option<Text>, Unexpected> {
    if cursor.peek() == Some(b'"') {
        let name = cursor.quoted()?;
        cursor.skip_space();
        return Ok(Some(name).filter(|name| !name.is_empty()));
    }
    let start = cursor.at();
    let name = cursor.rest();
    // Tokens only, by the grammar; devices send UTF-8 and other bytes without quotes, which harms nobody.
    while let Some(byte) = cursor.peek() {
        if grammar::is(byte, grammar::TOKEN) || byte >= 0x80 || matches!(byte, b' ' | b'\t') {
            cursor.advance(1);
        } else {
            break;
        }
    }
    let read = cursor.at() - start;
    let length = name.get(..read).unwrap_or_default().trim_ascii_end().len();
    Ok(if length == 0 { None } else { Some(cursor.text(start, start + length)) })
}

pub(crate) fn read_bracketed(cursor: &mut Cursor<'_>) -> Result<Uri, Unexpected> {
    cursor.expect(b'<', "< before the URI")?;
    Uri::read_bracketed(cursor)
}

impl core::convert::From<Uri> for NameAddr {
    fn from(uri: Uri) -> Self {
        Self::new(uri)
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.display_name {
            write_quoted(f, name)?;
            f.write_str(" ")?;
        }
        write!(f, "<{}>", self.uri)
    }
}

name_addr_header! {
    /// Who the request claims to come from ([RFC 3261 §20.20]); a claim, not a proof.
    ///
    /// [RFC 3261 §20.20]: https://www.rfc-editor.org/rfc/rfc3261#section-20.20
    From, FROM, Single, read
}

name_addr_header! {
    /// Who the request is for ([RFC 3261 §20.39]).
    ///
    /// [RFC 3261 §20.39]: https://www.rfc-editor.org/rfc/rfc3261#section-20.39
    To, TO, Single, read
}

name_addr_header! {
    /// Where answers by people should go ([RFC 3261 §20.31]).
    ///
    /// [RFC 3261 §20.31]: https://www.rfc-editor.org/rfc/rfc3261#section-20.31
    ReplyTo, REPLY_TO, Single, read
}

macro_rules! tagged {
    ($type:ident) => {
        impl $type {
            /// The tag: this side's part of the dialog's name.
            #[must_use]
            pub fn tag(&self) -> Option<&str> {
                self.params.value("tag")
            }

            /// Whether both name the same party ([RFC 3261 §20.20]): URIs, tags and parameters that both have match. Display
            /// names, brackets and other parameters that only one has do not count.
            ///
            /// [RFC 3261 §20.20]: https://www.rfc-editor.org/rfc/rfc3261#section-20.20
            #[must_use]
            pub fn equivalent(&self, other: &Self) -> bool {
                let in_other = other.params.index();
                self.uri().equivalent(other.uri())
                    && self.tag().is_some() == other.tag().is_some()
                    && self
                        .params
                        .iter()
                        .all(|param| in_other(&param.name).is_none_or(|same| param.matches(&same)))
            }

            /// Sets the tag.
            pub fn set_tag(&mut self, tag: impl Into<Text>) {
                self.params.set("tag", tag);
            }

            /// The same header with a tag.
            #[must_use]
            pub fn with_tag(mut self, tag: impl Into<Text>) -> Self {
                self.set_tag(tag);
                self
            }
        }
    };
}

tagged!(From);
tagged!(To);

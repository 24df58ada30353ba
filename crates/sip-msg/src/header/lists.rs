//! Headers that are lists: Allow, Supported, Require, Proxy-Require, Unsupported, Accept*, Allow-Events,
//! Resource-Priority.

use alloc::vec::Vec;
use core::fmt;

use super::{read_list, write_list};
use crate::{Cursor, Form, HeaderName, Method, Params, Text, TypedHeader, Unexpected};

/// The methods a peer takes ([RFC 3261 §20.5]).
///
/// [RFC 3261 §20.5]: https://www.rfc-editor.org/rfc/rfc3261#section-20.5
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Allow(pub Vec<Method>);

impl Allow {
    /// Whether `method` is listed.
    #[must_use]
    pub fn contains(&self, method: &Method) -> bool {
        self.0.contains(method)
    }
}

impl FromIterator<Method> for Allow {
    fn from_iter<I: IntoIterator<Item = Method>>(methods: I) -> Self {
        Self(methods.into_iter().collect())
    }
}

impl TypedHeader for Allow {
    const NAME: HeaderName = HeaderName::ALLOW;
    const FORM: Form = Form::List;

    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        Ok(Self(read_list(cursor, Method::read)?))
    }

    fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, &self.0)
    }
}

token_list_header! {
    /// Extensions the sender supports ([RFC 3261 §20.37]).
    ///
    /// [RFC 3261 §20.37]: https://www.rfc-editor.org/rfc/rfc3261#section-20.37
    Supported, SUPPORTED, "an option tag"
}

token_list_header! {
    /// Extensions the UAS must support ([RFC 3261 §20.32]).
    ///
    /// [RFC 3261 §20.32]: https://www.rfc-editor.org/rfc/rfc3261#section-20.32
    Require, REQUIRE, "an option tag"
}

token_list_header! {
    /// Extensions each proxy must support ([RFC 3261 §20.29]).
    ///
    /// [RFC 3261 §20.29]: https://www.rfc-editor.org/rfc/rfc3261#section-20.29
    ProxyRequire, PROXY_REQUIRE, "an option tag"
}

token_list_header! {
    /// Required extensions that the server lacks ([RFC 3261 §20.40]).
    ///
    /// [RFC 3261 §20.40]: https://www.rfc-editor.org/rfc/rfc3261#section-20.40
    Unsupported, UNSUPPORTED, "an option tag"
}

/// Body types the sender takes in a response ([RFC 3261 §20.1]); empty: none.
///
/// [RFC 3261 §20.1]: https://www.rfc-editor.org/rfc/rfc3261#section-20.1
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Accept(pub Vec<MediaRange>);

/// A media type, perhaps with `*`, in [`Accept`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MediaRange {
    /// The type, or `*`.
    pub kind: Text,
    /// The subtype, or `*`.
    pub subtype: Text,
    /// Parameters, `q` among them.
    pub params: Params,
}

impl Accept {
    /// Whether `media_type`, as `application/sdp`, is taken: the range that names it most closely decides, and one with
    /// `q=0` refuses.
    #[must_use]
    pub fn accepts(&self, media_type: &str) -> bool {
        let Some((kind, subtype)) = media_type.split_once('/') else { return false };
        let matches = |pattern: &Text, text: &str| pattern == "*" || pattern.eq_ignore_ascii_case(text);
        let closest = self
            .0
            .iter()
            .filter(|range| matches(&range.kind, kind) && matches(&range.subtype, subtype))
            .max_by_key(|range| (range.kind != "*", range.subtype != "*"));
        closest.is_some_and(|range| range.params.value("q").and_then(super::contact::parse_q) != Some(0))
    }
}

impl<'a> FromIterator<&'a str> for Accept {
    /// Media types as `application/sdp`; what has no `/` gets `/*`.
    fn from_iter<I: IntoIterator<Item = &'a str>>(types: I) -> Self {
        let range = |text: &str| {
            let (kind, subtype) = text.split_once('/').unwrap_or((text, "*"));
            MediaRange { kind: kind.into(), subtype: subtype.into(), params: Params::new() }
        };
        Self(types.into_iter().map(range).collect())
    }
}

impl TypedHeader for Accept {
    const NAME: HeaderName = HeaderName::ACCEPT;
    const FORM: Form = Form::List;

    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        let ranges = read_list(cursor, |cursor| {
            let kind = cursor.token("a media type")?;
            if !cursor.eat_spaced(b'/') {
                return Err(cursor.unexpected("/ and a subtype"));
            }
            let subtype = cursor.token("a media subtype")?;
            Ok(MediaRange { kind, subtype, params: Params::read(cursor)? })
        })?;
        Ok(Self(ranges))
    }

    fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }
}

impl fmt::Display for MediaRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.kind, self.subtype, self.params)
    }
}

impl fmt::Display for Accept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, &self.0)
    }
}

word_header! {
    /// One content coding the sender takes, with `q` ([RFC 3261 §20.2]).
    ///
    /// [RFC 3261 §20.2]: https://www.rfc-editor.org/rfc/rfc3261#section-20.2
    AcceptEncoding, ACCEPT_ENCODING, Element, coding: TOKEN, "a content coding"
}

word_header! {
    /// One language the sender takes, with `q` ([RFC 3261 §20.3]).
    ///
    /// [RFC 3261 §20.3]: https://www.rfc-editor.org/rfc/rfc3261#section-20.3
    AcceptLanguage, ACCEPT_LANGUAGE, Element, range: LANGUAGE, "a language"
}

token_list_header! {
    /// Event packages the sender takes ([RFC 6665 §8.2.2]).
    ///
    /// [RFC 6665 §8.2.2]: https://www.rfc-editor.org/rfc/rfc6665#section-8.2.2
    AllowEvents, ALLOW_EVENTS, "an event package"
}

token_list_header! {
    /// Priorities in the form `namespace.priority` ([RFC 4412 §3.1]).
    ///
    /// [RFC 4412 §3.1]: https://www.rfc-editor.org/rfc/rfc4412#section-3.1
    ResourcePriority, RESOURCE_PRIORITY, "a namespace, a point and a priority"
}

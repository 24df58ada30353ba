//! [`Params`]: ordered `;name=value` parameters.

use alloc::vec::Vec;
use core::{fmt, mem};

use crate::{
    Text,
    grammar::{self, Cursor, Unexpected},
};

/// One parameter: a name and perhaps a value.
#[derive(Clone, Debug)]
pub struct Param {
    /// The name; compared without regard to case.
    pub name: Text,
    /// The value, without quotes and escapes; `None` for a flag as `lr`.
    pub value: Option<Text>,
    style: Style,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Style {
    /// In quotes if its bytes need them.
    Plain,
    /// In quotes.
    Quoted,
    /// `<URI>`, as `info` in Identity has it.
    Bracketed,
}

impl Param {
    /// A parameter whose value is written in quotes only if its bytes need them.
    #[must_use]
    pub fn new(name: impl Into<Text>, value: Option<Text>) -> Self {
        Self { name: name.into(), value, style: Style::Plain }
    }

    /// A parameter whose value is always written in quotes.
    #[must_use]
    pub fn quoted(name: impl Into<Text>, value: impl Into<Text>) -> Self {
        Self { name: name.into(), value: Some(value.into()), style: Style::Quoted }
    }

    /// A parameter whose value is a URI in angle brackets, which are not part of `uri`.
    #[must_use]
    pub fn bracketed(name: impl Into<Text>, uri: impl Into<Text>) -> Self {
        Self { name: name.into(), value: Some(uri.into()), style: Style::Bracketed }
    }

    /// Whether the value stood in quotes, or is to be written so.
    #[must_use]
    pub fn is_quoted(&self) -> bool {
        self.style == Style::Quoted
    }

    /// Whether both have the same value: quoted strings by their case, tokens without ([RFC 3261 §7.3.1]).
    ///
    /// [RFC 3261 §7.3.1]: https://www.rfc-editor.org/rfc/rfc3261#section-7.3.1
    pub(crate) fn matches(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Some(a), Some(b)) if self.is_quoted() || other.is_quoted() => a == b,
            (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// Reads `name [= value]` of a header parameter.
    #[inline]
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        let name = cursor.text_of(grammar::TOKEN, "a parameter name")?;
        if !cursor.eat_spaced(b'=') {
            return Ok(Self::new(name, None));
        }
        if cursor.peek() == Some(b'"') {
            return Ok(Self::quoted(name, cursor.quoted()?));
        }
        if cursor.eat(b'<') {
            let start = cursor.at();
            let end = memchr::memchr(b'>', cursor.rest()).map(|length| start + length);
            let end = end.ok_or(Unexpected { at: start, expected: "> after the URI" })?;
            cursor.seek(end + 1);
            return Ok(Self::bracketed(name, cursor.text(start, end)));
        }
        Ok(Self::new(name, Some(cursor.text_of(grammar::VALUE, "a parameter value")?)))
    }

    fn detach(&self) -> Self {
        Self { name: self.name.detach(), value: self.value.as_ref().map(Text::detach), style: self.style }
    }
}

impl PartialEq for Param {
    fn eq(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name) && self.value == other.value
    }
}

impl Eq for Param {}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let Some(value) = &self.value else { return Ok(()) };
        f.write_str("=")?;
        match self.style {
            Style::Plain if grammar::all(value.as_bytes(), grammar::VALUE) => f.write_str(value),
            Style::Bracketed if !value.contains(['<', '>']) => write!(f, "<{value}>"),
            Style::Plain | Style::Quoted | Style::Bracketed => grammar::write_quoted(f, value),
        }
    }
}

/// Parameters in the order they came, each name once.
///
/// Where a peer repeats a name, [`Params::get`] sees the first.
#[derive(Clone)]
pub struct Params(Repr);

/// Most are read once or never: plain ones stay as they stand on the wire, and cost no memory of their own.
#[derive(Clone)]
enum Repr {
    /// `*(;name[=value])`, all ASCII, without white space, escapes and brackets.
    Plain(Text),
    /// Everything else, and what has been changed here.
    Parsed(Vec<Param>),
}

impl Params {
    /// No parameters.
    #[must_use]
    pub const fn new() -> Self {
        Self(Repr::Parsed(Vec::new()))
    }

    /// The value of `name`: `None` when absent, `Some(None)` when it stands without a value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Option<&str>> {
        match &self.0 {
            Repr::Plain(text) => plain(text)
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.map(unquoted)),
            Repr::Parsed(params) => find(params, name).map(|param| param.value.as_deref()),
        }
    }

    /// The value of `name`, if it has one.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.get(name).flatten()
    }

    /// The value of `name`, if it has one, as shared text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Text> {
        match &self.0 {
            Repr::Plain(text) => self.value(name).map(|value| text.share(value)),
            Repr::Parsed(params) => find(params, name)?.value.clone(),
        }
    }

    /// The value of `name`, if it is decimal digits that fit.
    pub(crate) fn number<N: core::str::FromStr>(&self, name: &str) -> Option<N> {
        self.value(name).filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
    }

    /// Finds parameters by name, in less than linear time when there are many.
    pub(crate) fn index(&self) -> impl Fn(&str) -> Option<Param> {
        let key = |param: Param| (param.name.to_ascii_lowercase(), param);
        let mut sorted: Vec<_> = self.iter().map(key).collect();
        // Stable: of a repeated name, the first counts.
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        move |name| {
            let name = name.to_ascii_lowercase();
            let first = sorted.partition_point(|(known, _)| *known < name);
            sorted.get(first).filter(|(known, _)| *known == name).map(|(_, param)| param.clone())
        }
    }

    /// The parameter called `name`.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<Param> {
        self.iter().find(|param| param.name.eq_ignore_ascii_case(name))
    }

    /// Whether `name` is there, with or without a value.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether `name` is there more than once.
    pub(crate) fn repeats(&self, name: &str) -> bool {
        let same = |known: &str| known.eq_ignore_ascii_case(name);
        match &self.0 {
            Repr::Plain(text) => plain(text).filter(|(known, _)| same(known)).nth(1).is_some(),
            Repr::Parsed(params) => params.iter().filter(|param| same(&param.name)).nth(1).is_some(),
        }
    }

    /// Gives `name` a value, where it stands or at the end.
    pub fn set(&mut self, name: &str, value: impl Into<Text>) {
        self.put(Param::new(name, Some(value.into())));
    }

    /// Gives `name` a value that is always written in quotes.
    pub fn set_quoted(&mut self, name: &str, value: impl Into<Text>) {
        self.put(Param::quoted(name, value));
    }

    /// Adds `name` without a value, or takes its value away.
    pub fn set_flag(&mut self, name: &str) {
        self.put(Param::new(name, None));
    }

    /// Puts `param` where its name stands, or at the end.
    pub fn put(&mut self, param: Param) {
        let mut params = mem::take(self).into_parsed();
        match params.iter_mut().find(|known| known.name.eq_ignore_ascii_case(&param.name)) {
            Some(known) => *known = param,
            None => params.push(param),
        }
        self.0 = Repr::Parsed(params);
    }

    /// Takes `name` away; says whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let found = self.contains(name);
        if found {
            let mut params = mem::take(self).into_parsed();
            params.retain(|param| !param.name.eq_ignore_ascii_case(name));
            self.0 = Repr::Parsed(params);
        }
        found
    }

    fn into_parsed(self) -> Vec<Param> {
        match self.0 {
            Repr::Plain(_) => self.iter().collect(),
            Repr::Parsed(params) => params,
        }
    }

    /// All parameters, in order.
    pub fn iter(&self) -> impl Iterator<Item = Param> {
        let (text, params) = match &self.0 {
            Repr::Plain(text) => (Some(text), &[][..]),
            Repr::Parsed(params) => (None, &params[..]),
        };
        let share = |text: &Text, (name, value): (&str, Option<&str>)| Param {
            name: text.share(name),
            value: value.map(|value| text.share(unquoted(value))),
            style: if value.is_some_and(|value| value.starts_with('"')) {
                Style::Quoted
            } else {
                Style::Plain
            },
        };
        let plain = text.into_iter().flat_map(move |text| plain(text).map(move |param| share(text, param)));
        plain.chain(params.iter().cloned())
    }

    /// Number of parameters.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Plain(text) => plain(text).count(),
            Repr::Parsed(params) => params.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Repr::Plain(text) => text.is_empty(),
            Repr::Parsed(params) => params.is_empty(),
        }
    }

    /// A copy that shares no buffer with a message.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self(match &self.0 {
            Repr::Plain(text) => Repr::Plain(text.detach()),
            Repr::Parsed(params) => Repr::Parsed(params.iter().map(Param::detach).collect()),
        })
    }

    /// Reads `*(;name=value)`.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        let start = cursor.at();
        if skip_plain(cursor) {
            return Ok(if cursor.at() == start {
                Self::new()
            } else {
                Self(Repr::Plain(cursor.ascii(start)))
            });
        }
        cursor.seek(start);
        let mut params = Vec::new();
        while cursor.eat_spaced(b';') {
            params.push(Param::read(cursor)?);
        }
        Ok(Self(Repr::Parsed(params)))
    }

    /// Reads `name=value *(,name=value)`, as challenges and credentials have it.
    pub(crate) fn read_comma_list(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        let mut params = Vec::new();
        loop {
            params.push(Param::read(cursor)?);
            if !cursor.eat_spaced(b',') {
                return Ok(Self(Repr::Parsed(params)));
            }
        }
    }

    pub(crate) fn write_comma_list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, param) in self.iter().enumerate() {
            f.write_str(if index == 0 { " " } else { ", " })?;
            write!(f, "{param}")?;
        }
        Ok(())
    }
}

/// Steps over plain parameters; false when one of them is of another kind, or wrong.
fn skip_plain(cursor: &mut Cursor<'_>) -> bool {
    while cursor.eat(b';') {
        if cursor.take_while(grammar::TOKEN).is_empty() {
            return false;
        }
        if cursor.eat(b'=') && cursor.take_while(grammar::VALUE).is_empty() {
            let [b'"', inside @ ..] = cursor.rest() else { return false };
            let length = memchr::memchr2(b'"', b'\\', inside).unwrap_or(0);
            if inside.get(length) != Some(&b'"') || !inside.get(..length).is_some_and(<[u8]>::is_ascii) {
                return false;
            }
            cursor.advance(length + 2);
        }
    }
    !matches!(cursor.peek(), Some(b' ' | b'\t' | b'='))
}

/// The parts of plain parameters; values with their quotes.
fn plain(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let mut quoted = false;
    let end = move |byte| {
        quoted ^= byte == '"';
        byte == ';' && !quoted
    };
    let params = text.split(end).skip(1);
    params.map(|param| param.split_once('=').map_or((param, None), |(name, value)| (name, Some(value))))
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

fn find<'a>(params: &'a [Param], name: &str) -> Option<&'a Param> {
    params.iter().find(|param| param.name.eq_ignore_ascii_case(name))
}

impl Default for Params {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for Params {
    /// Order does not matter.
    fn eq(&self, other: &Self) -> bool {
        let sorted = |params: &Self| {
            let key = |param: Param| (param.name.to_ascii_lowercase(), param.value);
            let mut keys: Vec<_> = params.iter().map(key).collect();
            keys.sort_unstable();
            keys
        };
        match (&self.0, &other.0) {
            (Repr::Plain(text), Repr::Plain(other)) if text == other => true,
            _ => self.len() == other.len() && sorted(self) == sorted(other),
        }
    }
}

impl Eq for Params {}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Plain(text) => f.write_str(text),
            Repr::Parsed(params) => params.iter().try_for_each(|param| write!(f, ";{param}")),
        }
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromIterator<Param> for Params {
    fn from_iter<I: IntoIterator<Item = Param>>(params: I) -> Self {
        Self(Repr::Parsed(params.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::host::whole;

    // rfc: 3261 §7.3.1 — parameters: white space around ; and =, quotes, flags
    #[test]
    fn spaces_quotes_and_flags_are_read() {
        let params = whole(r#" ; a = 1 ;lr; b="x\"y" ;c=[::1]"#, Params::read).unwrap();
        assert_eq!(params.get("A"), Some(Some("1")));
        assert_eq!(params.get("lr"), Some(None));
        assert_eq!(params.value("b"), Some("x\"y"));
        assert_eq!(params.value("c"), Some("[::1]"));
        assert_eq!(params.get("d"), None);
        assert_eq!(params.to_string(), r#";a=1;lr;b="x\"y";c=[::1]"#);
    }

    #[test]
    fn a_quoted_value_may_hold_separators() {
        let params = whole(r#";a="<urn:x>;b=2=";b=1;c="";d"#, Params::read).unwrap();
        assert!(matches!(params.0, Repr::Plain(_)));
        assert_eq!(
            (params.value("a"), params.value("b"), params.value("c")),
            (Some("<urn:x>;b=2="), Some("1"), Some(""))
        );
        assert_eq!((params.get("d"), params.len()), (Some(None), 4));
        assert!(params.param("a").is_some_and(|param| param.is_quoted()));
        assert_eq!(params.iter().collect::<Params>().to_string(), params.to_string());
        assert_eq!(params.text("a").as_deref(), Some("<urn:x>;b=2="));
    }

    #[test]
    fn quoted_values_that_are_not_plain_are_read_too() {
        for (text, value) in [(r#";a="x\"y""#, "x\"y"), (";a=\"\u{e4}\"", "\u{e4}"), (";a= \"x\"", "x")] {
            let params = whole(text, Params::read).unwrap();
            assert!(matches!(params.0, Repr::Parsed(_)), "{text}");
            assert_eq!(params.value("a"), Some(value), "{text}");
        }
        assert_eq!(whole(";a=\"x\"y", Params::read).unwrap_err().at, 6);
    }

    #[test]
    fn setting_keeps_the_place_and_quotes_only_what_needs_it() {
        let mut params = whole(";rport;branch=z9hG4bK1", Params::read).unwrap();
        params.set("RPORT", "5062");
        params.set("text", "two words");
        params.set_flag("lr");
        assert_eq!(params.to_string(), ";RPORT=5062;branch=z9hG4bK1;text=\"two words\";lr");
        assert!(params.remove("Branch"));
        assert!(!params.remove("branch"));
    }

    #[test]
    fn an_empty_name_or_value_is_refused() {
        assert_eq!(whole(";;a", Params::read).unwrap_err().at, 1);
        assert_eq!(whole(";a=", Params::read).unwrap_err().at, 3);
        assert_eq!(whole(";a=\"x", Params::read).unwrap_err().at, 3);
    }
}

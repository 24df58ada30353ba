//! Just enough JSON to read what cargo, baresip and `voip --json` print.

use std::fmt;

/// A JSON value; objects keep their order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// Where the text stopped being JSON.
#[derive(Debug)]
pub(crate) struct NotJson {
    at: usize,
}

impl std::error::Error for NotJson {}
impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not JSON at byte {}", self.at)
    }
}

impl Json {
    pub(crate) fn parse(text: &str) -> Result<Self, NotJson> {
        let mut reader = Reader { rest: text, len: text.len() };
        let value = reader.value()?;
        reader.blanks();
        if reader.rest.is_empty() { Ok(value) } else { Err(reader.wrong()) }
    }

    /// The member of an object, `Null` when there is none.
    pub(crate) fn at(&self, name: &str) -> &Self {
        self.members().iter().find(|(key, _)| key == name).map_or(&Self::Null, |(_, value)| value)
    }

    /// The members, none when this is no object.
    pub(crate) fn members(&self) -> &[(String, Self)] {
        if let Self::Object(members) = self { members } else { &[] }
    }

    /// The text, empty when this is none.
    pub(crate) fn text(&self) -> &str {
        if let Self::Text(text) = self { text } else { "" }
    }

    /// The number, if it is one.
    pub(crate) fn number(&self) -> Option<f64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// The elements, none when this is no list.
    pub(crate) fn list(&self) -> &[Self] {
        if let Self::List(list) = self { list } else { &[] }
    }
}

struct Reader<'a> {
    rest: &'a str,
    len: usize,
}

impl Reader<'_> {
    fn wrong(&self) -> NotJson {
        NotJson { at: self.len - self.rest.len() }
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn take(&mut self, token: &str) -> bool {
        self.blanks();
        let found = self.rest.strip_prefix(token);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn need(&mut self, token: &str) -> Result<(), NotJson> {
        if self.take(token) { Ok(()) } else { Err(self.wrong()) }
    }

    fn value(&mut self) -> Result<Json, NotJson> {
        if self.take("null") {
            return Ok(Json::Null);
        }
        if self.take("true") {
            return Ok(Json::Bool(true));
        }
        if self.take("false") {
            return Ok(Json::Bool(false));
        }
        if self.take("[") {
            let mut list = Vec::new();
            while !self.take("]") {
                if !list.is_empty() {
                    self.need(",")?;
                }
                list.push(self.value()?);
            }
            return Ok(Json::List(list));
        }
        if self.take("{") {
            let mut members = Vec::new();
            while !self.take("}") {
                if !members.is_empty() {
                    self.need(",")?;
                }
                let key = self.string()?;
                self.need(":")?;
                members.push((key, self.value()?));
            }
            return Ok(Json::Object(members));
        }
        if self.rest.starts_with('"') { self.string().map(Json::Text) } else { self.number() }
    }

    fn number(&mut self) -> Result<Json, NotJson> {
        let end = self.rest.find(|c: char| !"+-.eE0123456789".contains(c)).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        let number = digits.parse().map_err(|_| self.wrong())?;
        self.rest = rest;
        Ok(Json::Number(number))
    }

    fn string(&mut self) -> Result<String, NotJson> {
        self.need("\"")?;
        let mut text = String::new();
        let mut chars = self.rest.chars();
        loop {
            match chars.next() {
                Some('"') => break,
                Some('\\') => match chars.next() {
                    Some('n') => text.push('\n'),
                    Some('r') => text.push('\r'),
                    Some('t') => text.push('\t'),
                    Some('b') => text.push('\u{8}'),
                    Some('f') => text.push('\u{c}'),
                    Some('u') => {
                        let code = chars.as_str().get(..4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
                        let code = code.ok_or_else(|| self.wrong())?;
                        text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                        chars.nth(3);
                    }
                    Some(other) => text.push(other),
                    None => return Err(self.wrong()),
                },
                Some(other) => text.push(other),
                None => return Err(self.wrong()),
            }
        }
        self.rest = chars.as_str();
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_nested_values_and_escapes() {
        let json = Json::parse(r#" {"a": [1, -2.5e1, true, null], "b\u0041": "x\n\"y\""} "#).unwrap();
        assert_eq!(json.at("a").list()[1].number(), Some(-25.0));
        assert_eq!(json.at("bA").text(), "x\n\"y\"");
        assert_eq!(json.at("missing"), &Json::Null);
    }

    #[test]
    fn says_where_it_went_wrong() {
        assert_eq!(Json::parse("[1 2]").unwrap_err().to_string(), "not JSON at byte 3");
        assert!(Json::parse("{} x").is_err() && Json::parse("\"abc").is_err());
    }
}

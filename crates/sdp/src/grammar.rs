//! Byte classes and field splitting of [RFC 8866 §9].
//!
//! [RFC 8866 §9]: https://www.rfc-editor.org/rfc/rfc8866#section-9

use crate::{AttributeError, BuildError, Text};

/// True for a `token`.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && token_length(text) == text.len()
}

/// How many octets at the beginning may stand in a `token`.
pub(crate) fn token_length(text: &str) -> usize {
    text.bytes().position(|byte| !is_token_byte(byte)).unwrap_or(text.len())
}

fn is_token_byte(byte: u8) -> bool {
    TOKEN.get(usize::from(byte)).copied().unwrap_or(false)
}

/// The `token-char` class: a look-up is a third of the comparisons.
static TOKEN: [bool; 256] = {
    let mut class = [false; 256];
    let characters = b"!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz{|}~";
    let mut rest: &[u8] = characters;
    while let [first, tail @ ..] = rest {
        if let Some(one) = class.split_at_mut(*first as usize).1.first_mut() {
            *one = true;
        }
        rest = tail;
    }
    class
};

/// True for `token *("/" token)`.
pub(crate) fn is_protocol(text: &str) -> bool {
    let mut rest = text;
    loop {
        let length = token_length(rest);
        match rest.as_bytes().get(length) {
            _ if length == 0 => return false,
            None => return true,
            Some(b'/') => rest = rest.get(length + 1..).unwrap_or_default(),
            Some(_) => return false,
        }
    }
}

/// True for a `byte-string`: neither empty nor with a line end or NUL.
pub(crate) fn is_text(text: &str) -> bool {
    !text.is_empty() && !text.bytes().any(|byte| matches!(byte, 0 | b'\r' | b'\n'))
}

/// True for a `non-ws-string`.
pub(crate) fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.bytes().any(|byte| byte <= b' ' || byte == 0x7f)
}

pub(crate) fn check_text(what: &'static str, text: &str) -> Result<(), BuildError> {
    if is_text(text) { Ok(()) } else { Err(BuildError { what, must_be: "text without line ends" }) }
}

pub(crate) fn check_token(what: &'static str, text: &str) -> Result<(), BuildError> {
    if is_token(text) { Ok(()) } else { Err(BuildError { what, must_be: "a token" }) }
}

/// A number in plain digits, without sign.
pub(crate) fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    let digit = text.as_bytes().first()?.is_ascii_digit();
    digit.then(|| text.parse().ok()).flatten()
}

/// The parts before and after the first such octet, an ASCII character; for short texts faster than `str::split_once`.
pub(crate) fn split_once(text: &str, separator: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == separator)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Digits of any length; what a `u64` cannot count is its highest value.
pub(crate) fn long_number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| saturating(text))
}

/// The value of digits.
fn saturating(digits: &str) -> u64 {
    let append = |value: u64, digit| value.saturating_mul(10).saturating_add(u64::from(digit & 0xf));
    digits.bytes().fold(0, append)
}

/// The value of a line or attribute, taken apart from the left; knows the column for errors.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    length: usize,
    rest: &'a str,
    spread: bool,
}

impl<'a> Fields<'a> {
    pub(crate) const fn new(whole: &'a str) -> Self {
        Self { length: whole.len(), rest: whole, spread: false }
    }

    /// What is left.
    pub(crate) const fn rest(&self) -> &'a str {
        self.rest
    }

    /// What lies between here and where the other is, without the blanks at its end.
    pub(crate) fn up_to(&self, other: &Self) -> &'a str {
        let length = self.rest.len().saturating_sub(other.rest.len());
        self.rest.get(..length).unwrap_or_default().trim_end_matches(' ')
    }

    /// What lies between there and here, with one blank wherever there are several.
    pub(crate) fn text_since(&self, before: &Self, owner: &Text) -> Text {
        let text = before.up_to(self);
        match self.spread {
            false => owner.share(text),
            true => Text::from(text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")),
        }
    }

    /// The column of what is left, from 1.
    pub(crate) const fn column(&self) -> usize {
        self.length - self.rest.len() + 1
    }

    /// Takes up to the separator, an ASCII character, which is dropped; all that is left when there is none.
    pub(crate) fn until(&mut self, separator: u8) -> &'a str {
        let (field, rest) = split_once(self.rest, separator).unwrap_or((self.rest, ""));
        self.rest = rest;
        field
    }

    /// Takes a word; the blanks behind it are dropped.
    pub(crate) fn word(&mut self) -> &'a str {
        let length = self.rest.bytes().position(|byte| byte == b' ').unwrap_or(self.rest.len());
        self.take_octets(length)
    }

    /// Takes so many octets, an ASCII character or the end behind them, and drops the blanks behind them.
    fn take_octets(&mut self, length: usize) -> &'a str {
        let Some((field, mut rest)) = self.rest.split_at_checked(length) else { return "" };
        if let Some(after) = rest.strip_prefix(' ') {
            rest = after;
            while let Some(after) = rest.strip_prefix(' ') {
                rest = after;
                self.spread = true;
            }
        }
        self.rest = rest;
        field
    }

    /// Steps over this text, if it comes next and no blank behind it.
    pub(crate) fn skip(&mut self, text: &str) -> bool {
        let after = self.rest.strip_prefix(text).filter(|after| !after.starts_with(' '));
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// Takes a word if it passes the check.
    pub(crate) fn word_if(&mut self, check: impl FnOnce(&str) -> bool) -> Option<&'a str> {
        self.take(Self::word, |field| check(field).then_some(field))
    }

    /// Takes a word if it is a token.
    pub(crate) fn token(&mut self) -> Option<&'a str> {
        self.word_of(token_length(self.rest))
    }

    /// Takes a word if it is made of digits.
    pub(crate) fn digits(&mut self) -> Option<&'a str> {
        let end = self.rest.bytes().position(|byte| !byte.is_ascii_digit());
        self.word_of(end.unwrap_or(self.rest.len()))
    }

    /// Takes digits of any length; what a `u64` cannot count is its highest value.
    pub(crate) fn long_number(&mut self) -> Option<u64> {
        self.digits().map(saturating)
    }

    /// Takes a word if it has this length, and not none.
    pub(crate) fn word_of(&mut self, length: usize) -> Option<&'a str> {
        let ends = matches!(self.rest.as_bytes().get(length), None | Some(b' '));
        (length > 0 && ends).then(|| self.take_octets(length))
    }

    /// Takes a number that ends at a blank or the end.
    pub(crate) fn number<N: std::str::FromStr>(&mut self) -> Option<N> {
        self.take(Self::word, number)
    }

    /// Takes a field with one of the methods above and makes something of it; takes nothing when that fails.
    pub(crate) fn take<T>(
        &mut self,
        one: impl FnOnce(&mut Self) -> &'a str,
        make: impl FnOnce(&'a str) -> Option<T>,
    ) -> Option<T> {
        let before = *self;
        let made = make(one(self));
        if made.is_none() {
            *self = before;
        }
        made
    }

    pub(crate) const fn error(&self, name: &'static str, expected: &'static str) -> AttributeError {
        AttributeError { name, column: self.column(), expected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 8866 §9 — the characters of a token
    #[test]
    fn tokens_are_made_of_the_characters_of_the_grammar() {
        let said = |byte: u8| match byte {
            b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'~' => true,
            byte => byte.is_ascii_alphanumeric(),
        };
        assert!((0..=255_u8).all(|byte| is_token_byte(byte) == said(byte)));
    }

    #[test]
    fn protocols_are_tokens_with_slashes() {
        assert!(is_protocol("udp") && is_protocol("UDP/TLS/RTP/SAVPF"));
        for bad in ["", "/", "RTP/", "/RTP", "RTP//AVP", "RTP/A(", "a b"] {
            assert!(!is_protocol(bad), "{bad}");
        }
    }

    #[test]
    fn fields_know_their_column() {
        let mut fields = Fields::new("IN  IP4 x");
        assert_eq!(fields.word(), "IN");
        assert_eq!((fields.column(), fields.word()), (5, "IP4"));
        assert_eq!(fields.number::<u8>(), None);
        assert_eq!((fields.column(), fields.rest()), (9, "x"));
    }

    #[test]
    fn a_number_has_no_sign() {
        assert_eq!(number::<u8>("+1"), None);
        assert_eq!(number::<u8>("256"), None);
        assert_eq!(number::<u8>("007"), Some(7));
    }
}

//! Attributes whose value is one text: `a=msid`, `a=label`, `a=content`, `a=tls-id`, `a=ice-options`.

use std::fmt;

use super::TypedAttribute;
use crate::grammar::is_token;
use crate::{AttributeError, Text};

/// Defines attributes that wrap one text with a check.
macro_rules! text_attribute {
    ($(#[$doc:meta] $type:ident, $name:literal, $check:expr, $expected:literal;)+) => {$(
        #[$doc]
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub struct $type(pub Text);

        impl TypedAttribute for $type {
            const NAME: &'static str = $name;

            fn parse(value: &Text) -> Result<Self, AttributeError> {
                let trimmed = value.share(value.trim_end());
                let check: fn(&str) -> bool = $check;
                let error = AttributeError { name: Self::NAME, column: 1, expected: $expected };
                if check(&trimmed) { Ok(Self(trimmed)) } else { Err(error) }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

text_attribute! {
    /// The media stream, and the track in it, that a section belongs to: `a=msid:stream track` (RFC 8830 §2).
    Msid, "msid", |text| (1..=2).contains(&text.split(' ').count()) && text.split(' ').all(is_token), "one or two tokens";
    /// A name for a stream that other protocols use: `a=label:1` (RFC 4574 §4).
    Label, "label", is_token, "a token";
    /// What a stream shows, tags with commas: `a=content:slides,main` (RFC 4796 §5).
    Content, "content", |text| text.split(',').all(is_token), "tokens with commas";
    /// Which TLS or DTLS association it is: 20 to 255 letters, digits, `+`, `/`, `-` and `_` (RFC 8842 §4).
    TlsId, "tls-id", is_tls_id, "20 to 255 characters of base64url, + or /";
    /// What an ICE agent can do, words with blanks: `a=ice-options:ice2 trickle` (RFC 8839 §5.6).
    IceOptions, "ice-options", |text| text.split(' ').all(is_token), "tokens with blanks";
}

fn is_tls_id(text: &str) -> bool {
    let characters =
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_'));
    characters && (20..=255).contains(&text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 8842 §4 — tls-id has 20 to 255 characters
    // rfc: 8830 §2 — msid has one or two identifiers
    #[test]
    fn each_has_its_own_check() {
        let text = |text: &str| Text::from(text);
        assert!(TlsId::parse(&text("abc3de65cddef001be82")).is_ok() && TlsId::parse(&text("abc")).is_err());
        assert!(Msid::parse(&text("stream track")).is_ok() && Msid::parse(&text("a b c")).is_err());
        assert!(Label::parse(&text("1")).is_ok() && Label::parse(&text("")).is_err());
        assert_eq!(Content::parse(&text("slides,main")).unwrap().to_string(), "slides,main");
        assert!(Content::parse(&text("slides,,main")).is_err());
        assert!(IceOptions::parse(&text("ice2 trickle")).is_ok() && IceOptions::parse(&text("")).is_err());
    }
}

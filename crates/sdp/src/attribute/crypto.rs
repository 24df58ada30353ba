//! `a=crypto`: SRTP keys in the description ([RFC 4568]).
//!
//! [RFC 4568]: https://www.rfc-editor.org/rfc/rfc4568

use std::fmt;

use super::TypedAttribute;
use crate::grammar::{Fields, is_text, is_token, number};
use crate::{AttributeError, BuildError, Text};

/// Suites and the octets of key and salt that each takes ([RFC 4568 §6.2], [RFC 6188 §4], [RFC 7714 §14.2]).
///
/// [RFC 4568 §6.2]: https://www.rfc-editor.org/rfc/rfc4568#section-6.2
/// [RFC 6188 §4]: https://www.rfc-editor.org/rfc/rfc6188#section-4
/// [RFC 7714 §14.2]: https://www.rfc-editor.org/rfc/rfc7714#section-14.2
const SUITES: [(&str, usize); 9] = [
    ("AES_CM_128_HMAC_SHA1_80", 16 + 14),
    ("AES_CM_128_HMAC_SHA1_32", 16 + 14),
    ("F8_128_HMAC_SHA1_80", 16 + 14),
    ("AES_192_CM_HMAC_SHA1_80", 24 + 14),
    ("AES_192_CM_HMAC_SHA1_32", 24 + 14),
    ("AES_256_CM_HMAC_SHA1_80", 32 + 14),
    ("AES_256_CM_HMAC_SHA1_32", 32 + 14),
    ("AEAD_AES_128_GCM", 16 + 12),
    ("AEAD_AES_256_GCM", 32 + 12),
];

/// One `a=crypto` line: `1 AES_CM_128_HMAC_SHA1_80 inline:…`. `Debug` shows no key.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct Crypto {
    /// What the answer names to say which line was accepted; 0 to 999,999,999, unique in its media section.
    pub tag: u32,
    suite: Text,
    keys: Text,
    parameters: Text,
}

impl Crypto {
    /// A line with a suite and its keys, such as `inline:` and the base64 of key and salt.
    ///
    /// # Errors
    /// When the tag is above 999,999,999, the suite no token, or the keys not `method:info`, separated by `;`.
    pub fn new(tag: u32, suite: &str, keys: &str) -> Result<Self, BuildError> {
        if tag > MAX_TAG || !is_token(suite) || !are_keys(keys) {
            return Err(BuildError {
                what: "a crypto attribute",
                must_be: "a tag, a suite and method:info keys",
            });
        }
        Ok(Self { tag, suite: Text::from(suite), keys: Text::from(keys), parameters: Text::EMPTY })
    }

    /// The same line under another tag, at most 999,999,999.
    #[must_use]
    pub fn with_tag(mut self, tag: u32) -> Self {
        self.tag = tag.min(MAX_TAG);
        self
    }

    /// The suite, such as `AES_CM_128_HMAC_SHA1_80`.
    #[must_use]
    pub const fn suite(&self) -> &Text {
        &self.suite
    }

    /// The key parameters as they stand in the line: `inline:…`, several separated by `;`. Secret.
    #[must_use]
    pub fn key_text(&self) -> &str {
        &self.keys
    }

    /// The session parameters, such as `UNENCRYPTED_SRTCP` and `KDR=3`.
    pub fn session_parameters(&self) -> impl Iterator<Item = &str> {
        self.parameters.split_ascii_whitespace()
    }

    /// The `inline` keys, each checked against the suite ([RFC 4568 §6.1]).
    ///
    /// # Errors
    /// When a key is of another method, of the wrong length for a suite that we know, or with a bad lifetime or MKI.
    ///
    /// [RFC 4568 §6.1]: https://www.rfc-editor.org/rfc/rfc4568#section-6.1
    pub fn keys(&self) -> impl Iterator<Item = Result<CryptoKey, AttributeError>> {
        let length = SUITES.iter().find(|(name, _)| self.suite == *name).map(|(_, length)| *length);
        self.keys.split(';').map(move |key| {
            let wrong = |expected| AttributeError { name: Self::NAME, column: 1, expected };
            CryptoKey::parse(key.trim_start(), length).map_err(wrong)
        })
    }

    /// True when this line can be used as it is: known suite, one valid key without MKI, and no session parameter
    /// but hints and those that may be ignored ([RFC 4568 §6.3.7]).
    ///
    /// [RFC 4568 §6.3.7]: https://www.rfc-editor.org/rfc/rfc4568#section-6.3.7
    #[must_use]
    pub fn is_usable(&self) -> bool {
        let mut keys = self.keys();
        let one_key = matches!((keys.next(), keys.next()), (Some(Ok(key)), None) if key.mki.is_none());
        let known = SUITES.iter().any(|(name, _)| self.suite == *name);
        known
            && one_key
            && self.session_parameters().all(|one| one.starts_with('-') || one.starts_with("WSH="))
    }
}

const MAX_TAG: u32 = 999_999_999;

fn are_keys(keys: &str) -> bool {
    let one =
        |key: &str| key.split_once(':').is_some_and(|(method, info)| is_token(method) && !info.is_empty());
    is_text(keys) && !keys.contains(' ') && keys.split(';').all(one)
}

impl TypedAttribute for Crypto {
    const NAME: &'static str = "crypto";

    fn parse(value: &Text) -> Result<Self, AttributeError> {
        let mut fields = Fields::new(value);
        let tag = fields.take(Fields::word, |field| number(field).filter(|&tag| tag <= MAX_TAG));
        let tag = tag.ok_or_else(|| fields.error(Self::NAME, "a tag of 1 to 9 digits"))?;
        let suite = fields.word_if(is_token).ok_or_else(|| fields.error(Self::NAME, "a crypto suite"))?;
        let start = fields.column() - 1;
        let key =
            fields.word_if(are_keys).ok_or_else(|| fields.error(Self::NAME, "keys, such as inline:…"))?;
        let mut end = start + key.len();
        // RFC 4568's own example breaks the line after a `;`, and some write a blank there.
        while value.get(..end).is_some_and(|so_far| so_far.ends_with(';')) {
            end += 1 + fields.word().len();
        }
        let keys = value.get(start..end).unwrap_or(key);
        Ok(Self {
            tag,
            suite: value.share(suite),
            keys: value.share(keys),
            parameters: value.share(fields.rest().trim_end()),
        })
    }
}

impl fmt::Display for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.tag, self.suite, self.keys)?;
        if self.parameters.is_empty() { Ok(()) } else { write!(f, " {}", self.parameters) }
    }
}

impl fmt::Debug for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crypto({} {} …)", self.tag, self.suite)
    }
}

/// One `inline:` key of a line. `Debug` shows no key.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct CryptoKey {
    /// Base64 of master key and salt. Secret.
    pub base64: Text,
    /// How many packets it may protect; `None` is what the suite allows.
    pub lifetime: Option<u64>,
    /// The master key identifier and its octets in each packet.
    pub mki: Option<(u128, u8)>,
}

impl CryptoKey {
    fn parse(key: &str, length: Option<usize>) -> Result<Self, &'static str> {
        let info = key.strip_prefix("inline:").ok_or("the key method inline")?;
        let mut parts = info.split('|');
        let base64 = parts.next().unwrap_or_default();
        let digits = base64.trim_end_matches('=');
        let alphabet = digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
        let octets = digits.len() / 4 * 3 + (digits.len() % 4).saturating_sub(1);
        if digits.is_empty() || !alphabet || digits.len() % 4 == 1 || base64.len() - digits.len() > 2 {
            return Err("base64");
        }
        if length.is_some_and(|length| length != octets) {
            return Err("key and salt of the suite's length");
        }
        let (mut lifetime, mut mki) = (None, None);
        for part in parts {
            match part.split_once(':') {
                Some(id) if mki.is_none() => mki = Some(parse_mki(id).ok_or("MKI:length")?),
                None if mki.is_none() && lifetime.is_none() => {
                    lifetime = Some(parse_lifetime(part).ok_or("a lifetime of at most 2^48 packets")?);
                }
                _ => return Err("|lifetime|MKI:length"),
            }
        }
        Ok(Self { base64: Text::from(base64), lifetime, mki })
    }
}

fn without_leading_zero(text: &str) -> Option<&str> {
    (!text.starts_with('0')).then_some(text)
}

fn parse_lifetime(text: &str) -> Option<u64> {
    let lifetime = match text.strip_prefix("2^") {
        Some(power) => 1_u64.checked_shl(number(without_leading_zero(power)?)?)?,
        None => number(without_leading_zero(text)?)?,
    };
    (1..=1 << 48).contains(&lifetime).then_some(lifetime)
}

fn parse_mki((value, length): (&str, &str)) -> Option<(u128, u8)> {
    let length = number(without_leading_zero(length)?).filter(|&length| (1..=128).contains(&length))?;
    Some((number(without_leading_zero(value)?)?, length))
}

impl fmt::Debug for CryptoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CryptoKey")
            .field("lifetime", &self.lifetime)
            .field("mki", &self.mki)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

    fn parse(value: &str) -> Crypto {
        Crypto::parse(&Text::from(value)).unwrap()
    }

    // rfc: 4568 §6.1 — inline key with lifetime and MKI
    #[test]
    fn keys_have_a_lifetime_and_an_mki() {
        let crypto = parse(&format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}|2^20|1:4 FEC_ORDER=FEC_SRTP"));
        let key = crypto.keys().next().unwrap().unwrap();
        assert_eq!((key.lifetime, key.mki), (Some(1 << 20), Some((1, 4))));
        assert_eq!(crypto.session_parameters().collect::<Vec<_>>(), ["FEC_ORDER=FEC_SRTP"]);
        let no_lifetime =
            parse("1 AES_CM_128_HMAC_SHA1_80 inline:YUJDZGVmZ2hpSktMbW9QUXJzVHVWd3l6MTIzNDU2|1066:4");
        assert_eq!(no_lifetime.keys().next().unwrap().unwrap().mki, Some((1066, 4)));
    }

    // rfc: 4568 §6.1 — a key of the wrong length, a lifetime or an MKI that breaks a rule makes the line invalid
    #[test]
    fn invalid_keys_are_not_usable() {
        for key in [
            "inline:d0Rm",
            "inline:****",
            &format!("{KEY}|2^49"),
            &format!("{KEY}|0"),
            &format!("{KEY}|2^20|1:129"),
            &format!("{KEY}|2^20|1:0"),
            &format!("{KEY}|2^020"),
            &format!("{KEY}|01:4"),
            &format!("uri:{KEY}"),
        ] {
            let crypto = parse(&format!("1 AES_CM_128_HMAC_SHA1_80 {key}"));
            assert!(crypto.keys().any(|key| key.is_err()) && !crypto.is_usable(), "{key}");
        }
        assert!(parse(&format!("1 AES_CM_128_HMAC_SHA1_32 {KEY}|2^48")).is_usable());
    }

    // rfc: 4568 §6.3.7 — an unknown session parameter is mandatory unless it begins with a dash
    #[test]
    fn unknown_session_parameters_spoil_the_line() {
        assert!(parse(&format!("1 AES_CM_128_HMAC_SHA1_80 {KEY} WSH=64 -NEW=1")).is_usable());
        assert!(!parse(&format!("1 AES_CM_128_HMAC_SHA1_80 {KEY} UNENCRYPTED_SRTP")).is_usable());
        assert!(!parse(&format!("1 AES_CM_128_HMAC_SHA1_80 {KEY} NEW=1")).is_usable());
    }

    // rfc: 4568 §6.1 — several keys, each with an MKI
    #[test]
    fn several_keys_are_read_and_not_used() {
        let crypto =
            parse(&format!("2 F8_128_HMAC_SHA1_80 {KEY}|2^20|1:4;{KEY}|2^20|2:4 FEC_ORDER=FEC_SRTP"));
        assert_eq!(crypto.keys().filter(Result::is_ok).count(), 2);
        assert!(!crypto.is_usable());
    }

    #[test]
    fn debug_shows_no_key() {
        let crypto = parse(&format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}"));
        assert!(!format!("{crypto:?} {:?}", crypto.keys().next()).contains("d0Rm"));
        assert!(crypto.to_string().contains("d0Rm"));
    }

    #[test]
    fn a_line_is_a_tag_a_suite_and_keys() {
        for bad in ["", "1", "1 S", "x S inline:a", "1000000000 S inline:a", "1 S inline", "1 S =:a"] {
            assert!(Crypto::parse(&Text::from(bad)).is_err(), "{bad}");
        }
        assert!(Crypto::new(1, "S", "inline:a b").is_err());
    }
}

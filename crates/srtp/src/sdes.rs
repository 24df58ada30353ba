//! Keys in `a=crypto` lines ([RFC 4568 §6.1]): the `inline:` key parameter and the session parameters.
//!
//! Each side's line carries the key for what that side sends. The line must travel over protected signalling only;
//! who may see it can hear the call.
//!
//! [RFC 4568 §6.1]: https://www.rfc-editor.org/rfc/rfc4568#section-6.1

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::key::MAX_LIFETIME;
use crate::{MasterKey, Profile};

/// Padding is written and may be left out by the peer.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a key parameter is not valid: the whole `a=crypto` line is then to be ignored.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SdesError {
    /// It does not begin with `inline:`.
    #[error("not an inline key")]
    Method,
    /// It holds several keys; a call needs one, and a peer that offers more also takes a line with one.
    #[error("several keys in one line")]
    SeveralKeys,
    /// It is not base64, or not as long as the profile's key and salt.
    #[error("key and salt of the wrong length, or not base64")]
    Key,
    /// It is zero, has leading zeros, or is above 2^48.
    #[error("lifetime out of range")]
    Lifetime,
    /// The master key identifier does not fit its length, or the length is not 1 to 128.
    #[error("malformed master key identifier")]
    Mki,
}

/// Reads a key parameter: `inline:<key||salt>|<lifetime>|<MKI>:<length>`, the last two being optional.
///
/// # Errors
/// See [`SdesError`]; by RFC 4568 each of them makes the whole line invalid.
pub fn parse(profile: Profile, key_params: &str) -> Result<MasterKey, SdesError> {
    if key_params.contains(';') {
        return Err(SdesError::SeveralKeys);
    }
    let info = strip_prefix_ignore_case(key_params, "inline:").ok_or(SdesError::Method)?;
    let mut fields = info.split('|');
    let octets = BASE64.decode(fields.next().unwrap_or_default()).map_err(|_| SdesError::Key)?;
    let mut key = MasterKey::new(profile, &Zeroizing::new(octets)).map_err(|_| SdesError::Key)?;
    let mut field = fields.next();
    if let Some(text) = field.filter(|text| !text.contains(':')) {
        key = key.with_lifetime(lifetime(text).ok_or(SdesError::Lifetime)?);
        field = fields.next();
    }
    if let Some(text) = field {
        key = key.with_mki(&mki(text).ok_or(SdesError::Mki)?).map_err(|_| SdesError::Mki)?;
    }
    if fields.next().is_some() { Err(SdesError::Mki) } else { Ok(key) }
}

/// Writes the key parameter, with the lifetime and the identifier where they are not the defaults.
#[must_use]
pub fn write(key: &MasterKey) -> String {
    let mut text = format!("inline:{}", BASE64.encode(key.key_and_salt()));
    match key.lifetime() {
        MAX_LIFETIME => {}
        packets if packets.is_power_of_two() => text += &format!("|2^{}", packets.trailing_zeros()),
        packets => text += &format!("|{packets}"),
    }
    if !key.mki().is_empty() {
        text += &format!("|{}:{}", decimal(key.mki()), key.mki().len());
    }
    text
}

/// May a line with these session parameters be used ([RFC 4568 §6.3])?
///
/// `WSH` only advises, and what begins with a dash may be ignored; every other parameter changes the packets, and
/// a line with one that is not supported must not be used. This crate supports none of them.
///
/// [RFC 4568 §6.3]: https://www.rfc-editor.org/rfc/rfc4568#section-6.3
#[must_use]
pub fn accepts_parameters(session_params: &str) -> bool {
    session_params
        .split_ascii_whitespace()
        .all(|parameter| parameter.starts_with('-') || strip_prefix_ignore_case(parameter, "WSH=").is_some())
}

fn strip_prefix_ignore_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// A positive decimal number without leading zeros.
fn positive(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| plain)
}

fn lifetime(text: &str) -> Option<u64> {
    let packets = match text.strip_prefix("2^") {
        Some("0") => 1,
        Some(power) => 1_u64.checked_shl(u32::try_from(positive(power)?).ok()?)?,
        None => positive(text)?,
    };
    (packets <= MAX_LIFETIME).then_some(packets)
}

/// The octets of `value:length`: a decimal number of any size as a big-endian one.
fn mki(text: &str) -> Option<Vec<u8>> {
    let (value, length) = text.split_once(':')?;
    let length = usize::try_from(positive(length)?).ok().filter(|length| *length <= 128)?;
    // 128 octets are at most 309 digits; more could not fit and would only cost time.
    if value.is_empty() || value.len() > 309 || value.starts_with('0') {
        return None;
    }
    let mut octets = vec![0_u8; length];
    for digit in value.chars() {
        let mut carry = digit.to_digit(10)?;
        for octet in octets.iter_mut().rev() {
            let sum = u32::from(*octet) * 10 + carry;
            (*octet, carry) = (sum.to_le_bytes()[0], sum >> 8);
        }
        if carry > 0 {
            return None;
        }
    }
    Some(octets)
}

/// A big-endian number in decimal.
fn decimal(octets: &[u8]) -> String {
    let mut rest = octets.to_vec();
    let mut digits = Vec::new();
    while digits.is_empty() || rest.iter().any(|octet| *octet > 0) {
        let mut remainder = 0;
        for octet in &mut rest {
            let value = remainder * 256 + u32::from(*octet);
            (*octet, remainder) = ((value / 10).to_le_bytes()[0], value % 10);
        }
        digits.push(char::from_digit(remainder, 10).unwrap_or('0'));
    }
    digits.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Profile::AesCm128HmacSha1_80 as AES_128;

    const KEY: &str = "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

    // rfc: 4568 §6.1 — inline key with lifetime and MKI, as in the section's examples
    #[test]
    fn the_examples_of_the_rfc_are_read_and_written_again() {
        let text = format!("{KEY}|2^20|1:4");
        let key = parse(AES_128, &text).unwrap();
        assert_eq!((key.lifetime(), key.mki()), (1 << 20, &[0, 0, 0, 1][..]));
        assert_eq!(key.key_and_salt(), b"wDfvg&T+)xG7@fb5jU,RaA}\\|p0%*#");
        assert_eq!(write(&key), text);
        let text = "inline:YUJDZGVmZ2hpSktMbW9QUXJzVHVWd3l6MTIzNDU2|1066:4";
        let key = parse(AES_128, text).unwrap();
        assert_eq!((key.lifetime(), key.mki()), (1 << 48, &[0, 0, 4, 42][..]));
        assert_eq!(write(&key), text);
    }

    // rfc: 4568 §6.1 — padding is discarded; a wrong length makes the line invalid
    #[test]
    fn padding_may_be_there_or_not_and_the_length_must_fit_the_profile() {
        let key = MasterKey::new(Profile::AesCm192HmacSha1_80, &[0x5a; 38]).unwrap();
        let text = write(&key);
        assert!(text.ends_with('='));
        assert_eq!(parse(Profile::AesCm192HmacSha1_80, &text), Ok(key.clone()));
        assert_eq!(parse(Profile::AesCm192HmacSha1_80, text.trim_end_matches('=')), Ok(key));
        assert_eq!(parse(AES_128, &text), Err(SdesError::Key));
        assert_eq!(parse(AES_128, "inline:????"), Err(SdesError::Key));
    }

    // rfc: 4568 §6.1 — lifetimes and identifiers out of range make the line invalid
    #[test]
    fn what_is_out_of_range_is_refused() {
        let error = |suffix: &str| parse(AES_128, &format!("{KEY}{suffix}")).err();
        for suffix in
            ["|0", "|2^49", "|012", "|2^064", "|", "|281474976710657", "|-1", "|+5", "|2^99999999999"]
        {
            assert_eq!(error(suffix), Some(SdesError::Lifetime), "{suffix}");
        }
        for suffix in ["|1:0", "|1:129", "|:4", "|256:1", "|01:4", "|1:04", "|a:4", "|1:4|2^20", "|2^20|1"] {
            assert_eq!(error(suffix), Some(SdesError::Mki), "{suffix}");
        }
        for suffix in ["|2^48", "|2^0", "|1", "|255:1", "|2^31|1:128"] {
            assert_eq!(error(suffix), None, "{suffix}");
        }
        assert_eq!(parse(AES_128, "uri:x"), Err(SdesError::Method));
        assert_eq!(error(&format!("|1:4;{KEY}|2:4")), Some(SdesError::SeveralKeys));
    }

    #[test]
    fn identifiers_of_any_size_keep_their_value() {
        let mki: Vec<u8> = (1..=128).collect();
        let key = MasterKey::new(AES_128, &[1; 30]).unwrap().with_mki(&mki).unwrap();
        assert_eq!(parse(AES_128, &write(&key)).unwrap().mki(), mki);
        assert_eq!(parse(AES_128, &format!("{KEY}|{}:128", "9".repeat(309))), Err(SdesError::Mki));
    }

    // rfc: 4568 §6.3 — a line with an unknown session parameter is not used
    #[test]
    fn session_parameters_that_change_packets_are_refused() {
        assert!(accepts_parameters(""));
        assert!(accepts_parameters("WSH=128 -x-ours"));
        assert!(!accepts_parameters("UNENCRYPTED_SRTP"));
        assert!(!accepts_parameters("WSH=64 KDR=0"));
    }
}

//! What a description says about itself and its media in words: `a=tool`, `a=type`, `a=charset`, `a=sdplang`, `a=lang`,
//! `a=orient`, `a=framerate`, `a=quality` ([RFC 8866 §6]). `a=cat` and `a=keywds` are obsolete, kept and not read.
//!
//! [RFC 8866 §6]: https://www.rfc-editor.org/rfc/rfc8866#section-6

use super::macros::text_attribute;
use crate::grammar::{is_text, is_token};

text_attribute! {
    /// The name and version of the tool that made the description: `a=tool:foobar V3.2`.
    Tool, "tool", is_text, "text"
}

text_attribute! {
    /// The kind of conference: `broadcast`, `meeting`, `moderated`, `test` or `H332`, in this case.
    ConferenceType, "type", |text| ["broadcast", "meeting", "moderated", "test", "H332"].contains(&text),
    "broadcast, meeting, moderated, test or H332"
}

text_attribute! {
    /// The character set of `s=`, `i=` and a few attributes: `a=charset:ISO-8859-1`; UTF-8 when not said.
    Charset, "charset", is_token, "the name of a character set"
}

text_attribute! {
    /// A language of the description: `a=sdplang:fr`.
    SdpLang, "sdplang", is_language_tag, "a language tag"
}

text_attribute! {
    /// A language of the media, the most preferred first: `a=lang:de`.
    Lang, "lang", is_language_tag, "a language tag"
}

text_attribute! {
    /// How the workspace lies on the screen: `portrait`, `landscape` or `seascape`, in this case.
    Orient, "orient", |text| ["portrait", "landscape", "seascape"].contains(&text), "portrait, landscape or seascape"
}

text_attribute! {
    /// The most pictures in a second, an integer or a decimal fraction above 0: `a=framerate:29.97`.
    FrameRate, "framerate", is_above_zero, "a number above 0"
}

text_attribute! {
    /// How good the encoding should be, for video 0 (worst) to 10 (best): `a=quality:10`.
    Quality, "quality", |text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()), "digits"
}

impl FrameRate {
    /// The rate as a number.
    #[must_use]
    pub fn hz(&self) -> f64 {
        self.0.parse().unwrap_or_default()
    }
}

/// The outline of [RFC 5646 §2.1]: parts of 1 to 8 letters and digits, with hyphens.
///
/// [RFC 5646 §2.1]: https://www.rfc-editor.org/rfc/rfc5646#section-2.1
fn is_language_tag(text: &str) -> bool {
    let part =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.split('-').all(part)
}

fn is_above_zero(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    digits(whole) && digits(fraction) && text.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Text;
    use crate::attribute::TypedAttribute;

    fn ok<T: TypedAttribute>(text: &str) -> bool {
        T::parse(&Text::from(text)).is_ok_and(|value| value.to_string() == text)
    }

    // rfc: 8866 §6.3 — tool is text
    // rfc: 8866 §6.9 — type is one of five names, which are case-sensitive
    // rfc: 8866 §6.10 — charset names a character set
    #[test]
    fn the_session_says_what_it_is() {
        assert!(ok::<Tool>("foobar V3.2") && !ok::<Tool>(""));
        assert!(ok::<ConferenceType>("H332") && !ok::<ConferenceType>("Meeting"));
        assert!(ok::<Charset>("ISO-8859-1") && !ok::<Charset>("ISO 8859"));
    }

    // rfc: 8866 §6.11 — sdplang is a single language tag
    // rfc: 8866 §6.12 — lang is a single language tag
    #[test]
    fn languages_are_tags() {
        assert!(ok::<SdpLang>("fr") && ok::<Lang>("de-CH-1996") && ok::<Lang>("x-klingon"));
        for bad in ["", "de_CH", "de fr", "4de", "abcdefghi", "de-"] {
            assert!(!ok::<Lang>(bad) && !ok::<SdpLang>(bad), "{bad}");
        }
    }

    // rfc: 8866 §6.8 — orient is portrait, landscape or seascape
    // rfc: 8866 §6.13 — framerate is a number above zero, fractions are allowed
    // rfc: 8866 §6.14 — quality is an integer from zero
    #[test]
    fn pictures_have_a_shape_a_rate_and_a_quality() {
        assert!(ok::<Orient>("seascape") && !ok::<Orient>("Portrait"));
        assert!((FrameRate::parse(&Text::from("29.97")).unwrap().hz() - 29.97).abs() < 1e-9);
        assert!(
            ok::<FrameRate>("60")
                && !ok::<FrameRate>("0")
                && !ok::<FrameRate>("0.0")
                && !ok::<FrameRate>("1e3")
        );
        assert!(ok::<Quality>("0") && ok::<Quality>("10") && !ok::<Quality>("-1"));
    }
}

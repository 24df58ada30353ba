//! `a=msid` ([RFC 8830 §2]).
//!
//! [RFC 8830 §2]: https://www.rfc-editor.org/rfc/rfc8830#section-2

use super::macros::text_attribute;
use crate::grammar::is_token;

text_attribute! {
    /// The media stream, and the track in it, that a section belongs to: `a=msid:stream track` ([RFC 8830 §2]).
    ///
    /// [RFC 8830 §2]: https://www.rfc-editor.org/rfc/rfc8830#section-2
    Msid, "msid", |text| (1..=2).contains(&text.split(' ').count()) && text.split(' ').all(is_token), "one or two tokens"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Text;
    use crate::attribute::TypedAttribute;

    // rfc: 8830 §2 — one or two identifiers
    #[test]
    fn a_stream_and_a_track() {
        assert_eq!(Msid::parse(&Text::from("stream track ")).unwrap().to_string(), "stream track");
        assert!(Msid::parse(&Text::from("-")).is_ok());
        for bad in ["", "a b c", "a  b", "(a"] {
            assert!(Msid::parse(&Text::from(bad)).is_err(), "{bad}");
        }
    }
}

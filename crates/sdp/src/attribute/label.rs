//! `a=label` ([RFC 4574 §4]).
//!
//! [RFC 4574 §4]: https://www.rfc-editor.org/rfc/rfc4574#section-4

use super::macros::text_attribute;
use crate::grammar::is_token;

text_attribute! {
    /// A name for a stream that other protocols use: `a=label:1` ([RFC 4574 §4]).
    ///
    /// [RFC 4574 §4]: https://www.rfc-editor.org/rfc/rfc4574#section-4
    Label, "label", is_token, "a token"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Text;
    use crate::attribute::TypedAttribute;

    // rfc: 4574 §4 — a token
    #[test]
    fn a_label_is_a_token() {
        assert_eq!(Label::parse(&Text::from("1")).unwrap().to_string(), "1");
        assert!(Label::parse(&Text::from("")).is_err() && Label::parse(&Text::from("a b")).is_err());
    }
}

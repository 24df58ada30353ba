//! `a=content` ([RFC 4796 §5]).
//!
//! [RFC 4796 §5]: https://www.rfc-editor.org/rfc/rfc4796#section-5

use super::macros::text_attribute;
use crate::grammar::is_token;

text_attribute! {
    /// What a stream shows, tags with commas: `a=content:slides,main` ([RFC 4796 §5]).
    ///
    /// [RFC 4796 §5]: https://www.rfc-editor.org/rfc/rfc4796#section-5
    Content, "content", |text| text.split(',').all(is_token), "tokens with commas"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Text;
    use crate::attribute::TypedAttribute;

    // rfc: 4796 §5 — slides, speaker, sl, main, alt and other tokens, with commas
    #[test]
    fn tags_are_tokens_with_commas() {
        assert_eq!(Content::parse(&Text::from("slides,main")).unwrap().to_string(), "slides,main");
        assert!(Content::parse(&Text::from("slides,,main")).is_err());
    }
}

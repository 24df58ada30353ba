//! `a=tls-id` ([RFC 8842 §4]).
//!
//! [RFC 8842 §4]: https://www.rfc-editor.org/rfc/rfc8842#section-4

use super::macros::text_attribute;

text_attribute! {
    /// Which TLS or DTLS association it is: 20 to 255 letters, digits, `+`, `/`, `-` and `_` ([RFC 8842 §4]).
    ///
    /// [RFC 8842 §4]: https://www.rfc-editor.org/rfc/rfc8842#section-4
    TlsId, "tls-id", is_tls_id, "20 to 255 characters of base64url, + or /"
}

fn is_tls_id(text: &str) -> bool {
    let characters =
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_'));
    characters && (20..=255).contains(&text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Text;
    use crate::attribute::TypedAttribute;

    // rfc: 8842 §4 — 20 to 255 characters
    #[test]
    fn an_id_has_20_to_255_characters() {
        let parse = |text: &str| TlsId::parse(&Text::from(text));
        assert!(parse("abc3de65cddef001be82").is_ok() && parse(&"a".repeat(255)).is_ok());
        assert!(parse("abc3de65cddef001be8").is_err() && parse(&"a".repeat(256)).is_err());
        assert!(parse("abc3de65cddef001be8=").is_err());
    }
}

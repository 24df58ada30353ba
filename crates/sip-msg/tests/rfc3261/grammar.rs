//! The grammar: §25.1.

use super::*;

// rfc: 3261 §25.1 — quoted-string: escapes of quote and backslash
#[test]
fn quotes_and_backslashes_are_escaped() {
    let from: From = read(r#""a \"b\" \\ \c" <sip:d@e>"#);
    assert_eq!(from.display_name(), Some(r#"a "b" \ c"#));
    assert_eq!(from.to_string(), r#""a \"b\" \\ c" <sip:d@e>"#);
    refuse::<From>(r#""a\" <sip:d@e>"#);
}

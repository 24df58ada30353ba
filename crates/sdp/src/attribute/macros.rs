//! For attributes whose value is one text with a check.

/// Defines a type around the text of an attribute's value: its documentation and name, the attribute, the check, and what is
/// expected when the check fails.
macro_rules! text_attribute {
    ($(#[$doc:meta])+ $type:ident, $name:literal, $check:expr, $expected:literal) => {
        $(#[$doc])+
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub struct $type(pub $crate::Text);

        impl $crate::attribute::TypedAttribute for $type {
            const NAME: &'static str = $name;

            fn parse(value: &$crate::Text) -> Result<Self, $crate::AttributeError> {
                let trimmed = value.share(value.trim_end());
                let check: fn(&str) -> bool = $check;
                let error = $crate::AttributeError { name: Self::NAME, column: 1, expected: $expected };
                if check(&trimmed) { Ok(Self(trimmed)) } else { Err(error) }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

pub(super) use text_attribute;

//! Macros for headers that share a shape.

/// A header that is one 32-bit number.
macro_rules! integer_header {
    ($(#[$doc:meta])* $type:ident, $name:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
        pub struct $type(pub u32);

        impl $crate::TypedHeader for $type {
            const NAME: $crate::HeaderName = $crate::HeaderName::$name;

            fn parse(cursor: &mut $crate::Cursor<'_>) -> Result<Self, $crate::Unexpected> {
                Ok(Self(cursor.number($expected)?))
            }
        }

        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl core::convert::From<u32> for $type {
            fn from(value: u32) -> Self {
                Self(value)
            }
        }
    };
}

/// A header that is a list of tokens, joined by commas over all lines.
macro_rules! token_list_header {
    ($(#[$doc:meta])* $type:ident, $name:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Eq, PartialEq)]
        pub struct $type(pub alloc::vec::Vec<$crate::Text>);

        impl $type {
            /// Whether `token` is listed, in any case.
            #[must_use]
            pub fn contains(&self, token: &str) -> bool {
                self.0.iter().any(|known| known.eq_ignore_ascii_case(token))
            }

            /// The tokens, in order.
            pub fn iter(&self) -> core::slice::Iter<'_, $crate::Text> {
                self.0.iter()
            }
        }

        impl<T: Into<$crate::Text>> FromIterator<T> for $type {
            fn from_iter<I: IntoIterator<Item = T>>(tokens: I) -> Self {
                Self(tokens.into_iter().map(Into::into).collect())
            }
        }

        impl<'a> IntoIterator for &'a $type {
            type Item = &'a $crate::Text;
            type IntoIter = core::slice::Iter<'a, $crate::Text>;

            fn into_iter(self) -> Self::IntoIter {
                self.iter()
            }
        }

        impl $crate::TypedHeader for $type {
            const NAME: $crate::HeaderName = $crate::HeaderName::$name;
            const FORM: $crate::Form = $crate::Form::List;

            fn parse(cursor: &mut $crate::Cursor<'_>) -> Result<Self, $crate::Unexpected> {
                Ok(Self($crate::header::read_list(cursor, |cursor| cursor.token($expected))?))
            }

            fn extend(&mut self, more: Self) {
                self.0.extend(more.0);
            }
        }

        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                $crate::header::write_list(f, &self.0)
            }
        }
    };
}

/// A header that is free text.
macro_rules! text_header {
    ($(#[$doc:meta])* $type:ident, $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub struct $type(pub $crate::Text);

        impl $crate::TypedHeader for $type {
            const NAME: $crate::HeaderName = $crate::HeaderName::$name;

            fn parse(cursor: &mut $crate::Cursor<'_>) -> Result<Self, $crate::Unexpected> {
                Ok(Self(cursor.rest_text()))
            }
        }

        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<T: Into<$crate::Text>> core::convert::From<T> for $type {
            fn from(text: T) -> Self {
                Self(text.into())
            }
        }
    };
}

/// A header that is an address and parameters.
macro_rules! name_addr_header {
    ($(#[$doc:meta])* $type:ident, $name:ident, $form:ident, $read:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub struct $type {
            /// Display name and URI.
            pub name_addr: $crate::NameAddr,
            /// The header's own parameters.
            pub params: $crate::Params,
        }

        impl $type {
            /// An address without parameters of the header.
            #[must_use]
            pub fn new(name_addr: impl Into<$crate::NameAddr>) -> Self {
                Self { name_addr: name_addr.into(), params: $crate::Params::new() }
            }

            /// The URI.
            #[must_use]
            pub fn uri(&self) -> &$crate::Uri {
                &self.name_addr.uri
            }

            /// The display name, without quotes.
            #[must_use]
            pub fn display_name(&self) -> Option<&str> {
                self.name_addr.display_name.as_deref()
            }

            /// A copy that shares no buffer with a message.
            #[must_use]
            pub fn detach(&self) -> Self {
                Self { name_addr: self.name_addr.detach(), params: self.params.detach() }
            }
        }

        impl $crate::TypedHeader for $type {
            const NAME: $crate::HeaderName = $crate::HeaderName::$name;
            const FORM: $crate::Form = $crate::Form::$form;

            fn parse(cursor: &mut $crate::Cursor<'_>) -> Result<Self, $crate::Unexpected> {
                let name_addr = $crate::NameAddr::$read(cursor)?;
                Ok(Self { name_addr, params: $crate::Params::read(cursor)? })
            }
        }

        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{}{}", self.name_addr, self.params)
            }
        }
    };
}

/// A header that is a token, or another word, and parameters.
macro_rules! word_header {
    ($(#[$doc:meta])* $type:ident, $name:ident, $form:ident, $field:ident: $class:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub struct $type {
            #[doc = concat!("What stands first: ", $expected, ".")]
            pub $field: $crate::Text,
            /// The parameters.
            pub params: $crate::Params,
        }

        impl $type {
            /// A value without parameters.
            #[must_use]
            pub fn new($field: impl Into<$crate::Text>) -> Self {
                Self { $field: $field.into(), params: $crate::Params::new() }
            }
        }

        impl $crate::TypedHeader for $type {
            const NAME: $crate::HeaderName = $crate::HeaderName::$name;
            const FORM: $crate::Form = $crate::Form::$form;

            fn parse(cursor: &mut $crate::Cursor<'_>) -> Result<Self, $crate::Unexpected> {
                let $field = cursor.text_of($crate::grammar::$class, $expected)?;
                Ok(Self { $field, params: $crate::Params::read(cursor)? })
            }
        }

        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{}{}", self.$field, self.params)
            }
        }
    };
}

/// A header that is one word without parameters.
macro_rules! single_word_header {
    ($(#[$doc:meta])* $type:ident, $name:ident, $class:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, PartialEq, Hash)]
        pub struct $type(pub $crate::Text);

        impl $crate::TypedHeader for $type {
            const NAME: $crate::HeaderName = $crate::HeaderName::$name;

            fn parse(cursor: &mut $crate::Cursor<'_>) -> Result<Self, $crate::Unexpected> {
                Ok(Self(cursor.text_of($crate::grammar::$class, $expected)?))
            }
        }

        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<T: Into<$crate::Text>> core::convert::From<T> for $type {
            fn from(text: T) -> Self {
                Self(text.into())
            }
        }
    };
}

/// A header that is a number of seconds and parameters.
macro_rules! seconds_header {
    ($(#[$doc:meta])* $type:ident, $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub struct $type {
            /// The interval, in seconds.
            pub seconds: u32,
            /// The parameters.
            pub params: $crate::Params,
        }

        impl $type {
            /// An interval without parameters.
            #[must_use]
            pub fn new(seconds: u32) -> Self {
                Self { seconds, params: $crate::Params::new() }
            }
        }

        impl $crate::TypedHeader for $type {
            const NAME: $crate::HeaderName = $crate::HeaderName::$name;

            fn parse(cursor: &mut $crate::Cursor<'_>) -> Result<Self, $crate::Unexpected> {
                let seconds = cursor.number("a number of seconds")?;
                Ok(Self { seconds, params: $crate::Params::read(cursor)? })
            }
        }

        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{}{}", self.seconds, self.params)
            }
        }
    };
}

/// A header that names another dialog: a Call-ID, and two tags among the parameters.
macro_rules! dialog_header {
    ($(#[$doc:meta])* $type:ident, $name:ident, $local:ident $local_name:literal, $remote:ident $remote_name:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub struct $type {
            /// The Call-ID of the dialog.
            pub call_id: $crate::CallId,
            /// The parameters, the two tags among them.
            pub params: $crate::Params,
        }

        impl $type {
            /// Names a dialog.
            #[must_use]
            pub fn new(
                call_id: impl Into<$crate::CallId>,
                $local: impl Into<$crate::Text>,
                $remote: impl Into<$crate::Text>,
            ) -> Self {
                let mut params = $crate::Params::new();
                params.set($local_name, $local);
                params.set($remote_name, $remote);
                Self { call_id: call_id.into(), params }
            }

            #[doc = concat!("The parameter `", $local_name, "`: the tag of the side that receives the request.")]
            #[must_use]
            pub fn $local(&self) -> Option<&str> {
                self.params.value($local_name)
            }

            #[doc = concat!("The parameter `", $remote_name, "`: the tag of that side's peer.")]
            #[must_use]
            pub fn $remote(&self) -> Option<&str> {
                self.params.value($remote_name)
            }
        }

        impl $crate::TypedHeader for $type {
            const NAME: $crate::HeaderName = $crate::HeaderName::$name;

            fn parse(cursor: &mut $crate::Cursor<'_>) -> Result<Self, $crate::Unexpected> {
                let call_id = <$crate::CallId as $crate::TypedHeader>::parse(cursor)?;
                Ok(Self { call_id, params: $crate::Params::read(cursor)? })
            }
        }

        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{}{}", self.call_id, self.params)
            }
        }
    };
}

/// A header that is `<URI>` and parameters.
macro_rules! reference_header {
    ($(#[$doc:meta])* $type:ident, $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub struct $type {
            /// The URI.
            pub uri: $crate::Uri,
            /// The parameters.
            pub params: $crate::Params,
        }

        impl $type {
            /// A URI without parameters.
            #[must_use]
            pub fn new(uri: $crate::Uri) -> Self {
                Self { uri, params: $crate::Params::new() }
            }
        }

        impl $crate::TypedHeader for $type {
            const NAME: $crate::HeaderName = $crate::HeaderName::$name;
            const FORM: $crate::Form = $crate::Form::Element;

            fn parse(cursor: &mut $crate::Cursor<'_>) -> Result<Self, $crate::Unexpected> {
                let uri = $crate::header::read_bracketed(cursor)?;
                Ok(Self { uri, params: $crate::Params::read(cursor)? })
            }
        }

        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "<{}>{}", self.uri, self.params)
            }
        }
    };
}

//! Why a description could not be read or written.

/// Why a text is no session description: the line, its letter and the column, each counted from 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// A line does not follow the grammar of [RFC 8866 §9].
    ///
    /// [RFC 8866 §9]: https://www.rfc-editor.org/rfc/rfc8866#section-9
    #[error("line {line} ({letter}=), column {column}: expected {expected}")]
    Malformed {
        /// The number of the line.
        line: usize,
        /// The letter before its `=`; `?` when the line does not begin with a letter and `=`.
        letter: char,
        /// The octet of the line at which the trouble begins.
        column: usize,
        /// What belongs there.
        expected: &'static str,
    },
    /// A line that must be there is missing.
    #[error("the {0}= line is missing")]
    Missing(char),
    /// A line that may stand only once came again.
    #[error("line {line} ({letter}=), column 1: only one such line may be there")]
    Repeated {
        /// The number of the second such line.
        line: usize,
        /// Its letter.
        letter: char,
    },
    /// A limit was passed.
    #[error("more than {limit} {what}")]
    TooLarge {
        /// What there was too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

/// Why the value of an attribute could not be read as its type.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a={name}, column {column}: expected {expected}")]
pub struct AttributeError {
    /// The attribute's name.
    pub name: &'static str,
    /// The octet of the attribute's value at which the trouble begins, from 1.
    pub column: usize,
    /// What belongs there.
    pub expected: &'static str,
}

/// Why a part of a description could not be built.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what} must be {must_be}")]
pub struct BuildError {
    /// The part.
    pub what: &'static str,
    /// What the grammar asks of it.
    pub must_be: &'static str,
}

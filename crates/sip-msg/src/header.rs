//! [`TypedHeader`] and the typed headers, one file for each header or close family.

use core::fmt;

use crate::{Cursor, HeaderName, Unexpected};

#[macro_use]
mod macros;
mod auth;
mod call_id;
mod contact;
mod content;
mod cseq;
mod date;
mod dialog;
mod event;
mod extension;
mod identity;
mod lists;
pub(crate) mod name;
mod name_addr;
mod numbers;
mod reference;
mod route;
mod text;
mod via;
mod warning;

pub use auth::*;
pub use call_id::*;
pub use contact::*;
pub use content::*;
pub use cseq::*;
pub use date::*;
pub use dialog::*;
pub use event::*;
pub use extension::*;
pub use identity::*;
pub use lists::*;
pub(crate) use name_addr::read_bracketed;
pub use name_addr::*;
pub use numbers::*;
pub use reference::*;
pub use route::*;
pub use text::*;
pub use via::*;
pub use warning::*;

/// How the values of a header spread over lines and commas ([RFC 3261 §7.3.1]).
///
/// [RFC 3261 §7.3.1]: https://www.rfc-editor.org/rfc/rfc3261#section-7.3.1
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// One value a line; commas belong to the value.
    Single,
    /// One value is one element of a comma list.
    Element,
    /// One value is the list over all lines.
    List,
}

/// A header with a grammar of its own; users may implement it for headers we do not know.
///
/// [`fmt::Display`] writes the value as it stands on the wire, without the name and the line end.
pub trait TypedHeader: Sized + fmt::Display {
    /// The name.
    const NAME: HeaderName;
    /// How values spread over lines and commas.
    const FORM: Form = Form::Single;

    /// Reads one value; the cursor stands on its first byte and ends behind its last.
    ///
    /// # Errors
    /// [`Unexpected`] when the value does not follow the grammar.
    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected>;

    /// Adds the values of a further line; only a [`Form::List`] has any.
    fn extend(&mut self, more: Self) {
        drop(more);
    }
}

/// Runs a macro with the list of all typed headers: `callback! { Via From … }`.
///
/// The round-trip test and the `sip_header` fuzz target enrol each header through it.
#[macro_export]
macro_rules! for_each_header {
    ($callback:ident) => {
        $callback! {
            Via From To Contact CallId CSeq MaxForwards Route RecordRoute Path ServiceRoute
            Expires MinExpires RetryAfter Date Timestamp
            ContentType ContentLength ContentDisposition ContentEncoding ContentLanguage MimeVersion
            Allow Supported Require ProxyRequire Unsupported Accept AcceptEncoding AcceptLanguage
            UserAgent Server Subject Organization Priority Warning ReplyTo InReplyTo
            AlertInfo CallInfo ErrorInfo Geolocation
            WwwAuthenticate ProxyAuthenticate Authorization ProxyAuthorization AuthenticationInfo
            SecurityClient SecurityServer SecurityVerify
            RSeq RAck Event AllowEvents SubscriptionState SipEtag SipIfMatch InfoPackage RecvInfo
            ReferTo ReferredBy ReferSub Replaces Join TargetDialog SessionExpires MinSe Reason
            Privacy PAssertedIdentity PPreferredIdentity Diversion HistoryInfo Identity
            FeatureCaps FlowTimer ResourcePriority UserToUser SessionId AnswerMode
        }
    };
}

/// Reads `[value *(, value)]` up to the cursor's end.
pub(crate) fn read_list<T>(
    cursor: &mut Cursor<'_>,
    mut read: impl FnMut(&mut Cursor<'_>) -> Result<T, Unexpected>,
) -> Result<alloc::vec::Vec<T>, Unexpected> {
    let mut values = alloc::vec::Vec::new();
    cursor.skip_space();
    if cursor.is_at_end() {
        return Ok(values);
    }
    loop {
        values.push(read(cursor)?);
        if !cursor.eat_spaced(b',') {
            return Ok(values);
        }
    }
}

/// Writes values with a comma and a space between.
pub(crate) fn write_list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, values: &[T]) -> fmt::Result {
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        value.fmt(f)?;
    }
    Ok(())
}

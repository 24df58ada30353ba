//! Events, reliable provisional responses and INFO packages: Event, Subscription-State, RSeq, RAck, Info-Package,
//! Recv-Info.

use core::fmt;

use crate::{Cursor, HeaderName, Method, TypedHeader, Unexpected};

word_header! {
    /// The event package, and which of several subscriptions ([RFC 6665 §8.2.1]).
    ///
    /// [RFC 6665 §8.2.1]: https://www.rfc-editor.org/rfc/rfc6665#section-8.2.1
    Event, EVENT, Single, package: TOKEN, "an event package"
}

impl Event {
    /// The parameter `id`.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.params.value("id")
    }
}

word_header! {
    /// `active`, `pending` or `terminated` ([RFC 6665 §8.2.3]).
    ///
    /// [RFC 6665 §8.2.3]: https://www.rfc-editor.org/rfc/rfc6665#section-8.2.3
    SubscriptionState, SUBSCRIPTION_STATE, Single, state: TOKEN, "a subscription state"
}

impl SubscriptionState {
    /// Seconds the subscription still has.
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        self.params.number("expires")
    }

    /// Why it ended.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.params.value("reason")
    }

    /// Seconds to wait before a new one.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        self.params.number("retry-after")
    }
}

integer_header! {
    /// The number of a reliable provisional response ([RFC 3262 §7.1]).
    ///
    /// [RFC 3262 §7.1]: https://www.rfc-editor.org/rfc/rfc3262#section-7.1
    RSeq, RSEQ, "a response number"
}

/// The reliable provisional response that a PRACK confirms ([RFC 3262 §7.2]).
///
/// [RFC 3262 §7.2]: https://www.rfc-editor.org/rfc/rfc3262#section-7.2
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RAck {
    /// The number in RSeq.
    pub rseq: u32,
    /// The number in CSeq of the response.
    pub cseq: u32,
    /// The method in CSeq of the response.
    pub method: Method,
}

impl TypedHeader for RAck {
    const NAME: HeaderName = HeaderName::RACK;

    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        let rseq = cursor.number("a response number")?;
        cursor.skip_space();
        let cseq = cursor.number("a CSeq number")?;
        cursor.skip_space();
        Ok(Self { rseq, cseq, method: Method::read(cursor)? })
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.rseq, self.cseq, self.method)
    }
}

word_header! {
    /// What an INFO carries ([RFC 6086 §9]).
    ///
    /// [RFC 6086 §9]: https://www.rfc-editor.org/rfc/rfc6086#section-9
    InfoPackage, INFO_PACKAGE, Single, package: TOKEN, "an INFO package"
}

word_header! {
    /// An INFO package the sender takes; a line without a value takes none ([RFC 6086 §9]).
    ///
    /// [RFC 6086 §9]: https://www.rfc-editor.org/rfc/rfc6086#section-9
    RecvInfo, RECV_INFO, Element, package: TOKEN, "an INFO package"
}

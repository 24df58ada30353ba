//! Headers that are free text or one word: Subject, Organization, User-Agent, Server; Priority, SIP-ETag,
//! SIP-If-Match.

text_header! {
    /// What the call is about ([RFC 3261 §20.36]).
    ///
    /// [RFC 3261 §20.36]: https://www.rfc-editor.org/rfc/rfc3261#section-20.36
    Subject, SUBJECT
}

text_header! {
    /// The organization the sender belongs to ([RFC 3261 §20.25]).
    ///
    /// [RFC 3261 §20.25]: https://www.rfc-editor.org/rfc/rfc3261#section-20.25
    Organization, ORGANIZATION
}

text_header! {
    /// The software that sent the request ([RFC 3261 §20.41]).
    ///
    /// [RFC 3261 §20.41]: https://www.rfc-editor.org/rfc/rfc3261#section-20.41
    UserAgent, USER_AGENT
}

text_header! {
    /// The software that sent the response ([RFC 3261 §20.35]).
    ///
    /// [RFC 3261 §20.35]: https://www.rfc-editor.org/rfc/rfc3261#section-20.35
    Server, SERVER
}

single_word_header! {
    /// How urgent the request is to its receiver: `emergency`, `urgent`, `normal`, `non-urgent` ([RFC 3261 §20.26]).
    ///
    /// [RFC 3261 §20.26]: https://www.rfc-editor.org/rfc/rfc3261#section-20.26
    Priority, PRIORITY, TOKEN, "a priority"
}

single_word_header! {
    /// Names published event state ([RFC 3903 §11.3.1]).
    ///
    /// [RFC 3903 §11.3.1]: https://www.rfc-editor.org/rfc/rfc3903#section-11.3.1
    SipEtag, SIP_ETAG, TOKEN, "an entity tag"
}

single_word_header! {
    /// The published event state a PUBLISH is about ([RFC 3903 §11.3.2]).
    ///
    /// [RFC 3903 §11.3.2]: https://www.rfc-editor.org/rfc/rfc3903#section-11.3.2
    SipIfMatch, SIP_IF_MATCH, TOKEN, "an entity tag"
}

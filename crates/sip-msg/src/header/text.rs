//! Headers that are free text: User-Agent, Server.

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

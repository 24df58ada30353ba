//! Headers that point to something by `<URI>`: Alert-Info, Call-Info, Error-Info, Geolocation.

reference_header! {
    /// Another ring tone, or ring-back tone in a 180 ([RFC 3261 §20.4]).
    ///
    /// [RFC 3261 §20.4]: https://www.rfc-editor.org/rfc/rfc3261#section-20.4
    AlertInfo, ALERT_INFO
}

reference_header! {
    /// More about caller or callee, by `purpose`: `icon`, `info`, `card` ([RFC 3261 §20.9]).
    ///
    /// [RFC 3261 §20.9]: https://www.rfc-editor.org/rfc/rfc3261#section-20.9
    CallInfo, CALL_INFO
}

reference_header! {
    /// More about the error status ([RFC 3261 §20.18]).
    ///
    /// [RFC 3261 §20.18]: https://www.rfc-editor.org/rfc/rfc3261#section-20.18
    ErrorInfo, ERROR_INFO
}

reference_header! {
    /// Where the caller's location can be read ([RFC 6442 §4.1]).
    ///
    /// [RFC 6442 §4.1]: https://www.rfc-editor.org/rfc/rfc6442#section-4.1
    Geolocation, GEOLOCATION
}

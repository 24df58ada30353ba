//! Route, Record-Route, Path and Service-Route.

name_addr_header! {
    /// One hop the request is to take ([RFC 3261 §20.34]).
    ///
    /// [RFC 3261 §20.34]: https://www.rfc-editor.org/rfc/rfc3261#section-20.34
    Route, ROUTE, Element, read_strict
}

name_addr_header! {
    /// A proxy that wants to stay on the path of the dialog ([RFC 3261 §20.30]).
    ///
    /// [RFC 3261 §20.30]: https://www.rfc-editor.org/rfc/rfc3261#section-20.30
    RecordRoute, RECORD_ROUTE, Element, read_strict
}

impl From<RecordRoute> for Route {
    fn from(record_route: RecordRoute) -> Self {
        Self { name_addr: record_route.name_addr, params: record_route.params }
    }
}

name_addr_header! {
    /// A proxy on the way to a registered contact ([RFC 3327 §4]).
    ///
    /// [RFC 3327 §4]: https://www.rfc-editor.org/rfc/rfc3327#section-4
    Path, PATH, Element, read_strict
}

name_addr_header! {
    /// A hop that requests of a registered user are to take ([RFC 3608 §5]).
    ///
    /// [RFC 3608 §5]: https://www.rfc-editor.org/rfc/rfc3608#section-5
    ServiceRoute, SERVICE_ROUTE, Element, read_strict
}

//! What a request says beyond the protocol: extension header fields that applications agree on.

use sip_msg::{Headers, Request, Response};

/// The extension header fields of a message, those that begin with `X-`.
///
/// **A claim, not a fact**: whoever sends the message writes these, and so may every proxy on the way. They say which room
/// or session a caller asks for, never who it is. Do not open doors because of them.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a>(&'a Headers);

impl<'a> Claims<'a> {
    /// What these headers claim.
    #[must_use]
    pub fn of(headers: &'a Headers) -> Self {
        Self(headers)
    }

    /// Every `X-` field in the order it came, as it was written; one that is not UTF-8 is passed over.
    pub fn x_headers(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(|(name, value)| {
            let name = name.as_str();
            let claimed = name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"));
            claimed.then_some((name, std::str::from_utf8(value).ok()?))
        })
    }

    /// The first field of this name, in any case: `X-Room-ID`.
    #[must_use]
    pub fn get(self, name: &str) -> Option<&'a str> {
        self.x_headers().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The room the caller asks for, `X-Room-ID`.
    #[must_use]
    pub fn room_id(self) -> Option<&'a str> {
        self.get("X-Room-ID")
    }

    /// The session of its own that the caller speaks of, `X-Session-ID`; the `Session-ID` of [RFC 7989] is another thing.
    ///
    /// [RFC 7989]: https://www.rfc-editor.org/rfc/rfc7989
    #[must_use]
    pub fn session_id(self) -> Option<&'a str> {
        self.get("X-Session-ID")
    }
}

impl<'a> From<&'a Request> for Claims<'a> {
    fn from(request: &'a Request) -> Self {
        Self(request.headers())
    }
}

impl<'a> From<&'a Response> for Claims<'a> {
    fn from(response: &'a Response) -> Self {
        Self(response.headers())
    }
}

#[cfg(test)]
mod tests {
    use sip_msg::HeaderName;

    use super::*;

    #[test]
    fn only_extension_headers_are_claims() {
        let mut headers = Headers::new();
        for (name, value) in [
            ("X-Room-ID", "lobby"),
            ("Subject", "x"),
            ("x-session-id", "7"),
            ("X-Room-ID", "other"),
            ("X-Raw", "\u{e9}"),
        ] {
            headers.push_raw(name.parse::<HeaderName>().unwrap(), value).unwrap();
        }
        headers.push_raw("X-Bytes".parse::<HeaderName>().unwrap(), [0xff_u8].as_slice()).unwrap();
        let claims = Claims::of(&headers);
        assert_eq!((claims.room_id(), claims.session_id()), (Some("lobby"), Some("7")));
        assert_eq!(claims.get("subject"), None);
        let names: Vec<_> = claims.x_headers().map(|(name, _)| name.to_ascii_lowercase()).collect();
        assert_eq!(names, ["x-room-id", "x-session-id", "x-room-id", "x-raw"]);
    }
}

//! Via.

use core::{fmt, net::IpAddr};

use crate::{Cursor, Form, HeaderName, HostPort, Params, Text, TypedHeader, Unexpected};

/// One hop a request took, and a response takes back ([RFC 3261 §20.42]).
///
/// [RFC 3261 §20.42]: https://www.rfc-editor.org/rfc/rfc3261#section-20.42
#[derive(Clone, Debug, Eq)]
pub struct Via {
    /// The transport as written: `UDP`, `TCP`, `TLS`, `WS` …
    pub transport: Text,
    /// The sender's host and port.
    pub sent_by: HostPort,
    /// Parameters: `branch`, `received`, `rport` …
    pub params: Params,
}

impl Via {
    /// What the branch of a transaction by RFC 3261 starts with ([RFC 3261 §8.1.1.7]).
    ///
    /// [RFC 3261 §8.1.1.7]: https://www.rfc-editor.org/rfc/rfc3261#section-8.1.1.7
    pub const MAGIC_COOKIE: &'static str = "z9hG4bK";

    /// A hop with a branch.
    #[must_use]
    pub fn new(transport: impl Into<Text>, sent_by: impl Into<HostPort>, branch: impl Into<Text>) -> Self {
        let mut params = Params::new();
        params.set("branch", branch);
        Self { transport: transport.into(), sent_by: sent_by.into(), params }
    }

    /// The branch: names the transaction.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        self.params.value("branch")
    }

    /// The address the request really came from, as the server saw it.
    #[must_use]
    pub fn received(&self) -> Option<IpAddr> {
        let address = self.params.value("received")?;
        address.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// Sets `received`.
    pub fn set_received(&mut self, address: IpAddr) {
        self.params.set("received", alloc::format!("{address}"));
    }

    /// `Some(None)`: the client asks for the port; `Some(Some(port))`: the server filled it in ([RFC 3581 §4]).
    ///
    /// A value that is no port counts as asked for.
    ///
    /// [RFC 3581 §4]: https://www.rfc-editor.org/rfc/rfc3581#section-4
    #[must_use]
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params.contains("rport").then(|| self.params.number("rport"))
    }

    /// Sets `rport`: `None` to ask for it, a port to answer.
    pub fn set_rport(&mut self, port: Option<u16>) {
        match port {
            Some(port) => self.params.set("rport", alloc::format!("{port}")),
            None => self.params.set_flag("rport"),
        }
    }

    /// A copy that shares no buffer with a message.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self {
            transport: self.transport.detach(),
            sent_by: self.sent_by.detach(),
            params: self.params.detach(),
        }
    }
}

impl PartialEq for Via {
    /// Transport, address and parameters in any order ([RFC 3261 §20.42]).
    ///
    /// [RFC 3261 §20.42]: https://www.rfc-editor.org/rfc/rfc3261#section-20.42
    fn eq(&self, other: &Self) -> bool {
        self.transport.eq_ignore_ascii_case(&other.transport)
            && self.sent_by == other.sent_by
            && self.params == other.params
    }
}

impl TypedHeader for Via {
    const NAME: HeaderName = HeaderName::VIA;
    const FORM: Form = Form::Element;

    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        const EXPECTED: &str = "SIP/2.0/ and a transport";
        let start = cursor.at();
        if cursor.rest().starts_with(b"SIP/2.0/") {
            cursor.advance(8);
        } else {
            let mut word = |word: &[u8]| {
                let found =
                    cursor.rest().get(..word.len()).is_some_and(|name| name.eq_ignore_ascii_case(word));
                cursor.advance(word.len());
                found && cursor.eat_spaced(b'/')
            };
            if !(word(b"SIP") && word(b"2.0")) {
                return Err(Unexpected { at: start, expected: EXPECTED });
            }
        }
        let transport = cursor.usual_token(usual, "a transport")?;
        if !matches!(cursor.peek(), Some(b' ' | b'\t')) {
            return Err(cursor.unexpected("a space after the transport"));
        }
        cursor.skip_space();
        let mut sent_by = HostPort { host: crate::Host::read(cursor)?, port: None };
        if cursor.eat_spaced(b':') {
            sent_by.port = Some(crate::host::read_port(cursor)?);
        }
        Ok(Self { transport, sent_by, params: Params::read(cursor)? })
    }
}

/// Transports that need no share in the buffer.
fn usual(transport: &[u8]) -> Option<&'static str> {
    match transport {
        b"UDP" => Some("UDP"),
        b"TCP" => Some("TCP"),
        b"TLS" => Some("TLS"),
        b"WS" => Some("WS"),
        b"WSS" => Some("WSS"),
        _ => None,
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}{}", self.transport, self.sent_by, self.params)
    }
}

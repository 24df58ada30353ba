//! Single headers of extensions: Security-*, Feature-Caps, Flow-Timer, Session-ID, User-to-User, Answer-Mode.

use core::fmt;

use crate::{Cursor, Form, HeaderName, Params, Text, TypedHeader, Unexpected, grammar};

word_header! {
    /// A security mechanism the client supports ([RFC 3329 §2.2]).
    ///
    /// [RFC 3329 §2.2]: https://www.rfc-editor.org/rfc/rfc3329#section-2.2
    SecurityClient, SECURITY_CLIENT, Element, mechanism: TOKEN, "a security mechanism"
}

word_header! {
    /// A security mechanism the server supports ([RFC 3329 §2.2]).
    ///
    /// [RFC 3329 §2.2]: https://www.rfc-editor.org/rfc/rfc3329#section-2.2
    SecurityServer, SECURITY_SERVER, Element, mechanism: TOKEN, "a security mechanism"
}

word_header! {
    /// The server's mechanisms, sent back so that nobody can weaken the list ([RFC 3329 §2.2]).
    ///
    /// [RFC 3329 §2.2]: https://www.rfc-editor.org/rfc/rfc3329#section-2.2
    SecurityVerify, SECURITY_VERIFY, Element, mechanism: TOKEN, "a security mechanism"
}

word_header! {
    /// What proxies on the way can do: `*;+sip.pns="apns"` ([RFC 6809 §6.2]).
    ///
    /// [RFC 6809 §6.2]: https://www.rfc-editor.org/rfc/rfc6809#section-6.2
    FeatureCaps, FEATURE_CAPS, Element, everybody: TOKEN, "*"
}

integer_header! {
    /// Seconds the server waits for a keep-alive before it counts the flow as dead ([RFC 5626 §10]).
    ///
    /// [RFC 5626 §10]: https://www.rfc-editor.org/rfc/rfc5626#section-10
    FlowTimer, FLOW_TIMER, "a number of seconds"
}

word_header! {
    /// Names a session end to end: 32 hexadecimal digits, and `remote` ([RFC 7989 §5]).
    ///
    /// [RFC 7989 §5]: https://www.rfc-editor.org/rfc/rfc7989#section-5
    SessionId, SESSION_ID, Single, local: TOKEN, "32 hexadecimal digits"
}

word_header! {
    /// Whether the call may be answered without the user ([RFC 5373 §4]).
    ///
    /// [RFC 5373 §4]: https://www.rfc-editor.org/rfc/rfc5373#section-4
    AnswerMode, ANSWER_MODE, Single, mode: TOKEN, "Manual or Auto"
}

/// Data that the users' applications exchange ([RFC 7433 §4]).
///
/// [RFC 7433 §4]: https://www.rfc-editor.org/rfc/rfc7433#section-4
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UserToUser {
    /// The data, without quotes; by default in hexadecimal.
    pub data: Text,
    /// `purpose`, `content`, `encoding` …
    pub params: Params,
}

impl TypedHeader for UserToUser {
    const NAME: HeaderName = HeaderName::USER_TO_USER;
    const FORM: Form = Form::Element;

    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        let quoted = cursor.peek() == Some(b'"');
        let data = if quoted { cursor.quoted()? } else { cursor.token("data or a quoted string")? };
        Ok(Self { data, params: Params::read(cursor)? })
    }
}

impl fmt::Display for UserToUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if grammar::all(self.data.as_bytes(), grammar::TOKEN) {
            f.write_str(&self.data)?;
        } else {
            grammar::write_quoted(f, &self.data)?;
        }
        self.params.fmt(f)
    }
}

//! Headers that name a dialog or change one: Replaces, Join, Target-Dialog, Refer-To, Referred-By, Refer-Sub,
//! Session-Expires, Min-SE, Reason, In-Reply-To.

use alloc::vec::Vec;
use core::fmt;

use crate::{CallId, Cursor, Form, HeaderName, Params, TypedHeader, Unexpected};

dialog_header! {
    /// The call that this one takes the place of ([RFC 3891 §6.1]).
    ///
    /// [RFC 3891 §6.1]: https://www.rfc-editor.org/rfc/rfc3891#section-6.1
    Replaces, REPLACES, to_tag "to-tag", from_tag "from-tag"
}

impl Replaces {
    /// Whether only an early dialog may be replaced.
    #[must_use]
    pub fn is_early_only(&self) -> bool {
        self.params.contains("early-only")
    }
}

dialog_header! {
    /// The call that this one is to join ([RFC 3911 §7.1]).
    ///
    /// [RFC 3911 §7.1]: https://www.rfc-editor.org/rfc/rfc3911#section-7.1
    Join, JOIN, to_tag "to-tag", from_tag "from-tag"
}

dialog_header! {
    /// A dialog that shows the sender's right to ask ([RFC 4538 §7]).
    ///
    /// [RFC 4538 §7]: https://www.rfc-editor.org/rfc/rfc4538#section-7
    TargetDialog, TARGET_DIALOG, local_tag "local-tag", remote_tag "remote-tag"
}

name_addr_header! {
    /// Whom to send a request to ([RFC 3515 §2.1]).
    ///
    /// [RFC 3515 §2.1]: https://www.rfc-editor.org/rfc/rfc3515#section-2.1
    ReferTo, REFER_TO, Single, read
}

name_addr_header! {
    /// Who asked for the request ([RFC 3892 §3]).
    ///
    /// [RFC 3892 §3]: https://www.rfc-editor.org/rfc/rfc3892#section-3
    ReferredBy, REFERRED_BY, Single, read
}

/// Whether a REFER makes a subscription ([RFC 4488 §4]).
///
/// [RFC 4488 §4]: https://www.rfc-editor.org/rfc/rfc4488#section-4
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReferSub {
    /// Whether one is made.
    pub subscribe: bool,
    /// The parameters.
    pub params: Params,
}

impl TypedHeader for ReferSub {
    const NAME: HeaderName = HeaderName::REFER_SUB;

    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        let at = cursor.at();
        let word = cursor.token("true or false")?;
        let subscribe = word.eq_ignore_ascii_case("true");
        if !subscribe && !word.eq_ignore_ascii_case("false") {
            return Err(Unexpected { at, expected: "true or false" });
        }
        Ok(Self { subscribe, params: Params::read(cursor)? })
    }
}

impl fmt::Display for ReferSub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.subscribe, self.params)
    }
}

seconds_header! {
    /// How long the session stands without a refresh ([RFC 4028 §4]).
    ///
    /// [RFC 4028 §4]: https://www.rfc-editor.org/rfc/rfc4028#section-4
    SessionExpires, SESSION_EXPIRES
}

impl SessionExpires {
    /// The parameter `refresher`: `uac` or `uas`.
    #[must_use]
    pub fn refresher(&self) -> Option<&str> {
        self.params.value("refresher")
    }
}

seconds_header! {
    /// The shortest session timer that is taken ([RFC 4028 §5]).
    ///
    /// [RFC 4028 §5]: https://www.rfc-editor.org/rfc/rfc4028#section-5
    MinSe, MIN_SE
}

word_header! {
    /// Why a request or response is sent, as `Q.850;cause=16` ([RFC 3326 §2]).
    ///
    /// [RFC 3326 §2]: https://www.rfc-editor.org/rfc/rfc3326#section-2
    Reason, REASON, Element, protocol: TOKEN, "a protocol, as SIP or Q.850"
}

impl Reason {
    /// The parameter `cause`.
    #[must_use]
    pub fn cause(&self) -> Option<u16> {
        self.params.number("cause")
    }

    /// The parameter `text`.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.params.value("text")
    }
}

/// The calls that this one answers ([RFC 3261 §20.21]).
///
/// [RFC 3261 §20.21]: https://www.rfc-editor.org/rfc/rfc3261#section-20.21
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct InReplyTo(pub Vec<CallId>);

impl TypedHeader for InReplyTo {
    const NAME: HeaderName = HeaderName::IN_REPLY_TO;
    const FORM: Form = Form::List;

    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        Ok(Self(super::read_list(cursor, CallId::parse)?))
    }

    fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }
}

impl fmt::Display for InReplyTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::write_list(f, &self.0)
    }
}

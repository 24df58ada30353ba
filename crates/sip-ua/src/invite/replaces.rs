//! A call that takes the place of another ([RFC 3891]) or joins it ([RFC 3911]), as the one who is called.
//!
//! Whoever knows all three parts of a dialog's name is taken for somebody in it: the names are random, and known to nobody
//! but its ends and the proxies between. Who wants more (RFC 3891 §8) compares the new caller with the peer of the call in
//! question, or challenges it, before [`Agent::accept`](crate::Agent::accept).
//!
//! [RFC 3891]: https://www.rfc-editor.org/rfc/rfc3891
//! [RFC 3911]: https://www.rfc-editor.org/rfc/rfc3911

use std::time::Instant;

use sip_msg::{HeaderName, Join, Replaces, Request, StatusCode, Text};

use super::{Farewell, InviteUsage, State};
use crate::context::{Context, News};
use crate::dialog::DialogKey;
use crate::event::{DialogId, Side};

/// The option tags.
pub(crate) const REPLACES: &str = "replaces";
pub(crate) const JOIN: &str = "join";

/// What a call that comes in has to do with another.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Relation {
    pub(crate) replaces: Option<DialogId>,
    pub(crate) joins: Option<DialogId>,
}

/// The other call that an INVITE names.
#[derive(Debug)]
pub(crate) enum Named {
    ToReplace { key: DialogKey, early_only: bool },
    ToJoin { key: DialogKey },
}

impl Named {
    /// Reads it; what is there twice, contradicts itself or cannot be read is refused ([RFC 3891 §3]).
    ///
    /// [RFC 3891 §3]: https://www.rfc-editor.org/rfc/rfc3891#section-3
    pub(crate) fn of(invite: &Request, replaces: bool, joins: bool) -> Result<Option<Self>, StatusCode> {
        let headers = invite.headers();
        let bad = StatusCode::BAD_REQUEST;
        let lines = |name: HeaderName, known: bool| if known { headers.raw_all(name).count() } else { 0 };
        if lines(HeaderName::REPLACES, replaces) + lines(HeaderName::JOIN, joins) > 1 {
            return Err(bad);
        }
        if let Some(named) = headers.get::<Replaces>().map_err(|_| bad)?.filter(|_| replaces) {
            let key = key(&named.call_id.0, named.to_tag(), named.from_tag()).ok_or(bad)?;
            return Ok(Some(Self::ToReplace { key, early_only: named.is_early_only() }));
        }
        if let Some(named) = headers.get::<Join>().map_err(|_| bad)?.filter(|_| joins) {
            let key = key(&named.call_id.0, named.to_tag(), named.from_tag()).ok_or(bad)?;
            return Ok(Some(Self::ToJoin { key }));
        }
        Ok(None)
    }

    pub(crate) fn key(&self) -> &DialogKey {
        match self {
            Self::ToReplace { key, .. } | Self::ToJoin { key } => key,
        }
    }
}

/// The tags are those of a request that comes in: to-tag is ours. A tag of 0 is none ([RFC 3891 §6.1]).
///
/// [RFC 3891 §6.1]: https://www.rfc-editor.org/rfc/rfc3891#section-6.1
fn key(call_id: &Text, to_tag: Option<&str>, from_tag: Option<&str>) -> Option<DialogKey> {
    let remote_tag = from_tag.filter(|tag| *tag != "0").map(Text::from);
    from_tag?;
    Some(DialogKey {
        call_id: call_id.clone(),
        local_tag: to_tag?.into(),
        remote_tag: remote_tag.unwrap_or_default(),
    })
}

impl InviteUsage {
    /// Whether another call may take this one's place, or join it; else the status that refuses it ([RFC 3891 §3]).
    ///
    /// [RFC 3891 §3]: https://www.rfc-editor.org/rfc/rfc3891#section-3
    pub(crate) fn relates(&self, named: &Named) -> Result<(), StatusCode> {
        match (&self.state, named) {
            (State::Over(_), _) => Err(StatusCode::DECLINE),
            (State::Established(_), Named::ToReplace { early_only: true, .. }) => Err(StatusCode::BUSY_HERE),
            // RFC 3891 §3: of those that ring only the ones that we called.
            (State::Alerting(_), Named::ToReplace { .. }) => Err(StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST),
            (State::Calling(_) | State::Established(_), Named::ToReplace { .. })
            | (State::Calling(_) | State::Alerting(_) | State::Established(_), Named::ToJoin { .. }) => {
                Ok(())
            }
        }
    }

    /// Another call has taken this one's place: BYE, or CANCEL where it only rang.
    pub(crate) fn replaced(&mut self, context: &mut Context, now: Instant, by: &Text) {
        if matches!(self.state, State::Over(_)) {
            return;
        }
        let reason = Text::from(format!("replaced by {by}"));
        self.end(context, Farewell { by: Side::Remote, status: None, reason }, None);
        // It is not over, and so can be hung up.
        let _ = self.hang_up(context, now);
    }

    /// This call stands now: the one it replaces may go.
    pub(super) fn take_place(&mut self, context: &mut Context) {
        if let Some(old) = self.refers.replaces.take()
            && let Some(dialog) = self.dialog()
        {
            let by = dialog.remote().uri().to_string().into();
            context.news.push_back(News::Replaced { old, by });
        }
    }
}

#[cfg(test)]
mod tests;

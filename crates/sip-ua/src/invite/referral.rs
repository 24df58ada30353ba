//! A call's part in REFERs of peers: its dialogs carry them and the reports, and a call may be what one asked for.
//!
//! [RFC 3515 §2.4]: https://www.rfc-editor.org/rfc/rfc3515#section-2.4

use std::time::Instant;

use sip_msg::{Method, Request, StatusCode, Text};

use super::requests::Purpose;
use super::{Established, InviteUsage, State};
use crate::agent::write_notice;
use crate::context::{Context, News};
use crate::dialog::{Dialog, DialogKey};
use crate::error::CommandError;
use crate::event::{DialogId, ReferId};
use crate::subscription::notifier::Notice;

/// What a call has to do with other calls.
#[derive(Debug, Default)]
pub(super) struct Refers {
    /// How many came in its dialogs.
    received: u32,
    /// How many of them still need the dialog.
    carried: u32,
    /// The one that asked for this call, until its last report.
    serves: Option<ReferId>,
    /// The call whose place this one takes when it is answered.
    pub(super) replaces: Option<DialogId>,
}

impl InviteUsage {
    /// This call is what a REFER asked for: its sender hears of it.
    pub(super) fn serve(&mut self, refer: Option<ReferId>) {
        self.refers.serves = refer;
    }

    /// Tells whoever asked for this call; a final status is the last.
    pub(super) fn report_progress(&mut self, context: &mut Context, status: StatusCode) {
        let Some(id) = self.refers.serves else { return };
        if !status.is_provisional() {
            self.refers.serves = None;
        }
        context.news.push_back(News::Progress(id, status));
    }

    /// Counts a request beside the call; `None` when there is no such dialog, false when it came out of order.
    pub(crate) fn receive_beside(&mut self, key: &DialogKey, number: u32) -> Option<bool> {
        Some(self.dialog_mut(&key.remote_tag).filter(|dialog| dialog.key() == *key)?.receive(number))
    }

    /// A SUBSCRIBE or NOTIFY beside the call moves the target of the dialog that they share ([RFC 6665 §3.2], [RFC 5057 §5.4]).
    ///
    /// [RFC 6665 §3.2]: https://www.rfc-editor.org/rfc/rfc6665#section-3.2
    /// [RFC 5057 §5.4]: https://www.rfc-editor.org/rfc/rfc5057#section-5.4
    pub(crate) fn refresh_target_beside(&mut self, key: &DialogKey, request: &Request) {
        if let Some(dialog) = self.dialog_mut(&key.remote_tag).filter(|dialog| dialog.key() == *key) {
            dialog.refresh_target(request.headers());
        }
    }

    /// Counts a REFER in the call; the how-manieth it is.
    pub(crate) fn receive_refer(&mut self, key: &DialogKey, number: u32) -> Option<Result<u32, StatusCode>> {
        if matches!(self.state, State::Over(_)) {
            return None;
        }
        if !self.receive_beside(key, number)? {
            return Some(Err(StatusCode::SERVER_INTERNAL_ERROR));
        }
        self.refers.received = self.refers.received.saturating_add(1);
        Some(Ok(self.refers.received))
    }

    /// One more REFER needs the dialog, or one less.
    pub(crate) fn carry(&mut self, more: bool) {
        let carried = self.refers.carried;
        self.refers.carried = if more { carried.saturating_add(1) } else { carried.saturating_sub(1) };
    }

    /// Sends a report in the dialog that the REFER came in; false when that cannot be.
    pub(crate) fn notify(
        &mut self,
        context: &mut Context,
        now: Instant,
        remote_tag: &Text,
        id: ReferId,
        event_id: Option<u32>,
        notice: Notice,
    ) -> bool {
        let Some(mut request) = self.request(context, remote_tag, Method::NOTIFY) else { return false };
        write_notice(&mut request, event_id, notice);
        self.send_request(context, now, remote_tag, request, Purpose::Notify(id)).is_ok()
    }

    /// Whether a subscription needs the dialog when the call is over ([RFC 5057 §4.1]).
    ///
    /// [RFC 5057 §4.1]: https://www.rfc-editor.org/rfc/rfc5057#section-4.1
    pub(super) fn outlives(&self) -> bool {
        self.transferring.is_some() || self.refers.carried > 0
    }

    /// The dialog with this tag of the peer.
    pub(crate) fn dialog_with(&self, remote_tag: &str) -> Option<&Dialog> {
        match &self.state {
            State::Calling(calling) => {
                let mut dialogs = calling.early.iter().map(|early| &early.dialog);
                dialogs.find(|dialog| dialog.remote_tag() == remote_tag)
            }
            State::Alerting(_) | State::Established(_) | State::Over(_) => {
                self.dialog().filter(|dialog| dialog.remote_tag() == remote_tag)
            }
        }
    }

    /// The dialog of a call that stands.
    pub(crate) fn standing_dialog(&self) -> Result<&Dialog, CommandError> {
        match &self.state {
            State::Established(established) => Ok(&established.dialog),
            State::Calling(_) | State::Alerting(_) | State::Over(_) => {
                Err(CommandError::WrongState { command: "transfer", state: self.state.name() })
            }
        }
    }
}

impl Established {
    /// Whether no INVITE is in progress and none is about to be.
    pub(super) fn is_settled(&self) -> bool {
        self.await_ack.is_none() && self.change.is_none() && self.wanted.is_none() && !self.hang_up
    }
}

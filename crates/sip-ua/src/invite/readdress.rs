//! A network that moves under a call: our new Contact, and a new offer for where media is now ([RFC 3261 §14.1]).
//!
//! [RFC 3261 §14.1]: https://www.rfc-editor.org/rfc/rfc3261#section-14.1

use std::time::Instant;

use super::{InviteUsage, State};
use crate::context::Context;
use crate::dialog::Dialog;
use crate::target;

impl InviteUsage {
    /// Our addresses have changed: the peer of a call that stands is told by a re-INVITE, another by what we send it next.
    pub(crate) fn readdress(&mut self, context: &mut Context, now: Instant) {
        let stands = match &mut self.state {
            State::Established(established) => {
                renew_contact(context, &mut established.dialog);
                true
            }
            State::Alerting(alerting) => {
                renew_contact(context, &mut alerting.dialog);
                false
            }
            State::Calling(_) | State::Over(_) => false,
        };
        if stands {
            // It stands, so it can be changed.
            let _ = self.reoffer(context, now);
        }
    }
}

/// Writes our new address into a dialog's Contact; a GRUU leads to us wherever we are.
fn renew_contact(context: &Context, dialog: &mut Dialog) {
    let old = dialog.contact();
    if old.params().contains("gr") {
        return;
    }
    let first = dialog.route_set().first().map(sip_msg::Route::uri);
    let transport = target::transport(first, dialog.remote_target());
    let remote = target::address(first, dialog.remote_target());
    let user = old.raw_user();
    let mut renewed = target::contact(&context.layer, transport, remote.as_ref(), user, old.is_sips());
    if old.params().contains("ob") {
        renewed.set_param("ob", None);
    }
    dialog.set_contact(renewed);
}

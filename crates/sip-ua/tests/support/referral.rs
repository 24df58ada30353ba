//! What a transferee does.

use std::time::Instant;

use sip_msg::NameAddr;
use sip_ua::{DialogId, Event, Invite};

use crate::phone::Phone;

/// Accepts the REFER that came last, and places the call it asks for.
pub(crate) fn follow(phone: &mut Phone, now: Instant) -> DialogId {
    let asked =
        phone.events.iter().rev().find_map(|event| {
            if let Event::Refer { refer, .. } = event { Some(refer.clone()) } else { None }
        });
    let asked = asked.expect("a REFER came");
    phone.agent.accept_refer(now, asked.id).expect("it waits");
    let invite = Invite::from_refer(NameAddr::new(phone.uri()), &asked);
    phone.dial(now, invite)
}

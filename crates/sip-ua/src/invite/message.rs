//! MESSAGE in the dialog of a call, ours ([RFC 3428 §4]); those of the peer go the way of all that changes nothing in the
//! call, [`Event::OutOfDialog`](crate::Event::OutOfDialog).
//!
//! [RFC 3428 §4]: https://www.rfc-editor.org/rfc/rfc3428#section-4

use std::time::Instant;

use bytes::Bytes;
use sip_msg::{HeaderName, Method, Request, Text};

use super::InviteUsage;
use super::requests::Purpose;
use crate::context::Context;
use crate::error::CommandError;
use crate::event::RequestId;

/// What a Via line of ours may add on the way out.
const VIA_BYTES: usize = 128;

/// Whether a MESSAGE is small enough to go where congestion is not looked after ([RFC 3428 §8]).
///
/// [RFC 3428 §8]: https://www.rfc-editor.org/rfc/rfc3428#section-8
pub(crate) fn check_size(context: &Context, request: &Request) -> Result<(), CommandError> {
    let octets = request.to_bytes().len() + VIA_BYTES;
    let fits = *request.method() != Method::MESSAGE || octets <= context.config.limits.message_bytes;
    fits.then_some(()).ok_or(CommandError::Limit("octets in a MESSAGE"))
}

impl InviteUsage {
    /// Sends a MESSAGE.
    pub(crate) fn message(
        &mut self,
        context: &mut Context,
        now: Instant,
        id: RequestId,
        (content_type, body): (Text, Bytes),
    ) -> Result<(), CommandError> {
        let tag = self.current_tag("message")?;
        let mut request = self.request(context, &tag, Method::MESSAGE).ok_or(CommandError::Unknown)?;
        // It refreshes no target, and must not look as if it did.
        request.headers_mut().remove(HeaderName::CONTACT);
        request.set_body(&content_type, body);
        check_size(context, &request)?;
        self.send_request(context, now, &tag, request, Purpose::Application(id))
    }
}

#[cfg(test)]
mod tests {
    use sip_msg::{Message, StatusCode};

    use super::*;
    use crate::OutOfDialog;
    use crate::event::Event;
    use crate::scripted::{Plan, Scripted, invite};

    // rfc: 3428 §4 — a MESSAGE in a dialog has the dialog's headers, and no Contact
    #[test]
    fn a_message_goes_out_in_a_call() {
        let mut lab = Scripted::new();
        let (id, _, _) = lab.call_up(Plan::default());
        let asked = lab.agent.message(lab.now, id, "text/plain", "Watson, come here.").unwrap();
        let sent = lab.sent_request(&Method::MESSAGE);
        assert!(!sent.headers().contains(HeaderName::CONTACT));
        assert_eq!(sent.headers().raw(HeaderName::CONTENT_TYPE).unwrap(), b"text/plain");
        assert_eq!(sent.uri_text(), "sip:bob@192.0.2.2:5060");
        lab.answer(&sent, 200, "");
        let Some(Event::Response { id, result: Ok(_) }) = lab.event() else { panic!("answered") };
        assert_eq!(id, asked);
    }

    // rfc: 3428 §7 — a MESSAGE in a dialog waits for the application, which may answer it as it likes
    #[test]
    fn a_message_that_comes_in_a_call_is_told_with_the_call() {
        let mut lab = Scripted::new().configured(|config| config.takes([Method::MESSAGE]));
        let (id, accepted) = lab.called_up(Plan::default());
        let mut request = lab.peer_request(Method::MESSAGE, 11, Some(&Message::from(accepted)));
        request.set_body("text/plain", "hello");
        lab.receive(request);
        let Some(Event::OutOfDialog { id: waiting, dialog, .. }) = lab.event() else { panic!("a message") };
        assert_eq!(dialog, Some(id));
        lab.agent.respond(lab.now, waiting, StatusCode::OK).unwrap();
        let answered = lab.sent_response(StatusCode::OK);
        assert!(!answered.headers().contains(HeaderName::CONTACT) && answered.body().is_empty());
    }

    // rfc: 3428 §8 — no more than 1300 octets, in a dialog or outside of one
    #[test]
    fn a_large_message_is_not_sent() {
        let mut lab = Scripted::new();
        let (id, _, _) = lab.call_up(Plan::default());
        let long = "x".repeat(1300);
        let refused = lab.agent.message(lab.now, id, "text/plain", long.clone());
        assert_eq!(refused, Err(CommandError::Limit("octets in a MESSAGE")));
        let asked = OutOfDialog::new(Method::MESSAGE, invite().from, invite().target);
        let refused = lab.agent.request(lab.now, asked.body("text/plain", long));
        assert_eq!(refused, Err(CommandError::Limit("octets in a MESSAGE")));
        lab.sent_nothing();
    }
}

//! UPDATE of the peer: new media or a new target without a re-INVITE, also while it rings ([RFC 3311 §5.2]).
//!
//! We send none ourselves: a re-INVITE does the same in a call that stands, and everybody understands it.
//!
//! [RFC 3311 §5.2]: https://www.rfc-editor.org/rfc/rfc3311#section-5.2

use std::time::Instant;

use sip_msg::{Request, Response, StatusCode};
use sip_txn::ServerId;

use super::{InviteUsage, State, offer_answer};
use crate::context::Context;
use crate::dialog::{Dialog, DialogKey};
use crate::event::{Event, Side};

impl InviteUsage {
    /// Answers an UPDATE at once, as it must be.
    pub(super) fn updated(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerId,
        key: &DialogKey,
        request: &Request,
    ) {
        let offer = match offer_answer::read(request.headers(), request.body()) {
            Ok(offer) => offer,
            // The agent has refused these already.
            Err(error) => return self.answer(context, now, server, request, error.status()),
        };
        let mut answer = None;
        let mut agreed = None;
        let dialog = match (&mut self.state, offer) {
            (State::Calling(calling), None) => {
                calling.early_of(&key.remote_tag).map(|early| &mut early.dialog)
            }
            (State::Alerting(alerting), None) => Some(&mut alerting.dialog),
            (State::Established(established), None) => Some(&mut established.dialog),
            // Our offer in the INVITE has no answer yet.
            (State::Calling(_), Some(_)) => {
                return self.answer(context, now, server, request, StatusCode::REQUEST_PENDING);
            }
            // The peer's offer in the INVITE has no answer yet.
            (State::Alerting(_), Some(_)) => return self.answer_later(context, now, server, request),
            (State::Established(established), Some(offer)) => {
                if established.is_busy_offering() {
                    return self.answer(context, now, server, request, StatusCode::REQUEST_PENDING);
                }
                match established.plan.answer(&offer) {
                    Ok(made) => answer = Some(made),
                    Err(refusal) => return self.refuse_change(context, now, server, request, &refusal),
                }
                agreed = established.plan.direction();
                Some(&mut established.dialog)
            }
            (State::Over(_), _) => None,
        };
        let Some(dialog) = dialog else {
            return self.answer(context, now, server, request, StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
        };
        dialog.refresh_target(request.headers());
        let mut response = ok(dialog, request);
        context.sign_response(&mut response, true);
        if let Some(answer) = &answer {
            response.set_body(offer_answer::APPLICATION_SDP, offer_answer::body(answer));
        }
        context.respond(now, server, response);
        if let (Some(_), Some(direction)) = (answer, agreed) {
            context.tell(Event::MediaChanged { dialog: self.id, by: Side::Remote, direction });
        }
    }
}

fn ok(dialog: &Dialog, request: &Request) -> Response {
    Response::answer(request, StatusCode::OK)
        .to_tag(dialog.local_tag())
        .header(&dialog.contact_header())
        .build()
}

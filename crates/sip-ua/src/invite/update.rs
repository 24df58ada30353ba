//! UPDATE, both ways: new media, a new target or a sign of life without a re-INVITE, also while it rings ([RFC 3311]).
//!
//! [RFC 3311]: https://www.rfc-editor.org/rfc/rfc3311

use std::time::Instant;

use sdp::Direction;
use sip_msg::{Request, Response, StatusCode};
use sip_txn::ServerId;

use super::change::{Wish, hear};
use super::uac::Early;
use super::uas::Exchange;
use super::{InviteUsage, State, info, offer_answer};
use crate::context::Context;
use crate::dialog::{Dialog, DialogKey};
use crate::error::CommandError;
use crate::event::{Event, Side};

impl InviteUsage {
    /// Sends an UPDATE, with an offer where there is a direction ([RFC 3311 §5.1]).
    ///
    /// [RFC 3311 §5.1]: https://www.rfc-editor.org/rfc/rfc3311#section-5.1
    pub(crate) fn update(
        &mut self,
        context: &mut Context,
        now: Instant,
        direction: Option<Direction>,
    ) -> Result<(), CommandError> {
        self.change(context, now, "update", |dialog, _| {
            if dialog.takes_update() { Ok(Wish::update(direction)) } else { Err(NOT_TAKEN) }
        })
    }

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
        // In an early dialog the 2xx to the INVITE will start the session timer, not this one.
        let stands = matches!(self.state, State::Established(_));
        let mut answer = None;
        let mut agreed = None;
        let mut news = false;
        let dialog = match (&mut self.state, offer) {
            (State::Calling(calling), None) => {
                calling.early_of(&key.remote_tag).map(|early| &mut early.dialog)
            }
            (State::Alerting(alerting), None) => Some(&mut alerting.dialog),
            (State::Established(established), None) => Some(&mut established.dialog),
            (State::Calling(calling), Some(offer)) => {
                let early = calling.early_of(&key.remote_tag).filter(|early| early.settled);
                let Some((dialog, plan)) = early.and_then(Early::parts) else {
                    // Our offer in the INVITE has no answer yet.
                    return self.answer(context, now, server, request, StatusCode::REQUEST_PENDING);
                };
                match plan.answer(&offer) {
                    Ok(made) => answer = Some(made),
                    Err(refusal) => return self.refuse_change(context, now, server, request, &refusal),
                }
                (agreed, news) = (plan.direction(), true);
                Some(dialog)
            }
            (State::Alerting(alerting), Some(offer)) => {
                let settled = alerting.exchange == Exchange::Settled;
                let Some(plan) = alerting.plan.as_mut().filter(|_| settled) else {
                    // The peer's offer in the INVITE has no answer yet, or ours (RFC 6337 §4.3, UAS-IsU).
                    return self.answer_later(context, now, server, request);
                };
                match plan.answer(&offer) {
                    Ok(made) => answer = Some(made),
                    Err(refusal) => return self.refuse_change(context, now, server, request, &refusal),
                }
                (agreed, news) = (plan.direction(), true);
                Some(&mut alerting.dialog)
            }
            (State::Established(established), Some(offer)) => {
                if established.is_busy_offering() {
                    return self.answer(context, now, server, request, StatusCode::REQUEST_PENDING);
                }
                let before = established.plan.direction();
                match established.plan.answer(&offer) {
                    Ok(made) => answer = Some(made),
                    Err(refusal) => return self.refuse_change(context, now, server, request, &refusal),
                }
                agreed = established.plan.direction();
                news = hear(&mut self.remote_origin, &offer) || before != agreed;
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
        info::announce_back(context, request, &mut response);
        if stands {
            self.timer.accept(now, request.headers(), &mut response);
        }
        if let Some(answer) = &answer {
            response.set_body(offer_answer::APPLICATION_SDP, offer_answer::body(answer));
        }
        context.respond(now, server, response);
        self.note_packages(&key.remote_tag, request.headers());
        match agreed {
            Some(direction) if news => {
                context.tell(Event::MediaChanged { dialog: self.id, by: Side::Remote, direction });
            }
            _ => self.tell_refreshed(context, Side::Remote),
        }
    }
}

const NOT_TAKEN: CommandError = CommandError::Misuse("update: the peer has not said that it takes UPDATE");

fn ok(dialog: &Dialog, request: &Request) -> Response {
    Response::answer(request, StatusCode::OK)
        .to_tag(dialog.local_tag())
        .header(&dialog.contact_header())
        .build()
}

//! UPDATE, both ways: new media, a new target or a sign of life without a re-INVITE, also while it rings ([RFC 3311]).
//!
//! [RFC 3311]: https://www.rfc-editor.org/rfc/rfc3311

#[cfg(test)]
mod tests;

use std::time::Instant;

use sdp::Direction;
use sip_msg::{Method, Request, Response, StatusCode, Text};
use sip_txn::{Ending, ServerId};

use super::change::{Change, MAX_ROUNDS, Stage, Wish, glare_wait, hear};
use super::requests::Purpose;
use super::uac::Early;
use super::uas::Exchange;
use super::{InviteUsage, State, info, offer_answer};
use crate::context::Context;
use crate::dialog::{Dialog, DialogKey};
use crate::error::CommandError;
use crate::event::{Event, Side};
use crate::media_plan::MediaPlan;

/// UPDATEs of ours in an early dialog.
#[derive(Debug)]
pub(super) struct EarlyUpdate {
    /// Which: the peer's tag.
    tag: Text,
    /// The one under way, or to be tried again.
    change: Option<Change>,
    /// What was agreed by one.
    settled: Option<Direction>,
}

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
        let wish = Wish::update(direction);
        if !matches!(self.state, State::Established(_)) {
            return self.update_early(context, now, wish, 0);
        }
        self.change(
            context,
            now,
            "update",
            |dialog, _| {
                if dialog.takes_update() { Ok(wish) } else { Err(NOT_TAKEN) }
            },
        )
    }

    /// Sends an UPDATE in an early dialog: with an offer only where a first one is settled, one at a time.
    fn update_early(
        &mut self,
        context: &mut Context,
        now: Instant,
        wish: Wish,
        rounds: u8,
    ) -> Result<(), CommandError> {
        let wrong = CommandError::WrongState { command: "update", state: self.state.name() };
        if self.early_update.as_ref().is_some_and(|early| early.change.is_some()) {
            return Err(CommandError::Misuse("update: another one is under way"));
        }
        let Some(dialog) = self.early_dialog() else { return Err(wrong) };
        if !dialog.takes_update() {
            return Err(NOT_TAKEN);
        }
        let tag = Text::from(dialog.remote_tag());
        let offer = match wish.direction() {
            None => None,
            Some(direction) => {
                let Some(plan) = self.early_plan(&tag) else { return Err(wrong) };
                Some(offer_answer::body(&plan.offer(direction)))
            }
        };
        let Some(dialog) = self.early_dialog() else { return Err(wrong) };
        let mut request = dialog.request(Method::UPDATE);
        request.headers_mut().push(&dialog.contact_header());
        context.introduce(&mut request);
        info::announce(context, request.headers_mut());
        if let Some(offer) = offer {
            request.set_body(offer_answer::APPLICATION_SDP, offer);
        }
        if let Err(error) = self.send_request(context, now, &tag, request, Purpose::Change) {
            self.roll_back_early(&tag, wish);
            return Err(error);
        }
        let settled = self.early_update.take().and_then(|early| early.settled);
        let change = Some(Change { wish, rounds, stage: Stage::Updating });
        self.early_update = Some(Box::new(EarlyUpdate { tag, change, settled }));
        Ok(())
    }

    /// The early dialog that an UPDATE of ours goes to: of several the one that is heard, or the first.
    fn early_dialog(&mut self) -> Option<&mut Dialog> {
        match &mut self.state {
            State::Calling(calling) => {
                let heard = calling.heard_tag.clone();
                let heard = heard.filter(|tag| calling.early_of(tag).is_some());
                let early = match heard {
                    Some(tag) => calling.early_of(&tag),
                    None => calling.early.first_mut(),
                };
                early.map(|early| &mut early.dialog)
            }
            State::Alerting(alerting) if alerting.has_rung() => Some(&mut alerting.dialog),
            State::Alerting(_) | State::Established(_) | State::Over(_) => None,
        }
    }

    /// The plan of an early dialog whose first offer has an answer that cannot get lost, so that either side may offer
    /// again ([RFC 3311 §5.1]).
    ///
    /// [RFC 3311 §5.1]: https://www.rfc-editor.org/rfc/rfc3311#section-5.1
    fn early_plan(&mut self, tag: &str) -> Option<&mut Box<dyn MediaPlan>> {
        match &mut self.state {
            State::Calling(calling) => {
                calling.early_of(tag).filter(|early| early.settled).and_then(|early| early.plan.as_mut())
            }
            State::Alerting(alerting) if alerting.exchange == Exchange::Settled => alerting.plan.as_mut(),
            State::Alerting(_) | State::Established(_) | State::Over(_) => None,
        }
    }

    fn roll_back_early(&mut self, tag: &str, wish: Wish) {
        if let (Some(_), Some(plan)) = (wish.direction(), self.early_plan(tag)) {
            plan.rollback();
        }
    }

    /// Whether an UPDATE of ours in this early dialog has an offer without an answer.
    pub(super) fn is_offering_early(&self, tag: &str) -> bool {
        let early = self.early_update.as_ref().filter(|early| *early.tag == *tag);
        early.and_then(|early| early.change.as_ref()).is_some_and(Change::is_offering)
    }

    /// The answer to our UPDATE in an early dialog, or none; whether it was one.
    pub(super) fn early_update_answered(
        &mut self,
        context: &mut Context,
        now: Instant,
        result: &Result<Response, Ending>,
    ) -> bool {
        let Some(early) = &mut self.early_update else { return false };
        let Some(Change { wish, rounds, .. }) = early.change.take_if(|change| change.is_updating()) else {
            return false;
        };
        let tag = early.tag.clone();
        let failed = match result {
            Ok(response) if response.status().is_success() => {
                if let Some(dialog) = self.dialog_mut(&tag) {
                    dialog.refresh_target(response.headers());
                }
                match wish.direction() {
                    None => {
                        context.tell(Event::SessionRefreshed { dialog: self.id, by: Side::Local });
                        return true;
                    }
                    Some(wished) => match self.settle_early(&tag, response) {
                        Some(direction) => {
                            if let Some(early) = &mut self.early_update {
                                early.settled = Some(wished);
                            }
                            context.tell(Event::MediaChanged { dialog: self.id, by: Side::Local, direction });
                            return true;
                        }
                        None => StatusCode::NOT_ACCEPTABLE_HERE,
                    },
                }
            }
            Ok(response) => {
                self.roll_back_early(&tag, wish);
                let dialog = self.dialog_mut(&tag);
                let wait = dialog.and_then(|dialog| glare_wait(context, dialog, response));
                if let Some(wait) = wait.filter(|_| rounds + 1 < MAX_ROUNDS)
                    && let Some(early) = &mut self.early_update
                {
                    let stage = Stage::Waiting { until: now + wait };
                    early.change = Some(Change { wish, rounds: rounds + 1, stage });
                    return true;
                }
                response.status()
            }
            Err(_) => {
                self.roll_back_early(&tag, wish);
                StatusCode::REQUEST_TIMEOUT
            }
        };
        context.tell(Event::ChangeFailed { dialog: self.id, status: failed });
        true
    }

    /// Takes the answer in a 2xx to our UPDATE; the direction agreed, or `None` and all is as it was.
    fn settle_early(&mut self, tag: &str, response: &Response) -> Option<Direction> {
        let answer = offer_answer::of_response(response);
        let plan = self.early_plan(tag)?;
        match answer.map(|answer| plan.accept(&answer)) {
            Some(Ok(())) => plan.direction(),
            Some(Err(_)) | None => {
                plan.rollback();
                None
            }
        }
    }

    pub(super) fn early_update_poll_timeout(&self) -> Option<Instant> {
        self.early_update.as_ref()?.change.as_ref()?.poll_timeout()
    }

    /// The time for another try after glare.
    pub(super) fn early_update_timeout(&mut self, context: &mut Context, now: Instant) {
        if self.early_update_poll_timeout().is_none_or(|at| now < at) {
            return;
        }
        let Some(Change { wish, rounds, .. }) =
            self.early_update.as_mut().and_then(|early| early.change.take())
        else {
            return;
        };
        if self.update_early(context, now, wish, rounds).is_err() {
            context.tell(Event::ChangeFailed { dialog: self.id, status: StatusCode::REQUEST_PENDING });
        }
    }

    /// The call stands: what was changed, or is being changed, in its early dialog goes on in it.
    pub(super) fn adopt_early_update(&mut self) {
        let Some(early) = self.early_update.take() else { return };
        let State::Established(established) = &mut self.state else { return };
        if established.dialog.remote_tag() != &*early.tag {
            return;
        }
        let EarlyUpdate { change, settled, .. } = *early;
        established.settled = settled.unwrap_or(established.settled);
        let wished = change.as_ref().and_then(|change| change.wish.direction());
        established.direction = wished.unwrap_or(established.settled);
        established.change = change;
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
        if offer.is_some() && self.is_offering_early(&key.remote_tag) {
            return self.answer(context, now, server, request, StatusCode::REQUEST_PENDING);
        }
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

//! Our 2xx to an INVITE, from the first time it is sent to its ACK ([RFC 3261 §13.3.1.4]).
//!
//! [RFC 3261 §13.3.1.4]: https://www.rfc-editor.org/rfc/rfc3261#section-13.3.1.4

use std::time::{Duration, Instant};

use sip_msg::{CSeq, Request, Response, StatusCode, Text};
use sip_txn::ServerId;

use super::change::hear;
use super::ending::Farewell;
use super::{InviteUsage, State, offer_answer, patience};
use crate::context::Context;
use crate::dialog::DialogKey;
use crate::event::{Event, Side};
use crate::media_plan::Refusal;

/// Our 2xx, repeated until its ACK comes.
#[derive(Debug)]
pub(super) struct AwaitAck {
    server: ServerId,
    response: Response,
    cseq: u32,
    /// It answers the INVITE that made the dialog.
    pub(super) initial: bool,
    /// It carries an offer; the ACK must bring the answer.
    pub(super) offered: bool,
    interval: Duration,
    resend_at: Instant,
    give_up_at: Instant,
}

impl AwaitAck {
    pub(super) fn poll_timeout(&self) -> Instant {
        self.resend_at.min(self.give_up_at)
    }
}

/// Sends a 2xx to an INVITE, to be repeated until its ACK.
pub(super) fn send_success(
    context: &mut Context,
    now: Instant,
    server: ServerId,
    request: &Request,
    response: Response,
    initial: bool,
    offered: bool,
) -> AwaitAck {
    context.respond(now, server, response.clone());
    let interval = context.config.transactions.timing.t1;
    AwaitAck {
        server,
        response,
        cseq: request.headers().require::<CSeq>().map_or(0, |cseq| cseq.number),
        initial,
        offered,
        interval,
        resend_at: now + interval,
        give_up_at: now + patience(context),
    }
}

impl InviteUsage {
    /// An ACK for a 2xx of ours.
    pub(crate) fn handle_ack(&mut self, context: &mut Context, now: Instant, key: &DialogKey, ack: &Request) {
        self.acknowledged(context, now, key, ack);
        self.continue_transfer(context, now);
    }

    fn acknowledged(&mut self, context: &mut Context, now: Instant, key: &DialogKey, ack: &Request) {
        let State::Established(established) = &mut self.state else { return };
        let number = ack.headers().require::<CSeq>().map_or(0, |cseq| cseq.number);
        let ours = established.dialog.key() == *key;
        let Some(wait) = established.await_ack.take_if(|wait| ours && wait.cseq == number) else { return };
        let mut trouble = None;
        let before = established.plan.direction();
        let mut news = false;
        if wait.offered {
            let answer = offer_answer::read(ack.headers(), ack.body()).ok().flatten();
            let outcome = match &answer {
                Some(answer) => {
                    news = hear(&mut self.remote_origin, answer);
                    established.plan.accept(answer)
                }
                // Who wanted to know what we can, and says nothing to it, has left the call as it was.
                None if !wait.initial => {
                    established.plan.rollback();
                    Ok(())
                }
                None => Err(Refusal::new("the ACK has no session description")),
            };
            if let Err(refusal) = outcome {
                trouble = Some(refusal.text);
            }
        }
        let direction = established.plan.direction();
        if self.ended {
            // Only the BYE is left to send.
        } else if wait.initial {
            context.tell(Event::Confirmed { dialog: self.id });
        } else if let (true, None, Some(direction)) = (wait.offered, &trouble, direction) {
            if news || before != Some(direction) {
                context.tell(Event::MediaChanged { dialog: self.id, by: Side::Remote, direction });
            } else {
                self.tell_refreshed(context, Side::Remote);
            }
        }
        let State::Established(established) = &mut self.state else { return };
        if established.hang_up {
            self.farewell = Some(Farewell::local());
            self.leave(context, now);
        } else if let Some(reason) = trouble {
            let reason = Text::from(format!("no media agreed: {reason}"));
            self.break_off(context, now, Some(StatusCode::NOT_ACCEPTABLE_HERE), reason);
        } else {
            self.next_change(context, now);
        }
    }

    pub(super) fn await_ack_timeout(&mut self, context: &mut Context, now: Instant) {
        let State::Established(established) = &mut self.state else { return };
        let Some(wait) = &mut established.await_ack else { return };
        if now >= wait.give_up_at {
            established.await_ack = None;
            if established.hang_up {
                self.farewell = Some(Farewell::local());
                self.leave(context, now);
            } else {
                self.break_off(context, now, None, "the caller never acknowledged our answer");
            }
        } else if now >= wait.resend_at {
            context.respond(now, wait.server, wait.response.clone());
            wait.interval = (2 * wait.interval).min(context.config.transactions.timing.t2);
            wait.resend_at = now + wait.interval;
        }
    }

    /// The INVITE came again after our 2xx, which then is lost: it is sent at once, and not only when its time has come.
    pub(crate) fn handle_repeated(&mut self, context: &mut Context, now: Instant, invite: ServerId) {
        let State::Established(established) = &self.state else { return };
        if let Some(wait) = established.await_ack.as_ref().filter(|wait| wait.server == invite) {
            context.respond(now, invite, wait.response.clone());
        }
    }
}

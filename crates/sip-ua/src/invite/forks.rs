//! One INVITE, several places that ring or answer ([RFC 3261 §13.2.2.4]): which early media is heard
//! ([RFC 3960 §3.1]), and what becomes of the answers after the first.
//!
//! [RFC 3261 §13.2.2.4]: https://www.rfc-editor.org/rfc/rfc3261#section-13.2.2.4
//! [RFC 3960 §3.1]: https://www.rfc-editor.org/rfc/rfc3960#section-3.1

use std::time::Instant;

use sdp::SessionDescription;
use sip_msg::{Request, Response, Text, To, Uri};
use sip_txn::ClientId;

use super::change::hear;
use super::uac::{Calling, Early};
use super::{Established, InviteUsage, State, offer_answer};
use crate::auth::Authenticator;
use crate::context::Context;
use crate::dialog::Dialog;
use crate::event::DialogId;
use crate::media_plan::MediaPlan;

/// What becomes of further 2xx responses to an INVITE of ours that is answered already.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Forks {
    /// The first counts; the others are acknowledged and hung up.
    #[default]
    First,
    /// While the first call stands, each becomes a call of its own: [`Event::Forked`](crate::Event::Forked).
    All,
}

/// Which of several early medias is heard: one at a time, never mixed ([RFC 3960 §3.1]).
///
/// [RFC 3960 §3.1]: https://www.rfc-editor.org/rfc/rfc3960#section-3.1
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum EarlyMedia {
    /// That of the place that began last: where places ring one after the other, the one that still rings.
    #[default]
    Latest,
    /// That of the place that began first, until it ends.
    First,
}

impl Calling {
    /// An early dialog has media now.
    pub(super) fn choose_heard(&mut self, remote_tag: &Text) {
        if self.heard_tag.is_none() || self.early_media == EarlyMedia::Latest {
            self.hear(remote_tag);
        }
    }

    fn hear(&mut self, remote_tag: &Text) {
        if let Some(plan) = self.early_of(remote_tag).and_then(|early| early.plan.as_mut()) {
            plan.select();
            self.heard_tag = Some(remote_tag.clone());
        }
    }

    /// An early dialog has ended (199, BYE), though its PRACK may still be under way: another one is heard.
    pub(super) fn early_ended(&mut self, remote_tag: &str) {
        if let Some(early) = self.early_of(remote_tag) {
            early.plan = None;
            early.ended = true;
        }
        if self.heard_tag.as_deref() == Some(remote_tag) {
            self.heard_tag = None;
            let mut left = self.early.iter().filter(|early| early.plan.is_some());
            let next = match self.early_media {
                EarlyMedia::Latest => left.next_back(),
                EarlyMedia::First => left.next(),
            };
            if let Some(tag) = next.map(|early| Text::from(early.dialog.remote_tag())) {
                self.hear(&tag);
            }
        }
    }

    /// Takes away an early dialog that has ended.
    pub(super) fn forget_ended(&mut self, remote_tag: &str) {
        self.early.retain(|early| !early.ended || early.dialog.remote_tag() != remote_tag);
    }
}

/// How a 2xx settles media.
pub(super) struct Settled {
    pub(super) plan: Box<dyn MediaPlan>,
    /// What the ACK answers.
    pub(super) answer: Option<SessionDescription>,
    /// Why there is no media.
    pub(super) trouble: Option<Text>,
    /// The `o=` line of the peer's description, as a hash.
    pub(super) remote_origin: Option<u64>,
}

impl Settled {
    /// With the plan of the early dialog where it has one: the first answer counts, in whichever response it came
    /// ([RFC 3261 §13.2.1]). Otherwise with the one that the INVITE went out with.
    ///
    /// [RFC 3261 §13.2.1]: https://www.rfc-editor.org/rfc/rfc3261#section-13.2.1
    pub(super) fn by(
        early: Option<Early>,
        template: Box<dyn MediaPlan>,
        late_offer: bool,
        response: &Response,
    ) -> Self {
        let (plan, mut trouble, mut remote_origin) =
            early.map_or((None, None, None), |early| (early.plan, early.trouble, early.remote_origin));
        let description = offer_answer::of_response(response);
        let mut answer = None;
        let plan = match (plan, description) {
            (Some(plan), _) => plan,
            (None, _) if trouble.is_some() => template,
            (None, None) => {
                trouble = Some("the 200 has no session description".into());
                template
            }
            (None, Some(description)) => {
                hear(&mut remote_origin, &description);
                let mut plan = template;
                let outcome = if late_offer {
                    plan.answer(&description).map(|made| answer = Some(made))
                } else {
                    plan.accept(&description)
                };
                if let Err(refusal) = outcome {
                    answer = late_offer.then(|| offer_answer::refuse_all(&description));
                    trouble = Some(refusal.text);
                }
                plan
            }
        };
        Self { plan, answer, trouble, remote_origin }
    }
}

/// What is kept of an INVITE that was answered, to make calls of further answers.
#[derive(Debug)]
pub(super) struct Siblings {
    pub(super) client: ClientId,
    pub(super) contact: Uri,
    pub(super) template: Box<dyn MediaPlan>,
    pub(super) late_offer: bool,
    pub(super) early: Vec<Early>,
}

/// A further answer that is to become a call of its own.
#[derive(Debug)]
pub(crate) struct Fork {
    dialog: Dialog,
    plan: Box<dyn MediaPlan>,
    remote_origin: Option<u64>,
    pub(crate) response: Response,
}

impl InviteUsage {
    /// A 2xx of another fork, which all are wanted: ACK, and a call of its own; false if they are not.
    pub(super) fn forked(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientId,
        request: &Request,
        response: &Response,
    ) -> bool {
        let Some(siblings) = self.siblings.as_mut().filter(|siblings| siblings.client == client) else {
            return false;
        };
        if !matches!(self.state, State::Established(_)) {
            return false;
        }
        let tag =
            response.headers().require::<To>().ok().and_then(|to| to.params.text("tag")).unwrap_or_default();
        let at = siblings.early.iter().position(|early| early.dialog.remote_tag() == &*tag);
        let early = at.map(|at| siblings.early.swap_remove(at));
        let dialog = match &early {
            Some(early) => Ok(early.dialog.clone()),
            None => Dialog::of_response(request, &siblings.contact, response),
        };
        // Message::check passed both messages; their dialog headers can be read.
        let Ok(mut dialog) = dialog else { return false };
        dialog.take_route_set(response);
        dialog.refresh_target(response.headers());
        let settled = Settled::by(early, siblings.template.fork(), siblings.late_offer, response);
        self.acknowledge(context, now, client, &dialog, request, settled.answer.as_ref());
        if settled.trouble.is_some() {
            self.keep_key(context, &dialog);
            self.bye(context, now, dialog, false);
        } else {
            self.forks.push(Fork {
                dialog,
                plan: settled.plan,
                remote_origin: settled.remote_origin,
                response: response.clone(),
            });
        }
        true
    }

    /// The further answers that the agent makes calls of.
    pub(crate) fn take_forks(&mut self) -> Vec<Fork> {
        std::mem::take(&mut self.forks)
    }

    /// One that there is no room for.
    pub(crate) fn drop_fork(&mut self, context: &mut Context, now: Instant, fork: Fork) {
        self.keep_key(context, &fork.dialog);
        self.bye(context, now, fork.dialog, false);
    }

    /// The new call; repeated 2xx responses still come to the first one, which acknowledges them.
    pub(crate) fn of_fork(&mut self, context: &mut Context, now: Instant, id: DialogId, fork: Fork) -> Self {
        let Fork { dialog, mut plan, remote_origin, response } = fork;
        let key = dialog.key();
        self.keys.retain(|known| *known != key);
        plan.confirm();
        let auth: Authenticator = self.auth.fresh();
        let established = Established::new(dialog.clone(), plan);
        let mut usage = Self::new(id, auth, State::Established(Box::new(established)));
        usage.remote_origin = remote_origin;
        usage.timer = self.timer.of_dialog();
        usage.timer.answered(now, response.headers());
        usage.keep_key(context, &dialog);
        usage
    }
}

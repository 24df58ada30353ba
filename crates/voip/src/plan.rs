//! The bridge between a dialog's offers and answers and its media session: [`media::Plan`] behind
//! [`sip_ua::MediaPlan`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use media::driver::MediaHandle;
use media::{Agreement, Plan};
use sdp::{Direction, SessionDescription};
use sip_ua::{MediaPlan, Refusal};
use tokio::sync::watch;

/// Lives in the agent with its dialog; tells the session of every agreement.
///
/// The early dialogs of one INVITE have a fork each and share the session: only the one that is heard may change it.
#[derive(Debug)]
pub(crate) struct CallPlan {
    plan: Plan,
    session: MediaHandle,
    agreed: watch::Sender<Option<Agreement>>,
    /// Which of the forks this is.
    number: u64,
    forks: Arc<Forks>,
}

/// The forks of one call: how many there were, and which one is heard.
#[derive(Debug, Default)]
struct Forks {
    last: AtomicU64,
    heard: AtomicU64,
}

impl CallPlan {
    pub(crate) fn new(plan: Plan, session: MediaHandle, agreed: watch::Sender<Option<Agreement>>) -> Self {
        Self { plan, session, agreed, number: 0, forks: Arc::default() }
    }

    fn apply(&self) {
        if self.forks.heard.load(Ordering::Relaxed) != self.number {
            return;
        }
        if let Some(agreement) = self.plan.agreement() {
            let was_encrypted = self.agreed.borrow().as_ref().is_some_and(|before| before.srtp.is_some());
            if was_encrypted && agreement.srtp.is_none() {
                tracing::warn!(
                    "the peer has taken the encryption off the media of a call; SrtpPolicy::Required refuses that"
                );
            }
            self.session.apply(agreement.clone());
            self.agreed.send_replace(Some(agreement.clone()));
        }
    }
}

impl MediaPlan for CallPlan {
    fn offer(&mut self, direction: Direction) -> SessionDescription {
        self.plan.offer(direction)
    }

    fn refresh(&mut self, _direction: Direction) -> SessionDescription {
        self.plan.refresh()
    }

    fn answer(&mut self, offer: &SessionDescription) -> Result<SessionDescription, Refusal> {
        let answer = self.plan.answer(offer).map_err(refusal)?;
        self.apply();
        Ok(answer)
    }

    fn accept(&mut self, answer: &SessionDescription) -> Result<(), Refusal> {
        self.plan.accept(answer).map_err(refusal)?;
        self.apply();
        Ok(())
    }

    fn rollback(&mut self) {
        self.plan.rollback();
    }

    fn fork(&self) -> Box<dyn MediaPlan> {
        let forks = Arc::clone(&self.forks);
        let number = forks.last.fetch_add(1, Ordering::Relaxed) + 1;
        let (session, agreed) = (self.session.clone(), self.agreed.clone());
        Box::new(Self { plan: self.plan.fork(), session, agreed, number, forks })
    }

    fn select(&mut self) {
        self.forks.heard.store(self.number, Ordering::Relaxed);
        self.apply();
    }

    fn confirm(&mut self) {
        self.select();
    }

    fn direction(&self) -> Option<Direction> {
        self.plan.direction()
    }
}

fn refusal(error: media::PlanError) -> Refusal {
    Refusal::new(error.to_string())
}

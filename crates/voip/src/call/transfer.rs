//! Transfers: a call handed on to somebody else, and being asked to call somebody ([RFC 5589]).
//!
//! [RFC 5589]: https://www.rfc-editor.org/rfc/rfc5589

use sip_msg::{StatusCode, Uri};
use sip_ua::{CommandError, Refer, ReferRequest, Reply, Transfer};
use tokio::sync::oneshot;

use super::{Call, Dial};
use crate::account::Account;
use crate::driver::Route;
use crate::endpoint::{Endpoint, Shared, resolve};
use crate::error::CallError;

impl Call {
    /// Hands the call on: asks the other side to call `target` instead of us, and waits until that has worked.
    ///
    /// While a hold is under way the request waits for its end. When the transfer has worked our leg is hung up; when it has
    /// not, the call stands as before. [`CallEvent::TransferProgress`](super::CallEvent::TransferProgress) tells the steps.
    /// The future does not borrow the call; dropping it takes nothing back.
    ///
    /// # Errors
    /// [`CallError::Transfer`] when the other side refuses or the target was not reached, [`CallError::Target`] for a target
    /// that is no URI, [`CallError::Command`] when another transfer is under way.
    pub fn transfer(
        &self,
        target: &str,
    ) -> impl Future<Output = Result<StatusCode, CallError>> + Send + use<> {
        let transfer = resolve(target, None).map(Transfer::blind).map_err(CallError::from);
        self.start_transfer(transfer)
    }

    /// Connects the other sides of two calls with each other (attended transfer): the one of this call calls the one of
    /// `other`, where the new call takes the place of ours ([RFC 3891]). Otherwise as [`transfer`](Self::transfer).
    ///
    /// [RFC 3891]: https://www.rfc-editor.org/rfc/rfc3891
    ///
    /// # Errors
    /// As [`transfer`](Self::transfer).
    pub fn transfer_to(
        &self,
        other: &Self,
    ) -> impl Future<Output = Result<StatusCode, CallError>> + Send + use<> {
        self.start_transfer(Ok(Transfer::attended(other.link.dialog)))
    }

    /// A transfer with settings of its own: hold first, ask for no reports, keep our leg …
    ///
    /// # Errors
    /// As [`transfer`](Self::transfer).
    pub fn transfer_with(
        &self,
        transfer: Transfer,
    ) -> impl Future<Output = Result<StatusCode, CallError>> + Send + use<> {
        self.start_transfer(Ok(transfer))
    }

    fn start_transfer(
        &self,
        transfer: Result<Transfer, CallError>,
    ) -> impl Future<Output = Result<StatusCode, CallError>> + Send + use<> {
        let (remote, shared) = (self.link.remote(), self.link.shared.clone());
        async move {
            let transfer = transfer?;
            let (outcome, settled) = oneshot::channel();
            let routes = shared.routes.clone();
            remote
                .command(move |agent, now, dialog| {
                    agent.transfer(now, dialog, transfer)?;
                    // The router only ends with the endpoint; then nobody listens anyway.
                    let _ = routes.send(Route::Transfer { dialog, outcome });
                    Ok(())
                })
                .await?;
            Ok(settled.await.map_err(|_| CallError::ShutDown)??)
        }
    }
}

impl Endpoint {
    /// Asks somebody, outside of any call, to call `refer_to` (click to dial, [RFC 3515]), and waits until that has worked.
    /// We decline such requests ourselves.
    ///
    /// [RFC 3515]: https://www.rfc-editor.org/rfc/rfc3515
    ///
    /// # Errors
    /// [`CallError::Transfer`] when it refuses or the other one was not reached, [`CallError::Target`] for what is no URI.
    pub async fn refer(
        &self,
        target: &str,
        refer_to: &str,
        account: Option<&Account>,
    ) -> Result<StatusCode, CallError> {
        let (shared, refer_to) = (self.shared(), resolve(refer_to, None)?);
        let from = account.map_or_else(|| shared.anonymous(), Account::from);
        let mut refer = Refer::new(from, resolve(target, account)?, refer_to);
        if let Some(account) = account {
            refer.request.credentials = account.credentials();
            refer.request.route = account.route();
        }
        let (outcome, settled) = oneshot::channel();
        let routes = shared.routes.clone();
        let asked = shared.run(move |agent, now| {
            let id = agent.refer(now, refer)?;
            // The router only ends with the endpoint; then nobody listens anyway.
            let _ = routes.send(Route::Referral { id, outcome });
            Ok::<_, CommandError>(())
        });
        asked.await.ok_or(CallError::ShutDown)??;
        Ok(settled.await.map_err(|_| CallError::ShutDown)??)
    }
}

/// The other side of a call asks us to call somebody (REFER). Undecided, it is declined after 20 s.
#[derive(Clone, Debug)]
pub struct TransferRequest {
    shared: Shared,
    refer: Box<ReferRequest>,
}

impl TransferRequest {
    pub(crate) fn new(shared: Shared, refer: Box<ReferRequest>) -> Self {
        Self { shared, refer }
    }

    /// Whom we are to call.
    #[must_use]
    pub fn target(&self) -> &Uri {
        &self.refer.target
    }

    /// Whether the new call takes the place of another one at the target.
    #[must_use]
    pub fn is_attended(&self) -> bool {
        self.refer.replaces.is_some()
    }

    /// All that was asked for. What it says of who asks is the sender's claim.
    #[must_use]
    pub fn refer(&self) -> &ReferRequest {
        &self.refer
    }

    /// Agrees, and gives the call to place; the other side hears what comes of it.
    ///
    /// # Errors
    /// [`CallError::Command`] when it was decided already or its time is over, [`CallError::ShutDown`].
    pub async fn accept(&self) -> Result<Dial, CallError> {
        let id = self.refer.id;
        let accepted = self.shared.run(move |agent, now| agent.accept_refer(now, id)).await;
        accepted.ok_or(CallError::ShutDown)??;
        Ok(Dial::of_refer(self.shared.clone(), self.refer.clone()))
    }

    /// Declines, with a status such as [`StatusCode::DECLINE`].
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub async fn refuse(&self, reply: impl Into<Reply>) -> Result<(), CallError> {
        let (id, reply) = (self.refer.id, reply.into());
        let refused = self.shared.run(move |agent, now| agent.refuse_refer(now, id, reply)).await;
        Ok(refused.ok_or(CallError::ShutDown)??)
    }
}

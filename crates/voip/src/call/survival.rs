//! Calls that outlive their process.

use media::driver::MediaHandle;
use sip_msg::Message;
use tokio::sync::{mpsc, watch};

use super::{Call, Link};
use crate::driver::{CALL_EVENTS, CallLink, Route};
use crate::endpoint::Endpoint;
use crate::error::{CallError, ResumeCallError};

impl Call {
    /// The call as bytes, from which another process can go on with it ([`Endpoint::resume`]) when this one is gone.
    ///
    /// **Keep them as you keep a password**: whoever has them can speak in the call's name. Passwords are not in them.
    ///
    /// # Errors
    /// [`CallError::Command`] while the call is being changed, [`CallError::Ended`] when it is over.
    pub async fn snapshot(&self) -> Result<Vec<u8>, CallError> {
        Ok(self.link.command(|agent, _, dialog| agent.snapshot(dialog)).await?.to_vec())
    }
}

impl Endpoint {
    /// Goes on with a call that another process wrote down with [`Call::snapshot`] and no longer has: media is offered
    /// anew, from a port of ours.
    ///
    /// # Errors
    /// [`ResumeCallError`]: the bytes are no call of this version, there is no port for media, or the other side has gone.
    pub async fn resume(&self, snapshot: &[u8]) -> Result<Call, ResumeCallError> {
        let shared = self.shared();
        let (plan, media) = shared.open_media(None).await?;
        let (sender, events) = mpsc::channel(CALL_EVENTS);
        let (ended_sender, ended) = watch::channel(None);
        let handle: MediaHandle = media.handle.clone();
        let link = CallLink { events: sender, ended: ended_sender, media: Some(handle) };
        let (routes, snapshot) = (shared.routes.clone(), snapshot.to_vec());
        let resumed = shared.run(move |agent, now| {
            let dialog = agent.resume(now, &snapshot, plan)?;
            // The router only ends with the endpoint; then nobody listens anyway.
            let _ = routes.send(Route::Call { dialog, link });
            Ok::<_, ResumeCallError>((dialog, agent.call_id(dialog).unwrap_or_default()))
        });
        let (dialog, call_id) = resumed.await.ok_or(CallError::ShutDown)??;
        let link = Link::new(shared.clone(), dialog, call_id, events, ended);
        let mut call = Call::new(link, media, None::<Message>);
        call.link.command(|agent, now, dialog| agent.reoffer(now, dialog)).await?;
        call.settle(|event| matches!(event, sip_ua::Event::MediaChanged { by: super::Side::Local, .. }))
            .await?;
        Ok(call)
    }
}

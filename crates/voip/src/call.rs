//! Calls: ones that come in, ones we place, and the call itself, a [`Dialog`](sip_ua::DialogId) and its media session.

mod dial;
mod incoming;
mod requests;
mod survival;
mod transfer;

use std::collections::VecDeque;
use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;
use media::driver::{Closed, MediaEvents, MediaHandle, Played, Recording};
use media::{Agreement, Statistics};
use sdp::Direction;
use sip_msg::{Message, Reason, Request, Response, StatusCode, Text};
use sip_ua::{Agent, CommandError, DialogId, Event, Side};
use tokio::sync::{mpsc, watch};

pub use dial::{Dial, OutgoingCall, Progress};
pub use incoming::IncomingCall;
pub use transfer::TransferRequest;

use crate::endpoint::Shared;
use crate::error::CallError;

/// How a call ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ended {
    /// Who ended it.
    pub by: Side,
    /// The status code that ended it, if one did.
    pub status: Option<StatusCode>,
    /// One line for a person.
    pub reason: Text,
    /// The response that ended it, with its headers.
    pub response: Option<Response>,
    /// Why, as the other side put it in a Reason header ([RFC 3326]): its claim.
    ///
    /// [RFC 3326]: https://www.rfc-editor.org/rfc/rfc3326
    pub cause: Option<Box<Reason>>,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "{} {}", status.code(), self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

/// What happens in a call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CallEvent {
    /// The caller knows that we answered (its ACK came).
    Confirmed,
    /// The other side pressed a key and let it go.
    Digit {
        /// `0` to `9`, `*`, `#`, `A` to `D`, or `!` for a hook flash.
        digit: char,
        /// How long it was pressed.
        duration: Duration,
        /// How it came.
        via: DigitPath,
    },
    /// The other side put us on hold or took us back, or our own wish to do so was granted; the direction as we see it.
    MediaChanged {
        /// Whose wish it was.
        by: Side,
        /// What is agreed now.
        direction: Direction,
    },
    /// Our wish to hold or resume was refused; the call goes on as before.
    ChangeFailed(StatusCode),
    /// Both sides are still there, and nothing has changed: a session refresh ([RFC 4028]).
    ///
    /// [RFC 4028]: https://www.rfc-editor.org/rfc/rfc4028
    Refreshed {
        /// Whose it was.
        by: Side,
    },
    /// The other side reports on the transfer we asked for: 100, 180 …
    TransferProgress(StatusCode),
    /// The other side asks us to call somebody else.
    Refer(TransferRequest),
    /// The other side sent a text message; it was taken ([`Config::messages`](crate::Config::messages)).
    Message(Request),
    /// The other side sent an INFO request.
    Info(Request),
    /// No media has come for a while, although some should.
    MediaTimeout,
    /// Media comes again.
    MediaResumed,
    /// How the media does: said every 5 s.
    Statistics(Statistics),
    /// The call is over. Nothing comes after it.
    Ended(Ended),
}

/// How a key came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum DigitPath {
    /// In the media, as telephone-event ([RFC 4733](https://www.rfc-editor.org/rfc/rfc4733)).
    Rtp,
    /// In the signalling, as INFO.
    Info,
}

/// A call that stands. Dropping it hangs up.
#[derive(Debug)]
pub struct Call {
    link: Link,
    media: CallMedia,
    start: Option<Message>,
    /// Events that were read while waiting for something else.
    pending: VecDeque<CallEvent>,
}

impl Stream for Call {
    type Item = CallEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<CallEvent>> {
        self.poll_event(context)
    }
}

/// The media side of a call at any stage.
#[derive(Debug)]
pub(crate) struct CallMedia {
    pub(crate) handle: MediaHandle,
    pub(crate) events: MediaEvents,
    pub(crate) agreement: watch::Receiver<Option<Agreement>>,
}

impl Drop for CallMedia {
    /// The agent keeps a handle too until the peer has answered the BYE; nobody is to be heard that long.
    fn drop(&mut self) {
        self.handle.close();
    }
}

/// The signalling side of a call at any stage.
#[derive(Debug)]
pub(crate) struct Link {
    shared: Shared,
    dialog: DialogId,
    call_id: Text,
    events: mpsc::Receiver<Box<Event>>,
    ended: watch::Receiver<Option<Ended>>,
    /// Whether dropping this hangs up: no longer, once it was handed on or has ended.
    live: bool,
}

impl Link {
    pub(crate) fn new(
        shared: Shared,
        dialog: DialogId,
        call_id: Text,
        events: mpsc::Receiver<Box<Event>>,
        ended: watch::Receiver<Option<Ended>>,
    ) -> Self {
        Self { shared, dialog, call_id, events, ended, live: true }
    }

    /// Hangs up, or cancels, and waits until the call is over.
    async fn hang_up(mut self) -> Result<Ended, CallError> {
        let ended = match self.command(|agent, now, dialog| agent.hang_up(now, dialog)).await {
            Ok(()) => self.ended().await?,
            Err(CallError::Ended(ended)) => *ended,
            Err(error) => return Err(error),
        };
        self.live = false;
        Ok(ended)
    }

    /// Waits for the end of the call.
    async fn ended(&self) -> Result<Ended, CallError> {
        ending(&self.ended).await
    }

    /// The error of whoever wanted something of a call that is over.
    async fn over(&self) -> CallError {
        ended_with(self.ended().await)
    }

    /// Runs a command for this call in the agent's task.
    async fn command<R: Send + 'static>(
        &self,
        command: impl FnOnce(&mut Agent, Instant, DialogId) -> Result<R, CommandError> + Send + 'static,
    ) -> Result<R, CallError> {
        self.remote().command(command).await
    }

    fn remote(&self) -> Remote {
        Remote { shared: self.shared.clone(), dialog: self.dialog, ended: self.ended.clone() }
    }
}

/// A way to the agent's side of a call, for what goes on beside the call's owner.
#[derive(Clone, Debug)]
struct Remote {
    shared: Shared,
    dialog: DialogId,
    ended: watch::Receiver<Option<Ended>>,
}

impl Remote {
    async fn command<R: Send + 'static>(
        &self,
        command: impl FnOnce(&mut Agent, Instant, DialogId) -> Result<R, CommandError> + Send + 'static,
    ) -> Result<R, CallError> {
        let dialog = self.dialog;
        let result = self
            .shared
            .run(move |agent, now| command(agent, now, dialog))
            .await
            .ok_or(CallError::ShutDown)?;
        match result {
            Err(CommandError::Unknown) => Err(ended_with(ending(&self.ended).await)),
            result => Ok(result?),
        }
    }
}

/// Waits for the end of a call.
async fn ending(ended: &watch::Receiver<Option<Ended>>) -> Result<Ended, CallError> {
    let mut ended = ended.clone();
    let ended = ended.wait_for(Option::is_some).await.map_err(|_| CallError::ShutDown)?;
    ended.clone().ok_or(CallError::ShutDown)
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.live {
            self.shared.abandon(self.dialog);
        }
    }
}

impl Call {
    fn new(link: Link, media: CallMedia, start: impl Into<Option<Message>>) -> Self {
        Self { link, media, start: start.into(), pending: VecDeque::new() }
    }

    /// The Call-ID.
    #[must_use]
    pub fn call_id(&self) -> &str {
        &self.link.call_id
    }

    /// The message that set the call up: the INVITE we answered, or the 2xx that answered ours. A call of another process
    /// that was gone on with has none.
    #[must_use]
    pub fn start(&self) -> Option<&Message> {
        self.start.as_ref()
    }

    /// The media session, for what is not offered here: frames in and out, tones, statistics.
    #[must_use]
    pub fn media(&self) -> &MediaHandle {
        &self.media.handle
    }

    /// What offer and answer settled last: codec, addresses, direction, whether SRTP is on.
    #[must_use]
    pub fn agreement(&self) -> Option<Agreement> {
        self.media.agreement.borrow().clone()
    }

    /// The next thing that happens; `None` after [`CallEvent::Ended`] was given out. Cancel safe; a [`Call`] is also a
    /// [`Stream`] of these.
    pub async fn next_event(&mut self) -> Option<CallEvent> {
        std::future::poll_fn(|context| self.poll_event(context)).await
    }

    /// What the media says comes first: its last numbers belong before the end.
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<CallEvent>> {
        if let Some(event) = self.pending.pop_front() {
            return Poll::Ready(Some(event));
        }
        let media_open = loop {
            match self.media.events.poll_next(context) {
                Poll::Ready(Some(event)) => {
                    if let Some(event) = media_event(event) {
                        return Poll::Ready(Some(event));
                    }
                }
                Poll::Ready(None) => break false,
                Poll::Pending => break true,
            }
        };
        loop {
            match self.link.events.poll_recv(context) {
                Poll::Ready(Some(event)) => {
                    if let Some(event) = dialog_event(&self.link.shared, *event) {
                        return Poll::Ready(Some(event));
                    }
                }
                Poll::Ready(None) if !media_open => return Poll::Ready(self.end()),
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The end, once; it was told before the last sender of events went away.
    fn end(&mut self) -> Option<CallEvent> {
        if !std::mem::replace(&mut self.link.live, false) {
            return None;
        }
        self.link.ended.borrow().clone().map(CallEvent::Ended)
    }

    /// Waits for the next key the other side presses; `None` when the call is over. Other events are passed over.
    pub async fn digit(&mut self) -> Option<char> {
        loop {
            if let CallEvent::Digit { digit, .. } = self.next_event().await? {
                return Some(digit);
            }
        }
    }

    /// Waits for the end of the call without taking its events.
    ///
    /// # Errors
    /// [`CallError::ShutDown`] when the endpoint is gone.
    pub async fn ended(&self) -> Result<Ended, CallError> {
        self.link.ended().await
    }

    /// Plays a WAV file, of any rate, to its end. Dropping the future stops it.
    ///
    /// # Errors
    /// [`CallError::Wav`] when the file cannot be played, [`CallError::Ended`] when the call ends first.
    pub async fn play(&self, path: impl AsRef<Path>) -> Result<Played, CallError> {
        self.play_samples(media::wav::load(path.as_ref())?).await
    }

    /// Plays samples (8,000 Hz, mono) to their end. Dropping the future stops them.
    ///
    /// # Errors
    /// [`CallError::Ended`] when the call ends first.
    pub async fn play_samples(&self, samples: impl Into<Arc<[i16]>>) -> Result<Played, CallError> {
        tokio::select! {
            biased;
            ended = self.link.ended() => Err(ended_with(ended)),
            Ok(played) = self.media.handle.play(samples) => Ok(played),
        }
    }

    /// Records what the other side says into a WAV file (8,000 Hz, mono), until the recording is stopped or dropped or
    /// the call ends.
    ///
    /// # Errors
    /// [`CallError::Wav`] when the file cannot be made.
    pub async fn record(&self, path: impl AsRef<Path>) -> Result<Recording, CallError> {
        Ok(self.media.handle.record(path).await?)
    }

    /// Sends back everything that is heard.
    pub fn echo(&self) {
        self.media.handle.echo();
    }

    /// Sends a tone, for example of 440 Hz.
    pub fn tone(&self, hz: f64) {
        self.media.handle.tone(hz);
    }

    /// Presses keys (`0`–`9`, `*`, `#`, `A`–`D`), as telephone-events ([RFC 4733]), and waits until they are sent.
    ///
    /// [RFC 4733]: https://www.rfc-editor.org/rfc/rfc4733#section-2
    ///
    /// # Errors
    /// [`CallError::Digits`] for a character that is no key, or a peer that takes none; [`CallError::Ended`] when the call
    /// ends first.
    pub async fn send_digits(&self, digits: &str) -> Result<(), CallError> {
        tokio::select! {
            biased;
            ended = self.link.ended() => Err(ended_with(ended)),
            sent = self.media.handle.send_digits(digits) => Ok(sent?),
        }
    }

    /// Puts the other side on hold and waits until it has agreed.
    ///
    /// # Errors
    /// [`CallError::Rejected`] when it refuses: the call then goes on as before.
    pub async fn hold(&mut self) -> Result<(), CallError> {
        self.set_direction(Direction::SendOnly).await
    }

    /// Takes the other side back from hold and waits until it has agreed.
    ///
    /// # Errors
    /// [`CallError::Rejected`] when it refuses: the call then goes on as before.
    pub async fn resume(&mut self) -> Result<(), CallError> {
        self.set_direction(Direction::SendRecv).await
    }

    /// Asks for a direction and waits for the outcome; what else happens meanwhile is kept for [`Call::next_event`].
    async fn set_direction(&mut self, direction: Direction) -> Result<(), CallError> {
        self.link.command(move |agent, now, dialog| agent.set_direction(now, dialog, direction)).await?;
        self.settle(|event| matches!(event, Event::MediaChanged { by: Side::Local, .. })).await
    }

    /// How the media does.
    ///
    /// # Errors
    /// [`CallError::Ended`] when the call is over, [`CallError::NoMedia`] when it has none.
    pub async fn statistics(&self) -> Result<Statistics, CallError> {
        match self.media.handle.statistics().await {
            Ok(statistics) => Ok(statistics),
            Err(Closed) if !self.media.handle.has_session() => Err(CallError::NoMedia),
            Err(Closed) => Err(self.link.over().await),
        }
    }

    /// Hangs up and waits until the call is over.
    ///
    /// # Errors
    /// [`CallError::ShutDown`] when the endpoint is gone.
    pub async fn hang_up(self) -> Result<Ended, CallError> {
        let Self { link, media, .. } = self;
        drop(media);
        link.hang_up().await
    }
}

fn ended_with(ended: Result<Ended, CallError>) -> CallError {
    ended.map_or_else(|error| error, |ended| CallError::Ended(Box::new(ended)))
}

fn dialog_event(shared: &Shared, event: Event) -> Option<CallEvent> {
    match event {
        Event::Confirmed { .. } => Some(CallEvent::Confirmed),
        Event::MediaChanged { by, direction, .. } => Some(CallEvent::MediaChanged { by, direction }),
        Event::ChangeFailed { status, .. } => Some(CallEvent::ChangeFailed(status)),
        Event::SessionRefreshed { by, .. } => Some(CallEvent::Refreshed { by }),
        Event::InfoDigit { digit, duration, .. } => {
            Some(CallEvent::Digit { digit, duration, via: DigitPath::Info })
        }
        Event::OutOfDialog { request, .. } => Some(CallEvent::Message(request)),
        Event::Info { request, .. } => Some(CallEvent::Info(request)),
        Event::TransferProgress { status, .. } => Some(CallEvent::TransferProgress(status)),
        Event::Refer { refer, .. } => Some(CallEvent::Refer(TransferRequest::new(shared.clone(), refer))),
        // Before the call stood, or not about calls at all; the end comes by another way.
        Event::Incoming { .. }
        | Event::Trying { .. }
        | Event::Ringing { .. }
        | Event::Answered { .. }
        | Event::Ended { .. }
        | Event::Registered { .. }
        | Event::RegistrationFailed { .. }
        | Event::Unregistered { .. }
        | Event::Response { .. }
        | _ => None,
    }
}

fn media_event(event: media::Event) -> Option<CallEvent> {
    match event {
        media::Event::Digit { digit, duration } => {
            Some(CallEvent::Digit { digit, duration, via: DigitPath::Rtp })
        }
        media::Event::MediaTimeout => Some(CallEvent::MediaTimeout),
        media::Event::MediaResumed => Some(CallEvent::MediaResumed),
        media::Event::Statistics(statistics) => Some(CallEvent::Statistics(statistics)),
        // What waits for these is told by its own future.
        media::Event::DigitsSent
        | media::Event::PlaybackFinished { .. }
        | media::Event::QueueDrained
        | media::Event::Latched { .. }
        | media::Event::CompetingSource { .. }
        | _ => None,
    }
}

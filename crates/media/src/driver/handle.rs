//! What an application holds of a running session.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use super::audio::{FrameReader, FrameWriter, READER_FRAMES, WRITER_FRAMES, Writing};
use super::recording::Recording;
use super::task::{Command, Task};
use crate::session::DigitsError;
use crate::wav::WavError;
use crate::{Agreement, Impairment, PlaybackId, Source, Statistics};

/// The session is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the media session is over")]
pub struct Closed;

/// How a playback ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Played {
    /// To its end.
    Whole,
    /// Another playback, a stop or the end of the call came before.
    Interrupted,
}

/// A running session; clones command the same one, and the last one dropped ends it.
///
/// Commands take effect in their order, at once; on a session that is over they do nothing.
#[derive(Clone, Debug)]
pub struct MediaHandle {
    /// None, when there never was a session.
    commands: Option<mpsc::UnboundedSender<Command>>,
    local_address: SocketAddr,
}

impl MediaHandle {
    pub(super) fn new(commands: Option<mpsc::UnboundedSender<Command>>, local_address: SocketAddr) -> Self {
        Self { commands, local_address }
    }

    /// Our address for RTP.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// Whether there is a session, or was one before it ended: not in a call without media.
    #[must_use]
    pub fn has_session(&self) -> bool {
        self.commands.is_some()
    }

    /// Takes what an offer and its answer settled.
    pub fn apply(&self, agreement: Agreement) {
        self.command(move |task, now| task.session.apply(now, agreement));
    }

    /// Sets what is sent when nothing is being played.
    pub fn set_source(&self, source: Source) {
        self.command(move |task, _| task.session.set_source(source));
    }

    /// Sends silence.
    pub fn silence(&self) {
        self.set_source(Source::Silence);
    }

    /// Sends back what the peer says.
    pub fn echo(&self) {
        self.set_source(Source::Echo);
    }

    /// Sends a tone of `hz`.
    pub fn tone(&self, hz: f64) {
        self.set_source(Source::Tone { hz });
    }

    /// Plays samples at 8000 Hz to their end; on hold they wait. Dropping the future stops them.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the session was over before they began.
    pub async fn play(&self, samples: impl Into<Arc<[i16]>>) -> Result<Played, Closed> {
        let samples = samples.into();
        let (started, starting) = oneshot::channel();
        let (done, ended) = oneshot::channel();
        self.command(move |task, _| {
            let playback = task.session.play(samples);
            if let Some((_, interrupted)) = task.playing.replace((playback, done)) {
                let _ = interrupted.send(Played::Interrupted);
            }
            if let Err(playback) = started.send(playback) {
                task.stop(playback);
            }
        });
        let playback = starting.await.map_err(|_| Closed)?;
        let _stop = StopOnDrop { handle: self, playback };
        Ok(ended.await.unwrap_or(Played::Interrupted))
    }

    /// Ends what is being played.
    pub fn stop_playback(&self) {
        self.command(|task, _| task.session.stop_playback());
    }

    /// Records what the peer says to a WAV file, until the recording is stopped or dropped or the session ends.
    ///
    /// # Errors
    ///
    /// [`WavError::Unwritable`] when the file cannot be created.
    pub async fn record(&self, path: impl AsRef<Path>) -> Result<Recording, WavError> {
        Recording::start(self, path.as_ref().into()).await
    }

    /// What the peer says, from now on. Several readers get the same.
    #[must_use]
    pub fn frames(&self) -> FrameReader {
        let (sender, frames) = mpsc::channel(READER_FRAMES);
        self.command(move |task, _| task.add_reader(sender));
        FrameReader { frames }
    }

    /// Lets the application speak, from now on; it takes the place of another writer.
    #[must_use]
    pub fn writer(&self) -> FrameWriter {
        let (sender, items) = mpsc::channel(WRITER_FRAMES);
        self.command(move |task, _| {
            task.set_writer(Writing { items, epoch: 0 });
        });
        FrameWriter { handle: self.clone(), items: sender, epoch: 0 }
    }

    /// Sends digits and waits until they are sent: `0`-`9`, `*`, `#`, `A`-`D`. On hold they wait.
    ///
    /// Dropping the future does not take them back.
    ///
    /// # Errors
    ///
    /// [`DigitsError`] when there is no such digit, the peer takes none, too many wait or the call is over.
    pub async fn send_digits(&self, digits: impl Into<String>) -> Result<(), DigitsError> {
        let digits = digits.into();
        let (reply, accepted) = oneshot::channel();
        let (sent, done) = oneshot::channel();
        self.command(move |task, _| {
            let result = task.session.send_digits(&digits);
            if result.is_ok() && !digits.trim().is_empty() {
                task.digits_waiting.push(sent);
            } else if result.is_ok() {
                let _ = sent.send(());
            }
            let _ = reply.send(result);
        });
        accepted.await.map_err(|_| DigitsError::Closed)??;
        done.await.map_err(|_| DigitsError::Closed)
    }

    /// The numbers so far.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the session is over.
    pub async fn statistics(&self) -> Result<Statistics, Closed> {
        let (reply, statistics) = oneshot::channel();
        self.command(move |task, _| {
            let _ = reply.send(task.session.statistics());
        });
        statistics.await.map_err(|_| Closed)
    }

    /// Damages what is sent from now on, for test tools.
    pub fn impair(&self, impairment: Impairment) {
        self.command(move |task, _| task.session.set_impairment(impairment));
    }

    /// Says goodbye by RTCP and ends the session.
    pub fn close(&self) {
        self.command(|task, now| task.close(now));
    }

    pub(super) fn command(&self, command: impl FnOnce(&mut Task, Instant) + Send + 'static) {
        if let Some(commands) = &self.commands {
            // A session that is over has nobody to tell.
            let _ = commands.send(Box::new(command));
        }
    }
}

struct StopOnDrop<'a> {
    handle: &'a MediaHandle,
    playback: PlaybackId,
}

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        let playback = self.playback;
        self.handle.command(move |task, _| task.stop(playback));
    }
}

//! Recording to a file, without memory that grows and without a disk that stops the clock.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{Closed, MediaHandle};
use crate::wav::{WavError, Writer};
use crate::{FRAME_DURATION, Frame};

/// Frames that may wait for the disk: five seconds.
const WAITING_FRAMES: usize = 250;

/// How often the file is made whole, in milliseconds, so that a crash costs little.
const FLUSH_INTERVAL_MS: u128 = 5_000;

/// A recording of what the peer says; it ends when this is stopped or dropped, or with the session.
#[derive(Debug)]
pub struct Recording {
    frames: Subscription,
    path: PathBuf,
    writer: JoinHandle<Result<Duration, WavError>>,
}

/// The task's frames, until dropped.
#[derive(Debug)]
struct Subscription {
    handle: MediaHandle,
    sender: mpsc::WeakSender<Frame>,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.upgrade() {
            self.handle.command(move |task, _| task.remove_reader(&sender));
        }
    }
}

impl Recording {
    /// Creates the file and lets the task fill it.
    pub(super) async fn start(handle: &MediaHandle, path: PathBuf) -> Result<Self, WavError> {
        let file = path.clone();
        let created = spawn_blocking(move || Writer::create(file)).await;
        let mut writer = created.unwrap_or_else(|_| Err(gave_up(&path)))?;
        let (sender, mut frames) = mpsc::channel::<Frame>(WAITING_FRAMES);
        let subscription = Subscription { handle: handle.clone(), sender: sender.downgrade() };
        handle.command(move |task, _| task.add_reader(sender));
        let writer = spawn_blocking(move || {
            let mut length = Duration::ZERO;
            while let Some(frame) = frames.blocking_recv() {
                writer.write(&frame)?;
                length += FRAME_DURATION;
                if length.as_millis().is_multiple_of(FLUSH_INTERVAL_MS) {
                    writer.flush()?;
                }
            }
            writer.finish()?;
            Ok(length)
        });
        Ok(Self { frames: subscription, path, writer })
    }

    /// Ends the recording, completes the file and says how long it is.
    ///
    /// # Errors
    ///
    /// [`WavError::Unwritable`] when the disk did not take it.
    pub async fn stop(self) -> Result<Duration, WavError> {
        let Self { frames, path, writer } = self;
        drop(frames);
        writer.await.unwrap_or_else(|_| Err(gave_up(&path)))
    }
}

fn gave_up(path: &Path) -> WavError {
    WavError::Unwritable { path: path.into(), source: std::io::Error::other(Closed) }
}

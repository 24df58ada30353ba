//! Audio of the application's own: frames of what the peer says, and a paced writer of what it hears.

use tokio::sync::{mpsc, oneshot};

use super::Closed;
use super::handle::MediaHandle;
use crate::{FRAME_SAMPLES, Frame};

/// Frames that may wait in a writer's channel: 200 ms.
pub(super) const WRITER_FRAMES: usize = 10;
/// Frames that may wait for a reader: one second.
pub(super) const READER_FRAMES: usize = 50;

/// What the peer says, in frames of 20 ms at 8000 Hz, in real time: silence and concealed losses included.
///
/// A reader that falls more than a second behind misses frames.
#[derive(Debug)]
pub struct FrameReader {
    pub(super) frames: mpsc::Receiver<Frame>,
}

impl FrameReader {
    /// The next frame; `None` when the session is over. Cancel safe.
    pub async fn read(&mut self) -> Option<Frame> {
        self.frames.recv().await
    }
}

/// Speech for the peer, at 8000 Hz, taken as fast as it is sent.
///
/// While a writer lives the session's source is [`Source::Queue`](crate::Source::Queue); at most 300 ms wait between
/// the application and the network, so that an interruption is heard soon.
#[derive(Debug)]
pub struct FrameWriter {
    pub(super) handle: MediaHandle,
    pub(super) items: mpsc::Sender<(u64, Item)>,
    pub(super) epoch: u64,
}

impl FrameWriter {
    /// Sends samples, and waits until they are taken: an application that writes in a loop is paced.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the session is over, or another writer has taken this one's place.
    pub async fn write(&mut self, samples: &[i16]) -> Result<(), Closed> {
        for chunk in samples.chunks(FRAME_SAMPLES) {
            let mut frame = [0; FRAME_SAMPLES];
            frame.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            self.send(Item::Samples { frame, length: chunk.len() }).await?;
        }
        Ok(())
    }

    /// Waits until all that was written has been sent.
    ///
    /// # Errors
    ///
    /// [`Closed`] as for [`FrameWriter::write`].
    pub async fn drain(&mut self) -> Result<(), Closed> {
        let (reached, drained) = oneshot::channel();
        self.send(Item::Mark(reached)).await?;
        drained.await.map_err(|_| Closed)
    }

    /// Throws away what was written and not yet sent: the peer has begun to speak.
    pub fn clear(&mut self) {
        self.epoch += 1;
        let epoch = self.epoch;
        self.handle.command(move |task, _| task.clear(epoch));
    }

    async fn send(&self, item: Item) -> Result<(), Closed> {
        self.items.send((self.epoch, item)).await.map_err(|_| Closed)
    }
}

/// What goes through a writer's channel.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are samples")]
pub(super) enum Item {
    Samples { frame: Frame, length: usize },
    Mark(oneshot::Sender<()>),
}

/// The task's end of a writer. Each `clear` begins an epoch; what comes from an older one is thrown away.
#[derive(Debug)]
pub(super) struct Writing {
    pub(super) items: mpsc::Receiver<(u64, Item)>,
    pub(super) epoch: u64,
}

impl Writing {
    pub(super) async fn next(&mut self) -> Option<(u64, Item)> {
        self.items.recv().await
    }

    /// Whether `epoch` is newer than the one so far, which is then over.
    pub(super) fn supersede(&mut self, epoch: u64) -> bool {
        let newer = epoch > self.epoch;
        self.epoch = self.epoch.max(epoch);
        newer
    }

    pub(super) fn is_stale(&self, epoch: u64) -> bool {
        epoch < self.epoch
    }
}

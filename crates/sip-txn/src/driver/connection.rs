//! One task for each connection: reads into the common channel, writes from a queue of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::Told;
use crate::{ConnectId, Flow};

/// Messages that wait for a slow peer.
const MESSAGES: usize = 1024;
/// Bytes that wait for a slow peer.
const BYTES: usize = 4 << 20;
/// How long a peer may take no byte of a message.
const STALLED: Duration = Duration::from_secs(32);
/// What is read at once.
const READ: usize = 4096;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// The queue of one connection. When it is dropped, the connection sends what is in it and closes.
#[derive(Debug)]
pub(super) struct Writer {
    id: u64,
    queue: mpsc::Sender<Bytes>,
    bytes: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Writer {
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Queues a message; an error says why the connection must be given up.
    pub(super) fn send(&self, message: Bytes) -> Result<(), &'static str> {
        let length = message.len();
        if self.bytes.load(Ordering::Relaxed).saturating_add(length) > BYTES {
            return Err("the peer takes no more");
        }
        self.bytes.fetch_add(length, Ordering::Relaxed);
        self.queue.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => "the peer takes no more",
            mpsc::error::TrySendError::Closed(_) => "the connection is closed",
        })
    }

    pub(super) fn abort(&self) {
        self.task.abort();
    }
}

/// Starts the task of an open connection, and tells of it.
pub(super) async fn start<S>(stream: S, flow: Flow, connect: Option<ConnectId>, tell: mpsc::Sender<Told>)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let (queue, messages) = mpsc::channel(MESSAGES);
    let bytes = Arc::new(AtomicUsize::new(0));
    let Ok(place) = tell.clone().reserve_owned().await else { return };
    let task = tokio::spawn(run(stream, flow, id, messages, Arc::clone(&bytes), tell)).abort_handle();
    place.send(Told::Opened { connect, flow, writer: Writer { id, queue, bytes, task } });
}

async fn run<S>(
    stream: S,
    flow: Flow,
    id: u64,
    messages: mpsc::Receiver<Bytes>,
    bytes: Arc<AtomicUsize>,
    tell: mpsc::Sender<Told>,
) where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (reader, writer) = tokio::io::split(stream);
    let why = tokio::select! {
        why = read(reader, flow, &tell) => why,
        why = write(writer, messages, &bytes) => why,
    };
    // Nobody listens any more when the transports are gone.
    let _ = tell.send(Told::Closed { flow, id, why }).await;
}

async fn read(mut reader: impl AsyncRead + Unpin, flow: Flow, tell: &mpsc::Sender<Told>) -> String {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ);
        match reader.read_buf(&mut buffer).await {
            Ok(0) => return "closed by the peer".to_owned(),
            Ok(_) => {
                let bytes = buffer.split().freeze();
                if tell.send(Told::Bytes { flow, bytes }).await.is_err() {
                    return String::new();
                }
            }
            Err(error) => return error.to_string(),
        }
    }
}

async fn write(
    mut writer: impl AsyncWrite + Unpin,
    mut messages: mpsc::Receiver<Bytes>,
    bytes: &AtomicUsize,
) -> String {
    while let Some(message) = messages.recv().await {
        let sent = async {
            writer.write_all(&message).await?;
            if messages.is_empty() { writer.flush().await } else { Ok(()) }
        };
        match timeout(STALLED, sent).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return "the peer takes nothing".to_owned(),
        }
        bytes.fetch_sub(message.len(), Ordering::Relaxed);
    }
    // A peer that does not let us close is left alone.
    let _ = timeout(STALLED, writer.shutdown()).await;
    "closed".to_owned()
}

//! One task for each connection: reads into the common channel, writes from a queue of its own.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sip_msg::Text;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::Told;
use crate::{ConnectId, Flow};

/// Messages that wait for a slow peer.
const MESSAGES: usize = 1024;
/// Bytes that wait for a slow peer.
pub(super) const BYTES: usize = 4 << 20;
/// How long a peer may take to read one message.
const STALLED: Duration = Duration::from_secs(32);
/// How long the rest of the queue may take once a connection is given up, on either side.
const GRACE: Duration = Duration::from_secs(10);
/// How long we wait for the peer's end of a connection that we closed. Until then what it still sends is read: bytes that
/// nobody reads turn our close into a reset, and a reset may take our last message away from the peer.
const LINGER: Duration = Duration::from_secs(2);
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
    /// Dropped with the queue: the connection has [`GRACE`] from then on.
    _wanted: oneshot::Sender<()>,
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

/// The messages of one connection, as its task takes them.
#[derive(Debug)]
pub(super) struct Queue {
    messages: mpsc::Receiver<Bytes>,
    bytes: Arc<AtomicUsize>,
}

impl Queue {
    /// Sends all messages with `send`, until the queue is dropped (`Ok`) or something fails.
    pub(super) async fn drain<S: Sink>(&mut self, sink: &mut S) -> Result<(), String> {
        while let Some(message) = self.messages.recv().await {
            let length = message.len();
            let last = self.messages.is_empty();
            match timeout(STALLED, sink.send(message, last)).await {
                Ok(Ok(())) => {}
                Ok(Err(why)) => return Err(why),
                Err(_) => return Err("the peer takes nothing".to_owned()),
            }
            self.bytes.fetch_sub(length, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Where the messages of a connection go.
pub(super) trait Sink: Send {
    /// Sends one message; `last`: no other one waits, so nothing may stay in a buffer.
    fn send(&mut self, message: Bytes, last: bool) -> impl Future<Output = Result<(), String>> + Send;
    /// Tells the peer that nothing more comes.
    fn close(&mut self) -> impl Future<Output = ()> + Send;
}

/// Where the bytes of a connection come from.
pub(super) trait Source: Send {
    /// The next bytes; an error says how it ended. Cancel safe.
    fn next(&mut self) -> impl Future<Output = Result<Told, String>> + Send;
}

/// A connection that is open, before anybody knows of it.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) flow: Flow,
    pub(super) connect: Option<ConnectId>,
    /// The SIP identities that the peer's certificate has proven.
    pub(super) identities: Vec<Text>,
}

impl Opened {
    pub(super) fn new(flow: Flow, connect: Option<ConnectId>) -> Self {
        Self { flow, connect, identities: Vec::new() }
    }

    /// Starts the task of a byte stream, and tells of it.
    pub(super) async fn start<S>(self, stream: S, tell: mpsc::Sender<Told>)
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (reader, writer) = tokio::io::split(stream);
        let source = Reading { flow: self.flow, reader, buffer: BytesMut::new() };
        self.start_with(source, Writing(writer), tell).await;
    }

    /// Starts the task of a connection, and tells of it.
    pub(super) async fn start_with(
        self,
        source: impl Source + 'static,
        sink: impl Sink + 'static,
        tell: mpsc::Sender<Told>,
    ) {
        let Self { flow, connect, identities } = self;
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let (queue, messages) = mpsc::channel(MESSAGES);
        let (wanted, given_up) = oneshot::channel();
        let (start, started) = oneshot::channel();
        let bytes = Arc::new(AtomicUsize::new(0));
        let waiting = Queue { messages, bytes: Arc::clone(&bytes) };
        let teller = tell.clone();
        // The task reads nothing before it is told of: bytes must not overtake the news of their connection.
        let task = tokio::spawn(async move {
            if started.await.is_ok() {
                run(flow, id, source, sink, waiting, given_up, teller).await;
            }
        });
        let writer = Writer { id, queue, bytes, task: task.abort_handle(), _wanted: wanted };
        if tell.send(Told::Opened { connect, flow, identities, writer }).await.is_ok() {
            // The task waits for exactly this.
            let _ = start.send(());
        }
    }
}

async fn run(
    flow: Flow,
    id: u64,
    mut source: impl Source,
    mut sink: impl Sink,
    mut queue: Queue,
    given_up: oneshot::Receiver<()>,
    tell: mpsc::Sender<Told>,
) {
    let mut last = pin!(async {
        // Nothing is ever sent here: it ends when the transports drop the queue.
        let _ = given_up.await;
        sleep(GRACE).await;
    });
    let why = {
        let mut sending = pin!(queue.drain(&mut sink));
        tokio::select! {
            why = read(&mut source, &tell) => {
                // Nobody listens any more when the transports are gone.
                let _ = tell.send(Told::Closed { flow, id, why }).await;
                // A peer that says no more may still hear what we have said.
                tokio::select! { _ = &mut sending => {}, () = &mut last => return }
                None
            }
            sent = &mut sending => Some(sent),
            () = &mut last => return,
        }
    };
    match why {
        None => drop(timeout(LINGER, sink.close()).await),
        Some(Ok(())) => {
            // The transports have closed it, and want to know nothing more.
            if timeout(LINGER, sink.close()).await.is_ok() {
                drop(timeout(LINGER, async { while source.next().await.is_ok() {} }).await);
            }
        }
        Some(Err(why)) => drop(tell.send(Told::Closed { flow, id, why }).await),
    }
}

/// Tells what comes; gives back why nothing more does.
async fn read(source: &mut impl Source, tell: &mpsc::Sender<Told>) -> String {
    loop {
        match source.next().await {
            Ok(told) => {
                if tell.send(told).await.is_err() {
                    return String::new();
                }
            }
            Err(why) => return why,
        }
    }
}

struct Reading<R> {
    flow: Flow,
    reader: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin + Send> Source for Reading<R> {
    async fn next(&mut self) -> Result<Told, String> {
        self.buffer.reserve(READ);
        match self.reader.read_buf(&mut self.buffer).await {
            Ok(0) => Err("closed by the peer".to_owned()),
            Ok(_) => Ok(Told::Bytes { flow: self.flow, bytes: self.buffer.split().freeze() }),
            Err(error) => Err(error.to_string()),
        }
    }
}

struct Writing<W>(W);

impl<W: AsyncWrite + Unpin + Send> Sink for Writing<W> {
    async fn send(&mut self, message: Bytes, last: bool) -> Result<(), String> {
        let sent = async {
            self.0.write_all(&message).await?;
            if last { self.0.flush().await } else { Ok(()) }
        };
        sent.await.map_err(|error: std::io::Error| error.to_string())
    }

    async fn close(&mut self) {
        // A peer that is gone needs no farewell.
        let _ = self.0.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Transport;

    /// Has always more to say, as fast as a socket.
    struct Talking(Flow);

    impl Source for Talking {
        async fn next(&mut self) -> Result<Told, String> {
            tokio::task::consume_budget().await;
            Ok(Told::Bytes { flow: self.0, bytes: Bytes::from_static(b"x") })
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_connection_is_told_of_before_its_first_bytes() {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 5060));
        let flow = Flow::new(Transport::Tcp, address, address);
        for round in 0..2000 {
            let (tell, mut told) = mpsc::channel(4);
            Opened::new(flow, None).start_with(Talking(flow), Writing(tokio::io::sink()), tell).await;
            let first = told.recv().await;
            assert!(matches!(first, Some(Told::Opened { .. })), "{round}: {first:?}");
        }
    }
}

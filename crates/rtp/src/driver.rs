//! The task that drives an [`RtpSession`] over one UDP socket, RTP and RTCP on the same port (RFC 5761).
#![expect(clippy::disallowed_methods, reason = "drivers read the clock and spawn")]

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::session::{Event, Input, Output, RtpSession};

/// Commands and events that may wait.
const QUEUE: usize = 64;
/// The longest datagram taken in.
const MAX_DATAGRAM: usize = 2_048;

/// Something to do with the session at a time; what it gives is sent to the peer as one datagram.
type Command = Box<dyn FnOnce(&mut RtpSession, Instant) -> Option<Vec<u8>> + Send>;

/// Steers a driven session; the session ends when all handles are dropped.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
}

impl Handle {
    /// Runs `command` on the session; the datagram it gives, if any, goes to the peer. `false` when the session is over.
    pub async fn run(
        &self,
        command: impl FnOnce(&mut RtpSession, Instant) -> Option<Vec<u8>> + Send + 'static,
    ) -> bool {
        self.commands.send(Box::new(command)).await.is_ok()
    }
}

/// Starts the task. Events come out of the receiver; one that is not emptied loses them, but delays no packet.
#[must_use]
pub fn start(
    socket: UdpSocket,
    peer: SocketAddr,
    mut session: RtpSession,
) -> (Handle, mpsc::Receiver<Event>, JoinHandle<io::Result<RtpSession>>) {
    let (commands, mut inbox) = mpsc::channel::<Command>(QUEUE);
    let (events, outbox) = mpsc::channel(QUEUE);
    let task = tokio::spawn(async move {
        let mut buffer = vec![0; MAX_DATAGRAM];
        loop {
            while let Some(output) = session.poll_output() {
                match output {
                    Output::Rtcp(bytes) => send(&socket, &bytes, peer).await?,
                    Output::Event(event) => drop(events.try_send(event)),
                }
            }
            let wake = session.poll_timeout();
            tokio::select! {
                received = socket.recv_from(&mut buffer) => match received {
                    Ok((len, from)) => {
                        let bytes = buffer.get(..len).unwrap_or_default();
                        session.handle_input(now(), Input::datagram(bytes, from));
                    }
                    Err(error) if is_passing(&error) => {}
                    Err(error) => return Err(error),
                },
                command = inbox.recv() => match command {
                    Some(command) => if let Some(bytes) = command(&mut session, now()) {
                        send(&socket, &bytes, peer).await?;
                    },
                    None => return Ok(session),
                },
                () = sleep_until(wake) => session.handle_timeout(now()),
            }
        }
    });
    (Handle { commands }, outbox, task)
}

/// The time, which a test with a paused clock controls.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

async fn send(socket: &UdpSocket, bytes: &[u8], peer: SocketAddr) -> io::Result<()> {
    match socket.send_to(bytes, peer).await {
        Err(error) if !is_passing(&error) => Err(error),
        _ => Ok(()),
    }
}

/// What an ICMP message about an earlier datagram looks like: the peer may not listen yet.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable)
}

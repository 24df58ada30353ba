//! The task that runs a [`Session`] on two UDP sockets (feature `tokio`).
#![expect(clippy::disallowed_methods, reason = "the driver reads the clock and spawns the task")]

mod audio;
mod handle;
mod recording;
mod socket;
mod task;

use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::SystemTime;

use rtp::NtpTime;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::session::{Config, Event, Session};
use task::Task;

pub use audio::{FrameReader, FrameWriter};
pub use handle::{Closed, MediaHandle, Played};
pub use recording::Recording;
pub use socket::{MediaSocket, PortChoice};

/// Events that may wait for the application.
const EVENTS: usize = 256;

/// A session that begins now, with the system's wall clock in its RTCP reports.
///
/// `seed` must come from a good random source: SSRC and sequence numbers are drawn from it.
#[must_use]
pub fn session(config: Config, seed: [u8; 32]) -> Session {
    let wall_clock = config.wall_clock.unwrap_or_else(|| NtpTime::from_system_time(SystemTime::now()));
    Session::new(Instant::now().into_std(), config.wall_clock(wall_clock), seed)
}

/// Runs a session in a task of its own, until [`MediaHandle::close`] or until all handles are dropped.
///
/// Must be called within a tokio runtime.
#[must_use]
pub fn start(socket: MediaSocket, session: Session) -> (MediaHandle, MediaEvents) {
    // Only the application puts commands in; audio has bounded channels of its own.
    let (commands, receiver) = mpsc::unbounded_channel();
    let (events, events_receiver) = mpsc::channel(EVENTS);
    let handle = MediaHandle::new(Some(commands), socket.local_address());
    tokio::spawn(Task::new(socket, session, receiver, events).run());
    (handle, MediaEvents { events: Some(events_receiver) })
}

/// A session that is over before it began, for a call without media: no task, no sockets, no events. Its address is what
/// descriptions say.
#[must_use]
pub fn none(address: SocketAddr) -> (MediaHandle, MediaEvents) {
    (MediaHandle::new(None, address), MediaEvents { events: None })
}

/// What happens in a session. It may be dropped by who does not care.
#[derive(Debug)]
pub struct MediaEvents {
    events: Option<mpsc::Receiver<Event>>,
}

impl MediaEvents {
    /// The next event; `None` when the session is over. Cancel safe.
    ///
    /// An application that lets 256 events wait loses those that come after.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.as_mut()?.recv().await
    }

    /// [`next`](Self::next) for those who write futures by hand.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.events.as_mut().map_or(Poll::Ready(None), |events| events.poll_recv(context))
    }
}

//! The loop: sockets, commands and time in, datagrams, frames and events out.

use std::future::pending;
use std::io;
use std::time::Instant;

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::time;

use super::MediaSocket;
use super::audio::{Item, Writing};
use super::handle::Played;
use crate::session::{Component, Event, Input, Output, Session};
use crate::{FRAME_SAMPLES, Frame, PlaybackId, Source};

/// What a handle asks of the task.
pub(super) type Command = Box<dyn FnOnce(&mut Task, Instant) + Send>;

/// Datagrams taken from a socket at one wake, so that a flood does not starve the clock.
const BATCH: usize = 64;
/// Frames of the application's audio that wait in the session; the rest waits in the writer's channel.
const QUEUED_FRAMES: usize = 5;

/// Everything one session has in this driver.
pub(super) struct Task {
    pub(super) session: Session,
    socket: MediaSocket,
    commands: mpsc::UnboundedReceiver<Command>,
    events: mpsc::Sender<Event>,
    pub(super) playing: Option<(PlaybackId, oneshot::Sender<Played>)>,
    pub(super) digits_waiting: Vec<oneshot::Sender<()>>,
    readers: Vec<mpsc::Sender<Frame>>,
    writing: Option<Writing>,
    drained_waiting: Vec<oneshot::Sender<()>>,
    closed: bool,
}

impl Task {
    pub(super) fn new(
        socket: MediaSocket,
        session: Session,
        commands: mpsc::UnboundedReceiver<Command>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        Self {
            session,
            socket,
            commands,
            events,
            playing: None,
            digits_waiting: Vec::new(),
            readers: Vec::new(),
            writing: None,
            drained_waiting: Vec::new(),
            closed: false,
        }
    }

    pub(super) async fn run(mut self) {
        let mut buffer = vec![0; 2_048];
        let sleep = time::sleep_until(time::Instant::now());
        tokio::pin!(sleep);
        // Until the system has said that it is writable a socket takes nothing: the first packet would be lost.
        let _ = tokio::join!(self.socket.rtp.writable(), self.socket.rtcp.writable());
        loop {
            self.perform();
            if self.closed {
                return;
            }
            let timeout = self.session.poll_timeout().map(time::Instant::from_std);
            if let Some(at) = timeout.filter(|at| *at != sleep.deadline()) {
                sleep.as_mut().reset(at);
            }
            tokio::select! {
                () = sleep.as_mut(), if timeout.is_some() => {}
                _ = self.socket.rtp.readable() => {}
                _ = self.socket.rtcp.readable() => {}
                command = self.commands.recv() => match command {
                    Some(command) => command(&mut self, now()),
                    None => self.close(now()),
                },
                item = next_item(&mut self.writing), if self.has_room() => self.take_item(item),
            }
            self.drain(&mut buffer);
            self.session.handle_timeout(now());
        }
    }

    /// Ends this playback, if it is still the one.
    pub(super) fn stop(&mut self, playback: PlaybackId) {
        if self.playing.as_ref().is_some_and(|(playing, _)| *playing == playback) {
            self.session.stop_playback();
        }
    }

    pub(super) fn add_reader(&mut self, reader: mpsc::Sender<Frame>) {
        self.readers.push(reader);
        self.session.deliver_frames(true);
    }

    pub(super) fn close(&mut self, now: Instant) {
        self.session.close(now);
        self.closed = true;
    }

    pub(super) fn remove_reader(&mut self, reader: &mpsc::Sender<Frame>) {
        self.readers.retain(|other| !other.same_channel(reader));
    }

    pub(super) fn set_writer(&mut self, writing: Writing) {
        self.session.clear_queue();
        self.session.set_source(Source::Queue);
        self.drained_waiting.clear();
        self.writing = Some(writing);
    }

    /// Throws away what the writer of this epoch has superseded.
    pub(super) fn clear(&mut self, epoch: u64) {
        if let Some(writing) = &mut self.writing
            && writing.supersede(epoch)
        {
            self.session.clear_queue();
            self.drained_waiting.clear();
        }
    }

    /// Reads both sockets until they are empty.
    fn drain(&mut self, buffer: &mut [u8]) {
        for (component, socket) in [(Component::Rtp, &self.socket.rtp), (Component::Rtcp, &self.socket.rtcp)]
        {
            for _ in 0..BATCH {
                match receive(socket, buffer) {
                    Ok((bytes, source)) => {
                        self.session.handle_input(now(), Input::Datagram { component, source, bytes });
                    }
                    Err(_) => break,
                }
            }
        }
    }

    fn perform(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    let socket = match transmit.component {
                        Component::Rtp => &self.socket.rtp,
                        Component::Rtcp => &self.socket.rtcp,
                    };
                    let destination = self.socket.family.dress(transmit.destination);
                    // A full socket buffer or an unreachable peer loses a packet, as the network does.
                    if let Err(error) = socket.try_send_to(transmit.bytes, destination) {
                        tracing::trace!(%error, %destination, "media packet not sent");
                    }
                }
                Output::Frame(frame) => {
                    self.readers.retain(|reader| match reader.try_send(*frame) {
                        Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => true,
                        Err(mpsc::error::TrySendError::Closed(_)) => false,
                    });
                }
                Output::Event(event) => {
                    match &event {
                        Event::PlaybackFinished { playback, interrupted } => {
                            let played = if *interrupted { Played::Interrupted } else { Played::Whole };
                            if let Some((_, done)) = self.playing.take_if(|(id, _)| id == playback) {
                                let _ = done.send(played);
                            }
                        }
                        Event::DigitsSent => release(&mut self.digits_waiting),
                        Event::QueueDrained => release(&mut self.drained_waiting),
                        Event::Latched { .. }
                        | Event::Digit { .. }
                        | Event::MediaTimeout
                        | Event::MediaResumed
                        | Event::CompetingSource { .. }
                        | Event::Statistics(_) => {}
                    }
                    // Numbers come again; they must not take the place of what comes once.
                    let crowded = self.events.capacity() < self.events.max_capacity() / 2;
                    if crowded && matches!(event, Event::Statistics(_)) {
                        continue;
                    }
                    if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
                        tracing::warn!(?event, "the application does not read media events; one is lost");
                    }
                }
            }
        }
        if self.readers.is_empty() {
            self.session.deliver_frames(false);
        }
    }

    fn has_room(&self) -> bool {
        self.session.queued() < QUEUED_FRAMES * FRAME_SAMPLES
    }

    fn take_item(&mut self, item: Option<(u64, Item)>) {
        let Some((epoch, item)) = item else {
            self.writing = None;
            return;
        };
        self.clear(epoch);
        if self.writing.as_ref().is_none_or(|writing| writing.is_stale(epoch)) {
            return;
        }
        match item {
            Item::Samples { frame, length } => {
                self.session.write(frame.get(..length).unwrap_or(&frame));
            }
            Item::Mark(reached) if self.session.queued() == 0 => drop(reached.send(())),
            Item::Mark(reached) => self.drained_waiting.push(reached),
        }
    }
}

fn now() -> Instant {
    time::Instant::now().into_std()
}

fn receive<'a>(socket: &UdpSocket, buffer: &'a mut [u8]) -> io::Result<(&'a [u8], std::net::SocketAddr)> {
    let (length, source) = socket.try_recv_from(buffer)?;
    Ok((buffer.get(..length).unwrap_or(&[]), source))
}

async fn next_item(writing: &mut Option<Writing>) -> Option<(u64, Item)> {
    match writing {
        Some(writing) => writing.next().await,
        None => pending().await,
    }
}

fn release(waiting: &mut Vec<oneshot::Sender<()>>) {
    for waiter in waiting.drain(..) {
        let _ = waiter.send(());
    }
}

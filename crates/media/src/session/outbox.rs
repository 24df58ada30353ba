//! What a session has to say, in order, in buffers that are used again.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::{Component, Event, Output, Transmit};
use crate::{FRAME_SAMPLES, Frame};

/// Outputs that nobody polls are not kept beyond this many; a driver polls after every call.
const LIMIT: usize = 1_024;

/// Octets that a buffer has room for from the start: 60 ms of G.711, or a report, with header and SRTP tag.
const PACKET_ROOM: usize = 576;

/// A queue of outputs that does not allocate once it has grown.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: VecDeque<Queued>,
    spare: Vec<Vec<u8>>,
    /// The packet that was polled last, lent to the driver.
    current: Vec<u8>,
    frames: VecDeque<Frame>,
    frame: Frame,
}

#[derive(Debug)]
enum Queued {
    Packet {
        component: Component,
        destination: SocketAddr,
        bytes: Vec<u8>,
    },
    /// The next of `frames`.
    Frame,
    Event(Event),
}

impl Outbox {
    pub(super) fn new() -> Self {
        let (queue, frames) = (VecDeque::new(), VecDeque::new());
        Self { queue, spare: Vec::new(), current: Vec::new(), frames, frame: [0; FRAME_SAMPLES] }
    }

    /// An empty buffer to write a packet into.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_else(|| Vec::with_capacity(PACKET_ROOM))
    }

    /// Takes a buffer back that was not sent.
    pub(super) fn recycle(&mut self, mut bytes: Vec<u8>) {
        bytes.clear();
        self.spare.push(bytes);
    }

    pub(super) fn packet(&mut self, component: Component, destination: SocketAddr, bytes: Vec<u8>) {
        self.push(Queued::Packet { component, destination, bytes });
    }

    pub(super) fn frame(&mut self, frame: Frame) {
        if self.push(Queued::Frame) {
            self.frames.push_back(frame);
        }
    }

    pub(super) fn event(&mut self, event: Event) {
        self.push(Queued::Event(event));
    }

    pub(super) fn poll(&mut self) -> Option<Output<'_>> {
        Some(match self.queue.pop_front()? {
            Queued::Packet { component, destination, bytes } => {
                let old = std::mem::replace(&mut self.current, bytes);
                self.recycle(old);
                Output::Transmit(Transmit { component, destination, bytes: &self.current })
            }
            Queued::Frame => {
                self.frame = self.frames.pop_front().unwrap_or(self.frame);
                Output::Frame(&self.frame)
            }
            Queued::Event(event) => Output::Event(event),
        })
    }

    fn push(&mut self, output: Queued) -> bool {
        let fits = self.queue.len() < LIMIT;
        if fits {
            self.queue.push_back(output);
        }
        fits
    }
}

//! What a session is told, and what it says.

use std::net::SocketAddr;
use std::time::Duration;

use crate::{Frame, PlaybackId, Statistics};

/// Which of the two ports of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Component {
    /// The even one; with RTCP multiplexing the only one.
    Rtp,
    /// The next one.
    Rtcp,
}

/// What the network tells a session.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// A datagram arrived.
    Datagram {
        /// At which port.
        component: Component,
        /// From where.
        source: SocketAddr,
        /// Its octets.
        bytes: &'a [u8],
    },
}

/// What a session asks its owner to do, in this order.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output<'a> {
    /// Send a datagram now.
    Transmit(Transmit<'a>),
    /// 20 ms of what the peer says; only after [`Session::deliver_frames`](super::Session::deliver_frames).
    Frame(&'a Frame),
    /// Tell the application.
    Event(Event),
}

/// A datagram to send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Transmit<'a> {
    /// From which port.
    pub component: Component,
    /// To where.
    pub destination: SocketAddr,
    /// Its octets.
    pub bytes: &'a [u8],
}

/// What an application wants to know of a session.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The peer's media comes from this address, and ours goes there from now on.
    Latched {
        /// The peer's address for RTP.
        address: SocketAddr,
    },
    /// The peer pressed a key (RFC 4733); told once for each key, when it is released.
    Digit {
        /// `0` to `9`, `*`, `#`, `A` to `D`, or `!` for hook flash.
        digit: char,
        /// How long it was pressed.
        duration: Duration,
    },
    /// All digits of [`Session::send_digits`](super::Session::send_digits) have been sent.
    DigitsSent,
    /// A [`Session::play`](super::Session::play) is over.
    PlaybackFinished {
        /// Which.
        playback: PlaybackId,
        /// It was ended by another one, or stopped.
        interrupted: bool,
    },
    /// All that was given to [`Session::write`](super::Session::write) has been sent.
    QueueDrained,
    /// A peer that should send has not, for [`Config::media_timeout`](super::Config::media_timeout).
    MediaTimeout,
    /// The peer sends again after a [`Event::MediaTimeout`].
    MediaResumed,
    /// Somebody else sends media to our port and is ignored; told at most every 5 s.
    CompetingSource {
        /// Who.
        source: SocketAddr,
    },
    /// The numbers so far; every 5 s, with the RTCP reports.
    Statistics(Statistics),
}

/// Why digits were not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DigitsError {
    /// There is no such key.
    #[error("'{0}' is no DTMF digit; use 0-9, *, #, A-D")]
    NoSuchDigit(char),
    /// The peer does not take telephone-event, or nothing is agreed yet.
    #[error("the peer takes no digits by RFC 4733")]
    NotAgreed,
    /// More digits would wait than a session keeps.
    #[error("too many digits are waiting to be sent")]
    TooMany,
    /// The session is over.
    #[error("the media session is over")]
    Closed,
}

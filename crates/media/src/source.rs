//! What a session sends: silence, echo, a tone, prepared samples or the application's own.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::{FRAME_SAMPLES, Frame, Tone};

/// The most samples that are queued, whatever was configured: a minute.
const LONGEST_QUEUE: usize = 480_000;

/// What is sent when nothing is being played.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Source {
    /// Encoded silence, so that NATs on the way keep their pinholes open.
    #[default]
    Silence,
    /// What the peer says, as it came out of the jitter buffer.
    Echo,
    /// A sine wave.
    Tone {
        /// Its frequency in Hz, 0 to 4000.
        hz: f64,
    },
    /// What the application writes with [`Session::write`](crate::Session::write); silence when that runs dry.
    Queue,
}

/// Names one [`Session::play`](crate::Session::play).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct PlaybackId(pub(crate) u64);

/// What became of a frame of playing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    Playback(PlaybackId),
    Queue,
}

/// Gives the next frame to send.
#[derive(Debug)]
pub(crate) struct Player {
    source: Source,
    tone: Tone,
    playback: Option<Playback>,
    next_id: u64,
    queue: VecDeque<i16>,
    queue_limit: usize,
}

#[derive(Debug)]
struct Playback {
    id: PlaybackId,
    samples: Arc<[i16]>,
    position: usize,
}

impl Player {
    pub(crate) fn new(queue_limit: usize) -> Self {
        let (source, tone, queue) = (Source::Silence, Tone::new(0.0), VecDeque::new());
        Self { source, tone, playback: None, next_id: 0, queue, queue_limit: queue_limit.min(LONGEST_QUEUE) }
    }

    pub(crate) fn set_source(&mut self, source: Source) {
        if let Source::Tone { hz } = source {
            self.tone = Tone::new(hz);
        }
        self.source = source;
    }

    /// Starts a playback; gives its id and that of the one it interrupts.
    pub(crate) fn play(&mut self, samples: Arc<[i16]>) -> (PlaybackId, Option<PlaybackId>) {
        let id = PlaybackId(self.next_id);
        self.next_id += 1;
        let interrupted = self.playback.replace(Playback { id, samples, position: 0 });
        (id, interrupted.map(|playback| playback.id))
    }

    /// Ends the playback, if there is one.
    pub(crate) fn stop(&mut self) -> Option<PlaybackId> {
        self.playback.take().map(|playback| playback.id)
    }

    /// Takes as many samples as there is room for, and says how many.
    pub(crate) fn write(&mut self, samples: &[i16]) -> usize {
        let taken = samples.len().min(self.queue_limit.saturating_sub(self.queue.len()));
        self.queue.extend(samples.iter().take(taken));
        taken
    }

    pub(crate) fn clear(&mut self) {
        self.queue.clear();
    }

    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Writes the next frame, and says what ended with it.
    pub(crate) fn fill(&mut self, heard: &Frame, frame: &mut Frame) -> Option<Ended> {
        frame.fill(0);
        if let Some(playback) = &mut self.playback {
            let rest = playback.samples.get(playback.position..).unwrap_or(&[]);
            for (sample, next) in frame.iter_mut().zip(rest) {
                *sample = *next;
            }
            playback.position += FRAME_SAMPLES;
            let ended = playback.position >= playback.samples.len();
            return if ended { self.stop().map(Ended::Playback) } else { None };
        }
        match self.source {
            Source::Silence => {}
            Source::Echo => frame.copy_from_slice(heard),
            Source::Tone { .. } => self.tone.fill(frame),
            Source::Queue => {
                let had = !self.queue.is_empty();
                for (sample, next) in
                    frame.iter_mut().zip(self.queue.drain(..self.queue.len().min(FRAME_SAMPLES)))
                {
                    *sample = next;
                }
                return (had && self.queue.is_empty()).then_some(Ended::Queue);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARD: Frame = [7; FRAME_SAMPLES];

    fn next(player: &mut Player) -> (i16, i16, Option<Ended>) {
        let mut frame = [1; FRAME_SAMPLES];
        let ended = player.fill(&HEARD, &mut frame);
        (frame[0], frame[FRAME_SAMPLES - 1], ended)
    }

    #[test]
    fn a_playback_ends_with_its_last_frame_and_the_source_goes_on() {
        let mut player = Player::new(800);
        player.set_source(Source::Echo);
        let (id, interrupted) = player.play(vec![5; 200].into());
        assert_eq!(interrupted, None);
        assert_eq!(next(&mut player), (5, 5, None));
        assert_eq!(next(&mut player), (5, 0, Some(Ended::Playback(id))));
        assert_eq!(next(&mut player), (7, 7, None));
    }

    #[test]
    fn a_new_playback_interrupts_the_old_one() {
        let mut player = Player::new(800);
        let (first, _) = player.play(vec![5; 200].into());
        let (second, interrupted) = player.play(vec![6; 200].into());
        assert_eq!(interrupted, Some(first));
        assert_eq!(next(&mut player).0, 6);
        assert_eq!((player.stop(), player.stop()), (Some(second), None));
        assert_eq!(next(&mut player), (0, 0, None));
    }

    #[test]
    fn an_empty_playback_ends_at_once() {
        let mut player = Player::new(800);
        let (id, _) = player.play(Vec::new().into());
        assert_eq!(next(&mut player).2, Some(Ended::Playback(id)));
    }

    #[test]
    fn the_queue_is_bounded_and_tells_when_it_has_run_dry() {
        let mut player = Player::new(320);
        player.set_source(Source::Queue);
        assert_eq!(player.write(&[3; 300]), 300);
        assert_eq!(player.write(&[4; 300]), 20);
        assert_eq!(next(&mut player), (3, 3, None));
        assert_eq!(next(&mut player), (3, 4, Some(Ended::Queue)));
        assert_eq!(next(&mut player), (0, 0, None));
    }

    #[test]
    fn clearing_the_queue_is_heard_at_once() {
        let mut player = Player::new(320);
        player.set_source(Source::Queue);
        player.write(&[3; 320]);
        player.clear();
        assert_eq!((player.queued(), next(&mut player).0), (0, 0));
    }
}

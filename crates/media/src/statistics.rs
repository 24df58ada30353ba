//! What a session counted, and what a listener would say to it.

use std::time::Duration;

/// The numbers of one media session since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Statistics {
    /// RTP packets sent.
    pub packets_sent: u64,
    /// RTP packets taken from the peer: the right source, authentic, well formed.
    pub packets_received: u64,
    /// Packets that the peer sent and that never came, by their sequence numbers.
    pub lost: u64,
    /// Packets that came after their turn to be played.
    pub late: u64,
    /// Interarrival jitter of the peer's stream ([RFC 3550 §6.4.1]).
    ///
    /// [RFC 3550 §6.4.1]: https://www.rfc-editor.org/rfc/rfc3550#section-6.4.1
    pub jitter: Duration,
    /// The latest round trip that RTCP measured; `None` until the peer's first report on us.
    pub round_trip: Option<Duration>,
    /// The share of our packets that the peer says it missed lately, 0.0 to 1.0; `None` until it reported.
    pub peer_loss: Option<f32>,
    /// Mean opinion score of what we hear, 1.0 (bad) to 4.5 (excellent), by a simplified E-model; 1.0 while nothing came.
    pub mos: f32,
    /// Datagrams from somewhere other than the peer's address: none of them was heard or answered.
    pub foreign: u64,
    /// Datagrams whose SRTP tag or index was wrong, or that came in the clear where SRTP was agreed.
    pub unauthentic: u64,
    /// Datagrams that were no RTP or RTCP of this session.
    pub malformed: u64,
    /// Frames that were concealed since their packet was missing in time.
    pub concealed: u64,
}

impl Statistics {
    /// Sets the score from loss, jitter and round trip.
    pub(crate) fn score(&mut self) {
        let missing = self.lost + self.late;
        let expected = self.packets_received + self.lost;
        // Who hears nothing is not content with it.
        let loss = if expected == 0 { 1.0 } else { missing as f32 / expected as f32 };
        // One way, plus what a jitter buffer adds, plus packet time and codec.
        let delay = self.round_trip.unwrap_or_default() / 2 + self.jitter * 2 + Duration::from_millis(20);
        self.mos = mean_opinion_score(delay, loss);
    }
}

/// The mean opinion score for a mouth-to-ear delay and a share of lost packets (0.0 to 1.0).
///
/// ITU-T G.107 with its default values, which leaves the delay impairment and the packet-loss impairment; the codec is
/// G.711 with concealment (G.113 appendix I: Ie = 0, Bpl = 25.1), losses are random.
#[must_use]
pub fn mean_opinion_score(delay: Duration, loss: f32) -> f32 {
    let delay_ms = delay.as_secs_f32() * 1_000.0;
    let delay_impairment = 0.024 * delay_ms + 0.11 * (delay_ms - 177.3).max(0.0);
    let loss_percent = loss.clamp(0.0, 1.0) * 100.0;
    let loss_impairment = 95.0 * loss_percent / (loss_percent + 25.1);
    let rating = (93.2 - delay_impairment - loss_impairment).clamp(0.0, 100.0);
    (1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6).clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_in_which_nothing_is_heard_is_a_bad_one() {
        let mut statistics = Statistics { packets_sent: 500, ..Statistics::default() };
        statistics.score();
        assert!(statistics.mos < 2.0, "{statistics:?}");
        statistics.packets_received = 500;
        statistics.score();
        assert!(statistics.mos > 4.0, "{statistics:?}");
    }

    #[test]
    fn the_score_falls_with_delay_and_with_loss() {
        let score = |millis, loss| mean_opinion_score(Duration::from_millis(millis), loss);
        assert!((score(0, 0.0) - 4.41).abs() < 0.01, "{}", score(0, 0.0));
        assert!(score(100, 0.0) > score(300, 0.0));
        assert!(score(50, 0.01) > score(50, 0.05));
        assert!((score(5_000, 1.0) - 1.0).abs() < 0.01);
    }
}

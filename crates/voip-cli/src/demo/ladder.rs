//! The ladder: who sent which message to whom, and when.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use voip::{Flow, Tap, TapDirection};

/// Between the two lines of a ladder.
const WIDTH: usize = 34;

/// The messages of the demo in their order; taps of both phones write into it.
#[derive(Clone, Debug, Default)]
pub(super) struct Ladder {
    rungs: Arc<Mutex<Vec<Rung>>>,
}

#[derive(Clone, Debug)]
struct Rung {
    at: Instant,
    left: bool,
    sent: bool,
    title: String,
}

impl Ladder {
    /// A tap for one phone: `alice` stands on the left, the other on the right, the proxy between them.
    pub(super) fn of(&self, phone: &str) -> PhoneTap {
        PhoneTap { ladder: self.clone(), left: phone == "alice" }
    }
}

/// Writes one phone's messages into the ladder.
#[derive(Debug)]
pub(super) struct PhoneTap {
    ladder: Ladder,
    left: bool,
}

impl Tap for PhoneTap {
    fn message(&self, now: Instant, direction: TapDirection, _flow: &Flow, bytes: &[u8]) {
        let rung =
            Rung { at: now, left: self.left, sent: direction == TapDirection::Sent, title: title(bytes) };
        // The other phone writes a whole rung or none, so that its panic would leave the ladder in order.
        self.ladder.rungs.lock().unwrap_or_else(PoisonError::into_inner).push(rung);
    }
}

/// `INVITE (SDP)`, `200 OK INVITE`: the start line in short, and the method a response belongs to.
fn title(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let start = text.lines().next().unwrap_or_default();
    let sdp = if text.contains("application/sdp") { " (SDP)" } else { "" };
    match start.strip_prefix("SIP/2.0 ") {
        Some(status) => {
            let method = text.lines().find_map(|line| line.strip_prefix("CSeq:")?.split_whitespace().nth(1));
            format!("{status} [{}]{sdp}", method.unwrap_or_default())
        }
        None => format!("{}{sdp}", start.split(' ').next().unwrap_or_default()),
    }
}

impl fmt::Display for Ladder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rungs = self.rungs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        rungs.sort_by_key(|rung| rung.at);
        let Some(start) = rungs.first().map(|rung| rung.at) else { return Ok(()) };
        writeln!(f, "{:>9}  alice{:^WIDTH$}proxy{:^WIDTH$}bob", "ms", "", "")?;
        for rung in rungs {
            let milliseconds = rung.at.duration_since(start).as_secs_f64() * 1000.0;
            let line = arrow(&rung.title, rung.left == rung.sent);
            let empty = " ".repeat(WIDTH + 4);
            match rung.left {
                true => writeln!(f, "{milliseconds:>9.1}    |{line}|{empty}|")?,
                false => writeln!(f, "{milliseconds:>9.1}    |{empty}|{line}|")?,
            }
        }
        Ok(())
    }
}

/// A title on an arrow to the right or to the left.
fn arrow(title: &str, right: bool) -> String {
    let title: String = title.chars().take(WIDTH).collect();
    let title = format!(" {title} ");
    if right {
        format!("{title:-^width$}>", width = WIDTH + 3)
    } else {
        format!("<{title:-^width$}", width = WIDTH + 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_titled_with_its_method() {
        let bytes = b"SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n\r\nv=0";
        assert_eq!(title(bytes), "200 OK [INVITE] (SDP)");
        assert_eq!(title(b"BYE sip:x SIP/2.0\r\n\r\n"), "BYE");
    }

    #[test]
    fn arrows_are_all_of_one_width() {
        for title in ["ACK", "200 OK [REGISTER]", &"x".repeat(99)] {
            assert_eq!(arrow(title, true).chars().count(), arrow(title, false).chars().count());
            assert_eq!(arrow(title, true).chars().count(), WIDTH + 4);
        }
    }
}

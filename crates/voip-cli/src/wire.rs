//! `-vvv`: every SIP message, as it is sent or received, on stderr.

use std::io::Write;
use std::time::Instant;

use voip::{Flow, Tap, TapDirection};

/// Prints messages; coloured on a terminal.
#[derive(Debug)]
pub(crate) struct WireLog {
    colour: bool,
}

impl WireLog {
    pub(crate) fn new(colour: bool) -> Self {
        Self { colour }
    }
}

impl Tap for WireLog {
    fn message(&self, _now: Instant, direction: TapDirection, flow: &Flow, bytes: &[u8]) {
        let (arrow, colour) = match direction {
            TapDirection::Sent => (">>>", "\x1b[36m"),
            TapDirection::Received => ("<<<", "\x1b[33m"),
        };
        let text = hide_digests(&String::from_utf8_lossy(bytes));
        let title = format!("{arrow} {} {} -> {}", flow.transport.name(), flow.local, flow.remote);
        let (start, end) = if self.colour { (colour, "\x1b[0m") } else { ("", "") };
        // Nobody reads stderr any more: no reason to end a call.
        let _ = writeln!(std::io::stderr().lock(), "{start}{title}{end}\n{text}");
    }
}

/// The text with the digest responses starred out: they can be attacked off-line.
fn hide_digests(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(" response=\"") {
        let (before, after) = rest.split_at(at + " response=\"".len());
        let end = after.find('"').unwrap_or(after.len());
        shown.push_str(before);
        shown.push_str("***");
        rest = after.get(end..).unwrap_or_default();
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_response_is_not_shown() {
        let text = "Authorization: Digest username=\"a\", response=\"0123abc\", nc=00000001\r\n";
        assert_eq!(
            hide_digests(text),
            "Authorization: Digest username=\"a\", response=\"***\", nc=00000001\r\n"
        );
        assert_eq!(hide_digests("nothing here"), "nothing here");
    }
}

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
        let text = hide_secrets(&String::from_utf8_lossy(bytes));
        let title = format!("{arrow} {} {} -> {}", flow.transport.name(), flow.local, flow.remote);
        let (start, end) = if self.colour { (colour, "\x1b[0m") } else { ("", "") };
        // Nobody reads stderr any more: no reason to end a call.
        let _ = writeln!(std::io::stderr().lock(), "{start}{title}{end}\n{text}");
    }
}

/// The text with digest responses starred out, which can be attacked off-line, and the keys of the media.
fn hide_secrets(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut shown = String::with_capacity(text.len());
    let mut rest = 0;
    while let Some((start, end)) = secret(&lower, rest) {
        shown.push_str(text.get(rest..start).unwrap_or_default());
        shown.push_str("***");
        rest = end;
    }
    shown + text.get(rest..).unwrap_or_default()
}

/// Where the next secret lies, from `from` on.
fn secret(lower: &str, from: usize) -> Option<(usize, usize)> {
    let text = lower.get(from..)?;
    let secrets = SECRETS.iter().filter_map(|name| {
        let start = text.find(name)? + name.len();
        let value = text.get(start..)?;
        let start = start + (value.len() - value.trim_start_matches([' ', '\t', '=', '"']).len());
        let length = text.get(start..)?.find(['"', ',', '|', ' ', '\r', '\n']);
        Some((from + start, from + length.map_or(text.len(), |length| start + length)))
    });
    secrets.min()
}

/// What stands before a secret: `response="…"` and `rspauth="…"` in digests (RFC 7616), tokens (RFC 8898), passwords
/// (Basic), `inline:…` in `a=crypto` lines (RFC 4568).
const SECRETS: [&str; 5] =
    ["response=", "rspauth=", "authorization: bearer", "authorization: basic", "inline:"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_response_is_not_shown() {
        let text = "Authorization: Digest username=\"a\", response=\"0123abc\", nc=00000001\r\n";
        assert_eq!(
            hide_secrets(text),
            "Authorization: Digest username=\"a\", response=\"***\", nc=00000001\r\n"
        );
        assert_eq!(hide_secrets("nothing here"), "nothing here");
    }

    #[test]
    fn no_secret_is_shown_however_it_is_written() {
        for (text, shown) in [
            ("Proxy-Authorization: Bearer a.b.c\r\nX: y", "Proxy-Authorization: Bearer ***\r\nX: y"),
            ("Authorization: Basic QWxhZGRpbg==\r\n", "Authorization: Basic ***\r\n"),
            ("Digest Response=\"abc\",uri=\"x\"", "Digest Response=\"***\",uri=\"x\""),
            ("a,response=abc, b, response=\"def\"", "a,response=***, b, response=\"***\""),
            ("a=crypto:1 X inline:a2V5|2^31\r\na=b", "a=crypto:1 X inline:***|2^31\r\na=b"),
            ("é response=\"abc", "é response=\"***"),
        ] {
            assert_eq!(hide_secrets(text), shown);
        }
    }
}

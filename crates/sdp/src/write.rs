//! Values to text, in the line order of [RFC 8866 §5].
//!
//! [RFC 8866 §5]: https://www.rfc-editor.org/rfc/rfc8866#section-5

use std::fmt::{self, Write};

use crate::attribute::Attributes;
use crate::connection::Connection;
use crate::few::Few;
use crate::session::{Secret, SessionDescription};
use crate::{Bandwidth, Media, Text, Time};

impl fmt::Display for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_session(self, f)
    }
}

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_media(self, f)
    }
}

impl SessionDescription {
    /// The description as it goes into a message; one allocation for most, where `to_string` grows step by step.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::with_capacity(self.size_hint());
        // Writing into a String cannot fail.
        let _ = write_session(self, &mut text);
        text
    }

    /// About as long as the text will be, rather too long than too short.
    fn size_hint(&self) -> usize {
        let attributes =
            |attributes: &Attributes| attributes.iter().map(|one| one.as_str().len() + 4).sum::<usize>();
        let lines = |connections: &Few<Connection>, bandwidths: &Few<Bandwidth>| {
            48 * (connections.len() + bandwidths.len())
        };
        let media = |media: &Media| {
            let odd = media.unread_lines().map(|line| line.len() + 2).sum::<usize>();
            48 + media.format_list().len()
                + lines(&media.connections, &media.bandwidths)
                + odd
                + attributes(&media.attributes)
        };
        let head = 32 + self.origin.as_str().len() + self.name.len() + 24 * self.times.len();
        head + lines(&self.connections, &self.bandwidths)
            + attributes(&self.attributes)
            + self.media.iter().map(media).sum::<usize>()
    }
}

fn write_session(session: &SessionDescription, f: &mut impl Write) -> fmt::Result {
    f.write_str("v=0\r\n")?;
    line(f, "o=", session.origin.as_str())?;
    line(f, "s=", &session.name)?;
    lines(f, "i=", session.information.as_ref())?;
    lines(f, "u=", session.uri.as_ref())?;
    lines(f, "e=", session.emails.iter())?;
    lines(f, "p=", session.phones.iter())?;
    connections(f, &session.connections)?;
    bandwidths(f, &session.bandwidths)?;
    if session.times.is_empty() {
        time(f, &Time::UNBOUNDED)?;
    }
    session.times.iter().try_for_each(|one| time(f, one))?;
    key(f, session.key.as_ref())?;
    lines(f, "", &session.unknown)?;
    attributes(f, &session.attributes)?;
    session.media.iter().try_for_each(|media| write_media(media, f))
}

fn write_media(media: &Media, f: &mut impl Write) -> fmt::Result {
    f.write_str("m=")?;
    f.write_str(media.kind())?;
    f.write_str(" ")?;
    number(f, media.port.into())?;
    if let Some(count) = media.port_count {
        f.write_str("/")?;
        number(f, count.into())?;
    }
    f.write_str(" ")?;
    f.write_str(media.protocol().as_str())?;
    line(f, " ", media.format_list())?;
    lines(f, "i=", media.information.as_ref())?;
    connections(f, &media.connections)?;
    bandwidths(f, &media.bandwidths)?;
    key(f, media.key.as_ref())?;
    lines(f, "", media.odd.iter().flat_map(|odd| &odd.lines))?;
    attributes(f, &media.attributes)
}

fn line(f: &mut impl Write, letter: &str, value: &str) -> fmt::Result {
    f.write_str(letter)?;
    f.write_str(value)?;
    f.write_str("\r\n")
}

fn lines<'a>(f: &mut impl Write, letter: &str, values: impl IntoIterator<Item = &'a Text>) -> fmt::Result {
    values.into_iter().try_for_each(|value| line(f, letter, value))
}

fn connections(f: &mut impl Write, connections: &Few<Connection>) -> fmt::Result {
    connections.iter().try_for_each(|connection| match connection.as_written() {
        Some(text) => line(f, "c=", text),
        None => write!(f, "c={connection}\r\n"),
    })
}

fn bandwidths(f: &mut impl Write, bandwidths: &Few<Bandwidth>) -> fmt::Result {
    bandwidths.iter().try_for_each(|bandwidth| {
        f.write_str("b=")?;
        f.write_str(bandwidth.kind())?;
        f.write_str(":")?;
        number(f, bandwidth.value())?;
        f.write_str("\r\n")
    })
}

fn time(f: &mut impl Write, time: &Time) -> fmt::Result {
    f.write_str("t=")?;
    number(f, time.start)?;
    f.write_str(" ")?;
    number(f, time.stop)?;
    f.write_str("\r\n")?;
    lines(f, "r=", &time.repeats)?;
    lines(f, "z=", &time.zones)
}

fn key(f: &mut impl Write, key: Option<&Secret>) -> fmt::Result {
    lines(f, "k=", key.map(|key| &key.0))
}

fn attributes(f: &mut impl Write, attributes: &Attributes) -> fmt::Result {
    attributes.iter().try_for_each(|attribute| line(f, "a=", attribute.as_str()))
}

/// In decimal; a tenth of what the formatting machinery takes.
fn number(f: &mut impl Write, mut value: u64) -> fmt::Result {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit += u8::try_from(value % 10).unwrap_or_default();
        start = at;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    f.write_str(digits.get(start..).and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use crate::{Origin, SessionDescription};

    // rfc: 8866 §5 — v, o, s and t are always there
    #[test]
    fn the_least_description_is_valid() {
        let session = SessionDescription::new(Origin::anonymous(1, 2, std::net::Ipv4Addr::LOCALHOST));
        assert_eq!(session.to_string(), "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
        assert!(SessionDescription::parse(&session.to_string()).is_ok());
    }

    #[test]
    fn numbers_are_decimal() {
        for value in [0, 9, 10, 65_535, u64::MAX] {
            let mut text = String::new();
            super::number(&mut text, value).unwrap();
            assert_eq!(text, value.to_string());
        }
    }

    #[test]
    fn the_space_set_aside_is_enough() {
        for text in
            [include_str!("../benches/samples/audio.sdp"), include_str!("../benches/samples/webrtc.sdp")]
        {
            let session = SessionDescription::parse(text).unwrap();
            assert!(session.size_hint() >= text.len() && session.size_hint() < text.len() * 3 / 2);
        }
    }
}

//! What RFC 8866 forbids though it can be read.

use std::fmt;

use crate::attribute::{Fmtp, Level, Rtpmap, known};
use crate::connection::Address;
use crate::{Attributes, Connection, Direction, Few, Media, SessionDescription};

/// A rule that a description breaks, for people and for tests; a call goes on.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Breach {
    /// The media section, counted from 0; `None` for the session.
    pub media: Option<usize>,
    /// The section of RFC 8866.
    pub section: &'static str,
    /// What it asks.
    pub rule: &'static str,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.media {
            Some(index) => write!(f, "m-line {}: ", index.saturating_add(1))?,
            None => f.write_str("session: ")?,
        }
        write!(f, "{} (RFC 8866 §{})", self.rule, self.section)
    }
}

impl SessionDescription {
    /// The rules of RFC 8866 that this description breaks, though it was read or built: what a strict reader would refuse.
    ///
    /// ```
    /// let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
    /// let breaches = sdp::SessionDescription::parse(text)?.breaches();
    /// assert_eq!(breaches[0].to_string(), "m-line 1: a c= line here or in the session (RFC 8866 §5.7)");
    /// # Ok::<(), sdp::ParseError>(())
    /// ```
    #[must_use]
    pub fn breaches(&self) -> Vec<Breach> {
        let mut found = Found { media: None, breaches: Vec::new() };
        found.when(self.connections.len() > 1, "5.7", "one c= line in the session");
        let several = |connection: &Connection| connection.count() > 1;
        found.when(self.connections.iter().any(several), "5.7", "one address in the session");
        let zone_alone = self.times.iter().any(|time| !time.zones().is_empty() && time.repeats().is_empty());
        found.when(zone_alone, "5.11", "a z= line after an r= line only");
        found.when(self.key().is_some(), "5.12", "no k= line");
        found.common(&self.connections, &self.attributes, Level::Media);
        for (index, media) in self.media.iter().enumerate() {
            found.media = Some(index);
            found.media(self, media);
        }
        found.breaches
    }
}

struct Found {
    media: Option<usize>,
    breaches: Vec<Breach>,
}

impl Found {
    fn when(&mut self, broken: bool, section: &'static str, rule: &'static str) {
        if broken {
            self.breaches.push(Breach { media: self.media, section, rule });
        }
    }

    fn media(&mut self, session: &SessionDescription, media: &Media) {
        self.when(media.problem().is_some(), "9", "lines that follow the grammar");
        self.when(session.address(media).is_none(), "5.7", "a c= line here or in the session");
        let unicast =
            media.connections.iter().any(|one| one.address().ip().is_some_and(|ip| !ip.is_multicast()));
        self.when(unicast && media.connections.len() > 1, "5.7", "several c= lines for multicast only");
        self.when(media.key().is_some(), "5.12", "no k= line");
        self.common(&media.connections, &media.attributes, Level::Session);
        let maps = media.attributes.all::<Rtpmap>().filter_map(|map| map.ok().map(|map| map.payload_type));
        self.when(repeats(maps), "6.6", "one rtpmap for a payload type");
        let formats =
            media.attributes.all::<Fmtp>().filter_map(|fmtp| fmtp.ok().map(|fmtp| fmtp.format.to_string()));
        self.when(repeats(formats), "6.15", "one fmtp for a format");
    }

    fn common(&mut self, connections: &Few<Connection>, attributes: &Attributes, wrong: Level) {
        let multicast = |one: &&Connection| one.address().is_multicast();
        let without_ttl = |one: &Connection| {
            matches!(one.address(), Address::Ip(ip) if ip.is_ipv4()) && one.ttl().is_none()
        };
        self.when(
            connections.iter().filter(multicast).any(without_ttl),
            "5.7",
            "a time to live for IPv4 multicast",
        );
        let slash =
            |one: &Connection| !one.address().is_multicast() && (one.ttl().is_some() || one.count() > 1);
        self.when(connections.iter().any(slash), "5.7", "no / behind a unicast address");
        let directions = attributes.iter().filter(|one| Direction::from_name(one.name()).is_some());
        self.when(directions.count() > 1, "6.7", "one direction");
        let misplaced = |name: &str| known(name).is_some_and(|known| known.level == wrong);
        self.when(attributes.iter().any(|one| misplaced(one.name())), "5.13", "attributes at their level");
    }
}

fn repeats<T: Ord>(items: impl Iterator<Item = T>) -> bool {
    let mut items: Vec<T> = items.collect();
    items.sort_unstable();
    items.windows(2).any(|pair| pair.first() == pair.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nr=7d 1h 0\r\nz=3730928400 -1h\r\n\
        a=sendrecv\r\nm=audio 9 RTP/AVP 0 96\r\nc=IN IP4 233.252.0.1/127/3\r\na=rtpmap:96 L8/8000\r\na=fmtp:96 x\r\na=recvonly\r\n";

    fn breaches(line: &str, with: &str) -> Vec<String> {
        assert!(GOOD.contains(line), "{line}");
        let session = SessionDescription::parse(&GOOD.replacen(line, with, 1)).unwrap();
        session.breaches().iter().map(ToString::to_string).collect()
    }

    // rfc: 8866 §5.7 — where c= lines must and may not be, TTL for IPv4 multicast, no slash for unicast
    // rfc: 8866 §5.11 — z= without r= is an error
    // rfc: 8866 §5.12 — k= must not be used
    // rfc: 8866 §6.6 — up to one rtpmap for each format
    // rfc: 8866 §6.7 — at most one direction in the session, and in each media section
    // rfc: 8866 §6.15 — at most one fmtp for each format
    #[test]
    fn each_rule_is_named() {
        assert_eq!(breaches("v=0", "v=0"), Vec::<String>::new());
        for (line, with, expected) in [
            ("t=0 0", "c=IN IP4 192.0.2.2\r\nt=0 0", "session: one c= line in the session (RFC 8866 §5.7)"),
            (
                "c=IN IP4 192.0.2.1",
                "c=IN IP4 233.252.0.1/1/2",
                "session: one address in the session (RFC 8866 §5.7)",
            ),
            (
                "c=IN IP4 192.0.2.1",
                "c=IN IP4 192.0.2.1/1",
                "session: no / behind a unicast address (RFC 8866 §5.7)",
            ),
            ("r=7d 1h 0\r\n", "", "session: a z= line after an r= line only (RFC 8866 §5.11)"),
            ("a=sendrecv", "k=prompt\r\na=sendrecv", "session: no k= line (RFC 8866 §5.12)"),
            ("a=sendrecv", "a=sendrecv\r\na=inactive", "session: one direction (RFC 8866 §6.7)"),
            ("a=sendrecv", "a=ptime:20", "session: attributes at their level (RFC 8866 §5.13)"),
            ("/127/3", "", "m-line 1: a time to live for IPv4 multicast (RFC 8866 §5.7)"),
            (
                "/127/3",
                "/127\r\nc=IN IP4 192.0.2.3",
                "m-line 1: several c= lines for multicast only (RFC 8866 §5.7)",
            ),
            ("/127/3", "/127\r\nc=IN", "m-line 1: lines that follow the grammar (RFC 8866 §9)"),
            ("a=recvonly", "k=prompt", "m-line 1: no k= line (RFC 8866 §5.12)"),
            ("a=recvonly", "a=rtpmap:96 L16/8000", "m-line 1: one rtpmap for a payload type (RFC 8866 §6.6)"),
            ("a=recvonly", "a=fmtp:96 y", "m-line 1: one fmtp for a format (RFC 8866 §6.15)"),
            ("a=recvonly", "a=tool:x", "m-line 1: attributes at their level (RFC 8866 §5.13)"),
        ] {
            assert_eq!(breaches(line, with), [expected]);
        }
    }
}

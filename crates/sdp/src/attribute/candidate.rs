//! `a=candidate` ([RFC 8839 §5.1]).
//!
//! [RFC 8839 §5.1]: https://www.rfc-editor.org/rfc/rfc8839#section-5.1

use std::fmt;

use super::TypedAttribute;
use crate::grammar::{Fields, is_token, is_word, number};
use crate::{AttributeError, Text};

/// An address at which an ICE agent may be reached.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Candidate {
    /// Equal for candidates of the same kind from the same base and server.
    pub foundation: Text,
    /// 1 for RTP, 2 for RTCP; at most 256.
    pub component: u16,
    /// `UDP`, or `TCP` ([RFC 6544]).
    ///
    /// [RFC 6544]: https://www.rfc-editor.org/rfc/rfc6544
    pub transport: Text,
    /// The higher the better; at most 2^31 - 1.
    pub priority: u32,
    /// An IP address, or a name that hides one (`….local`).
    pub address: Text,
    /// The port.
    pub port: u16,
    /// `host`, `srflx`, `prflx` or `relay`.
    pub kind: Text,
    /// The address behind a reflexive or relayed one.
    pub related: Option<(Text, u16)>,
    extensions: Text,
}

impl Candidate {
    /// The extensions, name and value by turns, such as `tcptype passive`.
    pub fn extensions(&self) -> impl Iterator<Item = &str> {
        self.extensions.split_ascii_whitespace()
    }
}

fn is_foundation(text: &str) -> bool {
    let characters = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    characters && (1..=32).contains(&text.len())
}

impl TypedAttribute for Candidate {
    const NAME: &'static str = "candidate";

    fn parse(value: &Text) -> Result<Self, AttributeError> {
        let mut fields = Fields::new(value);
        let error = |fields: &Fields<'_>, expected| fields.error(Self::NAME, expected);
        let foundation = fields.word_if(is_foundation).ok_or_else(|| error(&fields, "1 to 32 ice-chars"))?;
        let component = fields.take(Fields::word, |word| number(word).filter(|id| (1..=256).contains(id)));
        let component = component.ok_or_else(|| error(&fields, "a component of 1 to 256"))?;
        let transport = fields.word_if(is_token).ok_or_else(|| error(&fields, "a transport"))?;
        let priority = fields.take(Fields::word, |word| number(word).filter(|&priority| priority < 1 << 31));
        let priority = priority.ok_or_else(|| error(&fields, "a priority below 2^31"))?;
        let address = fields.word_if(is_word).ok_or_else(|| error(&fields, "an address"))?;
        let port = fields.number().ok_or_else(|| error(&fields, "a port"))?;
        fields.word_if(|word| word == "typ").ok_or_else(|| error(&fields, "typ"))?;
        let kind = fields.word_if(is_token).ok_or_else(|| error(&fields, "a type of candidate"))?;
        let mut related = None;
        if fields.word_if(|word| word == "raddr").is_some() {
            let address = fields.word_if(is_word).ok_or_else(|| error(&fields, "the related address"))?;
            fields.word_if(|word| word == "rport").ok_or_else(|| error(&fields, "rport"))?;
            let port = fields.number().ok_or_else(|| error(&fields, "the related port"))?;
            related = Some((value.share(address), port));
        }
        let extensions = value.share(fields.rest().trim_end());
        let share = |text| value.share(text);
        let (foundation, transport, address, kind) =
            (share(foundation), share(transport), share(address), share(kind));
        Ok(Self { foundation, component, transport, priority, address, port, kind, related, extensions })
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {} ", self.foundation, self.component, self.transport, self.priority)?;
        write!(f, "{} {} typ {}", self.address, self.port, self.kind)?;
        self.related.iter().try_for_each(|(address, port)| write!(f, " raddr {address} rport {port}"))?;
        if self.extensions.is_empty() { Ok(()) } else { write!(f, " {}", self.extensions) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 8839 §5.1 — candidate-attribute
    #[test]
    fn candidates_are_read_and_written_alike() {
        for text in [
            "1 1 UDP 2130706431 203.0.113.141 8998 typ host",
            "2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998",
            "1 2 TCP 2124414975 2001:db8::1 9 typ host tcptype active generation 0",
            "a+/ 1 udp 1 a1b2.local 5000 typ host",
        ] {
            assert_eq!(Candidate::parse(&Text::from(text)).unwrap().to_string(), text);
        }
        let candidate =
            Candidate::parse(&Text::from("2 1 UDP 1 192.0.2.3 4 typ srflx raddr 10.0.0.1 rport 5 x y"))
                .unwrap();
        assert_eq!(
            (candidate.related, candidate.kind.as_str()),
            (Some((Text::from("10.0.0.1"), 5)), "srflx")
        );
    }

    #[test]
    fn broken_candidates_are_errors() {
        for bad in [
            "",
            "1 0 UDP 1 h 1 typ host",
            "1 1 UDP 2147483648 h 1 typ host",
            "1 1 UDP 1 h 65536 typ host",
            "1 1 UDP 1 h 1 host",
            "1 1 UDP 1 h 1 typ srflx raddr x 5",
            "123456789012345678901234567890123 1 UDP 1 h 1 typ host",
        ] {
            assert!(Candidate::parse(&Text::from(bad)).is_err(), "{bad}");
        }
    }
}

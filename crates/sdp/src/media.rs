//! A media section: an `m=` line and what follows it ([RFC 8866 §5.14]).
//!
//! [RFC 8866 §5.14]: https://www.rfc-editor.org/rfc/rfc8866#section-5.14

use std::fmt;

use crate::attribute::{Attributes, Rtpmap};
use crate::bandwidth::Bandwidth;
use crate::connection::Connection;
use crate::few::Few;
use crate::grammar::{Fields, check_text, check_token, is_protocol, number, split_once};
use crate::payload;
use crate::session::Secret;
use crate::{BuildError, ParseError, Text};

/// One stream of a session: media type, port, transport protocol, formats, and attributes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Media {
    kind: Text,
    /// The port; 0 means that the stream is refused or no longer wanted.
    pub port: u16,
    pub(crate) port_count: Option<u32>,
    protocol: Protocol,
    formats: Text,
    pub(crate) information: Option<Text>,
    /// The `c=` lines; without one the session's holds.
    pub connections: Few<Connection>,
    /// The `b=` lines.
    pub bandwidths: Few<Bandwidth>,
    pub(crate) key: Option<Secret>,
    pub(crate) odd: Option<Box<Odd>>,
    /// The `a=` lines.
    pub attributes: Attributes,
}

impl Media {
    /// A section for this media type, port, protocol and at least one format.
    ///
    /// # Errors
    /// When the media type or a format is no token, or there is no format.
    pub fn new<'a>(
        kind: &str,
        port: u16,
        protocol: Protocol,
        formats: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, BuildError> {
        check_token("a media type", kind)?;
        let mut list = String::new();
        for format in formats {
            check_token("a format", format)?;
            if !list.is_empty() {
                list.push(' ');
            }
            list.push_str(format);
        }
        if list.is_empty() {
            return Err(BuildError { what: "the list of formats", must_be: "at least one format" });
        }
        Ok(Self::from_parts(Text::from(kind), port, protocol, Text::from(list)))
    }

    pub(crate) fn from_parts(kind: Text, port: u16, protocol: Protocol, formats: Text) -> Self {
        Self {
            kind,
            port,
            port_count: None,
            protocol,
            formats,
            information: None,
            connections: Few::new(),
            bandwidths: Few::new(),
            key: None,
            odd: None,
            attributes: Attributes::new(),
        }
    }

    /// The media type: `audio`, `video` …
    #[must_use]
    pub const fn kind(&self) -> &Text {
        &self.kind
    }

    /// The transport protocol.
    #[must_use]
    pub const fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// How many ports there are, from [`port`](Self::port) up; 1 when not said.
    #[must_use]
    pub fn port_count(&self) -> u32 {
        self.port_count.unwrap_or(1)
    }

    /// The formats in order of preference; payload types for RTP.
    pub fn formats(&self) -> impl Iterator<Item = &str> {
        self.formats.split(' ')
    }

    pub(crate) const fn format_list(&self) -> &Text {
        &self.formats
    }

    /// The formats that are payload types, 0 to 127.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> {
        self.formats().filter_map(number).filter(|&number| number < 128)
    }

    /// The title of the stream (`i=`).
    #[must_use]
    pub const fn information(&self) -> Option<&Text> {
        self.information.as_ref()
    }

    /// The obsolete `k=` line. Secret.
    #[must_use]
    pub fn key(&self) -> Option<&Text> {
        self.key.as_ref().map(|key| &key.0)
    }

    /// Why this section can only be refused: the first of its lines that could not be read. The other sections stand
    /// ([RFC 3264 §6]: each stream is accepted or refused for itself).
    ///
    /// [RFC 3264 §6]: https://www.rfc-editor.org/rfc/rfc3264#section-6
    #[must_use]
    pub fn problem(&self) -> Option<&ParseError> {
        self.odd.as_ref()?.problem.as_ref()
    }

    /// The lines that could not be read, and those that [`Limits::unknown_lines`](crate::Limits) let in, whole.
    pub fn unread_lines(&self) -> impl Iterator<Item = &str> {
        self.odd.iter().flat_map(|odd| &odd.lines).map(Text::as_str)
    }

    /// Replaces the title of the stream (`i=`).
    ///
    /// # Errors
    /// When it is empty or holds a line end or NUL.
    pub fn set_information(&mut self, information: &str) -> Result<(), BuildError> {
        check_text("the title", information)?;
        self.information = Some(Text::from(information));
        Ok(())
    }

    /// What a payload type stands for here: its `a=rtpmap`, else the static meaning ([RFC 3551 §6]).
    ///
    /// [RFC 3551 §6]: https://www.rfc-editor.org/rfc/rfc3551#section-6
    #[must_use]
    pub fn rtpmap(&self, payload_type: u8) -> Option<Rtpmap> {
        let said = self
            .attributes
            .all::<Rtpmap>()
            .filter_map(Result::ok)
            .find(|map| map.payload_type == payload_type);
        said.or_else(|| payload::static_type(payload_type).map(|known| known.rtpmap()))
    }

    /// The parameters of a format (`a=fmtp`).
    #[must_use]
    pub fn fmtp(&self, format: &str) -> Option<Text> {
        let all = self.attributes.all::<crate::attribute::Fmtp>().filter_map(Result::ok);
        all.filter(|fmtp| fmtp.format == *format).map(|fmtp| fmtp.parameters).next()
    }

    /// Reads the line of a section onto the end of a list.
    pub(crate) fn parse(
        fields: &mut Fields<'_>,
        owner: &Text,
        list: &mut Vec<Self>,
    ) -> Result<(), &'static str> {
        let kind = fields.token().ok_or("a media type")?;
        let port = fields.take(Fields::word, |word| {
            let (port, count) =
                split_once(word, b'/').map_or((word, None), |(port, count)| (port, Some(count)));
            let count = count.map(|count| number::<u32>(count).filter(|&count| count > 0));
            (count != Some(None)).then_some((number::<u16>(port)?, count.flatten()))
        });
        let (port, port_count) = port.ok_or("a port of 0 to 65535")?;
        // A constant is cheaper to clone and drop than a share of the text.
        let protocol = fields.take(Fields::word, |word| match word {
            "RTP/AVP" => Some(Protocol::RTP_AVP),
            "RTP/SAVP" => Some(Protocol::RTP_SAVP),
            "UDP/TLS/RTP/SAVPF" => Some(Protocol::UDP_TLS_RTP_SAVPF),
            other => is_protocol(other).then(|| Protocol(owner.share(other))),
        });
        let protocol = protocol.ok_or("a transport protocol")?;
        let before = *fields;
        while !fields.rest().is_empty() {
            fields.token().ok_or("a format")?;
        }
        let formats = fields.text_since(&before, owner);
        if formats.is_empty() {
            return Err("a format");
        }
        let kind = match kind {
            "audio" => Text::from_static("audio"),
            "video" => Text::from_static("video"),
            other => owner.share(other),
        };
        list.push(Self { port_count, ..Self::from_parts(kind, port, protocol, formats) });
        Ok(())
    }
}

/// Lines that are kept without being understood.
#[derive(Clone, Default)]
pub(crate) struct Odd {
    pub(crate) lines: Vec<Text>,
    pub(crate) problem: Option<ParseError>,
}

/// Where the line stood does not count: written, it stands elsewhere.
impl PartialEq for Odd {
    fn eq(&self, other: &Self) -> bool {
        self.lines == other.lines
    }
}

impl Eq for Odd {}

/// The lines are left out: a broken one may hold a key.
impl fmt::Debug for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Odd").field("problem", &self.problem).finish_non_exhaustive()
    }
}

/// The transport protocol of an `m=` line. Names other than the constants can come in; they are compared as they are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Protocol(pub(crate) Text);

impl Protocol {
    /// Plain RTP ([RFC 3551]).
    ///
    /// [RFC 3551]: https://www.rfc-editor.org/rfc/rfc3551
    pub const RTP_AVP: Self = Self(Text::from_static("RTP/AVP"));
    /// Plain RTP with feedback ([RFC 4585]).
    ///
    /// [RFC 4585]: https://www.rfc-editor.org/rfc/rfc4585
    pub const RTP_AVPF: Self = Self(Text::from_static("RTP/AVPF"));
    /// SRTP ([RFC 3711]).
    ///
    /// [RFC 3711]: https://www.rfc-editor.org/rfc/rfc3711
    pub const RTP_SAVP: Self = Self(Text::from_static("RTP/SAVP"));
    /// SRTP with feedback ([RFC 5124]).
    ///
    /// [RFC 5124]: https://www.rfc-editor.org/rfc/rfc5124
    pub const RTP_SAVPF: Self = Self(Text::from_static("RTP/SAVPF"));
    /// SRTP with keys from DTLS ([RFC 5764]).
    ///
    /// [RFC 5764]: https://www.rfc-editor.org/rfc/rfc5764
    pub const UDP_TLS_RTP_SAVP: Self = Self(Text::from_static("UDP/TLS/RTP/SAVP"));
    /// SRTP with feedback and keys from DTLS ([RFC 5764]).
    ///
    /// [RFC 5764]: https://www.rfc-editor.org/rfc/rfc5764
    pub const UDP_TLS_RTP_SAVPF: Self = Self(Text::from_static("UDP/TLS/RTP/SAVPF"));

    /// Another protocol.
    ///
    /// # Errors
    /// When the name is not made of tokens with `/` between them.
    pub fn new(name: &str) -> Result<Self, BuildError> {
        let protocol = is_protocol(name).then(|| Self(Text::from(name)));
        protocol.ok_or(BuildError { what: "a transport protocol", must_be: "tokens with / between them" })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for RTP of any kind over UDP.
    #[must_use]
    pub fn is_rtp(&self) -> bool {
        self.is_secure() || matches!(self.as_str(), "RTP/AVP" | "RTP/AVPF")
    }

    /// True for SRTP over UDP, whatever brings its keys.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.is_dtls() || matches!(self.as_str(), "RTP/SAVP" | "RTP/SAVPF")
    }

    /// True for SRTP over UDP with keys from DTLS.
    #[must_use]
    pub fn is_dtls(&self) -> bool {
        matches!(self.as_str(), "UDP/TLS/RTP/SAVP" | "UDP/TLS/RTP/SAVPF")
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

//! What a peer may reach.

/// What a description may grow to before it is refused.
///
/// ```
/// let limits = sdp::Limits::default().bytes(8_192).media(4);
/// assert!(sdp::SessionDescription::parse_within("v=0\r\n", &limits).is_err());
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// Octets of the whole description; 65,536 unless set. Values above 4 GiB count as 4 GiB.
    pub bytes: usize,
    /// Lines of the whole description; 2,048 unless set.
    pub lines: usize,
    /// `m=` sections; 64 unless set.
    pub media: usize,
    /// Attributes of the session, and of each media section; 512 unless set.
    pub attributes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 65_536, lines: 2_048, media: 64, attributes: 512 }
    }
}

impl Limits {
    /// Sets the octets of the whole description.
    #[must_use]
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// Sets the lines of the whole description.
    #[must_use]
    pub const fn lines(mut self, lines: usize) -> Self {
        self.lines = lines;
        self
    }

    /// Sets the number of `m=` sections.
    #[must_use]
    pub const fn media(mut self, media: usize) -> Self {
        self.media = media;
        self
    }

    /// Sets the attributes of a section.
    #[must_use]
    pub const fn attributes(mut self, attributes: usize) -> Self {
        self.attributes = attributes;
        self
    }
}

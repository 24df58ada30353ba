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
    /// Lines with a letter that RFC 8866 does not know. None unless set: [RFC 8866 §5] has such a description rejected. With
    /// some allowed they are kept, told by `unknown_lines`, and written where their section's attributes begin.
    ///
    /// [RFC 8866 §5]: https://www.rfc-editor.org/rfc/rfc8866#section-5
    pub unknown_lines: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 65_536, lines: 2_048, media: 64, attributes: 512, unknown_lines: 0 }
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

    /// Sets how many lines with an unknown letter are kept.
    #[must_use]
    pub const fn unknown_lines(mut self, unknown_lines: usize) -> Self {
        self.unknown_lines = unknown_lines;
        self
    }
}

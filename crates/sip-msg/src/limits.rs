//! [`Limits`]: how much a peer may make us hold.

/// What a peer may reach before its message is refused; each limit names the status to answer.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// Start line and header fields together, in bytes; 64 KiB unless set. Beyond it: 513 Message Too Large.
    pub head_bytes: usize,
    /// Header lines; 256 unless set. Beyond it: 513 Message Too Large.
    pub header_count: usize,
    /// Body, in bytes; 1 MiB unless set. Beyond it: 413 Request Entity Too Large.
    pub body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head_bytes: 64 * 1024, header_count: 256, body_bytes: 1024 * 1024 }
    }
}

impl Limits {
    /// Sets the largest head, in bytes.
    #[must_use]
    pub fn head_bytes(mut self, bytes: usize) -> Self {
        self.head_bytes = bytes;
        self
    }

    /// Sets the largest number of header lines.
    #[must_use]
    pub fn header_count(mut self, count: usize) -> Self {
        self.header_count = count;
        self
    }

    /// Sets the largest body, in bytes.
    #[must_use]
    pub fn body_bytes(mut self, bytes: usize) -> Self {
        self.body_bytes = bytes;
        self
    }
}

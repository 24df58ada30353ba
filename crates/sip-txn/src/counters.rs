//! [`Counters`]: what came, went and was dropped.

/// Totals since the layer was made. Each drop is counted once, by its reason.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counters {
    /// Messages received, dropped ones included.
    pub received: u64,
    /// Messages sent, retransmissions included.
    pub sent: u64,
    /// Retransmissions sent by transactions.
    pub retransmitted: u64,
    /// Retransmissions received and absorbed.
    pub absorbed: u64,
    /// Messages whose framing or mandatory headers were bad.
    pub malformed: u64,
    /// Responses that matched no client transaction.
    pub stray_responses: u64,
    /// Responses whose top Via is not ours.
    pub foreign_responses: u64,
    /// ACKs that belong to a failure response and were absorbed.
    pub absorbed_acks: u64,
    /// Merged requests answered 482.
    pub merged: u64,
    /// Requests refused because a limit was reached.
    pub overloaded: u64,
    /// Requests refused by [`crate::Admission`].
    pub not_admitted: u64,
    /// Connections closed because they brought nothing, or too slowly.
    pub closed_idle: u64,
    /// Connections refused because there were too many.
    pub refused_connections: u64,
    /// Requests that went on to their next target.
    pub failovers: u64,
    /// ICMP errors that quoted no request that waits for an answer: late, too short, or made up.
    pub stray_icmp: u64,
}

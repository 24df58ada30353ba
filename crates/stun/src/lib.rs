//! A STUN client without I/O (RFC 8489), on stun-rs.

pub mod demux;

//! Where a peer is, to find out which of our addresses it can reach.

use std::net::SocketAddr;

use sip_msg::{Host, Uri};

/// An address of the host that a URI names, to find out which way packets to it leave; `None` when it has none.
///
/// Which of several addresses signalling will use is decided below; packets to them leave by the same interface.
pub(crate) async fn peer_address(uri: &Uri) -> Option<SocketAddr> {
    let port = uri.port().unwrap_or(5060);
    match uri.host()? {
        Host::V4(address) => Some((*address, port).into()),
        Host::V6(address) => Some((*address, port).into()),
        Host::Name(name) => tokio::net::lookup_host((name.as_str(), port)).await.ok()?.next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_numeric_host_needs_no_resolver() {
        let uri = Uri::parse("sip:bob@[::1]:5070").unwrap();
        assert_eq!(peer_address(&uri).await, Some("[::1]:5070".parse().unwrap()));
    }
}

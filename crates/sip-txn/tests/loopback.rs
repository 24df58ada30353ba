//! Real sockets on loopback: the wiring of all transports.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests fail the test"
)]

#[path = "loopback/agent.rs"]
mod agent;
#[path = "loopback/certificates.rs"]
mod certificates;
#[path = "loopback/connections.rs"]
mod connections;
#[path = "loopback/dns.rs"]
mod dns;
#[path = "loopback/name_server.rs"]
mod name_server;
#[path = "loopback/tls.rs"]
mod tls;
#[path = "loopback/web_socket.rs"]
mod web_socket;

/// Does what is to be done, and what comes of it at once.
async fn pump(agent: &mut agent::Agent) {
    if let Ok(event) = tokio::time::timeout(std::time::Duration::from_millis(100), agent.event()).await {
        assert!(matches!(event, sip_txn::Event::ServerEnded { .. }), "{event:?}");
    }
}

//! Accepting connections that need a handshake before they are of any use.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::{OPEN, tcp};

/// Handshakes of one listener that run at once.
const HANDSHAKES: usize = 1024;
/// Handshakes with one address that run at once.
const HANDSHAKES_OF_ONE: usize = 256;

/// Accepts for ever, connections that need a handshake: `open` makes it. One that is slow holds up nobody.
pub(super) async fn accept<F>(listener: TcpListener, open: impl Fn(TcpStream, SocketAddr) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut half_open = HalfOpen::default();
    loop {
        let (stream, remote) = tcp::next(&listener).await;
        half_open.admit(remote.ip());
        let opening = open(stream, remote);
        let task = tokio::spawn(async move {
            if timeout(OPEN, opening).await.is_err() {
                tracing::debug!(%remote, "the handshake took too long");
            }
        });
        half_open.0.push_back((remote.ip(), task.abort_handle()));
    }
}

/// The handshakes of one listener that are under way, the oldest first.
#[derive(Debug, Default)]
struct HalfOpen(VecDeque<(IpAddr, AbortHandle)>);

impl HalfOpen {
    /// Makes room for one more: when there are too many, the oldest is given up, of this source if that is the one who has so
    /// many.
    fn admit(&mut self, source: IpAddr) {
        self.0.retain(|(_, task)| !task.is_finished());
        let from_source = self.0.iter().filter(|(ip, _)| *ip == source).count();
        let oldest = if from_source >= HANDSHAKES_OF_ONE {
            self.0.iter().position(|(ip, _)| *ip == source)
        } else if self.0.len() >= HANDSHAKES {
            Some(0)
        } else {
            None
        };
        if let Some((ip, task)) = oldest.and_then(|oldest| self.0.remove(oldest)) {
            tracing::debug!(%ip, "too many handshakes: the oldest is given up");
            task.abort();
        }
    }
}

impl Drop for HalfOpen {
    fn drop(&mut self) {
        self.0.iter().for_each(|(_, task)| task.abort());
    }
}

//! Ctrl-C and SIGTERM: the first one asks for an end in good order, the second one ends at once.

use std::sync::LazyLock;

use tokio::sync::watch;

/// How often we were asked to stop. A signal concerns the whole process, so this is the process's.
static SIGNALS: LazyLock<watch::Sender<u32>> = LazyLock::new(|| watch::Sender::new(0));

/// Waits until the first signal; at once when it has come already.
pub(crate) async fn interrupted() {
    // The sender is never dropped.
    let _ = SIGNALS.subscribe().wait_for(|&signals| signals > 0).await;
}

/// Ends what is still going on as the first signal does.
pub(crate) fn wind_up() {
    SIGNALS.send_modify(|signals| *signals = (*signals).max(1));
}

/// Listens to signals, from the first poll on; ends with the second one.
pub(crate) async fn second_interrupt() {
    let Ok(mut signals) = Signals::listen() else { return std::future::pending().await };
    for _ in 0..2 {
        signals.next().await;
        SIGNALS.send_modify(|signals| *signals += 1);
    }
}

/// SIGINT and SIGTERM; none is lost between two waits.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Ctrl-C.
#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}

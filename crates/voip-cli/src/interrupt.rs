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

/// Listens to signals; ends with the second one.
pub(crate) async fn second_interrupt() {
    for _ in 0..2 {
        signal().await;
        SIGNALS.send_modify(|signals| *signals += 1);
    }
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

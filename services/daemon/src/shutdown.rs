//! Hearing that we should stop.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that mean "stop": SIGTERM from systemd, SIGINT from a terminal.
#[derive(Debug)]
pub struct Shutdown {
    terminate: Signal,
    interrupt: Signal,
}

impl Shutdown {
    /// Starts to listen. To be called inside the runtime.
    ///
    /// # Errors
    /// The kernel's, when the handlers cannot be installed.
    pub fn listen() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the first such signal. Safe to cancel.
    pub async fn requested(&mut self) {
        futures_util::future::select(
            std::pin::pin!(self.terminate.recv()),
            std::pin::pin!(self.interrupt.recv()),
        )
        .await;
    }
}

//! Telling systemd that we are ready, alive and stopping (`sd_notify(3)`).
//!
//! [`Watchdog`] has no task of its own. The daemon's main loop waits for [`Watchdog::due`] beside
//! everything else it waits for and then calls [`Watchdog::feed`]; a loop that is stuck does not
//! feed, and systemd restarts the daemon.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior};

/// Says that the daemon serves. Without systemd it says it to nobody.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// Says that the daemon is on its way out.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!("systemd could not be told: {error}");
    }
}

/// The service's watchdog, when its unit has `WatchdogSec=`.
#[derive(Debug)]
pub struct Watchdog(Option<Interval>);

impl Watchdog {
    /// Reads from the environment how often systemd wants to hear from us, and plans to report
    /// twice as often (the advice of `sd_watchdog_enabled(3)`). To be called inside the runtime.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::every(sd_notify::watchdog_enabled())
    }

    fn every(timeout: Option<Duration>) -> Self {
        Self(timeout.map(|timeout| timeout / 2).filter(|half| !half.is_zero()).map(|half| {
            let mut interval = tokio::time::interval(half);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        }))
    }

    /// Waits until it is time to report; for ever, when nobody wants to hear. Safe to cancel.
    pub async fn due(&mut self) {
        match &mut self.0 {
            Some(interval) => {
                interval.tick().await;
            }
            None => std::future::pending().await,
        }
    }

    /// Reports that the main loop goes round.
    pub fn feed(&self) {
        tell(NotifyState::Watchdog);
    }
}

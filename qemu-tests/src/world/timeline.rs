//! A scenario's faults, at their times. One thread; ends when dropped.

use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use super::scenario::TimelineEntry;
use super::uplink::UplinkHandle;

/// A timeline that runs.
#[derive(Debug)]
pub struct Timeline {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Timeline {
    /// Starts it now.
    pub(super) fn start(
        mut entries: Vec<TimelineEntry>,
        uplinks: [UplinkHandle; 2],
    ) -> anyhow::Result<Self> {
        entries.sort_by_key(|entry| entry.at);
        let (stop, stopped) = sync_channel::<()>(0);
        let start = Instant::now();
        let run = move || {
            for entry in entries {
                let left = entry.at.duration().saturating_sub(start.elapsed());
                // Ends early when the other end is gone.
                if stopped.recv_timeout(left) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
                for handle in uplinks.iter().filter(|handle| handle.uplink() == entry.uplink) {
                    handle.fault(&entry.fault)?;
                }
            }
            Ok(())
        };
        let thread = std::thread::Builder::new().name("timeline".to_owned()).spawn(run)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    /// Waits until its last fault is on.
    ///
    /// # Errors
    /// When a fault could not be put on.
    pub fn finish(mut self) -> anyhow::Result<()> {
        let thread = self.thread.take().expect("it is taken only here and on drop");
        thread.join().map_err(|_| anyhow::anyhow!("the timeline's thread panicked"))?
    }
}

impl Drop for Timeline {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

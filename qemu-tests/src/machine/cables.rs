//! Cables plugged and pulled while the box runs, from any thread.
use super::command_line::nic_id;
use super::qmp::{Qmp, QmpError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// QMP, shared by the machine and by whoever pulls its cables.
pub(super) type SharedQmp = Arc<Mutex<Qmp>>;

/// A command is sent and answered as a whole, so a panic elsewhere leaves the line in order.
pub(super) fn lock(qmp: &SharedQmp) -> MutexGuard<'_, Qmp> {
    qmp.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Plugs and pulls the cables of one machine.
#[derive(Debug, Clone)]
pub struct Cables {
    qmp: SharedQmp,
}

impl Cables {
    pub(super) fn new(qmp: &SharedQmp) -> Self {
        Self { qmp: Arc::clone(qmp) }
    }

    /// Plugs or pulls the cable of a port, as the guest sees it.
    ///
    /// # Errors
    /// When the board has no such port, or the machine is off.
    pub fn set(&self, port: &str, up: bool) -> Result<(), QmpError> {
        lock(&self.qmp).set_link(&nic_id(port), up)
    }
}

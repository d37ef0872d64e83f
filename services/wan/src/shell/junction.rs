//! Where the near end of the tunnel is plugged in.
//!
//! The near end owns a [`Junction`]: it hears what happens to the uplinks and says how its paths
//! do. Both ways are bounded. A near end that is too slow for the events hears that it missed some
//! (`RecvError::Lagged`) and looks at [`Junction::status`], which is always what is true now.

use std::sync::Arc;

use tokio::sync::{broadcast, mpsc, watch};

use crate::gateway::{Move, PathReport};
use crate::status::Status;
use crate::uplink::{Device, UplinkEvent};

/// Events of uplinks that wait for the near end: every uplink flapping four times.
pub const EVENTS: usize = 32;

/// Reports that wait for the main loop: two of each uplink.
pub const REPORTS: usize = 16;

/// What the near end says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// How its path over one uplink does.
    Path(PathReport),
    /// The tunnel moved what is urgent.
    Move(Move),
    /// The house may go out by this interface from now on; or not any more.
    Tunnel(Option<Device>),
}

/// The near end's side.
#[derive(Debug)]
pub struct Junction {
    /// What happens to the uplinks, from the first on.
    pub events: broadcast::Receiver<UplinkEvent>,
    /// What is true of the box now.
    pub status: watch::Receiver<Arc<Status>>,
    /// What the near end says.
    pub reports: mpsc::Sender<Report>,
}

/// The main loop's side.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) events: broadcast::Sender<UplinkEvent>,
    pub(super) status: watch::Sender<Arc<Status>>,
    pub(super) reports: mpsc::Receiver<Report>,
}

/// Both sides.
pub(super) fn junction() -> (Junction, Ends) {
    let (events, heard) = broadcast::channel(EVENTS);
    let (status, seen) = watch::channel(Arc::default());
    let (said, reports) = mpsc::channel(REPORTS);
    let near = Junction { events: heard, status: seen, reports: said };
    (near, Ends { events, status, reports })
}

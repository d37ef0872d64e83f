//! Follows the dishes of the uplinks that are Starlink's, for the main loop.
//!
//! One task for each dish whose uplink can be used, aborted when that goes or when [`Dishes`] is
//! dropped; with it end its connection and its socket. The dish's socket is bound to the uplink's
//! device. At most [`REPORTS`] reports wait for the main loop; what a task has no room for it
//! replaces by the newest.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use starlink::dish::DishReport;
use starlink::shell::follow::follow;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use units::{LinkId, PortName};

use crate::status::Status;
use crate::uplink::{Kind, MOST_UPLINKS};

/// Reports that wait for the main loop: one of each dish there can be.
const REPORTS: usize = MOST_UPLINKS;

/// What a dish said, and which.
type Told = (LinkId, DishReport);

/// Everybody who follows a dish.
#[derive(Debug)]
pub(super) struct Dishes {
    address: SocketAddr,
    followed: BTreeMap<LinkId, AbortHandle>,
    tasks: JoinSet<()>,
    told: mpsc::Sender<Told>,
    reports: mpsc::Receiver<Told>,
}

impl Dishes {
    /// Follows none yet; each is asked at `address`.
    pub(super) fn new(address: SocketAddr) -> Self {
        let (told, reports) = mpsc::channel(REPORTS);
        Self { address, followed: BTreeMap::new(), tasks: JoinSet::new(), told, reports }
    }

    /// Follows the dishes whose uplinks can be used as `status` tells it, and no others.
    pub(super) fn follow(&mut self, status: &Status) {
        while self.tasks.try_join_next().is_some() {}
        for uplink in &status.uplinks {
            let (link, name) = (uplink.uplink.id, uplink.uplink.name);
            let usable = uplink.state.reach().is_some();
            let wanted = usable && uplink.uplink.kind == Kind::Starlink;
            let followed = self.followed.get(&link).is_some_and(|task| !task.is_finished());
            if wanted && !followed {
                let task = self.tasks.spawn(tell(link, name, self.address, self.told.clone()));
                self.followed.insert(link, task);
            } else if !wanted && let Some(task) = self.followed.remove(&link) {
                task.abort();
            }
        }
    }

    /// The next report of any dish.
    pub(super) async fn next(&mut self) -> Told {
        self.reports.recv().await.expect("one sender is ours")
    }
}

/// Passes on what the dish beyond `device` says, until aborted.
async fn tell(link: LinkId, device: PortName, address: SocketAddr, told: mpsc::Sender<Told>) {
    let (sender, mut reports) = watch::channel(DishReport::default());
    let pass_on = async {
        while reports.changed().await.is_ok() {
            let report = reports.borrow_and_update().clone();
            if told.send((link, report)).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = follow(Some(device), address, sender) => {}
        () = pass_on => {}
    }
}

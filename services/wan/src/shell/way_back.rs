//! What outlives a killed `wan`, and when it must not.
//!
//! The tunnel's device stays when `wan` is killed, with its addresses and the route into it: the
//! next one is there within two seconds, and connections translated to its address live on. One
//! that ends otherwise, or falls again before it has stood for [`STANDS`], leaves the house to the
//! uplinks: a route into a tunnel that nobody serves would hold it offline.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;
use tunnel::shell::enrolment::Enrolment;

use super::join;
use super::near_end::DEVICE;
use super::routes::Kernel;
use super::tunnel_device::TunnelDevice;
use crate::direct::kernel::{RouteKey, Version};
use crate::uplink::Device;

/// Who has run for so long does not fall at once.
const STANDS: Duration = Duration::from_secs(10);
/// There while one of us has not yet stood for so long, in the folder of our state.
const STARTING: &str = "starting";
/// How the system says that one of us was killed (systemd.exec(5), `$SERVICE_RESULT`).
const KILLED: [&str; 4] = ["signal", "core-dump", "watchdog", "oom-kill"];

/// What a predecessor that was killed has left behind: the device, through which the house goes
/// out until it is known whether the tunnel carries. A single packet by another way would end the
/// connections that are translated to its address. Where the house went out by the uplinks, nothing
/// is left behind: it must not be led into a tunnel that did not carry.
pub(super) async fn find_left_behind(state: &Path, kernel: &Kernel) -> Option<Device> {
    let fell_at_once = state.join(STARTING).exists();
    // Without it we would only be trusted too soon the next time.
    let _ = fs::write(state.join(STARTING), "");
    let joined = join::read(state).is_some_and(|line| line.parse::<Enrolment>().is_ok());
    if fell_at_once || !joined {
        if fell_at_once {
            tracing::warn!("the one before fell at once: its tunnel is not taken over");
        }
        take_away().await;
        return None;
    }
    let device = TunnelDevice::find(DEVICE).await.ok()?.device();
    let routes = kernel.own().await.ok()?.routes;
    let leads =
        |version| routes.get(&RouteKey::main(version)).is_some_and(|way| way.device == device);
    Version::BOTH.into_iter().any(leads).then_some(device)
}

/// Notes that we stand, once we do.
pub(super) async fn stand(state: PathBuf) {
    sleep(STANDS).await;
    has_not_fallen(&state);
}

/// Notes that we stand, or were asked to stop.
pub(super) fn has_not_fallen(state: &Path) {
    // If it stays, our successor only begins with the uplinks.
    let _ = fs::remove_file(state.join(STARTING));
}

/// Takes the device away: the house goes out by the uplinks at once, and nobody takes it for what
/// a killed one left.
pub(super) async fn take_away() {
    if let Ok(device) = TunnelDevice::find(DEVICE).await
        && let Err(error) = device.remove().await
    {
        tracing::warn!("{error}");
    }
}

/// `wan run` has ended, as `ended` says in the system's words: gives the house back to the uplinks
/// unless it was killed, because then it will be there again.
pub async fn give_back(ended: &str) {
    if !KILLED.contains(&ended) {
        take_away().await;
    }
}

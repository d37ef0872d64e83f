//! How much one core at each end carries: TCP from a computer in the house through the tunnel to a
//! sink behind its far end. What makes the traffic runs on the near core, what takes it on the far
//! one, like the tunnel's own ends. Beside it, in the same run and on the same cores, bare QUIC
//! datagrams as the yardstick.
mod pair;
mod raw;
mod tunnel;

use std::time::Duration;

use anyhow::{Context, Result};

use super::wire::earlier;
use super::{Options, Say};
use crate::bench::Figures;
use crate::emulator::shell::Clock;
use crate::meter::shell::{FlowKind, FlowPlan, Flows};
use crate::wait::wait_until;
use crate::world::METER_V4;
use pair::Pair;

/// The core of everything near, and of everything far.
const CORES: [usize; 2] = [0, 1];
/// How long is counted, after the connections have found their speed.
const WATCH: Duration = Duration::from_secs(8);
const WARM_UP: Duration = Duration::from_secs(3);
/// How long a tunnel may take until the first connection is through.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// Connections that fill the tunnel.
const UPLOADS: [FlowPlan; 1] =
    [FlowPlan { kind: FlowKind::Upload, count: 4, bytes_per_second: None }];

/// Measures one tunnel, and the yardstick.
///
/// # Errors
/// When the tunnel cannot be started here, or lets nothing through.
pub(super) fn measure(name: &str, options: &Options, say: &mut Say<'_>) -> Result<Figures> {
    let raw = raw::gigabits(&Pair::join()?, CORES, WATCH)?;
    let pair = Pair::join()?;
    let folder = tempfile::Builder::new().prefix("throughput-").tempdir()?;
    let tunnel = tunnel::start(name, &pair, folder.path(), options, CORES)?;
    let tunnelled = gigabits(&pair, &|| tunnel.dump())?;
    say(&format!("throughput of {name}: {tunnelled:.2} Gbit/s, bare QUIC {raw:.2} Gbit/s"));
    Ok(Figures::from([
        ("throughput_gbps".to_owned(), tunnelled),
        ("throughput_vs_raw_quinn".to_owned(), tunnelled / raw),
        ("calibration_raw_quinn_gbps".to_owned(), raw),
    ]))
}

/// What the connections carry together, in gigabits of payload per second.
fn gigabits(pair: &Pair, dump: &dyn Fn() -> String) -> Result<f64> {
    let clock = Clock::start();
    let start = || {
        let address = METER_V4.into();
        Flows::start(Some(CORES), &pair.house, &pair.far, address, &UPLOADS, clock).ok()
    };
    let flows = wait_until("connections through the tunnel", READY_WITHIN, dump, start)
        .with_context(|| pair.dump())?;
    std::thread::sleep(WARM_UP + WATCH);
    let now = clock.now();
    let watched = earlier(now, WATCH)..now;
    let reports = flows.finish();
    let bytes: u64 = reports.iter().map(|flow| flow.progress.bytes_in(&watched)).sum();
    #[expect(clippy::cast_precision_loss, reason = "8 s of bytes fit a double")]
    Ok(bytes as f64 * 8.0 / WATCH.as_secs_f64() / 1e9)
}

//! A contender in its world, ready to be measured.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::contender::{Contender, Policy, Running, Site};
use crate::meter::shell::{OpeningAnswerer, Stream, StreamPlan};
use crate::wait::wait_until;
use crate::world::{BoxKind, METER_V4, Router, Scenario, Uplink, World};

/// How long a contender may take until the first message is through both ways.
const READY_WITHIN: Duration = Duration::from_secs(45);
/// How long it may then get to know its uplinks before anything goes wrong.
const SETTLE: Duration = Duration::from_secs(3);
/// How long a lease may take.
const LEASE_WITHIN: Duration = Duration::from_secs(20);

/// A world, a plain router in it, and a contender at work. Everything ends with it.
pub(super) struct Stage {
    // Fields end in this order: who uses goes before what is used.
    running: Box<dyn Running>,
    _answerer: OpeningAnswerer,
    router: Router,
    world: World,
    folder: TempDir,
    programs: std::path::PathBuf,
    policies: [Policy; 2],
}

impl Stage {
    /// Builds the world and starts the contender; returns when messages pass both ways.
    ///
    /// # Errors
    /// When anything cannot be started, or no message passes in time.
    pub(super) fn set(
        contender: &dyn Contender,
        scenario: Scenario,
        policies: [Policy; 2],
        programs: &Path,
    ) -> Result<Self> {
        let world = World::build(scenario, BoxKind::Namespace)?;
        let space = world.box_namespace().context("the box is a namespace here")?;
        let router = Router::start(space)?;
        world.client().lease(LEASE_WITHIN)?;
        let folder = tempfile::Builder::new().prefix("contender-").tempdir()?;
        let leases = Uplink::ALL.map(|uplink| router.lease(uplink));
        let (place, programs) = (folder.path(), programs.to_owned());
        let site = Site { world: &world, policies, leases, folder: place, programs: &programs };
        let started = contender.start(&site);
        let running = started.with_context(|| format!("{} does not start", contender.name()))?;
        let answerer = OpeningAnswerer::start(&world.internet(), IpAddr::V4(METER_V4))?;
        let stage =
            Self { running, _answerer: answerer, router, world, folder, programs, policies };
        stage.warm_up()?;
        Ok(stage)
    }

    /// Who is measured.
    pub(super) fn running(&self) -> &dyn Running {
        &*self.running
    }

    /// Where.
    pub(super) const fn world(&self) -> &World {
        &self.world
    }

    /// The same as the contender sees it.
    pub(super) fn site(&self) -> Site<'_> {
        Site {
            world: &self.world,
            policies: self.policies,
            leases: Uplink::ALL.map(|uplink| self.router.lease(uplink)),
            folder: self.folder.path(),
            programs: &self.programs,
        }
    }

    /// Asks that provider for an address again, as a DHCP client does when the old one is refused.
    ///
    /// # Errors
    /// When none comes, or the contender cannot be told.
    pub(super) fn dial(&self, uplink: Uplink) -> Result<()> {
        let lease = self.router.dial(uplink)?;
        self.running.handle_lease(&self.site(), uplink, &lease)
    }

    /// How things stand.
    pub(super) fn dump(&self) -> String {
        format!("{}---- contender\n{}", self.world.dump(), self.running.dump())
    }

    /// Whether messages of a new call pass both ways.
    pub(super) fn passes(&self, session: u32) -> bool {
        let call = || {
            let channel = self.running.channel(&self.site()).ok()?;
            Stream::start(&channel, session, StreamPlan::CALL, self.world.clock()).ok()
        };
        let Some(stream) = call() else { return false };
        std::thread::sleep(Duration::from_millis(500));
        let through = stream.arrived().iter().all(|count| *count > 0);
        drop(stream.finish());
        through
    }

    /// Waits until messages pass both ways, and a little longer.
    fn warm_up(&self) -> Result<()> {
        let through = || self.passes(0).then_some(());
        wait_until("messages both ways", READY_WITHIN, || self.dump(), through)?;
        std::thread::sleep(SETTLE);
        Ok(())
    }
}

//! What a household does while it is measured: a call, connections beside it, new conversations.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result};

use super::stage::Stage;
use super::wire::{WireSampler, earlier};
use crate::meter::shell::{
    FlowKind, FlowPlan, FlowReport, Flows, Openings, OpeningsReport, Stream, StreamPlan,
    StreamReport,
};
use crate::wait::wait_until;
use crate::world::{METER_V4, Uplink};

/// Eight connections, 4 Mbit/s down and 1 Mbit/s up together: no uplink is full of them.
pub(super) const MODEST: [FlowPlan; 2] = [
    FlowPlan { kind: FlowKind::Download, count: 4, bytes_per_second: Some(125_000) },
    FlowPlan { kind: FlowKind::Upload, count: 4, bytes_per_second: Some(31_250) },
];
/// How long the traffic may take to flow both ways, and to be on the better uplink.
const FLOWS_WITHIN: Duration = Duration::from_secs(20);

/// All of it, flowing.
pub(super) struct Traffic {
    pub(super) stream: Stream,
    flows: Option<Flows>,
    openings: Option<Openings>,
}

/// What became of it.
pub(super) struct TrafficReport {
    pub(super) stream: StreamReport,
    /// None where the contender does not carry the house.
    pub(super) flows: Vec<FlowReport>,
    pub(super) openings: Option<OpeningsReport>,
}

impl Traffic {
    /// Starts the call, and beside it these connections and new conversations where the contender
    /// carries the house.
    ///
    /// # Errors
    /// When the contender gives no way for it, or a connection does not come about.
    pub(super) fn start(
        stage: &Stage,
        session: u32,
        call: StreamPlan,
        plans: &[FlowPlan],
    ) -> Result<Self> {
        let (world, clock) = (stage.world(), stage.world().clock());
        let channel = stage.running().channel(&stage.site())?;
        let stream = Stream::start(&channel, session, call, clock)?;
        if !stage.running().carries_the_house() {
            return Ok(Self { stream, flows: None, openings: None });
        }
        let (near, far, meter) = (world.client().namespace(), world.internet(), METER_V4.into());
        let flows = Flows::start(None, near, &far, meter, plans, clock);
        let flows = flows.context("connections beside the stream")?;
        let openings = Openings::start(near, IpAddr::V4(METER_V4), session, clock)?;
        Ok(Self { stream, flows: Some(flows), openings: Some(openings) })
    }

    /// Waits until messages flow both ways and the traffic is on that uplink.
    ///
    /// # Errors
    /// When it does not come to that in time.
    pub(super) fn wait_until_on(
        &self,
        uplink: Uplink,
        stage: &Stage,
        wire: &WireSampler,
    ) -> Result<()> {
        let flowing = || {
            let now = stage.world().clock().now();
            let last = earlier(now, Duration::from_millis(500))..now;
            let both = self.stream.arrived().iter().all(|count| *count > 0);
            let there = stage.running().carries_twice() || wire.record().is_on(uplink, &last);
            (both && there).then_some(())
        };
        let what = format!("traffic both ways by {uplink}");
        Ok(wait_until(&what, FLOWS_WITHIN, || stage.dump(), flowing)?)
    }

    /// Ends it and says what became of it.
    pub(super) fn finish(self) -> TrafficReport {
        let flows = self.flows.map(Flows::finish).unwrap_or_default();
        let openings = self.openings.map(Openings::finish);
        TrafficReport { stream: self.stream.finish(), flows, openings }
    }
}

//! The gap meter sees what is there, and does not see what is not.

use std::net::IpAddr;

use qemu_tests::bench::wan::contender::{Contender, Policy, Route, Site};
use qemu_tests::emulator::Fault;
use qemu_tests::meter::Survival;
use qemu_tests::meter::shell::{
    FlowKind, FlowPlan, Flows, OpeningAnswerer, Openings, Stream, StreamPlan, udp_channel,
};
use qemu_tests::world::{METER_V4, Uplink};

use super::*;

/// A house whose cable loses nothing.
fn clean_house() -> House {
    let mut scenario = shipped("calm");
    for way in [&mut scenario.broadband.up, &mut scenario.broadband.down] {
        way.loss = Default::default();
    }
    let house = house_without_client(scenario);
    house.world.client().lease(DEADLINE).expect("the router leases");
    house.fetch_until("a page", |_| true);
    house
}

impl House {
    fn stream(&self) -> Stream {
        let (near, far) = (self.world.client().namespace(), self.world.internet());
        let channel = udp_channel(near, &far, METER_V4.into()).expect("sockets");
        Stream::start(&channel, 7, StreamPlan::CALL, self.world.clock()).expect("threads")
    }

    /// Waits until that many more messages have arrived each way.
    fn wait_for_messages(&self, stream: &Stream, more: u64) {
        let enough = stream.arrived().map(|count| count + more);
        let there = || {
            let now = stream.arrived();
            (now[0] >= enough[0] && now[1] >= enough[1]).then_some(())
        };
        wait_until("messages", DEADLINE, || self.world.dump(), there)
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn over_a_clean_link_nothing_is_lost_and_the_delay_is_that_of_the_link() {
    let house = clean_house();
    let stream = house.stream();
    house.wait_for_messages(&stream, 400);
    let report = stream.finish();
    for journal in [&report.up, &report.down] {
        let losses = journal.losses(&journal.whole());
        assert!(losses.sent >= 400, "{losses:?}");
        assert_eq!((losses.lost, journal.duplicates()), (0, 0));
        // 9 ms of way; what this machine adds has no bound.
        let delay = journal.delays_ms(&journal.whole()).percentile(50).unwrap();
        assert!(delay >= 9.0, "{delay} ms");
    }
}

#[test]
fn a_cut_is_a_gap_with_losses_and_connections_outlive_it() {
    let house = clean_house();
    let clock = house.world.clock();
    let (near, far) = (house.world.client().namespace(), house.world.internet());
    let plans = [FlowKind::Download, FlowKind::Upload].map(|kind| FlowPlan {
        kind,
        count: 1,
        bytes_per_second: Some(50_000),
    });
    let flows = Flows::start(None, near, &far, METER_V4.into(), &plans, clock).unwrap();
    let stream = house.stream();
    house.wait_for_messages(&stream, 100);
    let uplink = house.world.uplink(Uplink::Broadband);
    let begun = clock.now();
    uplink.fault(&Fault::Cut).unwrap();
    let lost = || (uplink.status().up.counters.cut >= 100).then_some(());
    wait_until("a hundred lost frames", DEADLINE, || house.world.dump(), lost).unwrap();
    uplink.fault(&Fault::Heal).unwrap();
    let over = clock.now();
    house.wait_for_messages(&stream, 200);
    // The connections try again less and less often: they need as long as they were cut off.
    let ended = || (clock.now() > over + over.saturating_since(begun) * 2 + BRIEFLY).then_some(());
    wait_until("the connections", DEADLINE, || house.world.dump(), ended).unwrap();
    let ended = clock.now();
    let report = stream.finish();
    for journal in [&report.up, &report.down] {
        let gap = journal.longest_gap(&(begun..over));
        assert!(gap.length() >= over.saturating_since(begun) * 9 / 10, "{gap:?}");
        assert!(journal.losses(&(begun..over)).lost >= 50);
    }
    for flow in flows.finish() {
        assert_eq!(flow.survival(&(over..ended), 50_000), Survival::Alive, "{:?}", flow.kind);
        assert_ne!(flow.survival(&(begun..over), 50_000), Survival::Alive, "{:?}", flow.kind);
    }
}

#[test]
fn route_failover_takes_seconds_and_old_flows_stay_where_they_were() {
    let house = clean_house();
    let folder = tempfile::tempdir().unwrap();
    let site = Site {
        world: &house.world,
        policies: [Policy::Primary, Policy::Secondary],
        leases: Uplink::ALL.map(|uplink| house.router.lease(uplink)),
        folder: folder.path(),
        programs: folder.path(),
    };
    let route = Route.start(&site).unwrap();
    let (clock, internet) = (house.world.clock(), house.world.internet());
    let meter = IpAddr::V4(METER_V4);
    let _answerer = OpeningAnswerer::start(&internet, meter).unwrap();
    let stream = house.stream();
    let openings = Openings::start(house.world.client().namespace(), meter, 7, clock).unwrap();
    house.wait_for_messages(&stream, 100);
    let begun = clock.now();
    house.world.uplink(Uplink::Broadband).fault(&Fault::Cut).unwrap();
    let before = house.world.uplink(Uplink::Starlink).status().down.counters.delivered;
    let moved = || route.switches().unwrap().filter(|switches| *switches > 0);
    wait_until("the pinger", DEADLINE, || house.world.dump(), moved).unwrap();
    let through = || {
        let now = house.world.uplink(Uplink::Starlink).status().down.counters.delivered;
        (now > before + 50).then_some(())
    };
    wait_until("conversations by Starlink", DEADLINE, || house.world.dump(), through).unwrap();
    let over = clock.now();
    let (stream, openings) = (stream.finish(), openings.finish());
    // Two pings that wait a second each; less than a second between them.
    let fresh = openings.answered.longest_gap(&(begun..over));
    assert!(!fresh.open && fresh.length() >= Duration::from_secs(1), "{fresh:?}");
    let old = stream.down.longest_gap(&(begun..over));
    assert!(old.open && old.length() > fresh.length(), "{old:?}");
    assert!(stream.down.losses(&(begun..over)).lost > 0);
}

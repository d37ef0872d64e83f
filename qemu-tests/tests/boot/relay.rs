//! The booted image behind a relay, joined as its owner joins it, while its uplinks fail.
//!
//! A call and four connections from the LAN flow all the time. Faults last for so many messages of
//! the call, not for so long: what is asserted is what arrives and what lives on, never how fast an
//! emulated box is.
use super::{
    ANSWER_WITHIN, ATTEMPT, BOOT_WITHIN, alone, main_process, passing_record, shell, tell,
    wait_in_guest,
};
use anyhow::{Context, Result, ensure};
use qemu_tests::emulator::Fault;
use qemu_tests::house::{House, INTERNET_PAGE};
use qemu_tests::machine::{Image, MachineSpec, Variant};
use qemu_tests::meter::shell::{
    FlowKind, FlowPlan, Flows, Stream, StreamPlan, StreamReport, udp_channel,
};
use qemu_tests::meter::{Gap, Survival};
use qemu_tests::relay::Relay;
use qemu_tests::world::{AddressFamily, METER_V4, Scenario, Uplink, VPS_ROUTED_V6, VPS_V4, World};
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;
use std::time::Duration;
use units::Instant;

/// A call, half as dense as the bench's: an emulated box has other things to do.
const CALL: StreamPlan = StreamPlan { every: Duration::from_millis(10), bytes: 160 };
/// Beside it, two connections each way: 60 kB/s down, 20 kB/s up.
const CONNECTIONS: [FlowPlan; 2] = [
    FlowPlan { kind: FlowKind::Download, count: 2, bytes_per_second: Some(30_000) },
    FlowPlan { kind: FlowKind::Upload, count: 2, bytes_per_second: Some(10_000) },
];
/// Bytes of a connection that lives, in the last ten seconds of a scene.
const ALIVE_BYTES: u64 = 20_000;
/// In which a connection must live again, at the end of a scene.
const ALIVE_IN: Duration = Duration::from_secs(10);
/// After a gap ends, what was sent in it may still be missing; after this nothing is.
const SETTLED: Duration = Duration::from_secs(1);
/// Longest interruption of a call that the household may notice as one and no more. A box at its
/// own speed needs a tenth of it.
const NOTICED: Duration = Duration::from_secs(2);
/// Both uplinks are away for so long.
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn behind_a_relay_calls_and_connections_outlive_the_uplinks() -> Result<()> {
    let _alone = alone();
    let image = Image::from_environment("qemu-x86_64", Variant::Dev)?;
    let scenario = Scenario::load("two-uplinks")?;
    let mut house = House::switch_on(scenario, MachineSpec::factory_new(&image)?)?;
    house.wait_internet(Uplink::Broadband, BOOT_WITHIN)?;
    passing_record(house.machine())?;
    // Traffic on Starlink, so that its handovers matter; broadband loses nothing of its own.
    prefer_starlink(&mut house)?;
    let mut relay = Relay::start_from_environment(house.world().vps())?;
    shell(house.machine(), &relay.enrol("cabin")?)?;
    let told = (|| {
        wait_carried(&mut house)?;
        tell(&shell(house.machine(), "porch wan")?);
        let address = a_computer_has_an_address_of_the_relay(&mut house)?;
        starlinks_handovers_pass_unnoticed(&mut house)?;
        a_silent_black_hole_is_survived(&mut house, address)?;
        killed_it_comes_back(&mut house)?;
        a_minute_without_any_uplink_ends_by_itself(&mut house)?;
        is_seen_as(house.world(), address).context("after all of it")?;
        without_a_relay_its_address_is_used_no_more(&mut house, address)
    })();
    told.with_context(|| format!("{}relay:\n{}", house.explain(), relay.log_tail()))
}

fn prefer_starlink(house: &mut House) -> Result<()> {
    for (uplink, policy) in [(Uplink::Starlink, "primary"), (Uplink::Broadband, "secondary")] {
        let path = format!("/org/porchlight/Wan1/uplink/{}", uplink.box_interface());
        let set = "busctl set-property org.porchlight.Wan1";
        let name = "org.porchlight.Wan1.Uplink Policy s";
        shell(house.machine(), &format!("{set} {path} {name} {policy}"))?;
    }
    Ok(())
}

/// Until the house goes out by the relay: the internet sees the server's address.
fn wait_carried(house: &mut House) -> Result<()> {
    const MODE: &str = "busctl get-property org.porchlight.Wan1 /org/porchlight/Wan1 \
                        org.porchlight.Wan1 Mode";
    wait_in_guest(house.machine(), "the tunnel", MODE, |mode| mode.trim() == "s \"tunnel\"")?;
    house.wait_until("a page through the relay", ANSWER_WITHIN, |world| {
        let page = world.client().fetch(INTERNET_PAGE, ATTEMPT).ok()?;
        (page.from_ip == Some(IpAddr::V4(VPS_V4))).then_some(())
    })
}

/// Until the computer on the LAN has an address of the prefix that the relay routes to this box,
/// the first that it gives away, and the internet sees that very address.
fn a_computer_has_an_address_of_the_relay(house: &mut House) -> Result<Ipv6Addr> {
    let [a, b, c, ..] = VPS_ROUTED_V6.segments();
    let address = house.wait_until("an address of the relay", ANSWER_WITHIN, |world| {
        let found = addresses(world, "-deprecated").ok()?;
        found.into_iter().find(|address| address.segments()[..4] == [a, b, c, 1])
    })?;
    house.wait_until("a page from that address", ANSWER_WITHIN, |world| {
        is_seen_as(world, address).ok()
    })?;
    tell(&format!("the internet sees {address}"));
    Ok(address)
}

/// The global IPv6 addresses of the computer on the LAN that are, or are not, `kind`.
fn addresses(world: &World, kind: &str) -> Result<Vec<Ipv6Addr>> {
    let client = world.client().namespace();
    let lines = client.ip(&format!("-6 -oneline addr show dev lan0 scope global {kind}"))?;
    let words = lines.lines().filter_map(|line| line.split_whitespace().nth(3));
    Ok(words.filter_map(|word| word.split_once('/')?.0.parse().ok()).collect())
}

fn is_seen_as(world: &World, address: Ipv6Addr) -> Result<()> {
    let page = world.client().fetch_over(AddressFamily::V6, INTERNET_PAGE, ATTEMPT)?;
    ensure!(page.from_ip == Some(IpAddr::V6(address)), "{:?}, not {address}", page.from_ip);
    Ok(())
}

/// Its relay forgotten, the house still has the address for a while, but begins nothing with it.
fn without_a_relay_its_address_is_used_no_more(house: &mut House, address: Ipv6Addr) -> Result<()> {
    shell(house.machine(), "rm /var/lib/wan/relay")?;
    house.wait_until("the address to be deprecated", ANSWER_WITHIN, |world| {
        addresses(world, "deprecated").ok()?.contains(&address).then_some(())
    })?;
    house.wait_until("a page over IPv6 without it", ANSWER_WITHIN, |world| {
        let page = world.client().fetch_over(AddressFamily::V6, INTERNET_PAGE, ATTEMPT).ok()?;
        page.from_ip.filter(|from| *from != IpAddr::V6(address))
    })?;
    Ok(())
}

/// The household's traffic while something happens to the box.
struct Scene {
    stream: Stream,
    flows: Flows,
}

/// What became of it.
struct Outcome {
    stream: StreamReport,
    alive: usize,
    connections: usize,
}

impl Scene {
    /// Begins when messages go both ways.
    fn begin(world: &World) -> Result<Self> {
        let (near, far, meter) = (world.client().namespace(), world.internet(), METER_V4.into());
        let channel = udp_channel(near, &far, meter)?;
        let stream = Stream::start(&channel, 1, CALL, world.clock())?;
        let flows = Flows::start(None, near, &far, meter, &CONNECTIONS, world.clock())?;
        let scene = Self { stream, flows };
        scene.wait_messages(300, world)?;
        Ok(scene)
    }

    /// Until so many more messages have come, each way.
    fn wait_messages(&self, more: u64, world: &World) -> Result<()> {
        let before = self.stream.arrived();
        let come = || {
            let now = self.stream.arrived();
            now.iter().zip(before).all(|(now, before)| *now >= before + more).then_some(())
        };
        let what = format!("{more} more messages each way");
        Ok(qemu_tests::wait::wait_until(&what, ANSWER_WITHIN, || world.dump(), come)?)
    }

    /// Ends when ten more seconds' messages have come.
    fn end(self, world: &World) -> Result<Outcome> {
        let from = world.clock().now();
        self.wait_messages(1_000, world)?;
        let last = world.clock().now().saturating_since(from).max(ALIVE_IN);
        let last = from..from + last;
        let reports = self.flows.finish();
        let lives = |flow: &&_| survival(flow, &last) == Survival::Alive;
        let alive = reports.iter().filter(lives).count();
        Ok(Outcome { stream: self.stream.finish(), alive, connections: reports.len() })
    }
}

fn survival(flow: &qemu_tests::meter::shell::FlowReport, last: &Range<Instant>) -> Survival {
    flow.survival(last, ALIVE_BYTES)
}

impl Outcome {
    /// The longest gap in that time, up and down.
    fn gaps(&self, range: &Range<Instant>) -> [Gap; 2] {
        [&self.stream.up, &self.stream.down].map(|way| way.longest_gap(range))
    }

    /// Messages sent in that time, and those of them that never came, both ways.
    fn losses(&self, range: &Range<Instant>) -> (u64, u64) {
        let ways = [&self.stream.up, &self.stream.down].map(|way| way.losses(range));
        (ways.iter().map(|way| way.sent).sum(), ways.iter().map(|way| way.lost).sum())
    }

    fn all_connections_live(&self) -> Result<()> {
        let Self { alive, connections, .. } = self;
        ensure!(alive == connections, "{alive} of {connections} connections live on");
        Ok(())
    }
}

fn millis(gaps: [Gap; 2]) -> [u128; 2] {
    gaps.map(|gap| gap.length().as_millis())
}

/// Frames that the link has put on its wire and lost, both ways.
fn lost_by(world: &World, uplink: Uplink) -> u64 {
    let status = world.uplink(uplink).status();
    status.up.counters.lost + status.down.counters.lost
}

/// Three handovers of the dish at least, with the house on it.
fn starlinks_handovers_pass_unnoticed(house: &mut House) -> Result<()> {
    let world = house.world();
    let scene = Scene::begin(world)?;
    let (begun, lost_before) = (world.clock().now(), lost_by(world, Uplink::Starlink));
    scene.wait_messages(4_500, world)?;
    let range = begun..world.clock().now();
    let link_lost = lost_by(world, Uplink::Starlink) - lost_before;
    let outcome = scene.end(world)?;
    let (gaps, (sent, lost)) = (outcome.gaps(&range), outcome.losses(&range));
    let told = format!(
        "handovers: gaps {:?} ms, {lost} of {sent} messages lost where the dish lost {link_lost} \
         frames",
        millis(gaps)
    );
    tell(&told);
    ensure!(link_lost > 0, "{told}: expected handovers that lose something");
    // A box in time loses none. One that its busy host holds up loses some by itself.
    ensure!(lost <= link_lost, "{told}: expected fewer than those");
    ensure!(gaps.iter().all(|gap| !gap.open && gap.length() <= NOTICED), "{told}");
    outcome.all_connections_live()
}

/// The uplink in use swallows everything without a word.
fn a_silent_black_hole_is_survived(house: &mut House, address: Ipv6Addr) -> Result<()> {
    let world = house.world();
    let scene = Scene::begin(world)?;
    let begun = world.clock().now();
    world.uplink(Uplink::Starlink).fault(&Fault::Cut)?;
    scene.wait_messages(1_000, world)?;
    names_are_answered(world).context("on the uplink that is left")?;
    is_seen_as(world, address).context("on the uplink that is left")?;
    let healed = world.clock().now();
    world.uplink(Uplink::Starlink).fault(&Fault::Heal)?;
    let outcome = scene.end(world)?;
    let gaps = outcome.gaps(&(begun..healed));
    let settled = gaps.map(|gap| gap.to).into_iter().max().unwrap_or(begun) + SETTLED;
    let (sent, lost) = outcome.losses(&(begun..healed));
    let (after, lost_after) = outcome.losses(&(settled..healed));
    let told = format!(
        "a silent black hole: gaps {:?} ms, {lost} of {sent} messages lost, {lost_after} of the \
         last {after}",
        millis(gaps)
    );
    tell(&told);
    ensure!(gaps.iter().all(|gap| !gap.open && gap.length() <= NOTICED), "{told}");
    ensure!(after > 0 && lost_after == 0, "{told}: expected none once it had settled");
    outcome.all_connections_live()?;
    names_are_answered(world).context("with both uplinks back")
}

fn names_are_answered(world: &World) -> Result<()> {
    let found = world.client().resolve("web.internet.test", AddressFamily::V4, ATTEMPT)?;
    ensure!(!found.is_empty(), "web.internet.test has no address");
    Ok(())
}

/// What carries the house is killed; the LAN has its routes, and the call goes on. Connections
/// are told and not asserted: some boots keep them all, others none.
fn killed_it_comes_back(house: &mut House) -> Result<()> {
    const LAN_ROUTES: &str = "ip route show dev lan0; ip -6 route show dev lan0";
    let before = main_process(house.machine())?;
    let standing = shell(house.machine(), LAN_ROUTES)?;
    let scene = Scene::begin(house.world())?;
    let killed = house.world().clock().now();
    shell(house.machine(), &format!("kill -KILL {before}"))?;
    assert_eq!(shell(house.machine(), LAN_ROUTES)?, standing, "the LAN's routes");
    wait_in_guest(house.machine(), "wan to be back", super::MAIN_PROCESS, |word| {
        word.trim().parse().is_ok_and(|process: u32| process != before)
    })?;
    wait_carried(house)?;
    let world = house.world();
    let back = world.clock().now();
    let outcome = scene.end(world)?;
    let gaps = outcome.gaps(&(killed..back));
    let (sent, lost) = outcome.losses(&(killed..back));
    let (alive, all) = (outcome.alive, outcome.connections);
    tell(&format!(
        "killed: gaps {:?} ms, {lost} of {sent} messages lost, {alive} of {all} connections live",
        millis(gaps)
    ));
    ensure!(gaps.iter().all(|gap| !gap.open), "the call does not go on");
    Ok(())
}

/// Nothing leads out for a minute; then everything is as before, and nobody did anything.
fn a_minute_without_any_uplink_ends_by_itself(house: &mut House) -> Result<()> {
    let world = house.world();
    let scene = Scene::begin(world)?;
    let begun = world.clock().now();
    for uplink in Uplink::ALL {
        world.uplink(uplink).fault(&Fault::Cut)?;
    }
    let minute = || (world.clock().now() >= begun + MINUTE).then_some(());
    qemu_tests::wait::wait_until("a minute", 2 * MINUTE, String::new, minute)?;
    let healed = world.clock().now();
    for uplink in Uplink::ALL {
        world.uplink(uplink).fault(&Fault::Heal)?;
    }
    wait_carried(house)?;
    let world = house.world();
    let back = world.clock().now().saturating_since(healed);
    let outcome = scene.end(world)?;
    let gaps = outcome.gaps(&(begun..world.clock().now()));
    let (alive, all) = (outcome.alive, outcome.connections);
    tell(&format!(
        "a minute without uplinks: a page {back:?} after, gaps {:?} ms, {alive} of {all} \
         connections live",
        millis(gaps)
    ));
    // The hole was real, and it ended.
    ensure!(gaps.iter().all(|gap| !gap.open && gap.length() >= MINUTE), "gaps {:?}", millis(gaps));
    names_are_answered(world)
}

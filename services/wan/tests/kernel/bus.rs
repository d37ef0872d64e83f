//! What the program says on the bus, and what may be changed there.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bus::wan::{Health, Mode, Policy, State, WanStatus, path_of};
use futures_util::StreamExt;
use nix::sys::signal::Signal;
use zbus::fdo::Properties;
use zbus::names::InterfaceName;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, MatchRule, MessageStream, OwnedObjectPath, interface};

use crate::private_bus::PrivateBus;
use crate::world::World;
use crate::{BROADBAND, STARLINK, house};

/// Longest wait for anything. A pass takes milliseconds; this is for a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn policy_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../recipes/wan/root/usr/share/dbus-1/system.d/org.porchlight.Wan1.conf")
}

/// Reads until `good`, whatever the program is doing meanwhile.
pub(crate) async fn read_until(
    connection: &Connection,
    what: &str,
    good: impl Fn(&WanStatus) -> bool,
) -> WanStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = bus::wan::read_status(connection).await;
        if let Ok(status) = &status
            && good(status)
        {
            return status.clone();
        }
        assert!(Instant::now() < deadline, "waited for {what}; the last answer was {status:?}");
        tokio::task::yield_now().await;
    }
}

fn policy(status: &WanStatus, name: &str) -> Option<Policy> {
    let uplink = status.uplinks.iter().find(|uplink| uplink.name == name);
    uplink.map(|uplink| uplink.policy)
}

/// A network manager that tells of one lease.
#[derive(Clone)]
struct FakeNetworkd(Arc<Mutex<String>>);

#[interface(name = "org.freedesktop.network1.Manager")]
impl FakeNetworkd {
    fn describe(&self) -> String {
        self.0.lock().expect("no test panics while it speaks").clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_provider_that_lets_nobody_ask_strangers_is_no_outage() {
    let Some(house) = house(&[BROADBAND]) else { return };
    let house = house.with_page();
    let server = house.bar_strangers(BROADBAND).octets();
    let bus = PrivateBus::start(&[bus::network1::NAME], Some((&policy_file(), "wan")));
    let lease =
        format!(r#"{{"Interfaces":[{{"Name":"{BROADBAND}","DNS":[{{"Address":{server:?}}}]}}]}}"#);
    let networkd = FakeNetworkd(Arc::new(Mutex::new(lease)));
    let manager = bus.connect().await;
    let path = bus::network1::PATH;
    manager.object_server().at(path, networkd.clone()).await.expect("served");
    manager.request_name(bus::network1::NAME).await.expect("the test may own it");

    let _world = World::start_on(house, Some(bus.address()));
    let reader = bus.connect().await;
    let answered = |status: &WanStatus| status.uplinks[0].rtt_micros > 0;
    let status = read_until(&reader, "the lease's server to answer", answered).await;
    assert_ne!(status.manager.state, State::Offline);
    let up = |status: &WanStatus| status.uplinks[0].health == Health::Up;
    read_until(&reader, "the uplink to be up", up).await;

    // Nobody is left who would answer.
    *networkd.0.lock().expect("no test panics") = String::from(r#"{"Interfaces":[]}"#);
    let emitter = SignalEmitter::new(&manager, path).expect("a path");
    let interface = InterfaceName::from_static_str_unchecked("org.freedesktop.network1.Manager");
    Properties::properties_changed(&emitter, interface, [].into(), (&[][..]).into())
        .await
        .expect("the signal is sent");
    let offline = |status: &WanStatus| status.manager.state == State::Offline;
    read_until(&reader, "silence to be believed", offline).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_bus_follows_the_uplinks() {
    let Some(house) = house(&[BROADBAND, STARLINK]) else { return };
    let bus = PrivateBus::start(&[], Some((&policy_file(), "wan")));
    let world = World::start_on(house, Some(bus.address()));
    let reader = bus.connect().await;
    let online = |status: &WanStatus| status.manager.state == State::Online;
    let status = read_until(&reader, "both uplinks", online).await;
    assert_eq!(status.manager.mode, Mode::Direct);
    assert_eq!(status.manager.active, [path_of(BROADBAND)]);
    assert_eq!(status.manager.uplinks, [path_of(BROADBAND), path_of(STARLINK)]);
    assert_eq!(status.uplinks[0].availability.len(), 288);

    let rule = MatchRule::builder().interface(bus::wan::INTERFACE).member("Switched");
    let rule = rule.build().expect("these are names");
    let mut switches = MessageStream::for_match_rule(rule, &reader, None).await.expect("allowed");
    let mut changes = bus::wan::changes(&reader).await.expect("allowed");
    world.house.unplug(BROADBAND);
    assert!(changes.next().await, "a change is signalled");
    let (from, to, why, gap, lost) = loop {
        let next = tokio::time::timeout(PATIENCE, switches.next()).await;
        let switch = next.expect("it is signalled").expect("the bus is there");
        let switch: (OwnedObjectPath, OwnedObjectPath, String, u32, u32) =
            switch.expect("it is a message").body().deserialize().expect("as the contract says");
        // The first of all, from no uplink, may come this late.
        if switch.0.as_str() != "/" {
            break switch;
        }
    };
    assert_eq!((from, to), (path_of(BROADBAND), path_of(STARLINK)));
    assert_eq!((why.as_str(), gap, lost), ("the other lost its carrier", 0, 0));
    let degraded = |status: &WanStatus| status.manager.state == State::Degraded;
    let status = read_until(&reader, "the loss", degraded).await;
    assert_eq!(status.uplinks[0].health, Health::Down);
    let decisions = bus::wan::read_decisions(&reader).await.expect("allowed");
    let last = decisions.last().expect("it decided");
    assert_eq!(last.action, format!("new flows take {STARLINK}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_the_owner_sets_holds_and_survives_the_power() {
    let Some(house) = house(&[BROADBAND, STARLINK]) else { return };
    let bus = PrivateBus::start(&[], Some((&policy_file(), "wan")));
    let mut world = World::start_on(house, Some(bus.address()));
    let owner = bus.connect().await;
    read_until(&owner, "both uplinks", |status| status.manager.state == State::Online).await;
    bus::wan::set_policy(&owner, BROADBAND, Policy::Backup).await.expect("root may");
    bus::wan::set_cap_bytes(&owner, STARLINK, 50_000_000_000).await.expect("root may");
    let status = bus::wan::read_status(&owner).await.expect("it answers");
    assert_eq!(policy(&status, BROADBAND), Some(Policy::Backup), "it holds when it is answered");
    world.wait_for_main(STARLINK);

    let refused = bus::wan::set_policy(&owner, BROADBAND, Policy::Unknown).await;
    let refused = refused.expect_err("no such policy").to_string();
    assert!(refused.contains("org.porchlight.Error.Invalid"), "{refused}");
    assert!(refused.contains("expected primary, secondary, backup or never"), "{refused}");

    world.kill(Signal::SIGKILL);
    world.restart();
    let kept = |status: &WanStatus| status.manager.state == State::Online;
    let status = read_until(&owner, "the next start", kept).await;
    assert_eq!(policy(&status, BROADBAND), Some(Policy::Backup));
    assert_eq!(status.uplinks[1].cap_bytes, 50_000_000_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_installed_policy_lets_everybody_read_and_only_root_write() {
    let Some(house) = house(&[BROADBAND, STARLINK]) else { return };
    // The test is root here; as somebody else it would be refused what root may.
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let file = folder.path().join("policy.conf");
    let text = std::fs::read_to_string(policy_file()).expect("the recipe has a policy");
    std::fs::write(&file, text.replace("user=\"root\"", "user=\"nobody\"")).expect("it is ours");
    let bus = PrivateBus::start(&[], Some((&file, "wan")));
    let _world = World::start_on(house, Some(bus.address()));
    let reader = bus.connect().await;
    let online = |status: &WanStatus| status.manager.state == State::Online;
    read_until(&reader, "both uplinks", online).await;
    assert!(bus::wan::read_decisions(&reader).await.is_ok());
    let refused = bus::wan::set_policy(&reader, BROADBAND, Policy::Never).await;
    let refused = refused.expect_err("writing was allowed");
    assert!(refused.to_string().contains("AccessDenied"), "{refused}");
}

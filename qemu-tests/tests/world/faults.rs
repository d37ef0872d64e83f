//! Each fault shows what it should, and does not without it.

use std::net::IpAddr;

use qemu_tests::emulator::Fault;
use qemu_tests::world::{AddressFamily, Uplink};

use super::*;

impl House {
    /// Puts a fault, as written on the command line, on broadband.
    fn fault(&self, line: &str) {
        self.fault_on(Uplink::Broadband, line);
    }

    fn fault_on(&self, uplink: Uplink, line: &str) {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        let fault = Fault::from_words(&words).expect("the tests know the names of faults");
        let done = self.world.uplink(uplink).fault(&fault);
        done.unwrap_or_else(|error| panic!("{line}: {error:#}"));
    }

    /// Fetches once, with the page's length in bytes.
    fn bulk(&self, bytes: usize, deadline: Duration) -> anyhow::Result<FetchReport> {
        let url = format!("http://web.internet.test/bulk/{bytes}");
        let report = self.world.client().fetch(&url, deadline)?;
        anyhow::ensure!(report.body.len() == bytes, "{} of {bytes} bytes", report.body.len());
        Ok(report)
    }

    /// Fetches that must work.
    fn bulk_now(&self, bytes: usize) -> FetchReport {
        let fetched = self.bulk(bytes, DEADLINE);
        fetched.unwrap_or_else(|error| panic!("{error:#}\n{}", self.world.dump()))
    }
}

#[test]
fn cuts_swallow_in_their_direction() {
    let house = house("calm");
    house.fetch_until("a page", |_| true);
    // A request that does not go up has no answer to lose, but a provider says things unasked.
    for (line, up_cut, down_cut) in [
        ("cut", Some(true), None),
        ("cut-one-way direction=up", Some(true), Some(false)),
        ("cut-one-way direction=down", Some(false), Some(true)),
    ] {
        let before = house.world.uplink(Uplink::Broadband).status();
        house.fault(line);
        assert!(house.world.client().fetch(PAGE, BRIEFLY).is_err(), "{line}: a page came");
        let after = house.world.uplink(Uplink::Broadband).status();
        let up = after.up.counters.cut > before.up.counters.cut;
        let down = after.down.counters.cut > before.down.counters.cut;
        assert!(up_cut.is_none_or(|expected| expected == up), "{line}: up {up}");
        assert!(down_cut.is_none_or(|expected| expected == down), "{line}: down {down}");
        house.fault("heal");
        house.fetch_until("the page after healing", |_| true);
    }
}

#[test]
fn a_longer_way_and_a_lower_rate_take_their_time() {
    const BYTES: usize = 250_000;
    let house = house("calm");
    house.fetch_until("a page", |_| true);
    // The negative control: without the fault it does go faster, if not each time.
    let faster = |what: &str, than: Duration, fetch: &dyn Fn() -> anyhow::Result<FetchReport>| {
        let quick = || fetch().ok().filter(|report| report.took < than);
        wait_until(what, DEADLINE, || house.world.dump(), quick)
            .unwrap_or_else(|error| panic!("{error}"));
    };
    // 2 Mbit at a tenth of 50 Mbit/s.
    let at_least = Duration::from_millis(380);
    faster("a quick download", at_least, &|| house.bulk(BYTES, DEADLINE));
    house.fault("rate percent=10");
    let slow = house.bulk_now(BYTES).took;
    assert!(slow >= at_least, "{slow:?}");
    house.fault("heal");
    // A name, a connection and a page: at least two round trips.
    let at_least = Duration::from_secs(1);
    faster("a quick page", at_least, &|| house.world.client().fetch(PAGE, DEADLINE));
    house.fault("round-trip extra=500ms");
    let far = house.world.client().fetch(PAGE, DEADLINE).unwrap().took;
    assert!(far >= at_least, "{far:?}");
}

#[test]
fn a_small_mtu_is_learnt_by_icmp_and_a_black_hole_without() {
    const BYTES: usize = 100_000;
    let house = house("calm");
    house.fetch_until("a page", |_| true);
    house.bulk_now(BYTES);
    // Without a word first: with it, the server would remember the path for ten minutes.
    house.fault("mtu bytes=1300 icmp=false");
    assert!(house.bulk(BYTES, BRIEFLY).is_err(), "a black hole let a large page through");
    assert!(house.world.uplink(Uplink::Broadband).status().down.counters.too_big > 0);
    house.world.client().fetch(PAGE, DEADLINE).expect("small packets still pass");
    house.fault("heal");
    house.fault("mtu bytes=1300 icmp=true");
    house.bulk_now(BYTES);
}

#[test]
fn wire_errors_show_in_the_counters() {
    const BYTES: usize = 300_000;
    let house = house("calm");
    house.fetch_until("a page", |_| true);
    house.fault("corrupt probability=1.0");
    assert!(house.world.client().fetch(PAGE, BRIEFLY).is_err(), "checksums let errors through");
    house.fault("heal");
    house.fault("duplicate probability=0.5");
    house.fault("reorder probability=0.02 by=15ms");
    house.bulk_now(BYTES);
    let counters = house.world.uplink(Uplink::Broadband).status().down.counters;
    for count in [counters.corrupted, counters.duplicated, counters.reordered] {
        assert!(count > 0, "{counters:?}");
    }
}

#[test]
fn a_decay_slows_downloads() {
    const BYTES: usize = 250_000;
    let house = house("calm");
    house.fetch_until("a page", |_| true);
    house.fault("decay percent=5 over=2s");
    // At the end of the decay these 2 Mbit take 0.8 s at 2.5 Mbit/s.
    let withered = || {
        let took = house.bulk(BYTES, DEADLINE).ok()?.took;
        (took >= Duration::from_millis(750)).then_some(took)
    };
    wait_until("the decay", DEADLINE, || house.world.dump(), withered).unwrap();
}

#[test]
fn changed_addresses_end_the_old_and_give_new_ones() {
    let house = house("calm");
    let old = house.fetch_until("a page", |_| true).from_ip;
    house.fault("address-change");
    assert!(house.world.client().fetch(PAGE, BRIEFLY).is_err(), "the old address still works");
    let lease = house.router.dial(Uplink::Broadband).unwrap();
    let new = house.fetch_until("a page from the new address", |_| true).from_ip;
    assert_ne!(new, old);
    assert_eq!(new, Some(IpAddr::V4(lease.address)));
    // The new IPv6 prefix comes by itself, and is preferred to the old one.
    let prefix = house.world.uplink(Uplink::Broadband).addresses().prefix_v6.segments();
    let renumbered = || {
        let fetched = house.world.client().fetch_over(AddressFamily::V6, PAGE, BRIEFLY).ok()?;
        match fetched.from_ip? {
            IpAddr::V6(from) => (from.segments()[..4] == prefix[..4]).then_some(()),
            IpAddr::V4(_) => None,
        }
    };
    wait_until("a page from the new prefix", DEADLINE, || house.world.dump(), renumbered)
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_rebinding_shows_another_address() {
    let house = house("calm");
    house.fetch_until("a page", |_| true);
    house.fault("carrier-down");
    let old = house.fetch_until("a page by Starlink", |_| true).from_ip;
    for _ in 0..2 {
        house.fault_on(Uplink::Starlink, "nat-rebinding");
        let new = house.fetch_until("a page after the rebinding", |_| true).from_ip;
        assert_ne!(new, old);
    }
}

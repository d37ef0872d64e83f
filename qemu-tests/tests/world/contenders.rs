//! Those who are measured do what they are known for, and ours is called as it says.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use qemu_tests::bench::wan::contender::{Contender, Mptcp, Policy, Porchlight, Rebind, Site};
use qemu_tests::emulator::Fault;
use qemu_tests::meter::shell::{Channel, Stream, StreamPlan, StreamReport};
use qemu_tests::world::Uplink;

use super::*;

impl House {
    fn site<'a>(&'a self, folder: &'a Path) -> Site<'a> {
        Site {
            world: &self.world,
            policies: [Policy::Primary, Policy::Secondary],
            leases: Uplink::ALL.map(|uplink| self.router.lease(uplink)),
            folder,
            programs: folder,
        }
    }

    /// A call by that channel during which broadband swallows everything until messages pass again.
    fn call_across_a_cut(
        &self,
        channel: &Channel,
    ) -> (StreamReport, std::ops::Range<units::Instant>) {
        let clock = self.world.clock();
        let stream = Stream::start(channel, 1, StreamPlan::CALL, clock).expect("threads");
        let wait_for = |what: &str, more: u64| {
            let enough = stream.arrived().map(|count| count + more);
            let there = || {
                let now = stream.arrived();
                (now[0] >= enough[0] && now[1] >= enough[1]).then_some(())
            };
            wait_until(what, DEADLINE, || self.world.dump(), there)
                .unwrap_or_else(|error| panic!("{error}"));
        };
        wait_for("a call", 400);
        let begun = clock.now();
        self.world.uplink(Uplink::Broadband).fault(&Fault::Cut).expect("a link");
        // What is on its way still arrives; more than that must come by the other uplink.
        wait_for("the call by the other uplink", 300);
        let over = clock.now();
        (stream.finish(), begun..over)
    }
}

#[test]
fn multipath_tcp_moves_and_loses_nothing() {
    let house = house_without_client(shipped("calm"));
    let folder = tempfile::tempdir().unwrap();
    let site = house.site(folder.path());
    let channel = Mptcp.start(&site).unwrap().channel(&site).unwrap();
    let (report, cut) = house.call_across_a_cut(&channel);
    for journal in [&report.up, &report.down] {
        assert_eq!(journal.losses(&journal.whole()).lost, 0);
        // Nobody notices a silent link at once: at least a retransmission must be missed.
        let gap = journal.longest_gap(&cut).length();
        assert!(gap >= Duration::from_millis(50), "{gap:?}");
    }
}

#[test]
fn a_rebound_connection_moves_after_two_lost_pings() {
    let house = house_without_client(shipped("calm"));
    let folder = tempfile::tempdir().unwrap();
    let site = house.site(folder.path());
    let running = Rebind.start(&site).unwrap();
    let channel = running.channel(&site).unwrap();
    let (report, cut) = house.call_across_a_cut(&channel);
    assert_eq!(running.switches().unwrap(), Some(1));
    for journal in [&report.up, &report.down] {
        let gap = journal.longest_gap(&cut);
        assert!(gap.length() >= Duration::from_secs(1), "{gap:?}");
        assert!(journal.losses(&cut).lost > 0);
    }
}

#[test]
fn ours_is_called_as_agreed() {
    let house = house_without_client(shipped("calm"));
    let folder = tempfile::tempdir().unwrap();
    let calls = folder.path().join("calls");
    for name in ["relay", "wan"] {
        let program = folder.path().join(name);
        let script = format!(
            "#!/bin/sh\necho {name} \"$@\" >>{}\n\
             case $1 in enroll) echo the-line;; serve|run) exec sleep 600;; esac\n",
            calls.display()
        );
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    // The folders of state have the programs' names.
    let state = tempfile::tempdir().unwrap();
    let site = Site { folder: state.path(), ..house.site(folder.path()) };
    let running = Porchlight::AsItComes.start(&site).unwrap();
    let four = || {
        let text = std::fs::read_to_string(&calls).ok()?;
        (text.lines().count() == 4).then_some(text)
    };
    let text = wait_until("four calls", DEADLINE, || running.dump(), four).unwrap();
    let at = state.path().display();
    let mut expected = [
        format!("relay enroll --state {at}/relay --address 192.0.2.200:443 bench"),
        format!(
            "relay serve --state {at}/relay --listen 192.0.2.200:443 \
             --listen [2001:db8:1::200]:443 --inner-v6 2001:db8:77::/48"
        ),
        format!("wan join --state {at}/wan the-line"),
        format!("wan run {at}/wan.toml"),
    ];
    let mut found: Vec<_> = text.lines().collect();
    // The relay starts beside the rest.
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    let settings: toml::Table =
        std::fs::read_to_string(state.path().join("wan.toml")).unwrap().parse().unwrap();
    assert_eq!(settings["bus"].as_bool(), Some(false));
    assert_eq!(settings["uplink"][1]["policy"].as_str(), Some("secondary"));
    // There is nobody behind the socket: a question is an error, not a wait.
    assert!(running.switches().is_err());
    assert_eq!(running.processes().len(), 1);
}

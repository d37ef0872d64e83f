//! The cables of a QEMU guest, without a guest: QEMU's own datagram sockets, bridged by QEMU to TAP
//! devices of a namespace that plays the box.

use std::path::Path;
use std::process::{Child, Stdio};

use qemu_tests::emulator::port::QemuPort;
use qemu_tests::world::{Namespace, QemuPorts};

use super::*;

/// A QEMU that has no machine, only cables. Ends when dropped.
struct Cables(Child);

impl Cables {
    fn plug(space: &Namespace, ports: &QemuPorts, log: &Path) -> std::io::Result<Self> {
        let mut command = space.command("qemu-system-x86_64");
        command.args(["-machine", "none", "-nodefaults", "-display", "none"]);
        let cables = [
            ("lan0", &ports.lan0),
            ("broadband0", &ports.broadband0),
            ("starlink0", &ports.starlink0),
        ];
        for (number, (name, port)) in cables.into_iter().enumerate() {
            let QemuPort { qemu_path, world_path } = port;
            let (qemu, world) = (qemu_path.display(), world_path.display());
            command.arg("-netdev").arg(format!(
                "dgram,id=d{number},local.type=unix,local.path={qemu},\
                 remote.type=unix,remote.path={world}"
            ));
            let tap = format!("tap,id=t{number},ifname={name},script=no,downscript=no");
            command.arg("-netdev").arg(tap);
            for end in ["d", "t"] {
                let hub = format!("hubport,id=h{end}{number},hubid={number},netdev={end}{number}");
                command.arg("-netdev").arg(hub);
            }
        }
        let log = std::fs::File::create(log)?;
        Ok(Self(command.stdout(Stdio::null()).stderr(log).spawn()?))
    }
}

impl Drop for Cables {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_guest_comes_goes_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let ports = QemuPorts::in_folder(folder.path());
    let log = folder.path().join("qemu.log");
    // The world is there before the guest.
    let world = World::build(shipped("calm"), BoxKind::Qemu(ports.clone())).unwrap();
    assert!(world.client().lease(Duration::ZERO).is_err(), "nobody is there yet");
    for boot in 0..2 {
        let space = Namespace::create("guest").unwrap();
        let _cables = Cables::plug(&space, &ports, &log).unwrap();
        let dump = || format!("{}\n{}", std::fs::read_to_string(&log).unwrap(), world.dump());
        let up = || {
            ["lan0", "broadband0", "starlink0"]
                .map(|name| space.ip(&format!("link set {name} up")).is_ok())
        };
        let all_up = || (up() == [true; 3]).then_some(());
        wait_until("QEMU's TAP devices", DEADLINE, dump, all_up).unwrap_or_else(|e| panic!("{e}"));
        let _router = Router::start(&space).unwrap_or_else(|error| panic!("{error:#}\n{}", dump()));
        let lease = world.client().lease(DEADLINE);
        lease.unwrap_or_else(|error| panic!("boot {boot}: {error:#}\n{}", dump()));
        let fetch = || world.client().fetch(PAGE, BRIEFLY).ok();
        let report = wait_until("a page", DEADLINE, dump, fetch).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(report.status, 200);
        // A megabyte in one go: the sockets' short queues must lose none of it for good.
        let bulk = world.client().fetch("http://web.internet.test/bulk/1000000", DEADLINE).unwrap();
        assert_eq!(bulk.body.len(), 1_000_000);
    }
    assert!(world.client().fetch(PAGE, BRIEFLY).is_err(), "nobody is there any more");
}

//! Building the world around a box.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use tempfile::TempDir;

use super::address_plan::Uplink;
use super::carrier::Cables;
use super::client::{Client, LAN};
use super::control::Control;
use super::internet::Internet;
use super::namespace::Namespace;
use super::provider::{CUSTOMER, Provider};
use super::relay_host;
use super::scenario::{Replay, Scenario};
use super::timeline::Timeline;
use super::uplink::{CarrierSwitch, UplinkHandle};
use crate::emulator::port::QemuPort;
use crate::emulator::shell::{Clock, FramePort, Link, LinkOptions, QemuSocket, Tap};
use crate::emulator::{LinkSpecification, ReplayPhase};

/// What the world is built around.
#[derive(Clone, Debug)]
pub enum BoxKind {
    /// A namespace with the interfaces `lan0`, `broadband0` and `starlink0`, for daemons that run
    /// on this machine.
    Namespace,
    /// A QEMU guest whose NICs are these sockets.
    Qemu(QemuPorts),
}

/// The sockets of a guest's three NICs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QemuPorts {
    /// The house.
    pub lan0: QemuPort,
    /// Cable, DSL or fibre.
    pub broadband0: QemuPort,
    /// The dish.
    pub starlink0: QemuPort,
}

impl QemuPorts {
    /// Six sockets in one folder, whose path must leave 20 of a socket path's 107 bytes.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        let port = |name: &str| QemuPort {
            qemu_path: folder.join(format!("{name}.qemu")),
            world_path: folder.join(format!("{name}.world")),
        };
        Self { lan0: port("lan0"), broadband0: port("broadband0"), starlink0: port("starlink0") }
    }

    /// The NIC towards that uplink.
    #[must_use]
    pub const fn uplink(&self, uplink: Uplink) -> &QemuPort {
        match uplink {
            Uplink::Broadband => &self.broadband0,
            Uplink::Starlink => &self.starlink0,
        }
    }
}

/// The simulated world, running. Everything in it ends when this is dropped.
#[derive(Debug)]
pub struct World {
    // Fields end in this order: whoever commands goes before whatever is commanded.
    control: Mutex<Option<Control>>,
    client: Client,
    uplinks: [UplinkHandle; 2],
    internet: Mutex<Internet>,
    vps: Namespace,
    lan: Link,
    box_namespace: Option<Namespace>,
    scenario: Scenario,
    clock: Clock,
    _folder: TempDir,
}

impl World {
    /// Builds it and starts everything but the timeline.
    ///
    /// # Errors
    /// When this process may not, or a tool is missing.
    pub fn build(scenario: Scenario, box_kind: BoxKind) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("world-").tempdir()?;
        let clock = Clock::start();
        let site = Site::new(&scenario, box_kind, clock)?;
        let [broadband, starlink] =
            Uplink::ALL.map(|uplink| Namespace::create(uplink.name()).map(|name| (uplink, name)));
        let (broadband, starlink) = (broadband?, starlink?);
        let internet = Internet::start(
            [(broadband.0, &broadband.1), (starlink.0, &starlink.1)],
            folder.path(),
        )?;
        let vps = relay_host::join(internet.namespace())?;
        let uplinks = [
            site.uplink(broadband.0, broadband.1, folder.path())?,
            site.uplink(starlink.0, starlink.1, folder.path())?,
        ];
        let (client, lan) = site.client(folder.path())?;
        Ok(Self {
            control: Mutex::new(None),
            client,
            uplinks,
            internet: Mutex::new(internet),
            vps,
            lan,
            box_namespace: site.box_side.into_namespace(),
            scenario,
            clock,
            _folder: folder,
        })
    }

    /// The computer on the LAN.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// One of the ways out.
    #[must_use]
    pub const fn uplink(&self, uplink: Uplink) -> &UplinkHandle {
        let [broadband, starlink] = &self.uplinks;
        match uplink {
            Uplink::Broadband => broadband,
            Uplink::Starlink => starlink,
        }
    }

    /// The namespace that stands for the box, if it is one.
    #[must_use]
    pub const fn box_namespace(&self) -> Option<&Namespace> {
        self.box_namespace.as_ref()
    }

    /// The internet's namespace, for servers and tools of your own.
    #[must_use]
    pub fn internet(&self) -> Namespace {
        self.internet.lock().unwrap_or_else(PoisonError::into_inner).namespace().clone()
    }

    /// A virtual server on the internet, for the far end of a tunnel.
    #[must_use]
    pub const fn vps(&self) -> &Namespace {
        &self.vps
    }

    /// The link between the box and the LAN client.
    #[must_use]
    pub const fn lan(&self) -> &Link {
        &self.lan
    }

    /// The clock of all its links.
    #[must_use]
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// From now on, a lost or returned carrier of any uplink is told to `switch`, which makes the
    /// guest see it. A box in a namespace sees it without.
    pub fn on_carrier(&self, switch: &CarrierSwitch) {
        for uplink in &self.uplinks {
            uplink.on_carrier(Arc::clone(switch));
        }
    }

    /// Starts the scenario's timeline.
    ///
    /// # Errors
    /// When there is no thread left.
    pub fn run_timeline(&self) -> anyhow::Result<Timeline> {
        Timeline::start(self.scenario.timeline.clone(), self.uplinks.clone())
    }

    /// Takes commands from other processes at `path` from now on.
    ///
    /// # Errors
    /// When the path cannot be bound.
    pub fn serve_control(&self, path: &Path) -> anyhow::Result<()> {
        let control = Control::start(path, self.uplinks.clone())?;
        *self.control.lock().unwrap_or_else(PoisonError::into_inner) = Some(control);
        Ok(())
    }

    /// An error with the last words of a server of ours that has ended.
    ///
    /// # Errors
    /// Then.
    pub fn check(&self) -> anyhow::Result<()> {
        for uplink in &self.uplinks {
            uplink.provider().check()?;
        }
        self.internet.lock().unwrap_or_else(PoisonError::into_inner).check()
    }

    /// How things stand everywhere, for a person who wonders why something did not happen.
    #[must_use]
    pub fn dump(&self) -> String {
        let mut text = String::new();
        let mut part = |title: String, body: &str| {
            text.push_str(&format!("---- {title}\n{}\n", body.trim_end()));
        };
        if let Err(error) = self.check() {
            part("a server has ended".to_owned(), &format!("{error:#}"));
        }
        let internet = self.internet.lock().unwrap_or_else(PoisonError::into_inner);
        let mut namespaces = vec![self.client.namespace(), internet.namespace(), &self.vps];
        namespaces.extend(&self.box_namespace);
        namespaces.extend(self.uplinks.iter().map(|uplink| uplink.provider().namespace()));
        for namespace in namespaces {
            for line in ["-brief addr", "-4 route", "-6 route", "neigh"] {
                let output = namespace.ip(line).unwrap_or_else(|error| error.to_string());
                part(format!("{}: ip {line}", namespace.name()), &output);
            }
        }
        part("client: lease".to_owned(), &format!("{:?}", self.client.current_lease()));
        for uplink in &self.uplinks {
            let status = uplink.status();
            for (side, status) in [("up", status.up), ("down", status.down)] {
                let title = format!("{} {side}: link", uplink.uplink());
                let timing = status.timing.report();
                let (held_back, absent) = (status.held_back, status.absent);
                let body = format!(
                    "{:?}\nheld back {held_back}, nobody there for {absent}, {timing:?}",
                    status.counters
                );
                part(title, &body);
            }
            part(format!("{}: provider", uplink.uplink()), &uplink.provider().dump());
        }
        text
    }
}

/// The box's end of the links.
enum BoxSide {
    Namespace(Namespace),
    Qemu(QemuPorts),
}

impl BoxSide {
    fn into_namespace(self) -> Option<Namespace> {
        match self {
            Self::Namespace(namespace) => Some(namespace),
            Self::Qemu(_) => None,
        }
    }

    /// The box's end of one link; a TAP device's MAC address ends in `mac`.
    fn port(
        &self,
        interface: &str,
        socket: impl FnOnce(&QemuPorts) -> &QemuPort,
        mac: u8,
    ) -> anyhow::Result<Arc<dyn FramePort>> {
        match self {
            Self::Namespace(namespace) => Ok(tap(namespace, interface, mac)?),
            Self::Qemu(ports) => {
                let port = socket(ports);
                let bound = QemuSocket::bind(port);
                let path = || format!("socket {}", port.world_path.display());
                Ok(Arc::new(bound.with_context(path)?))
            }
        }
    }
}

/// What the parts of a world under construction have in common.
struct Site<'a> {
    scenario: &'a Scenario,
    box_side: BoxSide,
    clock: Clock,
    phase: ReplayPhase,
}

impl<'a> Site<'a> {
    fn new(scenario: &'a Scenario, box_kind: BoxKind, clock: Clock) -> anyhow::Result<Self> {
        let box_side = match box_kind {
            BoxKind::Namespace => BoxSide::Namespace(Namespace::create("box")?),
            BoxKind::Qemu(ports) => BoxSide::Qemu(ports),
        };
        let phase = match scenario.replay {
            Replay::FromStart => ReplayPhase::default(),
            Replay::InStepWithUtc => clock.phase_in_step_with_utc(scenario.handover.duration()),
        };
        Ok(Self { scenario, box_side, clock, phase })
    }

    fn uplink(
        &self,
        uplink: Uplink,
        namespace: Namespace,
        folder: &Path,
    ) -> anyhow::Result<UplinkHandle> {
        let interface = uplink.box_interface();
        // The same addresses every time, so that runs can be compared frame by frame.
        let number = uplink as u8;
        let near = self.box_side.port(interface, |ports| ports.uplink(uplink), 0x10 + number)?;
        let far = tap(&namespace, CUSTOMER, 0x20 + number)?;
        let provider = Provider::start(uplink, namespace, folder)?;
        let addresses = provider.addresses();
        let options = LinkOptions {
            up_too_big: Some(addresses.up_too_big()),
            down_too_big: Some(addresses.down_too_big()),
            ..self.options(interface, number.into())
        };
        let link = Link::start(self.scenario.link(uplink).clone(), options, near, far)?;
        let handle = UplinkHandle::new(uplink, link, provider);
        if let BoxSide::Namespace(namespace) = &self.box_side {
            let cables = Cables::of(namespace)?;
            handle.on_carrier(Arc::new(move |uplink, carrier| {
                cables.set(uplink.box_interface(), carrier)
            }));
        }
        Ok(handle)
    }

    fn client(&self, folder: &Path) -> anyhow::Result<(Client, Link)> {
        let namespace = Namespace::create("client")?;
        let near = self.box_side.port(LAN, |ports| &ports.lan0, 0x30)?;
        let far = tap(&namespace, LAN, 0x31)?;
        let link = Link::start(LinkSpecification::default(), self.options(LAN, 2), near, far)?;
        Ok((Client::new(namespace, folder), link))
    }

    fn options(&self, name: &str, number: u64) -> LinkOptions {
        LinkOptions {
            name: name.to_owned(),
            // A multiplier that keeps the links' draws apart for neighbouring seeds.
            seed: self.scenario.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number),
            phase: self.phase,
            clock: self.clock,
            up_too_big: None,
            down_too_big: None,
        }
    }
}

/// A TAP device in a namespace, with a MAC address that ends in `mac`.
fn tap(namespace: &Namespace, name: &str, mac: u8) -> anyhow::Result<Arc<Tap>> {
    let tap = namespace.run(|| Tap::create(name)).with_context(|| {
        format!("TAP device {name} in {}; it needs /dev/net/tun", namespace.name())
    })?;
    namespace.ip(&format!("link set {name} address 02:00:5e:10:00:{mac:02x} up"))?;
    Ok(Arc::new(tap))
}

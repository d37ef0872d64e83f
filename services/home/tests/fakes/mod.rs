//! The world around `home`: a bus with a network manager, a service manager and a way out that say
//! what the test wants, and the real program started the way systemd starts it.

#[path = "../../../bus/tests/private_bus/mod.rs"]
mod private_bus;
mod wan;

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus::systemd1::UnitRow;
use bus::wan::{Health, State};
pub(crate) use private_bus::PrivateBus;
use tempfile::TempDir;
use wan::FakeWan;
use zbus::fdo::Properties;
use zbus::names::InterfaceName;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, interface};

/// Longest wait for anything in a test. A pass takes milliseconds; this is for a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What the two managers say.
#[derive(Clone, Default)]
pub(crate) struct Sayings(Arc<Mutex<(String, String, Vec<String>)>>);

struct FakeNetworkd(Sayings);

#[interface(name = "org.freedesktop.network1.Manager")]
impl FakeNetworkd {
    fn describe(&self) -> String {
        self.0.0.lock().expect("no test panics while it speaks").0.clone()
    }
}

struct FakeSystemd(Sayings);

#[interface(name = "org.freedesktop.systemd1.Manager")]
impl FakeSystemd {
    #[zbus(property)]
    fn system_state(&self) -> String {
        self.0.0.lock().expect("no test panics while it speaks").1.clone()
    }

    fn list_units_by_patterns(&self, states: Vec<String>, _patterns: Vec<String>) -> Vec<UnitRow> {
        assert_eq!(states, ["failed"]);
        let none = || zbus::OwnedObjectPath::try_from("/").expect("a path");
        let row = |name: &String| UnitRow {
            name: name.clone(),
            description: String::new(),
            load_state: "loaded".into(),
            active_state: "failed".into(),
            sub_state: "failed".into(),
            following: String::new(),
            path: none(),
            job_id: 0,
            job_type: String::new(),
            job_path: none(),
        };
        self.0.0.lock().expect("no test panics while it speaks").2.iter().map(row).collect()
    }
}

/// A bus with both managers and a way out on it.
pub(crate) struct World {
    pub(crate) bus: PrivateBus,
    folder: TempDir,
    sayings: Sayings,
    managers: Connection,
    wan: tokio::sync::Mutex<Option<FakeWan>>,
}

impl World {
    pub(crate) async fn start() -> Self {
        let installed = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../recipes/home/root/usr/share/dbus-1/system.d/org.porchlight.Home1.conf");
        let names = [bus::network1::NAME, "org.freedesktop.systemd1"];
        let served = [names[0], names[1], bus::wan::NAME];
        let bus = PrivateBus::start(&served, Some((&installed, "home")));
        let sayings = Sayings::default();
        let managers = bus.connect().await;
        let server = managers.object_server();
        server.at(bus::network1::PATH, FakeNetworkd(sayings.clone())).await.expect("served");
        let systemd = FakeSystemd(sayings.clone());
        server.at("/org/freedesktop/systemd1", systemd).await.expect("served");
        for name in names {
            managers.request_name(name).await.expect("the test may own it");
        }
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let wan = tokio::sync::Mutex::new(Some(FakeWan::start(&bus).await));
        let world = Self { bus, folder, sayings, managers, wan };
        world.say_system("running", &[]);
        world.say_links("routable", "routable 100", "routable 200").await;
        world
    }

    /// Sets the links' states and, after a blank, their default routes' metrics; and signals it.
    pub(crate) async fn say_links(&self, lan: &str, broadband: &str, starlink: &str) {
        let links = [("lan0", lan), ("broadband0", broadband), ("starlink0", starlink)];
        let json: Vec<String> = links.iter().map(|(name, what)| link_json(name, what)).collect();
        self.sayings.0.lock().expect("no test panics while it speaks").0 =
            format!(r#"{{"Interfaces":[{}]}}"#, json.join(","));
        let emitter = SignalEmitter::new(&self.managers, bus::network1::PATH).expect("a path");
        let manager = InterfaceName::from_static_str_unchecked("org.freedesktop.network1.Manager");
        Properties::properties_changed(&emitter, manager, [].into(), (&[][..]).into())
            .await
            .expect("the signal is sent");
    }

    /// Sets what the way out says, and signals it; one that has died comes back.
    pub(crate) async fn say_wan(&self, state: State, broadband: Health, starlink: Health) {
        let mut wan = self.wan.lock().await;
        if wan.is_none() {
            *wan = Some(FakeWan::start(&self.bus).await);
        }
        wan.as_ref().expect("it has just come back").say(state, broadband, starlink).await;
    }

    /// The way out dies.
    pub(crate) async fn lose_wan(&self) {
        if let Some(wan) = self.wan.lock().await.take() {
            wan.die().await;
        }
    }

    /// Sets the system's state and the failed units. systemd signals neither.
    pub(crate) fn say_system(&self, state: &str, failed: &[&str]) {
        let mut sayings = self.sayings.0.lock().expect("no test panics while it speaks");
        state.clone_into(&mut sayings.1);
        sayings.2 = failed.iter().map(|&name| name.to_owned()).collect();
    }
}

fn link_json(name: &str, what: &str) -> String {
    let (state, routes) = match what.split_once(' ') {
        Some((state, metric)) => (
            state,
            format!(
                r#"{{"Family":2,"DestinationPrefixLength":0,"Priority":{metric},"Table":254,
                     "TypeString":"unicast"}}"#
            ),
        ),
        None => (what, String::new()),
    };
    format!(r#"{{"Name":"{name}","OperationalState":"{state}","Routes":[{routes}]}}"#)
}

/// The real program, with a socket and a notification socket like systemd's.
pub(crate) struct Home {
    pub(crate) process: Child,
    pub(crate) address: SocketAddr,
    notify: UnixDatagram,
}

impl Home {
    /// Starts `program` on `world` with the settings of the recipe and the board of QEMU, and
    /// waits until it says that it is ready. With `watchdog`, it must report that often, and the
    /// test must listen: unheard reports fill the socket and stop the program.
    pub(crate) fn start(world: &World, program: &str, watchdog: Option<Duration>) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let installed = root.join("recipes/home/root/usr/share/porchlight/home.toml");
        let text = std::fs::read_to_string(installed).expect("the recipe has settings");
        let board = root.join("hardware/qemu-x86_64/board.toml");
        let text = text.replace("/usr/share/porchlight/board.toml", &board.display().to_string());
        let settings = world.folder.path().join("home.toml");
        std::fs::write(&settings, text).expect("the folder is writable");
        let notify_path = world.folder.path().join("notify");
        let notify = UnixDatagram::bind(&notify_path).expect("the folder is writable");
        notify.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        // systemd passes sockets from descriptor 3 on and says to which process; only the process
        // itself knows its number before the program runs, hence the shell.
        let process = Command::new("sh")
            .args(["-c", "export LISTEN_PID=$$; exec \"$0\" \"$1\" 3<&0 </dev/null", program])
            .arg(&settings)
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .env("LISTEN_FDS", "1")
            .env("DBUS_SYSTEM_BUS_ADDRESS", world.bus.address())
            .env("NOTIFY_SOCKET", &notify_path)
            .envs(watchdog.map(|span| ("WATCHDOG_USEC", span.as_micros().to_string())))
            .env_remove("JOURNAL_STREAM")
            .spawn()
            .expect("the program is built");
        let home = Self { process, address, notify };
        home.wait_for("READY=1");
        home
    }

    /// Waits until the program tells systemd `word`.
    pub(crate) fn wait_for(&self, word: &str) {
        let mut buffer = [0; 512];
        loop {
            let length = self
                .notify
                .recv(&mut buffer)
                .unwrap_or_else(|error| panic!("waiting for {word}: {error}"));
            if String::from_utf8_lossy(&buffer[..length]).lines().any(|line| line == word) {
                return;
            }
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

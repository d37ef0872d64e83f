//! A house with its box and its providers, and the program in the box.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::space::Space;

/// Longest wait for anything in a test. A pass takes milliseconds; this is for a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Questions until silence is believed.
const TRIES: usize = 5;

/// How long an answer over a veth pair may take before it counts as none.
const BRIEFLY: Duration = Duration::from_millis(200);

/// The same in IPv6.
const WORLD_V6: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1)), 53);

/// How long to wait where the question is asked again at once.
const BLINK: Duration = Duration::from_millis(5);

/// Where something answers beyond every provider.
pub(crate) const WORLD: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)), 53);

/// Where connections are given back what they bring.
pub(crate) const ECHO: u16 = 7;

/// Asks until `good`, and fails with the last answer after a while.
pub(crate) fn wait_until<T: std::fmt::Debug>(
    what: &str,
    mut ask: impl FnMut() -> T,
    good: impl Fn(&T) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask();
        if good(&answer) {
            return;
        }
        assert!(Instant::now() < deadline, "waited for {what}; the last answer was {answer:#?}");
        std::thread::yield_now();
    }
}

/// A provider: its end of the cable, and the world beyond.
struct Provider {
    name: String,
    place: usize,
    space: Space,
    /// Whether it answers for everybody's pages.
    portal: Arc<AtomicBool>,
}

/// The house, without the program.
pub(crate) struct House {
    /// The box's namespace.
    pub(crate) space: Space,
    client: Space,
    providers: Vec<Provider>,
    policies: Vec<(String, String)>,
    probes: bool,
    page: bool,
}

impl House {
    /// A house with these uplinks, the first preferred, all plugged in, behind the firewall of the
    /// image. The network manager's routes are there, with its metrics.
    pub(crate) fn build(uplinks: &[&str]) -> Self {
        let (space, client) = (Space::create(), Space::create());
        space.sysctl("net/ipv4/ip_forward", "1");
        cable(&space, "lan0", &client, "eth0");
        space.ip("address add 10.77.0.1/24 dev lan0");
        client.ip("address add 10.77.0.100/24 dev eth0");
        client.ip("route add default via 10.77.0.1");
        space.sysctl("net/ipv6/conf/all/forwarding", "1");
        space.ip("address add fd7a:706f:7263::1/64 dev lan0 nodad");
        client.ip("address add fd7a:706f:7263::100/64 dev eth0 nodad");
        client.ip("-6 route add default via fd7a:706f:7263::1");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let rules = root.join("overlays/20-network/usr/share/porchlight/firewall.nft");
        let rules = std::fs::read_to_string(rules).expect("the image has a firewall");
        space.nft(&rules.replace("starlink0", "starlink0, cellular0"));
        let mut house = Self {
            space,
            client,
            providers: Vec::new(),
            policies: ["primary", "secondary", "backup"]
                .iter()
                .zip(uplinks)
                .map(|(policy, name)| ((*name).to_owned(), (*policy).to_owned()))
                .collect(),
            probes: false,
            page: false,
        };
        for (place, name) in (1..).zip(uplinks) {
            let (space, portal) = (Space::create(), Arc::default());
            let provider = Provider { name: (*name).to_owned(), place, space, portal };
            cable(&house.space, name, &provider.space, "customer");
            provider.space.ip(&format!("address add 192.0.{place}.1/24 dev customer"));
            provider.space.ip(&format!("address add 2001:db8:{place}::1/64 dev customer nodad"));
            provider.space.ip("address add 198.51.100.1/32 dev lo");
            provider.space.ip("address add 2001:db8:ffff::1/128 dev lo nodad");
            answer(&provider.space, name, WORLD);
            answer(&provider.space, name, WORLD_V6);
            provider.serve_page();
            house.providers.push(provider);
            house.address(name);
        }
        house
    }

    /// The same with questions to the world.
    pub(crate) fn with_probes(mut self) -> Self {
        self.probes = true;
        self
    }

    /// The same with questions to the world, and for a page.
    pub(crate) fn with_page(self) -> Self {
        Self { page: true, ..self.with_probes() }
    }

    /// The same with another policy for an uplink.
    pub(crate) fn with_policy(mut self, name: &str, policy: &str) -> Self {
        for (of, old) in &mut self.policies {
            if of == name {
                policy.clone_into(old);
            }
        }
        self
    }

    fn provider(&self, name: &str) -> &Provider {
        self.providers.iter().find(|provider| provider.name == name).expect("it was built")
    }

    /// The namespace of the provider of `name`.
    pub(crate) fn beyond(&self, name: &str) -> &Space {
        &self.provider(name).space
    }

    /// What the network manager does when a lease comes.
    pub(crate) fn address(&self, name: &str) {
        let place = self.provider(name).place;
        self.space.ip(&format!("address add 192.0.{place}.2/24 dev {name}"));
        let metric = place * 100;
        self.space.ip(&format!("route add default via 192.0.{place}.1 dev {name} metric {metric}"));
        self.space.ip(&format!("address replace 2001:db8:{place}::2/64 dev {name} nodad"));
        let gateway = format!("2001:db8:{place}::1 dev {name} metric {metric}");
        self.space.ip(&format!("-6 route replace default via {gateway}"));
    }

    pub(crate) fn unplug(&self, name: &str) {
        self.provider(name).space.ip("link set customer down");
    }

    pub(crate) fn plug(&self, name: &str) {
        self.provider(name).space.ip("link set customer up");
    }

    /// The provider takes everything and answers nothing.
    pub(crate) fn silence(&self, name: &str) {
        self.provider(name)
            .space
            .nft("table ip hole { chain c { type filter hook prerouting priority raw; drop; }; }");
    }

    /// The provider lets nobody ask strangers; its own server of names answers that there is
    /// nothing of the name asked for. Returns where that server is.
    pub(crate) fn bar_strangers(&self, name: &str) -> Ipv4Addr {
        let provider = self.provider(name);
        provider.space.nft(&format!(
            "table ip wall {{ chain c {{ type filter hook prerouting priority raw; \
             ip daddr {} drop; }}; }}",
            WORLD.ip()
        ));
        let place = u8::try_from(provider.place).expect("a handful");
        let own = Ipv4Addr::new(192, 0, place, 1);
        provider.resolve_nothing(SocketAddr::new(own.into(), WORLD.port()));
        own
    }

    pub(crate) fn speak(&self, name: &str) {
        self.provider(name).space.nft("flush ruleset");
    }

    /// The provider wants somebody to sign in, or is content.
    pub(crate) fn portal(&self, name: &str, wanted: bool) {
        self.provider(name).portal.store(wanted, Ordering::Relaxed);
    }

    /// A new flow of the client.
    pub(crate) fn flow(&self) -> UdpSocket {
        self.flow_from("0.0.0.0:0", WORLD)
    }

    /// A new flow of the client over IPv6.
    pub(crate) fn flow_v6(&self) -> UdpSocket {
        self.flow_from("[::]:0", WORLD_V6)
    }

    fn flow_from(&self, own: &str, world: SocketAddr) -> UdpSocket {
        self.client.run(|| {
            let socket = UdpSocket::bind(own).expect("a port is free");
            socket.connect(world).expect("there is a route");
            socket.set_read_timeout(Some(BRIEFLY)).expect("a timeout");
            socket
        })
    }

    /// A connection of the client, which is given back what it brings.
    pub(crate) fn connection(&self) -> TcpStream {
        self.client.run(|| {
            let at = SocketAddr::new(WORLD.ip(), ECHO);
            let stream = TcpStream::connect_timeout(&at, PATIENCE).expect("the world listens");
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            stream
        })
    }

    /// The uplink by which the world answers on `flow`, or nothing when it does not answer to
    /// [`TRIES`] questions: one datagram may be lost on any network, and is on a busy machine.
    pub(crate) fn ask(&self, flow: &UdpSocket) -> String {
        let mut answers = std::iter::repeat_with(|| self.ask_once(flow)).take(TRIES);
        answers.find(|answer| !answer.is_empty()).unwrap_or_default()
    }

    /// The same by one question.
    fn ask_once(&self, flow: &UdpSocket) -> String {
        let mut answer = [0; 64];
        // A socket keeps the error that a router sent it until it is asked.
        let _ = flow.take_error();
        let length = flow.send(b"who?").and_then(|_| flow.recv(&mut answer)).unwrap_or(0);
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    /// The interface of the main default route of the program, if there is one.
    pub(crate) fn main(&self) -> Option<String> {
        let text = self.space.ip("route show default proto 119 table main");
        let words: Vec<&str> = text.split_whitespace().collect();
        words.windows(2).find(|pair| pair[0] == "dev").map(|pair| pair[1].to_owned())
    }

    /// What of the program stands in the kernel.
    pub(crate) fn kernel(&self) -> String {
        let mut text = self.space.ip("rule show");
        text += &self.space.ip("-6 rule show");
        text += &self.space.ip("route show table all proto 119");
        text += &self.space.ip("-6 route show table all proto 119");
        text + &self.space.nft_list()
    }

    /// Everything that stands in the kernel.
    pub(crate) fn everything(&self) -> String {
        let mut text = self.space.ip("rule show");
        text += &self.space.ip("-6 rule show");
        text += &self.space.ip("route show table all");
        text + &self.space.nft_list()
    }
}

fn cable(here: &Space, name: &str, there: &Space, far: &str) {
    here.ip(&format!("link add {name} type veth peer name {far} netns {}", there.path()));
    here.ip(&format!("link set {name} up"));
    there.ip(&format!("link set {far} up"));
}

/// Answers every datagram at `at` with `name`, as long as the test runs; and every question for a
/// name with one address.
pub(crate) fn answer(space: &Space, name: &str, at: SocketAddr) {
    let socket = space.run(|| UdpSocket::bind(at).expect("the address is there"));
    let name = name.to_owned();
    std::thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            let answer =
                if length > 12 { named(&question[..length]) } else { name.clone().into_bytes() };
            // The cable may be out by now.
            let _ = socket.send_to(&answer, from);
        }
    });
}

impl Provider {
    /// Answers every question for a name that there is no such name (RFC 1035, 4.1.1).
    fn resolve_nothing(&self, at: SocketAddr) {
        let socket = self.space.run(|| UdpSocket::bind(at).expect("the address is there"));
        std::thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                question[2] |= 0x80;
                question[3] = 3;
                // The cable may be out by now.
                let _ = socket.send_to(&question[..length], from);
            }
        });
    }

    /// Answers every request for a page: with nothing, or with a way to the portal.
    fn serve_page(&self) {
        let at = SocketAddr::new(WORLD.ip(), 80);
        let listener = self.space.run(|| TcpListener::bind(at).expect("the address is there"));
        let portal = Arc::clone(&self.portal);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let answer = if portal.load(Ordering::Relaxed) {
                    "HTTP/1.1 302 Found\r\nLocation: http://portal/\r\nContent-Length: 0\r\n\r\n"
                } else {
                    "HTTP/1.1 204 No Content\r\n\r\n"
                };
                // Whoever asked may have gone.
                let _ = stream.read(&mut [0; 512]);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
    }
}

/// The answer that the world's address is what `question` asks for (RFC 1035, 4.1).
fn named(question: &[u8]) -> Vec<u8> {
    let mut answer = question.to_vec();
    answer[2] |= 0x80;
    answer[7] = 1;
    // The name of the question, A, IN, no time to live, four bytes.
    answer.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 198, 51, 100, 1]);
    answer
}

/// The house with the program.
pub(crate) struct World {
    process: Child,
    said: Arc<Mutex<String>>,
    folder: TempDir,
    address: Option<String>,
    // Ends last: the program runs in it.
    pub(crate) house: House,
}

impl World {
    /// Starts the program in `house`, without a bus.
    pub(crate) fn start(house: House) -> Self {
        Self::start_on(house, None)
    }

    /// Starts the program in `house`, on the bus at `address`.
    pub(crate) fn start_on(house: House, address: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        Self::start_in(house, address, folder)
    }

    /// Starts the program in `house`, with its state on a disk of its own of so many KiB.
    pub(crate) fn start_on_disk(house: House, kib: u32) -> Self {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let size = format!("size={kib}k");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path());
        assert!(mount.status().expect("the tools root has it").success());
        Self::start_in(house, None, folder)
    }

    fn start_in(house: House, address: Option<&str>, folder: TempDir) -> Self {
        let state = folder.path().display();
        let mut settings = format!("state = '{state}'\nbus = {}\n", address.is_some());
        settings += &format!("metrics = '{state}/metrics.sock'\n");
        for provider in &house.providers {
            let (name, kind) = (&provider.name, provider.name.trim_end_matches('0'));
            let (_, policy) = house.policies.iter().find(|(of, _)| of == name).expect("one each");
            settings += &format!("[[uplink]]\nname = '{name}'\nkind = '{kind}'\n");
            settings += &format!("policy = '{policy}'\n");
        }
        if house.probes {
            settings += &format!("[probe]\nservers = ['{WORLD}']\n");
            settings += if house.page { "host = 'check.example'\n" } else { "" };
        }
        std::fs::write(folder.path().join("wan.toml"), settings).expect("the folder is ours");
        let address = address.map(str::to_owned);
        let (process, said) = launch(&house, folder.path(), address.as_deref());
        Self { process, said, folder, address, house }
    }

    /// Has the program go out through the relay that printed `line`.
    pub(crate) fn join(&self, line: &str) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wan"));
        command.arg("join").arg("--state").arg(self.folder.path()).arg(line);
        let output = command.env_remove("JOURNAL_STREAM").output().expect("the program is built");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts the program again.
    pub(crate) fn restart(&mut self) {
        let address = self.address.as_deref();
        (self.process, self.said) = launch(&self.house, self.folder.path(), address);
    }

    /// Waits until new flows take `name`.
    pub(crate) fn wait_for_main(&mut self, name: &str) {
        let said = Arc::clone(&self.said);
        let main = || (self.house.main(), said.lock().expect("no test panics").clone());
        wait_until(name, main, |(main, _)| main.as_deref() == Some(name));
    }

    /// What the system runs when the program has ended, told how.
    pub(crate) fn give_back(&self, ended: &str) {
        let mut command = self.house.space.command(env!("CARGO_BIN_EXE_wan"));
        let status = command.arg("give-back").env("SERVICE_RESULT", ended).status();
        assert!(status.expect("it is built").success());
    }

    /// The folder of its state.
    pub(crate) fn state(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn wait_for_firewall(&self) {
        let rules = || self.house.space.nft_list();
        wait_until("our table", rules, |rules| rules.contains("porchlight-wan"));
    }

    /// Waits until the world answers on `flow` by `name`.
    pub(crate) fn wait_until_asked(&self, flow: &UdpSocket, name: &str) {
        let blink = || flow.set_read_timeout(Some(BLINK)).expect("a timeout");
        wait_until(name, || (blink(), self.house.ask_once(flow)).1, |answer| answer == name);
        flow.set_read_timeout(Some(BRIEFLY)).expect("a timeout");
    }

    /// What the program has said since it was started last.
    pub(crate) fn words(&self) -> String {
        self.said.lock().expect("no test panics").clone()
    }

    /// Waits until the program has said `words`.
    pub(crate) fn wait_for_words(&self, words: &str) {
        wait_until(words, || self.words(), |said| said.contains(words));
    }

    fn signal(&self, signal: Signal) {
        let process = Pid::from_raw(self.process.id().try_into().expect("a process number"));
        kill(process, signal).expect("it runs");
    }

    /// Ends the program by `signal`.
    pub(crate) fn kill(&mut self, signal: Signal) {
        self.signal(signal);
        let status = self.process.wait().expect("it is our child");
        assert_eq!(status.success(), signal == Signal::SIGTERM, "{status}");
    }

    pub(crate) fn stop(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub(crate) fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("metrics.sock")
    }

    /// A connection to where numbers are told, without a question.
    pub(crate) fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.socket()).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    /// The numbers.
    pub(crate) fn numbers(&self) -> String {
        let mut stream = self.connect();
        let mut answer = String::new();
        let question = "GET /metrics HTTP/1.1\r\nHost: wan\r\nConnection: close\r\n\r\n";
        // It may close a connection that waited too long.
        let _ = stream.write_all(question.as_bytes());
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    /// How many descriptors the program has open.
    pub(crate) fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.process.id());
        std::fs::read_dir(folder).expect("it runs").count()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn launch(house: &House, folder: &Path, address: Option<&str>) -> (Child, Arc<Mutex<String>>) {
    let mut command = house.space.command(env!("CARGO_BIN_EXE_wan"));
    command.envs(address.map(|address| ("DBUS_SYSTEM_BUS_ADDRESS", address)));
    command
        .arg("run")
        .arg(folder.join("wan.toml"))
        .env_remove("JOURNAL_STREAM")
        .stdin(Stdio::null());
    let mut process = command.stderr(Stdio::piped()).spawn().expect("the program is built");
    let said = Arc::new(Mutex::new(String::new()));
    let (err, kept) = (process.stderr.take().expect("asked for"), Arc::clone(&said));
    std::thread::spawn(move || {
        for line in BufReader::new(err).lines().map_while(Result::ok) {
            let mut kept = kept.lock().expect("no test panics");
            kept.push_str(&line);
            kept.push('\n');
        }
    });
    (process, said)
}

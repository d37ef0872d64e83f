//! A rented server with a relay, beyond the providers.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::space::Space;
use crate::world::{ECHO, House, WORLD, answer};
use crate::{BROADBAND, STARLINK};

/// Where the relay listens.
const RELAY: &str = "203.0.113.1";

/// A rented server with a relay, and the world beyond.
pub(crate) struct Server {
    relay: Child,
    program: PathBuf,
    /// What lets a box in.
    pub(crate) line: String,
    state: TempDir,
    space: Space,
}

impl Server {
    /// Puts one beyond both providers; or says why there is none.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    pub(crate) fn beyond(house: &House) -> Option<Self> {
        let program = Path::new(env!("CARGO_BIN_EXE_wan")).with_file_name("relay");
        if !program.exists() {
            eprintln!("SKIPPED: no relay; run `cargo build -p relay`");
            return None;
        }
        let space = Space::create();
        space.ip(&format!("address add {RELAY}/32 dev lo"));
        space.ip(&format!("address add {}/32 dev lo", WORLD.ip()));
        answer(&space, "relay", WORLD);
        echo(&space);
        for (place, name) in (1..).zip([STARLINK, BROADBAND]) {
            let provider = house.beyond(name);
            provider.sysctl("net/ipv4/ip_forward", "1");
            let there = space.path();
            provider.ip(&format!("link add net type veth peer name net{place} netns {there}"));
            provider.ip("link set net up");
            provider.ip(&format!("address add 10.99.{place}.1/24 dev net"));
            space.ip(&format!("link set net{place} up"));
            space.ip(&format!("address add 10.99.{place}.2/24 dev net{place}"));
            provider.ip(&format!("route add {RELAY}/32 via 10.99.{place}.2"));
            space.ip(&format!("route add 192.0.{place}.0/24 via 10.99.{place}.1"));
            // What is this long is the house's; what the tunnel says for itself is shorter.
            provider.nft(
                "table ip seen { counter long { }; chain c { type filter hook prerouting priority \
                 raw; iifname customer udp length > 1200 counter name long; }; }",
            );
        }
        let state = tempfile::tempdir().expect("there is a temporary folder");
        // First, so that there is one key: both make it where there is none.
        let line = enrol(&program, state.path());
        let relay = serve(&space, &program, state.path());
        Some(Self { relay, program, line, state, space })
    }

    /// The relay is gone, without a word to anybody.
    pub(crate) fn die(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.relay.kill();
        let _ = self.relay.wait();
    }

    /// The relay does nothing for a while.
    pub(crate) fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// It goes on.
    pub(crate) fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        let process = Pid::from_raw(self.relay.id().try_into().expect("a process number"));
        kill(process, signal).expect("it runs");
    }

    /// The relay is there again.
    pub(crate) fn live(&mut self) {
        self.relay = serve(&self.space, &self.program, self.state.path());
    }
}

fn serve(space: &Space, program: &Path, state: &Path) -> Child {
    let mut command = space.command(program.to_str().expect("a path of ours"));
    command.args(["serve", "--listen", &format!("{RELAY}:443"), "--state"]).arg(state);
    command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("it is built")
}

/// The line that lets a box in.
fn enrol(program: &Path, state: &Path) -> String {
    let mut command = Command::new(program);
    command.args(["enroll", "--address", &format!("{RELAY}:443"), "--state"]);
    let output = command.arg(state).arg("house").output().expect("it is built");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text").trim().to_owned()
}

impl Drop for Server {
    fn drop(&mut self) {
        self.die();
    }
}

/// Gives back what connections to [`WORLD`]'s address bring, as long as the test runs.
fn echo(space: &Space) {
    let at = SocketAddr::new(WORLD.ip(), ECHO);
    let listener = space.run(|| TcpListener::bind(at).expect("the address is there"));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
        }
    });
}

//! The tunnels whose throughput is measured: ours, and `WireGuard` in user space, twice.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::pair::{NEAR, Pair};
use crate::bench::wan::Options;
use crate::bench::wan::contender::{Ends, Policy, RunningPorchlight};
use crate::wait::wait_until;
use crate::world::{METER_V4, Namespace, Service, Uplink, VPS_V4};

/// Where user-space `WireGuard` listens for its configuration
/// (<https://www.wireguard.com/xplatform/>).
const CONTROL: &str = "/var/run/wireguard";
/// How long it may take to.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// Ours and theirs carry packets of this size inside.
const MTU: u16 = 1_380;
/// The port of the far end.
const PORT: u16 = 51_820;

/// Two key pairs of Curve25519, known to everybody: a measurement has no secrets.
const KEYS: [[&str; 2]; 2] = [
    [
        "0101010101010101010101010101010101010101010101010101010101010101",
        "a4e09292b651c278b9772c569f5fa9bb13d906b46ab68c9df9dc2b4409f8a209",
    ],
    [
        "0202020202020202020202020202020202020202020202020202020202020202",
        "ce8d3ad1ccb633ec7b70c17814a5c76ecd029685050d344745ba05870e587d59",
    ],
];

/// A tunnel between the two ends. Ends when dropped.
#[derive(Debug)]
pub(super) enum Tunnel {
    Porchlight(RunningPorchlight),
    Wireguard([Service; 2]),
}

impl Tunnel {
    /// What both ends said.
    pub(super) fn dump(&self) -> String {
        match self {
            Self::Porchlight(running) => running.log_tails(),
            Self::Wireguard(ends) => ends.each_ref().map(Service::log_tail).join("\n"),
        }
    }
}

/// Starts one, its ends on those cores.
///
/// # Errors
/// When a program is missing or refuses.
pub(super) fn start(
    name: &str,
    pair: &Pair,
    folder: &Path,
    options: &Options,
    cores: [usize; 2],
) -> Result<Tunnel> {
    match name {
        "porchlight" => {
            let uplinks = [(Uplink::Broadband, Policy::Primary)];
            let (near, far, programs) = (&pair.near, &pair.far, &*options.programs);
            let cores = Some(cores);
            let calls_twice = false;
            let ends = Ends { near, far, uplinks: &uplinks, calls_twice, folder, programs, cores };
            Ok(Tunnel::Porchlight(ends.start()?))
        }
        "boringtun" => {
            let folder_of = options.peer_programs.as_ref();
            let program = folder_of.context("--peer-programs is not given")?.join("boringtun-cli");
            ensure!(program.exists(), "{} is not there", program.display());
            let words = ["--foreground", "--threads", "1", "--disable-drop-privileges"];
            wireguard(pair, folder, &program, &words, cores)
        }
        "wireguardgo" => {
            let program = PathBuf::from("/usr/bin/wireguard-go");
            ensure!(program.exists(), "{} is not in this tools root", program.display());
            wireguard(pair, folder, &program, &["--foreground"], cores)
        }
        _ => bail!("{name} is no tunnel"),
    }
}

/// `WireGuard` in user space by either program: both are started and told what to do alike.
fn wireguard(
    pair: &Pair,
    folder: &Path,
    program: &Path,
    words: &[&str],
    cores: [usize; 2],
) -> Result<Tunnel> {
    std::fs::create_dir_all(CONTROL)?;
    let sides = [(&pair.near, "near0"), (&pair.far, "far0")];
    let start = |(space, device): (&Namespace, &str), core: usize| {
        let mut arguments = vec!["--cpu-list".to_owned(), core.to_string()];
        arguments.push(program.display().to_string());
        arguments.extend(words.iter().map(|word| (*word).to_owned()));
        arguments.push(device.to_owned());
        Service::start(space, "taskset", &arguments, &folder.join(device))
    };
    let ends = [start(sides[0], cores[0])?, start(sides[1], cores[1])?];
    let tunnel = Tunnel::Wireguard(ends);
    let [[near_key, near_public], [far_key, far_public]] = KEYS;
    configure("near0", near_key, far_public, &format!("endpoint={VPS_V4}:{PORT}\n"), &tunnel)?;
    configure("far0", far_key, near_public, &format!("endpoint={NEAR}:{PORT}\n"), &tunnel)?;
    for ((space, device), route) in sides.into_iter().zip([format!("{METER_V4}/32"), LAN.into()]) {
        space.ip(&format!("link set {device} mtu {MTU} up"))?;
        space.ip(&format!("route add {route} dev {device}"))?;
    }
    Ok(tunnel)
}

/// The house's network, behind the near end.
const LAN: &str = "10.70.0.0/24";

fn configure(device: &str, key: &str, peer: &str, endpoint: &str, tunnel: &Tunnel) -> Result<()> {
    let path = Path::new(CONTROL).join(format!("{device}.sock"));
    let connect = || UnixStream::connect(&path).ok();
    let socket = format!("control socket {}", path.display());
    let mut stream = wait_until(&socket, READY_WITHIN, || tunnel.dump(), connect)?;
    stream.set_read_timeout(Some(READY_WITHIN))?;
    let request = format!(
        "set=1\nprivate_key={key}\nlisten_port={PORT}\nreplace_peers=true\npublic_key={peer}\n\
         {endpoint}allowed_ip=0.0.0.0/0\n\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = [0; 256];
    let length = stream.read(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer[..length]);
    ensure!(answer.starts_with("errno=0"), "{device} refused its configuration: {answer:?}");
    Ok(())
}

//! Porchlight itself: `wan` on the box, `relay` on the virtual server, joined by the line that
//! `relay enroll` prints.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Contender, Policy, Running, Site};
use crate::world::{Namespace, Service, Uplink, VPS_ROUTED_V6, VPS_V4, VPS_V6};

/// The counter of moves of traffic from one uplink to another.
const SWITCHES: &str = "porchlight_wan_switches_total";
/// Whether an uplink carries.
const PATHS_UP: &str = "porchlight_wan_uplink_up";
/// Where systemd-timesyncd says that it has set the clock (systemd-timesyncd(8)). The box shares
/// the world's clock, so it is right; nobody says so in a namespace.
const TIME_IS_SET: &str = "/run/systemd/timesync/synchronized";
/// How long `wan` may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer, in bytes.
const MAX_METRICS: u64 = 1_024 * 1_024;

/// Ours, as it comes and with calls carried twice.
#[derive(Clone, Copy, Debug)]
pub enum Porchlight {
    /// As it comes.
    AsItComes,
    /// The owner has asked for each call to be carried by two uplinks.
    CallsTwice,
}

impl Contender for Porchlight {
    fn name(&self) -> &'static str {
        match self {
            Self::AsItComes => "porchlight",
            Self::CallsTwice => "twice",
        }
    }

    fn start(&self, site: &Site<'_>) -> Result<Box<dyn Running>> {
        let uplinks = Uplink::ALL.map(|uplink| (uplink, site.policy(uplink)));
        let (near, far) = (site.space(), site.world.vps());
        let (folder, programs) = (site.folder, site.programs);
        let calls_twice = matches!(self, Self::CallsTwice);
        let cores = None;
        let ends = Ends { near, far, uplinks: &uplinks, calls_twice, folder, programs, cores };
        Ok(Box::new(ends.start()?))
    }
}

/// Where both ends run, and how.
#[derive(Debug)]
pub struct Ends<'a> {
    /// The box.
    pub near: &'a Namespace,
    /// The server.
    pub far: &'a Namespace,
    /// The box's uplinks.
    pub uplinks: &'a [(Uplink, Policy)],
    /// Whether each call is carried by two uplinks.
    pub calls_twice: bool,
    /// For state and logs.
    pub folder: &'a Path,
    /// Where `wan` and `relay` are.
    pub programs: &'a Path,
    /// The cores that the ends are kept on.
    pub cores: Option<[usize; 2]>,
}

impl Ends<'_> {
    /// Enrols the box and starts both ends.
    ///
    /// # Errors
    /// When a program is missing or refuses.
    pub fn start(&self) -> Result<RunningPorchlight> {
        let told = Path::new(TIME_IS_SET);
        told.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::write(told, "").with_context(|| TIME_IS_SET.to_owned())?;
        let (relay, wan) = (program(self.programs, "relay")?, program(self.programs, "wan")?);
        let (relay_state, wan_state) = (folder(self.folder, "relay")?, folder(self.folder, "wan")?);
        let address = format!("{VPS_V4}:443");
        let enrol = ["enroll", "--state", &relay_state, "--address", &address, "bench"];
        let line = self.far.tool(&relay, &enrol)?.trim().to_owned();
        ensure!(!line.is_empty() && !line.contains('\n'), "relay enroll printed {line:?}");
        let (v6, inner_v6) = (format!("[{VPS_V6}]:443"), format!("{VPS_ROUTED_V6}/48"));
        let mut serve = vec![relay.as_str(), "serve", "--state", &relay_state];
        serve.extend(["--listen", &address, "--listen", &v6, "--inner-v6", &inner_v6]);
        let relay = self.service(1, &serve)?;
        self.near.tool(&wan, &["join", "--state", &wan_state, &line])?;
        let settings = self.folder.join("wan.toml");
        std::fs::write(&settings, self.settings(&wan_state))?;
        let wan = self.service(0, &[&wan, "run", &settings.display().to_string()])?;
        let (state, calls_twice) = (wan_state.into(), self.calls_twice);
        Ok(RunningPorchlight { wan, relay, state, calls_twice })
    }

    /// Starts one end, on its core if it has one.
    fn service(&self, end: usize, words: &[&str]) -> Result<Service> {
        let (space, log) = [(self.near, "wan.log"), (self.far, "relay.log")][end];
        let core = self.cores.map(|cores| cores[end].to_string());
        let pinned = core.iter().flat_map(|core| ["taskset", "--cpu-list", core]);
        let mut words = pinned.chain(words.iter().copied()).map(str::to_owned);
        let program = words.next().context("there is a program to start")?;
        Service::start(space, &program, &words.collect::<Vec<_>>(), &self.folder.join(log))
    }

    fn settings(&self, state: &str) -> String {
        let mut text =
            format!("state = {state:?}\nmetrics = \"{state}/metrics.sock\"\nbus = false\n");
        text.push_str("\n[lan]\ndevice = \"lan0\"\n");
        if self.calls_twice {
            text.push_str("\n[modes]\nrealtime = \"duplicate\"\n");
        }
        for (uplink, policy) in self.uplinks {
            let (name, kind, policy) = (uplink.box_interface(), uplink.name(), policy.word());
            text.push_str(&format!(
                "\n[[uplink]]\nname = {name:?}\nkind = {kind:?}\npolicy = {policy:?}\n"
            ));
        }
        text
    }
}

/// A program of ours, by name.
fn program(folder: &Path, name: &str) -> Result<String> {
    let path = folder.join(name);
    ensure!(path.exists(), "{} is not there: build the package `{name}`", path.display());
    Ok(path.display().to_string())
}

fn folder(parent: &Path, name: &str) -> Result<String> {
    let path = parent.join(name);
    std::fs::create_dir_all(&path).with_context(|| format!("folder {}", path.display()))?;
    Ok(path.display().to_string())
}

/// Both daemons; the box's ends first.
#[derive(Debug)]
pub struct RunningPorchlight {
    wan: Service,
    relay: Service,
    state: PathBuf,
    calls_twice: bool,
}

impl RunningPorchlight {
    /// What both ends said last.
    #[must_use]
    pub fn log_tails(&self) -> String {
        format!("wan:\n{}\nrelay:\n{}\n", self.wan.log_tail(), self.relay.log_tail())
    }
}

impl Running for RunningPorchlight {
    fn carries_twice(&self) -> bool {
        self.calls_twice
    }

    fn switches(&self) -> Result<Option<u64>> {
        let text = metrics(&self.state.join("metrics.sock"))?;
        Ok(Some(counter(&text, SWITCHES).with_context(|| format!("{SWITCHES} in\n{text}"))?))
    }

    fn paths_up(&self) -> Result<Option<u64>> {
        Ok(counter(&metrics(&self.state.join("metrics.sock"))?, PATHS_UP))
    }

    fn check(&self) -> Result<()> {
        self.wan.check()?;
        self.relay.check()
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.wan.process()]
    }

    fn dump(&self) -> String {
        self.log_tails()
    }
}

/// The text that a Prometheus server would get.
fn metrics(path: &Path) -> Result<String> {
    let socket = || format!("metrics socket {}", path.display());
    let mut stream = UnixStream::connect(path).with_context(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // A server that says it without being asked may have closed the other way already.
    let _ = stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n");
    let mut text = String::new();
    stream.take(MAX_METRICS).read_to_string(&mut text).with_context(socket)?;
    Ok(text)
}

/// The sum of a counter over all its labels.
fn counter(text: &str, name: &str) -> Option<u64> {
    let value = |line: &str| {
        let rest = line.strip_prefix(name)?;
        let value = match rest.strip_prefix('{') {
            Some(labelled) => labelled.split_once('}')?.1,
            None => rest.strip_prefix(' ')?,
        };
        value.split_whitespace().next()?.parse::<u64>().ok()
    };
    text.lines().filter_map(value).reduce(|sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_summed_over_its_labels() {
        let text = "HTTP/1.0 200 OK\r\n\r\n# TYPE a_total counter\na_total{uplink=\"x\"} 2\n\
                    a_total{uplink=\"y\"} 3\na_total_more 7\nb_total 5\n";
        assert_eq!(counter(text, "a_total"), Some(5));
        assert_eq!(counter(text, "b_total"), Some(5));
        assert_eq!(counter(text, "c_total"), None);
    }
}

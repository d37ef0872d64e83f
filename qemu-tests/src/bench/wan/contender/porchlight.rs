//! Porchlight itself: `wan` on the box, `relay` on the virtual server, joined by the line that
//! `relay enroll` prints.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Contender, Running, Site};
use crate::world::{Service, Uplink, VPS_ROUTED_V6, VPS_V4, VPS_V6};

/// The counter of moves of traffic from one uplink to another.
const SWITCHES: &str = "porchlight_wan_switches_total";
/// How long `wan` may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer, in bytes.
const MAX_METRICS: u64 = 1_024 * 1_024;

/// Ours.
#[derive(Clone, Copy, Debug)]
pub struct Porchlight;

impl Contender for Porchlight {
    fn name(&self) -> &'static str {
        "porchlight"
    }

    fn start(&self, site: &Site<'_>) -> Result<Box<dyn Running>> {
        let (relay, wan) = (program(site.programs, "relay")?, program(site.programs, "wan")?);
        let (relay_state, wan_state) = (folder(site.folder, "relay")?, folder(site.folder, "wan")?);
        let vps = site.world.vps();
        let listen = format!("{VPS_V4}:443");
        let line = vps
            .tool(&relay, &["enroll", "--state", &relay_state, "--address", &listen, "bench"])?
            .trim()
            .to_owned();
        ensure!(!line.is_empty() && !line.contains('\n'), "relay enroll printed {line:?}");
        let serve = [
            "serve".to_owned(),
            "--state".to_owned(),
            relay_state,
            "--listen".to_owned(),
            listen,
            "--listen".to_owned(),
            format!("[{VPS_V6}]:443"),
            "--inner-v6".to_owned(),
            format!("{VPS_ROUTED_V6}/48"),
        ];
        let relay = Service::start(vps, &relay, &serve, &site.folder.join("relay.log"))?;
        site.space().tool(&wan, &["join", "--state", &wan_state, &line])?;
        let settings = site.folder.join("wan.toml");
        std::fs::write(&settings, settings_text(site, &wan_state))?;
        let run = ["run".to_owned(), settings.display().to_string()];
        let wan = Service::start(site.space(), &wan, &run, &site.folder.join("wan.log"))?;
        Ok(Box::new(RunningPorchlight { wan, relay, state: wan_state.into() }))
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

fn settings_text(site: &Site<'_>, state: &str) -> String {
    let mut text = format!("state = {state:?}\nbus = false\n\n[lan]\ndevice = \"lan0\"\n");
    for uplink in Uplink::ALL {
        let (name, kind) = (uplink.box_interface(), uplink.name());
        let policy = site.policy(uplink).word();
        text.push_str(&format!(
            "\n[[uplink]]\nname = {name:?}\nkind = {kind:?}\npolicy = {policy:?}\n"
        ));
    }
    text
}

/// Both daemons; the box's ends first.
#[derive(Debug)]
struct RunningPorchlight {
    wan: Service,
    relay: Service,
    state: PathBuf,
}

impl Running for RunningPorchlight {
    fn switches(&self) -> Result<Option<u64>> {
        let text = metrics(&self.state.join("metrics.sock"))?;
        Ok(Some(counter(&text, SWITCHES).with_context(|| format!("{SWITCHES} in\n{text}"))?))
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.wan.process()]
    }

    fn dump(&self) -> String {
        format!("wan:\n{}\nrelay:\n{}\n", self.wan.log_tail(), self.relay.log_tail())
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

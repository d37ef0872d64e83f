//! Faults commanded from another process: a UNIX socket that takes one JSON request per line and
//! answers each with one line. One thread, one connection at a time; ends when dropped.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::address_plan::Uplink;
use super::stop::{Stop, Stoppable};
use super::uplink::UplinkHandle;
use crate::emulator::shell::TimingReport;
use crate::emulator::{Counters, Fault};

/// The longest request, in bytes.
const MAX_REQUEST: u64 = 64 * 1_024;
/// How long a silent peer keeps others waiting.
const PATIENCE: Duration = Duration::from_secs(5);

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ControlRequest {
    /// Put a fault on an uplink.
    Fault {
        /// Which.
        uplink: Uplink,
        /// What.
        fault: Fault,
    },
    /// Say what an uplink's link has done so far.
    Status {
        /// Which.
        uplink: Uplink,
    },
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlReply {
    /// It is done.
    Done,
    /// The state that was asked for.
    Status(Box<UplinkStatus>),
    /// It cannot be done.
    Error(String),
}

/// What an uplink's link has done so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UplinkStatus {
    /// From the box to its provider.
    pub up: Counters,
    /// From the provider to the box.
    pub down: Counters,
    /// How late frames left, both ways together.
    pub timing: TimingReport,
}

/// Asks a running world; `path` is its control socket.
///
/// # Errors
/// When nobody is there or the answer makes no sense.
pub fn ask(path: &Path, request: &ControlRequest) -> anyhow::Result<ControlReply> {
    let mut stream = UnixStream::connect(path)
        .with_context(|| format!("control socket {}: is a world running?", path.display()))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    writeln!(stream, "{}", serde_json::to_string(request)?)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    serde_json::from_str(&line).with_context(|| format!("not an answer: {line:?}"))
}

/// The socket of a running world.
#[derive(Debug)]
pub(super) struct Control {
    path: PathBuf,
    _threads: Stoppable,
}

impl Control {
    pub(super) fn start(path: &Path, uplinks: [UplinkHandle; 2]) -> anyhow::Result<Self> {
        let listener =
            UnixListener::bind(path).with_context(|| format!("socket {}", path.display()))?;
        let stop = Stop::new()?;
        let mut threads = Stoppable::new(stop.clone());
        let serve_all = move || {
            while stop.wait_for(&listener) {
                let Ok((stream, _)) = listener.accept() else { continue };
                let _ = serve(&stream, &uplinks); // a peer that goes away is its own business
            }
        };
        threads.push(std::thread::Builder::new().name("control".to_owned()).spawn(serve_all)?);
        Ok(Self { path: path.to_owned(), _threads: threads })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // If it is gone already, so much the better.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn serve(stream: &UnixStream, uplinks: &[UplinkHandle; 2]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if lines.by_ref().take(MAX_REQUEST).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let reply = match serde_json::from_str(&line) {
            Ok(request) => obey(request, uplinks),
            Err(error) => ControlReply::Error(error.to_string()),
        };
        writeln!(&mut &*stream, "{}", serde_json::to_string(&reply)?)?;
    }
}

fn obey(request: ControlRequest, uplinks: &[UplinkHandle; 2]) -> ControlReply {
    let (ControlRequest::Fault { uplink, .. } | ControlRequest::Status { uplink }) = request;
    let Some(handle) = uplinks.iter().find(|handle| handle.uplink() == uplink) else {
        return ControlReply::Error(format!("no uplink {uplink}"));
    };
    match request {
        ControlRequest::Fault { fault, .. } => match handle.fault(&fault) {
            Ok(()) => ControlReply::Done,
            Err(error) => ControlReply::Error(format!("{error:#}")),
        },
        ControlRequest::Status { .. } => {
            let status = handle.status();
            let (up, down) = (status.up.counters, status.down.counters);
            let timing = status.up.timing.merged(&status.down.timing).report();
            ControlReply::Status(Box::new(UplinkStatus { up, down, timing }))
        }
    }
}

//! TCP connections that carry data beside the stream, and whether they live on.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use units::Instant;

use super::{Over, PATIENCE, pin_to};
use crate::emulator::shell::Clock;
use crate::meter::{Progress, Survival};
use crate::world::Namespace;

/// Where connections are taken.
const PORT: u16 = 5_202;
/// How long a connection may take to come about.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How often a connection with a rate sends its share.
const BEAT: Duration = Duration::from_millis(20);
/// The most that is written or read at once.
const BLOCK: usize = 64 * 1_024;

/// Which way the data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowKind {
    /// From the internet to the house.
    Download,
    /// From the house to the internet.
    Upload,
}

/// A number of connections alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowPlan {
    /// Which way.
    pub kind: FlowKind,
    /// How many.
    pub count: u8,
    /// How fast each sends, in bytes per second; as fast as it can, if left out.
    pub bytes_per_second: Option<u32>,
}

/// What became of one connection.
#[derive(Clone, Debug)]
pub struct FlowReport {
    /// Which way the data went.
    pub kind: FlowKind,
    /// The bytes that came out of it.
    pub progress: Progress,
}

impl FlowReport {
    /// Whether at least `bytes` came out of the same connection in `range`.
    #[must_use]
    pub fn survival(&self, range: &Range<Instant>, bytes: u64) -> Survival {
        self.progress.survival(range, bytes)
    }
}

/// One connection, seen from both ends.
#[derive(Debug)]
struct Flow {
    kind: FlowKind,
    bytes_per_second: Option<u32>,
    progress: Mutex<Progress>,
}

impl Flow {
    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connections at work. End when dropped.
#[derive(Debug)]
pub struct Flows {
    over: Over,
    flows: Arc<[Flow]>,
    threads: Vec<JoinHandle<()>>,
}

impl Flows {
    /// Connects from `near` to a server of our own at `address` in `far`; with `cores`, all
    /// threads near are on the first of them and all far on the second.
    ///
    /// # Errors
    /// When the address cannot be bound or a connection does not come about.
    pub fn start(
        cores: Option<[usize; 2]>,
        near: &Namespace,
        far: &Namespace,
        address: IpAddr,
        plans: &[FlowPlan],
        clock: Clock,
    ) -> io::Result<Self> {
        let listener = far.run(|| TcpListener::bind((address, PORT)))?;
        listener.set_nonblocking(true)?;
        let planned = plans.iter().flat_map(|plan| (0..plan.count).map(|_| *plan));
        let flow = |plan: FlowPlan| Flow {
            kind: plan.kind,
            bytes_per_second: plan.bytes_per_second,
            progress: Mutex::default(),
        };
        let flows: Arc<[Flow]> = planned.map(flow).collect();
        let mut own = Self { over: Over::default(), flows, threads: Vec::new() };
        // A core that is not there shows in the figures; the connections come about all the same.
        let pin = move |end: usize| {
            let _ = cores.map(|cores| pin_to(cores[end]));
        };
        let (shared, over) = (Arc::clone(&own.flows), own.over.clone());
        let accept = move || {
            pin(1);
            accept_all(&listener, &shared, clock, &over);
        };
        own.threads.push(far.spawn("meter-accept", accept)?);
        let server = SocketAddr::new(address, PORT);
        for number in 0..own.flows.len() {
            let connect = || TcpStream::connect_timeout(&server, CONNECT_WITHIN);
            let mut stream = near.run(connect)?;
            stream.write_all(&[u8::try_from(number).expect("a plan counts in bytes")])?;
            let (shared, over) = (Arc::clone(&own.flows), own.over.clone());
            let run = move || {
                pin(0);
                let flow = &shared[number];
                match flow.kind {
                    FlowKind::Download => receive(stream, flow, clock, &over),
                    FlowKind::Upload => send(stream, flow, clock, &over),
                }
            };
            own.threads.push(near.spawn("meter-flow", run)?);
        }
        Ok(own)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// Ends them and says what became of each.
    #[must_use]
    pub fn finish(mut self) -> Vec<FlowReport> {
        self.end();
        let report =
            |flow: &Flow| FlowReport { kind: flow.kind, progress: flow.progress().clone() };
        self.flows.iter().map(report).collect()
    }

    fn end(&mut self) {
        self.over.say();
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // its panic, if any, is on standard error already
        }
    }
}

impl Drop for Flows {
    fn drop(&mut self) {
        self.end();
    }
}

/// Serves each connection in a thread of its own, as many as are planned.
fn accept_all(listener: &TcpListener, flows: &Arc<[Flow]>, clock: Clock, over: &Over) {
    let mut threads = Vec::new();
    while !over.is_said() && threads.len() < flows.len() {
        let Ok((stream, _)) = listener.accept() else {
            std::thread::park_timeout(Duration::from_millis(5));
            continue;
        };
        let (flows, over) = (Arc::clone(flows), over.clone());
        threads.push(std::thread::spawn(move || serve(stream, &flows, clock, &over)));
    }
    for thread in threads {
        let _ = thread.join(); // its panic, if any, is on standard error already
    }
}

/// The first byte says which of the planned connections this is.
fn serve(mut stream: TcpStream, flows: &[Flow], clock: Clock, over: &Over) {
    let mut number = [0];
    let ready = stream.set_nonblocking(false).and_then(|()| stream.read_exact(&mut number));
    let Some(flow) = flows.get(usize::from(number[0])).filter(|_| ready.is_ok()) else { return };
    match flow.kind {
        FlowKind::Download => send(stream, flow, clock, over),
        FlowKind::Upload => receive(stream, flow, clock, over),
    }
}

fn receive(mut stream: TcpStream, flow: &Flow, clock: Clock, over: &Over) {
    let mut buffer = vec![0; BLOCK];
    let mut total = 0;
    let _ = stream.set_read_timeout(Some(PATIENCE)); // only of nothing would it be refused
    while !over.is_said() {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => total += count as u64,
            Err(error) if is_patience(&error) => {}
            Err(_) => break,
        }
        flow.progress().note(clock.now(), total);
    }
    if !over.is_said() {
        flow.progress().end(clock.now());
    }
}

fn send(mut stream: TcpStream, flow: &Flow, clock: Clock, over: &Over) {
    let block = vec![b'x'; BLOCK];
    let _ = stream.set_write_timeout(Some(PATIENCE)); // only of nothing would it be refused
    let start = clock.elapsed();
    let mut total = 0_u64;
    while !over.is_said() {
        let mut count = BLOCK;
        if let Some(rate) = flow.bytes_per_second {
            let nanos = (clock.elapsed() - start).as_nanos();
            let due = u64::try_from(nanos * u128::from(rate) / 1_000_000_000).unwrap_or(u64::MAX);
            // What a stalled connection could not send it does not make up for.
            total = total.max(due.saturating_sub(u64::from(rate)));
            count = usize::try_from(due.saturating_sub(total)).unwrap_or(BLOCK).min(BLOCK);
            if count == 0 {
                std::thread::park_timeout(BEAT);
                continue;
            }
        }
        match stream.write(&block[..count]) {
            Ok(written) => total += written as u64,
            Err(error) if is_patience(&error) => {}
            Err(_) => break,
        }
        if flow.bytes_per_second.is_some() {
            std::thread::park_timeout(BEAT);
        }
    }
    if !over.is_said() {
        flow.progress().end(clock.now());
    }
}

fn is_patience(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

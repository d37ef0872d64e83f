//! The steady stream of messages, both ways.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use units::Instant;

use super::Over;
use super::channel::{Channel, ChannelEnd};
use super::pace::Pace;
use crate::emulator::shell::{Clock, be_punctual};
use crate::meter::{Arrival, Journal, Message, MessageKind};

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamPlan {
    /// How often, in each direction.
    pub every: Duration,
    /// How long each message is, in bytes.
    pub bytes: usize,
}

impl StreamPlan {
    /// A call: 200 messages of 160 bytes each second.
    pub const CALL: Self = Self { every: Duration::from_millis(5), bytes: 160 };
    /// The longest message, in bytes: fits any tunnel of today.
    pub const MAX_BYTES: usize = 1_200;
}

/// What was sent and what arrived.
#[derive(Clone, Debug)]
pub struct StreamReport {
    /// From the house to the internet.
    pub up: Journal,
    /// From the internet to the house.
    pub down: Journal,
}

/// A stream that flows.
#[derive(Debug)]
pub struct Stream {
    over: Over,
    deaf: Over,
    arrived: [Arc<AtomicU64>; 2],
    senders: [JoinHandle<Vec<Instant>>; 2],
    receivers: [JoinHandle<Vec<Arrival>>; 2],
}

impl Stream {
    /// How long after the last message one may still arrive.
    pub const LATEST: Duration = Duration::from_secs(3);

    /// Starts it. The far end speaks as soon as it has been spoken to.
    ///
    /// # Errors
    /// When there is no thread left.
    ///
    /// # Panics
    /// When the plan asks for shorter messages than a head or longer ones than
    /// [`StreamPlan::MAX_BYTES`].
    pub fn start(
        channel: &Channel,
        session: u32,
        plan: StreamPlan,
        clock: Clock,
    ) -> io::Result<Self> {
        assert!((Message::HEAD..=StreamPlan::MAX_BYTES).contains(&plan.bytes));
        let (over, deaf) = (Over::default(), Over::default());
        let arrived: [Arc<AtomicU64>; 2] = Default::default();
        let receiver = |name: &str, end: &Arc<dyn ChannelEnd>, count: &Arc<AtomicU64>| {
            let (end, count, deaf) = (Arc::clone(end), Arc::clone(count), deaf.clone());
            let run = move || receive(&*end, session, clock, &count, &deaf);
            std::thread::Builder::new().name(name.to_owned()).spawn(run)
        };
        let receivers = [
            receiver("meter-far-in", &channel.far, &arrived[0])?,
            receiver("meter-near-in", &channel.near, &arrived[1])?,
        ];
        let sender = |name: &str, end: &Arc<dyn ChannelEnd>, until: Option<&Arc<AtomicU64>>| {
            let (end, until, over) = (Arc::clone(end), until.cloned(), over.clone());
            let run = move || send(&*end, session, plan, clock, until.as_deref(), &over);
            std::thread::Builder::new().name(name.to_owned()).spawn(run)
        };
        let senders = [
            sender("meter-near-out", &channel.near, None)?,
            sender("meter-far-out", &channel.far, Some(&arrived[0]))?,
        ];
        Ok(Self { over, deaf, arrived, senders, receivers })
    }

    /// Messages that have arrived so far, copies included: up, down.
    #[must_use]
    pub fn arrived(&self) -> [u64; 2] {
        self.arrived.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// Stops sending, waits for what is still on its way, at most [`Self::LATEST`], and says what
    /// became of every message.
    ///
    /// # Panics
    /// When one of its threads has.
    #[must_use]
    pub fn finish(self) -> StreamReport {
        self.over.say();
        let sound = "the meter's threads do not panic";
        let [up_sent, down_sent] = self.senders.map(|sender| sender.join().expect(sound));
        let all = [up_sent.len() as u64, down_sent.len() as u64];
        let start = std::time::Instant::now();
        let counts = &self.arrived;
        let missing = || (0..2).any(|way| counts[way].load(Ordering::Relaxed) < all[way]);
        while missing() && start.elapsed() < Self::LATEST {
            std::thread::park_timeout(super::PATIENCE);
        }
        self.deaf.say();
        let [up, down] = self.receivers.map(|receiver| receiver.join().expect(sound));
        StreamReport { up: Journal::new(up_sent, &up), down: Journal::new(down_sent, &down) }
    }
}

/// Sends until it is over, once something has been received if that is waited for.
fn send(
    end: &dyn ChannelEnd,
    session: u32,
    plan: StreamPlan,
    clock: Clock,
    until: Option<&AtomicU64>,
    over: &Over,
) -> Vec<Instant> {
    let mut sent = Vec::new();
    let mut buffer = vec![0; plan.bytes];
    let mut pace = Pace::start(clock, plan.every);
    let mut sequence = 0;
    while !over.is_said() && sent.len() < Journal::MAX_MESSAGES {
        let due = pace.wait();
        if until.is_some_and(|received| received.load(Ordering::Relaxed) == 0) {
            continue;
        }
        Message { kind: MessageKind::Stream, session, sequence }.write(&mut buffer);
        end.send(&buffer);
        sent.push(due);
        sequence += 1;
    }
    sent
}

fn receive(
    end: &dyn ChannelEnd,
    session: u32,
    clock: Clock,
    count: &AtomicU64,
    deaf: &Over,
) -> Vec<Arrival> {
    be_punctual();
    let mut arrivals = Vec::new();
    let mut buffer = [0; 2_048];
    // Twice as many as are sent: every one may come twice.
    while !deaf.is_said() && arrivals.len() < 2 * Journal::MAX_MESSAGES {
        let length = match end.receive(&mut buffer) {
            Ok(Some(length)) => length,
            Ok(None) => continue,
            Err(_) => break,
        };
        let at = clock.now();
        let Some(message) = Message::read(&buffer[..length]) else { continue };
        if message.kind == MessageKind::Stream && message.session == session {
            arrivals.push(Arrival { sequence: message.sequence, at });
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
    arrivals
}

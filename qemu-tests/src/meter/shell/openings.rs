//! New conversations, one after the other: a program that starts just now, rather than one that
//! holds on to what it had.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::thread::JoinHandle;
use std::time::Duration;

use units::Instant;

use super::pace::Pace;
use super::{Over, PATIENCE};
use crate::emulator::shell::Clock;
use crate::meter::{Arrival, Journal, Message, MessageKind};
use crate::world::Namespace;

/// Where openings are answered.
const PORT: u16 = 5_201;
/// How often a conversation is opened.
const EVERY: Duration = Duration::from_millis(50);
/// Conversations kept open for an answer, at most: 3 s of them.
const MAX_OPEN: usize = 60;

/// A server that sends every first word back. Ends when dropped.
#[derive(Debug)]
pub struct OpeningAnswerer {
    over: Over,
    thread: Option<JoinHandle<()>>,
}

impl OpeningAnswerer {
    /// Answers at `address` in `space`.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn start(space: &Namespace, address: IpAddr) -> io::Result<Self> {
        let socket = space.run(|| UdpSocket::bind((address, PORT)))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let over = Over::default();
        let said = over.clone();
        let answer = move || {
            let mut buffer = [0; 256];
            while !said.is_said() {
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    let _ = socket.send_to(&buffer[..length], from); // lost, as the meter will see
                }
            }
        };
        Ok(Self { over, thread: Some(space.spawn("meter-answer", answer)?) })
    }
}

impl Drop for OpeningAnswerer {
    fn drop(&mut self) {
        self.over.say();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What became of the conversations: each is one message there and back.
#[derive(Clone, Debug)]
pub struct OpeningsReport {
    /// The first word was sent, the same word came back.
    pub answered: Journal,
}

/// Opens a conversation each 50 ms, every one from a port of its own.
#[derive(Debug)]
pub struct Openings {
    over: Over,
    thread: JoinHandle<Journal>,
}

impl Openings {
    /// Starts from `space` towards `address`.
    ///
    /// # Errors
    /// When there is no thread left.
    pub fn start(
        space: &Namespace,
        address: IpAddr,
        session: u32,
        clock: Clock,
    ) -> io::Result<Self> {
        let over = Over::default();
        let said = over.clone();
        let server = SocketAddr::new(address, PORT);
        let run = move || open_all(server, session, clock, &said);
        Ok(Self { over, thread: space.spawn("meter-open", run)? })
    }

    /// Ends it.
    ///
    /// # Panics
    /// When its thread has.
    #[must_use]
    pub fn finish(self) -> OpeningsReport {
        self.over.say();
        OpeningsReport { answered: self.thread.join().expect("the meter does not panic") }
    }
}

fn open_all(server: SocketAddr, session: u32, clock: Clock, over: &Over) -> Journal {
    let wildcard: IpAddr = if server.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let mut open: VecDeque<UdpSocket> = VecDeque::new();
    let (mut sent, mut arrivals) = (Vec::<Instant>::new(), Vec::new());
    let mut buffer = [0; 64];
    let mut pace = Pace::start(clock, EVERY);
    while !over.is_said() && sent.len() < Journal::MAX_MESSAGES {
        let due = pace.wait();
        take_answers(&mut open, session, clock, &mut arrivals);
        let sequence = u32::try_from(sent.len()).expect("the journal's bound is far below");
        sent.push(due);
        Message { kind: MessageKind::Opening, session, sequence }.write(&mut buffer);
        // A conversation that cannot even be begun is one without an answer.
        let Ok(socket) = UdpSocket::bind((wildcard, 0)) else { continue };
        if socket.set_nonblocking(true).is_ok() && socket.send_to(&buffer, server).is_ok() {
            open.push_back(socket);
            open.drain(..open.len().saturating_sub(MAX_OPEN));
        }
    }
    Journal::new(sent, &arrivals)
}

/// Notes what has come back; a conversation that was answered is over.
fn take_answers(
    open: &mut VecDeque<UdpSocket>,
    session: u32,
    clock: Clock,
    arrivals: &mut Vec<Arrival>,
) {
    let mut buffer = [0; 256];
    open.retain(|socket| {
        let Ok(length) = socket.recv(&mut buffer) else { return true };
        match Message::read(&buffer[..length]) {
            Some(message) if message.session == session => {
                arrivals.push(Arrival { sequence: message.sequence, at: clock.now() });
                false
            }
            _ => true,
        }
    });
}

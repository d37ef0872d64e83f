//! The box's side of connecting: one task per uplink, which always has a connection or is making
//! one.
//!
//! The task ends when its wishes' sender is dropped. A connection is replaced, not repaired: when
//! the tunnel says that the path is down, a fresh one is made beside the old, because a connection
//! that has waited through an outage doubles its patience each time and would sleep through the
//! path's return.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::{Endpoint, EndpointConfig, TokioRuntime};
use tokio::net::lookup_host;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use units::LinkId;

use super::congestion::Mask;
use super::enrolment::Enrolment;
use super::greeting::{self, GreetingError};
use super::keys::{KeyError, SecretKey};
use super::pump::{Command, PeerId};
use super::socket::{self, Leash};
use super::transport;
use crate::wire::{Hello, Welcome};

/// Longest wait for a connection. First packets are lost while an uplink is down, and QUIC waits
/// ever longer before it sends them again: better to begin anew.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Pause after the first failure; it doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause while an outage is young: a path that is back is found within a second.
const SHORT_PAUSE: Duration = Duration::from_millis(500);
/// Attempts before an outage is old: two minutes of them.
const YOUNG: u32 = 60;
/// Longest pause in an old one.
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// A new connection is given this long to show that it carries before another is made.
const TRIAL: Duration = Duration::from_secs(3);

/// Longest wait for the relay's address.
const LOOK_UP: Duration = Duration::from_secs(1);
/// Attempts between two looks for another address.
const LOOK_UP_EVERY: usize = 8;
/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 8;

/// What is wanted of an uplink's connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The cable carries and there is an address: trying makes sense.
    pub usable: bool,
    /// The path does not carry: a fresh connection is wanted beside the one there is.
    pub renew: bool,
}

/// Everything a dialling task needs.
#[derive(Debug)]
pub struct Dialler {
    /// Which uplink.
    pub link: LinkId,
    /// The device and mark of its sockets.
    pub leash: Leash,
    /// Who we are.
    pub key: Arc<SecretKey>,
    /// Where to and whom to expect.
    pub relay: Enrolment,
    /// Our session.
    pub session: u64,
    /// What is wanted.
    pub wishes: watch::Receiver<Wish>,
    /// Where connections go.
    pub commands: mpsc::Sender<Command>,
    /// Where the relay's words go.
    pub welcomes: watch::Sender<Option<Welcome>>,
    /// Where failures go: the last one, for whoever asks why.
    pub failures: watch::Sender<Option<String>>,
    /// The relay's addresses when they were last found; empty at first.
    pub known: Vec<SocketAddr>,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The relay's name has no address now.
    #[error("no address for {0}")]
    Name(String),
    /// No socket on that uplink.
    #[error("no socket on the uplink: {0}")]
    Socket(#[from] std::io::Error),
    /// Our key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// QUIC cannot begin.
    #[error("{0}")]
    Connect(#[from] quinn::ConnectError),
    /// QUIC did not finish.
    #[error("{0}")]
    Connection(#[from] quinn::ConnectionError),
    /// It took too long.
    #[error("no answer from {0} within {PATIENCE:?}")]
    Silence(SocketAddr),
    /// The first words went wrong.
    #[error(transparent)]
    Greeting(#[from] GreetingError),
}

/// How long to wait after each of the failures since something last worked.
#[derive(Debug)]
struct Pauses {
    failed: u32,
    next: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { failed: 0, next: FIRST_PAUSE }
    }
}

impl Pauses {
    /// Another attempt has failed.
    fn after_failure(&mut self) -> Duration {
        self.failed = self.failed.saturating_add(1);
        let longest = if self.failed < YOUNG { SHORT_PAUSE } else { LAST_PAUSE };
        let pause = self.next;
        self.next = (2 * pause).min(longest);
        pause
    }
}

impl Dialler {
    /// Keeps a connection as long as anybody wishes for one.
    pub async fn keep(mut self) {
        let mut current: Option<quinn::Connection> = None;
        let (mut generation, mut attempt) = (0_u8, 0_usize);
        let mut pauses = Pauses::default();
        loop {
            let wish = *self.wishes.borrow_and_update();
            let alive = current.as_ref().is_some_and(|now| now.close_reason().is_none());
            if !wish.usable || (alive && !wish.renew) {
                let gone = async {
                    match &current {
                        Some(connection) if alive => {
                            connection.closed().await;
                        }
                        _ => std::future::pending().await,
                    }
                };
                tokio::select! {
                    changed = self.wishes.changed() => if changed.is_err() { return },
                    () = gone => {}
                }
                continue;
            }
            generation = generation.wrapping_add(1);
            attempt = attempt.wrapping_add(1);
            let wait = match self.connect(generation, attempt).await {
                Ok(connection) => {
                    current = Some(connection);
                    self.failures.send_replace(None);
                    pauses = Pauses::default();
                    TRIAL
                }
                Err(error) => {
                    self.failures.send_replace(Some(error.to_string()));
                    pauses.after_failure()
                }
            };
            // A wish that changes ends the pause: a cable that is back is tried at once.
            tokio::select! {
                changed = self.wishes.changed() => if changed.is_err() { return },
                () = sleep(wait) => {}
            }
        }
    }

    /// Asks for the relay's addresses. What was known stays known where nobody answers: the way to
    /// the name servers may be what has failed.
    async fn look_up(&mut self) {
        let mut found = Vec::new();
        for name in &self.relay.addresses {
            let asked = timeout(LOOK_UP, lookup_host(name.as_str())).await;
            if let Ok(Ok(addresses)) = asked {
                found.extend(addresses.take(MOST_ADDRESSES));
            }
        }
        if !found.is_empty() {
            self.known = found;
        }
    }

    async fn connect(
        &mut self,
        generation: u8,
        attempt: usize,
    ) -> Result<quinn::Connection, DialError> {
        if self.known.is_empty() || attempt.is_multiple_of(LOOK_UP_EVERY) {
            self.look_up().await;
        }
        let nowhere = || DialError::Name(self.relay.addresses.join(" "));
        let index = attempt.checked_rem(self.known.len()).ok_or_else(nowhere)?;
        let remote = self.known[index];
        let mask = Arc::new(Mask::default());
        let mut config = self.key.client(self.relay.relay)?;
        config.transport_config(Arc::new(transport::config(Arc::clone(&mask))));
        let socket = socket::towards(remote, &self.leash)?;
        let endpoint =
            Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(TokioRuntime))?;
        let connecting = endpoint.connect_with(config, remote, "relay")?;
        let token = Some(self.relay.token);
        let hello = Hello { link: self.link, generation, session: self.session, token };
        let talk = async {
            let connection = connecting.await?;
            let welcome = greeting::greet(&connection, &hello).await?;
            Ok::<_, DialError>((connection, welcome))
        };
        let (connection, welcome) =
            timeout(PATIENCE, talk).await.map_err(|_| DialError::Silence(remote))??;
        let command = Command::Connected {
            peer: PeerId::default(),
            link: self.link,
            generation,
            session: welcome.session,
            connection: connection.clone(),
            mask,
        };
        self.welcomes.send_replace(Some(welcome));
        // The pump being gone, so is everything else: nobody is left to tell.
        let _ = self.commands.send(command).await;
        Ok(connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_hours_without_an_answer_the_next_attempt_is_seconds_away() {
        let mut pauses = Pauses::default();
        let young: Vec<_> = (0..YOUNG).map(|_| pauses.after_failure()).collect();
        assert_eq!(young[0], FIRST_PAUSE);
        assert!(young.iter().all(|pause| *pause <= SHORT_PAUSE), "{young:?}");
        let old: Vec<_> = (0..5_000).map(|_| pauses.after_failure()).collect();
        assert!(old.iter().all(|pause| *pause <= LAST_PAUSE), "{:?}", old.iter().max());
        assert_eq!(old.last(), Some(&LAST_PAUSE), "and no more often: each wakes the uplink");
    }
}

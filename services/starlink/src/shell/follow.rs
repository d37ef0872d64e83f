//! Follows a dish: asks what the poller wants asked, and keeps one value that says the newest.
//!
//! [`follow`] is one task. It may be aborted at any moment: what it knows is lost, the connection's
//! own tasks end with it, and nothing else holds anything of it. It ends by itself when nobody
//! receives any more. It is never in the packet path: a dish that is dead, hangs or lies costs one
//! socket and a report that says so.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tonic::Code;
use units::PortName;

use super::connection::{ConnectError, Connection};
use super::wall_clock::WallClock;
use crate::dish::poller::{ANSWER_TIMEOUT, DishPoller, Question};
use crate::dish::{AnswerError, Api, Dish, DishReport};

/// Where a dish listens, whatever else it does: it needs a route of one address out of its uplink.
pub const DISH: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 168, 100, 1)), 9200);

/// The same dish from a network in which 192.168.100.0/24 is taken.
pub const DISH_ELSEWHERE: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(206, 214, 239, 195)), 9200);

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("no answer within {} s", ANSWER_TIMEOUT.as_secs())]
    TimedOut,
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("{}: {}", .0.code(), .0.message())]
    Grpc(#[from] tonic::Status),
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

/// Follows the dish at `address`, through `device` where one is given, and keeps `reports` true
/// until nobody receives them.
pub async fn follow(
    device: Option<PortName>,
    address: SocketAddr,
    reports: watch::Sender<DishReport>,
) {
    let mut follower = Follower {
        device,
        address,
        connection: None,
        poller: DishPoller::new(daemon::clock::now()),
        dish: Dish::default(),
        api: Api::NotAsked,
    };
    while !reports.is_closed() {
        let now = daemon::clock::now();
        let Some(question) = follower.poller.poll_request(now) else {
            sleep(follower.poller.next_deadline().saturating_since(now)).await;
            continue;
        };
        let result = follower.ask(question).await;
        follower.conclude(question, result);
        reports.send_replace(DishReport { api: follower.api, view: follower.dish.view() });
    }
}

struct Follower {
    device: Option<PortName>,
    address: SocketAddr,
    connection: Option<Connection>,
    poller: DishPoller,
    dish: Dish,
    api: Api,
}

impl Follower {
    async fn ask(&mut self, question: Question) -> Result<(), AskError> {
        let asked = timeout(ANSWER_TIMEOUT, async {
            let connection = match self.connection.take() {
                Some(connection) => connection,
                None => Connection::open(self.device, self.address).await?,
            };
            let answer = self.connection.insert(connection).ask(question).await?;
            Ok::<_, AskError>(answer)
        });
        let answer = asked.await.map_err(|_| AskError::TimedOut)??;
        let utc = WallClock::read().trusted();
        let unknown = self.dish.handle_answer(daemon::clock::now(), utc, question, &answer)?;
        if !unknown.is_empty() {
            let fields: Vec<_> = unknown.iter().map(ToString::to_string).collect();
            tracing::info!(
                dish = %self.address,
                "the dish's firmware tells more than is understood here: fields {}",
                fields.join(" ")
            );
        }
        Ok(())
    }

    /// Tells the poller, and the journal where something has changed.
    fn conclude(&mut self, question: Question, result: Result<(), AskError>) {
        let now = daemon::clock::now();
        let before = self.api;
        match &result {
            Ok(()) => self.poller.handle_answer(),
            Err(error) if is_alive(error) => self.poller.handle_refusal(now),
            Err(_) => {
                // Whatever is still under way on it answers nothing that will be asked.
                self.connection = None;
                self.poller.handle_failure(now);
            }
        }
        self.api = match (&result, before) {
            (Ok(()), _) => Api::Answering,
            // A map or a history that is refused says nothing about the status.
            (Err(error), _) if is_alive(error) && question != Question::Status => before,
            (Err(error), _) if is_alive(error) => Api::Refusing,
            (Err(_), Api::Silent { since }) => Api::Silent { since },
            (Err(_), _) => Api::Silent { since: now },
        };
        match result {
            Ok(()) if before != self.api => {
                tracing::info!(dish = %self.address, "the dish answers");
            }
            Err(error) if before != self.api || question != Question::Status => {
                tracing::info!(dish = %self.address, "the dish was asked for {question}: {error}");
            }
            _ => {}
        }
    }
}

/// Whether the dish itself has spoken, if only to refuse or to say nonsense: asking again at once
/// will bring the same.
fn is_alive(error: &AskError) -> bool {
    match error {
        AskError::Answer(_) => true,
        AskError::Grpc(status) => matches!(
            status.code(),
            Code::FailedPrecondition
                | Code::InvalidArgument
                | Code::NotFound
                | Code::OutOfRange
                | Code::PermissionDenied
                | Code::ResourceExhausted
                | Code::Unauthenticated
                | Code::Unimplemented
        ),
        AskError::Connect(_) | AskError::TimedOut => false,
    }
}

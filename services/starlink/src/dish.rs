//! What a dish says about itself, made sense of: [`Dish`] takes encoded answers, [`DishView`] is
//! what they add up to, [`DishPoller`](poller::DishPoller) says what to ask and when.
//!
//! Nothing here may decide within a second: the dish's numbers are 2 to 5 s old. They are context:
//! where the dish stands in the way of itself, when it will restart or sleep, what the plan costs,
//! how much power it draws. Any field may be missing, any number absurd.
//!
//! Pure: no task, no socket. Bounded: an answer has at most [`LONGEST_ANSWER`] bytes, which decode
//! to at most 16 MiB for a moment; what is kept is one status, one map of at most 64 KiB, a few
//! counters and [`MOST_TOLD`](crate::proto::MOST_TOLD) field numbers.

mod advice;
mod drain;
mod history;
mod plausible;
pub mod poller;
mod report;
mod sky;
mod state;

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use units::{Instant, MilliWatt};

pub use advice::{Advice, Disablement, Restriction};
pub use drain::{Drain, DrainReason, LEAD, LONGEST_START};
pub use history::{History, LONGEST_RING};
pub use report::{Api, DishReport};
pub use sky::{LARGEST_SIDE, Sky, SkyMap};
pub use state::{Alert, Cause, DishState};

use crate::proto::messages::response::Response as Answer;
use crate::proto::messages::{DishGetStatusResponse, Response};
use crate::proto::{FieldPath, UnknownFields};
use drain::DrainPlanner;
use history::HistoryReader;
use poller::Question;

/// Longest answer, in bytes. A map of 123 × 123 has 61 KB, a full history 18 KB and its outages.
pub const LONGEST_ANSWER: usize = 256 * 1024;

/// What a dish has said, as of its newest status.
#[derive(Clone, Debug, PartialEq)]
pub struct DishView {
    /// When the newest status arrived; it speaks of 2 to 5 s earlier.
    pub at: Instant,
    /// The model.
    pub hardware: Option<String>,
    /// The firmware.
    pub software: Option<String>,
    /// Since the dish started.
    pub uptime: Option<Duration>,
    /// Whether it reaches the network.
    pub state: DishState,
    /// Something stands in the way right now.
    pub obstructed: Option<bool>,
    /// The share of the sky in which something stands in the way, 0 to 1.
    pub obstructed_share: Option<f32>,
    /// The round trip to the point of presence.
    pub latency: Option<Duration>,
    /// The share of pings to the point of presence that were lost in the last second, 0 to 1.
    pub lost_share: Option<f32>,
    /// What the dish draws.
    pub power: Option<MilliWatt>,
    /// What is wrong with it, each once.
    pub alerts: Vec<Alert>,
    /// The last 15 minutes and what was counted since this program began.
    pub history: History,
    /// The sky, once asked for.
    pub sky: Option<Arc<SkyMap>>,
    /// When traffic should leave it next, by plan.
    pub drain: Option<Drain>,
    /// What its plan costs and forbids.
    pub advice: Advice,
}

/// Why an answer was not taken in. What was known before still holds.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// It is longer than [`LONGEST_ANSWER`].
    #[error("an answer of {0} bytes; at most {LONGEST_ANSWER} were expected")]
    TooLong(usize),
    /// It is no message.
    #[error("an answer that is no message: {0}")]
    NotAMessage(#[from] prost::DecodeError),
    /// The dish refuses in its own words: gRPC code and text.
    #[error("the dish refuses with code {code}: {message}")]
    Refused {
        /// A gRPC status code other than 0.
        code: i32,
        /// Why, cut to what fits a log line.
        message: String,
    },
    /// It answers something else.
    #[error("an answer that does not answer the question for {0}")]
    AnotherQuestion(Question),
    /// A map whose sides and values do not go together.
    #[error("a map of the sky that does not add up")]
    BadMap,
}

/// One dish. Takes answers in any order; see [`DishView`] for what comes of them.
#[derive(Clone, Debug, Default)]
pub struct Dish {
    status: Option<Status>,
    history: HistoryReader,
    drains: DrainPlanner,
    sky: Option<Arc<SkyMap>>,
    unknown: UnknownFields,
}

/// The newest status and what was concluded from it at once.
#[derive(Clone, Debug)]
struct Status {
    at: Instant,
    said: Box<DishGetStatusResponse>,
    drain: Option<Drain>,
}

impl Dish {
    /// Takes in the encoded answer to `question`. `utc` is the wall clock since the Unix epoch,
    /// where somebody keeps it right; without it scheduled times are not understood. The fields
    /// returned are unknown here and have not been told before: worth one line in the log each.
    ///
    /// # Errors
    /// [`AnswerError`]; nothing has changed then, but for the unknown fields told.
    pub fn handle_answer(
        &mut self,
        now: Instant,
        utc: Option<Duration>,
        question: Question,
        answer: &[u8],
    ) -> Result<Vec<FieldPath>, AnswerError> {
        if answer.len() > LONGEST_ANSWER {
            return Err(AnswerError::TooLong(answer.len()));
        }
        let Response { status, response, .. } = Response::decode(answer)?;
        let code = status.as_ref().and_then(|status| status.code).unwrap_or_default();
        if code != 0 {
            let message = plausible::label(status.as_ref().and_then(|s| s.message.as_deref()));
            return Err(AnswerError::Refused { code, message: message.unwrap_or_default() });
        }
        match (question, response) {
            (Question::Status, Some(Answer::DishStatus(said))) => {
                let drain = self.drains.plan(now, utc, &said);
                self.status = Some(Status { at: now, said, drain });
            }
            (Question::History, Some(Answer::History(said))) => self.history.handle_answer(&said),
            (Question::Map, Some(Answer::ObstructionMap(said))) => {
                let map = SkyMap::of(&said).ok_or(AnswerError::BadMap)?;
                self.sky = Some(Arc::new(map));
            }
            (question, _) => return Err(AnswerError::AnotherQuestion(question)),
        }
        Ok(self.unknown.handle_answer(answer))
    }

    /// What the dish has said; nothing before its first status.
    #[must_use]
    pub fn view(&self) -> Option<DishView> {
        let Status { at, said, drain } = self.status.as_ref()?;
        let info = said.device_info.as_ref();
        let obstruction = said.obstruction_stats.as_ref();
        let history = self.history.history();
        let (latency, lost_share) = pings(said, &history);
        Some(DishView {
            at: *at,
            hardware: plausible::label(info.and_then(|info| info.hardware_version.as_deref())),
            software: plausible::label(info.and_then(|info| info.software_version.as_deref())),
            uptime: said.device_state.and_then(|state| state.uptime_s).map(Duration::from_secs),
            state: DishState::of(said),
            obstructed: obstruction.and_then(|stats| stats.currently_obstructed),
            obstructed_share: plausible::share(obstruction.and_then(|o| o.fraction_obstructed)),
            latency,
            lost_share,
            power: power(said).or(history.power),
            alerts: state::alerts(said.alerts.as_ref()),
            history,
            sky: self.sky.clone(),
            drain: *drain,
            advice: Advice::of(said),
        })
    }
}

/// Round trip and loss: from the history where a connected dish's status has no round trip, because
/// firmware that said 0 ms for ever had the right numbers there. In an outage there is none.
fn pings(said: &DishGetStatusResponse, history: &History) -> (Option<Duration>, Option<f32>) {
    let lost_share = plausible::share(said.pop_ping_drop_rate);
    let latency = plausible::latency(said.pop_ping_latency_ms);
    if latency.is_some() || DishState::of(said) != DishState::Connected {
        return (latency, lost_share);
    }
    (history.latency, history.lost_share.or(lost_share))
}

/// What one power supply or the other has measured.
fn power(said: &DishGetStatusResponse) -> Option<MilliWatt> {
    let one = plausible::power(said.upsu_stats.and_then(|stats| stats.dish_power));
    one.or_else(|| plausible::power(said.aps_stats.and_then(|stats| stats.dish_power)))
}

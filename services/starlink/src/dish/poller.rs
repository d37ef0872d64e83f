//! What to ask the dish, and when.

use std::fmt;
use std::time::Duration;

use units::Instant;

use crate::proto::messages::request::Request as Ask;
use crate::proto::messages::{
    DishGetObstructionMapRequest, GetHistoryRequest, GetStatusRequest, Request,
};

/// Longest wait for an answer; a healthy dish needs some milliseconds.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest pause while the dish does not answer: it may start at any moment.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The pause after the first failure; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Failures after which the pause no longer grows: 1, 2, 4, 8, 16, then 30 s.
const MOST_DOUBLINGS: u32 = 5;

/// Times of a question's interval for which it rests when the dish refuses to answer it.
const REST_AFTER_REFUSAL: u32 = 30;

/// One thing to ask the dish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// How are you?
    Status,
    /// How have you been in the last 15 minutes?
    History,
    /// What do you see of the sky?
    Map,
}

impl Question {
    const ALL: [Self; 3] = [Self::Status, Self::History, Self::Map];

    /// The message that asks it.
    #[must_use]
    pub fn request(self) -> Request {
        let ask = match self {
            Self::Status => Ask::Status(GetStatusRequest {}),
            Self::History => Ask::History(GetHistoryRequest {}),
            Self::Map => Ask::ObstructionMap(DishGetObstructionMapRequest {}),
        };
        Request { request: Some(ask) }
    }

    /// Time from one asking to the next.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_secs(match self {
            Self::Status => 1,
            Self::History => 15,
            Self::Map => 3_600,
        })
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status => "the status",
            Self::History => "the history",
            Self::Map => "the map of the sky",
        })
    }
}

/// Decides when to ask what. One question is out at a time; a dish that does not answer is asked
/// for its status only, after pauses that grow to [`LONGEST_PAUSE`].
///
/// Call [`poll_request`](Self::poll_request) whenever [`next_deadline`](Self::next_deadline) has
/// come, and say how each question went.
#[derive(Clone, Debug)]
pub struct DishPoller {
    /// When each of [`Question::ALL`] is to be asked next.
    due: [Instant; 3],
    asked: Option<(Question, Instant)>,
    /// Failures since the last answer.
    failures: u32,
    paused_until: Instant,
}

impl DishPoller {
    /// A poller that asks everything as soon as it is polled.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { due: [now; 3], asked: None, failures: 0, paused_until: now }
    }

    /// The question to ask now, if there is one. A question that has been out for longer than
    /// [`ANSWER_TIMEOUT`] has failed.
    pub fn poll_request(&mut self, now: Instant) -> Option<Question> {
        if let Some((_, asked_at)) = self.asked {
            if now < asked_at + ANSWER_TIMEOUT {
                return None;
            }
            self.handle_failure(now);
        }
        let question = self.next_question();
        if now < self.due_at(question) {
            return None;
        }
        self.due[index(question)] = now + question.interval();
        self.asked = Some((question, now));
        Some(question)
    }

    /// When to poll again if nothing happens before.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        match self.asked {
            Some((_, asked_at)) => asked_at + ANSWER_TIMEOUT,
            None => self.due_at(self.next_question()),
        }
    }

    /// The question that is out was answered.
    pub fn handle_answer(&mut self) {
        self.asked = None;
        self.failures = 0;
    }

    /// The question that is out was refused at `now`, by a dish that is otherwise well: it rests
    /// for 30 of its intervals, a status for 30 s.
    pub fn handle_refusal(&mut self, now: Instant) {
        if let Some((question, _)) = self.asked.take() {
            self.due[index(question)] = now + question.interval() * REST_AFTER_REFUSAL;
        }
        self.failures = 0;
    }

    /// The question that is out was not answered, or with nonsense.
    pub fn handle_failure(&mut self, now: Instant) {
        // What failed waits for its next turn: a map that hangs must not hold up the status.
        self.asked = None;
        let pause = FIRST_PAUSE * 2_u32.pow(self.failures.min(MOST_DOUBLINGS));
        self.failures = self.failures.saturating_add(1);
        self.paused_until = now + pause.min(LONGEST_PAUSE);
    }

    /// The question that is due first; of two, the one that is asked more often.
    fn next_question(&self) -> Question {
        if self.failures > 0 {
            return Question::Status;
        }
        let first = Question::ALL.into_iter().min_by_key(|question| self.due_at(*question));
        first.unwrap_or(Question::Status)
    }

    fn due_at(&self, question: Question) -> Instant {
        let due = self.due[index(question)];
        if self.failures > 0 { due.max(self.paused_until) } else { due }
    }
}

fn index(question: Question) -> usize {
    match question {
        Question::Status => 0,
        Question::History => 1,
        Question::Map => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is asked in `seconds`, with the second in which it is asked.
    fn asked(
        poller: &mut DishPoller,
        from: u64,
        seconds: u64,
        mut answer: impl FnMut(&mut DishPoller, Question, Instant),
    ) -> Vec<(Question, u64)> {
        let mut asked = Vec::new();
        let end = Instant::from_secs(from + seconds);
        let mut now = Instant::from_secs(from);
        while now < end {
            while let Some(question) = poller.poll_request(now) {
                asked.push((question, now.as_micros() / 1_000_000));
                answer(poller, question, now);
            }
            assert!(poller.next_deadline() > now, "a deadline that has passed spins");
            now = poller.next_deadline();
        }
        asked
    }

    fn count(asked: &[(Question, u64)], wanted: Question) -> usize {
        asked.iter().filter(|(question, _)| *question == wanted).count()
    }

    #[test]
    fn a_healthy_dish_is_asked_at_its_intervals() {
        let mut poller = DishPoller::new(Instant::from_secs(5));
        let asked = asked(&mut poller, 5, 7_200, |poller, _, _| poller.handle_answer());
        assert_eq!(count(&asked, Question::Status), 7_200);
        assert_eq!(count(&asked, Question::History), 480);
        assert_eq!(count(&asked, Question::Map), 2);
        assert_eq!(asked[0], (Question::Status, 5));
    }

    #[test]
    fn one_question_is_out_at_a_time_and_two_seconds_are_its_end() {
        let mut poller = DishPoller::new(Instant::BOOT);
        assert_eq!(poller.poll_request(Instant::BOOT), Some(Question::Status));
        assert_eq!(poller.poll_request(Instant::from_micros(1_999_999)), None);
        assert_eq!(poller.next_deadline(), Instant::from_secs(2));
        assert_eq!(poller.poll_request(Instant::from_secs(2)), None);
        assert_eq!(poller.next_deadline(), Instant::from_secs(3));
        assert_eq!(poller.poll_request(Instant::from_secs(3)), Some(Question::Status));
    }

    #[test]
    fn a_dead_dish_is_asked_less_and_less_but_never_less_than_each_30_s() {
        let mut poller = DishPoller::new(Instant::BOOT);
        let asked = asked(&mut poller, 0, 300, |poller, _, now| poller.handle_failure(now));
        let times: Vec<_> = asked.iter().map(|(_, second)| *second).collect();
        assert_eq!(&times[..8], [0, 1, 3, 7, 15, 31, 61, 91]);
        assert_eq!(count(&asked, Question::Status), asked.len());
    }

    #[test]
    fn a_dish_that_is_back_is_asked_everything() {
        let mut poller = DishPoller::new(Instant::BOOT);
        asked(&mut poller, 0, 100, |poller, _, now| poller.handle_failure(now));
        let asked = asked(&mut poller, 130, 2, |poller, _, _| poller.handle_answer());
        assert!(count(&asked, Question::History) == 1 && count(&asked, Question::Map) == 1);
    }

    #[test]
    fn a_refusal_rests_only_the_question_that_was_refused() {
        let mut poller = DishPoller::new(Instant::BOOT);
        let asked = asked(&mut poller, 0, 600, |poller, question, now| match question {
            Question::History => poller.handle_refusal(now),
            _ => poller.handle_answer(),
        });
        assert_eq!(count(&asked, Question::Status), 600);
        assert_eq!(count(&asked, Question::History), 2);
    }
}

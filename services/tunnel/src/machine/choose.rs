//! Which path a packet takes.

use core::time::Duration;

use units::Instant;

use super::{Event, Tunnel};
use crate::class::Class;
use crate::path::{Path, State};
use crate::policy::Policy;

/// A path that is better by less than this is not worth a switch.
const WORTH_A_SWITCH: Duration = Duration::from_millis(10);
/// A download whose packets wait longer than this may move to a path with room.
const CROWDED: Duration = Duration::from_millis(25);
/// A download moves only where it gets this much more, in parts of a hundred,
const WORTH_A_MOVE_PERCENT: u64 = 120;
/// and, from a path that is not crowded, only for this much: its queue may be in the network, or
/// it may want no more than it has.
const WORTH_A_LEAP_PERCENT: u64 = 170;

/// Paths in order of preference: what is least comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    trust: u8,
    poor: bool,
    policy: Policy,
}

impl Rank {
    fn of(path: &Path) -> Self {
        let trust = match path.health.state() {
            State::Up | State::Suspect => 0,
            State::Probation => 1,
            // Better than nothing, if there is nothing.
            State::Down => 2,
        };
        Self { trust, poor: path.poor, policy: path.policy }
    }
}

impl Tunnel {
    /// Chooses anew where what is urgent goes.
    pub(super) fn choose(&mut self, now: Instant) {
        let usable = |index: &usize| self.paths[*index].is_usable();
        let key = |index: &usize| {
            let path = &self.paths[*index];
            (Rank::of(path), path.expected_delay())
        };
        let candidate = (0..self.paths.len()).filter(usable).min_by_key(key);
        let current = self.best.filter(usable);
        let next = match (current, candidate) {
            (Some(current), Some(candidate)) if !self.is_worth_it(current, candidate) => {
                Some(current)
            }
            (_, candidate) => candidate,
        };
        if next == self.best {
            return;
        }
        let link = |index: Option<usize>| index.map(|index| self.paths[index].link);
        let (from, to) = (link(self.best), link(next));
        self.counters.switches += u64::from(self.best.is_some() && next.is_some());
        let left = core::mem::replace(&mut self.best, next);
        let (gap, lost) = left.map_or((Duration::ZERO, 0), |left| self.leave(left, now));
        self.tell(Event::Switched { from, to, gap, lost });
    }

    /// What it costs that what is urgent leaves a path: for how long nothing had passed on it, and
    /// how many packets are lost. Nothing is where it is left for a better one.
    fn leave(&mut self, left: usize, now: Instant) -> (Duration, u32) {
        let path = &self.paths[left];
        let gap = path.still_since().map_or(Duration::ZERO, |since| now.saturating_since(since));
        match path.health.state() {
            State::Up | State::Probation => (Duration::ZERO, 0),
            // What is on its way has been copied, and is given up only when the path is.
            State::Suspect => (gap, 0),
            State::Down => (gap, self.evacuate(left, now)),
        }
    }

    fn is_worth_it(&self, current: usize, candidate: usize) -> bool {
        let (current, candidate) = (&self.paths[current], &self.paths[candidate]);
        // Where nothing carries, nothing is gained.
        if candidate.health.state() == State::Down && current.health.state() == State::Down {
            return false;
        }
        match Rank::of(candidate).cmp(&Rank::of(current)) {
            core::cmp::Ordering::Less => true,
            core::cmp::Ordering::Greater => false,
            core::cmp::Ordering::Equal => {
                let better = candidate.expected_delay() * 3 / 2 + WORTH_A_SWITCH;
                better < current.expected_delay()
            }
        }
    }

    /// The best path besides `index`, among those that carry: where packets go again.
    pub(super) fn alternative(&self, index: usize) -> Option<usize> {
        self.other(index, |_| true)
    }

    /// The same among those whose bytes cost nothing: where copies go.
    pub(super) fn second(&self, index: usize) -> Option<usize> {
        self.other(index, |path| !path.metered)
    }

    fn other(&self, index: usize, may: impl Fn(&Path) -> bool) -> Option<usize> {
        let fit = |other: &usize| {
            let path = &self.paths[*other];
            *other != index && path.is_usable() && path.health.state() != State::Down && may(path)
        };
        let key = |other: &usize| {
            let path = &self.paths[*other];
            let suspect = path.health.state() == State::Suspect;
            (suspect, Rank::of(path), path.expected_delay())
        };
        (0..self.paths.len()).filter(fit).min_by_key(key)
    }

    /// The path of a packet that can wait: where its flow is, unless that is full or gone.
    pub(super) fn place(&mut self, flow: u64, class: Class, now: Instant) -> Option<usize> {
        let best = self.best?;
        let pinned = self.pins.find(flow, now).and_then(|link| {
            let index = self.paths.iter().position(|path| path.link == link)?;
            self.keeps(index, best).then_some(index)
        });
        let Some(index) = pinned else {
            let index = self.roomiest(class, now).unwrap_or(best);
            self.pins.pin(flow, self.paths[index].link, now);
            return Some(index);
        };
        let crowded = self.paths[index].sojourn(class, now) > CROWDED;
        let worth_it = if crowded { WORTH_A_MOVE_PERCENT } else { WORTH_A_LEAP_PERCENT };
        if self.pins.may_move(flow, now)
            && let Some(other) = self.better_share(index, class, worth_it, now)
        {
            self.pins.pin(flow, self.paths[other].link, now);
            return Some(other);
        }
        Some(index)
    }

    /// Whether a download may stay on `index`.
    fn keeps(&self, index: usize, best: usize) -> bool {
        let (path, best) = (&self.paths[index], &self.paths[best]);
        let (own, first) = (Rank::of(path), Rank::of(best));
        // One that spilled over to a secondary path stays there as long as it is trusted.
        path.is_usable() && (own.trust, own.poor) <= (first.trust, first.poor)
    }

    /// Where a new download goes: the best policy, and there where most is left for it.
    fn roomiest(&self, class: Class, now: Instant) -> Option<usize> {
        let best = Rank::of(&self.paths[self.best?]);
        let fit = |index: &usize| {
            let path = &self.paths[*index];
            let rank = Rank::of(path);
            let full = path.sojourn(class, now) > CROWDED;
            path.is_usable()
                && (rank.trust, rank.poor) == (best.trust, best.poor)
                && (rank.policy == best.policy
                    || (!path.metered && self.may_spill(rank.policy, class, now)))
                && !full
        };
        let share = |index: &usize| self.share(*index, 1);
        (0..self.paths.len()).filter(fit).max_by_key(share)
    }

    /// Another path on which a flow of `index` would get clearly more.
    fn better_share(
        &self,
        index: usize,
        class: Class,
        percent: u64,
        now: Instant,
    ) -> Option<usize> {
        let own = self.share(index, 0);
        let other = self.roomiest(class, now).filter(|other| *other != index)?;
        (self.share(other, 1) * 100 > own * percent).then_some(other)
    }

    /// What each of its downloads gets of a path, with `more` of them, in bytes a second.
    fn share(&self, index: usize, more: u32) -> u64 {
        let path = &self.paths[index];
        path.rate / u64::from((self.pins.running(path.link) + more).max(1))
    }

    /// Whether the paths of better policy are all crowded.
    fn may_spill(&self, policy: Policy, class: Class, now: Instant) -> bool {
        policy == Policy::Secondary
            && self
                .paths
                .iter()
                .filter(|path| path.is_usable() && path.policy < policy)
                .all(|path| path.sojourn(class, now) > CROWDED)
    }
}

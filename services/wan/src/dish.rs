//! What the dish of an uplink says, and what that means for its use.
//!
//! A dish knows things that no packet tells in time: that it will restart, sleep or switch itself
//! off for heat; that its plan counts bytes; that its account is shut. None of it is evidence of
//! how the uplink does: a word moves an uplink down in the order, and never out of it. A dish that
//! lies can at worst have another uplink carry the house while there is one that works; one that is
//! silent, hangs or talks nonsense changes nothing. What it said holds for [`WORD_HOLDS`].
//!
//! Tell it by [`Dishes::handle_report`] and [`Dishes::handle_deadline`] when
//! [`Dishes::next_deadline`] has come; [`Dishes::word`] is what holds then. Bounded: one word for
//! each uplink.

use std::collections::BTreeMap;
use std::time::Duration;

use starlink::dish::{Advice, Disablement, Drain, DrainReason, Restriction};
use starlink::dish::{Cause, DishReport, DishState, DishView};
use units::{Instant, LinkId, MilliWatt};

/// How long what a dish said of its plan holds while it says nothing more. Its interface has been
/// silent for weeks after an update, and a plan changes.
pub const WORD_HOLDS: Duration = Duration::from_secs(15 * 60);

/// How long its numbers of this second are told.
pub const FRESH: Duration = Duration::from_secs(30);

const _: () = assert!(FRESH.as_secs() < WORD_HOLDS.as_secs());

/// How far two readings of one plan may lie apart: it counts in whole seconds and answers late.
const SAME_PLAN: Duration = Duration::from_secs(5);

/// What holds of a dish now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DishWord {
    /// Why it does not reach the network, by its own account.
    pub outage: Option<Cause>,
    /// The share of its sky in which something stands in the way, 0 to 1.
    pub obstructed: Option<f32>,
    /// What it draws.
    pub draw: Option<MilliWatt>,
    /// When its uplink should be left next, and why.
    pub drain: Option<(Instant, DrainReason)>,
    /// Why its uplink is to carry only when nothing else does.
    pub last_resort: Option<LastResort>,
    /// Why nothing is to be sent over it that need not be.
    pub sparing: Option<Sparing>,
}

impl DishWord {
    /// What is done now and was not `before`, and what the dish said or does to cause it.
    pub fn news(&self, before: &Self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let last_resort =
            (self.last_resort != before.last_resort).then_some(match self.last_resort {
                Some(why) => (why.words(), "carries only when nothing else does"),
                None => ("gives no reason against it any more", "carries as before"),
            });
        let sparing = (self.sparing != before.sparing).then_some(match self.sparing {
            Some(why) => (why.words(), "carries nothing twice and nothing that can wait"),
            None => ("says nothing against it any more", "carries what its cap allows"),
        });
        last_resort.into_iter().chain(sparing)
    }
}

/// Why an uplink is to carry only when nothing else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastResort {
    /// The account may not use the network.
    Disabled(Disablement),
    /// It will be away for a while, or is.
    Drain(DrainReason),
}

impl LastResort {
    /// The reason in a few words, after "the dish".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Drain(DrainReason::Heat) => "is about to switch itself off for heat",
            Self::Drain(DrainReason::Reboot) => "is about to restart for an update",
            Self::Drain(DrainReason::Sleep) => "is about to sleep, as it was told to",
            Self::Disabled(Disablement::BlockedArea) => "is where its network may not be used",
            Self::Disabled(Disablement::CellDisabled) => "says that its cell is switched off",
            Self::Disabled(Disablement::DataUsedUp) => "says that the month's data is used up",
            Self::Disabled(Disablement::MovingTooFast) => "moves faster than its plan allows",
            Self::Disabled(Disablement::NoActiveAccount) => "says that nobody pays for it",
            Self::Disabled(Disablement::RoamingRestricted) => "says that its plan is for elsewhere",
            Self::Disabled(Disablement::Unknown) => "says that it may not be used",
        }
    }
}

/// Why nothing is to be sent over an uplink that need not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sparing {
    /// Its bytes cost.
    Metered,
    /// Its plan slows it.
    Restricted,
}

impl Sparing {
    /// The reason in a few words, after "the dish".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Metered => "says that its bytes cost",
            Self::Restricted => "says that its plan slows it",
        }
    }
}

/// What one dish has said.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Said {
    at: Instant,
    state: DishState,
    obstructed: Option<f32>,
    draw: Option<MilliWatt>,
    drain: Option<Drain>,
    advice: Advice,
}

/// What all dishes have said.
#[derive(Clone, Debug, Default)]
pub struct Dishes {
    said: BTreeMap<LinkId, Said>,
    now: Instant,
}

impl Dishes {
    /// Whoever follows the dish of `link` tells the newest. A dish that has said nothing new is
    /// heard again and changes nothing.
    pub fn handle_report(&mut self, link: LinkId, report: &DishReport, now: Instant) {
        self.now = now;
        let Some(view) = &report.view else { return };
        let before = self.said.get(&link);
        let drain = before.map_or(view.drain, |before| drain_after(before.drain, view, now));
        let said = Said {
            at: view.at.min(now),
            state: view.state,
            obstructed: view.obstructed_share,
            draw: view.power,
            drain,
            advice: view.advice,
        };
        self.said.insert(link, said);
    }

    /// Time has passed.
    pub fn handle_deadline(&mut self, now: Instant) {
        self.now = now;
    }

    /// When something changes although nothing is said.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let moments = self.said.values().flat_map(|said| {
            let drain = said.drain.map(|drain| [drain.from, drain.until]);
            [said.at + FRESH, said.at + WORD_HOLDS].into_iter().chain(drain.into_iter().flatten())
        });
        moments.filter(|moment| *moment > self.now).min()
    }

    /// What holds of the dish of `link`.
    #[must_use]
    pub fn word(&self, link: LinkId) -> DishWord {
        let Some(said) = self.said.get(&link) else { return DishWord::default() };
        let age = self.now.saturating_since(said.at);
        let (fresh, holds) = (age < FRESH, age < WORD_HOLDS);
        let advice = if holds { said.advice } else { Advice::default() };
        let drain = said.drain.filter(|drain| self.now < drain.until);
        let away = drain.filter(|drain| drain.from <= self.now);
        // A code that is not understood is no reason to do anything.
        let disabled = advice.disabled.filter(|why| *why != Disablement::Unknown);
        let restricted = advice.restricted.filter(|why| *why != Restriction::Unknown);
        DishWord {
            outage: match said.state {
                DishState::Outage(cause) if fresh => Some(cause),
                _ => None,
            },
            obstructed: said.obstructed.filter(|_| fresh),
            draw: said.draw.filter(|_| fresh),
            drain: drain.map(|drain| (drain.from, drain.why)),
            last_resort: away
                .map(|drain| LastResort::Drain(drain.why))
                .or(disabled.map(LastResort::Disabled)),
            sparing: advice
                .metered
                .then_some(Sparing::Metered)
                .or(restricted.map(|_| Sparing::Restricted)),
        }
    }
}

/// The plan after `view`, where there was one `before`.
///
/// A plan is told anew each second, a little differently; it stays the same plan. One that is under
/// way lasts until its end or until the dish is connected again, whichever is first: a dish that
/// restarts has forgotten why.
fn drain_after(before: Option<Drain>, view: &DishView, now: Instant) -> Option<Drain> {
    let Some(before) = before.filter(|drain| now < drain.until) else { return view.drain };
    let begun = before.from <= now;
    let new = view.drain.filter(|new| new.why == before.why).filter(|new| {
        let later = new.from.saturating_since(before.from);
        let sooner = before.from.saturating_since(new.from);
        later.max(sooner) <= SAME_PLAN || (begun && new.from <= now + SAME_PLAN)
    });
    if let Some(new) = new {
        return Some(Drain { from: before.from, ..new });
    }
    let at_once = view.drain.is_some_and(|new| new.from <= now);
    let away = begun && !at_once && matches!(view.state, DishState::Outage(_));
    if away { Some(before) } else { view.drain }
}

#[cfg(test)]
mod tests {
    use super::*;
    use starlink::dish::{Api, History};

    const LINK: LinkId = LinkId::new(1).expect("from 1");

    fn at(seconds: u64) -> Instant {
        Instant::from_secs(seconds)
    }

    fn view(now: u64) -> DishView {
        DishView {
            at: at(now),
            hardware: None,
            software: None,
            uptime: None,
            state: DishState::Connected,
            obstructed: None,
            obstructed_share: Some(0.03),
            latency: None,
            lost_share: None,
            power: Some(MilliWatt::new(74_000)),
            alerts: Vec::new(),
            history: History::default(),
            sky: None,
            drain: None,
            advice: Advice::default(),
        }
    }

    fn restart(from: u64, until: u64) -> Option<Drain> {
        Some(Drain { from: at(from), until: at(until), why: DrainReason::Reboot })
    }

    /// What holds at `now` after the dish said `view`.
    fn after(dishes: &mut Dishes, view: DishView, now: u64) -> DishWord {
        let report = DishReport { api: Api::Answering, view: Some(view) };
        dishes.handle_report(LINK, &report, at(now));
        dishes.word(LINK)
    }

    fn later(dishes: &mut Dishes, now: u64) -> DishWord {
        dishes.handle_deadline(at(now));
        dishes.word(LINK)
    }

    const LEAVES: Option<LastResort> = Some(LastResort::Drain(DrainReason::Reboot));

    #[test]
    fn a_restart_is_left_in_time_and_over_when_the_dish_is_back() {
        let mut dishes = Dishes::default();
        let word = after(&mut dishes, DishView { drain: restart(100, 610), ..view(10) }, 10);
        assert_eq!((word.drain, word.last_resort), (Some((at(100), DrainReason::Reboot)), None));
        // Each second it is told anew, half a second off; what is told stays the same.
        for now in 11..100 {
            let drain = restart(100 + now % 3, 610 + now % 3);
            assert_eq!(after(&mut dishes, DishView { drain, ..view(now) }, now).drain, word.drain);
        }
        assert_eq!(dishes.next_deadline(), Some(at(100)));
        assert_eq!(later(&mut dishes, 100).last_resort, LEAVES);
        // Within the last half minute it says "now", each second later.
        let word = after(&mut dishes, DishView { drain: restart(125, 620), ..view(125) }, 125);
        assert_eq!((word.drain, word.last_resort), (Some((at(100), DrainReason::Reboot)), LEAVES));
        // It restarts: silent, then it starts and has forgotten why.
        assert_eq!(later(&mut dishes, 200).last_resort, LEAVES);
        let booting = DishView { state: DishState::Outage(Cause::Booting), ..view(250) };
        assert_eq!(after(&mut dishes, booting.clone(), 250).last_resort, LEAVES);
        // A plan for tomorrow does not end what is under way.
        let tomorrow = Drain { from: at(80_000), until: at(90_000), why: DrainReason::Sleep };
        let booting = DishView { drain: Some(tomorrow), ..booting };
        assert_eq!(after(&mut dishes, booting, 260).last_resort, LEAVES);
        let word = after(&mut dishes, view(300), 300);
        assert_eq!((word.drain, word.last_resort), (None, None));
    }

    #[test]
    fn a_restart_of_which_nothing_more_is_heard_is_over_at_its_end() {
        let mut dishes = Dishes::default();
        after(&mut dishes, DishView { drain: restart(10, 520), ..view(10) }, 10);
        assert_eq!(later(&mut dishes, 519).last_resort, LEAVES);
        assert_eq!(dishes.next_deadline(), Some(at(520)));
        let word = later(&mut dishes, 520);
        assert_eq!((word.drain, word.last_resort), (None, None));
    }

    #[test]
    fn a_plan_that_is_dropped_or_moved_is_dropped_or_moved() {
        let mut dishes = Dishes::default();
        after(&mut dishes, DishView { drain: restart(10, 520), ..view(10) }, 10);
        assert_eq!(after(&mut dishes, view(11), 11).last_resort, None, "it changed its mind");
        after(&mut dishes, DishView { drain: restart(100, 600), ..view(12) }, 12);
        let word = after(&mut dishes, DishView { drain: restart(200, 700), ..view(13) }, 13);
        assert_eq!(word.drain, Some((at(200), DrainReason::Reboot)));
    }

    #[test]
    fn advice_holds_for_a_while_and_numbers_for_less() {
        let mut dishes = Dishes::default();
        let disabled = Some(Disablement::NoActiveAccount);
        let advice = Advice { metered: true, restricted: None, disabled };
        let outage = DishState::Outage(Cause::Obstructed);
        let word = after(&mut dishes, DishView { advice, state: outage, ..view(10) }, 10);
        let last_resort = disabled.map(LastResort::Disabled);
        assert_eq!((word.last_resort, word.sparing), (last_resort, Some(Sparing::Metered)));
        assert_eq!((word.outage, word.obstructed), (Some(Cause::Obstructed), Some(0.03)));
        assert_eq!(word.draw, Some(MilliWatt::new(74_000)));
        let word = later(&mut dishes, 40);
        assert_eq!((word.outage, word.obstructed, word.draw), (None, None, None));
        assert_eq!(word.last_resort, last_resort);
        assert_eq!(dishes.next_deadline(), Some(at(910)));
        assert_eq!(later(&mut dishes, 910), DishWord::default());
        assert_eq!(dishes.next_deadline(), None);
    }

    #[test]
    fn what_is_not_understood_changes_nothing() {
        let mut dishes = Dishes::default();
        let report = DishReport { api: Api::Refusing, view: None };
        dishes.handle_report(LINK, &report, at(1));
        assert_eq!((dishes.word(LINK), dishes.next_deadline()), (DishWord::default(), None));
        let (restricted, disabled) = (Some(Restriction::Unknown), Some(Disablement::Unknown));
        let advice = Advice { metered: false, restricted, disabled };
        let state = DishState::Outage(Cause::Unknown);
        let word = after(&mut dishes, DishView { advice, state, ..view(2) }, 2);
        assert_eq!((word.last_resort, word.sparing), (None, None));
    }
}

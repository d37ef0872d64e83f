//! The slot clock: when a Starlink path will next go silent, before it does.
//!
//! Starlink gives every dish a new satellite at GPS times that are multiples of 15 s. Around each
//! such boundary a path is silent for 58 to 134 ms, over inter-satellite links for about 540 ms,
//! and its delay jumps. [`SlotClock`] first trusts a synchronised wall clock (GPS is 18 s ahead of
//! UTC, so boundaries are at UTC seconds 12, 27, 42 and 57), then the path itself: it folds the
//! trouble it is told of at 15 s on the box's own clock, so that a wrong wall clock or a step of
//! it costs nothing once the path has been seen. A path without a 15 s signal switches it off.
//!
//! Pure: no task, no clock, no socket. Bounded: 20 KiB for ever, whatever it is told. A delay
//! costs a few additions and, once per 10 ms at most, a selection among 200 numbers.

mod bins;
mod fold;
mod recent;

use std::time::Duration;

use units::Instant;

use bins::{BINS_PER_SLOT, NANOS_PER_BIN, SLOT};
use fold::{Fold, Signal};
use recent::{LONGEST_HOLE, Recent, SHORTEST_HOLE};

/// Time from one boundary to the next (arXiv 2310.09242; measured to 12 ms on public traces).
pub const SLOT_LENGTH: Duration = Duration::from_secs(15);

/// The longest window: 200 ms before to 450 ms after the boundary, what a path over
/// inter-satellite links needs.
pub const LONGEST_WINDOW: Duration = Duration::from_millis(650);

/// GPS time has no leap seconds: 18 s ahead of UTC since 2017.
const GPS_AHEAD_OF_UTC: Duration = Duration::from_secs(18);

/// The window before anything was learned, to each side of the predicted boundary.
const PREDICTED_BEFORE: Duration = Duration::from_millis(50);
const PREDICTED_AFTER: Duration = Duration::from_millis(150);

/// Kept clear before the trouble learned (a hole begins up to 12 ms early, and what arrives then
/// was sent a one-way delay before) and after it.
const MARGIN_BEFORE: Duration = Duration::from_millis(40);
const MARGIN_AFTER: Duration = Duration::from_millis(40);

/// A learned window reaches at least this far past where the trouble begins: few probes see only
/// part of it, and eight recorded boundaries lasted 58 to 134 ms.
const LEAST_AFTER: Duration = Duration::from_millis(130);

/// Where the trouble of a predicted boundary may peak, in bins before and after it.
const NEAR_BEFORE: usize = 20;
const NEAR_AFTER: usize = 45;

/// Trouble that begins this close to what is known, in bins, is the same boundary.
const SAME_BOUNDARY: usize = 65;

/// Evidence that switches on at any place of the slot: the chance of a false alarm is below
/// `1500 × e^-21` = 1.2 in a million for each slot, whatever the path's jitter.
const EVIDENCE_ANYWHERE: f32 = 21.0;

/// Evidence that is enough where the wall clock expects the boundary: a 20th of the places.
const EVIDENCE_AS_PREDICTED: f32 = 10.0;

/// Evidence below which a boundary is given up. Half of what switches on near a prediction, so
/// that one quiet slot changes nothing.
const EVIDENCE_LOST: f32 = 5.0;

/// Share of slots that must be in trouble: below it a window costs more than it saves.
const SHARE_ON: f32 = 0.5;

/// Share of recent windows in trouble below which a learned boundary is given up.
const SHARE_OFF: f32 = 0.2;

/// Windows over which that share is averaged: nine quiet ones in a row give up.
const SHARE_WINDOWS: f32 = 6.0;

/// Slots observed before a prediction may be found wrong: a minute and a half.
const SLOTS_TO_REFUTE: f32 = 5.5;

/// Slots without any observation after which what was learned is forgotten: an hour, in which a
/// clock that nobody disciplines drifts by 180 ms.
const SLOTS_TO_FORGET: u64 = 240;

/// A wall clock that moves the boundary by less has not been stepped: 20 ms.
const SAME_PHASE: u64 = 20_000_000;

const SLOT_NANOS: u64 = BINS_PER_SLOT * NANOS_PER_BIN;

const _: () = assert!(SLOT_NANOS as u128 == SLOT_LENGTH.as_nanos());

/// What is known about a path before it has been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// It goes through a dish: predict from the wall clock until the path speaks against it.
    Starlink,
    /// Nothing: open no window until the path has shown the signal.
    Unknown,
}

/// How well the boundary is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Confidence {
    /// There is no 15 s signal, or nothing is known yet.
    Off,
    /// The wall clock says so; the path has not spoken yet.
    Predicted,
    /// The path says so.
    Learned {
        /// Share of recent windows in which there was trouble, 0 to 1.
        share: f32,
    },
}

/// When trouble is expected around one boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First moment of it.
    pub opens: Instant,
    /// When the trouble itself is expected to begin.
    pub boundary: Instant,
    /// Last moment of it. Afterwards the path is another path: bandwidth and least delay measured
    /// before mean nothing.
    pub closes: Instant,
}

impl Window {
    /// Whether `at` lies inside, both ends included.
    #[must_use]
    pub fn contains(&self, at: Instant) -> bool {
        (self.opens..=self.closes).contains(&at)
    }
}

/// A boundary on the box's own clock, and the window around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Boundary {
    /// Nanoseconds after a multiple of 15 s since boot.
    phase: u64,
    before: Duration,
    after: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Off,
    Predicted(Boundary),
    Learned(Boundary),
}

/// What the newest window brought.
#[derive(Clone, Copy, Debug, Default)]
struct Occurrence {
    observed: bool,
    troubled: bool,
}

/// Predicts the boundary of one path. One for each path; see the module for how it learns.
#[derive(Clone, Debug)]
pub struct SlotClock {
    expectation: Expectation,
    /// The boundary's phase by the wall clock, once that was synchronised.
    predicted: Option<u64>,
    /// The path has spoken against that phase.
    refuted: bool,
    state: State,
    recent: Recent,
    fold: Fold,
    occurrence: Occurrence,
    /// Share of recent windows in trouble.
    share: f32,
    /// The bin in which the slot is looked at as a whole, half a slot from the boundary.
    review_at: Option<u64>,
    /// When it was looked at last.
    reviewed: u64,
    /// Slots in which nothing was observed, in a row.
    unseen: u64,
}

impl SlotClock {
    /// A clock that knows nothing but what to expect.
    #[must_use]
    pub fn new(expectation: Expectation) -> Self {
        Self {
            expectation,
            predicted: None,
            refuted: false,
            state: State::Off,
            recent: Recent::new(),
            fold: Fold::new(),
            occurrence: Occurrence::default(),
            share: 0.0,
            review_at: None,
            reviewed: 0,
            unseen: 0,
        }
    }

    /// Takes a reading of the wall clock: at `now` it said `utc` since the Unix epoch. To be
    /// called each minute or so, and when the clock was stepped. A clock that nobody keeps
    /// `synchronised` is not believed; one that is wrong all the same is found out by the path.
    pub fn handle_clock(&mut self, now: Instant, utc: Duration, synchronised: bool) {
        if !synchronised {
            return;
        }
        let into_slot = (utc + GPS_AHEAD_OF_UTC).as_nanos() % SLOT_LENGTH.as_nanos();
        let into_slot = u64::try_from(into_slot).expect("a remainder of 15 s fits");
        let phase = (now.as_nanos() % SLOT_NANOS + SLOT_NANOS - into_slot) % SLOT_NANOS;
        let stepped = self.predicted.is_none_or(|before| apart(before, phase) > SAME_PHASE);
        self.predicted = Some(phase);
        self.refuted &= !stepped;
        match self.state {
            State::Learned(_) => {}
            State::Predicted(_) => self.predict(),
            State::Off if self.refuted => {}
            State::Off => self.predict(),
        }
    }

    /// Takes a delay of the path, one way or there and back; only its changes count, so an
    /// unknown offset between two clocks does no harm. `at` is when the packet was sent, on the
    /// box's clock: windows are learned in the time they are given in, and who asks for one is
    /// about to send. Where that is not known (packets of the other end) the arrival will do on a
    /// short path. Useful from five samples a second on; more than one in 10 ms adds nothing.
    pub fn handle_delay(&mut self, at: Instant, delay: Duration) {
        let bin = bins::of(at);
        let delay_us = u32::try_from(delay.as_micros()).unwrap_or(u32::MAX);
        self.recent.handle_delay(bin, delay_us);
        self.advance(bin);
    }

    /// Takes a hole: what was sent between `begin` and `end` did not arrive, or, seen from the
    /// arrivals, nothing came in between although something was due. Below 40 ms it is ordinary
    /// and above 1.5 s an outage; neither says anything about boundaries.
    pub fn handle_silence(&mut self, begin: Instant, end: Instant) {
        let (first, last) = (bins::of(begin), bins::of(end));
        if (SHORTEST_HOLE..=LONGEST_HOLE).contains(&last.saturating_sub(first)) {
            self.recent.handle_silence(first, last);
        }
        self.advance(last);
    }

    /// The window that `at` lies in, else the next one after it; none while there is no signal.
    #[must_use]
    pub fn window(&self, at: Instant) -> Option<Window> {
        let boundary = self.boundary()?;
        let since = Instant::from_nanos(at.as_nanos().saturating_sub(nanos(boundary.after)));
        let next = boundary.next(since);
        let opens = next.as_nanos().saturating_sub(nanos(boundary.before));
        let closes = next + boundary.after;
        Some(Window { opens: Instant::from_nanos(opens), boundary: next, closes })
    }

    /// The first boundary at or after `now`; none while there is no signal.
    #[must_use]
    pub fn next_boundary(&self, now: Instant) -> Option<Instant> {
        Some(self.boundary()?.next(now))
    }

    /// How well the boundary is known.
    #[must_use]
    pub fn confidence(&self) -> Confidence {
        match self.state {
            State::Off => Confidence::Off,
            State::Predicted(_) => Confidence::Predicted,
            State::Learned(_) => Confidence::Learned { share: self.share },
        }
    }

    fn boundary(&self) -> Option<Boundary> {
        match self.state {
            State::Off => None,
            State::Predicted(boundary) | State::Learned(boundary) => Some(boundary),
        }
    }

    /// Predicts from the wall clock, where that is wanted and possible.
    fn predict(&mut self) {
        self.state = match (self.expectation, self.predicted) {
            (Expectation::Starlink, Some(phase)) => State::Predicted(Boundary {
                phase,
                before: PREDICTED_BEFORE,
                after: PREDICTED_AFTER,
            }),
            _ => State::Off,
        };
    }

    /// Judges what has become old enough, and the slot as a whole when it is over.
    fn advance(&mut self, now: u64) {
        let boundary = self.boundary();
        let (fold, occurrence) = (&mut self.fold, &mut self.occurrence);
        self.recent.judge(now, |verdict| {
            let place = bins::phase(verdict.bin);
            fold.note(place, verdict.troubled);
            occurrence.observed |= boundary.is_none_or(|known| known.covers(place));
            occurrence.troubled |=
                verdict.troubled && boundary.is_some_and(|known| known.covers(place));
        });
        let review_at = *self.review_at.get_or_insert(now + BINS_PER_SLOT);
        if now >= review_at {
            self.review(now);
        }
    }

    /// Looks at the slot that is over: keeps, moves, learns or gives up the boundary.
    fn review(&mut self, now: u64) {
        let slots = ((now - self.reviewed.min(now)) / BINS_PER_SLOT).max(1);
        let Occurrence { observed, troubled } = std::mem::take(&mut self.occurrence);
        if observed {
            self.unseen = 0;
            self.share += (f32::from(u8::from(troubled)) - self.share) / SHARE_WINDOWS;
        } else {
            self.unseen = self.unseen.saturating_add(slots);
        }
        let anywhere = self.fold.strongest(0..SLOT);
        let proven = anywhere.filter(Signal::is_proven).or_else(|| self.signal_as_predicted());
        if let Some(signal) = proven {
            self.learn(&signal);
        } else if self.has_lost_its_signal() {
            self.refuted = true;
            self.give_up();
        } else if self.unseen > SLOTS_TO_FORGET {
            self.refuted = false;
            self.give_up();
            self.predict();
        }
        self.fold.age(slots);
        self.reviewed = now;
        self.review_at = Some(self.boundary().map_or(now + BINS_PER_SLOT, |b| b.review_after(now)));
    }

    /// Trouble where the wall clock expects it, well enough shown to learn from.
    fn signal_as_predicted(&self) -> Option<Signal> {
        let place = place_of(self.predicted?);
        let signal = self.fold.strongest(place + SLOT - NEAR_BEFORE..place + SLOT + NEAR_AFTER)?;
        let shown = signal.evidence >= EVIDENCE_AS_PREDICTED && signal.share >= SHARE_ON;
        (shown && !signal.has_rival).then_some(signal)
    }

    fn has_lost_its_signal(&self) -> bool {
        let Some(boundary) = self.boundary() else {
            return false;
        };
        let place = place_of(boundary.phase);
        let near = place + SLOT - NEAR_BEFORE..place + SLOT + NEAR_AFTER;
        let Some(signal) = self.fold.strongest(near) else {
            return false;
        };
        let faint = signal.looks >= SLOTS_TO_REFUTE
            && (signal.evidence < EVIDENCE_LOST || signal.has_rival && !signal.is_proven());
        match self.state {
            State::Learned(_) => faint || self.share < SHARE_OFF,
            State::Predicted(_) => faint,
            State::Off => false,
        }
    }

    fn learn(&mut self, signal: &Signal) {
        let same = match self.state {
            State::Learned(known) => signal.distance(place_of(known.phase)) <= SAME_BOUNDARY,
            _ => false,
        };
        if !same {
            self.share = signal.share;
        }
        self.state = State::Learned(Boundary::around(signal));
    }

    /// Forgets the path's trouble with the boundary: what comes back is learned afresh, at once.
    fn give_up(&mut self) {
        self.state = State::Off;
        self.share = 0.0;
        self.unseen = 0;
        self.fold.clear();
    }
}

impl Signal {
    /// Shown well enough to need no wall clock.
    fn is_proven(&self) -> bool {
        self.evidence >= EVIDENCE_ANYWHERE && self.share >= SHARE_ON && !self.has_rival
    }
}

impl Boundary {
    /// The boundary where the trouble begins, with a window that holds all of it.
    fn around(signal: &Signal) -> Self {
        let bins = u64::try_from(signal.bins).expect("a signal is below two reaches long");
        let trouble = Duration::from_nanos(bins * NANOS_PER_BIN);
        let first = u64::try_from(signal.first).expect("a place is below the length of a slot");
        Self {
            phase: first * NANOS_PER_BIN,
            before: MARGIN_BEFORE,
            after: (trouble + MARGIN_AFTER).clamp(LEAST_AFTER, LONGEST_WINDOW - MARGIN_BEFORE),
        }
    }

    /// The first such boundary at or after `since`.
    fn next(&self, since: Instant) -> Instant {
        let into_slot = since.as_nanos() % SLOT_NANOS;
        since + Duration::from_nanos((self.phase + SLOT_NANOS - into_slot) % SLOT_NANOS)
    }

    /// Whether the window holds the bin at `place` of the slot.
    fn covers(&self, place: usize) -> bool {
        let opens = (self.phase + SLOT_NANOS - nanos(self.before)) % SLOT_NANOS;
        let bins = nanos(self.before + self.after).div_ceil(NANOS_PER_BIN);
        bins::ahead(place_of(opens), place) <= bins::index(bins)
    }

    /// The first bin at least half a slot after `now` that is half a slot from the boundary, so
    /// that a review never cuts a window in two.
    fn review_after(&self, now: u64) -> u64 {
        let quiet = (place_of(self.phase) + SLOT / 2) % SLOT;
        let earliest = now + BINS_PER_SLOT / 2;
        let wait = bins::ahead(bins::phase(earliest), quiet);
        earliest + u64::try_from(wait).expect("a wait is below the length of a slot")
    }
}

/// The bin of the slot that holds a phase in nanoseconds.
fn place_of(phase: u64) -> usize {
    bins::phase(phase / NANOS_PER_BIN)
}

/// The shorter way round between two phases, in nanoseconds.
fn apart(one: u64, other: u64) -> u64 {
    let ahead = (one + SLOT_NANOS - other) % SLOT_NANOS;
    ahead.min(SLOT_NANOS - ahead)
}

/// Nanoseconds of a duration that is below a slot.
fn nanos(short: Duration) -> u64 {
    u64::try_from(short.as_nanos()).expect("a window is below a slot")
}

//! The slot clocks of the uplinks that are dishes: what arrives over them in, windows out.

use std::collections::BTreeMap;
use std::time::Duration;

use starlink::shell::wall_clock::WallClock;
use starlink::slot_clock::{Expectation, SlotClock};
use tunnel::{Rhythm, Window};
use units::{Instant, LinkId};

use crate::uplink::{Kind, Uplink};

/// How often the wall clock is looked at. It only predicts, until the path itself has been learned.
const CLOCK_EVERY: Duration = Duration::from_secs(60);

/// How long a window that has closed is left alone.
const SETTLE: Duration = Duration::from_millis(400);

/// One dish.
struct Dish {
    clock: SlotClock,
    told: Option<Window>,
}

/// All dishes.
pub(super) struct Sky {
    dishes: BTreeMap<LinkId, Dish>,
    looked: Option<Instant>,
}

impl Sky {
    /// The dishes among `uplinks`.
    pub(super) fn new(uplinks: &[Uplink]) -> Self {
        let dish = |uplink: &&Uplink| uplink.kind == Kind::Starlink;
        let clock = || Dish { clock: SlotClock::new(Expectation::Starlink), told: None };
        let dishes = uplinks.iter().filter(dish).map(|uplink| (uplink.id, clock())).collect();
        Self { dishes, looked: None }
    }

    /// What arrived over `link`.
    pub(super) fn hear(&mut self, link: LinkId, rhythm: &Rhythm) {
        if let Some(dish) = self.dishes.get_mut(&link) {
            dish.clock.handle_delay(rhythm.at, rhythm.delay);
            if let Some((begin, end)) = rhythm.hole {
                dish.clock.handle_silence(begin, end);
            }
        }
    }

    /// When the sky above `link` next blinks, as far as its clock knows.
    pub(super) fn next_boundary(&self, link: LinkId, now: Instant) -> Option<Instant> {
        self.dishes.get(&link)?.clock.next_boundary(now)
    }

    /// Windows that the tunnel does not know yet.
    pub(super) fn poll_windows(&mut self, now: Instant) -> Vec<(LinkId, Option<Window>)> {
        if self.looked.is_none_or(|at| now.saturating_since(at) >= CLOCK_EVERY) {
            self.looked = Some(now);
            let wall = WallClock::read();
            for dish in self.dishes.values_mut() {
                dish.clock.handle_clock(now, wall.utc, wall.synchronised);
            }
        }
        let mut news = Vec::new();
        for (link, dish) in &mut self.dishes {
            let window = dish.clock.window(now);
            let window = window.map(|next| Window { opens: next.opens, closes: next.closes });
            // The window that is open is not taken back, nor one that still excuses silence: what
            // has been learned since is for the next one.
            let open =
                dish.told.is_some_and(|told| told.opens <= now && now < told.closes + SETTLE);
            if window != dish.told && !open {
                dish.told = window;
                news.push((*link, window));
            }
        }
        news
    }
}

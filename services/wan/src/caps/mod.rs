//! Bytes per uplink and billing month, and what the owner's cap says about them.
//!
//! Counters come from the kernel by [`Caps::handle_counter`] and start again when an interface is
//! made anew; what was saved makes up for a restart of this program, and tells it from a restart of
//! the box by the kernel's boot id. [`Caps::poll_save`] says when to write: at most [`SAVE_EVERY`]
//! or [`SAVE_BYTES`] of traffic are lost with the power, whichever comes first.
//!
//! A month is only known while the clock is right. Until then bytes are kept apart, and belong to
//! the month in which the clock came right; until then the cap counts them to the last month known,
//! so that a box without a clock does not forget its cap.

pub mod month;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use units::{Instant, LinkId, PortName};

use crate::uplink::{BillingDay, Device, Policy, Uplink};
use month::Month;

/// Longest time for which counted bytes are not saved.
pub const SAVE_EVERY: Duration = Duration::from_secs(30);

/// Most bytes that are not saved.
pub const SAVE_BYTES: u64 = 64 * 1024 * 1024;

/// The share of the cap from which on nothing is sent that need not be.
pub const SOFT_PERCENT: u64 = 80;

/// Most months kept of an uplink: a year, this month, and one of a clock that was wrong.
pub const MOST_MONTHS: usize = 14;

/// Most uplinks kept in the file, those that the settings do not have any more included.
pub const MOST_SAVED: usize = 32;

/// Part of a month that must have passed before its end is forecast.
const FORECAST_AFTER_SECONDS: i64 = 86_400;

/// What the cap says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// There is room, or no cap.
    Free,
    /// Nothing is sent twice, and nothing that can wait.
    Soft,
    /// The cap is reached: only when nothing else carries the house.
    Hard,
}

impl Limit {
    /// What is left of the owner's `policy`.
    #[must_use]
    pub fn applied_to(self, policy: Policy) -> Policy {
        match self {
            Self::Free | Self::Soft => policy,
            Self::Hard => policy.max(Policy::Backup),
        }
    }
}

/// How an uplink stands in its month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Bytes of this billing month, both ways.
    pub used_bytes: u64,
    /// Bytes ever counted, both ways.
    pub carried_bytes: u64,
    /// What the cap says.
    pub limit: Limit,
    /// Bytes at the end of the month if it goes on like this; none in its first day, or without a
    /// clock.
    pub forecast_bytes: Option<u64>,
}

/// What is written to disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// The kernel's boot id while the counters were read.
    pub boot: String,
    /// By port.
    pub uplinks: BTreeMap<String, Account>,
}

/// What is counted of one uplink.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Bytes by the first day of the billing month.
    pub months: BTreeMap<Date, u64>,
    /// Bytes counted while nobody knew the month.
    pub unassigned: u64,
    /// Bytes ever counted.
    pub carried: u64,
    /// The interface and what the kernel had counted on it.
    pub counter: Option<(u32, u64)>,
}

/// What the owner may change.
#[derive(Clone, Copy, Debug)]
struct Terms {
    name: PortName,
    cap_bytes: Option<u64>,
    billing_day: BillingDay,
}

/// The counters of all uplinks.
#[derive(Debug)]
pub struct Caps {
    zone: TimeZone,
    terms: BTreeMap<LinkId, Terms>,
    saved: Saved,
    /// When it was what time, once the clock is right.
    clock: Option<(Instant, Timestamp)>,
    unsaved: u64,
    saved_at: Instant,
}

impl Caps {
    /// The counters of `uplinks`, going on from `saved`; `boot` is the kernel's boot id now.
    #[must_use]
    pub fn new(
        uplinks: &[Uplink],
        zone: TimeZone,
        mut saved: Saved,
        boot: &str,
        now: Instant,
    ) -> Self {
        if saved.boot != boot {
            boot.clone_into(&mut saved.boot);
            for account in saved.uplinks.values_mut() {
                // The kernel counts from zero again.
                account.counter = None;
            }
        }
        let terms = |uplink: &Uplink| {
            let (name, cap_bytes) = (uplink.name, uplink.cap_bytes);
            (uplink.id, Terms { name, cap_bytes, billing_day: uplink.billing_day })
        };
        let terms: BTreeMap<LinkId, Terms> = uplinks.iter().map(terms).collect();
        for terms in terms.values() {
            saved.uplinks.entry(terms.name.as_str().to_owned()).or_default();
        }
        let used = |name: &str| terms.values().any(|terms| terms.name.as_str() == name);
        let mut room = MOST_SAVED.saturating_sub(terms.len());
        saved.uplinks.retain(|name, _| {
            let kept = used(name) || room > 0;
            room -= usize::from(kept && !used(name));
            kept
        });
        Self { zone, terms, saved, clock: None, unsaved: 0, saved_at: now }
    }

    /// The clock is right and says `wall`; or nobody vouches for it.
    pub fn handle_clock(&mut self, wall: Option<Timestamp>, now: Instant) {
        self.clock = wall.map(|wall| (now, wall));
        if wall.is_none() {
            return;
        }
        for link in self.terms.keys().copied().collect::<Vec<_>>() {
            if let Some(account) = self.account_mut(link) {
                let waiting = std::mem::take(&mut account.unassigned);
                self.book(link, waiting, now);
            }
        }
    }

    /// The kernel has counted `bytes` both ways on `device`, the interface of `link`.
    pub fn handle_counter(&mut self, link: LinkId, device: Device, bytes: u64, now: Instant) {
        let Some(account) = self.account_mut(link) else { return };
        let before = match account.counter.replace((device.0, bytes)) {
            Some((same, before)) if same == device.0 && before <= bytes => before,
            // A new interface counts from zero.
            Some(_) => 0,
            // What was before us in this boot nobody knows; what we have not seen, we do not bill.
            None => bytes,
        };
        let new = bytes - before;
        account.carried = account.carried.saturating_add(new);
        self.unsaved = self.unsaved.saturating_add(new);
        self.book(link, new, now);
    }

    /// The owner changed the cap of `link`.
    pub fn handle_cap(&mut self, link: LinkId, cap_bytes: Option<u64>) {
        if let Some(terms) = self.terms.get_mut(&link) {
            terms.cap_bytes = cap_bytes;
        }
    }

    /// What to write to disk, when it is time to.
    pub fn poll_save(&mut self, now: Instant) -> Option<Saved> {
        let old = now.saturating_since(self.saved_at) >= SAVE_EVERY && self.unsaved > 0;
        (old || self.unsaved >= SAVE_BYTES).then(|| self.save(now))
    }

    /// What to write to disk now, because this program ends.
    pub fn save(&mut self, now: Instant) -> Saved {
        (self.unsaved, self.saved_at) = (0, now);
        self.saved.clone()
    }

    /// When [`Caps::poll_save`] has something although nothing happens.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        (self.unsaved > 0).then(|| self.saved_at + SAVE_EVERY)
    }

    /// How `link` stands.
    #[must_use]
    pub fn standing(&self, link: LinkId, now: Instant) -> Standing {
        let month = self.month(link, now);
        let terms = self.terms.get(&link);
        let account = terms.and_then(|terms| self.saved.uplinks.get(terms.name.as_str()));
        let (used_bytes, carried_bytes) = account.map_or((0, 0), |account| {
            let used = match &month {
                Some(month) => account.months.get(&month.first).copied().unwrap_or(0),
                None => account.months.values().next_back().copied().unwrap_or(0),
            };
            (used.saturating_add(account.unassigned), account.carried)
        });
        let cap = terms.and_then(|terms| terms.cap_bytes);
        let limit = match cap {
            Some(cap) if used_bytes >= cap => Limit::Hard,
            Some(cap) if used_bytes >= cap / 100 * SOFT_PERCENT => Limit::Soft,
            Some(_) | None => Limit::Free,
        };
        let wall = self.wall(now);
        let forecast_bytes =
            month.zip(wall).and_then(|(month, at)| forecast(used_bytes, month, at));
        Standing { used_bytes, carried_bytes, limit, forecast_bytes }
    }

    fn account_mut(&mut self, link: LinkId) -> Option<&mut Account> {
        let terms = self.terms.get(&link)?;
        self.saved.uplinks.get_mut(terms.name.as_str())
    }

    fn book(&mut self, link: LinkId, bytes: u64, now: Instant) {
        let month = self.month(link, now);
        let Some(account) = self.account_mut(link).filter(|_| bytes > 0) else { return };
        let Some(month) = month else {
            account.unassigned = account.unassigned.saturating_add(bytes);
            return;
        };
        let booked = account.months.entry(month.first).or_default();
        *booked = booked.saturating_add(bytes);
        while account.months.len() > MOST_MONTHS {
            let oldest = account.months.keys().find(|first| **first != month.first).copied();
            account.months.remove(&oldest.expect("there are more months than this one"));
        }
    }

    fn month(&self, link: LinkId, now: Instant) -> Option<Month> {
        Month::of(self.wall(now)?, self.terms.get(&link)?.billing_day, &self.zone)
    }

    fn wall(&self, now: Instant) -> Option<Timestamp> {
        let (at, wall) = self.clock?;
        wall.checked_add(now.saturating_since(at)).ok()
    }
}

/// Bytes at the end of `month` if they go on as until `at`.
fn forecast(used: u64, month: Month, at: Timestamp) -> Option<u64> {
    let passed = at.as_second() - month.start.as_second();
    if passed < FORECAST_AFTER_SECONDS {
        return None;
    }
    let whole = month.end.as_second() - month.start.as_second();
    let bytes = u128::from(used) * u128::try_from(whole).ok()? / u128::try_from(passed).ok()?;
    Some(u64::try_from(bytes).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;

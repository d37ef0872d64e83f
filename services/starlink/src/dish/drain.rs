//! When the dish is about to go away by plan, so that its traffic can leave before it does.

use std::time::Duration;

use units::Instant;

use super::state::{Cause, DishState};
use crate::proto::messages::{DishConfig, DishGetStatusResponse};

/// How long before the event the traffic should begin to leave: flows that end by themselves
/// within it need not be moved.
pub const LEAD: Duration = Duration::from_secs(30);

/// Longest start of a dish: 425 s were measured.
pub const LONGEST_START: Duration = Duration::from_secs(8 * 60);

/// An event further away is not planned yet; each reading says it again.
const HORIZON: Duration = Duration::from_secs(24 * 3_600);

/// A restart that is this late will not come: the dish has changed its mind.
const LATEST: Duration = Duration::from_secs(15 * 60);

/// A dish that has throttled itself for this long is close to its shutdown for heat.
const THROTTLED_FOR: Duration = Duration::from_secs(30);

/// How long a reading about heat holds.
const HEAT_HOLDS: Duration = Duration::from_secs(5 * 60);

const DAY: Duration = Duration::from_secs(24 * 3_600);
const MINUTES_PER_DAY: u32 = 24 * 60;

/// Traffic should leave the dish for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// New flows avoid the dish from here on, and old ones are moved.
    pub from: Instant,
    /// By then it should be back; if it still works, the plan was dropped.
    pub until: Instant,
    /// What is about to happen.
    pub why: DrainReason,
}

/// Why traffic should leave the dish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainReason {
    /// It is so hot that it has switched itself off or soon will.
    Heat,
    /// It will restart for an update.
    Reboot,
    /// It will sleep to save power.
    Sleep,
}

/// Finds the next drain in what the status says. Remembers since when two things have been true.
#[derive(Clone, Debug, Default)]
pub(super) struct DrainPlanner {
    throttled_since: Option<Instant>,
    overdue_since: Option<Instant>,
}

impl DrainPlanner {
    /// The drain that begins first. `utc` is the wall clock since the Unix epoch, where it can be
    /// trusted: without it only what the dish counts down itself is known.
    pub(super) fn plan(
        &mut self,
        now: Instant,
        utc: Option<Duration>,
        status: &DishGetStatusResponse,
    ) -> Option<Drain> {
        let heat = self.heat(now, status);
        let reboot = self.reboot(now, utc, status);
        let sleep = utc.zip(status.config.as_ref()).and_then(|(utc, config)| {
            let (begins, lasts) = next_sleep(utc, config)?;
            Some(drain(now, begins, lasts + LONGEST_START, DrainReason::Sleep))
        });
        [heat, reboot, sleep].into_iter().flatten().min_by_key(|drain| drain.from)
    }

    fn heat(&mut self, now: Instant, status: &DishGetStatusResponse) -> Option<Drain> {
        let alerts = status.alerts.unwrap_or_default();
        if alerts.thermal_throttle == Some(true) {
            self.throttled_since.get_or_insert(now);
        } else {
            self.throttled_since = None;
        }
        let is_off = alerts.thermal_shutdown == Some(true)
            || DishState::of(status) == DishState::Outage(Cause::ThermalShutdown);
        let is_hot =
            self.throttled_since.is_some_and(|since| now.saturating_since(since) >= THROTTLED_FOR);
        let until = now + HEAT_HOLDS;
        (is_off || is_hot).then_some(Drain { from: now, until, why: DrainReason::Heat })
    }

    fn reboot(
        &mut self,
        now: Instant,
        utc: Option<Duration>,
        status: &DishGetStatusResponse,
    ) -> Option<Drain> {
        let Some(wait) = until_scheduled(utc, status).or_else(|| until_possible(status)) else {
            self.overdue_since = None;
            return None;
        };
        if wait.is_zero() {
            let since = *self.overdue_since.get_or_insert(now);
            if now.saturating_since(since) > LATEST {
                return None;
            }
        } else {
            self.overdue_since = None;
        }
        Some(drain(now, wait, LONGEST_START, DrainReason::Reboot))
    }
}

/// A drain for something that begins in `wait` and lasts for `lasts`.
fn drain(now: Instant, wait: Duration, lasts: Duration, why: DrainReason) -> Drain {
    Drain { from: now + wait.saturating_sub(LEAD), until: now + wait + lasts, why }
}

/// Until the restart that the dish has scheduled; zero when it is due or a little late.
fn until_scheduled(utc: Option<Duration>, status: &DishGetStatusResponse) -> Option<Duration> {
    let scheduled = status.software_update_stats.as_ref()?.reboot_scheduled_utc_time?;
    let scheduled = Duration::from_secs(u64::try_from(scheduled).ok().filter(|time| *time > 0)?);
    let utc = utc?;
    if scheduled + LATEST < utc {
        return None;
    }
    Some(scheduled.saturating_sub(utc)).filter(|wait| *wait <= HORIZON)
}

/// Until the dish may restart for an update that is ready.
fn until_possible(status: &DishGetStatusResponse) -> Option<Duration> {
    if status.swupdate_reboot_ready != Some(true) {
        return None;
    }
    let wait = u64::try_from(status.seconds_until_swupdate_reboot_possible?).ok()?;
    Some(Duration::from_secs(wait)).filter(|wait| *wait <= HORIZON)
}

/// Until the next sleep, or zero inside one, and how long from then until its end.
fn next_sleep(utc: Duration, config: &DishConfig) -> Option<(Duration, Duration)> {
    if config.power_save_mode != Some(true) {
        return None;
    }
    let minutes = |told: Option<u32>| told.filter(|minutes| *minutes <= MINUTES_PER_DAY);
    let start = minutes(config.power_save_start_minutes)?;
    let lasts = minutes(config.power_save_duration_minutes).filter(|lasts| *lasts > 0)?;
    let minute = Duration::from_secs(60);
    let start = minute * (start % MINUTES_PER_DAY);
    let lasts = minute * lasts;
    let today = Duration::from_secs(utc.as_secs() % DAY.as_secs());
    let since = if today >= start { today - start } else { today + DAY - start };
    Some(if since < lasts { (Duration::ZERO, lasts - since) } else { (DAY - since, lasts) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::messages::{DishAlerts, DishOutage, SoftwareUpdateStats};

    /// 12:00:00 UTC on a day in 2026.
    const NOON: Duration = Duration::from_secs(20_500 * 86_400 + 12 * 3_600);
    const NOW: Instant = Instant::from_secs(1_000);

    fn after(seconds: u64) -> Instant {
        NOW + Duration::from_secs(seconds)
    }

    fn plan(utc: Option<Duration>, status: &DishGetStatusResponse) -> Option<Drain> {
        DrainPlanner::default().plan(NOW, utc, status)
    }

    fn scheduled(time: i64) -> DishGetStatusResponse {
        let reboot_scheduled_utc_time = Some(time);
        let stats = SoftwareUpdateStats { reboot_scheduled_utc_time, ..Default::default() };
        DishGetStatusResponse { software_update_stats: Some(stats), ..Default::default() }
    }

    fn possible_in(seconds: i32) -> DishGetStatusResponse {
        DishGetStatusResponse {
            swupdate_reboot_ready: Some(true),
            seconds_until_swupdate_reboot_possible: Some(seconds),
            ..Default::default()
        }
    }

    fn asleep(start: u32, minutes: u32) -> DishGetStatusResponse {
        let config = DishConfig {
            power_save_mode: Some(true),
            power_save_start_minutes: Some(start),
            power_save_duration_minutes: Some(minutes),
            ..Default::default()
        };
        DishGetStatusResponse { config: Some(config), ..Default::default() }
    }

    #[test]
    fn a_scheduled_restart_is_drained_before() {
        let noon = i64::try_from(NOON.as_secs()).unwrap();
        let drain = plan(Some(NOON), &scheduled(noon + 300)).unwrap();
        assert_eq!((drain.from, drain.why), (after(270), DrainReason::Reboot));
        assert_eq!(drain.until, after(300) + LONGEST_START);
        assert_eq!(plan(Some(NOON), &scheduled(noon - 60)).unwrap().from, NOW);
        for never in [0, -1, noon - 3_600, noon + 90_000, i64::MAX, i64::MIN] {
            assert_eq!(plan(Some(NOON), &scheduled(never)), None, "{never}");
        }
        assert_eq!(plan(None, &scheduled(noon + 300)), None);
    }

    #[test]
    fn a_countdown_needs_no_wall_clock() {
        assert_eq!(plan(None, &possible_in(100)).unwrap().from, after(70));
        assert_eq!(plan(None, &possible_in(5)).unwrap().from, NOW);
        for never in [-1, i32::MIN, i32::MAX] {
            assert_eq!(plan(None, &possible_in(never)), None, "{never}");
        }
        let ready = DishGetStatusResponse { swupdate_reboot_ready: None, ..possible_in(100) };
        assert_eq!(plan(None, &ready), None);
    }

    #[test]
    fn a_restart_that_never_comes_is_given_up() {
        let mut planner = DrainPlanner::default();
        assert!(planner.plan(NOW, None, &possible_in(0)).is_some());
        assert!(planner.plan(after(900), None, &possible_in(0)).is_some());
        assert!(planner.plan(after(901), None, &possible_in(0)).is_none());
        assert!(planner.plan(after(902), None, &possible_in(40)).is_some());
    }

    #[test]
    fn sleep_is_drained_before_and_during() {
        let drain = plan(Some(NOON), &asleep(12 * 60 + 10, 60)).unwrap();
        assert_eq!((drain.from, drain.why), (after(570), DrainReason::Sleep));
        assert_eq!(drain.until, after(70 * 60) + LONGEST_START);
        // Over midnight: from 23:00 for 14 hours holds noon.
        let drain = plan(Some(NOON), &asleep(23 * 60, 14 * 60)).unwrap();
        assert_eq!((drain.from, drain.until), (NOW, after(3_600) + LONGEST_START));
        for absurd in [asleep(1_441, 60), asleep(60, 0), asleep(60, u32::MAX)] {
            assert_eq!(plan(Some(NOON), &absurd), None);
        }
        assert_eq!(plan(None, &asleep(12 * 60 + 10, 60)), None);
    }

    #[test]
    fn heat_drains_when_it_lasts_and_at_once_when_the_dish_is_off() {
        let throttled = DishAlerts { thermal_throttle: Some(true), ..Default::default() };
        let throttled = DishGetStatusResponse { alerts: Some(throttled), ..Default::default() };
        let mut planner = DrainPlanner::default();
        assert_eq!(planner.plan(NOW, None, &throttled), None);
        assert_eq!(planner.plan(after(29), None, &throttled), None);
        let drain = planner.plan(after(30), None, &throttled).unwrap();
        assert_eq!((drain.from, drain.why), (after(30), DrainReason::Heat));
        assert_eq!(planner.plan(after(31), None, &DishGetStatusResponse::default()), None);
        assert_eq!(planner.plan(after(32), None, &throttled), None);
        let outage = Some(DishOutage { cause: Some(3), ..Default::default() });
        let off = DishGetStatusResponse { outage, ..Default::default() };
        assert_eq!(plan(None, &off).unwrap().from, NOW);
    }

    #[test]
    fn the_first_of_several_counts() {
        let status = DishGetStatusResponse { ..asleep(12 * 60 + 10, 60) };
        let both = DishGetStatusResponse {
            swupdate_reboot_ready: Some(true),
            seconds_until_swupdate_reboot_possible: Some(120),
            ..status
        };
        assert_eq!(plan(Some(NOON), &both).unwrap().why, DrainReason::Reboot);
    }
}

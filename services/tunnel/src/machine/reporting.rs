//! Reports out, and what reports teach.

use core::time::Duration;

use bytes::{Bytes, BytesMut};
use units::Instant;

use super::outward::header;
use super::{End, Tunnel};
use crate::class::Class;
use crate::path::{ACTIVE_INTERVAL, IDLE_INTERVAL, METERED_INTERVAL, Path, extend};
use crate::window::Window;
use crate::wire::{Kind, MOST_GAPS, PathReport, Report, Stamp};

/// A round trip longer than this was not one.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(10);

impl Tunnel {
    /// The next report on every path is due now.
    pub(super) fn report_at_once(&mut self) {
        for path in &mut self.paths {
            path.last_report = Instant::BOOT;
        }
    }

    pub(super) fn report_is_due(&self, index: usize, now: Instant) -> bool {
        let since = now.saturating_since(self.paths[index].last_report);
        since >= self.report_interval(index, now)
    }

    fn report_interval(&self, index: usize, now: Instant) -> Duration {
        self.interval(index, self.is_awake(now))
    }

    fn interval(&self, index: usize, active: bool) -> Duration {
        let idle_spare = self.paths[index].metered && self.best != Some(index);
        match (active, idle_spare) {
            (true, false) => ACTIVE_INTERVAL,
            (true, true) => METERED_INTERVAL,
            (false, _) => IDLE_INTERVAL,
        }
    }

    pub(super) fn write_report(&mut self, index: usize, now: Instant) -> Bytes {
        // What is promised, which for a while is less than what is done.
        let interval = self.interval(index, self.is_talking(now));
        let interval_millis = u16::try_from(interval.as_millis()).unwrap_or(u16::MAX);
        let told = self.paths.iter_mut().filter(|path| path.connected || !path.carrier);
        let paths = told.map(|path| describe(path, now)).collect();
        let path = &mut self.paths[index];
        let number = path.sent.next_sequence();
        let head = header(Kind::Report, Class::Realtime, false, 0, number, now);
        let mut buffer = BytesMut::with_capacity(256);
        buffer.extend_from_slice(&head.to_bytes());
        Report { interval_millis, modes: self.modes, paths }.write(&mut buffer);
        path.last_report = now;
        path.carried += buffer.len() as u64;
        path.sent.push(None, buffer.len(), now);
        buffer.freeze()
    }

    /// The far end's report came on path `index`.
    pub(super) fn handle_report(&mut self, index: usize, report: &Report, now: Instant) {
        let interval = Duration::from_millis(report.interval_millis.into());
        self.paths[index].promise(interval);
        if interval < IDLE_INTERVAL {
            self.far_talked = Some(now);
        }
        if self.end == End::Relay {
            self.modes = report.modes;
        }
        for told in &report.paths {
            let found = self.paths.iter().position(|path| path.link == told.link);
            let Some(about) = found else { continue };
            if self.end == End::Relay {
                self.obey(about, told, now);
            }
            if self.paths[about].generation != told.generation || !self.paths[about].connected {
                continue;
            }
            self.learn(about, told, about == index, now);
        }
        self.choose(now);
    }

    /// What the box says of its own side.
    fn obey(&mut self, about: usize, told: &PathReport, now: Instant) {
        let path = &mut self.paths[about];
        (path.policy, path.metered) = (told.policy, told.metered);
        let at = |millis: i16| match u64::try_from(millis) {
            Ok(later) => now + Duration::from_millis(later),
            Err(_) => {
                let earlier = u64::from(millis.unsigned_abs()) * 1_000_000;
                Instant::from_nanos(now.as_nanos().saturating_sub(earlier))
            }
        };
        if let Some((opens, closes)) = told.window {
            path.expect(Some(Window { opens: at(opens), closes: at(closes) }), now);
        }
        if path.far_carrier != told.carrier {
            path.far_carrier = told.carrier;
            self.watch(now);
        }
    }

    /// What has arrived there of what was sent on `about`.
    fn learn(&mut self, about: usize, told: &PathReport, same_path: bool, now: Instant) {
        let path = &mut self.paths[about];
        let Some((highest, stamp, ago)) = told.newest else { return };
        path.heard_report = now;
        path.far_queue = Duration::from_micros(told.queue_micros.into());
        if same_path {
            let trip =
                Stamp::at(now).since(stamp).saturating_sub(Duration::from_micros(ago.into()));
            if trip > Duration::ZERO && trip < LONGEST_ROUND_TRIP {
                path.measure_round_trip(trip);
            }
        }
        let highest = extend(highest, path.sent.next_sequence());
        let complete = told.gaps.len() < MOST_GAPS;
        let lesson = path.sent.handle_report(highest, &told.gaps, complete, now);
        path.count_losses(lesson.losses, lesson.arrived, now);
        path.judge_quality(now);
        self.repair(about, lesson.lost, now);
    }
}

fn describe(path: &mut Path, now: Instant) -> PathReport {
    let gaps = path.arrivals.gaps(now);
    let newest = path.arrivals.newest();
    let micros = |since: Instant| {
        u32::try_from(now.saturating_since(since).as_micros()).unwrap_or(u32::MAX - 1)
    };
    #[expect(clippy::cast_possible_truncation, reason = "the low 32 bits are the format")]
    let newest_told = newest.map(|newest| (newest.sequence as u32, newest.sent, micros(newest.at)));
    let silent = newest.map_or(u32::MAX, |newest| micros(newest.at) / 1_000);
    let (received, bytes) = path.arrivals.totals();
    PathReport {
        link: path.link,
        generation: path.generation,
        carrier: path.carrier,
        metered: path.metered,
        policy: path.policy,
        newest: newest_told,
        received,
        bytes,
        queue_micros: path.arrivals.queue_micros(),
        silent_millis: u16::try_from(silent).unwrap_or(u16::MAX),
        window: path.window.and_then(|window| relative(window, now)),
        gaps,
    }
}

/// A window relative to now, if it is near enough to be told.
fn relative(window: Window, now: Instant) -> Option<(i16, i16)> {
    let millis = |at: Instant| {
        let later = at.saturating_since(now).as_millis();
        let earlier = now.saturating_since(at).as_millis();
        i16::try_from(i64::try_from(later).ok()? - i64::try_from(earlier).ok()?).ok()
    };
    Some((millis(window.opens)?, millis(window.closes)?))
}

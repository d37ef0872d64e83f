//! Looking at the paths: is each still what it was?

use core::time::Duration;

use units::Instant;

use super::{End, Event, Tunnel, WATCH_AWAKE};
use crate::path::{Path, State};

/// If this program itself was kept from running for so long, silence says nothing about the paths.
const OWN_DELAY: Duration = Duration::from_millis(25);

/// How long a window is remembered after it has closed.
const EXCUSE: Duration = Duration::from_millis(300);
/// How often the paths' rhythms are told.
const RHYTHM_INTERVAL: Duration = Duration::from_millis(20);

impl Tunnel {
    /// Judges every path, and acts on what has changed.
    pub(super) fn watch(&mut self, now: Instant) {
        self.watched = now;
        self.pins.count(now);
        let awake = self.is_awake(now);
        let active_since = self.active_since.filter(|_| self.is_talking(now));
        let slowest = self.slowest();
        for index in 0..self.paths.len() {
            let path = &mut self.paths[index];
            close_window(path, now);
            path.judge_quality(now);
            let evidence = path.evidence(active_since, slowest, now);
            let from = path.health.state();
            let Some(why) = path.health.judge(&evidence, now) else { continue };
            let (link, to) = (path.link, path.health.state());
            self.tell(Event::Path { link, from, to, why });
            match to {
                State::Suspect => self.copy_unreported(index, now),
                State::Down => {
                    self.choose(now);
                    self.evacuate(index, now);
                }
                State::Up | State::Probation => {}
            }
        }
        self.choose(now);
        self.leave_unusable(now);
        self.note_copied();
        self.tell_rhythms(awake, now);
    }

    /// Only what arrives at the active pace has a rhythm, and only the box asks for it.
    fn tell_rhythms(&mut self, awake: bool, now: Instant) {
        if self.end == End::Relay || now.saturating_since(self.rhythm_told) < RHYTHM_INTERVAL {
            return;
        }
        self.rhythm_told = now;
        for index in 0..self.paths.len() {
            let path = &mut self.paths[index];
            let link = path.link;
            if let Some(rhythm) = path.arrivals.take_rhythm().filter(|_| awake) {
                self.tell(Event::Rhythm { link, rhythm });
            }
        }
    }

    /// Packets that wait on a path which cannot carry them, while another can.
    fn leave_unusable(&mut self, now: Instant) {
        for index in 0..self.paths.len() {
            if !self.paths[index].is_usable() && self.paths[index].has_waiting() {
                self.evacuate(index, now);
            }
        }
    }

    /// What is urgent on a path in doubt goes another way as well, where there is one.
    fn note_copied(&mut self) {
        for index in 0..self.paths.len() {
            let doubtful =
                !matches!(self.paths[index].health.state(), State::Up | State::Probation);
            if doubtful && self.second(index).is_some() {
                self.paths[index].sent.note_copied();
            }
        }
    }

    /// A late deadline means that this program did not run: nobody could have been heard.
    pub(super) fn forgive_own_delay(&mut self, now: Instant) {
        let due = self.watched + WATCH_AWAKE;
        if self.is_awake(now) && now.saturating_since(due) > OWN_DELAY {
            for path in &mut self.paths {
                path.listening_since = path.listening_since.max(now);
            }
        }
    }

    /// The longest round trip among the paths, and something for a start.
    fn slowest(&self) -> Duration {
        let trips = self.paths.iter().filter(|path| path.connected);
        trips.filter_map(|path| path.round_trip).max().unwrap_or(Duration::from_millis(100))
    }
}

/// A window is forgotten a while after it has closed: until then it excuses silence that began in
/// it.
fn close_window(path: &mut Path, now: Instant) {
    if path.window.is_some_and(|window| now >= window.closes + EXCUSE) {
        path.expect(None, now);
    }
}

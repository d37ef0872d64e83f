//! The script: what goes wrong, when, and for how long.

use std::path::Path;

use daemon::settings::SettingsError;
use serde::Deserialize;

/// Most events of a script.
const MOST_EVENTS: usize = 1_000;

/// Longest time in a script: a year, in seconds.
const LONGEST_S: f64 = 366.0 * 86_400.0;

/// What the dish does beyond living through the recording.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Script {
    /// How late the dish reports; the real one does by 2 to 5 s.
    #[serde(default)]
    pub(crate) lag_s: Seconds,
    /// Traffic is told to cost by the byte all the time.
    #[serde(default)]
    pub(crate) metered: bool,
    /// What happens.
    #[serde(default, rename = "event")]
    pub(crate) events: Events,
}

/// One thing that happens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Event {
    /// What.
    pub(crate) what: What,
    /// When it begins, in seconds since the start.
    pub(crate) at_s: Seconds,
    /// How long it lasts.
    pub(crate) for_s: Seconds,
    /// Of an outage; obstructed unless it says otherwise.
    #[serde(default)]
    pub(crate) cause: Cause,
    /// How long before it a restart is announced.
    #[serde(default)]
    pub(crate) announced_s: Seconds,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum What {
    /// No network, with a cause; the interface goes on answering.
    Outage,
    /// The dish restarts: first nobody answers, in the second half it is booting.
    Reboot,
    /// The dish sleeps, as its settings have said all along.
    Sleep,
    /// It melts snow and draws more.
    Heating,
    /// It is too hot: it throttles, in the second half it is off.
    Thermal,
    /// The month's data is used up.
    Overage,
    /// The account is disabled.
    Disabled,
    /// Everything is refused.
    PermissionDenied,
    /// The status says 0 ms and no loss; the history is right.
    ZeroLatency,
    /// Numbers are NaN, negative and huge.
    Absurd,
    /// Connections stay open and nobody speaks.
    Hung,
    /// Connections are refused.
    Dead,
    /// Connections bring noise that is no HTTP/2.
    Garbage,
    /// Answers are framed right and are no messages.
    Nonsense,
    /// Answers are far too long.
    Huge,
    /// Answers hold fields that no firmware of today has.
    UnknownFields,
    /// Answers hold nothing.
    Empty,
}

/// Why there is no network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Cause {
    Unknown = 0,
    Booting = 1,
    Stowed = 2,
    ThermalShutdown = 3,
    NoSchedule = 4,
    NoSats = 5,
    #[default]
    Obstructed = 6,
    NoDownlink = 7,
    NoPings = 8,
    ActuatorActivity = 9,
    CableTest = 10,
    Sleeping = 11,
    SkySearch = 13,
    InhibitRf = 14,
}

/// A number of seconds, from zero to a year.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Seconds(f64);

impl Seconds {
    pub(crate) fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Seconds {
    type Error = String;

    fn try_from(seconds: f64) -> Result<Self, String> {
        if (0.0..=LONGEST_S).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err(format!("{seconds} is not a number of seconds from 0 to {LONGEST_S}"))
        }
    }
}

/// The events, not too many.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "Vec<Event>")]
pub(crate) struct Events(Vec<Event>);

impl TryFrom<Vec<Event>> for Events {
    type Error = String;

    fn try_from(events: Vec<Event>) -> Result<Self, String> {
        if events.len() > MOST_EVENTS {
            return Err(format!("{} events; at most {MOST_EVENTS} were expected", events.len()));
        }
        Ok(Self(events))
    }
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// [`SettingsError`] names the file, the line, the key and the expectation.
    pub(crate) fn load(file: &Path) -> Result<Self, SettingsError> {
        daemon::settings::load(file)
    }

    /// The first event of this kind that is under way at `time`, and how much of it has passed,
    /// 0 to 1.
    pub(crate) fn under_way(&self, what: What, time: f64) -> Option<(&Event, f64)> {
        self.events_of(what).find_map(|event| {
            let since = time - event.at_s.0;
            let passes = (0.0..event.for_s.0).contains(&since);
            passes.then(|| (event, since / event.for_s.0))
        })
    }

    /// All events of one kind.
    pub(crate) fn events_of(&self, what: What) -> impl Iterator<Item = &Event> {
        self.events.0.iter().filter(move |event| event.what == what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Script, String> {
        daemon::settings::parse(Path::new("a.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_script_is_read() {
        let text = "lag_s = 3\n[[event]]\nwhat = \"outage\"\nat_s = 10\nfor_s = 5\n\
                    cause = \"no-sats\"\n";
        let script = parse(text).unwrap();
        let (event, passed) = script.under_way(What::Outage, 12.5).unwrap();
        assert_eq!((event.cause, passed), (Cause::NoSats, 0.5));
        assert!(script.under_way(What::Outage, 15.0).is_none());
        assert!(script.under_way(What::Hung, 12.0).is_none());
    }

    #[test]
    fn a_bad_script_is_told_with_its_line() {
        let event = "[[event]]\nwhat = \"sleep\"\nat_s = 1\n";
        for (text, told) in [
            ("lag_s = -1\n", "a.toml:1: lag_s: -1 is not a number of seconds"),
            ("lags = 1\n", "a.toml:1: lags: unknown field"),
            (&format!("{event}for_s = 1\nforce = 2\n"), "a.toml:5: force: unknown field"),
            (&format!("{event}for_s = nan\n"), "a.toml:4: for_s: NaN is not"),
            (event, "a.toml:1: missing field `for_s`"),
            ("[[event]]\nwhat = \"explode\"\n", "a.toml:2: what: unknown variant `explode`"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(told), "{error}");
        }
    }
}

//! What a run of the simulated world is like: the links, and what goes wrong when.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::address_plan::Uplink;
use crate::emulator::{Fault, LinkSpecification, Span};

/// A run of the simulated world. The same value drives a booted image and daemons in namespaces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// One line on what it shows.
    pub about: String,
    /// Where all random draws come from.
    pub seed: u64,
    /// Where recordings stand at the start.
    #[serde(default)]
    pub replay: Replay,
    /// Where in the recording a dish first moves to another satellite; every 15 s from there on.
    #[serde(default = "Scenario::own_handover")]
    pub handover: Span,
    /// The cable, DSL or fibre.
    pub broadband: LinkSpecification,
    /// The dish.
    pub starlink: LinkSpecification,
    /// What goes wrong when, in any order; at most [`Scenario::MAX_TIMELINE`].
    #[serde(default)]
    pub timeline: Vec<TimelineEntry>,
}

/// Where recordings stand at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replay {
    /// At their first second: the same run each time.
    #[default]
    FromStart,
    /// So that replayed handovers fall on UTC seconds 12, 27, 42 and 57, as the real ones do.
    InStepWithUtc,
}

/// One fault of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TimelineEntry {
    /// When, counted from the start of the timeline.
    pub at: Span,
    /// On which uplink.
    pub uplink: Uplink,
    /// What.
    pub fault: Fault,
}

/// A scenario that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Neither one of ours nor a file.
    #[error("scenario {name:?}: neither a file nor one of {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names of ours.
        known: String,
    },
    /// The file cannot be read.
    #[error("scenario {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is not a scenario.
    #[error("{file}:{line}: {message}")]
    Content {
        /// The file, or the name of one of ours.
        file: String,
        /// Counted from one.
        line: usize,
        /// What is wrong, and what was expected.
        message: String,
    },
}

/// Those that come with the program.
const SHIPPED: [(&str, &str); 9] = [
    ("blackhole", include_str!("../../scenarios/blackhole.toml")),
    ("both-down", include_str!("../../scenarios/both-down.toml")),
    ("boundary", include_str!("../../scenarios/boundary.toml")),
    ("calm", include_str!("../../scenarios/calm.toml")),
    ("carrier-loss", include_str!("../../scenarios/carrier-loss.toml")),
    ("silent-blackhole", include_str!("../../scenarios/silent-blackhole.toml")),
    ("slow-decay", include_str!("../../scenarios/slow-decay.toml")),
    ("starlink-trace", include_str!("../../scenarios/starlink-trace.toml")),
    ("two-uplinks", include_str!("../../scenarios/two-uplinks.toml")),
];

impl Scenario {
    /// Faults in a timeline at most.
    pub const MAX_TIMELINE: usize = 1_000;

    /// Where it is in our own recordings (`data/README.md`).
    #[must_use]
    pub const fn own_handover() -> Span {
        Span::from_millis(8_690)
    }

    /// The names of the scenarios that come with the program.
    pub fn shipped() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// One that comes with the program, by name, or else a file.
    ///
    /// # Errors
    /// When there is none, or it says something that cannot be.
    pub fn load(name: &str) -> Result<Self, ScenarioError> {
        if let Some((name, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
            return Self::parse(text, name);
        }
        let path = Path::new(name);
        if !path.exists() {
            let known = Self::shipped().collect::<Vec<_>>().join(", ");
            return Err(ScenarioError::Unknown { name: name.to_owned(), known });
        }
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScenarioError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, name)
    }

    /// Reads a scenario; `file` is for messages.
    ///
    /// # Errors
    /// When a key is unknown, a type is wrong or a value is impossible.
    pub fn parse(text: &str, file: &str) -> Result<Self, ScenarioError> {
        let content =
            |line, message| ScenarioError::Content { file: file.to_owned(), line, message };
        let scenario: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text[..before].matches('\n').count() + 1;
            content(line, error.message().to_owned())
        })?;
        if scenario.timeline.len() > Self::MAX_TIMELINE {
            let line = text.lines().count();
            let message = format!("timeline: expected at most {} entries", Self::MAX_TIMELINE);
            return Err(content(line, message));
        }
        Ok(scenario)
    }

    /// What that uplink is like.
    #[must_use]
    pub const fn link(&self, uplink: Uplink) -> &LinkSpecification {
        match uplink {
            Uplink::Broadband => &self.broadband,
            Uplink::Starlink => &self.starlink,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_scenario_loads() {
        for name in Scenario::shipped() {
            let scenario = Scenario::load(name).unwrap();
            assert!(!scenario.about.is_empty(), "{name}");
        }
    }

    #[test]
    fn a_scenario_survives_being_written() {
        let scenario = Scenario::load("carrier-loss").unwrap();
        let json = serde_json::to_string(&scenario).unwrap();
        assert_eq!(serde_json::from_str::<Scenario>(&json).unwrap(), scenario);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let calm = include_str!("../../scenarios/calm.toml");
        for (wrong, line_of, word) in [
            (calm.replace("seed", "sede"), "sede", "sede"),
            (calm.replace("50 Mbit/s", "50 MB/s"), "50 MB/s", "kbit/s"),
            (calm.replace("seed = 1", "seed = \"one\""), "\"one\"", "u64"),
            (format!("{calm}\n[[timeline]]\nat = \"1 s\"\nuplink = \"dsl\"\n"), "dsl", "starlink"),
            (
                format!(
                    "{calm}\n[[timeline]]\nat = \"1 s\"\nuplink = \"starlink\"\nfault = \"boom\"\n"
                ),
                "boom",
                "carrier-down",
            ),
        ] {
            let error = Scenario::parse(&wrong, "x.toml").unwrap_err();
            let expected = wrong.lines().position(|line| line.contains(line_of)).unwrap() + 1;
            let message = error.to_string();
            assert!(message.starts_with(&format!("x.toml:{expected}: ")), "{message}");
            assert!(message.contains(word), "{message}");
        }
    }

    #[test]
    fn an_unknown_name_lists_ours() {
        let message = Scenario::load("storm").unwrap_err().to_string();
        assert!(message.contains("starlink-trace"), "{message}");
    }
}

//! The status in the household's words: what the page and the command line both show.

use std::time::Duration;

use serde::Serialize;
use units::Instant;

use crate::day::{self, Stretch};
use crate::home::{HomeStatus, Light, Uplink, UplinkKind, UplinkState};
use crate::wan::{Mode, Policy, State};

/// A status as people read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct View {
    /// What the light says.
    pub light: Light,
    /// The same in two or three words.
    pub headline: &'static str,
    /// Why, in one sentence.
    pub why: String,
    /// For how long, such as `3 minutes`.
    pub lasting: String,
    /// Whether the house is online.
    pub internet: State,
    /// How it goes out, in one sentence; empty when that is not known.
    pub way: &'static str,
    /// The ways out of the house.
    pub uplinks: Vec<UplinkView>,
    /// Which image runs.
    pub image: ImageView,
}

/// One way out of the house as people read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UplinkView {
    /// The port's name.
    pub name: String,
    /// What kind of connection it is.
    pub kind: UplinkKind,
    /// The same in words.
    pub label: &'static str,
    /// What it does.
    pub state: UplinkState,
    /// The same in words.
    pub words: &'static str,
    /// For how long.
    pub lasting: String,
    /// What the owner wants of it, in words; empty when that is not known.
    pub policy: &'static str,
    /// The last day.
    pub day: Vec<Stretch>,
    /// The same in words; empty where nothing is known.
    pub day_words: String,
    /// What is planned, in words; empty when nothing is.
    pub plan: String,
}

/// Which image runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageView {
    /// Its version.
    pub version: String,
    /// `gateway` or `dev`.
    pub variant: String,
    /// What an owner should know about this variant, or an empty text.
    pub note: &'static str,
}

impl View {
    /// What `status` means to a reader at `now`.
    #[must_use]
    pub fn of(status: &HomeStatus, now: Instant) -> Self {
        let since = |micros| lasting(now.saturating_since(Instant::from_micros(micros)));
        let uplink = |uplink: &Uplink| UplinkView {
            name: uplink.name.clone(),
            kind: uplink.kind,
            label: label(uplink.kind),
            state: uplink.state,
            words: words(uplink.state),
            lasting: since(uplink.since),
            policy: policy(uplink.policy),
            day: day::stretches(&uplink.availability),
            day_words: day::words(&uplink.availability),
            plan: plan(uplink.drain, now),
        };
        Self {
            light: status.light,
            headline: headline(status),
            why: status.light_why.clone(),
            lasting: since(status.light_since),
            internet: status.internet,
            way: way(status.mode),
            uplinks: status.uplinks.iter().map(uplink).collect(),
            image: ImageView {
                version: status.image_version.clone(),
                variant: status.image_variant.clone(),
                note: note(&status.image_variant),
            },
        }
    }
}

fn headline(status: &HomeStatus) -> &'static str {
    // A line that the owner wants off is missed by nobody.
    let fine = |uplink: &Uplink| {
        matches!(uplink.state, UplinkState::InUse | UplinkState::Ready | UplinkState::Off)
    };
    match status.light {
        Light::Starting => "Starting",
        // The house is served, and the sentence below says that a line is down.
        Light::Serving if !status.uplinks.iter().all(fine) => "Still online",
        Light::Serving => "All is well",
        Light::NeedsYou => "Needs you",
        Light::Unknown => "No word yet",
    }
}

fn label(kind: UplinkKind) -> &'static str {
    match kind {
        UplinkKind::Broadband => "Broadband",
        UplinkKind::Starlink => "Starlink",
        UplinkKind::Unknown => "Another line",
    }
}

fn words(state: UplinkState) -> &'static str {
    match state {
        UplinkState::InUse => "in use",
        UplinkState::Ready => "ready",
        UplinkState::Recovering => "coming back",
        UplinkState::Silent => "no internet",
        UplinkState::SignIn => "sign-in needed",
        UplinkState::Off => "not used",
        UplinkState::Unchecked => "not checked",
        UplinkState::Connecting => "connecting",
        UplinkState::Unplugged => "no cable",
        UplinkState::Missing => "port not found",
        UplinkState::Unknown => "not known",
    }
}

fn way(mode: Mode) -> &'static str {
    match mode {
        Mode::Tunnel => "Through the relay: a line can fail unnoticed.",
        Mode::Direct => "Straight out, by one line at a time.",
        Mode::Unknown => "",
    }
}

fn policy(policy: Policy) -> &'static str {
    match policy {
        Policy::Primary => "first choice",
        Policy::Secondary => "second choice",
        Policy::Backup => "in reserve",
        Policy::Never => "switched off by you",
        Policy::Unknown => "",
    }
}

/// "planned pause in 12 minutes"
fn plan(drain: u64, now: Instant) -> String {
    if drain == 0 {
        return String::new();
    }
    match Instant::from_micros(drain).saturating_since(now) {
        Duration::ZERO => String::from("planned pause now"),
        ahead => format!("planned pause in {}", lasting(ahead)),
    }
}

fn note(variant: &str) -> &'static str {
    match variant {
        "gateway" => "",
        "dev" => "Development image: it has a shell. Not for a house.",
        _ => "This image does not say what it is.",
    }
}

/// A span in the largest unit that fits, rounded down: what a person would say.
pub(crate) fn lasting(span: Duration) -> String {
    const STEPS: [(u64, &str); 3] = [(86_400, "day"), (3_600, "hour"), (60, "minute")];
    let seconds = span.as_secs();
    for (length, unit) in STEPS {
        let count = seconds / length;
        if count > 0 {
            return format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
        }
    }
    String::from("less than a minute")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_as_people_say_them() {
        let said = |seconds| lasting(Duration::from_secs(seconds));
        assert_eq!(said(0), "less than a minute");
        assert_eq!(said(59), "less than a minute");
        assert_eq!(said(60), "1 minute");
        assert_eq!(said(3_599), "59 minutes");
        assert_eq!(said(7_200), "2 hours");
        assert_eq!(said(86_399), "23 hours");
        assert_eq!(said(86_400), "1 day");
        assert_eq!(said(86_400 * 400), "400 days");
    }

    #[test]
    fn a_plan_is_said_until_it_has_come() {
        let now = Instant::from_secs(600);
        assert_eq!(plan(0, now), "");
        assert_eq!(plan(600_000_000 + 720_000_000, now), "planned pause in 12 minutes");
        assert_eq!(plan(599_000_000, now), "planned pause now");
    }

    #[test]
    fn only_the_gateway_image_needs_no_note() {
        assert_eq!(note("gateway"), "");
        for variant in ["dev", "unknown", ""] {
            assert!(!note(variant).is_empty(), "{variant:?} must be said on the page");
        }
    }
}

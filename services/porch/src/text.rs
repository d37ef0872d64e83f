//! A status as lines for a terminal.

use std::fmt::Write;

use bus::home::{Light, UplinkState};
use bus::view::View;

/// Whether to use colours. The mark beside each colour says the same, so nothing is lost without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// With colours, for a terminal.
    Colours,
    /// Plain text, for anything else.
    Plain,
}

pub(crate) const GREEN: &str = "32";
pub(crate) const YELLOW: &str = "33";
pub(crate) const DIM: &str = "2";
pub(crate) const BOLD: &str = "1";

impl Paint {
    pub(crate) fn with(self, code: &str, text: &str) -> String {
        match self {
            Self::Colours => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Plain => text.to_owned(),
        }
    }
}

/// The lines that show `view`.
pub(crate) fn lines(view: &View, paint: Paint) -> String {
    let (mark, colour) = match view.light {
        Light::Serving => ("●", GREEN),
        Light::NeedsYou => ("▲", YELLOW),
        Light::Starting | Light::Unknown => ("◌", DIM),
    };
    let mut text = format!(
        "{} {}  {}\n  {}\n",
        paint.with(colour, mark),
        paint.with(BOLD, view.headline),
        paint.with(DIM, &format!("for {}", view.lasting)),
        view.why,
    );
    if !view.uplinks.is_empty() {
        text.push('\n');
    }
    let widest = |length: fn(&bus::view::UplinkView) -> usize| {
        view.uplinks.iter().map(length).max().unwrap_or_default()
    };
    let (labels, words) = (widest(|u| u.label.len()), widest(|u| u.words.len()));
    for uplink in &view.uplinks {
        let (mark, colour) = match uplink.state {
            UplinkState::InUse => ("●", GREEN),
            UplinkState::Ready => ("○", GREEN),
            UplinkState::Recovering
            | UplinkState::Unchecked
            | UplinkState::Connecting
            | UplinkState::Unknown => ("◌", DIM),
            UplinkState::Off => ("–", DIM),
            UplinkState::Silent
            | UplinkState::SignIn
            | UplinkState::Unplugged
            | UplinkState::Missing => ("✕", YELLOW),
        };
        let lasting = paint.with(DIM, &format!("for {}", uplink.lasting));
        let _ = writeln!(
            text,
            "  {} {:labels$}  {:words$}  {lasting}",
            paint.with(colour, mark),
            uplink.label,
            uplink.words,
        );
        for more in [&uplink.day_words, &uplink.plan] {
            if !more.is_empty() {
                let _ = writeln!(text, "    {}", paint.with(DIM, more));
            }
        }
    }
    if !view.way.is_empty() {
        let _ = writeln!(text, "\n  {}", paint.with(DIM, view.way));
    }
    let _ =
        writeln!(text, "\n  {}", paint.with(DIM, &format!("Porchlight {}", view.image.version)));
    if !view.image.note.is_empty() {
        let _ = writeln!(text, "  {}", paint.with(DIM, view.image.note));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use bus::home::{HomeStatus, Uplink, UplinkKind};
    use bus::wan::{Mode, Policy, State};
    use units::Instant;

    fn view() -> View {
        let uplink = |name: &str, kind, state, drain| Uplink {
            name: name.into(),
            kind,
            state,
            since: 0,
            policy: Policy::Primary,
            availability: vec![100, 0],
            drain,
        };
        let status = HomeStatus {
            light: Light::Serving,
            light_why: "Broadband is down; the house is online through Starlink.".into(),
            light_since: 60_000_000,
            internet: State::Degraded,
            mode: Mode::Direct,
            uplinks: vec![
                uplink("broadband0", UplinkKind::Broadband, UplinkState::Unplugged, 0),
                uplink("starlink0", UplinkKind::Starlink, UplinkState::InUse, 7_320_000_000),
            ],
            image_version: "1".into(),
            image_variant: "dev".into(),
        };
        View::of(&status, Instant::from_secs(7_200))
    }

    #[test]
    fn a_terminal_without_colours_reads_the_same_words() {
        let expected = "\
● Still online  for 1 hour
  Broadband is down; the house is online through Starlink.

  ✕ Broadband  no cable  for 2 hours
    down for 5 minutes in the last 10 minutes
  ● Starlink   in use    for 2 hours
    down for 5 minutes in the last 10 minutes
    planned pause in 2 minutes

  Straight out, by one line at a time.

  Porchlight 1
  Development image: it has a shell. Not for a house.
";
        assert_eq!(lines(&view(), Paint::Plain), expected);
    }

    #[test]
    fn colours_add_nothing_but_colours() {
        let mut bare = String::new();
        let mut rest = lines(&view(), Paint::Colours);
        while let Some(start) = rest.find('\x1b') {
            bare.push_str(&rest[..start]);
            let end = start + rest[start..].find('m').expect("a colour code ends in m");
            rest = rest[end + 1..].to_owned();
        }
        bare.push_str(&rest);
        assert_eq!(bare, lines(&view(), Paint::Plain));
    }
}

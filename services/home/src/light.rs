//! The light table. The highest active row wins, so a lesser trouble never hides a greater one and
//! "all is well" is what is left when no row above it is active.
//!
//! | row | light | active when |
//! |---|---|---|
//! | stopping | starting | the box is going down |
//! | starting | starting | the box has not settled since this program started |
//! | blind | needs you | the evidence is older than [`FRESH`](crate::house::FRESH) |
//! | offline | needs you | `wan` says so; or it says nothing, and no uplink has an address |
//! | sign-in | needs you | `wan` says that a provider wants somebody to sign in |
//! | unsure | needs you | `wan` has not said lately whether the house is online |
//! | home port | needs you | the home network's port has no live cable |
//! | failed | needs you | a unit has failed |
//! | stuck | needs you | the boot never ended, or ended in a rescue shell |
//! | serving | serving | otherwise |

use bus::wan::State;

use crate::port::Role;
use crate::reading::{LinkState, SystemState};
use crate::uplink::UplinkState;

/// What the light says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Light {
    /// The box is coming up or going down; nobody has to do anything.
    Starting,
    /// The house is served.
    Serving,
    /// Somebody has to do something.
    NeedsYou,
}

impl Light {
    /// The word for it in the journal.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::NeedsYou => "calling for somebody",
        }
    }
}

/// A row of the table. The order of the variants is the order of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// The box is going down.
    Stopping,
    /// The box has not settled since this program started.
    Starting,
    /// Nothing recent is known.
    Blind,
    /// The world does not answer, or no uplink has an address.
    Offline,
    /// A provider wants somebody to sign in, and nothing else leads out.
    SignIn,
    /// Whether the house is online is not known.
    Unsure,
    /// The home network's port has no live cable.
    HomePort,
    /// A unit has failed.
    Failed,
    /// The boot never ended, or ended in a rescue shell.
    Stuck,
    /// None of the above.
    Serving,
}

impl Row {
    /// Every row, highest first.
    pub const ALL: [Self; 10] = [
        Self::Stopping,
        Self::Starting,
        Self::Blind,
        Self::Offline,
        Self::SignIn,
        Self::Unsure,
        Self::HomePort,
        Self::Failed,
        Self::Stuck,
        Self::Serving,
    ];

    /// What the light says in this row.
    #[must_use]
    pub const fn light(self) -> Light {
        match self {
            Self::Stopping | Self::Starting => Light::Starting,
            Self::Blind
            | Self::Offline
            | Self::SignIn
            | Self::Unsure
            | Self::HomePort
            | Self::Failed
            | Self::Stuck => Light::NeedsYou,
            Self::Serving => Light::Serving,
        }
    }

    fn is_active(self, facts: &Facts<'_>) -> bool {
        match self {
            Self::Stopping => facts.fresh && facts.system == SystemState::Stopping,
            Self::Starting => !facts.settled,
            Self::Blind => !facts.fresh,
            Self::Offline => match facts.internet {
                State::Offline => true,
                State::Unknown => facts.uplinks.iter().all(|(_, state)| state.is_dead()),
                State::Online | State::Degraded | State::Captive => false,
            },
            Self::SignIn => facts.internet == State::Captive,
            Self::Unsure => facts.internet == State::Unknown,
            Self::HomePort => facts
                .home
                .iter()
                .any(|state| matches!(state, LinkState::Unplugged | LinkState::Missing)),
            Self::Failed => !facts.failed.is_empty(),
            Self::Stuck => facts.system != SystemState::Up,
            Self::Serving => true,
        }
    }
}

/// What the table is asked about.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// Whether both the network and the services were seen recently.
    pub fresh: bool,
    /// Whether the box has come up, or has had the time for it.
    pub settled: bool,
    /// How far the system has come.
    pub system: SystemState,
    /// The units that have failed.
    pub failed: &'a [String],
    /// The home network's ports.
    pub home: Vec<LinkState>,
    /// Whether the house is online, as `wan` says; unknown without a recent word of it.
    pub internet: State,
    /// The ways out of the house, in order of preference.
    pub uplinks: Vec<(Role, UplinkState)>,
}

/// The highest active row, and its sentence.
#[must_use]
pub fn judge(facts: &Facts<'_>) -> (Row, String) {
    let active = Row::ALL.into_iter().find(|row| row.is_active(facts));
    let row = active.expect("the last row is always active");
    (row, sentence(row, facts))
}

fn sentence(row: Row, facts: &Facts<'_>) -> String {
    let plain = match row {
        Row::Stopping => "The box is shutting down or restarting.",
        Row::Starting => starting(facts),
        Row::Blind => {
            "The box has lost sight of itself. If this stays for a minute, pull its power plug, \
             wait ten seconds and plug it in again."
        }
        Row::Offline => return offline(&facts.uplinks),
        Row::SignIn => return sign_in(&facts.uplinks),
        Row::Unsure => {
            "The box does not know whether the house is online: the part of it that watches the \
             lines is silent. If this stays, pull its power plug, wait ten seconds and plug it in \
             again."
        }
        Row::HomePort => {
            "No live cable arrives at the box's home port. Check the cable between the box and \
             the house."
        }
        Row::Failed => return failed(facts.failed),
        Row::Stuck => {
            "The box could not finish starting. Pull its power plug, wait ten seconds and plug it \
             in again."
        }
        Row::Serving => return serving(&facts.uplinks),
    };
    plain.to_owned()
}

fn starting(facts: &Facts<'_>) -> &'static str {
    let online = matches!(facts.internet, State::Online | State::Degraded);
    if !facts.fresh {
        "The box is waking up."
    } else if online {
        "The box is starting. The house is already online."
    } else {
        "The box is starting and looking for the internet."
    }
}

/// "The house is offline: broadband has no cable and Starlink is not answering. …"
fn offline(uplinks: &[(Role, UplinkState)]) -> String {
    let causes: Vec<String> = uplinks
        .iter()
        .map(|(role, state)| format!("{} {}", role.called(), trouble(*state)))
        .collect();
    if causes.is_empty() {
        return String::from("The house is offline: this box has no port for an internet line.");
    }
    let silent = |(_, state): &(Role, UplinkState)| *state == UplinkState::Silent;
    let causes = if uplinks.len() > 1 && uplinks.iter().all(silent) {
        let names: Vec<&str> = uplinks.iter().map(|(role, _)| role.called()).collect();
        format!("neither {} reaches the internet", names.join(" nor "))
    } else {
        causes.join(" and ")
    };
    let unplugged = uplinks.iter().any(|(_, state)| *state == UplinkState::Unplugged);
    let advice = if unplugged {
        "Check the cables and the power of the modem and the dish."
    } else {
        "Switch the modem and the dish off and on again; the provider may have an outage."
    };
    format!("The house is offline: {causes}. {advice}")
}

fn trouble(state: UplinkState) -> &'static str {
    match state {
        UplinkState::InUse | UplinkState::Ready => "is online",
        UplinkState::Recovering => "is coming back",
        UplinkState::Silent => "does not reach the internet",
        UplinkState::SignIn => "wants a sign-in",
        UplinkState::Off => "is set not to be used",
        UplinkState::Unchecked => "is plugged in",
        UplinkState::Connecting => "is plugged in but not answering",
        UplinkState::Unplugged => "has no live cable",
        UplinkState::Missing => "has lost its port",
        UplinkState::Unknown => "is in an unknown state",
    }
}

fn sign_in(uplinks: &[(Role, UplinkState)]) -> String {
    let asking = uplinks.iter().find(|(_, state)| *state == UplinkState::SignIn);
    let asking =
        asking.map_or_else(|| "The provider".to_owned(), |(role, _)| capital(role.called()));
    format!(
        "{asking} wants somebody to sign in before it lets the house out. Open any page in a \
         browser and do what it asks."
    )
}

/// The verdict on the boot fails with whatever else fails, so it is named only when it is alone.
const VERDICT: &str = "selfcheck";

fn failed(units: &[String]) -> String {
    let name = |unit: &String| unit.split('.').next().unwrap_or_default().to_owned();
    let parts: Vec<String> = units.iter().map(name).filter(|name| name != VERDICT).collect();
    let what = match parts.as_slice() {
        [] => String::from("The box's own check after starting has found a problem."),
        [one] => format!("A part of the box ({one}) has stopped."),
        [first, ..] => {
            format!("{} parts of the box ({first} and others) have stopped.", parts.len())
        }
    };
    format!("{what} Pull the box's power plug, wait ten seconds and plug it in again.")
}

/// "The house is online through broadband, with Starlink ready." and its lesser sisters.
fn serving(uplinks: &[(Role, UplinkState)]) -> String {
    let called = |state: UplinkState| {
        let these = uplinks.iter().filter(move |(_, s)| *s == state);
        these.map(|(role, _)| role.called()).collect::<Vec<_>>()
    };
    let carriers = called(UplinkState::InUse);
    let online = match carriers.as_slice() {
        [] => String::from("The house is online"),
        [one] => format!("The house is online through {one}"),
        all => format!("The house is online through {} together", all.join(" and ")),
    };
    let fine = |state: UplinkState| state.is_online() || state == UplinkState::Off;
    let lame = uplinks.iter().enumerate().find(|(_, (_, state))| !fine(*state));
    match (lame, called(UplinkState::Ready).as_slice()) {
        (Some((place, (role, state))), _) => {
            let name = capital(role.called());
            let is = match state {
                UplinkState::Recovering => "is back and on trial",
                UplinkState::SignIn => "wants somebody to sign in",
                _ if place == 0 => "is down",
                _ => "is not available",
            };
            if place == 0 {
                format!("{name} {is}; {}.", online.replacen("The", "the", 1))
            } else {
                format!("{online}. {name} {is}.")
            }
        }
        (None, []) => format!("{online}."),
        (None, ready) => format!("{online}, with {} ready.", ready.join(" and ")),
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

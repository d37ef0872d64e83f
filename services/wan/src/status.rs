//! What is told of the box: on the bus, in numbers, to the owner.

use std::time::Duration;

use tunnel::Modes;
use units::{Instant, LinkId};

use crate::caps::{Limit, Standing};
use crate::direct::health::Health;
use crate::dish::DishWord;
use crate::links::LinkState;
use crate::uplink::{Policy, Uplink};

/// Whether the house is online.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It is, and every uplink does well.
    Online,
    /// It is, and an uplink that should help does not.
    Degraded,
    /// It is not.
    #[default]
    Offline,
    /// A provider wants somebody to sign in, and nothing else leads out.
    Captive,
}

/// How the house goes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Through the relay, by every uplink at once.
    Tunnel,
    /// By one uplink itself.
    #[default]
    Direct,
}

/// Everything told of the box.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// Whether the house is online.
    pub state: State,
    /// How it goes out.
    pub mode: Mode,
    /// The uplinks that carry it, the preferred one first.
    pub active: Vec<LinkId>,
    /// Times that the house left one uplink for another.
    pub switches: u64,
    /// How each class of traffic is carried by the tunnel.
    pub modes: Modes,
    /// All uplinks, in the order of the settings.
    pub uplinks: Vec<UplinkStatus>,
}

/// Everything told of one uplink.
#[derive(Clone, Debug, PartialEq)]
pub struct UplinkStatus {
    /// Who it is and what the owner wants of it.
    pub uplink: Uplink,
    /// How far it has come.
    pub state: LinkState,
    /// How it does.
    pub health: Health,
    /// The time there and back, if it was measured.
    pub rtt: Option<Duration>,
    /// What did not come back lately, in millionths.
    pub loss_ppm: u32,
    /// What comes in, in bits per second.
    pub rate_down_bps: u64,
    /// What goes out, in bits per second.
    pub rate_up_bps: u64,
    /// How it stands in its billing month.
    pub standing: Standing,
    /// The last day in steps of five minutes (see [`crate::availability`]).
    pub availability: Vec<u8>,
    /// What it may be used for now.
    pub allowance: Allowance,
    /// What its dish says, if it has one.
    pub dish: DishWord,
    /// When the sky next blinks, as far as the tunnel knows it.
    pub next_boundary: Option<Instant>,
}

/// What is left of the owner's word after the cap and the dish have had theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// How it may be used. Of an uplink that is a last resort: not at all while another works.
    pub policy: Policy,
    /// Nothing is sent twice over it, and nothing that can wait.
    pub sparing: bool,
}

impl Allowance {
    /// What `uplink` may be used for, where its cap says `limit` and its dish `word`; `others_work`
    /// where the house would go on without it.
    #[must_use]
    pub fn of(uplink: &Uplink, limit: Limit, word: &DishWord, others_work: bool) -> Self {
        let policy = limit.applied_to(uplink.policy);
        let policy = match (word.last_resort, others_work) {
            (None, _) => policy,
            // Also what is under way leaves it before the dish goes.
            (Some(_), true) => Policy::Never,
            (Some(_), false) => policy.max(Policy::Backup),
        };
        let sparing = uplink.metered || limit != Limit::Free || word.sparing.is_some();
        Self { policy, sparing }
    }
}

impl State {
    /// What is true of a box with `uplinks` of which `chosen` carries the house.
    #[must_use]
    pub fn of(uplinks: &[UplinkStatus], chosen: Option<LinkId>) -> Self {
        let health = |link: LinkId| {
            uplinks.iter().find(|status| status.uplink.id == link).map(|status| status.health)
        };
        match chosen.and_then(health) {
            None | Some(Health::Down) => Self::Offline,
            Some(Health::Captive) => Self::Captive,
            Some(Health::Up | Health::Suspect | Health::Probation) => {
                let helps = |status: &&UplinkStatus| status.uplink.policy != Policy::Never;
                let well = |status: &UplinkStatus| status.health == Health::Up;
                if uplinks.iter().filter(helps).all(well) { Self::Online } else { Self::Degraded }
            }
        }
    }
}

//! What the machine says of itself, made anew after each piece of news.

use units::{Instant, LinkId};

use super::Gateway;
use crate::direct::health::Health;
use crate::direct::probe::Situation;
use crate::status::{Allowance, Mode, State, Status, UplinkStatus};
use crate::uplink::Policy;

impl Gateway {
    pub(super) fn tell(&mut self, now: Instant) {
        let mut told = Vec::with_capacity(self.uplinks.len());
        for uplink in &self.uplinks {
            let health = self.direct.health(uplink.id);
            let state = self.links.state(uplink.id);
            self.prober.handle_situation(
                uplink.id,
                Situation {
                    usable: state.reach().is_some() && uplink.policy != Policy::Never,
                    carries: self.direct.chosen() == Some(uplink.id),
                    metered: uplink.metered,
                    told_by_tunnel: self.told_by_tunnel.contains_key(&uplink.id),
                    health,
                },
                now,
            );
            let availability = self.strips.get_mut(&uplink.id).map_or_else(Vec::new, |strip| {
                strip.handle(matches!(health, Health::Up | Health::Suspect), now);
                strip.strip(now)
            });
            let measured = self.measured.get(&uplink.id).cloned().unwrap_or_default();
            let path = self.told_by_tunnel.get(&uplink.id);
            let standing = self.caps.standing(uplink.id, now);
            let dish = self.words.get(&uplink.id).copied().unwrap_or_default();
            let others = self.others_work(uplink.id);
            told.push(UplinkStatus {
                uplink: *uplink,
                state,
                health,
                rtt: path.map_or(measured.rtt(), |path| path.rtt),
                loss_ppm: path.map_or(measured.loss_ppm(), |path| path.loss_ppm),
                rate_down_bps: measured.rate_down_bps(),
                rate_up_bps: measured.rate_up_bps(),
                standing,
                availability,
                allowance: Allowance::of(uplink, standing.limit, &dish, others),
                dish,
                next_boundary: path.and_then(|path| path.next_boundary),
            });
        }
        let mode = if self.direct.is_tunnelled() { Mode::Tunnel } else { Mode::Direct };
        let state = State::of(&told, self.direct.chosen());
        let switches = self.switched;
        let active = self.active(mode, &told);
        let modes = self.modes;
        let status = Status { state, mode, active, switches, modes, uplinks: told };
        if status != self.status {
            self.status = status;
            self.changed = true;
        }
    }

    /// The uplinks that carry the house, the preferred one first.
    fn active(&self, mode: Mode, told: &[UplinkStatus]) -> Vec<LinkId> {
        let mut active: Vec<LinkId> = self.direct.chosen().into_iter().collect();
        if mode == Mode::Tunnel {
            let helps = |uplink: &&UplinkStatus| {
                uplink.allowance.policy != Policy::Never
                    && !matches!(uplink.health, Health::Down | Health::Captive)
                    && self.told_by_tunnel.contains_key(&uplink.uplink.id)
            };
            let others = told.iter().filter(helps).map(|uplink| uplink.uplink.id);
            active.extend(others.filter(|link| self.direct.chosen() != Some(*link)));
        }
        active
    }

    /// Whether the house would go on without `link`.
    fn others_work(&self, link: LinkId) -> bool {
        self.uplinks.iter().filter(|other| other.id != link).any(|other| {
            let leaves = self.words.get(&other.id).is_some_and(|word| word.last_resort.is_some());
            let well = matches!(self.direct.health(other.id), Health::Up | Health::Suspect);
            well && !leaves && other.policy != Policy::Never
        })
    }
}

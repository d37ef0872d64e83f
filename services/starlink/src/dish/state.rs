//! What state a dish is in.

use crate::proto::messages::{DishAlerts, DishGetStatusResponse};

/// Whether the dish reaches the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DishState {
    /// It does, by its own account, which is 2 to 5 s old.
    Connected,
    /// It does not, and this is why.
    Outage(Cause),
    /// Its answer says neither.
    Unknown,
}

/// Why a dish does not reach the network. A firmware's new cause is [`Cause::Unknown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A part of the dish moves.
    ActuatorActivity,
    /// It starts, which takes two to seven minutes.
    Booting,
    /// It tests its cable.
    CableTest,
    /// It was told not to send.
    InhibitRf,
    /// It hears nothing.
    NoDownlink,
    /// Its pings are lost.
    NoPings,
    /// No satellite is in sight.
    NoSatellites,
    /// No satellite has time for it.
    NoSchedule,
    /// Something stands in the way.
    Obstructed,
    /// It searches the sky.
    SkySearch,
    /// It sleeps to save power.
    Sleeping,
    /// It is folded.
    Stowed,
    /// It has switched itself off for heat.
    ThermalShutdown,
    /// It does not say, or in a word we do not know.
    Unknown,
}

impl Cause {
    /// The cause behind its number in the dish's messages.
    #[must_use]
    pub fn from_number(number: i32) -> Self {
        match number {
            1 => Self::Booting,
            2 => Self::Stowed,
            3 => Self::ThermalShutdown,
            4 => Self::NoSchedule,
            5 => Self::NoSatellites,
            6 => Self::Obstructed,
            7 => Self::NoDownlink,
            8 => Self::NoPings,
            9 => Self::ActuatorActivity,
            10 => Self::CableTest,
            11 => Self::Sleeping,
            13 => Self::SkySearch,
            14 => Self::InhibitRf,
            _ => Self::Unknown,
        }
    }
}

impl DishState {
    /// The state that `status` tells of. An answer without an outage means "connected" only where
    /// it says anything at all: an empty message is what a broken dish sends.
    pub(super) fn of(status: &DishGetStatusResponse) -> Self {
        if let Some(outage) = &status.outage {
            return Self::Outage(Cause::from_number(outage.cause.unwrap_or_default()));
        }
        let says_anything = status.device_state.is_some()
            || status.device_info.is_some()
            || status.pop_ping_drop_rate.is_some()
            || status.pop_ping_latency_ms.is_some();
        if says_anything { Self::Connected } else { Self::Unknown }
    }
}

/// Something that the dish says is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alert {
    /// It has no fresh numbers of its antenna.
    AntennaNumbersStale,
    /// Water in the dish.
    DishWater,
    /// An update waits for a restart.
    InstallPending,
    /// It hears less than it should.
    LowerSignalThanPredicted,
    /// Its motors turn weakly.
    LowMotorCurrent,
    /// The mast leans.
    MastNotNearVertical,
    /// A motor is stuck.
    MotorsStuck,
    /// It melts snow, and draws more power.
    IsHeating,
    /// No cable.
    NoEthernetLink,
    /// It has forgotten the sky.
    ObstructionMapReset,
    /// It sleeps to save power.
    PowerSaveIdle,
    /// Its power supply is hot.
    PowerSupplyThermalThrottle,
    /// It is away from home.
    Roaming,
    /// Water in the router.
    RouterWater,
    /// Its cable is slow.
    SlowEthernet,
    /// Its cable is very slow.
    SlowEthernet100,
    /// The power supply's port is slow.
    SlowRouterPort,
    /// It has switched itself off for heat.
    ThermalShutdown,
    /// It sends less for heat.
    ThermalThrottle,
    /// It is not where its plan says.
    UnexpectedLocation,
}

/// The alerts that are on, each once, in the order of [`Alert`].
pub(super) fn alerts(told: Option<&DishAlerts>) -> Vec<Alert> {
    let Some(told) = told else {
        return Vec::new();
    };
    let mut alerts: Vec<_> = [
        (told.dbf_telem_stale, Alert::AntennaNumbersStale),
        (told.dish_water_detected, Alert::DishWater),
        (told.install_pending, Alert::InstallPending),
        (told.is_heating, Alert::IsHeating),
        (told.is_power_save_idle, Alert::PowerSaveIdle),
        (told.low_motor_current, Alert::LowMotorCurrent),
        (told.lower_signal_than_predicted, Alert::LowerSignalThanPredicted),
        (told.mast_not_near_vertical, Alert::MastNotNearVertical),
        (told.motors_stuck, Alert::MotorsStuck),
        (told.no_ethernet_link, Alert::NoEthernetLink),
        (told.obstruction_map_reset, Alert::ObstructionMapReset),
        (told.power_supply_thermal_throttle, Alert::PowerSupplyThermalThrottle),
        (told.roaming, Alert::Roaming),
        (told.router_water_detected, Alert::RouterWater),
        (told.slow_ethernet_speeds, Alert::SlowEthernet),
        (told.slow_ethernet_speeds_100, Alert::SlowEthernet100),
        (told.thermal_shutdown, Alert::ThermalShutdown),
        (told.thermal_throttle, Alert::ThermalThrottle),
        (told.unexpected_location, Alert::UnexpectedLocation),
        (told.upsu_router_port_slow, Alert::SlowRouterPort),
    ]
    .into_iter()
    .filter_map(|(on, alert)| (on == Some(true)).then_some(alert))
    .collect();
    alerts.sort_unstable();
    alerts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::messages::{DeviceState, DishOutage};

    #[test]
    fn an_outage_has_its_cause_or_an_unknown_one() {
        let state = |cause| {
            let outage = Some(DishOutage { cause, ..DishOutage::default() });
            DishState::of(&DishGetStatusResponse { outage, ..DishGetStatusResponse::default() })
        };
        assert_eq!(state(Some(6)), DishState::Outage(Cause::Obstructed));
        assert_eq!(state(Some(11)), DishState::Outage(Cause::Sleeping));
        for unknown in [None, Some(0), Some(12), Some(15), Some(-1), Some(i32::MAX)] {
            assert_eq!(state(unknown), DishState::Outage(Cause::Unknown));
        }
    }

    #[test]
    fn an_empty_answer_is_no_connection() {
        let mut status = DishGetStatusResponse::default();
        assert_eq!(DishState::of(&status), DishState::Unknown);
        status.device_state = Some(DeviceState::default());
        assert_eq!(DishState::of(&status), DishState::Connected);
    }

    #[test]
    fn alerts_are_those_that_are_on() {
        let (on, off) = (Some(true), Some(false));
        let told = DishAlerts {
            thermal_throttle: on,
            is_heating: on,
            roaming: off,
            ..DishAlerts::default()
        };
        assert_eq!(alerts(Some(&told)), [Alert::IsHeating, Alert::ThermalThrottle]);
        assert_eq!(alerts(None), []);
    }
}

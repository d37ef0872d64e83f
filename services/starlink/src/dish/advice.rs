//! What the dish says about the plan: what it costs, what it slows, what it forbids.

use crate::proto::messages::DishGetStatusResponse;

/// What the uplink's policy should know. Advice: what packets do on the path decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// Traffic costs by the byte: no duplication, no background work.
    pub metered: bool,
    /// The plan slows one direction or both.
    pub restricted: Option<Restriction>,
    /// The account may not use the network here or now: expect a portal or nothing.
    pub disabled: Option<Disablement>,
}

/// Why the plan slows the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restriction {
    /// The plan is a slow one.
    LowSpeedPlan,
    /// The month's data is used up.
    Overage,
    /// A policy of the network.
    Policy,
    /// The user asked for it.
    UserCustom,
    /// For a reason that this firmware is too new for.
    Unknown,
}

/// Why the account may not use the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disablement {
    /// It is in a place where none may.
    BlockedArea,
    /// Its cell is switched off.
    CellDisabled,
    /// The month's data is used up, and all that remains is the shop.
    DataUsedUp,
    /// It moves faster than the plan allows.
    MovingTooFast,
    /// Nobody pays for it.
    NoActiveAccount,
    /// The plan is for another place.
    RoamingRestricted,
    /// For a reason that is not told or that this firmware is too new for.
    Unknown,
}

impl Advice {
    pub(super) fn of(status: &DishGetStatusResponse) -> Self {
        let down = status.dl_bandwidth_restricted_reason.and_then(Restriction::from_number);
        let up = status.ul_bandwidth_restricted_reason.and_then(Restriction::from_number);
        Self {
            metered: status.treat_as_metered == Some(true),
            restricted: down.or(up),
            disabled: status.disablement_code.and_then(Disablement::from_number),
        }
    }
}

impl Restriction {
    fn from_number(number: i32) -> Option<Self> {
        match number {
            0 | 1 => None,
            2 => Some(Self::Policy),
            3 => Some(Self::UserCustom),
            5 => Some(Self::Overage),
            6 => Some(Self::LowSpeedPlan),
            _ => Some(Self::Unknown),
        }
    }
}

impl Disablement {
    fn from_number(number: i32) -> Option<Self> {
        match number {
            0 | 1 => None,
            2 => Some(Self::NoActiveAccount),
            7 => Some(Self::DataUsedUp),
            8 => Some(Self::CellDisabled),
            10 => Some(Self::RoamingRestricted),
            14 => Some(Self::MovingTooFast),
            16 => Some(Self::BlockedArea),
            _ => Some(Self::Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_and_wellness_advise_nothing() {
        let mut status = DishGetStatusResponse::default();
        assert_eq!(Advice::of(&status), Advice::default());
        status.treat_as_metered = Some(false);
        status.dl_bandwidth_restricted_reason = Some(1);
        status.ul_bandwidth_restricted_reason = Some(0);
        status.disablement_code = Some(1);
        assert_eq!(Advice::of(&status), Advice::default());
    }

    #[test]
    fn each_flag_is_heard_alone() {
        let up = Some(5);
        let mut status =
            DishGetStatusResponse { ul_bandwidth_restricted_reason: up, ..Default::default() };
        assert_eq!(Advice::of(&status).restricted, Some(Restriction::Overage));
        status.treat_as_metered = Some(true);
        assert!(Advice::of(&status).metered);
        status.disablement_code = Some(7);
        assert_eq!(Advice::of(&status).disabled, Some(Disablement::DataUsedUp));
    }

    #[test]
    fn numbers_of_next_year_are_unknown() {
        let status = DishGetStatusResponse {
            dl_bandwidth_restricted_reason: Some(99),
            disablement_code: Some(-3),
            ..DishGetStatusResponse::default()
        };
        assert_eq!(Advice::of(&status).restricted, Some(Restriction::Unknown));
        assert_eq!(Advice::of(&status).disabled, Some(Disablement::Unknown));
    }
}

//! Which uplink new flows take.
//!
//! How an uplink does comes first, then whether its dish says that it will not carry, then what the
//! owner wants of it, then whether its bytes are dear, then its place in the settings. Suspicion
//! moves nothing: the uplink that carries the house counts as up while it is only suspected. When
//! nothing answers anywhere, the house stays where it is: what is asked may be at fault rather than
//! every uplink at once.

use units::LinkId;

use super::health::Health;
use crate::uplink::Policy;

/// An uplink that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub link: LinkId,
    /// What the owner wants of it, after its cap has had its say.
    pub policy: Policy,
    /// Whether its dish says that it will not carry.
    pub last_resort: bool,
    /// Whether its bytes are dear.
    pub metered: bool,
    /// How it does.
    pub health: Health,
}

/// The best of `candidates`, where `carrying` carries the house now.
#[must_use]
pub fn choose(
    candidates: impl Iterator<Item = Candidate>,
    carrying: Option<LinkId>,
) -> Option<LinkId> {
    let allowed = candidates.filter(|candidate| candidate.policy != Policy::Never);
    let rank = |candidate: &Candidate| {
        let carries = carrying == Some(candidate.link);
        let tier = match candidate.health {
            Health::Up => 0,
            Health::Suspect if carries => 0,
            Health::Suspect => 1,
            Health::Probation => 2,
            Health::Captive => 3,
            Health::Down => 4,
        };
        let moves = candidate.health == Health::Down && !carries;
        (tier, moves, candidate.last_resort, candidate.policy, candidate.metered, candidate.link)
    };
    allowed.min_by_key(rank).map(|candidate| candidate.link)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(place: u8, policy: Policy, health: Health) -> Candidate {
        let link = LinkId::new(place).expect("from 1");
        Candidate { link, policy, last_resort: false, metered: false, health }
    }

    fn chosen(candidates: &[Candidate], carrying: Option<u8>) -> Option<u8> {
        let carrying = carrying.and_then(LinkId::new);
        choose(candidates.iter().copied(), carrying).map(LinkId::get)
    }

    #[test]
    fn the_owner_s_word_decides_among_those_that_work() {
        use Policy::{Backup, Never, Primary, Secondary};
        let all = [
            candidate(1, Never, Health::Up),
            candidate(2, Backup, Health::Up),
            candidate(3, Secondary, Health::Up),
            candidate(4, Primary, Health::Up),
        ];
        assert_eq!(chosen(&all, Some(3)), Some(4));
        assert_eq!(chosen(&all[..3], None), Some(3));
        assert_eq!(chosen(&all[..2], None), Some(2));
        assert_eq!(chosen(&all[..1], None), None, "never is never");
    }

    #[test]
    fn suspicion_moves_nothing_and_silence_does() {
        let suspect = candidate(1, Policy::Primary, Health::Suspect);
        let down = candidate(1, Policy::Primary, Health::Down);
        let other = candidate(2, Policy::Secondary, Health::Up);
        assert_eq!(chosen(&[suspect, other], Some(1)), Some(1));
        assert_eq!(chosen(&[suspect, other], Some(2)), Some(2), "and wins nothing");
        assert_eq!(chosen(&[down, other], Some(1)), Some(2));
    }

    #[test]
    fn where_nothing_answers_the_house_stays() {
        let first = candidate(1, Policy::Primary, Health::Down);
        let second = candidate(2, Policy::Secondary, Health::Down);
        assert_eq!(chosen(&[first, second], Some(2)), Some(2));
        assert_eq!(chosen(&[first, second], None), Some(1));
    }

    #[test]
    fn probation_waits_unless_there_is_nothing_else() {
        let back = candidate(1, Policy::Primary, Health::Probation);
        let other = candidate(2, Policy::Backup, Health::Up);
        assert_eq!(chosen(&[back, other], Some(2)), Some(2));
        assert_eq!(chosen(&[back], None), Some(1));
    }

    #[test]
    fn a_last_resort_carries_only_when_nothing_else_does() {
        let leaving = Candidate { last_resort: true, ..candidate(1, Policy::Primary, Health::Up) };
        let backup = Candidate { metered: true, ..candidate(2, Policy::Backup, Health::Up) };
        let captive = candidate(2, Policy::Secondary, Health::Captive);
        let never = candidate(2, Policy::Never, Health::Up);
        assert_eq!(chosen(&[leaving, backup], Some(1)), Some(2), "also a dear backup is better");
        assert_eq!(chosen(&[leaving, captive], Some(1)), Some(1), "it still works");
        assert_eq!(chosen(&[leaving, never], Some(1)), Some(1), "never is never");
    }

    #[test]
    fn dear_bytes_come_last_among_equals() {
        let dear = Candidate { metered: true, ..candidate(1, Policy::Primary, Health::Up) };
        let plain = candidate(2, Policy::Primary, Health::Up);
        let secondary = candidate(3, Policy::Secondary, Health::Up);
        assert_eq!(chosen(&[dear, plain], None), Some(2));
        assert_eq!(chosen(&[dear, secondary], None), Some(1));
    }
}

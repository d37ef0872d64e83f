//! Months that end, clocks that are wrong, counters that start again, power that fails.

use super::*;
use crate::uplink::Kind;
use proptest::prelude::*;

const LINK: LinkId = LinkId::new(1).expect("from 1");
const DEVICE: Device = Device(7);
const GIB: u64 = 1 << 30;

fn uplink(cap_bytes: Option<u64>) -> Uplink {
    Uplink {
        id: LINK,
        name: PortName::try_new("starlink0").expect("a name"),
        kind: Kind::Starlink,
        policy: Policy::Primary,
        metered: false,
        cap_bytes,
        billing_day: BillingDay::FIRST,
    }
}

fn caps(cap_bytes: Option<u64>, saved: Saved, boot: &str) -> Caps {
    let mut caps = Caps::new(&[uplink(cap_bytes)], TimeZone::UTC, saved, boot, Instant::BOOT);
    // The first reading is where counting starts.
    caps.handle_counter(LINK, DEVICE, 0, Instant::BOOT);
    caps
}

fn at(seconds: u64) -> Instant {
    Instant::from_secs(seconds)
}

fn wall(text: &str) -> Option<Timestamp> {
    Some(text.parse().expect("a moment"))
}

#[test]
fn the_cap_softens_then_closes() {
    let mut caps = caps(Some(100 * GIB), Saved::default(), "a");
    caps.handle_clock(wall("2026-11-23T00:00:00Z"), at(1));
    for (used, limit) in [(79, Limit::Free), (80, Limit::Soft), (99, Limit::Soft)] {
        caps.handle_counter(LINK, DEVICE, used * GIB, at(2));
        assert_eq!(caps.standing(LINK, at(2)).limit, limit, "{used} GiB");
    }
    caps.handle_counter(LINK, DEVICE, 100 * GIB, at(3));
    assert_eq!(caps.standing(LINK, at(3)).limit, Limit::Hard);
    assert_eq!(Limit::Hard.applied_to(Policy::Primary), Policy::Backup);
    assert_eq!(Limit::Hard.applied_to(Policy::Never), Policy::Never);
    caps.handle_cap(LINK, None);
    assert_eq!(caps.standing(LINK, at(3)).limit, Limit::Free);
}

#[test]
fn a_new_month_starts_from_zero_at_midnight() {
    let mut caps = caps(Some(GIB), Saved::default(), "a");
    caps.handle_clock(wall("2026-11-30T23:59:00Z"), at(0));
    caps.handle_counter(LINK, DEVICE, GIB, at(59));
    assert_eq!(caps.standing(LINK, at(59)).limit, Limit::Hard);
    assert_eq!(caps.standing(LINK, at(60)).limit, Limit::Free, "it is December");
    caps.handle_counter(LINK, DEVICE, GIB + 5, at(61));
    assert_eq!(caps.standing(LINK, at(61)).used_bytes, 5);
    assert_eq!(caps.standing(LINK, at(61)).carried_bytes, GIB + 5);
}

#[test]
fn bytes_wait_for_the_clock_and_the_cap_does_not() {
    let mut first = caps(Some(GIB), Saved::default(), "a");
    first.handle_clock(wall("2026-11-10T00:00:00Z"), at(0));
    first.handle_counter(LINK, DEVICE, GIB / 2, at(1));
    let saved = first.save(at(1));

    let mut second = caps(Some(GIB), saved, "b");
    second.handle_counter(LINK, DEVICE, GIB / 2, at(2));
    assert_eq!(second.standing(LINK, at(2)).used_bytes, GIB);
    assert_eq!(second.standing(LINK, at(2)).limit, Limit::Hard, "as if it were the last month");
    assert_eq!(second.standing(LINK, at(2)).forecast_bytes, None);
    second.handle_clock(wall("2026-12-05T00:00:00Z"), at(3));
    assert_eq!(second.standing(LINK, at(3)).used_bytes, GIB / 2, "it was December all along");
}

#[test]
fn a_clock_that_was_wrong_and_is_put_right_loses_nothing() {
    let mut caps = caps(None, Saved::default(), "a");
    caps.handle_clock(wall("2026-11-10T00:00:00Z"), at(0));
    caps.handle_counter(LINK, DEVICE, 10, at(1));
    caps.handle_clock(wall("2031-01-01T00:00:00Z"), at(2));
    caps.handle_counter(LINK, DEVICE, 15, at(3));
    assert_eq!(caps.standing(LINK, at(3)).used_bytes, 5);
    caps.handle_clock(wall("2026-11-10T00:00:10Z"), at(4));
    caps.handle_counter(LINK, DEVICE, 16, at(5));
    assert_eq!(caps.standing(LINK, at(5)).used_bytes, 11);
    assert_eq!(caps.standing(LINK, at(5)).carried_bytes, 16);
}

#[test]
fn restarts_of_the_program_and_of_the_box_are_told_apart() {
    let mut first = caps(None, Saved::default(), "a");
    first.handle_clock(wall("2026-11-10T00:00:00Z"), at(0));
    first.handle_counter(LINK, DEVICE, 100, at(1));
    let saved = first.save(at(1));

    let build = |boot| {
        let uplinks = [uplink(None)];
        let mut caps = Caps::new(&uplinks, TimeZone::UTC, saved.clone(), boot, Instant::BOOT);
        caps.handle_clock(wall("2026-11-10T01:00:00Z"), at(0));
        caps.handle_counter(LINK, DEVICE, 130, at(1));
        caps.standing(LINK, at(1)).used_bytes
    };
    assert_eq!(build("a"), 130, "what went by while nobody counted is counted");
    assert_eq!(build("b"), 100, "the kernel's count is of another boot");
}

#[test]
fn an_interface_made_anew_counts_from_zero() {
    let mut caps = caps(None, Saved::default(), "a");
    caps.handle_clock(wall("2026-11-10T00:00:00Z"), at(0));
    caps.handle_counter(LINK, DEVICE, 100, at(1));
    caps.handle_counter(LINK, Device(9), 30, at(2));
    caps.handle_counter(LINK, Device(9), 20, at(3));
    assert_eq!(caps.standing(LINK, at(3)).used_bytes, 150);
}

#[test]
fn what_is_lost_with_the_power_is_bounded() {
    let mut caps = caps(None, Saved::default(), "a");
    assert_eq!(caps.poll_save(at(1_000)), None, "there is nothing to save");
    caps.handle_counter(LINK, DEVICE, 1, at(1_000));
    assert_eq!(caps.next_deadline(), Some(at(30)));
    assert!(caps.poll_save(at(1_000)).is_some());
    caps.handle_counter(LINK, DEVICE, 2, at(1_001));
    assert_eq!(caps.poll_save(at(1_029)), None);
    assert!(caps.poll_save(at(1_030)).is_some());
    caps.handle_counter(LINK, DEVICE, 2 + SAVE_BYTES, at(1_031));
    assert!(caps.poll_save(at(1_031)).is_some());
}

#[test]
fn a_forecast_needs_a_day_and_is_in_proportion() {
    let mut caps = caps(None, Saved::default(), "a");
    caps.handle_clock(wall("2026-11-01T00:00:00Z"), at(0));
    caps.handle_counter(LINK, DEVICE, GIB, at(1));
    assert_eq!(caps.standing(LINK, at(86_399)).forecast_bytes, None);
    assert_eq!(caps.standing(LINK, at(86_400)).forecast_bytes, Some(30 * GIB));
    assert_eq!(caps.standing(LINK, at(86_400 * 15)).forecast_bytes, Some(2 * GIB));
}

#[test]
fn what_is_kept_of_the_past_is_bounded() {
    let mut saved = Saved { boot: "a".into(), ..Saved::default() };
    for number in 0..100 {
        saved.uplinks.insert(format!("old{number}"), Account::default());
    }
    let mut caps = caps(None, saved, "a");
    for year in 2027..2060 {
        caps.handle_clock(wall(&format!("{year}-06-10T00:00:00Z")), at(0));
        caps.handle_counter(LINK, DEVICE, year, at(1));
    }
    let saved = caps.save(at(2));
    assert_eq!(saved.uplinks.len(), MOST_SAVED);
    let account = &saved.uplinks["starlink0"];
    assert_eq!(account.months.len(), MOST_MONTHS);
    assert!(account.months.keys().any(|first| first.year() == 2059));
}

/// What can happen to a counter.
#[derive(Clone, Copy, Debug)]
enum Step {
    Count(u32),
    Clock(Option<i64>),
    Interface,
    RestartProgram,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u32..1_000_000).prop_map(Step::Count),
        1 => prop::option::of(1_700_000_000_i64..2_000_000_000).prop_map(Step::Clock),
        1 => Just(Step::Interface),
        1 => Just(Step::RestartProgram),
    ]
}

proptest! {
    #[test]
    fn every_byte_is_in_one_place(steps in prop::collection::vec(step(), 0..60)) {
        let mut caps = caps(None, Saved::default(), "a");
        let (mut total, mut raw, mut device) = (0_u64, 0_u64, 7_u32);
        for (second, step) in (1_u64..).zip(steps) {
            let now = at(second);
            match step {
                Step::Count(bytes) => {
                    raw += u64::from(bytes);
                    total += u64::from(bytes);
                    caps.handle_counter(LINK, Device(device), raw, now);
                }
                Step::Clock(unix) => {
                    let wall = unix.and_then(|unix| Timestamp::from_second(unix).ok());
                    caps.handle_clock(wall, now);
                }
                Step::Interface => (raw, device) = (0, device + 1),
                Step::RestartProgram => {
                    let saved = caps.save(now);
                    caps = Caps::new(&[uplink(None)], TimeZone::UTC, saved, "a", now);
                }
            }
            let saved = caps.save(now);
            let account = &saved.uplinks["starlink0"];
            let booked: u64 = account.months.values().sum::<u64>() + account.unassigned;
            prop_assert!(account.months.len() == MOST_MONTHS || booked == total);
            prop_assert_eq!(account.carried, total);
        }
    }
}

//! The provider's billing month: from one billing day to the next, at local midnight.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::uplink::BillingDay;

/// A billing month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month {
    /// Its first day.
    pub first: Date,
    /// Its first moment.
    pub start: Timestamp,
    /// The first moment of the next one.
    pub end: Timestamp,
}

impl Month {
    /// The billing month of `at`, counted in `zone` from `day`; none at the ends of the calendar,
    /// some thousand years from now.
    #[must_use]
    pub fn of(at: Timestamp, day: BillingDay, zone: &TimeZone) -> Option<Self> {
        let today = zone.to_datetime(at).date();
        let here = starts_in(today, day)?;
        let first = if today < here {
            starts_in(today.first_of_month().yesterday().ok()?, day)?
        } else {
            here
        };
        let next = starts_in(first.last_of_month().tomorrow().ok()?, day)?;
        let midnight = |date: Date| zone.to_timestamp(date.at(0, 0, 0, 0)).ok();
        Some(Self { first, start: midnight(first)?, end: midnight(next)? })
    }
}

/// The day on which the billing month starts that starts in the calendar month of `date`.
fn starts_in(date: Date, day: BillingDay) -> Option<Date> {
    date.with().day(day.get().min(date.days_in_month())).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Central Europe, by the rule rather than by name: the box has no table of names.
    const CENTRAL_EUROPE: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

    fn first(at: &str, day: u8, zone: &TimeZone) -> String {
        let at = at.parse::<Timestamp>().expect("a moment");
        let day = BillingDay::new(day).expect("a day");
        Month::of(at, day, zone).expect("within the calendar").first.to_string()
    }

    #[test]
    fn a_month_starts_on_its_day_or_the_last_there_is() {
        let utc = TimeZone::UTC;
        assert_eq!(first("2026-11-23T22:00:00Z", 1, &utc), "2026-11-01");
        assert_eq!(first("2026-11-23T22:00:00Z", 23, &utc), "2026-11-23");
        assert_eq!(first("2026-11-23T22:00:00Z", 24, &utc), "2026-10-24");
        assert_eq!(first("2026-03-30T12:00:00Z", 31, &utc), "2026-02-28");
        assert_eq!(first("2026-03-31T12:00:00Z", 31, &utc), "2026-03-31");
        assert_eq!(first("2028-02-29T00:00:00Z", 30, &utc), "2028-02-29");
        assert_eq!(first("2026-01-15T00:00:00Z", 20, &utc), "2025-12-20");
    }

    #[test]
    fn midnight_is_the_provider_s() {
        let zone = TimeZone::posix(CENTRAL_EUROPE).expect("a zone");
        assert_eq!(first("2026-10-31T22:59:59Z", 1, &zone), "2026-10-01");
        assert_eq!(first("2026-10-31T23:00:00Z", 1, &zone), "2026-11-01");
        assert_eq!(first("2026-06-30T21:59:59Z", 1, &zone), "2026-06-01");
        assert_eq!(first("2026-06-30T22:00:00Z", 1, &zone), "2026-07-01");
    }

    #[test]
    fn a_month_with_a_changed_clock_is_an_hour_shorter_or_longer() {
        let zone = TimeZone::posix(CENTRAL_EUROPE).expect("a zone");
        let hours = |at: &str| {
            let at = at.parse::<Timestamp>().expect("a moment");
            let month = Month::of(at, BillingDay::FIRST, &zone).expect("within the calendar");
            (month.end.as_second() - month.start.as_second()) / 3_600
        };
        assert_eq!(hours("2026-03-10T00:00:00Z"), 31 * 24 - 1);
        assert_eq!(hours("2026-10-10T00:00:00Z"), 31 * 24 + 1);
        assert_eq!(hours("2026-11-10T00:00:00Z"), 30 * 24);
    }

    proptest! {
        #[test]
        fn every_moment_is_in_exactly_its_own_month(
            second in 0_i64..4_000_000_000,
            day in 1_u8..=31,
        ) {
            let zone = TimeZone::posix(CENTRAL_EUROPE).expect("a zone");
            let day = BillingDay::new(day).expect("a day");
            let of = |second| {
                Month::of(Timestamp::from_second(second).expect("in range"), day, &zone)
                    .expect("within the calendar")
            };
            let month = of(second);
            prop_assert!(month.start.as_second() <= second && second < month.end.as_second());
            prop_assert_eq!(of(month.end.as_second()).start, month.end);
            prop_assert_eq!(of(month.end.as_second() - 1), month);
        }
    }
}

//! Whatever the slot clock is told, its windows are windows.

use std::time::Duration;

use proptest::prelude::*;
use starlink::slot_clock::{Expectation, LONGEST_WINDOW, SLOT_LENGTH, SlotClock};
use units::Instant;

#[derive(Clone, Debug)]
enum Operation {
    Wait(u64),
    Clock(u64, bool),
    Delay(u64),
    Silence(u64),
    /// A hole each 15 s, this many times: enough of them teach a boundary.
    Boundaries(u8, u64),
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        prop_oneof![0..20_000_000_u64, 0..100_000_000_000_u64, any::<u64>()]
            .prop_map(Operation::Wait),
        (any::<u64>(), any::<bool>()).prop_map(|(utc, kept)| Operation::Clock(utc, kept)),
        any::<u64>().prop_map(Operation::Delay),
        any::<u64>().prop_map(Operation::Silence),
        (0..12_u8, 0..2_000_000_000_u64).prop_map(|(n, hole)| Operation::Boundaries(n, hole)),
    ];
    proptest::collection::vec(operation, 0..60)
}

fn apply(clock: &mut SlotClock, now: &mut Instant, operation: &Operation) {
    match *operation {
        Operation::Wait(nanos) => *now = *now + Duration::from_nanos(nanos),
        Operation::Clock(utc, kept) => clock.handle_clock(*now, Duration::from_nanos(utc), kept),
        Operation::Delay(nanos) => clock.handle_delay(*now, Duration::from_nanos(nanos)),
        Operation::Silence(begin) => clock.handle_silence(Instant::from_nanos(begin), *now),
        Operation::Boundaries(count, hole) => {
            for _ in 0..count {
                let begin = *now;
                *now = *now + Duration::from_nanos(hole);
                clock.handle_silence(begin, *now);
                for _ in 0..130 {
                    *now = *now + Duration::from_millis(100);
                    clock.handle_delay(*now, Duration::from_millis(12));
                }
                *now = begin + SLOT_LENGTH;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_window_is_a_window(starlink in any::<bool>(), operations in operations()) {
        let expectation = if starlink { Expectation::Starlink } else { Expectation::Unknown };
        let (mut clock, mut now) = (SlotClock::new(expectation), Instant::BOOT);
        for operation in operations {
            apply(&mut clock, &mut now, &operation);
            for at in [now, Instant::BOOT, Instant::from_nanos(u64::MAX)] {
                let Some(window) = clock.window(at) else { continue };
                prop_assert!(window.opens <= window.boundary && window.boundary <= window.closes);
                prop_assert!(window.closes >= at);
                let length = window.closes.saturating_since(window.opens);
                prop_assert!(length <= LONGEST_WINDOW);
                prop_assert!(window.opens.saturating_since(at) <= SLOT_LENGTH);
                let next = clock.next_boundary(at).expect("a window has a boundary");
                prop_assert!(next >= at && next.saturating_since(at) < SLOT_LENGTH);
            }
        }
    }
}

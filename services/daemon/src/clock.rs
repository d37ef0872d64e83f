//! The box's clock.

use nix::time::{ClockId, clock_gettime};
use units::Instant;

/// Now, on `CLOCK_BOOTTIME`.
#[must_use]
pub fn now() -> Instant {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME)
        .expect("CLOCK_BOOTTIME has existed since Linux 2.6.39");
    let seconds = u64::try_from(time.tv_sec()).expect("time since boot is not negative");
    let nanos = u64::try_from(time.tv_nsec()).expect("nanoseconds are 0 to 999999999");
    Instant::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_clock_does_not_go_backwards() {
        let earlier = super::now();
        assert!(super::now() >= earlier);
        assert!(earlier > units::Instant::BOOT);
    }
}

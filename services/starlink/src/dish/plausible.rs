//! The dish's numbers, or nothing where they cannot be true.
//!
//! Firmware has sent NaN, minus one for "unknown" and zero for "broken"; none of them may reach a
//! decision or a page.

use std::time::Duration;

use units::MilliWatt;

/// Longest round trip believed, in milliseconds. A ping that takes longer counts as lost.
const LONGEST_LATENCY_MS: f32 = 60_000.0;

/// Most power believed, in watts: four times what the hungriest dish draws while it melts snow.
const MOST_POWER_W: f32 = 1_000.0;

/// Rounding that a share may be above one by.
const ROUNDING: f32 = 0.001;

/// Longest text kept, in characters; model names and firmware versions have up to 45.
const LONGEST_LABEL: usize = 64;

/// A share, 0 to 1.
pub(super) fn share(told: Option<f32>) -> Option<f32> {
    told.filter(|share| (0.0..=1.0 + ROUNDING).contains(share)).map(|share| share.min(1.0))
}

/// A round trip. Zero is what broken firmware says, so it is nothing.
pub(super) fn latency(told_ms: Option<f32>) -> Option<Duration> {
    let told_ms = told_ms.filter(|ms| *ms > 0.0 && *ms <= LONGEST_LATENCY_MS)?;
    Duration::try_from_secs_f32(told_ms / 1_000.0).ok().filter(|latency| !latency.is_zero())
}

/// A draw of power. A dish that answers draws some, so zero is nothing.
pub(super) fn power(told_w: Option<f32>) -> Option<MilliWatt> {
    let told_w = told_w.filter(|watts| *watts > 0.0 && *watts <= MOST_POWER_W)?;
    // Through a duration, which checks what a cast would not: 1 W is 1 s, 1 mW is 1 ms.
    let seconds = Duration::try_from_secs_f32(told_w).ok()?;
    u32::try_from(seconds.as_millis()).ok().map(MilliWatt::new)
}

/// A name that can stand in a log line and on a page: printable ASCII, not too long.
pub(super) fn label(told: Option<&str>) -> Option<String> {
    let plain = |c: &char| c.is_ascii_graphic() || *c == ' ';
    let label: String = told?.chars().filter(plain).take(LONGEST_LABEL).collect();
    (!label.trim().is_empty()).then(|| label.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_true_is_nothing() {
        for absurd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, f32::MAX, -0.001] {
            assert_eq!(share(Some(absurd)), None, "{absurd}");
            assert_eq!(latency(Some(absurd)), None, "{absurd}");
            assert_eq!(power(Some(absurd)), None, "{absurd}");
        }
        assert_eq!(latency(Some(0.0)), None);
        assert_eq!(latency(Some(f32::MIN_POSITIVE)), None);
        assert_eq!(power(Some(0.0)), None);
        assert_eq!(label(Some(" \u{7}\n\u{202e} ")), None);
    }

    #[test]
    fn what_can_be_true_is_kept() {
        assert_eq!(share(Some(1.000_000_1)), Some(1.0));
        assert_eq!(latency(Some(27.5)), Some(Duration::from_micros(27_500)));
        assert_eq!(power(Some(74.25)), Some(MilliWatt::new(74_250)));
        assert_eq!(label(Some("rev3_proto2\n")).as_deref(), Some("rev3_proto2"));
        assert_eq!(label(Some(&"x".repeat(900))).map(|text| text.len()), Some(LONGEST_LABEL));
    }
}

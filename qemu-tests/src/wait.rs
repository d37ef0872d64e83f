//! Waiting for a condition, with a deadline, instead of sleeping and hoping.

use std::time::{Duration, Instant};

/// The condition did not come true in time.
#[derive(Clone, Debug, thiserror::Error)]
#[error("waited {waited:?} in vain for {what}\n{state}")]
pub struct Expired {
    /// What was waited for.
    pub what: String,
    /// How long.
    pub waited: Duration,
    /// How things stood when time was up.
    pub state: String,
}

/// How often the condition is looked at: often enough that what a test measures is not the wait,
/// seldom enough that looking does not slow down what it waits for.
const EVERY: Duration = Duration::from_millis(5);

/// Looks at `condition` until it gives something, at most for `deadline`. Then `dump` tells how
/// things stand: put into it whatever helps to understand why.
///
/// # Errors
/// When the deadline passes; the error carries the dump.
pub fn wait_until<T>(
    what: &str,
    deadline: Duration,
    dump: impl FnOnce() -> String,
    mut condition: impl FnMut() -> Option<T>,
) -> Result<T, Expired> {
    let start = Instant::now();
    loop {
        if let Some(result) = condition() {
            return Ok(result);
        }
        let waited = start.elapsed();
        if waited >= deadline {
            return Err(Expired { what: what.to_owned(), waited, state: dump() });
        }
        std::thread::park_timeout(EVERY.min(deadline - waited));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_true_is_returned() {
        let mut looks = 0;
        let third = || {
            looks += 1;
            (looks == 3).then_some(looks)
        };
        let result = wait_until("the third look", Duration::from_secs(60), String::new, third);
        assert_eq!(result.unwrap(), 3);
    }

    #[test]
    fn what_does_not_is_dumped() {
        let dump = || "all quiet".to_owned();
        let error = wait_until("rain", Duration::from_millis(1), dump, || None::<()>).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("rain") && message.contains("all quiet"), "{message}");
    }
}

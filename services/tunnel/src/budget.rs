//! What copies may cost.

/// Extra bytes allowed, as a share of what is sent: one part in this many (2 %).
const SHARE: u64 = 50;
/// Saved up at most: a whole window of copies of a house's calls, 650 ms at 4 Mbit/s.
const MOST_SAVED: u64 = 325_000;

/// A purse that fills with what is sent and empties with what is sent twice.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    saved: u64,
}

impl Default for Budget {
    /// Starts full: the first boundary comes before anything has been saved.
    fn default() -> Self {
        Self { saved: MOST_SAVED }
    }
}

impl Budget {
    /// `bytes` were sent once.
    pub fn earn(&mut self, bytes: usize) {
        let earned = (bytes as u64).div_ceil(SHARE);
        self.saved = (self.saved + earned).min(MOST_SAVED);
    }

    /// Whether `bytes` may be sent once more; if so they are paid for.
    pub fn spend(&mut self, bytes: usize) -> bool {
        match self.saved.checked_sub(bytes as u64) {
            Some(rest) => {
                self.saved = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_stay_a_fiftieth_of_what_is_sent() {
        let mut budget = Budget::default();
        let mut copied = 0_u64;
        for _ in 0..100_000 {
            budget.earn(1_000);
            if budget.spend(1_000) {
                copied += 1_000;
            }
        }
        let allowed = 100_000_u64 * 1_000 / 50 + MOST_SAVED;
        assert!(copied <= allowed && copied > allowed * 9 / 10, "{copied} of {allowed}");
    }
}

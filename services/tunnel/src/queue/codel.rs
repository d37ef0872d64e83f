//! Early drop: a queue that has not been short for a while sheds packets until it is (RFC 8289).

use core::time::Duration;

use units::Instant;

/// A queue shorter than this is no queue (RFC 8289, section 4.4).
const TARGET: Duration = Duration::from_millis(5);
/// How long a queue may be longer before it is shed: about a round trip (section 4.3).
const INTERVAL: Duration = Duration::from_millis(100);

/// What becomes of the packet at the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes.
    Send,
    /// It is dropped, or marked if its sender understands marks.
    Shed,
}

/// The state of one flow's queue.
#[derive(Clone, Copy, Debug, Default)]
pub struct Codel {
    first_above: Option<Instant>,
    shedding: bool,
    next: Instant,
    count: u32,
    last_count: u32,
}

impl Codel {
    /// Judges the packet at the head, which has waited for `sojourn`; `last` if no other waits
    /// behind it.
    pub fn judge(&mut self, sojourn: Duration, last: bool, now: Instant) -> Verdict {
        let above = self.above_for_an_interval(sojourn, last, now);
        if self.shedding {
            if !above {
                self.shedding = false;
            } else if now >= self.next {
                self.count += 1;
                self.next = self.next + pace(self.count);
                return Verdict::Shed;
            }
        } else if above {
            self.shedding = true;
            // A queue that filled again soon after is shed at the pace it was left at.
            let lately = now.saturating_since(self.next) < 16 * INTERVAL;
            let grown = self.count.saturating_sub(self.last_count);
            self.count = if lately && grown > 1 { grown } else { 1 };
            self.next = now + pace(self.count);
            self.last_count = self.count;
            return Verdict::Shed;
        }
        Verdict::Send
    }

    /// Time in which the queue could not move does not count.
    pub fn forgive(&mut self) {
        self.first_above = None;
    }

    fn above_for_an_interval(&mut self, sojourn: Duration, last: bool, now: Instant) -> bool {
        if sojourn < TARGET || last {
            self.first_above = None;
            return false;
        }
        match self.first_above {
            None => {
                self.first_above = Some(now + INTERVAL);
                false
            }
            Some(due) => now >= due,
        }
    }
}

/// Time to the next shed packet: the interval over the square root of the count.
fn pace(count: u32) -> Duration {
    INTERVAL.div_f64(f64::from(count.max(1)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn shed_in(sojourn: Duration, time: Duration) -> u32 {
        let mut codel = Codel::default();
        let mut now = Instant::from_secs(1);
        let end = now + time;
        let mut shed = 0;
        while now < end {
            shed += u32::from(codel.judge(sojourn, false, now) == Verdict::Shed);
            now = now + MS;
        }
        shed
    }

    #[test]
    fn short_queues_and_short_bursts_are_left_alone() {
        assert_eq!(shed_in(4 * MS, 1_000 * MS), 0);
        assert_eq!(shed_in(50 * MS, 99 * MS), 0);
    }

    #[test]
    fn a_standing_queue_is_shed_ever_faster() {
        let (first, second) = (shed_in(50 * MS, 600 * MS), shed_in(50 * MS, 1_200 * MS));
        assert!(first >= 5 && second > 2 * first, "{first} in the first half, {second} in all");
    }

    /// Judges packets 10 ms apart from `from` on, of which each has waited for `sojourn`.
    fn shed_at(codel: &mut Codel, from: Instant, count: u32, sojourn: Duration) -> Vec<u32> {
        let shed =
            |step: &u32| codel.judge(sojourn, false, from + *step * 10 * MS) == Verdict::Shed;
        (0..count).filter(shed).collect()
    }

    #[test]
    fn the_pace_is_that_of_the_standard() {
        // The first after 100 ms, then after 100, 71, 58, 50 … ms (RFC 8289, section 4.3).
        let mut codel = Codel::default();
        let shed = shed_at(&mut codel, Instant::from_secs(1), 60, TARGET);
        assert_eq!(shed, [10, 20, 28, 33, 38, 43, 47, 51, 54, 58]);
    }

    #[test]
    fn a_queue_that_fills_again_soon_is_shed_at_the_pace_it_was_left_at() {
        let again = |pause: Duration| {
            let (mut codel, start) = (Codel::default(), Instant::from_secs(1));
            let shed = shed_at(&mut codel, start, 60, 50 * MS);
            assert_eq!(shed.len(), 10);
            assert_eq!(codel.judge(Duration::ZERO, false, start + 600 * MS), Verdict::Send);
            shed_at(&mut codel, start + 600 * MS + pause, 40, 50 * MS).len()
        };
        let (soon, late) = (again(20 * MS), again(2_000 * MS));
        assert!(soon > late + 3, "{soon} soon after, {late} much later");
    }

    #[test]
    fn the_last_packet_always_goes() {
        let mut codel = Codel::default();
        for ms in 0..500 {
            let now = Instant::from_micros(ms * 1_000);
            assert_eq!(codel.judge(80 * MS, true, now), Verdict::Send);
        }
    }
}

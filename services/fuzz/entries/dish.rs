//! What a dish answers, or whatever else listens at its address. The first byte is the question and
//! whether the wall clock is right; the rest is cut in two answers, because some of what is
//! concluded rests on the one before.

use std::time::Duration;

use starlink::dish::Dish;
use starlink::dish::poller::Question;
use units::Instant;

/// The wall clock of a box that knows it: some day in 2026.
const UTC: Duration = Duration::from_secs(1_790_000_000);

pub(crate) fn check(bytes: &[u8]) {
    let Some(([kind, cut], rest)) = bytes.split_first_chunk() else { return };
    let (first, second) = rest.split_at(rest.len() * usize::from(*cut) / 255);
    let mut dish = Dish::default();
    let mut now = Instant::from_secs(100);
    for (answer, kind) in [(first, *kind), (second, kind >> 3), (first, *kind)] {
        let question = match kind % 3 {
            0 => Question::Status,
            1 => Question::History,
            _ => Question::Map,
        };
        let utc = (kind & 4 == 0).then_some(UTC);
        if let Ok(unknown) = dish.handle_answer(now, utc, question, answer) {
            assert!(unknown.len() <= starlink::proto::MOST_TOLD);
        }
        check_view(&dish);
        now = now + Duration::from_secs(1);
    }
}

/// Numbers that others compute with are numbers.
fn check_view(dish: &Dish) {
    let Some(view) = dish.view() else { return };
    for share in [view.lost_share, view.obstructed_share].into_iter().flatten() {
        assert!((0.0..=1.0).contains(&share), "{share}");
    }
    if let Some(sky) = &view.sky {
        assert_eq!(sky.cells().len(), usize::from(sky.rows()) * usize::from(sky.columns()));
    }
    let _ = format!("{view:?}");
}

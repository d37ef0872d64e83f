//! The status as a stream of server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{MissedTickBehavior, interval};

use super::bus::Published;
use super::page::view_json;

/// How often the status is sent when nothing changes: the page's spans ("for 3 minutes") stay
/// true, and a page that hears nothing for two and a half of these knows that the box is gone.
const REPEAT: Duration = Duration::from_secs(10);

/// A stream of `status` events, each a whole status: now, on each change, and every [`REPEAT`].
/// `place` is held as long as the stream lives.
pub(super) fn response(published: Published, place: OwnedSemaphorePermit) -> Response {
    Sse::new(statuses(published, place)).into_response()
}

fn statuses(
    published: Published,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let mut turns = interval(REPEAT);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold((published, turns, place), |(mut published, mut turns, place)| async move {
        // The first turn comes at once.
        tokio::select! {
            _ = turns.tick() => {}
            changed = published.0.changed() => changed.ok()?,
        }
        let data = view_json(&published.0.borrow_and_update().clone());
        let event = Event::default().event("status").data(data);
        Some((Ok(event), (published, turns, place)))
    })
}

//! Threads and sockets of the meter.
//!
//! A [`Stream`] has four threads: one sends and one receives at each end. [`Flows`] have two for
//! each connection, and one that accepts. [`Openings`] have one, and one that answers. All end when
//! their owner does: they are told by a flag and look at it at least every [`PATIENCE`].
mod channel;
mod flows;
mod openings;
mod pace;
mod stream;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use channel::{Channel, ChannelEnd, METER_PORT, udp_channel};
pub use flows::{FlowKind, FlowPlan, FlowReport, Flows};
pub use openings::{OpeningAnswerer, Openings, OpeningsReport};
pub use pace::{Pace, pin_to};
pub use stream::{Stream, StreamPlan, StreamReport};

/// How long a thread waits for something before it looks whether it is over.
pub const PATIENCE: Duration = Duration::from_millis(100);

/// Tells threads that it is over. Copies are of the same one.
#[derive(Clone, Debug, Default)]
pub(super) struct Over(Arc<AtomicBool>);

impl Over {
    fn say(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_said(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

//! Where inner packets wait for their path: one queue per path and class.

mod codel;
mod fair;

pub use codel::{Codel, Verdict};
pub use fair::{FairQueue, MOST_BYTES, MOST_PACKETS, Queued};

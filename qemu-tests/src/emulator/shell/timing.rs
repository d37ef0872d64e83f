//! How late frames leave, measured.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::clock::Clock;
use super::link::{Link, LinkError, LinkOptions};
use super::port::{FramePort, SocketPair};
use crate::emulator::{
    Capacity, Delay, DirectionSpecification, LinkSpecification, Rate, ReplayPhase, Span,
};

/// Actual minus scheduled delivery of every frame so far.
#[derive(Clone, Debug)]
pub struct Timing(Histogram<u64>);

impl Timing {
    /// Longer errors count as this long, in nanoseconds.
    const LONGEST: u64 = 10_000_000_000;

    pub(super) fn new() -> Self {
        let bounds = "two significant digits up to 10 s are within what a histogram holds";
        Self(Histogram::new_with_max(Self::LONGEST, 2).expect(bounds))
    }

    pub(super) fn record(&mut self, error: Duration) {
        self.0.saturating_record(u64::try_from(error.as_nanos()).unwrap_or(Self::LONGEST));
    }

    /// Both together.
    ///
    /// # Panics
    /// Never: all of them are as wide.
    #[must_use]
    pub fn merged(mut self, other: &Self) -> Self {
        self.0.add(&other.0).expect("every histogram here is as wide");
        self
    }

    /// The figures of it.
    #[must_use]
    pub fn report(&self) -> TimingReport {
        #[expect(clippy::cast_precision_loss, reason = "10 s in nanoseconds fit a double")]
        let millis = |nanos: u64| nanos as f64 / 1e6;
        TimingReport {
            frames: self.0.len(),
            emulator_timing_error_p50_ms: millis(self.0.value_at_quantile(0.5)),
            emulator_timing_error_p99_ms: millis(self.0.value_at_quantile(0.99)),
            emulator_timing_error_max_ms: millis(self.0.max()),
        }
    }
}

/// Figures of the timing error; milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimingReport {
    /// How many frames they are from.
    pub frames: u64,
    /// Half of them were no later than this.
    pub emulator_timing_error_p50_ms: f64,
    /// 99 of 100 were no later than this.
    pub emulator_timing_error_p99_ms: f64,
    /// None was later than this.
    pub emulator_timing_error_max_ms: f64,
}

/// Runs a link of 20 Mbit/s and 10 ms in memory for `length`, with a packet of 500 bytes each
/// millisecond in each direction, and measures it.
///
/// # Errors
/// When the link cannot be made.
pub fn measure_timing(length: Duration) -> Result<TimingReport, LinkError> {
    let direction = DirectionSpecification {
        capacity: Capacity::Rate(Rate::from_megabits(20)),
        delay: Delay::Constant(Span::from_millis(10)),
        ..DirectionSpecification::default()
    };
    let specification = LinkSpecification { up: direction.clone(), down: direction };
    let pair = || SocketPair::new().map_err(LinkError::Descriptors);
    let ((near, inner_near), (far, inner_far)) = (pair()?, pair()?);
    let clock = Clock::start();
    let options = LinkOptions {
        name: "timing".to_owned(),
        seed: 1,
        phase: ReplayPhase::default(),
        clock,
        up_too_big: None,
        down_too_big: None,
    };
    let link = Link::start(specification, options, Arc::new(inner_near), Arc::new(inner_far))?;
    let ends = [near, far];
    std::thread::scope(|scope| {
        let threads = ends.each_ref().map(|end| scope.spawn(|| exchange(end, clock, length)));
        threads.map(|thread| thread.join().expect("the exchange does not panic"))
    })
    .into_iter()
    .collect::<io::Result<()>>()
    .map_err(LinkError::Descriptors)?;
    let status = link.status();
    Ok(status.up.timing.merged(&status.down.timing).report())
}

/// Sends a frame each millisecond and takes whatever comes.
fn exchange(end: &SocketPair, clock: Clock, length: Duration) -> io::Result<()> {
    const EVERY: Duration = Duration::from_millis(1);
    let mut buffer = [0; 2_048];
    let mut next = clock.elapsed();
    let until = next + length;
    while next < until {
        end.send(&[0; 514])?;
        while end.receive(&mut buffer)?.is_some() {}
        next += EVERY;
        std::thread::park_timeout(next.saturating_sub(clock.elapsed()));
    }
    Ok(())
}

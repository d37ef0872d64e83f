//! A userspace emulator of one network link, frame by frame.
//!
//! [`Direction`] is the pure machine: one way of one link. It is handed frames and the time, and
//! answers which frames come out and when to ask again. [`shell`] gives it a thread, two ports and
//! a clock. Everything it does follows from its specification, its seed and its inputs, so a run
//! can be replayed.
//!
//! A frame passes, in this order: carrier and MTU check, the drop-tail queue, the bottleneck
//! (a constant rate or the delivery opportunities of a recorded trace), the wire (cut, loss, bit
//! errors, duplicates), the propagation delay, and out. That is mahimahi's `mm-link` followed by
//! `mm-loss` and `mm-delay` (Netravali et al., USENIX ATC 2015), in one place.
mod capacity;
mod counters;
mod delay;
mod direction;
mod fault;
mod frame;
mod impairment;
mod line;
mod loss;
mod packet_log;
pub mod port;
mod quantity;
mod queue;
pub mod shell;
mod specification;
mod too_big;
mod trace;

pub use counters::Counters;
pub use direction::Direction;
pub use fault::{Fault, FaultError};
pub use frame::Frame;
pub use loss::{GilbertElliott, LossSpecification, LossWindow};
pub use packet_log::{LogEntry, Verdict};
pub use quantity::{Mtu, Probability, QuantityError, Rate, Share, Span};
pub use specification::{
    Capacity, Delay, DirectionSpecification, LinkSpecification, NormalDelay, QueueLimit,
    ReplayPhase, Side, TooBigSender,
};
pub use trace::{DelayTrace, DeliveryTrace, RecordedTrace, TraceError};

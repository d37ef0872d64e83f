//! Starlink for the box that sits behind a dish: when the sky will next blink, and what the dish
//! says about itself.
//!
//! [`slot_clock`] predicts the boundary each 15 s at which a path goes silent. [`dish`] makes sense
//! of what a dish answers and says what to ask it when; [`proto`] has the messages. All three are
//! pure: they take `now` and are handed what happened. [`shell::follow`] is the one task that talks
//! to a dish; it is never in the packet path.
#![forbid(unsafe_code)]

pub mod dish;
pub mod proto;
pub mod shell;
pub mod slot_clock;

//! Starlink for the box that sits behind a dish: when the sky will next blink, and what the dish
//! says about itself.
//!
//! [`slot_clock`] predicts the boundary each 15 s at which a path goes silent. Pure: it takes
//! `now` and is handed what happened.
#![forbid(unsafe_code)]

pub mod dish;
pub mod proto;
pub mod slot_clock;

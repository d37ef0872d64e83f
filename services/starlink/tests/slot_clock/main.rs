//! The slot clock on a recorded path and on modelled ones, on a virtual clock.

mod anything;
mod learning;
mod paths;
mod replay;

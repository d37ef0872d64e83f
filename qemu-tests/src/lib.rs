//! The simulated world, and the machine that boots the image in it.
pub mod bench;
pub mod command;
pub mod emulator;
pub mod house;
pub mod machine;
pub mod meter;
pub mod relay;
pub mod up;
pub mod wait;
pub mod world;

//! The simulated world, and the machine that boots the image in it.
pub mod emulator;
pub mod machine;
pub mod wait;
pub mod world;

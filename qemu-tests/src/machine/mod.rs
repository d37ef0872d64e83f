//! Drives QEMU.

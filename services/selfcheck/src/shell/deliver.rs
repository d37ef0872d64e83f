//! Hands the record over to whoever tests the image from outside.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::libc::O_NONBLOCK;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Longest wait for a reader at the other end of the port that takes nothing more.
const READER_PATIENCE_MS: u16 = 5_000;

/// Writes `line` to the virtual machine's `port`, if it has one. Returns whether it has.
///
/// The port is opened without blocking: with nobody at its other end a write would wait for ever,
/// and the boot with it.
///
/// # Errors
/// The kernel's; [`ErrorKind::TimedOut`] when nobody reads.
pub fn to_port(line: &str, port: &Path) -> io::Result<bool> {
    let opened = OpenOptions::new().write(true).custom_flags(O_NONBLOCK).open(port);
    let mut opened = match opened {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut rest = line.as_bytes();
    while !rest.is_empty() {
        match opened.write(rest) {
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let mut wanted = [PollFd::new(opened.as_fd(), PollFlags::POLLOUT)];
                if poll(&mut wanted, PollTimeout::from(READER_PATIENCE_MS))? == 0 {
                    return Err(ErrorKind::TimedOut.into());
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

//! What the person at the terminal sees: one line a step, warnings that stand out, nothing else.
#![expect(clippy::print_stderr, reason = "the one place where the tool speaks")]

use std::fmt::Display;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Says what starts now; prints how long it took when dropped.
#[derive(Debug)]
pub(crate) struct Step {
    what: String,
    started: Instant,
}

/// Announces a step that takes noticeable time.
pub(crate) fn step(what: impl Display) -> Step {
    let what = what.to_string();
    eprintln!("{} {what} …", paint("1;36", "•"));
    Step { what, started: Instant::now() }
}

impl Drop for Step {
    fn drop(&mut self) {
        eprintln!("  {} {}", paint("2", &self.what), paint("2", &spoken(self.started.elapsed())));
    }
}

/// A plain line of information.
pub(crate) fn say(line: impl Display) {
    eprintln!("{line}");
}

/// Something the person should know, though the work goes on.
pub(crate) fn warn(line: impl Display) {
    eprintln!("{} {line}", paint("1;33", "warning:"));
}

/// A duration as a person would say it: `850 ms`, `12.3 s`, `4 min 05 s`.
pub(crate) fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 1.0 {
        format!("{} ms", duration.as_millis())
    } else if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {:02} s", duration.as_secs() / 60, duration.as_secs() % 60)
    }
}

fn paint(code: &str, text: &str) -> String {
    if std::io::stderr().is_terminal() {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

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

/// A bar that fills while bytes go by: repainted on a terminal, a line a tenth elsewhere.
#[derive(Debug)]
pub(crate) struct Progress {
    what: String,
    total_bytes: u64,
    started: Instant,
    painted: Option<Instant>,
    tenths: u64,
}

/// How often the bar is painted again at most.
const REPAINT: Duration = Duration::from_millis(100);

/// Announces a transfer of a known size.
pub(crate) fn progress(what: impl Display, total_bytes: u64) -> Progress {
    let what = what.to_string();
    Progress { what, total_bytes, started: Instant::now(), painted: None, tenths: 0 }
}

impl Progress {
    /// So many bytes of all have gone by.
    pub(crate) fn reached(&mut self, bytes: u64) {
        let done = bytes >= self.total_bytes;
        let tenths = bytes.saturating_mul(10) / self.total_bytes.max(1);
        if std::io::stderr().is_terminal() {
            if done || self.painted.is_none_or(|painted| painted.elapsed() >= REPAINT) {
                self.painted = Some(Instant::now());
                eprint!("\r\x1b[2K  {}{}", self.line(bytes, tenths), if done { "\n" } else { "" });
            }
        } else if tenths > self.tenths {
            self.tenths = tenths;
            eprintln!("  {}", self.line(bytes, tenths));
        }
    }

    fn line(&self, bytes: u64, tenths: u64) -> String {
        let tenths = usize::try_from(tenths.min(10)).unwrap_or(10);
        let bar = format!("{}{}", "█".repeat(2 * tenths), "░".repeat(20 - 2 * tenths));
        let milliseconds = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let rate = bytes.saturating_mul(1000) / milliseconds.max(1);
        let (done, all) = (spoken_bytes(bytes), spoken_bytes(self.total_bytes));
        format!("{} {bar} {done} of {all}, {}/s", self.what, spoken_bytes(rate))
    }
}

/// Asks at the terminal; nothing where nobody can answer.
///
/// # Errors
/// Standard input that cannot be read.
pub(crate) fn ask(question: impl Display) -> std::io::Result<Option<String>> {
    eprint!("{question} ");
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer)?;
    Ok((read > 0).then(|| answer.trim().to_owned()))
}

/// A size as a person would say it: `512 B`, `16.0 KiB`, `29.3 GiB`.
pub(crate) fn spoken_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    let mut tenths = u128::from(bytes) * 10 / 1024;
    while tenths >= 10240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// The reason why the tool stops, with what led to it.
pub(crate) fn fail(error: &anyhow::Error) {
    eprintln!("{} {error:#}", paint("1;31", "error:"));
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

#[cfg(test)]
mod tests {
    use super::spoken_bytes;

    #[test]
    fn sizes_are_spoken_in_the_largest_unit_that_fits() {
        for (bytes, spoken) in [
            (512, "512 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1023.9 KiB"),
            (8_000_000_000, "7.4 GiB"),
            (u64::MAX, "16383.9 PiB"),
        ] {
            assert_eq!(spoken_bytes(bytes), spoken);
        }
    }
}

//! Asks how the lines out of the house do, and prints it: once, or again as it changes.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use bus::wan::{self, WanStatus};
use daemon::{clock, connection};
use tokio::time::{Instant, timeout_at};

use super::{AskError, Form};
use crate::text::Paint;
use crate::wan_text::{self, History};

/// How often the live table is drawn anew, whether or not something changed: its lines move.
const REDRAW: Duration = Duration::from_secs(1);

/// Clears a terminal and goes to its first line (ECMA-48: CUP, ED).
const CLEAR: &str = "\x1b[H\x1b[J";

/// Prints the lines: live if `watch`, or on a terminal unless `once`; otherwise once. Returns what
/// it printed last.
///
/// # Errors
/// [`AskError`]; the only way in which the live table ends.
pub(crate) async fn show(watch: bool, once: bool) -> Result<WanStatus, AskError> {
    let paint = match Form::chosen(false) {
        Form::Text(paint) => paint,
        Form::Json => Paint::Plain,
    };
    let on_terminal = io::stdout().is_terminal();
    let connection = connection::connect().await.map_err(AskError::Wan)?;
    let mut histories = BTreeMap::<String, History>::new();
    let mut changes = wan::changes(&connection).await.map_err(AskError::Wan)?;
    loop {
        let status = wan::read_status(&connection).await.map_err(AskError::Wan)?;
        for uplink in &status.uplinks {
            histories.entry(uplink.name.clone()).or_default().note(uplink.rtt_micros);
        }
        let live = watch || (on_terminal && !once);
        let clear = if live && on_terminal { CLEAR } else { "" };
        print(&format!("{clear}{}", wan_text::table(&status, &histories, clock::now(), paint)))?;
        if !live {
            return Ok(status);
        }
        let next = Instant::now() + REDRAW;
        if on_terminal {
            // Its lines move with time: each second is one more sample.
            while let Ok(changed) = timeout_at(next, changes.next()).await {
                if !changed {
                    return Err(AskError::BusGone);
                }
            }
        } else if !changes.next().await {
            return Err(AskError::BusGone);
        }
    }
}

/// Prints the `last` decisions, the newest last.
///
/// # Errors
/// [`AskError`].
pub(crate) async fn why(last: usize) -> Result<(), AskError> {
    let connection = connection::connect().await.map_err(AskError::Wan)?;
    let decisions = wan::read_decisions(&connection).await.map_err(AskError::Wan)?;
    let first = decisions.len().saturating_sub(last);
    print(&wan_text::reasons(&decisions[first..], clock::now()))
}

/// Has the house go out through the relay that printed `line`.
///
/// # Errors
/// [`AskError`], with the sentence of the service when it refuses the line.
pub(crate) async fn join(line: &str) -> Result<(), AskError> {
    let connection = connection::connect().await.map_err(AskError::Wan)?;
    wan::join(&connection, line).await.map_err(AskError::Join)?;
    print("The house goes out through the relay as soon as it answers; 'porch wan' shows it.\n")
}

fn print(text: &str) -> Result<(), AskError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

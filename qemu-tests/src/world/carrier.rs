//! The cables of a box that is a namespace, pulled as fast as a hand would.
//!
//! A NIC tells the kernel of a lost carrier within a millisecond or so. To start a program takes
//! ten times as long on a busy machine, so one `ip` runs all the time and takes orders.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, ensure};

use super::namespace::Namespace;

/// Switches the carrier of the TAP devices in one namespace. Ends with it.
#[derive(Debug)]
pub(super) struct Cables {
    tool: Mutex<Tool>,
}

#[derive(Debug)]
struct Tool {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Cables {
    /// Of the devices in `namespace`.
    ///
    /// # Errors
    /// When `ip` cannot be started.
    pub(super) fn of(namespace: &Namespace) -> anyhow::Result<Self> {
        let mut command = namespace.command("ip");
        // One order that fails must not be its last.
        command.args(["-force", "-oneline", "-batch", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("ip for the cables")?;
        let orders = child.stdin.take().context("ip takes orders")?;
        let answers = BufReader::new(child.stdout.take().context("ip answers")?);
        Ok(Self { tool: Mutex::new(Tool { child, orders, answers }) })
    }

    /// Pulls the cable of `interface`, or puts it back; returns when its NIC knows.
    ///
    /// # Errors
    /// When the NIC did not.
    pub(super) fn set(&self, interface: &str, carrier: bool) -> anyhow::Result<()> {
        let tool = &mut *self.tool.lock().unwrap_or_else(PoisonError::into_inner);
        let state = if carrier { "on" } else { "off" };
        let order = format!("link set {interface} carrier {state}\nlink show dev {interface}\n");
        tool.orders.write_all(order.as_bytes()).context("ip has ended")?;
        let mut answer = String::new();
        tool.answers.read_line(&mut answer).context("ip has ended")?;
        let is_on = answer.contains("LOWER_UP");
        ensure!(is_on == carrier, "the carrier of {interface} did not go {state}: {answer:?}");
        Ok(())
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

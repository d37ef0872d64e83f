//! The QEMU guest agent, for faults and for asking a `dev` image what went wrong.
//!
//! Source: <https://www.qemu.org/docs/master/interop/qemu-ga-ref.html>. A `gateway` image has no
//! agent: nobody answers there, and that is as it should be.
use super::line_socket::{LineError, LineSocket};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};
use thiserror::Error;

/// The port's name in the guest.
pub const PORT_NAME: &str = "org.qemu.guest_agent.0";

/// The most output of a command that is taken, in bytes.
pub const MAX_OUTPUT_BYTES: usize = 1024 * 1024;

/// Bytes of a file that are sent at a time; in base64 well below what the agent takes as one line.
const PIECE_BYTES: usize = 256 * 1024;

/// How often a running command is asked whether it is done; the protocol has no event for it.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Why a command in the guest did not run.
#[derive(Debug, Error)]
pub enum AgentError {
    /// Nobody answers: no agent, not up yet, or a guest that hangs.
    #[error("guest agent, {command}: {source}")]
    Line {
        /// What was asked.
        command: String,
        /// Why there is no answer.
        source: LineError,
    },
    /// The agent refused.
    #[error("guest agent, {command}: {description}")]
    Refused {
        /// What was asked.
        command: String,
        /// The agent's words.
        description: String,
    },
    /// The agent's answer was not what its reference says.
    #[error("guest agent, {command}: unexpected answer: {message}")]
    Answer {
        /// What was asked.
        command: String,
        /// What is wrong with it.
        message: String,
    },
    /// The command did run, and failed.
    #[error("in the guest, `{command}` exited with {code}: {output}")]
    Failed {
        /// The command line.
        command: String,
        /// Its exit code; 128 + signal when a signal ended it.
        code: i64,
        /// Standard output and standard error.
        output: String,
    },
}

/// A connection to the agent.
#[derive(Debug)]
pub struct GuestAgent {
    socket: LineSocket,
    synchronised: bool,
    /// How often the line was synchronised: each time with another number.
    synchronisations: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Status {
    exited: bool,
    #[serde(default)]
    exitcode: i64,
    #[serde(default)]
    signal: i64,
    #[serde(default)]
    out_data: String,
    #[serde(default)]
    err_data: String,
}

impl GuestAgent {
    pub(super) fn new(socket: LineSocket) -> Self {
        Self { socket, synchronised: false, synchronisations: 0 }
    }

    /// Runs a shell command as root in the guest and returns what it printed.
    ///
    /// # Errors
    /// [`AgentError`]; a command that exits with anything but 0 is [`AgentError::Failed`].
    pub fn shell(&mut self, script: &str, within: Duration) -> Result<String, AgentError> {
        let deadline = Instant::now() + within;
        let outcome = self.run(script, deadline);
        // After a missed answer the next one on the line would be an old one: start afresh.
        self.synchronised = !matches!(outcome, Err(AgentError::Line { .. }));
        outcome
    }

    /// Makes a file of the guest, or replaces its content. Its folder must be there.
    ///
    /// # Errors
    /// [`AgentError`].
    pub fn write_file(
        &mut self,
        path: &str,
        content: &[u8],
        within: Duration,
    ) -> Result<(), AgentError> {
        let deadline = Instant::now() + within;
        let outcome = self.write(path, content, deadline);
        self.synchronised = !matches!(outcome, Err(AgentError::Line { .. }));
        outcome
    }

    fn write(&mut self, path: &str, content: &[u8], deadline: Instant) -> Result<(), AgentError> {
        if !self.synchronised {
            self.synchronise(deadline)?;
        }
        let open = json!({ "path": path, "mode": "w" });
        let handle = self.ask("guest-file-open", &open, deadline)?;
        for piece in content.chunks(PIECE_BYTES) {
            let write = json!({ "handle": handle, "buf-b64": STANDARD.encode(piece) });
            let written = self.ask("guest-file-write", &write, deadline)?;
            if written["count"] != json!(piece.len()) {
                return Err(unexpected("guest-file-write", written));
            }
        }
        self.ask("guest-file-close", &json!({ "handle": handle }), deadline).map(drop)
    }

    fn run(&mut self, script: &str, deadline: Instant) -> Result<String, AgentError> {
        if !self.synchronised {
            self.synchronise(deadline)?;
        }
        let arguments = json!({ "path": "/bin/sh", "arg": ["-c", script], "capture-output": true });
        let process = self.ask("guest-exec", &arguments, deadline)?["pid"].clone();
        loop {
            let answer = self.ask("guest-exec-status", &json!({ "pid": process }), deadline)?;
            let status: Status = serde_json::from_value(answer)
                .map_err(|error| unexpected("guest-exec-status", error))?;
            if status.exited {
                return finished(script, &status);
            }
            if Instant::now() >= deadline {
                let source = LineError::Deadline;
                return Err(AgentError::Line { command: script.to_owned(), source });
            }
            thread::sleep(ASK_EVERY);
        }
    }

    /// Throws away what an earlier conversation left on the line.
    fn synchronise(&mut self, deadline: Instant) -> Result<(), AgentError> {
        const COMMAND: &str = "guest-sync";
        self.synchronisations += 1;
        let mark = self.synchronisations;
        self.send(COMMAND, &json!({ "id": mark }))?;
        loop {
            let line = self.receive(COMMAND, deadline)?;
            let answer = serde_json::from_slice::<Value>(&line).unwrap_or_default();
            if answer["return"] == json!(mark) {
                self.synchronised = true;
                return Ok(());
            }
        }
    }

    fn ask(
        &mut self,
        command: &str,
        arguments: &Value,
        deadline: Instant,
    ) -> Result<Value, AgentError> {
        self.send(command, arguments)?;
        let line = self.receive(command, deadline)?;
        let mut answer: Value =
            serde_json::from_slice(&line).map_err(|error| unexpected(command, error))?;
        if let Some(description) = answer["error"]["desc"].as_str() {
            return Err(AgentError::Refused {
                command: command.to_owned(),
                description: description.to_owned(),
            });
        }
        Ok(answer["return"].take())
    }

    fn send(&mut self, command: &str, arguments: &Value) -> Result<(), AgentError> {
        let request = json!({ "execute": command, "arguments": arguments });
        self.socket
            .send(format!("{request}\n").as_bytes())
            .map_err(|error| AgentError::Line { command: command.to_owned(), source: error.into() })
    }

    fn receive(&mut self, command: &str, deadline: Instant) -> Result<Vec<u8>, AgentError> {
        self.socket
            .receive(deadline)
            .map_err(|source| AgentError::Line { command: command.to_owned(), source })
    }
}

fn unexpected(command: &str, error: impl ToString) -> AgentError {
    AgentError::Answer { command: command.to_owned(), message: error.to_string() }
}

fn finished(script: &str, status: &Status) -> Result<String, AgentError> {
    let mut output = String::new();
    for data in [&status.out_data, &status.err_data] {
        let bytes =
            STANDARD.decode(data).map_err(|error| unexpected("guest-exec-status", error))?;
        output.push_str(&String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_OUTPUT_BYTES)]));
    }
    let code = if status.signal == 0 { status.exitcode } else { 128 + status.signal };
    if code != 0 {
        return Err(AgentError::Failed { command: script.to_owned(), code, output });
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixStream;

    /// An agent that answers `guest-sync` and then gives one answer for each request.
    fn agent(mut guest: UnixStream, answers: &'static [&'static str]) {
        let mut requests = BufReader::new(guest.try_clone().unwrap()).lines();
        let sync: Value = serde_json::from_str(&requests.next().unwrap().unwrap()).unwrap();
        writeln!(guest, "{{\"return\":{{}}}}").unwrap();
        writeln!(guest, "{{\"return\":{}}}", sync["arguments"]["id"]).unwrap();
        for answer in answers {
            requests.next().unwrap().unwrap();
            writeln!(guest, "{answer}").unwrap();
        }
    }

    fn with_agent<T>(
        answers: &'static [&'static str],
        ask: impl FnOnce(&mut GuestAgent) -> Result<T, AgentError>,
    ) -> Result<T, AgentError> {
        let (socket, guest) = LineSocket::pair();
        let thread = thread::spawn(move || agent(guest, answers));
        let outcome = ask(&mut GuestAgent::new(socket));
        thread.join().unwrap();
        outcome
    }

    fn run(answers: &'static [&'static str]) -> Result<String, AgentError> {
        with_agent(answers, |agent| agent.shell("uname", Duration::from_secs(30)))
    }

    #[test]
    fn a_file_that_is_not_written_whole_is_told() {
        let write = |answers| {
            with_agent(answers, |agent| {
                agent.write_file("/run/x", b"four", Duration::from_secs(30))
            })
        };
        write(&[r#"{"return":1000}"#, r#"{"return":{"count":4,"eof":false}}"#, r#"{"return":{}}"#])
            .unwrap();
        let error = write(&[r#"{"return":1000}"#, r#"{"return":{"count":3,"eof":false}}"#]);
        assert!(error.unwrap_err().to_string().contains("unexpected answer"));
    }

    #[test]
    fn output_is_decoded_and_stale_answers_are_skipped() {
        let output = run(&[
            r#"{"return":{"pid":7}}"#,
            r#"{"return":{"exited":false}}"#,
            r#"{"return":{"exited":true,"exitcode":0,"out-data":"TGludXgK"}}"#,
        ]);
        assert_eq!(output.unwrap(), "Linux\n");
    }

    #[test]
    fn failures_tell_the_command() {
        let error = run(&[
            r#"{"return":{"pid":7}}"#,
            r#"{"return":{"exited":true,"signal":9,"err-data":"bm8="}}"#,
        ]);
        assert_eq!(error.unwrap_err().to_string(), "in the guest, `uname` exited with 137: no");
        let error = run(&[r#"{"error":{"class":"GenericError","desc":"disabled"}}"#]);
        assert_eq!(error.unwrap_err().to_string(), "guest agent, guest-exec: disabled");
    }

    #[test]
    fn a_guest_without_an_agent_is_a_deadline() {
        let (socket, _guest) = LineSocket::pair();
        let error = GuestAgent::new(socket).shell("true", Duration::ZERO).unwrap_err();
        assert!(matches!(error, AgentError::Line { source: LineError::Deadline, .. }), "{error}");
    }
}

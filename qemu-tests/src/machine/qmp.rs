//! QEMU's machine protocol: one JSON object a line, commands answered in order, events between.
//!
//! Source: <https://www.qemu.org/docs/master/interop/qmp-spec.html>.
//! Blocking, one command at a time.
use super::line_socket::{LineError, LineSocket};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use thiserror::Error;

/// QEMU answers at once unless the host is overloaded.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Events kept until somebody asks for them; the oldest go first. A boot makes about ten.
const MAX_EVENTS: usize = 256;

/// Why a command did not do.
#[derive(Debug, Error)]
pub enum QmpError {
    /// No answer came.
    #[error("QMP {command}: {source}")]
    Line {
        /// What was asked.
        command: String,
        /// Why there is no answer.
        source: LineError,
    },
    /// The answer was not QMP.
    #[error("QMP {command}: `{line}` is not QMP: {source}")]
    Json {
        /// What was asked.
        command: String,
        /// What came.
        line: String,
        /// Why it is not QMP.
        source: serde_json::Error,
    },
    /// QEMU refused.
    #[error("QMP {command}: {class}: {description}")]
    Refused {
        /// What was asked.
        command: String,
        /// QEMU's class of error.
        class: String,
        /// QEMU's words.
        description: String,
    },
}

/// Something that happened in QEMU.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name, such as `SHUTDOWN`.
    pub name: String,
    /// What came with it.
    pub data: Value,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Message {
    Return {
        #[serde(rename = "return")]
        value: Value,
    },
    Error {
        error: Refusal,
    },
    Event {
        event: String,
        #[serde(default)]
        data: Value,
    },
    Greeting {
        #[serde(rename = "QMP")]
        _version: Value,
    },
}

#[derive(Debug, Deserialize)]
struct Refusal {
    class: String,
    desc: String,
}

/// A connection in command mode.
#[derive(Debug)]
pub struct Qmp {
    socket: LineSocket,
    events: VecDeque<Event>,
}

impl Qmp {
    /// Leaves the greeting behind and enters command mode.
    pub(super) fn negotiate(socket: LineSocket) -> Result<Self, QmpError> {
        let mut qmp = Self { socket, events: VecDeque::new() };
        qmp.execute("qmp_capabilities", Value::Null)?;
        Ok(qmp)
    }

    /// Runs a command; `arguments` is an object or null.
    ///
    /// # Errors
    /// [`QmpError`]: refused, not understood, or no answer in time.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        let mut request = json!({ "execute": command });
        if !arguments.is_null() {
            request["arguments"] = arguments;
        }
        let sent = self.socket.send(format!("{request}\n").as_bytes());
        sent.map_err(|error| QmpError::Line { command: command.to_owned(), source: error.into() })?;
        let deadline = Instant::now() + ANSWER_WITHIN;
        loop {
            match self.next_message(command, deadline)? {
                Message::Return { value } => return Ok(value),
                Message::Error { error } => {
                    return Err(QmpError::Refused {
                        command: command.to_owned(),
                        class: error.class,
                        description: error.desc,
                    });
                }
                Message::Event { event, data } => self.keep(Event { name: event, data }),
                Message::Greeting { .. } => {}
            }
        }
    }

    /// Takes the next event of this name, waiting for it if it has not happened yet.
    ///
    /// # Errors
    /// [`QmpError::Line`] when it has not happened within `within`, or QEMU is gone.
    pub fn wait_event(&mut self, name: &str, within: Duration) -> Result<Event, QmpError> {
        let deadline = Instant::now() + within;
        loop {
            let found = self.events.iter().position(|event| event.name == name);
            if let Some(event) = found.and_then(|index| self.events.remove(index)) {
                return Ok(event);
            }
            if let Message::Event { event, data } = self.next_message(name, deadline)? {
                self.keep(Event { name: event, data });
            }
        }
    }

    /// Waits until QEMU has closed the connection, which it does when it exits.
    ///
    /// # Errors
    /// [`QmpError::Line`] when it still lives after `within`.
    pub fn wait_closed(&mut self, within: Duration) -> Result<(), QmpError> {
        let deadline = Instant::now() + within;
        loop {
            match self.next_message("(exit)", deadline) {
                Ok(Message::Event { event, data }) => self.keep(Event { name: event, data }),
                Ok(_) => {}
                Err(QmpError::Line { source: LineError::Closed, .. }) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Plugs or pulls the cable of a network device.
    ///
    /// # Errors
    /// [`QmpError`], also when there is no such device.
    pub fn set_link(&mut self, device: &str, up: bool) -> Result<(), QmpError> {
        self.execute("set_link", json!({ "name": device, "up": up })).map(drop)
    }

    /// QEMU's run state, such as `running` or `shutdown`.
    ///
    /// # Errors
    /// [`QmpError`].
    pub fn status(&mut self) -> Result<String, QmpError> {
        let answer = self.execute("query-status", Value::Null)?;
        Ok(answer["status"].as_str().unwrap_or_default().to_owned())
    }

    /// Presses the reset button.
    ///
    /// # Errors
    /// [`QmpError`].
    pub fn reset(&mut self) -> Result<(), QmpError> {
        self.execute("system_reset", Value::Null).map(drop)
    }

    /// Presses the power button; what follows is the guest's business.
    ///
    /// # Errors
    /// [`QmpError`].
    pub fn press_power_button(&mut self) -> Result<(), QmpError> {
        self.execute("system_powerdown", Value::Null).map(drop)
    }

    fn next_message(&mut self, command: &str, deadline: Instant) -> Result<Message, QmpError> {
        let line = self.socket.receive(deadline);
        let line = line.map_err(|source| QmpError::Line { command: command.to_owned(), source })?;
        serde_json::from_slice(&line).map_err(|source| QmpError::Json {
            command: command.to_owned(),
            line: String::from_utf8_lossy(&line).into_owned(),
            source,
        })
    }

    fn keep(&mut self, event: Event) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn connect(answers: &str) -> (Qmp, std::os::unix::net::UnixStream) {
        let (socket, mut qemu) = LineSocket::pair();
        qemu.write_all(b"{\"QMP\":{\"version\":{}}}\n{\"return\":{}}\n").unwrap();
        qemu.write_all(answers.as_bytes()).unwrap();
        (Qmp::negotiate(socket).unwrap(), qemu)
    }

    #[test]
    fn events_before_an_answer_are_kept() {
        let (mut qmp, qemu) = connect(concat!(
            "{\"event\":\"RESET\",\"data\":{\"guest\":true},\"timestamp\":{}}\n",
            "{\"return\":{\"status\":\"running\"}}\n",
            "{\"event\":\"SHUTDOWN\",\"timestamp\":{}}\n",
        ));
        assert_eq!(qmp.status().unwrap(), "running");
        assert_eq!(qmp.wait_event("SHUTDOWN", Duration::ZERO).unwrap().data, Value::Null);
        assert_eq!(qmp.wait_event("RESET", Duration::ZERO).unwrap().data["guest"], true);
        assert!(qmp.wait_event("RESET", Duration::ZERO).is_err(), "an event is taken once");
        drop(qemu);
        qmp.wait_closed(Duration::ZERO).unwrap();
    }

    #[test]
    fn a_refusal_names_the_command() {
        let (mut qmp, _qemu) = connect(
            "{\"error\":{\"class\":\"DeviceNotFound\",\"desc\":\"Device 'x' not found\"}}\n",
        );
        let error = qmp.set_link("x", false).unwrap_err().to_string();
        assert_eq!(error, "QMP set_link: DeviceNotFound: Device 'x' not found");
    }

    #[test]
    fn events_are_bounded() {
        let (mut qmp, _qemu) = connect("");
        for number in 0..=MAX_EVENTS {
            qmp.keep(Event { name: "E".to_owned(), data: json!(number) });
        }
        assert_eq!(qmp.events.len(), MAX_EVENTS);
        assert_eq!(qmp.wait_event("E", Duration::ZERO).unwrap().data, json!(1));
    }
}

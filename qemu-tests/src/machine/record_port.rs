//! The host's end of the virtio-serial port by which self-check records leave the guest.
use super::line_socket::{LineError, LineSocket};
use super::record::{Record, SCHEMA};
use std::time::{Duration, Instant};
use thiserror::Error;

/// The port's name in the guest: `/dev/virtio-ports/<name>`.
pub const PORT_NAME: &str = "org.porchlight.selfcheck";

/// Why there is no record.
#[derive(Debug, Error)]
pub enum RecordError {
    /// None came.
    #[error("no self-check record: {0}")]
    Line(#[from] LineError),
    /// What came is not a record.
    #[error("`{line}` is not a self-check record: {source}")]
    Json {
        /// What came.
        line: String,
        /// Why it is not a record.
        source: serde_json::Error,
    },
    /// A record of a shape that this reader does not know.
    #[error("a self-check record of schema {0}, expected {SCHEMA}")]
    Schema(u32),
}

/// Records as they come, and the last one.
#[derive(Debug)]
pub struct RecordPort {
    socket: LineSocket,
    last: Option<Record>,
}

impl RecordPort {
    pub(super) fn new(socket: LineSocket) -> Self {
        Self { socket, last: None }
    }

    /// The next record that nobody has taken yet.
    ///
    /// # Errors
    /// [`RecordError`]: none within `within`, or one that is not understood.
    pub fn wait(&mut self, within: Duration) -> Result<Record, RecordError> {
        let line = self.socket.receive(Instant::now() + within)?;
        let record: Record = serde_json::from_slice(&line).map_err(|source| RecordError::Json {
            line: String::from_utf8_lossy(&line).into_owned(),
            source,
        })?;
        if record.schema != SCHEMA {
            return Err(RecordError::Schema(record.schema));
        }
        self.last = Some(record.clone());
        Ok(record)
    }

    /// The last record taken.
    #[must_use]
    pub fn last(&self) -> Option<&Record> {
        self.last.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_is_no_record_is_named() {
        let (socket, mut guest) = LineSocket::pair();
        let mut port = RecordPort::new(socket);
        guest.write_all(b"login:\n").unwrap();
        let error = port.wait(Duration::ZERO).unwrap_err().to_string();
        assert!(error.starts_with("`login:` is not a self-check record: "), "{error}");
        let error = port.wait(Duration::ZERO).unwrap_err().to_string();
        assert_eq!(error, "no self-check record: no answer within the deadline");
        assert!(port.last().is_none());
    }
}

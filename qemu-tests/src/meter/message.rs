//! What the meter sends: a fixed head, then filling.

/// Says that these are the meter's bytes, and their version.
const MAGIC: [u8; 4] = *b"gap1";

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// One of the steady stream.
    Stream,
    /// The first and only word of a new conversation, to be sent back as it is.
    Opening,
}

/// A message's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is for.
    pub kind: MessageKind,
    /// Which measurement it belongs to; late ones of an earlier measurement do not count.
    pub session: u32,
    /// Its number, from 0.
    pub sequence: u32,
}

impl Message {
    /// Bytes of the head; no message is shorter.
    pub const HEAD: usize = 13;

    /// Writes the head to the start of `buffer`.
    ///
    /// # Panics
    /// When `buffer` is shorter than the head.
    pub fn write(&self, buffer: &mut [u8]) {
        buffer[..4].copy_from_slice(&MAGIC);
        buffer[4] = match self.kind {
            MessageKind::Stream => b's',
            MessageKind::Opening => b'o',
        };
        buffer[5..9].copy_from_slice(&self.session.to_be_bytes());
        buffer[9..Self::HEAD].copy_from_slice(&self.sequence.to_be_bytes());
    }

    /// Reads a message; nothing, if it is none of the meter's.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk()?;
        let (kind, rest) = rest.split_first()?;
        let (session, rest) = rest.split_first_chunk()?;
        let (sequence, _) = rest.split_first_chunk()?;
        let kind = match kind {
            b's' => MessageKind::Stream,
            b'o' => MessageKind::Opening,
            _ => return None,
        };
        let (session, sequence) = (u32::from_be_bytes(*session), u32::from_be_bytes(*sequence));
        (*magic == MAGIC).then_some(Self { kind, session, sequence })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let message = Message { kind: MessageKind::Opening, session: 7, sequence: 1_000_000 };
        let mut buffer = [0xff; 160];
        message.write(&mut buffer);
        assert_eq!(Message::read(&buffer), Some(message));
        assert_eq!(Message::read(&buffer[..Message::HEAD]), Some(message));
        assert_eq!(Message::read(&buffer[..Message::HEAD - 1]), None);
        buffer[0] ^= 1;
        assert_eq!(Message::read(&buffer), None);
    }
}

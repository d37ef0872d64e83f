//! The first words on a connection, both sides of them.

use std::time::Duration;

use quinn::{Connection, RecvStream, SendStream};
use tokio::time::timeout;

use crate::wire::{Hello, HelloError, LONGEST_HELLO, Welcome};

/// Longest wait for the other side's words.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the first words failed.
#[derive(Debug, thiserror::Error)]
pub enum GreetingError {
    /// The connection ended, perhaps with the far end's reason.
    #[error("{0}")]
    Connection(#[from] quinn::ConnectionError),
    /// The stream ended before the message did.
    #[error("the far end stopped in the middle of its greeting: {0}")]
    Read(#[from] quinn::ReadExactError),
    /// Our words could not be sent.
    #[error("the greeting could not be sent: {0}")]
    Write(#[from] quinn::WriteError),
    /// Nothing came.
    #[error("no greeting within {PATIENCE:?}")]
    Silence,
    /// What came is not a greeting.
    #[error("the far end's greeting: {0}")]
    Content(#[from] HelloError),
    /// It is too long.
    #[error("the far end's greeting has {0} bytes; expected at most {LONGEST_HELLO}")]
    Long(usize),
}

/// The box's side.
///
/// # Errors
/// [`GreetingError`].
pub async fn greet(connection: &Connection, hello: &Hello) -> Result<Welcome, GreetingError> {
    let talk = async {
        let (mut to, mut from) = connection.open_bi().await?;
        write(&mut to, &hello.to_bytes()).await?;
        Ok(Welcome::read(&read(&mut from).await?)?)
    };
    timeout(PATIENCE, talk).await.unwrap_or(Err(GreetingError::Silence))
}

/// The relay's side: what the box says, and where to answer.
///
/// # Errors
/// [`GreetingError`].
pub async fn hear(connection: &Connection) -> Result<(Hello, SendStream), GreetingError> {
    let talk = async {
        let (to, mut from) = connection.accept_bi().await?;
        Ok((Hello::read(&read(&mut from).await?)?, to))
    };
    timeout(PATIENCE, talk).await.unwrap_or(Err(GreetingError::Silence))
}

/// The relay's answer.
///
/// # Errors
/// [`GreetingError`].
pub async fn welcome(mut to: SendStream, welcome: &Welcome) -> Result<(), GreetingError> {
    write(&mut to, &welcome.to_bytes()).await
}

async fn write(to: &mut SendStream, message: &[u8]) -> Result<(), GreetingError> {
    let length = u16::try_from(message.len()).map_err(|_| GreetingError::Long(message.len()))?;
    to.write_all(&length.to_be_bytes()).await?;
    to.write_all(message).await?;
    // Nobody says more than one thing. A stream that is reset already has been read.
    let _ = to.finish();
    Ok(())
}

async fn read(from: &mut RecvStream) -> Result<Vec<u8>, GreetingError> {
    let mut length = [0; 2];
    from.read_exact(&mut length).await?;
    let length = usize::from(u16::from_be_bytes(length));
    if length > LONGEST_HELLO {
        return Err(GreetingError::Long(length));
    }
    let mut message = vec![0; length];
    from.read_exact(&mut message).await?;
    Ok(message)
}

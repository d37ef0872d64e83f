//! Asks over the bus and prints. No task runs beside the one that waits for the answer, except
//! the subscription's (see [`bus::Changes`]).

pub(crate) mod wan;

use std::io::{self, IsTerminal, Write};

use bus::home::{self, HomeStatus};
use bus::view::View;
use daemon::{clock, connection};
use zbus::Connection;

use crate::text::{self, Paint};

/// Why no status can be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// Nobody answers.
    #[error("the box's 'home' service cannot be reached: {0}")]
    Bus(#[from] zbus::Error),
    /// Nobody answers for the lines.
    #[error("the box's 'wan' service cannot be reached: {0}")]
    Wan(#[source] zbus::Error),
    /// The relay's line was not taken.
    #[error("{0}")]
    Join(#[source] zbus::Error),
    /// It answered and went away.
    #[error("the connection to the system bus is gone")]
    BusGone,
    /// The answer cannot be printed.
    #[error("the answer cannot be printed: {0}")]
    Print(#[from] io::Error),
}

/// How an answer is printed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// Lines for people.
    Text(Paint),
    /// One line of JSON.
    Json,
}

impl Form {
    /// JSON if asked for; otherwise text, with colours where somebody sees them
    /// (<https://no-color.org>).
    pub(crate) fn chosen(json: bool) -> Self {
        let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        match (json, colours) {
            (true, _) => Self::Json,
            (false, true) => Self::Text(Paint::Colours),
            (false, false) => Self::Text(Paint::Plain),
        }
    }
}

/// Prints the status once, and returns it.
///
/// # Errors
/// [`AskError`].
pub(crate) async fn status(form: Form) -> Result<HomeStatus, AskError> {
    let connection = connection::connect().await?;
    print_status(&connection, form).await
}

/// Prints the status now and after each change, until the bus goes away.
///
/// # Errors
/// [`AskError`]; this is the only way it ends.
pub(crate) async fn watch(form: Form) -> Result<HomeStatus, AskError> {
    let connection = connection::connect().await?;
    let mut changes = home::changes(&connection).await?;
    loop {
        print_status(&connection, form).await?;
        if !changes.next().await {
            return Err(AskError::BusGone);
        }
    }
}

async fn print_status(connection: &Connection, form: Form) -> Result<HomeStatus, AskError> {
    let status = home::read_status(connection).await?;
    let view = View::of(&status, clock::now());
    let text = match form {
        Form::Text(paint) => text::lines(&view, paint),
        Form::Json => {
            let json = serde_json::to_string(&view).expect("a view is texts and lists of texts");
            format!("{json}\n")
        }
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(status)
}

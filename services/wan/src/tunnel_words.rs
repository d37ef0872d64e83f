//! The tunnel's word on its paths, for the journal.

use tunnel::{State, Why};

/// How far a path is trusted.
#[must_use]
pub const fn state(state: State) -> &'static str {
    match state {
        State::Up => "up",
        State::Suspect => "suspect",
        State::Down => "down",
        State::Probation => "on probation",
    }
}

/// Why that changed.
#[must_use]
pub const fn why(why: Why) -> &'static str {
    match why {
        Why::Connected => "it is connected for the first time",
        Why::Silent => "nothing was heard on it",
        Why::NoProgress => "what is sent on it does not arrive",
        Why::NoCarrier => "its cable does not carry, here or at the far end's word",
        Why::Closed => "its connection has ended",
        Why::Heard => "it is heard",
        Why::Clean => "it has been clean for long enough",
    }
}

//! Who is in: the connections that were let in, so that a box that is removed is shown out.
//!
//! Bounded: one connection for each uplink of each box is alive at a time, because the pump closes
//! the one before; what is closed is let go whenever another comes in.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use quinn::{Connection, VarInt};
use tunnel::shell::keys::PublicKey;

/// What a box is told when it is not let in, or not any more.
const UNKNOWN_BOX: VarInt = VarInt::from_u32(1);

/// Tells the far end of `connection` that its key is not known here, and ends it.
pub(super) fn show_out(connection: &Connection) {
    connection.close(UNKNOWN_BOX, b"this relay does not know the box: enroll it again");
}

/// The connections that were let in.
#[derive(Debug, Default)]
pub(super) struct Guests(Mutex<Vec<(PublicKey, Connection)>>);

impl Guests {
    /// `connection` is in; `key` is who it is.
    pub(super) fn enter(&self, key: PublicKey, connection: Connection) {
        let mut guests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        guests.retain(|(_, guest)| guest.close_reason().is_none());
        guests.push((key, connection));
    }

    /// Shows out whose key is not among `known`. How many those were.
    pub(super) fn keep_only(&self, known: &HashSet<PublicKey>) -> usize {
        let mut guests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        guests.retain(|(_, guest)| guest.close_reason().is_none());
        let strangers = guests.extract_if(.., |(key, _)| !known.contains(key));
        strangers.map(|(_, stranger)| show_out(&stranger)).count()
    }
}

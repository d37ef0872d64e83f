//! From the paths to the house.

use bytes::Bytes;
use units::{Instant, LinkId};

use super::{DatagramError, Tunnel};
use crate::wire::{Header, Kind, Report};

impl Tunnel {
    /// A datagram came on the connection number `generation` of `link`.
    ///
    /// # Errors
    /// When it cannot be used. It is dropped then, and nothing has changed.
    pub fn handle_datagram(
        &mut self,
        link: LinkId,
        generation: u8,
        datagram: Bytes,
        now: Instant,
    ) -> Result<(), DatagramError> {
        let used = self.use_datagram(link, generation, datagram, now);
        self.counters.refused += u64::from(used.is_err());
        used
    }

    fn use_datagram(
        &mut self,
        link: LinkId,
        generation: u8,
        datagram: Bytes,
        now: Instant,
    ) -> Result<(), DatagramError> {
        let current = |path: &crate::path::Path| {
            path.link == link && path.generation == generation && path.connected
        };
        let index = self.paths.iter().position(current).ok_or(DatagramError::Connection(link))?;
        let header = Header::read(&datagram)?;
        // Read before anything is recorded: a refused datagram leaves no trace.
        let report = match header.kind {
            Kind::Report => Some(Report::read(&datagram[Header::LENGTH..])?),
            Kind::Packet | Kind::Fragment => None,
        };
        let arrivals = &mut self.paths[index].arrivals;
        let first = arrivals.newest().is_none();
        if !arrivals.record(header.path, header.sent, datagram.len(), now) {
            return Err(DatagramError::Sequence(header.path));
        }
        match (header.kind, report) {
            (Kind::Report, Some(report)) => self.handle_report(index, &report, now),
            (Kind::Fragment, _) => {
                let body = datagram.slice(Header::LENGTH..);
                if let Some(whole) = self.reassembly.handle_part(header.session, &body) {
                    self.admit(header.session, whole.freeze(), now);
                }
            }
            _ => self.admit(header.session, datagram, now),
        }
        if first {
            self.watch(now);
        }
        Ok(())
    }

    fn admit(&mut self, session: u64, datagram: Bytes, now: Instant) {
        if self.dedup.admit(session) {
            self.deliver(datagram, now);
        } else {
            self.counters.duplicates += 1;
        }
    }
}

//! From the house to the paths.

use bytes::{Bytes, BytesMut};
use units::{Instant, LinkId};

use super::{InnerError, Tunnel};
use crate::class::Class;
use crate::fragment;
use crate::packet::Summary;
use crate::path::{MOST_COPIES, Sent, State, again};
use crate::policy::Mode;
use crate::queue::Queued;
use crate::wire::{Header, Kind, Stamp};

/// A packet is sent at most so often, copies and repairs together.
const MOST_TRIES: u8 = 4;
/// What can wait is held back for so long at the start of a window, and no longer.
const HOLD: core::time::Duration = core::time::Duration::from_millis(250);

impl Tunnel {
    /// A packet of the house: [`Header::LENGTH`] bytes of room, then IP.
    ///
    /// # Errors
    /// When it is not IP, or there is no path at all. It is dropped then.
    pub fn handle_inner(&mut self, buffer: BytesMut, now: Instant) -> Result<(), InnerError> {
        let packet = buffer.get(Header::LENGTH..).unwrap_or_default();
        let summary = Summary::read(packet, &self.hasher)?;
        let class = self.classifier.classify(&summary, now);
        self.note_inner(now);
        self.counters.inner_bytes += summary.length as u64;
        self.budget.earn(summary.length);
        let index = self.path_for(summary.flow, class, now).ok_or(InnerError::NoPath)?;
        if class == Class::Background && self.paths[index].metered {
            return Err(InnerError::Spared);
        }
        let session = self.next_session;
        self.next_session += 1;
        let flow = summary.flow;
        let kind = Kind::Packet;
        let packet = Queued { buffer, session, class, flow, tries: 0, kind, since: now };
        if class.is_urgent() {
            self.copy_if_wise(index, &packet, now);
        }
        self.paths[index].queues[class.index()].push(packet);
        Ok(())
    }

    /// The path of a packet.
    fn path_for(&mut self, flow: u64, class: Class, now: Instant) -> Option<usize> {
        match self.modes.of(class) {
            Mode::Spill => self.place(flow, class, now),
            Mode::Failover | Mode::Duplicate => self.best,
        }
    }

    /// The next datagram for `link`, which has room for it. Nothing waits for a path whose
    /// connection has ended.
    pub fn poll_datagram(&mut self, link: LinkId, now: Instant) -> Option<Bytes> {
        let index = self.paths.iter().position(|path| path.link == link && path.connected)?;
        if let Some(part) = self.paths[index].ready.pop_front() {
            return Some(part);
        }
        if self.report_is_due(index, now) {
            return Some(self.write_report(index, now));
        }
        loop {
            let path = &mut self.paths[index];
            let held = path.window.is_some_and(|window| {
                window.contains(now) && now.saturating_since(window.opens) < HOLD
            });
            let packet = path.next_packet(held, &mut self.turn, now)?;
            if let Some(datagram) = self.seal(index, packet, now) {
                return Some(datagram);
            }
        }
    }

    /// Everything urgent that is on its way over `index`, on another path as well.
    pub(super) fn copy_unreported(&mut self, index: usize, now: Instant) {
        let Some(other) = self.second(index) else { return };
        let urgent = |sent: &&Sent| sent.class.is_urgent() && sent.tries < MOST_TRIES;
        let copies: Vec<_> = self.paths[index]
            .sent
            .unreported()
            .filter(urgent)
            .map(|sent| again(sent, now))
            .collect();
        for copy in copies {
            self.inject(other, copy);
        }
    }

    /// `index` does not carry any more: all that waits for it, and all that is on its way without
    /// a report, goes another way. How many urgent packets on their way cannot go again.
    pub(super) fn evacuate(&mut self, index: usize, now: Instant) -> u32 {
        let Some(other) = self.alternative(index) else { return self.paths[index].sent.alone() };
        let slipped = self.paths[index].sent.slipped();
        let mut stuck = self.paths[index].sent.take_unreported();
        let urgent = stuck.iter().filter(|sent| sent.class.is_urgent()).count();
        let before = self.paths[other].copies.len();
        // Should there be more than is kept, it is the calls that are kept.
        stuck.sort_by_key(|sent| !sent.class.is_urgent());
        for sent in stuck.iter().filter(|sent| sent.tries < MOST_TRIES) {
            self.inject(other, again(sent, now));
        }
        let again = self.paths[other].copies.len() - before;
        for packet in self.paths[index].drain() {
            if packet.tries > 0 {
                self.inject(other, packet);
                continue;
            }
            let target = if packet.class.is_urgent() {
                Some(other)
            } else {
                self.path_for(packet.flow, packet.class, now)
            };
            self.paths[target.unwrap_or(other)].queues[packet.class.index()].push(packet);
        }
        slipped.saturating_add(u32::try_from(urgent - again).unwrap_or(u32::MAX))
    }

    /// Packets that were lost on their way, once more, if they are worth it.
    pub(super) fn repair(&mut self, index: usize, lost: Vec<Sent>, now: Instant) {
        let other = self.alternative(index).unwrap_or(index);
        for sent in lost {
            let worth_it = sent.class.is_urgent() && sent.tries < MOST_TRIES;
            if worth_it && self.budget.spend(sent.datagram.len()) {
                self.inject(other, again(&sent, now));
            }
        }
    }

    fn inject(&mut self, index: usize, packet: Queued) {
        let path = &mut self.paths[index];
        if !packet.class.is_urgent() {
            // What can wait takes its turn: a download's backlog must not delay a call.
            self.counters.repaired_bytes += packet.length() as u64;
            path.queues[packet.class.index()].push(packet);
        } else if path.copies.len() < MOST_COPIES {
            self.counters.repaired_bytes += packet.length() as u64;
            path.copies.push_back(packet);
        }
    }

    /// A copy goes another way where the first may not arrive in time.
    fn copy_if_wise(&mut self, index: usize, packet: &Queued, now: Instant) {
        let path = &self.paths[index];
        let in_window = path.window.is_some_and(|window| window.contains(now));
        let doubtful = matches!(path.health.state(), State::Suspect | State::Down);
        let always = self.modes.of(packet.class) == Mode::Duplicate;
        if !(doubtful || in_window || always) {
            return;
        }
        let Some(other) = self.second(index) else { return };
        // What a fault costs is not asked, nor what the household wants; what a forecast costs is.
        if !(doubtful || always || self.budget.spend(packet.length())) {
            return;
        }
        let copies = &mut self.paths[other].copies;
        if copies.len() < MOST_COPIES {
            self.counters.copied_bytes += packet.length() as u64;
            let buffer = packet.buffer.clone();
            copies.push_back(Queued { buffer, tries: 1, ..*packet });
        }
    }

    /// Makes a datagram of a packet, or two of one that is too long.
    fn seal(&mut self, index: usize, packet: Queued, now: Instant) -> Option<Bytes> {
        let longest = self.paths[index].longest;
        if packet.buffer.len() <= longest {
            return Some(self.number(index, packet, now));
        }
        let half = Header::LENGTH + fragment::PART_HEAD + packet.length().div_ceil(2);
        if packet.kind != Kind::Packet || half > longest {
            return None;
        }
        let [first, second] = fragment::split(&packet.buffer[Header::LENGTH..]);
        let part = |buffer| Queued { buffer, kind: Kind::Fragment, ..packet };
        let first = self.number(index, part(first), now);
        let second = self.number(index, part(second), now);
        self.paths[index].ready.push_back(second);
        Some(first)
    }

    fn number(&mut self, index: usize, packet: Queued, now: Instant) -> Bytes {
        let Queued { buffer, session, class, flow, tries, kind, .. } = packet;
        let path = &mut self.paths[index];
        let header = header(kind, class, tries > 0, session, path.sent.next_sequence(), now);
        let datagram = write(header, buffer);
        let sent = Sent { session, class, flow, tries, kind, datagram: datagram.clone() };
        path.carried += datagram.len() as u64;
        path.sent.push(Some(sent), datagram.len(), now);
        datagram
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low 32 bits are the format")]
pub(super) fn header(
    kind: Kind,
    class: Class,
    copy: bool,
    session: u64,
    sequence: u64,
    now: Instant,
) -> Header {
    Header { kind, class, copy, session, path: sequence as u32, sent: Stamp::at(now) }
}

fn write(header: Header, mut buffer: BytesMut) -> Bytes {
    buffer[..Header::LENGTH].copy_from_slice(&header.to_bytes());
    buffer.freeze()
}

//! One way of one link.

use std::collections::VecDeque;

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use units::Instant;

use super::capacity::Bottleneck;
use super::counters::Counters;
use super::delay::Way;
use super::fault::Fault;
use super::frame::Frame;
use super::impairment::Impairments;
use super::line::Line;
use super::loss::Loss;
use super::packet_log::{LogEntry, PacketLog, Verdict};
use super::queue::Queue;
use super::specification::{DirectionSpecification, ReplayPhase, Side, TooBigSender};
use super::too_big;

/// One way of one link: frames in, frames out later, fewer, or not at all.
///
/// - `handle_*` says what happened. Time never goes backwards from one call to the next.
/// - `poll_deliver`, `poll_answer` and `poll_log` say what to do; call each until it has nothing.
/// - `next_deadline` says when to poll again if nothing happens before.
///
/// The emulator's clock starts at [`Instant::BOOT`]. Same specification, seed and calls: same
/// answers, to the byte and nanosecond.
#[derive(Debug)]
pub struct Direction {
    side: Side,
    random: Pcg64Mcg,
    impairments: Impairments,
    queue: Queue,
    bottleneck: Bottleneck,
    way: Way,
    loss: Loss,
    line: Line,
    too_big_sender: Option<TooBigSender>,
    answers: VecDeque<Frame>,
    log: PacketLog,
    counters: Counters,
    /// Up to when the bottleneck has worked.
    advanced: Instant,
}

impl Direction {
    /// ICMP answers that wait at most; more are dropped, as a router limits them too.
    const MAX_ANSWERS: usize = 16;

    /// A direction as specified. Its random draws follow from `seed` and `side`.
    #[must_use]
    pub fn new(
        specification: DirectionSpecification,
        side: Side,
        seed: u64,
        phase: ReplayPhase,
        too_big_sender: Option<TooBigSender>,
    ) -> Self {
        let own_stream = match side {
            Side::Up => 0,
            Side::Down => 1,
        };
        Self {
            side,
            random: Pcg64Mcg::seed_from_u64(seed.wrapping_mul(2).wrapping_add(own_stream)),
            impairments: Impairments::default(),
            queue: Queue::new(specification.queue),
            bottleneck: Bottleneck::new(specification.capacity, phase),
            way: Way::new(specification.delay, phase),
            loss: Loss::new(specification.loss, phase),
            line: Line::default(),
            too_big_sender,
            answers: VecDeque::new(),
            log: PacketLog::default(),
            counters: Counters::default(),
            advanced: Instant::BOOT,
        }
    }

    /// A frame comes in.
    pub fn handle_frame(&mut self, frame: Frame, now: Instant) {
        self.advance(now);
        self.counters.received += 1;
        self.counters.received_bytes += u64::from(frame.packet_bytes());
        if self.impairments.no_carrier {
            self.note(&frame, Verdict::NoCarrier, now);
            return;
        }
        if let Some(small) = self.impairments.mtu
            && frame.packet_bytes() > small.mtu.bytes().into()
        {
            self.note(&frame, Verdict::TooBig, now);
            if small.icmp && self.answers.len() < Self::MAX_ANSWERS {
                let sender = self.too_big_sender;
                let answer = sender.and_then(|from| too_big::answer(&frame, small.mtu, from));
                self.answers.extend(answer);
            }
            return;
        }
        let bytes = frame.packet_bytes();
        match self.queue.push(frame) {
            Err(frame) => self.note(&frame, Verdict::QueueFull, now),
            Ok(()) => {
                self.note_bytes(bytes, Verdict::Queued, now);
                if self.bottleneck.finish().is_none() {
                    self.bottleneck.start(bytes, now);
                    self.advance(now);
                }
            }
        }
    }

    /// Something goes wrong, or heals.
    pub fn handle_fault(&mut self, fault: &Fault, now: Instant) {
        self.advance(now);
        self.impairments.apply(fault, self.side, now);
        if self.impairments.no_carrier {
            while let Some(frame) = self.queue.pop() {
                self.note(&frame, Verdict::NoCarrier, now);
            }
            self.bottleneck.rest();
            self.counters.no_carrier += self.line.clear() as u64;
        }
        self.bottleneck.set_share(self.impairments.ramp.share_at(now), now);
    }

    /// Whether each frame's fate is to be logged.
    pub fn handle_log_wanted(&mut self, wanted: bool) {
        self.log.set_wanted(wanted);
    }

    /// The next frame that comes out by now, with the moment at which it should.
    pub fn poll_deliver(&mut self, now: Instant) -> Option<(Frame, Instant)> {
        self.advance(now);
        let (frame, due) = self.line.pop(now)?;
        self.counters.delivered_bytes += u64::from(frame.packet_bytes());
        self.note(&frame, Verdict::Delivered, due);
        Some((frame, due))
    }

    /// The next frame that the link itself sends back to where its frames come from.
    pub fn poll_answer(&mut self) -> Option<Frame> {
        self.answers.pop_front()
    }

    /// The next line of the packet log.
    pub fn poll_log(&mut self) -> Option<LogEntry> {
        self.log.poll()
    }

    /// When something happens next if no frame and no fault comes.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let step = self.impairments.ramp.next_step(self.advanced);
        let finish = self.bottleneck.finish();
        // While nothing waits, a change of the capacity changes nothing: no need to wake up.
        let work = finish.map(|finish| step.map_or(finish, |step| finish.min(step)));
        [work, self.line.next_due()].into_iter().flatten().min()
    }

    /// What has been done so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let (queue_packets, queue_bytes) = (self.queue.packets(), self.queue.bytes());
        Counters { queue_packets, queue_bytes, ..self.counters }
    }

    /// Lets the bottleneck work up to `now`.
    fn advance(&mut self, now: Instant) {
        while self.bottleneck.finish().is_some() {
            let finish = self.bottleneck.finish().filter(|finish| *finish <= now);
            let step = self.impairments.ramp.next_step(self.advanced).filter(|step| *step <= now);
            match (finish, step) {
                (Some(finish), step) if step.is_none_or(|step| finish <= step) => {
                    self.leave(finish);
                    self.advanced = self.advanced.max(finish);
                }
                (_, Some(step)) => {
                    self.bottleneck.set_share(self.impairments.ramp.share_at(step), step);
                    self.advanced = step;
                }
                _ => break,
            }
        }
        self.advanced = self.advanced.max(now);
        if self.bottleneck.finish().is_none() {
            self.bottleneck.set_share(self.impairments.ramp.share_at(now), now);
        }
    }

    /// The frame in service leaves the bottleneck and goes on its way, or is lost there.
    fn leave(&mut self, now: Instant) {
        let Some(frame) = self.queue.pop() else {
            self.bottleneck.rest();
            return;
        };
        match self.queue.front_bytes() {
            Some(bytes) => self.bottleneck.follow(bytes),
            None => self.bottleneck.rest(),
        }
        // Every frame draws the same numbers, whatever becomes of it.
        let lost = self.loss.takes(now, &mut self.random);
        let draws = Draws(std::array::from_fn(|_| self.random.next_u64()));
        let fate = if self.impairments.cut {
            Verdict::Cut
        } else if lost {
            Verdict::Lost
        } else if self.line.is_full() {
            Verdict::WayFull
        } else {
            self.send(frame, &draws, now);
            return;
        };
        self.note(&frame, fate, now);
    }

    /// Puts a frame on its way, with the errors of the wire.
    fn send(&mut self, mut frame: Frame, draws: &Draws, now: Instant) {
        let [corrupt, which_bit, duplicate, reorder, jitter] = draws.0;
        if self.impairments.corrupt.hits(corrupt) {
            frame.flip_bit(which_bit);
            self.counters.corrupted += 1;
        }
        let delay = self.way.delay_at(now, jitter) + self.impairments.extra_delay;
        if self.impairments.duplicate.hits(duplicate) {
            self.line.push(frame.clone(), now, delay);
            self.counters.duplicated += 1;
        }
        match self.impairments.reorder {
            Some((probability, by)) if probability.hits(reorder) => {
                self.line.push_late(frame, now, delay + by);
                self.counters.reordered += 1;
            }
            _ => self.line.push(frame, now, delay),
        }
    }

    fn note(&mut self, frame: &Frame, verdict: Verdict, now: Instant) {
        self.note_bytes(frame.packet_bytes(), verdict, now);
    }

    fn note_bytes(&mut self, packet_bytes: u32, verdict: Verdict, time: Instant) {
        self.counters.count(verdict);
        let (queue_packets, queue_bytes) = (self.queue.packets(), self.queue.bytes());
        let side = self.side;
        self.log.push(LogEntry { time, side, packet_bytes, verdict, queue_packets, queue_bytes });
    }
}

/// Random numbers for one frame on the wire: corrupt, which bit, duplicate, reorder, jitter.
struct Draws([u64; 5]);

#[cfg(test)]
mod tests;

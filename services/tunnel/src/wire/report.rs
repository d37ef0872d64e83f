//! What has arrived, told to the sender: the tunnel's only feedback.
//!
//! A report speaks of every path its sender knows, and goes out on every path, so that the death of
//! one path is told over the others. It is a statement of facts, not of conclusions: two ends that
//! told each other their conclusions could keep each other down for ever.
//!
//! ```text
//!  0      low four bits: number of paths; high four bits: which classes have not their usual mode
//!  1..3   promised time to the next report, in milliseconds
//!  then for each path, 34 bytes and its gaps:
//!   0     link    1 generation    2 flags: carrier, metered, policy (2 bits), has a window
//!   3     number of gaps, newest first
//!   4..8  highest path sequence that arrived     8..12 its sent stamp
//!  12..16 how long ago it arrived, microseconds (all ones: nothing has arrived)
//!  16..20 datagrams that arrived    20..24 bytes that arrived, both modulo 2^32
//!  24..28 delay above the least seen lately, microseconds
//!  28..30 how long nothing has arrived, milliseconds
//!  30..32 window opens in, milliseconds, signed    32..34 window closes in
//!  each gap: distance from the highest to its last (4 bytes), how many are missing (2 bytes)
//! ```

use bytes::BufMut;
use units::LinkId;

use crate::policy::{Modes, Policy};

use super::stamp::Stamp;

/// Gaps told for one path. A path that loses more than this within the ring's time is lost anyhow.
pub const MOST_GAPS: usize = 16;

const PATH_BYTES: usize = 34;
const GAP_BYTES: usize = 6;
/// A report is the longest datagram a path must always be able to carry: 8 × 34 + gaps for two
/// paths; further gaps are left out.
const LONGEST: usize = 1_000;

/// Datagrams that did not arrive although later ones did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// From the highest that arrived back to the last one missing; at least 1.
    pub back: u32,
    /// How many are missing; at least 1.
    pub count: u16,
}

/// What the reporter says of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathReport {
    /// Which path.
    pub link: LinkId,
    /// Which of the connections that this path has had.
    pub generation: u8,
    /// Whether the reporter's cable carries. A relay always says so.
    pub carrier: bool,
    /// Whether bytes on it cost money.
    pub metered: bool,
    /// How the household wants it used. Only the box's word counts.
    pub policy: Policy,
    /// Highest path sequence that arrived, its stamp, and how long ago in microseconds; `None` if
    /// nothing has arrived.
    pub newest: Option<(u32, Stamp, u32)>,
    /// Datagrams that arrived, modulo 2^32.
    pub received: u32,
    /// Bytes that arrived, modulo 2^32.
    pub bytes: u32,
    /// Delay above the least seen lately, in microseconds.
    pub queue_micros: u32,
    /// How long nothing has arrived, in milliseconds, at most 65535.
    pub silent_millis: u16,
    /// When the path is expected to be silent, relative to now, in milliseconds.
    pub window: Option<(i16, i16)>,
    /// What is missing, newest first; at most [`MOST_GAPS`].
    pub gaps: Vec<Gap>,
}

/// What has arrived on all paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Promised time to the next report, in milliseconds.
    pub interval_millis: u16,
    /// How the household wants each class carried. Only the box's word counts.
    pub modes: Modes,
    /// Each path, at most [`LinkId::MOST`].
    pub paths: Vec<PathReport>,
}

/// Why a report cannot be used. Nothing of it has been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// It ends too early.
    #[error("the report ends inside {0}")]
    Short(&'static str),
    /// It goes on after its last path.
    #[error("{0} bytes after the last path")]
    Long(usize),
    /// Too many paths.
    #[error("{0} paths; expected at most {most}", most = LinkId::MOST)]
    Paths(u8),
    /// A link number that cannot be, or one told twice.
    #[error("link {0} is out of range or told twice")]
    Link(u8),
    /// Unknown flags.
    #[error("flags {0:#04x}; expected the upper three bits to be zero")]
    Flags(u8),
    /// Gaps that are too many, empty, overlapping or before the first datagram.
    #[error("gaps of link {0} are not a falling list of at most {MOST_GAPS}")]
    Gaps(u8),
}

impl Report {
    /// Appends the bytes.
    pub fn write(&self, to: &mut impl BufMut) {
        let mut room = LONGEST - 3;
        let paths = &self.paths[..self.paths.len().min(usize::from(LinkId::MOST))];
        let count = u8::try_from(paths.len()).expect("at most MOST");
        to.put_u8(self.modes.bits() << 4 | count);
        to.put_u16(self.interval_millis);
        room -= paths.len() * PATH_BYTES;
        for path in paths {
            let gaps = &path.gaps[..path.gaps.len().min(MOST_GAPS).min(room / GAP_BYTES)];
            room -= gaps.len() * GAP_BYTES;
            path.write(gaps, to);
        }
    }

    /// Reads a report.
    ///
    /// # Errors
    /// When it is anything but what [`Report::write`] writes.
    pub fn read(bytes: &[u8]) -> Result<Self, ReportError> {
        let mut rest = Rest(bytes);
        let [first, i0, i1] = rest.take("the head")?;
        let (count, modes) = (first & 0xf, Modes::from_bits(first >> 4));
        if count > LinkId::MOST {
            return Err(ReportError::Paths(count));
        }
        let interval_millis = u16::from_be_bytes([i0, i1]);
        let mut report = Self { interval_millis, modes, paths: Vec::new() };
        for _ in 0..count {
            let path = PathReport::read(&mut rest)?;
            if report.paths.iter().any(|told| told.link == path.link) {
                return Err(ReportError::Link(path.link.get()));
            }
            report.paths.push(path);
        }
        if rest.0.is_empty() { Ok(report) } else { Err(ReportError::Long(rest.0.len())) }
    }
}

/// In place of "how long ago" when nothing has arrived.
const NOTHING: u32 = u32::MAX;

impl PathReport {
    fn write(&self, gaps: &[Gap], to: &mut impl BufMut) {
        let (highest, stamp, ago) = self.newest.unwrap_or((0, Stamp(0), NOTHING));
        let (opens, closes) = self.window.unwrap_or((0, 0));
        to.put_u8(self.link.get());
        to.put_u8(self.generation);
        to.put_u8(
            u8::from(self.carrier)
                | u8::from(self.metered) << 1
                | self.policy.bits() << 2
                | u8::from(self.window.is_some()) << 4,
        );
        to.put_u8(u8::try_from(gaps.len()).expect("at most MOST_GAPS"));
        to.put_u32(highest);
        to.put_u32(stamp.0);
        to.put_u32(ago);
        to.put_u32(self.received);
        to.put_u32(self.bytes);
        to.put_u32(self.queue_micros);
        to.put_u16(self.silent_millis);
        to.put_i16(opens);
        to.put_i16(closes);
        for gap in gaps {
            to.put_u32(gap.back);
            to.put_u16(gap.count);
        }
    }

    fn read(rest: &mut Rest<'_>) -> Result<Self, ReportError> {
        let [number, generation, flags, gaps] = rest.take("a path's head")?;
        let link = LinkId::new(number).ok_or(ReportError::Link(number))?;
        if flags >> 5 != 0 {
            return Err(ReportError::Flags(flags));
        }
        let highest = rest.word("the highest")?;
        let stamp = Stamp(rest.word("its stamp")?);
        let ago = rest.word("its age")?;
        let received = rest.word("the datagrams")?;
        let bytes = rest.word("the bytes")?;
        let queue_micros = rest.word("the delay")?;
        let silent_millis = u16::from_be_bytes(rest.take("the silence")?);
        let opens = i16::from_be_bytes(rest.take("the window")?);
        let closes = i16::from_be_bytes(rest.take("the window")?);
        let newest = (ago != NOTHING).then_some((highest, stamp, ago));
        let gaps = read_gaps(rest, gaps, number)?;
        Ok(Self {
            link,
            generation,
            carrier: flags & 1 != 0,
            metered: flags & 2 != 0,
            policy: Policy::from_bits(flags >> 2),
            newest,
            received,
            bytes,
            queue_micros,
            silent_millis,
            window: (flags & 16 != 0 && opens < closes).then_some((opens, closes)),
            gaps,
        })
    }
}

fn read_gaps(rest: &mut Rest<'_>, count: u8, link: u8) -> Result<Vec<Gap>, ReportError> {
    if usize::from(count) > MOST_GAPS {
        return Err(ReportError::Gaps(link));
    }
    let mut gaps = Vec::with_capacity(usize::from(count));
    let mut end = 0_u32;
    for _ in 0..count {
        let back = rest.word("a gap")?;
        let gap = Gap { back, count: u16::from_be_bytes(rest.take("a gap")?) };
        // Newest first: each begins below where the one before it ended.
        let next = back.checked_add(u32::from(gap.count));
        match next {
            Some(next) if back > end && gap.count > 0 => end = next - 1,
            _ => return Err(ReportError::Gaps(link)),
        }
        gaps.push(gap);
    }
    Ok(gaps)
}

/// What has not been read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], ReportError> {
        let (head, rest) = self.0.split_first_chunk().ok_or(ReportError::Short(what))?;
        self.0 = rest;
        Ok(*head)
    }

    fn word(&mut self, what: &'static str) -> Result<u32, ReportError> {
        self.take(what).map(u32::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(number: u8, gaps: Vec<Gap>) -> PathReport {
        PathReport {
            link: LinkId::new(number).unwrap(),
            generation: 3,
            carrier: true,
            metered: false,
            policy: Policy::Secondary,
            newest: Some((77, Stamp(5), 1_000)),
            received: 70,
            bytes: 90_000,
            queue_micros: 2_500,
            silent_millis: 1,
            window: Some((-20, 130)),
            gaps,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let gaps = vec![Gap { back: 1, count: 1 }, Gap { back: 4, count: 3 }];
        let mut nothing = path(5, Vec::new());
        (nothing.newest, nothing.window) = (None, None);
        let modes = Modes::from_bits(0b0101);
        let report = Report { interval_millis: 20, modes, paths: vec![path(1, gaps), nothing] };
        let mut bytes = Vec::new();
        report.write(&mut bytes);
        assert_eq!(Report::read(&bytes), Ok(report));
    }

    #[test]
    fn the_longest_report_fits_the_smallest_path() {
        let gaps: Vec<_> = (0..16).map(|n| Gap { back: 1 + 4 * n, count: 2 }).collect();
        let paths = (1..=LinkId::MOST).map(|number| path(number, gaps.clone())).collect();
        let mut bytes = Vec::new();
        Report { interval_millis: 20, modes: Modes::default(), paths }.write(&mut bytes);
        assert!(bytes.len() <= LONGEST, "{}", bytes.len());
        assert_eq!(Report::read(&bytes).unwrap().paths.len(), usize::from(LinkId::MOST));
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let mut good = Vec::new();
        let paths = vec![path(1, vec![Gap { back: 2, count: 1 }])];
        Report { paths, interval_millis: 20, modes: Modes::default() }.write(&mut good);
        let changed = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            Report::read(&bytes).unwrap_err()
        };
        assert_eq!(changed(0, 9), ReportError::Paths(9));
        assert_eq!(changed(0, 0), ReportError::Long(40));
        assert_eq!(changed(3, 9), ReportError::Link(9));
        assert_eq!(changed(5, 0xff), ReportError::Flags(0xff));
        assert_eq!(changed(6, 17), ReportError::Gaps(1));
        assert_eq!(changed(40, 0), ReportError::Gaps(1), "a gap at the highest itself");
        assert_eq!(changed(42, 0), ReportError::Gaps(1), "an empty gap");
        assert_eq!(Report::read(&good[..41]), Err(ReportError::Short("a gap")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            if let Ok(report) = Report::read(&bytes) {
                let mut again = Vec::new();
                report.write(&mut again);
                prop_assert_eq!(Report::read(&again), Ok(report));
            }
        }
    }
}

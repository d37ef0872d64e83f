//! The sky as the dish has seen it.

use crate::proto::messages::DishGetObstructionMapResponse;

/// Most rows, and most columns. Real maps have 123 of each.
pub const LARGEST_SIDE: u16 = 256;

/// What the dish has seen in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sky {
    /// It has not looked there.
    Unseen,
    /// Something stands in the way, more often than not.
    Blocked,
    /// It is mostly clear.
    Clear,
}

/// A map of the sky, row by row. At most 64 KiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkyMap {
    rows: u16,
    columns: u16,
    cells: Vec<Sky>,
}

impl SkyMap {
    /// The map in an answer; none where its sides and its values do not go together.
    pub(super) fn of(answer: &DishGetObstructionMapResponse) -> Option<Self> {
        let side = |told: Option<u32>| {
            u16::try_from(told?).ok().filter(|side| (1..=LARGEST_SIDE).contains(side))
        };
        let (rows, columns) = (side(answer.num_rows)?, side(answer.num_cols)?);
        if answer.snr.len() != usize::from(rows) * usize::from(columns) {
            return None;
        }
        let cells = answer.snr.iter().map(|value| match *value {
            clear if clear >= 0.5 => Sky::Clear,
            blocked if blocked >= 0.0 => Sky::Blocked,
            _ => Sky::Unseen,
        });
        Some(Self { rows, columns, cells: cells.collect() })
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> u16 {
        self.rows
    }

    /// How many cells a row has.
    #[must_use]
    pub fn columns(&self) -> u16 {
        self.columns
    }

    /// The cells, row by row.
    #[must_use]
    pub fn cells(&self) -> &[Sky] {
        &self.cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(rows: u32, columns: u32, snr: &[f32]) -> DishGetObstructionMapResponse {
        DishGetObstructionMapResponse {
            num_rows: Some(rows),
            num_cols: Some(columns),
            snr: snr.to_vec(),
            ..DishGetObstructionMapResponse::default()
        }
    }

    #[test]
    fn a_map_is_read_row_by_row() {
        let map = SkyMap::of(&answer(2, 3, &[-1.0, 0.0, 1.0, 0.4, 0.6, f32::NAN])).unwrap();
        let (unseen, blocked, clear) = (Sky::Unseen, Sky::Blocked, Sky::Clear);
        assert_eq!(map.cells(), [unseen, blocked, clear, blocked, clear, unseen]);
        assert_eq!((map.rows(), map.columns()), (2, 3));
    }

    #[test]
    fn a_map_that_does_not_add_up_is_none() {
        assert_eq!(SkyMap::of(&DishGetObstructionMapResponse::default()), None);
        assert_eq!(SkyMap::of(&answer(2, 2, &[1.0; 3])), None);
        assert_eq!(SkyMap::of(&answer(0, 0, &[])), None);
        assert_eq!(SkyMap::of(&answer(257, 1, &[1.0; 257])), None);
        assert_eq!(SkyMap::of(&answer(u32::MAX, u32::MAX, &[1.0])), None);
    }
}

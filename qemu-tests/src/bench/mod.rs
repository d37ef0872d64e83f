//! Measurements, each a flat table `{"metric_unit": number}`.
pub mod boot;
pub mod wan;

use std::collections::BTreeMap;

/// A table: names with their unit, and numbers.
pub type Figures = BTreeMap<String, f64>;

/// `world bench`: which measurement.
#[derive(Debug, clap::Subcommand)]
pub enum Arguments {
    /// How long the box needs from its firmware to a page on the LAN, and what it costs then
    Boot(boot::Arguments),
    /// What a house notices when an uplink fails, beside other ways to keep it online
    Wan(wan::Arguments),
}

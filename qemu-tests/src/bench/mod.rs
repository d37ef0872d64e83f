//! Measurements of the booted image, each a flat table `{"metric_unit": number}`.
pub mod boot;

/// `world bench`: which measurement.
#[derive(Debug, clap::Subcommand)]
pub enum Arguments {
    /// How long the box needs from its firmware to a page on the LAN, and what it costs then
    Boot(boot::Arguments),
}

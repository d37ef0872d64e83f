//! `world scenarios`: lists the shipped scenarios, or checks a file.

use anyhow::Result;

use crate::world::Scenario;

/// Which.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Files to check; the shipped ones, if left out
    names: Vec<String>,
}

/// Says what each is about.
///
/// # Errors
/// When one is not a scenario.
pub fn run(arguments: &Arguments, say: &mut dyn FnMut(&str)) -> Result<()> {
    let shipped = Scenario::shipped().map(str::to_owned).collect();
    let names = if arguments.names.is_empty() { &shipped } else { &arguments.names };
    for name in names {
        say(&format!("{name}: {}", Scenario::load(name)?.about));
    }
    Ok(())
}

//! `cargo xtask`: the one tool. Each verb is a module; this file only chooses.
mod bench;
mod command_line;
mod flash;
mod image;
mod output;
mod packages;
mod relay;
mod repro;
mod settings;
mod test;
mod tidy;
mod tools_root;
mod up;
mod world;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::command_line::{CommandLine, Moment, Verb};
use crate::packages::Places;

fn main() -> ExitCode {
    match run(CommandLine::parse().verb) {
        Ok(code) => code,
        Err(error) => {
            output::fail(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<ExitCode> {
    if let Verb::Inside { moment } = verb {
        match moment {
            Moment::Prepare => image::inside::prepare()?,
            Moment::Finalize => image::inside::finalize()?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let places = Places::find()?;
    match verb {
        Verb::Up(up) => return up::run(&places, &up),
        Verb::Test(test) => test::run(&places, &test)?,
        Verb::Image(image) => image::run(&places, &image)?,
        Verb::Relay => relay::run(&places)?,
        Verb::Repro(repro) => repro::run(&places, &repro)?,
        Verb::Lock { update: true } => {
            for line in packages::lock::update(&places)? {
                output::say(line);
            }
        }
        Verb::Lock { update: false } => packages::lock::check(&places)?,
        Verb::Flash(flash) => flash::verb(&places, &flash)?,
        Verb::Bench(bench) => bench::run(&places, &bench)?,
        Verb::Tidy => test::walls(&places)?,
        Verb::Enter { command } => return world::enter(&places, &command),
        Verb::Inside { .. } => {}
    }
    Ok(ExitCode::SUCCESS)
}

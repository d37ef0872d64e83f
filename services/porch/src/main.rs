//! `porch`: asks the box over the bus.

mod command_line;
mod shell;
mod text;

use std::io::Write;
use std::process::ExitCode;

use bus::home::Light;
use clap::Parser;
use command_line::{CommandLine, Question};
use shell::Form;

/// The box needs somebody.
const NEEDS_YOU: u8 = 1;
/// Nobody answers.
const UNREACHABLE: u8 = 2;
/// The box is starting, or says a word that this program does not know.
const STARTING: u8 = 3;
/// The command line was not understood: `EX_USAGE` of sysexits.h.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let question = match CommandLine::try_parse() {
        Ok(line) => line.question,
        Err(error) => {
            // Help that cannot be printed has nowhere to complain.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let Question::Status { json, watch } = question;
    let form = Form::chosen(json);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime of one thread needs only an epoll descriptor");
    let answer = runtime.block_on(async {
        if watch { shell::watch(form).await } else { shell::status(form).await }
    });
    match answer.map(|status| status.light) {
        Ok(Light::Serving) => ExitCode::SUCCESS,
        Ok(Light::NeedsYou) => ExitCode::from(NEEDS_YOU),
        Ok(Light::Starting | Light::Unknown) => ExitCode::from(STARTING),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "porch: {error}");
            ExitCode::from(UNREACHABLE)
        }
    }
}

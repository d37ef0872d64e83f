//! `porch`: asks the box over the bus.

mod command_line;
mod shell;
mod text;
mod wan_text;

use std::io::Write;
use std::process::ExitCode;

use bus::home::Light;
use bus::wan::State;
use clap::Parser;
use command_line::{CommandLine, Question, WanQuestion};
use shell::{AskError, Form};

/// All is well.
const WELL: u8 = 0;
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
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime of one thread needs only an epoll descriptor");
    match runtime.block_on(ask(question)) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "porch: {error}");
            ExitCode::from(UNREACHABLE)
        }
    }
}

/// Asks `question`, prints the answer, and returns the exit status that it means.
async fn ask(question: Question) -> Result<u8, AskError> {
    match question {
        Question::Status { json, watch } => {
            let form = Form::chosen(json);
            let status = if watch { shell::watch(form).await } else { shell::status(form).await }?;
            Ok(match status.light {
                Light::Serving => WELL,
                Light::NeedsYou => NEEDS_YOU,
                Light::Starting | Light::Unknown => STARTING,
            })
        }
        Question::Wan { what: Some(WanQuestion::Why { last }), .. } => {
            shell::wan::why(last).await?;
            Ok(WELL)
        }
        Question::Wan { what: Some(WanQuestion::Join { line }), .. } => {
            shell::wan::join(&line.join(" ")).await?;
            Ok(WELL)
        }
        Question::Wan { what: None, watch, once } => {
            Ok(match shell::wan::show(watch, once).await?.manager.state {
                State::Online | State::Degraded => WELL,
                State::Offline | State::Captive => NEEDS_YOU,
                State::Unknown => STARTING,
            })
        }
    }
}

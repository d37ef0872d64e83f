//! `cargo xtask relay`: the tunnel's far end, as its owner copies it to a server.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::output;
use crate::packages::Places;
use crate::tools_root;

/// The crate, its program and its folder.
const NAME: &str = "relay";

/// Where the program is once it is [`build`]t.
pub(crate) fn program(places: &Places) -> PathBuf {
    places.workspace.join("target").join(NAME).join(NAME)
}

/// The verb.
///
/// # Errors
/// As [`build`].
pub(crate) fn run(places: &Places) -> Result<()> {
    build(places)?;
    output::say(format!("{}", program(places).with_file_name("").display()));
    Ok(())
}

/// Puts the program and its unit into `target/relay`.
///
/// # Errors
/// It does not compile, needs a library after all, or cannot be copied.
pub(crate) fn build(places: &Places) -> Result<()> {
    let tools = tools_root::ensure(places)?;
    let compiled = tools_root::compile_static(places, &tools, NAME)?;
    ensure!(is_static(&compiled)?, "{} asks for a loader: it is not static", compiled.display());
    let program = program(places);
    let folder = program.with_file_name("");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let unit = places.workspace.join("services/relay/relay.service");
    for (from, to) in [(&compiled, &program), (&unit, &folder.join("relay.service"))] {
        fs::copy(from, to).with_context(|| format!("cannot write {}", to.display()))?;
    }
    Ok(())
}

/// Whether no loader is asked for: no segment of the type `PT_INTERP` (elf(5), 64 bits).
fn is_static(file: &Path) -> Result<bool> {
    const PT_INTERP: u32 = 3;
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let short = || format!("{}: not a program of 64 bits", file.display());
    let at = |from: u64, length: usize| {
        let from = usize::try_from(from).ok()?;
        bytes.get(from..from.checked_add(length)?)
    };
    let number = |from: u64, length: usize| {
        let bytes = at(from, length)?.iter().rev();
        Some(bytes.fold(0_u64, |number, byte| number << 8 | u64::from(*byte)))
    };
    ensure!(at(0, 5) == Some(b"\x7fELF\x02"), short());
    let (table, size) = (number(32, 8).with_context(short)?, number(54, 2).with_context(short)?);
    let count = number(56, 2).with_context(short)?;
    for segment in 0..count {
        let kind = number(table + segment * size, 4).with_context(short)?;
        if kind == u64::from(PT_INTERP) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_needs_a_loader_is_told() {
        // This one does, wherever Rust's own target is the usual one.
        assert!(!is_static(&std::env::current_exe().unwrap()).unwrap());
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        assert!(is_static(&manifest).unwrap_err().to_string().contains("not a program"));
    }
}

//! UEFI firmware: OVMF without Secure Boot, and a copy of its variables for each box.
use super::command_line::escaped;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Debian's package `ovmf` puts it there. The 4 MiB build is the one that is still maintained.
const CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/// Firmware code, shared by all boxes, and the variables of one.
#[derive(Debug, Clone)]
pub struct Firmware {
    /// Read-only code.
    pub code: PathBuf,
    /// Variables, which the box writes.
    pub variables: PathBuf,
}

impl Firmware {
    /// Firmware that has never run; its variables are kept in `variables`.
    pub(super) fn factory_new(variables: &Path) -> Result<Self> {
        fs::copy(VARIABLES, variables)
            .with_context(|| format!("{VARIABLES} (Debian's package `ovmf`)"))?;
        Ok(Self { code: PathBuf::from(CODE), variables: variables.to_owned() })
    }
}

impl Firmware {
    /// QEMU's arguments for the two flash chips.
    pub(super) fn arguments(&self) -> [String; 4] {
        let flash = |unit: u8, file: &Path, options: &str| {
            format!("if=pflash,format=raw,unit={unit},file={}{options}", escaped(file))
        };
        let code = flash(0, &self.code, ",readonly=on");
        ["-drive".to_owned(), code, "-drive".to_owned(), flash(1, &self.variables, "")]
    }
}

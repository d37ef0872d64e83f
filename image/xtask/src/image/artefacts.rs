//! What a release has beside the disk image: the compressed download, the expected TPM measurement,
//! a bill of materials and the sums of all of them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::bill::bill_of_materials;
use crate::output::step;
use crate::packages::{Places, Sha256Hex};
use crate::tools_root::ToolsRoot;

/// The sections of a unified kernel image that systemd-stub measures into PCR 11, in its order
/// (systemd-stub(7), "TPM PCR Notes").
const MEASURED_SECTIONS: [(&str, &str); 6] = [
    (".linux", "--linux"),
    (".osrel", "--osrel"),
    (".cmdline", "--cmdline"),
    (".initrd", "--initrd"),
    (".uname", "--uname"),
    (".sbat", "--sbat"),
];

/// zstd's level for the download: above it, minutes buy a percent.
const DOWNLOAD_LEVEL: &str = "-15";

/// Writes everything beside `porchlight.raw` and `porchlight.efi` that is not there yet.
///
/// # Errors
/// A tool fails or the disk is full.
pub(super) fn write(
    places: &Places,
    tools: &ToolsRoot,
    folder: &Path,
    version: &str,
) -> Result<()> {
    compress(tools, folder)?;
    measurements(tools, folder)?;
    let manifest =
        fs::read_to_string(folder.join("porchlight.manifest")).context("mkosi left no manifest")?;
    let bill = bill_of_materials(places, &manifest, version)?;
    fs::write(folder.join("sbom.cdx.json"), serde_json::to_string_pretty(&bill)? + "\n")?;
    let mut sums = String::new();
    for name in ["measurements.json", "porchlight.efi", "porchlight.raw.zst", "sbom.cdx.json"] {
        let sum = Sha256Hex::of_file(&folder.join(name))?;
        sums.push_str(&format!("{sum}  {name}\n"));
    }
    fs::write(folder.join("SHA256SUMS"), sums)?;
    Ok(())
}

/// `porchlight.raw.zst`, unless it is newer than the disk.
pub(super) fn compress(tools: &ToolsRoot, folder: &Path) -> Result<()> {
    let (raw, compressed) = (folder.join("porchlight.raw"), folder.join("porchlight.raw.zst"));
    let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
    if modified(&compressed).is_ok_and(|made| modified(&raw).is_ok_and(|raw| raw < made)) {
        return Ok(());
    }
    let _step = step("compressing the image for download");
    let script = format!(
        "zstd {DOWNLOAD_LEVEL} --long=27 -T0 -q -f porchlight.raw -o porchlight.raw.zst.new && \
         mv porchlight.raw.zst.new porchlight.raw.zst"
    );
    run(tools, folder, &script)
}

/// The value PCR 11 has when exactly this kernel was started by a firmware that measures.
fn measurements(tools: &ToolsRoot, folder: &Path) -> Result<()> {
    let mut extract = String::new();
    let mut measure =
        "/usr/lib/systemd/systemd-measure calculate --json=short --bank=sha256".to_owned();
    for (section, option) in MEASURED_SECTIONS {
        let file = format!("/tmp/{}", section.trim_start_matches('.'));
        extract.push_str(&format!(
            "objcopy -O binary --only-section={section} \
             --set-section-flags {section}=alloc porchlight.efi {file}\n"
        ));
        measure.push_str(&format!(" {option}={file}"));
    }
    run(tools, folder, &format!("set -eu\n{extract}{measure} > measurements.raw\n"))?;
    let raw = folder.join("measurements.raw");
    let calculated: serde_json::Value = serde_json::from_str(&fs::read_to_string(&raw)?)
        .context("systemd-measure did not answer in JSON")?;
    fs::remove_file(raw)?;
    let text = serde_json::to_string_pretty(&json!({
        "schema": 1,
        "kernel_sha256": Sha256Hex::of_file(&folder.join("porchlight.efi"))?.as_str(),
        "pcr11": calculated,
    }))?;
    fs::write(folder.join("measurements.json"), text + "\n")?;
    Ok(())
}

fn run(tools: &ToolsRoot, folder: &Path, script: &str) -> Result<()> {
    let status = tools
        .enter()
        .bind(folder, "/image")
        .working_directory("/image")
        .command("sh")
        .args(["-c", script])
        .status()
        .context("cannot enter the tools root")?;
    ensure!(status.success(), "writing the artefacts in {} failed", folder.display());
    Ok(())
}

//! The bill of materials of an image in `CycloneDX` 1.6 (<https://cyclonedx.org/docs/1.6/json/>):
//! every Debian package in it, and every crate that the services are compiled from.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::packages::Places;

/// mkosi's manifest, as far as it is needed.
#[derive(Deserialize)]
struct Manifest {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    architecture: String,
}

/// `Cargo.lock`, as far as it is needed.
#[derive(Deserialize)]
struct CargoLock {
    package: Vec<Crate>,
}

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    /// Only crates of others have one.
    checksum: Option<String>,
}

/// The bill for the image whose packages are in `manifest`.
///
/// # Errors
/// The manifest or `Cargo.lock` is not what mkosi and cargo write.
pub(super) fn bill_of_materials(places: &Places, manifest: &str, version: &str) -> Result<Value> {
    let manifest: Manifest =
        serde_json::from_str(manifest).context("mkosi's manifest is not as expected")?;
    let lock = fs::read_to_string(places.workspace.join("Cargo.lock"))
        .context("cannot read Cargo.lock")?;
    let lock: CargoLock = toml::from_str(&lock).context("Cargo.lock is not as expected")?;
    let mut components: Vec<Value> = Vec::new();
    let mut seen = BTreeSet::new();
    for package in manifest.packages {
        let purl = format!(
            "pkg:deb/debian/{}@{}?arch={}&distro=trixie",
            package.name,
            package.version.replace('+', "%2B").replace(':', "%3A"),
            package.architecture
        );
        if seen.insert(purl.clone()) {
            components.push(json!({
                "type": "library", "bom-ref": purl, "purl": purl,
                "name": package.name, "version": package.version,
            }));
        }
    }
    for one in lock.package {
        let Some(checksum) = one.checksum else { continue };
        let purl = format!("pkg:cargo/{}@{}", one.name, one.version);
        components.push(json!({
            "type": "library", "bom-ref": purl, "purl": purl,
            "name": one.name, "version": one.version,
            "hashes": [{ "alg": "SHA-256", "content": checksum }],
        }));
    }
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": { "type": "operating-system", "name": "porchlight", "version": version },
        },
        "components": components,
    }))
}

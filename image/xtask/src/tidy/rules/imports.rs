//! Who may import whom: every edge between two members of the workspace has its place in the
//! table, and so has every library that only tools may use.
use std::collections::BTreeSet;

use anyhow::Context;
use serde::Deserialize;

use crate::tidy::finding::Finding;
use crate::tidy::rooms::{ROOMS, Room, TOOLS_ONLY};

/// The rule's name in a finding.
pub(in crate::tidy) const RULE: &str = "imports";

/// Where the table is, for the finding.
const TABLE: &str = "image/xtask/src/tidy/rooms.rs";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: String,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    path: Option<String>,
}

/// Holds the answer of `cargo metadata --no-deps` against the table.
///
/// # Errors
/// Text that is not that answer.
pub(in crate::tidy) fn check(metadata: &str) -> anyhow::Result<Vec<Finding>> {
    check_against(metadata, ROOMS)
}

fn check_against(metadata: &str, rooms: &[Room]) -> anyhow::Result<Vec<Finding>> {
    let metadata: Metadata =
        serde_json::from_str(metadata).context("cargo metadata gave an answer of another shape")?;
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let manifest = package
            .manifest_path
            .strip_prefix(&metadata.workspace_root)
            .unwrap_or(&package.manifest_path)
            .trim_start_matches('/');
        match rooms.iter().find(|room| room.name == package.name) {
            Some(room) => check_room(room, package, manifest, &mut findings),
            None => findings.push(Finding::wall(
                manifest,
                0,
                RULE,
                format!("`{}` has no row in {TABLE}; say there what it may import", package.name),
            )),
        }
    }
    let members: BTreeSet<_> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    for room in rooms.iter().filter(|room| !members.contains(room.name)) {
        let what = format!("the row `{}` names no member of the workspace; remove it", room.name);
        findings.push(Finding::wall(TABLE, 0, RULE, what));
    }
    Ok(findings)
}

fn check_room(room: &Room, package: &Package, manifest: &str, findings: &mut Vec<Finding>) {
    for dependency in &package.dependencies {
        let (from, to) = (room.name, dependency.name.as_str());
        if dependency.path.is_some() {
            if !room.may_import.contains(&to) {
                let row = if room.may_import.is_empty() {
                    "nothing of ours".to_owned()
                } else {
                    room.may_import.join(", ")
                };
                let what = format!(
                    "{from} → {to} is not in the import table: the row `{from}` allows {row}; \
                     go over the bus, or change {TABLE} and say why in the commit"
                );
                findings.push(Finding::wall(manifest, 0, RULE, what));
            }
        } else if room.is_alone {
            let what = format!("{from} → {to}: the row `{from}` allows no dependency at all");
            findings.push(Finding::wall(manifest, 0, RULE, what));
        } else if TOOLS_ONLY.contains(&to) && !room.is_tool {
            let what = format!(
                "{from} → {to}: only tools use `{to}`; in a service write one error enum per \
                 operation with thiserror"
            );
            findings.push(Finding::wall(manifest, 0, RULE, what));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Room, check_against};

    const ROOMS: &[Room] = &[
        Room { is_alone: true, ..Room::service("units", &[]) },
        Room::service("bus", &["units"]),
        Room { is_tool: true, ..Room::service("xtask", &[]) },
    ];

    fn found(packages: &[(&str, &[(&str, bool)])]) -> Vec<String> {
        let packages: Vec<_> = packages
            .iter()
            .map(|(name, edges)| {
                let edges: Vec<_> = edges
                    .iter()
                    .map(|(to, ours)| {
                        serde_json::json!({ "name": to, "path": ours.then_some("/r/x") })
                    })
                    .collect();
                serde_json::json!({
                    "name": name,
                    "manifest_path": format!("/r/services/{name}/Cargo.toml"),
                    "dependencies": edges,
                })
            })
            .collect();
        let metadata = serde_json::json!({ "packages": packages, "workspace_root": "/r" });
        let findings = check_against(&metadata.to_string(), ROOMS).unwrap();
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn edges_of_the_table_pass() {
        let packages: &[(&str, &[(&str, bool)])] = &[
            ("units", &[]),
            ("bus", &[("units", true), ("zbus", false)]),
            ("xtask", &[("anyhow", false)]),
        ];
        assert!(found(packages).is_empty());
    }

    #[test]
    fn an_edge_outside_the_table_is_named_with_its_row() {
        let list =
            found(&[("units", &[("bus", true)]), ("bus", &[("xtask", true)]), ("xtask", &[])]);
        assert_eq!(list.len(), 2);
        assert!(list[0].starts_with("services/units/Cargo.toml: imports: units → bus"));
        assert!(list[0].contains("allows nothing of ours"));
        assert!(list[1].contains("bus → xtask") && list[1].contains("the row `bus` allows units"));
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_are_found() {
        let list = found(&[("units", &[]), ("bus", &[]), ("attic", &[])]);
        assert!(list[0].contains("`attic` has no row"));
        assert!(list[1].contains("the row `xtask` names no member"));
    }

    #[test]
    fn a_library_for_tools_is_kept_out_of_services() {
        let list =
            found(&[("units", &[("serde", false)]), ("bus", &[("anyhow", false)]), ("xtask", &[])]);
        assert!(list[0].contains("units → serde"));
        assert!(list[1].contains("bus → anyhow"));
    }
}

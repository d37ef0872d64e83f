//! The dependency table of the workspace: exact versions, each with a reason; members take
//! everything from it, lints included.
use std::collections::BTreeSet;

use crate::tidy::finding::Finding;

/// The rule's name in a finding.
pub(in crate::tidy) const RULE: &str = "manifests";

/// Reads the root manifest; `members` are the texts of all the others.
pub(in crate::tidy) fn check_root(
    path: &str,
    text: &str,
    members: &[&str],
    findings: &mut Vec<Finding>,
) {
    let used: BTreeSet<_> = members.iter().flat_map(|text| dependencies(text)).collect();
    let mut section = "";
    let mut in_members = false;
    for (index, line) in text.lines().enumerate() {
        let mut say = |what: String| findings.push(Finding::wall(path, index + 1, RULE, what));
        let line = line.trim();
        if line.starts_with('[') && !in_members {
            section = line;
        }
        if section == "[workspace]" {
            if in_members && line.starts_with('"') && comment(line).is_none() {
                say(format!("the member {line} has no comment; say in a line what it is"));
            }
            in_members = (in_members || line.starts_with("members")) && !line.starts_with(']');
        }
        if section == "[workspace.dependencies]"
            && let Some(name) = key(line)
        {
            if !used.contains(name) {
                say(format!("no member uses `{name}`; remove it"));
            }
            if line.contains("path = ") {
                continue;
            }
            if !line.contains("\"=") {
                say(format!("`{name}` has no exact version; write version = \"=1.2.3\""));
            }
            if comment(line).is_none() {
                say(format!("`{name}` has no reason; say after a # why we need it"));
            }
        }
    }
}

/// Reads the manifest of a member.
pub(in crate::tidy) fn check_member(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let mut section = "";
    for (index, line) in text.lines().enumerate() {
        let mut say = |what: String| findings.push(Finding::wall(path, index + 1, RULE, what));
        let line = line.trim();
        if line.starts_with('[') {
            section = line;
            if let Some(name) = table_dependency(line) {
                say(format!("`{name}` has a table of its own; write it in one line"));
            }
        } else if section.ends_with("dependencies]")
            // A workspace of its own has a table of its own, read as the root's is.
            && section != "[workspace.dependencies]"
            && let Some(name) = key(line)
            && !line.contains("workspace = true")
        {
            let what = format!(
                "`{name}` does not come from the table in the root Cargo.toml; write \
                 {name}.workspace = true"
            );
            say(what);
        }
    }
    let inherits = text.lines().scan("", |section, line| {
        let line = line.trim();
        if line.starts_with('[') {
            *section = line;
        }
        Some(*section == "[lints]" && line.replace(' ', "") == "workspace=true")
    });
    if !inherits.into_iter().any(|found| found) {
        let what = "the lints of the workspace are not inherited; add [lints] workspace = true";
        findings.push(Finding::wall(path, 0, RULE, what));
    }
}

/// The names a member's manifest takes.
fn dependencies(text: &str) -> impl Iterator<Item = &str> {
    let mut section = "";
    text.lines().filter_map(move |line| {
        let line = line.trim();
        if line.starts_with('[') {
            section = line;
            return table_dependency(line);
        }
        if section.ends_with("dependencies]") { key(line) } else { None }
    })
}

/// `[dependencies.name]` → `name`.
fn table_dependency(line: &str) -> Option<&str> {
    line.split_once("dependencies.").map(|(_, name)| name.trim_end_matches(']'))
}

/// The first part of a key, or nothing on a line that sets none.
fn key(line: &str) -> Option<&str> {
    if line.starts_with('#') || !line.contains('=') {
        return None;
    }
    line.split(['=', '.', ' ']).next().filter(|name| !name.is_empty())
}

/// What stands after the `#` that is not inside quotes.
fn comment(line: &str) -> Option<&str> {
    let mut quoted = false;
    for (at, character) in line.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '#' if !quoted => return Some(line[at + 1..].trim()).filter(|text| !text.is_empty()),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{check_member, check_root};

    fn root(text: &str, members: &[&str]) -> Vec<String> {
        let mut findings = Vec::new();
        check_root("Cargo.toml", text, members, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    fn member(text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check_member("a/Cargo.toml", text, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_good_table_passes() {
        let text = "[workspace]\nmembers = [\n    \"a\", # the attic\n]\n\
                    [workspace.dependencies]\nunits = { path = \"units\" }\n\
                    serde = { version = \"=1.0.1\", features = [\"a#b\"] } # data\n";
        assert_eq!(
            root(
                text,
                &["[dependencies]\nunits.workspace = true\n\
             serde = { workspace = true, features = [\"x\"] }\n"]
            ),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_loose_version_a_missing_reason_and_an_unused_row_are_found() {
        let text = "[workspace]\nmembers = [\n    \"a\",\n]\n[workspace.dependencies]\n\
                    serde = { version = \"1\" } # data\ntoml = { version = \"=1.0.0\" }\n\
                    nix = { version = \"=1.0.0\" } # calls\n";
        let list =
            root(text, &["[dev-dependencies]\nserde.workspace = true\ntoml.workspace = true"]);
        assert_eq!(list.len(), 4);
        assert!(list[0].starts_with("Cargo.toml:3:") && list[0].contains("no comment"));
        assert!(list[1].starts_with("Cargo.toml:6:") && list[1].contains("no exact version"));
        assert!(list[2].starts_with("Cargo.toml:7:") && list[2].contains("no reason"));
        assert!(list[3].contains("no member uses `nix`"));
    }

    #[test]
    fn a_workspace_of_its_own_has_a_table_of_its_own() {
        let text = "[workspace]\n[workspace.dependencies]\na = \"=1.0.0\" # data\n\
                    [lints]\nworkspace = true\n[dependencies]\na.workspace = true\n";
        assert!(member(text).is_empty() && root(text, &[text]).is_empty());
        let loose = text.replace("=1.0.0\" # data", "1\"");
        assert_eq!(root(&loose, &[&loose]).len(), 2);
    }

    #[test]
    fn a_member_takes_everything_from_the_table() {
        assert!(
            member("[lints]\nworkspace = true\n[dependencies]\na.workspace = true\n").is_empty()
        );
        let list = member("[dependencies]\na = \"1\"\n[dependencies.b]\nversion = \"1\"\n");
        assert!(list[0].contains("`a` does not come from the table"));
        assert!(list[1].contains("`b` has a table of its own"));
        assert!(list[2].contains("lints of the workspace are not inherited"));
    }
}

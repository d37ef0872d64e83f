//! Nothing is named for its shape: a room called `utils` collects everything.
use crate::tidy::finding::Finding;
use crate::tidy::source::{RustFile, words};
use crate::tidy::tree::TreeFile;

/// The rule's name in a finding.
pub(in crate::tidy) const RULE: &str = "names";

/// Names for crates, folders and modules that say nothing about what is inside.
const BANNED: [&str; 8] =
    ["common", "utils", "util", "helpers", "helper", "misc", "stuff", "manager2"];

/// Reads the paths of the tree.
pub(in crate::tidy) fn check_path(file: &TreeFile, findings: &mut Vec<Finding>) {
    if !(file.path.ends_with(".rs") || file.name() == "Cargo.toml") {
        return;
    }
    for part in file.path.split('/') {
        let part = part.strip_suffix(".rs").unwrap_or(part);
        if BANNED.contains(&part) {
            findings.push(Finding::wall(&file.path, 0, RULE, advice(part)));
        }
    }
}

/// Reads the modules inside a file.
pub(in crate::tidy) fn check_modules(file: &RustFile, findings: &mut Vec<Finding>) {
    for line in &file.lines {
        for at in words(&line.code, "mod") {
            let name = line.code[at + 3..].trim_start();
            let name = name.split(|c: char| !(c.is_alphanumeric() || c == '_')).next();
            let name = name.unwrap_or_default();
            // A module with a file of its own is found by its path.
            if BANNED.contains(&name) && line.code.contains('{') {
                findings.push(Finding::wall(&file.path, line.number, RULE, advice(name)));
            }
        }
    }
}

fn advice(name: &str) -> String {
    format!("`{name}` says nothing; name it for the one thing it does")
}

#[cfg(test)]
mod tests {
    use super::{RustFile, TreeFile, check_modules, check_path};

    fn found_in_path(path: &str) -> usize {
        let file = TreeFile::plain(path, "");
        let mut findings = Vec::new();
        check_path(&file, &mut findings);
        findings.len()
    }

    #[test]
    fn a_file_or_folder_named_for_its_shape_is_found() {
        assert_eq!(found_in_path("services/common/Cargo.toml"), 1);
        assert_eq!(found_in_path("services/home/src/utils.rs"), 1);
        assert_eq!(found_in_path("services/home/src/helpers/light.rs"), 1);
        assert_eq!(found_in_path("services/home/src/light.rs"), 0);
        assert_eq!(found_in_path("overlays/10-base/usr/share/common/x"), 0);
    }

    #[test]
    fn so_is_a_module_inside_a_file() {
        let mut findings = Vec::new();
        let file = RustFile::new("a.rs", "mod light {}\nmod utils {\n}\n");
        check_modules(&file, &mut findings);
        assert_eq!(findings.iter().map(|f| f.line).collect::<Vec<_>>(), [2]);
    }
}

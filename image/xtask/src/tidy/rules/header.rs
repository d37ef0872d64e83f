//! Every Rust file begins with a `//!` header that says what it is for.
use crate::tidy::finding::Finding;
use crate::tidy::source::RustFile;

/// The rule's name in a finding.
pub(in crate::tidy) const RULE: &str = "header";

/// Headers that say nothing.
const EMPTY_WORDS: [&str; 2] = ["//!", "//! Not yet."];

/// Looks at the first line.
pub(in crate::tidy) fn check(file: &RustFile, findings: &mut Vec<Finding>) {
    let first = file.lines.iter().map(|line| line.raw.trim()).find(|line| !line.is_empty());
    let first = first.unwrap_or_default();
    if !first.starts_with("//!") {
        let what = "no `//!` header; say in a line or two what this file is for";
        findings.push(Finding::wall(&file.path, 1, RULE, what));
    } else if EMPTY_WORDS.contains(&first) {
        let what = format!("`{first}` says nothing; fill the room or remove the file");
        findings.push(Finding::wall(&file.path, 1, RULE, what));
    }
}

#[cfg(test)]
mod tests {
    use super::{RustFile, check};

    fn found(text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check(&RustFile::new("a.rs", text), &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        assert!(found("use std::fs;\n")[0].starts_with("a.rs:1: header: no `//!` header"));
        assert_eq!(found("").len(), 1);
        assert_eq!(found("//! Not yet.\n").len(), 1);
    }

    #[test]
    fn a_header_passes() {
        assert!(found("//! The light.\nuse std::fs;\n").is_empty());
    }
}

//! Lints are relaxed on one item, with a reason, and only as long as they fire: `#[expect]`.
use crate::tidy::finding::Finding;
use crate::tidy::source::{RustFile, words};

/// The rule's name in a finding.
pub(in crate::tidy) const RULE: &str = "attributes";

/// How many lines an attribute may take.
const ATTRIBUTE_LINES_MAX: usize = 12;

/// Reads the attributes of one file.
pub(in crate::tidy) fn check(file: &RustFile, findings: &mut Vec<Finding>) {
    for (index, line) in file.lines.iter().enumerate() {
        let code = line.code.trim_start();
        if !code.starts_with('#') {
            continue;
        }
        if has_attribute(code, "allow") {
            let what = "`allow` outlives its cause; write #[expect(lint, reason = \"…\")] on the \
                        item";
            findings.push(Finding::wall(&file.path, line.number, RULE, what));
        }
        if has_attribute(code, "expect") {
            let whole: String = file.lines[index..]
                .iter()
                .take(ATTRIBUTE_LINES_MAX)
                .scan(false, |ended, line| {
                    let before = *ended;
                    *ended = line.code.contains(']');
                    (!before).then_some(line.code.as_str())
                })
                .collect();
            if words(&whole, "reason").is_empty() {
                let what = "an `expect` without its reason; add reason = \"…\"";
                findings.push(Finding::wall(&file.path, line.number, RULE, what));
            }
        }
    }
}

/// `#[name(`, `#![name(` or one inside `cfg_attr`.
fn has_attribute(code: &str, name: &str) -> bool {
    words(code, name).into_iter().any(|at| {
        let before = code[..at].trim_end();
        let opens = before.ends_with('[') || (before.ends_with(',') && before.contains("cfg_attr"));
        opens && code[at + name.len()..].starts_with('(')
    })
}

#[cfg(test)]
mod tests {
    use super::{RustFile, check};

    fn lines(text: &str) -> Vec<usize> {
        let mut findings = Vec::new();
        check(&RustFile::new("a.rs", text), &mut findings);
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn an_allow_is_found_wherever_it_hides() {
        assert_eq!(lines("#![allow(unused)]\n#[allow(dead_code)]\nfn a() {}\n"), [1, 2]);
        assert_eq!(lines("#[cfg_attr(test, allow(unused))]\nfn a() {}\n"), [1]);
    }

    #[test]
    fn an_expect_needs_a_reason() {
        assert_eq!(lines("#[expect(dead_code)]\nfn a() {}\n"), [1]);
        assert!(lines("#[expect(dead_code, reason = \"later\")]\nfn a() {}\n").is_empty());
        assert!(lines("#[expect(\n    dead_code,\n    reason = \"x\"\n)]\nfn a() {}\n").is_empty());
        assert_eq!(lines("#[expect(dead_code)]\nfn reason() {}\n"), [1]);
    }

    #[test]
    fn calls_are_no_attributes() {
        assert!(lines("fn a() { b.expect(\"c\"); allow(); }\n").is_empty());
    }
}

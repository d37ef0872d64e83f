//! Small everything: files, functions, `main.rs` and lines have a length.
use crate::tidy::finding::Finding;
use crate::tidy::source::RustFile;

/// The rule's name in a finding.
pub(in crate::tidy) const RULE: &str = "length";

/// Lines of a file above which a reviewer asks why.
const FILE_LINES_QUESTION: usize = 500;
/// Lines of a file at which it must be split.
const FILE_LINES_MAX: usize = 800;
/// Lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Lines of a `main.rs`: it parses, builds and runs.
const MAIN_LINES_MAX: usize = 80;
/// Columns of a line.
const LINE_COLUMNS_MAX: usize = 100;

const _: () = assert!(FILE_LINES_QUESTION < FILE_LINES_MAX);

/// Measures one file.
pub(in crate::tidy) fn check(file: &RustFile, findings: &mut Vec<Finding>) {
    let path = &file.path;
    let lines = file.lines.len();
    if lines > FILE_LINES_MAX {
        let what = format!("{lines} lines, {FILE_LINES_MAX} at most; split it by what it does");
        findings.push(Finding::wall(path, 0, RULE, what));
    } else if lines > FILE_LINES_QUESTION {
        let what =
            format!("{lines} lines; ask why, over {FILE_LINES_QUESTION} is rarely one thing");
        findings.push(Finding::question(path, 0, RULE, what));
    }
    if path.ends_with("/main.rs") && lines > MAIN_LINES_MAX {
        let what = format!("{lines} lines, {MAIN_LINES_MAX} at most; main parses, builds and runs");
        findings.push(Finding::wall(path, 0, RULE, what));
    }
    for function in file.functions() {
        let length = function.last_line - function.first_line + 1;
        if length > FUNCTION_LINES_MAX {
            let what = format!(
                "`{}` has {length} lines, {FUNCTION_LINES_MAX} at most; give its steps names",
                function.name
            );
            findings.push(Finding::wall(path, function.first_line, RULE, what));
        }
    }
    for line in &file.lines {
        let columns = line.raw.chars().count();
        if columns > LINE_COLUMNS_MAX {
            let what = format!("{columns} columns, {LINE_COLUMNS_MAX} at most; break the line");
            findings.push(Finding::wall(path, line.number, RULE, what));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Finding, RustFile, check};
    use crate::tidy::finding::Weight;

    fn found(path: &str, text: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        check(&RustFile::new(path, text), &mut findings);
        findings
    }

    #[test]
    fn a_long_file_is_asked_about_and_a_longer_one_stopped() {
        assert!(found("a.rs", &"\n".repeat(500)).is_empty());
        assert_eq!(found("a.rs", &"\n".repeat(501))[0].weight, Weight::Question);
        assert_eq!(found("a.rs", &"\n".repeat(800))[0].weight, Weight::Question);
        assert_eq!(found("a.rs", &"\n".repeat(801))[0].weight, Weight::Wall);
    }

    #[test]
    fn a_main_of_more_than_eighty_lines_is_found() {
        assert!(found("services/home/src/main.rs", &"\n".repeat(80)).is_empty());
        assert_eq!(found("services/home/src/main.rs", &"\n".repeat(81)).len(), 1);
    }

    #[test]
    fn a_function_of_more_than_seventy_lines_is_found() {
        let function = |lines: usize| format!("\nfn long() {{\n{}}}\n", "    a();\n".repeat(lines));
        assert!(found("a.rs", &function(68)).is_empty());
        let list = found("a.rs", &function(69));
        assert_eq!(list[0].line, 2);
        assert!(list[0].what.contains("`long` has 71 lines"));
    }

    #[test]
    fn a_line_of_more_than_a_hundred_columns_is_found() {
        assert!(found("a.rs", &"é".repeat(100)).is_empty());
        assert_eq!(found("a.rs", &"é".repeat(101)).len(), 1);
    }
}

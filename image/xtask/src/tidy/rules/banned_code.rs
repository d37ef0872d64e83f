//! Words that do not belong in the code, each with what to write instead.
use crate::tidy::finding::Finding;
use crate::tidy::source::{Line, RustFile, words};

/// The rule's name in a finding.
pub(in crate::tidy) const RULE: &str = "banned-code";

/// Where a ban holds.
#[derive(Clone, Copy)]
enum Where {
    Everywhere,
    /// In what ships.
    Shipped,
    /// In what only tests build.
    Tests,
}

struct Ban {
    name: &'static str,
    holds: Where,
    instead: &'static str,
}

const fn ban(name: &'static str, holds: Where, instead: &'static str) -> Ban {
    Ban { name, holds, instead }
}

const BANS: &[Ban] = &[
    // One crate may: tenant-exec, once it exists, and its folder is then named here.
    ban("unsafe", Where::Everywhere, "use a crate that wraps the call in safe types"),
    ban(".unwrap()", Where::Shipped, "return the error, or expect(\"…\") the invariant"),
    ban("dbg!", Where::Everywhere, "remove it, or trace an event"),
    ban("todo!", Where::Everywhere, "write it or leave it out"),
    ban("unimplemented!", Where::Everywhere, "write it or leave it out"),
    ban("unbounded_channel", Where::Everywhere, "give the queue a bound and name it"),
    ban("unbounded", Where::Everywhere, "give the queue a bound and name it"),
    ban("UnboundedSender", Where::Everywhere, "give the queue a bound and name it"),
    ban("thread::sleep", Where::Tests, "wait for the condition, with a deadline"),
    ban("time::sleep", Where::Tests, "wait for the condition, with a deadline"),
];

/// Marks of unfinished work. They are put together here so that this file may be read by its rule.
const MARKS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Reads the code of one file.
pub(in crate::tidy) fn check(file: &RustFile, findings: &mut Vec<Finding>) {
    for line in &file.lines {
        for ban in BANS.iter().filter(|ban| applies(ban.holds, line)) {
            if !words(&line.code, ban.name).is_empty() {
                let what = format!("`{}` does not belong here; {}", ban.name, ban.instead);
                findings.push(Finding::wall(&file.path, line.number, RULE, what));
            }
        }
    }
    for (number, path) in file.imports() {
        let line = &file.lines[number - 1];
        let sleeps = path == "std::thread::sleep" || path == "tokio::time::sleep";
        let seen = line.code.contains("thread::sleep") || line.code.contains("time::sleep");
        if line.test && sleeps && !seen {
            let what = format!("`{path}` in tests; wait for the condition, with a deadline");
            findings.push(Finding::wall(&file.path, number, RULE, what));
        }
    }
}

/// Looks for marks of unfinished work in any text.
pub(in crate::tidy) fn check_marks(path: &str, text: &str, findings: &mut Vec<Finding>) {
    for (index, line) in text.lines().enumerate() {
        for mark in MARKS {
            if !words(line, mark).is_empty() {
                let what = format!("`{mark}` left behind; finish it, or open an issue and say so");
                findings.push(Finding::wall(path, index + 1, RULE, what));
            }
        }
    }
}

fn applies(holds: Where, line: &Line) -> bool {
    match holds {
        Where::Everywhere => true,
        Where::Shipped => !line.test,
        Where::Tests => line.test,
    }
}

#[cfg(test)]
mod tests {
    use super::{MARKS, RustFile, check, check_marks};

    fn lines(text: &str) -> Vec<usize> {
        let mut findings = Vec::new();
        check(&RustFile::new("services/home/src/light.rs", text), &mut findings);
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn each_banned_word_is_found_once() {
        for ban in super::BANS {
            let code = match ban.name {
                ".unwrap()" => "x.unwrap();".to_owned(),
                name => format!("{name};"),
            };
            let text = format!("fn a() {{\n{code}\n}}\n#[cfg(test)]\nmod tests {{\n{code}\n}}\n");
            let expected: &[usize] = match ban.holds {
                super::Where::Everywhere => &[2, 6],
                super::Where::Shipped => &[2],
                super::Where::Tests => &[6],
            };
            assert_eq!(lines(&text), expected, "{}", ban.name);
        }
    }

    #[test]
    fn a_sleep_brought_in_by_braces_is_found() {
        let text = "#[cfg(test)]\nmod tests {\n    use std::thread::{self, sleep};\n}\n";
        assert_eq!(lines(text), [3]);
    }

    #[test]
    fn words_like_them_pass() {
        let text = "#![forbid(unsafe_code)]\nfn a() { x.unwrap_or(1); \"unsafe\"; } // dbg!\n";
        assert!(lines(text).is_empty());
    }

    #[test]
    fn unfinished_work_is_found_in_any_text() {
        for mark in MARKS {
            let mut findings = Vec::new();
            check_marks("recipes/a.toml", &format!("a = 1\n# {mark}: b\n"), &mut findings);
            assert_eq!(findings[0].line, 2);
        }
    }
}

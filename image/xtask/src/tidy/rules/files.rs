//! Modes of what goes into the image: runnable exactly when it is a program. Git keeps no other
//! bit, and the rest of a mode would come from somebody's umask.
use crate::tidy::finding::Finding;
use crate::tidy::tree::TreeFile;

/// The rule's name in a finding.
pub(in crate::tidy) const RULE: &str = "files";

/// Trees that are copied into the image with their modes.
const FOLDERS: [&str; 2] = ["overlays/", "recipes/"];

/// Reads one file of the tree.
pub(in crate::tidy) fn check(file: &TreeFile, findings: &mut Vec<Finding>) {
    if !FOLDERS.iter().any(|folder| file.is_below(folder)) {
        return;
    }
    let Some(text) = &file.text else {
        return;
    };
    let script = text.starts_with("#!");
    if file.executable && !script {
        let what = "runnable but no program: chmod 644, or begin it with #!";
        findings.push(Finding::wall(&file.path, 0, RULE, what));
    } else if script && !file.executable {
        let what = "begins with #! but is not runnable: chmod 755";
        findings.push(Finding::wall(&file.path, 0, RULE, what));
    }
}

#[cfg(test)]
mod tests {
    use super::{TreeFile, check};

    fn found(path: &str, text: &str, executable: bool) -> usize {
        let file = TreeFile { executable, ..TreeFile::plain(path, text) };
        let mut findings = Vec::new();
        check(&file, &mut findings);
        findings.len()
    }

    #[test]
    fn a_program_is_runnable_and_nothing_else_is() {
        assert_eq!(found("overlays/10-base/etc/a.conf", "a=1\n", true), 1);
        assert_eq!(found("overlays/10-base/usr/bin/a", "#!/bin/sh\n", false), 1);
        assert_eq!(found("overlays/10-base/usr/bin/a", "#!/bin/sh\n", true), 0);
        assert_eq!(found("recipes/home/a.service", "[Unit]\n", false), 0);
        assert_eq!(found("image/a", "a\n", true), 0);
    }
}

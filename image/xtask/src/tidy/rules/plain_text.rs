//! What holds for any text in the tree: clean line ends, and no path that exists on one
//! machine only.
use crate::tidy::finding::Finding;
use crate::tidy::tree::TreeFile;

/// The rule's name in a finding.
pub(in crate::tidy) const RULE: &str = "plain-text";

/// Starts of paths that only one machine has; put together here so that this file passes itself.
/// Each is followed by a name.
const FOREIGN: [&str; 4] =
    [concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("/ro", "ot/"), concat!("/wo", "rk/")];

/// A neighbour of the checkout, which a clone does not have.
const NEIGHBOUR: &str = concat!("../sha", "red");

/// Texts written by others, kept as they came.
const NOT_OURS: [&str; 2] = ["LICENSE-", "Cargo.lock"];

/// Folders of data that tests read: captured or found as it was.
const DATA_FOLDERS: [&str; 2] = ["qemu-tests/data/", "services/fuzz/seeds/"];

/// Reads one file of the tree.
pub(in crate::tidy) fn check(file: &TreeFile, findings: &mut Vec<Finding>) {
    let Some(text) = &file.text else {
        return;
    };
    if NOT_OURS.iter().any(|start| file.name().starts_with(start))
        || DATA_FOLDERS.iter().any(|folder| file.is_below(folder))
    {
        return;
    }
    for (index, line) in text.split('\n').enumerate() {
        let mut say =
            |what: String| findings.push(Finding::wall(&file.path, index + 1, RULE, what));
        if line.ends_with('\r') {
            say("a carriage return; lines end with a line feed alone".to_owned());
        } else if line.ends_with([' ', '\t']) {
            say("blanks at the end of the line; remove them".to_owned());
        }
        if let Some(path) = foreign_path(line) {
            say(format!("`{path}` exists on one machine only; take it from the caller"));
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        let what = "the last line has no end; add a line feed";
        findings.push(Finding::wall(&file.path, text.lines().count(), RULE, what));
    }
}

fn foreign_path(line: &str) -> Option<&str> {
    if let Some(at) = line.find(NEIGHBOUR) {
        return Some(&line[at..at + NEIGHBOUR.len()]);
    }
    FOREIGN.iter().find_map(|start| {
        line.match_indices(start).find_map(|(at, _)| {
            let begins = !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}".contains(c));
            let name = line[at + start.len()..]
                .find(|c: char| !(c.is_alphanumeric() || "._-".contains(c)))
                .unwrap_or(line.len() - at - start.len());
            let named = line[at + start.len()..].starts_with(|c: char| c.is_alphanumeric());
            (begins && named).then(|| &line[at..at + start.len() + name])
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{FOREIGN, NEIGHBOUR, TreeFile, check};

    fn found(path: &str, text: &str) -> Vec<String> {
        let file = TreeFile {
            path: path.to_owned(),
            text: Some(text.to_owned()),
            is_link: false,
            executable: false,
        };
        let mut findings = Vec::new();
        check(&file, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn blanks_returns_and_open_ends_are_found() {
        assert!(found("a.toml", "a = 1 \n")[0].starts_with("a.toml:1: plain-text: blanks"));
        assert!(found("a.toml", "a = 1\r\n")[0].contains("carriage return"));
        assert!(found("a.toml", "a = 1\nb = 2")[0].starts_with("a.toml:2:"));
        assert!(found("a.toml", "a = 1\n").is_empty());
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        for start in FOREIGN {
            let list = found("a.rs", &format!("let a = \"{start}ada/src\";\n"));
            assert!(list[0].contains(&format!("`{start}ada`")), "{start}");
        }
        assert_eq!(found("a.md", &format!("see {NEIGHBOUR}/notes\n")).len(), 1);
    }

    #[test]
    fn addresses_and_folders_alone_pass() {
        let home = FOREIGN[0];
        assert!(found("a.rs", &format!("//! https://a.example{home}page\n")).is_empty());
        assert!(found("a.rs", &format!("let a = \"{home}\";\n")).is_empty());
    }

    #[test]
    fn what_others_wrote_is_left_alone() {
        assert!(found("LICENSE-MIT", "a \n").is_empty());
        assert!(found("qemu-tests/data/a.csv", "a \n").is_empty());
    }
}

//! The map in `services/ARCHITECTURE.md` stays true: each room is on it once, each invariant
//! names the test that holds it, and every room has its own README.
use std::collections::BTreeSet;

use crate::tidy::finding::Finding;

/// The rule's name in a finding.
pub(in crate::tidy) const RULE: &str = "architecture";

/// Where the map is.
pub(in crate::tidy) const MAP: &str = "services/ARCHITECTURE.md";

/// Lines of a map that is still read.
const MAP_LINES_MAX: usize = 200;

/// Reads the map. `rooms` are the folders in `services/`, `tests` the names of all test
/// functions, `rules` the names of tidy's rules: an invariant may name one of either.
pub(in crate::tidy) fn check_map(
    text: Option<&str>,
    rooms: &BTreeSet<&str>,
    tests: &BTreeSet<String>,
    rules: &[&str],
    findings: &mut Vec<Finding>,
) {
    let Some(text) = text else {
        findings.push(Finding::wall(MAP, 0, RULE, "there is no map; write one"));
        return;
    };
    let lines = text.lines().count();
    if lines > MAP_LINES_MAX {
        let what =
            format!("{lines} lines, {MAP_LINES_MAX} at most; details live beside their code");
        findings.push(Finding::wall(MAP, 0, RULE, what));
    }
    let rows: Vec<_> = text
        .lines()
        .enumerate()
        .filter_map(|(index, line)| Some((index + 1, room_of_row(line)?)))
        .collect();
    for room in rooms {
        let count = rows.iter().filter(|(_, name)| name == room).count();
        if count != 1 {
            let what = format!("`{room}` has {count} rows `| `{room}` | … |`; give it exactly one");
            findings.push(Finding::wall(MAP, 0, RULE, what));
        }
    }
    for (line, room) in rows {
        if !rooms.contains(room) {
            let what = format!("the row `{room}` names no folder in services/; remove it");
            findings.push(Finding::wall(MAP, line, RULE, what));
        }
    }
    for (index, line) in text.lines().enumerate() {
        if line.contains("**Invariant:**") && !names_proof(line, tests, rules) {
            let what = "an invariant that names no test; put the test's function in backticks, \
                        or `tidy: RULE`";
            findings.push(Finding::wall(MAP, index + 1, RULE, what));
        }
    }
}

/// Each room has a README.
pub(in crate::tidy) fn check_readmes(
    rooms: &BTreeSet<&str>,
    paths: &BTreeSet<&str>,
    findings: &mut Vec<Finding>,
) {
    for room in rooms {
        let readme = format!("services/{room}/README.md");
        if !paths.contains(readme.as_str()) {
            let what = "missing; say what the room is for, what it promises and how to try it";
            findings.push(Finding::wall(readme, 0, RULE, what));
        }
    }
}

/// `` | `home` | … `` → `home`.
fn room_of_row(line: &str) -> Option<&str> {
    let rest = line.trim().strip_prefix("| `")?;
    let (name, rest) = rest.split_once('`')?;
    rest.trim_start().starts_with('|').then_some(name)
}

fn names_proof(line: &str, tests: &BTreeSet<String>, rules: &[&str]) -> bool {
    line.split('`').skip(1).step_by(2).any(|quoted| match quoted.strip_prefix("tidy: ") {
        Some(rule) => rules.contains(&rule),
        None => quoted.rsplit("::").next().is_some_and(|name| tests.contains(name)),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{check_map, check_readmes};

    fn found(text: Option<&str>) -> Vec<String> {
        let mut findings = Vec::new();
        let rooms = BTreeSet::from(["home", "units"]);
        let tests = BTreeSet::from(["light_is_derived".to_owned()]);
        check_map(text, &rooms, &tests, &["imports"], &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    const GOOD: &str = "| `home` | the light |\n| `units` | quantities |\n\
        **Invariant:** the light is derived (`home::light::tests::light_is_derived`).\n\
        **Invariant:** no daemon imports another (`tidy: imports`).\n";

    #[test]
    fn a_true_map_passes() {
        assert_eq!(found(Some(GOOD)), Vec::<String>::new());
    }

    #[test]
    fn a_missing_map_is_found() {
        assert!(found(None)[0].contains("there is no map"));
    }

    #[test]
    fn each_room_is_on_the_map_once() {
        let twice = format!("{GOOD}| `home` | again |\n");
        assert!(found(Some(&twice))[0].contains("`home` has 2 rows"));
        let none = GOOD.replace("| `home` | the light |\n", "");
        assert!(found(Some(&none))[0].contains("`home` has 0 rows"));
        let other = format!("{GOOD}| `attic` | nothing |\n");
        assert!(found(Some(&other))[0].contains("`attic` names no folder"));
    }

    #[test]
    fn an_invariant_without_its_test_is_found() {
        for proof in ["", "`light_is_invented`", "`tidy: fashion`"] {
            let text = format!("{GOOD}**Invariant:** no socket here {proof}.\n");
            let list = found(Some(&text));
            assert_eq!(list.len(), 1, "{proof}");
            assert!(list[0].starts_with("services/ARCHITECTURE.md:5:"));
        }
    }

    #[test]
    fn a_map_too_long_to_read_is_found() {
        let text = format!("{GOOD}{}", "\n".repeat(197));
        assert!(found(Some(&text))[0].contains("201 lines"));
    }

    #[test]
    fn a_room_without_a_readme_is_found() {
        let mut findings = Vec::new();
        let paths = BTreeSet::from(["services/home/README.md"]);
        check_readmes(&BTreeSet::from(["home", "units"]), &paths, &mut findings);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].path, "services/units/README.md");
    }
}

//! The walls of the house, held by a machine: `cargo xtask tidy` reads the whole tree in well
//! under two seconds and names each line that breaks a rule, with what to do instead.
//!
//! One thread, no state; the only program it starts is `cargo metadata`, without the network.
//! [`deny`] is apart: it asks `cargo-deny` about the libraries of others and may have to build
//! that first.
mod code_alone;
pub(crate) mod deny;
mod finding;
mod rooms;
mod rules;
mod source;
mod tree;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

pub(crate) use finding::{Finding, Findings};
use rules::{
    architecture, attributes, banned_code, files, header, imports, length, machine_purity,
    manifests, names, plain_text, unit_files,
};
use source::RustFile;
use tree::TreeFile;

/// Every rule by its name. An invariant of the map may name one as its proof.
pub(crate) const RULES: [&str; 12] = [
    architecture::RULE,
    attributes::RULE,
    banned_code::RULE,
    files::RULE,
    header::RULE,
    imports::RULE,
    length::RULE,
    machine_purity::RULE,
    manifests::RULE,
    names::RULE,
    plain_text::RULE,
    unit_files::RULE,
];

/// Files without Rust in them whose lines still carry our promises.
const TEXT_ENDINGS: [&str; 6] = [".rs", ".toml", ".md", ".service", ".conf", ".network"];

/// Holds every rule against the tree below `root`.
///
/// # Errors
/// A file that cannot be read, or a manifest that cargo refuses.
pub(crate) fn run(root: &Path) -> anyhow::Result<Findings> {
    let tree = tree::read(root)?;
    let mut findings = imports::check(&cargo_metadata(root)?)?;
    check_tree(&tree, &mut findings);
    Ok(Findings::new(findings))
}

/// Every rule that needs nothing but the files.
fn check_tree(tree: &[TreeFile], findings: &mut Vec<Finding>) {
    let mut tests = BTreeSet::new();
    unit_files::check(tree, findings);
    // A link's text is read at the file it leads to.
    for file in tree.iter().filter(|file| !file.is_link) {
        names::check_path(file, findings);
        files::check(file, findings);
        plain_text::check(file, findings);
        let Some(text) = &file.text else {
            continue;
        };
        if TEXT_ENDINGS.iter().any(|ending| file.path.ends_with(ending)) {
            banned_code::check_marks(&file.path, text, findings);
        }
    }
    for rust in rust_files(tree) {
        check_rust(&rust, findings);
        let functions = rust.functions().into_iter();
        tests.extend(functions.filter(|f| f.is_test).map(|f| f.name));
    }
    check_manifests(tree, findings);
    check_map(tree, &tests, findings);
}

/// Every Rust file, each knowing what in it only tests are built from.
fn rust_files(tree: &[TreeFile]) -> Vec<RustFile> {
    let mut files: Vec<_> = tree
        .iter()
        .filter(|file| file.path.ends_with(".rs") && !file.is_link)
        .filter_map(|file| Some(RustFile::new(&file.path, file.text.as_deref()?)))
        .collect();
    let test_modules: Vec<_> = files.iter().flat_map(RustFile::test_modules).collect();
    for file in &mut files {
        let own = file.path.trim_end_matches(".rs").trim_end_matches("/mod").to_owned();
        let is_inside = |module: &String| {
            own.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if test_modules.iter().any(is_inside) {
            file.mark_all_tests();
        }
    }
    files
}

fn check_rust(file: &RustFile, findings: &mut Vec<Finding>) {
    header::check(file, findings);
    length::check(file, findings);
    names::check_modules(file, findings);
    attributes::check(file, findings);
    banned_code::check(file, findings);
    machine_purity::check(file, findings);
}

fn check_manifests(tree: &[TreeFile], findings: &mut Vec<Finding>) {
    let manifests = || {
        tree.iter()
            .filter(|file| file.name() == "Cargo.toml")
            .filter_map(|file| Some((file.path.as_str(), file.text.as_deref()?)))
    };
    let members: Vec<_> =
        manifests().filter(|(path, _)| path.contains('/')).map(|(_, text)| text).collect();
    for (path, text) in manifests() {
        if path.contains('/') {
            manifests::check_member(path, text, findings);
            if text.lines().any(|line| line.trim() == "[workspace]") {
                manifests::check_root(path, text, &[text], findings);
            }
        } else {
            manifests::check_root(path, text, &members, findings);
        }
    }
}

fn check_map(tree: &[TreeFile], tests: &BTreeSet<String>, findings: &mut Vec<Finding>) {
    let paths: BTreeSet<_> = tree.iter().map(|file| file.path.as_str()).collect();
    let rooms: BTreeSet<_> = paths
        .iter()
        .filter_map(|path| path.strip_prefix("services/")?.split_once('/'))
        .map(|(room, _)| room)
        .collect();
    let map = tree.iter().find(|file| file.path == architecture::MAP);
    let map = map.and_then(|file| file.text.as_deref());
    architecture::check_map(map, &rooms, tests, &RULES, findings);
    architecture::check_readmes(&rooms, &paths, findings);
}

fn cargo_metadata(root: &Path) -> anyhow::Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .context("cannot start cargo, which reads the manifests")?;
    if !output.status.success() {
        bail!("cargo refuses a manifest:\n{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).context("cargo metadata gave an answer that is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::{TreeFile, check_tree};

    /// A small house in order: each test below breaks one thing in it.
    fn house() -> Vec<TreeFile> {
        vec![
            TreeFile::plain(
                "Cargo.toml",
                "[workspace]\nmembers = [\n    \"services/home\", # the light\n]\n",
            ),
            TreeFile::plain(
                "services/ARCHITECTURE.md",
                "| `home` | the light |\n\n**Invariant:** it shines (`it_shines`).\n",
            ),
            TreeFile::plain("services/home/Cargo.toml", "[lints]\nworkspace = true\n"),
            TreeFile::plain("services/home/README.md", "# home\n"),
            TreeFile::plain(
                "services/home/src/lib.rs",
                "//! The light.\n#[test]\nfn it_shines() {}\n",
            ),
        ]
    }

    fn rules_broken(tree: &[TreeFile]) -> Vec<&'static str> {
        let mut findings = Vec::new();
        check_tree(tree, &mut findings);
        findings.iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn a_house_in_order_passes() {
        assert_eq!(rules_broken(&house()), Vec::<&str>::new());
    }

    #[test]
    fn each_rule_over_files_is_wired() {
        let long = format!("//! Long.\nfn long() {{\n{}}}\n", "    a();\n".repeat(80));
        let broken = [
            ("architecture", "services/attic/src/lib.rs", "//! Nobody's.\n"),
            ("attributes", "qemu-tests/src/a.rs", "//! A.\n#[allow(unused)]\nfn a() {}\n"),
            ("banned-code", "qemu-tests/src/a.rs", "//! A.\nfn a() { b.unwrap(); }\n"),
            ("files", "overlays/10-base/a", "#!/bin/sh\n"),
            ("header", "qemu-tests/src/a.rs", "fn a() {}\n"),
            ("length", "qemu-tests/src/a.rs", long.as_str()),
            ("machine-purity", "services/home/src/a.rs", "//! A.\nuse std::fs;\n"),
            ("manifests", "qemu-tests/Cargo.toml", "[package]\n"),
            ("names", "qemu-tests/src/utils.rs", "//! A.\n"),
            ("plain-text", "a.md", "a \n"),
            ("unit-files", "recipes/home/a.service", "[Service]\n"),
        ];
        for (rule, path, text) in broken {
            let mut tree = house();
            tree.push(TreeFile::plain(path, text));
            assert!(rules_broken(&tree).contains(&rule), "{rule}");
        }
    }

    #[test]
    fn a_file_that_only_tests_are_built_from_is_a_test() {
        let (module, code) = ("services/home/src/dish.rs", "//! A dish.\nfn a() { b.unwrap(); }\n");
        let declared = |declaration: &str| {
            let mut tree = house();
            tree.push(TreeFile::plain(module, code));
            let root = format!("//! Home.\n{declaration}\nmod dish;\n");
            tree.push(TreeFile::plain("services/home/src/main.rs", &root));
            rules_broken(&tree)
        };
        assert_eq!(declared(""), ["banned-code"]);
        assert!(declared("#[cfg(test)]").is_empty());
    }

    #[test]
    fn marks_of_unfinished_work_are_looked_for_outside_rust_too() {
        let mut tree = house();
        tree.push(TreeFile::plain("recipes/a.toml", concat!("# TO", "DO\n")));
        assert_eq!(rules_broken(&tree), ["banned-code"]);
    }
}

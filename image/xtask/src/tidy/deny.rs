//! What we take from others: `cargo-deny` holds `deny.toml` against the lock file. Licences,
//! sources and duplicates need no network; known vulnerabilities need the database of
//! rustsec.org, and when it cannot be fetched that is said, loudly, and the rest still counts.
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use serde::Deserialize;

use super::finding::{Finding, Findings};
use crate::output;

/// The rule's name in a finding.
const RULE: &str = "deny";

/// The file the findings are about.
const CONFIG: &str = "deny.toml";

/// The one version asked for: its answers are parsed here.
const VERSION: &str = "0.20.2";

/// Checks the lock file below `root`; `cache` is the folder that keeps what xtask fetched.
///
/// # Errors
/// `cargo-deny` can neither be found nor built, or gives an answer of another shape.
pub(crate) fn run(root: &Path, cache: &Path) -> anyhow::Result<Findings> {
    let program = installed(&cache.join("tools"))?;
    let answer = ask(&program, root, &["check", "bans", "licenses", "sources"])?;
    if let Some(trouble) = answer.trouble {
        bail!("cargo-deny could not read the dependencies: {trouble}");
    }
    let mut findings = answer.findings;
    findings.extend(advisories(|arguments| ask(&program, root, arguments))?);
    Ok(Findings::new(findings))
}

/// Known vulnerabilities: from the network, else from the copy fetched earlier, else not at all.
fn advisories(ask: impl Fn(&[&str]) -> anyhow::Result<Answer>) -> anyhow::Result<Vec<Finding>> {
    let fresh = ask(&["check", "advisories"])?;
    let Some(trouble) = fresh.trouble else {
        return Ok(fresh.findings);
    };
    let earlier = ask(&["--offline", "check", "advisories"])?;
    let (what, mut findings) = if earlier.trouble.is_none() {
        let what = "ADVISORIES MAY BE OLD: the database could not be fetched, an earlier copy \
                    was used";
        (what, earlier.findings)
    } else {
        ("ADVISORIES WERE NOT CHECKED: the database could not be fetched", Vec::new())
    };
    let what = format!("{what} ({trouble}); run again with a network");
    findings.push(Finding::question(CONFIG, 0, RULE, what));
    Ok(findings)
}

/// The program of the pinned version, built first where it is missing.
fn installed(tools: &Path) -> anyhow::Result<PathBuf> {
    let program = tools.join("bin/cargo-deny");
    let version = Command::new(&program).arg("--version").output();
    let expected = format!("cargo-deny {VERSION}");
    if version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == expected) {
        return Ok(program);
    }
    output::say(format!(
        "cargo-deny checks licences and known vulnerabilities of the libraries; it is built once, \
         into {}, in about four minutes on two cores.",
        tools.display()
    ));
    let _step = output::step(format!("Building cargo-deny {VERSION}"));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["install", "--quiet", "--locked", "--force", "--version", VERSION, "--root"])
        .arg(tools)
        .arg("cargo-deny")
        // A target folder of the caller's would keep 300 MB that nobody needs again.
        .env_remove("CARGO_TARGET_DIR")
        .status()
        .context("cannot start cargo, which builds cargo-deny")?;
    if !status.success() {
        bail!("cargo-deny {VERSION} could not be built; it needs crates.io and a C compiler (cc)");
    }
    Ok(program)
}

/// What one call of `cargo-deny` brought.
#[derive(Debug, Default)]
struct Answer {
    findings: Vec<Finding>,
    /// Why it could not check at all.
    trouble: Option<String>,
}

fn ask(program: &Path, root: &Path, arguments: &[&str]) -> anyhow::Result<Answer> {
    let output = Command::new(program)
        .args(["--format", "json", "--color", "never"])
        .args(arguments)
        .current_dir(root)
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let answer = parse(&text)?;
    let silent = answer.findings.is_empty() && answer.trouble.is_none();
    if silent && !output.status.success() {
        bail!("cargo-deny failed without saying why:\n{}", text.trim());
    }
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Record {
    Diagnostic {
        fields: Diagnostic,
    },
    Log {
        fields: Log,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Diagnostic {
    #[serde(default)]
    code: String,
    severity: String,
    message: String,
    #[serde(default)]
    graphs: Vec<Graph>,
}

#[derive(Deserialize)]
struct Graph {
    #[serde(rename = "Krate")]
    krate: Option<Krate>,
    #[serde(default)]
    parents: Vec<Self>,
}

#[derive(Deserialize)]
struct Krate {
    name: String,
    version: String,
}

#[derive(Deserialize)]
struct Log {
    level: String,
    message: String,
}

/// Reads the lines `cargo-deny --format json` writes.
fn parse(text: &str) -> anyhow::Result<Answer> {
    let mut answer = Answer::default();
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let record: Record = serde_json::from_str(line)
            .with_context(|| format!("cargo-deny wrote a line of another shape: {line}"))?;
        match record {
            Record::Diagnostic { fields } => answer.findings.extend(finding(&fields)),
            Record::Log { fields } if fields.level == "ERROR" => {
                // The first lines say what was tried, the last one says why it failed.
                let why = fields.message.trim().lines().next_back().unwrap_or_default();
                answer.trouble.get_or_insert(why.trim().to_owned());
            }
            Record::Log { .. } | Record::Other => {}
        }
    }
    Ok(answer)
}

/// Errors and warnings; helps and notes say only what was accepted.
fn finding(diagnostic: &Diagnostic) -> Option<Finding> {
    let Diagnostic { code, severity, message, graphs } = diagnostic;
    let crates: Vec<_> = graphs.iter().filter_map(described).collect();
    let crates =
        if crates.is_empty() { String::new() } else { format!(" ({})", crates.join("; ")) };
    let what = format!("{code}: {message}{crates}");
    match (severity.as_str(), code.as_str()) {
        // The list of licences is our policy, not an inventory.
        (_, "license-not-encountered") => None,
        ("error", _) => Some(Finding::wall(CONFIG, 0, RULE, what)),
        ("warning", _) => Some(Finding::question(CONFIG, 0, RULE, what)),
        _ => None,
    }
}

/// `syn 2.0.1, wanted by tracing-attributes 0.1.3`.
fn described(graph: &Graph) -> Option<String> {
    let spell = |krate: &Krate| format!("{} {}", krate.name, krate.version);
    let itself = spell(graph.krate.as_ref()?);
    let parents: Vec<_> =
        graph.parents.iter().filter_map(|parent| parent.krate.as_ref()).map(spell).collect();
    if parents.is_empty() {
        return Some(itself);
    }
    Some(format!("{itself}, wanted by {}", parents.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Answer, advisories, parse};
    use crate::tidy::finding::Weight;

    fn duplicate() -> String {
        let attributes = json!({ "Krate": { "name": "tracing-attributes", "version": "0.1.3" } });
        let old = json!({
            "Krate": { "name": "syn", "version": "2.0.1" },
            "parents": [attributes],
        });
        let new = json!({ "Krate": { "name": "syn", "version": "3.0.1" } });
        let fields = json!({
            "code": "duplicate",
            "graphs": [old, new],
            "labels": [],
            "message": "found 2 duplicate entries for crate 'syn'",
            "severity": "error",
        });
        json!({ "fields": fields, "type": "diagnostic" }).to_string()
    }

    fn unreachable() -> String {
        let message = "failed to fetch advisory database\nfatal: no such host\n";
        let fields = json!({ "level": "ERROR", "message": message });
        json!({ "fields": fields, "type": "log" }).to_string()
    }

    fn with_trouble() -> Answer {
        parse(&unreachable()).unwrap()
    }

    #[test]
    fn an_error_is_a_wall_and_names_who_wants_the_crate() {
        let answer = parse(&duplicate()).unwrap();
        assert_eq!(answer.findings.len(), 1);
        assert_eq!(answer.findings[0].weight, Weight::Wall);
        assert!(answer.findings[0].what.contains("syn 2.0.1, wanted by tracing-attributes 0.1.3"));
        assert_eq!(answer.trouble, None);
    }

    #[test]
    fn what_was_accepted_is_no_finding() {
        let fields = json!({ "code": "accepted", "message": "fine", "severity": "help" });
        let accepted = json!({ "fields": fields, "type": "diagnostic" });
        let summary = json!({ "fields": { "bans": { "errors": 0 } }, "type": "summary" });
        let text = format!("{accepted}\n{summary}\n");
        assert!(parse(&text).unwrap().findings.is_empty());
    }

    #[test]
    fn a_database_out_of_reach_is_said_and_fails_nothing() {
        let list = advisories(|_| Ok(with_trouble())).unwrap();
        assert_eq!(list.len(), 1);
        assert_eq!(list[0].weight, Weight::Question);
        assert!(list[0].what.starts_with("ADVISORIES WERE NOT CHECKED"));
        assert!(list[0].what.contains("no such host"));
    }

    #[test]
    fn an_earlier_copy_of_the_database_still_counts() {
        let ask = |arguments: &[&str]| {
            if arguments[0] == "--offline" { parse(&duplicate()) } else { Ok(with_trouble()) }
        };
        let list = advisories(ask).unwrap();
        assert_eq!(list[0].weight, Weight::Wall);
        assert!(list[1].what.starts_with("ADVISORIES MAY BE OLD"));
    }

    #[test]
    fn an_answer_of_another_shape_is_an_error() {
        assert!(parse(r#"{"type":"diagnostic","fields":{}}"#).is_err());
    }
}

//! Each service of a recipe runs as its own user inside the tightest sandbox that works. A key
//! that cannot be set is given up in the open, by a comment in the unit: `# No KEY=: why`.
use crate::tidy::finding::Finding;
use crate::tidy::tree::TreeFile;

/// The rule's name in a finding.
pub(in crate::tidy) const RULE: &str = "unit-files";

/// What every service sets, in the order of systemd.exec(5) and systemd.resource-control(5).
/// `systemd-analyze security` weighs all but the last two, which are bounds.
const SANDBOX: [&str; 23] = [
    "NoNewPrivileges",
    "CapabilityBoundingSet",
    "UMask",
    "ProtectSystem",
    "ProtectHome",
    "PrivateTmp",
    "PrivateDevices",
    "ProtectHostname",
    "ProtectClock",
    "ProtectKernelTunables",
    "ProtectKernelModules",
    "ProtectKernelLogs",
    "ProtectControlGroups",
    "ProtectProc",
    "RestrictAddressFamilies",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "LockPersonality",
    "SystemCallArchitectures",
    "SystemCallFilter",
    "MemoryMax",
    "TasksMax",
];

/// Reads one file of the tree; only services of recipes are looked at.
pub(in crate::tidy) fn check(file: &TreeFile, findings: &mut Vec<Finding>) {
    let (true, Some(text)) =
        (file.is_below("recipes/") && file.name().ends_with(".service"), &file.text)
    else {
        return;
    };
    let mut say = |what: String| findings.push(Finding::wall(&file.path, 0, RULE, what));
    if !(sets(text, "User") || sets(text, "DynamicUser") || gives_up(text, "User")) {
        say("no User=; give the service a user of its own, or write `# No User=: why`".to_owned());
    }
    let missing: Vec<_> = SANDBOX
        .into_iter()
        .filter(|key| !sets(text, key) && !gives_up(text, key))
        .map(|key| format!("{key}="))
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(" ");
        say(format!("the sandbox lacks {missing}; set each, or write `# No KEY=: why`"));
    }
    for (index, line) in text.lines().enumerate() {
        if let Some(rest) = line.trim().strip_prefix("# No ")
            && let Some((key, reason)) = rest.split_once('=')
            && !key.contains(' ')
            && reason.trim_start_matches(':').trim().is_empty()
        {
            let what = format!("{key}= is given up without a reason; write `# No {key}=: why`");
            findings.push(Finding::wall(&file.path, index + 1, RULE, what));
        }
    }
}

fn sets(text: &str, key: &str) -> bool {
    text.lines().any(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with('=')))
}

fn gives_up(text: &str, key: &str) -> bool {
    let mark = format!("# No {key}=");
    text.lines().any(|line| line.trim().starts_with(&mark))
}

#[cfg(test)]
mod tests {
    use super::{SANDBOX, TreeFile, check};

    fn found(path: &str, text: &str) -> Vec<String> {
        let file =
            TreeFile { path: path.to_owned(), text: Some(text.to_owned()), executable: false };
        let mut findings = Vec::new();
        check(&file, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    fn full() -> String {
        let keys = SANDBOX.map(|key| format!("{key}=yes\n")).concat();
        format!("[Service]\nUser=porchlight-home\n{keys}")
    }

    #[test]
    fn a_full_sandbox_passes() {
        assert!(found("recipes/home/porchlight-home.service", &full()).is_empty());
    }

    #[test]
    fn a_service_as_root_is_found() {
        let text = full().replace("User=porchlight-home\n", "");
        assert!(found("recipes/home/a.service", &text)[0].contains("no User="));
    }

    #[test]
    fn each_missing_key_is_named_at_once() {
        let text = full().replace("UMask=yes\n", "").replace("MemoryMax=yes\n", "");
        let list = found("recipes/home/a.service", &text);
        assert_eq!(list.len(), 1);
        assert!(list[0].contains("lacks UMask= MemoryMax=;"));
    }

    #[test]
    fn a_key_is_given_up_with_a_reason_only() {
        let text = full().replace("UMask=yes\n", "# No UMask=: the socket is for everybody\n");
        assert!(found("recipes/home/a.service", &text).is_empty());
        let text = full().replace("UMask=yes\n", "# No UMask=:\n");
        assert!(found("recipes/home/a.service", &text)[0].contains("without a reason"));
    }

    #[test]
    fn other_units_and_other_folders_pass() {
        assert!(found("recipes/home/porchlight-home.socket", "[Socket]\n").is_empty());
        assert!(found("overlays/10-base/a.service", "[Service]\n").is_empty());
    }
}

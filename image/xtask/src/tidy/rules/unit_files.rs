//! Each service of ours runs as its own user inside the tightest sandbox that works. A key that
//! cannot be set is given up in the open, by a comment in the unit: `# No KEY=: why`.
use crate::tidy::finding::Finding;
use crate::tidy::tree::TreeFile;

/// The rule's name in a finding.
pub(in crate::tidy) const RULE: &str = "unit-files";

/// Where our services are.
const FOLDERS: [&str; 2] = ["recipes/", "overlays/"];

/// Parts of the image that owners never get: for QEMU and for developers.
const NOT_FOR_OWNERS: [&str; 2] = ["overlays/80-qemu/", "overlays/90-dev/"];

/// What every service sets, in the order of systemd.exec(5) and systemd.resource-control(5):
/// any one key of each row. `systemd-analyze security` weighs all but the last two, which are
/// bounds.
const SANDBOX: [&[&str]; 24] = [
    &["User", "DynamicUser"],
    &["NoNewPrivileges"],
    &["CapabilityBoundingSet"],
    &["UMask"],
    &["ProtectSystem"],
    &["ProtectHome"],
    &["PrivateTmp"],
    // The second where one device is needed.
    &["PrivateDevices", "DevicePolicy"],
    &["ProtectHostname"],
    &["ProtectClock"],
    &["ProtectKernelTunables"],
    &["ProtectKernelModules"],
    &["ProtectKernelLogs"],
    &["ProtectControlGroups"],
    &["ProtectProc"],
    &["RestrictAddressFamilies"],
    &["RestrictNamespaces"],
    &["RestrictRealtime"],
    &["RestrictSUIDSGID"],
    &["LockPersonality"],
    &["SystemCallArchitectures"],
    &["SystemCallFilter"],
    &["MemoryMax"],
    &["TasksMax"],
];

/// Reads every service in the tree together with its drop-ins.
pub(in crate::tidy) fn check(tree: &[TreeFile], findings: &mut Vec<Finding>) {
    for file in tree.iter().filter(|file| is_our_service(file)) {
        let drop_ins = format!("{}.d/", file.path);
        let parts = std::iter::once(file)
            .chain(tree.iter().filter(|part| part.is_below(&drop_ins)))
            .filter_map(|part| part.text.as_deref());
        check_service(&file.path, &parts.collect::<Vec<_>>().join("\n"), findings);
    }
}

fn is_our_service(file: &TreeFile) -> bool {
    FOLDERS.iter().any(|folder| file.is_below(folder))
        && !NOT_FOR_OWNERS.iter().any(|folder| file.is_below(folder))
        && file.name().ends_with(".service")
        && !file.is_link
}

fn check_service(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let missing: Vec<_> = SANDBOX
        .iter()
        .filter(|keys| !keys.iter().any(|key| sets(text, key) || gives_up(text, key)))
        .map(|keys| keys.iter().map(|key| format!("{key}=")).collect::<Vec<_>>().join(" or "))
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        let what = format!("the sandbox lacks {missing}; set each, or write `# No KEY=: why`");
        findings.push(Finding::wall(path, 0, RULE, what));
    }
    for line in text.lines() {
        if let Some(rest) = line.trim().strip_prefix("# No ")
            && let Some((key, reason)) = rest.split_once('=')
            && !key.contains(' ')
            && reason.trim_start_matches(':').trim().is_empty()
        {
            let what = format!("{key}= is given up without a reason; write `# No {key}=: why`");
            findings.push(Finding::wall(path, 0, RULE, what));
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

    fn found_in(tree: &[TreeFile]) -> Vec<String> {
        let mut findings = Vec::new();
        check(tree, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    fn found(path: &str, text: &str) -> Vec<String> {
        found_in(&[TreeFile::plain(path, text)])
    }

    fn full() -> String {
        let keys = SANDBOX.map(|keys| format!("{}=yes\n", keys[0])).concat();
        format!("[Service]\n{keys}")
    }

    #[test]
    fn a_full_sandbox_passes() {
        assert!(found("recipes/home/home.service", &full()).is_empty());
    }

    #[test]
    fn a_service_as_root_is_found() {
        let text = full().replace("User=yes\n", "");
        assert!(found("recipes/home/a.service", &text)[0].contains("User= or DynamicUser=;"));
        assert_eq!(found("overlays/20-network/a.service", &text).len(), 1);
    }

    #[test]
    fn each_missing_key_is_named_at_once() {
        let text = full().replace("UMask=yes\n", "").replace("MemoryMax=yes\n", "");
        let list = found("recipes/home/a.service", &text);
        assert_eq!(list.len(), 1);
        assert!(list[0].contains("lacks UMask=, MemoryMax=;"));
    }

    #[test]
    fn what_a_drop_in_sets_is_set() {
        let unit = TreeFile::plain("recipes/home/a.service", "[Service]\n");
        let own = TreeFile::plain("recipes/home/a.service.d/10-sandbox.conf", &full());
        let others = TreeFile::plain("recipes/home/b.service.d/10-sandbox.conf", &full());
        assert!(found_in(&[unit.clone(), own]).is_empty());
        assert_eq!(found_in(&[unit, others]).len(), 1);
    }

    #[test]
    fn a_key_is_given_up_with_a_reason_only() {
        let text = full().replace("UMask=yes\n", "# No UMask=: the socket is for everybody\n");
        assert!(found("recipes/home/a.service", &text).is_empty());
        let text = full().replace("UMask=yes\n", "# No UMask=:\n");
        assert!(found("recipes/home/a.service", &text)[0].contains("without a reason"));
    }

    #[test]
    fn sockets_links_and_developers_tools_pass() {
        assert!(found("recipes/home/home.socket", "[Socket]\n").is_empty());
        assert!(found("overlays/90-dev/dev-shell.service", "[Service]\n").is_empty());
        let link = TreeFile::plain("overlays/10-base/wants/a.service", "[Service]\n");
        assert!(found_in(&[TreeFile { is_link: true, ..link }]).is_empty());
    }
}

//! Settings that are wrong are named by file, line and key, and nothing is started.

use std::process::Command;

use tunnel::shell::enrolment::Enrolment;
use tunnel::shell::keys::PublicKey;
use wan::shell::settings::Settings;
use wan::uplink::{BillingDay, Kind, Policy};

const PROGRAM: &str = env!("CARGO_BIN_EXE_wan");

#[test]
fn the_shipped_settings_name_the_uplinks_of_every_board() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shipped = root.join("recipes/wan/root/usr/share/porchlight/wan.toml");
    let shipped = std::fs::read_to_string(shipped).expect("the recipe has settings");
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let file = folder.path().join("wan.toml");
    for board in ["qemu-x86_64", "generic-x86_64"] {
        let card = root.join("hardware").join(board).join("board.toml");
        let card = card.display().to_string();
        let text = shipped.replace("/usr/share/porchlight/board.toml", &card);
        std::fs::write(&file, text).expect("the folder is ours");
        let settings = Settings::load(&file).expect("they are good");
        let said = settings.uplinks.iter().map(|u| (u.name.to_string(), u.kind, u.policy));
        let expected = [
            (String::from("broadband0"), Kind::Broadband, Policy::Primary),
            (String::from("starlink0"), Kind::Starlink, Policy::Secondary),
        ];
        assert_eq!(said.collect::<Vec<_>>(), expected, "{board}");
        assert_eq!(settings.probe.servers.len(), 2);
        assert_eq!(settings.dish.address, starlink::shell::follow::DISH);
    }
}

#[test]
fn an_uplink_of_the_settings_has_all_it_says() {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let file = folder.path().join("wan.toml");
    let text = "state = '/x'\ntime_zone = 'CET-1CEST,M3.5.0,M10.5.0/3'\n[[uplink]]\nname = 'lte0'\n\
                kind = 'cellular'\npolicy = 'backup'\nmetered = true\ncap_bytes = 5_000_000_000\n\
                billing_day = 31\n";
    std::fs::write(&file, text).expect("the folder is ours");
    let uplink = Settings::load(&file).expect("they are good").uplinks[0];
    assert_eq!(
        (uplink.kind, uplink.policy, uplink.metered),
        (Kind::Cellular, Policy::Backup, true)
    );
    assert_eq!(uplink.cap_bytes, Some(5_000_000_000));
    assert_eq!(Some(uplink.billing_day), BillingDay::new(31));
}

#[test]
fn bad_settings_are_named_and_nothing_is_started() {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let file = folder.path().join("wan.toml");
    let uplink = |rest: &str| {
        format!(
            "state = '/x'\n[[uplink]]\nname = 'wan0'\nkind = 'starlink'\npolicy = 'never'\n{rest}"
        )
    };
    let cases = [
        (String::new(), "wan.toml:1: missing field `state`"),
        (String::from("state = '/x'\n"), "wan.toml:1: uplink: no uplink: expected [[uplink]]"),
        (String::from("state = '/x'\nboard = '/nonexistent'\n"), "/nonexistent: cannot be read"),
        (uplink("colour = 1\n"), "wan.toml:6: colour: unknown field `colour`"),
        (uplink("billing_day = 32\n"), "32 is not a day from 1 to 31"),
        (uplink("cap_bytes = -1\n"), "wan.toml:6: cap_bytes: "),
        (uplink("[probe]\nservers = ['9.9.9.9']\n"), "\"9.9.9.9\" is not ADDRESS:PORT"),
        (uplink("[dish]\naddress = 'dish:9200'\n"), "\"dish:9200\" is not ADDRESS:PORT"),
        (uplink("[dish]\nport = 1\n"), "wan.toml:7: port: unknown field `port`"),
        (uplink("[probe]\nhost = 'No Host'\n"), "\"No Host\" is not a host name in lower case"),
        (uplink("[[uplink]]\nname = 'wan0'\nkind = 'starlink'\npolicy = 'never'\n"), "two uplinks"),
        (
            format!("time_zone = 'Europe/Oslo'\n{}", uplink("")),
            "time_zone: \"Europe/Oslo\" is no rule",
        ),
        (uplink("").replace("'never'", "'maybe'"), "unknown variant `maybe`"),
        (uplink("").replace("wan0", "wan/0"), "a port name is made of"),
        (
            uplink(&"[[uplink]]\nname = 'NAME'\nkind = 'starlink'\npolicy = 'never'\n".repeat(8)),
            "two",
        ),
    ];
    for (text, expected) in cases {
        std::fs::write(&file, &text).expect("the folder is ours");
        let mut command = Command::new(PROGRAM);
        command.arg("run").arg(&file).env_remove("JOURNAL_STREAM");
        let output = command.output().expect("the program is built");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{text}: {said}");
        assert!(said.contains(expected), "expected {expected:?} of {text:?}, got {said}");
    }
}

#[test]
fn the_command_line_explains_itself() {
    let run = |arguments: &[&str]| {
        Command::new(PROGRAM).args(arguments).output().expect("the program is built")
    };
    assert_eq!(run(&["fly"]).status.code(), Some(64));
    let help = run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&help.stdout).contains("wan join"));
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let state = folder.path().to_str().expect("it is text");
    assert_eq!(run(&["join", "--state", state, "two words"]).status.code(), Some(1));
    assert_eq!(run(&["join", "--state", state, "plr1.x"]).status.code(), Some(1));
    assert!(!folder.path().join("relay").exists(), "nothing is kept of what is wrong");
    let addresses = vec![String::from("192.0.2.200:443")];
    let line = Enrolment::try_new(PublicKey([7; 32]), [9; 16], addresses).expect("an address");
    let pasted = format!("porch wan join {line}");
    let words: Vec<_> = pasted.split(' ').collect();
    let join = [&["join", "--state", state], &words[..]].concat();
    assert_eq!(run(&join).status.code(), Some(0));
    assert!(folder.path().join("relay").exists());
}

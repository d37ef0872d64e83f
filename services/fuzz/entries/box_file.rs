//! A box's file on the relay, as an operator may have left it.

use std::path::Path;

use relay::register::{Entry, check_name, free_number, token_opens};

pub(crate) fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if check_name(&text).is_ok() {
        assert!(text.len() <= 32 && !text.contains(['/', '.']));
    }
    match daemon::settings::parse::<Entry>(Path::new("box.toml"), &text) {
        Ok(entry) => {
            let written = toml::to_string(&entry).expect("an entry is a table of plain values");
            let again = daemon::settings::parse(Path::new("box.toml"), &written);
            assert_eq!(again.ok().as_ref(), Some(&entry));
            assert!(free_number(std::slice::from_ref(&entry)).is_some());
            assert!(!token_opens(&entry, "", 0) || entry.token_sha256.as_deref() == Some(""));
        }
        Err(error) => assert!(error.to_string().starts_with("box.toml:"), "{error}"),
    }
}

//! Settings files: what is wrong is named by file, line and key, and no text makes it panic.

use std::path::Path;

use daemon::settings::{LONGEST_BYTES, SettingsError, load, parse};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Sample {
    count: u8,
    #[serde(default)]
    names: Vec<String>,
}

fn error_of(text: &str) -> String {
    parse::<Sample>(Path::new("sample.toml"), text).expect_err("it is wrong").to_string()
}

#[test]
fn good_settings_are_read() {
    let sample: Sample = parse(Path::new("x"), "# a comment\ncount = 7\nnames = ['a']\n").unwrap();
    assert_eq!(sample, Sample { count: 7, names: vec!["a".into()] });
}

#[test]
fn errors_name_the_file_the_line_the_key_and_the_expectation() {
    let starts = |text: &str, expected: &str| {
        let said = error_of(text);
        assert!(said.starts_with(expected), "{said:?} should start with {expected:?}");
    };
    starts("count = 7\ncuont = 8\n", "sample.toml:2: cuont: unknown field `cuont`, expected");
    starts("\ncount = 'seven'\n", "sample.toml:2: count: invalid type: string \"seven\", expected");
    starts("count = 256\n", "sample.toml:1: count: invalid value: integer `256`, expected u8");
    starts("names = []\n", "sample.toml:1: ");
    starts("count = \n", "sample.toml:1: count: ");
    assert!(error_of("").contains("missing field `count`"));
    assert!(!error_of("count = \n").contains('\n'), "an error is one line");
}

#[test]
fn files_that_cannot_be_settings_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.toml");
    assert!(matches!(load::<Sample>(&missing), Err(SettingsError::Read { .. })));
    let file = folder.path().join("sample.toml");
    let longest = usize::try_from(LONGEST_BYTES).unwrap();
    let padded = |length: usize| format!("count = 1\n{}", "#".repeat(length - "count = 1\n".len()));
    std::fs::write(&file, padded(longest)).unwrap();
    assert!(load::<Sample>(&file).is_ok());
    std::fs::write(&file, padded(longest + 1)).unwrap();
    assert!(matches!(load::<Sample>(&file), Err(SettingsError::TooLong { .. })));
    std::fs::write(&file, b"count = 1\nnames = ['\xff']\n").unwrap();
    let said = load::<Sample>(&file).unwrap_err().to_string();
    assert!(said.ends_with("sample.toml:2: this is not UTF-8 text"), "{said}");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_and_each_error_names_a_line_of_the_text(text in "\\PC*") {
        if let Err(SettingsError::Content { line, .. }) = parse::<Sample>(Path::new("x"), &text) {
            prop_assert!(line >= 1 && line <= text.lines().count() + 1);
        }
    }

    #[test]
    fn settings_cut_short_are_an_error_or_settings(cut in 0_usize..40) {
        let text = "count = 12\nnames = ['a', 'b']\n# an end\n";
        let _ = parse::<Sample>(Path::new("x"), &text[..cut.min(text.len())]);
    }
}

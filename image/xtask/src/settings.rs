//! Reads the TOML that people write, and answers mistakes with file, line, key and expectation.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use serde::de::DeserializeOwned;

/// Reads `path` into `T`.
///
/// # Errors
/// The file cannot be read, or it is not what `T` asks for; the message then reads like
/// `recipes/base.toml:7: unknown key "pakages": expected one of summary, packages`.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(path, &text)
}

/// Parses `text` as `T`; `name` is the file that the error names.
///
/// # Errors
/// As [`read`].
pub(crate) fn parse<T: DeserializeOwned>(name: &Path, text: &str) -> Result<T> {
    toml::from_str(text).map_err(|error| anyhow!("{}: {}", place(name, text, &error), say(&error)))
}

/// `file:line`, or the file alone where the parser knows no line.
fn place(name: &Path, text: &str, error: &toml::de::Error) -> String {
    let Some(span) = error.span() else { return name.display().to_string() };
    let before = &text.as_bytes()[..span.start.min(text.len())];
    let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
    format!("{}:{line}", name.display())
}

/// The parser's message in our words: the key first, then what is wrong and what was expected.
fn say(error: &toml::de::Error) -> String {
    let message = error.message().replace(['`', '\n'], "");
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let (key, expected) = rest.split_once(", ").unwrap_or((rest, "no key at all"));
        return format!("unknown key \"{key}\": {expected}");
    }
    if let Some(key) = message.strip_prefix("missing field ") {
        return format!("key \"{key}\" is missing");
    }
    match key_of(error) {
        Some(key) => format!("key \"{key}\": {message}"),
        None => message,
    }
}

/// The dotted key that the error is about. The parser tells it only in its own rendering, and
/// only when it has no source text to quote.
fn key_of(error: &toml::de::Error) -> Option<String> {
    let mut bare = error.clone();
    bare.set_input(None);
    let rendered = bare.to_string();
    let key = rendered.trim_end().rsplit_once("\nin `")?.1;
    Some(key.trim_end_matches('`').to_owned())
}

/// The names, without `.toml`, of the settings in a folder, sorted.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn names_in(folder: &Path) -> Result<Vec<String>> {
    let files =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names: Vec<String> = files
        .filter_map(|file| Some(file.ok()?.file_name().to_str()?.strip_suffix(".toml")?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "only its type matters here")]
        summary: String,
        #[expect(dead_code, reason = "only its type matters here")]
        packages: BTreeMap<String, std::num::NonZeroU8>,
    }

    fn complaint(text: &str) -> String {
        parse::<Sample>(Path::new("recipes/sample.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn unknown_key() {
        assert_eq!(
            complaint("summary = \"s\"\n\n[pakages]\na = 1\n"),
            "recipes/sample.toml:3: unknown key \"pakages\": expected summary or packages"
        );
    }

    #[test]
    fn missing_key() {
        assert_eq!(
            complaint("[packages]\na = 1\n"),
            "recipes/sample.toml:1: key \"summary\" is missing"
        );
    }

    #[test]
    fn wrong_type() {
        assert_eq!(
            complaint("summary = 3\n[packages]\n"),
            "recipes/sample.toml:1: key \"summary\": invalid type: integer 3, expected a string"
        );
    }

    #[test]
    fn impossible_value() {
        assert_eq!(
            complaint("summary = \"s\"\n[packages]\na = 1\nb = 0\n"),
            "recipes/sample.toml:4: key \"packages.b\": invalid value: integer 0, \
             expected a nonzero u8"
        );
    }

    #[test]
    fn not_toml_at_all() {
        let complaint = complaint("summary = \"s\"\n[packages\n");
        assert!(complaint.starts_with("recipes/sample.toml:2: "), "{complaint}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = read::<Sample>(Path::new("/nowhere/sample.toml")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read /nowhere/sample.toml");
    }
}

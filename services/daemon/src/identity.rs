//! Which image runs (os-release(5)).

use std::path::Path;

/// What the image says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `IMAGE_VERSION`, or `unknown`.
    pub version: String,
    /// `VARIANT_ID`: `gateway`, `dev`, or `unknown`.
    pub variant: String,
}

/// Reads `/etc/os-release`. A missing file or key gives `unknown`: the box serves the house also
/// when it does not know its own name.
#[must_use]
pub fn read() -> Identity {
    read_from(Path::new("/etc/os-release"))
}

fn read_from(file: &Path) -> Identity {
    parse(&std::fs::read_to_string(file).unwrap_or_default())
}

fn parse(text: &str) -> Identity {
    let value = |key: &str| {
        text.lines()
            .filter_map(|line| line.trim().split_once('='))
            .filter(|(name, _)| *name == key)
            .map(|(_, value)| value.trim_matches(['"', '\'']).to_owned())
            .next_back()
            .filter(|value| !value.is_empty())
            .unwrap_or_else(|| String::from("unknown"))
    };
    Identity { version: value("IMAGE_VERSION"), variant: value("VARIANT_ID") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_comments_are_understood() {
        let text = "# one\nID=debian\nIMAGE_VERSION=\"2026.11.23\"\nVARIANT_ID=dev\n";
        let expected = Identity { version: "2026.11.23".into(), variant: "dev".into() };
        assert_eq!(parse(text), expected);
    }

    #[test]
    fn a_missing_file_is_an_unknown_image() {
        let expected = Identity { version: "unknown".into(), variant: "unknown".into() };
        assert_eq!(read_from(Path::new("/nonexistent/os-release")), expected);
    }
}

//! Where Debian's archive is to be had: the mirrors that this machine is configured with, then
//! Debian's own.
//!
//! Hashes come from the lock and indexes carry Debian's signature, so plain HTTP is enough and
//! `https` entries are asked over `http`.

use std::path::Path;

use super::lock::Archive;

/// Asked last, or first where the machine has no mirror of its own: content from next door by
/// Debian's own name.
const DEFAULT: &str = "http://deb.debian.org/";

/// Base URLs in the order in which they are tried, without a slash at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mirrors {
    debian: Vec<String>,
    security: Vec<String>,
}

impl Mirrors {
    /// The mirrors of `/etc/apt`, then deb.debian.org.
    pub(crate) fn of_this_machine() -> Self {
        let mut texts = Vec::new();
        let mut sources = vec![Path::new("/etc/apt/sources.list").to_owned()];
        if let Ok(entries) = std::fs::read_dir("/etc/apt/sources.list.d") {
            sources.extend(entries.flatten().map(|entry| entry.path()));
        }
        sources[1..].sort();
        for path in sources {
            if let Ok(text) = std::fs::read_to_string(&path) {
                texts.push((path.extension().is_some_and(|e| e == "sources"), text));
            }
        }
        Self::from_sources(&texts)
    }

    /// The mirrors of some source files; the flag says that a text is in deb822 form.
    fn from_sources(texts: &[(bool, String)]) -> Self {
        let mut mirrors = Self::default();
        for (deb822, text) in texts {
            if *deb822 {
                for stanza in text.split("\n\n") {
                    mirrors.add_stanza(stanza);
                }
            } else {
                text.lines().for_each(|line| mirrors.add_line(line));
            }
        }
        for archive in [Archive::Debian, Archive::DebianSecurity] {
            mirrors.add_url(archive, &format!("{DEFAULT}{}", archive.name()));
        }
        mirrors
    }

    /// Exactly these mirrors, for tests that bring their own.
    #[cfg(test)]
    pub(crate) fn with(debian: &[&str], security: &[&str]) -> Self {
        let owned = |urls: &[&str]| urls.iter().map(|url| (*url).to_owned()).collect();
        Self { debian: owned(debian), security: owned(security) }
    }

    /// The base URLs of an archive, best first; never empty on a machine's own list.
    pub(crate) fn of(&self, archive: Archive) -> &[String] {
        match archive {
            Archive::Debian => &self.debian,
            Archive::DebianSecurity => &self.security,
        }
    }

    fn list(&mut self, archive: Archive) -> &mut Vec<String> {
        match archive {
            Archive::Debian => &mut self.debian,
            Archive::DebianSecurity => &mut self.security,
        }
    }

    /// A paragraph of sources.list(5)'s deb822 form. Continuation lines belong to their field.
    fn add_stanza(&mut self, stanza: &str) {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in stanza.lines().filter(|line| !line.starts_with('#')) {
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = fields.last_mut() {
                    value.push_str(line);
                }
            } else if let Some((name, value)) = line.split_once(':') {
                fields.push((name.to_ascii_lowercase(), value.to_owned()));
            }
        }
        let words = |name: &str| -> Vec<String> {
            let field = fields.iter().find(|(field, _)| field == name);
            field.map_or(Vec::new(), |(_, v)| v.split_whitespace().map(str::to_owned).collect())
        };
        let off = words("enabled").first().is_some_and(|v| matches!(&**v, "no" | "false"));
        if off || !words("types").iter().any(|kind| kind == "deb") {
            return;
        }
        for uri in words("uris") {
            for suite in words("suites") {
                self.add(&uri, &suite);
            }
        }
    }

    /// A line of sources.list(5)'s old form: `deb [option=value …] uri suite component …`.
    fn add_line(&mut self, line: &str) {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(rest) = line.strip_prefix("deb").filter(|r| r.starts_with([' ', '\t'])) else {
            return;
        };
        let rest = rest.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']').map_or("", |(_, after)| after),
            None => rest,
        };
        let mut words = rest.split_whitespace();
        if let (Some(uri), Some(suite)) = (words.next(), words.next()) {
            self.add(uri, suite);
        }
    }

    fn add(&mut self, uri: &str, suite: &str) {
        let Some(archive) = archive_of(suite) else { return };
        // apt-transport-mirror(1), which Debian's cloud images use: a file with a URI a line.
        let Some(list) = uri.strip_prefix("mirror+file:") else {
            return self.add_url(archive, uri);
        };
        let path = format!("/{}", list.trim_start_matches('/'));
        for line in std::fs::read_to_string(path).unwrap_or_default().lines() {
            self.add_url(archive, line.split_whitespace().next().unwrap_or_default());
        }
    }

    fn add_url(&mut self, archive: Archive, url: &str) {
        if let Some(("http" | "https", rest)) = url.split_once("://") {
            let url = format!("http://{}", rest.trim_end_matches('/'));
            let list = self.list(archive);
            if !list.contains(&url) {
                list.push(url);
            }
        }
    }
}

/// Which of Debian's archives a suite belongs to; `None` for what is not Debian's, such as
/// `cloud-sdk-bookworm` or `noble`.
fn archive_of(suite: &str) -> Option<Archive> {
    const RELEASES: [&str; 9] = [
        "bullseye",
        "bookworm",
        "trixie",
        "forky",
        "oldstable",
        "stable",
        "testing",
        "unstable",
        "sid",
    ];
    let (release, pocket) = suite.split_once(['-', '/']).unwrap_or((suite, ""));
    if !RELEASES.contains(&release) {
        return None;
    }
    match pocket {
        "" | "updates" if !suite.contains('/') => Some(Archive::Debian),
        "security" | "updates" => Some(Archive::DebianSecurity),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirrors(deb822: bool, text: &str) -> Mirrors {
        Mirrors::from_sources(&[(deb822, text.to_owned())])
    }

    #[test]
    fn deb822_with_a_foreign_repository_beside() {
        let found = mirrors(
            true,
            "Types: deb\n# a comment\nURIs: https://mirror.example/debian/\n\
             Suites: bookworm\n bookworm-updates\nComponents: main\n\n\
             Types: deb\nURIs: http://security.example/debian-security\n\
             Suites: bookworm-security\n\n\
             Types: deb\nURIs: https://deb.nodesource.com/node_20.x\nSuites: nodistro\n\n\
             Enabled: no\nTypes: deb\nURIs: http://off.example/debian\nSuites: bookworm\n",
        );
        let debian = ["http://mirror.example/debian", "http://deb.debian.org/debian"];
        assert_eq!(found.of(Archive::Debian), debian);
        assert_eq!(found.of(Archive::DebianSecurity)[0], "http://security.example/debian-security");
    }

    #[test]
    fn one_line_form() {
        let found = mirrors(
            false,
            "# deb http://no.example/debian trixie main\n\
             deb [arch=amd64 signed-by=/k.gpg] http://a.example/debian trixie main contrib\n\
             deb-src http://src.example/debian trixie main\n\
             deb cdrom:[Debian]/ trixie main\n\
             deb http://s.example/debian-security/ bullseye/updates main\n\
             deb https://packages.example/apt cloud-sdk-bookworm main\n",
        );
        assert_eq!(found.of(Archive::Debian)[0], "http://a.example/debian");
        assert_eq!(found.of(Archive::Debian).len(), 2);
        assert_eq!(found.of(Archive::DebianSecurity)[0], "http://s.example/debian-security");
        assert_eq!(found.of(Archive::DebianSecurity).len(), 2);
    }

    #[test]
    fn a_machine_without_debian_mirrors_asks_debian() {
        let found = mirrors(false, "deb http://archive.ubuntu.com/ubuntu noble main\n");
        assert_eq!(found.of(Archive::Debian), ["http://deb.debian.org/debian"]);
        assert_eq!(found.of(Archive::DebianSecurity), ["http://deb.debian.org/debian-security"]);
    }
    #[test]
    fn a_list_of_mirrors_in_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "https://a.example/debian\tpriority:1\nhttp://b.example/debian/\n")
            .unwrap();
        let uri = format!("mirror+file://{}", file.path().display());
        let found = mirrors(true, &format!("Types: deb deb-src\nURIs: {uri}\nSuites: trixie\n"));
        assert_eq!(
            found.of(Archive::Debian),
            ["http://a.example/debian", "http://b.example/debian", "http://deb.debian.org/debian"]
        );
    }
}
